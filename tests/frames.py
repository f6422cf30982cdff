"""What a tool that prints the variables of frames shows of an error."""

from __future__ import annotations

import os
import traceback
from typing import Any

import cfai

PACKAGE = os.path.dirname(cfai.__file__) + os.sep


def list_errors(error: BaseException) -> list[BaseException]:
    """Return an error, its cause, what it was raised in, and so on."""
    errors = [error]
    for each in errors:  # which grows
        errors += [other for other in (each.__cause__, each.__context__) if other is not None and other not in errors]
    return errors


def show_error(error: BaseException) -> str:
    """Return all that an error and its causes say, and the variables of cfai's frames in their tracebacks."""
    shown: list[str] = []
    for each in list_errors(error):
        shown += [str(each), repr(each), show(vars(each))]
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if frame.f_code.co_filename.startswith(PACKAGE):
                shown += [f"{frame.f_code.co_name}: {name} = {show(value)}" for name, value in frame.f_locals.items()]
    return "\n".join(shown)


def show(value: Any, depth: int = 4) -> str:
    """Return a value and the items in it, as they show themselves."""
    try:
        shown = f"{value!r} {value}"
    except Exception:
        shown = ""
    if isinstance(value, dict) and depth:
        shown += "".join(show(key, depth - 1) + show(item, depth - 1) for key, item in value.items())
    elif isinstance(value, list | tuple | set | frozenset) and depth:
        shown += "".join(show(item, depth - 1) for item in value)
    return shown
