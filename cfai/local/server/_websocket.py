"""A WebSocket that a client asks for: refused, or opened for messages both ways."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any


class WebSocketConnection:
    """The connection of one WebSocket, as ASGI has it. https://asgi.readthedocs.io/en/latest/specs/www.html#websocket"""

    def __init__(
        self, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]], transport: Any
    ) -> None:
        self._receive = receive
        self._send = send
        self._transport: asyncio.Transport = transport
        self.status: int | None = None
        """The status that was sent, once it was."""
        self.left_by_client = False
        """True if the client left before the service had closed it."""

    async def refuse(
        self, status: int, content_type: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer with a status in place of a WebSocket."""
        length = {"content-length": str(len(body)), "connection": "close"}
        headers = {**(headers or {}), "content-type": content_type, **length}
        await self._start("websocket.http.response.start", status, headers)
        await self._send({"type": "websocket.http.response.body", "body": body})

    async def accept(self, headers: Mapping[str, str]) -> None:
        """Open the WebSocket."""
        await self._start("websocket.accept", 101, headers)

    async def _start(self, kind: str, status: int, headers: Mapping[str, str]) -> None:
        await self._receive()  # that somebody asks for one
        self.status = status
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": kind, "status": status, "headers": raw})

    async def receive(self) -> str | bytes | None:
        """Return the next message, or `None` if the client has left."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            self.left_by_client = True
            return None
        text: str | None = event.get("text")
        return event["bytes"] if text is None else text

    async def send(self, message: str | bytes) -> None:
        """Send a message."""
        await self._send({"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message})

    async def close(self, code: int, reason: str = "") -> None:
        """Close it with a code."""
        await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def cut(self, last: bytes = b"", *, reset: bool = False) -> None:
        """Close the connection as it stands, after these `last` bytes."""
        self._transport.write(last)
        cut_off(self._transport, reset=reset)
        # An application that returns before its connection is gone is taken for a broken one.
        while (await self._receive())["type"] != "websocket.disconnect":
            pass


def cut_off(transport: asyncio.Transport, *, reset: bool) -> None:
    """Close a connection as it stands."""
    if reset:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
