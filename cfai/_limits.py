"""A model's limits: what in the inputs is certain to be over one of them, before anything is sent.

A legal prompt is never refused, so only text counts that every chat template must put before the model: what templates
drop, rewrite or may ignore counts nothing. Where the tokenizer is only presumed, or the limit not certain to be
enforced, the finding says so, and is good for a warning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard, cast

from cfai import models, tokens
from cfai._errors import ConfigurationError, ContextLengthError, LimitError, SequenceLengthError
from cfai.models import Limit, Model

_SPELLINGS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_READ = ("prompt", "messages", "input", "instructions", "tools", "functions", "response_format", "guided_json", "text")
"""The inputs that a model reads as text."""
_TEXT_PARTS = (None, "text", "input_text", "output_text")
_ANYWAY = "or pass limits='warn' or limits='off' to send it all the same"

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


@dataclass(frozen=True, slots=True)
class Finding:
    """That inputs are over a limit."""

    error: LimitError
    """The error to raise, or to warn with."""

    certain: bool
    """Whether the service is sure to refuse. If not, the model's tokenizer or the limit itself is only presumed."""


class _Prompt(NamedTuple):
    """What a model is to read, and the input that it came in."""

    field: str
    messages: list[list[str]]
    """The texts that count, message by message."""


class _Reserve(NamedTuple):
    """The output that the service keeps room for in a shared window."""

    tokens: int
    says: str
    """Why it is that many."""
    field: str | None = None
    """The input that asked for it."""


def check(model: str, inputs: Mapping[str, Any]) -> Finding | None:
    """The first limit of `model` that `inputs` are over, one that is certain if there is one; `None` if all may fit.

    Each of the `requests` of a batch is checked like inputs of its own. What is no number where a number belongs, and
    no text where text belongs, is left to the service.

    >>> check("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "max_tokens": 1801}).error.limit
    1800
    >>> check("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "max_tokens": 1800}) is None
    True
    """
    entry = models.get(model)
    if entry is None:
        return None
    first: Finding | None = None
    for call in _calls(inputs):
        asked = _asked(call)
        for finding in (*_output(entry, asked), *_input(entry, call, asked)):
            if finding.certain:
                return finding
            first = first or finding
    return first


def bounds(inputs: Mapping[str, Any], family: str) -> tuple[int, int]:
    """How many tokens the prompt of `inputs` takes at least, with nothing around it, and at most, with a template."""
    least = min((_least(prompt, family) for prompt in _prompts(inputs)), default=0)
    return least, _taken(inputs, family)[0]


