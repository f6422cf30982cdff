"""Shorten what is too long: leave out the oldest turns of a conversation (`fit_messages`), or cut a text (`truncate`).

Both go by the counts of `cfai.tokens`, and count their result once more as it is: it is never longer than requested.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from operator import itemgetter
from typing import Any, Literal

from cfai import models
from cfai._config import LimitPolicy
from cfai._errors import ConfigurationError, ContextLengthError, InputError
from cfai._json import as_sequence, is_mapping
from cfai._limits.messages import format_source
from cfai._limits.window import input_limits, requested_output, reserved_output
from cfai._repr import short_repr
from cfai.models import Limit
from cfai.tokens import (
    CountingStrategy,
    PromptSize,
    TokenCount,
    TokenCounter,
    count_with,
    estimate_unrounded,
    get_text,
    lower_bound,
    measure_prompt,
    messages_to_builtins,
    resolve_strategy,
    to_token_count,
    upper_bound,
)

_MIN_REACH, _MAX_REACH = 8, 256
"""How far back the end of a word is looked for at least and at most, in characters."""
_KEPT_FREE = 0.25
"""The share of a model's room that is free again once turns are left out of a conversation."""

# Patterns stay strings: `re` compiles them at first use, so that importing does not.
_UNSPACED = "[\u0e00-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
"""Scripts that put no blanks between words: there a word may end anywhere."""
_JOINED = "[\u0e33\u0eb3\u1160-\u11ff\u200c\u200d\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\udc00-\udfff]"
"""Characters that belong to the one before, beside all combining marks: vowels of Thai, Lao and Korean, joiners, skin
tones, the letters of a tag, and the second half of a surrogate pair."""
_FLAG = "[\U0001f1e6-\U0001f1ff]"
"""Half of a flag: two make one."""


@dataclass(frozen=True, slots=True)
class FittedMessages:
    """A conversation that fits, and the messages that were left out of it."""

    __repr__ = short_repr

    messages: list[Any]
    """The messages that are left, in order and as they were, save one whose text was cut, which is a copy."""

    dropped: list[Any]
    """The messages that were left out, in order."""

    count: TokenCount
    """The tokens of `messages`, with their chat template and the tools."""

    certain: bool
    """True if even the upper bound fits. If not, the messages fit by an estimate with a margin: 99 times in 100."""


def fit_messages(
    messages: Sequence[Any],
    *,
    model: str | None = None,
    family: str | None = None,
    limit: int | None = None,
    max_tokens: int | None = None,
    tools: Iterable[Any] | None = None,
    keep_system: bool = True,
    keep_last: int = 1,
    truncate_last: bool = False,
    counter: TokenCounter | None = None,
) -> FittedMessages:
    """Leave out as many of the oldest turns of `messages` as it takes for them and `max_tokens` to fit the model.

    A turn is a user message with all that follows it up to the next one. It is kept or dropped as a whole, and so are
    turns that a tool call and its result are in. System messages at the beginning stay unless `keep_system` is false,
    the last `keep_last` turns always. If they alone are too long, `truncate_last` has the last user message cut at its
    end. Messages are dicts or pydantic models, of chat completions or of the Responses API; none is changed, and what
    comes back are dicts.

    The limit is the catalogue's, or `limit` tokens of prompt and answer together. For the answer `max_tokens` are
    reserved, else what the model writes by default. `counter` counts the texts instead of the estimator. Nothing is
    sent.

    Raises `ContextLengthError` if what must stay does not fit, `ConfigurationError` if no limit is known, or unless one
    of `model` and `family` is given, and `InputError` for what is no message.

    >>> talk = [{"role": role, "content": "a1" * 99} for role in ("system", "user", "assistant", "user")]
    >>> fit = fit_messages(talk, family="llama3", limit=500)
    >>> [message["role"] for message in fit.messages], len(fit.dropped)
    (['system', 'user'], 2)
    """
    strategy = resolve_strategy("fit_messages", model, family, counter)
    _validate_number("keep_last", keep_last, 1, "turns")
    for name, value, least in (("limit", limit, 1), ("max_tokens", max_tokens, 0)):
        if value is not None:
            _validate_number(name, value, least)
    conversation, tools = messages_to_builtins(messages), messages_to_builtins(tools or (), "tools")
    room, source = _find_room(model, limit, max_tokens)
    turns = _find_turns(conversation, keep_system)
    max_dropped = max(0, len(turns) - keep_last)

    def drop(number: int) -> list[Any]:
        return [*conversation[: turns[0]], *conversation[turns[number] :]]

    # Counts of texts are cached, so that another look at what is left counts nothing anew.
    def measure(candidate: Sequence[Any]) -> PromptSize:
        return measure_prompt({"messages": candidate, "tools": tools}, strategy)

    def fits(candidate: Sequence[Any]) -> bool:
        size = measure(candidate)
        # The gateway estimates by itself, but it knows nothing of a limit of one's own.
        return max(size.likely_upper_bound, size.gateway_estimate if limit is None else 0) <= room

    dropped = 0
    if not fits(conversation):
        dropped = bisect_left(range(max_dropped), True, key=lambda number: fits(drop(number)))
    remaining = drop(dropped)
    if dropped == max_dropped and not fits(remaining):
        shorter = _cut_last_message(remaining, fits) if truncate_last else None
        if shorter is None:
            raise _make_messages_error(measure(remaining), strategy, room, source, model, truncate_last)
        remaining = shorter
    size = measure(remaining)
    certain = size.upper_bound <= room and size.media == 0
    omitted = conversation[turns[0] : turns[dropped]]
    return FittedMessages(remaining, omitted, to_token_count(size, strategy), certain)


