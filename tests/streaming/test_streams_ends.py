"""Streams in both colours: how they end, and how they break."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import anyio
import httpx
import pytest
from anyio.from_thread import BlockingPortal

from cfai import (
    APIConnectionError,
    APITimeoutError,
    CutAnswerWarning,
    StreamError,
    StreamTruncatedError,
    Timeout,
)
from cfai._errors import StreamTimeoutError
from tests.bodies import DONE, HELLO, chat, event, native, one_token
from tests.conftest import LONG, SYNC_AND_ASYNC, Caller, Callers, Peer, Serve, Service

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


# Ending


@SYNC_AND_ASYNC
@pytest.mark.parametrize(
    "end", [DONE, b"data: [DONE]", b"data:[DONE]\n\n", b"[DONE]\n\n", b"[DONE]", b"data: [DONE]\r\n\r\n"]
)
def test_done_is_the_end(caller: Caller, service: Service, end: bytes) -> None:
    service.answers(service.events(*native("Hello"), end))
    assert caller.stream(MODEL).result().text == "Hello"


@SYNC_AND_ASYNC
def test_a_finish_reason_is_an_end_too(caller: Caller, service: Service) -> None:
    service.answers(service.events(chat(content="Hello"), chat(finish_reason="stop")))
    assert caller.stream(MODEL).result().text == "Hello"


def test_a_finish_reason_is_not_the_last_word(caller: Caller, service: Service) -> None:
    service.answers(service.events(chat(content="Hel"), chat(finish_reason="stop"), chat(content="lo"), DONE))
    assert caller.stream(MODEL).result().text == "Hello"


def test_nothing_is_read_out_of_what_comes_after_done(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("Hello"), DONE, *native("more"), event("no json"), event('{"error":"x"}')))
    stream = caller.stream(MODEL)
    assert [str(token) for token in stream] == ["Hello"]
    assert stream.result().text == "Hello"


def test_a_connection_that_breaks_after_done_breaks_nothing(caller: Caller, service: Service) -> None:
    service.answers(service.events(*HELLO, breaks=httpx.ReadError("gone")))
    assert caller.stream(MODEL).result().text == "Hello"


def test_one_that_breaks_after_a_finish_reason_neither(caller: Caller, service: Service) -> None:
    service.answers(service.events(chat(content="Hello", finish_reason="stop"), breaks=httpx.ReadError("gone")))
    assert caller.stream(MODEL).result().text == "Hello"


def test_a_last_event_without_its_blank_line_is_delivered(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("Hel"), b'data: {"response":"lo","finish_reason":"stop"}'))
    assert caller.stream(MODEL).result().text == "Hello"


@SYNC_AND_ASYNC
@pytest.mark.parametrize("pause", [0, 0.1], ids=["at once", "a moment later"])
def test_after_done_the_connection_is_used_again_when_the_body_ends(
    callers: Callers, serve: Serve, pause: float
) -> None:
    def script(peer: Peer) -> None:
        while peer.request():
            peer.start()
            for piece in HELLO:
                peer.chunk(piece)
            time.sleep(pause)
            peer.chunk(b"")

    server = serve(script)
    caller = callers(base_url=server.url)
    for _ in range(3):
        assert [str(token) for token in caller.stream(MODEL)] == ["Hel", "lo", ""]
        assert caller.stream(MODEL).result().text == "Hello"
    assert len(server.requests) == 6
    assert server.connections == 1


@SYNC_AND_ASYNC
def test_a_body_that_is_held_open_after_done_holds_nobody(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
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


@SYNC_AND_ASYNC
def test_a_body_that_goes_on_and_on_after_done_holds_nobody_either(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.start()
        for piece in HELLO:
            peer.chunk(piece)
        peer.drip(b": ping\n\n")

    server = serve(script)
    assert callers(base_url=server.url).stream(MODEL).result().text == "Hello"
    assert not server.dripped


@SYNC_AND_ASYNC
def test_a_body_without_a_socket_that_goes_on_after_done_holds_nobody(caller: Caller, service: Service) -> None:
    service.answers(service.events(*HELLO, *[b": ping\n\n"] * 300, pause=0.01))
    assert caller.stream(MODEL).result().text == "Hello"
    assert service.bodies[0].given < 200


# Breaking


def truncated(stream: Any) -> StreamTruncatedError:
    with pytest.raises(StreamTruncatedError) as caught:
        list(stream)
    return caught.value


@SYNC_AND_ASYNC
@pytest.mark.parametrize(
    "body", [[], native("Hel"), [*native("Hel"), b": ping\n\n"], [*native("Hel"), b'data: {"respo']]
)
def test_a_stream_that_just_ends_is_an_error(caller: Caller, service: Service, body: list[bytes]) -> None:
    service.answers(service.events(*body, cf_ai_req_id="id-1"))
    stream = caller.stream(MODEL)
    error = truncated(stream)
    assert error.partial == stream.text == ("Hel" if body else "")
    assert (error.model, error.request_id, error.retryable) == (MODEL, "id-1", False)
    assert stream.usage is None
    assert service.bodies[0].closed


@SYNC_AND_ASYNC
def test_the_tokens_before_its_end_are_delivered(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("Hel", "lo")))
    stream = caller.stream(MODEL)
    assert [next(stream).text, next(stream).text] == ["Hel", "lo"]
    with pytest.raises(StreamTruncatedError):
        next(stream)


@SYNC_AND_ASYNC
def test_the_result_of_a_broken_stream_is_the_same_error_whenever_it_is_asked_for(
    caller: Caller, service: Service
) -> None:
    service.answers(service.events(*native("Hel")))
    stream = caller.stream(MODEL)
    for _ in range(2):
        with pytest.raises(StreamTruncatedError) as caught:
            stream.result()
        assert caught.value.partial == "Hel"


@SYNC_AND_ASYNC
def test_a_connection_that_breaks_in_the_middle_is_an_error(caller: Caller, service: Service) -> None:
    broke = httpx.ReadError("gone")
    service.answers(service.events(*native("Hel"), breaks=broke))
    error = truncated(caller.stream(MODEL))
    assert error.partial == "Hel"
    assert error.__cause__ is broke
    assert type(error) is StreamTruncatedError
    assert len(service.requests) == 1


@SYNC_AND_ASYNC
@pytest.mark.parametrize("how", ["close", "reset"])
def test_leaving_a_stream_closes_a_real_connection(callers: Callers, serve: Serve, how: str) -> None:
    seen = threading.Event()

    def script(peer: Peer) -> None:
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


@SYNC_AND_ASYNC
def test_silence_is_an_error(callers: Callers, serve: Serve) -> None:
    stream = callers(base_url=serve(one_token).url).stream(MODEL, timeout=Timeout(read=0.1))
    assert next(stream).text == "Hel"
    with pytest.raises(StreamTimeoutError, match="silent") as caught:
        next(stream)
    error = caught.value
    assert error.partial == "Hel"
    assert isinstance(error.__cause__, httpx.ReadTimeout)
    assert isinstance(error, APITimeoutError)
    assert isinstance(error, StreamTruncatedError)
    assert not error.retryable


def test_a_number_of_seconds_bounds_the_silence_too(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.start()
        assert peer.left()

    with pytest.raises(StreamTimeoutError):
        list(callers(base_url=serve(script).url, timeout=0.2).stream(MODEL))


@SYNC_AND_ASYNC
def test_a_deadline_passes_in_the_middle_of_a_stream(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.start()
        peer.drip(HELLO[0])

    server = serve(script)
    stream = callers(base_url=server.url).stream(MODEL, total_timeout=0.3)
    with pytest.raises(StreamTimeoutError, match="total timeout") as caught:
        list(stream)
    assert caught.value.partial == stream.text
    assert stream.text.startswith("Hel")
    assert not server.dripped


@SYNC_AND_ASYNC
def test_a_deadline_passes_in_a_silence(callers: Callers, serve: Serve) -> None:
    stream = callers(base_url=serve(one_token).url).stream(MODEL, total_timeout=0.3)
    with pytest.raises(StreamTimeoutError) as caught:
        list(stream)
    assert caught.value.partial == "Hel"


def test_a_deadline_that_does_not_pass_changes_nothing(caller: Caller, service: Service) -> None:
    service.answers(service.events(*HELLO))
    assert caller.stream(MODEL, total_timeout=60).result().text == "Hello"


@SYNC_AND_ASYNC
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
    caller: Caller, service: Service, data: str, code: int | str | None, said: str
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


@SYNC_AND_ASYNC
def test_an_event_that_is_no_json_is_an_error(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("Hel"), event("<html>"), DONE))
    with pytest.raises(StreamError, match="no JSON") as caught:
        list(caller.stream(MODEL))
    assert caught.value.partial == "Hel"


@SYNC_AND_ASYNC
def test_what_is_not_the_networks_fault_goes_on_as_it_is(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("Hel"), breaks=ZeroDivisionError("the caller's transport")))
    with pytest.raises(ZeroDivisionError):
        list(caller.stream(MODEL))


@SYNC_AND_ASYNC
def test_an_event_without_an_end_is_given_up(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("Hel"), b'data: {"response":"', *[b"x" * (1 << 20)] * 40))
    with pytest.raises(StreamError, match="larger than") as caught:
        list(caller.stream(MODEL))
    assert caught.value.partial == "Hel"
    assert service.bodies[0].closed


def test_a_stream_that_cannot_be_unpacked_is_an_error(caller: Caller, service: Service) -> None:
    service.answers(service.events(b"no gzip", content_encoding="gzip"))
    with pytest.raises(StreamTruncatedError):
        list(caller.stream(MODEL))


def test_errors_before_a_stream_are_those_of_any_call(caller: Caller, service: Service) -> None:
    service.answers(httpx.ConnectError("refused"))
    with pytest.raises(APIConnectionError):
        caller.stream(MODEL, max_retries=None)


def test_a_stream_that_falls_silent_says_which_timeout_passed(caller: Caller, service: Service) -> None:
    silent = httpx.ReadTimeout("no bytes")
    for options, pause, message in (
        ({"timeout": 7}, 0, "the stream was silent for 7 s: raise timeout= if the model needs longer"),
        ({"total_timeout": 60}, 0, "the stream was silent for 60 s: raise timeout= if the model needs longer"),
        ({"total_timeout": 0.05}, 0.1, "in the middle of the stream the total timeout of 0.05 s passed: raise "
         "total_timeout= if the model needs longer"),
    ):  # fmt: skip
        service.answers(service.events(HELLO[0], breaks=silent, pause=pause))
        stream = caller.stream(MODEL, **options)
        with pytest.raises(StreamTimeoutError) as caught:
            stream.result()
        assert str(caught.value).startswith(message), options


@SYNC_AND_ASYNC
def test_what_came_before_a_break_is_part_of_the_answer(caller: Caller, service: Service) -> None:
    for rest, text in ((b'data: {"response":"lo"}\n', "Hello"), (b'data: {"response":"l', "Hel"), (b"data: ", "Hel")):
        service.answers(service.events(*native("Hel"), rest, breaks=httpx.ReadError("gone")))
        stream = caller.stream(MODEL)
        assert truncated(stream).partial == stream.text == text, rest
    last = chat(content="lo", finish_reason="stop").removesuffix(b"\n")
    service.answers(service.events(chat(content="Hel"), last, breaks=httpx.ReadError("gone")))
    assert caller.stream(MODEL).result().text == "Hello"


@SYNC_AND_ASYNC
def test_each_token_before_a_break_is_given(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("Hel"), b'data: {"response":"lo"}\n', breaks=httpx.ReadError("gone")))
    stream = caller.stream(MODEL)
    assert [next(stream).text, next(stream).text] == ["Hel", "lo"]
    for _ in range(2):
        with pytest.raises(StreamTruncatedError, match="gone"):
            next(stream)


@SYNC_AND_ASYNC
def test_an_error_of_the_service_in_what_came_last_wins_over_the_break(caller: Caller, service: Service) -> None:
    reported = b'data: {"errors":[{"code":3040,"message":"no room"}]}'
    service.answers(service.events(*native("Hel"), reported, breaks=httpx.ReadError("gone")))
    with pytest.raises(StreamError, match="no room") as caught:
        list(caller.stream(MODEL))
    assert (caught.value.code, caught.value.partial) == (3040, "Hel")


@SYNC_AND_ASYNC
def test_an_answer_of_several_is_whole_when_each_has_ended(caller: Caller, service: Service) -> None:
    inputs = {"prompt": "x", "n": 2, "stream": True}
    first = event('{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}')
    second = event('{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":"stop"}]}')
    service.answers(service.events(first, second, breaks=httpx.ReadError("gone")))
    assert len(caller.run(MODEL, inputs).result().choices) == 2
    service.answers(service.events(first, breaks=httpx.ReadError("gone")))
    assert truncated(caller.run(MODEL, inputs)).partial == "a"


@pytest.mark.parametrize("portal", ["sync"], indirect=True)
def test_what_arrives_as_the_total_timeout_passes_is_not_lost(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("Hel"), b"".join([*native("lo"), DONE]), pause=0.3))
    assert caller.stream(MODEL, total_timeout=0.1).result().text == "Hello"


class Stuck(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks behind its first token, and then cannot be closed."""

    def __iter__(self) -> Any:
        yield HELLO[0]
        raise httpx.ReadError("gone")

    async def __aiter__(self) -> Any:
        yield HELLO[0]
        raise httpx.ReadError("gone")

    def close(self) -> None:
        raise httpx.CloseError("stuck")

    async def aclose(self) -> None:
        raise httpx.CloseError("stuck")


