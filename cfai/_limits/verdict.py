"""Decide whether one call fits one model.

A legal prompt is never refused: certain is only what the bounds of `cfai.tokens` prove for a vocabulary that was read,
against a figure that the service is sure to enforce. Everything else is likely, and good for a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from cfai import tokens
from cfai._config import CheckMode
from cfai._errors import LimitError
from cfai._limits.messages import make_output_error, make_prompt_error, make_texts_error
from cfai._limits.window import ReservedOutput, input_limits, requested_output, reserved_output, shared_limit
from cfai.models import Limit, Model

if TYPE_CHECKING:
    from cfai.tokens import CountingStrategy, PromptSize, TokenCount

Verdict = Literal["unknown", "fits", "likely fits", "likely too long", "very likely too long", "too long"]

_BY_SEVERITY: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of checking inputs against a model's limits. True in an `if` unless they are or may be too long."""

    model: str

    verdict: Verdict
    """`fits`, `likely fits`, `likely too long`, `very likely too long`, `too long`; `unknown` without a limit."""

    certain: bool = False
    """Whether `fits` or `too long` is beyond doubt. If not, the tokenizer or the limit itself is only presumed."""

    tokens: TokenCount | None = None
    """The prompt's; `None` where there is no limit to hold it against."""

    reserve: int = 0
    """The tokens of output that the service reserves."""

    limit: Limit | None = None
    """The limit that decided, with its source and date."""

    max_tokens: int | None = None
    """The largest `max_tokens` that fits beside the prompt, with a margin; 0 if none does, `None` if not known."""

    error: LimitError | None = None
    """The error that `run` raises, or warns with, if they are or may be too long."""

    def __bool__(self) -> bool:
        return self.error is None

    def raises(self, mode: CheckMode) -> bool:
        """Return whether `run` raises the error under `mode`. If not, it warns, unless `mode` is `off`."""
        if self.error is None or mode in ("warn", "off"):
            return False
        return (self.verdict == "too long" and self.certain) or (
            mode == "strict" and self.verdict in ("too long", "very likely too long")
        )


class Judgement(NamedTuple):
    """A count held against one limit."""

    limit: Limit
    tokens: TokenCount
    verdict: Verdict
    certain: bool = False

    @property
    def value(self) -> int:
        """The tokens that the verdict goes by."""
        return self.tokens.lower if self.verdict == "too long" else self.tokens.estimate


def severity(result: CheckResult) -> tuple[int, bool]:
    """Return a key by which the worst of several results is the largest."""
    return _BY_SEVERITY.index(result.verdict), result.certain


def check_single(entry: Model, inputs: Mapping[str, Any], strategy: CountingStrategy) -> CheckResult:
    """Check one request, which is no batch, against all limits of a model, and return the worst result."""
    requested = requested_output(inputs)
    reserved = reserved_output(entry, inputs, requested)
    results = [
        *_check_output(entry, requested),
        *_check_texts(entry, inputs, strategy),
        *_check_prompt(entry, inputs, strategy, reserved),
    ]
    if not results:
        verdict: Verdict = "likely fits" if entry.sequence_length else "unknown"
        largest = entry.sequence_length.value if entry.sequence_length else None
        return CheckResult(entry.name, verdict, reserve=reserved.tokens, max_tokens=largest)
    worst = max(results, key=severity)
    return replace(
        worst,
        tokens=worst.tokens or next((result.tokens for result in results if result.tokens is not None), None),
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
        verdict, certain = judgement.verdict, judgement.certain
        largest = _find_largest_output(entry, size, limit)
        error = None
        if verdict not in ("fits", "likely fits"):
            error = make_prompt_error(entry, judgement, size, reserved._replace(tokens=output), largest)
        yield CheckResult(entry.name, verdict, certain, count, reserved.tokens, limit, largest, error)


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
    """Check the texts of an embedding or reranking call: the worst one, and all together."""
    if not (entry.input_length or entry.batch_length) or inputs.get("truncate_inputs") is True:
        return
    texts = tokens.list_embedding_texts(inputs)
    counts = [(field, tokens.count_text(text, strategy)) for field, text in texts]
    if counts and entry.input_length:
        limit = entry.input_length
        results = (_check_text(entry, field, count, limit, "input", strategy) for field, count in counts)
        yield max(results, key=severity)
    if counts and entry.batch_length:
        field, total = counts[0]
        for _, count in counts[1:]:
            total = total + count
        # Texts are read one by one, so no token reaches from one into the next.
        total = replace(total, lower=sum(count.lower for _, count in counts))
        yield _check_text(entry, field, total, entry.batch_length, "batch", strategy)


def _check_text(
    entry: Model,
    field: str,
    count: TokenCount,
    limit: Limit,
    kind: Literal["input", "batch"],
    strategy: CountingStrategy,
) -> CheckResult:
    lowest = count.estimate * strategy.lowest_ratio(False)
    judgement = _judge(limit, limit.value, count, lowest, count.estimate, count.upper)
    verdict, certain = judgement.verdict, judgement.certain
    error = None
    if verdict not in ("fits", "likely fits"):
        error = make_texts_error(entry, judgement, field, kind)
    return CheckResult(entry.name, verdict, certain, count, limit=limit, error=error)
