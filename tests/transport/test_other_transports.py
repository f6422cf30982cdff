"""Failures of transports other than httpx's own: aiohttp's, and those that let anything through."""

from __future__ import annotations

import asyncio
import pickle
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from types import FrameType
from typing import Any

import anyio
import h11
import httpx
import pytest
from anyio.from_thread import BlockingPortal

from cfai import (
    APIConnectionError,
    APITimeoutError,
    BadRequestError,
    CfaiError,
    StreamError,
    StreamTruncatedError,
)
from tests.bodies import HELLO as HELLO_STREAM
from tests.conftest import LONG, SYNC_AND_ASYNC, TOKEN, Caller, Callers, Peer, Serve, row

httpx_aiohttp = pytest.importorskip("httpx_aiohttp")

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO = {"prompt": "Hello"}
STREAMED = {"prompt": "Hello", "stream": True}
ASYNCIO = pytest.mark.parametrize("portal", ["asyncio"], indirect=True)
JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
ECHO = f"Authorization: Bearer {TOKEN}\0\r\n\r\n".encode()


def break_in_body(peer: Peer, how: str) -> None:
    peer.send(JSON + b"content-length: 100\r\n\r\n{")
    time.sleep(0.05)  # both libraries forget what came just before a reset
    assert peer.left() if how == "silence" else peer.reset() is None


ANSWERS: dict[str, tuple[Any, type[CfaiError]]] = {
    "no status line": (b"SSH-2.0-OpenSSH_9.6\r\n", APIConnectionError),
    "bytes": (b"\0\xff\x80\r\n\r\n", APIConnectionError),
    "half a status line": (b"HTTP/1.1 2", APIConnectionError),
    "a bad header": (b"HTTP/1.1 200 OK\r\nno header\0\r\n\r\n", APIConnectionError),
    "the request's header": (b"HTTP/1.1 200 OK\r\n" + ECHO, APIConnectionError),
    "a long header": (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 300_000 + b"\r\n\r\n", APIConnectionError),
    "a length that is none": (JSON + b"content-length: many\r\n\r\n{}", APIConnectionError),
    "two lengths": (JSON + b"content-length: 1\r\ncontent-length: 2\r\n\r\n{}", APIConnectionError),
    "a bad chunk": (JSON + CHUNKED + b"zz\r\n", APIConnectionError),
    "a chunk of another length": (JSON + CHUNKED + b"5\r\n{abcdXX", APIConnectionError),
    "half a chunk": (JSON + CHUNKED + b"5\r\n{", APIConnectionError),
    "half a body": (JSON + b"content-length: 100\r\n\r\n{", APIConnectionError),
    "no gzip": (JSON + b"content-encoding: gzip\r\ncontent-length: 7\r\n\r\nno gzip", APIConnectionError),
    "nothing": (b"", APIConnectionError),
    "a reset": (lambda peer: peer.reset(), APIConnectionError),
    "a reset in the body": (lambda peer: break_in_body(peer, "reset"), APIConnectionError),
    "silence": (lambda peer: peer.left(), APITimeoutError),
    "silence in the body": (lambda peer: break_in_body(peer, "silence"), APITimeoutError),
    "an error with half a body": (b"HTTP/1.1 400 No\r\ncontent-length: 100\r\n\r\n{", BadRequestError),
}


class AiohttpCallers:
    """Makes an `Ai` on aiohttp."""

    def __init__(self, callers: Callers, portal: BlockingPortal) -> None:
        self.callers = callers
        self.portal = portal
        self.clients: list[Any] = []

    def __call__(self, url: str, total_timeout: float = 1.5) -> Caller:
        self.clients.append(httpx_aiohttp.HttpxAiohttpClient())
        return self.callers(base_url=url, async_http_client=self.clients[-1], timeout=0.5, total_timeout=total_timeout)


@pytest.fixture
def aiohttp_callers(callers: Callers, portal: BlockingPortal) -> Iterator[AiohttpCallers]:
    made = AiohttpCallers(callers, portal)
    yield made
    for client in made.clients:
        portal.call(client.aclose)


def frames_of(error: BaseException | None) -> Iterator[FrameType]:
    """Return the frames of an error's traceback and of all that stands behind it, but those of the tests."""
    seen: list[BaseException] = []
    left = [error]
    while left:
        if (each := left.pop()) is None or each in seen:
            continue
        seen.append(each)
        left += [each.__cause__, each.__context__]
        trace = each.__traceback__
        while trace is not None:
            if "/tests/" not in trace.tb_frame.f_code.co_filename:
                yield trace.tb_frame
            trace = trace.tb_next


def check_error(error: CfaiError) -> None:
    """Check that an error goes to another process, and that nothing on it shows a credential."""
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back)) == (type(error), str(error))
    shown = [str(error), repr(error), repr(vars(error)), repr(error.__cause__), repr(error.__context__)]
    shown += [repr(value) for frame in frames_of(error) for value in frame.f_locals.values()]
    assert [text[:200] for text in shown if TOKEN in text] == []


def play(peer: Peer, answer: Any) -> None:
    if peer.request():
        peer.send(answer) if isinstance(answer, bytes) else answer(peer)


@ASYNCIO
def test_with_aiohttp_no_answer_is_an_error_of_cfai_s_and_is_not_sent_again(
    aiohttp_callers: AiohttpCallers, serve: Serve
) -> None:
    for name, (answer, kind) in ANSWERS.items():
        server = serve(lambda peer, answer=answer: play(peer, answer))
        with row(name), pytest.raises(kind) as caught:
            aiohttp_callers(server.url).run(MODEL, HELLO)
        with row(name):
            assert isinstance(caught.value, kind)
            assert caught.value.status_code is None or "no answer" not in str(caught.value)
            assert (caught.value.retryable, len(server.requests)) == (False, 1)
            check_error(caught.value)


