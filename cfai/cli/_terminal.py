"""Text of others on a terminal: no character of a model's or a service's text acts on it.

A stream that is no terminal gets the text as it is. Standard output and standard error are judged each by itself.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from cfai._escape import escape_controls

if TYPE_CHECKING:
    from rich.console import Console


def write(text: str) -> None:
    """Write text to standard output, at once."""
    sys.stdout.write(escape_for(sys.stdout, text))
    sys.stdout.flush()


def print_text(console: Console, text: str, style: str = "", end: str = "\n") -> None:
    """Print text in one style; no markup, emoji name or link in it is rich's."""
    from rich.segment import Segment, Segments

    shown = escape_controls(text) if console.is_terminal else escape_for(console.file, text)
    console.print(Segments([Segment(shown + end, console.get_style(style))]), end="")


def escape_for(stream: Any, text: str) -> str:
    """Return text as `stream` may have it."""
    return escape_controls(text) if stream.isatty() else text


def escape_logs() -> None:
    """Escape what is logged where nobody has set up logging."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_EscapingFormatter())


class _EscapingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return escape_for(sys.stderr, super().format(record))
