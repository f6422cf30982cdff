"""Conversations with tools: what stays of a turn however it ends, what is counted, and what no longer fits."""

from __future__ import annotations

import json
import warnings
from contextlib import suppress
from functools import partial
from typing import Any, cast

import anyio
import httpx
import pytest

from cfai import (
    Ai,
    APITimeoutError,
    AsyncChatStream,
    CfaiError,
    Chat,
    ConfigurationError,
    ContextLengthError,
    InputError,
    LimitWarning,
    StreamTruncatedError,
    ToolLoopError,
)
from cfai.local import Emulator
from cfai.types import ToolsOutput
from tests.bodies import DONE, USAGE, chat, event
from tests.conftest import ACCOUNT, BACKENDS, SYNC_AND_ASYNC, TOKEN, BlockingIterator, Caller, Callers, Service, row
from tests.tools.calling import GLM, LLAMA, TOOL, get_weather

OSLO = '{"city": "Oslo"}'
TOKENS = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
INTERRUPTED = "Error: it was interrupted before it ended, and may have been done in part"


def call_of(id: str, name: str = "get_weather") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": OSLO}}


def completion(text: str | None, *calls: Any, usage: Any = TOKENS) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "tool_calls": [*calls]}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}


def streamed(text: str, *calls: Any) -> list[bytes]:
    pieces = [{"index": number, **call} for number, call in enumerate(calls)]
    return [chat(content=text), chat(tool_calls=pieces), chat(finish_reason="stop"), event(USAGE), DONE]


def asked(text: str = "Where?") -> dict[str, Any]:
    return {"role": "user", "content": text}


def done(id: str, text: str = "", content: str = '{"temperature":4}', name: str = "get_weather") -> list[Any]:
    """Return the messages of a round."""
    return [
        {"role": "assistant", "content": text, "tool_calls": [call_of(id, name)]},
        {"role": "tool", "tool_call_id": id, "name": name, "content": content},
    ]


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


ASKS = completion(None, call_of("a"))
STREAMED_ASKS = streamed("Let me see. ", call_of("a"))
ROUND = done("a")
STREAMED_ROUND = done("a", "Let me see. ")


class Talk:
    """A conversation with tools whose calls block, sync or async."""

    def __init__(self, caller: Caller, model: str = GLM, tools: Any = (get_weather,), **options: Any) -> None:
        self.chat = caller.ai.chat(model, tools=tools, **options)
        self.portal = caller.portal

    def send(self, text: str = "Where?") -> Any:
        return self.chat.send(text) if self.portal is None else self.portal.call(self.chat.asend, text)

    def stream(self, text: str = "Where?") -> Any:
        if self.portal is None:
            return self.chat.stream(text)
        return BlockingIterator(self.chat.astream(text), self.portal)


@SYNC_AND_ASYNC
def test_all_that_was_said_between_question_and_answer_is_kept_and_sent_again(caller: Caller, service: Service) -> None:
    talk = Talk(caller, system="Be brief.", max_rounds=3, inputs={"temperature": 0})
    service.answers(service.result(ASKS), service.result(completion("Mild.")))
    answer = talk.send()
    assert isinstance(answer, ToolsOutput)
    assert [len(step.calls) for step in answer.steps] == [1, 0]
    first = [{"role": "system", "content": "Be brief."}, asked(), *ROUND, said("Mild.")]
    assert talk.chat.messages == first == answer.messages
    service.answers(service.events(*STREAMED_ASKS), service.events(*streamed("Cold.")))
    assert "".join(map(str, talk.stream("And?"))) == "Let me see. Cold."
    second = [*first, asked("And?"), *STREAMED_ROUND]
    assert talk.chat.messages == [*second, said("Cold.")]
    assert json.loads(service.request.content) == {
        "temperature": 0,
        "stream": True,
        "messages": second,
        "tools": [TOOL],
    }
    assert {request.headers["x-session-affinity"] for request in service.requests} == {talk.chat.session_affinity}
    assert talk.chat.usage.total_tokens == 36
    again = Chat.from_json(caller.ai, talk.chat.to_json(), tools=[get_weather])
    assert again.messages == talk.chat.messages
    assert Chat.from_json(caller.ai, talk.chat.to_json()).messages == again.messages, "a history needs no tools"


