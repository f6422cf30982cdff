"""Streams of sound: the answer of a model that speaks, as bytes while they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import anyio

from cfai import types
from cfai._errors import APIResponseValidationError, StreamError
from cfai._request import PreparedCall
from cfai._response import Accumulator, ApiResponse, parse
from cfai._streaming.stream import AsyncReading, SyncReading
from cfai._transport import BackgroundReader


class _ChunkSplitter:
    """A splitter that splits nothing: every chunk is a block."""

    is_between_events = True

    def feed(self, chunk: bytes) -> list[bytes]:
        return [chunk] if chunk else []

    def rest(self) -> bytes:
        return b""


class _ChunkDecoder:
    """A decoder of blocks to themselves. The end of the body is that of the answer."""

    def __init__(self) -> None:
        self.accumulator = Accumulator()
        self.chunks: list[bytes] = []
        self.done = False
        self.is_whole = False
        self.failure: StreamError | None = None
        self.text = ""

    def feed(self, block: bytes) -> list[bytes]:
        self.chunks.append(block)
        return [block]

    def finish(self, rest: bytes) -> list[bytes]:
        return []

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure
        self.is_whole = True

    def record_failure(self, error: StreamError) -> StreamError:
        self.failure = error
        return error


class _AudioState:
    """A mixin for both kinds of reading: the sound so far, and how it is made of an answer that came whole."""

    _token_decoder: Any
    _response: ApiResponse

    @property
    def content(self) -> bytes:
        """The bytes so far."""
        return b"".join(self._token_decoder.chunks)

    @property
    def media_type(self) -> str:
        """The media type, by the first bytes if some have come, else as the service declares it."""
        declared = self._response.headers.get("content-type", "")
        return types.Binary.of(b"".join(self._token_decoder.chunks[:1]), declared, self._response.meta).media_type

    def _convert(self, response: ApiResponse, call: PreparedCall) -> tuple[bytes, Any]:
        output = parse(response, call)
        if isinstance(output, types.Binary):
            return output.content, output
        raise APIResponseValidationError(
            f"a stream of sound was asked for, and {type(output).__name__} came: call it without stream",
            status_code=response.meta.status_code,
            request_id=response.meta.request_id,
            body=output,
            model=call.model,
        )

    def _build_result(self) -> types.Binary:
        return types.Binary.of(self.content, self._response.headers.get("content-type", ""), self._response.meta)


class AudioStream(_AudioState, SyncReading[bytes]):
    """The answer of a model that speaks to a call with `"stream": True`, as bytes. Leave it early with `with`.

    ```python
    with ai.run("@cf/deepgram/aura-1", {"text": "Hello", "stream": True}) as speech:
        for chunk in speech:
            player.stdin.write(chunk)
    ```

    While iterating it raises `StreamTruncatedError` if the connection breaks before the end.
    """

    def __iter__(self) -> Iterator[bytes]:
        self._claim("bytes")
        return self

    def __next__(self) -> bytes:
        if self._read_as != "bytes":
            self._claim("bytes")
        return self._next()

    def result(self) -> types.Binary:
        """Return the whole as an `Audio`; reads the rest. Raises if the stream broke."""
        if self._token_decoder.failure is None:
            for _ in self:
                pass
        self._check_complete()
        return self._build_result()

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the sound to a file while it comes, from its beginning, and return the path.

        The rules for the path are those of `Audio.save`. If the stream breaks, what had come is in the file.
        """
        if not self._token_decoder.chunks:
            for _ in self:  # the first bytes tell the type
                break
        target = types.find_target(path, self.media_type, overwrite=overwrite)
        with target.open("wb") as file:
            file.write(self.content)
            for chunk in self:
                file.write(chunk)
        return target


class AsyncAudioStream(_AudioState, AsyncReading[bytes]):
    """The answer of a model that speaks to an `arun` with `"stream": True`, as bytes. Leave it with `async with`."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._claim("bytes")
        return self

    def __anext__(self) -> Coroutine[Any, Any, bytes]:
        if self._read_as != "bytes":
            self._claim("bytes")
        return self._anext()

    async def aresult(self) -> types.Binary:
        """Return the whole as an `Audio`; reads the rest. Raises if the stream broke."""
        if self._token_decoder.failure is None:
            async for _ in self:
                pass
        self._check_complete()
        return self._build_result()

    async def asave(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the sound to a file while it comes, from its beginning, and return the path.

        The rules for the path are those of `Audio.save`. If the stream breaks, what had come is in the file.
        """
        if not self._token_decoder.chunks:
            async for _ in self:  # the first bytes tell the type
                break
        target = types.find_target(path, self.media_type, overwrite=overwrite)
        async with await anyio.open_file(target, "wb") as file:
            await file.write(self.content)
            async for chunk in self:
                await file.write(chunk)
        return target


def open_audio_stream(response: ApiResponse, call: PreparedCall) -> AudioStream:
    """Return the stream of a spoken answer: one that is read while it comes, or one that came whole."""
    return AudioStream(response, call, response.http.iter_bytes(), _ChunkDecoder(), _ChunkSplitter())


def aopen_audio_stream(response: ApiResponse, call: PreparedCall) -> AsyncAudioStream:
    """Return the stream of a spoken answer, as `open_audio_stream` does."""
    reader = BackgroundReader(response.http.aiter_bytes())
    return AsyncAudioStream(response, call, reader, _ChunkDecoder(), _ChunkSplitter())
