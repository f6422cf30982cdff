"""Streams of files: a body that is written to disk while it comes, and not kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

from cfai._errors import StreamError
from cfai._request import ApiRequest
from cfai._response import Accumulator, ApiResponse
from cfai._streaming import AsyncReading, ChunkSplitter, SyncReading
from cfai._transport import BackgroundReader


class _PassingDecoder:
    """A decoder of blocks to themselves, which keeps none. The end of the body is that of the file."""

    text = ""
    done = False

    def __init__(self) -> None:
        self.accumulator = Accumulator()
        self.is_whole = False
        self.failure: StreamError | None = None

    def feed(self, block: bytes) -> list[bytes]:
        return [block]

    def finish(self, rest: bytes) -> list[bytes]:
        return []

    def check(self) -> None:
        self.is_whole = True

    def record_failure(self, error: StreamError) -> StreamError:
        self.failure = error
        return error


class FileStream(SyncReading[bytes]):
    """The body of a download, in the pieces in which it comes."""

    _hint = "for piece in stream: file.write(piece)"

    def __init__(self, response: ApiResponse, call: ApiRequest) -> None:
        super().__init__(response, call, response.http.iter_bytes(), _PassingDecoder(), ChunkSplitter())
        self._is_counted = True  # `ai.usage` has the calls of `run`
        self.response, self.request = response, call

    def __iter__(self) -> Iterator[bytes]:
        self._claim("bytes")
        return self

    def __next__(self) -> bytes:
        return self._next()


class AsyncFileStream(AsyncReading[bytes]):
    """The body of a download, in the pieces in which it comes, awaited."""

    _hint = "async for piece in stream: await file.write(piece)"

    def __init__(self, response: ApiResponse, call: ApiRequest) -> None:
        body = BackgroundReader(response.http.aiter_bytes())
        super().__init__(response, call, body, _PassingDecoder(), ChunkSplitter())
        self._is_counted = True  # `ai.usage` has the calls of `run`
        self.response, self.request = response, call

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._claim("bytes")
        return self

    def __anext__(self) -> Coroutine[Any, Any, bytes]:
        return self._anext()
