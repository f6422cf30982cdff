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

from cfai._config import BoundedWait

T = TypeVar("T")

_LAST_LOOK = 0.01
"""Seconds, in which an event loop sees what its sockets hold."""
_BYTES_AT_ONCE = 64 * 1024
"""The bytes that are written before the time is looked at again."""


def replace_backend(client: Any, kind: Callable[[Any], T]) -> T | None:
    """Give a client a network backend around its own; return it, or `None` if the client is not made as httpx makes it.

    httpcore takes a backend of the user's, but httpx has no option for it.
    """
    backend = None
    for transport in (client._transport, *client._mounts.values()):
        pool: Any = getattr(transport, "_pool", None)
        if hasattr(pool, "_network_backend"):
            backend = backend or kind(pool._network_backend)
            pool._network_backend = backend
    return backend


class BoundedBackend:
    """A network backend of httpcore, whose connections look at the end of a `BoundedWait`, and can be stopped."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._streams: weakref.WeakSet[BoundedStream] = weakref.WeakSet()

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> BoundedStream:
        return self.wrap(self._backend.connect_tcp(host, port, timeout=_shorten(timeout), **options))

    def wrap(self, stream: Any) -> BoundedStream:
        """Return a network stream as one of this backend's."""
        bounded = BoundedStream(stream, self)
        self._streams.add(bounded)
        return bounded

    def stop_traffic(self) -> None:
        """End the traffic of all connections: whoever waits for one waits no longer."""
        for stream in [*self._streams]:
            shut_down(stream)


class BoundedStream:
    """A network stream of httpcore that looks at the end of a `BoundedWait` whenever it waits."""

    def __init__(self, stream: Any, backend: BoundedBackend) -> None:
        self._stream = stream
        self._backend = backend
        self.close = stream.close
        self.get_extra_info = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _shorten(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _BYTES_AT_ONCE):
            self._stream.write(buffer[start : start + _BYTES_AT_ONCE], _shorten(timeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> BoundedStream:
        return self._backend.wrap(self._stream.start_tls(ssl_context, server_hostname, _shorten(timeout)))


class AsyncBackend:
    """A network backend of httpcore, whose connections look once more before a read times out."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    async def connect_tcp(self, *place: Any, **options: Any) -> AsyncNetworkStream:
        return AsyncNetworkStream(await self._backend.connect_tcp(*place, **options))


class AsyncNetworkStream:
    """A network stream of httpcore that looks once more before a read times out."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.write = stream.write
        self.aclose = stream.aclose
        self.get_extra_info = stream.get_extra_info

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  # httpcore's
        try:
            return await self._stream.read(max_bytes, timeout)
        except Exception as exception:
            if type(exception).__name__ != "ReadTimeout":
                raise
        return await self._stream.read(max_bytes, _LAST_LOOK)

    async def start_tls(self, *context: Any, **options: Any) -> AsyncNetworkStream:
        return AsyncNetworkStream(await self._stream.start_tls(*context, **options))


def shut_down(network_stream: Any) -> None:
    """End the traffic of a connection, whoever reads from it. Takes no lock."""
    with suppress(Exception):
        connection = network_stream.get_extra_info("socket")
        if isinstance(connection, socket.socket):
            # As the base class does it: a TLS socket would take from its reader what it is reading with.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
        else:
            connection.shutdown(socket.SHUT_RDWR)


def _shorten(timeout: float | None) -> float | None:
    return timeout.shorten(time.monotonic()) if isinstance(timeout, BoundedWait) else timeout