def resolve_max_tokens(model: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """`inputs` with a number of tokens for `"max"`: the model's sequence length, or what its window leaves if less.

    The certain upper bound of the prompt is left free in a shared window; half of the window is given even so where the
    prompt is likely to leave it. Raises `ConfigurationError` if no source gives a figure for the model.

    >>> resolve_max_tokens("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "max_tokens": "max"})
    {'prompt': 'Hi', 'max_tokens': 1800}
    """
    changed: dict[str, Any] = {key: _largest(model, inputs) for key in _SPELLINGS if inputs.get(key) == "max"}
    if "requests" not in inputs:
        return {**inputs, **changed} if changed else inputs
    requests = _items(inputs["requests"])
    resolved = [resolve_max_tokens(model, item) if _is_object(item) else item for item in requests]
    if any(new is not old for new, old in zip(resolved, requests, strict=True)):
        changed["requests"] = resolved
    return {**inputs, **changed} if changed else inputs


def _calls(inputs: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield inputs
    if "requests" in inputs:
        yield from (item for item in _items(inputs["requests"]) if _is_object(item))


def _output(entry: Model, asked: Mapping[str, int]) -> Iterator[Finding]:
    """Findings on the output asked for, by itself."""
    limit = entry.sequence_length or _shared(entry)
    if limit is None:
        return
    kind, does = (SequenceLengthError, "writes") if entry.sequence_length else (ContextLengthError, "reads and writes")
    for field, value in asked.items():
        if value > limit.value:
            message = (
                f"{field} is {value:,}, but {entry.name} {does} {limit.value:,} tokens at most ({_source(limit)}). "
                f"Lower {field}, {_ANYWAY}."
            )
            yield Finding(_error(kind, message, entry, field, value, limit), limit.certain_to_refuse)


def _input(entry: Model, inputs: Mapping[str, Any], asked: Mapping[str, int]) -> Iterator[Finding]:
    """Findings on what the model is to read, by itself and together with the output asked for."""
    reserve = _reserve(entry, inputs, asked)
    limits = [(limit, reserve.tokens if limit is _shared(entry) else 0) for limit in _input_limits(entry)]
    # A text has no more tokens than bytes, so most prompts need no look at what they say.
    if not limits or _bytes(inputs) <= min(limit.value - held for limit, held in limits):
        return
    family = tokens.family_of(entry.name)
    # Which prompt of several is read is not known: the shortest counts.
    least, field = min(((_least(prompt, family.name), prompt.field) for prompt in _prompts(inputs)), default=(0, ""))
    if not least:
        return
    for limit, held in limits:
        if least + held <= limit.value:
            continue
        sure = family.certain and limit.certain_to_refuse
        presumed = "" if family.certain else " if its tokenizer is as presumed"
        counted = f"{field} is at least {least:,} token{'' if least == 1 else 's'}{presumed}"
        if least > limit.value or not held:
            message = (
                f"{counted}, but {entry.name} reads {limit.value:,} tokens at most ({_source(limit)}). "
                f"Shorten {field}, {_ANYWAY}."
            )
            yield Finding(_error(ContextLengthError, message, entry, field, least, limit), sure)
        else:
            left = limit.value - least
            advice = f"Set {reserve.field or 'max_tokens'} to {left:,} or less" if left else f"Shorten {field}"
            message = (
                f"{counted}, which leaves {left:,} or less of the {limit.value:,} that {entry.name} reads and writes "
                f"({_source(limit)}), and {reserve.says}. "
                f"{advice}, {_ANYWAY}."
            )
            yield Finding(_error(ContextLengthError, message, entry, reserve.field or field, least + held, limit), sure)


def _error(kind: type[LimitError], message: str, entry: Model, field: str, value: int, limit: Limit) -> LimitError:
    return kind(message, model=entry.name, field=field, value=value, limit=limit.value, source=_source(limit))


def _source(limit: Limit) -> str:
    return f"{limit.source}, {limit.date}"


def _shared(entry: Model) -> Limit | None:
    """The limit of input and output together."""
    return entry.context_length if entry.window == "shared" else entry.total_length


def _input_limits(entry: Model) -> list[Limit]:
    return [limit for limit in (entry.context_length, entry.total_length) if limit is not None and entry.window]


def _asked(inputs: Mapping[str, Any]) -> dict[str, int]:
    """How many tokens of output are asked for, by the name under which they are."""
    return {
        field: value
        for field in _SPELLINGS
        if isinstance(value := inputs.get(field), int) and not isinstance(value, bool) and value >= 0
    }


def _reserve(entry: Model, inputs: Mapping[str, Any], asked: Mapping[str, int]) -> _Reserve:
    """The output that the service keeps room for: what is asked for, else the model's default, else a token."""
    if asked:
        # Which one of several is read is not known.
        field = min(asked, key=asked.__getitem__)
        return _Reserve(asked[field], f"{field} asks for {asked[field]:,}", field)
    # The default is that of the native schema, not of the Responses API.
    default = None if "input" in inputs else entry.default_max_tokens
    if default is None:
        return _Reserve(1, "the answer takes one at least")
    return _Reserve(default, f"without max_tokens {default:,} are asked for")


def _prompts(inputs: Mapping[str, Any]) -> Iterator[_Prompt]:
    """What the model is to read, in each of the forms that the service takes."""
    prompt, given = inputs.get("prompt"), inputs.get("input")
    if isinstance(prompt, str):
        yield _Prompt("prompt", [[prompt.strip(_BLANK)]])
    if "messages" in inputs:
        yield _Prompt("messages", list(_messages(_items(inputs["messages"]))))
    if given is not None:
        instructions = _texts(inputs.get("instructions"))
        items = [{"role": "user", "content": given}] if isinstance(given, str) else _items(given)
        # Beside instructions, a system message of the list may not be read.
        rest = list(_messages([None, *items] if instructions else items))
        yield _Prompt("input", [instructions, *rest])


def _messages(items: Sequence[Any]) -> Iterator[list[str]]:
    """The texts that count, of each message."""
    for place, item in enumerate(items):
        if not _is_object(item):
            continue
        role, content = item.get("role"), _texts(item.get("content"))
        if role == "user" or (role in ("system", "developer") and place == 0):
            # Of system messages, some templates read only one that comes first.
            yield content
        elif role == "assistant" and not item.get("tool_calls") and not item.get("function_call"):
            # With tool calls, some templates leave the text out.
            yield _said(content)
        elif role == "tool":
            yield [_told(content)]
        elif item.get("type") == "function_call_output":
            yield [_told(_texts(item.get("output")))]


def _texts(content: Any) -> list[str]:
    """The texts of a message's content, which is text or a list of parts. Images count nothing, and base64 neither."""
    parts = [content] if isinstance(content, str) else _items(content)
    found = [part.get("text") if _is_object(part) and part.get("type") in _TEXT_PARTS else part for part in parts]
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
        kept += [piece for string in _strings(value) for piece in re.findall(_KEPT_BY_JSON, string)]
    return tokens.CUT.join(kept)


def _strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value, keys included, in no particular order."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif _is_object(value):
            left += [*value, *value.values()]
        else:
            left += _items(value)


def _bytes(inputs: Mapping[str, Any]) -> int:
    """How many bytes all prompts have together, or more: characters of other scripts count as four."""
    total = 0
    for field in ("prompt", "instructions", "messages", "input"):
        given = inputs.get(field)
        if isinstance(given, str):
            total += _size(given)
        elif given is not None:
            items = [item for item in _items(given) if _is_object(item)]
            # Instructions may be a list of parts, which have no content of their own.
            contents = [given, *(item.get(key) for item in items for key in ("content", "output"))]
            total += sum(_size(text) for content in contents for text in _texts(content))
    return total


def _size(text: str) -> int:
    return len(text) if text.isascii() else 4 * len(text)


def _least(prompt: _Prompt, family: str) -> int:
    """How many tokens a prompt has at least, whatever the template puts between its messages."""
    inside = sum(tokens.bounded(message, family) for message in prompt.messages)
    return inside + any(text for message in prompt.messages for text in message)


def _largest(model: str, inputs: Mapping[str, Any]) -> int:
    """The number that `"max"` stands for."""
    entry = models.get(model)
    figures = [entry.sequence_length.value] if entry and entry.sequence_length else []
    shared = _shared(entry) if entry else None
    if shared is not None:
        most, likely = _taken(inputs, tokens.family_of(model).name)
        figures.append(max(shared.value - most, min(shared.value // 2, shared.value - likely)))
    if not figures:
        raise ConfigurationError(f"no source says how much {model} writes at most: give max_tokens as a number")
    return max(1, min(figures))


def _taken(inputs: Mapping[str, Any], family: str) -> tuple[int, int]:
    """How many tokens the prompt takes at most, and how many it likely does, rather too many."""
    texts: list[str] = []
    images = 1 if inputs.get("image") is not None else 0
    for text in _strings([inputs.get(field) for field in _READ]):
        if text.startswith(("data:", "https://")) and " " not in text:
            images += 1
        else:
            texts.append(text)
    around = _TEMPLATE + _AROUND * len(texts) + _IMAGE * images
    # Two bytes a token is dense for ASCII, one and a half for other scripts.
    likely = sum(len(text) // 2 if text.isascii() else len(text.encode("utf-8", "replace")) * 2 // 3 for text in texts)
    return around + sum(tokens.upper(text, family) for text in texts), around + likely


def _items(value: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, (list, tuple)) else ()


def _is_object(value: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, (dict, Mapping))  # the first is found at once
