"""`xllamacpp` without llama.cpp, where the program that loads a model finds it: what runs there is in
`.ci/real_model.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import respx

CHUNK = '{"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]}'
FOLDER = Path(__file__).parent / "fake_llama"


@dataclass
class Library:
    """The library. The address of its servers is `http://llama.test`, with their number for a port."""

    log: Path

    @property
    def started(self) -> list[Any]:
        """The parameters of each server, and its `process`."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line, object_hook=lambda fields: SimpleNamespace(**fields)) for line in lines]

    @property
    def running(self) -> list[bool]:
        """For each server, whether it still runs."""
        return [is_running(server.process) for server in self.started]


def is_running(process: int) -> bool:
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True)
    return found.stdout.strip()[:1] not in ("", "Z")  # an ended one stays listed until its parent has asked


def install_library(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Library:
    """Put the library where `import xllamacpp` finds it, here and in processes; it has its log in `folder`."""
    monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("PYTHONPATH", str(FOLDER), prepend=os.pathsep)
    library = Library(folder / "llama.log")
    monkeypatch.setenv("FAKE_LLAMA_LOG", str(library.log))
    return library


def answer_hello(router: respx.MockRouter) -> None:
    """Let the library's servers, and any other but this machine's, say hello."""
    router.route(host="127.0.0.1").pass_through()
    router.post(path="/v1/chat/completions").mock(
        side_effect=lambda _: httpx.Response(200, content=f"data: {CHUNK}\n\ndata: [DONE]\n\n".encode())
    )
    router.post(path="/v1/embeddings").respond(json={"data": [{"index": 0, "embedding": [1.0]}]})
