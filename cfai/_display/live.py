"""Streams that are the value of a cell: they grow where they stand."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from typing import Any

from cfai._display.html import escape_text
from cfai._display.markdown import render_answer
from cfai._display.shell import find_shell, open_display, shows_pages
from cfai._escape import escape_controls

_INTERVAL = 0.08
"""Seconds between two looks at least."""
_CHARACTERS_A_SECOND = 200_000
"""What is sent to the page at most: each look is the whole text, and notebooks drop what is more than 1 MB a second."""

_tasks: set[asyncio.Task[None]] = set()
"""The asynchronous streams that are growing: an event loop keeps no task alive by itself."""


class _Screen:
    """The place in a page where a stream is shown."""

    def __init__(self, stream: Any, hint: str = "") -> None:
        self._stream = stream
        self._next = 0.0
        self._handle = open_display(_render("", hint))

    def grow(self) -> None:
        """Show the text so far, unless it was shown just now."""
        now = time.monotonic()
        if now < self._next:
            return
        text, reasoning = self._stream._describe_growth()
        self._next = now + max(_INTERVAL, (len(text) + len(reasoning)) / _CHARACTERS_A_SECOND)
        self._handle.update(_render(text, reasoning), raw=True)

    def finish(self, result: Any) -> None:
        """Show the whole answer in place of the text."""
        self._handle.update(result)

    def break_off(self, reason: str) -> None:
        """Show what had come, and that it is not all."""
        text, reasoning = self._stream._describe_growth()
        page = render_answer(text, reason, reasoning=reasoning)
        self._handle.update({"text/markdown": page, "text/plain": escape_controls(text)}, raw=True)


class _StreamStopped(KeyboardInterrupt):
    """Ends the cell, and those below it, in one line: where the read was interrupted says nothing to its reader."""

    def _render_traceback_(self) -> list[str]:
        return ["KeyboardInterrupt: the stream was stopped"]


def _render(text: str, thought: str) -> dict[str, str]:
    """Return a text as it stands, or while there is none what comes before it, in grey."""
    style = "white-space: pre-wrap" if text else "white-space: pre-wrap; color: gray"
    shown = text or thought
    return {"text/html": f'<div style="{style}">{escape_text(shown)}</div>', "text/plain": escape_controls(shown)}


def show_stream(stream: Any) -> None:
    """Read a stream to its end, and show it while it comes. Whatever breaks it is shown under what had come."""
    try:
        read_stream(stream)
    except Exception:  # IPython would go on, and show the stream by its repr as well
        find_shell().showtraceback()


def read_stream(stream: Any) -> Any:
    """Read a stream to its end, show it while it comes, and return its result. Raises what breaks it."""
    with stream:  # an interrupt stops the model
        return _read_on_page(stream) if shows_pages() else _read_in_terminal(stream)


def _read_on_page(stream: Any) -> Any:
    screen = _Screen(stream)
    try:
        for _ in stream:
            screen.grow()
        result = stream.result()
    except KeyboardInterrupt:
        screen.break_off("stopped")
        raise _StreamStopped from None
    except BaseException:
        screen.break_off("broken off")
        raise
    screen.finish(result)
    return result


def _read_in_terminal(stream: Any) -> Any:
    """Print the text of a stream while it comes; of any other, what it comes to."""
    printed = ""
    try:
        for piece in stream:
            if not isinstance(piece, bytes) and not piece.choice:
                printed = piece.text or printed
                print(escape_controls(piece.text), end="", flush=True)
    finally:
        if printed:
            print()
    result = stream.result()
    if not printed:
        print(repr(result))
    return result


def ashow_stream(stream: Any) -> None:
    """Show an asynchronous stream while it comes, beside the cells that run meanwhile; its hint where no loop runs."""
    loop = None
    with suppress(RuntimeError):
        loop = asyncio.get_running_loop()
    if loop is None or not shows_pages():
        print(repr(stream))
        return
    task = loop.create_task(_agrow(stream, _Screen(stream, repr(stream))))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    _take_interrupts(loop)


def _take_interrupts(loop: asyncio.AbstractEventLoop) -> None:
    """Let an interrupt stop what grows while no cell runs, when a kernel ignores it. A cell that runs has its own."""
    handler = signal.getsignal(signal.SIGINT)
    with suppress(ValueError):  # only the main thread may set one
        if _tasks and handler is signal.SIG_IGN:
            signal.signal(signal.SIGINT, _stop_all)
        elif not _tasks and handler is _stop_all:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    if _tasks:  # a kernel sets it anew before and after each cell
        loop.call_later(_INTERVAL, _take_interrupts, loop)


def _stop_all(*_: Any) -> None:
    for task in _tasks:
        task.get_loop().call_soon_threadsafe(task.cancel)


async def _agrow(stream: Any, screen: _Screen) -> None:
    async with stream:
        try:
            async for _ in stream:
                screen.grow()
            screen.finish(await stream.aresult())
        except asyncio.CancelledError:
            screen.break_off("stopped")
            raise
        except Exception as error:  # there is no cell that it could be the error of
            screen.break_off(f"{type(error).__name__}: {error}")
