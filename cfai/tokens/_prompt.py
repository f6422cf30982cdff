"""What the inputs of a call give a model to read, and how many tokens that is at least and at most.

A legal prompt is never refused, so at least counts only text that every chat template must put before the model: what
templates drop, rewrite or may ignore counts nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

from cfai._errors import InputError
from cfai._json import as_sequence, compact, is_mapping
from cfai.tokens._bounds import CUT
from cfai.tokens._images import is_image, is_media, tokens_of_image
from cfai.tokens._measure import CountingStrategy
from cfai.tokens._templates import AROUND, HIGHEST, template_of

_READ = ("prompt", "messages", "input", "instructions", "tools", "functions", "response_format", "guided_json", "text")
"""The inputs that a model reads as text."""
_MEDIUM = 3000
"""The most tokens that an image is taken for."""
_MARGIN = 32
"""What a template may add beyond what it likely does."""
_MOST_VALUES = 2_000_000
"""How many values of the inputs are looked at."""
_TOOL_CALL = 10
"""What stands around the name and the arguments of a call."""
_TOOL_RESULT = 5
_TEXT_PARTS = (None, "text", "input_text", "output_text")

# Templates trim messages, some by Python's idea of white space and some by JavaScript's.
_BLANK = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
# Patterns stay texts: `re` compiles them at first use, so that importing does not.
_END_OF_THOUGHT = r"</think>|\[/THINK\]|<channel\|>"
_THOUGHT = r"<think>|\[THINK\]|<\|channel"
# ASCII that stays as it is when JSON is made of it, up to escapes that only add tokens. Before another script the last
# character is left out: a mark may be composed with it.
_KEPT_BY_JSON = r"[ -&(-~]+(?![^\x00-\x7f])"


class _Prompt(NamedTuple):
    """What a model is to read, and the input that it came in."""

    field: str
    messages: list[list[str]]
    """The texts that count, message by message."""


class PromptSize(NamedTuple):
    """How many tokens a prompt is, by every measure."""

    least: int
    """It has at least so many, whatever the template puts around it."""
    field: str
    """The input that it came in."""
    likely: float
    """About so many, with what the template likely adds, without images."""
    template: float
    """About so many of them are the template's."""
    sure: float
    """How far below the estimate the real count may be, as a factor."""
    image_tokens: int
    images: int
    media: int
    """How many images, sounds, videos and files there are."""
    inline: int
    """How many characters of them were sent along."""
    most: int
    """It has at most so many, whatever the template does; images are a guess."""
    template_most: int
    """At most so many of them are the template's."""
    by_gateway: int
    """What the gateway seems to take it for before a model sees it, images apart: four characters of JSON a token."""

    @property
    def estimate(self) -> int:
        """About so many, with images, and within the bounds."""
        return min(self.most, max(self.least, round(self.likely + self.image_tokens)))

    @property
    def likely_most(self) -> int:
        """At most so many, or 99 times in 100: with a margin beside the estimate."""
        likely = ceil(self.likely / self.sure) + _MEDIUM * self.media + _MARGIN
        return min(self.most, max(self.least, likely))


def measure_prompt(inputs: Mapping[str, Any], measure: CountingStrategy) -> PromptSize:
    """How many tokens the prompt of `inputs` is."""
    # UNCERTAIN: which one of several prompts is read. The shortest counts.
    least, field = min(((_least(prompt, measure), prompt.field) for prompt in _prompts(inputs)), default=(0, ""))
    texts, media, inline = _read(inputs)
    around = HIGHEST + AROUND * len(texts)
    most = max(least, around + _MEDIUM * media + sum(map(measure.most, texts)))
    counted = measure.conversation(inputs)
    most = max(most, counted or 0)
    asked = compact({key: inputs[key] for key in _READ if key in inputs})
    by_gateway = max(0, ceil((len(asked) - inline) / 4))
    return PromptSize(least, field, *_about(inputs, measure, counted), media, inline, most, around, by_gateway)


