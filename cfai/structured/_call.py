"""A call that is made again until its answer fits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from cfai._errors import CfaiError, InputError, LimitError, OutputValidationError
from cfai._json import as_sequence
from cfai._streaming import aopen_stream, open_stream
from cfai.structured._format import OutputFormat
from cfai.structured._misfit import Misfit, find_misfit, make_error, was_cut
from cfai.structured._schema import add_schema
from cfai.structured._streams import AsyncStructuredStream, StructuredStream
from cfai.types import Meta, StructuredOutput, TextOutput, add_up_meta

if TYPE_CHECKING:
    from cfai._request import PreparedCall
    from cfai._response import ApiResponse

_JSON_MODE_FAILED = 5024
"""The code of the error for an answer that JSON mode could not bring into the schema.

UNCERTAIN: the code. Documented is the text, which counts whatever the code.
"""
_JSON_MODE_FAILED_TEXT = "json mode couldn't be met"


class _StructuredCall:
    """A call until its answer fits: what is sent next, and what the answers so far cost."""

    def __init__(
        self, model: str, inputs: Mapping[str, Any], output_format: OutputFormat, retries: int, answered: list[Meta]
    ) -> None:
        self._model = model
        self._inputs = inputs
        self._format = output_format
        self._retries_left = retries
        self._retries = 0
        self._calls = answered
        """The facts of each call that was answered, those of other models before this one too."""
        self._unfit: tuple[TextOutput, Misfit] | None = None
        """The last answer, and what is wrong with it."""

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs of the next request."""
        return add_schema(self._model, self._inputs, self._format.schema)

    def accept_failure(self, error: CfaiError) -> None:
        """Go on after a call that failed if the service could not bring the answer into the schema; else raise."""
        if error.meta is not None:  # it was billed
            self._calls.append(error.meta)
        if _is_json_mode_failure(error) and self._retries_left:
            self._count_retry()
        elif self._unfit is None:
            raise error
        else:
            if not was_sent(error):
                self._retries -= 1
            self._tell_sum(self._unfit[0])
            ending = f"Asking again failed, {type(error).__name__}: {error}"
            raise make_error(self._format, self._model, *self._unfit, ending) from error

    def read(self, answer: Any) -> StructuredOutput[Any] | None:
        """Return the output of an answer; `None` if another is to be asked for. Raises `OutputValidationError`."""
        self._calls.append(answer.meta)
        if not isinstance(answer, TextOutput):
            error = OutputValidationError(
                f"{self._model} answered {type(answer).__name__}, and no text that could hold {self._format.name}. "
                "What to do: call it without `output_type`",
                answer=answer,
                model=self._model,
                status_code=answer.meta.status_code,
                request_id=answer.meta.request_id,
            )
            error.meta = self._add_up()
            raise error
        is_cut = was_cut(self._model, self._inputs, answer)
        try:
            value = self._format.read(answer.text, is_cut=is_cut)
        except ValidationError as error:
            misfit = find_misfit(answer, error, is_cut=is_cut)
        else:
            self._tell_sum(answer)
            return StructuredOutput.of(answer, value)
        self._tell_sum(answer)
        advice = "raise output_retries, describe the fields in the prompt, or take a larger model"
        if self._inputs.get("raw"):
            advice = "ask again yourself, since only you know the template of a `raw` prompt, or leave out `raw`"
        if misfit.advice or not self._retries_left or self._inputs.get("raw"):
            ending = f"What to do: {misfit.advice or advice}"
            raise make_error(self._format, self._model, answer, misfit, ending)
        self._count_retry()
        self._unfit = answer, misfit
        self._inputs = _build_retry(self._inputs, answer, misfit)
        return None

    def _count_retry(self) -> None:
        self._retries_left -= 1
        self._retries += 1

    def _add_up(self) -> Meta:
        """Return the facts of all calls: a copy, since what `ai.usage` adds up is each call's own."""
        meta = add_up_meta(self._calls)
        meta.output_retries = self._retries
        return meta

    def _tell_sum(self, answer: TextOutput) -> None:
        """Give an answer the usage and the cost of all, as far as all are known, and the number of retries."""
        meta = answer._meta = self._add_up()  # pyright: ignore[reportPrivateUsage]
        answer._summarize().usage = meta.usage  # pyright: ignore[reportPrivateUsage]


