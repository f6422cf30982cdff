"""Conversations: what is kept of them, what goes over the wire, and what is left when a question fails."""

from __future__ import annotations

import copy
import gc
import io
import json
import pickle
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import httpx
import pytest
from PIL import Image
from pydantic import BaseModel

from cfai import (
    Ai,
    APIConnectionError,
    APIResponseValidationError,
    CfaiError,
    Chat,
    ConfigurationError,
    ContextLengthError,
    InputError,
    LimitWarning,
    OutputValidationError,
    RateLimitError,
    StreamError,
    StreamTruncatedError,
    Token,
    count_tokens,
    fit_messages,
)
from cfai.local import Emulator
from cfai.types import Meta, TextOutput, Usage
from tests.bodies import CHAT_ANSWER, COUNTS, DONE, HELLO, MESSAGE, NATIVE_ANSWER, PNG, REASONED, event, native
from tests.conftest import ACCOUNT, BACKENDS, SYNC_AND_ASYNC, TOKEN, BlockingIterator, Caller, Callers, Service, row
from tests.frames import show_error

LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
GLM = "@cf/zai-org/glm-4.7-flash"
SCOUT = "@cf/meta/llama-4-scout-17b-16e-instruct"
UNKNOWN = "@cf/nobody/knows-this"
SYNC = pytest.mark.parametrize("portal", ["sync"], indirect=True)
SECRET = "secret-that-must-not-show-24680"


class Talk:
    """A conversation whose calls block, sync or async."""

    def __init__(self, caller: Caller, chat: Chat) -> None:
        self.chat = chat
        self.portal = caller.portal

    def send(self, text: str, images: Any = None) -> Any:
        if self.portal is None:
            return self.chat.send(text, images=images)
        return self.portal.call(self.chat.asend, text, images)

    def stream(self, text: str, images: Any = None) -> Any:
        if self.portal is None:
            return self.chat.stream(text, images=images)
        return BlockingIterator(self.chat.astream(text, images=images), self.portal)

    def read(self, text: str) -> str:
        return "".join(map(str, self.stream(text)))


@pytest.fixture
def talk(caller: Caller) -> Talk:
    return Talk(caller, caller.ai.chat(LLAMA, system="Be brief."))


def said(text: str) -> list[dict[str, Any]]:
    """Return a turn: a question, answered with "Hello"."""
    return [{"role": "user", "content": text}, {"role": "assistant", "content": "Hello"}]


SYSTEM = {"role": "system", "content": "Be brief."}


# What goes over the wire


@SYNC_AND_ASYNC
def test_every_question_is_sent_with_all_that_was_said_before_and_the_same_session(
    caller: Caller, service: Service
) -> None:
    for model, answer, message in (
        (LLAMA, NATIVE_ANSWER, said("")[1]),
        (GLM, CHAT_ANSWER, said("")[1] | {"reasoning": "Greet."}),
    ):
        for way in ("send", "read"):
            with row((model, way)):
                service.forget()
                service.answers(service.result(answer))
                talk = Talk(caller, caller.ai.chat(model, system="Be brief.", inputs={"temperature": 0}, tags=["a"]))
                assert str(getattr(talk, way)("Where?")) == "Hello"
                assert str(talk.send("And why?")) == "Hello"
                first = [SYSTEM, {"role": "user", "content": "Where?"}]
                second = [*first, message, {"role": "user", "content": "And why?"}]
                streamed = {"stream": True} if way == "read" else {}
                sent = [json.loads(request.content) for request in service.requests]
                assert sent[-1] == {"temperature": 0, "messages": second}
                assert sent[0] == {"temperature": 0, "messages": first} | streamed
                assert talk.chat.messages == [*second, message]
                sessions = [request.headers["x-session-affinity"] for request in service.requests]
                assert {*sessions} == {talk.chat.session_affinity}
                assert service.url.endswith("?tags=a")


@SYNC_AND_ASYNC
def test_a_stream_gives_the_tokens_and_leaves_the_answer_in_the_history(talk: Talk, service: Service) -> None:
    service.answers(service.events(*HELLO))
    assert [str(token) for token in talk.stream("Where?")] == ["Hel", "lo", ""]
    assert talk.chat.messages == [SYSTEM, *said("Where?")]
    assert service.sent == {"messages": [SYSTEM, {"role": "user", "content": "Where?"}], "stream": True}
    assert (talk.chat.usage.total_tokens, talk.chat.usage.neurons) == (12, 0.5)
    talk.chat.model = GLM
    service.answers(service.events(*REASONED))
    stream = talk.stream("And why?")
    text = "".join(map(str, stream))
    answer = talk.chat.messages[-1]
    assert (answer["content"], answer["reasoning"]) == (text, "Greet.")
    assert [call["function"]["name"] for call in answer["tool_calls"]] == ["wave"]
    assert service.url.endswith(GLM)


def test_a_session_is_random_unless_it_is_given(caller: Caller) -> None:
    chats = [caller.ai.chat(LLAMA) for _ in range(2)]
    assert len({chat.session_affinity for chat in chats}) == 2
    assert caller.ai.chat(LLAMA, session_affinity="mine").session_affinity == "mine"


