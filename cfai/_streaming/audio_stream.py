"""Streams of sound: the answer of a model that speaks, as bytes while they come."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from cfai import types
from cfai._errors import APIResponseValidationError, InferenceUpstreamError, StreamError, StreamTruncatedError
from cfai._request import ApiRequest
from cfai._response import Accumulator, ApiResponse, count_priced_units, parse
from cfai._streaming.stream import AsyncReading, SyncReading
from cfai._transport import BackgroundReader

_TYPE_LENGTH = 16
"""The bytes that tell a media type: those of WAV and MP4 stand behind a length."""
_TEXT_START = rb"""(?i)\s*(?:\{\s*["}]|<!doctype html|<html)"""
"""JSON or a web page, which some send as `audio/mpeg`."""


class ChunkSplitter:
    """A splitter that splits nothing: every chunk is a block."""

    is_between_events = True

    def feed(self, chunk: bytes) -> list[bytes]:
        return [chunk] if chunk else []

    def rest(self) -> bytes:
        return b""


class _ChunkDecoder:
    """A decoder of blocks to themselves. The end of the body is that of the answer."""

    def __init__(self, response: ApiResponse, call: ApiRequest) -> None:
        self.accumulator = Accumulator()
        self.chunks: list[bytes] = []
        self.done = False
        self.is_whole = False
        self.failure: StreamError | None = None
        self.text = ""
        self._response = response
        self._call = call
        self._start = bytearray()
        """The first bytes, kept until they tell what they are."""

    def feed(self, block: bytes) -> list[bytes]:
        if not self.chunks:
            self._start += block
            if len(self._start) < _TYPE_LENGTH or re.match(_TEXT_START, self._start):
                return []
            block = bytes(self._start)
        self.chunks.append(block)
        return [block]

    def finish(self, rest: bytes) -> list[bytes]:
        if self.chunks or not self._start:
            return []
        self.chunks.append(self._read_start())
        return self.chunks[:]

    def _read_start(self) -> bytes:
        """Return the sound of an answer that was short, or JSON. Raises what JSON or a page reports."""
        try:
            return _parse_sound(replace(self._response, content=bytes(self._start)), self._call).content
        except InferenceUpstreamError as error:
            failure = StreamError(str(error), code=error.code, body=error.body, headers=error.headers)
            self.record_failure(failure)
        raise failure  # not sooner: the body may repeat the token, and the first error's frames have it

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure
        if not self.chunks:
            hint = "it may have been billed, so it was not sent again: ask once more"
            raise self.record_failure(StreamTruncatedError(f"the stream ended without a sound; {hint}"))
        self.is_whole = True

    def record_failure(self, error: StreamError) -> StreamError:
        meta = self._response.meta
        error.model, error.request_id, error.status_code = self._call.model, meta.request_id, meta.status_code
        self.failure = error
        return error


class _AudioState:
    """A mixin for both kinds of reading: the sound so far, and how it is made of an answer that came whole."""

    _token_decoder: Any
    _response: ApiResponse
    _output: Any

    @property
    def content(self) -> bytes:
        """The bytes so far."""
        return b"".join(self._token_decoder.chunks)

    @property
    def media_type(self) -> str:
        """The media type, by the first bytes if some have come, else as the service declares it."""
        if self._output is not None:
            return self._output.media_type
        declared = self._response.headers.get("content-type", "")
        return types.Binary.of(b"".join(self._token_decoder.chunks[:1]), declared, self._response.meta).media_type

    def _describe_growth(self) -> tuple[str, str]:
        """Return how much has come, for a notebook."""
        return f"{len(self.content):,} bytes of sound", ""

    def _convert(self, response: ApiResponse, call: ApiRequest) -> tuple[bytes, Any]:
        output = _parse_sound(response, call)
        return output.content, output

    def _build_result(self) -> types.Audio:
        output = types.Audio(content=self.content, media_type=self.media_type)
        output._meta = self._response.meta  # pyright: ignore[reportPrivateUsage]
        return output


def _parse_sound(response: ApiResponse, call: ApiRequest) -> types.Binary:
    """Return the sound of an answer that came whole. Raises if it is something else."""
    output = parse(response, call)
    if isinstance(output, types.Binary):
        return output
    raise APIResponseValidationError(
        f"a stream of sound was asked for, and {type(output).__name__} came: call it without stream",
        status_code=response.meta.status_code,
        request_id=response.meta.request_id,
        body=output,
        model=call.model,
    )


class AudioStream(_AudioState, SyncReading[bytes]):
    """The answer of a model that speaks to a call with `"stream": True`, as bytes. Leave it early with `with`.

    ```python
    with ai.run("@cf/deepgram/aura-1", {"text": "Hello", "stream": True}) as speech:
        for chunk in speech:
            player.stdin.write(chunk)
    ```

    While iterating it raises `StreamTruncatedError` if the connection breaks before the end, or nothing comes, and
    `StreamError` for an error that came in the place of a sound.
    """

    _hint = "for chunk in stream: player.write(chunk), stream.save(path), or stream.result() for the whole"

    def __iter__(self) -> Iterator[bytes]:
        self._claim("bytes")
        return self

    def __next__(self) -> bytes:
        if self._read_as != "bytes":
            self._claim("bytes")
        return self._next()

    def result(self) -> types.Audio:
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

    _hint = "async for chunk in stream: ..., await stream.asave(path), or await stream.aresult() for the whole"

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._claim("bytes")
        return self

    def __anext__(self) -> Coroutine[Any, Any, bytes]:
        if self._read_as != "bytes":
            self._claim("bytes")
        return self._anext()

    async def aresult(self) -> types.Audio:
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
        from cfai._threads import run_in_thread  # not sooner: it imports asyncio

        if not self._token_decoder.chunks:
            async for _ in self:  # the first bytes tell the type
                break
        find_target = partial(types.find_target, path, self.media_type, overwrite=overwrite)
        target = await run_in_thread(find_target)
        with target.open("wb") as file:
            await run_in_thread(file.write, self.content)
            async for chunk in self:
                await run_in_thread(file.write, chunk)
        return target


def open_audio_stream(response: ApiResponse, call: ApiRequest) -> AudioStream:
    """Return the stream of a spoken answer: one that is read while it comes, or one that came whole."""
    response.meta.units = count_priced_units(call)
    return AudioStream(response, call, response.http.iter_bytes(), _ChunkDecoder(response, call), ChunkSplitter())


def aopen_audio_stream(response: ApiResponse, call: ApiRequest) -> AsyncAudioStream:
    """Return the stream of a spoken answer, as `open_audio_stream` does."""
    response.meta.units = count_priced_units(call)
    reader = BackgroundReader(response.http.aiter_bytes())
    return AsyncAudioStream(response, call, reader, _ChunkDecoder(response, call), ChunkSplitter())
