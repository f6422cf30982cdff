"""Whole answers of text models, in the shape of each family."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.conftest import row
from tests.local.conftest import PNG_URL, check

if TYPE_CHECKING:
    from tests.local.conftest import Service

MARK = "This is an emulated answer"
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


NEW_YORK = ask("where is new york?")
USE = ask("use get_weather", tools=TOOLS)
RETURNED = {"type": "function_call_output", "call_id": "1", "output": "get_weather: 5 C"}
CUT = ask("write 5000 words")
PARTS = [{"type": "text", "text": "what is"}, {"type": "image_url", "image_url": {"url": PNG_URL}}]
MARKED = re.compile(f"^{re.escape(MARK)}")
USAGE = ["prompt_tokens", "completion_tokens", "total_tokens"]
LENGTH = "choices.0.finish_reason"

ANSWERS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "native": (NATIVE, NEW_YORK, {"*": ["response", "usage"], "response": MARKED, "usage.*": USAGE}),
    "chat": (GLM, NEW_YORK, {
        "object": "chat.completion", "id": re.compile("^chatcmpl-"), "model": GLM, "created": int,
        "choices.#": 1, "choices.0.*": ["index", "message", "finish_reason", "logprobs"], "choices.0.index": 0,
        LENGTH: "stop", "choices.0.logprobs": None, "choices.0.message.*": ["role", "content", "reasoning_content"],
        "choices.0.message.role": "assistant", "choices.0.message.content": MARKED,
        "usage.prompt_tokens_details": {"cached_tokens": 0}, "usage.neurons": lambda neurons: neurons > 0}),
    "chat for a prompt": (GLM, {"prompt": "hi"}, {"object": "chat.completion"}),
    "text completion for a prompt": (QWEN, {"prompt": "hi"}, {
        "object": "text_completion", "choices.0.text": MARKED, "choices.0.*": lambda names: "message" not in names}),
    "gpt-oss for a prompt": (OSS, {"prompt": "hi"}, {"*": ["response", "usage"]}),
    "gpt-oss for messages": (OSS, ask("hi"), {"object": "chat.completion"}),
    "gpt-oss for an input": (OSS, {"input": "hi"}, {
        "object": "response", "status": "completed", "output.#": 2, "output.0.type": "reasoning",
        "output.1.type": "message", "output.1.content.#": 1, "output.1.content.0.type": "output_text",
        "output.1.content.0.text": MARKED, "usage.*": ["input_tokens", "output_tokens", "total_tokens"]}),
    "cut, of the Responses API": (OSS, {"input": "hi", "max_output_tokens": 30}, {
        "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "usage.output_tokens": 30}),
    "the question is quoted": (NATIVE, NEW_YORK, {"response": re.compile("“where is new york\\?”")}),
    "the question in parts": (KIMI, {"messages": [{"role": "user", "content": PARTS}]}, {
        "choices.0.message.content": re.compile("“what is”")}),
    "cut at the default of 256": (NATIVE, CUT, {"usage.completion_tokens": 256}),
    "cut at max_tokens": (NATIVE, CUT | {"max_tokens": 300}, {"usage.completion_tokens": 300}),
    "cut at the default of 2000": (QWEN, CUT, {"usage.completion_tokens": 2000}),
    "not cut": (GLM, CUT, {"usage.completion_tokens": lambda tokens: tokens > 5000, LENGTH: "stop"}),
    "chat that is cut": (GLM, ask("hi", max_tokens=40), {LENGTH: "length", "usage.completion_tokens": 40}),
    "chat that is cut by the newer name": (GLM, ask("hi", max_completion_tokens=40), {
        LENGTH: "length", "usage.completion_tokens": 40}),
    "few tokens are reasoning": (GLM, ask("hi", max_tokens=5), {
        "choices.0.message.content": None,
        "choices.0.message.reasoning_content": re.compile("^This is emulated reason")}),
    # JSON mode
    "object, a schema": (LLAMA, ask("hi", **schema(WEATHER)), {"response": ARGUMENTS}),
    "object, guided_json": (SCOUT, ask("hi", guided_json=WEATHER), {"response": ARGUMENTS}),
    "object, no schema": (LLAMA, ask("hi", response_format={"type": "json_object"}), {
        "response": {"emulated": True, "question": "hi"}}),
    "text, a schema": (GLM, ask("hi", **schema(WEATHER)), {"choices.0.message.content.json": ARGUMENTS}),
    "text, a wrapped schema": (GLM, ask("hi", **schema(WRAPPED)), {"choices.0.message.content.json": ARGUMENTS}),
    # Tools
    "native calls are flat, with an object": (LLAMA, USE, {
        "response": None, "tool_calls": [{"name": "get_weather", "arguments": ARGUMENTS}]}),
    "Llama 4 Scout calls as OpenAI does, without a response": (SCOUT, USE, {
        "*": ["tool_calls", "usage"], "tool_calls.#": 1, "tool_calls.0.type": "function",
        "tool_calls.0.function.name": "get_weather", "tool_calls.0.function.arguments.json": ARGUMENTS}),
    "chat models call in their choice": (GLM, USE, {
        "choices.#": 1, LENGTH: "tool_calls", "choices.0.message.content": None, "choices.0.message.tool_calls.#": 1,
        "choices.0.message.tool_calls.0.id": re.compile("^chatcmpl-tool-[0-9a-f]{32}$"),
        "choices.0.message.tool_calls.0.function": {"name": "get_weather", "arguments": json.dumps(ARGUMENTS)}}),
    "Kimi repeats its ids": (KIMI, USE, {"choices.0.message.tool_calls.0.id": "functions.get_weather:0"}),
    "the Responses API calls in an item": (OSS, {"input": "use get_weather", "tools": FLAT_TOOLS}, {
        "output.#": 2, "output.0.type": "reasoning", "output.1.type": "function_call",
        "output.1.arguments.json": ARGUMENTS,
        "output.1.*": ["type", "id", "call_id", "name", "arguments", "status"]}),
    "words for an output": (OSS, {"input": [RETURNED], "tools": FLAT_TOOLS}, {
        "output.1.content.0.text": re.compile("“get_weather: 5 C”")}),
    "words for the result of a tool": (GLM, USE | {"messages": [
        *USE["messages"], {"role": "tool", "tool_call_id": "1", "name": "get_weather", "content": "get_weather: 5 C"}]},
        {"choices.0.message.content": re.compile("“get_weather: 5 C”")}),
    "no token for a call": (GLM, USE | {"max_tokens": 1}, {
        "choices.#": 1, LENGTH: "length", "choices.0.message.*": lambda names: "tool_calls" not in names}),
}  # fmt: skip
"""A model and its inputs, and what stands where in the result."""


def test_an_answer_has_the_form_of_its_family(service: Service) -> None:
    for name, (model, inputs, expected) in ANSWERS.items():
        with row(name):
            result = service.result(model, inputs)
            check(result, expected)
            read, written, total = (result["usage"][field] for field in list(result["usage"])[:3])
            assert total == read + written


def test_an_answer_depends_on_prompt_seed_and_model_alone_and_n_choices_differ(service: Service) -> None:
    def answer(model: str = NATIVE, **inputs: Any) -> str:
        return service.result(model, inputs)["response"].partition("read it. ")[2]

    first = answer(prompt="hi", seed=1)
    assert first == answer(prompt="hi", seed=1)
    others = [answer(prompt="hj", seed=1), answer(prompt="hi", seed=2), answer(prompt="hi")]
    others += [answer(model, prompt="hi", seed=1) for model in (LLAMA, SCOUT)]
    assert len({first, *others}) == 6
    choices = service.result(GLM, ask("hi", n=3))["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert len({choice["message"]["content"] for choice in choices}) == 3


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


# JSON mode


def test_native_json_mode_neither_streams_nor_takes_the_wrapper(service: Service) -> None:
    streamed = ask("hi", response_format={"type": "json_object"}, stream=True)
    assert service.error(LLAMA, streamed)[:2] == (400, 5023)
    error = service.error(LLAMA, ask("hi", **schema(WRAPPED)))
    assert error == (400, 5024, "AiError: JSON Mode couldn't be met")


# Tools


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
    *_, last, _ = service.payloads(LLAMA, ask("use get_weather", tools=TOOLS, max_tokens=5))
    assert last["finish_reason"] == "length"
