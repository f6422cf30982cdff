"""The player as the caller sees it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cfai.local.recording import _exchange
from cfai.local.server import ACCOUNT, TOKEN, LocalServer

if TYPE_CHECKING:
    from cfai.local.server._loop import Application


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

    _called = "the player"

    def __init__(
        self,
        folder: str | Path,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        timing: bool = False,
        api_token: str = TOKEN,
        account_id: str = ACCOUNT,
        allow_remote: bool = False,
    ) -> None:
        super().__init__(host, port, api_token=api_token, account_id=account_id, allow_remote=allow_remote)
        self._folder = Path(folder)
        self._timing = timing

    def _make_application(self) -> Application:
        from cfai.local.recording._player_app import PlayerApp

        found = _exchange.list_recordings(self._folder)
        if not found:
            raise ValueError(
                f"nothing is recorded in {self._folder}: record first, with `Recorder` or cfai dev --record"
            )
        return PlayerApp(self._access, [(path, _exchange.load_exchange(path)) for path in found], self._timing)
