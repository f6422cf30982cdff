"""Answer requests: each is read whole, and its client watched while it is answered."""

from __future__ import annotations

import asyncio
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, cast
from urllib.parse import parse_qsl

from cfai.local.server._access import AccessRules
from cfai.local.server._websocket import WebSocketConnection, cut_off

T = TypeVar("T")

# ASGI's own types. https://asgi.readthedocs.io/en/latest/specs/main.html
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY_SIZE = 100 * 1024 * 1024
"""Bytes of a request's body that are taken."""

MAX_OPEN_SECONDS = 600.0
"""Seconds that a silent or held connection stays open at most."""


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it came."""

    method: str
    path: str
    """Still encoded."""

    query: str
    headers: Mapping[str, str]
    """Names in lower case."""

    body: bytes | None
    """`None` if it is too large."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def parameters(self) -> dict[str, str]:
        """The query's parameters, each with its last value."""
        return dict(parse_qsl(self.query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request, and how it was answered, for a log."""

    method: str
    path: str
    """Still encoded."""

    status: int | None
    """`None` if no status line was sent."""

    seconds: float
    """From its head to the end of its answer."""

    left_by_client: bool
    """True if its client left before the end."""


class Application(ABC):
    """An ASGI application that knows its connections: some faults are to close one."""

    own_hosts: ClassVar[tuple[str, ...]] = ()
    """Names that it answers to besides those of loopback."""
    opens_websockets: ClassVar[bool] = False
    """True if it has a `converse`. Else whoever asks for a WebSocket is answered as if they had not."""

    def __init__(self, display_name: str, access: AccessRules) -> None:
        self.display_name = display_name
        """The name of its server in error messages."""
        self.access = access
        self.stopping = False
        """Set when the server is about to cut off everyone itself."""
        self.log_request: Callable[[AnsweredRequest], object] | None = None
        """Called with each request once it was answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, unless its client has left already."""
        if scope["type"] == "websocket":
            return await self._open_websocket(scope, receive, send)
        started = time.monotonic()
        connection = Connection(self, receive, send, scope["state"]["transport"])
        body = await connection.read_body()
        if connection.is_gone:
            return
        path, query, headers = _read_head(scope)
        watch = asyncio.create_task(connection.watch())
        try:
            if self.access.allows_host(headers.get("host", ""), self.own_hosts):
                await self.answer(connection, RawRequest(scope["method"], path, query, headers, body))
            else:
                await connection.send_text(403, "text/plain", self._refuse_host())
        finally:
            watch.cancel()
            if self.log_request is not None:
                seconds, left = time.monotonic() - started, connection.left_by_client
                self.log_request(AnsweredRequest(scope["method"], path, connection.status, seconds, left))

    async def _open_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        websocket = WebSocketConnection(receive, send, scope["state"]["transport"])
        path, query, headers = _read_head(scope)
        try:
            if self.access.allows_host(headers.get("host", ""), self.own_hosts):
                await self.converse(websocket, RawRequest("GET", path, query, headers, b""))
            else:
                await websocket.refuse(403, "text/plain", self._refuse_host().encode())
        finally:
            if self.log_request is not None:
                seconds, left = time.monotonic() - started, websocket.left_by_client
                self.log_request(AnsweredRequest("GET", path, websocket.status, seconds, left))

    def _refuse_host(self) -> str:
        # A web page may have had its own name resolved to this machine.
        return f"Host not allowed: {self.display_name} answers to loopback names only\n"

    async def converse(self, websocket: WebSocketConnection, request: RawRequest) -> None:
        """Hold the conversation of a WebSocket, or refuse it."""
        raise NotImplementedError  # asked only of an application with `opens_websockets`, which has its own

    @abstractmethod
    async def answer(self, connection: Connection, request: RawRequest) -> None:
        """Answer a request."""

    async def aclose(self) -> None:
        """Close what was opened, if anything was. By now every request has ended."""
        return


def _read_head(scope: Scope) -> tuple[str, str, dict[str, str]]:
    """Return path and query of a request, still encoded, and its headers."""
    path, query = (cast(bytes, scope[name]).decode("latin-1") for name in ("raw_path", "query_string"))
    return path, query, {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


class Connection:
    """The connection of one request."""

    def __init__(self, application: Application, receive: Receive, send: Send, transport: asyncio.Transport) -> None:
        self._application = application
        self._receive = receive
        self._send = send
        self._transport = transport
        self._gone = asyncio.Event()
        self._ended = False
        self.status: int | None = None
        """The status that was sent, once it was."""
        self.left_by_client = False
        """True if the client left before its answer's end, while the server still ran."""

    @property
    def is_gone(self) -> bool:
        """True if the client has left."""
        return self._gone.is_set()

    async def read_body(self) -> bytes | None:
        """Return the request's body, or `None` if it is too large or did not arrive."""
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone.set()
                return None
            more = message.get("more_body", False)
            size += len(message.get("body", b""))
            # Read on, or the client would never get to see the answer.
            if size <= MAX_BODY_SIZE:
                parts.append(message.get("body", b""))
        return b"".join(parts) if size <= MAX_BODY_SIZE else None

    async def run_until_gone(self, work: Awaitable[T]) -> T | None:
        """Return what `work` comes to, or `None` if the client leaves before: then it is cancelled."""
        task, gone = asyncio.ensure_future(work), asyncio.ensure_future(self._gone.wait())
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return None
        return task.result()

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status line and the headers."""
        self.status = status
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        # Other requests get their turn, and a client's leaving is noticed.
        await asyncio.sleep(0)

    async def end(self, *, hold: bool = False) -> None:
        """End the body as it should be; with `hold`, only when the client has left."""
        self._ended = True
        if hold:
            await self.pause(MAX_OPEN_SECONDS)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send_text(self, status: int, content_type: str, text: str) -> None:
        """Send a whole answer."""
        body = text.encode("utf-8", "replace")
        await self.start(status, {"content-type": content_type, "content-length": str(len(body))})
        await self.write(body)
        await self.end()

    async def pause(self, seconds: float) -> None:
        """Wait, but not for a client that has left."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self._gone.wait(), seconds)
            except TimeoutError:
                return

    async def cut(self, last: bytes = b"", *, reset: bool = False) -> None:
        """Close the connection as it stands, after these `last` bytes."""
        self._ended = True
        self._transport.write(last)
        cut_off(self._transport, reset=reset)
        # An application that returns before its connection is gone is taken for a broken one.
        await self.pause(MAX_OPEN_SECONDS)

    async def watch(self) -> None:
        """Notice when the client leaves. By now the request's body has been read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left_by_client = not (self._ended or self._application.stopping)
        self._gone.set()
