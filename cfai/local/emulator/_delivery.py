"""Deliver one answer: at its pace, with its faults, to a client that may leave at any time."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any

from cfai.local.faults import Fault
from cfai.local.server import MAX_OPEN_SECONDS, Connection
from cfai.local.wire import ErrorResponse, Event, Generation, Parts, encode_error


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, ready to be sent."""

    status: int
    content_type: str
    body: bytes = b""
    tokens: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    stream: tuple[Generation, Parts] | None = None
    """The whole generation that a stream sends, and its events."""


def build_json_reply(status: int, value: Any, headers: Mapping[str, str] | None = None, tokens: int = 0) -> Reply:
    """Return a reply that is JSON."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # Half a surrogate pair has no bytes in UTF-8; what Python puts for it is its escape in JSON too.
    return Reply(status, "application/json", text.encode("utf-8", "backslashreplace"), tokens, headers or {})


async def send_reply(connection: Connection, reply: Reply, fault: Fault, request_id: str, rate: float | None) -> int:
    """Send a reply at `rate` tokens a second, and return how many tokens of a stream were sent."""
    await connection.pause(fault.delay)
    if fault.hang_up or fault.reset or fault.raw is not None:
        await connection.cut(fault.raw or b"", reset=fault.reset)
        return 0
    content_type = reply.content_type if fault.content_type is None else fault.content_type
    headers = {"date": formatdate(usegmt=True), **({"content-type": content_type} if content_type else {})}
    headers |= {**reply.headers, "cf-ai-req-id": request_id, "cf-ray": f"{uuid.uuid4().hex[:16]}-LHR"}
    error = b""
    if reply.stream is None:
        # The real service sends nothing of a whole answer before all of it is there.
        await connection.pause(fault.slow_first + compute_pause(reply.tokens, rate, 0.0))
        parts, length = _split_body(reply.body, fault)
        fault, rate = replace(fault, error_after=None, hold=False, slow_first=0.0), None
        headers["content-length"] = str(length)
    else:
        generation, parts = reply.stream
        error = encode_error(generation, ErrorResponse(fault.code or 3040, fault.message), request_id)
    if connection.is_gone:
        return 0
    await connection.start(reply.status, headers)
    return await deliver(connection, fault, parts, rate=rate, error=error)


def compute_pause(tokens: int, rate: float | None, elapsed: float) -> float:
    """Return seconds to wait before `tokens` tokens in all have been sent at `rate` tokens a second."""
    return max(0.0, tokens / rate - elapsed) if rate else 0.0


async def deliver(
    connection: Connection, fault: Fault, parts: Parts, *, rate: float | None = None, error: bytes = b""
) -> int:
    """Send a body part by part, with the event `error` if it is to fail inside. Returns how many tokens were sent."""
    await connection.pause(fault.slow_first)
    clock = asyncio.get_running_loop().time
    start, sent = clock(), 0
    ending, after = fault.ending or (None, 0)
    async with aclosing(_iter_until_gone(connection, parts)) as each:
        async for tokens, data in each:
            if ending and sent >= after:
                if ending in ("drop", "reset"):
                    await connection.cut(reset=ending == "reset")
                elif ending == "silence":
                    await connection.pause(MAX_OPEN_SECONDS)
                else:
                    if ending == "error":
                        await connection.write(error)
                    await connection.end()
                return sent
            sent += tokens
            if tokens:
                await connection.pause(compute_pause(sent, rate, clock() - start))
            step = fault.split or (1 if fault.trickle else max(1, len(data)))
            for at in range(0, len(data), step):
                if connection.is_gone:
                    return sent
                await connection.write(data[at : at + step])
                await connection.pause(fault.trickle)
    if not connection.is_gone:
        await connection.end(hold=fault.hold)
    return sent


def _split_body(body: bytes, fault: Fault) -> tuple[list[Event], int]:
    """Return a whole body as one part, or in two if it is to break off between them, and the length to announce."""
    ending, after = fault.ending or (None, 0)
    if ending in (None, "error"):
        return [(0, body)], len(body)
    half = body[: len(body) // 2] if after else b""
    return [(after, half), (0, body[len(half) :])], len(half) if ending == "truncate" else len(body)


async def _iter_until_gone(connection: Connection, parts: Parts) -> AsyncGenerator[Event, None]:
    """Yield each of `parts`, until the client has left: what is waited for ends then."""
    if isinstance(parts, Iterable):
        for part in parts:
            yield part
        return
    async with aclosing(parts):
        while (part := await connection.run_until_gone(anext(parts, None))) is not None:
            yield part
