"""Whole answers of text models, in the shape of each family."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.local.conftest import Service

MARK = "[emulated by cfai, not by a model]"
NATIVE = "@cf/meta/llama-3.1-8b-instruct-fp8"
LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
SCOUT = "@cf/meta/llama-4-scout-17b-16e-instruct"
QWEN = "@cf/qwen/qwen3-30b-a3b-fp8"
GLM = "@cf/zai-org/glm-4.7-flash"
KIMI = "@cf/moonshotai/kimi-k2.6"
OSS = "@cf/openai/gpt-oss-20b"

WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 10},
        "days": {"type": "integer", "minimum": 3},
        "unit": {"type": "string", "enum": ["C", "F"]},
    },
    "required": ["city"],
}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}},
    {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}},
]
ARGUMENTS = {"city": "emulated..", "days": 3, "unit": "C"}


def ask(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def add_up(usage: Any) -> bool:
    return usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_native_models_answer_with_response_and_usage(service: Service) -> None:
    result = service.result(NATIVE, ask("where is new york?"))
    assert list(result) == ["response", "usage"]
    assert result["response"].startswith(MARK)
    assert list(result["usage"]) == ["prompt_tokens", "completion_tokens", "total_tokens"]
    assert add_up(result["usage"])


def test_chat_models_answer_with_a_chat_completion(service: Service) -> None:
    result = service.result(GLM, ask("where is new york?"))
    assert result["object"] == "chat.completion"
    assert result["id"].startswith("chatcmpl-")
    assert (result["model"], type(result["created"])) == (GLM, int)
    [choice] = result["choices"]
    assert choice | {"message": None} == {"index": 0, "message": None, "finish_reason": "stop", "logprobs": None}
    assert list(choice["message"]) == ["role", "content", "reasoning_content"]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"].startswith(MARK)
    assert add_up(result["usage"])
    assert result["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}
    assert result["usage"]["neurons"] > 0


def test_qwen3_answers_a_prompt_with_a_text_completion(service: Service) -> None:
    result = service.result(QWEN, {"prompt": "hi"})
    assert result["object"] == "text_completion"
    assert result["choices"][0]["text"].startswith(MARK)
    assert "message" not in result["choices"][0]


def test_glm_answers_a_prompt_with_a_chat_completion(service: Service) -> None:
    assert service.result(GLM, {"prompt": "hi"})["object"] == "chat.completion"


def test_gpt_oss_answers_in_the_form_of_its_input(service: Service) -> None:
    assert list(service.result(OSS, {"prompt": "hi"})) == ["response", "usage"]
    assert service.result(OSS, ask("hi"))["object"] == "chat.completion"
    response = service.result(OSS, {"input": "hi"})
    assert (response["object"], response["status"]) == ("response", "completed")
    assert [item["type"] for item in response["output"]] == ["reasoning", "message"]
    [part] = response["output"][1]["content"]
    assert (part["type"], part["text"].startswith(MARK)) == ("output_text", True)
    assert list(response["usage"]) == ["input_tokens", "output_tokens", "total_tokens"]


def test_a_responses_answer_that_is_cut_is_incomplete(service: Service) -> None:
    response = service.result(OSS, {"input": "hi", "max_output_tokens": 30})
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["usage"]["output_tokens"] == 30


def test_the_same_question_has_the_same_answer(service: Service) -> None:
    first, second = (service.result(NATIVE, {"prompt": "hi", "seed": 1}) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("other", [{"prompt": "hj", "seed": 1}, {"prompt": "hi", "seed": 2}, {"prompt": "hi"}])
def test_prompt_and_seed_change_the_answer(service: Service, other: Any) -> None:
    first = service.result(NATIVE, {"prompt": "hi", "seed": 1})["response"]
    assert first.partition(": ")[2] != service.result(NATIVE, other)["response"].partition(": ")[2]


def test_models_differ(service: Service) -> None:
    texts = {service.result(model, {"prompt": "hi"})["response"] for model in (NATIVE, LLAMA, SCOUT)}
    assert len(texts) == 3


def test_the_answer_quotes_the_question(service: Service) -> None:
    assert "“where is new york?”" in service.result(NATIVE, ask("where is new york?"))["response"]


def test_parts_of_a_message_are_read(service: Service) -> None:
    parts = [{"type": "text", "text": "what is"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]
    result = service.result(GLM, {"messages": [{"role": "user", "content": parts}]})
    assert "“what is”" in result["choices"][0]["message"]["content"]


def test_a_question_for_n_words_gets_n_words(service: Service) -> None:
    inputs = {"prompt": "write 1234 words", "max_tokens": 20_000}
    text = service.result(NATIVE, inputs)["response"]
    assert len(text.partition("$0.10. ")[2].split()) == 1234


def test_native_answers_stop_at_256_tokens_unless_told_otherwise(service: Service) -> None:
    usage = service.result(NATIVE, {"prompt": "write 1000 words"})["usage"]
    assert usage["completion_tokens"] == 256
    longer = service.result(NATIVE, {"prompt": "write 1000 words", "max_tokens": 300})["usage"]
    assert longer["completion_tokens"] == 300


def test_chat_answers_have_the_default_of_their_model(service: Service) -> None:
    assert service.result(QWEN, ask("write 5000 words"))["usage"]["completion_tokens"] == 2000
    result = service.result(GLM, ask("write 5000 words"))
    assert result["usage"]["completion_tokens"] > 5000
    assert result["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_cut_chat_answer_says_length(service: Service, name: str) -> None:
    result = service.result(GLM, ask("hi", **{name: 40}))
    assert result["choices"][0]["finish_reason"] == "length"
    assert result["usage"]["completion_tokens"] == 40


def test_with_few_tokens_a_reasoning_model_only_reasons(service: Service) -> None:
    message = service.result(GLM, ask("hi", max_tokens=5))["choices"][0]["message"]
    assert message["content"] is None
    assert message["reasoning_content"].startswith("[emulated reason")


@pytest.mark.parametrize(
    ("model", "field", "off"),
    [
        (GLM, "reasoning_content", {"chat_template_kwargs": {"enable_thinking": False}}),
        (GLM, "reasoning_content", {"reasoning_effort": None}),
        (KIMI, "reasoning", {"chat_template_kwargs": {"thinking": False}}),
        ("@cf/moonshotai/kimi-k2.5", "reasoning_content", {"chat_template_kwargs": {"enable_thinking": False}}),
    ],
)
def test_reasoning_has_the_models_own_name_and_switch(service: Service, model: str, field: str, off: Any) -> None:
    on = service.result(model, ask("hi"))["choices"][0]["message"]
    assert [key for key in on if key.startswith("reasoning")] == [field]
    silent = service.result(model, ask("hi", **off))["choices"][0]["message"]
    assert list(silent) == ["role", "content"]


def test_enable_thinking_is_not_kimis_switch(service: Service) -> None:
    message = service.result(KIMI, ask("hi", chat_template_kwargs={"enable_thinking": False}))["choices"][0]["message"]
    assert "reasoning" in message


def test_models_without_reasoning_do_not_reason(service: Service) -> None:
    assert list(service.result("@cf/ibm-granite/granite-4.0-h-micro", ask("hi"))["choices"][0]["message"]) == [
        "role",
        "content",
    ]


def test_n_choices_differ_and_are_numbered(service: Service) -> None:
    choices = service.result(GLM, ask("hi", n=3))["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in choices}) == 3


def test_json_mode_is_an_object_for_native_models(service: Service) -> None:
    wanted = {"type": "json_schema", "json_schema": WEATHER}
    assert service.result(LLAMA, ask("hi", response_format=wanted))["response"] == ARGUMENTS


def test_json_mode_without_a_schema_is_some_object(service: Service) -> None:
    response = service.result(LLAMA, ask("hi", response_format={"type": "json_object"}))["response"]
    assert response == {"emulated": True, "question": "hi"}


@pytest.mark.parametrize("schema", [WEATHER, {"name": "weather", "schema": WEATHER, "strict": True}])
def test_json_mode_is_text_for_chat_models_with_or_without_the_wrapper(service: Service, schema: Any) -> None:
    wanted = {"type": "json_schema", "json_schema": schema}
    message = service.result(GLM, ask("hi", response_format=wanted))["choices"][0]["message"]
    assert json.loads(message["content"]) == ARGUMENTS


def test_guided_json_is_json_mode_too(service: Service) -> None:
    assert service.result(SCOUT, ask("hi", guided_json=WEATHER))["response"] == ARGUMENTS


def test_native_json_mode_cannot_stream(service: Service) -> None:
    inputs = ask("hi", response_format={"type": "json_object"}, stream=True)
    assert service.error(LLAMA, inputs)[:2] == (400, 5023)


def test_native_json_mode_wants_the_bare_schema(service: Service) -> None:
    wrapped = {"type": "json_schema", "json_schema": {"name": "weather", "schema": WEATHER}}
    error = service.error(LLAMA, ask("hi", response_format=wrapped))
    assert error == (400, 5024, "AiError: JSON Mode couldn't be met")


def test_native_tool_calls_are_flat_with_an_object(service: Service) -> None:
    result = service.result(LLAMA, ask("use get_weather", tools=TOOLS))
    assert result["response"] is None
    assert result["tool_calls"] == [{"name": "get_weather", "arguments": ARGUMENTS}]


def test_llama_4_scout_calls_in_openai_form_and_without_response(service: Service) -> None:
    result = service.result(SCOUT, ask("use get_weather", tools=TOOLS))
    assert list(result) == ["tool_calls", "usage"]
    [call] = result["tool_calls"]
    assert (call["type"], call["function"]["name"]) == ("function", "get_weather")
    assert json.loads(call["function"]["arguments"]) == ARGUMENTS


def test_chat_models_call_in_their_choice(service: Service) -> None:
    [choice] = service.result(GLM, ask("use get_weather", tools=TOOLS))["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    [call] = choice["message"]["tool_calls"]
    assert re.fullmatch(r"chatcmpl-tool-[0-9a-f]{32}", call["id"])
    assert call["function"] == {"name": "get_weather", "arguments": json.dumps(ARGUMENTS)}


def test_kimi_repeats_its_tool_ids(service: Service) -> None:
    [choice] = service.result(KIMI, ask("use get_weather", tools=TOOLS))["choices"]
    assert choice["message"]["tool_calls"][0]["id"] == "functions.get_weather:0"


def test_the_responses_api_calls_in_an_item(service: Service) -> None:
    flat = [{"type": "function", "name": "get_weather", "parameters": WEATHER}]
    output = service.result(OSS, {"input": "use get_weather", "tools": flat})["output"]
    assert [item["type"] for item in output] == ["reasoning", "function_call"]
    assert json.loads(output[1]["arguments"]) == ARGUMENTS
    assert list(output[1]) == ["type", "id", "call_id", "name", "arguments", "status"]


def test_the_responses_api_reads_the_output_of_a_tool(service: Service) -> None:
    flat = [{"type": "function", "name": "get_weather", "parameters": WEATHER}]
    said = [{"type": "function_call_output", "call_id": "1", "output": "get_weather: 5 C"}]
    output = service.result(OSS, {"input": said, "tools": flat})["output"]
    assert "“get_weather: 5 C”" in output[1]["content"][0]["text"]


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("required", "get_time"),
        ({"type": "function", "function": {"name": "get_weather"}}, "get_weather"),
        ("auto", None),
        ("none", None),
    ],
)
def test_tool_choice_decides_when_the_question_names_no_tool(service: Service, choice: Any, name: str | None) -> None:
    message = service.result(GLM, ask("hi", tools=TOOLS, tool_choice=choice))["choices"][0]["message"]
    calls = message.get("tool_calls") or [{"function": {"name": None}}]
    assert [call["function"]["name"] for call in calls] == [name]


def test_tool_choice_none_calls_nothing(service: Service) -> None:
    inputs = ask("use get_weather", tools=TOOLS, tool_choice="none")
    assert "tool_calls" not in service.result(GLM, inputs)["choices"][0]["message"]


def test_after_the_result_of_a_tool_there_are_words(service: Service) -> None:
    inputs = ask("use get_weather", tools=TOOLS)
    inputs["messages"] += [{"role": "tool", "tool_call_id": "1", "name": "get_weather", "content": "get_weather: 5 C"}]
    message = service.result(GLM, inputs)["choices"][0]["message"]
    assert "“get_weather: 5 C”" in message["content"]
