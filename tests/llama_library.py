"""The part of `xllamacpp` that cfai uses, without llama.cpp: what runs there is in `.ci/real_model.py`."""

from __future__ import annotations

import sys
import weakref
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import respx

CHUNK = '{"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]}'


class Server:
    """A server of llama.cpp, which ends when nobody holds it any more."""

    listening_address = ""


class Library:
    """The library. The address of its servers is `http://llama.test`, with their number for a port."""

    def __init__(self) -> None:
        self.started: list[Any] = []
        self.servers: list[weakref.ref[Server]] = []
        self.fails = False
        self.llama_pooling_type = SimpleNamespace(LLAMA_POOLING_TYPE_MEAN="mean")

    def CommonParams(self) -> Any:
        parts = {"model": SimpleNamespace(), "cpuparams": SimpleNamespace(), "sampling": SimpleNamespace()}
        return SimpleNamespace(**parts, embedding=False)

    def Server(self, asked: Any) -> Any:
        if self.fails:
            raise RuntimeError("failed to load model")
        self.started.append(asked)
        server = Server()
        server.listening_address = f"http://llama.test:{len(self.started)}"
        self.servers.append(weakref.ref(server))
        return server


def install_library(monkeypatch: pytest.MonkeyPatch) -> Library:
    """Put the library where `import xllamacpp` finds it."""
    library = Library()
    monkeypatch.setitem(sys.modules, "xllamacpp", library)
    return library


def answer_hello(router: respx.MockRouter) -> None:
    """Let the library's servers, and any other but this machine's, say hello."""
    router.route(host="127.0.0.1").pass_through()
    router.post(path="/v1/chat/completions").mock(
        side_effect=lambda _: httpx.Response(200, content=f"data: {CHUNK}\n\ndata: [DONE]\n\n".encode())
    )
    router.post(path="/v1/embeddings").respond(json={"data": [{"index": 0, "embedding": [1.0]}]})
