"""Tables, pictures and players, as HTML. All text that comes in is escaped."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from cfai._escape import escape_controls

_PLAYABLE = ("audio/aac", "audio/flac", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/wav", "audio/webm")
"""The types of sound that browsers play. Samples without a header are none of them."""


def escape_text(text: Any) -> str:
    """Return text as HTML that shows it."""
    return escape(escape_controls(str(text)))


def render_facts(facts: str) -> str:
    """Return the facts of a call as a small grey line; nothing if there are none."""
    return f'<small style="color: gray">{escape_text(facts)}</small>' if facts else ""


def render_table(
    headings: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Iterable[int] = (), unbroken: Iterable[int] = ()
) -> str:
    """Return a table. Columns of `numbers` stand to the right, and those that are `unbroken` in one line.

    Notebooks put words to the right, as if they were numbers, and break names at their hyphens: so each cell has its
    style.
    """
    right, in_one_line = {*numbers}, {*unbroken}
    styles = [
        f"text-align: {'right' if column in right else 'left'}"
        f"{'; white-space: nowrap' if column in right or column in in_one_line else ''}"
        for column in range(len(headings))
    ]
    head = _render_row("th", styles, headings) if any(headings) else ""
    return f"<table>{head}{''.join(_render_row('td', styles, row) for row in rows)}</table>"


def _render_row(tag: str, styles: Sequence[str], cells: Sequence[Any]) -> str:
    shown = (f'<{tag} style="{style}">{escape_text(cell)}</{tag}>' for style, cell in zip(styles, cells, strict=True))
    return f"<tr>{''.join(shown)}</tr>"


def render_url(content: bytes, media_type: str) -> str:
    """Return bytes as a URL, to stand in an attribute. A type that is none says nothing."""
    known = media_type if re.fullmatch(r"[\w.+-]+/[\w.+-]+", media_type) else "application/octet-stream"
    return f"data:{known};base64,{b64encode(content).decode()}"


def render_image(content: bytes, media_type: str) -> str:
    """Return an image of any type. What it may hold beside pixels, such as the scripts of an SVG, does not run."""
    return f'<img src="{render_url(content, media_type)}" alt="" style="max-width: 100%">'


def render_player(content: bytes, media_type: str, facts: str) -> str:
    """Return a player for a sound; for one that browsers cannot play, how it is saved."""
    if media_type not in _PLAYABLE:
        told = f"{len(content):,} bytes of {media_type}, which a browser does not play: .save(path) writes them"
        return f"<div>{escape_text(told)}</div>{render_facts(facts)}"
    player = f'<audio controls preload="metadata" src="{render_url(content, media_type)}"></audio>'
    return f"<div>{player}</div>{render_facts(facts)}"
