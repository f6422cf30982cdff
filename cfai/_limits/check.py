"""Check inputs against the limits of their model. Most are so short that nothing but their lengths is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfai._config import LimitPolicy
from cfai._errors import ConfigurationError
from cfai._json import as_sequence, is_mapping
from cfai._limits.verdict import CheckResult, check_single, severity
from cfai._limits.window import MAX_TOKENS_FIELDS
from cfai.tokens import MAX_AROUND_TEXT, MAX_MEDIUM, MAX_TEMPLATE, MEDIA_TYPES

_DEFAULT = LimitPolicy()
_MAX_TOKENS_ON_LOOP = 100_000
"""Tokens at most that are counted on an event loop, not beside it: some 10 ms."""
_MAX_SHORT_TOKENS = 1_000_000
"""Tokens at most of inputs that are short, where no limit is lower."""
_NUMBERS = (int, float, bool, type(None))


def check_call(model: str, inputs: Mapping[str, Any], policy: LimitPolicy = _DEFAULT) -> CheckResult:
    """Check whether `inputs` fit `model`: return the worst result of its limits, with all the counts.

    Each of the `requests` of a batch is checked like inputs of its own. A value that is no number where a number
    belongs, or no text where text belongs, is left to the service.

    >>> check_call("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "max_tokens": 1801}).error.limit
    1800
    >>> check_call("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "max_tokens": 1800}).verdict
    'fits'
    """
    entry = policy.get_model(model)
    if entry is None:
        return CheckResult(model, "unknown")
    strategy = policy.get_strategy(model)
    requests = filter(is_mapping, (inputs, *as_sequence(inputs.get("requests"))))
    return max((check_single(entry, request, strategy) for request in requests), key=severity)


def check_unless_short(model: str, inputs: Mapping[str, Any], policy: LimitPolicy) -> CheckResult | None:
    """Check as `check_call` does, but return `None` for inputs that are short beyond doubt, as most are.

    These are within every limit by the lengths of their strings alone.
    """
    entry = policy.get_model(model)
    if entry is None:
        return None
    if "requests" in inputs:
        return check_call(model, inputs, policy)
    output = entry.default_max_tokens.value if entry.default_max_tokens else 1
    for field in MAX_TOKENS_FIELDS:
        value = inputs.get(field)
        if isinstance(value, int):
            output = max(output, value)
    room = _MAX_SHORT_TOKENS
    for limit in (entry.context_length, entry.total_length, entry.batch_length):
        if limit:
            room = min(room, limit.value)
    total, longest = _bound_tokens(inputs, room - output)
    is_short = (
        total <= room - output
        and not (entry.sequence_length and output > entry.sequence_length.value)
        and not (entry.input_length and longest > entry.input_length.value)
    )
    return None if is_short else check_call(model, inputs, policy)


def is_slow_to_count(inputs: Mapping[str, Any]) -> bool:
    """Return whether counting may take so long that other tasks of an event loop should not wait for it."""
    return _bound_tokens(inputs, _MAX_TOKENS_ON_LOOP)[0] > _MAX_TOKENS_ON_LOOP


def resolve_max_tokens(model: str, inputs: Mapping[str, Any], policy: LimitPolicy = _DEFAULT) -> Mapping[str, Any]:
    """Return `inputs` with a number for `"max"`: as many tokens as the model writes, or as its window leaves.

    Room is left for the prompt's estimate and a margin, or for its certain upper bound if that is less. Raises
    `ConfigurationError` if no source gives a figure for the model.

    >>> resolve_max_tokens("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "max_tokens": "max"})
    {'prompt': 'Hi', 'max_tokens': 1800}
    """
    resolved: dict[str, Any] = {}
    for field in MAX_TOKENS_FIELDS:
        if inputs.get(field) == "max":
            resolved[field] = _resolve_max(model, inputs, policy)
    if "requests" in inputs:
        requests = as_sequence(inputs["requests"])
        new = [resolve_max_tokens(model, each, policy) if is_mapping(each) else each for each in requests]
        if any(after is not before for after, before in zip(new, requests, strict=True)):
            resolved["requests"] = new
    return {**inputs, **resolved} if resolved else inputs


def _resolve_max(model: str, inputs: Mapping[str, Any], policy: LimitPolicy) -> int:
    prompt = {key: value for key, value in inputs.items() if key not in (*MAX_TOKENS_FIELDS, "requests")}
    largest = check_call(model, prompt, policy).max_tokens
    if largest is None:
        raise ConfigurationError(f"`max_tokens` must be a number for {model}, of which no limit is known, got 'max'")
    return max(1, largest)


def _bound_tokens(inputs: Mapping[str, Any], enough: int) -> tuple[int, int]:
    """Return upper bounds of the tokens of inputs, and of their longest string, by lengths alone; stop at `enough`.

    A text has no more tokens than bytes, and a number of an image's bytes fewer than eight.
    """
    total, longest = MAX_TEMPLATE + MAX_MEDIUM * ("image" in inputs), 0
    stack: list[Any] = [inputs]
    while stack and total <= enough:
        value = stack.pop()
        kind = value.__class__
        if kind is str:
            size = 1 + (len(value) if value.isascii() else 4 * len(value))
            total += size
            longest = max(longest, size)
        elif kind is dict:
            total += 2 * MAX_AROUND_TEXT * len(value) + MAX_MEDIUM * (value.get("type") in MEDIA_TYPES)
            stack += value
            stack += value.values()
        elif kind is list or kind is tuple:
            total += MAX_AROUND_TEXT * len(value)
            if total <= enough:
                stack += value
        elif kind not in _NUMBERS:
            return enough + 1, enough + 1  # not one of JSON's own types: not to be judged by lengths
    return total, longest
