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

    async def answer(self, line: Connection, asked: HttpRequest) -> None:
        """Play the recording of a request."""
        kind = asked.headers.get("content-type")
        try:
            found = self._recordings.next(
                _exchange.build_request(asked.method, asked.path, asked.query, kind, asked.body)
            )
        except NoRecordingError as no:
            raise NoAnswerError(404, str(no)) from no
        clock = asyncio.get_running_loop().time
        began = clock()
        await self._wait_until(line, began + found.times.head / 1000)
        if line.is_gone:
            return
        await line.start(found.status, _answer_headers(found))
        for place, data in enumerate(found.data):
            if place < len(found.times.chunks):
                await self._wait_until(line, began + found.times.chunks[place] / 1000)
            if line.is_gone:
                return
            await line.write(data)
        if found.cut:
            await line.cut()
        else:
            await line.end()

    async def aclose(self) -> None:
        """Nothing is open."""

    async def _wait_until(self, line: Connection, moment: float) -> None:
        if self._timing:
            await line.pause(moment - asyncio.get_running_loop().time())


def _answer_headers(found: ExchangeResponse) -> dict[str, str]:
    headers = {"date": formatdate(usegmt=True), **{name.lower(): value for name, value in found.headers.items()}}
    if "content-length" in headers and found.chunks and not found.cut:
        # The chunks may have been changed by hand.
        headers["content-length"] = str(sum(map(len, found.data)))
    return headers