@SYNC_AND_ASYNC
def test_a_question_that_fails_after_tools_have_run_stays_with_what_they_gave(
    callers: Callers, service: Service
) -> None:
    caller = callers(max_retries=0)
    failures: list[tuple[Any, type[CfaiError]]] = [
        (service.error(400, 5006), CfaiError),
        (httpx.ReadTimeout("slow"), APITimeoutError),
        (service.result(completion(None, call_of("b"))), ToolLoopError),
    ]
    for failure, kind in failures:
        for way in ("send", "stream"):
            with row((kind, way)):
                talk = Talk(caller, max_rounds=1)
                first = service.events(*STREAMED_ASKS) if way == "stream" else service.result(ASKS)
                service.answers(first, failure)
                with pytest.raises(kind) as raised:
                    str(talk.send()) if way == "send" else [*talk.stream()]
                assert raised.value.steps[0].calls[0].result == {"temperature": 4}
                rounds = STREAMED_ROUND if way == "stream" else ROUND
                assert talk.chat.messages == [asked(), *rounds]
                total = sum(step.usage.total_tokens for step in raised.value.steps)
                assert talk.chat.usage.total_tokens == total > 0
                assert talk.chat.cost == pytest.approx(sum(step.cost for step in raised.value.steps))
                service.answers(service.result(completion("Mild.")))
                assert str(talk.send("Well?")) == "Mild."
                assert service.sent["messages"] == [asked(), *rounds, asked("Well?")]


@SYNC_AND_ASYNC
def test_a_question_that_fails_before_a_tool_has_run_is_taken_back(callers: Callers, service: Service) -> None:
    talk = Talk(callers(max_retries=0))
    for way in (talk.send, talk.stream):
        service.answers(service.error(400, 5006))
        with pytest.raises(CfaiError):
            [*way()]
        assert talk.chat.messages == []
    service.answers(service.events(chat(content="Let ")))
    with pytest.raises(StreamTruncatedError):
        [*talk.stream()]
    assert talk.chat.messages == [asked(), said("Let ")]


@SYNC_AND_ASYNC
def test_the_part_that_a_stream_leaves_is_that_of_the_last_answer(caller: Caller, service: Service) -> None:
    broken = service.events(chat(content="It "), chat(content="is"))
    for last, tokens, messages in (
        (service.events(*streamed("It is")), 1, [asked(), said("Let me see. ")]),
        (service.events(*streamed("It is")), 4, [asked(), said("Let me see. ")]),
        (service.events(*streamed("It is")), 5, [asked(), *STREAMED_ROUND, said("It is")]),
        (broken, 7, [asked(), *STREAMED_ROUND, said("It is")]),
        (service.events(), 5, [asked(), *STREAMED_ROUND]),
    ):
        for leaves in ("close", "drop"):
            with row((tokens, leaves)):
                talk = Talk(caller)
                service.answers(service.events(*STREAMED_ASKS), last)
                stream = talk.stream()
                with suppress(StreamTruncatedError):
                    for _ in range(tokens):
                        next(stream)
                if leaves == "close":
                    stream.close()
                del stream
                assert talk.chat.messages == messages
                assert talk.chat.usage.total_tokens == (0 if len(messages) == 2 else 12)


@SYNC_AND_ASYNC
def test_the_text_of_a_stream_is_that_of_its_result_and_its_steps_grow(caller: Caller, service: Service) -> None:
    talk = Talk(caller)
    service.answers(service.events(*STREAMED_ASKS), service.events(*streamed("Mild.")))
    stream = talk.stream()
    held = stream if caller.portal is None else stream._items
    assert (held.text, held.steps) == ("", [])
    seen = [(str(token), held.text, len(held.steps)) for token in stream if token.text]
    assert seen == [("Let me see. ", "Let me see. ", 0), ("Mild.", "Mild.", 1)]
    answer = held.result() if caller.portal is None else caller.portal.call(held.aresult)
    assert (answer.text, held.text) == ("Mild.", "Mild.")
    assert held.steps == answer.steps


