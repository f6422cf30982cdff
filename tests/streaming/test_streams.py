"""Streams in both colours: iterating, leaving, several at once."""

from __future__ import annotations

import gc
import gzip
import json
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from anyio.from_thread import BlockingPortal

from cfai import AsyncStream, CfaiError, ConfigurationError, Stream, StreamTruncatedError, Token
from cfai.types import ChatCompletion, MessagesOutput, NativeText, ResponsesOutput
from tests.bodies import DONE, HELLO, REASONED, RESPONSES_ANSWER, USAGE, event, native, one_token
from tests.conftest import ASYNC, LONG, SYNC_AND_ASYNC, Caller, Callers, Peer, Serve, Service, row, stream_of
from tests.decoding import wire

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


# Iterating


@SYNC_AND_ASYNC
def test_a_stream_gives_tokens_in_a_loop_or_one_by_one(caller: Caller, service: Service) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    assert isinstance(stream_of(stream), Stream if caller.portal is None else AsyncStream)
    tokens = list(stream)
    assert all(type(token) is Token for token in tokens)
    assert [str(token) for token in tokens] == [token.text for token in tokens] == ["Hel", "lo", ""]
    assert tokens[0].raw == {"response": "Hel"}
    assert tokens[2].usage.total_tokens == 12
    stream = caller.stream(MODEL)
    assert [next(stream).text, next(stream).text, next(stream).text] == ["Hel", "lo", ""]
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(stream)


@SYNC_AND_ASYNC
def test_a_stream_knows_what_it_has_come_to(caller: Caller, service: Service) -> None:
    service.answers(service.events(*REASONED, cf_ai_req_id="id-1"))
    stream = caller.stream(MODEL)
    assert (stream.text, stream.reasoning, stream.tool_calls, stream.finish_reason) == ("", "", [], None)
    seen = [(stream.text, stream.reasoning) for _ in stream]
    assert seen[2:5] == [("", "Greet."), ("Hel", "Greet."), ("Hello", "Greet.")]
    assert (stream.text, stream.reasoning, stream.finish_reason) == ("Hello", "Greet.", "tool_calls")
    [call] = stream.tool_calls
    assert (call.name, call.id, call.arguments, call.parse()) == ("wave", "call_1", '{"a":1}', {"a": 1})
    assert stream.usage.total_tokens == 12
    assert (stream.meta.request_id, stream.meta.model, stream.meta.status_code) == ("id-1", MODEL, 200)


@SYNC_AND_ASYNC
def test_neither_cuts_nor_compression_matter(caller: Caller, service: Service) -> None:
    body = b"\xef\xbb\xbf" + b"".join(native("H\u00e9", "l\u2028", "😀o")) + event(USAGE) + DONE
    for size in (1, 2, 3, 7, 64):
        for headers, sent in (({}, body), ({"content_encoding": "gzip"}, gzip.compress(body))):
            service.answers(service.events(*[sent[at : at + size] for at in range(0, len(sent), size)], **headers))
            stream = caller.stream(MODEL)
            assert [str(token) for token in stream] == ["Hé", "l\u2028", "😀o", ""], (size, headers)


RESPONSES = {
    "type": "response.completed",
    "response": RESPONSES_ANSWER | {"usage": {"input_tokens": 10, "output_tokens": 2}},
}


@SYNC_AND_ASYNC
def test_the_result_is_that_of_the_same_call_without_streaming(caller: Caller, service: Service) -> None:
    for model, body, kind in (
        (MODEL, HELLO, NativeText),
        *((model, REASONED, ChatCompletion) for model in (MODEL, "openai/gpt-5-mini")),
        ("anthropic/claude-haiku-4-5", [wire("messages").replace(b'"output_tokens": 7', b'"output_tokens": 2')],
         MessagesOutput),
        (MODEL, [event('{"type":"response.output_text.delta","delta":"Hello"}'), event(json.dumps(RESPONSES))],
         ResponsesOutput),
    ):  # fmt: skip
        service.answers(service.events(*body, cf_ai_req_id="id-1"))
        with row((model, kind)):
            stream = caller.stream(model)
            result = stream.result()
            assert type(result) is kind
            assert result.text == str(result) == stream.text == "Hello"
            assert result.usage.total_tokens == 12
            assert result.tool_calls == stream.tool_calls
            assert result.meta.request_id == "id-1"


@SYNC_AND_ASYNC
def test_the_result_reads_the_rest_and_stays_the_same(caller: Caller, service: Service) -> None:
    for headers, neurons in (({}, 0.5), ({"cf_ai_neurons": "12.5"}, 12.5)):
        service.answers(service.events(*HELLO, **headers))
        stream = caller.stream(MODEL)
        elapsed, known = stream.meta.elapsed, stream.meta.neurons
        assert next(stream).text == "Hel"
        time.sleep(0.01)
        assert stream.result().text == stream.result().text == stream_of(stream).result().text == "Hello"
        assert list(stream) == []
        assert stream.meta.elapsed >= elapsed + 0.01
        assert (known, stream.result().meta.neurons) == (12.5 if headers else None, neurons)
        assert service.bodies[-1].closed


