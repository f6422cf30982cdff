"""Streams in both colours: iterating, leaving, ending and breaking."""

from __future__ import annotations

import gc
import gzip
import json
import threading
import time
import weakref
from contextlib import suppress
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from anyio.from_thread import BlockingPortal

from cfai import (
    APIConnectionError,
    APITimeoutError,
    AsyncStream,
    CfaiError,
    ConfigurationError,
    Stream,
    StreamError,
    StreamTimeoutError,
    StreamTruncatedError,
    Timeout,
    Token,
)
from cfai.types import ChatCompletion, NativeText, ResponsesOutput

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
EVERY_COLOUR = pytest.mark.parametrize("colour", ["run", "arun", "arun on trio"], indirect=True)
LONG = 10.0
"""Seconds after which a test gives up waiting for what should have happened at once."""
DONE = b"data: [DONE]\n\n"
USAGE = b'{"response":"","usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12,"neurons":0.5}}'


def event(data: str | bytes) -> bytes:
    return b"data: " + (data.encode() if isinstance(data, str) else data) + b"\n\n"


def native(*texts: str) -> list[bytes]:
    return [event(json.dumps({"response": text, "p": "abdefgh"})) for text in texts]


def chat(**delta: Any) -> bytes:
    reason = delta.pop("finish_reason", None)
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return event(json.dumps({"id": "1", "object": "chat.completion.chunk", "choices": [choice]}))


HELLO = [*native("Hel", "lo"), event(USAGE), DONE]
REASONED = [
    chat(role="assistant", content=""),
    chat(reasoning_content="Gr"),
    chat(reasoning_content="eet."),
    chat(content="Hel"),
    chat(content="lo"),
    chat(tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "wave", "arguments": '{"a":'}}]),
    chat(tool_calls=[{"index": 0, "id": None, "function": {"arguments": "1}"}}]),
    chat(finish_reason="tool_calls"),
    event('{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}}'),
    DONE,
]


# Iterating


@EVERY_COLOUR
def test_a_stream_gives_tokens(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    tokens = list(caller.stream(MODEL))
    assert all(type(token) is Token for token in tokens)
    assert [str(token) for token in tokens] == [token.text for token in tokens] == ["Hel", "lo", ""]
    assert tokens[0].raw == {"response": "Hel"}
    assert tokens[2].usage.total_tokens == 12


def test_each_colour_has_its_class(caller: Any, service: Any, colour: BlockingPortal | None) -> None:
    service.answers(service.events(*HELLO))
    with caller.stream(MODEL) as stream:
        assert isinstance(getattr(stream, "_stream", stream), Stream if colour is None else AsyncStream)


@EVERY_COLOUR
def test_tokens_can_be_taken_one_by_one(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    assert [next(stream).text, next(stream).text, next(stream).text] == ["Hel", "lo", ""]
    with pytest.raises(StopIteration):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)


@EVERY_COLOUR
def test_a_stream_knows_what_it_has_come_to(caller: Any, service: Any) -> None:
    service.answers(service.events(*REASONED, cf_ai_req_id="id-1"))
    stream = caller.stream(MODEL)
    assert (stream.text, stream.reasoning, stream.tool_calls, stream.finish_reason) == ("", "", [], None)
    seen = [(stream.text, stream.reasoning) for _ in stream]
    assert seen[2:5] == [("", "Greet."), ("Hel", "Greet."), ("Hello", "Greet.")]
    assert (stream.text, stream.reasoning, stream.finish_reason) == ("Hello", "Greet.", "tool_calls")
    [call] = stream.tool_calls
    assert (call.name, call.id, call.arguments, call.parsed) == ("wave", "call_1", '{"a":1}', {"a": 1})
    assert stream.usage.total_tokens == 12
    assert (stream.meta.request_id, stream.meta.model, stream.meta.status_code) == ("id-1", MODEL, 200)


@EVERY_COLOUR
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_cuts_do_not_matter(caller: Any, service: Any, size: int) -> None:
    body = b"\xef\xbb\xbf" + b"".join(native("H\u00e9", "l\u2028", "😀o")) + event(USAGE) + DONE
    service.answers(service.events(*[body[at : at + size] for at in range(0, len(body), size)]))
    stream = caller.stream(MODEL)
    assert [str(token) for token in stream] == ["Hé", "l\u2028", "😀o", ""]


@EVERY_COLOUR
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (HELLO, NativeText),
        (REASONED, ChatCompletion),
        (
            [
                event('{"type":"response.output_text.delta","delta":"Hello"}'),
                event(
                    '{"type":"response.completed","response":{"object":"response","status":"completed","output":'
                    '[{"type":"message","content":[{"type":"output_text","text":"Hello"}]}],'
                    '"usage":{"input_tokens":10,"output_tokens":2}}}'
                ),
            ],
            ResponsesOutput,
        ),
    ],
)
def test_the_result_is_that_of_the_same_call_without_streaming(
    caller: Any, service: Any, body: list[bytes], kind: type
) -> None:
    service.answers(service.events(*body, cf_ai_req_id="id-1"))
    stream = caller.stream(MODEL)
    result = stream.result()
    assert type(result) is kind
    assert result.text == str(result) == stream.text == "Hello"
    assert result.usage.total_tokens == 12
    assert result.tool_calls == stream.tool_calls
    assert result.meta.request_id == "id-1"


