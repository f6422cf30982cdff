"""Streams of a loop with tools: tokens of every answer, steps that grow, and leaving in the middle."""

from __future__ import annotations

import inspect
import json
from typing import Any

import anyio
import httpx
import pytest

from cfai import Ai, AsyncToolsStream, CfaiError, StreamTruncatedError, ToolLoopError, ToolsStream
from tests.bodies import DONE, USAGE, chat, event, native
from tests.conftest import ACCOUNT, ASYNC, SYNC_AND_ASYNC, TOKEN, Caller, Service, row, stream_of
from tests.tools.calling import GLM, LLAMA, PROMPT, get_weather, run_with_tools

STREAMED = PROMPT | {"stream": True}
CALL = {"index": 0, "id": "call_1", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
ASKS = [chat(content="Let me see. "), chat(tool_calls=[CALL]), chat(finish_reason="tool_calls"), event(USAGE), DONE]
ANSWERS = [*native("It is ", "mild."), event(USAGE), DONE]


@SYNC_AND_ASYNC
def test_the_tokens_of_every_answer_come_and_the_steps_grow(caller: Caller, service: Service) -> None:
    service.answers(service.events(*ASKS), service.events(*ANSWERS))
    seen: list[tuple[str, int, str]] = []
    with run_with_tools(caller, GLM, STREAMED, tools=[get_weather]) as stream:
        assert len(service.requests) == 1
        for token in stream:
            if token.text:
                seen.append((str(token), len(stream.steps), stream.text))
    assert seen == [
        ("Let me see. ", 0, "Let me see. "),
        ("It is ", 1, "It is "),
        ("mild.", 1, "It is mild."),
    ]
    answer = stream.result()
    assert answer.text == stream.text == "It is mild."
    assert stream.steps == answer.steps
    assert [len(step.calls) for step in stream.steps] == [1, 0]
    assert stream.usage is not None
    assert stream.usage == answer.usage
    assert stream.usage.total_tokens == 24
    assert stream.meta.model == GLM
    assert stream.reasoning == ""
    assert stream.result() is answer


@SYNC_AND_ASYNC
def test_the_time_of_a_step_is_that_of_the_model_and_of_the_tools(caller: Caller, service: Service) -> None:
    service.answers(service.events(*ASKS), service.events(*ANSWERS))
    with run_with_tools(caller, GLM, STREAMED, tools=[get_weather]) as stream:
        first, last = stream.result().steps
    assert first.elapsed == first.answer.meta.elapsed + first.calls[0].elapsed
    assert last.elapsed == last.answer.meta.elapsed > 0


@SYNC_AND_ASYNC
def test_the_result_of_a_stream_is_that_of_the_same_call_without(caller: Caller, service: Service) -> None:
    call = {"name": "get_weather", "arguments": {"city": "Oslo"}}
    first, last = {"response": "", "tool_calls": [call]}, {"response": "It is mild."}
    service.answers(service.result(first), service.result(last))
    whole = run_with_tools(caller, LLAMA, PROMPT, tools=[get_weather])
    service.answers(service.events(event(json.dumps(first)), DONE), service.events(*native("It is ", "mild."), DONE))
    with run_with_tools(caller, LLAMA, STREAMED, tools=[get_weather]) as stream:
        streamed = stream.result()
    assert (streamed.text, streamed.messages) == (whole.text, whole.messages)
    assert [done.content for step in streamed.steps for done in step.calls] == ['{"temperature":4}']


@SYNC_AND_ASYNC
def test_leaving_a_stream_stops_the_model_and_runs_no_tool(caller: Caller, service: Service) -> None:
    called: list[str] = []

    def get_weather(city: str) -> str:
        called.append(city)
        return "7"

    for tokens, steps in ((1, 0), (2, 0), (5, 1)):
        with row(tokens):
            called.clear()
            service.forget()
            service.answers(service.events(*ASKS), service.events(*ANSWERS))
            with run_with_tools(caller, GLM, STREAMED, tools=[get_weather]) as stream:
                for _ in range(tokens):
                    next(stream)
            assert (len(stream.steps), len(called), len(service.requests)) == (steps, steps, steps + 1)
            assert service.bodies[-1].closed
            for ask in (stream.result, lambda stream=stream: next(stream)):
                with pytest.raises(StreamTruncatedError, match="left before its end") as raised:
                    ask()
                assert len(raised.value.steps) == steps


@SYNC_AND_ASYNC
def test_what_breaks_a_stream_is_raised_with_the_steps_before_it(caller: Caller, service: Service) -> None:
    broken = service.events(*native("It "), breaks=httpx.ReadError("gone"))
    for later, kind in (
        (broken, StreamTruncatedError),
        (service.events(*native("It ")), StreamTruncatedError),
        (service.error(400, 5006), CfaiError),
    ):
        service.answers(service.events(*ASKS), later)
        with row(kind), run_with_tools(caller, GLM, STREAMED, tools=[get_weather]) as stream:
            with pytest.raises(kind) as raised:
                for _ in stream:
                    pass
            assert raised.value.steps == stream.steps
            assert stream.steps[0].calls[0].result == {"temperature": 4}
            with pytest.raises(kind):
                stream.result()
    assert len(service.requests) == 6


@SYNC_AND_ASYNC
def test_a_stream_ends_after_max_rounds_with_an_error(caller: Caller, service: Service) -> None:
    service.answers(service.events(*ASKS))
    with run_with_tools(caller, GLM, STREAMED, tools=[get_weather], max_rounds=1) as stream:
        for _ in range(2):
            with pytest.raises(ToolLoopError) as raised:
                stream.result()
        assert [len(step.calls) for step in raised.value.steps] == [1, 0]
    assert len(service.requests) == 2


@SYNC_AND_ASYNC
def test_a_browser_gets_the_text_of_every_answer_and_one_end(caller: Caller, service: Service) -> None:
    service.answers(service.events(*ASKS), service.events(*ANSWERS))
    events = b"".join(run_with_tools(caller, GLM, STREAMED, tools=[get_weather]).to_event_stream()).decode()
    *data, done, rest = (line.removeprefix("data: ") for line in events.split("\n\n"))
    texts = [json.loads(each).get("response") for each in data]
    assert "".join(filter(None, texts)) == "Let me see. It is mild."
    assert (done, rest, events.count("[DONE]")) == ("[DONE]", "", 1)


@SYNC_AND_ASYNC
def test_a_browser_that_leaves_stops_the_model(caller: Caller, service: Service) -> None:
    service.answers(service.events(*ASKS), service.events(*ANSWERS))
    stream = run_with_tools(caller, GLM, STREAMED, tools=[get_weather])
    events = stream.to_event_stream()
    assert b"Let me see" in next(events)
    events.close()
    assert service.bodies[-1].closed
    assert (len(service.requests), stream.steps) == (1, [])


@SYNC_AND_ASYNC
def test_the_first_call_is_refused_at_once(caller: Caller, service: Service) -> None:
    service.answers(service.error(400, 5006))
    with pytest.raises(CfaiError):
        run_with_tools(caller, GLM, STREAMED, tools=[get_weather])


@ASYNC
def test_the_result_of_a_stream_is_there_without_await_once_it_was_read(caller: Caller, service: Service) -> None:
    service.answers(service.events(*ANSWERS))
    stream = run_with_tools(caller, GLM, STREAMED, tools=[get_weather])
    unread: Any = stream_of(stream)
    with pytest.raises(StreamTruncatedError, match=r"^the stream has not been read to its end"):
        unread.result()
    assert stream.result().text == unread.result().text == "It is mild."


@ASYNC
def test_a_stream_of_a_call_is_entered_and_iterated_without_await(caller: Caller, service: Service) -> None:
    service.answers(service.events(*ASKS), service.events(*ANSWERS), service.events(*ANSWERS))

    async def main() -> tuple[str, str, Any]:
        async with caller.ai.arun_with_tools(GLM, STREAMED, tools=[get_weather]) as stream:
            entered = "".join([str(token) async for token in stream])
        iterated = "".join([str(each) async for each in caller.ai.arun_with_tools(GLM, STREAMED, tools=[get_weather])])
        return entered, iterated, await stream.aresult()

    assert caller.portal is not None
    entered, iterated, answer = caller.portal.call(main)
    assert (entered, iterated, answer.text) == ("Let me see. It is mild.", "It is mild.", "It is mild.")


@ASYNC
def test_a_wait_for_a_token_that_was_cancelled_can_be_asked_again(caller: Caller, service: Service) -> None:
    started: list[anyio.Event] = []

    async def get_weather(city: str) -> str:
        started[0].set()
        await anyio.sleep_forever()
        return ""

    async def main() -> Any:
        started.append(anyio.Event())
        stream = await caller.ai.arun_with_tools(GLM, STREAMED, tools=[get_weather])
        async with stream:
            assert isinstance(stream, AsyncToolsStream)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await anext(stream)
            first = await anext(stream)
            async with anyio.create_task_group() as group:

                async def read() -> None:
                    async for _ in stream:
                        pass

                group.start_soon(read)
                await started[0].wait()
                group.cancel_scope.cancel()
            # A tool was cancelled in the middle: there is no going on from there.
            with pytest.raises(StreamTruncatedError) as raised:
                await anext(stream)
            return first.text, len(raised.value.steps), len(service.requests)

    service.answers(service.events(*ASKS))
    assert caller.portal is not None
    assert caller.portal.call(main) == ("Let me see. ", 1, 1)


@SYNC_AND_ASYNC
def test_a_stream_that_a_tool_leaves_makes_no_further_call(caller: Caller, service: Service) -> None:
    opened: list[Any] = []

    def stop(city: str) -> str:
        opened[0].close()
        return "7"

    async def astop(city: str) -> str:
        await opened[0].stream.aclose()
        return "7"

    function: Any = {"function": stop if caller.portal is None else astop, "name": "get_weather"}
    service.answers(service.events(*ASKS))
    opened.append(run_with_tools(caller, GLM, STREAMED, tools=[function]))
    with pytest.raises(StreamTruncatedError, match="left before its end") as raised:
        opened[0].result()
    assert raised.value.steps[0].calls[0].result == "7"
    assert len(service.requests) == 1


def test_a_stream_that_is_interrupted_in_a_tool_does_not_run_it_again(service: Service) -> None:
    called: list[str] = []

    def get_weather(city: str) -> str:
        called.append(city)
        raise KeyboardInterrupt

    service.answers(service.events(*ASKS))
    with Ai(account_id=ACCOUNT, api_token=TOKEN) as ai:
        stream: Any = ai.run_with_tools(GLM, STREAMED, tools=[get_weather])
        with pytest.raises(KeyboardInterrupt):
            stream.result()
        with pytest.raises(StreamTruncatedError):
            stream.result()
    assert (called, len(stream.steps), len(service.requests)) == (["Oslo"], 1, 1)


TWINS = {"close": "aclose", "result": "aresult", "to_event_stream": "ato_event_stream", "__iter__": "__aiter__",
         "__next__": "__anext__", "__enter__": "__aenter__", "__exit__": "__aexit__"}  # fmt: skip


def test_the_two_streams_are_twins() -> None:
    def members(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_") or name in (*TWINS, *TWINS.values())}

    assert {TWINS.get(name, name) for name in members(ToolsStream)} | {"result"} == members(AsyncToolsStream)
    for sync, asynchronous in TWINS.items():
        signatures = [
            inspect.signature(getattr(*each)) for each in ((ToolsStream, sync), (AsyncToolsStream, asynchronous))
        ]
        assert [*signatures[0].parameters] == [*signatures[1].parameters]
    for kind in (ToolsStream, AsyncToolsStream):
        public = [name for name in dir(kind) if not name.startswith("_")]
        assert [name for name in public if not inspect.getdoc(getattr(kind, name))] == []