def _about(
    inputs: Mapping[str, Any], measure: CountingStrategy, counted: int | None
) -> tuple[float, float, float, int, int]:
    """About how many tokens the prompt takes with the template that its family likely has, and how many of them are
    the template's; how sure that is; what images take, and how many there are.
    """
    template = template_of(measure.family.name)
    texts: list[str] = []
    images = [inputs["image"]] if inputs.get("image") is not None else []
    around = 0.0 if inputs.get("raw") is True else template.start
    for place, item in enumerate(_all_messages(inputs)):
        if not is_mapping(item):
            continue
        if item.get("role") in ("system", "developer"):
            around += template.system
        elif place > 0:
            around += template.message
        around += _TOOL_RESULT * (item.get("role") == "tool" or item.get("type") == "function_call_output")
        for content in (item.get("content"), item.get("output")):
            texts += texts_of(content)
            images += [part for part in as_sequence(content) if is_image(part)]
        for call in _calls_in(item):
            around += _TOOL_CALL
            texts += call
    tools = [tool for key in ("tools", "functions") for tool in as_sequence(inputs.get(key))]
    if tools:
        around += template.tools + len(tools)
        texts += map(compact, tools)
    about = measure.correction * (around + sum(map(measure.about, texts))) if counted is None else counted
    sure = measure.sure(all(text.isascii() for text in texts))
    return about, around, sure, sum(tokens_of_image(image, measure.family.name) for image in images), len(images)


def _all_messages(inputs: Mapping[str, Any]) -> list[Any]:
    """What a model is to read, all of it, as messages."""
    if "messages" in inputs:
        return [*as_sequence(inputs["messages"])]
    given = inputs.get("input", inputs.get("prompt"))
    items = [{"role": "user", "content": given}] if isinstance(given, str) else as_sequence(given)
    instructions = inputs.get("instructions")
    return [*([{"role": "system", "content": instructions}] if instructions else []), *items]


def _calls_in(item: Mapping[str, Any]) -> Iterator[list[str]]:
    """The name and the arguments of each call of a tool in a message."""
    calls = [*as_sequence(item.get("tool_calls")), item.get("function_call")]
    if item.get("type") == "function_call":
        calls.append(item)
    for call in calls:
        if is_mapping(call):
            function = call.get("function")
            function = function if is_mapping(function) else call
            arguments = function.get("arguments", "")
            yield [str(function.get("name", "")), arguments if isinstance(arguments, str) else compact(arguments)]


def _prompts(inputs: Mapping[str, Any]) -> Iterator[_Prompt]:
    """What the model is to read, in each of the forms that the service takes."""
    prompt, given = inputs.get("prompt"), inputs.get("input")
    if isinstance(prompt, str):
        yield _Prompt("prompt", [[prompt.strip(_BLANK)]])
    if "messages" in inputs:
        yield _Prompt("messages", list(_messages(as_sequence(inputs["messages"]))))
    if given is not None:
        instructions = texts_of(inputs.get("instructions"))
        items = [{"role": "user", "content": given}] if isinstance(given, str) else as_sequence(given)
        # Beside instructions, a system message of the list may not be read.
        rest = list(_messages([None, *items] if instructions else items))
        yield _Prompt("input", [instructions, *rest])


def _messages(items: Sequence[Any]) -> Iterator[list[str]]:
    """The texts that count, of each message."""
    for place, item in enumerate(items):
        if not is_mapping(item):
            continue
        role, content = item.get("role"), texts_of(item.get("content"))
        if role == "user" or (role in ("system", "developer") and place == 0):
            # Of system messages, some templates read only one that comes first.
            yield content
        elif role == "assistant" and not item.get("tool_calls") and not item.get("function_call"):
            # With tool calls, some templates leave the text out.
            yield _said(content)
        elif role == "tool":
            yield [_told(content)]
        elif item.get("type") == "function_call_output":
            yield [_told(texts_of(item.get("output")))]


def texts_of(content: Any) -> list[str]:
    """The texts of a message's content, which is text or a list of parts. Images count nothing, and base64 neither."""
    parts = [content] if isinstance(content, str) else as_sequence(content)
    return [text.strip(_BLANK) for text in map(text_of, parts) if text is not None]


