"""Structured output: an answer as an object of the caller's type, which goes out as a JSON schema.

It stands on a call of `(model, inputs)`, sync or async: the schema is put into the inputs in the form that the model
takes, the object is read out of the text of the answer, and what does not fit is asked for again.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Self, TypeAlias, TypeVar, cast, get_origin

from pydantic import TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import from_json

from cfai._config import CheckMode
from cfai._credentials import describe
from cfai._errors import CfaiError, ConfigurationError, InputError, OutputValidationError
from cfai._json import as_sequence, is_mapping
from cfai._limits import requested_output
from cfai._streaming import AsyncStream, Stream, aopen_stream, open_stream
from cfai._warnings import InputWarning, warn
from cfai.models import Model, catalogue
from cfai.models.schemas import get_schema
from cfai.types import Meta, StructuredOutput, TextOutput, Token, add_up_meta

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from cfai._request import PreparedCall
    from cfai._response import ApiResponse

T = TypeVar("T")

SchemaForm: TypeAlias = Literal["bare", "envelope", "responses", "guided"]
"""The form in which a schema is sent: bare under `response_format`; there in OpenAI's envelope with a name; under
`text.format`, as the Responses API has it; or as `guided_json`."""

JSON_MODE_FAILED = frozenset({5024, "JsonModeFailed"})
"""The code and the name of the error for an answer that JSON mode could not bring into the schema.

UNCERTAIN: the code. The name is given to the documented text, whatever its code.
"""

_TEXT_TASK = "Text Generation"
_WRAPPED = "value"
"""The one field of the object that a list, a number or another value is sent in: services want an object."""

_TOO_LOOSE = frozenset(
    {"allOf", "contains", "dependentRequired", "if", "not", "oneOf", "patternProperties", "prefixItems"}
    | {"propertyNames", "uniqueItems"}
)
"""Keywords that `strict` does not have. https://platform.openai.com/docs/guides/structured-outputs"""

_MAX_ERRORS = 20
"""How many errors a model is told, or a reader."""

_decoder = json.JSONDecoder()
# Patterns stay texts: `re` compiles them at first use.
_BRACKET = r"((?:^|[:\n])[ \t*]*)?[{\[]"
"""The beginning of an object or a list, with what stands before it where it has a line to itself, or a colon."""
_LINE_END = r"[ \t]*(?:\r?\n|$)"
_BRACKETS = r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[][{}]'
"""A string, or where something begins or ends."""
_BROKEN = r"[{\[]\s*[{\[\"']"
"""What was to be JSON. Other words in brackets were not."""
_FENCE = r"\s*```\w*\n(.*?)\n?```\s*"
_THOUGHTS, _THOUGHTS_END = "<think>", "</think>"


# The type that is asked for.