def find_first_turn(model: str, inputs: Mapping[str, Any], policy: LimitPolicy, first: int = 0) -> tuple[int, int]:
    """Return where the turns begin among the `messages` of `inputs`, and where those that are to be sent.

    That is at `first`, as long as all from there on fit the model beside the output that is requested. If they do not,
    so many more are left out that a quarter of the room is free again: the next calls begin alike, and find their
    prompt in the service's cache. The last turn is always sent. Without a limit, or with checks off, all are.
    """
    messages = inputs["messages"]
    turns, entry = _find_turns(messages, keep_system=True), policy.get_model(model)
    head = turns[0]
    reserved = reserved_output(entry, inputs, requested_output(inputs)).tokens if entry else 0
    limits = input_limits(entry, reserved) if entry and policy.mode != "off" else []
    if not limits:
        return head, head
    strategy = policy.get_strategy(model)
    room = min(limit.value - shared for limit, shared in limits)

    def fits(start: int, room: float) -> bool:
        size = measure_prompt({**inputs, "messages": [*messages[:head], *messages[start:]]}, strategy)
        return max(size.likely_upper_bound, size.gateway_estimate) <= room

    first = first if first in turns else head
    later = [turn for turn in turns if turn > first]
    if not later or fits(first, room):
        return head, first
    goal = room * (1 - _KEPT_FREE)
    goal = goal if fits(later[-1], goal) else room
    return head, later[min(bisect_left(later, True, key=lambda start: fits(start, goal)), len(later) - 1)]


