"""Whole answers of text models, in the shape of each family."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.conftest import row

if TYPE_CHECKING:
    from tests.local.conftest import Service

MARK = "[emulated by cfai, not by a model]"
NATIVE = "@cf/meta/llama-3.1-8b-instruct-fp8"
LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
SCOUT = "@cf/meta/llama-4-scout-17b-16e-instruct"
GRANITE = "@cf/ibm-granite/granite-4.0-h-micro"
QWEN = "@cf/qwen/qwen3-30b-a3b-fp8"
GLM = "@cf/zai-org/glm-4.7-flash"
KIMI = "@cf/moonshotai/kimi-k2.6"
OLD_KIMI = "@cf/moonshotai/kimi-k2.5"
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
WRAPPED = {"name": "weather", "schema": WEATHER, "strict": True}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}},
    {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}},
]
FLAT_TOOLS = [{"type": "function", "name": "get_weather", "parameters": WEATHER}]
ARGUMENTS = {"city": "emulated..", "days": 3, "unit": "C"}


def ask(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def schema(rules: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": rules}}


def message(service: Service, model: str, inputs: Any) -> Any:
    """Return the message of the one choice."""
    [choice] = service.result(model, inputs)["choices"]
    return choice["message"]


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


def test_a_prompt_is_answered_in_the_form_of_the_model(service: Service) -> None:
    assert service.result(GLM, {"prompt": "hi"})["object"] == "chat.completion"
    result = service.result(QWEN, {"prompt": "hi"})
    assert result["object"] == "text_completion"
    assert result["choices"][0]["text"].startswith(MARK)
    assert "message" not in result["choices"][0]


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


def test_an_answer_depends_on_prompt_seed_and_model_alone(service: Service) -> None:
    def answer(model: str = NATIVE, **inputs: Any) -> str:
        return service.result(model, inputs)["response"].partition(": ")[2]

    first = answer(prompt="hi", seed=1)
    assert first == answer(prompt="hi", seed=1)
    others = [answer(prompt="hj", seed=1), answer(prompt="hi", seed=2), answer(prompt="hi")]
    others += [answer(model, prompt="hi", seed=1) for model in (LLAMA, SCOUT)]
    assert len({first, *others}) == 6


def test_an_answer_quotes_the_question(service: Service) -> None:
    assert "“where is new york?”" in service.result(NATIVE, ask("where is new york?"))["response"]
    parts = [{"type": "text", "text": "what is"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]
    assert "“what is”" in message(service, GLM, {"messages": [{"role": "user", "content": parts}]})["content"]


def test_a_question_for_n_words_gets_n_words(service: Service) -> None:
    inputs = {"prompt": "write 1234 words", "max_tokens": 20_000}
    text = service.result(NATIVE, inputs)["response"]
    assert len(text.partition("$0.10. ")[2].split()) == 1234


def test_an_answer_ends_at_the_requested_tokens_or_at_the_default_of_its_model(service: Service) -> None:
    for model, limit, tokens in ((NATIVE, {}, 256), (NATIVE, {"max_tokens": 300}, 300), (QWEN, {}, 2000)):
        with row((model, limit)):
            result = service.result(model, ask("write 5000 words", **limit))
            assert result["usage"]["completion_tokens"] == tokens
    result = service.result(GLM, ask("write 5000 words"))
    assert result["usage"]["completion_tokens"] > 5000
    assert result["choices"][0]["finish_reason"] == "stop"


def test_a_cut_chat_answer_says_length(service: Service) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        with row(name):
            result = service.result(GLM, ask("hi", **{name: 40}))
            assert result["choices"][0]["finish_reason"] == "length"
            assert result["usage"]["completion_tokens"] == 40


def test_with_few_tokens_a_reasoning_model_only_reasons(service: Service) -> None:
    answer = message(service, GLM, ask("hi", max_tokens=5))
    assert answer["content"] is None
    assert answer["reasoning_content"].startswith("[emulated reason")


def test_reasoning_has_the_models_own_name_and_switch(service: Service) -> None:
    off, kimis_off = ({"chat_template_kwargs": {name: False}} for name in ("enable_thinking", "thinking"))
    for model, options, field in (
        (GLM, {}, "reasoning_content"),
        (GLM, off, None),
        (GLM, {"reasoning_effort": None}, None),
        (KIMI, {}, "reasoning"),
        (KIMI, kimis_off, None),
        (KIMI, off, "reasoning"),
        (OLD_KIMI, {}, "reasoning_content"),
        (OLD_KIMI, off, None),
        (GRANITE, {}, None),
    ):
        with row((model, options)):
            answer = message(service, model, ask("hi", **options))
            assert list(answer) == ["role", "content", *([field] if field else [])]


def test_n_choices_differ_and_are_numbered(service: Service) -> None:
    choices = service.result(GLM, ask("hi", n=3))["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in choices}) == 3


# JSON mode


def test_json_mode_is_an_object_for_native_models(service: Service) -> None:
    for name, model, options, expected in (
        ("a schema", LLAMA, schema(WEATHER), ARGUMENTS),
        ("guided_json", SCOUT, {"guided_json": WEATHER}, ARGUMENTS),
        ("no schema", LLAMA, {"response_format": {"type": "json_object"}}, {"emulated": True, "question": "hi"}),
    ):
        with row(name):
            assert service.result(model, ask("hi", **options))["response"] == expected


def test_json_mode_is_text_for_chat_models_with_or_without_the_wrapper(service: Service) -> None:
    for rules in (WEATHER, WRAPPED):
        with row(rules):
            assert json.loads(message(service, GLM, ask("hi", **schema(rules)))["content"]) == ARGUMENTS


def test_native_json_mode_neither_streams_nor_takes_the_wrapper(service: Service) -> None:
    streamed = ask("hi", response_format={"type": "json_object"}, stream=True)
    assert service.error(LLAMA, streamed)[:2] == (400, 5023)
    error = service.error(LLAMA, ask("hi", **schema(WRAPPED)))
    assert error == (400, 5024, "AiError: JSON Mode couldn't be met")


# Tools


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
    calls = message(service, KIMI, ask("use get_weather", tools=TOOLS))["tool_calls"]
    assert calls[0]["id"] == "functions.get_weather:0"


def test_the_responses_api_calls_in_an_item_and_reads_the_output(service: Service) -> None:
    output = service.result(OSS, {"input": "use get_weather", "tools": FLAT_TOOLS})["output"]
    assert [item["type"] for item in output] == ["reasoning", "function_call"]
    assert json.loads(output[1]["arguments"]) == ARGUMENTS
    assert list(output[1]) == ["type", "id", "call_id", "name", "arguments", "status"]
    returned = [{"type": "function_call_output", "call_id": "1", "output": "get_weather: 5 C"}]
    output = service.result(OSS, {"input": returned, "tools": FLAT_TOOLS})["output"]
    assert "“get_weather: 5 C”" in output[1]["content"][0]["text"]


def test_tool_choice_and_the_question_decide_which_tool_is_called(service: Service) -> None:
    forced = {"type": "function", "function": {"name": "get_weather"}}
    for question, choice, name in (
        ("hi", "required", "get_time"),
        ("hi", forced, "get_weather"),
        ("hi", "auto", None),
        ("hi", "none", None),
        ("use get_weather", "auto", "get_weather"),
        ("use get_weather", "none", None),
    ):
        with row((question, choice)):
            answer = message(service, GLM, ask(question, tools=TOOLS, tool_choice=choice))
            names = [call["function"]["name"] for call in answer.get("tool_calls", [])]
            assert names == ([name] if name else [])


def test_a_call_that_does_not_fit_is_cut_or_refused_where_it_is_forced_behind_reasoning(service: Service) -> None:
    forced = {"type": "function", "function": {"name": "get_weather"}}
    whole = json.dumps(ARGUMENTS)
    for name, model, choice, limit in (
        ("forced, without reasoning", QWEN, forced, 5),
        ("required", GLM, "required", 45),
        ("named in the question", GLM, "auto", 45),
    ):
        with row(name):
            inputs = ask("use get_weather", tools=TOOLS, tool_choice=choice, max_tokens=limit)
            inputs["chat_template_kwargs"] = {"enable_thinking": model == GLM}
            result = service.result(model, inputs)
            [answer] = result["choices"]
            [call] = answer["message"]["tool_calls"]
            assert answer["finish_reason"] == "length"
            assert whole.startswith(call["function"]["arguments"])
            assert call["function"]["arguments"] != whole
            assert result["usage"]["completion_tokens"] == limit
    for limit in (1, 45):
        with row(limit):
            inputs = ask("hi", tools=TOOLS, tool_choice=forced, max_tokens=limit)
            assert service.error(GLM, inputs)[:2] == (400, 8006)
    [answer] = service.result(GLM, ask("use get_weather", tools=TOOLS, max_tokens=1))["choices"]
    assert (answer["finish_reason"], answer["message"].get("tool_calls")) == ("length", None)
    *_, last, _ = service.payloads(LLAMA, ask("use get_weather", tools=TOOLS, max_tokens=5))
    assert last["finish_reason"] == "length"


def test_after_the_result_of_a_tool_there_are_words(service: Service) -> None:
    inputs = ask("use get_weather", tools=TOOLS)
    inputs["messages"] += [{"role": "tool", "tool_call_id": "1", "name": "get_weather", "content": "get_weather: 5 C"}]
    assert "“get_weather: 5 C”" in message(service, GLM, inputs)["content"]
