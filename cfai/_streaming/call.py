"""The return value of `arun`: a coroutine that can also be entered, or iterated, as the stream that it comes to."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Coroutine, Generator
from types import TracebackType
from typing import Any, Generic, TypeVar, overload

from cfai._errors import APIResponseValidationError, ConfigurationError
from cfai._streaming.audio_stream import AsyncAudioStream
from cfai._streaming.stream import AsyncStream
from cfai.types import Token

T = TypeVar("T", covariant=True)
S = TypeVar("S", bound=AsyncIterator[Any])


class AsyncCall(Coroutine[Any, Any, T], Generic[T]):
    """A call that is sent when it is awaited, entered with `async with`, or iterated with `async for`."""

    __slots__ = ("_coroutine", "_stream", "_wants_stream")

    def __init__(self, coroutine: Coroutine[Any, Any, T], *, wants_stream: bool) -> None:
        self._coroutine = coroutine
        self._wants_stream = wants_stream
        self._stream: Any = None

    def __repr__(self) -> str:
        how = "`async for token in …`, or `async with` or `await`" if self._wants_stream else "`await` before it"
        return f"<AsyncCall, sent once it is awaited: write {how}>"

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coroutine.__await__()

    def send(self, value: Any, /) -> Any:
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    async def __aenter__(self: AsyncCall[S]) -> S:
        if not self._wants_stream:
            # Before it is sent: the answer would be paid for and lost.
            self._coroutine.close()
            raise ConfigurationError(
                '`async with` and `async for` need a stream: put "stream": True into the inputs, or await the call'
            )
        if inspect.getcoroutinestate(self._coroutine) == inspect.CORO_CLOSED:
            raise ConfigurationError(
                "this call was made already, or cancelled before its stream began: call `arun` again, and to wait for "
                "each token with a timeout, await the call first"
            )
        stream: Any = await self._coroutine
        if not isinstance(stream, AsyncIterator):
            raise APIResponseValidationError(
                f"the service streams nothing here, but answered {type(stream).__name__}: await the call", body=stream
            )
        self._stream = stream
        return self._stream

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            await self._stream.aclose()

    @overload
    def __aiter__(self: AsyncCall[AsyncStream[Token]]) -> AsyncIterator[Token]: ...
    @overload
    def __aiter__(self: AsyncCall[AsyncAudioStream]) -> AsyncIterator[bytes]: ...
    def __aiter__(self) -> Any:
        return self

    async def __anext__(self: AsyncCall[Any]) -> Any:
        stream = self._stream or await self.__aenter__()
        return await anext(stream)
