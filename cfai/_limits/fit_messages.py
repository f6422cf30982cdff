"""What is left out when there is too much: the oldest turns of a conversation, or a part of a text.

Both go by the counts of `cfai.tokens`, and what they give back is counted once more as it is: it is never longer than
was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cfai import models
from cfai import tokens as counts
from cfai._errors import ConfigurationError, ContextLengthError, InputError
from cfai._json import as_sequence, is_mapping
from cfai._limits.graphemes import is_border, is_word_border
from cfai._limits.messages import source_of
from cfai._limits.window import input_limits

if TYPE_CHECKING:
    from cfai.tokens import CountingStrategy, TokenCount, TokenCounter

_REACH = (8, 256)
"""How far back the end of a word is looked for at least and at most, in characters."""


@dataclass(frozen=True, slots=True)
class FittedMessages:
    """A conversation that fits, and what was left out of it."""

    messages: list[Any]
    """What is left, in order: the messages themselves, save one whose text was cut, which is a copy."""

    dropped: list[Any]
    """What was left out, in order."""

    count: TokenCount
    """How many tokens `messages` are, with their chat template and the tools."""

    certain: bool
    """Whether even the upper bound fits. If not, they fit by an estimate with a margin: 99 times in 100."""


class _Room(NamedTuple):
    """How many tokens a prompt may have."""

    tokens: int
    limit: int
    held: int
    """What is kept free of the limit for the answer."""
    source: str


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
    """`messages` without as many of their oldest turns as it takes for them and `max_tokens` to fit the model.

    A turn is a user message with all that follows it up to the next one. It is kept or dropped as a whole, and so are
    turns that a tool call and its result are in. System messages at the beginning stay unless `keep_system` is false,
    the last `keep_last` turns always. If they alone are too long, `truncate_last` has the last user message cut at its
    end. Messages are dicts or pydantic models, of chat completions or of the Responses API; none is changed, and what
    comes back are dicts.

    The limit is the catalogue's, or `limit` tokens of prompt and answer together. For the answer `max_tokens` are held
    free, else what the model writes by default. `counter` counts the texts instead of the estimator. Nothing is sent.

    Raises `ContextLengthError` if what must stay does not fit, `ConfigurationError` if no limit is known, or unless one
    of `model` and `family` is given, and `InputError` for what is no message.

    >>> talk = [{"role": role, "content": "a1" * 99} for role in ("system", "user", "assistant", "user")]
    >>> fit = fit_messages(talk, family="llama3", limit=500)
    >>> [message["role"] for message in fit.messages], len(fit.dropped)
    (['system', 'user'], 2)
    """
    measure = counts.measure_for("fit_messages", model, family, counter)
    _check("keep_last", keep_last, 1, "turns")
    for name, given, least in (("limit", limit, 1), ("max_tokens", max_tokens, 0)):
        if given is not None:
            _check(name, given, least)
    plain, tools = counts.messages_to_builtins(messages), counts.messages_to_builtins(tools or (), "tools")
    room = _room(model, limit, max_tokens)
    head, turns = _turns(plain, keep_system)
    most = max(0, len(turns) - keep_last)

    def left(dropped: int) -> list[Any]:
        return [*plain[:head], *plain[turns[dropped] :]] if dropped else [*plain]

    def fits(kept: Sequence[Any]) -> bool:
        weight = counts.measure_prompt({"messages": kept, "tools": tools}, measure)
        # The gateway estimates by itself, but it knows nothing of a limit of one's own.
        return max(weight.likely_most, weight.by_gateway if limit is None else 0) <= room.tokens

    # What was counted of a text is kept, so that looking again at what is left counts nothing anew.
    dropped = 0
    if most and not fits(left(0)):
        dropped = most - _longest(most, lambda more: more, lambda more: fits(left(most - more)))
    kept = left(dropped)
    if dropped == most and not fits(kept):
        shorter = _shortened(kept, fits) if truncate_last else None
        if shorter is None:
            raise _misfit({"messages": kept, "tools": tools}, measure, room, model, truncate_last)
        kept = shorter
    weight = counts.measure_prompt({"messages": kept, "tools": tools}, measure)
    certain = weight.most <= room.tokens and weight.media == 0
    out = [*plain[head : turns[dropped]]] if dropped else []
    return FittedMessages(kept, out, counts.count_of(weight, measure), certain)


def truncate(
    text: str,
    tokens: int,
    *,
    model: str | None = None,
    family: str | None = None,
    side: Literal["end", "start", "middle"] = "end",
    at: Literal["word", "grapheme"] = "word",
    counter: TokenCounter | None = None,
) -> str:
    """As much of `text` as is `tokens` tokens for a model, or for a tokenizer family such as `llama3`.

    `side` is where it is cut: what stays is the beginning, the end, or with `"middle"` half of either. The cut is
    between words where one ends nearby, else between characters as a reader sees them: an emoji or a letter with its
    accents stays whole. What fits comes back as it is.

    Without a `counter`, what stays is as long as is sure to fit, or as fits by the estimate with a margin: 99 times in
    100. Raises `ConfigurationError` unless one of `model` and `family` is given, and known.

    >>> truncate("The quick brown fox jumps over the lazy dog.", 8, family="llama3")
    'The quick brown fox jumps over'
    >>> truncate("The quick brown fox jumps over the lazy dog.", 8, family="llama3", side="middle")
    'The quick brown lazy dog.'
    """
    measure = counts.measure_for("truncate", model, family, counter)
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise InputError(f"truncate cuts a text, not {type(text).__name__}")
    _check("tokens", tokens, -inf)
    if side not in ("end", "start", "middle"):
        raise ConfigurationError(f"side is {side!r}: give 'end', 'start' or 'middle'")
    if at not in ("word", "grapheme"):
        raise ConfigurationError(f"at is {at!r}: give 'word' or 'grapheme'")
    if tokens <= 0:
        return ""
    if _is_within(text, tokens, measure):
        return text
    head = ""
    if side != "start":
        head = _beginning(
            text, lambda part: _is_within(part, tokens if side == "end" else -(-tokens // 2), measure), at
        )
    if side == "end":
        return head
    return head + _ending(text, len(head), lambda part: _is_within(head + part, tokens, measure), at)


def _check(name: str, value: Any, least: float, what: str = "tokens") -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigurationError(f"{name} is {value!r}: give a number of {what}")
    if value < least:
        raise ConfigurationError(f"{name} is {value}: give {least} or more")


# Conversations


def _room(model: str | None, limit: int | None, max_tokens: int | None) -> _Room:
    """What the nearest of the limits leaves for the prompt."""
    entry = models.get(model) if model is not None else None
    held = max_tokens
    if held is None:
        # The answer takes one token at least.
        held = entry.default_max_tokens.value if entry and entry.default_max_tokens and entry.window == "shared" else 1
    if limit is not None:
        return _Room(limit - held, limit, held, "given as limit=")
    limits = input_limits(entry, held) if entry is not None else []
    found = [_Room(each.value - free, each.value, free, source_of(each)) for each, free in limits]
    if not found:
        raise ConfigurationError(f"no limit is known for {model or 'a family'}: give one, in tokens, as limit=")
    return min(found)


def _turns(messages: Sequence[Mapping[str, Any]], keep_system: bool) -> tuple[int, list[int]]:
    """How many messages at the beginning stay whatever happens, and where the turns begin behind them."""
    head = 0
    while keep_system and head < len(messages) and messages[head].get("role") in ("system", "developer"):
        head += 1
    starts: list[int] = []
    calls: dict[Any, int] = {}
    for place in range(head, len(messages)):
        message = messages[place]
        if place == head or message.get("role") == "user":
            starts.append(place)
        for call in _calls(message):
            # Some number the calls of each turn anew, and some give no ids at all: the last one is meant.
            calls[call] = calls[None] = place
        answered = _answered(message)
        while answered and calls.get(answered[0], place) < starts[-1]:
            starts.pop()
    return head, starts


def _calls(message: Mapping[str, Any]) -> list[Any]:
    """The ids of the calls that a message makes."""
    found = [call.get("id") if is_mapping(call) else None for call in as_sequence(message.get("tool_calls"))]
    if message.get("function_call"):
        found.append(None)
    if str(message.get("type")).endswith("_call"):
        found.append(message.get("call_id"))
    return [each if isinstance(each, str) else None for each in found]


def _answered(message: Mapping[str, Any]) -> list[Any]:
    """The id of the call whose result a message is, if it is one."""
    if message.get("role") in ("tool", "function"):
        answered = message.get("tool_call_id")
    elif str(message.get("type")).endswith("_call_output"):
        answered = message.get("call_id")
    else:
        return []
    return [answered if isinstance(answered, str) else None]


def _shortened(messages: Sequence[Any], fits: Callable[[Sequence[Any]], bool]) -> list[Any] | None:
    """`messages` with as much of the last user message's text as fits, or `None` if they do not fit without it."""
    last = next((place for place in reversed(range(len(messages))) if messages[place].get("role") == "user"), None)
    if last is None:
        return None
    text = "".join(filter(None, map(counts.text_of, _parts(messages[last]))))

    def cut(size: int) -> list[Any]:
        return [*messages[:last], _cut(messages[last], size), *messages[last + 1 :]]

    if not fits(cut(0)):
        return None
    known: dict[int, int] = {}
    return cut(_longest(len(text), lambda size: _border(text, size, -1, "word", known), lambda size: fits(cut(size))))


