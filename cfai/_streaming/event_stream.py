"""Tokens, or the events they came in, as the bytes of an event stream for a browser's `EventSource`."""

from __future__ import annotations

import secrets
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Literal, Self

import anyio

from cfai._config import check_seconds
from cfai._errors import DONE_EVENT, CfaiError, ConfigurationError, StreamError
from cfai._json import to_compact_json
from cfai._log import log_broken_event_stream
from cfai._response import END_MARK, Decoder, is_json_object, parse_fields, split_at_end_mark, split_lone_events
from cfai._transport import start_system_task
from cfai._warnings import UnstoppedStreamWarning, warn
from cfai.types import Token

Dialect = Literal["native", "original"]

GONE_AFTER = 5.0
"""Seconds after which a reader who was cancelled counts as gone."""

_PING = b": ping\n\n"
"""A comment, which an `EventSource` ignores."""

# Workers AI pads its own streams with these, so that the length of an encrypted event does not give its token away:
# https://blog.cloudflare.com/ai-side-channel-attack-mitigated/
_PADDING = "abdefghijklmnoprstuvxyz1234567890"


class ItemIterator:
    """An iterator over the items of a stream that is not read as tokens. Closing it closes the call."""

    def __init__(self, next_item: Callable[[], Any], close: Callable[[], None]) -> None:
        self._next_item = next_item
        self._close = close

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self._next_item()

    def close(self) -> None:
        """Close the call."""
        self._close()


class AsyncItemIterator:
    """An asynchronous iterator over the items of a stream that is not read as tokens. Closing it closes the call."""

    def __init__(self, next_item: Callable[[], Awaitable[Any]], close: Callable[[], Awaitable[None]]) -> None:
        self._next_item = next_item
        self._close = close

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return await self._next_item()

    async def aclose(self) -> None:
        """Close the call."""
        await self._close()


class EventStream(ItemIterator):
    """An iterator over the bytes of an event stream, which always ends in `[DONE]`. Closing it closes the call."""

    _has_ended = False
    _unexpected: Exception | None = None
    """An exception that is none of cfai's, raised once the browser knows that the stream is over."""

    def __init__(
        self,
        next_item: Callable[[], Any],
        close: Callable[[], None],
        abandon: Callable[[], None],
        ping: float | None,
    ) -> None:
        super().__init__(next_item if ping is None else _PingingReader(next_item, abandon, ping).next, close)
        self._is_new = True

    def __next__(self) -> bytes:
        if self._is_new:
            self._is_new = False
            _warn_if_read_by_starlette()
        if self._has_ended:
            unexpected, self._unexpected = self._unexpected, None
            raise unexpected or StopIteration
        try:
            return self._next_item()
        except Exception as error:
            self._has_ended = True
            self._unexpected = None if isinstance(error, StopIteration | CfaiError) else error
            return _encode_end(error)


class AsyncEventStream(AsyncItemIterator):
    """An asynchronous iterator over the bytes of an event stream, which always ends in `[DONE]`."""

    _has_ended = False
    _unexpected: Exception | None = None
    """An exception that is none of cfai's, raised once the browser knows that the stream is over."""

    def __init__(
        self, next_item: Callable[[], Awaitable[Any]], close: Callable[[], Awaitable[None]], ping: float | None
    ) -> None:
        reader = None if ping is None else _AsyncPingingReader(next_item, close, ping)
        super().__init__(reader.next if reader else next_item, reader.aclose if reader else close)
        self._asked = 0
        """How often something was asked for."""

    async def __anext__(self) -> bytes:
        self._asked += 1
        if self._has_ended:
            unexpected, self._unexpected = self._unexpected, None
            raise unexpected or StopAsyncIteration
        try:
            return await self._next_item()
        except Exception as error:
            self._has_ended = True
            self._unexpected = None if isinstance(error, StopAsyncIteration | CfaiError) else error
            return _encode_end(error)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException:  # cancelled
            start_system_task(partial(self._close_unless_asked, self._asked))
            raise

    async def _close_unless_asked(self, asked: int) -> None:
        """Close the call if nobody comes back. Servers cancel the task of a page that was closed, and close nothing."""
        with suppress(Exception):
            await anyio.sleep(GONE_AFTER)
            if self._asked == asked:
                await self._close()


def encode_stream(
    stream: Iterator[Token], close: Callable[[], None], abandon: Callable[[], None], ping: float | None
) -> EventStream:
    """Return a stream of tokens as an event stream. Raises `ConfigurationError` for what is no number of seconds."""
    check_seconds("ping", ping)

    def encode_next() -> bytes:
        while (token := next(stream)).choice:
            pass
        return encode_token(token)

    return EventStream(encode_next, close, abandon, ping)


