"""The schema in the inputs of a call, in the form that the model takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Literal, TypeAlias, get_origin

from cfai._config import CheckMode
from cfai._errors import ConfigurationError, InputError
from cfai._json import is_mapping
from cfai._warnings import InputWarning, warn
from cfai.models import Model, catalogue
from cfai.models.schemas import get_schema
from cfai.structured._format import OutputFormat

SchemaForm: TypeAlias = Literal["bare", "envelope", "responses", "guided"]
"""The form in which a schema is sent: bare under `response_format`; there in OpenAI's envelope with a name; under
`text.format`, as the Responses API has it; or as `guided_json`."""

_TEXT_TASK = "Text Generation"

_TOO_LOOSE = frozenset(
    {"allOf", "contains", "dependentRequired", "if", "not", "oneOf", "patternProperties", "prefixItems"}
    | {"propertyNames", "uniqueItems"}
)
"""Keywords that `strict` does not have. https://platform.openai.com/docs/guides/structured-outputs"""


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
    """Return inputs that ask for JSON by the schema of a type in the form that the model takes, strict if possible."""
    strict = make_strict(schema) if find_form(model, inputs) in ("envelope", "responses") else None
    return add_envelope(model, inputs, {"schema": strict or schema, "strict": strict is not None})


def add_envelope(model: str, inputs: Mapping[str, Any], envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs that ask for JSON by the schema in an envelope, in the form that the model takes."""
    form, schema = find_form(model, inputs), envelope["schema"]
    if form == "guided":
        return {**inputs, "guided_json": schema}
    if form in (None, "bare"):
        return {**inputs, "response_format": {"type": "json_schema", "json_schema": schema}}
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", str(schema.get("title") or "Answer"))[:64]
    envelope = {"name": name, **envelope}
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
    problem = find_json_problem(model, inputs) if mode != "off" else ""
    if problem and mode == "warn":
        warn(f"{problem}, or pass checks='off' to send it without a word", InputWarning)
    elif problem:
        raise InputError(f"{problem}, or pass checks='warn' to send it all the same", model=model)


def find_json_problem(model: str, inputs: Mapping[str, Any]) -> str:
    """Return why a model gives no JSON, or none with these inputs, and what to do; empty if it does."""
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
    return rest, _get_format(output_type)


def _get_format(output_type: Any) -> OutputFormat:
    """Return the format of a type. Making it takes milliseconds, which a job of many calls would spend for each."""
    if isinstance(output_type, type) or get_origin(output_type) is not None:
        with suppress(TypeError):  # what has no hash, such as a note of `Annotated`
            return _get_known_format(output_type, str(output_type))
    return OutputFormat.of(output_type)


@lru_cache(maxsize=100)
def _get_known_format(output_type: Any, text: str) -> OutputFormat:
    """Return the format of a type. Equal types may have another `text`: `int | str` and `str | int`."""
    return OutputFormat.of(output_type)


def has_class(inputs: Any) -> bool:
    """Return True if inputs have a type under `response_format`; of these a class is the same as `output_type`."""
    wanted = inputs.get("response_format") if is_mapping(inputs) else None
    return isinstance(wanted, type) or get_origin(wanted) is not None


def replace_class(model: str, inputs: Any) -> Any:
    """Return inputs that have the schema of a class under `response_format` in its place, as it would be sent."""
    if not has_class(inputs):
        return inputs
    rest, output_format = take_output_type(inputs, None, 0, returns_answer=True)
    return rest if output_format is None else add_schema(model, rest, output_format.schema)
