"""The cost of a call of `arun_many`, beside a bare semaphore over `arun`, and whether it grows with the job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any

from cfai import Ai, AsyncJob
from cfai._credentials import Secret
from cfai.many import JobOptions
from cfai.types import Meta, NativeText, Usage

from .measure import Report, Target, awaited, cpu_us, in_turns
from .server import NATIVE_MODEL

CONCURRENCY = 16


def overhead(report: Report, server: str, rounds: int, count: int = 500) -> None:
    """Return a call of a job: read, sent in its turn, its answer given in order. The floor has a semaphore alone."""
    url = f"{server}/whole/native/1/client/v4"
    with asyncio.Runner() as runner:
        ai = Ai(account_id="local", api_token="token", base_url=url, trust_env=False)

        async def floor() -> int:
            free = asyncio.Semaphore(CONCURRENCY)

            async def call(number: int) -> Any:
                async with free:
                    return await ai.arun(NATIVE_MODEL, make_inputs(number))

            answers = await asyncio.gather(*map(call, range(count)))
            return sum(bool(answer.text) for answer in answers)

        async def job() -> int:
            inputs = map(make_inputs, range(count))
            options: Any = {"concurrency": CONCURRENCY, "requests_per_minute": inf, "progress": False}
            rows = ai.arun_many(NATIVE_MODEL, inputs, **options)
            return sum([bool(row.output.text) async for row in rows])

        runs = {"semaphore": floor, "arun_many": job}
        values = in_turns({name: _calls(runner, name, run, count) for name, run in runs.items()}, rounds)
        runner.run(ai.aclose())
    target = Target("to a semaphore", "arun_many", 1.2, "semaphore")
    report.table("CPU, a call among many, async", "µs a call", values, target, baseline="semaphore")


def growth(report: Report, server: str, rounds: int, counts: tuple[int, int] = (10_000, 100_000)) -> None:
    """Return a call of jobs of two lengths, by a runner that answers at once: what is left is the job's own."""
    answer = NativeText.model_validate({"response": "x"})
    answer._meta = Meta(model=NATIVE_MODEL, usage=Usage(10, 5, 15))

    class Immediate:
        def run(self, model: str, inputs: Any, **options: Any) -> Any:
            return answer

        async def arun(self, model: str, inputs: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            return answer

    async def job(count: int) -> int:
        options = JobOptions(CONCURRENCY, inf, progress=False)
        rows = AsyncJob[Any](Immediate(), NATIVE_MODEL, map(make_inputs, range(count)), options, Secret({}))
        return sum([row.ok async for row in rows])

    with asyncio.Runner() as runner:
        runs = {f"{count:,} calls": _calls(runner, "a job", lambda count=count: job(count), count) for count in counts}
        values = in_turns(runs, min(rounds, 5))
    few, many = runs
    title = "CPU, a call of a job of two lengths, without its request, async"
    report.table(title, "µs a call", values, Target("flat", many, 1.2, few))


def make_inputs(number: int) -> dict[str, Any]:
    return {"prompt": f"Number {number}?"}


def _calls(
    runner: asyncio.Runner, name: str, run: Callable[[], Coroutine[Any, Any, int]], count: int
) -> Callable[[], float]:
    def work() -> None:
        if (answered := awaited(runner, run)()) != count:
            raise AssertionError(f"{name} gave {answered} answers of {count}")

    return lambda: cpu_us(work, count)
