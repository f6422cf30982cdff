"""The loop: what goes back for every shape of answer, how tools are run, and that nothing is lost."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from cfai import (
    Ai,
    APIConnectionError,
    APIResponseValidationError,
    CfaiError,
    ConfigurationError,
    InputError,
    LimitError,
    ToolLoopError,
    types,
)
from cfai.types import ToolsOutput
from tests.bodies import DONE, PNG, chat, event, native
from tests.conftest import ACCOUNT, ASYNC, SYNC_AND_ASYNC, TOKEN, Caller, Service, row
from tests.tools.calling import GLM, GPT_OSS, LLAMA, PROMPT, QUESTION, SCOUT, TOOL, WEATHER, get_weather, run_with_tools

OSLO = '{"city": "Oslo"}'
WORDS = {"response": "It is mild.", "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": OSLO}}


def asks(*calls: Any, **message: Any) -> dict[str, Any]:
    """Return a chat completion that asks for tools."""
    body = {"role": "assistant", "content": None, "tool_calls": [*calls], **message}
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    return {"choices": [{"index": 0, "message": body, "finish_reason": "tool_calls"}], "usage": usage}


def call_of(id: str | None, arguments: Any = OSLO, name: str = "get_weather") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def told(id: str, content: str = '{"temperature":4}', name: str = "get_weather") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "name": name, "content": content}


def said(*calls: dict[str, Any], **message: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": [*calls], **message}


def to_bytes(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


FIRST = "000000001"
FLAT = {"name": "get_weather", "arguments": {"city": "Oslo"}}
COMPACT = '{"city":"Oslo"}'

SHAPES: dict[str, tuple[str, Any, list[Any]]] = {
    "flat, an object": (
        LLAMA, {"response": None, "tool_calls": [FLAT]}, [said(call_of(FIRST, COMPACT)), told(FIRST)]),
    "flat, text": (
        LLAMA, {"response": None, "tool_calls": [{**FLAT, "arguments": OSLO}]}, [said(call_of(FIRST)), told(FIRST)]),
    "no response": (SCOUT, {"tool_calls": [CALL]}, [said(CALL), told("call_1")]),
    "chat completion": (GLM, asks(CALL), [said(CALL), told("call_1")]),
    "with text": (GLM, asks(CALL, content="Let me see."), [said(CALL, content="Let me see."), told("call_1")]),
    "with reasoning": (
        GLM, asks(CALL, reasoning_content="Hm."), [said(CALL, reasoning="Hm."), told("call_1")]),
    "with reasoning under its other name": (
        GLM, asks(CALL, reasoning="Hm."), [said(CALL, reasoning="Hm."), told("call_1")]),
    "null entries": (GLM, asks(None, CALL, None), [said(CALL), told("call_1")]),
    "no id": (GLM, asks(call_of(None)), [said(call_of(FIRST)), told(FIRST)]),
    "one id for two": (
        GLM, asks(CALL, call_of("call_1", '{"city": "Bergen"}')),
        [said(CALL, call_of(FIRST, '{"city": "Bergen"}')), told("call_1"), told(FIRST, '{"temperature":6}')]),
    "no ids for two, one of them unknown": (
        LLAMA, {"response": "", "tool_calls": [FLAT, {"name": "get_time", "arguments": {}}]},
        [said(call_of(FIRST, COMPACT), call_of("000000002", "{}", "get_time")), told(FIRST),
         told("000000002", "Error: there is no tool 'get_time', there are: get_weather", "get_time")]),
    "no JSON": (
        GLM, asks(call_of("a", '{"city": "Os')),
        [said(call_of("a", "{}")), told("a", "Error: the arguments of 'get_weather' are no JSON: '{\"city\": \"Os'")]),
    "no object": (
        GLM, asks(call_of("a", "[1]")),
        [said(call_of("a", "{}")), told("a", "Error: the arguments must be a JSON object, got [1]")]),
    "null": (
        GLM, asks(call_of("a", None)),
        [said(call_of("a", "{}")), told("a", "Error: the arguments do not fit: city: Field required")]),
    "of another type": (
        GLM, asks(call_of("a", '{"city": ["Oslo"]}')),
        [said(call_of("a", '{"city": ["Oslo"]}')),
         told("a", "Error: the arguments do not fit: city: Input should be a valid string")]),
}  # fmt: skip
"""By shape: the model, its first answer, and the messages that follow the question in the second call."""

PIECES: dict[str, tuple[str, list[bytes], list[Any]]] = {
    "native, in pieces, with the piece of nulls": (
        LLAMA,
        [event(json.dumps({"tool_calls": [call]})) for call in (
            {"id": "call_1", "type": "function", "index": 0, "function": {"name": "get_weather"}},
            {"index": 0, "function": {"arguments": '{"city": '}},
            {"index": 0, "function": {"arguments": '"Oslo"}'}},
            {"id": None, "type": None, "function": {"name": None, "arguments": ""}},
        )] + [event('{"finish_reason":"tool_calls"}')],
        [said(CALL), told("call_1")]),
    "arguments before the name": (
        LLAMA,
        [event(json.dumps({"tool_calls": [call]})) for call in (
            {"index": 0, "function": {"arguments": OSLO}},
            {"index": 0, "function": {"name": "get_weather"}},
        )],
        [said(call_of(FIRST)), told(FIRST)]),
    "flat, whole": (
        LLAMA,
        [event(json.dumps({"response": "", "tool_calls": [FLAT]}))],
        [said(call_of(FIRST, COMPACT)), told(FIRST)]),
    "chat chunks with reasoning": (
        GLM,
        [chat(reasoning_content="Hm."), chat(tool_calls=[{"index": 0, **call_of("call_1", "")}]),
         chat(tool_calls=[{"index": 0, "id": None, "function": {"arguments": OSLO}}]),
         chat(finish_reason="tool_calls")],
        [said(CALL, reasoning="Hm."), told("call_1")]),
}  # fmt: skip


@SYNC_AND_ASYNC
def test_every_shape_of_a_call_is_run_and_answered(caller: Caller, service: Service) -> None:
    for name, (model, first, messages) in SHAPES.items():
        with row(name):
            service.forget()
            service.answers(service.result(first), service.result(WORDS))
            answer = run_with_tools(caller, model, PROMPT, tools=[get_weather])
            bodies = [request.content for request in service.requests]
            assert bodies == [
                to_bytes({"messages": [QUESTION], "tools": [TOOL]}),
                to_bytes({"messages": [QUESTION, *messages], "tools": [TOOL]}),
            ]
            assert answer.messages == [QUESTION, *messages, {"role": "assistant", "content": "It is mild."}]


@SYNC_AND_ASYNC
def test_every_shape_of_a_streamed_call_is_run_and_answered(caller: Caller, service: Service) -> None:
    for name, (model, pieces, messages) in PIECES.items():
        with row(name):
            service.forget()
            service.answers(service.events(*pieces, DONE), service.events(*native("It is ", "mild."), DONE))
            with run_with_tools(caller, model, PROMPT | {"stream": True}, tools=[get_weather]) as stream:
                assert "".join(map(str, stream)) == "It is mild."
                bodies = [request.content for request in service.requests]
                assert bodies == [
                    to_bytes({"stream": True, "messages": [QUESTION], "tools": [TOOL]}),
                    to_bytes({"stream": True, "messages": [QUESTION, *messages], "tools": [TOOL]}),
                ]
                answer = stream.result()
            assert answer.messages == [QUESTION, *messages, {"role": "assistant", "content": "It is mild."}]


ITEMS = [
    {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
    {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "get_weather", "arguments": OSLO},
    {"type": "function_call", "id": "fc_2", "call_id": "call_1", "name": "get_weather", "arguments": "{"},
]
LAST = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Mild."}]}]
RETURNED = [
    *ITEMS[:2],
    {**ITEMS[2], "call_id": FIRST, "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_1", "output": '{"temperature":4}'},
    {
        "type": "function_call_output",
        "call_id": FIRST,
        "output": "Error: the arguments of 'get_weather' are no JSON: '{'",
    },
]


def responds(output: list[Any]) -> dict[str, Any]:
    return {"object": "response", "status": "completed", "output": output}


@SYNC_AND_ASYNC
def test_the_items_of_the_responses_form_go_back_with_the_outputs_of_their_calls(
    caller: Caller, service: Service
) -> None:
    flat = [{"type": "function", **WEATHER}]
    for question in (QUESTION["content"], [QUESTION]):
        service.forget()
        service.answers(service.result(responds(ITEMS)), service.result(responds(LAST)))
        answer = run_with_tools(caller, GPT_OSS, {"input": question}, tools=[get_weather])
        assert [request.content for request in service.requests] == [
            to_bytes({"input": [QUESTION], "tools": flat}),
            to_bytes({"input": [QUESTION, *RETURNED], "tools": flat}),
        ]
        assert (answer.text, answer.messages) == ("Mild.", [QUESTION, *RETURNED, *LAST])


@SYNC_AND_ASYNC
def test_the_items_of_a_streamed_response_go_back_too(caller: Caller, service: Service) -> None:
    call = {"type": "response.output_item.done", "output_index": 0, "item": ITEMS[1]}
    for completed, returned in (
        ({"response": responds(ITEMS[:2])}, ITEMS[:2]),
        ({}, [{key: value for key, value in ITEMS[1].items() if key != "id"}]),
    ):
        events = [call, {"type": "response.completed", **completed}]
        service.forget()
        service.answers(
            service.events(*[event(json.dumps(each)) for each in events], DONE),
            service.events(event(json.dumps({"type": "response.completed", "response": responds(LAST)})), DONE),
        )
        with run_with_tools(caller, GPT_OSS, {"input": [QUESTION], "stream": True}, tools=[get_weather]) as stream:
            assert "".join(map(str, stream)) == "Mild."
        assert service.sent["input"] == [QUESTION, *returned, RETURNED[3]]


@SYNC_AND_ASYNC
def test_a_forced_call_that_came_as_text_is_a_call(caller: Caller, service: Service) -> None:
    named = {"type": "function", "function": {"name": "get_weather"}}
    called = call_of(FIRST)
    for choice, text, leaked in (
        (named, '{"name": "get_weather", "city": "Oslo"}', [called]),
        (named, '{"name": "get_weather", "arguments": {"city": "Oslo"}}', [called]),
        ("required", '[{"name": "get_weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}]', [called]),
        (named, '{"name": "Oslo"}', []),
        (named, "It is mild.", []),
        (named, '"get_weather"', []),
        ("auto", '{"name": "get_weather", "city": "Oslo"}', []),
        (None, '{"name": "get_weather", "city": "Oslo"}', []),
    ):
        with row((choice, text)):
            service.forget()
            first = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
            service.answers(service.result(first), service.result(WORDS))
            inputs = PROMPT | ({"tool_choice": choice} if choice else {})
            answer = run_with_tools(caller, GPT_OSS, inputs, tools=[get_weather])
            assert len(service.requests) == (2 if leaked else 1)
            if leaked:
                assert service.sent["messages"] == [QUESTION, said(*leaked), told(FIRST)]
            else:
                assert answer.text == text
    service.answers(service.result(responds([{"type": "message", "content": [{"type": "output_text", "text":
                    '{"name": "get_weather", "city": "Oslo"}'}]}])), service.result(responds(LAST)))  # fmt: skip
    run_with_tools(caller, GPT_OSS, {"input": [QUESTION], "tool_choice": "required"}, tools=[get_weather])
    made = {"type": "function_call", "call_id": FIRST, "name": "get_weather", "arguments": OSLO}
    assert service.sent["input"] == [QUESTION, made, {**RETURNED[3], "call_id": FIRST}]


@SYNC_AND_ASYNC
def test_a_choice_that_forces_a_tool_holds_for_the_first_call_alone(caller: Caller, service: Service) -> None:
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOL]}}
    for choice, later in (
        ("required", None),
        ({"type": "function", "function": {"name": "get_weather"}}, None),
        ("auto", "auto"),
        ("none", "none"),
        (allowed, {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}}),
        ({"type": "allowed_tools", "mode": "required"}, {"type": "allowed_tools", "mode": "auto"}),
        (None, None),
    ):
        with row(choice):
            service.forget()
            service.answers(service.result(asks(CALL)), service.result(WORDS))
            run_with_tools(caller, GLM, PROMPT | {"tool_choice": choice}, tools=[get_weather])
            sent = [json.loads(request.content).get("tool_choice") for request in service.requests]
            assert sent == [choice, later]


@SYNC_AND_ASYNC
def test_the_steps_say_what_was_done_and_add_up(caller: Caller, service: Service) -> None:
    service.answers(service.result(asks(CALL)), service.result(WORDS))
    answer = run_with_tools(caller, GLM, PROMPT, tools=[get_weather])
    assert isinstance(answer, types.TextOutput)
    first, last = answer.steps
    (done,) = first.calls
    assert (answer.text, str(answer), answer["response"]) == ("It is mild.", "It is mild.", "It is mild.")
    assert answer.message == last.answer.message
    assert first.messages == [QUESTION]
    assert last.messages == [QUESTION, said(CALL), told("call_1")]
    assert (done.call.name, done.arguments, done.result) == ("get_weather", {"city": "Oslo"}, {"temperature": 4})
    assert (done.error, done.exception, done.content) == (None, None, '{"temperature":4}')
    assert first.elapsed >= done.elapsed > 0
    assert last.calls == []
    assert (first.usage, last.usage) == (first.answer.usage, last.answer.usage)
    assert answer.usage is not None
    assert answer.usage.total_tokens == 15
    assert first.cost is not None
    assert answer.cost == pytest.approx(first.cost + (last.cost or 0))
    assert answer.meta is last.answer.meta
    for again in (pickle.loads(pickle.dumps(answer)), copy.deepcopy(answer)):
        assert isinstance(again, ToolsOutput)
        assert (again.text, again.steps, again.messages, again.usage, again.cost, again) == (
            answer.text,
            answer.steps,
            answer.messages,
            answer.usage,
            answer.cost,
            answer,
        )
    caller.run(GLM, {"messages": [*answer.messages, QUESTION, answer]})
    assert service.sent["messages"][-1] == answer.message


@SYNC_AND_ASYNC
def test_a_sum_of_which_a_part_is_unknown_is_unknown(caller: Caller, service: Service) -> None:
    service.answers(service.result(asks(CALL) | {"usage": None}), service.result(WORDS))
    answer = run_with_tools(caller, GLM, PROMPT, tools=[get_weather])
    assert (answer.usage, answer.cost) == (None, None)


def failing(city: str) -> str:
    if city == "Oslo":
        raise ValueError("no such city")
    raise KeyError


def returning(value: Any) -> Callable[..., Any]:
    def get_weather(city: str) -> Any:
        return value

    return get_weather


class Place:
    def __str__(self) -> str:
        return "a place"


@SYNC_AND_ASYNC
def test_what_a_tool_returns_or_raises_is_told_to_the_model(caller: Caller, service: Service, tmp_path: Path) -> None:
    numpy, image = pytest.importorskip("numpy"), pytest.importorskip("PIL.Image")
    loop: list[Any] = []
    loop.append(loop)
    no_message = "which no message can hold: return text, or save it"
    for tool, content in (
        (returning("mild"), "mild"),
        (returning(""), ""),
        (returning(None), "null"),
        (returning(tmp_path), str(tmp_path)),
        (returning({"a": 1.5, "b": [True, None], "c": Place(), "d": tmp_path}),
         f'{{"a":1.5,"b":[true,null],"c":"a place","d":"{tmp_path}"}}'),
        (returning(types.TextOutput(response="It is mild.")), "It is mild."),
        (returning(types.Usage(1, 2, 3)),
         '{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"neurons":null,"raw":{}}'),
        (returning(numpy.array([1.0, 2.0])), "[1.0,2.0]"),
        (returning("caf\ud83d"), "caf\ufffd"),
        (returning(b"x"), f"Error: TypeError: the result is bytes, {no_message}"),
        (returning(image.new("RGB", (1, 1))), f"Error: TypeError: the result is Image, {no_message}"),
        (returning(loop), "Error: PydanticSerializationError: Error serializing to JSON: ValueError: Circular"),
        ({"function": failing, "name": "get_weather"}, "Error: ValueError: no such city"),
    ):  # fmt: skip
        with row(content):
            service.forget()
            service.answers(service.result(asks(CALL)), service.result(WORDS))
            answer = run_with_tools(caller, GLM, PROMPT, tools=[tool])
            sent = service.sent["messages"][-1]["content"]
            done = answer.steps[0].calls[0]
            assert done.content == sent
            assert sent.startswith(content) if "Circular" in content else sent == content
            assert (done.error is None) == (done.exception is None) == (not content.startswith("Error"))
            again = pickle.loads(pickle.dumps(done)) if isinstance(done.result, str) or done.error else done
            assert (again.error, again.content) == (done.error, done.content)


@SYNC_AND_ASYNC
def test_an_exception_without_words_is_told_by_its_class_and_kept_with_its_traceback(
    caller: Caller, service: Service
) -> None:
    service.answers(service.result(asks(call_of("a", '{"city": "Rome"}', "failing"))), service.result(WORDS))
    answer = run_with_tools(caller, GLM, PROMPT, tools=[failing])
    done = answer.steps[0].calls[0]
    assert (done.error, done.content) == ("KeyError", "Error: KeyError")
    assert done.exception.__traceback__ is not None
    assert pickle.loads(pickle.dumps(answer)).steps[0].calls[0].exception is None


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@SYNC_AND_ASYNC
def test_an_exception_that_cannot_be_written_is_told_by_its_class(caller: Caller, service: Service) -> None:
    def get_weather(city: str) -> str:
        raise UnspeakableError

    service.answers(service.result(asks(CALL)), service.result(WORDS))
    answer = run_with_tools(caller, GLM, PROMPT, tools=[get_weather])
    assert answer.steps[0].calls[0].content == "Error: UnspeakableError"


TENANT: ContextVar[str] = ContextVar("TENANT")


@SYNC_AND_ASYNC
def test_calls_of_one_answer_run_at_the_same_time_with_the_context_of_the_caller(
    caller: Caller, service: Service
) -> None:
    barrier = threading.Barrier(3, timeout=10)

    def meet(number: int) -> str:
        """Meet the others."""
        barrier.wait()
        return f"{TENANT.get()} {number}"

    calls = [call_of(None, json.dumps({"number": number}), "meet") for number in range(3)]
    service.answers(service.result(asks(*calls)), service.result(WORDS))

    async def call() -> Any:
        TENANT.set("acme")
        return await caller.ai.arun_with_tools(GLM, PROMPT, tools=[meet])

    if caller.portal is None:
        reset = TENANT.set("acme")
        answer: Any = caller.ai.run_with_tools(GLM, PROMPT, tools=[meet])
        TENANT.reset(reset)
    else:
        answer = caller.portal.call(call)
    assert [done.result for done in answer.steps[0].calls] == ["acme 0", "acme 1", "acme 2"]
    assert [message["content"] for message in service.sent["messages"][-3:]] == ["acme 0", "acme 1", "acme 2"]


@ASYNC
def test_asynchronous_tools_run_beside_each_other_and_synchronous_ones(caller: Caller, service: Service) -> None:
    events: dict[str, anyio.Event] = {}

    async def ask() -> str:
        events["asked"].set()
        await events["answered"].wait()
        return "asked"

    async def answer() -> str:
        await events["asked"].wait()
        events["answered"].set()
        return "answered"

    def plain() -> str:
        return "plain"

    async def call() -> Any:
        events.update(asked=anyio.Event(), answered=anyio.Event())
        tools: list[Any] = [ask, answer, plain, {"function": lambda: answer(), "name": "later"}]
        return await caller.ai.arun_with_tools(GLM, PROMPT, tools=tools)

    names = ("ask", "answer", "plain", "later")
    service.answers(service.result(asks(*[call_of(None, "{}", name) for name in names])), service.result(WORDS))
    assert caller.portal is not None
    result: Any = caller.portal.call(call)
    assert [done.result for done in result.steps[0].calls] == ["asked", "answered", "plain", "answered"]


def test_an_asynchronous_tool_is_refused_before_a_synchronous_call_is_sent(service: Service) -> None:
    async def get_weather(city: str) -> str:
        return city

    with Ai(account_id=ACCOUNT, api_token=TOKEN) as ai:
        with pytest.raises(ConfigurationError, match="get_weather is asynchronous: call `arun_with_tools`"):
            ai.run_with_tools(GLM, PROMPT, tools=[get_weather])
        assert service.requests == []
        service.answers(service.result(asks(call_of("a", "{}"))), service.result(WORDS))
        hidden: Any = {"function": lambda: get_weather("Oslo"), "name": "get_weather"}
        answer: Any = ai.run_with_tools(GLM, PROMPT, tools=[hidden])
        assert answer.steps[0].calls[0].content == (
            "Error: TypeError: get_weather is asynchronous: call `arun_with_tools`"
        )


@SYNC_AND_ASYNC
def test_what_cannot_work_is_refused_before_anything_is_sent(caller: Caller, service: Service) -> None:
    for inputs, options, kind, message in (
        (PROMPT, {"max_rounds": 0}, ConfigurationError, "`max_rounds` must be a number of 1 or more, got 0"),
        (PROMPT, {"max_rounds": True}, ConfigurationError, "got True"),
        (PROMPT, {"queue_request": True}, TypeError, "unexpected keyword argument 'queue_request'"),
        (PROMPT, {"return_raw_response": True}, TypeError, "unexpected keyword argument 'return_raw_response'"),
        (PROMPT, {"output_type": dict}, TypeError, "unexpected keyword argument 'output_type'"),
        (PROMPT, {"fallback": ["@cf/meta/llama-guard-3-8b"]}, ConfigurationError, "which is for moderation"),
        (PROMPT, {"fallback": ["@cf/baai/bge-m3"]}, ConfigurationError, "which is for Text Embeddings"),
        (PROMPT, {"fallback": 5}, ConfigurationError, "`fallback` must be a list of models, got 5"),
        (PROMPT | {"tools": [TOOL]}, {}, ConfigurationError, "take them out of the inputs"),
        (PROMPT | {"response_format": int}, {}, ConfigurationError, "`response_format` must be a dict, got the class"),
        (
            PROMPT | {"tool_choice": {"type": "function", "function": {"name": "book"}}},
            {},
            InputError,
            "`tool_choice` must name one of `tools`, got 'book'; there are: get_weather",
        ),
        (
            {"input": [QUESTION], "tool_choice": {"type": "function", "name": "find"}},
            {"model": GPT_OSS},
            InputError,
            "must name one of `tools`, got 'find'",
        ),
        (
            PROMPT | {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [TOOL, {"name": "find"}]}}},
            {},
            InputError,
            "must name one of `tools`, got 'find'; there are: get_weather",
        ),
        *(
            (
                PROMPT | {"tool_choice": choice},
                {},
                InputError,
                "must be 'auto', 'none', 'required', or name one of `tools`",
            )
            for choice in ("any", "get_weather", 5, {"type": "tool", "name": "get_weather"})
        ),
        (PROMPT, {"model": "anthropic/claude-sonnet-4", "gateway": "default"}, InputError, "in Anthropic's own shape"),
        ({}, {}, InputError, r"must have a 'prompt', or a list of 'messages' \(of gpt-oss, of 'input'\), got neither$"),
        ({"messages": QUESTION}, {}, InputError, "got 'messages' of type dict"),
        ({"messages": [QUESTION], "prompt": "x"}, {}, InputError, "exclude each other"),
        ("Hello", {}, InputError, "`inputs` must be a dict"),
        (PROMPT, {"model": "@cf/baai/bge-m3"}, InputError, "bge-m3 cannot call tools"),
        (PROMPT, {"model": "@cf/meta/llama-guard-3-8b"}, InputError, "cannot call tools: choose one of models.list"),
    ):
        with row(message), pytest.raises(kind, match=message):
            run_with_tools(caller, options.pop("model", GLM), inputs, tools=[get_weather], **options)
    two: Any = [get_weather, {"function": get_weather, "name": "get_time"}]
    with pytest.raises(InputError, match=r"got 'book'; there are: get_weather, get_time$"):
        run_with_tools(caller, GLM, PROMPT | {"tool_choice": {"function": {"name": "book"}}}, tools=two)
    with pytest.raises(InputError, match="got 'required'; there are none"):
        run_with_tools(caller, GLM, PROMPT | {"tool_choice": "required"}, tools=[])
    assert service.requests == []
    service.answers(service.result(WORDS))
    run_with_tools(caller, "@cf/meta/llama-guard-3-8b", {"messages": [QUESTION]}, tools=[get_weather], checks="off")
    run_with_tools(caller.with_options(checks="off"), "@cf/baai/bge-m3", PROMPT, tools=[get_weather])
    run_with_tools(caller, "@cf/new/model", PROMPT, tools=[get_weather])
    run_with_tools(caller, "@cf/ibm-granite/granite-4.0-h-micro", PROMPT, tools=[get_weather])  # by its schema alone
    run_with_tools(caller, GLM, PROMPT | {"tool_choice": {"function": {"name": "get_weather"}}}, tools=[get_weather])
    assert len(service.requests) == 5


@SYNC_AND_ASYNC
def test_without_tools_it_is_a_plain_call(caller: Caller, service: Service) -> None:
    service.answers(service.result(WORDS))
    answer = run_with_tools(caller, GLM, PROMPT, tools=[])
    assert (service.sent, len(answer.steps)) == ({"messages": [QUESTION]}, 1)


@SYNC_AND_ASYNC
def test_after_max_rounds_the_error_has_all_that_was_done(caller: Caller, service: Service) -> None:
    service.answers(service.result(asks(CALL)))
    with pytest.raises(ToolLoopError, match="within 2 rounds of tools, and asks for get_weather once more") as raised:
        run_with_tools(caller, GLM, PROMPT, tools=[get_weather], max_rounds=2)
    for error in (raised.value, pickle.loads(pickle.dumps(raised.value))):
        assert [len(step.calls) for step in error.steps] == [1, 1, 0]
        assert error.model == GLM
    assert len(service.requests) == 3
    service.answers(service.result(WORDS))
    answer = run_with_tools(caller, GLM, {"messages": raised.value.steps[-1].messages}, tools=[get_weather])
    assert len(answer.messages) == 6


@SYNC_AND_ASYNC
def test_an_error_in_a_later_call_has_the_steps_before_it(caller: Caller, service: Service) -> None:
    for failure, kind in (
        (service.error(400, 5006), CfaiError),
        (httpx.ReadTimeout("slow"), APIConnectionError),
        (service.json({"result": [], "success": True}), APIResponseValidationError),
    ):
        service.answers(service.result(asks(CALL)), failure)
        with row(kind), pytest.raises(kind) as raised:
            run_with_tools(caller, GLM, PROMPT, tools=[get_weather], max_retries=None)
        assert raised.value.steps[0].calls[0].result == {"temperature": 4}
    service.answers(service.result(asks(CALL)))
    with pytest.raises(LimitError) as raised:
        run_with_tools(caller, GLM, PROMPT, tools=[returning("word " * 500_000)])
    assert raised.value.steps[0].calls[0].error is None
    assert CfaiError().steps == []


@SYNC_AND_ASYNC
def test_an_image_is_read_once_for_all_calls(caller: Caller, service: Service, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    service.answers(service.result(asks(CALL)), service.result(WORDS))

    def get_weather(city: str) -> str:
        path.unlink()
        return "7"

    inputs = {"messages": [{"role": "user", "content": ["Where is it?", path]}]}
    run_with_tools(caller, SCOUT, inputs, tools=[get_weather])
    first, second = [json.loads(request.content)["messages"][0] for request in service.requests]
    assert first == second
    assert first["content"][1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


@SYNC_AND_ASYNC
def test_the_inputs_stay_as_they_are_and_options_go_with_every_call(caller: Caller, service: Service) -> None:
    inputs: dict[str, Any] = {"messages": [QUESTION], "max_tokens": 50}
    before = copy.deepcopy(inputs)
    service.answers(service.result(asks(CALL)), service.result(WORDS))
    run_with_tools(caller, GLM, inputs, tools=[get_weather], extra_headers={"x-team": "a"}, session_affinity="s")
    assert inputs == before
    for request in service.requests:
        assert (request.headers["x-team"], request.headers["x-session-affinity"]) == ("a", "s")
        assert json.loads(request.content)["max_tokens"] == 50


def test_an_interruption_of_a_tool_passes_through(service: Service) -> None:
    def interrupted(city: str) -> str:
        raise KeyboardInterrupt

    left, finished = threading.Event(), list[bool]()

    def block() -> None:
        finished.append(left.wait(10))

    interrupting = call_of("a", OSLO, "interrupted")
    for calls in ([interrupting], [interrupting, call_of("b", "{}", "block")]):
        service.forget()
        service.answers(service.result(asks(*calls)))
        with Ai(account_id=ACCOUNT, api_token=TOKEN) as ai, pytest.raises(KeyboardInterrupt):
            ai.run_with_tools(GLM, PROMPT, tools=[interrupted, block])
        assert len(service.requests) == 1
    assert finished == [], "nobody waits for a tool that runs on"
    left.set()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_interruption_of_an_asynchronous_tool_comes_by_its_own_name(backend: str, service: Service) -> None:
    class Stop(BaseException):
        pass

    async def stop() -> str:
        raise error

    async def wait() -> str:
        await anyio.sleep_forever()
        return ""

    async def main(calls: list[Any]) -> None:
        async with Ai(account_id=ACCOUNT, api_token=TOKEN) as ai:
            service.answers(service.result(asks(*calls)))
            await ai.arun_with_tools(GLM, PROMPT, tools=[stop, wait])

    stopping = call_of("a", "{}", "stop")
    for calls in ([stopping], [stopping, call_of("b", "{}", "wait")], [stopping, call_of("b", "{}", "stop")]):
        for error in (SystemExit(3), Stop()):
            with row((calls, error)), pytest.raises(type(error)) as raised:
                anyio.run(main, calls, backend=backend)
            assert raised.value is error


def test_a_tool_that_is_cancelled_from_within_is_told_to_the_model_and_the_others_go_on(service: Service) -> None:
    async def get_weather(city: str) -> str:
        task = asyncio.ensure_future(asyncio.sleep(10))
        task.cancel()
        try:
            await task
        finally:
            was_cancelled.set()
        return ""

    async def get_time(city: str) -> str:
        await asyncio.to_thread(was_cancelled.wait)
        for _ in range(9):
            await asyncio.sleep(0)  # past the end of the cancelled one
        return "noon"

    def get_news(city: str) -> str:
        was_cancelled.wait()
        return "none"

    async def main(calls: list[Any]) -> Any:
        async with Ai(account_id=ACCOUNT, api_token=TOKEN) as ai:
            return await ai.arun_with_tools(GLM, PROMPT, tools=[get_weather, get_time, get_news])

    interrupted = "Error: it was interrupted before it ended, and may have been done in part"
    others = [call_of("b", OSLO, "get_time"), call_of("c", OSLO, "get_news")]
    for calls, contents in (([CALL], [interrupted]), ([CALL, *others], [interrupted, "noon", "none"])):
        with row(contents):
            was_cancelled = threading.Event()
            service.answers(service.result(asks(*calls)), service.result(WORDS))
            answer = asyncio.run(main(calls))
            assert [done.content for done in answer.steps[0].calls] == contents
            assert f"Error: {answer.steps[0].calls[0].error}" == interrupted
            assert answer.text == "It is mild."


def test_a_program_that_is_interrupted_ends_without_its_tools() -> None:
    code = """