@SYNC_AND_ASYNC
def test_usage_and_cost_count_each_step_as_far_as_the_service_said(caller: Caller, service: Service) -> None:
    for usages in ((TOKENS, None), (None, TOKENS), (TOKENS | {"neurons": 2}, TOKENS)):
        with row(usages):
            talk = Talk(caller)
            first, last = usages
            service.answers(
                service.result(completion(None, call_of("a"), usage=first)),
                service.result(completion("Mild.", usage=last)),
            )
            answer = talk.send()
            assert talk.chat.usage.total_tokens == 6 * (2 - usages.count(None))
            assert talk.chat.usage.neurons == (2 if None not in usages else None)
            assert talk.chat.cost == pytest.approx(sum(step.cost or 0 for step in answer.steps)) != 0


@SYNC_AND_ASYNC
def test_a_tool_may_leave_the_stream_that_it_runs_in(caller: Caller, service: Service) -> None:
    held: list[Any] = []

    def stop(city: str) -> str:
        held[0].close()
        return "stopped"

    async def astop(city: str) -> str:
        await held[0]._items.aclose()
        return "stopped"

    function: Any = stop if caller.portal is None else astop
    talk = Talk(caller, tools=[{"function": function, "name": "get_weather"}])
    service.answers(service.events(*STREAMED_ASKS))
    held.append(talk.stream())
    with pytest.raises(StreamTruncatedError, match="left before its end"):
        [*held[0]]
    assert talk.chat.messages == [asked(), *done("a", "Let me see. ", "stopped")]


@BACKENDS
def test_a_tool_that_is_cancelled_is_told_to_the_model_as_interrupted(backend: str, service: Service) -> None:
    started: list[anyio.Event] = []

    async def book(city: str) -> str:
        started[0].set()
        await anyio.sleep_forever()
        return ""

    async def cancel(ask: Any) -> None:
        started[:] = [anyio.Event()]
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await started[0].wait()
            group.cancel_scope.cancel()

    async def main() -> None:
        async with Ai(account_id=ACCOUNT, api_token=TOKEN) as ai:
            service.answers(service.result(completion(None, call_of("a", "book"))))
            talk = ai.chat(GLM, tools=[book])
            await cancel(partial(talk.asend, "Where?"))
            assert talk.messages == [asked(), *done("a", "", INTERRUPTED, "book")]
            assert talk.usage.total_tokens == 6

            service.answers(service.events(*streamed("Let me see. ", call_of("a", "book"))))
            talk = ai.chat(GLM, tools=[book])
            async with talk.astream("Where?") as stream:
                assert isinstance(stream, AsyncChatStream)
                await cancel(stream.aresult)
                with pytest.raises(StreamTruncatedError, match="between two answers, where tools run, and does not go"):
                    await stream.aresult()
            assert talk.messages == [asked(), *done("a", "Let me see. ", INTERRUPTED, "book")]
            assert len(stream.steps) == 1

            # Whoever saves a conversation when its reader is gone has what the tools did.
            service.answers(service.events(*streamed("Let me see. ", call_of("a", "book"))))
            talk = ai.chat(GLM, tools=[book])
            stream = talk.astream("Where?")
            await cancel(stream.aresult)
            saved = Chat.from_json(ai, talk.to_json(), tools=[book])
            assert saved.messages == [asked(), *done("a", "Let me see. ", INTERRUPTED, "book")]

    anyio.run(main, backend=backend)


