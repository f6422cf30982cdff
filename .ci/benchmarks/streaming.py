"""The cost of a streamed token, and how late it comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from statistics import median
from typing import Any

from .clients import AsyncCfai, AsyncFloor, AsyncOpenAi, AsyncSse, Cfai, Floor, OpenAi, Sse, check_texts
from .measure import Report, Target, cpu_us, in_turns

SYNC = {"floor": Floor, "cfai": Cfai, "httpx-sse": Sse, "openai": OpenAi}
ASYNC = {"floor": AsyncFloor, "cfai": AsyncCfai, "httpx-sse": AsyncSse, "openai": AsyncOpenAi}

Read = Callable[..., list[str]]
"""Reads one stream: its texts. Takes a list for the times of their arrival."""
Call = Callable[[], str]
"""Asks for a whole answer: its text."""


@contextmanager
def opened(server: str, how: str, count: int, *, is_async: bool) -> Generator[dict[str, tuple[Read, Call]]]:
    """Return the clients by name, as plain functions in both colours, closed at the end of the block."""
    with asyncio.Runner() as runner:

        def plain(call: Any) -> Callable[..., Any]:
            return (lambda *given: runner.run(call(*given))) if is_async else call

        clients = {
            name if name == "openai" else f"{name}, {dialect}": kind(server, how, dialect, count)
            for name, kind in (ASYNC if is_async else SYNC).items()
            for dialect in (("chat",) if name == "openai" else ("native", "chat"))
        }
        try:
            yield {name: (plain(client.stream), plain(client.call)) for name, client in clients.items()}
        finally:
            for client in clients.values():
                plain(client.close)()


def against(limits: dict[str, float]) -> list[Target]:
    """For both dialects, that cfai's figure is at most so many times that of others."""
    return [
        Target(f"to {other}", f"cfai, {dialect}", limit, other if other == "openai" else f"{other}, {dialect}")
        for dialect in ("native", "chat")
        for other, limit in limits.items()
    ]


def colour(is_async: bool) -> str:
    return "async" if is_async else "sync"


def hot(report: Report, server: str, rounds: int, count: int = 4000) -> None:
    """Return one event a write, as fast as they are taken."""
    for is_async in (False, True):
        values = _costs(server, "hot", count, rounds, is_async)
        title = f"CPU, one event a write, {colour(is_async)}"
        report.table(title, "µs a token", values, *against({"floor": 1.40, "openai": 0.15}), baseline="floor, native")


def bursts(report: Report, server: str, rounds: int, count: int = 10_000) -> None:
    """Many events in one read."""
    for is_async in (False, True):
        values = _costs(server, "bursts", count, rounds, is_async)
        title = f"CPU, bursts, {colour(is_async)}"
        targets = against({"httpx-sse": 0.75, "openai": 0.05})
        report.table(title, "µs a token", values, *targets, baseline="floor, native")


def paced(report: Report, server: str, rounds: int, count: int = 150) -> None:
    """One event every 2 ms: the CPU time of a token, and how long it is under way from the server to the program."""
    for is_async in (False, True):
        late: dict[str, list[float]] = {}
        with opened(server, "paced", count, is_async=is_async) as clients:
            runs = {name: _paced(name, read, count, late.setdefault(name, [])) for name, (read, _) in clients.items()}
            values = in_turns(runs, rounds)
        targets = against({"floor": 1.20 if is_async else 1.35, "openai": 0.55})
        title = f"CPU, one event every 2 ms, {colour(is_async)}"
        report.table(title, "µs a token", values, *targets, baseline="floor, native")
        late = {name: figures[1:] for name, figures in late.items()}
        title = f"p50 from the server's write to the program, {colour(is_async)}"
        report.table(title, "µs", late, *against({"openai": 0.55}), baseline="floor, native")


def first_token(report: Report, server: str, rounds: int, times: int = 60) -> None:
    """From the call to its first token, on a connection that is open, in wall-clock time."""
    for is_async in (False, True):
        with opened(server, "hot", 3, is_async=is_async) as clients:
            values = in_turns({name: _waiting(read, times) for name, (read, _) in clients.items()}, rounds)
        title = f"time to first token, warm connection, {colour(is_async)}"
        targets = against({"httpx-sse": 1.05, "openai": 0.45})
        report.table(title, "µs", values, *targets, baseline="httpx-sse, native")


def _costs(server: str, how: str, count: int, rounds: int, is_async: bool) -> dict[str, list[float]]:
    with opened(server, how, count, is_async=is_async) as clients:
        return in_turns({name: _reading(name, read, count) for name, (read, _) in clients.items()}, rounds)


def _reading(name: str, read: Read, count: int) -> Callable[[], float]:
    """Read a stream to its end: CPU microseconds a token."""

    def cost() -> float:
        texts: list[str] = []
        spent = cpu_us(lambda: texts.extend(read()), count)
        if not name.startswith("floor"):
            check_texts(name, texts, count)
        return spent

    return cost


def _paced(name: str, read: Read, count: int, late: list[float]) -> Callable[[], float]:
    """Read a stream whose texts are the times of their writing: CPU microseconds a token.

    `late` takes the median of the microseconds from the writing of a text to its arrival.
    """

    def cost() -> float:
        arrived: list[int] = []
        texts: list[str] = []
        spent = cpu_us(lambda: texts.extend(read(arrived)), count)
        if len(texts) != count or texts != sorted(texts, key=int):
            raise AssertionError(f"{name} gave other texts than were sent")
        # The floor takes the stream's end for one arrival more.
        late.append(median(there - int(text) for there, text in zip(arrived, texts, strict=False)) / 1000)
        return spent

    return cost


def _waiting(read: Read, times: int) -> Callable[[], float]:
    def wait() -> float:
        waits: list[int] = []
        for _ in range(times):
            arrived: list[int] = []
            start = time.monotonic_ns()
            read(arrived)
            waits.append(arrived[0] - start)
        return median(waits) / 1000

    return wait
