"""The recorder's answers: the service's own, passed on chunk by chunk, and kept."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cfai._credentials import Credentials, Secret
from cfai._transport import ClientPool
from cfai.local.emulator._wire import PATIENCE, Connection
from cfai.local.recording import _exchange
from cfai.local.recording._app import HttpRequest, NoAnswerError, RecordingApp
from cfai.local.recording._exchange import ACCOUNT_PATH, Cut, ExchangeTimes
from cfai.local.recording._raw_exchange import RawExchange, redact
from cfai.local.recording._redact import Redactor
from cfai.local.server import ACCOUNT, AccessRules

_LOG = logging.getLogger("cfai.local.recording")
_WAITS = httpx.Timeout(PATIENCE, connect=10.0)

_HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
    *("transfer-encoding", "upgrade"),
}
# The real credentials and the service's cookies stay on their side of the recorder, the caller's on theirs.
_OURS = {"host", "content-length", "expect", "accept-encoding", "authorization", "cookie", "x-auth-email", "x-auth-key"}
_UNDONE = ("gzip", "deflate")


@dataclass(slots=True)
class _PartialResponse:
    """An answer, as far as it has come."""

    number: int
    began: float
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    head: int = 0
    chunks: list[bytes] = field(default_factory=list[bytes])
    times: list[int] = field(default_factory=list[int])
    size: int = 0
    is_saved: bool = False

    @property
    def is_whole(self) -> bool:
        """Return whether all is there that was announced, or that a reader of events waits for."""
        length = self.headers.get("content-length")
        return length == str(self.size) if length else self._is_done()

    def add(self, chunk: bytes, time: int) -> None:
        self.chunks.append(chunk)
        self.times.append(time)
        self.size += len(chunk)

    def _is_done(self) -> bool:
        return re.search(rb"data: ?\[DONE\]\s*$", b"".join(self.chunks[-8:])) is not None


class RecorderApp(RecordingApp):
    """The ASGI application."""

    def __init__(self, access: AccessRules, upstream: Credentials, gateway_token: Secret, folder: Path) -> None:
        super().__init__(access)
        self._upstream = upstream
        self._gateway_token = gateway_token
        self._folder = folder
        self._exchanges = max(map(_exchange.parse_number, _exchange.list_recordings(folder)), default=0)
        self._redactor = Redactor(
            {upstream.id: ACCOUNT, upstream.token.value: "x", gateway_token.value: "x", access.api_token: "x"}
        )
        trust_env = not upstream.is_direct
        self._clients = ClientPool(trust_env=trust_env)

    async def aclose(self) -> None:
        """Close the connections to the service."""
        await self._clients.aclose()

    async def answer(self, connection: Connection, http_request: HttpRequest) -> None:
        """Pass a request on, and its answer back, until its client leaves."""
        self._exchanges += 1
        partial = _PartialResponse(self._exchanges, asyncio.get_running_loop().time())
        call = asyncio.create_task(self._pass_on(connection, http_request, partial))
        gone = asyncio.create_task(_wait_until_gone(connection))
        await asyncio.wait({call, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not call.done():
            # Who left is known now: while the call ends, the recorder may be stopped as well.
            leaver: Cut = "by the recorder" if self.stopping else "by the client"
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            if partial.status:
                self._save(http_request, partial, None if partial.is_whole else leaver)
        else:
            call.result()

    async def _pass_on(self, connection: Connection, http_request: HttpRequest, partial: _PartialResponse) -> None:
        clock = asyncio.get_running_loop().time
        response = await self._send(http_request)
        try:
            partial.head = round(1000 * (clock() - partial.began))
            headers, chunks = _read(response)
            partial.status, partial.headers = response.status_code, headers
            if partial.is_whole:
                self._save(http_request, partial)
            forwarded = {name: value for name, value in headers.items() if name != "set-cookie"}
            await connection.start(response.status_code, forwarded)
            async for chunk in chunks:
                partial.add(chunk, round(1000 * (clock() - partial.began)))
                if "content-length" in headers and partial.is_whole:
                    # Whoever has the last byte may look for the file.
                    self._save(http_request, partial)
                await connection.write(chunk)
            self._save(http_request, partial)
            await connection.end()
        except httpx.HTTPError:
            self._save(http_request, partial, "by the service")
            await connection.cut()
        finally:
            await response.aclose()

    async def _send(self, http_request: HttpRequest) -> Any:
        """Return the service's answer, not read yet. Raises `NoAnswerError` if there is none."""
        client: Any = (await self._clients.get_async_client()).client
        try:
            headers = self._build_headers(http_request.headers)
            request = client.build_request(
                http_request.method,
                self._build_url(http_request),
                headers=headers,
                content=http_request.body,
                timeout=_WAITS,
            )
            return await client.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = self._redactor.redact_request(f"{type(error).__name__}: {error}".encode()).decode()
            raise NoAnswerError(
                502, f"{self._upstream.base_url} did not answer ({reason}): nothing is recorded"
            ) from error

    def _build_url(self, http_request: HttpRequest) -> str:
        origin, path = self._upstream.base_url, http_request.path.removeprefix("/client/v4")
        if path == http_request.path:
            origin, path = self._upstream.gateway_url, http_request.path.removeprefix("/v1")
        path = path.replace(ACCOUNT_PATH, self._upstream.id, 1)
        return f"{origin}{path}?{http_request.query}" if http_request.query else f"{origin}{path}"

    def _build_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        sent = {name: value for name, value in _end_to_end_headers(headers).items() if name not in _OURS}
        local = f"Bearer {self._access.api_token}"
        if sent.get("cf-aig-authorization") == local:
            sent["cf-aig-authorization"] = f"Bearer {self._gateway_token.value}"
        self._redactor.hide_credentials(sent)
        # What is compressed cannot be searched for secrets, nor read by people.
        return sent | {"authorization": f"Bearer {self._upstream.token.value}", "accept-encoding": "identity"}

    def _save(self, http_request: HttpRequest, partial: _PartialResponse, cut: Cut | None = None) -> None:
        """Write the file of an exchange, once."""
        if partial.is_saved:
            return
        partial.is_saved = True
        forwarded = RawExchange(
            number=partial.number,
            method=http_request.method,
            path=http_request.path,
            query=http_request.query,
            content_type=http_request.headers.get("content-type"),
            sent=http_request.body,
            status=partial.status,
            headers=partial.headers,
            chunks=partial.chunks,
            cut=cut,
            times=ExchangeTimes(head=partial.head, chunks=partial.times),
        )
        try:
            _exchange.save_exchange(redact(forwarded, self._redactor), self._folder, partial.number)
        except OSError as error:
            # The caller's answer is not to suffer from it.
            _LOG.error("an exchange was not recorded: %s", error)


async def _wait_until_gone(connection: Connection) -> None:
    while not connection.is_gone:
        await connection.pause(PATIENCE)


def _end_to_end_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers that are not this connection's own."""
    named = {name.strip().lower() for name in headers.get("connection", "").split(",")}
    return {name: value for name, value in headers.items() if name not in _HOP_BY_HOP | named}


def _read(response: Any) -> tuple[dict[str, str], AsyncIterator[bytes]]:
    """Return headers and chunks of an answer. Raises `NoAnswerError` for a compression that cannot be undone."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers.raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    headers = _end_to_end_headers(headers)
    encoding = headers.pop("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return headers, response.aiter_raw()
    if encoding not in _UNDONE:
        raise NoAnswerError(502, f"the service compressed its answer ({encoding}) though it was asked not to")
    headers.pop("content-length", None)
    return headers, response.aiter_bytes()
