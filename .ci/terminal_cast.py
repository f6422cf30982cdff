"""Films of a terminal: a real program runs in one, and what its screen showed becomes a moving picture in SVG.

The picture has no script, so that it moves in an `img` of a README: every piece of a line appears at its time by a CSS
animation. Whoever asks for less motion, and what cannot animate, sees the last screen.
"""

from __future__ import annotations

import fcntl
import html
import os
import pty
import random
import select
import shlex
import struct
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyte

COLUMNS, ROWS = 94, 24
FRAME = 0.04
"""Seconds that a screen is shown at least."""
HOLD = 5.0
"""Seconds that the last screen stands before the film begins again."""

_FONT_SIZE, _WIDTH, _HEIGHT, _MARGIN, _BAR = 14, 8.43, 20, 18, 34
_COLORS = {
    "default": "#e6e8eb",
    "black": "#4b5058",
    "brightblack": "#878f99",
    "red": "#ff7b72",
    "green": "#7ee787",
    "brown": "#f0b866",  # what pyte calls yellow
    "blue": "#79b8ff",
    "magenta": "#d2a8ff",
    "cyan": "#76e3ea",
    "white": "#ffffff",
}
_GREY = 90
"""The color of faint text, which the model of a terminal does not know."""


class Run(NamedTuple):
    """A piece of a line in one style."""

    column: int
    text: str
    style: str


class Piece(NamedTuple):
    """A run of a row, and the seconds at which it comes and goes."""

    row: int
    run: Run
    start: float
    end: float | None


@dataclass
class Film:
    """What a screen showed, piece by piece."""

    pieces: list[Piece] = field(default_factory=list)
    cursors: list[tuple[float, int, int]] = field(default_factory=list)
    """Seconds, column and row; the column is -1 while the cursor is hidden."""
    seconds: float = 0


class Screen(pyte.Screen):
    """A screen whose faint text is grey."""

    def select_graphic_rendition(self, *attributes: int, **options: bool) -> None:
        super().select_graphic_rendition(*[_GREY if each == 2 else each for each in attributes], **options)

    def runs(self, row: int) -> list[Run]:
        """Return the runs of a row, without the blanks at its end."""
        cells = [self.buffer[row][column] for column in range(self.columns)]
        while cells and cells[-1].data == " " and not cells[-1].reverse:
            cells.pop()
        runs: list[Run] = []
        for column, cell in enumerate(cells):
            style = _style(cell)
            if runs and runs[-1].style == style:
                runs[-1] = runs[-1]._replace(text=runs[-1].text + cell.data)
            else:
                runs.append(Run(column, cell.data, style))
        return runs


def _style(cell: pyte.screens.Char) -> str:
    color = _COLORS.get(cell.fg) or (f"#{cell.fg}" if len(cell.fg) == 6 else _COLORS["default"])
    style = "" if color == _COLORS["default"] else f"fill:{color}"
    for wanted, css in ((cell.bold, "font-weight:700"), (cell.italics, "font-style:italic")):
        style += f";{css}" if wanted else ""
    return style.strip(";")