def aencode_stream(
    stream: AsyncIterator[Token], close: Callable[[], Awaitable[None]], ping: float | None
) -> AsyncEventStream:
    """Return a stream of tokens as an event stream. Raises `ConfigurationError` for what is no number of seconds."""
    check_seconds("ping", ping)

    async def encode_next() -> bytes:
        while (token := await anext(stream)).choice:
            pass
        return encode_token(token)

    return AsyncEventStream(encode_next, close, ping)


class _PingingReader:
    """A reader of items in a thread of its own, which gives a comment instead of one that is long in coming."""

    def __init__(self, next_item: Callable[[], bytes], abandon: Callable[[], None], ping: float) -> None:
        self._abandon = abandon
        self._ping = ping
        self._wanted: SimpleQueue[bool] = SimpleQueue()
        """True for an item that is wanted, False once none is wanted any more."""
        self._given: SimpleQueue[tuple[bytes, Exception | None]] = SimpleQueue()
        self._is_waiting = False
        threading.Thread(target=_give_items, args=(next_item, self._wanted, self._given), daemon=True).start()

    def __del__(self) -> None:
        self._wanted.put(False)
        self._abandon()  # the thread may be waiting for an item, and holds the stream

    def next(self) -> bytes:
        if not self._is_waiting:
            self._wanted.put(True)
        self._is_waiting = True
        try:
            item, error = self._given.get(timeout=self._ping)
        except Empty:
            return _PING
        self._is_waiting = False
        if error is not None:
            raise error
        return item


def _give_items(
    next_item: Callable[[], bytes], wanted: SimpleQueue[bool], given: SimpleQueue[tuple[bytes, Exception | None]]
) -> None:
    while wanted.get():
        try:
            given.put((next_item(), None))
        except Exception as error:
            given.put((b"", error))


class _AsyncPingingReader:
    """A reader of items in a task of its own, which gives a comment instead of one that is long in coming.

    What it waits for goes on beside the comments: a call of the model that was cancelled would be billed and lost.
    """

    def __init__(
        self, next_item: Callable[[], Awaitable[bytes]], close: Callable[[], Awaitable[None]], ping: float
    ) -> None:
        self._next_item = next_item
        self._close = close
        self._ping = ping
        self._pending: _PendingItem | None = None

    async def next(self) -> bytes:
        if self._pending is None:
            self._pending = _PendingItem()
            start_system_task(partial(self._pending.wait_for, self._next_item))
        pending = self._pending
        with anyio.move_on_after(self._ping):
            await pending.ended.wait()
        if not pending.ended.is_set():
            return _PING
        self._pending = None
        if pending.error is not None:
            raise pending.error
        return pending.item

    async def aclose(self) -> None:
        """End the wait for an item, and close the call."""
        if self._pending is not None:
            self._pending.scope.cancel()
            with anyio.CancelScope(shield=True):
                await self._pending.ended.wait()
        await self._close()


class _PendingItem:
    """An item that a task of its own waits for."""

    def __init__(self) -> None:
        self.item = b""
        self.error: BaseException | None = None
        self.ended = anyio.Event()
        self.scope = anyio.CancelScope()

    async def wait_for(self, next_item: Callable[[], Awaitable[bytes]]) -> None:
        try:
            with self.scope:
                self.item = await next_item()
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            self.error = error
        finally:
            self.ended.set()


def _warn_if_read_by_starlette() -> None:
    """Warn of Starlette's `StreamingResponse`, which does not close a synchronous iterator when its reader leaves."""
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]  # what `warnings` itself uses
    while frame is not None:
        if frame.f_globals.get("__name__") == "starlette.concurrency":
            message = "Starlette does not close a synchronous stream when its reader leaves, so the model writes on: "
            warn(message + "await arun(...) and return its ato_event_stream()", UnstoppedStreamWarning)
            return
        frame = frame.f_back


def _encode_end(error: Exception) -> bytes:
    """Return the last bytes of an event stream that `error`, or its proper end, has ended."""
    if isinstance(error, StopIteration | StopAsyncIteration):
        return DONE_EVENT
    if not isinstance(error, CfaiError):
        return StreamError("reading the stream failed").to_event_stream()
    log_broken_event_stream(error)
    return error.to_event_stream()


def encoder_for(dialect: Dialect, decoder: Decoder) -> NativeEncoder | PassthroughEncoder:
    """Return the encoder of a dialect, over the decoder of the tokens. Raises `ConfigurationError`."""
    if dialect == "native":
        return NativeEncoder(decoder)
    if dialect == "original":
        return PassthroughEncoder(decoder)
    raise ConfigurationError(f"`dialect` must be 'native' or 'original', got {dialect!r}")


