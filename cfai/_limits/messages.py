"""Build the errors of what does not fit a model: what must be, what came and what to do, with all the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from cfai._errors import ContextLengthError, InputError, LimitError, SequenceLengthError
from cfai.models import Limit, Model

if TYPE_CHECKING:
    from cfai._limits.check import Judgement
    from cfai._limits.window import ReservedOutput
    from cfai.tokens import PromptSize

_SEND_ANYWAY = "or pass checks='warn' to send it all the same"
_SEND_SILENTLY = "or pass checks='off' to send it without a word"
_TEXTS = {"input": ("in each text", "Split `{}`"), "batch": ("in all texts together", "Send fewer texts in one call")}


def format_warning(error: LimitError | InputError) -> str:
    """Return the message of a call that is sent although it does not fit, or may not."""
    return str(error).replace(_SEND_ANYWAY, _SEND_SILENTLY)


def format_source(limit: Limit) -> str:
    """Return the source of a limit and its date, if it has one, as errors tell them."""
    return f"{limit.source}, {limit.date}" if limit.date else limit.source


def make_output_error(entry: Model, field: str, value: int, limit: Limit) -> LimitError:
    """Build the error of a call that requests more output than the model writes, or its window holds."""
    must = f"`{field}` must be at most {limit.value:,} for {entry.name} ({format_source(limit)})"
    return _make_error(
        SequenceLengthError if entry.sequence_length else ContextLengthError,
        f"{must}, got {value:,}. Lower `{field}`",
        entry,
        limit,
        field=field,
        value=value,
        output_tokens=value,
        certain=limit.certain_to_refuse,
        limit_kind="sequence" if entry.sequence_length else "context",
        max_tokens=limit.value,
    )


def make_prompt_error(
    entry: Model, judgement: Judgement, size: PromptSize, reserved: ReservedOutput, largest: int | None
) -> LimitError:
    """Build the error of a prompt that is too long, by itself or with `reserved`; `largest` is the output that fits."""
    limit, value = judgement.limit.value, judgement.value
    field = field_to_change = size.field or "prompt"
    must = f"must be at most {limit:,} tokens for {entry.name} ({format_source(judgement.limit)})"
    got = f"got {_format_count(judgement)}"
    if value + reserved.tokens <= limit and size.inline_characters:
        message = (
            f"`{field}` {must}, {got} and {size.inline_characters:,} characters of images, which the gateway seems to "
            f"count as {size.inline_characters // 4:,} tokens. Shrink the images or link them"
        )
    elif value > limit or not reserved.tokens:
        message = f"`{field}` {must}, {got}. Shorten `{field}`"
    else:
        field_to_change = reserved.field or field
        advice = f"Set {reserved.field or 'max_tokens'} to {largest:,} or less" if largest else f"Shorten `{field}`"
        message = f"`{field}` and output {must}, {got}, and {reserved.tokens:,} {reserved.reason}. {advice}"
    return _make_error(
        ContextLengthError,
        message,
        entry,
        judgement.limit,
        field=field_to_change,
        value=value if value > limit else value + reserved.tokens,
        input_tokens=value,
        output_tokens=reserved.tokens,
        certain=judgement.certain,
        max_tokens=largest or None,
    )


def make_texts_error(entry: Model, judgement: Judgement, field: str, kind: Literal["input", "batch"]) -> LimitError:
    """Build the error of one text of an embedding call (`input`), or of all (`batch`)."""
    place, advice = _TEXTS[kind]
    source = format_source(judgement.limit)
    must = f"`{field}` must have at most {judgement.limit.value:,} tokens {place} for {entry.name} ({source})"
    return _make_error(
        ContextLengthError,
        f"{must}, got {_format_count(judgement)}. {advice.format(field)}",
        entry,
        judgement.limit,
        field=field,
        value=judgement.value,
        input_tokens=judgement.value,
        certain=judgement.certain,
        limit_kind=kind,
    )


def make_count_error(model: str, field: str, count: int, limit: Limit) -> LimitError:
    """Build the error of a list that has more items than one call takes."""
    must = f"{field} must have at most {limit.value:,} items in one call for {model} ({format_source(limit)})"
    return LimitError(
        f"{must}, got {count:,}. Split it into several calls, {_SEND_ANYWAY}.",
        model=model,
        field=field.strip("`"),
        value=count,
        limit=limit.value,
        limit_source=format_source(limit),
        limit_kind="items",
    )


def make_input_error(model: str, message: str) -> InputError:
    """Build the error of an input that is wrong for its model; `message` ends in what to do."""
    return InputError(f"{message}, {_SEND_ANYWAY}.", model=model)


def _make_error(kind: type[LimitError], message: str, entry: Model, limit: Limit, **figures: Any) -> LimitError:
    source = format_source(limit)
    return kind(f"{message}, {_SEND_ANYWAY}.", model=entry.name, limit=limit.value, limit_source=source, **figures)


def _format_count(judgement: Judgement) -> str:
    verdict, value, count = judgement.verdict, judgement.value, judgement.tokens
    if verdict == "too long":
        presumed = "" if count.certain else " if its tokenizer is as presumed"
        noun = "token" if value == 1 else "tokens"
        return f"at least {value:,} {noun}{presumed} (estimate {count.estimate:,}, upper bound {count.upper:,})"
    likely = verdict.removesuffix(" too long")
    return f"{likely} {value:,} tokens (lower bound {count.lower:,}, upper bound {count.upper:,})"