@SYNC_AND_ASYNC
def test_the_history_may_be_edited_and_the_edit_is_sent(talk: Talk, service: Service) -> None:
    history = talk.chat.messages
    talk.send("Where?")
    history[0]["content"] = "Be long."
    talk.chat.model = SCOUT
    history.append({"role": "user", "content": ["Look", PNG]})
    history.append(TextOutput(response="I see."))  # type: ignore[call-arg]
    talk.send("And why?")
    assert history is talk.chat.messages
    assert history[3]["content"][1].keys() == {"type", "image_url"}, "an image is encoded once"
    assert service.sent["messages"][0]["content"] == "Be long."
    assert service.sent["messages"][3]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert service.sent["messages"][4] == {"role": "assistant", "content": "I see."}
    talk.chat.messages = said("What?")
    talk.send("And why?")
    assert service.sent["messages"] == [*said("What?"), {"role": "user", "content": "And why?"}]
    with pytest.raises(InputError, match="object cannot be sent"):
        talk.chat.messages = [{"role": "user", "content": object()}]
    talk.chat.messages.append({"role": "user", "content": object()})  # type: ignore[dict-item]
    for ask in (lambda: talk.send("And why?"), talk.chat.to_json):
        with pytest.raises(InputError, match="object cannot be sent"):
            ask()


@SYNC_AND_ASYNC
def test_a_history_that_is_given_is_sent_whole_behind_the_system_message(caller: Caller, service: Service) -> None:
    asked = [{"role": "user", "content": text} for text in ("Where?", "And why?")]
    for system, first in (("Be brief.", [SYSTEM]), (None, [])):
        with row(system):
            Talk(caller, caller.ai.chat(LLAMA, system=system, messages=asked)).send("Well?")
            assert service.sent["messages"] == [*first, *asked, {"role": "user", "content": "Well?"}]


@SYNC_AND_ASYNC
def test_half_a_character_in_an_answer_does_not_end_a_conversation(caller: Caller, service: Service) -> None:
    talk = Talk(caller, caller.ai.chat(GLM))
    choice = {"index": 0, "message": MESSAGE | {"reasoning_content": "Greet\ud83d"}, "finish_reason": "stop"}
    service.answers(service.result(CHAT_ANSWER | {"choices": [choice]}))
    talk.send("Where?")
    talk.send("And why?")
    assert service.sent["messages"][1] == said("")[1] | {"reasoning": "Greet\ufffd"}


# What is left of a question that failed


@SYNC_AND_ASYNC
def test_a_question_that_fails_is_taken_back_and_can_be_sent_again(callers: Callers, service: Service) -> None:
    caller = callers(max_retries=0)
    talk = Talk(caller, caller.ai.chat(LLAMA))
    talk.send("Where?")
    before = copy.deepcopy(talk.chat.messages)
    failures: list[tuple[Any, type[CfaiError]]] = [
        (service.error(429, 3021), RateLimitError),
        (httpx.ConnectError("no"), APIConnectionError),
        (service.raw(PNG, "image/png"), APIResponseValidationError),
    ]
    for answer, error in failures:
        for way in (talk.send, talk.read):
            with row((error, way)):
                service.answers(answer)
                with pytest.raises(error):
                    way("And why?")
                assert talk.chat.messages == before
    with pytest.raises(InputError):
        talk.send("And why?", [b"not an image"])
    service.answers(service.result(NATIVE_ANSWER))
    talk.send("And why?")
    assert service.sent["messages"] == [*before, {"role": "user", "content": "And why?"}]


@SYNC_AND_ASYNC
def test_a_stream_that_breaks_leaves_what_had_come(talk: Talk, service: Service) -> None:
    breaks: list[tuple[Any, type[StreamError]]] = [
        (service.events(*native("Hel", "lo"), breaks=httpx.ReadError("gone")), StreamTruncatedError),
        (service.events(*native("Hel", "lo"), event('{"error": {"message": "broken", "code": 3040}}')), StreamError),
    ]
    for answer, error in breaks:
        with row(error):
            talk.chat.messages = [SYSTEM]
            service.answers(answer)
            with pytest.raises(error) as raised:
                talk.read("Where?")
            assert raised.value.partial == "Hello"
            assert talk.chat.messages == [SYSTEM, *said("Where?")]
            service.answers(service.events(event('{"error": {"message": "broken", "code": 3040}}')))
            with pytest.raises(CfaiError):
                talk.read("And why?")
            assert talk.chat.messages == [SYSTEM, *said("Where?")]
    service.answers(service.result(NATIVE_ANSWER))
    talk.send("And why?")
    assert service.sent["messages"][1:3] == said("Where?")


@SYNC_AND_ASYNC
def test_a_stream_that_is_left_stops_and_leaves_what_had_come(talk: Talk, service: Service) -> None:
    service.answers(service.events(*native("Hel", "lo", " you"), DONE))
    for number in (0, 1, 2) if talk.portal is None else (1, 2):
        with row(number):
            talk.chat.messages = []
            stream = talk.stream("Where?")
            assert [str(next(stream)) for _ in range(number)] == ["Hel", "lo"][:number]
            stream.close()
            expected = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Hello"[: 3 * number]}]
            assert talk.chat.messages == (expected if number else [])
            assert all(body.closed for body in service.bodies)
            with pytest.raises(StreamTruncatedError):
                next(stream)
            assert talk.chat.messages == (expected if number else [])


@SYNC_AND_ASYNC
def test_a_loop_that_is_left_loses_nothing_whether_the_stream_is_held_or_not(talk: Talk, service: Service) -> None:
    for held in (True, False):
        with row(held):
            service.answers(service.events(*native("Hel", "lo", " you"), DONE))
            talk.chat.messages = []
            stream = talk.stream("Where?")
            for token in stream:
                if str(token) == "lo":
                    break
            if held:
                assert talk.chat.messages == []
            else:
                del stream
                gc.collect()
                assert talk.chat.messages == said("Where?")
            service.answers(service.result(NATIVE_ANSWER))
            talk.send("And why?")
            assert all(body.closed for body in service.bodies)
            assert talk.chat.messages == [*said("Where?"), *said("And why?")]
            assert service.sent["messages"] == talk.chat.messages[:-1]


