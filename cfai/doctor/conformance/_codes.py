"""Facts on codes: under which one the service refuses what it is known to refuse."""

from __future__ import annotations

from typing import Any

from cfai.doctor._finding import Finding, ok, warning
from cfai.doctor.conformance._probe import (
    Probe,
    find_unrelated_refusal,
    get_content_type,
    judge_code,
    judge_output,
    status_text,
)
from cfai.doctor.conformance._requests import GLM, SMALL, wrap_schema
from cfai.doctor.conformance._streamed import LLAMA, to_data_url

VISION = "@cf/meta/llama-3.2-11b-vision-instruct"
GEMMA = "@cf/google/gemma-4-26b-a4b-it"

_ANSWER = {"type": "object", "properties": {"words": {"type": "string", "minLength": 400}}, "required": ["words"]}


def ask_json_streamed(probe: Probe) -> Finding:
    """Return what JSON mode with a stream gives."""
    return _ask_json(probe, LLAMA, {"type": "json_object"}, 5023, max_tokens=8, stream=True)


def ask_json_cut(probe: Probe) -> Finding:
    """Return what JSON mode gives where there is no room for what the schema asks for."""
    return _ask_json(probe, LLAMA, {"type": "json_schema", "json_schema": _ANSWER}, 5024, max_tokens=2)


def ask_json_wrapped(probe: Probe) -> Finding:
    """Return what a native model gives for a schema in the envelope of OpenAI."""
    return _ask_json(probe, LLAMA, {"type": "json_schema", "json_schema": wrap_schema(_ANSWER)}, 5024, max_tokens=8)


def ask_json_unknown(probe: Probe) -> Finding:
    """Return what a schema gives with a model whose own schema knows no JSON mode."""
    return _ask_json(probe, SMALL, {"type": "json_schema", "json_schema": _ANSWER}, 5025, max_tokens=8)


def _ask_json(probe: Probe, model: str, form: dict[str, Any], code: int, **options: Any) -> Finding:
    inputs = {"prompt": "Give an object as JSON.", "response_format": form, **options}
    response = probe.run(model, inputs)
    if response.is_success:
        return judge_output(
            f"not refused: {status_text(response)}, {get_content_type(response)}", probe.read(response, model, inputs)
        )
    return judge_code(response, code)


def ask_tool_choice(probe: Probe) -> Finding:
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
        response = probe.run(GLM, inputs)
        if refused := find_unrelated_refusal(response):
            return refused
        found.append(f"{name} gives {status_text(response)}{_describe_output(probe.read(response, GLM, inputs))}")
    return ok("; ".join(found))


def ask_picture(probe: Probe) -> Finding:
    """Return what a chat model gives for a picture that is none."""
    image = {"type": "image_url", "image_url": {"url": to_data_url(b"this is no image")}}
    inputs = {"messages": [{"role": "user", "content": [image]}], "max_completion_tokens": 1}
    response = probe.run(GEMMA, inputs)
    return find_unrelated_refusal(response) or ok(
        f"gives {status_text(response)}{_describe_output(probe.read(response, GEMMA, inputs))}"
    )


def ask_licence(probe: Probe) -> Finding:
    """Ask a model whose licence was not accepted. The prompt that would accept it is never sent."""
    response = probe.run(VISION, {"prompt": "Hi", "max_tokens": 1})
    if response.is_success:
        return warning("not found out: the account has accepted it, or need not")
    return judge_code(response, 5016)


def _describe_output(output: Any) -> str:
    return f", in cfai {type(output).__name__}" if isinstance(output, Exception) else ""
