"""Streams of AI Search: the chunks that were found come first, then the answer token by token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from cfai._json import as_sequence, is_mapping, loads, to_compact_json
from cfai._request import ApiRequest
from cfai._response import ApiResponse, Decoder, parse_fields, split_at_end_mark, split_lone_events, unwrap
from cfai._streaming import AsyncStream, Stream, aopen_stream, open_stream
from cfai.types import SearchChunk, SearchCompletion, SearchFailure, TextOutput, Token

F = TypeVar("F", SearchChunk, SearchFailure)

_UNREADABLE = object()


class SearchDecoder(Decoder):
    """A decoder of tokens that keeps the chunks, which have an event of their own."""

    __slots__ = ("chunks", "errors")

    def __init__(self, response: ApiResponse, request: ApiRequest) -> None:
        meta = response.meta
        super().__init__(request_id=meta.request_id, secrets=request.secrets, status_code=meta.status_code)
        self.chunks: list[SearchChunk] = []
        self.errors: list[SearchFailure] = []

    @property
    def is_whole(self) -> bool:
        """Return True if the end mark was seen. Without it the answer was cut, whatever its tokens say."""
        return self.done

    def feed(self, block: bytes) -> list[Token]:
        """Decode one block: chunks, or what `Decoder` does. Skip what is no JSON, as Cloudflare's own clients do."""
        fields = parse_fields(block)
        if fields.data is None or fields.event == b"error":
            return super().feed(block)
        data = b"\n".join(fields.data)
        event = unwrap(_load(data))
        # An event of its own with a list, or an older one without a name: {"chunks": […]}. A whole answer has both.
        if fields.event == b"chunks" or (is_mapping(event) and "chunks" in event):
            found: Mapping[str, Any] = event if is_mapping(event) else {"chunks": event}
            self._keep(found.get("chunks"), found.get("errors"))
            answer = {name: value for name, value in found.items() if name not in ("chunks", "errors")}
            return super().feed(b"data: " + to_compact_json(answer).encode()) if "choices" in answer else []
        if fields.event == b"errors":
            self._keep(None, event)
        if fields.event not in (b"", b"message"):
            return []
        if event is _UNREADABLE and not split_at_end_mark(block)[1] and not split_lone_events(data):
            return []
        return super().feed(block)

    def _keep(self, chunks: Any, errors: Any) -> None:
        self.chunks += [_build(SearchChunk, each) for each in as_sequence(chunks) if is_mapping(each)]
        # UNCERTAIN: how a stream says that an instance failed; beside the chunks, or in an event of this name.
        self.errors += [_build(SearchFailure, each) for each in as_sequence(errors) if is_mapping(each)]


def _load(data: bytes) -> Any:
    try:
        return loads(data)
    except ValueError:
        return _UNREADABLE


def _build(kind: type[F], fields: Mapping[str, Any]) -> F:
    try:
        return kind.model_validate(fields)
    except ValidationError:
        # A shape that nobody has seen yet: better in full and unchecked than refused.
        return kind.model_construct(**fields)


class _FoundChunks:
    """The part of a stream that came beside its tokens."""

    _search_decoder: SearchDecoder

    @property
    def chunks(self) -> list[SearchChunk]:
        """The chunks that the answer is made from. They are there with the first token; AutoRAG streams none."""
        return self._search_decoder.chunks

    @property
    def errors(self) -> list[SearchFailure]:
        """The instances of a namespace that failed, while the answer is made from others; empty if none is known."""
        return self._search_decoder.errors


class SearchStream(_FoundChunks, Stream[Token]):
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

    def result(self) -> SearchCompletion:
        """Return the answer that the same call without streaming gives; reads the rest. Raises if the stream broke."""
        return _add_chunks(super().result(), self._search_decoder)


class AsyncSearchStream(_FoundChunks, AsyncStream[Token]):
    """The answer of AI Search or AutoRAG to an awaited call with `"stream": True`: an `AsyncStream` with `chunks`."""

    def __init__(self, response: ApiResponse, call: ApiRequest, body: Any) -> None:
        self._search_decoder = SearchDecoder(response, call)
        super().__init__(response, call, body, self._search_decoder)
        self._is_counted = True  # `ai.usage` has the calls of `run`

    def result(self) -> SearchCompletion:
        """Return the answer that the same call without streaming gives. Raises if it was not read to its end."""
        return _add_chunks(super().result(), self._search_decoder)

    async def aresult(self) -> SearchCompletion:
        """Return the answer that the same call without streaming gives; reads the rest. Raises if the stream broke."""
        await super().aresult()
        return self.result()


def _add_chunks(answer: TextOutput, decoder: SearchDecoder) -> SearchCompletion:
    """Return an answer with what came beside its tokens."""
    found = {"chunks": decoder.chunks, "errors": decoder.errors or None}
    completion = SearchCompletion.model_validate({**answer, **found})
    completion._meta = answer.meta  # pyright: ignore[reportPrivateUsage]
    return completion


def read_stream(response: ApiResponse, request: ApiRequest) -> SearchStream:
    """Return the stream of an answer."""
    return cast("SearchStream", open_stream(response, request, SearchStream))


def aread_stream(response: ApiResponse, request: ApiRequest) -> AsyncSearchStream:
    """Return the stream of an answer, for an event loop."""
    return cast("AsyncSearchStream", aopen_stream(response, request, AsyncSearchStream))