def record(command: str) -> Iterator[tuple[float, bytes]]:
    """Run a command line of `cfai` in a terminal, and give what it writes with the seconds since its start."""
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = [sys.executable, "-m", "cfai.cli", *shlex.split(command)[1:]]
        os.execve(sys.executable, arguments, {**os.environ, "TERM": "xterm-256color"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    started = time.monotonic()
    while True:
        select.select([terminal], [], [])
        try:
            written = os.read(terminal, 65536)
        except OSError:  # the program has ended
            break
        yield time.monotonic() - started, written
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1, 2):  # 1 and 2 are of errors that were told
        raise SystemExit(f"{command} ended with {status}")


def type_line(line: str) -> Iterator[tuple[float, bytes]]:
    """Give the characters of a line as somebody types them, with their seconds."""
    chance = random.Random(line)
    seconds = 0.6
    yield 0.0, b"\x1b[32m$\x1b[0m "
    for character in line:
        yield seconds, character.encode()
        seconds += chance.uniform(0.02, 0.055) + (0.04 if character == " " else 0)
    yield seconds + 0.35, b"\r\n"


def film(command: str) -> Film:
    """Return the film of a command that is typed, what it writes, and the prompt after it."""
    screen = Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    typed = list(type_line(command))
    pressed = typed[-1][0]
    written = [(pressed + seconds, text) for seconds, text in record(command)]
    events = [*typed, *written, (written[-1][0] + 0.05, b"\x1b[32m$\x1b[0m ")]
    result = Film(seconds=events[-1][0] + HOLD)
    shown: list[list[Piece]] = [[] for _ in range(ROWS)]
    while events:
        seconds = events[0][0]
        while events and events[0][0] < seconds + FRAME:
            stream.feed(events.pop(0)[1])
        for row in range(ROWS):
            shown[row] = _update(result, shown[row], row, screen.runs(row), seconds)
        cursor = screen.cursor
        result.cursors.append((seconds, -1 if cursor.hidden else cursor.x, cursor.y))
    result.pieces += [piece for pieces in shown for piece in pieces]
    return result


def _update(film: Film, shown: list[Piece], row: int, runs: list[Run], seconds: float) -> list[Piece]:
    """Return the pieces of a row after a change: what was there stays if the row only grew, else it is set anew."""
    before = _cells(piece.run for piece in shown)
    now = _cells(runs)
    if before == now:
        return shown
    if now[: len(before)] != before:
        film.pieces += [piece._replace(end=seconds) for piece in shown]
        shown, before = [], []
    grown: list[Run] = []
    for run in runs:
        cut = max(len(before) - run.column, 0)
        if text := run.text[cut:]:
            grown.append(Run(run.column + cut, text, run.style))
    return [*shown, *(Piece(row, run, seconds, None) for run in grown)]


def _cells(runs: Iterator[Run] | list[Run]) -> list[tuple[str, str]]:
    return [(character, run.style) for run in runs for character in run.text]


def to_svg(film: Film, title: str) -> str:
    """Return a film as a picture of a terminal's window, which is as high as it needs."""
    rows = 1 + max(piece.row for piece in film.pieces)
    names: dict[str, str] = {}
    rules: list[str] = []

    def name(rule: str) -> str:
        if rule not in names:
            names[rule] = f"a{len(names)}"
            rules.append(f"@keyframes {names[rule]}{{{rule}}}.{names[rule]}{{animation-name:{names[rule]}}}")
        return names[rule]

    def percent(seconds: float) -> str:
        return f"{100 * seconds / film.seconds:.2f}%"

    styles = sorted({piece.run.style for piece in film.pieces} - {""})
    rules += [f".s{number}{{{style}}}" for number, style in enumerate(styles)]
    texts: list[str] = []
    for piece in sorted(film.pieces, key=lambda piece: (piece.row, piece.start, piece.run.column)):
        text = piece.run.text
        left = len(text) - len(text.lstrip(" "))
        column, text = piece.run.column + left, text.strip(" ")
        if not text:
            continue
        rule = f"0%{{visibility:hidden}}{percent(piece.start)}{{visibility:visible}}"
        if piece.end is not None:
            rule += f"{percent(piece.end)}{{visibility:hidden}}"
        classes = [name(rule)] if piece.start > 0 or piece.end is not None else []
        classes += [f"s{styles.index(piece.run.style)}"] if piece.run.style else []
        classes += ["gone"] if piece.end is not None else []
        x, y = _MARGIN + column * _WIDTH, _BAR + _MARGIN + piece.row * _HEIGHT
        texts.append(
            f'<text class="{" ".join(classes)}" x="{x:.1f}" y="{y}" textLength="{len(text) * _WIDTH:.1f}">'
            f"{html.escape(text, quote=False)}</text>"
        )
    moves = "".join(
        f"{percent(seconds)}{{{_move(column, row)}}}" for seconds, column, row in film.cursors if seconds < film.seconds
    )
    _, last_column, last_row = film.cursors[-1]
    width, height = 2 * _MARGIN + COLUMNS * _WIDTH, _BAR + 2 * _MARGIN + (rows - 1) * _HEIGHT
    return _SVG.format(
        width=round(width),
        height=height,
        inner_width=round(width) - 2,
        inner_height=height - 2,
        middle=round(width / 2),
        title=html.escape(title),
        seconds=f"{film.seconds:.2f}",
        size=_FONT_SIZE,
        default=_COLORS["default"],
        grey=_COLORS["brightblack"],
        rules="\n".join(rules),
        moves=moves,
        last=_move(last_column, last_row),
        texts="\n".join(texts),
    )


def _move(column: int, row: int) -> str:
    if column < 0:
        return "opacity:0"
    x, y = _MARGIN + column * _WIDTH, _BAR + _MARGIN + row * _HEIGHT - 13
    return f"opacity:1;transform:translate({x:.1f}px,{y}px)"


_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>{title}</title>
<style>
text{{font:{size}px ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono","DejaVu Sans Mono",monospace;\
fill:{default};white-space:pre}}
text,#cursor{{animation:{seconds}s step-end infinite}}
.gone{{visibility:hidden}}
{rules}
@keyframes cursor{{{moves}}}
#cursor{{animation-name:cursor;{last};fill:{default};fill-opacity:.7}}
@media(prefers-reduced-motion:reduce){{text,#cursor{{animation:none}}}}
</style>
<rect x="1" y="1" width="{inner_width}" height="{inner_height}" rx="10" fill="#16191f" stroke="#3a404a"/>
<g fill="#ff5f57"><circle cx="20" cy="19" r="6"/></g><g fill="#febc2e"><circle cx="40" cy="19" r="6"/></g>\
<g fill="#28c840"><circle cx="60" cy="19" r="6"/></g>
<text x="{middle}" y="23" text-anchor="middle" style="font-size:12px;fill:{grey};animation:none">cfai</text>
{texts}
<rect id="cursor" width="8" height="16" rx="1"/>
</svg>
"""


def save(path: Path, command: str) -> None:
    """Write the film of a command, and say how large it is."""
    picture = to_svg(film(command), command)
    path.write_text(picture, "utf-8")
    print(f"{path.name}: {len(picture) // 1024} kB")
