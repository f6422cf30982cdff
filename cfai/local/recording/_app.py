"""Who may ask, and for what: the same for the recorder and the player."""

from __future__ import annotations

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote

from cfai.local.emulator._routes import host_name, is_loopback
from cfai.local.emulator._wire import Connection, receive_request
from cfai.local.recording._exchange import ACCOUNT_PATH
from cfai.local.server import AccessRules
from cfai.local.server._loop import Receive, Scope, Send, Transports
from cfai.local.wire._errors import EmulatorError, ErrorResponse


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request that may be answered."""

    method: str
    path: str
    """As it came, with `{account_id}` for the account."""

    query: str
    headers: Mapping[str, str]
    """Names in lower case."""

    body: bytes


class NoAnswerError(Exception):
    """A request that gets no answer of the service's, recorded or not; the reason is told in its envelope."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class RecordingApp(ABC):
    """An ASGI application that lets in who has the local token, and asks for the local account."""

    def __init__(self, access: AccessRules) -> None:
        self._access = access
        self.transports: Transports = {}
        self.stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        came = await receive_request(self.transports, scope, receive, send)
        if came is None:
            return
        connection, body = came
        try:
            await self.answer(connection, self._parse(scope, body))
        except ErrorResponse as no:
            await _send_text(connection, no.status, "application/json", json.dumps(no.to_body(str(uuid.uuid4()))))
        except NoAnswerError as no:
            envelope = {"result": None, "success": False, "errors": [{"message": str(no)}], "messages": []}
            await _send_text(connection, no.status, "application/json", json.dumps(envelope, ensure_ascii=False))
        except EmulatorError as mistake:
            await _send_text(connection, mistake.status, "text/plain", f"{mistake}\n")
        finally:
            connection.unwatch()

    @abstractmethod
    async def answer(self, connection: Connection, http_request: HttpRequest) -> None:
        """Answer a request. Raises `NoAnswerError` before anything was sent."""

    def _parse(self, scope: Scope, body: bytes | None) -> HttpRequest:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._access.allow_remote and not is_loopback(host_name(headers.get("host", ""))):
            # A web page may have had its own name resolved to this machine.
            raise EmulatorError(403, "Host not allowed: this server answers to loopback names only")
        if headers.get("upgrade", "").lower() == "websocket":
            raise NoAnswerError(501, "WebSockets are neither recorded nor played back: ask the service itself")
        raw_path = cast(bytes, scope["raw_path"]).decode("latin-1")
        account, path = _split_path(raw_path)
        if headers.get("authorization") != f"Bearer {self._access.api_token}":
            raise ErrorResponse(10000)
        if account != self._access.account_id:
            raise ErrorResponse(7003, f"Could not route to {raw_path}, perhaps your object identifier is invalid?")
        if body is None:
            raise ErrorResponse(3006)
        return HttpRequest(scope["method"], path, cast(bytes, scope["query_string"]).decode("latin-1"), headers, body)


def _split_path(raw_path: str) -> tuple[str, str]:
    """Split a path into account and rest. Raises `ErrorResponse` for what is not Workers AI's."""
    parts = raw_path.split("/")
    if any(unquote(part) in (".", "..") for part in parts):
        raise ErrorResponse(7000)
    match parts:
        case ["", "client", "v4", "accounts", account, "ai", _, *_]:
            parts[4] = ACCOUNT_PATH
        case ["", "v1", account, _, *_]:
            parts[2] = ACCOUNT_PATH
        case _:
            raise ErrorResponse(7000)
    return unquote(account), "/".join(parts)


async def _send_text(connection: Connection, status: int, content_type: str, text: str) -> None:
    body = text.encode("utf-8", "replace")
    await connection.start(status, {"content-type": content_type, "content-length": str(len(body))})
    await connection.write(body)
    await connection.end()
