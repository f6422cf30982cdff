"""A body that is read in the background, so that whoever waits for a piece of it can be cancelled and ask again.

httpx closes a connection when the task that reads from it is cancelled. So no task but one of our own reads from it:
the others wait for what that one has received. It reads ahead by a little, which costs less than to hand over to it
and back for every chunk.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel

from cfai._errors import ConfigurationError, StreamTruncatedError
from cfai._transport.event_loop import get_running_loop, start_system_task, unwind

MAX_BYTES_AHEAD = 64 * 1024
"""The bytes that are received and not asked for, from which on no more are read."""

_FEW = 64
_LONG_WAIT = 0.001
"""Whoever waited so many seconds for a chunk has it before the next read is begun, as long as so few bodies are read:
a token is 40 µs less late. Of 1,000 bodies each token would cost 150 µs instead of 90, with more garbage to collect."""

_UNTAKEN_AFTER = 5.0
"""Seconds in which nothing is taken, after which nobody is believed to take anything soon."""

_CANCELLED = "the event loop of the stream was closed, or the task that read it cancelled"
_FOREIGN = "this stream belongs to another event loop: read it on the one that called `arun`"

_running: set[BackgroundReader] = set()
"""Those that are reading."""


class BackgroundReader:
    """A reader of one body, for one task at a time, on the event loop on which it was made."""

    __slots__ = (
        "_chunks",
        "_ended",
        "_error",
        "_is_started",
        "_is_untaken",
        "_loop",
        "_must_go_on",
        "_room",
        "_scope",
        "_size",
        "_waited",
        "is_over",
        "received",
    )

    def __init__(self, chunks: AsyncIterator[bytes], must_go_on: Callable[[], bool] = lambda: False) -> None:
        self._chunks = chunks
        self._must_go_on = must_go_on
        """Says whether somebody may wait for all of it to be read before they take any of it."""
        self.received: deque[bytes] = deque()
        """The chunks that came and were not taken yet."""
        self.is_over = False
        """True once nothing more will come."""
        self._size = 0
        self._error: Exception | None = None
        self._loop = get_running_loop()
        self._is_started = False
        self._scope: anyio.CancelScope | None = None
        self._ended: anyio.Event | None = None
        self._waited: Any = None
        """A future of asyncio's, or an event of trio's, for the task that waits."""
        self._room: anyio.Event | None = None
        """Set when there is room for more, if reading waits for it."""
        self._is_untaken = False
        """True if nothing was taken while reading waited for room. Once that was long, and `_must_go_on` says so, all
        is read until something is taken."""

    async def next(self) -> bytes | None:
        """Return the next chunk, or `None` at the end. Raises what broke the body. Nothing is lost if cancelled."""
        while not self.received and not self.is_over:
            await self.wait()
        return self.take()

    def take(self) -> bytes | None:
        """Return a chunk that came, or `None` at the end. Raises what broke the body."""
        if not self.received:
            if self._error is not None:
                raise self._error
            return None
        chunk = self.received.popleft()
        self._size -= len(chunk)
        self._is_untaken = False
        if self._room is not None and not self.received:
            self._room.set()
        return chunk

    def start(self) -> None:
        """Begin to read, if that was not done. The first wait does it, too."""
        if not self._is_started:
            self._is_started = True
            start_system_task(self._read)

    def wait(self) -> Awaitable[Any]:
        """Return what to await until something came, if nothing has. It may be cancelled."""
        if self._loop is not get_running_loop():
            raise ConfigurationError(_FOREIGN)
        self.start()
        if hasattr(self._loop, "create_future"):
            # An event of anyio's takes three times as long, and makes more work for the garbage collector.
            self._waited = self._loop.create_future()
            return self._waited
        self._waited = anyio.Event()
        return self._waited.wait()

    async def stop(self) -> None:
        """Read no more, and return when nothing is under way. On another event loop than its own it does nothing."""
        if not self._is_started or self._loop is not get_running_loop():
            return
        if not self.is_over:
            self._ended = self._ended or anyio.Event()
            if self._scope is not None:
                self._scope.cancel()
            await self._ended.wait()
        await unwind(self._chunks)

    async def _read(self) -> None:
        _running.add(self)
        try:
            with anyio.CancelScope() as self._scope:
                if self._ended is not None:
                    self._scope.cancel()  # it was stopped before it began
                asked = time.monotonic()
                async for chunk in self._chunks:
                    self.received.append(chunk)
                    self._size += len(chunk)
                    now = time.monotonic()
                    if self._waited is not None:
                        self._wake()
                        if now - asked > _LONG_WAIT and len(_running) <= _FEW:
                            await anyio.lowlevel.checkpoint()
                    asked = now
                    if self._size > MAX_BYTES_AHEAD and not self._is_untaken:
                        await self._wait_for_room()
        except Exception as exception:
            self._error = exception
        except BaseException:  # the end of the event loop, or whoever cancels all of its tasks
            self._error = StreamTruncatedError(_CANCELLED)
            raise
        finally:
            _running.discard(self)
            self.is_over = True
            if self._waited is not None:
                self._wake()
            if self._ended is not None:
                self._ended.set()

    async def _wait_for_room(self) -> None:
        self._room = anyio.Event()
        while not self._room.is_set():
            self._is_untaken = True
            with anyio.move_on_after(_UNTAKEN_AFTER):
                await self._room.wait()
            if self._is_untaken and self._must_go_on():
                break
        self._room = None

    def _wake(self) -> None:
        if isinstance(self._waited, anyio.Event):
            self._waited.set()
        elif not self._waited.done():
            self._waited.set_result(None)
        self._waited = None
