"""`examples/python_worker`: its Worker, and that the page has its configuration."""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.worker.javascript import JsObject, Uint8Array
from tests.worker.runtime import Binding, Request, answering, reply

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "python_worker"


class Pipe:
    """A `TransformStream`, whose readable side is what was written."""

    def __init__(self) -> None:
        self.writable, self.readable = self, list[bytes]()
        self.is_closed = False

    @classmethod
    def new(cls) -> Pipe:
        return cls()

    def getWriter(self) -> Pipe:
        return self

    async def write(self, chunk: Uint8Array) -> None:
        self.readable.append(chunk.to_bytes())

    async def close(self) -> None:
        self.is_closed = True


class WorkerEntrypoint:
    """What the SDK has: the context and the bindings of a request."""

    def __init__(self, ctx: Any, env: Any) -> None:
        self.ctx = ctx
        self.env = env


def make_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Any:
    return SimpleNamespace(body=body, status=status, headers=headers)


@pytest.mark.usefixtures("open_worker")
def test_the_worker_streams_tokens_or_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["js"], "TransformStream", Pipe, raising=False)
    sdk = ModuleType("workers")
    vars(sdk).update(WorkerEntrypoint=WorkerEntrypoint, Response=make_response)
    monkeypatch.setitem(sys.modules, "workers", sdk)
    stream = reply([b'data: {"response":"Hi"}\n\n', b"data: [DONE]\n\n"], content_type="text/event-stream")
    seen: list[Request] = []
    answers = answering(stream, reply({"errors": [{"code": 1031, "message": "no"}]}, 500))

    async def fetch(request: Request) -> Any:
        seen.append(request)
        return await answers(request)

    async def main() -> None:
        tasks: list[asyncio.Task[None]] = []
        default = runpy.run_path(str(FOLDER / "src" / "entry.py"))["Default"]
        worker = default(JsObject(waitUntil=tasks.append), JsObject(AI=Binding(fetch)))
        asked = SimpleNamespace(url="https://worker.example/?prompt=What+is+it%3F")
        response = await worker.fetch(asked)
        await asyncio.gather(*tasks)
        assert seen[0].json["inputs"] == {"prompt": "What is it?", "stream": True}
        assert response.headers == {"content-type": "text/event-stream"}
        first, *_, last = response.body
        assert b'"response":"Hi"' in first.replace(b" ", b"")
        assert last == b"data: [DONE]\n\n"
        response = await worker.fetch(asked)
        assert (response.status, len(tasks)) == (500, 1)
        assert response.body.endswith(".")
        assert "1031" not in response.body

    asyncio.run(main())


def test_the_page_shows_the_configuration_of_the_example() -> None:
    page = (ROOT / "docs" / "python-workers.md").read_text("utf-8")
    project = (FOLDER / "pyproject.toml").read_text("utf-8")
    assert f"```toml\n# pyproject.toml\n{project}```\n" in page
    assert tomllib.loads(project)["project"]["dependencies"] == ["cfai-sdk"]
    configuration = (FOLDER / "wrangler.jsonc").read_text("utf-8")
    assert f"```json\n{configuration}```\n" in page
    assert json.loads(configuration)["ai"] == {"binding": "AI"}
