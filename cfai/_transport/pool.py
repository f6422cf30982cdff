"""The HTTP clients of an `Ai`: one for synchronous calls, one for each event loop, made when first needed.

Connections cannot move between event loops or processes, so neither do clients: a loop's client is kept until the loop
is closed, and a forked child begins with none and leaves its parent's sockets alone.

A stream that nobody holds any more is found by the garbage collector, which may run anywhere: in the middle of
httpcore, with the lock of its pool held by the same thread. So nothing that a finalizer does takes a lock. It ends the
traffic of the connection, notes the stream as abandoned, and the next call closes it.
"""

from __future__ import annotations

import atexit
import functools
import os
import ssl
import threading
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlsplit

import anyio
import httpx

from cfai._credentials import Setting, clean
from cfai._errors import ConfigurationError
from cfai._preload import fork_lock
from cfai._transport.background_reader import BackgroundReader
from cfai._transport.event_loop import get_running_loop, is_asyncio
from cfai._transport.network import (
    AsyncBackend,
    BoundedBackend,
    close_idle_connections,
    close_socket,
    open_streams,
    replace_backend,
    shut_down,
)
from cfai._transport.proxies import check_proxy_url, check_socks, find_exempt_hosts, find_proxy
from cfai._transport.tls import make_tls_context
from cfai._usage import UsageLedger

# httpcore looks at every connection whenever a call starts or ends, so few are kept alive; but many may be open, since
# the 101st stream of a default client waits in vain.
_CONNECTION_LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=20, keepalive_expiry=30.0)


_AI_CLOSED = "this Ai is closed: make a new one"
_CLIENT_CLOSED = "the client that was passed in is closed: make a new Ai with an open one"


class HttpClient(Protocol):
    """A synchronous client that is passed in: what `httpx.Client` and `httpx2.Client` have and cfai uses of them."""

    @property
    def base_url(self) -> Any: ...
    @property
    def is_closed(self) -> bool: ...
    def build_request(self, method: str, url: Any, *, headers: Any, content: Any, timeout: Any) -> Any: ...
    def send(self, request: Any, *, stream: bool, auth: Any, follow_redirects: Any) -> Any: ...
    def close(self) -> None: ...


class AsyncHttpClient(Protocol):
    """An asynchronous client that is passed in: what `httpx.AsyncClient` and `httpx2.AsyncClient` have."""

    @property
    def base_url(self) -> Any: ...
    @property
    def is_closed(self) -> bool: ...
    def build_request(self, method: str, url: Any, *, headers: Any, content: Any, timeout: Any) -> Any: ...
    async def send(self, request: Any, *, stream: bool, auth: Any, follow_redirects: Any) -> Any: ...
    async def aclose(self) -> None: ...


