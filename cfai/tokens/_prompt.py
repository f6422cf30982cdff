"""Measure the prompt of a call: find the text that a model reads in the inputs, and bound and estimate its tokens.

A legal prompt is never refused, so the lower bound counts only text that every chat template must put before the model:
what templates drop, rewrite or may ignore counts nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

from cfai._errors import InputError
from cfai._json import as_sequence, is_mapping, to_compact_json
from cfai.tokens._bounds import CUT
from cfai.tokens._images import MAX_MEDIUM, estimate_image, is_image, is_media
from cfai.tokens._strategy import CountingStrategy
from cfai.tokens._templates import MAX_AROUND_TEXT, MAX_TEMPLATE, Template, get_template

_PROMPT_FIELDS = (
    "prompt",
    "messages",
    "input",
    "instructions",
    "tools",
    "functions",
    "response_format",
    "guided_json",
    "text",
)
"""The inputs that a model reads as text."""
_MARGIN = 32
"""The tokens that a template may add beyond what it likely does."""
_MAX_VALUES = 2_000_000
"""How many values of the inputs are looked at."""
_TOOL_CALL = 10
"""The tokens around the name and the arguments of a call."""
_TOOL_RESULT = 5
_TEXT_PARTS = (None, "text", "input_text", "output_text")

# Templates trim messages, some by Python's idea of white space and some by JavaScript's.
_BLANK = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
# Patterns stay texts: `re` compiles them at first use, so that importing does not.
_REASONING_END = r"</think>|\[/THINK\]|<channel\|>"
_REASONING_START = r"<think>|\[THINK\]|<\|channel"
# ASCII that stays as it is when JSON is made of it, up to escapes that only add tokens. Before another script the last
# character is left out: a mark may be composed with it.
_UNESCAPED_BY_JSON = r"[ -&(-~]+(?![^\x00-\x7f])"


class PromptSize(NamedTuple):
    """The tokens of a prompt, by every measure."""

    lower_bound: int
    """At least so many, whatever the template puts around it."""
    field: str
    """The input that it came in."""
    text_estimate: float
    """About so many, with what the template likely adds, without images."""
    template_estimate: float
    """About so many of them are the template's."""
    lowest_ratio: float
    """The share of the estimate that the real count is at least, 99 times in 100."""
    image_estimate: int
    images: int
    media: int
    """How many images, sounds, videos and files there are."""
    inline_characters: int
    """How many characters of them were sent along."""
    upper_bound: int
    """At most so many, whatever the template does; images are a guess."""
    template_upper_bound: int
    """At most so many of them are the template's."""
    gateway_estimate: int
    """The gateway's own estimate before a model sees it, images apart: it seems to be JSON by four characters a token.
    """

    @property
    def estimate(self) -> int:
        """About so many, with images, and within the bounds."""
        return min(self.upper_bound, max(self.lower_bound, round(self.text_estimate + self.image_estimate)))

    @property
    def likely_upper_bound(self) -> int:
        """At most so many, or 99 times in 100: with a margin beside the estimate."""
        media = max(MAX_MEDIUM * self.media, self.image_estimate)
        likely = ceil(self.text_estimate / self.lowest_ratio) + media + _MARGIN
        return min(self.upper_bound, max(self.lower_bound, likely))


def measure_prompt(inputs: Mapping[str, Any], strategy: CountingStrategy) -> PromptSize:
    """Bound and estimate the tokens of the prompt of `inputs`."""
    # UNCERTAIN: which one of several prompts is read. The shortest counts.
    lower, field = min(
        ((_lower_bound(messages, strategy), field) for field, messages in _list_prompts(inputs)), default=(0, "")
    )
    counted = strategy.count_messages(inputs)
    likely_texts, images, template_tokens = _list_likely_texts(inputs, get_template(strategy.family.name))
    estimate = template_tokens + sum(map(strategy.estimate, likely_texts)) if counted is None else counted
    image_estimate = sum(estimate_image(image, strategy.family.name) for image in images)
    texts, media, inline = _list_all_texts(inputs)
    template = MAX_TEMPLATE + MAX_AROUND_TEXT * len(texts)
    media_upper_bound = max(MAX_MEDIUM * media, image_estimate)
    upper = max(lower, template + media_upper_bound + sum(map(strategy.upper_bound, texts)), counted or 0)
    read_by_gateway = to_compact_json({key: inputs[key] for key in _PROMPT_FIELDS if key in inputs})
    gateway = max(0, ceil((len(read_by_gateway) - inline) / 4))
    return PromptSize(
        lower_bound=lower,
        field=field,
        text_estimate=estimate,
        template_estimate=template_tokens,
        lowest_ratio=strategy.lowest_ratio(all(text.isascii() for text in likely_texts)),
        image_estimate=image_estimate,
        images=len(images),
        media=media,
        inline_characters=inline,
        upper_bound=upper,
        template_upper_bound=template,
        gateway_estimate=gateway,
    )


