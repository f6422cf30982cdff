"""Streams that are the value of a cell: they grow where they stand."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from cfai._display.html import escape_text
from cfai._display.markdown import render_answer
from cfai._display.shell import find_shell, shows_pages
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
        from IPython.display import display  # pyright: ignore[reportMissingImports]

        self._stream = stream
        self._next = 0.0
        self._handle: Any = display(_render("", hint), raw=True, display_id=True)

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


def _render(text: str, thought: str) -> dict[str, str]:
    """Return a text as it stands, or while there is none what comes before it, in grey."""
    style = "white-space: pre-wrap" if text else "white-space: pre-wrap; color: gray"
    shown = text or thought
    return {"text/html": f'<div style="{style}">{escape_text(shown)}</div>', "text/plain": escape_controls(shown)}


def show_stream(stream: Any) -> None:
    """Read a stream to its end, and show it while it comes. Whatever breaks it is shown under what had come."""
    if not shows_pages():
        _print_stream(stream)
        return
    screen = _Screen(stream)
    with stream:  # an interrupt stops the model
        try:
            for _ in stream:
                screen.grow()
            screen.finish(stream.result())
        except KeyboardInterrupt:
            screen.break_off("stopped")
            raise
        except Exception:
            screen.break_off("broken off")
            find_shell().showtraceback()


def _print_stream(stream: Any) -> None:
    """Print a stream while it comes, where nothing can be shown but text."""
    with stream:
        try:
            for piece in stream:
                if isinstance(piece, bytes):
                    continue
                print(escape_controls(str(piece)), end="", flush=True)
            print()
            result = stream.result()
            if str(result) != stream.text:  # a sound, or an object
                print(repr(result))
        except Exception:
            print()
            find_shell().showtraceback()


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
