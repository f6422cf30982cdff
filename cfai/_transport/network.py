"""The network of synchronous calls: waits that a total timeout bounds together, and that another thread can end.

A blocking read knows its own timeout alone, and a server that sends a byte now and then never lets it pass. So each
wait is told, when it begins, how much time its call has left.
"""

from __future__ import annotations

import socket
import time
import weakref
from contextlib import suppress
from typing import Any

from cfai._config import BoundedWait

_BYTES_AT_ONCE = 64 * 1024
"""The bytes that are written before the time is looked at again."""


class BoundedBackend:
    """A network backend of httpcore, whose connections look at the end of a `BoundedWait`, and can be stopped."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._streams: weakref.WeakSet[BoundedStream] = weakref.WeakSet()

    @classmethod
    def install(cls, client: Any) -> BoundedBackend | None:
        """Give a client such a backend, or none if it is not made as httpx makes its own.

        httpcore takes a backend of the user's, but httpx has no option for it.
        """
        backend = None
        for transport in (client._transport, *client._mounts.values()):
            pool: Any = getattr(transport, "_pool", None)
            if hasattr(pool, "_network_backend"):
                backend = backend or cls(pool._network_backend)
                pool._network_backend = backend
        return backend

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