def _list_likely_texts(inputs: Mapping[str, Any], template: Template) -> tuple[list[str], list[Any], float]:
    """Return the texts and the images that a model likely reads, and the tokens that its template adds to them."""
    texts: list[str] = []
    images = [inputs["image"]] if inputs.get("image") is not None else []
    template_tokens = 0.0 if inputs.get("raw") is True else template.start
    for place, item in enumerate(_list_messages(inputs)):
        if not is_mapping(item):
            continue
        if item.get("role") in ("system", "developer"):
            template_tokens += template.system
        elif place > 0:
            template_tokens += template.message
        template_tokens += _TOOL_RESULT * (item.get("role") == "tool" or item.get("type") == "function_call_output")
        for content in (item.get("content"), item.get("output")):
            texts += _list_content_texts(content)
            images += [part for part in as_sequence(content) if is_image(part)]
        for call in _list_tool_calls(item):
            template_tokens += _TOOL_CALL
            texts += call
    tools = [tool for key in ("tools", "functions") for tool in as_sequence(inputs.get(key))]
    if tools:
        template_tokens += template.tools + len(tools)
        texts += map(to_compact_json, tools)
    return texts, images, template_tokens


def _list_messages(inputs: Mapping[str, Any]) -> list[Any]:
    """Return all that a model is to read, as messages."""
    if "messages" in inputs:
        return [*as_sequence(inputs["messages"])]
    prompt = inputs.get("input", inputs.get("prompt"))
    items = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else as_sequence(prompt)
    instructions = inputs.get("instructions")
    return [*([{"role": "system", "content": instructions}] if instructions else []), *items]


def _list_tool_calls(item: Mapping[str, Any]) -> Iterator[list[str]]:
    """Find the name and the arguments of each call of a tool in a message."""
    calls = [*as_sequence(item.get("tool_calls")), item.get("function_call")]
    if item.get("type") == "function_call":
        calls.append(item)
    for call in calls:
        if is_mapping(call):
            function = call.get("function")
            function = function if is_mapping(function) else call
            arguments = function.get("arguments", "")
            text = arguments if isinstance(arguments, str) else to_compact_json(arguments)
            yield [str(function.get("name", "")), text]


def _list_prompts(inputs: Mapping[str, Any]) -> Iterator[tuple[str, list[list[str]]]]:
    """Find the prompt in each of the forms that the service takes: the input's name, and texts message by message."""
    prompt, items = inputs.get("prompt"), inputs.get("input")
    if isinstance(prompt, str):
        yield "prompt", [[prompt.strip(_BLANK)]]
    if "messages" in inputs:
        yield "messages", list(_to_messages(as_sequence(inputs["messages"])))
    if items is not None:
        instructions = _list_content_texts(inputs.get("instructions"))
        items = [{"role": "user", "content": items}] if isinstance(items, str) else as_sequence(items)
        # Beside instructions, a system message of the list may not be read.
        rest = list(_to_messages([None, *items] if instructions else items))
        yield "input", [instructions, *rest]