@dataclass(frozen=True, slots=True, eq=False)
class OutputFormat:
    """The type that an answer is to have, with its JSON schema and how it is read."""

    name: str
    """The name of the type, for errors."""
    schema: Mapping[str, Any]
    """The schema that is sent: that of an object."""
    adapter: TypeAdapter[Any]
    """What validates a value."""
    wrapper: TypeAdapter[Any] | None
    """What validates an object that has the value in it; `None` where the value is an object itself."""
    has_decimals: bool
    """True if numbers are to be read with the digits that stand in the text."""

    @classmethod
    def of(cls, output_type: Any) -> Self:
        """Return the format of what a `TypeAdapter` takes. Raises `ConfigurationError` for what has no schema."""
        name = str(output_type) if get_origin(output_type) is not None else describe(output_type)
        if isinstance(output_type, type):
            name = output_type.__name__
        try:
            if isinstance(output_type, str):
                raise TypeError("a string is no type")
            adapter, wrapper = TypeAdapter[Any](output_type), None
            schema = adapter.json_schema()
            if reference := schema.get("$ref"):  # a type that refers to itself
                schema = {**schema["$defs"][reference.rpartition("/")[2]], "$defs": schema["$defs"]}
            if schema.get("type") != "object":
                fields: Any = {_WRAPPED: (output_type, ...)}
                wrapper = TypeAdapter[Any](create_model("Answer", **fields))
                schema = wrapper.json_schema()
        except Exception as error:  # pydantic shows what it cannot use, whose own `repr` may raise anything
            must_be = "`output_type` must be a type such as a pydantic model, a dataclass, a TypedDict or `list[City]`"
            is_told = isinstance(error, PydanticUserError | TypeError | NameError)
            reason = f": {error}".partition("\n")[0] if is_told else ""
            raise ConfigurationError(f"{must_be}, got {name[:100]}{reason}") from error
        return cls(name, schema, adapter, wrapper, "'decimal'" in str(adapter.core_schema))

    def read(self, text: str, *, is_cut: bool = False) -> Any:
        """Return the value that a text holds, as it is or among other words. Raises pydantic's `ValidationError`.

        A text that was cut is not searched: what is whole in it may be a part of the answer, or come before it.
        """
        try:
            return self._validate(text, bare=not is_cut)
        except ValidationError as error:
            problem = error
        answer = text.rpartition(_THOUGHTS_END)[2]
        if is_cut or answer.lstrip().startswith(_THOUGHTS):
            raise problem
        if fenced := re.fullmatch(_FENCE, answer, re.DOTALL):
            answer = fenced[1]
        # The last: whoever thinks aloud, or gives an example, ends with the answer.
        found = [piece for piece in find_json(answer) if self.may_be(piece)]
        if found:
            return self._validate(found[-1].text, bare=True)
        if answer != text:
            return self._validate(answer, bare=True)
        raise problem

    def may_be(self, piece: Piece) -> bool:
        """Return True if a piece of text may be the value: an object, or what is no object on a line of its own."""
        return piece.text.startswith("{") or (piece.is_alone and self.wrapper is not None)

    def unwrap(self, value: Any) -> Any:
        """Return the value inside the object that it was sent in; `None` if it has not come yet."""
        return value.get(_WRAPPED) if self.wrapper is not None and is_mapping(value) else value

    def _validate(self, text: str, *, bare: bool) -> Any:
        """Return the value of a JSON text; `bare` allows it without the object that it was to be sent in."""
        if self.wrapper is None:
            return self._validate_with(self.adapter, text)
        try:
            return getattr(self._validate_with(self.wrapper, text), _WRAPPED)
        except ValidationError:
            if bare:
                with suppress(ValidationError):
                    return self._validate_with(self.adapter, text)
            raise

    def _validate_with(self, adapter: TypeAdapter[Any], text: str) -> Any:
        value = adapter.validate_json(text)
        if self.has_decimals:
            # pydantic reads a number of JSON as a float first. A strict model takes no numbers but from JSON.
            with suppress(ValueError):
                return adapter.validate_python(json.loads(text, parse_float=Decimal))
        return value


class Piece(NamedTuple):
    """A piece of a text that is an object or a list of JSON."""

    text: str
    is_alone: bool
    """True if it has a line to itself, or the rest of one behind a colon."""


def find_json(text: str) -> list[Piece]:
    """Return the objects and lists of JSON that stand in a text, in its order.

    What stands inside brackets that are no JSON does not count; nor does what comes before an object or a list that is
    broken, or before brackets that are never closed.

    >>> [piece.text for piece in find_json('Here it is: {"a": {"b": 1}}. Not {this}, but [2].')]
    ['{"a": {"b": 1}}', '[2]']
    >>> find_json('For example {"a": 1}, and so {"a": [{"b": 2}],}')
    []
    """
    found: list[Piece] = []
    position = 0
    while (begin := re.compile(_BRACKET).search(text, position)) is not None:
        start = begin.end() - 1
        stop = _find_end(text, start)
        if stop is None:
            return []
        if _is_json(text[start:stop]):
            is_alone = begin[1] is not None and re.compile(_LINE_END).match(text, stop) is not None
            found.append(Piece(text[start:stop], is_alone))
        elif re.compile(_BROKEN).match(text, start):
            found.clear()
        position = stop
    return found


def _find_end(text: str, start: int) -> int | None:
    """Return where what begins with a bracket ends; `None` if it does not."""
    depth = 0
    for match in re.compile(_BRACKETS, re.DOTALL).finditer(text, start):
        depth += (match[0] in "{[") - (match[0] in "}]")
        if not depth:
            return match.end()
    return None


