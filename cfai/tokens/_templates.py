"""Estimate what chat templates put around the messages, by tokenizer family.

Counted on the published templates. What the service really puts around messages is not published, so an overhead is a
range: none at all for what is certain, the figure here for the estimate, and `MAX_TEMPLATE` for the upper bound.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_TEMPLATE = 430
"""The most tokens that a chat template is known to add of its own: a date, a default system prompt."""
MAX_AROUND_TEXT = 8
"""The most tokens that stand around a text, such as quotes and the marks of a turn."""


class Template(NamedTuple):
    """The tokens that a template likely adds."""

    start: float = 3
    """Around one user message, with the start of the answer."""
    system: float = 4
    """A system message more."""
    message: float = 4
    """Any other message more: half of a turn."""
    tools: float = 80
    """The instructions for tools, less the tools themselves."""


_TEMPLATES = {
    "llama2": Template(8, 13, 5),
    "mistral_v1": Template(8, 2, 4.25),
    "tekken": Template(3, 1.5, 1.5, 5),
    "llama3": Template(10, 5, 5, 56),
    "llama4": Template(10, 5, 5, 56),
    "gemma2": Template(9, 1, 5),
    "gemma3": Template(9, 1, 5),
    "qwen2": Template(8, 5, 5, 80),
    "qwen3_5": Template(10, 5, 5, 200),
    "o200k": Template(67, 7, 5, 10),
    "deepseek_v3": Template(4, 0, 1.5),
    "deepseek_llm": Template(4, 0, 1.5),
    "deepseek_coder": Template(69, 0, 5),
    "glm4": Template(5, 1, 1.5, 97),
    "kimi_k2": Template(7, 4, 4, 6),
    "cl100k": Template(8, 5, 5),
    "codegen": Template(6, 4, 4),
}


def get_template(family: str) -> Template:
    """Return the overhead of a family's template, or an average if it is not known."""
    return _TEMPLATES.get(family, Template())
