"""One emulator of hostile text for these tests, and a plain HTTP client that knows nothing of cfai."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import wave
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from cfai.local import Emulator

DONE = "[DONE]"


def make_png() -> bytes:
    """Return a grey pixel."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0), b"IDAT": zlib.compress(b"\0\x80"), b"IEND": b""}
    body = (struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks.items())  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def make_wav() -> bytes:
    """Return a tenth of a second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(bytes(3200))
    return file.getvalue()


PNG, WAV = make_png(), make_wav()
PNG_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
WAV_BASE64 = base64.b64encode(WAV).decode()


@dataclass
class Event:
    """One server-sent event, read by the simplest of readers."""

    name: str | None
    data: str

    @property
    def json(self) -> Any:
        """Its data, with numbers as the text they were on the wire."""
        return json.loads(self.data, parse_int=Number, parse_float=Number)


class Number(str):
    """A number as it stood on the wire."""


class Service:
    """An HTTP client with the emulator's token."""

    def __init__(self, local: Emulator) -> None:
        self.local = local
        self.http = httpx.Client(
            headers={"authorization": f"Bearer {local.api_token}"}, timeout=20, trust_env=False, base_url=local.base_url
        )

    def url(self, model: str) -> str:
        """Return the path that runs `model`."""
        return f"/accounts/{self.local.account_id}/ai/run/{model}"

    def run(self, model: str, inputs: Any, fault: str | None = None, **options: Any) -> httpx.Response:
        """Return the whole answer, with a fault if one is asked for."""
        headers = options.pop("headers", {}) | ({"cfai-emulate": fault} if fault else {})
        return self.http.post(self.url(model), json=inputs, headers=headers, **options)

    def result(self, model: str, inputs: Any) -> Any:
        """Return what a call that must succeed gives."""
        response = self.run(model, inputs)
        assert response.status_code == 200, response.text
        return response.json()["result"]

    def error(self, model: str, inputs: Any) -> tuple[int, int, str]:
        """Status, code and message of a call that must fail."""
        response = self.run(model, inputs)
        [error] = response.json()["errors"]
        return response.status_code, error["code"], error["message"].rpartition(" (")[0]

    def events(self, model: str, inputs: Any, fault: str | None = None) -> list[Event]:
        """Return all events of a stream."""
        response = self.run(model, inputs | {"stream": True}, fault)
        assert response.headers["content-type"] == "text/event-stream", response.text
        return read(response.text)

    def payloads(self, model: str, inputs: Any) -> list[Any]:
        """Return the JSON of all events of a stream that ends as it should."""
        *events, last = self.events(model, inputs)
        assert last.data == DONE
        return [event.json for event in events]


def read(body: str) -> list[Event]:
    """Return the events in a body."""
    events: list[Event] = []
    for block in body.split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append(Event(lines.get("event"), lines["data"]))
    return events


def join(pieces: Iterable[str]) -> str:
    """Return a text whose emojis may have come in two halves."""
    return "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16")


def get(value: Any, path: str) -> Any:
    """Return what stands at a dotted path; `*` gives all names, `#` the number, `json` what a text holds as JSON."""
    for name in filter(None, path.split(".")):
        if name in ("*", "#"):
            value = list(value) if name == "*" else len(value)
        elif isinstance(value, str) and name == "json":
            value = json.loads(value)
        else:
            value = value[int(name)] if isinstance(value, list) else value[name]
    return value


def check(value: Any, expected: dict[str, Any]) -> None:
    """Assert what stands at each path: a value, one of a type, one that has a pattern, or one that passes a test."""
    for path, wanted in expected.items():
        actual = get(value, path)
        if isinstance(wanted, re.Pattern):
            assert wanted.search(actual), (path, actual)
        elif isinstance(wanted, type):
            assert type(actual) is wanted, (path, actual)
        elif callable(wanted):
            assert wanted(actual), (path, actual)
        else:
            assert actual == wanted, path


@pytest.fixture(scope="session")
def running() -> Iterator[Service]:
    with Emulator(text="hostile") as local:
        service = Service(local)
        with service.http:
            yield service


@pytest.fixture
def service(running: Service) -> Iterator[Service]:
    yield running
    running.local.reset()
