"""Tools made of Python functions: what the model is told of them, and how they are called with what it sends."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, WrapValidator, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError, PydanticUseDefault

from cfai._errors import ConfigurationError
from cfai._json import is_mapping
from cfai.tools._docstring import read_docstring
from cfai.tools._schema import RecursiveSchemaError, simplify_schema, to_words
from cfai.types import PythonTool, ToolCall

ToolFunction = Callable[..., Any] | PythonTool
"""A function that a model may have called, or one with a name, a description or parameters of its own."""

_NAME = r"[a-zA-Z0-9_-]{1,64}"
_KEYS = PythonTool.__annotations__.keys()
_WAY_OUT = 'or pass {"function": …, "parameters": …} with a JSON schema of your own'


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A function that a model may have called."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """A JSON schema of an object."""
    function: Callable[..., Any]
    parse: Callable[[ToolCall], dict[str, Any]]
    """Return the arguments of a call by name, validated. Raises `ValueError` in words for the model."""
    is_async: bool

    def describe(self) -> dict[str, Any]:
        """Return what a model is told of it."""
        return {"name": self.name, "description": self.description, "parameters": self.parameters}


def make_tools(functions: Iterable[ToolFunction]) -> dict[str, Tool]:
    """Return tools by name. Raises `ConfigurationError` for what no model could call."""
    if isinstance(functions, Mapping | str) or not isinstance(functions, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        got = type(cast("Any", functions)).__name__
        raise ConfigurationError(f"`tools` must be a list of functions, got {got}: put it into one")
    tools: dict[str, Tool] = {}
    for function in functions:
        tool = make_tool(function)
        if tool.name in tools:
            raise ConfigurationError(
                f"two tools are named {tool.name!r}, and a model could not tell them apart: "
                'rename one, or pass {"function": …, "name": …}'
            )
        tools[tool.name] = tool
    return tools


def make_tool(tool: ToolFunction) -> Tool:
    """Return the tool that a function is, or that it is with a name, a description or parameters of its own."""
    given = _check_form(tool) if is_mapping(tool) else PythonTool(function=cast("Callable[..., Any]", tool))
    function: Any = given["function"]
    if not callable(function) or isinstance(function, type):
        got = f"the class {function.__name__}" if isinstance(function, type) else type(function).__name__
        raise ConfigurationError(f"a tool must be a function, got {got}: pass a function that calls it")
    inner, fixed = _unwrap_partial(function)
    name = given.get("name") or getattr(inner, "__name__", type(inner).__name__)
    if not re.fullmatch(_NAME, name):
        raise ConfigurationError(
            f"{name!r} is no name for a tool, which has 1 to 64 letters, digits, _ and -: "
            'define it with `def`, or pass {"function": …, "name": …}'
        )
    if inspect.isasyncgenfunction(_get_called(inner)):
        raise ConfigurationError(f"the tool {name} must return its result, but yields: return a list")
    is_async = inspect.iscoroutinefunction(_get_called(inner))
    if "parameters" in given:
        description, parameters = read_docstring(_get_docstring(inner), ())[0], given["parameters"]
        parse: Callable[[ToolCall], dict[str, Any]] = parse_arguments
    else:
        listed = _list_parameters(name, function, fixed)
        description, described = read_docstring(_get_docstring(inner), listed)
        hints = _get_hints(name, inner)
        for key, parameter in listed.items():
            if isinstance(parameter.default, FieldInfo) and key in hints:  # as a field of pydantic is declared
                hints[key] = Annotated[hints[key], parameter.default]
                listed[key] = parameter.replace(default=parameter.empty)
        model = _make_model(name, listed, hints, described)
        parameters = _make_schema(name, model)
        parse = partial(_validate, model, listed)
    description = given.get("description") or description or to_words(name)
    return Tool(name, description, parameters, function, parse, is_async)


def _check_form(tool: Mapping[str, Any]) -> PythonTool:
    """Return a tool in Cloudflare's form, if it is one."""
    if "function" not in tool or is_mapping(tool["function"]):
        raise ConfigurationError(
            'a tool must be a function, or {"function": …} with the function that is run, and at will "name", '
            f'"description" and "parameters", got {", ".join(map(repr, tool)) or "an empty dict"}'
        )
    if unknown := sorted(map(str, tool.keys() - _KEYS)):
        raise ConfigurationError(f"a tool has no {unknown[0]!r}: known are {', '.join(_KEYS)}")
    if "parameters" in tool and not (is_mapping(tool["parameters"]) and tool["parameters"].get("type") == "object"):
        raise ConfigurationError('`parameters` of a tool must be a JSON schema with "type": "object"')
    for key in ("name", "description"):
        if not isinstance(tool.get(key, ""), str):
            raise ConfigurationError(f"`{key}` of a tool must be a string, got {type(tool[key]).__name__}")
    return cast("PythonTool", tool)


def _unwrap_partial(function: Any) -> tuple[Any, set[str]]:
    """Return the function inside of partials, and the names that these have set: no model may set them anew."""
    fixed: set[str] = set()
    while isinstance(function, partial):
        fixed |= function.keywords.keys()
        function = cast("Any", function.func)
    return function, fixed


def _get_called(function: Any) -> Any:
    """Return what runs when a function, or an object that can be called, is called."""
    return function if inspect.isroutine(function) else type(function).__call__


def _get_docstring(function: Any) -> str | None:
    return function.__doc__ if inspect.isroutine(function) else _get_called(function).__doc__ or type(function).__doc__


