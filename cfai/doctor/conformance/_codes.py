"""Facts on codes: under which one the service refuses what it is known to refuse."""

from __future__ import annotations

from typing import Any

from cfai.doctor._finding import Finding, report_ok
from cfai.doctor.conformance._inputs import GEMMA, GLM, VISION, encode_data_url, wrap_schema
from cfai.doctor.conformance._probe import InconclusiveError, Probe, judge_code, judge_output

_ANSWER = {"type": "object", "properties": {"words": {"type": "string", "minLength": 400}}, "required": ["words"]}
JSON_OBJECT: dict[str, Any] = {"type": "json_object"}
SCHEMA: dict[str, Any] = {"type": "json_schema", "json_schema": _ANSWER}
WRAPPED_SCHEMA: dict[str, Any] = {"type": "json_schema", "json_schema": wrap_schema(_ANSWER)}


def ask_json(probe: Probe, model: str, form: dict[str, Any], code: int, **options: Any) -> Finding:
    """Report how JSON mode is answered where cfai expects a refusal with `code`."""
    inputs = {"prompt": "Give an object as JSON.", "response_format": form, **options}
    response = probe.run(model, inputs)
    if not response.is_success:
        return judge_code(response, code)
    message = f"not refused: {response.status_text}, {response.content_type}"
    return judge_output(message, probe.read(response, model, inputs))


def ask_tool_choice(probe: Probe) -> Finding:
    """Report how a chat model answers the choice `any`, and a forced tool with no room for its arguments."""
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "weather", "description": "The weather", "parameters": parameters}}
    inputs = {
        "messages": [{"role": "user", "content": "How is the weather in Paris?"}],
        "tools": [tool],
        "max_completion_tokens": 2,
    }
    forced = {"type": "function", "function": {"name": "weather"}}
    any_tool = _describe_answer(probe, GLM, {**inputs, "tool_choice": "any"})
    return report_ok(
        f"any {any_tool}; a forced tool with 2 tokens {_describe_answer(probe, GLM, {**inputs, 'tool_choice': forced})}"
    )


def ask_picture(probe: Probe) -> Finding:
    """Report how a chat model answers a picture that is none."""
    image = {"type": "image_url", "image_url": {"url": encode_data_url(b"this is no image")}}
    inputs = {"messages": [{"role": "user", "content": [image]}], "max_completion_tokens": 1}
    return report_ok(_describe_answer(probe, GEMMA, inputs))


def ask_licence(probe: Probe) -> Finding:
    """Report how a model is refused whose licence was not accepted. The prompt that would accept it is never sent."""
    response = probe.run(VISION, {"prompt": "Hi", "max_tokens": 1})
    if response.is_success:
        raise InconclusiveError("the account has accepted it, or need not")
    return judge_code(response, 5016)


def _describe_answer(probe: Probe, model: str, inputs: dict[str, Any]) -> str:
    response = probe.run(model, inputs).require_verdict()
    output = probe.read(response, model, inputs)
    return f"gives {response.status_text}" + (
        f", in cfai {type(output).__name__}" if isinstance(output, Exception) else ""
    )
