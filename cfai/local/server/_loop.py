"""The server's side of the thread: uvicorn's HTTP protocol on a loop that stops at once when it is stopped."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from cfai.local.server._application import Application

# Longer than any client keeps an idle connection, so that none is closed just as it is used again.
_IDLE_SECONDS = 600


class _Protocol(H11Protocol):
    """Makes its transport known: an ASGI application cannot close a connection, and some faults are just that."""

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        # Not by the configuration: that would silence the access log of every other server of this process.
        self.access_log = False

    def _unsupported_upgrade_warning(self) -> None:
        """No word of uvicorn's on what to install for WebSockets: the application answers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] -- as in uvicorn
        super().connection_made(transport)
        self.app_state["transport"] = transport


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
        ws="none",
        log_config=None,
        proxy_headers=False,
        timeout_keep_alive=_IDLE_SECONDS,
    )
    config.load()
    state = ServerState()
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(partial(_Protocol, config, state), sock=listener)
    started.set_result(partial(loop.call_soon_threadsafe, stop.set))
    await stop.wait()
    server.close()
    app.stopping = True
    # A connection that was just being accepted turns up a moment later.
    await asyncio.sleep(0)
    for protocol in list(state.connections):
        protocol.transport.abort()
    # Every request now sees that its client is gone.
    await asyncio.gather(*state.tasks)
    await app.aclose()
