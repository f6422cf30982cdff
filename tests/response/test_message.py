"""An answer goes back into the conversation: as its message, as it is, or by its tool calls."""

from __future__ import annotations

import json
from typing import Any

from cfai.types import TextOutput
from tests.bodies import CHAT_ANSWER, COMPLETION_ANSWER, NATIVE_ANSWER, RESPONSES_ANSWER
from tests.conftest import SYNC_AND_ASYNC, Caller, Service, row

LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
USER = {"role": "user", "content": "hi"}
CALL = {"id": "call-1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
FLAT = {"response": None, "tool_calls": [{"name": "f", "arguments": {"a": 1}}]}
TWO = {"response": None, "tool_calls": [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]}
CHAT_CALL = {"choices": [{"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [CALL]}}]}


def sent(service: Service) -> list[dict[str, Any]]:
    return json.loads(service.requests[-1].content)["messages"]


@SYNC_AND_ASYNC
def test_an_answer_goes_back_as_a_message_that_every_model_takes(caller: Caller, service: Service) -> None:
    called = {"id": "000000001", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    for result, expected in (
        (NATIVE_ANSWER, {"role": "assistant", "content": "Hello"}),
        (CHAT_ANSWER, {"role": "assistant", "content": "Hello", "reasoning": "Greet."}),
        (COMPLETION_ANSWER, {"role": "assistant", "content": "Hello"}),
        (RESPONSES_ANSWER, {"role": "assistant", "content": "Hello"}),
        (FLAT, {"role": "assistant", "content": "", "tool_calls": [called]}),
        (CHAT_CALL, {"role": "assistant", "content": "", "tool_calls": [CALL]}),
    ):
        with row(result):
            service.answers(service.result(result))
            answer = caller.run(LLAMA, {"messages": [USER]})
            assert isinstance(answer, TextOutput)
            message = json.loads(json.dumps(answer.message).replace('{\\"a\\": 1}', '{\\"a\\":1}'))
            assert message == json.loads(json.dumps(expected).replace('{\\"a\\": 1}', '{\\"a\\":1}'))
            for again in (answer.message, answer):
                caller.run(LLAMA, {"messages": [USER, again, USER]})
                assert sent(service) == [USER, answer.message, USER]
            by_hand = {"role": "assistant", "content": "", "tool_calls": answer.tool_calls}
            caller.run(LLAMA, {"messages": [USER, by_hand, USER]})
            assert sent(service)[1].get("tool_calls") == answer.message.get("tool_calls", [])


@SYNC_AND_ASYNC
def test_each_call_without_an_id_is_given_one_of_its_own(caller: Caller, service: Service) -> None:
    service.answers(service.result(TWO))
    answer = caller.run(LLAMA, {"messages": [USER]})
    caller.run(LLAMA, {"messages": [USER, answer, USER]})
    for message in (answer.message, sent(service)[1]):
        assert [call["id"] for call in message["tool_calls"]] == ["000000001", "000000002"]
        assert [call["function"]["name"] for call in message["tool_calls"]] == ["f", "g"]
    assert [call.id for call in answer.tool_calls] == [None, None]


@SYNC_AND_ASYNC
def test_one_id_for_several_calls_is_given_to_the_first_of_them(caller: Caller, service: Service) -> None:
    calls = [CALL, {**CALL, "function": {"name": "g", "arguments": "{}"}}, {"name": "h", "arguments": {}}]
    service.answers(service.result({"choices": [{"message": {"content": None, "tool_calls": [*calls, None]}}]}))
    answer = caller.run(LLAMA, {"messages": [USER]})
    called = answer.message["tool_calls"]
    assert [(call["id"], call["function"]["name"]) for call in called] == [
        ("call-1", "f"),
        ("000000001", "g"),
        ("000000002", "h"),
    ]