class PooledClient:
    """One HTTP client and what is read from it."""

    def __init__(
        self, client: Any, *, is_own: bool = True, backend: AsyncBackend | BoundedBackend | None = None
    ) -> None:
        self.client = client
        self.is_own = is_own
        """False for a client that was passed in: headers, parameters and closing it are its owner's."""
        self.is_inherited = False
        """True in a forked child, if the connections are its parent's: they are not to be touched."""
        self.open_responses: dict[Any, Any] = {}
        """Responses that are being read, each with what reads it.

        They are kept until they are closed: the garbage collector is not to find what httpx has open for them.
        """
        self.proxies: dict[str, Setting] = getattr(client, "cfai_proxies", {})
        """The proxy by host of those that are reached by one; of a client that was passed in, it is not known."""
        self.abandoned: deque[tuple[Any, Callable[[], None] | None]] = deque()
        """Responses whose stream nobody holds any more, each with what logs its call, if that was not done."""
        self.backend = backend

    def close_response(self, response: Any, *, is_read_elsewhere: bool = False) -> None:
        """Close a response. Unless its end was read, its connection goes with it: the model stops.

        Another thread may be reading it, whose wait the closing of a socket does not end.
        """
        reader = self.open_responses.pop(response, None)  # whoever has it, has the connection
        if reader is not None and not self.is_inherited:
            if is_read_elsewhere:
                self.stop_traffic(response)
            with suppress(Exception):  # whoever closes it wants nothing more of it
                response.close()

    async def aclose_response(self, response: Any) -> None:
        """Close a response. Unless its end was read, its connection goes with it: the model stops."""
        reader: BackgroundReader | None = self.open_responses.pop(response, None)
        if reader is not None and not self.is_inherited:
            with anyio.CancelScope(shield=True):
                await reader.stop()
                with suppress(Exception):
                    await response.aclose()

    def abandon(self, response: Any, log: Callable[[], None] | None) -> None:
        """Stop the model of a response whose stream nobody holds any more; the next call closes and logs it.

        The garbage collector calls this anywhere, so it takes no lock.
        """
        if not self.is_inherited:
            self.stop_traffic(response)
            self.abandoned.append((response, log))

    def stop_traffic(self, response: Any) -> None:
        """End the traffic of a response's connection, if that is its alone: the model stops. Takes no lock."""
        if has_own_connection(response) and not response.is_closed and not self.is_inherited:
            shut_down(response.extensions["network_stream"])

    def close_abandoned(self) -> None:
        """Close the responses whose stream nobody holds any more."""
        while self.abandoned:
            with suppress(IndexError):  # another thread was faster
                response, log = self.abandoned.popleft()
                self.close_response(response)
                if log is not None:
                    log()

    async def aclose_abandoned(self) -> None:
        """Close the responses whose stream nobody holds any more."""
        while self.abandoned:
            with suppress(IndexError):  # another thread was faster
                response, log = self.abandoned.popleft()
                await self.aclose_response(response)
                if log is not None:
                    log()

    def stop_all_traffic(self) -> None:
        """End the traffic of all connections: whoever waits for one waits no longer."""
        for network_stream in [*self.backend.streams] if self.backend else ():
            shut_down(network_stream)

    def close_sockets(self) -> None:
        """Close the sockets of a client whose event loop is closed, without a sound."""
        for network_stream in [*self.backend.streams] if self.backend else ():
            close_socket(network_stream)


class _LoopClient(PooledClient):
    """The client of one event loop, closed at the end of the loop or when the pool is forgotten."""

    def __init__(self, client: Any, loop: Any) -> None:
        super().__init__(client, backend=replace_backend(client, AsyncBackend))
        self.loop = weakref.ref(loop)
        self._closer = _close_at_end(client)

    async def open(self) -> None:
        # Event loops close the generators that were begun on them.
        await anext(self._closer)
        if not is_asyncio():
            # trio complains of a generator that was forgotten before the end of its loop.
            _closers.setdefault(self.loop(), set()).add(self._closer)

    async def aclose(self) -> None:
        await self.aclose_abandoned()
        await self._closer.aclose()
        _closers.get(self.loop(), set()).discard(self._closer)

    def is_over(self) -> bool:
        """Return True once the event loop is closed: asyncio's, or trio's by its token."""
        loop = self.loop()
        if loop is None:
            return True
        if hasattr(loop, "is_closed"):
            return loop.is_closed()
        try:
            loop.run_sync_soon(_do_nothing)
        except RuntimeError:
            return True
        return False