def count_reads(retries: int) -> int:
    """Return how many times as much as the first all calls of one answer cost at most.

    An answer that is asked for again is read with all before it.

    >>> count_reads(0), count_reads(1), count_reads(2)
    (1, 3, 6)
    """
    return sum(range(1, retries + 2))


def was_sent(error: CfaiError) -> bool:
    """Return False for inputs that were refused before they were sent."""
    return error.status_code is not None or not isinstance(error, LimitError | InputError)


def _is_json_mode_failure(error: CfaiError) -> bool:
    return error.code == _JSON_MODE_FAILED or _JSON_MODE_FAILED_TEXT in str(error).lower()


def _build_retry(inputs: Mapping[str, Any], answer: TextOutput, misfit: Misfit) -> dict[str, Any]:
    """Return the inputs that ask again: the conversation so far, the answer, and what is wrong with it."""
    lines = "\n".join(f"- {line}" for line in misfit.describe())
    complaint = {
        "role": "user",
        "content": f"Your answer does not fit the JSON schema:\n{lines}\nAnswer again, with JSON alone that fits it.",
    }
    # Without a call beside the text, which would want the answer of its tool.
    said = [{name: value for name, value in answer.message.items() if name != "tool_calls"}] if answer.text else []
    if (question := inputs.get("input")) is not None:
        items = [{"role": "user", "content": question}] if isinstance(question, str) else as_sequence(question)
        said = [{"role": "assistant", "content": answer.text}] if said else []
        return {**inputs, "input": [*items, *said, complaint]}
    messages = inputs.get("messages")
    if messages is None:
        messages = [{"role": "user", "content": inputs["prompt"]}]
    rest = {name: value for name, value in inputs.items() if name != "prompt"}
    return {**rest, "messages": [*messages, *said, complaint]}


def run_structured(
    call: Callable[..., Any],
    model: str,
    inputs: Mapping[str, Any],
    output_format: OutputFormat,
    retries: int,
    answered: list[Meta] | None = None,
) -> Any:
    """Return the `StructuredOutput` of a call of `(model, inputs)`, or its `StructuredStream`.

    `answered` has what was answered before, whose usage is added up with that of these answers.
    """
    if inputs.get("stream"):

        def open_structured(response: ApiResponse, prepared: PreparedCall) -> StructuredStream[Any]:
            stream = cast("StructuredStream[Any]", open_stream(response, prepared, StructuredStream))
            stream._output_format = output_format  # pyright: ignore[reportPrivateUsage]
            return stream

        return call(model, add_schema(model, inputs, output_format.schema), open_structured)
    structured = _StructuredCall(model, inputs, output_format, retries, [] if answered is None else answered)
    while True:
        try:
            answer = call(model, structured.inputs)
        except CfaiError as error:
            structured.accept_failure(error)
        else:
            output = structured.read(answer)
            if output is not None:
                return output


async def arun_structured(
    call: Callable[..., Awaitable[Any]],
    model: str,
    inputs: Mapping[str, Any],
    output_format: OutputFormat,
    retries: int,
    answered: list[Meta] | None = None,
) -> Any:
    """Return the `StructuredOutput` of a call of `(model, inputs)`, or its `AsyncStructuredStream`."""
    if inputs.get("stream"):

        def open_structured(response: ApiResponse, prepared: PreparedCall) -> AsyncStructuredStream[Any]:
            stream = cast("AsyncStructuredStream[Any]", aopen_stream(response, prepared, AsyncStructuredStream))
            stream._output_format = output_format  # pyright: ignore[reportPrivateUsage]
            return stream

        return await call(model, add_schema(model, inputs, output_format.schema), open_structured)
    structured = _StructuredCall(model, inputs, output_format, retries, [] if answered is None else answered)
    while True:
        try:
            answer = await call(model, structured.inputs)
        except CfaiError as error:
            structured.accept_failure(error)
        else:
            output = structured.read(answer)
            if output is not None:
                return output
