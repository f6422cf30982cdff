"""Record a service: pass its answers on chunk by chunk, and save them."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from cfai._credentials import Credentials, EnvironmentVariables, Secret, parse_setting, resolve_credentials
from cfai._transport import ClientPool
from cfai.local.recording._application import RecordingApp, RecordingError
from cfai.local.recording._exchange import ACCOUNT_PATH, Cut, RawExchange
from cfai.local.recording._files import RecordingWriter, list_recordings
from cfai.local.recording._redact import Redactor
from cfai.local.server import (
    CREDENTIAL_HEADERS,
    LOCAL_ACCOUNT_ID,
    MAX_OPEN_SECONDS,
    AccessRules,
    Connection,
    LocalServer,
    RawRequest,
    is_loopback,
)

_LOG = logging.getLogger("cfai.local.recording")
_TIMEOUT = httpx.Timeout(MAX_OPEN_SECONDS, connect=10.0)

_HOP_BY_HOP_HEADERS = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
    *("transfer-encoding", "upgrade"),
}
# The real credentials and the service's cookies stay on their side of the recorder, the caller's on theirs.
# A gateway's own token is passed on.
_LOCAL_HEADERS = {"host", "content-length", "expect", "accept-encoding", *CREDENTIAL_HEADERS} - {"cf-aig-authorization"}


class Recorder(LocalServer):
    """Stands in front of a Workers AI, passes everything on as it comes, and keeps each exchange in a file.

    ```python
    with Recorder("recordings") as local:
        ai = local.ai()
        print(ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello"}))
    ```

    The files hold no credentials, no account id and no ids of requests: stand-ins as long are in their places. What
    was answered before the client left, or before the service broke off, is kept and marked.

    - `upstream_url`, `upstream_account_id`, `upstream_token`: the service to record and its credentials, each from the
      environment if it is not given, as for `Ai`.
    - `gateway_token`: sent to an AI Gateway for the callers that send the local token; without it `upstream_token` is.
    - `api_token`, `account_id`: what callers must send. Without `api_token` it is a new one each time: whoever has it
      spends your neurons.
    - `allow_remote`: needed to listen on anything but loopback.

    It also works with `async with`, under asyncio and trio. Raises `ConfigurationError` for credentials that are
    missing. Starting raises `OSError` if the port is taken or the folder cannot be made, `ValueError` if it would
    record itself and `ImportError` if the extra is not installed.
    """

    display_name = "the recorder"

    def __init__(
        self,
        folder: str | Path,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        upstream_url: str | None = None,
        upstream_account_id: str | None = None,
        upstream_token: str | None = None,
        gateway_token: str | None = None,
        api_token: str | None = None,
        account_id: str = LOCAL_ACCOUNT_ID,
        allow_remote: bool = False,
    ) -> None:
        # Secrets are wrapped before anything can raise: a traceback shows the variables of this frame.
        hidden_url, hidden_id, hidden_token = Secret(upstream_url), Secret(upstream_account_id), Secret(upstream_token)
        hidden_gateway_token = Secret(gateway_token) if gateway_token else None
        upstream_url = upstream_account_id = upstream_token = gateway_token = None
        local = api_token or f"cfai-recorder-{secrets.token_hex(16)}"
        super().__init__(host, port, api_token=local, account_id=account_id, allow_remote=allow_remote)
        self._folder = Path(folder)
        self._upstream = resolve_credentials(
            EnvironmentVariables(os.environ),
            parse_setting("upstream_account_id", hidden_id),
            parse_setting("upstream_token", hidden_token),
            parse_setting("upstream_url", hidden_url),
        )
        self._gateway_token = hidden_gateway_token or self._upstream.token

    @property
    def upstream_url(self) -> str:
        """The service that it records."""
        return self._upstream.base_url

    @property
    def recordings(self) -> list[Path]:
        """The files in its folder, in their order, those of earlier times included."""
        return list_recordings(self._folder)

    def _make_application(self) -> _RecorderApp:
        upstream = urlsplit(self.upstream_url)
        if self._requested_port and upstream.port == self._requested_port and is_loopback(upstream.hostname or ""):
            raise ValueError(f"the recorder would record itself: {self.upstream_url} is its own address")
        writer = RecordingWriter(self._folder)
        return _RecorderApp(self.display_name, self._access, self._upstream, self._gateway_token, writer)


class _RecorderApp(RecordingApp):
    def __init__(
        self,
        display_name: str,
        access: AccessRules,
        upstream: Credentials,
        gateway_token: Secret,
        writer: RecordingWriter,
    ) -> None:
        super().__init__(display_name, access)
        self._upstream = upstream
        self._gateway_token = gateway_token
        self._writer = writer
        self._unsaved: set[int] = set()
        """Numbers of the exchanges whose answer is under way."""
        self._redactor = Redactor(
            {
                upstream.account_id: LOCAL_ACCOUNT_ID,
                upstream.token.value: "x",
                gateway_token.value: "x",
                access.api_token: "x",
            }
        )
        self._clients = ClientPool(urls=(upstream.base_url, upstream.gateway_url), trust_env=not upstream.is_direct)

    async def aclose(self) -> None:
        """Close the connections to the service."""
        await self._clients.aclose()

    async def answer_accepted(self, connection: Connection, request: RawRequest) -> None:
        """Pass a request on, and its answer back, until its client leaves."""
        await connection.run_until_gone(self._pass_on(connection, request))

    async def _pass_on(self, connection: Connection, request: RawRequest) -> None:
        clock = asyncio.get_running_loop().time
        number, start = self._writer.reserve_number(), clock()
        response = await self._send(request)
        async with aclosing(response):
            headers, chunks = _read_response(response)
            received, times = list[bytes](), list[int]()
            exchange = RawExchange(
                number=number,
                method=request.method,
                path=request.path,
                query=request.query,
                request_content_type=request.headers.get("content-type"),
                request_body=request.body or b"",
                status=response.status_code,
                response_headers=headers,
                response_chunks=received,
                head_time=round(1000 * (clock() - start)),
                chunk_times=times,
            )
            self._unsaved.add(number)
            try:
                if _is_whole(exchange):
                    self._save(exchange)
                await connection.start(
                    response.status_code, {name: headers[name] for name in headers if name != "set-cookie"}
                )
                async for chunk in chunks:
                    received.append(chunk)
                    times.append(round(1000 * (clock() - start)))
                    if "content-length" in headers and _is_whole(exchange):
                        # Whoever has the last byte may look for the file.
                        self._save(exchange)
                    await connection.write(chunk)
                self._save(exchange)
                await connection.end()
            except httpx.HTTPError:
                self._save(exchange, "by the service")
                await connection.cut()
            except asyncio.CancelledError:
                leaver: Cut = "by the client" if connection.left_by_client else "by the recorder"
                self._save(exchange, None if _is_whole(exchange) else leaver)
                raise

    async def _send(self, request: RawRequest) -> Any:
        """Return the service's answer, not read yet. Raises `RecordingError` if there is none."""
        client: Any = (await self._clients.get_async_client()).client
        url, headers = self._build_url(request), self._build_headers(request.headers)
        try:
            built = client.build_request(request.method, url, headers=headers, content=request.body, timeout=_TIMEOUT)
            return await client.send(built, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = self._redactor.redact_request(f"{type(error).__name__}: {error}".encode()).decode()
            message = f"{self._upstream.base_url} did not answer ({reason}): nothing is recorded"
            raise RecordingError(502, message) from error

    def _build_url(self, request: RawRequest) -> str:
        origin, path = self._upstream.base_url, request.path.removeprefix("/client/v4")
        if path == request.path:
            origin, path = self._upstream.gateway_url, request.path.removeprefix("/v1")
        path = path.replace(ACCOUNT_PATH, self._upstream.account_id, 1)
        return f"{origin}{path}?{request.query}" if request.query else f"{origin}{path}"

    def _build_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        sent = {
            name: value for name, value in _select_end_to_end_headers(headers).items() if name not in _LOCAL_HEADERS
        }
        if sent.get("cf-aig-authorization") == self.access.bearer:
            sent["cf-aig-authorization"] = f"Bearer {self._gateway_token.value}"
        self._redactor.hide_credentials(sent)
        if "authorization" in headers:  # which a gateway may do without
            sent["authorization"] = f"Bearer {self._upstream.token.value}"
        # What is compressed cannot be searched for secrets, nor read by people.
        return sent | {"accept-encoding": "identity"}

    def _save(self, exchange: RawExchange, cut: Cut | None = None) -> None:
        """Write the file of an exchange, once."""
        if exchange.number not in self._unsaved:
            return
        self._unsaved.remove(exchange.number)
        try:
            self._writer.write(self._redactor.redact(replace(exchange, cut=cut)), exchange.number)
        except OSError as error:
            # The caller's answer is not to suffer from it.
            _LOG.error("an exchange was not recorded: %s", error)


def _is_whole(exchange: RawExchange) -> bool:
    """Return True if all is there that was announced, or that a reader of events waits for."""
    if length := exchange.response_headers.get("content-length"):
        return length == str(sum(map(len, exchange.response_chunks)))
    return re.search(rb"data: ?\[DONE\]\s*$", b"".join(exchange.response_chunks[-8:])) is not None


def _select_end_to_end_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers that are not this connection's own."""
    hop_by_hop = {name.strip().lower() for name in headers.get("connection", "").split(",")}
    return {name: value for name, value in headers.items() if name not in _HOP_BY_HOP_HEADERS | hop_by_hop}


def _read_response(response: Any) -> tuple[dict[str, str], AsyncIterator[bytes]]:
    """Return headers and chunks of an answer. Raises `RecordingError` for a compression that cannot be undone."""
    response.headers.encoding = "latin-1"
    headers = _select_end_to_end_headers(response.headers)
    encoding = headers.pop("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return headers, response.aiter_raw()
    if encoding not in ("gzip", "deflate"):
        raise RecordingError(502, f"the service compressed its answer ({encoding}) though it was asked not to")
    headers.pop("content-length", None)
    return headers, response.aiter_bytes()
