"""Check the requests that a recorder and a player take: their token, account and path."""

from __future__ import annotations

import json
import uuid
from abc import abstractmethod
from dataclasses import replace
from urllib.parse import unquote

from cfai.local.recording._exchange import ACCOUNT_PATH
from cfai.local.server import Application, Connection, RawRequest
from cfai.local.wire import ErrorResponse


class RecordingError(Exception):
    """A request that a recorder or a player refuses as such; the service would never say this."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class RecordingApp(Application):
    """An application for who has the local token, and asks for the local account's Workers AI."""

    async def answer(self, connection: Connection, request: RawRequest) -> None:
        """Answer one request."""
        try:
            if request.headers.get("upgrade", "").lower() == "websocket":
                raise RecordingError(501, "WebSockets are neither recorded nor played back: ask the service itself")
            account, path = _split_path(request.path)
            is_of_gateway = request.path.startswith("/v1/")
            self.access.check_credentials(request.headers, account, request.path, takes_gateway_token=is_of_gateway)
            if request.body is None:
                raise ErrorResponse(3006)
            return await self.answer_accepted(connection, replace(request, path=path))
        except ErrorResponse as refusal:
            status, body = refusal.status, refusal.to_body(str(uuid.uuid4()))
        except RecordingError as error:
            status = error.status
            body = {"result": None, "success": False, "errors": [{"message": str(error)}], "messages": []}
        await connection.send_text(status, "application/json", json.dumps(body, ensure_ascii=False))

    @abstractmethod
    async def answer_accepted(self, connection: Connection, request: RawRequest) -> None:
        """Answer a request, in whose path `{account_id}` stands for the account.

        Raises `RecordingError` before anything was sent.
        """


def _split_path(path: str) -> tuple[str, str]:
    """Split a path into account and rest. Raises `ErrorResponse` for what is not Workers AI's."""
    parts = path.split("/")
    if any(unquote(part) in (".", "..") for part in parts):
        raise ErrorResponse(7000)
    match parts:
        case ["", "client", "v4", "accounts", account, "ai" | "ai-gateway" | "ai-search" | "autorag", _, *_]:
            parts[4] = ACCOUNT_PATH
        case ["", "v1", account, _, *_]:
            parts[2] = ACCOUNT_PATH
        case _:
            raise ErrorResponse(7000)
    return unquote(account), "/".join(parts)