def stuck() -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Stuck())


@SYNC_AND_ASYNC
def test_a_body_that_cannot_be_closed_hides_no_error(caller: Caller, service: Service) -> None:
    service.answers(stuck)
    stream = caller.stream(MODEL)
    for _ in range(2):
        error = truncated(stream)
        assert error.partial == "Hel"
        assert isinstance(error.__cause__, httpx.TransportError)


@pytest.mark.parametrize("portal", ["asyncio", "trio"], indirect=True)
def test_an_answer_is_whole_although_reading_is_cancelled_after_done(
    callers: Callers, serve: Serve, portal: BlockingPortal
) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.start()
        for piece in HELLO:
            peer.chunk(piece)
        assert peer.left()

    ai = callers(base_url=serve(script).url).ai

    async def read() -> Any:
        stream = await ai.arun(MODEL, {"prompt": "x", "stream": True})
        with anyio.move_on_after(0.3) as scope:
            async for _ in stream:
                pass
        assert scope.cancelled_caught
        return stream.result()

    result = portal.call(read)
    assert (result.text, result.usage.total_tokens) == ("Hello", 12)


@SYNC_AND_ASYNC
def test_leaving_a_body_that_cannot_be_closed_raises_nothing(caller: Caller, service: Service) -> None:
    service.answers(stuck)
    with caller.stream(MODEL) as stream:
        assert next(stream).text == "Hel"


@pytest.mark.filterwarnings("error::cfai.CutAnswerWarning")
def test_a_warning_that_is_an_error_leaves_nothing_open(caller: Caller, service: Service) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 256, "total_tokens": 257}
    last = event(json.dumps({"response": "", "usage": usage, "finish_reason": "length"}))
    for breaks in (None, httpx.ReadError("gone")):
        service.answers(service.events(*native("Hel"), last, *([] if breaks else [DONE]), breaks=breaks))
        stream = caller.stream(MODEL)
        with pytest.raises(CutAnswerWarning):
            list(stream)
        assert service.bodies[-1].closed, breaks
        assert stream.result().text == "Hel", breaks
