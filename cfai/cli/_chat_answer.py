"""The answer to a question of a chat, as it comes. Ctrl-C stops the answer, and nothing else."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.cells import cell_len
from rich.status import Status

from cfai import ChatStream
from cfai.cli._answer import begin_reasoning, show_reasoning, shows_reasoning
from cfai.cli._chat_input import is_typed
from cfai.cli._errors import make_error_console
from cfai.cli._markdown import AnswerWriter


def show_waiting() -> Status:
    """Return what turns on a terminal until the answer begins; used with `with`."""
    return make_error_console().status("", spinner_style="dim")


def print_stream(stream: ChatStream[Any], writer: AnswerWriter, waiting: Status) -> None:
    """Print an answer while it comes: its reasoning in dim grey, where that is shown, and its text."""
    thoughts: _Wrapped | None = None
    try:
        for token in stream:
            if token.reasoning or token.text:
                waiting.stop()
            if token.reasoning and shows_reasoning():
                if thoughts is None:
                    writer.end()
                    begin_reasoning()
                    thoughts = _Wrapped()
                show_reasoning(thoughts.add(token.reasoning), end="")
            if token.text and thoughts is not None:
                show_reasoning(f"{thoughts.end()}\n")
                thoughts = None
            writer.write(token.text)
    finally:
        if thoughts is not None:
            show_reasoning(f"{thoughts.end()}\n", end="")


class _Wrapped:
    """Text that comes in pieces, with its lines broken between words. The last word waits for its end."""

    def __init__(self) -> None:
        self._column = 0
        self._last = ""

    def add(self, text: str) -> str:
        """Take a piece, and return what can be shown."""
        *words, self._last = re.split(r"(?<=\S)(?=\s)", self._last + text)
        return "".join(map(self._place, words))

    def end(self) -> str:
        """Return the last word."""
        return self._place(self._last.rstrip())

    def _place(self, word: str) -> str:
        """Return a word with the blanks before it, or in a new line if it does not fit."""
        if "\n" not in word and 0 < self._column > make_error_console().width - cell_len(word):
            word = f"\n{word.lstrip()}"
        _, newline, line = word.rpartition("\n")
        self._column = cell_len(line) + (0 if newline else self._column)
        return word


@contextmanager
def stop_on_ctrl_c() -> Generator[None]:
    """Let Ctrl-C raise `KeyboardInterrupt` once: a second one would hit what the first one has to end properly."""

    def stop(*_: object) -> NoReturn:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def hide_typing() -> Generator[None]:
    """Show nothing of what is typed meanwhile: it would stand in the middle of the answer. The next prompt takes it."""
    if sys.platform == "win32" or not is_typed():
        yield
        return
    import termios

    before = termios.tcgetattr(sys.stdin)
    hidden = [*before]
    hidden[3] = hidden[3] & ~termios.ECHO | termios.NOFLSH  # with which Ctrl-C does not throw it away
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, hidden)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