import threading
from cfai.tools._calls import make_results, run_calls
from cfai.tools._tool import make_tools
from cfai.types import ToolCall

def hang() -> None:
    hanging.set()
    threading.Event().wait()

def stop() -> None:
    hanging.wait()
    raise KeyboardInterrupt

hanging = threading.Event()
try:
    run_calls(make_tools([hang, stop]), make_results([ToolCall("hang", "{}"), ToolCall("stop", "{}")]))
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.returncode) == ("interrupted\n", 0), done.stderr


@ASYNC
def test_a_call_that_is_cancelled_cancels_its_tools_and_waits_for_no_thread(caller: Caller, service: Service) -> None:
    left, blocked = threading.Event(), threading.Event()
    seen: list[str] = []

    async def wait() -> str:
        try:
            await anyio.sleep_forever()
        finally:
            seen.append("cancelled")
        return ""

    def block() -> None:
        blocked.set()
        if not left.wait(10):
            seen.append("waited for")

    async def call() -> bool:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:

                async def cancel() -> None:
                    await anyio.to_thread.run_sync(blocked.wait, 10)
                    scope.cancel()

                group.start_soon(cancel)
                await caller.ai.arun_with_tools(GLM, PROMPT, tools=[wait, block])
        return scope.cancelled_caught

    service.answers(service.result(asks(call_of(None, "{}", "wait"), call_of(None, "{}", "block"))))
    assert caller.portal is not None
    try:
        assert caller.portal.call(call)
        assert seen == ["cancelled"]
    finally:
        left.set()
    assert len(service.requests) == 1


def test_a_call_can_be_a_task(service: Service) -> None:
    service.answers(service.result(asks(CALL)), service.result(WORDS))

    async def main() -> Any:
        async with Ai(account_id=ACCOUNT, api_token=TOKEN) as ai:
            return await asyncio.create_task(ai.arun_with_tools(GLM, PROMPT, tools=[get_weather]))

    assert asyncio.run(main()).text == "It is mild."
