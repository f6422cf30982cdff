"""Plays recordings back to a client without a server in between, so that a test may change them first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from cfai.local import Exchange
from cfai.local.recording import ACCOUNT_PATH, RecordedExchanges, RecordingError, parse_request
from tests.conftest import ACCOUNT

RecordingFile = dict[str, Any]
"""The JSON object in a file of a recording."""


class Replay(httpx.BaseTransport):
    """A transport without a network: what was not recorded fails as a connection would."""

    def __init__(self, recordings: list[RecordingFile]) -> None:
        exchanges = [Exchange.model_validate(recording) for recording in recordings]
        self.recordings = RecordedExchanges(
            [(Path(f"{number}"), exchange) for number, exchange in enumerate(exchanges)]
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path, _, query = request.url.raw_path.decode().partition("?")
        path = path.replace(ACCOUNT, ACCOUNT_PATH)
        kind = request.headers.get("content-type")
        try:
            response = self.recordings.next(parse_request(request.method, path, query, kind, request.content))
        except RecordingError as no:
            raise httpx.ConnectError(f"{no}") from no
        return httpx.Response(response.status, headers=response.headers, content=iter(response.decode_chunks()))


def data(recording: RecordingFile) -> list[bytes]:
    """Return the chunks of a recorded answer."""
    return Exchange.model_validate(recording).response.decode_chunks()
