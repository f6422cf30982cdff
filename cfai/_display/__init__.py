"""How things look in a notebook and in a terminal: pictures, players, tables, Markdown, streams that grow, errors.

It draws plain values, and knows neither calls nor results: each result says itself what of it is shown, in its
`_repr_mimebundle_`, which imports this room when a notebook asks. Text of a model or of the service is escaped here.
"""

from typing import TYPE_CHECKING

from cfai._lazy import lazy_exports

if TYPE_CHECKING:
    from cfai._display.errors import render_error
    from cfai._display.facts import format_facts
    from cfai._display.html import render_facts, render_image, render_player, render_table
    from cfai._display.live import ashow_stream, read_stream, show_stream
    from cfai._display.markdown import escape_markdown, render_answer
    from cfai._display.pictures import Box, Picture, draw_boxes, draw_labels
    from cfai._display.progress import Progress
    from cfai._display.shell import find_shell, show, shows_pages

__all__ = [
    "Box",
    "Picture",
    "Progress",
    "ashow_stream",
    "draw_boxes",
    "draw_labels",
    "escape_markdown",
    "find_shell",
    "format_facts",
    "read_stream",
    "render_answer",
    "render_error",
    "render_facts",
    "render_image",
    "render_player",
    "render_table",
    "show",
    "show_stream",
    "shows_pages",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "errors": ("render_error",),
        "facts": ("format_facts",),
        "html": ("render_facts", "render_image", "render_player", "render_table"),
        "live": ("ashow_stream", "read_stream", "show_stream"),
        "markdown": ("escape_markdown", "render_answer"),
        "pictures": ("Box", "Picture", "draw_boxes", "draw_labels"),
        "progress": ("Progress",),
        "shell": ("find_shell", "show", "shows_pages"),
    },
)
