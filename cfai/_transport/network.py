"""The network below httpcore, where waits are bounded.

A blocking read knows its own timeout alone, and a server that sends a byte now and then never lets it pass. So each
synchronous wait is told, when it begins, how much time its call has left; and another thread can end it.

A process that was stopped, or slept, finds its timeouts passed when it goes on, and on an event loop it looks at them
first. So an asynchronous read that timed out looks once more for what came meanwhile.
"""

from __future__ import annotations

import socket
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import anyio

from cfai._config import NOT_GIVEN, BoundedWait

B = TypeVar("B", bound="_Backend")
S = TypeVar("S")

open_streams: weakref.WeakSet[Any] = weakref.WeakSet()
"""The connections of all our own clients; in a forked child, those of its parent too."""

LAST_LOOK = 0.01
"""Seconds, in which an event loop sees what its sockets hold."""
_OVERSHOOT = 0.25
"""Seconds after the end of all waits, from which on none begins: a server that sends without a pause is not waited for,
and so has no timeout."""
_BYTES_AT_ONCE = 64 * 1024
"""The bytes that are written before the time is looked at again."""


def replace_backend(client: Any, kind: Callable[[Any], B]) -> B | None:
    """Give a client a network backend around its own; return it, or `None` if the client is not made as httpx makes it.

    httpcore takes a backend of the user's, but httpx has no option for it.
    """
    backend = None
    for pool in _list_pools(client):
        if hasattr(pool, "_network_backend"):
            backend = backend or kind(pool._network_backend)
            pool._network_backend = backend
    return backend


def close_idle_connections(client: Any) -> None:
    """Close the connections of a synchronous client that carry no call. Takes no lock."""
    for pool in _list_pools(client):
        for connection in pool.connections:
            if connection.is_idle():
                connection.close()


def _list_pools(client: Any) -> list[Any]:
    """Return the connection pools of httpcore that a client of httpx has."""
    transports = (client._transport, *client._mounts.values())
    return [transport._pool for transport in transports if hasattr(transport, "_pool")]


class _Backend:
    """A network backend of httpcore around another one, which knows its connections."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.streams: weakref.WeakSet[Any] = weakref.WeakSet()

    def keep(self, stream: S) -> S:
        """Return a connection, known from now on."""
        self.streams.add(stream)
        open_streams.add(stream)
        return stream


class BoundedBackend(_Backend):
    """A network backend of httpcore, whose connections look at the end of a `BoundedWait`."""

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> BoundedStream:
        stream = self._backend.connect_tcp(host, port, timeout=_shorten(timeout), **options)
        return self.keep(BoundedStream(stream, self, timeout))


class BoundedStream:
    """A network stream of httpcore that looks at the end of a `BoundedWait` whenever it waits."""

    def __init__(self, stream: Any, backend: BoundedBackend, connect_timeout: float | None) -> None:
        self._stream = stream
        self._connect_timeout = connect_timeout
        """For the words with a SOCKS proxy, to which httpcore gives no time of their own."""
        self._backend = backend
        self.close = stream.close
        self.get_extra_info = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = NOT_GIVEN) -> bytes:
        if isinstance(timeout, BoundedWait) and time.monotonic() > timeout.end + _OVERSHOOT:
            raise TimeoutError("timed out")
        return self._stream.read(max_bytes, _shorten(self._connect_timeout if timeout is NOT_GIVEN else timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _BYTES_AT_ONCE):
            self._stream.write(buffer[start : start + _BYTES_AT_ONCE], _shorten(timeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> BoundedStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, _shorten(timeout))
        return self._backend.keep(BoundedStream(stream, self._backend, self._connect_timeout))


class AsyncBackend(_Backend):
    """A network backend of httpcore, whose connections look once more before a read times out."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's
        **options: Any,
    ) -> AsyncNetworkStream:
        stream = await self._backend.connect_tcp(host, port, timeout=timeout, **options)
        return self.keep(AsyncNetworkStream(stream, self, timeout))


class AsyncNetworkStream:
    """A network stream of httpcore that looks once more before a read times out."""

    def __init__(self, stream: Any, backend: AsyncBackend, connect_timeout: float | None) -> None:
        self._stream = stream
        self._connect_timeout = connect_timeout
        """For the words with a SOCKS proxy, to which httpcore gives no time of their own."""
        self._backend = backend
        self.write = stream.write
        self.aclose = stream.aclose
        self.get_extra_info = stream.get_extra_info

    async def read(self, max_bytes: int, timeout: float | None = NOT_GIVEN) -> bytes:  # noqa: ASYNC109  # httpcore's
        if timeout is NOT_GIVEN:
            timeout = self._connect_timeout
        try:
            return await self._stream.read(max_bytes, timeout)
        except Exception as exception:
            if type(exception).__name__ != "ReadTimeout":
                raise
        return await self._stream.read(max_bytes, LAST_LOOK)

    async def start_tls(self, *context: Any, **options: Any) -> AsyncNetworkStream:
        try:
            stream = await self._stream.start_tls(*context, **options)
        except BaseException:  # httpcore closes it unless this is cancelled
            with anyio.CancelScope(shield=True):
                await self.aclose()
            raise
        return self._backend.keep(AsyncNetworkStream(stream, self._backend, self._connect_timeout))


def shut_down(network_stream: Any) -> None:
    """End the traffic of a connection, whoever reads from it. Takes no lock."""
    with suppress(Exception):
        connection = network_stream.get_extra_info("socket")
        if isinstance(connection, socket.socket):
            # As the base class does it: a TLS socket would take from its reader what it is reading with.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
        else:
            connection.shutdown(socket.SHUT_RDWR)


def close_socket(network_stream: Any) -> None:
    """Close a socket at once and without a sound, unless its event loop runs.

    asyncio's transports close themselves on their loop alone, and complain when they are collected open. What the loop
    would have called last is private to them, and the only way left.
    """
    stream = network_stream
    while (inner := getattr(stream, "_stream", getattr(stream, "transport_stream", None))) is not None:
        stream = inner
    transport = getattr(stream, "_transport", None)
    with suppress(Exception):
        if transport is None:
            network_stream.close()
        elif not transport._loop.is_running():
            transport._call_connection_lost(None)


def _shorten(timeout: float | None) -> float | None:
    return timeout.shorten(time.monotonic()) if isinstance(timeout, BoundedWait) else timeout
