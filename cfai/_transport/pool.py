"""Opens and closes the HTTP clients, one for each colour, at first use."""

from __future__ import annotations

import functools
import os
import ssl
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from http.cookiejar import CookieJar
from importlib import import_module
from typing import Any

import httpx

from cfai._errors import ConfigurationError
from cfai._limits.policy import Seen
from cfai.models import Limit

# httpcore looks at every connection whenever a call starts or ends, so few are kept alive; but many may be open, since
# the 101st stream of a default client waits in vain.
_POOL = httpx.Limits(max_connections=1000, max_keepalive_connections=20, keepalive_expiry=30.0)


class _NoCookies(CookieJar):
    """Keeps none: a service with tokens needs none, and looking for them in an answer takes as long as reading it."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        pass


_held: dict[int, AsyncGenerator[None]] = {}
"""Keepers on trio, which closes no generator that was forgotten before the end of its loop, but complains of it."""


class ClientPool:
    """The HTTP clients of an `Ai` and its copies: made when first needed, kept, closed once."""

    def __init__(
        self, *, proxy: str | None, verify: ssl.SSLContext | str | bool, trust_env: bool, sync: Any, async_: Any
    ) -> None:
        self._make: Callable[[Any], Any] = functools.partial(_client, proxy=proxy, verify=verify, trust_env=trust_env)
        self._given_sync = sync
        self._given_async = async_
        self._sync: Any = None
        self._async: Any = None
        self._loop: Any = None
        self._keeper: AsyncGenerator[None] | None = None
        self._encodings = "identity"
        self._lock = threading.Lock()
        self._closed = False
        self.told: set[tuple[Any, ...]] = set()
        """What was warned of already."""
        self.seen: dict[str, Seen] = {}
        """How far the estimates of prompts were off, by model."""
        self.learnt: dict[str, dict[str, Limit]] = {}
        """Limits that the service named when it refused a call, by model and field."""

    def sync_client(self) -> Any:
        if self._given_sync is not None:
            return self._given_sync
        with self._lock:
            self._check_open()
            if self._sync is None:
                self._sync = self._made(httpx.Client)
                weakref.finalize(self, self._sync.close).atexit = False
            return self._sync

    def async_client(self) -> Any:
        """The client of the running event loop: connections cannot move from one loop to another."""
        if self._given_async is not None:
            return self._given_async
        loop = _running_loop()
        with self._lock:
            self._check_open()
            if self._async is not None and self._loop != loop:
                if not _is_gone(self._loop):
                    raise ConfigurationError(
                        "this Ai is in use on another event loop that still runs: make one Ai a loop, or use run()"
                    )
                # Its connections were closed at the end of their loop.
                self._async = None
            if self._async is None:
                self._async = self._made(httpx.AsyncClient)
                self._keeper = _keeper(self._async)
                self._loop = loop
            return self._async

    def encodings(self, client: Any) -> str | None:
        """The `accept-encoding` of a client of our own; `None` for one that was passed in."""
        return None if client is self._given_sync or client is self._given_async else self._encodings

    def close(self) -> None:
        with self._lock:
            client, self._sync = self._sync, None
            self._closed = True
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        self.close()
        with self._lock:
            keeper, self._keeper, self._async = self._keeper, None, None
        if keeper is not None and self._loop == _running_loop():
            await keeper.aclose()

    def kept_by(self, response: httpx.Response) -> httpx.Response:
        """`response`, with the clients kept for as long as it is: with them its connection would go."""
        response.extensions["cfai"] = self
        return response

    def _made(self, kind: Any) -> Any:
        client = self._make(kind)
        self._encodings = client.headers["accept-encoding"]
        return client

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigurationError("this Ai is closed: make a new one")


def _client(kind: Any, *, proxy: str | None, verify: ssl.SSLContext | str | bool, trust_env: bool) -> Any:
    tls = _tls(verify, trust_env)
    return kind(
        verify=tls, proxy=proxy, trust_env=trust_env, limits=_POOL, follow_redirects=False, cookies=_NoCookies()
    )


def _tls(verify: ssl.SSLContext | str | bool, trust_env: bool) -> ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext):
        return verify
    files = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) if trust_env else (None, None)
    return _tls_context(verify, trust_env, files)


@functools.lru_cache(maxsize=4)
def _tls_context(verify: str | bool, trust_env: bool, files: tuple[str | None, str | None]) -> ssl.SSLContext:
    """A context costs tens of milliseconds: one serves all clients, for as long as the environment stays the same."""
    if isinstance(verify, str):
        folder = os.path.isdir(verify)
        return ssl.create_default_context(cafile=None if folder else verify, capath=verify if folder else None)
    return httpx.create_ssl_context(verify=verify, trust_env=trust_env)


def _keeper(client: Any) -> AsyncGenerator[None]:
    """Closes the client at the end of the running event loop, or when nobody has a use for it any more.

    Loops close the generators that were started on them, and this is one. It has its first step here, since nothing is
    awaited in it.
    """

    async def keep() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            _held.pop(id(client), None)
            await client.aclose()

    keeper = keep()
    if not is_asyncio():
        _held[id(client)] = keeper
    with suppress(StopIteration):
        anext(keeper).__await__().__next__()
    return keeper


def is_asyncio() -> bool:
    """Whether the running event loop is one of asyncio's, which closes forgotten generators by itself."""
    # Importing asyncio takes 8 ms, which whoever calls no `arun` need not pay. Where it is not imported, no loop runs.
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _running_loop() -> Any:
    token = import_module("anyio.lowlevel").current_token()  # not sooner: it imports asyncio
    return getattr(token, "native_token", token)


def _is_gone(loop: Any) -> bool:
    """Whether an event loop has ended: asyncio's, or trio's by its token."""
    if hasattr(loop, "is_running"):
        return loop.is_closed() or not loop.is_running()
    try:
        loop.run_sync_soon(_nothing)
    except RuntimeError:
        return True
    return False


def _nothing() -> None: ...