def truncate(
    text: str,
    tokens: int,
    *,
    model: str | None = None,
    family: str | None = None,
    side: Literal["end", "start", "middle"] = "end",
    counter: TokenCounter | None = None,
) -> str:
    """Cut `text` to `tokens` tokens for a model, or for a tokenizer family such as `llama3`.

    `side` is where it is cut: what stays is the beginning, the end, or with `"middle"` half of either. The cut is
    between words where one ends nearby, else between characters as a reader sees them: an emoji or a letter with its
    accents stays whole. A text that fits comes back as it is.

    Without a `counter`, what stays is as long as is sure to fit, or as fits by the estimate with a margin: 99 times in
    100. Raises `ConfigurationError` unless one of `model` and `family` is given, and known.

    >>> truncate("The quick brown fox jumps over the lazy dog.", 8, family="llama3")
    'The quick brown fox jumps over'
    >>> truncate("The quick brown fox jumps over the lazy dog.", 8, family="llama3", side="middle")
    'The quick brown lazy dog.'
    """
    strategy = resolve_strategy("truncate", model, family, counter)
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise InputError(f"`text` must be a string, got {type(text).__name__}")
    _validate_number("tokens", tokens, -inf)
    if side not in ("end", "start", "middle"):
        raise ConfigurationError(f"`side` must be 'end', 'start' or 'middle', got {side!r}")
    if tokens <= 0:
        return ""
    if _is_within(text, tokens, strategy):
        return text
    head = ""
    if side != "start":
        room = tokens if side == "end" else -(-tokens // 2)
        head = text[: _find_end(text, lambda end: _is_within(text[:end], room, strategy))]
    if side == "end":
        return head
    end = len(text)
    size = _find_largest(
        end - len(head),
        lambda size: end - _find_boundary(text, end - size, 1, keep_blank=head != ""),
        lambda size: _is_within(head + text[end - size :], tokens, strategy),
    )
    return head + text[end - size :]


def _validate_number(name: str, value: Any, least: float, unit: str = "tokens") -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        least_text = "" if least == -inf else f", {least} or more"
        raise ConfigurationError(f"`{name}` must be a number of {unit}{least_text}, got {value!r}")


# Conversations


def _find_room(model: str | None, limit: int | None, max_tokens: int | None) -> tuple[int, Limit]:
    """Return the tokens that a prompt may have, and the limit that leaves it the least."""
    entry = models.catalogue().get(model) if model is not None else None
    if max_tokens is None:
        default = entry.default_max_tokens if entry and entry.window == "shared" else None
        max_tokens = default.value if default else 1  # an answer takes one token at least
    if limit is not None:
        return limit - max_tokens, Limit(limit, "given as limit=", "")
    limits = input_limits(entry, max_tokens) if entry else []
    if not limits:
        raise ConfigurationError(f"`limit` must be given in tokens: no limit is known for {model or 'a family'}")
    return min(((each.value - reserved, each) for each, reserved in limits), key=itemgetter(0))


def _find_turns(messages: Sequence[Mapping[str, Any]], keep_system: bool) -> list[int]:
    """Return where the turns begin. Messages before the first turn stay in any case."""
    head = 0
    while keep_system and head < len(messages) and messages[head].get("role") in ("system", "developer"):
        head += 1
    starts = [head]
    calls: dict[str | None, int] = {}
    for place, message in enumerate(messages[head:], head):
        if place > head and message.get("role") == "user":
            starts.append(place)
        for call in _list_call_ids(message):
            # Some number the calls of each turn anew, and some give no ids at all: the last one is meant.
            calls[call] = calls[None] = place
        is_result = message.get("role") in ("tool", "function")
        if is_result or str(message.get("type")).endswith("_call_output"):
            answered = _get_id(message, "tool_call_id" if is_result else "call_id")
            while calls.get(answered, place) < starts[-1]:
                starts.pop()
    return starts


def _list_call_ids(message: Mapping[str, Any]) -> list[str | None]:
    """Return the ids of the calls that a message makes."""
    ids = [_get_id(call, "id") for call in as_sequence(message.get("tool_calls"))]
    if message.get("function_call"):
        ids.append(None)
    if str(message.get("type")).endswith("_call"):
        ids.append(_get_id(message, "call_id"))
    return ids


def _get_id(value: Any, field: str) -> str | None:
    id = value.get(field) if is_mapping(value) else None
    return id if isinstance(id, str) else None


def _cut_last_message(messages: Sequence[Any], fits: Callable[[Sequence[Any]], bool]) -> list[Any] | None:
    """Cut the last user message to what fits, or return `None` if the others do not fit without its text."""
    last = next((place for place in reversed(range(len(messages))) if messages[place].get("role") == "user"), None)
    if last is None:
        return None
    content = messages[last].get("content")
    texts = [content] if isinstance(content, str) else map(get_text, as_sequence(content))

    def cut(size: int) -> list[Any]:
        return [*messages[:last], _cut_message(messages[last], size), *messages[last + 1 :]]

    if not fits(cut(0)):
        return None
    return cut(_find_end("".join(filter(None, texts)), lambda end: fits(cut(end))))


def _cut_message(message: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Return `message` with the first `size` characters of its text."""
    content = message.get("content")
    if isinstance(content, str):
        return {**message, "content": content[:size]}
    parts: list[Any] = []
    for part in as_sequence(content):
        text = get_text(part)
        if text is None:
            parts.append(part)
        elif size > 0:
            parts.append({**part, "text": text[:size]} if is_mapping(part) else text[:size])
            size -= len(text)
    return {**message, "content": parts or ""}


def _make_messages_error(
    size: PromptSize, strategy: CountingStrategy, room: int, limit: Limit, model: str | None, truncated: bool
) -> ContextLengthError:
    """Build the error of messages that are too long even without the turns that may be dropped."""
    count = to_token_count(size, strategy)
    is_above = count.lower > room
    value = count.lower if is_above else count.estimate
    reserved = limit.value - room
    largest = limit.value - max(size.likely_upper_bound, size.gateway_estimate) if reserved else 0
    if largest > 0:
        advice = f"Set max_tokens to {largest:,} or less"
    else:
        advice = "Shorten the last messages, the system message or the tools, or lower keep_last or max_tokens"
    if not truncated:
        advice += ", or pass truncate_last=True"
    source = format_source(limit)
    message = (
        f"`messages` must be at most {max(0, room):,} tokens{f' for {model}' if model else ''}, which the limit "
        f"of {limit.value:,} ({source}) leaves beside {reserved:,} for the answer, got {count.estimate:,} "
        f"(lower bound {count.lower:,}, upper bound {count.upper:,}) without the turns that may be dropped. {advice}."
    )
    return ContextLengthError(
        message,
        model=model or "",
        field="messages",
        value=reserved + value,
        limit=limit.value,
        limit_source=source,
        input_tokens=value,
        output_tokens=reserved,
        certain=is_above and count.certain and limit.certain_to_refuse,
        max_tokens=largest if largest > 0 else None,
    )


# Texts


def _is_within(text: str, max_tokens: int, strategy: CountingStrategy) -> bool:
    """Return True if a text has at most `max_tokens`: surely, or by its estimate with a margin."""
    # Nothing is cached here: most of what is tried is never seen again.
    if strategy.counter is not None:
        return count_with(strategy.counter, text) <= max_tokens
    family = strategy.family.name
    if upper_bound(text, family) <= max_tokens:
        return True
    if estimate_unrounded(text, family) > max_tokens * strategy.lowest_ratio(text.isascii()):
        return False
    return lower_bound(text, family) <= max_tokens


def _find_end(text: str, fits: Callable[[int], bool]) -> int:
    """Return where to cut `text` so that what stands before is as long as fits."""
    return _find_largest(len(text), lambda size: _find_boundary(text, size, -1), fits)


def _find_largest(size: int, cut: Callable[[int], int], fits: Callable[[int], bool]) -> int:
    """Return the largest cut below `size` that fits: 0 does, and what is larger fits less.

    The cut grows until it is too large, then is bisected: little more than what fits is counted, some ten times.
    """
    best, low, high = 0, 0, size
    while high - low > 1:
        middle = min((low + high) // 2, 2 * low + 64)
        place = cut(middle)
        if place <= best or fits(place):
            low, best = middle, max(best, place)
        else:
            high = place  # whatever is between it and the middle is cut there, too
    return best


def _find_boundary(text: str, place: int, step: int, keep_blank: bool = False) -> int:
    """Return the nearest place to cut at, from `place` on in steps of 1 or -1.

    A word's end is good enough if no more than a fifth is lost for it, or a few characters. The blank beside it goes,
    unless it is to stay.
    """
    size = place if step < 0 else len(text) - place
    outside = 0 if step < 0 or keep_blank else -1
    reach = min(size, 1 + min(_MAX_REACH, max(_MIN_REACH, size // 5)))
    for near in range(place, place + step * reach, step):
        if _is_word_end(text[near + outside], text[near - 1 - outside]) and _is_character_end(text, near):
            return near
    while not _is_character_end(text, place):
        place += step
    return place


def _is_word_end(outside: str, inside: str) -> bool:
    """Return True if a word ends between two characters, of which `inside` is the word's."""
    if outside.isspace():
        return not inside.isspace()
    return bool(re.match(_UNSPACED, outside) or re.match(_UNSPACED, inside))


def _is_character_end(text: str, place: int) -> bool:
    """Return True if what a reader takes for one character ends at `place`."""
    if not 0 < place < len(text):
        return True
    before, after = text[place - 1], text[place]
    if before < "\x80" and after < "\x80":
        return before != "\r" or after != "\n"
    if before == "\u200d" or unicodedata.category(after)[0] == "M" or re.match(_JOINED, after):
        return False
    if not re.match(_FLAG, after):
        return True
    start = place
    while start and re.match(_FLAG, text[start - 1]):
        start -= 1
    return (place - start) % 2 == 0
