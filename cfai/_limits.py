"""A model's limits: what in the inputs is certain to be over one of them, before anything is sent.

A legal prompt is never refused. Where the tokenizer is only presumed, or the limit not certain to be enforced, the
finding says so, and is good for a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cfai import models, tokens
from cfai._errors import ConfigurationError, ContextLengthError, LimitError, SequenceLengthError
from cfai._json import is_object, items_of
from cfai.models import Limit, Model

_SPELLINGS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_ANYWAY = "or pass limits='warn' or limits='off' to send it all the same"


class Finding(NamedTuple):
    """That inputs are over a limit."""

    error: LimitError
    """The error to raise, or to warn with."""

    certain: bool
    """Whether the service is sure to refuse. If not, the model's tokenizer or the limit itself is only presumed."""


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
    requests = items_of(inputs["requests"])
    resolved = [resolve_max_tokens(model, item) if is_object(item) else item for item in requests]
    if any(new is not old for new, old in zip(resolved, requests, strict=True)):
        changed["requests"] = resolved
    return {**inputs, **changed} if changed else inputs


def _calls(inputs: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield inputs
    if "requests" in inputs:
        yield from (item for item in items_of(inputs["requests"]) if is_object(item))


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
    if not limits or tokens.most_bytes(inputs) <= min(limit.value - held for limit, held in limits):
        return
    family = tokens.family_of(entry.name)
    least, field = tokens.at_least(inputs, family.name)
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


def _largest(model: str, inputs: Mapping[str, Any]) -> int:
    """The number that `"max"` stands for."""
    entry = models.get(model)
    figures = [entry.sequence_length.value] if entry and entry.sequence_length else []
    shared = _shared(entry) if entry else None
    if shared is not None:
        most, likely = tokens.at_most(inputs, tokens.family_of(model).name)
        figures.append(max(shared.value - most, min(shared.value // 2, shared.value - likely)))
    if not figures:
        raise ConfigurationError(f"no source says how much {model} writes at most: give max_tokens as a number")
    return max(1, min(figures))
