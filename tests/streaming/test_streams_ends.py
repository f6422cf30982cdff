"""Streams in both colours: how they end, and how they break."""

from __future__ import annotations

import json
import threading
import time
from itertools import product
from typing import Any, NamedTuple

import anyio
import httpx
import pytest
from anyio.from_thread import BlockingPortal

from cfai import (
    APIConnectionError,
    CutAnswerWarning,
    StreamError,
    StreamTruncatedError,
    Timeout,
)
from cfai._errors import StreamTimeoutError
from tests.bodies import DONE, HELLO, chat, event, native, one_token
from tests.conftest import ASYNC, LONG, SYNC_AND_ASYNC, Caller, Callers, Peer, Serve, Service, row

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
CHAT = "@cf/zai-org/glm-4.7-flash"


# Ending


GONE = httpx.ReadError("gone")
STOP = chat(finish_reason="stop")
MARKS = (DONE, b"data: [DONE]", b"data: [DONE]\n", b"data:[DONE]\n\n", b"data:[DONE]", b"[DONE]\n\n", b"[DONE]")
LATE = event('{"response":"late"}')
ENDS: list[tuple[str, list[bytes], Exception | None]] = [
    *(
        (f"{mark!r}, {breaks!r}", [*native("Hello"), mark], breaks)
        for mark, breaks in product((*MARKS, b"data: [DONE]\r\n\r\n", b"event: x\ndata: [DONE]"), (None, GONE))
    ),
    *(
        (f"{mark + late!r}", [*native("Hello"), mark, late], None)
        for mark, late in (
            *product((b"[DONE]\n", b"data: [DONE]\n", DONE), (LATE, b"data: garbage\n\n")),
            (b"data: [DONE]\n", b"event: error\ndata: x\n\n"),
        )
    ),
    ("a finish reason", [chat(content="Hello"), STOP], None),
    ("a finish reason that is not the last word", [chat(content="Hel"), STOP, chat(content="lo"), DONE], None),
    ("more after the end mark", [*HELLO, *native("more"), event("no json"), event('{"error":"x"}')], None),
    ("a break after the end mark", HELLO, GONE),
    ("a break after a finish reason", [chat(content="Hello", finish_reason="stop")], GONE),
    ("no blank line", [*native("Hel"), b'data: {"response":"lo","finish_reason":"stop"}'], None),
    ("no blank line and a break", [chat(content="Hel"), chat(content="lo", finish_reason="stop")[:-1]], GONE),
]


@SYNC_AND_ASYNC
def test_a_stream_ends_with_its_end_mark_or_a_finish_reason_in_every_cut(caller: Caller, service: Service) -> None:
    for name, pieces, breaks in ENDS:
        body = b"".join(pieces)
        for size in (1, 2, 5, 20):
            cut = [body[at : at + size] for at in range(0, len(body), size)]
            service.answers(service.events(*(pieces if size == 20 else cut), breaks=breaks))
            with row((name, size)):
                stream = caller.stream(MODEL, total_timeout=60)
                assert "".join(token.text for token in stream) == stream.result().text == "Hello"


def test_a_text_that_looks_like_the_end_is_a_text(caller: Caller, service: Service) -> None:
    text = "a" + " " * 70 + "[DONE]"
    body = b"".join([*native(text, "Hi"), DONE])
    for size in (1, 2, 5, 20, 1000):
        service.answers(service.events(*[body[at : at + size] for at in range(0, len(body), size)]))
        assert [token.text for token in caller.stream(MODEL)] == [text, "Hi"], size


