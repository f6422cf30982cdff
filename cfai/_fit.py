"""Whether one call fits one model, and what to say if it does not.

A legal prompt is never refused: certain is only what the bounds of `cfai.tokens` prove for a vocabulary that was read,
against a figure that the service is sure to enforce. Everything else is likely, and good for a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cfai import tokens
from cfai._errors import ContextLengthError, LimitError, SequenceLengthError
from cfai._rules import LimitMode
from cfai.models import Limit, Model

if TYPE_CHECKING:
    from cfai.tokens import Measure, TokenCount

Verdict = Literal["unknown", "fits", "likely fits", "likely too long", "very likely too long", "too long"]
SPELLINGS = ("max_tokens", "max_completion_tokens", "max_output_tokens")

_WORST_LAST: tuple[Verdict, ...] = (
    "unknown",
    "fits",
    "likely fits",
    "likely too long",
    "very likely too long",
    "too long",
)
_ANYWAY = "or pass limits='warn' or limits='off' to send it all the same"


@dataclass(frozen=True, slots=True)
class Fit:
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

    def raises(self, mode: LimitMode) -> bool:
        """Whether `run` raises the error under `mode`. If not, it warns, unless `mode` is `off`."""
        if self.error is None or mode in ("warn", "off"):
            return False
        return (self.verdict == "too long" and self.certain) or (
            mode == "strict" and self.verdict in ("too long", "very likely too long")
        )


class Reserve(NamedTuple):
    """The output that the service keeps room for in a shared window."""

    tokens: int
    says: str
    """Why it is that many."""
    field: str | None = None
    """The input that asked for it."""


def asked(inputs: Mapping[str, Any]) -> dict[str, int]:
    """How many tokens of output are asked for, by the name under which they are."""
    return {
        field: value
        for field in SPELLINGS
        if isinstance(value := inputs.get(field), int) and not isinstance(value, bool) and value >= 0
    }


def badness(fit: Fit) -> tuple[int, bool]:
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
    reserve = reserve_of(entry, inputs, wanted)
    limits = _input_limits(entry, reserve)
    return not limits or tokens.most_bytes(inputs) <= min(limit.value - held for limit, held in limits)


def fit_of(entry: Model, inputs: Mapping[str, Any], measure: Measure) -> Fit:
    """The worst of what is found for one call."""
    wanted = asked(inputs)
    reserve = reserve_of(entry, inputs, wanted)
    found = [*_output(entry, wanted), *_texts(entry, inputs, measure)]
    if limits := _input_limits(entry, reserve):
        found += _prompt(entry, inputs, measure, reserve, limits)
    if not found:
        verdict: Verdict = "likely fits" if entry.sequence_length else "unknown"
        return Fit(entry.name, verdict, reserve=reserve.tokens, max_tokens=_value(entry.sequence_length))
    worst = max(found, key=badness)
    counts = worst.tokens or next((fit.tokens for fit in found if fit.tokens is not None), None)
    largest = [fit.max_tokens for fit in found if fit.max_tokens is not None]
    held = reserve.tokens if limits else 0
    return replace(worst, tokens=counts, reserve=held, max_tokens=min(largest, default=None))


def _output(entry: Model, wanted: Mapping[str, int]) -> Iterator[Fit]:
    """What is wrong with the output asked for, by itself."""
    limit = entry.sequence_length or _shared(entry)
    if limit is None:
        return
    kind, does = (SequenceLengthError, "writes") if entry.sequence_length else (ContextLengthError, "reads and writes")
    for field, value in wanted.items():
        if value > limit.value:
            message = (
                f"{field} is {value:,}, but {entry.name} {does} {limit.value:,} tokens at most ({_source(limit)}). "
                f"Lower {field}, {_ANYWAY}."
            )
            error = kind(
                message,
                model=entry.name,
                field=field,
                value=value,
                limit=limit.value,
                limit_source=_source(limit),
                output_tokens=value,
                certain=limit.certain_to_refuse,
                max_tokens=limit.value,
            )
            yield Fit(entry.name, "too long", limit.certain_to_refuse, limit=limit, max_tokens=limit.value, error=error)


class _Prompt(NamedTuple):
    """What was counted of a prompt."""

    least: int
    field: str
    counts: TokenCount
    likely: float
    """The estimate of its texts, without images."""
    sure: float
    """How far below the estimate the real count may be, as a factor."""
    media: int
    inline: int
    """Characters of images and the like that were sent along."""

    most_likely: int
    """No more than this, but for one prompt in a hundred."""


def _counted(inputs: Mapping[str, Any], measure: Measure) -> _Prompt:
    least, field = tokens.at_least(inputs, measure)
    found = tokens.about(inputs, measure)
    counts = tokens.count(inputs, measure)
    return _Prompt(
        least,
        field or "the input",
        counts,
        min(found.tokens, counts.upper),
        measure.sure(found.is_ascii),
        *tokens.media_in(inputs),
        tokens.likely_most(inputs, measure),
    )


def _prompt(
    entry: Model, inputs: Mapping[str, Any], measure: Measure, reserve: Reserve, limits: Iterable[tuple[Limit, int]]
) -> Iterator[Fit]:
    """What is to be said of the prompt, by itself and together with the output asked for: one for each limit."""
    prompt = _counted(inputs, measure)
    for limit, held in limits:
        verdict, certain = _verdict(prompt, limit, held, measure)
        room = max(0, limit.value - prompt.most_likely) if held else None
        if entry.sequence_length is not None:
            room = min(entry.sequence_length.value, limit.value if room is None else room)
        error = None
        if verdict not in ("fits", "likely fits"):
            message, field = _says(entry, prompt, reserve, limit, held, verdict, measure, room)
            size = prompt.least if verdict == "too long" else prompt.counts.estimate
            error = ContextLengthError(
                message,
                model=entry.name,
                field=field,
                value=size if size > limit.value else size + held,
                limit=limit.value,
                limit_source=_source(limit),
                input_tokens=size,
                output_tokens=held,
                certain=certain,
                max_tokens=room or None,
            )
        yield Fit(entry.name, verdict, certain, prompt.counts, reserve.tokens, limit, room, error)


def _verdict(prompt: _Prompt, limit: Limit, held: int, measure: Measure) -> tuple[Verdict, bool]:
    """The verdict on a prompt beside `held` tokens of output, and whether it is certain."""
    left = limit.value - held
    if prompt.least > left and prompt.least > 0:
        return "too long", limit.certain_to_refuse and measure.is_certain
    if prompt.counts.upper <= left and not prompt.media:
        return "fits", limit.certain_to_fit
    # What an image takes is a guess, on which nothing is refused.
    if round(prompt.likely * prompt.sure) > left:
        return "very likely too long", False
    # The gateway's own check seems to take base64 for text, four characters a token.
    if prompt.counts.estimate > left or (prompt.inline and prompt.likely + prompt.inline / 4 > left):
        return "likely too long", False
    return "likely fits", False


def _says(
    entry: Model,
    prompt: _Prompt,
    reserve: Reserve,
    limit: Limit,
    held: int,
    verdict: Verdict,
    measure: Measure,
    room: int | None,
) -> tuple[str, str]:
    """What a misfit is told with, and the input to blame."""
    field, counts = prompt.field, prompt.counts
    size = prompt.least if verdict == "too long" else counts.estimate
    many = _many(verdict, size, counts, measure.is_certain)
    if size + held <= limit.value and prompt.inline:
        message = (
            f"{field} is {many}, but {prompt.inline:,} characters of images were sent along, and the gateway seems to "
            f"count them as {prompt.inline // 4:,} tokens: with them it may be over the {limit.value:,} that "
            f"{entry.name} reads and writes ({_source(limit)}). Shrink the images or link them, {_ANYWAY}."
        )
        return message, field
    if size > limit.value or not held:
        message = (
            f"{field} is {many}, but {entry.name} reads {limit.value:,} tokens at most ({_source(limit)}). "
            f"Shorten {field}, {_ANYWAY}."
        )
        return message, field
    left = limit.value - size
    advice = f"Set {reserve.field or 'max_tokens'} to {room:,} or less" if room else f"Shorten {field}"
    message = (
        f"{field} is {many}, which leaves {left:,} or less of the {limit.value:,} that {entry.name} reads and writes "
        f"({_source(limit)}), and {reserve.says}. "
        f"{advice}, {_ANYWAY}."
    )
    return message, reserve.field or field


def _texts(entry: Model, inputs: Mapping[str, Any], measure: Measure) -> Iterator[Fit]:
    """What is to be said of the texts of an embedding or reranking call: of each, and of all together."""
    each, together = entry.input_length, entry.batch_length
    if not (each or together) or inputs.get("truncate_inputs") is True:
        return
    counts = [(field, tokens.count_text(text, measure)) for field, text in tokens.texts_to_embed(inputs)]
    if not counts:
        return
    if each:
        yield max((_text(entry, field, count, each, "one text", measure) for field, count in counts), key=badness)
    if together:
        total = counts[0][1]
        for _, count in counts[1:]:
            total = total + count
        # Texts are read one by one, so nothing joins them.
        total = replace(total, lower=sum(count.lower for _, count in counts))
        yield _text(entry, counts[0][0], total, together, "all texts together", measure)


def _text(entry: Model, field: str, count: TokenCount, limit: Limit, what: str, measure: Measure) -> Fit:
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
        size = count.lower if verdict == "too long" else count.estimate
        advice = f"Split {field}" if what == "one text" else "Send fewer texts in one call"
        message = (
            f"{field} is {_many(verdict, size, count, count.certain)}, but {entry.name} reads {limit.value:,} at most "
            f"of {what} ({_source(limit)}). {advice}, {_ANYWAY}."
        )
        error = ContextLengthError(
            message,
            model=entry.name,
            field=field,
            value=size,
            limit=limit.value,
            limit_source=_source(limit),
            input_tokens=size,
            certain=certain,
            limit_kind="input" if what == "one text" else "batch",
        )
    return Fit(entry.name, verdict, certain, count, 0, limit, None, error)


def _many(verdict: Verdict, size: int, count: TokenCount, is_certain: bool) -> str:
    """How many tokens something is, in words."""
    if verdict == "too long":
        presumed = "" if is_certain else " if its tokenizer is as presumed"
        noun = "token" if size == 1 else "tokens"
        return f"at least {size:,} {noun}{presumed} (about {count.estimate:,}, at most {count.upper:,})"
    return f"{verdict.removesuffix(' too long')} {size:,} tokens (at least {count.lower:,}, at most {count.upper:,})"


def _source(limit: Limit) -> str:
    return f"{limit.source}, {limit.date}"


def _least_of(limit: Limit | None) -> float:
    return inf if limit is None else limit.value


def _value(limit: Limit | None) -> int | None:
    return None if limit is None else limit.value


def _shared(entry: Model) -> Limit | None:
    """The limit of input and output together."""
    return entry.context_length if entry.window == "shared" else entry.total_length


def _input_limits(entry: Model, reserve: Reserve) -> list[tuple[Limit, int]]:
    """The limits of what is read, each with the tokens of output that count against it."""
    shared = _shared(entry)
    return [
        (limit, reserve.tokens if limit is shared else 0)
        for limit in (entry.context_length, entry.total_length)
        if limit is not None and entry.window
    ]


def reserve_of(entry: Model, inputs: Mapping[str, Any], wanted: Mapping[str, int]) -> Reserve:
    """The output that the service keeps room for: what is asked for, else the model's default, else a token."""
    if wanted:
        # Which one of several is read is not known.
        field = min(wanted, key=wanted.__getitem__)
        return Reserve(wanted[field], f"{field} asks for {wanted[field]:,}", field)
    # The default is that of the native schema, not of the Responses API.
    default = None if "input" in inputs else _value(entry.default_max_tokens)
    if default is None:
        return Reserve(1, "the answer takes one at least")
    return Reserve(default, f"without max_tokens {default:,} are asked for")