class ClientPool:
    """The HTTP clients of an `Ai` and its copies: made when first needed, kept, closed once."""

    def __init__(
        self,
        *,
        urls: Sequence[str],
        proxy: Setting | None = None,
        verify: ssl.SSLContext | str | bool = True,
        trust_env: bool = True,
        http_client: HttpClient | None = None,
        async_http_client: AsyncHttpClient | None = None,
    ) -> None:
        self._make_client = functools.partial(make_client, urls=urls, proxy=proxy, verify=verify, trust_env=trust_env)
        self._passed_in = _wrap_passed_in(http_client)
        self._passed_in_async = _wrap_passed_in(async_http_client)
        self._lock = threading.Lock()
        self._is_closed = False
        self._sync: PooledClient | None = None
        self._finalizer: Any = None
        self._by_loop: dict[int, _LoopClient] = {}
        self.usage = UsageLedger()
        self.local_server: Any = None
        """The service that is closed with the `Ai`, if it was made for it: `Ai.local`."""
        _pools.add(self)

    def get_sync_client(self) -> PooledClient:
        """Return the client of synchronous calls."""
        pooled_client = self._passed_in or self._sync
        if pooled_client is None or self._is_closed:
            pooled_client = self._make_sync_client()
        elif pooled_client.client.is_closed:
            raise ConfigurationError(_CLIENT_CLOSED)
        if pooled_client.abandoned:
            pooled_client.close_abandoned()
        return pooled_client

    def _make_sync_client(self) -> PooledClient:
        with self._lock:
            if self._is_closed:
                raise ConfigurationError(_AI_CLOSED)
            if self._sync is None:
                client = self._open(httpx.Client)
                self._sync = PooledClient(client, backend=replace_backend(client, BoundedBackend))
                # Nobody is in a call on a pool that was forgotten, so the lock that this takes is free.
                self._finalizer = weakref.finalize(self, client.close)
                self._finalizer.atexit = False
            return self._sync

    def _open(self, client_class: Any) -> Any:
        with fork_lock:  # httpx imports its transports now
            return self._make_client(client_class)

    async def get_async_client(self) -> PooledClient:
        """Return the client of the running event loop."""
        pooled_client = self._passed_in_async
        if pooled_client is None or self._is_closed:
            pooled_client = await self._get_client_of_loop(get_running_loop())
        elif pooled_client.client.is_closed:
            raise ConfigurationError(_CLIENT_CLOSED)
        if pooled_client.abandoned:
            await pooled_client.aclose_abandoned()
        return pooled_client

    async def _get_client_of_loop(self, loop: Any) -> PooledClient:
        pooled_client = self._find_client_of_loop(loop)
        if pooled_client is None:
            from cfai._threads import run_in_thread  # not sooner: it imports asyncio

            # In a thread: reading certificates takes tens of milliseconds.
            client = await run_in_thread(self._open, httpx.AsyncClient)
            with self._lock:
                self._sweep()
                # Another task may have been faster: nothing is open in this one yet.
                if (pooled_client := self._find_client_of_loop(loop)) is not None:
                    return pooled_client
                pooled_client = self._by_loop[id(loop)] = _LoopClient(client, loop)
            await pooled_client.open()
        return pooled_client

    def _find_client_of_loop(self, loop: Any) -> _LoopClient | None:
        if self._is_closed:
            raise ConfigurationError(_AI_CLOSED)
        pooled_client = self._by_loop.get(id(loop))
        return pooled_client if pooled_client is not None and pooled_client.loop() is loop else None

    @property
    def is_closed(self) -> bool:
        """True once nothing can be called any more."""
        return self._is_closed

    def close(self) -> None:
        """Close the connections of synchronous calls; nothing can be called any more."""
        with self._lock:
            pooled_client, self._sync = self._sync, None
            self._is_closed = True
        if self._passed_in is not None:
            self._passed_in.close_abandoned()
        if pooled_client is not None:
            pooled_client.stop_all_traffic()  # closing a socket ends no wait of another thread
            pooled_client.close_abandoned()
            pooled_client.client.close()

    async def aclose(self) -> None:
        """Close the connections of synchronous calls and of the running event loop.

        Those of another loop are closed at its end.
        """
        self.close()
        with self._lock:
            self._sweep()
            pooled_client = self._by_loop.pop(id(get_running_loop()), None)
        if self._passed_in_async is not None:
            await self._passed_in_async.aclose_abandoned()
        if pooled_client is not None:
            await pooled_client.aclose()

    def close_idle_connections(self) -> set[Any]:
        """Close the connections of synchronous calls that carry none. Return all: the others may be in use."""
        if self._sync is None or self._sync.backend is None:
            return set()
        close_idle_connections(self._sync.client)
        return {*self._sync.backend.streams}

    def forget_connections(self) -> None:
        """Begin anew in a forked child, without touching what is the parent's."""
        known = [self._passed_in, self._passed_in_async, self._sync, *self._by_loop.values()]
        for pooled_client in known:
            if pooled_client is not None:
                pooled_client.is_inherited = True
        _inherited.append(known)
        if self._finalizer is not None:
            self._finalizer.detach()
        self._lock = threading.Lock()
        self.usage = UsageLedger()
        self._sync = None
        self._by_loop = {}
        # A client that was passed in is its owner's to replace; what was read from it is not read on.
        self._passed_in = self._passed_in and _wrap_passed_in(self._passed_in.client)
        self._passed_in_async = self._passed_in_async and _wrap_passed_in(self._passed_in_async.client)

    def _sweep(self) -> None:
        """Let go of the clients whose event loop is closed."""
        for key, pooled_client in [*self._by_loop.items()]:
            if pooled_client.is_over():
                del self._by_loop[key]
                pooled_client.close_sockets()


