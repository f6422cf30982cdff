"""A WebSocket over a connection of httpx: the proxies, the certificates and the errors are those of every other call.

wsproto makes and reads the frames. httpx-ws, which stands on it too, raises what fails inside its block as an
`ExceptionGroup`, reads without a timeout, which our connections bound, and takes a slow reader for a dead server.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import anyio
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import ProtocolError, generate_accept_token, generate_nonce

from cfai._errors import ConfigurationError, RealtimeError
from cfai._json import loads
from cfai._request import ApiRequest
from cfai._resources.api import AccountApi, Operation, make_unreadable_error
from cfai._response import (
    ApiResponse,
    describe_transport_error,
    find_cause,
    map_transport_error,
    parse_error_body,
    redact,
)
from cfai._transport import BackgroundReader

PING_AFTER = 20.0
"""Seconds of silence, after which the service is asked whether it is there; it has as many to answer."""

_READ_SIZE = 64 * 1024
_CLOSE_SECONDS = 1.0
"""Seconds that saying goodbye may take."""
_ABNORMAL = 1006
"""The code of a connection that ended without one. https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1"""
_TOO_BIG = 1009
"""The code of whoever was sent more than they take."""
_NORMAL = (1000, 1005)
"""The codes of a proper end: that with nothing to say, and none."""


async def open_websocket(api: AccountApi, operation: Operation[Any]) -> WebSocket:
    """Return the WebSocket that a GET opens. Raises what `run` does where the service refuses it."""
    nonce = generate_nonce()
    headers = {
        **operation.headers,
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": nonce.decode(),
    }
    response, request = await api.acall(replace(operation, headers=headers, wants_stream=True, read=_take))
    problem: Exception | None = None
    if response.meta.status_code != 101:
        problem = make_unreadable_error("no WebSocket was opened", response, request)
    elif "network_stream" not in response.http.extensions:
        must = "`async_http_client` must be a client with httpx's own transport for a WebSocket"
        problem = ConfigurationError(f"{must}: leave it out, or make the session with another Ai")
    elif response.headers.get("sec-websocket-accept") != generate_accept_token(nonce).decode():
        problem = make_unreadable_error("its sec-websocket-accept does not fit", response, request)
    if problem is not None:
        await response.http.aclose()
        raise problem
    return WebSocket(response, request)


def _take(response: ApiResponse, request: ApiRequest) -> tuple[ApiResponse, ApiRequest]:
    return response, request


class WebSocket:
    """An open WebSocket. A task of its own reads it ahead by a little, and answers pings meanwhile.

    Whoever reads slowly slows down the service: once 64 KiB are unread, no more is taken from the network, unless a
    message waits to be sent and nobody reads, for which the service may wait in turn.
    """

    def __init__(self, response: ApiResponse, request: ApiRequest) -> None:
        self.request_id = response.meta.request_id
        self._closed: tuple[int, str] | None = None
        """The code and the reason with which the service ended it."""
        self._broken: tuple[int, str] | None = None
        """The same of the network. What had come by then is read nevertheless, and the service's own reason with it."""
        self._response = response
        self._request = request
        self._stream = response.http.extensions["network_stream"]
        self._connection = Connection(ConnectionType.CLIENT)
        self._writing = anyio.Lock()
        self._is_torn = False
        """True if a frame may have been sent in part: nothing can follow it."""
        self._replies: deque[Event] = deque()
        """What the reader has to say, and whoever writes just now says for it: waiting, it would not read."""
        self._reader = BackgroundReader(cast("Any", self), must_go_on=self._writing.locked)
        response.pooled_client.open_responses[response.http] = self._reader
        self._reader.start()

    @property
    def closed(self) -> tuple[int, str] | None:
        """The code and the reason with which the service, or the network, ended it."""
        return self._closed or self._broken

    @property
    def has_ended_well(self) -> bool:
        """True if the service ended it as it should."""
        return self._closed is not None and self._closed[0] in _NORMAL

    async def receive(self) -> str | bytes | None:
        """Return the next message, for one task at a time, or `None` after a proper end.

        Raises `RealtimeError` after any other.
        """
        message: Any = await self._reader.next()
        if message is None and self.closed is not None and not self.has_ended_well:
            raise self._make_closed_error()
        return message

    async def send(self, message: str | bytes) -> None:
        """Send a message, and return when the network has taken it. Raises `RealtimeError` if it is over."""
        await self._send(TextMessage(message) if isinstance(message, str) else BytesMessage(message))

    async def end(self) -> None:
        """Say that nothing more will be sent, unless that was said, or it is over.

        What the service sends until it agrees is still received. Raises `RealtimeError` if nothing can be sent.
        """
        async with self._writing:
            if self._is_torn:
                raise self._make_closed_error()
            if self._connection.state is ConnectionState.OPEN and not self.closed:
                await self._write(CloseConnection(1000))

    async def _send(self, event: Event) -> None:
        async with self._writing:
            if self.closed or self._is_torn or self._connection.state is not ConnectionState.OPEN:
                raise self._make_closed_error()
            await self._write(event)
            await self._write_replies()

    async def aclose(self) -> None:
        """Close it, and its connection."""
        try:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True), suppress(RealtimeError):  # it may be over already
                await self.end()
        finally:
            await self._response.pooled_client.aclose_response(self._response.http)

    async def _write(self, event: Event) -> None:
        data, failure = self._connection.send(event), None
        try:
            self._is_torn = True
            await self._stream.write(data, self._request.config.timeout.write)
            self._is_torn = False
        except Exception as exception:
            failure = self._map_exception(exception)
        if failure is not None:
            raise failure

    def __aiter__(self) -> WebSocket:
        return self

    async def __anext__(self) -> str | bytes:
        """Read the next message, for the one task that reads."""
        parts: list[Any] = []
        size = 0
        while self._closed is None:
            for event in self._connection.events():
                if isinstance(event, TextMessage | BytesMessage):
                    parts.append(event.data)
                    size += len(event.data)
                    if size > self._request.config.max_answer_bytes:
                        await self._agree(CloseConnection(_TOO_BIG, "a message is larger than max_answer_bytes"))
                        raise StopAsyncIteration
                    if event.message_finished:
                        return parts[0][:0].join(parts)
                elif isinstance(event, Ping):
                    await self._reply(event.response())
                elif isinstance(event, CloseConnection):
                    await self._agree(event)
                    raise StopAsyncIteration
            self._connection.receive_data(await self._read() or None)
        raise StopAsyncIteration

    async def _agree(self, event: CloseConnection) -> None:
        reason = event.reason or ("the connection ended" if event.code == _ABNORMAL else "")
        self._closed = (int(event.code), self._redact(reason))
        await self._reply(event.response())

    async def _reply(self, event: Event) -> None:
        self._replies.append(event)
        if not self._writing.locked():
            async with self._writing:
                await self._write_replies()

    async def _write_replies(self) -> None:
        """Send what the reader has to say, as far as it can still be said. Whether it arrives, the reader finds out."""
        while self._replies:
            event, state = self._replies.popleft(), self._connection.state
            is_answer = state is ConnectionState.REMOTE_CLOSING and isinstance(event, CloseConnection)
            if not self._is_torn and (state is ConnectionState.OPEN or is_answer):
                with suppress(RealtimeError):
                    await self._write(event)

    async def _read(self) -> bytes:
        is_asked, failure = False, None
        while failure is None:
            try:
                return await self._stream.read(_READ_SIZE, PING_AFTER)
            except Exception as exception:
                if type(exception).__name__ != "ReadTimeout" or is_asked:
                    failure = self._map_exception(exception)
            if failure is None and self._connection.state is ConnectionState.OPEN:
                is_asked = True
                await self._reply(Ping(b"cfai"))
        raise failure

    def _map_exception(self, exception: Exception) -> Exception:
        """Return the error for a failure of the network; another exception stays as it is."""
        request = self._request
        if not isinstance(exception, ProtocolError) and map_transport_error(exception, request.model, "") is None:
            return exception
        reason = describe_transport_error(exception, request.secrets)
        self._broken = (_ABNORMAL, "the Ai was closed" if self._response.pool.is_closed else reason)
        error = self._make_closed_error()
        error.__cause__ = find_cause(exception, request.secrets)
        return error

    def make_reported_error(self, message: str | bytes) -> RealtimeError:
        """Return the error that a message reports.

        UNCERTAIN: the form of such messages. Any in which an error comes elsewhere is taken, and Deepgram's.
        """
        body = loads(self._redact(str(message)).encode())
        problem, model = parse_error_body(body), self._request.model
        code = "" if problem.code is None else f"{problem.code}: "
        return RealtimeError(
            f"{model} reported an error: {code}{problem.message} (request id {self.request_id})",
            code=problem.code,
            reason=problem.message,
            body=body,
            model=model,
            request_id=self.request_id,
        )

    def _redact(self, text: str) -> str:
        return redact(text.encode(), self._request.secrets).decode()

    def _make_closed_error(self) -> RealtimeError:
        code, reason = self.closed or (_ABNORMAL, "a message was cancelled while it was sent" if self._is_torn else "")
        model = self._request.model
        return RealtimeError(
            f"the session with {model} is over: {code} {reason or 'without a reason'} (request id {self.request_id})",
            code=code,
            reason=reason,
            model=model,
            request_id=self.request_id,
        )
