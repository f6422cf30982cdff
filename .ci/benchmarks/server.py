"""An HTTP server of prepared bytes, in a process of its own, so that its work is not counted as the client's.

The first three parts of a path say what is sent: how, in which dialect, and how many tokens. What follows is the path
that the client under test likes to call.

- `/hot/native/5000/...`: one event a write, as fast as they are taken;
- `/bursts/chat/5000/...`: pieces of 16 KB, in which events begin and end anywhere;
- `/paced/native/500/...`: one event every 2 ms, whose text is the time of its writing;
- `/crowd-1000/native/30/...`: the first event at once, the others in step with 999 more streams;
- `/large/native/5/...`: one event of 5 MB, in pieces of 1 KB;
- `/whole/chat/1/...`: one JSON answer;
- `/vectors/native/100/...`: so many embeddings.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from functools import lru_cache
from random import Random

NATIVE_MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
CHAT_MODEL = "@cf/zai-org/glm-4.7-flash"
EMBEDDING_MODEL = "@cf/baai/bge-m3"

BURST = 16 * 1024
PACE = 0.002
CROWD_PACE = 0.25
"""Seconds between two events of a stream, and of each stream of a crowd."""

_WORDS = (
    " the",
    " quick",
    " br",
    "own",
    " fox",
    ",",
    " jumps",
    " over",
    " a",
    " lazy",
    " dog",
    ".",
    "\n",
    " caf\u00e9",
)
_PADDING = "abdefghijklmnoprstuvxyz1234567890"
_USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
_HEADERS = (
    b"date: Sat, 21 Nov 2026 10:00:00 GMT\r\n"
    b"cf-ray: 8f1c2a3b4c5d6e7f-AMS\r\n"
    b"cf-ai-req-id: 0b6e7c1e-54d3-4d0f-9a53-1f1a1e3c9d55\r\n"
    b"cf-ai-neurons: 12.65\r\n"
    b"server: cloudflare\r\n"
    b"vary: accept-encoding\r\n"
)

_waiting: dict[str, list[asyncio.Future[None]]] = {}


def words(count: int) -> list[str]:
    """Return the texts of a stream's tokens."""
    return [_WORDS[number % len(_WORDS)] for number in range(count)]


def event(dialect: str, text: str, number: int = 0) -> bytes:
    """Return one token as the service sends it, padded so that its length says nothing."""
    padding = (_PADDING * 2)[: 1 + number * 7 % 36]
    if dialect == "native":
        return _data({"response": text, "p": padding})
    return _data({**_chunk(text), "p": padding})


def trailer(dialect: str) -> bytes:
    """Return how a stream ends, behind its tokens."""
    if dialect == "native":
        return _data({"response": "", "usage": _USAGE}) + b"data: [DONE]\n\n"
    stop = _chunk("")
    stop["choices"] = [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    return _data(stop) + _data({**_chunk(""), "choices": [], "usage": _USAGE}) + b"data: [DONE]\n\n"


def answer(dialect: str) -> bytes:
    """Return a whole answer of a few words; `openai` is the chat dialect without the envelope."""
    text = "".join(words(12))
    if dialect == "native":
        result: dict[str, object] = {"response": text, "tool_calls": [], "usage": _USAGE}
    else:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        result = {"id": "chatcmpl-8f1c2a3b4c5d", "object": "chat.completion", "created": 1795255200}
        result |= {"model": CHAT_MODEL, "choices": [choice], "usage": _USAGE}
    if dialect == "openai":
        return _json(result)
    return _json({"result": result, "success": True, "errors": [], "messages": []})


@lru_cache(maxsize=4)
def vectors(count: int, is_bare: bool) -> bytes:
    """Return so many embeddings of 1,024 numbers; bare ones in OpenAI's form."""
    numbers = Random(1)
    # As many digits as a number of 32 bits has.
    data = [[round(numbers.gauss(0, 0.03), 9) for _ in range(1024)] for _ in range(count)]
    if is_bare:
        items = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(data)]
        return _json({"object": "list", "data": items, "model": EMBEDDING_MODEL, "usage": _USAGE})
    result = {"shape": [count, 1024], "data": data, "pooling": "cls"}
    return _json({"result": result, "success": True, "errors": [], "messages": []})


def _chunk(text: str) -> dict[str, object]:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
    chunk: dict[str, object] = {"id": "chatcmpl-8f1c2a3b4c5d", "object": "chat.completion.chunk", "created": 1795255200}
    return chunk | {"model": CHAT_MODEL, "choices": [choice]}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _data(value: object) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


def _framed(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            await reader.readexactly(int(length.partition(b":")[2]))
            path = head.split(b" ", 2)[1].decode()
            how, dialect, count = path.split("/")[1:4]
            if how in ("whole", "vectors"):
                is_bare = path.endswith(("/chat/completions", "/embeddings"))
                body = vectors(int(count), is_bare) if how == "vectors" else answer("openai" if is_bare else dialect)
                kind = b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
                writer.write(b"HTTP/1.1 200 OK\r\n" + _HEADERS + kind + b"\r\n" + body)
            else:
                kind = b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n" + _HEADERS + kind + b"\r\n")
                await _stream(writer, how, dialect, int(count))
                writer.write(_framed(trailer(dialect)) + b"0\r\n\r\n")
    writer.close()


async def _stream(writer: asyncio.StreamWriter, how: str, dialect: str, count: int) -> None:
    if how == "paced":
        await _paced(writer, dialect, count)
        return
    pieces = prepared(how, dialect, count)
    if how.startswith("crowd-"):
        writer.write(pieces[0])
        await _all_here(how, int(how.removeprefix("crowd-")))
        await _in_step(writer, pieces[1:])
        return
    for piece in pieces:
        writer.write(piece)
        # Below this much, a write has gone out as one by itself.
        if writer.transport.get_write_buffer_size() > BURST:
            await writer.drain()


@lru_cache(maxsize=32)
def prepared(how: str, dialect: str, count: int) -> list[bytes]:
    """Return the framed pieces of a stream, as they are written."""
    if how == "large":
        return [_framed(piece) for piece in cut(event(dialect, large(count)), 1024)]
    events = [event(dialect, text, number) for number, text in enumerate(words(count))]
    pieces = cut(b"".join(events), BURST) if how == "bursts" else events
    return [_framed(piece) for piece in pieces]


def cut(body: bytes, size: int) -> list[bytes]:
    """Return `body` in pieces of `size` bytes."""
    return [body[start : start + size] for start in range(0, len(body), size)]


def large(megabytes: int) -> str:
    """Return the text of one large event."""
    return "0123456789abcdef" * (megabytes * 65536)


async def _paced(writer: asyncio.StreamWriter, dialect: str, count: int) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(count):
        await asyncio.sleep(max(0.0, start + number * PACE - loop.time()))
        writer.write(_framed(event(dialect, str(time.monotonic_ns()), number)))


async def _all_here(crowd: str, size: int) -> None:
    """Wait until as many streams are open as the crowd has."""
    waiting = _waiting.setdefault(crowd, [])
    here = asyncio.get_running_loop().create_future()
    waiting.append(here)
    if len(waiting) == size:
        del _waiting[crowd]
        for future in waiting:
            future.set_result(None)
    await here


async def _in_step(writer: asyncio.StreamWriter, pieces: list[bytes]) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number, piece in enumerate(pieces):
        await asyncio.sleep(max(0.0, start + (number + 1) * CROWD_PACE - loop.time()))
        writer.write(piece)


async def main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The process that started this one holds the other end: when it goes, however it goes, this reads the end of file.
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
