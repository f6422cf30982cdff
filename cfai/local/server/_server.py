"""Start and stop a server, from a thread or an event loop of the caller's."""

from __future__ import annotations

import atexit
import socket
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ClassVar, Self

from cfai import Ai
from cfai.local.server._access import AccessRules, is_loopback
from cfai.local.server._application import AnsweredRequest, Application

LOCAL_ACCOUNT_ID = "cfa10000000000000000000000000000"
LOCAL_API_TOKEN = "cfai-emulator-token"

BACKLOG = 2048
"""Connections that may wait to be accepted. The system lets the others try again after a second, or turns them away."""


class LocalServer(ABC):
    """Starts and stops; use it with `with`, or with `async with` under asyncio and trio."""

    display_name: ClassVar[str]
    """Its name in error messages."""

    def __init__(self, host: str, port: int, *, api_token: str, account_id: str, allow_remote: bool) -> None:
        if not allow_remote and not is_loopback(host):
            option = "allow_remote=True, or --allow-remote,"
            raise ValueError(f"{host!r} is not loopback: pass {option} to be reachable from other machines")
        self._host = host
        self._requested_port = port
        self._access = AccessRules(account_id, api_token, allow_remote)
        self._thread: threading.Thread | None = None
        self._request_stop: Callable[[], object] = lambda: None
        self._port = 0
        self.log_request: Callable[[AnsweredRequest], object] | None = None
        """Called with each request once it was answered, on the server's thread. Set it before the server starts."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})" if self._thread else f"{type(self).__name__}()"

    @property
    def port(self) -> int:
        """The port it listens on. Raises `RuntimeError` while it does not."""
        if self._thread is None:
            raise RuntimeError(f"{self.display_name} is not running: use it with `with`, or call start()")
        return self._port

    @property
    def base_url(self) -> str:
        """The base URL for a client; it ends in `/client/v4`."""
        return f"{self._origin}/client/v4"

    @property
    def gateway_url(self) -> str:
        """The URL that stands for `https://gateway.ai.cloudflare.com/v1`."""
        return f"{self._origin}/v1"

    @property
    def account_id(self) -> str:
        """The account id that callers must use."""
        return self._access.account_id

    @property
    def api_token(self) -> str:
        """The token that callers must use."""
        return self._access.api_token

    def ai(self, **options: Any) -> Ai:
        """Return a client for this server. `options` are those of `Ai`, and win over what is set here.

        The environment's proxies are not used: they could not reach this machine's loopback.
        """
        own: dict[str, Any] = {"account_id": self.account_id, "api_token": self.api_token}
        own |= {"base_url": self.base_url, "trust_env": False}
        return Ai(**(own | options))

    @abstractmethod
    def _make_application(self) -> Application:
        """Make the application to serve, anew at each start."""

    def start(self) -> Self:
        """Start serving. `with` and `async with` do this."""
        if self._thread is not None:
            raise RuntimeError(f"{self.display_name} is already running")
        try:
            from cfai.local.server._loop import run_server
        except ImportError as error:
            raise ImportError(f'{self.display_name} needs another package: pip install "cfai-sdk[emulator]"') from error
        app = self._make_application()
        app.log_request = self.log_request
        started: Future[Callable[[], object]] = Future()
        listener = listen(self._host, self._requested_port)
        self._port = listener.getsockname()[1]
        # A daemon: a program that forgets to stop it still ends. What it has loaded is unloaded before, or may crash.
        name = f"cfai-{type(self).__name__.lower()}"
        thread = threading.Thread(target=run_server, args=(app, listener, started), name=name, daemon=True)
        thread.start()
        try:
            self._request_stop = started.result()
        except BaseException:
            # An interrupt in between: it runs, or is about to.
            started.add_done_callback(_stop_late)
            thread.join()
            listener.close()
            raise
        self._thread = thread
        atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Stop serving, answers under way included. Does nothing if it is not running."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self.request_stop()
            thread.join()
        atexit.unregister(self.stop)

    def request_stop(self) -> None:
        """Ask it to stop, and wait for nothing: a finalizer may do this anywhere."""
        request_stop, self._request_stop = self._request_stop, lambda: None
        request_stop()

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
        return f"http://{self._url_host}:{self.port}"

    @property
    def _url_host(self) -> str:
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"[{name}]" if ":" in name else name


def _stop_late(started: Future[Callable[[], object]]) -> None:
    if started.exception() is None:
        started.result()()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that takes connections. Raises `OSError` if the port is taken."""
    # With its protocol named, asyncio switches Nagle's algorithm off: without that an answer takes 40 ms more.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":
            # There it would let two servers share a port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"{error.strerror}: {host}, port {port}") from error
    return listener