@SYNC_AND_ASYNC
def test_after_done_the_connection_is_used_again_when_the_body_ends(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        while sent := peer.request():
            peer.stream(*HELLO)
            time.sleep(0.1 if b"a moment later" in sent else 0)
            peer.chunk(b"")

    server = serve(script)
    caller = callers(base_url=server.url)
    for prompt in ("at once", "a moment later", "at once", "a moment later"):
        stream = caller.stream(MODEL, prompt)
        assert [str(token) for token in stream] == ["Hel", "lo", ""], prompt
        assert stream.result().text == "Hello", prompt
    assert (len(server.requests), server.connections) == (4, 1)


@SYNC_AND_ASYNC
def test_a_body_that_is_held_open_or_goes_on_after_done_holds_nobody(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        sent = peer.request()
        if b'"stream":true' not in sent:
            peer.answer(b'{"response":"another"}')
            return
        peer.stream(*HELLO)
        if b"goes on" in sent:
            peer.drip(b": ping\n\n")
        if b"has trailers" in sent:
            peer.send(b"0\r\n")
            peer.drip_raw(b"x-trailer: 1\r\n")
        assert peer.left()

    server = serve(script)
    caller = callers(base_url=server.url)
    for prompt in ("is held open", "goes on", "has trailers"):
        started = time.monotonic()
        stream = caller.stream(MODEL, prompt)
        assert [str(token) for token in stream] == ["Hel", "lo", ""], prompt
        assert time.monotonic() - started < 5, prompt
        assert stream.result().text == "Hello", prompt
        assert not server.dripped, prompt
        assert caller.run(MODEL, {"prompt": "x"}).text == "another", prompt


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


class Break(NamedTuple):
    """How a stream breaks, and its error."""

    name: str
    pieces: list[bytes]
    partial: str = "Hel"
    breaks: Exception | None = None
    kind: type[StreamError] = StreamTruncatedError
    message: str = "neither|gone"
    code: int | str | None = None


def failing(data: str, message: str, code: int | str | None = None) -> Break:
    pieces = [*native("Hel"), event(data), *native("lo"), DONE]
    return Break(data, pieces, kind=StreamError, message=message, code=code)


REPORTED = '{"errors":[{"code":3040,"message":"no room"}]}'
LARGE = [b'data: {"response":"', *[b"x" * (1 << 20)] * 40]
BREAKS = [
    Break("nothing came", [], partial=""),
    *(Break(f"the end after {rest!r}", [*native("Hel"), rest]) for rest in (b"", b": ping\n\n", b'data: {"respo')),
    Break("a break", native("Hel"), breaks=GONE),
    Break("a break behind a line", [*native("Hel"), b'data: {"response":"lo"}\n'], "Hello", breaks=GONE),
    *(
        Break(f"a break in {rest!r}", [*native("Hel"), rest], breaks=GONE)
        for rest in (b'data: {"response":"l', b"data: ")
    ),
    failing(REPORTED, "no room", 3040),
    failing('{"error":"no room"}', "no room"),
    failing('{"error":{"code":"x","message":"no room"}}', "no room", "x"),
    failing('{"type":"error","code":"x","message":"no room"}', "no room", "x"),
    failing("<html>", "no JSON"),
    Break("no JSON before the end", [*native("Hel"), b"data: [1\n" + DONE], kind=StreamError, message="no JSON"),
    Break("an error and a break", [*native("Hel"), event(REPORTED)[:-2]], "Hel", GONE, StreamError, "no room", 3040),
    Break("no end of an event", [*native("Hel"), *LARGE], kind=StreamError, message="larger than"),
]


@SYNC_AND_ASYNC
def test_a_stream_that_breaks_is_an_error_with_what_came_before(caller: Caller, service: Service) -> None:
    for name, pieces, partial, breaks, kind, message, code in BREAKS:
        service.forget()
        service.answers(service.events(*pieces, breaks=breaks, cf_ai_req_id="id-1"))
        with row(name):
            stream, texts = caller.stream(MODEL), list[str]()
            with pytest.raises(kind, match=message) as caught:
                texts.extend(token.text for token in stream)
            error = caught.value
            assert type(error) is kind
            assert partial == "".join(texts) == error.partial == stream.text
            assert (error.code, error.model, error.request_id, error.retryable) == (code, MODEL, "id-1", False)
            assert kind is StreamError or error.__cause__ is breaks
            assert kind is not StreamTruncatedError or stream.usage is None
            if name.startswith("{"):
                assert error.body == json.loads(name)
            for again in (lambda stream=stream: next(stream), stream.result, stream.result):
                with pytest.raises(kind, match=message) as caught:
                    again()
                assert caught.value.partial == partial
            assert service.bodies[0].closed
            assert len(service.requests) == 1


@SYNC_AND_ASYNC
def test_a_real_connection_that_is_closed_or_reset_breaks_its_stream(callers: Callers, serve: Serve) -> None:
    for end in ("close", "reset"):
        seen = threading.Event()

        def script(peer: Peer, end: str = end, seen: threading.Event = seen) -> None:
            peer.request()
            peer.stream(HELLO[0])
            seen.wait(LONG)
            if end == "reset":
                peer.reset()

        stream = callers(base_url=serve(script).url).stream(MODEL)
        assert next(stream).text == "Hel"
        seen.set()
        error = truncated(stream)
        assert error.partial == "Hel", end
        assert isinstance(error.__cause__, httpx.TransportError), end


def dripping(peer: Peer) -> None:
    peer.request()
    peer.start()
    peer.drip(HELLO[0])


@SYNC_AND_ASYNC
def test_silence_is_an_error_and_so_is_a_total_timeout_that_passes(callers: Callers, serve: Serve) -> None:
    for name, script, options, message in (
        ("silence", one_token, {"timeout": Timeout(read=0.1)}, "silent"),
        ("silence for a number of seconds", one_token, {"timeout": 0.2}, "silent"),
        ("a total timeout in a silence", one_token, {"total_timeout": 1.5}, "silent|total timeout"),
        ("a total timeout in the middle", dripping, {"total_timeout": 1.5}, "total timeout"),
    ):
        server = serve(script)
        stream = callers(base_url=server.url).stream(MODEL, **options)
        with row(name):
            assert next(stream).text == "Hel"
            with pytest.raises(StreamTimeoutError, match=message) as caught:
                list(stream)
            error = caught.value
            assert (error.partial, error.retryable) == (stream.text, False)
            assert stream.text.startswith("Hel")
            assert "timeout" not in options or isinstance(error.__cause__, httpx.ReadTimeout)
            assert not server.dripped


@SYNC_AND_ASYNC
def test_what_is_not_the_networks_fault_goes_on_as_it_is(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("Hel"), breaks=ZeroDivisionError("the caller's transport")))
    with pytest.raises(ZeroDivisionError):
        list(caller.stream(MODEL))
    service.answers(httpx.ConnectError("refused"))
    with pytest.raises(APIConnectionError):
        caller.stream(MODEL, max_retries=None)


def test_a_stream_that_cannot_be_unpacked_is_an_error(caller: Caller, service: Service) -> None:
    service.answers(service.events(b"no gzip", content_encoding="gzip"))
    with pytest.raises(StreamTruncatedError):
        list(caller.stream(MODEL))


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
def test_an_answer_of_several_is_whole_when_each_has_ended(caller: Caller, service: Service) -> None:
    inputs = {"prompt": "x", "n": 2, "stream": True}
    first, second = (
        event(json.dumps({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": "stop"}]}))
        for index, text in enumerate("ab")
    )
    service.answers(service.events(first, second, breaks=GONE))
    assert len(caller.run(CHAT, inputs).result().choices) == 2
    service.answers(service.events(first, breaks=GONE))
    assert truncated(caller.run(CHAT, inputs)).partial == "a"


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
def test_a_body_that_cannot_be_closed_hides_no_error_and_raises_none(caller: Caller, service: Service) -> None:
    service.answers(stuck)
    stream = caller.stream(MODEL)
    for _ in range(2):
        error = truncated(stream)
        assert error.partial == "Hel"
        assert isinstance(error.__cause__, httpx.TransportError)
    with caller.stream(MODEL) as stream:
        assert next(stream).text == "Hel"


@ASYNC
def test_an_answer_is_whole_if_its_reader_leaves_late(callers: Callers, serve: Serve, portal: BlockingPortal) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.stream(*HELLO)
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
