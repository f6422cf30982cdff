"""A program on a terminal whose screen can be looked at."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass

import pyte


@dataclass(frozen=True, slots=True)
class Screen:
    """What a terminal shows once its program has ended."""

    code: int
    history: list[str]
    """The rows that have scrolled away at the top, without the blanks at their ends."""
    rows: list[str]
    """The rows in sight."""
    written: bytes
    """All that was written, as it was."""

    @property
    def text(self) -> str:
        """Return all rows, those in the history first."""
        return "\n".join([*self.history, *self.rows]).rstrip()


def run_on_screen(
    *arguments: str, columns: int = 60, rows: int = 12, environment: Mapping[str, str] | None = None
) -> Screen:
    """Run `python` with arguments on a terminal of a size, to its end."""
    end, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    taken = ("COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "TTY_COMPATIBLE")
    inherited = {name: value for name, value in os.environ.items() if name not in taken}
    own = {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **(environment or {})}
    screen = pyte.HistoryScreen(columns, rows, history=10_000, ratio=1)
    stream, written = pyte.ByteStream(screen), b""
    with subprocess.Popen(
        [sys.executable, *arguments], env=inherited | own, stdin=terminal, stdout=terminal, stderr=terminal
    ) as program:
        os.close(terminal)
        try:
            while piece := os.read(end, 65536):
                written += piece
                stream.feed(piece)
        except OSError:
            pass  # how a terminal ends
    os.close(end)
    history = ["".join(row[column].data for column in range(columns)).rstrip() for row in screen.history.top]
    return Screen(program.returncode, history, [row.rstrip() for row in screen.display], written)
