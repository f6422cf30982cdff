"""Many asynchronous streams at once: what a token costs, and what memory a stream takes.

Each client has a process of its own, which is this module run as a command.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

from .clients import AsyncCfai, AsyncClient, AsyncFloor, check_texts
from .measure import Report, Target, in_turns

_HERE = Path(__file__).parents[1]


def streams(report: Report, server: str, rounds: int, size: int = 1000, tokens: int = 24) -> None:
    """Return `size` streams at once, in step, and a tenth of them."""
    memory: dict[str, list[float]] = {}
    small = max(1, size // 10)
    names = ["floor", "cfai", *(("cfai, aiohttp",) if _has_aiohttp() else ())]
    kinds = {f"{name}, {crowd}": (name, crowd) for crowd in (size, small) for name in names}
    figures = {key: _figures(server, name, crowd, tokens) for key, (name, crowd) in kinds.items()}
    runs = {key: _kept(run, memory.setdefault(key, [])) for key, run in figures.items()}
    costs = in_turns(runs, max(2, rounds // 3))
    targets = [
        Target("to the floor", f"cfai, {size}", 1.20, f"floor, {size}"),
        Target("as with fewer", f"cfai, {size}", 1.20, f"cfai, {small}"),
    ]
    if _has_aiohttp():
        targets.append(Target("aiohttp", f"cfai, aiohttp, {size}", 0.35, f"floor, {size}"))
    report.table(
        f"CPU, {size} and {small} asynchronous streams", "µs a token", costs, *targets, baseline=f"floor, {size}"
    )
    memory = {key: values[1:] for key, values in memory.items() if key.endswith(f", {size}")}
    bound = Target("memory", f"cfai, {size}", 1.30, f"floor, {size}")
    report.table(f"resident memory, {size} streams", "KB a stream", memory, bound, baseline=f"floor, {size}")


def _figures(server: str, name: str, size: int, tokens: int) -> Callable[[], tuple[float, float]]:
    def run() -> tuple[float, float]:
        command = [sys.executable, "-m", "benchmarks.crowd", name, server, str(size), str(tokens)]
        done = subprocess.run(command, cwd=_HERE, capture_output=True, text=True, check=True)
        cost, memory = json.loads(done.stdout)
        return cost, memory

    return run


def _kept(run: Callable[[], tuple[float, float]], memory: list[float]) -> Callable[[], float]:
    def cost() -> float:
        spent, kilobytes = run()
        memory.append(kilobytes)
        return spent

    return cost


def _has_aiohttp() -> bool:
    return find_spec("httpx_aiohttp") is not None


async def _measure(name: str, server: str, size: int, tokens: int) -> tuple[float, float]:
    """CPU microseconds a token once all streams are open, and kilobytes a stream in their middle."""
    pool: Any = httpx.Limits(max_connections=size, max_keepalive_connections=20)
    waits: Any = httpx.Timeout(60, pool=None)  # a read that is bounded costs more than one that is not
    where = (server, f"crowd-{size}", "native", tokens)
    client: AsyncClient
    if name == "floor":
        client = AsyncFloor(*where, http=httpx.AsyncClient(limits=pool, timeout=waits))
    elif name == "cfai":
        client = AsyncCfai(*where)
    else:
        import httpx_aiohttp

        client = AsyncCfai(*where, http=httpx_aiohttp.HttpxAiohttpClient(limits=pool, timeout=waits))
    warm = type(client)(server, "hot", "native", 3)
    await warm.stream()
    await warm.close()
    gc.collect()
    before = _resident()
    tasks: list[asyncio.Task[list[str]]] = []
    arrivals: list[list[int]] = [[] for _ in range(size)]
    for number in range(size):
        tasks.append(asyncio.create_task(client.stream(arrivals[number])))
    await _until(lambda: all(arrivals))
    seen = sum(map(len, arrivals))
    start = time.process_time_ns()
    await _until(lambda: sum(map(len, arrivals)) >= size * tokens // 2)
    memory = _resident() - before
    await _until(lambda: sum(map(len, arrivals)) >= size * (tokens - 1))
    cost = (time.process_time_ns() - start) / 1000 / (sum(map(len, arrivals)) - seen)
    for texts in await asyncio.gather(*tasks):
        check_texts(name, texts, tokens)
    await client.close()
    return cost, memory / size


async def _until(done: Callable[[], bool]) -> None:
    while not done():  # noqa: ASYNC110 -- an event that each token set would be part of the figure
        await asyncio.sleep(0.05)


def _resident() -> float:
    """Kilobytes of this process in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measure(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))))