def text_of(part: Any) -> str | None:
    """The text of a part of a message's content, which is text itself or has a type; `None` if it is no text."""
    text = part.get("text") if is_mapping(part) and part.get("type") in _TEXT_PARTS else part
    return text if isinstance(text, str) else None


def _said(texts: list[str]) -> list[str]:
    """What an assistant said, without what it thought: templates drop thoughts from the turns before."""
    whole = "".join(texts)
    said = re.split(_THOUGHT, re.split(_END_OF_THOUGHT, whole)[-1])[0]
    return texts if said == whole else [said] if len(texts) == 1 else []


def _told(texts: list[str]) -> str:
    """What of a tool's result stays as it is when a template makes JSON of it, or makes its JSON anew."""
    kept: list[str] = []
    for text in texts:
        try:
            value = json.loads(text, parse_int=float)  # int() refuses very long ones
        except (ValueError, RecursionError):
            value = text
        kept += [piece for string in _strings(value) for piece in re.findall(_KEPT_BY_JSON, string)]
    return CUT.join(kept)


def _strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value, keys included, in no particular order."""
    left = [value]
    for value in _taken(left):
        if isinstance(value, str):
            yield value
        elif is_mapping(value):
            left += [*value, *value.values()]
        elif not _is_numbers(value):
            left += as_sequence(value)


def _taken(left: list[Any]) -> Iterator[Any]:
    """What is left to look at, to which more may be added; not for ever, though: inputs may hold themselves."""
    for _ in range(_MOST_VALUES):
        if not left:
            return
        yield left.pop()
    raise InputError(f"the inputs hold more than {_MOST_VALUES:,} values, or themselves")


def _is_numbers(value: Any) -> bool:
    """Whether a value is the bytes of an image, or samples of a sound, as numbers."""
    items = as_sequence(value)
    return bool(items) and isinstance(items[0], (int, float))


def _least(prompt: _Prompt, measure: CountingStrategy) -> int:
    inside = sum(measure.borders(tuple(message)) for message in prompt.messages)
    return inside + any(text for message in prompt.messages for text in message)


def most_bytes(inputs: Mapping[str, Any]) -> int:
    """As many tokens as the prompt of `inputs` is at most, or more, found without a look at the texts: for most calls
    it is below every limit.
    """
    texts, media, characters = _read(inputs)
    # The gateway may take what was sent along for text.
    around = HIGHEST + AROUND * len(texts) + _MEDIUM * media + characters // 4
    return around + sum(len(text) if text.isascii() else 4 * len(text) for text in texts)


def size_of(inputs: Any) -> int:
    """How many characters all texts in `inputs` have together."""
    return sum(map(len, _strings(inputs)))


def texts_to_embed(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The texts of an embedding or reranking call, each with the name of its input."""
    found: list[tuple[str, str]] = []
    for field in ("text", "query", "queries", "documents", "contexts"):
        given = inputs.get(field)
        for item in [given] if isinstance(given, str) else as_sequence(given):
            text = item.get("text") if is_mapping(item) else item
            if isinstance(text, str):
                found.append((field, text))
    return found


def _read(inputs: Mapping[str, Any]) -> tuple[list[str], int, int]:
    """Every string that a template may put before the model; how many media there are, and how long they are."""
    texts: list[str] = []
    media, characters = 0, 0
    left = [inputs.get(field) for field in _READ]
    found = [inputs["image"]] if inputs.get("image") is not None else []
    for value in _taken(left):
        if isinstance(value, str):
            texts.append(value)
        elif is_media(value):
            found.append(value)
        elif is_mapping(value):
            left += [*value, *value.values()]
        elif not _is_numbers(value):
            left += as_sequence(value)
    for value in found:
        media += 1
        if _is_numbers(value):
            characters += len(compact(value))
        characters += sum(len(text) for text in _strings(value) if not text.startswith(("https://", "http://")))
    return texts, media, characters
