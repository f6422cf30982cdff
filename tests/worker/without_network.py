"""A program on a machine that has what a Worker has: one thread, no sockets, no TLS, no processes.

It makes every kind of call over the binding, and prints what came of them as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import sys
import threading
from typing import Any, NoReturn

GLM = "@cf/zai-org/glm-4.7-flash"
WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(24)
NOT_THERE = ("_multiprocessing", "_posixsubprocess", "curses", "fcntl", "readline", "resource", "termios")
"""Modules that Pyodide lacks, or that do nothing there."""


class Nothing:
    """What finds the modules that are not there."""

    def find_spec(self, name: str, *_: Any) -> None:
        if name in NOT_THERE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class NoTls:
    """TLS of which there is the name alone: anyio imports it."""

    def __new__(cls, *_: Any) -> NoReturn:
        raise ssl.SSLError("there is no TLS here")


def take_away() -> None:
    """Leave a Worker's means. The event loop has its own socket already."""

    def refuse_thread(*_: Any) -> NoReturn:
        raise RuntimeError("can't start new thread")

    def refuse_socket(*_: Any, **__: Any) -> NoReturn:
        raise OSError("there are no sockets here")

    threading.Thread.start = refuse_thread  # type: ignore[method-assign]
    for name in ("create_connection", "create_server", "getaddrinfo", "socketpair"):
        setattr(socket, name, refuse_socket)
    socket.socket.__init__ = refuse_socket  # type: ignore[method-assign]
    ssl.SSLContext = NoTls  # type: ignore[assignment, misc]
    ssl.create_default_context = NoTls  # type: ignore[assignment]
    for name in ("fork", "register_at_fork"):
        delattr(os, name)
    for name in NOT_THERE:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Nothing())  # type: ignore[arg-type]


async def main() -> dict[str, Any]:
    take_away()
    from tests.worker.javascript import Response, make_modules
    from tests.worker.runtime import Binding, Request, reply

    sys.modules.update(make_modules())
    from pydantic import BaseModel

    from cfai import Ai, ConfigurationError

    class City(BaseModel):
        name: str

    def get_weather(city: str) -> str:
        """Return the weather of a city."""
        return f"7 °C in {city}"

    async def fetch(request: Request) -> Response:
        if request.method == "GET":
            return reply({"result": [{"name": GLM}]})
        if "userInputs" in request.url:
            return reply({"results": {"channels": [{"alternatives": [{"transcript": f"{len(request.body)} bytes"}]}]}})
        inputs = request.json["inputs"]
        messages = inputs.get("messages") or []
        if "stream" in inputs:
            return reply([b'data: {"response":"Hi"}\n\n', b"data: [DONE]\n\n"], content_type="text/event-stream")
        if "aura" in request.model:
            return reply([b"ID3", b"sound"], content_type="audio/mpeg")
        if "bge" in request.model:
            return reply({"shape": [len(inputs["text"]), 2], "data": [[1, 0]] * len(inputs["text"]), "pooling": "cls"})
        if inputs.get("response_format"):
            return reply({"response": {"name": "Oslo"}})
        if inputs.get("tools") and messages[-1]["role"] == "user":
            calls = [{"name": "get_weather", "arguments": {"city": city}} for city in ("Oslo", "Rome")]
            return reply({"response": None, "tool_calls": calls})
        return reply({"response": str(messages[-1]["content"] if messages else inputs["prompt"])})

    async def save(path: str) -> int:
        stream = await ai.arun("@cf/deepgram/aura-1", {"text": "Hi", "stream": True})
        return (await stream.asave(path)).stat().st_size

    ai = Ai.from_binding(Binding(fetch))
    chat = ai.chat(GLM, tools=[get_weather])
    results: dict[str, Any] = {
        "run": (await ai.arun(GLM, {"prompt": "one"})).text,
        "long": len((await ai.arun(GLM, {"prompt": "word " * 20_000})).text),
        "stream": [token.text async for token in ai.arun(GLM, {"prompt": "one", "stream": True})],
        "tools": (await ai.arun_with_tools(GLM, {"prompt": "Where?"}, tools=[get_weather])).text,
        "chat": (await chat.asend("Where?")).text,
        "typed": (await ai.arun(GLM, {"prompt": "one"}, output_type=City)).output.name,
        "fallback": (await ai.arun(GLM, {"prompt": "one"}, fallback=["@cf/openai/gpt-oss-20b"])).text,
        "embed": [*(await ai.aembed("@cf/baai/bge-m3", [str(number) for number in range(300)])).shape],
        "many": [row.output.text async for row in ai.arun_many(GLM, [{"prompt": "a"}, {"prompt": "b"}])],
        "heard": (await ai.arun("@cf/deepgram/nova-3", {"audio": WAV})).text,
        "spoken": len((await ai.arun("@cf/deepgram/aura-1", {"text": "Hi"})).content),
        "saved": await save(sys.argv[1]),
        "models": [model.name async for model in ai.amodels()],
        "calls": ai.usage.calls,
    }
    for name, call in {
        "run": lambda: ai.run(GLM, {"prompt": "one"}),
        "chat": lambda: ai.chat(GLM).send("one"),
        "embed": lambda: ai.embed("@cf/baai/bge-m3", [str(number) for number in range(300)]),
        "many": lambda: [*ai.run_many(GLM, [{"prompt": "a"}, {"prompt": "b"}])],
        "stream": lambda: [*ai.run(GLM, {"prompt": "one", "stream": True})],
    }.items():
        try:
            results[f"{name}, not awaited"] = repr(call())
        except ConfigurationError as error:
            results[f"{name}, not awaited"] = str(error)
        except Exception as error:
            results[f"{name}, not awaited"] = repr(error)
    return results


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
