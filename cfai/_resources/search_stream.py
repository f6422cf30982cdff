"""Streams of AI Search: the chunks that were found come first, then the answer token by token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError

from cfai._json import as_sequence, is_mapping, loads
from cfai._request import ApiRequest
from cfai._response import ApiResponse, Decoder, parse_fields, split_at_end_mark, split_lone_events
from cfai._streaming import AsyncStream, Stream, aopen_stream, open_stream
from cfai.types import SearchChunk, SearchCompletion, TextOutput, Token

_UNREADABLE = object()


class SearchDecoder(Decoder):
    """A decoder of tokens that keeps the chunks, which have an event of their own."""

    __slots__ = ("chunks",)

    def __init__(self, response: ApiResponse, request: ApiRequest) -> None:
        meta = response.meta
        super().__init__(request.model, meta.request_id, request.secrets, request.inputs, meta.status_code)
        self.chunks: list[SearchChunk] = []

    @property
    def is_whole(self) -> bool:
        """Return True if the end mark was seen. Without it the answer was cut, whatever its tokens say."""
        return self.done

    def feed(self, block: bytes) -> list[Token]:
        """Decode one block: chunks, or what `Decoder` does. No JSON is passed over, as by Cloudflare's own clients."""
        fields = parse_fields(block)
        if fields.data is None or fields.event == b"error":
            return super().feed(block)
        data = b"\n".join(fields.data)
        event = _load(data)
        # An event of its own with a list, or an older one without a name: {"chunks": […]}. A whole answer has both.
        if fields.event == b"chunks" or (is_mapping(event) and "chunks" in event):
            found = event["chunks"] if is_mapping(event) and "chunks" in event else event
            self.chunks = [_build_chunk(each) for each in as_sequence(found) if is_mapping(each)]
            return super().feed(block) if is_mapping(event) and "choices" in event else []
        if fields.event not in (b"", b"message"):
            return []
        if event is _UNREADABLE and not split_at_end_mark(block)[1] and not split_lone_events(data):
            return []
        return super().feed(block)


def _load(data: bytes) -> Any:
    try:
        return loads(data)
    except ValueError:
        return _UNREADABLE


def _build_chunk(fields: Mapping[str, Any]) -> SearchChunk:
    try:
        return SearchChunk.model_validate(fields)
    except ValidationError:
        # A shape that nobody has seen yet: better in full and unchecked than refused.
        return SearchChunk.model_construct(**fields)


class SearchStream(Stream[Token]):
    """The answer of AI Search or AutoRAG to a call with `"stream": True`. It is a `Stream` that has `chunks` as well.

    ```python
    with instance.chat_completions({"messages": messages, "stream": True}) as stream:
        for token in stream:
            print(token, end="", flush=True)
    print(stream.chunks)
    ```
    """

    def __init__(self, response: ApiResponse, call: ApiRequest, body: Any) -> None:
        self._search_decoder = SearchDecoder(response, call)
        super().__init__(response, call, body, self._search_decoder)
        self._is_counted = True  # `ai.usage` has the calls of `run`

    @property
    def chunks(self) -> list[SearchChunk]:
        """The chunks that the answer is made from. They are there with the first token; AutoRAG streams none."""
        return self._search_decoder.chunks

    def result(self) -> SearchCompletion:
        """Return the answer that the same call without streaming gives; reads the rest. Raises if the stream broke."""
        return _add_chunks(super().result(), self.chunks)


class AsyncSearchStream(AsyncStream[Token]):
    """The answer of AI Search or AutoRAG to an awaited call with `"stream": True`: an `AsyncStream` with `chunks`."""

    def __init__(self, response: ApiResponse, call: ApiRequest, body: Any) -> None:
        self._search_decoder = SearchDecoder(response, call)
        super().__init__(response, call, body, self._search_decoder)
        self._is_counted = True  # `ai.usage` has the calls of `run`

    @property
    def chunks(self) -> list[SearchChunk]:
        """The chunks that the answer is made from. They are there with the first token; AutoRAG streams none."""
        return self._search_decoder.chunks

    def result(self) -> SearchCompletion:
        """Return the answer that the same call without streaming gives. Raises if it was not read to its end."""
        return _add_chunks(super().result(), self.chunks)

    async def aresult(self) -> SearchCompletion:
        """Return the answer that the same call without streaming gives; reads the rest. Raises if the stream broke."""
        await super().aresult()
        return self.result()


def _add_chunks(answer: TextOutput, chunks: list[SearchChunk]) -> SearchCompletion:
    completion = SearchCompletion.model_validate({**answer, "chunks": chunks})
    completion._meta = answer.meta  # pyright: ignore[reportPrivateUsage]
    return completion


def read_stream(response: ApiResponse, request: ApiRequest) -> SearchStream:
    """Return the stream of an answer."""
    return cast("SearchStream", open_stream(response, request, SearchStream))


def aread_stream(response: ApiResponse, request: ApiRequest) -> AsyncSearchStream:
    """Return the stream of an answer, for an event loop."""
    return cast("AsyncSearchStream", aopen_stream(response, request, AsyncSearchStream))
