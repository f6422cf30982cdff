"""The text of an answer as it comes: Markdown on a terminal, plain text everywhere else."""

from __future__ import annotations

import sys
from typing import Protocol, Self

from cfai.cli._terminal import write


class AnswerWriter(Protocol):
    """Something that prints an answer piece by piece; used with `with`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def write(self, text: str) -> None:
        """Print a piece of text."""
        ...

    def end(self) -> None:
        """Print what is still held back, and end the line. More may be written behind it."""
        ...


def make_writer(*, is_plain: bool = False) -> AnswerWriter:
    """Return what prints an answer on standard output: Markdown on a terminal, unless it `is_plain`.

    A terminal without colours (`NO_COLOR`) or without a cursor (`TERM=dumb`) gets plain text.
    """
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False)
    is_drawn = sys.stdout.isatty() and console.is_terminal and not console.is_dumb_terminal and not console.no_color
    if is_plain or not is_drawn:
        return PlainWriter()
    from cfai.cli._live_markdown import MarkdownWriter  # a tenth of a second, which nobody else pays

    return MarkdownWriter(console)


class PlainWriter:
    """Prints text as it is; on a terminal, with its control characters as escapes."""

    def __init__(self) -> None:
        self._is_in_line = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def write(self, text: str) -> None:
        """Print a piece of text at once."""
        if text:
            write(text)
            self._is_in_line = True

    def end(self) -> None:
        """End the line, if anything was written."""
        if self._is_in_line:
            write("\n")
            self._is_in_line = False
