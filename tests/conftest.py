"""Tools of all tests: an `Ai` called alike sync and async, a mocked service, and a server that speaks raw bytes."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from time import sleep
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio
import httpx
import pytest
import respx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, settings

from cfai import Ai, AsyncStream, Stream, Token

if TYPE_CHECKING:
    from cfai.local import Emulator

ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "token-that-must-not-show-0123456789"
LONG = 10.0
"""Seconds after which a test gives up waiting for what should have happened at once."""

# How long an example takes is the machine's, and no reason to fail.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` has: more than cores, since many tests wait for servers and clocks."""
    return (os.cpu_count() or 1) + 3


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the machine's own credentials and proxies from the environment."""
    for name in list(os.environ):
        if name.startswith(("CLOUDFLARE_", "CF_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True, scope="session")
def _programs_hear_ctrl_c() -> None:
    """Undo that a runner in the background ignores Ctrl-C, and so would every program that the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def row(name: object) -> Iterator[None]:
    """Name the row of a table in whatever fails inside."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the row {name!r}")
        raise


# An `Ai`, sync and async


class Caller:
    """An `Ai` whose calls block, by `run` or by `arun` on an event loop in another thread."""

    account = ACCOUNT
    token = TOKEN

    def __init__(self, ai: Ai, portal: BlockingPortal | None) -> None:
        self.ai = ai
        self.portal = portal

    def run(self, model: str, inputs: Any, **options: Any) -> Any:
        if self.portal is None:
            return self.ai.run(model, inputs, **options)
        result = self.portal.call(partial(self.ai.arun, model, inputs, **options))
        return BlockingStream(result, self.portal) if isinstance(result, AsyncStream) else result

    def stream(self, model: str, prompt: str = "Hello", **options: Any) -> Any:
        """Stream an answer: a `Stream`, or a `BlockingStream`, which has the same methods."""
        return self.run(model, {"prompt": prompt, "stream": True}, **options)

    def with_options(self, **options: Any) -> Caller:
        return Caller(self.ai.with_options(**options), self.portal)

    def read(self, response: httpx.Response) -> bytes:
        return response.read() if self.portal is None else self.portal.call(response.aread)

    def leave(self, response: httpx.Response) -> None:
        response.close() if self.portal is None else self.portal.call(response.aclose)

    def close(self) -> None:
        self.ai.close()
        if self.portal is not None:
            self.portal.call(self.ai.aclose)


class BlockingIterator:
    """An asynchronous iterator, stepped through from outside its loop."""

    def __init__(self, items: Any, portal: BlockingPortal) -> None:
        self._items = items
        self._portal = portal

    def __iter__(self) -> BlockingIterator:
        return self

    def __next__(self) -> Any:
        found = self._portal.call(self._step)
        if not found:
            raise StopIteration
        return found[0]

    async def _step(self) -> list[Any]:
        try:
            return [await anext(self._items)]
        except StopAsyncIteration:
            return []

    def close(self) -> None:
        self._portal.call(self._items.aclose)


class BlockingStream(BlockingIterator):
    """An `AsyncStream` with the methods of a `Stream`."""

    def __init__(self, stream: AsyncStream[Any], portal: BlockingPortal) -> None:
        super().__init__(stream, portal)
        self.stream: Any = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __iter__(self) -> BlockingIterator:
        return BlockingIterator(aiter(self.stream), self._portal)

    def __enter__(self) -> BlockingStream:
        self._portal.call(self.stream.__aenter__)
        return self

    def __exit__(self, *error: Any) -> None:
        self._portal.call(self.stream.__aexit__, *error)

    def result(self) -> Any:
        return self._portal.call(self.stream.aresult)

    def partials(self) -> BlockingIterator:
        return BlockingIterator(self.stream.apartials(), self._portal)

    def events(self) -> BlockingIterator:
        return BlockingIterator(self.stream.aevents(), self._portal)

    def to_event_stream(self, *dialect: Any, ping: float | None = None) -> BlockingIterator:
        return BlockingIterator(self.stream.ato_event_stream(*dialect, ping=ping), self._portal)


def stream_of(stream: Stream[Token] | BlockingStream) -> Stream[Token] | AsyncStream[Token]:
    """Return the stream that cfai gave, without what makes it block."""
    return stream.stream if isinstance(stream, BlockingStream) else stream


@pytest.fixture(params=["sync", "asyncio"])
def portal(request: pytest.FixtureRequest) -> Iterator[BlockingPortal | None]:
    """Run an event loop for `arun`; nothing for `run`. Trio's is there for tests that ask for it."""
    if request.param == "sync":
        yield None
        return
    with start_blocking_portal(request.param) as portal:
        yield portal


SYNC_AND_ASYNC = pytest.mark.parametrize("portal", ["sync", "asyncio", "trio"], indirect=True)
ASYNC = pytest.mark.parametrize("portal", ["asyncio", "trio"], indirect=True)
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


class Callers:
    """Makes an `Ai` with the options that it is given, and closes it after the test."""

    def __init__(self, portal: BlockingPortal | None) -> None:
        self.portal = portal
        self.made: list[Caller] = []

    def __call__(self, account_id: str | None = ACCOUNT, api_token: str | None = TOKEN, **options: Any) -> Caller:
        self.made.append(Caller(Ai(account_id=account_id, api_token=api_token, **options), self.portal))
        return self.made[-1]


@pytest.fixture
def callers(portal: BlockingPortal | None) -> Iterator[Callers]:
    callers = Callers(portal)
    yield callers
    for caller in callers.made:
        caller.close()


@pytest.fixture
def caller(callers: Callers) -> Caller:
    """Make an `Ai` with nothing but credentials."""
    return callers()


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses between attempts, in seconds. None is slept, but the clock moves on by them."""
    slept: list[float] = []
    monotonic = time.monotonic

    async def asleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + sum(slept))
    monkeypatch.setattr(anyio, "sleep", asleep)
    return slept


# The service, mocked

Answer: TypeAlias = "Callable[[], httpx.Response] | Exception"


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in the pieces given, each after a pause of so many seconds, and then what breaks it."""

    def __init__(self, pieces: list[bytes], breaks: Exception | None, pause: float) -> None:
        self.pieces = pieces
        self.breaks = breaks
        self.pause = pause
        self.given = 0
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if self.closed:
                return
            self.given += 1
            yield piece
            sleep(self.pause)
        if self.breaks:
            raise self.breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pause, self.pause = self.pause, 0
        for piece in self:
            yield piece
            await anyio.sleep(pause)

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


class Service:
    """Workers AI as far as a test needs it: answers as told, and keeps what it was sent."""

    def __init__(self, router: respx.MockRouter) -> None:
        self.router = router
        self.requests: list[httpx.Request] = []
        self.timeouts: list[dict[str, Any]] = []
        self.bodies: list[Body] = []

    def answers(self, *answers: Answer) -> None:
        """Give one answer, or raise one exception, a call; the last again and again."""
        left = list(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            self.timeouts.append(dict(request.extensions["timeout"]))
            following = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(following, Exception):
                raise following
            return following()

        self.router.route().mock(side_effect=answer)

    def forget(self) -> None:
        """Forget what was sent and answered so far, for the next row of a table."""
        self.requests.clear()
        self.timeouts.clear()
        self.bodies.clear()

    @property
    def request(self) -> httpx.Request:
        return self.requests[-1]

    @property
    def url(self) -> str:
        return str(self.request.url)

    @property
    def sent(self) -> Any:
        """The JSON of the last request."""
        return json.loads(self.request.content)

    def raw(self, content: bytes, content_type: str | None, status: int = 200, **headers: str) -> Answer:
        """Any answer. Headers are given in snake case."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if content_type is not None:
            named["content-type"] = content_type
        return lambda: httpx.Response(status, headers=named, content=content)

    def json(self, body: Any, status: int = 200, **headers: str) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.raw(content, "application/json", status, **headers)

    def result(self, result: Any, **headers: str) -> Answer:
        return self.json({"result": result, "success": True, "errors": [], "messages": []}, **headers)

    def error(self, status: int, code: int | None = None, message: str = "it failed", **headers: str) -> Answer:
        problem = {"message": f"AiError: {message}"} | ({} if code is None else {"code": code})
        body = {"errors": [problem], "success": False, "result": {}, "messages": []}
        return self.json(body, status, **headers)

    def events(
        self, *pieces: bytes, breaks: Exception | None = None, pause: float = 0, status: int = 200, **headers: str
    ) -> Answer:
        """Return a stream, in the pieces given."""
        named = {"content_type": "text/event-stream"} | headers
        named = {name.replace("_", "-"): value for name, value in named.items()}

        def answer() -> httpx.Response:
            self.bodies.append(Body(list(pieces), breaks, pause))
            return httpx.Response(status, headers=named, stream=self.bodies[-1])

        return answer


@pytest.fixture
def service() -> Iterator[Service]:
    with respx.mock(assert_all_called=False) as router:
        service = Service(router)
        service.answers(service.result({"response": "Hello"}))
        yield service


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """Start an emulator that an `Ai` without arguments calls. Its text is the one that is hard to get right."""
    from cfai.local import Emulator

    with Emulator(text="hostile") as local:
        monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", local.base_url)
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", local.account_id)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", local.api_token)
        yield local


# A server of raw bytes


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket, server: Server) -> None:
        self.connection = connection
        self.server = server

    def request(self) -> bytes:
        """Receive one whole request; nothing if the client closed the connection instead."""
        received = b""
        while b"\r\n\r\n" not in received:
            piece = self.connection.recv(65536)
            if not piece:
                return b""
            received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while lengths and len(body) < int(lengths[0].partition(b":")[2]):
            body += self.connection.recv(65536)
        self.server.requests.append(head + b"\r\n\r\n" + body)
        return self.server.requests[-1]

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def answer(
        self, content: bytes, content_type: str = "application/json", status: str = "200 OK", head: str = ""
    ) -> None:
        """Send a whole answer. More headers go into `head`, each with its line end."""
        declared = f"content-type: {content_type}\r\ncontent-length: {len(content)}\r\n{head}\r\n"
        self.send(f"HTTP/1.1 {status}\r\n{declared}".encode() + content)

    def start(self, content_type: str = "text/event-stream") -> None:
        """Send the head of a chunked answer."""
        self.send(f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode())

    def stream(self, *pieces: bytes) -> None:
        """Send the head of a stream and so many chunks of it."""
        self.start()
        for piece in pieces:
            self.chunk(piece)

    def chunk(self, data: bytes) -> None:
        """Send a chunk; an empty one ends the body."""
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def drip(self, data: bytes) -> None:
        """Send one chunk so often that no single wait is long, for three seconds in all."""
        self.drip_raw(b"%x\r\n%s\r\n" % (len(data), data))

    def drip_raw(self, data: bytes) -> None:
        """Send bytes so often that no single wait is long, for three seconds in all."""
        for _ in range(60):
            self.send(data)
            sleep(0.05)
        self.server.dripped = True

    def left(self) -> bool:
        """Wait until the client closes the connection, and return whether it did."""
        try:
            while self.connection.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        self.server.was_left.set()
        return True

    def reset(self) -> None:
        """Break the connection rather than close it."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


Script: TypeAlias = Callable[[Peer], Any]


class Server:
    """A server on this machine that plays a script on each connection: what no mock can show."""

    def __init__(self, script: Script) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.dripped = False
        """True once a drip has come to its end."""
        self.was_left = threading.Event()
        """Set once a client has closed its connection to a script that waits for it."""
        self._script = script
        self._open: list[socket.socket] = []
        self._failed: list[BaseException] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.origin}/client/v4"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(LONG)
                self.connections += 1
                self._open.append(connection)
                self._threads.append(threading.Thread(target=self._play, args=[connection]))
                self._threads[-1].start()

    def _play(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._script(Peer(connection, self))
            except OSError:
                pass  # the client left, which is its right
            except BaseException as error:
                self._failed.append(error)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(LONG)
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(LONG)
        assert not any(thread.is_alive() for thread in self._threads)
        if self._failed:
            raise self._failed[0]


Serve: TypeAlias = Callable[[Script], Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers, each playing the script that it is given, and close them after the test."""
    servers: list[Server] = []

    def start(script: Script) -> Server:
        servers.append(Server(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