class NativeEncoder:
    """An encoder of `{"response": "…"}`, whatever the model's own dialect."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def feed(self, block: bytes) -> list[bytes]:
        return _encode_tokens(self._decoder.feed(block))

    def finish(self, rest: bytes) -> list[bytes]:
        return _encode_tokens(self._decoder.finish(rest))


class PassthroughEncoder:
    """An encoder that passes events on as they came, each with padding put in; `decoder` watches for errors."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def feed(self, block: bytes) -> list[bytes]:
        if self._decoder.done:
            return []
        if 10 not in block and b"[DONE]" not in block:
            return self._pass_on(block)
        block, has_end_mark = split_at_end_mark(block)
        sent = self._pass_on_all(_split_events(block))
        if has_end_mark and not self._decoder.done:
            self._decoder.feed(END_MARK)  # ours goes out in its place
        return sent

    def finish(self, rest: bytes) -> list[bytes]:
        if self._decoder.done:
            return []
        rest, has_end_mark = split_at_end_mark(rest.strip(b"\n"))
        *parts, last = _split_events(rest, may_be_cut_off=not has_end_mark)
        sent = self._pass_on_all(parts)
        if self._decoder.done:
            return sent
        try:
            self._decoder.finish(last + b"\n" + END_MARK if has_end_mark else last)
        except StreamError:
            if not sent:
                raise
            return sent  # `check` raises it
        if (body := self._decoder.body_without_events) is not None:
            return [*sent, pad(b"data: " + body.replace(b"\n", b"\ndata: ")) + b"\n\n"]
        # What is cut off is no event.
        is_whole = is_json_object(b"\n".join(parse_fields(last).data or []))
        return [*sent, pad(last) + b"\n\n"] if is_whole else sent

    def _pass_on_all(self, blocks: list[bytes]) -> list[bytes]:
        """Pass on blocks up to one that reports an error, which `check` raises once what came before it is given."""
        sent: list[bytes] = []
        for block in blocks:
            try:
                sent += self._pass_on(block)
            except StreamError:
                if not sent:
                    raise
                self._decoder.done = True
        return sent

    def _pass_on(self, block: bytes) -> list[bytes]:
        if self._decoder.done or not block:
            return []
        self._decoder.feed(block)
        return [pad(block) + b"\n\n"]


def _encode_tokens(tokens: list[Token]) -> list[bytes]:
    # A page that shows one answer has no use for the second of several.
    return [encode_token(token) for token in tokens if token.choice == 0]


def _split_events(block: bytes, may_be_cut_off: bool = False) -> list[bytes]:
    """Return a block as one for each of its events, if the blank lines between them are missing."""
    data = parse_fields(block).data or []
    lines = split_lone_events(b"\n".join(data), may_be_cut_off) if len(data) > 1 else []
    return [b"data: " + line for line in lines] or [block]


def encode_token(token: Token) -> bytes:
    """Return a token as an event of the native dialect, with fresh padding."""
    event: dict[str, Any] = {"response": token.text}
    if token.reasoning:
        event["reasoning"] = token.reasoning
    if token.tool_calls:
        event["tool_calls"] = [
            {"index": call.index, "id": call.id, "function": {"name": call.name, "arguments": call.arguments}}
            for call in token.tool_calls
        ]
    if token.finish_reason:
        event["finish_reason"] = token.finish_reason
    if usage := token.usage:
        event["usage"] = dict(usage.raw)
    return b"data: " + to_compact_json({**event, "p": _make_padding()}).encode("utf-8", "replace") + b"\n\n"


def pad(block: bytes) -> bytes:
    """Return a block with fresh padding before the last brace of its JSON.

    Decoding it instead would lose how numbers were written.

    >>> pad(b'data: {"response":0.10}').startswith(b'data: {"response":0.10,"p":"')
    True
    """
    lines = block.split(b"\n")
    for position in range(len(lines) - 1, -1, -1):
        line = lines[position].rstrip()
        if line.startswith(b"data:") and line.endswith(b"}"):
            head = line[:-1]
            before = b"".join(part[5:] for part in (*lines[:position], head) if part.startswith(b"data:"))
            comma = b"" if before.rstrip().endswith(b"{") else b","
            lines[position] = head + comma + b'"p":"' + _make_padding().encode() + b'"}'
            break
    return b"\n".join(lines)


def _make_padding() -> str:
    return _PADDING[: 1 + secrets.randbelow(len(_PADDING))]
