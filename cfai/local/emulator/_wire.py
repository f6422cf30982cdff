"""One answer on its way out: pace, faults, and a client that may leave at any time."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping
from contextlib import aclosing
from typing import TypeVar

from cfai.local.faults import Fault
from cfai.local.server._loop import Receive, Scope, Send, Transports

T = TypeVar("T")

Parts = Iterable[tuple[int, bytes]] | AsyncGenerator[tuple[int, bytes], None]
"""A body in parts, each with how many tokens it holds; what an engine gives is waited for."""

LARGEST_BODY = 100 * 1024 * 1024
"""Bytes of a request's body that are taken."""

PATIENCE = 600.0
"""Seconds that a silent or held connection stays open at most."""


class Connection:
    """The connection of one request."""

    def __init__(self, receive: Receive, send: Send, transport: asyncio.Transport) -> None:
        self._receive = receive
        self._send = send
        self._transport = transport
        self._gone = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self.tokens = 0
        """How many tokens of the answer were sent."""

    @property
    def is_gone(self) -> bool:
        """Return whether the client has left."""
        return self._gone.is_set()

    async def read_body(self, limit: int) -> bytes | None:
        """Return the request's body, or `None` if it is longer than `limit` bytes or did not arrive."""
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
            if size <= limit:
                parts.append(message.get("body", b""))
        return b"".join(parts) if size <= limit else None

    def watch(self) -> None:
        """From here on, notice a client that leaves."""
        self._watch = asyncio.create_task(self._until_gone())

    def unwatch(self) -> None:
        """Stop to notice a client that leaves: the answer is complete."""
        if self._watch:
            self._watch.cancel()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()

    async def unless_gone(self, work: Awaitable[T]) -> T | None:
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
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        # Other requests get their turn, and a client's leaving is noticed.
        await asyncio.sleep(0)

    async def end(self) -> None:
        """End the body as it should be."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def pause(self, seconds: float) -> None:
        """Wait, but not for a client that has left."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self._gone.wait(), seconds)
            except TimeoutError:
                return

    async def cut(self, last: bytes = b"", *, reset: bool = False) -> None:
        """Close the connection as it stands, after these `last` bytes."""
        self._transport.write(last)
        if reset:
            linger = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()
        else:
            self._transport.close()
        # An application that returns before its connection is gone is taken for a broken one.
        await self.pause(PATIENCE)


async def receive_request(
    transports: Transports, scope: Scope, receive: Receive, send: Send
) -> tuple[Connection, bytes | None] | None:
    """Return the line of a request, watched from here on, and its body if it came whole and is not too large.

    Nothing if the client has left already.
    """
    transport = transports.get(tuple(scope["client"]))
    if transport is None:
        # It left before its request was looked at.
        return None
    connection = Connection(receive, send, transport)
    body = await connection.read_body(LARGEST_BODY)
    if connection.is_gone:
        return None
    connection.watch()
    return connection, body


def pace(tokens: int, rate: float | None, elapsed: float) -> float:
    """Return seconds to wait before `tokens` tokens in all have been sent at `rate` tokens a second."""
    return max(0.0, tokens / rate - elapsed) if rate else 0.0


async def deliver(
    connection: Connection,
    fault: Fault,
    parts: Parts,
    *,
    rate: float | None = None,
    error: bytes = b"",
) -> bool:
    """Send a body part by part; each says how many tokens it holds. True if the client left before the end."""
    await connection.pause(fault.slow_first)
    clock = asyncio.get_running_loop().time
    began, sent = clock(), 0
    ending, after = fault.ending or (None, 0)
    async with aclosing(_until_disconnect(connection, parts)) as each:
        async for tokens, data in each:
            if ending and sent >= after:
                return await _end_early(connection, fault, error)
            sent += tokens
            connection.tokens = sent
            if tokens:
                await connection.pause(pace(sent, rate, clock() - began))
            step = fault.split or (1 if fault.trickle else max(1, len(data)))
            for at in range(0, len(data), step):
                if connection.is_gone:
                    return True
                await connection.write(data[at : at + step])
                await connection.pause(fault.trickle)
    if connection.is_gone:
        return True
    if fault.hold:
        await connection.pause(PATIENCE)
    await connection.end()
    return False


async def _until_disconnect(connection: Connection, parts: Parts) -> AsyncGenerator[tuple[int, bytes], None]:
    """Return each of `parts`, until the client has left: what is waited for ends then."""
    if isinstance(parts, Iterable):
        for part in parts:
            yield part
        return
    async with aclosing(parts):
        while (part := await connection.unless_gone(anext(parts, None))) is not None:
            yield part


async def _end_early(connection: Connection, fault: Fault, error: bytes) -> bool:
    ending = fault.ending and fault.ending[0]
    if ending in ("drop", "reset"):
        await connection.cut(reset=ending == "reset")
        return False
    if ending == "silence":
        await connection.pause(PATIENCE)
        return connection.is_gone
    if ending == "error":
        await connection.write(error)
    await connection.end()
    return False