@EVERY_COLOUR
def test_asked_early_the_result_reads_the_rest(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    assert next(stream).text == "Hel"
    assert stream.result().text == "Hello"
    assert list(stream) == []
    assert service.bodies[0].closed


@EVERY_COLOUR
def test_asked_twice_it_is_the_same(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    assert stream.result().text == stream.result().text == "Hello"


def test_the_time_that_a_stream_took_is_known_at_its_end(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    before = stream.meta.elapsed
    time.sleep(0.01)
    stream.result()
    assert stream.meta.elapsed >= before + 0.01


def test_so_are_neurons_that_only_the_stream_has(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    assert stream.meta.neurons is None
    assert stream.result().meta.neurons == 0.5


def test_neurons_of_the_headers_win(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO, cf_ai_neurons="12.5"))
    assert caller.stream(MODEL).result().meta.neurons == 12.5


def test_a_compressed_stream_is_read(caller: Any, service: Any) -> None:
    packed = gzip.compress(b"".join(HELLO))
    service.answers(service.events(packed[:10], packed[10:], content_encoding="gzip"))
    assert caller.stream(MODEL).result().text == "Hello"


def test_a_stream_of_others_models_is_read(caller: Any, service: Any) -> None:
    service.answers(service.events(*REASONED))
    assert caller.stream("openai/gpt-5-mini").result().text == "Hello"


def test_several_answers_are_told_apart(caller: Any, service: Any) -> None:
    pieces = [(0, "a"), (1, "1"), (1, "2"), (0, "b")]
    chunks = [json.dumps({"choices": [{"index": index, "delta": {"content": text}}]}) for index, text in pieces]
    service.answers(service.events(*[event(chunk) for chunk in chunks], DONE))
    stream = caller.stream(MODEL)
    assert [(token.choice, token.text) for token in stream] == pieces
    assert stream.text == stream.result().text == "ab"
    assert [choice.message.content for choice in stream.result().choices] == ["ab", "12"]


# Leaving


@EVERY_COLOUR
def test_with_leaves_at_once(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    with caller.stream(MODEL) as stream:
        for token in stream:
            assert token.text == "Hel"
            break
        assert not service.bodies[0].closed
    assert service.bodies[0].closed
    assert stream.text == "Hel"


@EVERY_COLOUR
def test_with_leaves_also_before_the_first_token(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    with caller.stream(MODEL):
        pass
    assert service.bodies[0].closed


@EVERY_COLOUR
def test_with_leaves_also_by_an_exception(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    with pytest.raises(ZeroDivisionError), stream:
        raise ZeroDivisionError(next(stream))
    assert service.bodies[0].closed


@EVERY_COLOUR
def test_closing_leaves_and_can_be_done_twice(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    next(stream)
    stream.close()
    stream.close()
    assert service.bodies[0].closed
    assert list(stream) == []


def test_a_bare_break_leaves_as_soon_as_the_stream_is_forgotten(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    gc.disable()
    try:
        for token in caller.stream(MODEL):
            assert token.text == "Hel"
            break
        wait_for(lambda: service.bodies[0].closed)
    finally:
        gc.enable()


def test_a_stream_that_is_forgotten_unread_is_left_too(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    gc.disable()
    try:
        caller.stream(MODEL)
        wait_for(lambda: service.bodies[0].closed)
    finally:
        gc.enable()


def test_a_stream_that_was_read_is_no_cycle(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    gc.disable()
    try:
        stream = caller.stream(MODEL)
        for _ in stream:
            pass
        forgotten = weakref.ref(getattr(stream, "_stream", stream))
        del stream
        wait_for(lambda: forgotten() is None)
    finally:
        gc.enable()


def wait_for(happened: Any) -> None:
    """An event loop closes what was forgotten in its own time."""
    end = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


@EVERY_COLOUR
def test_the_result_of_a_stream_that_was_left_is_an_error(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    with caller.stream(MODEL) as stream:
        next(stream)
    with pytest.raises(StreamTruncatedError) as caught:
        stream.result()
    assert caught.value.partial == "Hel"


def test_an_asynchronous_stream_gives_its_result_without_waiting_once_it_was_read(service: Any, caller: Any) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    list(stream)
    assert getattr(stream, "_stream", stream).result().text == "Hello"


@pytest.mark.parametrize("colour", ["arun"], indirect=True)
def test_asking_too_early_spoils_nothing(service: Any, caller: Any) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    with pytest.raises(CfaiError):
        stream._stream.result()
    assert [str(token) for token in stream] == ["Hel", "lo", ""]
    assert stream.usage.total_tokens == 12


# Ending


@EVERY_COLOUR
@pytest.mark.parametrize(
    "end", [DONE, b"data: [DONE]", b"data:[DONE]\n\n", b"[DONE]\n\n", b"[DONE]", b"data: [DONE]\r\n\r\n"]
)
def test_done_is_the_end(caller: Any, service: Any, end: bytes) -> None:
    service.answers(service.events(*native("Hello"), end))
    assert caller.stream(MODEL).result().text == "Hello"


@EVERY_COLOUR
def test_a_finish_reason_is_an_end_too(caller: Any, service: Any) -> None:
    service.answers(service.events(chat(content="Hello"), chat(finish_reason="stop")))
    assert caller.stream(MODEL).result().text == "Hello"


def test_a_finish_reason_is_not_the_last_word(caller: Any, service: Any) -> None:
    service.answers(service.events(chat(content="Hel"), chat(finish_reason="stop"), chat(content="lo"), DONE))
    assert caller.stream(MODEL).result().text == "Hello"


def test_nothing_is_read_out_of_what_comes_after_done(caller: Any, service: Any) -> None:
    service.answers(service.events(*native("Hello"), DONE, *native("more"), event("no json"), event('{"error":"x"}')))
    stream = caller.stream(MODEL)
    assert [str(token) for token in stream] == ["Hello"]
    assert stream.result().text == "Hello"


def test_a_connection_that_breaks_after_done_breaks_nothing(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO, breaks=httpx.ReadError("gone")))
    assert caller.stream(MODEL).result().text == "Hello"


def test_one_that_breaks_after_a_finish_reason_neither(caller: Any, service: Any) -> None:
    service.answers(service.events(chat(content="Hello", finish_reason="stop"), breaks=httpx.ReadError("gone")))
    assert caller.stream(MODEL).result().text == "Hello"


def test_a_last_event_without_its_blank_line_is_delivered(caller: Any, service: Any) -> None:
    service.answers(service.events(*native("Hel"), b'data: {"response":"lo","finish_reason":"stop"}'))
    assert caller.stream(MODEL).result().text == "Hello"


@EVERY_COLOUR
def test_after_done_the_connection_is_used_again(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        while peer.request():
            peer.start()
            for piece in HELLO:
                peer.chunk(piece)
            peer.chunk(b"")

    server = serve(script)
    caller = callers(base_url=server.url)
    for _ in range(5):
        assert [str(token) for token in caller.stream(MODEL)] == ["Hel", "lo", ""]
    assert len(server.requests) == 5
    assert server.connections == 1


@EVERY_COLOUR
def test_also_if_the_body_ends_a_moment_later(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        while peer.request():
            peer.start()
            for piece in HELLO:
                peer.chunk(piece)
            time.sleep(0.1)
            peer.chunk(b"")

    server = serve(script)
    caller = callers(base_url=server.url)
    for _ in range(2):
        assert caller.stream(MODEL).result().text == "Hello"
    assert server.connections == 1


@EVERY_COLOUR
def test_a_body_that_is_held_open_after_done_holds_nobody(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        peer.request()
        if peer.server.connections > 1:
            peer.answer(b'{"response":"another"}')
            return
        peer.start()
        for piece in HELLO:
            peer.chunk(piece)
        assert peer.left()

    caller = callers(base_url=serve(script).url)
    started = time.monotonic()
    stream = caller.stream(MODEL)
    assert [str(token) for token in stream] == ["Hel", "lo", ""]
    assert time.monotonic() - started < 5
    assert stream.result().text == "Hello"
    assert caller.run(MODEL, {"prompt": "x"}).text == "another"


@EVERY_COLOUR
def test_a_body_that_goes_on_and_on_after_done_holds_nobody_either(
    callers: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfai._source.DRAIN", 0.1)

    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        for piece in HELLO:
            peer.chunk(piece)
        for _ in range(100):
            peer.chunk(b": ping\n\n")
            time.sleep(0.05)
        peer.server.finished = True

    server = serve(script)
    assert callers(base_url=server.url).stream(MODEL).result().text == "Hello"
    assert not hasattr(server, "finished")


@EVERY_COLOUR
def test_also_where_there_is_no_socket_to_shut(caller: Any, service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfai._source.DRAIN", 0.1)
    service.answers(service.events(*HELLO, *[b": ping\n\n"] * 300, pause=0.01))
    assert caller.stream(MODEL).result().text == "Hello"
    assert service.bodies[0].given < 200


@EVERY_COLOUR
@pytest.mark.parametrize("tokens", [0, 1])
def test_a_reader_who_leaves_closes_the_call(callers: Any, serve: Any, tokens: int) -> None:
    left = threading.Event()

    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        peer.chunk(HELLO[0])
        if peer.left():
            left.set()

    with callers(base_url=serve(script).url).stream(MODEL) as stream:
        for _ in range(tokens):
            next(stream)
    assert left.wait(LONG)


@EVERY_COLOUR
@pytest.mark.parametrize("content_type", ["text/event-stream", "text/plain; charset=utf-8"])
def test_tokens_come_as_they_are_sent(callers: Any, serve: Any, content_type: str) -> None:
    seen = threading.Event()

    def script(peer: Any) -> None:
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


# Breaking


def truncated(stream: Any) -> StreamTruncatedError:
    with pytest.raises(StreamTruncatedError) as caught:
        list(stream)
    return caught.value


@EVERY_COLOUR
@pytest.mark.parametrize(
    "body", [[], native("Hel"), [*native("Hel"), b": ping\n\n"], [*native("Hel"), b'data: {"respo']]
)
def test_a_stream_that_just_ends_is_an_error(caller: Any, service: Any, body: list[bytes]) -> None:
    service.answers(service.events(*body, cf_ai_req_id="id-1"))
    stream = caller.stream(MODEL)
    error = truncated(stream)
    assert error.partial == stream.text == ("Hel" if body else "")
    assert (error.model, error.request_id, error.retryable) == (MODEL, "id-1", False)
    assert stream.usage is None
    assert service.bodies[0].closed


@EVERY_COLOUR
def test_the_tokens_before_its_end_are_delivered(caller: Any, service: Any) -> None:
    service.answers(service.events(*native("Hel", "lo")))
    stream = caller.stream(MODEL)
    assert [next(stream).text, next(stream).text] == ["Hel", "lo"]
    with pytest.raises(StreamTruncatedError):
        next(stream)


@EVERY_COLOUR
def test_its_result_is_the_same_error_whenever_it_is_asked_for(caller: Any, service: Any) -> None:
    service.answers(service.events(*native("Hel")))
    stream = caller.stream(MODEL)
    for _ in range(2):
        with pytest.raises(StreamTruncatedError) as caught:
            stream.result()
        assert caught.value.partial == "Hel"


@EVERY_COLOUR
def test_a_connection_that_breaks_in_the_middle_is_an_error(caller: Any, service: Any) -> None:
    broke = httpx.ReadError("gone")
    service.answers(service.events(*native("Hel"), breaks=broke))
    error = truncated(caller.stream(MODEL))
    assert error.partial == "Hel"
    assert error.__cause__ is broke
    assert type(error) is StreamTruncatedError
    assert len(service.requests) == 1


@EVERY_COLOUR
@pytest.mark.parametrize("how", ["close", "reset"])
def test_also_over_a_real_one(callers: Any, serve: Any, how: str) -> None:
    seen = threading.Event()

    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        peer.chunk(HELLO[0])
        seen.wait(LONG)
        if how == "reset":
            peer.reset()

    stream = callers(base_url=serve(script).url).stream(MODEL)
    assert next(stream).text == "Hel"
    seen.set()
    error = truncated(stream)
    assert error.partial == "Hel"
    assert isinstance(error.__cause__, httpx.TransportError)


@EVERY_COLOUR
def test_silence_is_an_error(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        peer.chunk(HELLO[0])
        assert peer.left()

    stream = callers(base_url=serve(script).url).stream(MODEL, timeout=Timeout(between=0.1))
    assert next(stream).text == "Hel"
    with pytest.raises(StreamTimeoutError, match="silent") as caught:
        next(stream)
    error = caught.value
    assert error.partial == "Hel"
    assert isinstance(error.__cause__, httpx.ReadTimeout)
    assert isinstance(error, APITimeoutError)
    assert isinstance(error, StreamTruncatedError)
    assert not error.retryable


def test_a_number_of_seconds_bounds_the_silence_too(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        assert peer.left()

    with pytest.raises(StreamTimeoutError):
        list(callers(base_url=serve(script).url, timeout=0.2).stream(MODEL))


@EVERY_COLOUR
def test_a_deadline_passes_in_the_middle_of_a_stream(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        for _ in range(60):
            peer.chunk(HELLO[0])
            time.sleep(0.05)
        peer.server.finished = True

    server = serve(script)
    stream = callers(base_url=server.url).stream(MODEL, deadline=0.3)
    with pytest.raises(StreamTimeoutError, match="deadline") as caught:
        list(stream)
    assert caught.value.partial == stream.text
    assert stream.text.startswith("Hel")
    assert not hasattr(server, "finished")


@EVERY_COLOUR
def test_a_deadline_passes_in_a_silence(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        peer.chunk(HELLO[0])
        assert peer.left()

    stream = callers(base_url=serve(script).url).stream(MODEL, deadline=0.3)
    with pytest.raises(StreamTimeoutError) as caught:
        list(stream)
    assert caught.value.partial == "Hel"


def test_a_deadline_that_does_not_pass_changes_nothing(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    assert caller.stream(MODEL, deadline=60).result().text == "Hello"


@EVERY_COLOUR
@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        ('{"errors":[{"code":3040,"message":"no room"}]}', 3040, "no room"),
        ('{"error":"no room"}', None, "no room"),
        ('{"error":{"code":"x","message":"no room"}}', "x", "no room"),
        ('{"type":"error","code":"x","message":"no room"}', "x", "no room"),
    ],
)
def test_an_error_inside_a_stream_is_raised(
    caller: Any, service: Any, data: str, code: int | str | None, said: str
) -> None:
    service.answers(service.events(*native("Hel"), event(data), *native("lo"), DONE, cf_ai_req_id="id-1"))
    stream = caller.stream(MODEL)
    assert next(stream).text == "Hel"
    with pytest.raises(StreamError, match=said) as caught:
        list(stream)
    error = caught.value
    assert not isinstance(error, StreamTruncatedError)
    assert (error.code, error.partial, error.model, error.request_id) == (code, "Hel", MODEL, "id-1")
    assert error.body == json.loads(data)
    with pytest.raises(StreamError):
        stream.result()
    assert service.bodies[0].closed
    assert len(service.requests) == 1


@EVERY_COLOUR
def test_an_event_that_is_no_json_is_an_error(caller: Any, service: Any) -> None:
    service.answers(service.events(*native("Hel"), event("<html>"), DONE))
    with pytest.raises(StreamError, match="no JSON") as caught:
        list(caller.stream(MODEL))
    assert caught.value.partial == "Hel"


@EVERY_COLOUR
def test_what_is_not_the_networks_fault_goes_on_as_it_is(caller: Any, service: Any) -> None:
    service.answers(service.events(*native("Hel"), breaks=ZeroDivisionError("the caller's transport")))
    with pytest.raises(ZeroDivisionError):
        list(caller.stream(MODEL))


@EVERY_COLOUR
def test_an_event_without_an_end_is_given_up(caller: Any, service: Any) -> None:
    service.answers(service.events(*native("Hel"), b'data: {"response":"', *[b"x" * (1 << 20)] * 40))
    with pytest.raises(StreamError, match="larger than") as caught:
        list(caller.stream(MODEL))
    assert caught.value.partial == "Hel"
    assert service.bodies[0].closed


def test_a_stream_that_cannot_be_unpacked_is_an_error(caller: Any, service: Any) -> None:
    service.answers(service.events(b"no gzip", content_encoding="gzip"))
    with pytest.raises(StreamTruncatedError):
        list(caller.stream(MODEL))


# Raw events


@EVERY_COLOUR
def test_events_are_raw(caller: Any, service: Any) -> None:
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


@EVERY_COLOUR
def test_events_need_no_done_and_lose_what_no_blank_line_ended(caller: Any, service: Any) -> None:
    service.answers(service.events(b"data: a\n\ndata: b"))
    assert [event.data for event in caller.stream(MODEL).events()] == ["a"]
    assert service.bodies[0].closed


@EVERY_COLOUR
def test_events_break_when_the_connection_does(caller: Any, service: Any) -> None:
    service.answers(service.events(b"data: a\n\n", breaks=httpx.ReadError("gone")))
    events = caller.stream(MODEL).events()
    assert next(events).data == "a"
    with pytest.raises(StreamTruncatedError):
        next(events)


@EVERY_COLOUR
def test_leaving_the_events_leaves_the_call(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    events = caller.stream(MODEL).events()
    next(events)
    events.close()
    assert service.bodies[0].closed


# For a browser


def browser_events(pieces: Any) -> list[tuple[str, Any]]:
    """The name and the data of each event, without padding, as an `EventSource` would have them."""
    found: list[tuple[str, Any]] = []
    for block in b"".join(pieces).decode().split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        data = lines["data"]
        decoded = data if data == "[DONE]" else json.loads(data)
        if isinstance(decoded, dict):
            decoded.pop("p", None)
        found.append((lines.get("event", "message"), decoded))
    return found


@EVERY_COLOUR
@pytest.mark.parametrize("body", [HELLO[:2] + HELLO[3:], [chat(content="Hel"), chat(content="lo"), DONE]])
def test_native_is_one_dialect_for_every_model(caller: Any, service: Any, body: list[bytes]) -> None:
    service.answers(service.events(*body))
    assert browser_events(caller.stream(MODEL).sse()) == [
        ("message", {"response": "Hel"}),
        ("message", {"response": "lo"}),
        ("message", "[DONE]"),
    ]


@EVERY_COLOUR
def test_original_passes_events_on(caller: Any, service: Any) -> None:
    body = [b"event: tick\n" + event('{"response":0.10}'), chat(content="lo"), DONE]
    service.answers(service.events(*body))
    pieces = list(caller.stream(MODEL).sse("original"))
    assert pieces[0].startswith(b'event: tick\ndata: {"response":0.10,"p":"')
    assert browser_events(pieces)[1][1] == json.loads(body[1][6:])
    assert pieces[-1] == DONE


@pytest.mark.parametrize("dialect", ["native", "original"])
def test_every_event_is_padded_afresh(caller: Any, service: Any, dialect: str) -> None:
    service.answers(service.events(*native(*["x"] * 40), DONE))
    *pieces, done = caller.stream(MODEL).sse(dialect)
    assert done == DONE
    assert len(pieces) == 40
    assert all(b'"p":"' in piece for piece in pieces)
    assert len({len(piece) for piece in pieces}) > 3


@EVERY_COLOUR
@pytest.mark.parametrize("dialect", ["native", "original"])
@pytest.mark.parametrize(
    ("body", "breaks", "code", "said"),
    [
        (native("Hel"), None, None, "ended"),
        (native("Hel"), httpx.ReadError("gone"), None, "gone"),
        ([*native("Hel"), event('{"errors":[{"code":3040,"message":"no room"}]}'), DONE], None, 3040, "no room"),
        ([*native("Hel"), event("no json"), DONE], None, None, "no JSON"),
    ],
)
def test_a_stream_that_fails_tells_the_browser_and_is_done(
    caller: Any, service: Any, dialect: str, body: list[bytes], breaks: Any, code: int | None, said: str
) -> None:
    service.answers(service.events(*body, breaks=breaks))
    events = browser_events(caller.stream(MODEL).sse(dialect))
    assert events[0] == ("message", {"response": "Hel"})
    name, error = events[-2]
    assert name == "error"
    assert error["code"] == code
    assert said in error["message"]
    assert events[-1] == ("message", "[DONE]")
    assert sum(data == "[DONE]" for _, data in events) == 1


@EVERY_COLOUR
def test_json_in_the_place_of_a_stream_reaches_the_browser_too(caller: Any, service: Any) -> None:
    service.answers(service.result({"response": "Hello"}))
    events = browser_events(caller.stream(MODEL).sse())
    assert events == [("message", {"response": "Hello"}), ("message", "[DONE]")]


@EVERY_COLOUR
@pytest.mark.parametrize("dialect", ["native", "original"])
def test_a_browser_that_leaves_closes_the_call(callers: Any, serve: Any, dialect: str) -> None:
    left = threading.Event()

    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        peer.chunk(HELLO[0])
        if peer.left():
            left.set()

    pieces = callers(base_url=serve(script).url).stream(MODEL).sse(dialect)
    assert b"Hel" in next(pieces)
    pieces.close()
    assert left.wait(LONG)


@EVERY_COLOUR
def test_after_the_browser_had_it_all_there_is_a_result(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    list(stream.sse())
    assert stream.text == stream.result().text == "Hello"


def test_a_dialect_is_one_of_two(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    with caller.stream(MODEL) as stream, pytest.raises(ConfigurationError, match="dialect"):
        stream.sse("klingon")


# One body, read in one way

WAYS = {
    "tokens": lambda stream: next(iter(stream)),
    "events": lambda stream: next(stream.events()),
    "sse": lambda stream: next(stream.sse()),
}


@pytest.mark.parametrize("second", WAYS)
@pytest.mark.parametrize("first", WAYS)
def test_a_body_is_read_in_one_way(caller: Any, service: Any, first: str, second: str) -> None:
    service.answers(service.events(*HELLO))
    with caller.stream(MODEL) as stream:
        WAYS[first](stream)
        if first == second == "tokens":
            assert WAYS[second](stream).text == "lo"
            return
        with pytest.raises(ConfigurationError, match=first):
            WAYS[second](stream)


def test_events_leave_no_result(caller: Any, service: Any) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    list(stream.events())
    with pytest.raises(ConfigurationError, match="events"):
        stream.result()


# Two at once


@EVERY_COLOUR
def test_streams_do_not_mix(caller: Any, service: Any) -> None:
    service.answers(service.events(*native("a", "b"), DONE), service.events(*native("1", "2"), DONE))
    first, second = caller.stream(MODEL), caller.stream(MODEL)
    assert [next(first).text, next(second).text, next(first).text, next(second).text] == ["a", "1", "b", "2"]
    assert (first.result().text, second.result().text) == ("ab", "12")


@EVERY_COLOUR
def test_more_than_a_hundred_streams_can_be_open(callers: Any, serve: Any) -> None:
    finish = threading.Event()

    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        peer.chunk(HELLO[0])
        finish.wait(30)
        peer.chunk(DONE)
        peer.chunk(b"")

    caller = callers(base_url=serve(script).url)
    streams = [caller.stream(MODEL, timeout=20) for _ in range(105)]
    finish.set()
    assert {stream.result().text for stream in streams} == {"Hel"}


ASYNCHRONOUS = pytest.mark.parametrize("colour", ["arun", "arun on trio"], indirect=True)


@ASYNCHRONOUS
@pytest.mark.parametrize("way", ["tokens", "aevents", "asse"])
def test_a_reader_who_is_cancelled_closes_the_call(callers: Any, serve: Any, colour: BlockingPortal, way: str) -> None:
    left = threading.Event()

    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        peer.chunk(HELLO[0])
        if peer.left():
            left.set()

    ai = callers(base_url=serve(script).url).ai

    async def read() -> bool:
        with anyio.move_on_after(LONG) as scope:
            async with await ai.arun(MODEL, {"prompt": "x", "stream": True}) as stream:
                async for _ in stream if way == "tokens" else getattr(stream, way)():
                    scope.deadline = anyio.current_time()
        return scope.cancelled_caught

    assert colour.call(read)
    assert left.wait(LONG)


@ASYNCHRONOUS
def test_a_caller_who_is_cancelled_before_the_answer_closes_the_call(
    callers: Any, serve: Any, colour: BlockingPortal
) -> None:
    arrived, left = threading.Event(), threading.Event()

    def script(peer: Any) -> None:
        peer.request()
        arrived.set()
        if peer.left():
            left.set()

    ai = callers(base_url=serve(script).url).ai

    async def call() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(ai.arun, MODEL, {"prompt": "x"})
            await anyio.to_thread.run_sync(arrived.wait, LONG)
            group.cancel_scope.cancel()

    colour.call(call)
    assert left.wait(LONG)


def test_a_stream_may_be_read_by_one_thread_and_left_by_another(callers: Any, serve: Any) -> None:
    left = threading.Event()

    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        peer.chunk(HELLO[0])
        if peer.left():
            left.set()

    stream = callers(base_url=serve(script).url).stream(MODEL, timeout=0.5)
    next(stream)

    def read() -> None:
        with suppress(CfaiError, StopIteration):
            next(stream)

    reader = threading.Thread(target=read)
    reader.start()
    stream.close()
    assert left.wait(LONG)
    reader.join(LONG)
    assert not reader.is_alive()


def test_errors_before_a_stream_are_those_of_any_call(caller: Any, service: Any) -> None:
    service.answers(httpx.ConnectError("refused"))
    with pytest.raises(APIConnectionError):
        caller.stream(MODEL, retry=None)
