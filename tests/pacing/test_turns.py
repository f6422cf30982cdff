"""Requests are sent in turn: again where that is safe, never without end, and no more once they are stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from types import SimpleNamespace

import anyio
import pytest

from cfai import BadRequestError, CapacityError, CfaiError, InternalServerError, RateLimitError, Retry
from cfai._pacing import Pace, Turns

HALVES = pytest.mark.parametrize("backend", [None, "asyncio", "trio"])


@dataclass
class Request:
    turn: float = 0.0


class Service:
    """Raises an error for each of the first calls, and answers those after them. It never takes a thousand."""

    def __init__(self, *errors: CfaiError, forever: bool = False) -> None:
        self.errors = [*errors]
        self.forever = forever
        self.calls = 0

    def call(self) -> str:
        self.calls += 1
        assert self.calls < 1000, "it is sent without end"
        if self.errors:
            raise self.errors[0] if self.forever else self.errors.pop(0)
        return "yes"


def send_on(backend: str | None, turns: Turns, call: Callable[[], str]) -> str | None:
    """Send with `send`, or with `asend` on an event loop."""
    if backend is None:
        return turns.send(Request(), call)

    async def acall() -> str:
        return call()

    return anyio.run(partial(turns.asend, Request(), acall), backend=backend)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds that are waited, which pass at once."""
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    waited: list[float] = []

    def wait(_: Turns, seconds: float) -> None:
        if seconds > 0:
            clock.now += seconds
            waited.append(seconds)

    async def await_(turns: Turns, seconds: float) -> None:
        wait(turns, seconds)

    monkeypatch.setattr("cfai._pacing.turns.time", clock)
    monkeypatch.setattr(Turns, "_sleep", wait)
    monkeypatch.setattr(Turns, "_asleep", await_)
    return waited


@HALVES
def test_a_request_that_is_always_too_many_fails_after_a_quarter_of_an_hour(
    waits: list[float], backend: str | None
) -> None:
    service = Service(RateLimitError("later", retryable=True), forever=True)
    with pytest.raises(RateLimitError):
        send_on(backend, Turns(Pace(), Retry(max_retries=0)), service.call)
    assert service.calls == 20
    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, *[60.0] * 14]


@HALVES
def test_a_service_that_says_to_come_again_at_once_ends_no_work_within_seconds(
    waits: list[float], backend: str | None
) -> None:
    for retry_after in (0.0, 1.0):
        waits.clear()
        service = Service(RateLimitError("later", retryable=True, retry_after=retry_after), forever=True)
        with pytest.raises(RateLimitError):
            send_on(backend, Turns(Pace(), Retry()), service.call)
        assert service.calls == 20
        assert [wait for wait in waits if wait > 1.0] == [4.0, 8.0, 16.0, 32.0, *[60.0] * 14]


@HALVES
def test_what_the_service_says_of_the_wait_counts_and_hours_are_not_waited(
    waits: list[float], backend: str | None
) -> None:
    service = Service(*(RateLimitError("later", retryable=True, retry_after=wait) for wait in (7.0, 600.0, 601.0)))
    with pytest.raises(RateLimitError) as caught:
        send_on(backend, Turns(Pace(), Retry()), service.call)
    assert caught.value.retry_after == 601.0
    assert (service.calls, waits) == (3, [7.0, 600.0])


@HALVES
def test_other_failures_are_tried_again_as_often_as_was_asked(waits: list[float], backend: str | None) -> None:
    retry = Retry(max_retries=2, base=1.0, jitter=lambda: 1.0)
    service = Service(InternalServerError("busy", retryable=True), forever=True)
    with pytest.raises(InternalServerError):
        send_on(backend, Turns(Pace(), retry), service.call)
    assert (service.calls, waits) == (3, [1.0, 2.0])

    waits.clear()
    service = Service(CapacityError("full", retryable=True), RateLimitError("later", retryable=True))
    assert send_on(backend, Turns(Pace(), retry), service.call) == "yes"
    assert (service.calls, waits) == (3, [1.0, 2.0]), "a second of its own, then two of all"

    for turns, error in (
        (Turns(Pace(), retry), BadRequestError("no")),
        (Turns(Pace(), retry, rejects_if_busy=True), CapacityError("full", retryable=True)),
    ):
        waits.clear()
        service = Service(error, forever=True)
        with pytest.raises(type(error)):
            send_on(backend, turns, service.call)
        assert (service.calls, waits) == (1, [])


@HALVES
def test_once_it_is_stopped_nothing_is_sent_and_nobody_waits(backend: str | None) -> None:
    service, pace, before = Service(), Pace(1), time.monotonic()
    turns = Turns(pace, Retry())
    assert send_on(backend, turns, service.call) == "yes"
    if backend is None:
        threading.Timer(0.05, turns.stop).start()
        assert send_on(backend, turns, service.call) is None, "it waited for the next minute"
    else:
        anyio.run(stop_while_one_waits, turns, service, backend=backend)
    assert send_on(backend, turns, service.call) is None
    assert service.calls == 1
    assert pace.reserve(time.monotonic()) < before + 100.0, "the turn that was not used is free again"


async def stop_while_one_waits(turns: Turns, service: Service) -> None:
    answers: list[str | None] = []

    async def acall() -> str:
        return service.call()

    async def wait() -> None:
        answers.append(await turns.asend(Request(), acall))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(0.05)
            turns.stop()
    assert answers == [None]


@HALVES
def test_a_request_that_was_stopped_while_it_failed_is_not_sent_again(backend: str | None) -> None:
    turns = Turns(Pace(inf), Retry(base=60.0))
    service = Service(InternalServerError("busy", retryable=True), forever=True)

    def call() -> str:
        turns.stop()
        return service.call()

    assert send_on(backend, turns, call) is None
    assert service.calls == 1


def test_a_job_that_is_stopped_in_its_own_thread_amid_a_wait_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(Pace(1), Retry())
    assert turns.send(Request(), Service().call) == "yes"
    allocate, stopped = threading.Lock, list[bool]()

    def allocate_and_collect() -> object:
        if threading.current_thread() is waiting and not stopped:
            stopped.append(True)
            turns.stop()  # as the collector may, which comes with any allocation
        return allocate()

    waiting = threading.Thread(target=turns.send, args=(Request(), Service().call), daemon=True)
    monkeypatch.setattr("threading._allocate_lock", allocate_and_collect)
    waiting.start()
    stopping = threading.Thread(target=turns.stop, daemon=True)
    stopping.start()
    waiting.join(20)
    stopping.join(20)
    assert not waiting.is_alive()
    assert not stopping.is_alive()
