"""The IPython that runs this program, if one does."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def find_shell() -> Any:
    """Return the shell of IPython that this program runs in; `None` elsewhere."""
    module = sys.modules.get("IPython")
    return None if module is None else module.get_ipython()


def shows_pages() -> bool:
    """Return True in a notebook, and False where text is all that can be shown, as in a terminal."""
    shell = find_shell()
    return shell is not None and "text/html" in shell.display_formatter.active_types


def open_display(page: dict[str, str]) -> Any:
    """Show something in a notebook, by media type, and return the handle that changes it."""
    return show(page, raw=True, display_id=True)


def show(value: Any, **options: Any) -> Any:
    """Show a value as IPython's own `display` does."""
    return vars(import_module("IPython.display"))["display"](value, **options)