def _cut(message: Mapping[str, Any], size: int) -> dict[str, Any]:
    """`message` with the first `size` characters of its text."""
    content = message.get("content")
    if isinstance(content, str):
        return {**message, "content": content[:size]}
    kept: list[Any] = []
    for part in _parts(message):
        text = counts.text_of(part)
        if text is None:
            kept.append(part)
        elif size > 0:
            kept.append({**part, "text": text[:size]} if is_mapping(part) else text[:size])
            size -= len(text)
    return {**message, "content": kept or ""}


def _parts(message: Mapping[str, Any]) -> Sequence[Any]:
    content = message.get("content")
    return [content] if isinstance(content, str) else as_sequence(content)


def _misfit(
    inputs: Mapping[str, Any], measure: CountingStrategy, room: _Room, model: str | None, emptied: bool
) -> ContextLengthError:
    weight = counts.measure_prompt(inputs, measure)
    count = counts.count_of(weight, measure)
    certain = count.lower > room.tokens
    size = count.lower if certain else count.estimate
    most = room.limit - max(weight.likely_most, weight.by_gateway) if room.held else 0
    if most > 0:
        advice = f"Set max_tokens to {most:,} or less"
    else:
        advice = "Shorten the last messages, the system message or the tools, or lower keep_last or max_tokens"
    if not emptied:
        advice += ", or pass truncate_last=True"
    of = f" of {model}" if model else ""
    message = (
        f"messages is about {count.estimate:,} tokens (at least {count.lower:,}, at most {count.upper:,}) even "
        f"without the turns that may be dropped. That {'is' if certain else 'may be'} more than the "
        f"{max(0, room.tokens):,} that the limit of {room.limit:,}{of} ({room.source}) leaves beside {room.held:,} "
        f"for the answer. {advice}."
    )
    return ContextLengthError(
        message,
        model=model or "",
        field="messages",
        value=room.held + size,
        limit=room.limit,
        limit_source=room.source,
        input_tokens=size,
        output_tokens=room.held,
        certain=certain,
        max_tokens=most if most > 0 else None,
    )


