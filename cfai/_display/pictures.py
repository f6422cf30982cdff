"""Pictures with what a model found in them, as SVG: boxes where objects are, bars for labels.

An SVG that holds the picture needs no library to draw, is sharp at every size, and is shown by every notebook, by
GitHub, and by nbconvert. Coordinates are the picture's own pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cfai._display.html import escape_text, render_url

_COLORS = ("#e6550d", "#3182bd", "#31a354", "#756bb1", "#d6336c", "#7f6000")
_MAX_WIDTH = 640
"""Pixels of the screen that a picture takes at most."""
_ROW = 26
_BARS = 380
"""The width of labels with their bars."""
_MOST_LABELS = 10


@dataclass(frozen=True, slots=True)
class Picture:
    """The picture that an answer is about, as it was sent."""

    content: bytes = field(repr=False)
    media_type: str
    width: int
    """Pixels."""
    height: int
    """Pixels."""


class Box(NamedTuple):
    """A rectangle in a picture, or a point where it has no size; in pixels."""

    left: float
    top: float
    right: float
    bottom: float
    label: str
    score: float | None = None
    """0 to 1."""

    @property
    def text(self) -> str:
        return self.label if self.score is None else f"{self.label} {self.score:.0%}"


def draw_boxes(picture: Picture, boxes: Sequence[Box]) -> str:
    """Return a picture with boxes around what was found, each with its label."""
    width, height = picture.width, picture.height
    unit = max(width, height, 1) / 100
    labels = list(dict.fromkeys(box.label for box in boxes))
    shapes = [_draw_box(box, _COLORS[labels.index(box.label) % len(_COLORS)], unit) for box in boxes]
    shown_width = min(width, _MAX_WIDTH)
    size = (shown_width, shown_width * height / max(width, 1))
    title = ", ".join(box.text for box in boxes)
    return _draw_svg(title, size, (width, height), [_embed(picture), *shapes])


def _draw_box(box: Box, color: str, unit: float) -> str:
    if box.left == box.right and box.top == box.bottom:
        shape = f'<circle cx="{box.left:g}" cy="{box.top:g}" r="{1.2 * unit:g}" fill="{color}" stroke="white"/>'
    else:
        shape = (
            f'<rect x="{box.left:g}" y="{box.top:g}" width="{max(box.right - box.left, 0):g}" '
            f'height="{max(box.bottom - box.top, 0):g}" fill="none" stroke="{color}" stroke-width="{0.6 * unit:g}"/>'
        )
    size = 4 * unit
    # Above the box if there is room, else inside of it; white around the letters, whatever the picture is.
    baseline = box.top - unit if box.top > size + unit else box.top + size
    return shape + (
        f'<text x="{box.left + unit:g}" y="{baseline:g}" font-size="{size:g}" font-weight="bold" fill="{color}" '
        f'stroke="white" stroke-width="{0.8 * unit:g}" paint-order="stroke">{escape_text(box.text)}</text>'
    )


def draw_labels(picture: Picture | None, labels: Sequence[tuple[str, float]]) -> str:
    """Return labels with bars for their scores, the surest first, beside their picture if there is one."""
    rows = sorted(labels, key=lambda label: -label[1])[:_MOST_LABELS]
    height = max(len(rows), 4 if picture else 1) * _ROW + 12
    shapes: list[str] = []
    left = 0.0
    if picture is not None:
        height = max(height, 180)
        left = min(height * picture.width / max(picture.height, 1), 320.0)
        shapes.append(_embed(picture, left, height))
    top = (height - len(rows) * _ROW) / 2
    shapes += [_draw_bar(label, score, left + 12, top + row * _ROW) for row, (label, score) in enumerate(rows)]
    background = f'<rect width="{left + _BARS:g}" height="{height:g}" fill="white"/>'
    size = (left + _BARS, height)
    return _draw_svg(", ".join(f"{label} {score:.1%}" for label, score in rows), size, size, [background, *shapes])


def _draw_bar(label: str, score: float, left: float, top: float) -> str:
    share = min(max(score, 0.0), 1.0)
    short = label if len(label) <= 42 else f"{label[:41]}…"
    text = f'<text x="{{:g}}" y="{top + 18:g}" font-size="13" fill="#222" text-anchor="{{}}">{{}}</text>'
    return (
        f'<rect x="{left:g}" y="{top + 3:g}" width="{share * 300:g}" height="{_ROW - 6}" rx="3" fill="#a6cbe8"/>'
        + text.format(left + 6, "start", escape_text(short))
        + text.format(left + 352, "end", f"{score:.1%}")
    )


def _embed(picture: Picture, width: float | None = None, height: float | None = None) -> str:
    """Return the picture as it was sent: boxes are told in its own pixels, not in those of a turned photo."""
    return (
        f'<image href="{render_url(picture.content, picture.media_type)}" width="{width or picture.width:g}" '
        f'height="{height or picture.height:g}" preserveAspectRatio="xMidYMid meet" style="image-orientation: none"/>'
    )


def _draw_svg(title: str, size: tuple[float, float], view: tuple[float, float], shapes: Sequence[str]) -> str:
    """Return a picture of a size on the screen, with coordinates of its own, and a title for who cannot see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]:.0f}" height="{size[1]:.0f}" role="img" '
        f'viewBox="0 0 {view[0]:g} {view[1]:g}" font-family="sans-serif">'
        f"<title>{escape_text(title)}</title>{''.join(shapes)}</svg>"
    )
