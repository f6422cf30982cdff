"""The part of `xllamacpp` that cfai uses, without llama.cpp: for processes that `tests.llama_library` lets find it."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

llama_pooling_type = SimpleNamespace(LLAMA_POOLING_TYPE_MEAN="mean")


def CommonParams() -> Any:
    parts = {"model": SimpleNamespace(), "cpuparams": SimpleNamespace(), "sampling": SimpleNamespace()}
    return SimpleNamespace(**parts, embedding=False)


class Server:
    """A server of llama.cpp at `http://llama.test`, with its number for a port. The log gets a line of it."""

    def __init__(self, params: Any) -> None:
        print("what the library prints")
        if told := os.environ.get("FAKE_LLAMA_FAILS"):
            raise RuntimeError(told)
        with open(os.environ["FAKE_LLAMA_LOG"], "a+") as log:
            log.write(json.dumps({**vars(params), "process": os.getpid()}, default=vars) + "\n")
            log.seek(0)
            self.listening_address = f"http://llama.test:{len(log.readlines())}"