def test_several_answers_are_told_apart(caller: Caller, service: Service) -> None:
    pieces = [(0, "a"), (1, "1"), (1, "2"), (0, "b")]
    chunks = [json.dumps({"choices": [{"index": index, "delta": {"content": text}}]}) for index, text in pieces]
    service.answers(service.events(*[event(chunk) for chunk in chunks], DONE))
    stream = caller.stream(MODEL)
    assert [(token.choice, token.text) for token in stream] == pieces
    assert stream.text == stream.result().text == "ab"
    assert [choice.message.content for choice in stream.result().choices] == ["ab", "12"]


@SYNC_AND_ASYNC
@pytest.mark.parametrize("content_type", ["text/event-stream", "text/plain; charset=utf-8"])
def test_tokens_come_as_they_are_sent(callers: Callers, serve: Serve, content_type: str) -> None:
    seen = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.start(content_type)
        peer.chunk(HELLO[0])
        assert seen.wait(LONG)
        for piece in HELLO[1:]:
            peer.chunk(piece)
        peer.chunk(b"")

    stream = callers(base_url=serve(script).url).stream(MODEL)
    assert next(stream).text == "Hel"
    seen.set()
    assert stream.result().text == "Hello"


# Leaving


@SYNC_AND_ASYNC
def test_a_stream_is_left_by_its_block_an_exception_or_closing(caller: Caller, service: Service) -> None:
    service.answers(service.events(*HELLO))
    with caller.stream(MODEL) as stream:
        for token in stream:
            assert token.text == "Hel"
            break
        assert not service.bodies[0].closed
    assert stream.text == "Hel"
    with pytest.raises(StreamTruncatedError) as caught:
        stream.result()
    assert caught.value.partial == "Hel"
    with caller.stream(MODEL):
        pass
    stream = caller.stream(MODEL)
    with pytest.raises(ZeroDivisionError), stream:
        raise ZeroDivisionError(next(stream))
    stream = caller.stream(MODEL)
    next(stream)
    stream.close()
    stream.close()
    with pytest.raises(StreamTruncatedError, match="left before its end") as caught:
        list(stream)
    assert caught.value.partial == "Hel"
    assert [body.closed for body in service.bodies] == [True] * 4


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Stop the garbage collector: what goes now goes because nobody holds it, not because the collector came by."""
    gc.disable()
    yield
    gc.enable()


@SYNC_AND_ASYNC
@pytest.mark.usefixtures("without_collector")
def test_a_stream_that_is_forgotten_ends_its_traffic(callers: Callers, serve: Serve) -> None:
    unread, server = serve(one_token), serve(one_token)
    callers(base_url=unread.url).stream(MODEL)
    assert unread.was_left.wait(LONG)
    for token in callers(base_url=server.url).stream(MODEL):
        assert token.text == "Hel"
        break
    assert server.was_left.wait(LONG)


@pytest.mark.parametrize("portal", ["sync"], indirect=True)
@pytest.mark.usefixtures("without_collector")
def test_an_event_stream_that_is_forgotten_while_its_model_thinks_ends_its_traffic(
    callers: Callers, serve: Serve
) -> None:
    server = serve(one_token)
    ai = callers(base_url=server.url).ai
    for piece in ai.run(MODEL, {"prompt": "x", "stream": True}).to_event_stream(ping=0.01):
        if piece.startswith(b":"):
            break
    assert server.was_left.wait(LONG)


@SYNC_AND_ASYNC
@pytest.mark.usefixtures("without_collector")
def test_a_stream_that_was_forgotten_is_closed_by_the_next_call(caller: Caller, service: Service) -> None:
    service.answers(service.events(*HELLO))
    next(caller.stream(MODEL))
    caller.stream(MODEL).close()
    assert [body.closed for body in service.bodies] == [True, True]


@pytest.mark.usefixtures("without_collector")
def test_a_stream_that_was_read_is_no_cycle(caller: Caller, service: Service) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    for _ in stream:
        pass
    forgotten = weakref.ref(stream_of(stream))
    del stream
    wait_for(lambda: forgotten() is None)


def wait_for(happened: Any) -> None:
    """Wait for what was forgotten: an event loop closes it in its own time."""
    end = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


@pytest.mark.parametrize("portal", ["asyncio"], indirect=True)
def test_asking_too_early_spoils_nothing(service: Service, caller: Caller) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    with pytest.raises(CfaiError):
        stream_of(stream).result()
    assert [str(token) for token in stream] == ["Hel", "lo", ""]
    assert stream.usage.total_tokens == 12


@SYNC_AND_ASYNC
def test_a_reader_who_leaves_closes_the_call(callers: Callers, serve: Serve) -> None:
    for tokens in (0, 1):
        server = serve(one_token)
        with callers(base_url=server.url).stream(MODEL) as stream:
            for _ in range(tokens):
                next(stream)
        assert server.was_left.wait(LONG), tokens


def test_a_stream_may_be_read_by_one_thread_and_left_by_another(callers: Callers, serve: Serve) -> None:
    server = serve(one_token)
    stream = callers(base_url=server.url).stream(MODEL, timeout=0.5)
    next(stream)

    def read() -> None:
        with suppress(CfaiError, StopIteration):
            next(stream)

    with ThreadPoolExecutor(1) as threads:
        reader = threads.submit(read)
        stream.close()
        assert server.was_left.wait(LONG)
        reader.result(LONG)


@ASYNC
@pytest.mark.parametrize("way", ["tokens", "aevents", "ato_event_stream"])
def test_a_cancelled_reader_closes_the_call(callers: Callers, serve: Serve, portal: BlockingPortal, way: str) -> None:
    server = serve(one_token)
    ai = callers(base_url=server.url).ai

    async def read() -> bool:
        with anyio.move_on_after(LONG) as scope:
            async with await ai.arun(MODEL, {"prompt": "x", "stream": True}) as stream:
                async for _ in stream if way == "tokens" else getattr(stream, way)():
                    scope.deadline = anyio.current_time()
        return scope.cancelled_caught

    assert portal.call(read)
    assert server.was_left.wait(LONG)


@ASYNC
def test_a_caller_cancelled_early_closes_the_call(callers: Callers, serve: Serve, portal: BlockingPortal) -> None:
    arrived = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        arrived.set()
        assert peer.left()

    server = serve(script)
    ai = callers(base_url=server.url).ai

    async def call() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(ai.arun, MODEL, {"prompt": "x"})
            await anyio.to_thread.run_sync(arrived.wait, LONG)
            group.cancel_scope.cancel()

    portal.call(call)
    assert server.was_left.wait(LONG)


WAYS = {
    "tokens": lambda stream: next(iter(stream)),
    "events": lambda stream: next(stream.events()),
    "an event stream": lambda stream: next(stream.to_event_stream()),
}


def test_a_body_is_read_in_one_way(caller: Caller, service: Service) -> None:
    service.answers(service.events(*HELLO))
    for first, second in product(WAYS, WAYS):
        with row((first, second)), caller.stream(MODEL) as stream:
            WAYS[first](stream)
            if first == second == "tokens":
                assert WAYS[second](stream).text == "lo"
                continue
            with pytest.raises(ConfigurationError, match=first):
                WAYS[second](stream)
    stream = caller.stream(MODEL)
    list(stream.events())
    with pytest.raises(ConfigurationError, match="events"):
        stream.result()


@SYNC_AND_ASYNC
def test_streams_do_not_mix(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("a", "b"), DONE), service.events(*native("1", "2"), DONE))
    first, second = caller.stream(MODEL), caller.stream(MODEL)
    assert [next(first).text, next(second).text, next(first).text, next(second).text] == ["a", "1", "b", "2"]
    assert (first.result().text, second.result().text) == ("ab", "12")


@SYNC_AND_ASYNC
def test_more_than_a_hundred_streams_can_be_open(callers: Callers, serve: Serve) -> None:
    finish = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.stream(HELLO[0])
        finish.wait(30)
        peer.chunk(DONE)
        peer.chunk(b"")

    caller = callers(base_url=serve(script).url)
    streams = [caller.stream(MODEL, timeout=20) for _ in range(105)]
    finish.set()
    assert {stream.result().text for stream in streams} == {"Hel"}


@SYNC_AND_ASYNC
def test_events_are_raw(caller: Caller, service: Service) -> None:
    body = b': ping\n\nid: 7\nevent: tick\nretry: 50\ndata: {"error":\ndata: "x"}\n\n'
    service.answers(service.events(body, event("no json"), DONE, event("more")))
    events = list(caller.stream(MODEL).events())
    assert [(event.event, event.data, event.id, event.retry) for event in events] == [
        ("tick", '{"error":\n"x"}', "7", 50),
        ("message", "no json", "7", None),
        ("message", "[DONE]", "7", None),
        ("message", "more", "7", None),
    ]
    assert type(events[0]).__module__.partition(".")[0] == "httpx_sse"


@SYNC_AND_ASYNC
def test_events_need_no_done_and_break_or_end_with_the_connection(caller: Caller, service: Service) -> None:
    for breaks in (None, httpx.ReadError("gone")):
        service.answers(service.events(b"data: a\n\ndata: b", breaks=breaks))
        events = caller.stream(MODEL).events()
        assert next(events).data == "a"
        with pytest.raises(StreamTruncatedError if breaks else StopIteration):
            next(events)
    service.answers(service.events(*HELLO))
    events = caller.stream(MODEL).events()
    next(events)
    events.close()
    assert [body.closed for body in service.bodies] == [True] * 3