# Texts


def _is_within(text: str, tokens: int, measure: CountingStrategy) -> bool:
    """Whether a text is `tokens` tokens at most: surely, or by its estimate with a margin."""
    # Nothing is remembered here: most of what is tried is never seen again.
    if measure.counter is not None:
        return counts.counted(measure.counter, text) <= tokens
    family = measure.family.name
    if counts.upper(text, family) <= tokens:
        return True
    if counts.cost(text, family) > tokens * measure.sure(text.isascii()):
        return False
    return counts.lower(text, family) <= tokens


def _beginning(text: str, fits: Callable[[str], bool], at: str) -> str:
    """The longest beginning of `text` that fits."""
    known: dict[int, int] = {}
    return text[: _longest(len(text), lambda size: _border(text, size, -1, at, known), lambda size: fits(text[:size]))]


def _ending(text: str, start: int, fits: Callable[[str], bool], at: str) -> str:
    """The longest ending of `text` that fits and does not reach back to `start`."""
    whole = len(text)
    known: dict[int, int] = {}
    kept = _longest(
        whole - start,
        lambda size: whole - _border(text, whole - size, 1, at, known, blank=start > 0),
        lambda size: fits(text[whole - size :]),
    )
    return text[whole - kept :]


def _longest(size: int, cut: Callable[[int], int], fits: Callable[[int], bool]) -> int:
    """The largest `cut` of a number below `size` that fits, where 0 does and what is larger fits less.

    It grows until it is too large, then closes in: only about so much is counted as fits, and that some ten times.
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


def _border(text: str, place: int, step: int, at: str, known: dict[int, int], blank: bool = False) -> int:
    """The nearest place to cut at, from `place` on in steps of 1 or -1.

    A word's end is good enough if no more than a fifth is lost for it, or a few characters. The blank beside it goes,
    unless it is to stay. What was looked up is `known`: a thousand accents on one letter are passed once.
    """
    if at == "word":
        kept = place if step < 0 else len(text) - place
        outside = 0 if step < 0 or blank else -1
        least, most = _REACH
        for near in range(place, place + step * min(kept, 1 + min(most, max(least, kept // 5))), step):
            if is_word_border(text[near + outside], text[near - 1 - outside]) and is_border(text, near):
                return near
    near = place
    while near not in known and not is_border(text, near):
        near += step
    known[place] = known.get(near, near)
    return known[place]
