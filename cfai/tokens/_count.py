"""`count_tokens`: how many tokens a text or a conversation is, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cfai._errors import ConfigurationError
from cfai._json import compact, is_object, items_of
from cfai.tokens._bounds import lower, upper
from cfai.tokens._estimate import cost, estimate
from cfai.tokens._families import Family, family_of
from cfai.tokens._prompt import at_least, at_most, texts_of

_TOOL_CALL = 10
"""What stands around the name and the arguments of a call."""
_TOOL_RESULT = 5
_IMAGE = 1000
"""What an image takes, where its size and the model's way with images are not known."""


class _Template(NamedTuple):
    """What a chat template puts around the messages."""

    start: float = 3
    """Around one user message, with the start of the answer."""
    system: float = 4
    """A system message more."""
    message: float = 4
    """Any other message more: half of a turn."""
    tools: float = 80
    """The instructions for tools, less the tools themselves."""


# Counted on the published templates. What the service really puts around messages is not published.
_TEMPLATES = {
    "llama2": _Template(8, 13, 5),
    "mistral_v1": _Template(8, 2, 4.25),
    "tekken": _Template(3, 1.5, 1.5, 5),
    "llama3": _Template(10, 5, 5, 56),
    "llama4": _Template(10, 5, 5, 56),
    "gemma2": _Template(9, 1, 5),
    "gemma3": _Template(9, 1, 5),
    "qwen2": _Template(8, 5, 5, 80),
    "qwen3_5": _Template(10, 5, 5, 200),
    "o200k": _Template(67, 7, 5, 10),
    "deepseek_v3": _Template(4, 0, 1.5),
    "deepseek_llm": _Template(4, 0, 1.5),
    "deepseek_coder": _Template(69, 0, 5),
    "glm4": _Template(5, 1, 1.5, 97),
    "kimi_k2": _Template(7, 4, 4, 6),
    "cl100k": _Template(8, 5, 5),
    "codegen": _Template(6, 4, 4),
}


@dataclass(frozen=True, slots=True)
class TokenCount:
    """How many tokens something is. `int(count)` is the estimate."""

    lower: int
    """At least so many, whatever the model's template does. Certain for families whose vocabulary was read."""

    estimate: int
    """About so many; for a conversation with what its template likely puts around the messages."""

    upper: int
    """At most so many, with the most that a template is known to add."""

    family: str
    """The tokenizer family that was counted for, `default` if the model's is not known."""

    certain: bool
    """Whether the model is known to use this family's vocabulary, not only presumed to."""

    exact: bool = False
    """Whether the three are equal, counted by the tokenizer itself."""

    images: int = 0
    """How many images are in it: what they take is a guess."""

    def __int__(self) -> int:
        return self.estimate


def count_tokens(
    text_or_messages: str | Sequence[Mapping[str, Any]],
    *,
    model: str | None = None,
    family: str | None = None,
    tools: Sequence[Mapping[str, Any]] = (),
) -> TokenCount:
    """How many tokens a text, or a list of messages, is for a model, or for a tokenizer family such as `llama3`.

    Nothing is sent or downloaded. Of English prose, code and JSON the estimate is 2 % off on average, of other
    languages 3 to 8 % (held-out texts of 500 bytes and more, thirteen families). Images count as 1,000 tokens each, and
    their base64 as nothing. Raises `ConfigurationError` unless one of `model` and `family` is given, and known.

    >>> count_tokens("Where is New York?", model="@cf/meta/llama-3.3-70b-instruct-fp8-fast").estimate
    5
    >>> int(count_tokens([{"role": "user", "content": "Where is New York?"}], family="llama3"))
    15
    """
    if (model is None) == (family is None):
        raise ConfigurationError("count_tokens needs either model= or family=")
    found = family_of(model) if model is not None else Family(family or "", certain=True)
    try:
        cost("", found.name)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    if isinstance(text_or_messages, str):
        text = text_or_messages
        least, most = lower(text, found.name), upper(text, found.name)
        return TokenCount(least, estimate(text, found.name), most, found.name, found.certain)
    inputs: dict[str, Any] = {"messages": text_or_messages, "tools": tools}
    least, _ = at_least(inputs, found.name)
    most, _ = at_most(inputs, found.name)
    about, images = _estimate(text_or_messages, tools, found.name)
    bounded = min(most, max(least, round(about)))
    return TokenCount(least, bounded, most, found.name, found.certain, images=images)


def _estimate(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], family: str
) -> tuple[float, int]:
    """About how many tokens a conversation takes, and how many images are in it."""
    template = _TEMPLATES.get(family, _Template())
    total, images = template.start, 0
    for position, message in enumerate(messages):
        role = message.get("role")
        if role in ("system", "developer"):
            total += template.system
        elif position > 0:
            total += template.message
        for text in texts_of(message.get("content")):
            total += cost(text, family)
        images += _images(message.get("content"))
        for call in filter(is_object, items_of(message.get("tool_calls"))):
            function = call.get("function") or call
            arguments = function.get("arguments", "")
            arguments = arguments if isinstance(arguments, str) else compact(arguments)
            total += _TOOL_CALL + cost(f"{function.get('name', '')} {arguments}", family)
        total += _TOOL_RESULT * (role == "tool")
    if tools:
        total += template.tools
        total += sum(1 + cost(json.dumps(tool, ensure_ascii=False), family) for tool in tools)
    return total + _IMAGE * images, images


def _images(content: Any) -> int:
    return sum(
        part.get("type") in ("image_url", "input_image", "image") for part in items_of(content) if is_object(part)
    )
