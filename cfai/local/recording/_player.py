"""Play recordings: their status, headers and chunks."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from pathlib import Path

from cfai.local.recording._application import RecordingApp
from cfai.local.recording._exchange import ExchangeResponse, parse_request
from cfai.local.recording._files import list_recordings, load_exchange
from cfai.local.recording._match import RecordedExchanges
from cfai.local.server import LOCAL_ACCOUNT_ID, LOCAL_API_TOKEN, AccessRules, Connection, LocalServer, RawRequest


class Player(LocalServer):
    """Answers from the recordings in a folder, byte for byte, and from nothing else.

    ```python
    with Player("recordings") as local:
        ai = local.ai()
        print(ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello"}))
    ```

    A recording answers a request of the same method, path and query, and of the same body: JSON is compared by value.
    What was recorded more than once is played in that order, the last again and again. Any other request gets a 404
    that names the nearest recording and what differs.

    - `timing`: keep the pauses of the recording; without it answers come as fast as they can.
    - `api_token`, `account_id`: what callers must send; any will do.
    - `allow_remote`: needed to listen on anything but loopback.

    It also works with `async with`, under asyncio and trio. Starting raises `ValueError` if there is nothing to play
    or a file that is no recording, `OSError` if the port is taken and `ImportError` if the extra is not installed.
    """

    display_name = "the player"

    def __init__(
        self,
        folder: str | Path,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        timing: bool = False,
        api_token: str = LOCAL_API_TOKEN,
        account_id: str = LOCAL_ACCOUNT_ID,
        allow_remote: bool = False,
    ) -> None:
        super().__init__(host, port, api_token=api_token, account_id=account_id, allow_remote=allow_remote)
        self._folder = Path(folder)
        self._timing = timing

    def _make_application(self) -> _PlayerApp:
        paths = list_recordings(self._folder)
        if not paths:
            raise ValueError(
                f"nothing is recorded in {self._folder}: record first, with `Recorder` or cfai dev --record"
            )
        recordings = RecordedExchanges([(path, load_exchange(path)) for path in paths])
        return _PlayerApp(self.display_name, self._access, recordings, self._timing)


class _PlayerApp(RecordingApp):
    def __init__(self, display_name: str, access: AccessRules, recordings: RecordedExchanges, timing: bool) -> None:
        super().__init__(display_name, access)
        self._recordings = recordings
        self._timing = timing

    async def answer_accepted(self, connection: Connection, request: RawRequest) -> None:
        """Play the recording of a request."""
        content_type, body = request.headers.get("content-type"), request.body or b""
        response = self._recordings.next(parse_request(request.method, request.path, request.query, content_type, body))
        start = asyncio.get_running_loop().time()
        await self._wait_until(connection, start + response.times.head / 1000)
        if connection.is_gone:
            return
        await connection.start(response.status, _build_headers(response, request.method))
        for place, data in enumerate(response.decode_chunks()):
            if place < len(response.times.chunks):
                await self._wait_until(connection, start + response.times.chunks[place] / 1000)
            if connection.is_gone:
                return
            await connection.write(data)
        await (connection.cut() if response.cut else connection.end())

    async def _wait_until(self, connection: Connection, moment: float) -> None:
        if self._timing:
            await connection.pause(moment - asyncio.get_running_loop().time())


def _build_headers(response: ExchangeResponse, method: str) -> dict[str, str]:
    """Return the headers of an answer. The length that they announce is that of the chunks, which may be edited."""
    headers = {"date": formatdate(usegmt=True), **{name.lower(): value for name, value in response.headers.items()}}
    if "content-length" in headers and method != "HEAD":
        length = sum(map(len, response.decode_chunks()))
        if not response.cut:
            headers["content-length"] = str(length)
        elif int(headers["content-length"]) <= length:
            # An answer that breaks off may announce more than is sent, never less.
            del headers["content-length"]
    return headers
