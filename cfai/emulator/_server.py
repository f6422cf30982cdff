"""The emulator as the caller sees it: a server in a thread of its own, there while it is needed."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal, Self

from cfai.emulator._engine import Engine
from cfai.emulator._faults import Fault
from cfai.emulator._state import Ledger, Received, Settings

if TYPE_CHECKING:
    from cfai import Ai

INSTALL = 'the emulator needs two more packages: pip install "cfai-sdk[emulator]"'


class Emulator:
    """A Workers AI on this machine, for development and tests. No model runs in it.

    ```python
    with Emulator() as local:
        ai = local.ai()
        print(ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "where is new york?"}))
    ```

    It also works with `async with`, under asyncio and trio. Its answers are the same for the same question, say that
    they are emulated, and have as many words as a question asks for (`write 500 words`). A tool is called if it is
    forced or if the question names it.

    - `api_token`, `account_id`: what callers must send; any will do.
    - `tokens_per_second`: how fast it answers; `None` is as fast as it can.
    - `lenient_paths`: accept `%2F` in paths, for clients with that bug.
    - `retired`: whether retired models still answer (`"serve"`) or get 400 / 5007 (`"refuse"`).
    - `allow_remote`: needed to listen on anything but loopback; then any `Host` header is answered.
    - `keep_requests`: how many requests to keep for `requests`, with all that was sent.
    - `engine`: what runs models in earnest for text and embeddings, such as those of `cfai.engines`. Everything else
      stays emulated. It is closed with the emulator.

    Raises `ValueError` for a host that needs `allow_remote`. Starting raises `OSError` if the port is taken and
    `ImportError` if the extra is not installed.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        api_token: str = "cfai-emulator-token",
        account_id: str = "cfa10000000000000000000000000000",
        tokens_per_second: float | None = None,
        lenient_paths: bool = False,
        retired: Literal["serve", "refuse"] = "serve",
        allow_remote: bool = False,
        keep_requests: int = 1000,
        engine: Engine | None = None,
    ) -> None:
        if not allow_remote and host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError(f"{host!r} is not loopback: pass allow_remote=True to be reachable from other machines")
        self._host = host
        self._asked_port = port
        self._settings = Settings(
            account_id=account_id,
            api_token=api_token,
            tokens_per_second=tokens_per_second,
            lenient_paths=lenient_paths,
            retired=retired,
            allow_remote=allow_remote,
            engine=engine,
        )
        self._ledger = Ledger(keep_requests)
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], object] = lambda: None
        self._port = 0

    def __repr__(self) -> str:
        return f"Emulator({self.base_url!r})" if self._thread else "Emulator()"

    @property
    def port(self) -> int:
        """The port it listens on. Raises `RuntimeError` while it does not."""
        if self._thread is None:
            raise RuntimeError("the emulator is not running: use it with `with`, or call start()")
        return self._port

    @property
    def base_url(self) -> str:
        """What to give a client as base URL; it ends in `/client/v4`."""
        return f"{self._origin}/client/v4"

    @property
    def gateway_url(self) -> str:
        """What stands for `https://gateway.ai.cloudflare.com/v1`."""
        return f"{self._origin}/v1"

    @property
    def account_id(self) -> str:
        """The account id that callers must use."""
        return self._settings.account_id

    @property
    def api_token(self) -> str:
        """The token that callers must use."""
        return self._settings.api_token

    @property
    def requests(self) -> list[Received]:
        """The last requests that asked for a model with the right token, oldest first, up to `keep_requests`."""
        return self._ledger.received

    @property
    def faults(self) -> list[Fault]:
        """What was scripted and not yet met."""
        return self._ledger.script.pending

    @property
    def disconnects(self) -> int:
        """How many clients left before the end of their answer, which stopped being generated then."""
        return self._ledger.left

    def wait_for_disconnects(self, count: int = 1, timeout: float = 5.0) -> bool:
        """Whether `disconnects` reaches `count` within `timeout` seconds."""
        return self._ledger.wait_for_left(count, timeout)

    def script(self, *faults: Fault | Literal["ok"]) -> None:
        """Let the requests to come go wrong, one `Fault` each; `"ok"` is one that goes well."""
        self._ledger.script.add(*faults)

    def reset(self) -> None:
        """Forget the faults that no request has met."""
        self._ledger.script.clear()

    def ai(self, **options: Any) -> Ai:
        """A client for this emulator. `options` are those of `Ai`, and win over what is set here.

        The environment's proxies are not used: they could not reach this machine's loopback.
        """
        from cfai import Ai

        own: dict[str, Any] = {"account_id": self.account_id, "api_token": self.api_token}
        own |= {"base_url": self.base_url, "trust_env": False}
        return Ai(**(own | options))

    def start(self) -> Self:
        """Start serving. `with` and `async with` do this."""
        if self._thread is not None:
            raise RuntimeError("the emulator is already running")
        try:
            from cfai.emulator._serving import serve
        except ImportError as error:
            raise ImportError(INSTALL) from error
        started: Future[Callable[[], object]] = Future()
        listener = listen(self._host, self._asked_port)
        self._port = listener.getsockname()[1]
        arguments = (self._settings, self._ledger, listener, started)
        # A daemon: a program that forgets to stop it still ends.
        thread = threading.Thread(target=serve, args=arguments, name="cfai-emulator", daemon=True)
        thread.start()
        try:
            self._stop = started.result()
        except BaseException:
            thread.join()
            listener.close()
            raise
        self._thread = thread
        return self

    def stop(self) -> None:
        """Stop serving, answers under way included. Does nothing if it is not running."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop()
            thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        from anyio.to_thread import run_sync

        return await run_sync(self.start)

    async def __aexit__(self, *_: object) -> None:
        from anyio import CancelScope
        from anyio.to_thread import run_sync

        with CancelScope(shield=True):
            await run_sync(self.stop)

    @property
    def _origin(self) -> str:
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"http://{f'[{name}]' if ':' in name else name}:{self.port}"


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections. Raises `OSError` if the port is taken."""
    # With its protocol named, asyncio switches Nagle's algorithm off: without that an answer takes 40 ms more.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            # There it would let two servers share a port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener
