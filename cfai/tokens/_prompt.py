"""What the inputs of a call give a model to read, and how many tokens that is at least and at most.

A legal prompt is never refused, so at least counts only text that every chat template must put before the model: what
templates drop, rewrite or may ignore counts nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cfai._json import is_object, items_of
from cfai.tokens._bounds import CUT, bounded, upper

_READ = ("prompt", "messages", "input", "instructions", "tools", "functions", "response_format", "guided_json", "text")
"""The inputs that a model reads as text."""
_TEXT_PARTS = (None, "text", "input_text", "output_text")

_TEMPLATE = 430
"""The most tokens that a chat template is known to add of its own: a date, a default system prompt."""
_AROUND = 8
"""The most tokens that stand around a text, such as quotes and the marks of a turn."""
_IMAGE = 3000
"""The most tokens that an image takes, where that is known."""

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


def at_least(inputs: Mapping[str, Any], family: str) -> tuple[int, str]:
    """How many tokens the prompt of `inputs` has at least, whatever the template puts around it, and its input's name.

    Which one of several prompts is read is not known: the shortest counts.
    """
    return min(((_least(prompt, family), prompt.field) for prompt in _prompts(inputs)), default=(0, ""))


def _prompts(inputs: Mapping[str, Any]) -> Iterator[_Prompt]:
    """What the model is to read, in each of the forms that the service takes."""
    prompt, given = inputs.get("prompt"), inputs.get("input")
    if isinstance(prompt, str):
        yield _Prompt("prompt", [[prompt.strip(_BLANK)]])
    if "messages" in inputs:
        yield _Prompt("messages", list(_messages(items_of(inputs["messages"]))))
    if given is not None:
        instructions = texts_of(inputs.get("instructions"))
        items = [{"role": "user", "content": given}] if isinstance(given, str) else items_of(given)
        # Beside instructions, a system message of the list may not be read.
        rest = list(_messages([None, *items] if instructions else items))
        yield _Prompt("input", [instructions, *rest])


def _messages(items: Sequence[Any]) -> Iterator[list[str]]:
    """The texts that count, of each message."""
    for place, item in enumerate(items):
        if not is_object(item):
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
    parts = [content] if isinstance(content, str) else items_of(content)
    found = [part.get("text") if is_object(part) and part.get("type") in _TEXT_PARTS else part for part in parts]
    return [text.strip(_BLANK) for text in found if isinstance(text, str)]


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
        kept += [piece for string in strings_in(value) for piece in re.findall(_KEPT_BY_JSON, string)]
    return CUT.join(kept)


def strings_in(value: Any) -> Iterator[str]:
    """Every string in a JSON value, keys included, in no particular order."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif is_object(value):
            left += [*value, *value.values()]
        else:
            left += items_of(value)


def most_bytes(inputs: Mapping[str, Any]) -> int:
    """How many bytes all prompts have together, or more: characters of other scripts count as four."""
    total = 0
    for field in ("prompt", "instructions", "messages", "input"):
        given = inputs.get(field)
        if isinstance(given, str):
            total += _size(given)
        elif given is not None:
            items = [item for item in items_of(given) if is_object(item)]
            # Instructions may be a list of parts, which have no content of their own.
            contents = [given, *(item.get(key) for item in items for key in ("content", "output"))]
            total += sum(_size(text) for content in contents for text in texts_of(content))
    return total


def _size(text: str) -> int:
    return len(text) if text.isascii() else 4 * len(text)


def _least(prompt: _Prompt, family: str) -> int:
    """How many tokens a prompt has at least, whatever the template puts between its messages."""
    inside = sum(bounded(message, family) for message in prompt.messages)
    return inside + any(text for message in prompt.messages for text in message)


def at_most(inputs: Mapping[str, Any], family: str) -> tuple[int, int]:
    """How many tokens the prompt takes at most, and how many it likely does, rather too many."""
    texts: list[str] = []
    images = 1 if inputs.get("image") is not None else 0
    for text in strings_in([inputs.get(field) for field in _READ]):
        if text.startswith(("data:", "https://")) and " " not in text:
            images += 1
        else:
            texts.append(text)
    around = _TEMPLATE + _AROUND * len(texts) + _IMAGE * images
    # Two bytes a token is dense for ASCII, one and a half for other scripts.
    likely = sum(len(text) // 2 if text.isascii() else len(text.encode("utf-8", "replace")) * 2 // 3 for text in texts)
    return around + sum(upper(text, family) for text in texts), around + likely
