"""The terminal while a chat is answered: what turns, what is typed, and Ctrl-C, which stops the answer alone."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

from rich.status import Status

from cfai.cli._chat_input import is_typed
from cfai.cli._errors import make_error_console


def show_waiting() -> Status:
    """Return what turns on a terminal until the answer begins; used with `with`."""
    return make_error_console().status("", spinner_style="dim")


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
