"""Decide whether one call fits one model.

A legal prompt is never refused: certain is only what the bounds of `cfai.tokens` prove for a vocabulary that was read,
against a figure that the service is sure to enforce. Everything else is likely, and good for a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from cfai import tokens
from cfai._config import CheckMode
from cfai._errors import LimitError
from cfai._limits.messages import make_output_error, make_prompt_error, make_texts_error
from cfai._limits.window import ReservedOutput, input_limits, requested_output, reserved_output, shared_limit
from cfai.models import Limit, Model

if TYPE_CHECKING:
    from cfai.tokens import CountingStrategy, PromptSize, TokenCount

Verdict = Literal["unknown", "fits", "likely fits", "likely too long", "very likely too long", "too long"]

_BY_SEVERITY: tuple[Verdict, ...] = (
    "unknown",
    "fits",
    "likely fits",
    "likely too long",
    "very likely too long",
    "too long",
)


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


def severity(result: CheckResult) -> tuple[int, bool]:
    """Return a key by which the worst of several results is the largest."""
    return _BY_SEVERITY.index(result.verdict), result.certain


def check_single(entry: Model, inputs: Mapping[str, Any], strategy: CountingStrategy) -> CheckResult:
    """Check one request, which is no batch, against all limits of a model, and return the worst result."""
    requested = requested_output(inputs)
    reserved = reserved_output(entry, inputs, requested)
    limits = input_limits(entry, reserved.tokens)
    results = [*_check_output(entry, requested), *_check_texts(entry, inputs, strategy)]
    if limits:
        results += _check_prompt(entry, inputs, strategy, reserved, limits)
    if not results:
        verdict: Verdict = "likely fits" if entry.sequence_length else "unknown"
        largest = entry.sequence_length.value if entry.sequence_length else None
        return CheckResult(entry.name, verdict, reserve=reserved.tokens, max_tokens=largest)
    worst = max(results, key=severity)
    count = worst.tokens or next((result.tokens for result in results if result.tokens is not None), None)
    largest = min((result.max_tokens for result in results if result.max_tokens is not None), default=None)
    return replace(worst, tokens=count, reserve=reserved.tokens if limits else 0, max_tokens=largest)


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
    entry: Model,
    inputs: Mapping[str, Any],
    strategy: CountingStrategy,
    reserved: ReservedOutput,
    limits: list[tuple[Limit, int]],
) -> Iterator[CheckResult]:
    """Check the prompt by itself and together with the output: one result for each limit."""
    size = tokens.measure_prompt(inputs, strategy)
    count = tokens.to_token_count(size, strategy)
    for limit, output in limits:
        verdict, certain = _judge_prompt(size, limit, output, strategy)
        largest = _find_largest_output(entry, size, limit)
        error = None
        if verdict not in ("fits", "likely fits"):
            error = make_prompt_error(
                entry, size, count, verdict, certain, limit, reserved._replace(tokens=output), largest
            )
        yield CheckResult(entry.name, verdict, certain, count, reserved.tokens, limit, largest, error)


def _judge_prompt(size: PromptSize, limit: Limit, output: int, strategy: CountingStrategy) -> tuple[Verdict, bool]:
    """Return the verdict on a prompt beside `output` tokens, and whether it is certain."""
    remaining = limit.value - output
    if size.lower_bound > remaining and size.lower_bound > 0:
        return "too long", limit.certain_to_refuse and strategy.is_certain
    if size.upper_bound <= remaining and not size.media:
        return "fits", limit.certain_to_fit
    # The tokens of an image are a guess, on which nothing is refused.
    estimate = min(size.text_estimate, size.upper_bound)
    if round(estimate * size.lowest_ratio) > remaining:
        return "very likely too long", False
    # The gateway's own check seems to take base64 for text, four characters a token.
    inline = size.inline_characters
    if size.estimate > remaining or (inline and estimate + inline / 4 > remaining):
        return "likely too long", False
    return "likely fits", False


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
    input_limit, batch_limit = entry.input_length, entry.batch_length
    if not (input_limit or batch_limit) or inputs.get("truncate_inputs") is True:
        return
    texts = tokens.list_embedding_texts(inputs)
    counts = [(field, tokens.count_text(text, strategy)) for field, text in texts]
    if not counts:
        return
    if input_limit:
        results = (_check_text(entry, field, count, input_limit, "input", strategy) for field, count in counts)
        yield max(results, key=severity)
    if batch_limit:
        total = counts[0][1]
        for _, count in counts[1:]:
            total = total + count
        # Texts are read one by one, so no token reaches from one into the next.
        total = replace(total, lower=sum(count.lower for _, count in counts))
        yield _check_text(entry, counts[0][0], total, batch_limit, "batch", strategy)


def _check_text(
    entry: Model,
    field: str,
    count: TokenCount,
    limit: Limit,
    kind: Literal["input", "batch"],
    strategy: CountingStrategy,
) -> CheckResult:
    certain = False
    if count.lower > limit.value:
        verdict: Verdict = "too long"
        certain = limit.certain_to_refuse and count.certain
    elif count.upper <= limit.value:
        verdict, certain = "fits", limit.certain_to_fit
    elif count.estimate * strategy.lowest_ratio(False) > limit.value:
        verdict = "very likely too long"
    else:
        verdict = "likely too long" if count.estimate > limit.value else "likely fits"
    error = None
    if verdict not in ("fits", "likely fits"):
        error = make_texts_error(entry, field, count, verdict, certain, limit, kind)
    return CheckResult(entry.name, verdict, certain, count, 0, limit, None, error)
