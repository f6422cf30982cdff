"""An answer that does not fit, and the error that says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import ValidationError

from cfai._errors import OutputValidationError
from cfai._limits import requested_output
from cfai.models import catalogue
from cfai.structured._format import OutputFormat
from cfai.types import ResponsesOutput, TextOutput

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_MAX_ERRORS = 20
"""How many errors a model is told, or a reader."""
_MAX_LINE, _MAX_LINES = 200, 400
"""How many characters one of them has, and all together. `count_reads` counts on it that they are no more tokens than
the bound on those of any prompt, some 440 of which are for its template."""


class Misfit(NamedTuple):
    """The reasons why an answer does not fit."""

    errors: list[ErrorDetails]
    advice: str
    """What to do about it where asking again would not help; else empty."""

    def describe(self) -> list[str]:
        """Return a line for each error: where it is, and what must be there."""
        lines: list[str] = []
        for error in self.errors[:_MAX_ERRORS]:
            place = ".".join(map(str, error["loc"])) or "the answer"
            lines.append(_shorten(f"{_shorten(place, _MAX_LINE // 2)}: {error['msg']}", _MAX_LINE))
            if sum(map(len, lines)) > _MAX_LINES:
                return lines[:-1]
        return lines


def _shorten(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[: size - 1]}…"


def was_cut(model: str, inputs: Mapping[str, Any], answer: TextOutput) -> bool:
    """Return True for an answer that ends at its limit."""
    if answer.finish_reason is not None:
        return answer.finish_reason == "length"
    # A native answer says nothing of its end but how many tokens it has.
    entry = catalogue().get(model)
    default = entry.default_max_tokens if entry is not None and "input" not in inputs else None
    limit = min(requested_output(inputs).values(), default=default.value if default else None)
    return limit is not None and answer.usage is not None and answer.usage.completion_tokens >= limit


def find_misfit(answer: TextOutput, problem: ValidationError, *, is_cut: bool) -> Misfit:
    advice = ""
    if is_cut:
        name = "max_output_tokens" if isinstance(answer, ResponsesOutput) else "max_tokens"
        advice = f"it was cut at {name}: pass a larger {name}"
    elif answer.tool_calls and not answer.text.strip():
        names = ", ".join(call.name for call in answer.tool_calls)
        advice = f"it calls a tool ({names}) and has no text: answer the call first, or leave out `tools`"
    return Misfit(problem.errors(include_url=False), advice)


def make_error(
    output_format: OutputFormat, model: str, answer: TextOutput, misfit: Misfit, ending: str
) -> OutputValidationError:
    retries = answer.meta.output_retries
    times = f" after {retries} {'retry' if retries == 1 else 'retries'}" if retries else ""
    reasons = "; ".join(misfit.describe())
    error = OutputValidationError(
        f"the answer of {model} does not fit {output_format.name}{times}: {reasons}. {ending}. Its text is in `.text`",
        text=answer.text,
        errors=cast("list[dict[str, Any]]", misfit.errors),
        answer=answer,
        model=model,
        status_code=answer.meta.status_code,
        request_id=answer.meta.request_id,
    )
    error.meta = answer.meta
    return error
