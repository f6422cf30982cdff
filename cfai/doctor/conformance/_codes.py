"""Facts on codes: under which one the service refuses what it is known to refuse."""

from __future__ import annotations

from typing import Any

from cfai.doctor._finding import Finding, ok, warning
from cfai.doctor.conformance._probe import Probe, coded, how, judged, kind_of, unrelated
from cfai.doctor.conformance._requests import GLM, SMALL, in_envelope
from cfai.doctor.conformance._streamed import LLAMA, picture_url

VISION = "@cf/meta/llama-3.2-11b-vision-instruct"
GEMMA = "@cf/google/gemma-4-26b-a4b-it"

_ANSWER = {"type": "object", "properties": {"words": {"type": "string", "minLength": 400}}, "required": ["words"]}


def json_streamed(bench: Probe) -> Finding:
    """Return what JSON mode with a stream gives."""
    return _json(bench, LLAMA, {"type": "json_object"}, 5023, max_tokens=8, stream=True)


def json_cut(bench: Probe) -> Finding:
    """Return what JSON mode gives where there is no room for what the schema asks for."""
    return _json(bench, LLAMA, {"type": "json_schema", "json_schema": _ANSWER}, 5024, max_tokens=2)


def json_wrapped(bench: Probe) -> Finding:
    """Return what a native model gives for a schema in the envelope of OpenAI."""
    return _json(bench, LLAMA, {"type": "json_schema", "json_schema": in_envelope(_ANSWER)}, 5024, max_tokens=8)


def json_unknown(bench: Probe) -> Finding:
    """Return what a schema gives with a model whose own schema knows no JSON mode."""
    return _json(bench, SMALL, {"type": "json_schema", "json_schema": _ANSWER}, 5025, max_tokens=8)


def _json(bench: Probe, model: str, form: dict[str, Any], code: int, **options: Any) -> Finding:
    inputs = {"prompt": "Give an object as JSON.", "response_format": form, **options}
    response = bench.run(model, inputs)
    if response.is_success:
        return judged(f"not refused: {how(response)}, {kind_of(response)}", bench.read(response, model, inputs))
    return coded(response, code)


def tool_choice(bench: Probe) -> Finding:
    """Return what a chat model gives for the choice `any`, and for a forced tool with no room for its arguments."""
    forced = {"type": "function", "function": {"name": "weather"}}
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": parameters}}
    found: list[str] = []
    for name, choice in (("any", "any"), ("a forced tool with 2 tokens", forced)):
        inputs = {
            "messages": [{"role": "user", "content": "How is the weather in Paris?"}],
            "tools": [tool],
            "tool_choice": choice,
            "max_completion_tokens": 2,
        }
        response = bench.run(GLM, inputs)
        if refused := unrelated(response):
            return refused
        found.append(f"{name} gives {how(response)}{_as_error(bench.read(response, GLM, inputs))}")
    return ok("; ".join(found))


def picture(bench: Probe) -> Finding:
    """Return what a chat model gives for a picture that is none."""
    image = {"type": "image_url", "image_url": {"url": picture_url(b"this is no image")}}
    inputs = {"messages": [{"role": "user", "content": [image]}], "max_completion_tokens": 1}
    response = bench.run(GEMMA, inputs)
    return unrelated(response) or ok(f"gives {how(response)}{_as_error(bench.read(response, GEMMA, inputs))}")


def licence(bench: Probe) -> Finding:
    """What a model gives whose licence the account has not accepted. The prompt that would accept it is never sent."""
    response = bench.run(VISION, {"prompt": "Hi", "max_tokens": 1})
    if response.is_success:
        return warning("not found out: the account has accepted it, or need not")
    return coded(response, 5016)


def _as_error(output: Any) -> str:
    return f", in cfai {type(output).__name__}" if isinstance(output, Exception) else ""