def _is_json(text: str) -> bool:
    try:
        from_json(text)
    except ValueError:
        return False
    return True


# The form in which a model takes it.


def find_form(model: str, inputs: Mapping[str, Any]) -> SchemaForm | None:
    """Return the form in which a model takes a schema with these inputs; `None` if it is known to take none.

    >>> find_form("@cf/meta/llama-3.3-70b-instruct-fp8-fast", {"prompt": "x"}), find_form("openai/gpt-5", {})
    ('bare', 'envelope')
    """
    entry, schema = catalogue().get(model), get_schema(model)
    is_responses = inputs.get("input") is not None
    if entry is not None and entry.task != _TEXT_TASK:
        return None
    if entry is None or schema is None:
        if is_responses:
            return "responses"
        return "bare" if model.startswith(("@cf/", "@hf/")) or "/" not in model else "envelope"
    if entry.answers == "by input":
        return "responses" if is_responses else "envelope" if inputs.get("messages") is not None else "bare"
    listed = schema.parameters["response_format"].type if "response_format" in schema.parameters else ""
    if "json_schema:{name" in listed:
        return "envelope"
    if listed == "object":
        return "bare"
    return "guided" if "guided_json" in schema.parameters else None


def add_schema(model: str, inputs: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs that ask for JSON by a schema, in the form that the model takes."""
    form = find_form(model, inputs)
    if form == "guided":
        return {**inputs, "guided_json": schema}
    if form in (None, "bare"):
        return {**inputs, "response_format": {"type": "json_schema", "json_schema": schema}}
    strict = make_strict(schema)
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", str(schema.get("title") or "Answer"))[:64]
    envelope = {"name": name, "schema": strict or schema, "strict": strict is not None}
    if form == "envelope":
        return {**inputs, "response_format": {"type": "json_schema", "json_schema": envelope}}
    text = inputs.get("text")
    text = {**(text if is_mapping(text) else {}), "format": {"type": "json_schema", **envelope}}
    return {**inputs, "text": text}


def make_strict(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a schema whose objects are closed, as `strict` wants it; `None` if it must allow more than that has.

    `strict` wants every field to be there. A field with a default may be left out, so a schema that has one is sent as
    it is, and is not strict.
    """
    try:
        return _close_objects(schema)
    except ValueError:
        return None


def _close_objects(schema: Any) -> Any:
    if not is_mapping(schema) or not _TOO_LOOSE.isdisjoint(schema):
        raise ValueError
    if schema.keys().isdisjoint({"type", "anyOf", "enum", "const", "$ref"}) or ("$ref" in schema and len(schema) > 1):
        raise ValueError
    closed = dict(schema)
    for keyword in ("properties", "$defs"):
        if keyword in schema:
            closed[keyword] = {name: _close_objects(value) for name, value in schema[keyword].items()}
    if "items" in schema:
        closed["items"] = _close_objects(schema["items"])
    if "anyOf" in schema:
        closed["anyOf"] = [_close_objects(branch) for branch in schema["anyOf"]]
    if schema.get("type") == "object":
        if schema.get("additionalProperties") or {*schema.get("required", ())} != {*schema.get("properties", ())}:
            raise ValueError
        closed["additionalProperties"] = False
    return closed


def check_json_mode(model: str, inputs: Mapping[str, Any], mode: CheckMode) -> None:
    """Raise `InputError` for a model that gives no JSON, or none with a stream; in the mode `warn`, warn of it."""
    problem = _find_json_problem(model, inputs) if mode != "off" else ""
    if problem and mode == "warn":
        warn(f"{problem}, or pass checks='off' to send it without a word", InputWarning)
    elif problem:
        raise InputError(f"{problem}, or pass checks='warn' to send it all the same", model=model)


def _find_json_problem(model: str, inputs: Mapping[str, Any]) -> str:
    form, entry = find_form(model, inputs), catalogue().get(model)
    if entry is None:
        return ""
    if entry.task != _TEXT_TASK:
        return f"`output_type` must be asked of a text model, got {model}, which is for {entry.task}. Take a text model"
    if form is None:
        return f"{model} has no JSON mode, which a schema needs. Take {' or '.join(_suggest_models(entry))}"
    # The answers of gpt-oss to a prompt are native too.
    is_native = entry.answers == "native" or (entry.answers == "by input" and form == "bare")
    if is_native and inputs.get("stream"):
        advice = f"Leave out `stream`, or take a chat model such as {_suggest_models(entry, 'envelope')[0]}"
        return f"{model} gives no JSON with a stream (code 5023), and got a schema and `stream`. {advice}"
    return ""


def _suggest_models(entry: Model, form: SchemaForm | None = None) -> list[str]:
    """Return two live models that take a schema, in this form if one is given: those most like `entry`."""

    def get_likeness(model: Model) -> tuple[int, bool]:
        return len(entry.capabilities & model.capabilities), entry.author == model.author

    able = [
        model
        for model in catalogue().values()
        if model.task == _TEXT_TASK and model.retired_on is None and get_schema(model.name) is not None
        if (found := find_form(model.name, {})) is not None and form in (None, found)
    ]
    return [model.name for model in sorted(able, key=get_likeness, reverse=True)[:2]]


def take_output_type(
    inputs: Mapping[str, Any], output_type: Any, retries: Any, *, returns_answer: bool
) -> tuple[dict[str, Any], OutputFormat | None]:
    """Return the inputs without a class under `response_format`, and the format that it, or `output_type`, asks for.

    Raises `ConfigurationError` for what does not go together.
    """
    rest = dict(inputs)
    if get_origin(rest.get("response_format")) is not None:
        must = "`response_format` must be a class or a dict"
        raise ConfigurationError(f"{must}, got {rest['response_format']}: pass it as `output_type`")
    if isinstance(rest.get("response_format"), type):
        if output_type is not None:
            raise ConfigurationError("`output_type` and a class under `response_format` are one: leave out one of them")
        output_type = rest.pop("response_format")
    if output_type is None:
        return rest, None
    if not returns_answer:
        raise ConfigurationError("`output_type` needs an answer: leave out `return_raw_response` and `queue_request`")
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise ConfigurationError(f"`output_retries` must be a number of 0 or more, got {retries!r}")
    text = rest.get("text")
    for place, other in (
        ("response_format", rest.get("response_format")),
        ("guided_json", rest.get("guided_json")),
        ("text.format", text.get("format") if is_mapping(text) else None),
    ):
        if other is not None:
            raise ConfigurationError(f"`output_type` sets `{place}` itself: leave out one of them")
    if rest.get("n") not in (None, 1):
        raise ConfigurationError(f"`output_type` is for one answer, got `n` of {rest['n']!r}: call once for each")
    if all(rest.get(name) is None for name in ("prompt", "messages", "input")):
        got = ", ".join(f"`{name}`" for name in rest) or "none"
        raise ConfigurationError(f"`output_type` needs inputs with `prompt`, `messages` or `input`, got {got}: add one")
    return rest, OutputFormat.of(output_type)


def has_class(inputs: Any) -> bool:
    """Return True if inputs have a class under `response_format`, which is the same as `output_type`."""
    return is_mapping(inputs) and isinstance(inputs.get("response_format"), type)


def replace_class(model: str, inputs: Any) -> Any:
    """Return inputs that have the schema of a class under `response_format` in its place, as it would be sent."""
    if not has_class(inputs):
        return inputs
    rest, output_format = take_output_type(inputs, None, 0, returns_answer=True)
    return rest if output_format is None else add_schema(model, rest, output_format.schema)


# The call.


class _Misfit(NamedTuple):
    """The reasons why an answer does not fit."""

    errors: list[ErrorDetails]
    advice: str
    """What to do about it where asking again would not help; else empty."""

    def describe(self) -> list[str]:
        """Return a line for each error: where it is, and what must be there."""
        lines = [f"{'.'.join(map(str, error['loc'])) or 'the answer'}: {error['msg']}" for error in self.errors]
        return lines[:_MAX_ERRORS]


def _is_cut(model: str, inputs: Mapping[str, Any], answer: TextOutput) -> bool:
    """Return True for an answer that ends at its limit."""
    if answer.finish_reason is not None:
        return answer.finish_reason == "length"
    # A native answer says nothing of its end but how many tokens it has.
    entry = catalogue().get(model)
    default = entry.default_max_tokens if entry is not None and "input" not in inputs else None
    limit = min(requested_output(inputs).values(), default=default.value if default else None)
    return limit is not None and answer.usage is not None and answer.usage.completion_tokens >= limit


def _find_misfit(answer: TextOutput, problem: ValidationError, *, is_cut: bool) -> _Misfit:
    advice = ""
    if is_cut:
        advice = "it was cut at max_tokens: pass a larger max_tokens"
    elif answer.tool_calls and not answer.text.strip():
        names = ", ".join(call.name for call in answer.tool_calls)
        advice = f"it calls a tool ({names}) and has no text: answer the call first, or leave out `tools`"
    return _Misfit(problem.errors(include_url=False), advice)


def _make_error(
    output_format: OutputFormat, model: str, answer: TextOutput, misfit: _Misfit, ending: str
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
        self._unfit: tuple[TextOutput, _Misfit] | None = None
        """The last answer, and what is wrong with it."""

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs of the next request."""
        return add_schema(self._model, self._inputs, self._format.schema)

    def accept_failure(self, error: CfaiError) -> None:
        """Go on after a call that failed if the service could not bring the answer into the schema; else raise."""
        if JSON_MODE_FAILED.intersection((error.code, getattr(error, "name", None))) and self._retries_left:
            self._count_retry()
        elif self._unfit is None:
            error.meta = self._add_up() if self._calls else None
            raise error
        else:
            ending = f"Asking again failed, {type(error).__name__}: {error}"
            raise _make_error(self._format, self._model, *self._unfit, ending) from error

    def read(self, answer: Any) -> StructuredOutput[Any] | None:
        """Return the output of an answer; `None` if another is to be asked for. Raises `OutputValidationError`."""
        self._calls.append(answer.meta)
        if not isinstance(answer, TextOutput):
            raise OutputValidationError(
                f"{self._model} answered {type(answer).__name__}, and no text that could hold {self._format.name}. "
                "What to do: call it without `output_type`",
                answer=answer,
                model=self._model,
            )
        is_cut = _is_cut(self._model, self._inputs, answer)
        try:
            value = self._format.read(answer.text, is_cut=is_cut)
        except ValidationError as error:
            misfit = _find_misfit(answer, error, is_cut=is_cut)
        else:
            self._tell_sum(answer)
            return StructuredOutput.of(answer, value)
        self._tell_sum(answer)
        advice = "raise output_retries, describe the fields in the prompt, or take a larger model"
        if self._inputs.get("raw"):
            advice = "ask again yourself, since only you know the template of a `raw` prompt, or leave out `raw`"
        if misfit.advice or not self._retries_left or self._inputs.get("raw"):
            ending = f"What to do: {misfit.advice or advice}"
            raise _make_error(self._format, self._model, answer, misfit, ending)
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


def _build_retry(inputs: Mapping[str, Any], answer: TextOutput, misfit: _Misfit) -> dict[str, Any]:
    """Return the inputs that ask again: the conversation so far, the answer, and what is wrong with it."""
    lines = "\n".join(f"- {line}" for line in misfit.describe())
    complaint = {
        "role": "user",
        "content": f"Your answer does not fit the JSON schema:\n{lines}\nAnswer again, with JSON alone that fits it.",
    }
    said = [answer.message] if answer.text else []
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


# Streams.


class _GrowingValue:
    """The value of JSON that is still being written: of the last object that began."""

    def __init__(self, output_format: OutputFormat, text: str) -> None:
        self._format = output_format
        self._pieces = [text]
        self._length = len(text)
        self._due = 0
        """The length at which the text is read again."""
        self._start = 0
        """Where what is over ends."""
        self._last: Any = None

    def add(self, piece: str) -> list[Any]:
        """Return the value, in a list, if it has changed."""
        if not piece:
            return []
        self._pieces.append(piece)
        self._length += len(piece)
        if self._length < self._due:
            return []
        # Each reading begins anew, so that a long text is read less often: its whole costs a multiple of its length.
        self._due = self._length + self._length // 128
        return self._look(is_over=False)

    def finish(self) -> list[Any]:
        """Return the whole value, in a list, if it differs from the last."""
        return self._look(is_over=True)

    def _look(self, *, is_over: bool) -> list[Any]:
        text = "".join(self._pieces)
        self._pieces = [text]
        if (thoughts := text.rfind(_THOUGHTS_END, self._start)) >= 0:
            self._start = thoughts + len(_THOUGHTS_END)
        elif text.startswith(_THOUGHTS) and not self._start:
            return []
        value: Any = None
        while (begin := re.compile(_BRACKET).search(text, self._start)) is not None:
            start = begin.end() - 1
            may_be = self._format.may_be(Piece(text[start], begin[1] is not None))
            growing = self._read(text[start:]) if may_be else None
            if growing is not None and growing != self._last and not is_over:
                value = growing
                break
            try:  # it does not change: perhaps it is whole, with words behind it
                stop = _decoder.raw_decode(text, start)[1]
            except (ValueError, RecursionError):
                stop = _find_end(text, start) if growing is None else None
            value = value if growing is None else growing
            if stop is None:
                break
            self._start = stop
        if value is None or value == self._last:
            return []
        self._last = value
        return [value]

    def _read(self, text: str) -> Any:
        try:
            return self._format.unwrap(from_json(text, allow_partial="trailing-strings"))
        except ValueError:
            return None


class StructuredStream(Stream[Token], Generic[T]):
    """A stream whose answer is to be an object of the type `T`: tokens like any, `partials()`, and a `result()`."""

    _output_format: OutputFormat

    def partials(self) -> Iterator[Any]:
        """Yield the object as it grows, in plain dicts and lists, each time that it has changed.

        Nothing is validated: fields may be missing, and texts and numbers cut. Of a text of more than some kilobytes
        not every change is shown.

        ```python
        for partial in stream.partials():
            print(partial)
        ```
        """
        growing = _GrowingValue(self._output_format, self.text)
        for token in self:
            yield from growing.add(token.text)
        yield from growing.finish()

    def result(self) -> StructuredOutput[T]:
        """Return the whole answer with its object; reads the rest. Raises `OutputValidationError` if it does not fit.

        A stream is not asked for again: what was shown cannot be taken back.
        """
        return _build_output(self._output_format, self._call, super().result())


class AsyncStructuredStream(AsyncStream[Token], Generic[T]):
    """A stream whose answer is to be an object of the type `T`: tokens like any, `apartials()`, and an `aresult()`."""

    _output_format: OutputFormat

    def apartials(self) -> AsyncIterator[Any]:
        """Yield the object as it grows, in plain dicts and lists, each time that it has changed.

        Nothing is validated: fields may be missing, and texts and numbers cut. Of a text of more than some kilobytes
        not every change is shown.

        ```python
        async for partial in stream.apartials():
            print(partial)
        ```
        """
        return _AsyncPartials(self, _GrowingValue(self._output_format, self.text))

    def result(self) -> StructuredOutput[T]:
        """Return the output of a stream that has been read to its end."""
        return _build_output(self._output_format, self._call, super().result())

    async def aresult(self) -> StructuredOutput[T]:
        """Return the whole answer with its object; reads the rest. Raises `OutputValidationError` if it does not fit.

        A stream is not asked for again: what was shown cannot be taken back.
        """
        return cast("StructuredOutput[T]", await super().aresult())


class _AsyncPartials:
    """The partial objects of an asynchronous stream. No generator: one that is left early makes noise at its end."""

    def __init__(self, stream: AsyncStream[Token], growing: _GrowingValue) -> None:
        self._stream = stream
        self._growing = growing
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        values: list[Any] = []
        while not values:
            if self._is_over:
                raise StopAsyncIteration
            try:
                token = await anext(self._stream)
            except StopAsyncIteration:
                self._is_over = True
                values = self._growing.finish()
            else:
                values = self._growing.add(token.text)
        return values[0]


def _build_output(output_format: OutputFormat, call: PreparedCall, answer: TextOutput) -> StructuredOutput[Any]:
    is_cut = _is_cut(call.model, call.inputs, answer)
    try:
        return StructuredOutput.of(answer, output_format.read(answer.text, is_cut=is_cut))
    except ValidationError as error:
        misfit = _find_misfit(answer, error, is_cut=is_cut)
    ending = f"What to do: {misfit.advice or 'call it without `stream`, which asks again'}"
    raise _make_error(output_format, call.model, answer, misfit, ending)