def _list_parameters(name: str, function: Any, fixed: set[str]) -> dict[str, inspect.Parameter]:
    """Return the parameters that a model fills. Raises `ConfigurationError` for those that it cannot."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        raise ConfigurationError(f"the tool {name} has no signature: call it in a function of your own") from None
    for parameter in signature.parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            shown = str(parameter.replace(annotation=parameter.empty, default=parameter.empty))
            raise ConfigurationError(
                f"the tool {name} must take its parameters by name, but not so {shown!r}: "
                f"name each parameter, {_WAY_OUT}"
            )
    return {key: parameter for key, parameter in signature.parameters.items() if key not in fixed}


def _get_hints(name: str, function: Any) -> dict[str, Any]:
    """Return the type hints of the parameters. What the result is called may be known to type checkers alone."""
    called = inspect.unwrap(_get_called(function))
    try:
        hints = {key: hint for key, hint in getattr(called, "__annotations__", {}).items() if key != "return"}
        scope = {key: getattr(called, key) for key in ("__globals__", "__type_params__") if hasattr(called, key)}
        return get_type_hints(SimpleNamespace(__annotations__=hints, **scope), include_extras=True)
    except Exception as error:
        raise ConfigurationError(
            f"the type hints of the tool {name} cannot be read: {error}. Import what they name where it is defined"
        ) from error


def _make_model(
    name: str, parameters: Mapping[str, inspect.Parameter], hints: Mapping[str, Any], described: Mapping[str, str]
) -> type[BaseModel]:
    """Return a model of a function's arguments. Its fields have names of their own: some mean something to pydantic."""
    fields: dict[str, Any] = {}
    for position, (key, parameter) in enumerate(parameters.items()):
        if key not in hints:
            raise ConfigurationError(
                f"the parameter {key!r} of the tool {name} must have a type hint, which tells the model what to send: "
                f"write one, such as `{key}: str`, {_WAY_OUT}"
            )
        options: dict[str, Any] = {"alias": key}
        if key in described and not _has_description(hints[key]):
            options["description"] = described[key]
        hint, metadata = hints[key], getattr(hints[key], "__metadata__", ())
        if parameter.default is not parameter.empty:
            options["default"] = parameter.default
        if "default" in options or any(isinstance(each, FieldInfo) and not each.is_required() for each in metadata):
            hint = Annotated[hint, WrapValidator(_take_null_as_left_out)]
        fields[f"argument_{position}"] = (hint, Field(**options))
    try:
        config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)  # models send a zip code as a number
        return create_model("Arguments", __config__=config, **fields)
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
        raise _explain_hint(name, parameters, hints, error) from error


def _take_null_as_left_out(value: Any, validate: Callable[[Any], Any]) -> Any:
    """Return a validated argument, its default for a null that it cannot be: models send it for what they leave out."""
    try:
        return validate(value)
    except ValidationError:
        if value is None:
            raise PydanticUseDefault from None
        raise


def _has_description(hint: Any) -> bool:
    return any(getattr(extra, "description", None) for extra in getattr(hint, "__metadata__", ()))


class _GenerateSchema(GenerateJsonSchema):
    """A default that JSON cannot hold is left out without a warning."""

    ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012  # as pydantic declares it

    def encode_default(self, dft: Any) -> Any:
        value = super().encode_default(dft)
        try:
            json.dumps(value, allow_nan=False)
        except ValueError as error:
            raise PydanticSerializationError(str(error)) from error
        return value


def _make_schema(name: str, model: type[BaseModel]) -> dict[str, Any]:
    try:
        schema = simplify_schema(model.model_json_schema(schema_generator=_GenerateSchema))
    except (PydanticUserError, RecursiveSchemaError) as error:
        fields = {field.alias or "": field.annotation for field in model.model_fields.values()}
        raise _explain_hint(name, fields, fields, error) from error
    del schema["additionalProperties"]  # the models are known to do well without it
    return {**schema, "required": schema.get("required", [])}


def _explain_hint(
    name: str, parameters: Iterable[str], hints: Mapping[str, Any], error: Exception
) -> ConfigurationError:
    """Return the error for the first parameter whose type has no JSON schema."""
    for key in parameters:
        reason = "holds itself" if isinstance(error, RecursiveSchemaError) else "has no JSON schema"
        try:
            simplify_schema(TypeAdapter(hints[key]).json_schema())
        except Exception as problem:
            hint = inspect.formatannotation(hints[key])
            if type(problem) is PydanticUserError:  # it says what to do, as of a TypedDict on Python 3.11
                reason += f" ({problem.message})"
            return ConfigurationError(
                f"the parameter {key!r} of the tool {name} is of type {hint}, which {reason}: take another, {_WAY_OUT}"
            )
    return ConfigurationError(f"the parameters of the tool {name} have no JSON schema: {error}")


def parse_arguments(call: ToolCall) -> dict[str, Any]:
    """Return the arguments of a call as an object. Raises `ValueError` in words for the model."""
    arguments = call.parse()
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        raise ValueError(f"the arguments must be a JSON object, got {call.arguments[:200]}")
    return cast("dict[str, Any]", arguments)


def _validate(model: type[BaseModel], parameters: Mapping[str, inspect.Parameter], call: ToolCall) -> dict[str, Any]:
    text = call.arguments if parse_arguments(call) else "{}"  # the text, since it has all digits of a number
    try:
        values = model.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ValueError(f"the arguments do not fit: {problems}") from None
    return {
        key: getattr(values, field)
        for (key, parameter), field in zip(parameters.items(), model.model_fields, strict=True)
        # What was left out has the function's own default, which is not copied.
        if field in values.model_fields_set or parameter.default is parameter.empty
    }
