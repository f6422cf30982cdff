"""What does not fit, as an error: in words that say what to do, and with all the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cfai._errors import ContextLengthError, LimitError, SequenceLengthError
from cfai.models import Limit, Model

if TYPE_CHECKING:
    from cfai._limits.verdict import Verdict
    from cfai._limits.window import ReservedOutput
    from cfai.tokens import PromptSize, TokenCount

_ANYWAY = "or pass checks='warn' or checks='off' to send it all the same"


def output_error(entry: Model, field: str, value: int, limit: Limit) -> LimitError:
    """What is told when more output is asked for than the model writes, or holds beside nothing at all."""
    kind, does = (SequenceLengthError, "writes") if entry.sequence_length else (ContextLengthError, "reads and writes")
    message = (
        f"{field} is {value:,}, but {entry.name} {does} {limit.value:,} tokens at most ({source_of(limit)}). "
        f"Lower {field}, {_ANYWAY}."
    )
    return kind(
        message,
        model=entry.name,
        field=field,
        value=value,
        limit=limit.value,
        limit_source=source_of(limit),
        output_tokens=value,
        certain=limit.certain_to_refuse,
        max_tokens=limit.value,
    )


def prompt_error(
    entry: Model,
    prompt: PromptSize,
    count: TokenCount,
    finding: tuple[Verdict, bool],
    limit: Limit,
    reserve: ReservedOutput,
    held: int,
    room: int | None,
) -> ContextLengthError:
    """What is told of a prompt. `held` of the reserve count against the limit; `room` is left for the answer."""
    verdict, certain = finding
    size = prompt.least if verdict == "too long" else count.estimate
    message, field = _says(entry, prompt, count, verdict, size, limit, reserve, held, room)
    return ContextLengthError(
        message,
        model=entry.name,
        field=field,
        value=size if size > limit.value else size + held,
        limit=limit.value,
        limit_source=source_of(limit),
        input_tokens=size,
        output_tokens=held,
        certain=certain,
        max_tokens=room or None,
    )


def _says(
    entry: Model,
    prompt: PromptSize,
    count: TokenCount,
    verdict: Verdict,
    size: int,
    limit: Limit,
    reserve: ReservedOutput,
    held: int,
    room: int | None,
) -> tuple[str, str]:
    """The message, and the input to blame."""
    field = prompt.field or "the input"
    many = _many(verdict, size, count)
    source = source_of(limit)
    if size + held <= limit.value and prompt.inline:
        message = (
            f"{field} is {many}, but {prompt.inline:,} characters of images were sent along, and the gateway seems to "
            f"count them as {prompt.inline // 4:,} tokens: with them it may be over the {limit.value:,} that "
            f"{entry.name} reads and writes ({source}). Shrink the images or link them, {_ANYWAY}."
        )
        return message, field
    if size > limit.value or not held:
        message = (
            f"{field} is {many}, but {entry.name} reads {limit.value:,} tokens at most ({source}). "
            f"Shorten {field}, {_ANYWAY}."
        )
        return message, field
    left = limit.value - size
    advice = f"Set {reserve.field or 'max_tokens'} to {room:,} or less" if room else f"Shorten {field}"
    message = (
        f"{field} is {many}, which leaves {left:,} or less of the {limit.value:,} that {entry.name} reads and writes "
        f"({source}), and {reserve.says}. {advice}, {_ANYWAY}."
    )
    return message, reserve.field or field


def texts_error(
    entry: Model,
    field: str,
    count: TokenCount,
    finding: tuple[Verdict, bool],
    limit: Limit,
    kind: Literal["input", "batch"],
) -> ContextLengthError:
    """What is told of one text of an embedding call (`input`), or of all (`batch`)."""
    verdict, certain = finding
    size = count.lower if verdict == "too long" else count.estimate
    what, advice = _OF[kind]
    message = (
        f"{field} is {_many(verdict, size, count)}, but {entry.name} reads {limit.value:,} at most of {what} "
        f"({source_of(limit)}). {advice.format(field)}, {_ANYWAY}."
    )
    return ContextLengthError(
        message,
        model=entry.name,
        field=field,
        value=size,
        limit=limit.value,
        limit_source=source_of(limit),
        input_tokens=size,
        certain=certain,
        limit_kind=kind,
    )


_OF = {"input": ("one text", "Split {}"), "batch": ("all texts together", "Send fewer texts in one call")}


def _many(verdict: Verdict, size: int, count: TokenCount) -> str:
    """How many tokens something is, in words."""
    if verdict == "too long":
        presumed = "" if count.certain else " if its tokenizer is as presumed"
        noun = "token" if size == 1 else "tokens"
        return f"at least {size:,} {noun}{presumed} (about {count.estimate:,}, at most {count.upper:,})"
    return f"{verdict.removesuffix(' too long')} {size:,} tokens (at least {count.lower:,}, at most {count.upper:,})"


def source_of(limit: Limit) -> str:
    return f"{limit.source}, {limit.date}"
