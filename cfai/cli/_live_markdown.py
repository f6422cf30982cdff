"""Markdown on a terminal while it comes.

A block of Markdown, such as a paragraph or a list, is drawn again and again while it grows. Once the next
one begins it is printed for good, so an answer that is longer than the screen is whole in the terminal's history. Of a
block that is taller than the screen, the last rows show while it grows.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Heading, Markdown, MarkdownElement
from rich.segment import Segment

from cfai._escape import escape_controls

_FRAME_SECONDS = 1 / 15
# HTML would be left out and images reduced to their captions: both stay as they were written, so that nothing is lost.
_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable("image")


class MarkdownWriter:
    """Prints Markdown on a terminal while it comes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._lines = ""
        """The lines that are whole, of the blocks that are not printed yet."""
        self._line = ""
        """The line that is still growing."""
        self._references: dict[str, Any] = {}
        """The addresses of links that were given apart from their text."""
        self._has_printed = False
        # Held while anything is drawn: of two threads that draw, one would take the other's rows away.
        self._lock = threading.Lock()
        self._drawn_at = 0.0
        self._late: threading.Timer | None = None
        """What draws the last tokens of a burst, when nothing follows them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def write(self, text: str) -> None:
        """Take a piece of text. The screen shows it within a fraction of a second, the first one at once."""
        if not text:
            return
        with self._lock:
            whole, newline, self._line = (self._line + text).rpartition("\n")
            if self._live is None:
                self._live = self._start()
            if newline:
                self._lines += _clean(whole + newline)
                self._print_finished()
            wait = self._drawn_at + _FRAME_SECONDS - time.monotonic()
            if wait <= 0:
                self._draw()
            elif self._late is None:
                self._late = threading.Timer(wait, self._draw_late)
                self._late.daemon = True
                self._late.start()

    def end(self) -> None:
        """Print what has come for good."""
        with self._lock:
            if self._live is None:
                return
            tokens = _parse(self._lines + _clean(self._line), self._references)
            self._lines = self._line = ""
            live, self._live = self._live, None
            try:
                self._print(tokens)
            finally:
                live.stop()

    def _start(self) -> Live:
        live = Live(
            _LastRows(self._list_pending),
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        live.start()
        return live

    def _draw(self) -> None:
        if self._live is not None:
            self._live.refresh()
            self._drawn_at = time.monotonic()

    def _draw_late(self) -> None:
        with self._lock:
            self._late = None
            self._draw()

    def _list_pending(self) -> _Blocks:
        """Return what has come of the blocks that are not printed yet."""
        tokens = _parse(self._lines + _clean(self._line), copy.deepcopy(self._references))
        return _Blocks(tokens, is_first=not self._has_printed)

    def _print_finished(self) -> None:
        """Print all blocks but the last: only that one can still change."""
        tokens = _parse(self._lines, self._references)
        last = max((at for at, token in enumerate(tokens) if _begins_block(token)), default=0)
        if last == 0:
            return
        first_line = (tokens[last].map or [0])[0]
        self._lines = "\n".join(self._lines.split("\n")[first_line:])
        self._print(tokens[:last])

    def _print(self, tokens: Sequence[Token]) -> None:
        if tokens:
            self._console.print(_Blocks(tokens, is_first=not self._has_printed), end="")
            self._has_printed = True


def _clean(text: str) -> str:
    return escape_controls(text.replace("\r\n", "\n"))


def _parse(text: str, references: dict[str, Any]) -> list[Token]:
    """Return the tokens of Markdown. A line break in a paragraph stays one, as in a chat."""
    tokens = _PARSER.parse(text, references)
    for token in tokens:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
    return tokens


class _LeftHeading(Heading):
    """A heading at the left, of one line."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text


class _Block(Markdown):
    """A block that is parsed already."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {**Markdown.elements, "heading_open": _LeftHeading}

    def __init__(self, tokens: Sequence[Token]) -> None:
        # An address stands behind the text of its link: what a click would open is in sight.
        super().__init__("", code_theme="ansi_dark", hyperlinks=False)
        self.parsed = list(tokens)


class _Blocks:
    """Blocks with an empty row between them, and before the first unless nothing stands above."""

    def __init__(self, tokens: Sequence[Token], *, is_first: bool) -> None:
        ends = [at for at, token in enumerate(tokens) if _begins_block(token)] + [len(tokens)]
        self._blocks = [_Block(tokens[begin:end]) for begin, end in pairwise(ends)]
        self._is_first = is_first

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for number, block in enumerate(self._blocks):
            # Of itself some have empty rows around them, and all are filled with blanks to the right.
            rows = [_strip(row) for row in console.render_lines(block, options, pad=False)]
            full = [at for at, row in enumerate(rows) if row]
            if number or not self._is_first:
                yield Segment.line()
            for row in rows[full[0] : full[-1] + 1] if full else ():
                yield from row
                yield Segment.line()


def _begins_block(token: Token) -> bool:
    return token.level == 0 and token.nesting >= 0


def _strip(row: Sequence[Segment]) -> list[Segment]:
    """Return a row without the blanks at its end."""
    length = max((at for at, segment in enumerate(row, 1) if segment.text.strip()), default=0)
    kept = list(row[:length])
    return [*kept[:-1], kept[-1]._replace(text=kept[-1].text.rstrip())] if kept else []


class _LastRows:
    """As many of the last rows of what is to be drawn as fit the screen."""

    def __init__(self, list_blocks: Callable[[], _Blocks]) -> None:
        self._list_blocks = list_blocks

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = console.render_lines(self._list_blocks(), options, pad=False)
        for row in rows[-max(1, console.size.height - 1) :]:
            yield from row
            yield Segment.line()
