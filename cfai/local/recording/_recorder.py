"""The recorder as the caller sees it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from cfai._credentials import EnvironmentVariables, Secret, parse_secret, resolve_credentials
from cfai.local.recording import _exchange
from cfai.local.server import ACCOUNT, LocalServer

if TYPE_CHECKING:
    from cfai.local.server._loop import Application


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

    _called = "the recorder"

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
        account_id: str = ACCOUNT,
        allow_remote: bool = False,
    ) -> None:
        local = api_token or f"cfai-recorder-{secrets.token_hex(16)}"
        super().__init__(host, port, api_token=local, account_id=account_id, allow_remote=allow_remote)
        self._folder = Path(folder)
        environment = EnvironmentVariables(os.environ)
        given = map(parse_secret, (upstream_account_id, upstream_token, upstream_url))
        self._upstream = resolve_credentials(environment, *given)
        self._gateway_token = Secret(gateway_token) if gateway_token else self._upstream.token

    @property
    def upstream_url(self) -> str:
        """The service that it records."""
        return self._upstream.base_url

    @property
    def recordings(self) -> list[Path]:
        """The files in its folder, in their order, those of earlier times included."""
        return _exchange.list_recordings(self._folder)

    def start(self) -> Self:
        """Start serving. `with` and `async with` do this."""
        upstream = urlsplit(self.upstream_url)
        if self._asked_port and upstream.port == self._asked_port and upstream.hostname in _OWN:
            raise ValueError(f"the recorder would record itself: {self.upstream_url} is its own address")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise FileExistsError(f"{self._folder} is a file: recordings are kept in a folder") from error
        return super().start()

    def _make_application(self) -> Application:
        from cfai.local.recording._recorder_app import RecorderApp

        return RecorderApp(self._access, self._upstream, self._gateway_token, self._folder)


_OWN = ("localhost", "127.0.0.1", "::1")
