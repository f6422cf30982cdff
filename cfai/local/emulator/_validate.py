"""Validate as the service does before a model runs: inputs against a schema, their size against limits.

The messages are the service's own where they are known. The schemas are data; only what they cannot say is code here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cfai._json import as_sequence, is_mapping
from cfai.local._json import as_object, loads_strictly
from cfai.local._models import Parameter, Schema, get_schema
from cfai.local.emulator import _text
from cfai.local.emulator._generate import get_output_limit
from cfai.local.emulator._uploads import check_content, check_uploads, parse_form
from cfai.local.wire import ErrorResponse, make_input_error
from cfai.models import Model
from cfai.models.schemas import FLUX_2_FORM

_RATE = "sample_rate"
_IN_MS = ("utterance_end_ms",)
_SAMPLES = "encoding"
"""The input of Nova 3 that says that the sound has no header."""


def check_inputs(model: Model, inputs: Any, *, takes_streams: bool = True) -> Mapping[str, Any]:
    """Return `inputs`, if `model` takes them. Raises `ErrorResponse` with the first thing that is wrong.

    Media may stand as `{"body": …, "contentType": …}` where the route `takes_streams`.
    """
    if not is_mapping(inputs):
        raise make_input_error(f"Type mismatch of '/', '{_get_json_type(inputs)}' not in 'object'")
    if "prompt" in inputs and "messages" in inputs:
        raise ErrorResponse(1001)
    known = get_schema(model.name)
    if not takes_streams:
        # UNCERTAIN: how this is refused; it is taken for an input that did not come, as its bytes do not.
        streams = {name for name, parameter in known.parameters.items() if parameter.type.startswith("object {body:")}
        inputs = {name: value for name, value in inputs.items() if name not in streams or not is_mapping(value)}
    _check_parameters(known, inputs)
    for problem in _find_question_problems(inputs.get("questions")):
        raise make_input_error(problem)
    for problem in _find_message_problems(known, inputs.get("messages")):
        other = "oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt', "
        raise make_input_error(f"{other if 'prompt' in known.parameters else ''}{problem}")
    _check_tools(known, inputs)
    tools = [as_object(tool) for tool in as_sequence(inputs.get("tools"))]
    functions = [as_object(tool.get("function")) or tool for tool in tools]
    if inputs.get("tool_choice") == "any" or any(each.get("description") is False for each in functions):
        raise ErrorResponse(8001)
    if inputs.get("lora") and "lora" not in model.capabilities:
        raise ErrorResponse(5005)
    _check_turns(model, inputs)
    _check_window(model, inputs)
    _check_texts(model, inputs)
    check_uploads(model, inputs)
    return inputs


def check_raw_inputs(model: Model, body: bytes, content_type: str, query: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the inputs of a call whose body is a sound, an image or a form; those beside it are in the query.

    Raises `ErrorResponse` as `check_inputs` does.
    """
    known = get_schema(model.name)
    name = known.raw_input
    if name is None:
        raise make_input_error("Type mismatch of '/', 'string' not in 'object'")
    if (name == "multipart") != content_type.startswith("multipart/"):
        raise make_input_error(f"required properties at '/' are '{name}'")
    if name == "multipart":
        fields = parse_form(body, content_type)
        images = {field: content for field, content in fields.items() if field.startswith("input_image_")}
        texts = {field: content.decode("utf-8", "replace") for field, content in fields.items() if field not in images}
        inputs = _parse_texts(FLUX_2_FORM, texts)
        _check_parameters(FLUX_2_FORM, inputs)
        for content in images.values():
            check_content(model, "image", content)
        return inputs | images
    inputs = _parse_texts(known, query) | {name: body}
    for problem in _find_all_problems(known, {field: value for field, value in inputs.items() if field != name}):
        raise make_input_error(problem)
    if _SAMPLES not in inputs:
        check_content(model, name, body)
    return inputs


