"""Plays recordings back to a client, each answer to the request that it was given to, in the order of the recording."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx

from .conftest import ACCOUNT

Recording = dict[str, Any]


class Chunks(httpx.SyncByteStream):
    """A body in the pieces in which it came."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks


class Replay(httpx.BaseTransport):
    """A transport without a network: what was not recorded fails as a connection would."""

    def __init__(self, recordings: list[Recording]) -> None:
        self.left = list(recordings)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path, _, query = request.url.raw_path.decode().partition("?")
        asked = {
            "method": request.method,
            "path": path.replace(ACCOUNT, "{account_id}"),
            "query": query,
            "content_type": request.headers.get("content-type"),
            "body": body(request.content),
        }
        found = next((one for one in self.left if one["request"] == asked), None)
        if found is None:
            raise httpx.ConnectError(f"not recorded: {request.method} {path}")
        self.left.remove(found)
        answer = found["response"]
        return httpx.Response(answer["status"], headers=answer["headers"], stream=Chunks(data(found)))


def body(content: bytes) -> dict[str, Any] | None:
    """A request's body in the form of a recording."""
    if not content:
        return None
    try:
        return {"json": json.loads(content)}
    except ValueError:
        return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def data(recording: Recording) -> list[bytes]:
    """The chunks of a recorded answer."""
    chunks = recording["response"]["chunks"]
    return [chunk.encode() if isinstance(chunk, str) else base64.b64decode(chunk["base64"]) for chunk in chunks]
