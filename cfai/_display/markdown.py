"""The text of a model as Markdown that shows, and does nothing.

Notebooks run the HTML in Markdown, with its scripts, and follow links of every scheme. They do not agree on where code
begins and ends, so nothing here depends on it: of what comes out, every `<` is one of this module, and no link has a
scheme but that of the web, whatever a renderer takes for code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cfai._display.html import render_facts
from cfai._escape import escape_controls

# Patterns stay strings: `re` compiles them at first use.
_ACTIVE = r"<|!\[|\][(:](?=\s*\S{0,64}[:&\\])(?!\s*(?:https?://|mailto:))"
"""Tags; images, which a notebook fetches at once; links and their definitions with a scheme, but for that of the web.

A scheme is short, and ends in a colon, which may be written as an entity or escaped.
"""
_WEB_LINK = r"(<(?:https?://|mailto:)[^\s<>]+)>"
"""An address in its marks. The second would be taken for a part of it, since the first is shown as it was written."""
_FENCE = r"( *)(`{3,}|~{3,})([^`]*)"
_INLINE = (
    r"(?s)(?<![`\\])(?P<ticks>`+)(?!`)(?P<code>(?:(?!\n\s*\n).){1,2000}?)(?<!`)(?P=ticks)(?!`)"
    r"|\$\$.{1,5000}?\$\$|\$[^$\n]+\$"
)
"""Code inside a line, and formulas. What is longer is text: a search for its end would take too long."""


def render_answer(text: str, facts: str = "", *, reasoning: str = "", language: str | None = None) -> str:
    """Return an answer as Markdown, with the facts of its call in a grey line, and its reasoning folded.

    Text in a `language`, such as `json`, is shown as code.
    """
    parts: list[str] = []
    if reasoning:
        parts.append(f"<details><summary>Reasoning</summary>\n\n{escape_markdown(reasoning)}\n\n</details>")
    parts.append(escape_markdown(text) if language is None else _render_block("", f"```{language}", text.split("\n")))
    parts.append(render_facts(facts))
    return "\n\n".join(part for part in parts if part)


def escape_markdown(text: str) -> str:
    """Return Markdown in which nothing is active: no HTML, no image, no link but to the web.

    >>> escape_markdown("*a* < b, `c < d`, [e](javascript:f)")
    '*a* &lt; b, <code>c &#60; d</code>, [e]&#40;javascript:f)'
    """
    return "\n".join(_escape_lines(escape_controls(re.sub(r"\r\n?", "\n", text)).split("\n")))


def _escape_lines(lines: list[str]) -> Iterator[str]:
    """Yield the text in pieces: blocks of code, and what stands between them."""
    between: list[str] = []
    place = 0
    while place < len(lines):
        fence = re.fullmatch(_FENCE, lines[place])
        place += 1
        if fence is None:
            between.append(lines[place - 1])
            continue
        if between:
            yield _escape_inline("\n".join(between))
            between = []
        end = rf" *{fence[2][0]}{{{len(fence[2])},}} *"
        begin = place
        while place < len(lines) and not re.fullmatch(end, lines[place]):
            place += 1
        yield _render_block(fence[1], fence[2] + fence[3], lines[begin:place])
        place += 1
    if between:
        yield _escape_inline("\n".join(between))


def _render_block(indent: str, fence: str, lines: list[str]) -> str:
    """Return a block of code, which is closed if the answer was cut in it."""
    code = "\n".join(lines)
    if not re.search(_ACTIVE, fence + code):
        end = re.match(r"`+|~+", fence)
        return f"{indent}{fence}\n{code}\n{indent}{end[0] if end else ''}"
    code = "\n".join(line.removeprefix(indent) for line in lines)
    return f"\n{indent}<pre><code>{_to_entities(code)}</code></pre>\n"


def _escape_inline(text: str) -> str:
    pieces: list[str] = []
    end = 0
    for found in re.finditer(_INLINE, text):
        pieces.append(_disarm(text[end : found.start()]))
        end = found.end()
        if found["code"] is None:  # a formula
            pieces.append(_disarm(found[0].replace("<", r"\lt ")))
        elif re.search(_ACTIVE, found[0]):
            pieces.append(f"<code>{_to_entities(found['code'])}</code>")
        else:
            pieces.append(found[0])
    return "".join([*pieces, _disarm(text[end:])])


def _disarm(text: str) -> str:
    """Return text in which what is active is shown as it was written.

    >>> _disarm("![a](b) [c](https://d) <e>")
    '&#33;[a](b) [c](https://d) &lt;e>'
    """

    def show(found: re.Match[str]) -> str:
        return {"<": "&lt;", "![": "&#33;[", "](": "]&#40;", "]:": "]&#58;"}[found[0]]

    return re.sub(_ACTIVE, show, re.sub(_WEB_LINK, r"\1&gt;", text))


def _to_entities(code: str) -> str:
    """Return code in which every mark is an entity, the ends of lines too: no renderer finds Markdown in it."""
    return re.sub(r"[^\w \t]|_", lambda found: f"&#{ord(found[0])};", code)
