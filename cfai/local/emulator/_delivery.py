"""Deliver one answer: at its pace, with its faults, to a client that may leave at any time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from cfai.local.faults import Fault
from cfai.local.server import MAX_OPEN_SECONDS, Connection
from cfai.local.wire import Event, Parts


def pace(tokens: int, rate: float | None, elapsed: float) -> float:
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
    async with aclosing(_until_gone(connection, parts)) as each:
        async for tokens, data in each:
            if ending and sent >= after:
                await _end_early(connection, ending, error)
                return sent
            sent += tokens
            if tokens:
                await connection.pause(pace(sent, rate, clock() - start))
            step = fault.split or (1 if fault.trickle else max(1, len(data)))
            for at in range(0, len(data), step):
                if connection.is_gone:
                    return sent
                await connection.write(data[at : at + step])
                await connection.pause(fault.trickle)
    if not connection.is_gone:
        await connection.end(hold=fault.hold)
    return sent


def split_body(body: bytes, fault: Fault) -> tuple[list[Event], int]:
    """Return a whole body as one part, or in two if it is to break off between them, and the length to announce."""
    ending, after = fault.ending or (None, 0)
    if ending in (None, "error"):
        return [(0, body)], len(body)
    half = body[: len(body) // 2] if after else b""
    return [(after, half), (0, body[len(half) :])], len(half) if ending == "truncate" else len(body)


async def _until_gone(connection: Connection, parts: Parts) -> AsyncGenerator[Event, None]:
    """Yield each of `parts`, until the client has left: what is waited for ends then."""
    if isinstance(parts, Iterable):
        for part in parts:
            yield part
        return
    async with aclosing(parts):
        while (part := await connection.unless_gone(anext(parts, None))) is not None:
            yield part


async def _end_early(connection: Connection, ending: str, error: bytes) -> None:
    if ending in ("drop", "reset"):
        await connection.cut(reset=ending == "reset")
    elif ending == "silence":
        await connection.pause(MAX_OPEN_SECONDS)
    else:
        if ending == "error":
            await connection.write(error)
        await connection.end()
