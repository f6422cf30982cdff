"""Whatever a model asks for: each call is answered once, in its order, and every request can be read by vLLM."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfai import CfaiError, ToolLoopError
from cfai._credentials import Secret
from cfai.tools import arun_with_tools, run_with_tools
from cfai.types import ChatCompletion, Step, TextOutput

ROUNDS = 4


def echo(text: str, times: int = 1) -> str:
    return text * times


def fail(code: int) -> None:
    raise LookupError(code)


def give(kind: str) -> Any:
    return {"bytes": b"x", "nothing": None, "half": "\ud83d", "list": [1, {"a": 2}]}.get(kind, object())


ARGUMENTS = st.one_of(
    st.sampled_from(["", "null", "{", "[]", "5", '{"text": "a"}', '{"code": 1}', '{"kind": "half"}', '{"times": -1}']),
    st.dictionaries(st.sampled_from(["text", "times", "code", "kind", "x"]), st.text() | st.integers() | st.none()).map(
        json.dumps
    ),
    st.sampled_from(["bytes", "nothing", "half", "list", "other"]).map(lambda kind: json.dumps({"kind": kind})),
    st.none(),
)
CALLS = st.builds(
    lambda id, name, arguments: {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}},
    st.sampled_from([None, "", "a", "b", "000000001"]),
    st.sampled_from(["echo", "fail", "give", "nobody"]),
    ARGUMENTS,
)
ROUND = st.lists(CALLS | st.none(), max_size=5)


class Runner:
    """Gives answers one after the other, breaks where there are none left, and keeps what it was sent."""

    def __init__(self, rounds: list[list[Any]], *, breaks: bool) -> None:
        self.rounds = rounds
        self.breaks = breaks
        self.sent: list[list[Any]] = []

    def run(self, model: str, inputs: Any, **options: Any) -> TextOutput:
        # As it goes over the wire.
        self.sent.append(json.loads(json.dumps(inputs["messages"], ensure_ascii=False).encode("utf-8")))
        number = len(self.sent) - 1
        if number >= len(self.rounds):
            if self.breaks:
                raise CfaiError("it broke")
            return ChatCompletion(choices=[{"message": {"content": "done"}}])  # pyright: ignore
        return ChatCompletion(choices=[{"message": {"content": None, "tool_calls": self.rounds[number]}}])  # pyright: ignore

    async def arun(self, model: str, inputs: Any, **options: Any) -> TextOutput:
        return self.run(model, inputs)


def check_conversation(messages: list[Any]) -> None:
    """Check that each message that asks for tools has the results behind it, one a call, in the order of the calls."""
    left = list(messages)
    assert left.pop(0)["role"] == "user"
    while left:
        message = left.pop(0)
        assert message["role"] == "assistant"
        calls = message.get("tool_calls", [])
        ids = [call["id"] for call in calls]
        assert all(ids)
        assert len({*ids}) == len(ids)
        for call in calls:
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
            result = left.pop(0)
            answered = (result["role"], result["tool_call_id"], result["name"])
            assert answered == ("tool", call["id"], call["function"]["name"])
            assert isinstance(result["content"], str)


def check_steps(steps: list[Step]) -> None:
    for step in steps:
        for done in step.calls:
            assert (done.error is None) != done.content.startswith("Error: ")
            assert (done.exception is None) == (done.error is None)


@pytest.mark.parametrize("backend", ["sync", "asyncio", "trio"])
@settings(max_examples=60)
@given(rounds=st.lists(ROUND, max_size=ROUNDS + 2), breaks=st.booleans())
def test_a_loop_loses_nothing_and_answers_every_call_once(backend: str, rounds: list[list[Any]], breaks: bool) -> None:
    # The first round without a call is the last answer.
    asking = next((at for at, calls in enumerate(rounds) if not any(calls)), len(rounds))
    is_answered = asking < len(rounds)
    runner = Runner(rounds, breaks=breaks)
    arguments: Any = (runner, "@cf/a/model", {"prompt": "x"}, [echo, fail, give], ROUNDS, Secret({}))
    raised: CfaiError | None = None
    output: Any = None
    try:
        if backend == "sync":
            output = run_with_tools(*arguments)
        else:
            output = anyio.run(arun_with_tools, *arguments, backend=backend)
    except CfaiError as error:
        raised = error
    has_too_many = asking > ROUNDS
    assert isinstance(raised, ToolLoopError) == has_too_many
    assert (raised is not None) == (has_too_many or (breaks and not is_answered))
    steps: list[Step] = output.steps if raised is None else raised.steps
    assert len(steps) == min(asking, ROUNDS) + (raised is None or has_too_many)
    if raised is None:
        check_conversation(json.loads(json.dumps(output.messages)))
    check_steps(steps)
    for number, messages in enumerate(runner.sent):
        check_conversation(messages)
        if number < len(steps):
            assert json.loads(json.dumps(steps[number].messages)) == messages
    for step, calls in zip(steps[:ROUNDS], rounds, strict=False):
        assert [done.call.name for done in step.calls] == [call["function"]["name"] for call in calls if call]
