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
from tests.conftest import ACCOUNT, LONG, TOKEN, Caller, Callers, Script, Serve, Server

CREDENTIALS = {"upstream_account_id": ACCOUNT, "upstream_token": TOKEN}
MODEL = "@cf/zai-org/glm-4.7-flash"
NATIVE = "@cf/meta/llama-3.1-8b-instruct-fp8"
EVENT = b'data: {"response":"Hel"}\n\n'
REST = b'data: {"response":"lo"}\n\ndata: [DONE]\n\n'

Ask = Callable[..., Caller]


class Http:
    """Asks a local server as any program might."""

    server: Server
    """The server that stands behind a recorder and plays a script."""

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


class Tapes:
    """A folder of recordings, with what records into it, plays from it, and asks either."""

    def __init__(self, folder: Path, stack: ExitStack, serve: Serve) -> None:
        self.folder = folder
        self._stack = stack
        self._serve = serve

    def record(self, url: str, **options: Any) -> Recorder:
        """Start a recorder in front of a base URL."""
        return self._stack.enter_context(Recorder(self.folder, upstream_url=url, **CREDENTIALS | options))

    def play(self, **options: Any) -> Player:
        return self._stack.enter_context(Player(self.folder, **options))

    def replay(self, **options: Any) -> Http:
        """Start a player, and return a client of it."""
        return self.http(self.play(**options))

    def http(self, local: LocalServer) -> Http:
        made = Http(local)
        self._stack.enter_context(made.http)
        return made

    def through(self, script: Script, **options: Any) -> Http:
        """Start a recorder in front of a server that plays a script, and return a client of it."""
        server = self._serve(script)
        made = self.http(self.record(server.url, **options))
        made.server = server
        return made

    def write(self, number: int = 1, **changes: Any) -> Path:
        """Write a recording by hand; names with two underscores reach inside."""
        recording: dict[str, Any] = {
            "format": 1,
            "request": {
                "method": "POST",
                "path": f"/client/v4/accounts/{{account_id}}/ai/run/{MODEL}",
                "body": {"json": {"prompt": "Hello"}},
            },
            "response": {"status": 200, "headers": {"content-type": "application/json"}, "chunks": ["{}"]},
        }
        for name, value in changes.items():
            *inside, last = name.split("__")
            part = recording
            for each in inside:
                part = part[each]
            part[last] = value
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{number:04d}-x.json"
        path.write_text(json.dumps(recording), "utf-8")
        return path

    def read(self) -> list[dict[str, Any]]:
        """Return the recordings, as JSON."""
        return [json.loads(path.read_text("utf-8")) for path in sorted(self.folder.iterdir())]

    def bodies(self) -> list[tuple[str | None, list[bytes]]]:
        """Return by whom each recorded body was cut, if it was, and its chunks."""
        return [(recording["response"].get("cut"), chunks(recording)) for recording in self.read()]

    def everything(self) -> bytes:
        """Return all that is on the disk: names, contents, and what is in base64 there."""
        content = b""
        for path in self.folder.rglob("*"):
            content += path.name.encode() + path.read_bytes() + b"".join(chunks(json.loads(path.read_bytes())))
        return content


@pytest.fixture
def tapes(tmp_path: Path, serve: Serve) -> Iterator[Tapes]:
    with ExitStack() as stack:
        yield Tapes(tmp_path / "recordings", stack, serve)


@pytest.fixture
def upstream() -> Iterator[Emulator]:
    """An emulator that stands for the real service."""
    with Emulator(account_id=ACCOUNT, api_token=TOKEN, text="hostile") as upstream:
        yield upstream


@pytest.fixture
def recorder(tapes: Tapes, upstream: Emulator) -> Recorder:
    """In front of the emulator."""
    return tapes.record(upstream.base_url)


@pytest.fixture
def ask(callers: Callers) -> Ask:
    """A caller of a local server, in one portal."""
    return lambda local, **options: callers(
        local.account_id, local.api_token, base_url=local.base_url, max_retries=None, **options
    )


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


def chunks(recording: dict[str, Any]) -> list[bytes]:
    """Return the chunks of a recording in bytes, read without the code under test."""
    return [
        each.encode() if isinstance(each, str) else base64.b64decode(each["base64"])
        for each in recording["response"]["chunks"]
    ]
