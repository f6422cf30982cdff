"""Recorders in front of an emulator or of a raw server, players, and a plain HTTP client that knows nothing of cfai."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from cfai.local import Emulator, Player, Recorder
from cfai.local.server import LocalServer
from tests.conftest import SYNC_AND_ASYNC as SYNC_AND_ASYNC

ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "token-that-must-not-show-0123456789"
LONG = 10.0
"""Seconds after which a test gives up waiting for what should have happened at once."""

MODEL = "@cf/zai-org/glm-4.7-flash"
NATIVE = "@cf/meta/llama-3.1-8b-instruct-fp8"


class Http:
    """Asks a local server as any program might."""

    def __init__(self, local: LocalServer) -> None:
        self.local = local
        self.http = httpx.Client(
            headers={"authorization": f"Bearer {local.api_token}"},
            base_url=local.base_url,
            trust_env=False,
            timeout=LONG,
        )

    def path(self, model: str = MODEL) -> str:
        return f"/accounts/{self.local.account_id}/ai/run/{model}"

    def post(self, inputs: Any = None, model: str = MODEL, **options: Any) -> httpx.Response:
        """Return the answer to one call, with the body in the chunks that it came in as `chunks` of its extensions."""
        if "content" not in options and "files" not in options:
            options["json"] = {"prompt": "Hello"} if inputs is None else inputs
        return self.ask("POST", self.path(model), **options)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self.http.stream(method, path, **options) as response:
            chunks = list(response.iter_raw())
        response.extensions["chunks"] = chunks
        response._content = b"".join(chunks)
        return response


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recordings"


@pytest.fixture
def upstream() -> Iterator[Emulator]:
    """What stands for the real service."""
    with Emulator(account_id=ACCOUNT, api_token=TOKEN) as upstream:
        yield upstream


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def record(folder: Path, stack: ExitStack) -> Callable[..., Recorder]:
    """Starts a recorder in front of a base URL."""

    def start(url: str, **options: Any) -> Recorder:
        credentials = {"upstream_account_id": ACCOUNT, "upstream_token": TOKEN}
        return stack.enter_context(Recorder(folder, upstream_url=url, **credentials | options))

    return start


@pytest.fixture
def recorder(record: Callable[..., Recorder], upstream: Emulator) -> Recorder:
    """In front of the emulator."""
    return record(upstream.base_url)


@pytest.fixture
def play(folder: Path, stack: ExitStack) -> Callable[..., Player]:
    """Starts a player of what was recorded."""
    return lambda **options: stack.enter_context(Player(folder, **options))


@pytest.fixture
def http(stack: ExitStack) -> Callable[[LocalServer], Http]:
    """Makes an HTTP client of a local server."""

    def make(local: LocalServer) -> Http:
        made = Http(local)
        stack.enter_context(made.http)
        return made

    return make


@pytest.fixture
def through(
    serve: Callable[..., Any], record: Callable[..., Recorder], http: Callable[..., Http]
) -> Callable[..., Http]:
    """Starts a recorder in front of a server that plays a script, and gives a client of it."""
    return lambda script, **options: http(record(serve(script).url, **options))


def answers(content: bytes, content_type: str = "application/json", **more: str) -> Callable[[Any], None]:
    """Return a script that answers every request the same."""

    def script(peer: Any) -> None:
        while peer.request():
            peer.answer(content, content_type, **more)

    return script


def streams(*pieces: bytes, content_type: str = "text/event-stream") -> Callable[[Any], None]:
    """Return a script that answers every request in these chunks."""

    def script(peer: Any) -> None:
        while peer.request():
            peer.start(content_type)
            for piece in (*pieces, b""):
                peer.chunk(piece)

    return script


def breaks_off(*pieces: bytes) -> Callable[[Any], None]:
    """Return a script that sends these chunks of a stream and closes the connection."""

    def script(peer: Any) -> None:
        peer.request()
        peer.start()
        for piece in pieces:
            peer.chunk(piece)

    return script


def read_recordings(folder: Path) -> list[dict[str, Any]]:
    """Return the recordings, as JSON."""
    return [json.loads(path.read_text("utf-8")) for path in sorted(folder.iterdir())]


def chunks(recording: dict[str, Any]) -> list[bytes]:
    """Return the chunks of a recording in bytes, read without the code under test."""
    return [
        each.encode() if isinstance(each, str) else base64.b64decode(each["base64"])
        for each in recording["response"]["chunks"]
    ]


def everything(folder: Path) -> bytes:
    """Return all that is on the disk: names, contents, and what is in base64 there."""
    content = b""
    for path in folder.rglob("*"):
        content += path.name.encode() + path.read_bytes() + b"".join(chunks(json.loads(path.read_bytes())))
    return content
