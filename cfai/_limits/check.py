"""Decide whether a call fits its model. Most are so short that nothing but their lengths is looked at.

A legal prompt is never refused: certain is only what the bounds of `cfai.tokens` prove for a vocabulary that was read,
against a figure that the service is sure to enforce. Everything else is likely, and good for a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain
from math import inf
from operator import add
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import cfai.tokens
from cfai import tokens
from cfai._config import CheckMode, LimitPolicy
from cfai._errors import ConfigurationError, InputError, LimitError
from cfai._json import as_sequence, is_mapping
from cfai._limits.messages import make_output_error, make_prompt_error, make_texts_error
from cfai._limits.window import (
    MAX_TOKENS_FIELDS,
    ReservedOutput,
    input_limits,
    requested_output,
    reserved_output,
    shared_limit,
)
from cfai._repr import short_repr
from cfai.models import Limit, Model
from cfai.tokens import MAX_AROUND_TEXT, MAX_MEDIUM, MAX_TEMPLATE, MEDIA_TYPES

if TYPE_CHECKING:
    from cfai._limits.inputs import InputProblem
    from cfai.tokens import CountingStrategy, PromptSize, TokenCount

_DEFAULT = LimitPolicy()
_MAX_TOKENS_ON_LOOP = 100_000
"""Tokens at most that are counted on an event loop, not beside it: some 10 ms."""
_MAX_SHORT_TOKENS = 1_000_000
"""Tokens at most of inputs that are short, where no limit is lower."""
_NUMBERS = (int, float, bool, type(None))

Verdict = Literal[
    "unknown", "fits", "likely fits", "likely too long", "very likely too long", "too long", "wrong input"
]

_BY_SEVERITY: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of checking inputs against a model's limits and schema. True in an `if` unless something is wrong."""

    __repr__ = short_repr

    model: str

    verdict: Verdict
    """`fits`, `likely fits`, `likely too long`, `very likely too long`, `too long`; `unknown` without a limit.

    `wrong input` if an input is refused, or likely to be ignored, for something else than its length.
    """

    certain: bool = False
    """True if the verdict is beyond doubt. If not, the tokenizer, the limit or the schema is only presumed to hold."""

    tokens: cfai.tokens.TokenCount | None = None
    """The prompt's; `None` where there is no limit to hold it against."""

    reserve: int = 0
    """The tokens of output that the service reserves."""

    limit: Limit | None = None
    """The limit that decided, with its source and date."""

    max_tokens: int | None = None
    """The largest `max_tokens` that fits beside the prompt, with a margin; 0 if none does, `None` if not known."""

    error: LimitError | InputError | None = None
    """The error that `run` raises, or warns with, if something is wrong or may be."""

    max_cost: float | None = None
    """What the call costs at most, in US dollars by the catalogue's prices; `None` if nobody can know.

    Tokens of input are their upper bound, images among them a guess; tokens of output are `max_tokens`, else the
    model's default, else what its window leaves.
    """

    price_source: str | None = None
    """Who published the prices of `max_cost`, and when."""

    def __bool__(self) -> bool:
        return self.error is None

    def raises(self, mode: CheckMode) -> bool:
        """Return True if `run` raises the error under `mode`. If not, it warns, unless `mode` is `off`."""
        if self.error is None or mode in ("warn", "off"):
            return False
        return self.certain or (mode == "strict" and self.verdict != "likely too long")


class Judgement(NamedTuple):
    """A count held against one limit."""

    limit: Limit
    tokens: cfai.tokens.TokenCount
    verdict: Verdict
    certain: bool = False

    @property
    def value(self) -> int:
        """The tokens that the verdict goes by."""
        return self.tokens.lower if self.verdict == "too long" else self.tokens.estimate

    @property
    def fits(self) -> bool:
        """True if there is nothing to warn of."""
        return self.verdict in ("fits", "likely fits")


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
    result = _check_single(entry, inputs, strategy)
    for index, request in enumerate(as_sequence(inputs.get("requests"))):
        if is_mapping(request) and _severity(of_one := _check_single(entry, request, strategy)) > _severity(result):
            result = of_one
            if of_one.error is not None:
                of_one.error.args = (f"requests[{index}]: {of_one.error}",)
    return result


