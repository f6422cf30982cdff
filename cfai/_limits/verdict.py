"""Whether one call fits one model.

A legal prompt is never refused: certain is only what the bounds of `cfai.tokens` prove for a vocabulary that was read,
against a figure that the service is sure to enforce. Everything else is likely, and good for a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from cfai import tokens
from cfai._errors import LimitError
from cfai._limits.messages import output_error, prompt_error, texts_error
from cfai._limits.policy import CheckMode
from cfai._limits.window import ReservedOutput, asked, input_limits, reserved_output, shared_limit
from cfai.models import Limit, Model

if TYPE_CHECKING:
    from cfai.tokens import CountingStrategy, PromptSize, TokenCount

Verdict = Literal["unknown", "fits", "likely fits", "likely too long", "very likely too long", "too long"]

_WORST_LAST: tuple[Verdict, ...] = (
    "unknown",
    "fits",
    "likely fits",
    "likely too long",
    "very likely too long",
    "too long",
)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Whether inputs fit a model's limits. True in an `if` unless they are too long, or likely are."""

    model: str

    verdict: Verdict
    """`fits`, `likely fits`, `likely too long`, `very likely too long`, `too long`; `unknown` without a limit."""

    certain: bool = False
    """Whether `fits` or `too long` is beyond doubt. If not, the tokenizer or the limit itself is only presumed."""

    tokens: TokenCount | None = None
    """The prompt's; `None` where there is no limit to hold it against."""

    reserve: int = 0
    """The tokens of output that the service keeps room for."""

    limit: Limit | None = None
    """The limit that decided, with its source and date."""

    max_tokens: int | None = None
    """The largest `max_tokens` that fits beside the prompt, with a margin; 0 if none does, `None` if not known."""

    error: LimitError | None = None
    """What `run` raises, or warns with, if they are or may be too long."""

    def __bool__(self) -> bool:
        return self.error is None

    def raises(self, mode: CheckMode) -> bool:
        """Whether `run` raises the error under `mode`. If not, it warns, unless `mode` is `off`."""
        if self.error is None or mode in ("warn", "off"):
            return False
        return (self.verdict == "too long" and self.certain) or (
            mode == "strict" and self.verdict in ("too long", "very likely too long")
        )


def badness(fit: CheckResult) -> tuple[int, bool]:
    return _WORST_LAST.index(fit.verdict), fit.certain


def is_short(entry: Model, inputs: Mapping[str, Any]) -> bool:
    """Whether a call is within every limit by its mere size: a text has no more tokens than bytes."""
    wanted = asked(inputs)
    if any(True for _ in _output(entry, wanted)):
        return False
    if entry.input_length or entry.batch_length:
        sizes = [4 * len(text) + 1 for _, text in tokens.texts_to_embed(inputs)]
        if max(sizes, default=0) > _least_of(entry.input_length) or sum(sizes) > _least_of(entry.batch_length):
            return False
    reserve = reserved_output(entry, inputs, wanted)
    limits = input_limits(entry, reserve.tokens)
    return not limits or tokens.most_bytes(inputs) <= min(limit.value - held for limit, held in limits)


def fit_of(entry: Model, inputs: Mapping[str, Any], measure: CountingStrategy) -> CheckResult:
    """The worst of what is found for one call."""
    wanted = asked(inputs)
    reserve = reserved_output(entry, inputs, wanted)
    found = [*_output(entry, wanted), *_texts(entry, inputs, measure)]
    if limits := input_limits(entry, reserve.tokens):
        found += _prompt(entry, inputs, measure, reserve, limits)
    if not found:
        verdict: Verdict = "likely fits" if entry.sequence_length else "unknown"
        return CheckResult(entry.name, verdict, reserve=reserve.tokens, max_tokens=_value(entry.sequence_length))
    worst = max(found, key=badness)
    counts = worst.tokens or next((fit.tokens for fit in found if fit.tokens is not None), None)
    largest = [fit.max_tokens for fit in found if fit.max_tokens is not None]
    held = reserve.tokens if limits else 0
    return replace(worst, tokens=counts, reserve=held, max_tokens=min(largest, default=None))


def _output(entry: Model, wanted: Mapping[str, int]) -> Iterator[CheckResult]:
    """What is wrong with the output asked for, by itself."""
    limit = entry.sequence_length or shared_limit(entry)
    if limit is None:
        return
    for field, value in wanted.items():
        if value > limit.value:
            error = output_error(entry, field, value, limit)
            yield CheckResult(
                entry.name, "too long", limit.certain_to_refuse, limit=limit, max_tokens=limit.value, error=error
            )


