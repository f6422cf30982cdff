"""An error in a cell: what is wrong and where, in five lines. The whole traceback is one click or `%tb` away."""

from __future__ import annotations

import linecache
import os
import sys
import textwrap
import traceback
from contextlib import suppress
from types import FrameType
from typing import Any

from cfai._display.html import escape_text
from cfai._display.shell import find_shell, shows_pages

_WIDTH = 92
"""Characters of a line: as many as a notebook shows beside its margins."""
_PLACE_WIDTH = 120
"""Characters of the user's own line, which is cut rather than broken."""
_MOST_LINES = 5
_SHELLS = ("IPython", "ipykernel")


def render_error(error: BaseException) -> list[str]:
    """Return the lines that IPython shows for an error; those of the whole traceback if it is asked for again.

    IPython calls it while it handles the error, and once more for `%tb`, when that is over.
    """
    shell = find_shell()
    if sys.exc_info()[1] is not error:
        return shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__, tb_offset=1)
    bold_red, grey, plain = ("", "", "") if os.environ.get("NO_COLOR") else ("\x1b[1;31m", "\x1b[90m", "\x1b[0m")
    place = [grey + line + plain for line in _find_place(shell, error)]
    ending = [] if shows_pages() else [f"{grey}%tb shows the whole traceback{plain}"]
    if not ending:
        _fold_traceback(shell, error)
    name = type(error).__name__
    first, *others = _wrap(f"{name}: {error}", _MOST_LINES - len(place) - len(ending))
    return [*place, f"{bold_red}{name}{plain}{first.removeprefix(name)}", *others, *ending]


def _wrap(message: str, count: int) -> list[str]:
    """Return a message in so many lines at most. Its end says what to do, so of a long one the middle goes."""
    lines = _break(message)
    if len(lines) <= count:
        return lines
    advice = message.find("What to do: ")
    end = lines[-1:] if advice < 0 else _break(message[advice:])[: count - 1]
    *begin, last = lines[: count - len(end)]
    return [*begin, f"{last[: _WIDTH - 2]} …", *end]


def _break(message: str) -> list[str]:
    return [part for line in message.splitlines() for part in textwrap.wrap(line, _WIDTH, break_on_hyphens=False)]


def _find_place(shell: Any, error: BaseException) -> list[str]:
    """Return the user's own line that led to an error: the last one before cfai was called."""
    place: list[str] = []
    for frame, number in traceback.walk_tb(error.__traceback__):
        package = _get_package(frame)
        if package == "cfai":
            break
        if package in _SHELLS:  # at the beginning, and where the line is a magic's
            place = []
        else:
            name = frame.f_code.co_filename
            with suppress(AttributeError, TypeError):  # IPython's own names for its cells
                name = " ".join(shell.compile.format_code_name(name) or (name,))
            line = linecache.getline(frame.f_code.co_filename, number).strip()
            place = [textwrap.shorten(f"{name}, line {number}: {line}", _PLACE_WIDTH, placeholder=" …")]
    return place


def _get_package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _fold_traceback(shell: Any, error: BaseException) -> None:
    """Show the whole traceback under the error, folded, once the cell is over."""
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None and _get_package(frames.tb_frame) in _SHELLS:
        frames = frames.tb_next  # those of the shell, which are the same for every cell
    whole = "".join(traceback.format_exception(type(error), error, frames))
    page = f'<details><summary style="color: gray">Traceback</summary><pre>{escape_text(whole)}</pre></details>'

    def publish(*_: Any) -> None:
        shell.events.unregister("post_run_cell", publish)
        shell.display_pub.publish({"text/html": page, "text/plain": "Traceback: %tb"})

    shell.events.register("post_run_cell", publish)