def add_problems(result: CheckResult, problems: Iterable[InputProblem]) -> CheckResult:
    """Return the result of a check, with the worst of the problems of the inputs if that is worse."""
    results = [
        replace(
            result,
            verdict="too long" if problem.limit else "wrong input",
            certain=problem.certain,
            limit=problem.limit or result.limit,
            error=problem.error,
        )
        for problem in problems
    ]
    return max([result, *results], key=lambda each: (each.error is not None and each.certain, _severity(each)))


def check_text(entry: Model, text: str, field: str, policy: LimitPolicy = _DEFAULT) -> CheckResult:
    """Check one of many texts to embed, by itself. `field` is its name in the error.

    >>> check_text(get("@cf/baai/bge-base-en-v1.5"), "a, " * 600, "texts[7]").error.field
    'texts[7]'
    """
    strategy = policy.get_strategy(entry.name)
    count = tokens.count_text(text, strategy)
    limits = filter(None, (entry.input_length, entry.batch_length))
    results = (_check_text(entry, limit, field, "input", count, strategy) for limit in limits)
    return max(results, key=_severity, default=CheckResult(entry.name, "unknown"))


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
    """Return True if counting may take so long that other tasks of an event loop should not wait for it."""
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
            prompt = {key: value for key, value in inputs.items() if key not in (*MAX_TOKENS_FIELDS, "requests")}
            largest = check_call(model, prompt, policy).max_tokens
            if largest is None:
                must = f"`max_tokens` must be a number for {model}, of which no limit is known"
                raise ConfigurationError(f"{must}, got 'max'")
            resolved[field] = max(1, largest)
    if "requests" in inputs:
        requests = as_sequence(inputs["requests"])
        new = [resolve_max_tokens(model, each, policy) if is_mapping(each) else each for each in requests]
        if any(after is not before for after, before in zip(new, requests, strict=True)):
            resolved["requests"] = new
    return {**inputs, **resolved} if resolved else inputs


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


def _severity(result: CheckResult) -> tuple[int, bool]:
    """Return a key by which the worst of several results is the largest."""
    return _BY_SEVERITY.index(result.verdict), result.certain


def _check_single(entry: Model, inputs: Mapping[str, Any], strategy: CountingStrategy) -> CheckResult:
    """Check one request, which is no batch, against all limits of a model, and return the worst result."""
    requested = requested_output(inputs)
    reserved = reserved_output(entry, inputs, requested)
    checks = (
        _check_output(entry, requested),
        _check_texts(entry, inputs, strategy),
        _check_prompt(entry, inputs, strategy, reserved),
    )
    results = sorted(chain(*checks), key=_severity, reverse=True)
    if not results:
        verdict: Verdict = "likely fits" if entry.sequence_length else "unknown"
        largest = entry.sequence_length.value if entry.sequence_length else None
        return CheckResult(entry.name, verdict, reserve=reserved.tokens, max_tokens=largest)
    return replace(
        results[0],
        tokens=next((result.tokens for result in results if result.tokens is not None), None),
        reserve=max(result.reserve for result in results),
        max_tokens=min((result.max_tokens for result in results if result.max_tokens is not None), default=None),
    )


def _check_output(entry: Model, requested: Mapping[str, int]) -> Iterator[CheckResult]:
    """Check the requested output by itself; only what is too long has a result."""
    limit = entry.sequence_length or shared_limit(entry)
    if limit is None:
        return
    for field, value in requested.items():
        if value > limit.value:
            error = make_output_error(entry, field, value, limit)
            certain = limit.certain_to_refuse
            yield CheckResult(entry.name, "too long", certain, limit=limit, max_tokens=limit.value, error=error)