def check_session(model: Model, query: Mapping[str, str]) -> None:
    """Raise `ErrorResponse` for parameters with which no WebSocket is opened to `model`."""
    known = get_schema(model.name)
    parameters = {name: rule for name, rule in known.parameters.items() if name not in ("audio", "text")}
    taken = replace(known, parameters=parameters)
    unknown = [f"/{name}" for name in query if name not in parameters and name != _RATE]
    if unknown:
        raise make_input_error(f"Additional or unevaluated properties '{', '.join(unknown)}' at '/' not allowed")
    for name in (_RATE, "channels"):
        if not re.fullmatch("[1-9][0-9]*", query.get(name, "1")):
            raise make_input_error(f"'/{name}' must be a whole number from 1")
    # The schema has a boolean for what is sent in milliseconds.
    _check_parameters(taken, {name: each for name, each in _parse_texts(taken, query).items() if name not in _IN_MS})


def _parse_texts(known: Schema, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a query or a form: JSON, where an input may not be a string."""
    values: dict[str, Any] = dict(texts)
    for name, text in texts.items():
        if name in known.parameters and "string" not in known.parameters[name].kinds:
            with suppress(ValueError):
                values[name] = loads_strictly(text)
    return values


def _check_parameters(known: Schema, inputs: Mapping[str, Any]) -> None:
    _check_required(known, inputs)
    for problem in _find_all_problems(known, inputs):
        raise make_input_error(problem)
    # UNCERTAIN: the schema of FLUX.1 has no `seed`, which some have seen taken, and others refused.
    extra = [f"/{name}" for name in inputs if name not in known.parameters and name not in ("seed", "options")]
    if extra and known.is_closed:
        raise make_input_error(f"Additional or unevaluated properties '{', '.join(extra)}' at '/' not allowed")


def _find_all_problems(known: Schema, inputs: Mapping[str, Any]) -> Iterator[str]:
    for name, parameter in known.parameters.items():
        yield from _find_problems(name, inputs[name], parameter) if name in inputs else ()


def _check_tools(known: Schema, inputs: Mapping[str, Any]) -> None:
    """Refuse tools without a `function` where it must be there, with all else that the schemas would have wanted."""
    if "tools" not in known.parameters or not known.parameters["tools"].type.startswith("array<{type:'function'"):
        return
    tools = map(as_object, as_sequence(inputs.get("tools")))
    flat = [index for index, tool in enumerate(tools) if tool.get("type") == "function" and "function" not in tool]
    if flat:
        audio = ["required properties at '/audio' are 'voice,format'"] if "audio" in known.parameters else []
        missing = [f"required properties at '/tools/{index}/function' are 'name'" for index in flat]
        page = [*audio, *missing, "required properties at '/' are 'prompt'"]
        raise make_input_error(f"anyOf at '/' not met: {', '.join(page)}")


def _check_required(known: Schema, inputs: Mapping[str, Any]) -> None:
    groups: dict[str | None, list[str]] = {}
    """Names that must be there, by variant; `None` is what every variant needs."""
    for name, parameter in known.parameters.items():
        # Not every row of the listing says that the medium has to be there, by itself or as the body.
        if parameter.rules.get("required") or ("(body)" in known.parameters and name == known.raw_input):
            groups.setdefault(parameter.rules.get("variant"), []).append(name)
    common = groups.pop(None, [])
    if not all(name in inputs for name in common):
        raise make_input_error(f"required properties at '/' are '{','.join(common)}'")
    if groups and not any(all(name in inputs for name in names) for names in groups.values()):
        missing = [f"required properties at '/' are '{','.join(names)}'" for names in groups.values()]
        raise make_input_error(f"oneOf at '/' not met, 0 matches: {', '.join(missing)}" if missing[1:] else missing[0])


def _find_problems(name: str, value: Any, parameter: Parameter) -> Iterator[str]:
    """Yield problems of one value, in the validator's words."""
    json_type, rules = _get_json_type(value), parameter.rules
    fits = json_type in parameter.kinds or (json_type == "integer" and "number" in parameter.kinds)
    if parameter.kinds and not fits:
        yield f"Type mismatch of '/{name}', '{json_type}' not in '{','.join(sorted(parameter.kinds))}'"
    match json_type:
        case "integer" | "number":
            if value > rules.get("maximum", value):
                yield f"'/{name}' must be <= {rules['maximum']}"
            if value < rules.get("minimum", value):
                yield f"'/{name}' must be >= {rules['minimum']}"
        case "string":
            yield from _find_length_problems(name, value, rules.get("minLength", 0), rules.get("maxLength"))
            if not re.search(rules.get("pattern", ""), value):
                yield f"'/{name}' must match pattern '{rules['pattern']}'"
        case "array":
            yield from _find_length_problems(name, value, rules.get("minItems", 0), rules.get("maxItems"))
            text = Parameter("string", frozenset({"string"}), {"minLength": rules.get("minLength", 0)})
            for index, item in enumerate(value) if "array<string>" in parameter.type else ():
                yield from _find_problems(f"{name}/{index}", item, text)
            for index, item in enumerate(value) if parameter.type == "array<{text:string}>" else ():
                if not is_mapping(item):
                    yield f"Type mismatch of '/{name}/{index}', '{_get_json_type(item)}' not in 'object'"
                elif "text" not in item:
                    yield f"required properties at '/{name}/{index}' are 'text'"
                else:
                    text = Parameter("string", frozenset({"string"}), {"minLength": 1})
                    yield from _find_problems(f"{name}/{index}/text", item["text"], text)
            for index, item in enumerate(value) if "array<number 0-255>" in parameter.type else ():
                if isinstance(item, bool) or not isinstance(item, int | float):
                    yield f"Type mismatch of '/{name}/{index}', '{_get_json_type(item)}' not in 'number'"
                elif not 0 <= item <= 255:
                    yield f"'/{name}/{index}' must be {'>= 0' if item < 0 else '<= 255'}"
        case "object":
            if not rules.get("minProperties", 0) <= len(value) <= rules.get("maxProperties", len(value)):
                yield f"'/{name}' must have {rules['minProperties']} to {rules['maxProperties']} properties"
        case _:
            pass
    if "enum" in rules and value is not None and value not in (*rules["enum"], *rules.get("normalized", ())):
        yield f"'/{name}' must be one of '{','.join(map(str, rules['enum']))}'"


def _find_length_problems(name: str, value: str | list[Any], least: int, most: int | None) -> Iterator[str]:
    if len(value) < least:
        yield f"Length of '/{name}' must be >= {least}"
    elif most is not None and len(value) > most:
        yield f"Length of '/{name}' must be <= {most}"


def _find_message_problems(known: Schema, messages: Any) -> Iterator[str]:
    types = ["string", "array", "null"]
    if "messages" in known.parameters and "| {type,text" in known.parameters["messages"].type:
        types.append("object")
    for index, message in enumerate(as_sequence(messages)):
        if not isinstance(message, Mapping):
            yield f"Type mismatch of '/messages/{index}', '{_get_json_type(message)}' not in 'object'"
        entry = as_object(message)
        if "role" not in entry or not ("content" in entry or entry.get("tool_calls")):
            yield f"required properties at '/messages/{index}' are 'role,content'"
        json_type = _get_json_type(entry.get("content", ""))
        if json_type not in types:
            yield f"Type mismatch of '/messages/{index}/content', '{json_type}' not in 'string'"


def _find_question_problems(questions: Any) -> Iterator[str]:
    """Yield what is wrong with the questions for Clef."""
    for name, question in as_object(questions).items():
        path, fields = f"/questions/{name}", as_object(question)
        kind = fields.get("type")
        if kind not in ("noul", "choice", "score"):
            yield f"'{path}/type' must be one of 'noul,choice,score'"
        needed = ("instructions",) if kind == "noul" else ("instructions", "criteria")
        if not all(field in fields for field in needed):
            yield f"required properties at '{path}' are '{','.join(needed)}'"
        if kind != "noul":
            criteria, wanted, most = fields["criteria"], *(("object", 255) if kind == "choice" else ("array", 10))
            if _get_json_type(criteria) != wanted:
                yield f"Type mismatch of '{path}/criteria', '{_get_json_type(criteria)}' not in '{wanted}'"
            if not 2 <= len(criteria) <= most:
                yield f"'{path}/criteria' must have 2 to {most} {'properties' if kind == 'choice' else 'items'}"


def _check_turns(model: Model, inputs: Mapping[str, Any]) -> None:
    """Check that the roles of a conversation for Llama Guard alternate."""
    if model.name != "@cf/meta/llama-guard-3-8b":
        return
    roles = [as_object(message).get("role") for message in as_sequence(inputs["messages"])]
    if roles != [("user", "assistant")[index % 2] for index in range(len(roles))] or not roles:
        # UNCERTAIN: how this is refused; the words are those of the model's template.
        raise ErrorResponse(3030, "AiError: Conversation roles must alternate user/assistant/user/assistant/...")


def _check_window(model: Model, inputs: Mapping[str, Any]) -> None:
    """Check the limits of a text model: the gateway by its estimate, and then the model by its count."""
    requested = get_output_limit(model, inputs)
    if requested is not None and requested < 1:
        raise make_input_error("'/max_tokens' must be >= 1")
    if model.sequence_length and requested and requested > model.sequence_length.value:
        raise ErrorResponse(
            3030,
            f"AiError: max_completion_tokens is too large: {requested}. "
            f"This model supports at most {model.sequence_length.value} completion tokens.",
        )
    if model.context_length is None or model.answers is None:
        return
    prompt_inputs = _text.select_prompt_inputs(inputs)
    limit, reserved = model.context_length.value, 0 if model.window == "separate" else requested or 0
    # The gateway takes four characters of JSON for a token, base64 like any other text.
    text = json.dumps(prompt_inputs, ensure_ascii=False, separators=(",", ":"))
    estimate = math.ceil(len(text) / 4) + reserved
    if estimate > limit:
        raise ErrorResponse(
            5021,
            f"Ai: The estimated number of input and maximum output tokens ({estimate}) "
            f"exceeded this model context window limit ({limit}).",
        )
    if _text.count_emulated(prompt_inputs) + reserved > limit:
        # vLLM stops counting at the first token too many.
        least = limit - reserved + 1
        raise ErrorResponse(
            3030,
            f"AiError: This model's maximum context length is {limit} tokens. However, you requested {reserved} output "
            f"tokens and your prompt contains at least {least} input tokens, for a total of at least {limit + 1} "
            "tokens. Please reduce the length of the input prompt or the number of requested output tokens. "
            f"(parameter=input_tokens, value={least})",
        )


def _check_texts(model: Model, inputs: Mapping[str, Any]) -> None:
    """Check the limits of an embedding model: for each text, and for all together."""
    if model.name == "@cf/qwen/qwen3-embedding-0.6b" and not inputs.keys() & {"text", "queries", "documents"}:
        # UNCERTAIN: how this is refused; by the schema none of the three has to be there.
        raise make_input_error("anyOf at '/' not met: required properties at '/' are 'text'")
    if inputs.get("truncate_inputs") or not (model.input_length or model.batch_length):
        return
    counts = [_text.count_emulated(text) for text in list_texts(inputs)]
    for tokens in counts:
        if model.input_length and tokens > model.input_length.value:
            raise ErrorResponse(3030, f"AiError: Sequence too long: {tokens} > {model.input_length.value}")
    if model.batch_length and sum(counts) > model.batch_length.value:
        limit = model.batch_length.value
        raise ErrorResponse(3030, f"AiError: Max context reached {sum(counts)} tokens but model supports only {limit}")


def list_texts(inputs: Mapping[str, Any]) -> list[str]:
    """Return the texts of an embedding or reranking call, in the order of the request."""
    values = [inputs.get(name, []) for name in ("text", "queries", "documents", "contexts")]
    items = [item for value in values for item in (as_sequence(value) if isinstance(value, list) else [value])]
    return [str(as_object(item).get("text", "") if isinstance(item, Mapping) else item) for item in items]


def _get_json_type(value: Any) -> str:
    return next((name for name, types in _TYPES.items() if isinstance(value, types)), "null")


_TYPES = {"boolean": bool, "string": str, "integer": int, "number": float, "array": list, "object": dict}
"""Python's types by those of JSON, in the order in which they are tried: `True` is an `int` too."""