def _wrap_passed_in(client: Any) -> PooledClient | None:
    return None if client is None else PooledClient(client, is_own=False)


_pools: weakref.WeakSet[ClientPool] = weakref.WeakSet()
_inherited: list[Any] = []
"""In a forked child, the clients of its parent: kept, so that nothing closes them."""
_closers: weakref.WeakKeyDictionary[Any, set[Any]] = weakref.WeakKeyDictionary()


def _begin_anew_in_child() -> None:
    for pool in [*_pools]:
        pool.forget_connections()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew_in_child)


@atexit.register
def _close_at_exit() -> None:
    """Close all sockets, of which Python would complain, but those that a thread may be using. Takes no lock."""
    # A thread that is left by now is a daemon. Those of our own servers call nothing.
    others = {*threading.enumerate()} - {threading.current_thread()}
    may_be_used = any(not thread.name.startswith("cfai-") for thread in others)
    in_use = {each for pool in [*_pools] for each in pool.close_idle_connections()} if may_be_used else set[Any]()
    for network_stream in {*open_streams} - in_use:
        close_socket(network_stream)


async def _close_at_end(client: Any) -> AsyncGenerator[None]:
    """Close a client at the end of its event loop, which closes the generators that were begun on it."""
    try:
        yield
    finally:
        await client.aclose()


def has_own_connection(response: Any) -> bool:
    """Return True if a connection carries this response alone: where several share one, it stays open."""
    return "network_stream" in response.extensions and response.http_version.startswith("HTTP/1")


def make_client(
    client_class: Any,
    *,
    urls: Sequence[str],
    proxy: Setting | None = None,
    verify: ssl.SSLContext | str | bool = True,
    trust_env: bool = True,
) -> Any:
    """Return a client of our own for `urls`. Raises `ConfigurationError` for what its TLS or its proxy cannot use."""
    if not isinstance(verify, ssl.SSLContext):
        names = ("SSL_CERT_FILE", "SSL_CERT_DIR") if trust_env else ()
        files = (clean(os.environ.get(name, "")) for name in names)
        verify = make_tls_context(verify, *files)
    exempt: list[str] = []
    if proxy is None and trust_env:
        exempt = find_exempt_hosts(urls)
        proxy = next(filter(None, map(find_proxy, urls)), None)
    if proxy is not None:
        check_proxy_url(proxy)
        check_socks(proxy)
    client = client_class(
        verify=verify,
        proxy=_make_proxy(proxy.secret.value, verify) if proxy else None,
        mounts={f"all://[{host}]" if ":" in host else f"all://{host}": None for host in exempt},
        trust_env=False,  # it was looked at here
        limits=_CONNECTION_LIMITS,
        follow_redirects=False,
    )
    # A service with tokens needs no cookies, and httpx takes as long to look for them as to build a request.
    client.cookies.extract_cookies = _do_nothing
    hosts = {urlsplit(url).hostname or "" for url in urls} - {*exempt}
    client.cfai_proxies = {host: proxy for host in hosts if proxy is not None}
    return client


def _make_proxy(url: str, context: ssl.SSLContext) -> httpx.Proxy:
    """Return a proxy; a connection to it that is encrypted trusts the same certificates as those through it."""
    return httpx.Proxy(url, ssl_context=context if url.lower().startswith("https:") else None)


def _do_nothing(*_: Any) -> None: ...