@SYNC
def test_with_leaves_a_stream_and_the_result_is_that_of_send(caller: Caller, service: Service) -> None:
    chat = caller.ai.chat(LLAMA)
    service.answers(service.events(*HELLO))
    with chat.stream("Where?") as stream:
        next(stream)
        assert stream.text == "Hel"
        assert str(stream.result()) == "Hello" == stream.text
    assert chat.messages == said("Where?")
    with chat.stream("And why?") as stream:
        next(stream)
    assert chat.messages[-1]["content"] == "Hel"
    with pytest.raises(StreamTruncatedError, match="left before its end"):
        stream.result()


@BACKENDS
def test_async_with_leaves_a_stream_and_the_result_is_that_of_asend(
    backend: str, callers: Callers, service: Service
) -> None:
    chat = callers().ai.chat(LLAMA)

    async def main() -> None:
        service.answers(service.events(*HELLO))
        async with chat.astream("Where?") as stream:
            await anext(stream)
            assert stream.text == "Hel"
            assert str(await stream.aresult()) == "Hello" == stream.text
        assert chat.messages == said("Where?")
        async with chat.astream("And why?") as stream:
            await anext(stream)
        assert chat.messages[-1]["content"] == "Hel"
        with pytest.raises(StreamTruncatedError, match="left before its end"):
            await stream.aresult()
        async for token in chat.astream("Once more?"):
            assert isinstance(token, Token)
        assert chat.messages[-2:] == said("Once more?")
        opened = await chat.astream("And now?")
        assert len(service.requests) == 4
        async with opened as stream:
            assert stream is opened
            assert str(await stream.aresult()) == "Hello"
        unused = chat.astream("Never sent")
        await unused.aclose()
        assert unused.text == ""
        assert len(service.requests) == 4
        await chat._runner.aclose()  # type: ignore[attr-defined]

    anyio.run(main, backend=backend)


@BACKENDS
def test_a_cancelled_question_is_taken_back_and_a_cancelled_wait_for_a_token_loses_nothing(backend: str) -> None:
    async def main() -> None:
        waiting = anyio.Event()

        class Waiting(Runner):
            async def arun(self, model: str, inputs: Any, **options: Any) -> Any:
                waiting.set()
                await anyio.sleep_forever()

        chat = Chat(Waiting(None), GLM)
        for ask in (partial(chat.asend, "Where?"), chat.astream("Where?").aresult):
            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                await waiting.wait()
                group.cancel_scope.cancel()
            assert chat.messages == []

        with Emulator() as emulator:
            async with emulator.ai() as ai:
                chat = ai.chat(GLM)
                async with chat.astream("Where?") as stream:
                    with anyio.CancelScope() as scope:
                        scope.cancel()
                        await stream.aresult()
                    assert scope.cancelled_caught
                    assert chat.messages == []
                    assert str(await stream.aresult()) == chat.messages[-1]["content"] == stream.text
                with anyio.CancelScope() as scope:
                    async with chat.astream("And why?") as stream:
                        async for token in stream:
                            if str(token):
                                scope.cancel()
                                await anyio.lowlevel.checkpoint()
                assert 0 < len(stream.text) < 60
                left = {"role": "assistant", "content": stream.text}
                assert chat.messages[-2:] == [{"role": "user", "content": "And why?"}, left]

    anyio.run(main, backend=backend)


@BACKENDS
def test_a_loop_that_is_left_in_asynchronous_code_loses_nothing(backend: str) -> None:
    async def main() -> None:
        async with emulator.ai() as ai:
            chat = ai.chat(LLAMA)
            pieces: list[str] = []
            async for token in chat.astream("Where?"):
                pieces.append(str(token))
                if len(pieces) == 3:
                    break
            await chat.asend("And why?")
            assert [message["role"] for message in chat.messages] == ["user", "assistant"] * 2
            assert chat.messages[1]["content"] == "".join(pieces)
            held = chat.astream("Once more?")
            await anext(held)
            async for _ in chat.astream("And now?"):
                pass
            assert chat.messages[4]["content"] == "Once more?"
            assert chat.messages[6]["content"] == "And now?"
            with pytest.raises(StreamTruncatedError, match="left before its end"):
                await anext(held)
            assert len(chat.messages) == 8

    with Emulator() as emulator:
        anyio.run(main, backend=backend)


@SYNC_AND_ASYNC
def test_a_browser_gets_the_answer_and_the_history_keeps_it(talk: Talk, service: Service) -> None:
    service.answers(service.events(*HELLO))
    for leaves in (False, True):
        with row(leaves):
            talk.chat.messages = []
            if talk.portal is None:
                events: Any = talk.chat.stream("Where?").to_event_stream()
            else:
                events = BlockingIterator(talk.chat.astream("Where?").ato_event_stream(ping=9), talk.portal)
            assert json.loads(next(events).removeprefix(b"data: "))["response"] == "Hel"
            if leaves:
                events.close()
                assert talk.chat.messages[-1]["content"] == "Hel"
            else:
                assert [*events][-1] == DONE
                assert talk.chat.messages == said("Where?")


# A stand-in for an `Ai`, whose answers come when a test wants them


