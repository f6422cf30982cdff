"""The IPython that runs this program, if one does."""

from __future__ import annotations

import sys
from typing import Any


def find_shell() -> Any:
    """Return the shell of IPython that this program runs in; `None` elsewhere."""
    module = sys.modules.get("IPython")
    return None if module is None else module.get_ipython()


def shows_pages() -> bool:
    """Return True in a notebook, and False where text is all that can be shown, as in a terminal."""
    shell = find_shell()
    return shell is not None and "text/html" in shell.display_formatter.active_types
