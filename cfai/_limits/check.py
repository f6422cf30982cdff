"""A model's limits: whether inputs fit, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cfai import models, tokens
from cfai._errors import ConfigurationError, LimitError
from cfai._json import as_sequence, is_mapping
from cfai._limits.policy import NO_RULES, LimitPolicy
from cfai._limits.verdict import CheckResult, badness, fit_of, is_short
from cfai._limits.window import MAX_TOKENS_FIELDS, asked, reserved_output
from cfai.models import Limit, Model

_LEARNT_AS = {
    "context": "context_length",
    "sequence": "sequence_length",
    "input": "input_length",
    "batch": "batch_length",
}
_LEAST = 64
"""A smaller number in a refusal is no model's limit, but perhaps a part of the prompt that it quotes."""

_LONG = 100_000
"""Characters that are counted beside an event loop, not on it."""


def check(model: str, inputs: Mapping[str, Any], rules: LimitPolicy = NO_RULES) -> CheckResult:
    """Whether `inputs` fit `model`: the worst that is found of its limits, with all the counts.

    Each of the `requests` of a batch is checked like inputs of its own. What is no number where a number belongs, and
    no text where text belongs, is left to the service.

    >>> check("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "max_tokens": 1801}).error.limit
    1800
    >>> check("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "max_tokens": 1800}).verdict
    'fits'
    """
    entry = rules.model(model)
    if entry is None:
        return CheckResult(model, "unknown")
    return max((fit_of(entry, call, rules.measure(model)) for call in _calls(inputs)), key=badness)


def check_long(model: str, inputs: Mapping[str, Any], rules: LimitPolicy) -> CheckResult | None:
    """`check`, but `None` for what is short beyond doubt, as most calls are: they are not looked at closely."""
    entry = rules.model(model)
    if entry is None or all(is_short(entry, call) for call in _calls(inputs)):
        return None
    return check(model, inputs, rules)


def takes_long(inputs: Mapping[str, Any]) -> bool:
    """Whether counting may take so long that other tasks of an event loop should not wait for it: some 10 ms."""
    return tokens.size_of(inputs) > _LONG


def estimate(model: str, inputs: Mapping[str, Any]) -> float:
    """About how many tokens the prompt is, with no correction and within no bounds."""
    return tokens.measure_prompt(inputs, tokens.counting_strategy(model)).likely


def resolve_max_tokens(model: str, inputs: Mapping[str, Any], rules: LimitPolicy = NO_RULES) -> Mapping[str, Any]:
    """`inputs` with a number of tokens for `"max"` and `"fit"`: what the model writes, or what its window leaves.

    Room is left for the prompt's estimate and what it may be off by, or its certain upper bound if that is less.
    Raises `ConfigurationError` if no source gives a figure for the model.

    >>> resolve_max_tokens("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "max_tokens": "max"})
    {'prompt': 'Hi', 'max_tokens': 1800}
    """
    changed: dict[str, Any] = {
        key: _largest(model, inputs, rules) for key in MAX_TOKENS_FIELDS if inputs.get(key) in ("max", "fit")
    }
    if "requests" not in inputs:
        return {**inputs, **changed} if changed else inputs
    requests = as_sequence(inputs["requests"])
    resolved = [resolve_max_tokens(model, item, rules) if is_mapping(item) else item for item in requests]
    if any(new is not old for new, old in zip(resolved, requests, strict=True)):
        changed["requests"] = resolved
    return {**inputs, **changed} if changed else inputs


def learn(error: LimitError, inputs: Mapping[str, Any], learnt: dict[str, Limit], today: str) -> None:
    """Puts the limit that a refusal names to what was `learnt` of its model, and completes the refusal by the call."""
    entry = models.get(error.model or "")
    if error.limit_kind in ("input", "batch") and entry is not None and entry.window:
        error.limit_kind = "context"  # engines of text models say it in the same words
    if error.limit >= _LEAST and _may_be_over(error, entry, inputs):
        learnt[_LEARNT_AS[error.limit_kind]] = Limit(error.limit, error.limit_source, today)
    wanted = asked(inputs)
    if error.limit_kind == "sequence":
        error.field = max(wanted, key=wanted.__getitem__, default=error.field)
        return
    given = ("messages", "prompt", "input", "text", "contexts", "documents", "queries")
    error.field = next((field for field in given if inputs.get(field) is not None), "")
    if error.limit_kind != "context":
        return
    if error.output_tokens is None:
        error.output_tokens = reserved_output(entry or Model("", ""), inputs, wanted).tokens
        if error.total_tokens is not None and error.input_tokens is None:
            error.input_tokens = max(0, error.total_tokens - error.output_tokens)
            error.max_tokens = max(0, error.limit - error.input_tokens) or None
        elif error.total_tokens is None and error.input_tokens is not None:
            error.total_tokens = error.input_tokens + error.output_tokens


def _may_be_over(error: LimitError, entry: Model | None, inputs: Mapping[str, Any]) -> bool:
    """Whether a call can have passed the limit that its refusal names. If not, the refusal only quoted the prompt."""
    wanted = asked(inputs)
    if error.limit_kind == "sequence":
        return max(wanted.values(), default=0) > error.limit
    if error.limit_kind == "context":
        return tokens.most_bytes(inputs) + reserved_output(entry or Model("", ""), inputs, wanted).tokens > error.limit
    return sum(4 * len(text) + 1 for _, text in tokens.texts_to_embed(inputs)) > error.limit


def _calls(inputs: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield inputs
    if "requests" in inputs:
        yield from (item for item in as_sequence(inputs["requests"]) if is_mapping(item))


def _largest(model: str, inputs: Mapping[str, Any], rules: LimitPolicy) -> int:
    """The number that `"max"` stands for."""
    bare = {key: value for key, value in inputs.items() if key not in (*MAX_TOKENS_FIELDS, "requests")}
    largest = check(model, bare, rules).max_tokens
    if largest is None:
        raise ConfigurationError(f"no source says how much {model} writes at most: give max_tokens as a number")
    return max(1, largest)
