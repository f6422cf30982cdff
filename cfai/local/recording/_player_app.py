"""The player's answers: a recording's status, headers and chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path

from cfai.local.emulator._wire import Connection
from cfai.local.recording import _exchange
from cfai.local.recording._app import HttpRequest, NoAnswerError, RecordingApp
from cfai.local.recording._exchange import Exchange, ExchangeResponse
from cfai.local.recording._match import NoRecordingError, RecordedExchanges
from cfai.local.server import AccessRules


class PlayerApp(RecordingApp):
    """The ASGI application."""

    def __init__(self, access: AccessRules, exchanges: Sequence[tuple[Path, Exchange]], timing: bool) -> None:
        super().__init__(access)
        self._recordings = RecordedExchanges(exchanges)
        self._timing = timing

    async def answer(self, connection: Connection, http_request: HttpRequest) -> None:
        """Play the recording of a request."""
        kind = http_request.headers.get("content-type")
        try:
            exchange = self._recordings.next(
                _exchange.parse_request(
                    http_request.method, http_request.path, http_request.query, kind, http_request.body
                )
            )
        except NoRecordingError as no:
            raise NoAnswerError(404, str(no)) from no
        clock = asyncio.get_running_loop().time
        began = clock()
        await self._wait_until(connection, began + exchange.times.head / 1000)
        if connection.is_gone:
            return
        await connection.start(exchange.status, _answer_headers(exchange))
        for place, data in enumerate(exchange.data):
            if place < len(exchange.times.chunks):
                await self._wait_until(connection, began + exchange.times.chunks[place] / 1000)
            if connection.is_gone:
                return
            await connection.write(data)
        if exchange.cut:
            await connection.cut()
        else:
            await connection.end()

    async def aclose(self) -> None:
        """Do nothing: nothing is open."""

    async def _wait_until(self, connection: Connection, moment: float) -> None:
        if self._timing:
            await connection.pause(moment - asyncio.get_running_loop().time())


def _answer_headers(exchange: ExchangeResponse) -> dict[str, str]:
    headers = {"date": formatdate(usegmt=True), **{name.lower(): value for name, value in exchange.headers.items()}}
    if "content-length" in headers and exchange.chunks and not exchange.cut:
        # The chunks may have been changed by hand.
        headers["content-length"] = str(sum(map(len, exchange.data)))
    return headers
