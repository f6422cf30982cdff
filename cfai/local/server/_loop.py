"""The server's side of the thread: uvicorn's HTTP protocol on a loop that stops at once when it is stopped."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from importlib.util import find_spec

import h11
import uvicorn
from anyio import wait_readable
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from cfai.local.server._application import Application

HEAD_SECONDS = 20.0
"""Seconds that a client has for the head of its request."""

_LOG = logging.getLogger("cfai.local")
_RETRY_SECONDS = 0.5

# Longer than any client keeps an idle connection, so that none is closed just as it is used again.
_IDLE_SECONDS = 600


class _Protocol(H11Protocol):
    """Gives up on clients that do not come to send a request, and makes its transport known: an ASGI application cannot
    close a connection, and some faults are just that.
    """

    _head_timer: asyncio.TimerHandle | None = None

    def __init__(self, application: Application, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self._application = application
        # Not by the configuration: that would silence the access log of every other server of this process.
        self.access_log = False

    def _unsupported_upgrade_warning(self) -> None:
        """No word of uvicorn's on what to install for WebSockets: the application answers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] -- as in uvicorn
        super().connection_made(transport)
        self.app_state["transport"] = transport
        if self._application.stopping:
            transport.abort()
        self._time_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_timer()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._time_head()

    def _time_head(self) -> None:
        """Let the time for a head run from its first byte, or that of the connection, to its last."""
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def run_server(app: Application, listener: socket.socket, started: Future[Callable[[], object]]) -> None:
    """Serve `app` on `listener` until the function is called that `started` is resolved with."""
    try:
        # Not in debug mode, as `python -X dev` has it: this loop's slow callbacks are none of the caller's.
        asyncio.run(_serve(app, listener, started), debug=False)
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)


async def _serve(app: Application, listener: socket.socket, started: Future[Callable[[], object]]) -> None:
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="wsproto" if app.opens_websockets and find_spec("wsproto") else "none",
        log_config=None,
        proxy_headers=False,
        timeout_keep_alive=_IDLE_SECONDS,
    )
    config.load()
    state = ServerState()
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    accepting = loop.create_task(_accept(listener, partial(_Protocol, app, config, state)))
    started.set_result(partial(loop.call_soon_threadsafe, stop.set))
    await stop.wait()
    app.stopping = True
    accepting.cancel()
    await asyncio.gather(accepting, return_exceptions=True)
    listener.close()
    for protocol in list(state.connections):
        protocol.transport.abort()
    # Every request now sees that its client is gone.
    await asyncio.gather(*state.tasks)
    await app.aclose()


async def _accept(listener: socket.socket, make_protocol: Callable[[], _Protocol]) -> None:
    """Take connections, until it is cancelled.

    A server of asyncio's would listen anew, with a short queue, and leave those open that it takes as it is closed.
    """
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    while True:
        try:
            # Not `sock_accept`: when it is cancelled, it may lose a connection that it has.
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            await wait_readable(listener)
        except OSError as error:
            # Too many files are open, say. Whoever comes waits in the queue until there are fewer.
            _LOG.warning("cannot take a connection for now: %s", error)
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            try:
                await loop.connect_accepted_socket(make_protocol, connection)
            except OSError:
                # Its client has left already, as some systems say only here.
                connection.close()