class Waiting:
    """An `Ai` one of whose calls, by its number, waits until it is let go."""

    def __init__(self, ai: Ai, number: int) -> None:
        self.ai = ai
        self.number = number
        self.calls = 0
        self.waits = anyio.Event()
        self.may_go = anyio.Event()

    def run(self, model: str, inputs: Any, **options: Any) -> Any: ...

    async def arun(self, model: str, inputs: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls == self.number:
            self.waits.set()
            await self.may_go.wait()
        return await self.ai.arun(model, inputs, **options)


@BACKENDS
def test_a_call_that_is_cancelled_before_its_answer_began_is_not_made_twice(backend: str, service: Service) -> None:
    async def main() -> None:
        async with Ai(account_id=ACCOUNT, api_token=TOKEN) as ai:
            for number, error, words, messages in (
                (1, ConfigurationError, "before its answer began: call `astream` again", []),
                (2, StreamTruncatedError, "between two answers", [asked(), *STREAMED_ROUND]),
            ):
                with row(number):
                    service.answers(service.events(*STREAMED_ASKS), service.events(*streamed("Mild.")))
                    runner = Waiting(ai, number)
                    talk = Chat[ToolsOutput](runner, GLM, tools=[get_weather])
                    stream = talk.astream("Where?")
                    async with anyio.create_task_group() as group:
                        group.start_soon(stream.aresult)
                        await runner.waits.wait()
                        group.cancel_scope.cancel()
                    assert talk.messages == messages
                    with pytest.raises(error, match=words):
                        await anext(stream)
                    assert runner.calls == number

    anyio.run(main, backend=backend)


@BACKENDS
def test_a_ping_ends_neither_a_call_nor_a_tool(backend: str, service: Service) -> None:
    async def main() -> None:
        async with Ai(account_id=ACCOUNT, api_token=TOKEN) as ai:
            for number in (1, 2):
                with row(number):
                    runs, may_end = anyio.Event(), anyio.Event()

                    async def wait(city: str, runs: anyio.Event = runs, may_end: anyio.Event = may_end) -> Any:
                        runs.set()
                        await may_end.wait()
                        return {"temperature": len(city)}

                    service.forget()
                    service.answers(service.events(*STREAMED_ASKS), service.events(*streamed("Mild.")))
                    runner = Waiting(ai, number)
                    tool = {
                        "function": lambda city, wait=wait: wait(city),
                        "parameters": TOOL["function"]["parameters"],
                    }
                    talk = Chat[ToolsOutput](runner, GLM, tools=[{**tool, "name": "get_weather"}])
                    waits, last = 0, b""
                    async for piece in talk.astream("Where?").ato_event_stream(ping=0.02):
                        last = piece
                        if piece == b": ping\n\n":
                            for started, ends in ((runner.waits, runner.may_go), (runs, may_end)):
                                if started.is_set() and not ends.is_set():
                                    waits += 1
                                    ends.set()
                    assert (waits, last) == (2, b"data: [DONE]\n\n")
                    assert (runner.calls, len(service.requests)) == (2, 2)
                    assert talk.messages == [asked(), *STREAMED_ROUND, said("Mild.")]

    anyio.run(main, backend=backend)


@BACKENDS
def test_an_event_stream_that_is_closed_while_a_tool_runs_cancels_it(backend: str, service: Service) -> None:
    ended: list[str] = []

    async def main() -> None:
        runs = anyio.Event()

        async def book(city: str) -> str:
            runs.set()
            try:
                await anyio.sleep_forever()
            finally:
                ended.append(city)
            return ""

        async with Ai(account_id=ACCOUNT, api_token=TOKEN) as ai:
            service.answers(service.events(*streamed("Let me see. ", call_of("a", "book"))))
            talk = ai.chat(GLM, tools=[book])
            events = talk.astream("Where?").ato_event_stream(ping=0.02)
            while not runs.is_set():
                await anext(events)
            await events.aclose()
            assert ended == ["Oslo"]
            assert talk.messages == [asked(), *done("a", "Let me see. ", INTERRUPTED, "book")]

    anyio.run(main, backend=backend)


def test_ctrl_c_in_a_tool_leaves_a_history_that_can_be_sent(caller: Caller, service: Service) -> None:
    def book(city: str) -> str:
        raise KeyboardInterrupt

    for calls in ((call_of("a", "book"),), (call_of("a", "book"), call_of("b"))):
        for way in ("send", "stream"):
            with row((calls, way)):
                first = completion(None, *calls)
                service.answers(service.events(*streamed("", *calls)) if way == "stream" else service.result(first))
                talk = caller.ai.chat(GLM, tools=[book, get_weather])
                with pytest.raises(KeyboardInterrupt):
                    talk.send("Where?") if way == "send" else [*talk.stream("Where?")]
                answered = [message["tool_call_id"] for message in talk.messages if message["role"] == "tool"]
                assert answered == [call["id"] for call in calls]
                assert talk.messages[2]["content"] == INTERRUPTED
                service.answers(service.result(completion("Mild.")))
                assert talk.send("Again?").text == "Mild."


# What no longer fits


class ByWords:
    """Counts a token a word, and nothing for the template."""

    def count_text(self, text: str) -> int:
        return len(text.split())


def words(number: int) -> str:
    return "word " * number


def history(turns: int) -> list[dict[str, Any]]:
    return [message for number in range(turns) for message in (asked(f"{number} {words(400)}"), said("Hello"))]


@SYNC_AND_ASYNC
def test_a_long_result_leaves_out_the_oldest_turns_before_the_next_round(callers: Callers, service: Service) -> None:
    caller = callers(limit_overrides={LLAMA: 6000}, token_counter=ByWords())

    def read(city: str) -> str:
        return words(2000)

    flat = {"response": None, "tool_calls": [{"name": "read", "arguments": {"city": "Oslo"}}]}
    said_last = {"response": "Read."}
    for way in ("send", "stream"):
        with row(way):
            service.forget()
            talk = Talk(caller, LLAMA, tools=[read], messages=history(8))
            if way == "send":
                service.answers(*[service.result(each) for each in (flat, said_last)])
            else:
                service.answers(*[service.events(event(json.dumps(each)), DONE) for each in (flat, said_last)])
            with pytest.warns(LimitWarning, match=r"`chat\.dropped` has them") as warned:
                str(talk.send()) if way == "send" else [*talk.stream()]
            assert caller.portal is not None or warned[0].filename == __file__
            first, second = [json.loads(request.content)["messages"] for request in service.requests]
            assert len(first) == 17
            turn = talk.chat.messages[16:]
            assert [message["role"] for message in turn] == ["user", "assistant", "tool", "assistant"]
            assert second[-3:] == turn[:3], "the turn of the call is not cut apart"
            assert 3 < len(second) < 17
            assert talk.chat.dropped == talk.chat.messages[: 19 - len(second)]
            assert len(talk.chat.messages) == 20
            service.answers(service.result(said_last))
            talk.send("Well?")
            assert service.sent["messages"][:2] == second[:2], "the next question begins alike"


@SYNC_AND_ASYNC
def test_a_history_that_takes_long_to_count_goes_with_tools_too(callers: Callers, service: Service) -> None:
    caller = callers(limit_overrides={LLAMA: 200_000}, token_counter=ByWords())
    before = [asked(words(60_000)), said("Well.")]
    for way in ("send", "stream"):
        with row(way):
            service.forget()
            talk = Talk(caller, LLAMA, messages=before)
            if way == "send":
                service.answers(service.result(ASKS), service.result(completion("Mild.")))
                talk.send()
            else:
                service.answers(service.events(*STREAMED_ASKS), service.events(*streamed("Mild.")))
                list(talk.stream())
            sent = [json.loads(request.content)["messages"] for request in service.requests]
            assert [each[:3] for each in sent] == [[*before, asked()]] * 2
            assert talk.chat.messages == [*sent[1], said("Mild.")]


@SYNC_AND_ASYNC
def test_a_result_that_fits_no_model_stays_and_is_left_out_with_its_turn(callers: Callers, service: Service) -> None:
    caller = callers(limit_overrides={LLAMA: 6000}, token_counter=ByWords())

    def read(city: str) -> str:
        return words(9000)

    talk = Talk(caller, LLAMA, tools=[read], messages=history(2))
    service.answers(
        service.result({"response": None, "tool_calls": [{"name": "read", "arguments": {"city": "Oslo"}}]}),
        service.result({"response": "Well."}),
    )
    with pytest.warns(LimitWarning), pytest.raises(ContextLengthError) as raised:
        talk.send()
    assert len(raised.value.steps) == 1
    assert [message["role"] for message in talk.chat.messages[4:]] == ["user", "assistant", "tool"]
    assert str(talk.send("Well?")) == "Well."
    assert service.sent["messages"] == [asked("Well?")]


@SYNC_AND_ASYNC
def test_the_room_that_tools_take_is_that_of_their_schemas(callers: Callers, service: Service) -> None:
    caller = callers(limit_overrides={LLAMA: 6000}, token_counter=ByWords())

    def by_docstring(city: str) -> None: ...

    by_docstring.__doc__ = words(3000)

    def by_parameter(city: str) -> None: ...

    by_parameter.__doc__ = f"Explain.\n\ncity: {words(3000)}"

    def not_sent(city: str) -> None: ...

    not_sent.__doc__ = f"Explain.\n\n{words(3000)}"
    service.answers(service.result({"response": "Hello"}))
    for tool, is_long in ((get_weather, False), (by_docstring, True), (by_parameter, True), (not_sent, False)):
        with row(tool), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            Talk(caller, LLAMA, tools=[tool], messages=history(8)).send()
            assert (len(warned) == 1) is (len(service.sent["messages"]) < 17) is is_long


# What is refused, and what may be another


def test_a_conversation_is_refused_with_tools_that_cannot_work(caller: Caller, service: Service) -> None:
    def untyped(city): ...  # type: ignore[no-untyped-def]  # pyright: ignore

    refused: list[tuple[dict[str, Any], type[CfaiError], str]] = [
        ({"tools": [untyped]}, ConfigurationError, "must have a type hint"),
        ({"tools": [get_weather, get_weather]}, ConfigurationError, "two tools are named"),
        ({"tools": "get_weather"}, ConfigurationError, "must be a list of functions, got str"),
        ({"tools": [get_weather], "model": "@cf/baai/bge-m3"}, InputError, "cannot call tools"),
        ({"tools": [get_weather], "output_type": int}, TypeError, "unexpected keyword argument 'output_type'"),
    ]
    for options, kind, message in refused:
        with row(message), pytest.raises(kind, match=message):
            cast("Any", caller.ai).chat(**{"model": GLM, **options})
    talk = caller.ai.chat(GLM, tools=[get_weather])
    talk.model = "@cf/baai/bge-m3"
    with pytest.raises(InputError, match="cannot call tools"):
        talk.send("Where?")
    talk = caller.ai.chat(GLM, tools=[get_weather], inputs={"response_format": int})
    with pytest.raises(ConfigurationError, match="`response_format` must be a dict"):
        talk.send("Where?")
    with pytest.raises(InputError, match="Anthropic's own shape"):
        caller.ai.chat("anthropic/claude-sonnet-4", gateway="default")
    choice = {"type": "function", "function": {"name": "book"}}
    talk = caller.ai.chat(GLM, tools=[get_weather], inputs={"tool_choice": choice})
    with pytest.raises(InputError, match="`tool_choice` must name one of `tools`, got 'book'"):
        talk.send("Where?")

    async def later(city: str) -> None: ...

    with pytest.raises(ConfigurationError, match=r"later is asynchronous: call .*`asend`"):
        caller.ai.chat(GLM, tools=[later]).send("Where?")
    assert service.requests == []
    service.answers(service.result({"response": "Hello"}))
    assert caller.ai.chat(GLM, tools=[]).send("Where?").steps[0].calls == []


def test_what_was_saved_may_be_another_when_it_is_read(caller: Caller) -> None:
    text = caller.ai.chat(GLM, messages=[asked()], max_rounds=3).to_json()
    again = Chat.from_json(
        caller.ai, text, tools=[get_weather], model=LLAMA, max_rounds=5, inputs={"temperature": 0}, messages=[]
    )
    assert (again.model, again.max_rounds, again.inputs, again.messages) == (LLAMA, 5, {"temperature": 0}, [])


@BACKENDS
def test_every_family_of_models_holds_a_conversation_with_tools(backend: str) -> None:
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return "7 degrees"

    async def main() -> None:
        async with emulator.ai() as ai:
            for model in (GLM, LLAMA, "@cf/meta/llama-4-scout-17b-16e-instruct", "@cf/openai/gpt-oss-20b"):
                talk = ai.chat(model, tools=[get_weather])
                assert "7 degrees" in (await talk.asend("What is the weather in Oslo?")).text
                async for _ in talk.astream("What is the weather in Rome?"):
                    pass
                again = Chat.from_json(ai, talk.to_json(), tools=[get_weather])
                await again.asend("What is the weather in Bergen?")
                assert [message["role"] for message in again.messages] == ["user", "assistant", "tool", "assistant"] * 3

    with Emulator() as emulator:
        anyio.run(main, backend=backend)
