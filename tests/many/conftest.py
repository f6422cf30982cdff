"""Jobs that block, sync and async, and a runner that answers as a test wants."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import anyio.to_thread
import pytest
from anyio.from_thread import BlockingPortal

from cfai import Ai, AsyncJob, Job, JobReport, Row
from cfai._credentials import Secret
from cfai.many import JobOptions
from cfai.types import ChatCompletion, Meta, Usage
from tests.conftest import BlockingIterator

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


COST = (10 * 26668 + 5 * 204805) * 1e-6 * 0.011e-3
"""US dollars of a call of `StandIn`."""


class BlockingJob:
    """A `Job`, or an `AsyncJob` that is stepped through from outside its loop."""

    def __init__(self, job: Any, portal: BlockingPortal | None) -> None:
        self.job: Job[Any] | AsyncJob[Any] = job
        self._portal = portal
        self._rows: Any = job if portal is None else BlockingIterator(job, portal)

    def __iter__(self) -> Iterator[Row[Any]]:
        return self

    def __next__(self) -> Row[Any]:
        return next(self._rows)

    def close(self) -> None:
        self._rows.close()

    def report(self) -> JobReport:
        return self.job.report()


class StandIn:
    """A runner of models that calls a function for each input: it returns a text, or raises."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.calls: list[Any] = []
        self.options: list[dict[str, Any]] = []
        self.most = 0
        """How many calls were under way at a time."""
        self._under_way = 0
        self._lock = threading.Lock()

    def run(self, model: str, inputs: Any, **options: Any) -> Any:
        with self._lock:
            self.calls.append(inputs)
            self.options.append(options)
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        try:
            text = self.function(inputs)
        finally:
            with self._lock:
                self._under_way -= 1
        return answer(model, text)

    async def arun(self, model: str, inputs: Any, **options: Any) -> Any:
        run = self.run

        def call() -> Any:
            return run(model, inputs, **options)

        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)


def answer(model: str, text: Any) -> Any:
    """Return an answer with this text, of 10 tokens in and 5 out."""
    output = ChatCompletion.model_validate({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})
    output._meta = Meta(model=model, usage=Usage(10, 5, 15))
    return output


class Jobs:
    """Makes jobs, sync or async, and closes them after the test."""

    def __init__(self, portal: BlockingPortal | None) -> None:
        self.portal = portal
        self.made: list[BlockingJob] = []

    def __call__(self, runner: Ai | StandIn, inputs: Iterable[Any], *, model: str = MODEL, **options: Any) -> Any:
        options = {"requests_per_minute": float("inf"), **options}
        if isinstance(runner, Ai):
            make = runner.run_many if self.portal is None else runner.arun_many
            job: Any = make(model, inputs, **options)
        else:
            names = JobOptions.__dataclass_fields__
            settings = JobOptions(**{name: options.pop(name) for name in list(options) if name in names})
            job = (Job if self.portal is None else AsyncJob)(runner, model, inputs, settings, Secret(options))
        self.made.append(BlockingJob(job, self.portal))
        return self.made[-1]


@pytest.fixture(autouse=True, scope="module")
def pauses() -> Iterator[None]:
    """Have refusals in a row wait no longer than the service says. `tests/pacing` has the pauses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cfai._pacing.pace._FIRST_PAUSE", 0.0)
        yield


@pytest.fixture
def jobs(portal: BlockingPortal | None) -> Iterator[Jobs]:
    jobs = Jobs(portal)
    yield jobs
    for job in jobs.made:
        job.close()


def prompts(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"Number {number}?"} for number in range(count)]


async def asynchronous(items: Iterable[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item