class Runner:
    """Runs nothing: it calls a function of the test's with the inputs."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []

    def run(self, model: str, inputs: Any, **options: Any) -> Any:
        self.calls.append((model, copy.deepcopy(inputs), options))
        return self.answer(inputs)

    async def arun(self, model: str, inputs: Any, **options: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return self.run(model, inputs, **options)


ANSWER = TextOutput.model_validate(NATIVE_ANSWER)


class Pieces:
    """A stream of tokens, sync and async, with a result."""

    def __init__(self, texts: list[Any], result: Any = ANSWER) -> None:
        self.texts = iter(texts)
        self.answer = result
        self.meta = Meta()
        self.closed = False

    def __iter__(self) -> Iterator[Token]:
        return self

    def __next__(self) -> Token:
        text = next(self.texts)
        if isinstance(text, BaseException):
            raise text
        return text if isinstance(text, Token) else Token(text, {})

    def __aiter__(self) -> AsyncIterator[Token]:
        return self

    async def __anext__(self) -> Token:
        await anyio.lowlevel.checkpoint()
        try:
            return next(self)
        except StopIteration:
            raise StopAsyncIteration from None

    def result(self) -> Any:
        return self.answer

    async def aresult(self) -> Any:
        return self.answer

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.close()
        await anyio.lowlevel.checkpoint()


@SYNC_AND_ASYNC
def test_ctrl_c_takes_a_question_back_and_keeps_what_came_of_a_stream(caller: Caller) -> None:
    def interrupt(inputs: Any) -> Any:
        raise KeyboardInterrupt

    runner = Runner(interrupt)
    chat = Chat(runner, LLAMA)
    with pytest.raises(KeyboardInterrupt):
        chat.send("Where?")
    assert chat.messages == []
    if caller.portal is not None:
        return  # it ends the loop of a portal
    runner.answer = lambda _: Pieces(["Hel", "lo", KeyboardInterrupt()])  # pyright: ignore[reportUnknownLambdaType]
    with pytest.raises(KeyboardInterrupt):
        list(chat.stream("Where?"))
    assert chat.messages == said("Where?")
    runner.answer = lambda _: Pieces(["Hel", "lo", " you"])  # pyright: ignore[reportUnknownLambdaType]

    def read() -> None:
        stream = chat.stream("And why?")
        for token in stream:
            if str(token) == "lo":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as held:  # as a notebook holds the last traceback, and all in its frames
        read()
    assert chat.messages == said("Where?")
    runner.answer = lambda _: ANSWER  # pyright: ignore[reportUnknownLambdaType]
    chat.send("Once more?")
    assert chat.messages == [*said("Where?"), *said("And why?"), *said("Once more?")]
    assert held.traceback


@SYNC_AND_ASYNC
def test_the_second_of_several_answers_is_not_mixed_into_the_first(caller: Caller) -> None:
    tokens = [Token("Hel", {}), Token("Bye", {}, choice=1), Token("lo", {}), Token("!", {}, choice=1)]
    talk = Talk(caller, Chat(Runner(lambda _: Pieces([*tokens, "."])), LLAMA))  # pyright: ignore[reportUnknownLambdaType]
    stream = talk.stream("Where?")
    for _ in range(4):
        next(stream)
    stream.close()
    assert talk.chat.messages == said("Where?")
    if talk.portal is None:
        events: Any = talk.chat.stream("Where?").to_event_stream()
    else:
        events = BlockingIterator(talk.chat.astream("Where?").ato_event_stream(), talk.portal)
    *told, last = events
    assert [json.loads(each.removeprefix(b"data: "))["response"] for each in told] == ["Hel", "lo", "."]
    assert last == DONE


def test_a_question_that_comes_while_another_is_answered_is_refused(caller: Caller) -> None:
    refused: list[str] = []

    def answer(inputs: Any) -> Any:
        for ask in (chat.send, chat.stream):
            with pytest.raises(ConfigurationError, match="answering another question") as error:
                ask("Another?")
            refused.append(str(error.value))
        return ANSWER

    chat = Chat(Runner(answer), LLAMA)
    chat.send("Where?")
    chat.send("And why?")
    assert len(refused) == 4
    assert chat.messages == [*said("Where?"), *said("And why?")]

    class Asking(Pieces):
        def __next__(self) -> Token:
            answer({})
            return super().__next__()

    chat._runner.answer = lambda _: Asking(["Hel", "lo"])  # type: ignore[attr-defined]  # pyright: ignore
    list(chat.stream("Once more?"))
    assert chat.messages[-2:] == said("Once more?")


@BACKENDS
def test_of_two_tasks_that_ask_at_once_the_second_is_refused(backend: str) -> None:
    chat = Chat(Runner(lambda _: ANSWER), LLAMA)  # pyright: ignore[reportUnknownLambdaType]

    async def main() -> None:
        refused = 0

        async def ask(text: str) -> None:
            nonlocal refused
            try:
                await chat.asend(text)
            except ConfigurationError:
                refused += 1

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask, "Where?")
        assert refused == 2
        assert chat.messages == said("Where?")

    anyio.run(main, backend=backend)


@BACKENDS
def test_a_task_that_is_cancelled_while_it_streams_keeps_what_came(backend: str) -> None:
    chat = Chat(Runner(lambda _: Pieces(["Hel", "lo", " you"])), LLAMA)  # pyright: ignore[reportUnknownLambdaType]

    async def main() -> None:
        with anyio.CancelScope() as scope:
            async with chat.astream("Where?") as stream:
                async for token in stream:
                    if str(token) == "lo":
                        scope.cancel()
        assert chat.messages == said("Where?")

    anyio.run(main, backend=backend)


def get_weather(city: str) -> int:
    """The weather in a city."""
    return 7


@SYNC_AND_ASYNC
def test_a_question_that_fails_after_its_tools_counts_with_the_calls_that_were_answered(
    caller: Caller, service: Service
) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "neurons": 2}
    call = {"name": "get_weather", "arguments": {"city": "Oslo"}}
    asks = service.result({"response": None, "tool_calls": [call], "usage": usage})
    parts = {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "a", "function": {}}]}}]}
    parts["choices"][0]["delta"]["tool_calls"][0]["function"] = {"name": "get_weather", "arguments": "{}"}
    events = service.events(event(json.dumps(parts)), event(json.dumps({"choices": [], "usage": usage})), DONE)
    cut = service.events(*native("Hel"))
    for way, answers in (
        ("send", (asks, service.error(400, 5006))),
        ("read", (events, service.error(400, 5006))),
        ("read", (events, cut)),
    ):
        with row(way):
            service.answers(*answers)
            talk = Talk(caller, caller.ai.chat(LLAMA, tools=[get_weather]))
            with pytest.raises(CfaiError):
                getattr(talk, way)("Where?")
            assert (talk.chat.usage.total_tokens, talk.chat.cost) == (15, pytest.approx(2 * 0.011e-3))
            service.answers(service.result({"response": "7 degrees", "usage": usage}))
            talk.send("And now?")
            assert (talk.chat.usage.total_tokens, talk.chat.cost) == (30, pytest.approx(4 * 0.011e-3))


@SYNC_AND_ASYNC
def test_another_model_answers_where_the_conversation_s_own_is_busy(caller: Caller, service: Service) -> None:
    service.answers(service.error(429, 3040), service.result(CHAT_ANSWER))
    talk = Talk(caller, caller.ai.chat(LLAMA, fallback=[GLM], max_retries=0))
    assert talk.send("Where?").meta.model == GLM
    service.answers(service.error(429, 3040), service.events(*HELLO))
    assert talk.read("And why?") == "Hello"
    assert service.url.endswith(GLM)
    assert [each["role"] for each in talk.chat.messages] == ["user", "assistant"] * 2


# Images


@SYNC_AND_ASYNC
def test_an_image_is_encoded_once_and_stays_when_its_file_is_gone(
    caller: Caller, service: Service, tmp_path: Path
) -> None:
    file = tmp_path / "r.png"
    Image.new("RGB", (2, 2), "red").save(file)
    content = file.read_bytes()
    talk = Talk(caller, caller.ai.chat(SCOUT))
    talk.send("Which colour is it?", file)
    file.unlink()
    url = {"url": f"data:image/png;base64,{b64encode(content).decode()}"}
    question = {
        "role": "user",
        "content": [{"type": "text", "text": "Which colour is it?"}, {"type": "image_url", "image_url": url}],
    }
    assert service.sent == {"messages": [question]}
    talk.send("Sure?")
    assert service.sent["messages"][0] == question == json.loads(talk.chat.to_json())["messages"][0]
    assert int(count_tokens(talk.chat.messages, model=SCOUT)) > 100
    assert fit_messages(talk.chat.messages, model=SCOUT).dropped == []
    service.answers(service.events(*HELLO))
    list(talk.stream("And this?", PNG))
    assert [part["type"] for part in service.sent["messages"][-1]["content"]] == ["text", "image_url"]


def test_images_come_in_every_form_that_messages_take(caller: Caller, service: Service, tmp_path: Path) -> None:
    picture = Image.new("RGB", (2, 2), "red")
    (tmp_path / "r.png").write_bytes(PNG)
    forms: list[tuple[Any, int]] = [
        (PNG, 1),
        (tmp_path / "r.png", 1),
        (picture, 1),
        ("data:image/png;base64," + b64encode(PNG).decode(), 1),
        ("https://example.com/a.png", 1),
        (io.BytesIO(PNG), 1),
        ([PNG, picture], 2),
        (tmp_path.glob("*.png"), 1),
        ((), 0),
    ]
    talk = Talk(caller, caller.ai.chat("@cf/google/gemma-4-26b-a4b-it"))
    for images, number in forms:
        with row(images):
            talk.chat.messages = []
            talk.send("What is it?", images)
            content = service.sent["messages"][0]["content"]
            parts: list[Any] = [] if isinstance(content, str) else content[1:]
            assert [part["type"] for part in parts] == ["image_url"] * number
            assert all(part["image_url"]["url"].startswith(("data:image/png;base64,", "https:")) for part in parts)
    talk.chat.messages = []
    talk.send("", PNG)
    assert [part["type"] for part in service.sent["messages"][0]["content"]] == ["image_url"]


def test_what_is_no_question_is_refused_before_anything_is_sent(caller: Caller, service: Service) -> None:
    talk = Talk(caller, caller.ai.chat(LLAMA))
    refused: list[tuple[Any, Any, str]] = [
        (5, None, "`text` must be a string, got int"),
        (PNG, None, "got bytes: images go into `images`"),
        ("", None, "`text` must not be empty"),
        ("\ud800", None, "^text: the text has half of a surrogate pair"),
        ("x", b"<html>", r"images\[0\]\['url'\]|images\[0\] must be an image, got text/html"),
        ("x", [PNG, Path("gone.png")], r"images\[1\].*No such file"),
        ("x", [None], r"images\[0\] must be an image, got None"),
        ("x", "https://example.com/a.png", "takes no address on the web"),
    ]
    for text, images, message in refused:
        with row((text, images)), pytest.raises(InputError, match=message):
            talk.send(text, images)
    assert service.requests == []
    assert talk.chat.messages == []


# JSON


@SYNC_AND_ASYNC
def test_a_conversation_is_written_as_json_and_goes_on_where_it_was(caller: Caller, service: Service) -> None:
    options: dict[str, Any] = {"gateway": {"id": "g", "token": SECRET}, "extra_headers": {"x-key": SECRET}}
    chat = caller.ai.chat(SCOUT, system="Bréf.", inputs={"temperature": 0}, max_rounds=3, **options)
    Talk(caller, chat).send("Where? 😀", PNG)
    text = chat.to_json()
    assert text.isascii(), "`write_text` writes it whatever the machine's encoding is"
    assert SECRET not in text
    assert caller.token not in text
    again = Chat.from_json(caller.ai, text, **options)
    fields = ("model", "messages", "inputs", "max_rounds", "session_affinity")
    assert [getattr(again, name) for name in fields] == [getattr(chat, name) for name in fields]
    sent: list[Any] = []
    for each in (chat, again):
        Talk(caller, each).send("And why?")
        sent.append((service.sent, service.request.headers["x-session-affinity"], service.request.headers["x-key"]))
    assert sent[0] == sent[1]
    assert Chat.from_json(caller.ai, text.encode(), session_affinity="new").session_affinity == "new"


def test_tools_and_a_class_under_response_format_are_passed_anew(caller: Caller, service: Service) -> None:
    class City(BaseModel):
        name: str

    def get_weather(city: str) -> str:
        return "mild"

    text = caller.ai.chat(GLM, tools=[get_weather]).to_json()
    Talk(caller, Chat.from_json(caller.ai, text, tools=[get_weather])).send("Where?")
    assert [tool["function"]["name"] for tool in service.sent["tools"]] == ["get_weather"]
    text = caller.ai.chat(GLM, inputs={"response_format": City, "temperature": 0}).to_json()
    assert json.loads(text)["inputs"] == {"temperature": 0}
    again = Chat.from_json(caller.ai, text, inputs={"response_format": City})
    assert again.inputs == {"response_format": City, "temperature": 0}


@BACKENDS
def test_a_stream_that_was_closed_before_it_began_sends_nothing(backend: str, service: Service) -> None:
    async def main() -> None:
        async with Ai(account_id=ACCOUNT, api_token=TOKEN) as ai:
            stream = ai.chat(GLM).astream("Where?")
            assert (stream.text, stream.reasoning, stream.meta, stream.usage, stream.steps) == (
                "",
                "",
                Meta(),
                None,
                [],
            )
            await stream.aclose()
            with pytest.raises(ConfigurationError, match="was left, failed or was cancelled before its answer began"):
                await anext(stream)
        assert service.requests == []

    anyio.run(main, backend=backend)


@SYNC_AND_ASYNC
def test_a_stream_says_what_its_call_took(caller: Caller, service: Service) -> None:
    service.answers(service.events(*REASONED))
    chat = caller.ai.chat(GLM)
    if caller.portal is None:
        stream: Any = chat.stream("Where?")
        answer = stream.result()
    else:
        stream = chat.astream("Where?")
        answer = caller.portal.call(stream.aresult)
    assert (stream.text, stream.reasoning, stream.usage) == (answer.text, answer.reasoning, answer.usage)
    assert stream.reasoning != ""
    assert stream.meta is answer.meta


def test_a_conversation_that_cannot_be_read_or_written_says_why(caller: Caller) -> None:
    good = json.loads(caller.ai.chat(LLAMA, messages=said("Where?")).to_json())
    must = "must be what `to_json` returned"
    texts: list[tuple[Any, str]] = [
        ("", must),
        ("{", must),
        ("[]", must),
        ("[" * 100_000, must),
        ("{}", must),
        (b"\xff\xfe", must),
        (5, "got int"),
        (Path("chat.json"), "got PosixPath"),
        (json.dumps(good | {"version": 2}), "version 1, got one of version 2, which a later cfai wrote"),
        (json.dumps(good | {"version": "1"}), must),
        (json.dumps(good | {"messages": {}}), "`messages` of a conversation must be a list"),
        (json.dumps(good | {"model": None}), "`model` of a conversation must be a str"),
        (json.dumps(good | {"max_rounds": 0}), "`max_rounds` must be a number of 1 or more"),
        (json.dumps(good | {"inputs": {"stream": True}}), "got stream"),
        (json.dumps({name: good[name] for name in good if name != "inputs"}), "`inputs` of a conversation"),
    ]
    for text, message in texts:
        with row(text), pytest.raises(ConfigurationError, match=message):
            Chat.from_json(caller.ai, text)
    with pytest.raises(InputError, match=r"messages\[0\] must be a dict"):
        Chat.from_json(caller.ai, json.dumps(good | {"messages": ["Where?"]}))
    assert Chat.from_json(caller.ai, json.dumps(good | {"comment": "new"})).messages == said("Where?")
    chat = caller.ai.chat(LLAMA, inputs={"temperature": float("nan")})
    with pytest.raises(InputError, match=r"^inputs\['temperature'\]: nan cannot be sent"):
        chat.to_json()
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with row(copied), pytest.raises(ConfigurationError, match="to_json"):
            copied(chat)


# What no longer fits


class ByWords:
    """Counts a token a word, and nothing for the template."""

    def count_text(self, text: str) -> int:
        return len(text.split())


def words(number: int) -> str:
    return "word " * number


@SYNC_AND_ASYNC
def test_the_oldest_turns_are_left_out_in_large_steps_and_are_told(callers: Callers, service: Service) -> None:
    caller = callers(limit_overrides={LLAMA: 6000}, token_counter=ByWords())
    chat = caller.ai.chat(LLAMA, system="Be brief.", inputs={"max_tokens": 100})
    talk = Talk(caller, chat)
    starts: list[int] = []

    def ask(number: int) -> None:
        talk.send(f"{number} {words(400)}")
        sent = service.sent["messages"]
        assert sent[0] == SYSTEM
        starts.append(int(sent[1]["content"].split()[0]))
        assert sent == [SYSTEM, *chat.messages[1 + 2 * starts[-1] : -1]]
        assert chat.dropped == chat.messages[1 : 1 + 2 * starts[-1]]
        assert len(sent) * 200 < 5900

    with pytest.warns(LimitWarning, match=r"do not fit @cf/meta/llama-3.3.*`chat\.dropped` has them") as warned:
        deque(map(ask, range(40)), maxlen=0)
    assert len(warned) == 1
    assert caller.portal is not None or warned[0].filename == __file__
    assert len(chat.messages) == 81
    steps = sorted({*starts})
    assert len(steps) > 4
    assert all(after - before >= 3 for before, after in pairwise(steps)), steps
    assert starts == sorted(starts)


def test_whoever_runs_no_checks_or_knows_no_limit_sends_everything(callers: Callers, service: Service) -> None:
    history = [message for _ in range(40) for message in (said(words(400)))]
    known = callers(limit_overrides={LLAMA: 6000}, token_counter=ByWords())
    off = callers(limit_overrides={LLAMA: 6000}, token_counter=ByWords(), checks="off")
    for chat in (
        off.ai.chat(LLAMA, messages=history),
        known.ai.chat(LLAMA, messages=history, checks="off"),
        known.ai.chat(UNKNOWN, messages=history),
    ):
        Talk(off, chat).send("And why?")
        assert len(service.sent["messages"]) == 81
        assert chat.dropped == []
    chat = known.ai.chat(LLAMA, messages=history)
    with pytest.warns(LimitWarning):
        Talk(off, chat).send("And why?")
    assert 10 < len(service.sent["messages"]) < 40


def test_a_question_that_fits_no_model_is_left_to_the_check_of_run(callers: Callers, service: Service) -> None:
    caller = callers(limit_overrides={LLAMA: 2000}, token_counter=ByWords())
    talk = Talk(caller, caller.ai.chat(LLAMA, messages=said("Where?")))
    with pytest.raises(ContextLengthError), pytest.warns(LimitWarning):
        talk.send(words(5000))
    assert service.requests == []
    assert talk.chat.messages == said("Where?")
    assert talk.chat.dropped == []
    talk.send("And why?")
    assert len(service.sent["messages"]) == 3, "what failed leaves out nothing"


def test_a_large_question_keeps_as_many_turns_as_fit_beside_it(callers: Callers, service: Service) -> None:
    caller = callers(limit_overrides={LLAMA: 6000}, token_counter=ByWords())
    history = [message for number in range(12) for message in said(f"{number} {words(400)}")]
    talk = Talk(caller, caller.ai.chat(LLAMA, messages=history, inputs={"max_tokens": 100}))
    with pytest.warns(LimitWarning):
        talk.send(words(3700))
    assert len(service.sent["messages"]) >= 3


def test_an_edit_of_the_history_forgets_where_it_was_cut_only_if_that_is_gone(
    callers: Callers, service: Service
) -> None:
    caller = callers(limit_overrides={LLAMA: 6000}, token_counter=ByWords())
    history = [message for number in range(20) for message in said(f"{number} {words(400)}")]
    chat = caller.ai.chat(LLAMA, messages=history)
    talk = Talk(caller, chat)
    with pytest.warns(LimitWarning):
        talk.send("And why?")
    first = service.sent["messages"][0]
    del chat.messages[:4]
    talk.send("Once more?")
    assert service.sent["messages"][0] == first
    del chat.messages[: chat.messages.index(first) + 3]
    talk.send("And now?")
    assert service.sent["messages"] == chat.messages[:-1]
    assert chat.dropped == []


@SYNC_AND_ASYNC
def test_what_was_left_out_is_sent_again_once_there_is_room(callers: Callers, service: Service) -> None:
    caller = callers(limit_overrides={LLAMA: 6000, SCOUT: 9000}, token_counter=ByWords())
    history = [message for number in range(12) for message in said(f"{number} {words(400)}")]
    talk = Talk(caller, caller.ai.chat(LLAMA, messages=history, inputs={"max_tokens": 2000}))
    with pytest.warns(LimitWarning):
        talk.send("And why?")
    first = service.sent["messages"][0]
    talk.send("Once more?")
    assert service.sent["messages"][0] == first
    talk.chat.inputs["max_tokens"] = 500
    talk.send("And now?")
    assert history.index(service.sent["messages"][0]) < history.index(first)
    assert talk.chat.dropped == history[: history.index(service.sent["messages"][0])]
    talk.chat.model = SCOUT
    talk.send("Really?")
    assert service.sent["messages"] == talk.chat.messages[:-1]
    assert talk.chat.dropped == []


# What cannot work


def test_what_makes_no_conversation_is_refused_at_once(caller: Caller) -> None:
    refused: list[tuple[dict[str, Any], type[CfaiError], str]] = [
        ({"model": ""}, ConfigurationError, "`model` must be a name"),
        ({"system": 5}, ConfigurationError, "`system` must be a string, got 5"),
        ({"system": "a", "messages": [SYSTEM]}, ConfigurationError, "leave out either it or `system`"),
        ({"tools": "get_weather"}, ConfigurationError, "`tools` must be a list of functions, got"),
        ({"tools": copy.copy}, ConfigurationError, "got function"),
        ({"tools": [lambda: 1]}, ConfigurationError, "'<lambda>' is no name for a tool"),
        ({"model": "@cf/baai/bge-m3", "tools": []}, InputError, "cannot call tools"),
        ({"max_rounds": 0}, ConfigurationError, "`max_rounds` must be a number of 1 or more, got 0"),
        ({"max_rounds": True}, ConfigurationError, "got True"),
        ({"inputs": {"messages": []}}, ConfigurationError, "must be others than messages, .* got messages"),
        ({"inputs": 5}, InputError, "must be a dict"),
        ({"messages": "Where?"}, InputError, "`messages` must be a list of dicts, got str"),
        ({"messages": SYSTEM}, InputError, "`messages` must be a list of dicts, got dict"),
        ({"messages": [5]}, InputError, r"messages\[0\] must be a dict"),
        (
            {"messages": [SYSTEM, {"role": "user", "content": ["x", Path("gone.png")]}]},
            InputError,
            r"^messages\[1\]\['content'\]\[1\]: No such file",
        ),
        ({"return_raw_response": True}, TypeError, "unexpected keyword argument 'return_raw_response'"),
        ({"output_type": dict}, TypeError, "unexpected keyword argument 'output_type'"),
        ({"nonsense": 1}, TypeError, "unexpected keyword argument 'nonsense'"),
        ({"checks": "of"}, ConfigurationError, "`checks` must be"),
    ]
    for options, error, message in refused:
        with row(options), pytest.raises(error, match=message):
            cast("Any", caller.ai).chat(**{"model": LLAMA, **options})
    chat = caller.ai.chat(LLAMA)
    assert repr(chat) == f"Chat({LLAMA!r}, 0 messages)"
    chat.inputs["stream"] = True
    with pytest.raises(ConfigurationError, match="got stream"):
        Talk(caller, chat).send("Where?")


@pytest.mark.filterwarnings("ignore:`messages` is no input of")
def test_a_model_that_takes_no_messages_is_refused_before_anything_is_sent(caller: Caller, service: Service) -> None:
    moondream = "@cf/moondream/moondream3.1-9B-A2B"
    for model in (moondream, "@cf/openai/whisper", "@cf/baai/bge-m3", "@cf/llava-hf/llava-1.5-7b-hf"):
        with row(model):
            with pytest.raises(InputError, match="cannot hold a conversation, it takes no `messages`") as raised:
                caller.ai.chat(model)
            assert raised.value.model == model
            chat = caller.ai.chat(LLAMA)
            chat.model = model
            with pytest.raises(InputError, match="cannot hold a conversation"):
                Talk(caller, chat).send("Where?")
    assert service.requests == []
    service.answers(service.result({"caption": "A cat."}))
    for checks in ("off", "warn"):
        talk = Talk(caller, caller.ai.chat(moondream, checks=checks))
        for ask in (talk.send, talk.read):
            with pytest.raises(
                APIResponseValidationError, match=f"{moondream} must answer with text .*, got "
            ) as unread:
                ask("Where?")
            assert unread.value.model == moondream


@SYNC_AND_ASYNC
def test_no_error_of_a_conversation_shows_the_secrets_of_its_options(caller: Caller, service: Service) -> None:
    service.answers(service.error(400, 5006))
    options: dict[str, Any] = {"gateway": {"id": "g", "token": SECRET}, "extra_headers": {"x-key": SECRET}}
    talk = Talk(caller, caller.ai.chat(LLAMA, **options))
    text = talk.chat.to_json()
    failing: list[Any] = [
        lambda: talk.send("Where?"),
        lambda: talk.read("Where?"),
        lambda: caller.ai.chat(LLAMA, system=5, **options),  # type: ignore[arg-type]
        lambda: Chat.from_json(caller.ai, "{", **options),
        lambda: Chat.from_json(caller.ai, text.replace("llama", "/"), **options),
    ]
    for number, fail in enumerate(failing):
        with row(number):
            with pytest.raises(CfaiError) as raised:
                fail()
            assert SECRET not in show_error(raised.value)


@SYNC_AND_ASYNC
def test_usage_and_cost_add_up(talk: Talk, service: Service) -> None:
    assert (talk.chat.usage, talk.chat.cost) == (Usage(), None)
    service.answers(service.result({"response": "Hello"}))
    talk.send("Where?")
    assert (talk.chat.usage, talk.chat.cost) == (Usage(), None)
    service.answers(service.result({"response": "Hello", "usage": COUNTS | {"neurons": 2}}, cf_ai_neurons="2"))
    talk.send("Where?")
    talk.read("Where?")
    usage = talk.chat.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.neurons) == (6, 4, 10, 4.0)
    assert talk.chat.cost == pytest.approx(4 * 0.011 / 1000)


@SYNC_AND_ASYNC
def test_answers_that_do_not_fit_their_type_are_counted(caller: Caller, service: Service) -> None:
    class City(BaseModel):
        name: str

    for way, calls in (("send", 2), ("read", 1)):
        with row(way):
            talk = Talk(caller, caller.ai.chat(GLM, inputs={"response_format": City}))
            if way == "send":
                service.answers(service.result({"response": "Hello", "usage": COUNTS | {"neurons": 2}}))
            else:
                last = {"response": "", "usage": COUNTS | {"neurons": 2}}
                service.answers(service.events(event(json.dumps({"response": "Hello"})), event(json.dumps(last)), DONE))
            with pytest.raises(OutputValidationError):
                getattr(talk, way)("Where?")
            usage = talk.chat.usage
            assert (usage.total_tokens, usage.neurons) == (5 * calls, 2.0 * calls)
            assert talk.chat.cost == pytest.approx(2 * calls * 0.011 / 1000)
            assert talk.chat.messages == []
            service.answers(service.result({"response": '{"name": "Oslo"}', "usage": COUNTS}))
            assert talk.send("Where?").output == City(name="Oslo")
            assert len(talk.chat.messages) == 2
            assert talk.chat.usage.total_tokens == 5 * calls + 5
