"""Imports and reads of the first call, which take a tenth of a second.

An event loop does not stand still for it: `arun` does it in a thread. A fork waits for it: the child would inherit the
locks of imports that are under way, and nobody there would release them.
"""

from __future__ import annotations

import os
import threading

from cfai import models, tokens, types

has_preloaded = threading.Event()

fork_lock = threading.RLock()
"""Held while modules are imported that a call needs."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=fork_lock.acquire, after_in_parent=fork_lock.release, after_in_child=fork_lock.release)


def preload() -> None:
    """Import and read what calls need beside what `import cfai` has loaded."""
    with fork_lock:
        from cfai.models import schemas

        models.catalogue()
        schemas.load()
        tokens.load()
        _ = types.TextOutput
        has_preloaded.set()