def _to_messages(items: Sequence[Any]) -> Iterator[list[str]]:
    """Find the texts of each message that every template puts before the model."""
    for place, item in enumerate(items):
        if not is_mapping(item):
            continue
        role, content = item.get("role"), _list_content_texts(item.get("content"))
        if role == "user" or (role in ("system", "developer") and place == 0):
            # Of system messages, some templates read only one that comes first.
            yield content
        elif role == "assistant" and not item.get("tool_calls") and not item.get("function_call"):
            # With tool calls, some templates leave the text out.
            yield _drop_thoughts(content)
        elif role == "tool":
            yield [_keep_json_text(content)]
        elif item.get("type") == "function_call_output":
            yield [_keep_json_text(_list_content_texts(item.get("output")))]


def _list_content_texts(content: Any) -> list[str]:
    """Return the texts of a message's content, a string or a list of parts, without images and base64."""
    parts = [content] if isinstance(content, str) else as_sequence(content)
    return [text.strip(_BLANK) for text in map(get_text, parts) if text is not None]


def get_text(part: Any) -> str | None:
    """Return the text of a part of a message's content, a string or a typed part; `None` if it is no text."""
    text = part.get("text") if is_mapping(part) and part.get("type") in _TEXT_PARTS else part
    return text if isinstance(text, str) else None


def _drop_thoughts(texts: list[str]) -> list[str]:
    """Return an assistant's texts without its thoughts, which templates drop from the turns before."""
    whole = "".join(texts)
    answer = re.split(_REASONING_START, re.split(_REASONING_END, whole)[-1])[0]
    return texts if answer == whole else [answer] if len(texts) == 1 else []


def _keep_json_text(texts: list[str]) -> str:
    """Return what of a tool's result stays as it is when a template makes JSON of it, or makes its JSON anew."""
    pieces: list[str] = []
    for text in texts:
        try:
            value = json.loads(text, parse_int=float)  # int() refuses very long ones
        except (ValueError, RecursionError):
            value = text
        pieces += [piece for string in _walk([value]) for piece in re.findall(_UNESCAPED_BY_JSON, string)]
    return CUT.join(pieces)


def _walk(values: Iterable[Any], *, into_media: bool = True) -> Iterator[Any]:
    """Find every string in JSON values, keys included, in no particular order; and media, if not to be walked into."""
    stack = [*values]
    for _ in range(_MAX_VALUES):  # inputs may hold themselves
        if not stack:
            return
        value = stack.pop()
        if isinstance(value, str) or (not into_media and is_media(value)):
            yield value
        elif is_mapping(value):
            stack += [*value, *value.values()]
        elif not _is_list_of_numbers(value):
            stack += as_sequence(value)
    raise InputError(f"the inputs hold more than {_MAX_VALUES:,} values, or themselves")


def _is_list_of_numbers(value: Any) -> bool:
    """Return True if a value is the bytes of an image, or samples of a sound, as numbers."""
    items = as_sequence(value)
    return bool(items) and isinstance(items[0], (int, float))


def _lower_bound(messages: list[list[str]], strategy: CountingStrategy) -> int:
    borders = sum(strategy.count_borders(tuple(message)) for message in messages)
    return borders + any(text for message in messages for text in message)


def list_embedding_texts(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the texts of an embedding or reranking call, each with the name of its input."""
    texts: list[tuple[str, str]] = []
    for field in ("text", "query", "queries", "documents", "contexts"):
        value = inputs.get(field)
        for item in [value] if isinstance(value, str) else as_sequence(value):
            text = item.get("text") if is_mapping(item) else item
            if isinstance(text, str):
                texts.append((field, text))
    return texts


def _list_all_texts(inputs: Mapping[str, Any]) -> tuple[list[str], int, int]:
    """Return every string that a template may put before the model, the number of media, and their length."""
    values = list(_walk([inputs.get(field) for field in _PROMPT_FIELDS], into_media=False))
    texts = [value for value in values if isinstance(value, str)]
    media = [value for value in values if not isinstance(value, str)]
    if inputs.get("image") is not None:
        media.append(inputs["image"])
    characters = sum(len(to_compact_json(value)) for value in media if _is_list_of_numbers(value))
    strings = (string for value in media for string in _walk([value]))
    characters += sum(len(string) for string in strings if not string.startswith(("https://", "http://")))
    return texts, len(media), characters