def _check_prompt(
    entry: Model, inputs: Mapping[str, Any], strategy: CountingStrategy, reserved: ReservedOutput
) -> Iterator[CheckResult]:
    """Check the prompt by itself and together with the output: one result for each limit."""
    limits = input_limits(entry, reserved.tokens)
    if not limits:
        return
    size = tokens.measure_prompt(inputs, strategy)
    count = tokens.to_token_count(size, strategy)
    # The tokens of an image are a guess, on which nothing is refused.
    text_estimate = min(size.text_estimate, size.upper_bound)
    estimate, inline = size.estimate, size.inline_characters
    if inline:
        # The gateway's own check seems to take base64 for text, four characters a token.
        estimate = max(estimate, text_estimate + inline / 4)
    for limit, output in limits:
        judgement = _judge(
            limit,
            limit.value - output,
            count,
            round(text_estimate * size.lowest_ratio),
            estimate,
            inf if size.media else count.upper,
        )
        largest = _find_largest_output(entry, size, limit)
        reserve = reserved._replace(tokens=output)
        error = None if judgement.fits else make_prompt_error(entry, judgement, size, reserve, largest)
        yield CheckResult(
            entry.name, judgement.verdict, judgement.certain, count, reserved.tokens, limit, largest, error
        )


def _judge(
    limit: Limit, remaining: int, count: TokenCount, lowest_estimate: float, estimate: float, upper: float
) -> Judgement:
    """Judge tokens of which `remaining` fit."""
    if count.lower > max(0, remaining):
        return Judgement(limit, count, "too long", limit.certain_to_refuse and count.certain)
    if upper <= remaining:
        return Judgement(limit, count, "fits", limit.certain_to_fit)
    if lowest_estimate > remaining:
        return Judgement(limit, count, "very likely too long")
    return Judgement(limit, count, "likely too long" if estimate > remaining else "likely fits")


def _find_largest_output(entry: Model, size: PromptSize, limit: Limit) -> int | None:
    """Return the most output beside a prompt, or `None` if the limit says nothing of it."""
    largest = None
    if entry.window == "shared" or limit is shared_limit(entry):
        largest = max(0, limit.value - size.likely_upper_bound)
        if size.gateway_estimate < limit.value:
            # The gateway estimates by itself: the number chosen here is not to be refused there.
            largest = min(largest, limit.value - size.gateway_estimate)
    elif size.lower_bound > limit.value:
        largest = 0
    if entry.sequence_length is not None:
        largest = min(entry.sequence_length.value, limit.value if largest is None else largest)
    return largest


def _check_texts(entry: Model, inputs: Mapping[str, Any], strategy: CountingStrategy) -> Iterator[CheckResult]:
    """Check the texts of an embedding or reranking call: each one, and all together."""
    if not (entry.input_length or entry.batch_length) or inputs.get("truncate_inputs") is True:
        return
    counts = [(field, tokens.count_text(text, strategy)) for field, text in tokens.list_embedding_texts(inputs)]
    checks: list[tuple[Literal["input", "batch"], Limit | None, str, TokenCount]]
    checks = [("input", entry.input_length, field, count) for field, count in counts]
    if counts:
        # Texts are read one by one, so no token reaches from one into the next.
        lower = sum(count.lower for _, count in counts)
        total = replace(reduce(add, (count for _, count in counts)), lower=lower)
        checks.append(("batch", entry.batch_length, counts[0][0], total))
    for kind, limit, field, count in checks:
        if limit is not None:
            yield _check_text(entry, limit, field, kind, count, strategy)


def _check_text(
    entry: Model,
    limit: Limit,
    field: str,
    kind: Literal["input", "batch"],
    count: TokenCount,
    strategy: CountingStrategy,
) -> CheckResult:
    lowest = count.estimate * strategy.lowest_ratio(False)
    judgement = _judge(limit, limit.value, count, lowest, count.estimate, count.upper)
    error = None if judgement.fits else make_texts_error(entry, judgement, field, kind)
    return CheckResult(entry.name, judgement.verdict, judgement.certain, count, limit=limit, error=error)