def _prompt(
    entry: Model,
    inputs: Mapping[str, Any],
    measure: CountingStrategy,
    reserve: ReservedOutput,
    limits: Iterable[tuple[Limit, int]],
) -> Iterator[CheckResult]:
    """What is to be said of the prompt, by itself and together with the output asked for: one for each limit."""
    prompt = tokens.measure_prompt(inputs, measure)
    count = tokens.count_of(prompt, measure)
    for limit, held in limits:
        room = _room(entry, prompt, limit)
        finding = verdict, certain = _verdict(prompt, limit, held, measure)
        error = None
        if verdict not in ("fits", "likely fits"):
            error = prompt_error(entry, prompt, count, finding, limit, reserve, held, room)
        yield CheckResult(entry.name, verdict, certain, count, reserve.tokens, limit, room, error)


def _room(entry: Model, prompt: PromptSize, limit: Limit) -> int | None:
    """The most output beside a prompt, as far as a limit has a say in it."""
    room = None
    if entry.window == "shared" or limit is shared_limit(entry):
        room = max(0, limit.value - prompt.likely_most)
        if prompt.by_gateway < limit.value:
            # The gateway estimates by itself: what is chosen here is not to be refused there.
            room = min(room, limit.value - prompt.by_gateway)
    elif prompt.least > limit.value:
        room = 0
    if entry.sequence_length is not None:
        room = min(entry.sequence_length.value, limit.value if room is None else room)
    return room


def _verdict(prompt: PromptSize, limit: Limit, held: int, measure: CountingStrategy) -> tuple[Verdict, bool]:
    """The verdict on a prompt beside `held` tokens of output, and whether it is certain."""
    left = limit.value - held
    if prompt.least > left and prompt.least > 0:
        return "too long", limit.certain_to_refuse and measure.is_certain
    if prompt.most <= left and not prompt.media:
        return "fits", limit.certain_to_fit
    # What an image takes is a guess, on which nothing is refused.
    likely = min(prompt.likely, prompt.most)
    if round(likely * prompt.sure) > left:
        return "very likely too long", False
    # The gateway's own check seems to take base64 for text, four characters a token.
    if prompt.estimate > left or (prompt.inline and likely + prompt.inline / 4 > left):
        return "likely too long", False
    return "likely fits", False


def _texts(entry: Model, inputs: Mapping[str, Any], measure: CountingStrategy) -> Iterator[CheckResult]:
    """What is to be said of the texts of an embedding or reranking call: of each, and of all together."""
    each, together = entry.input_length, entry.batch_length
    if not (each or together) or inputs.get("truncate_inputs") is True:
        return
    counts = [(field, tokens.count_text(text, measure)) for field, text in tokens.texts_to_embed(inputs)]
    if not counts:
        return
    if each:
        yield max((_text(entry, field, count, each, "input", measure) for field, count in counts), key=badness)
    if together:
        total = counts[0][1]
        for _, count in counts[1:]:
            total = total + count
        # Texts are read one by one, so nothing joins them.
        total = replace(total, lower=sum(count.lower for _, count in counts))
        yield _text(entry, counts[0][0], total, together, "batch", measure)


def _text(
    entry: Model,
    field: str,
    count: TokenCount,
    limit: Limit,
    kind: Literal["input", "batch"],
    measure: CountingStrategy,
) -> CheckResult:
    certain = False
    if count.lower > limit.value:
        verdict: Verdict = "too long"
        certain = limit.certain_to_refuse and count.certain
    elif count.upper <= limit.value:
        verdict, certain = "fits", limit.certain_to_fit
    elif count.estimate * measure.sure(False) > limit.value:
        verdict = "very likely too long"
    else:
        verdict = "likely too long" if count.estimate > limit.value else "likely fits"
    error = None
    if verdict not in ("fits", "likely fits"):
        error = texts_error(entry, field, count, (verdict, certain), limit, kind)
    return CheckResult(entry.name, verdict, certain, count, 0, limit, None, error)


def _least_of(limit: Limit | None) -> float:
    return inf if limit is None else limit.value


def _value(limit: Limit | None) -> int | None:
    return None if limit is None else limit.value
