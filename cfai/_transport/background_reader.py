"""A body that is read in the background, so that whoever waits for a piece of it can be cancelled and ask again.

httpx closes a connection when the task that reads from it is cancelled. So no task but one of our own reads from it:
the others wait for what that one has received. It reads ahead by a little, which costs less than to hand over to it
and back for every chunk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import anyio

from cfai._transport.event_loop import get_running_loop, start_system_task, unwind

MAX_BYTES_AHEAD = 64 * 1024
"""The bytes that are received and not asked for, from which on no more are read."""


class BackgroundReader:
    """A reader of one body, on the event loop on which its first chunk is asked for."""

    __slots__ = ("_chunks", "_error", "_event", "_is_over", "_loop", "_received", "_room", "_scope", "_size")

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._received: deque[bytes] = deque()
        self._size = 0
        self._error: Exception | None = None
        self._is_over = False
        self._event: anyio.Event | None = None
        """Set by the next chunk or the end, if somebody waits for it."""
        self._room: anyio.Event | None = None
        """Set when there is room for more, if reading waits for it."""
        self._loop: Any = None
        self._scope: anyio.CancelScope | None = None

    async def next(self) -> bytes | None:
        """Return the next chunk, or `None` at the end. Raises what broke the body. Nothing is lost if cancelled."""
        while not self._received:
            if self._is_over:
                if self._error is not None:
                    raise self._error
                return None
            if self._event is None:
                self._event = anyio.Event()
            if self._loop is None:
                self._loop = get_running_loop()
                start_system_task(self._read)
            await self._event.wait()
        chunk = self._received.popleft()
        self._size -= len(chunk)
        if self._room is not None and not self._received:
            self._room.set()
        return chunk

    async def stop(self) -> None:
        """Read no more, and return when nothing is under way. On another event loop than its own it does nothing."""
        if self._loop is not None and self._loop is get_running_loop():
            while not self._is_over:
                if self._scope is not None:
                    self._scope.cancel()
                if self._event is None:
                    self._event = anyio.Event()
                await self._event.wait()
            await unwind(self._chunks)

    async def _read(self) -> None:
        try:
            with anyio.CancelScope() as self._scope:
                async for chunk in self._chunks:
                    self._received.append(chunk)
                    self._size += len(chunk)
                    self._wake()
                    if self._size > MAX_BYTES_AHEAD:
                        self._room = anyio.Event()
                        await self._room.wait()
                        self._room = None
        except Exception as exception:
            self._error = exception
        finally:
            self._is_over = True
            self._wake()

    def _wake(self) -> None:
        if self._event is not None:
            self._event.set()
            self._event = None