@ASYNCIO
def test_with_aiohttp_a_call_that_was_never_sent_is_sent_again(
    aiohttp_callers: AiohttpCallers, serve: Serve, sleeps: list[float]
) -> None:
    closed = serve(lambda peer: None)
    closed.close()
    plain = serve(lambda peer: peer.connection.recv(1000) and peer.send(b"HTTP/1.1 400 Bad\r\n\r\n"))
    for url in (closed.url, "https://nowhere.invalid/client/v4", f"https://localhost:{plain.port}/client/v4"):
        sleeps.clear()
        with row(url):
            with pytest.raises(APIConnectionError) as caught:
                aiohttp_callers(url, total_timeout=LONG).run(MODEL, HELLO)
            assert type(caught.value) is APIConnectionError
            assert (caught.value.retryable, len(sleeps)) == (True, 2)
            check_error(caught.value)


@ASYNCIO
def test_with_aiohttp_a_stream_that_breaks_keeps_what_had_come(aiohttp_callers: AiohttpCallers, serve: Serve) -> None:
    timed_out = ("silence", "a bad chunk")
    ends: dict[str, Any] = {
        "cut": lambda peer: time.sleep(0.05),
        "reset": lambda peer: (time.sleep(0.2), peer.reset()),
        "silence": lambda peer: peer.left(),
        # aiohttp 3.14 closes the connection and lets its reader wait for ever; the total timeout ends that.
        "a bad chunk": lambda peer: (time.sleep(0.05), peer.send(b"zz\r\n")),
    }
    for name, end in ends.items():
        server = serve(lambda peer, end=end: peer.request() and (peer.stream(HELLO_STREAM[0]), end(peer)))
        stream = aiohttp_callers(server.url).run(MODEL, STREAMED)
        with row(name):
            with pytest.raises(StreamTruncatedError) as caught:
                list(stream)
            assert (caught.value.partial, isinstance(caught.value, APITimeoutError)) == ("Hel", name in timed_out)
            check_error(caught.value)


# Transports that map nothing


class Broken(httpx.BaseTransport, httpx.AsyncBaseTransport, httpx.SyncByteStream, httpx.AsyncByteStream):
    """Raises an exception instead of an answer, or after a first piece of it."""

    def __init__(self, exception: Exception, content_type: str = "") -> None:
        self.exception = exception
        self.content_type = content_type
        self.requests = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        if not self.content_type:
            raise self.exception
        return httpx.Response(200, headers={"content-type": self.content_type}, stream=self)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)

    def __iter__(self) -> Iterator[bytes]:
        yield HELLO_STREAM[0]
        raise self.exception

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


NETWORK = [
    OSError(5, "Input/output error"),
    ConnectionResetError(104, "Connection reset by peer"),
    BrokenPipeError(32, "Broken pipe"),
    ssl.SSLError(1, "[SSL: BAD_RECORD_MAC] bad record mac"),
    EOFError("the end"),
    asyncio.IncompleteReadError(b"half", 8),
    anyio.BrokenResourceError(),
    anyio.ClosedResourceError(),
    anyio.EndOfStream(),
    h11.RemoteProtocolError("bad frame"),
    TimeoutError("too slow"),
]


@SYNC_AND_ASYNC
def test_what_a_transport_lets_through_is_an_error_of_cfai_s(callers: Callers, portal: Any) -> None:
    for exception in NETWORK:
        for content_type, inputs, kind in (
            ("", HELLO, APIConnectionError),
            ("application/json", HELLO, APIConnectionError),
            ("text/event-stream", STREAMED, StreamTruncatedError),
        ):
            broken = Broken(exception, content_type)
            with row((exception, content_type)):
                with pytest.raises(kind) as caught:
                    list(call_through(callers, broken, inputs))
                assert (caught.value.retryable, broken.requests) == (False, 1)
                assert caught.value.__cause__ is exception
                assert isinstance(caught.value, APITimeoutError) is isinstance(exception, TimeoutError)
                assert not isinstance(caught.value, StreamError) or caught.value.partial == "Hel"
                pickle.loads(pickle.dumps(caught.value))


@SYNC_AND_ASYNC
def test_a_refused_connection_of_any_transport_is_tried_again(callers: Callers, sleeps: list[float]) -> None:
    for exception in (ConnectionRefusedError(111, "Connection refused"), socket.gaierror(-2, "Name not known")):
        broken = Broken(exception)
        with row(exception):
            with pytest.raises(APIConnectionError) as caught:
                call_through(callers, broken, HELLO)
            assert (caught.value.retryable, broken.requests) == (True, 3)


@SYNC_AND_ASYNC
def test_a_mistake_of_the_client_s_owner_passes_unchanged(callers: Callers) -> None:
    for exception in (ValueError("x"), RuntimeError("x"), KeyError("x")):
        for content_type, inputs in (("", HELLO), ("application/json", HELLO), ("text/event-stream", STREAMED)):
            with row((exception, content_type)), pytest.raises(type(exception)) as caught:
                list(call_through(callers, Broken(exception, content_type), inputs))
            assert caught.value is exception


def call_through(callers: Callers, transport: Broken, inputs: Any) -> Any:
    """Return the answer of a client on `transport`."""
    if callers.portal is None:
        return callers(http_client=httpx.Client(transport=transport)).run(MODEL, inputs)
    return callers(async_http_client=httpx.AsyncClient(transport=transport)).run(MODEL, inputs)
