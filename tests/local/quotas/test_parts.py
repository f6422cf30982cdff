"""What counts, by itself: the line in front of a model, the beginnings of prompts, and the calls of a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cfai import models
from cfai.local.quotas import Allowance, Quotas, _concurrency
from cfai.local.quotas._concurrency import ConcurrencyLimiter
from cfai.local.quotas._rate_limits import RateLimiter
from cfai.local.wire import ErrorResponse

GLM = "@cf/zai-org/glm-4.7-flash"
BGE = "@cf/baai/bge-m3"


def entry(name: str) -> models.Model:
    model = models.get(name)
    assert model is not None
    return model


# The line


async def settle() -> None:
    """Let everyone go on who can."""
    for _ in range(5):
        await asyncio.sleep(0)


def in_line(
    body: Callable[[ConcurrencyLimiter, list[str], Callable[[str], asyncio.Task[None]]], Coroutine[Any, Any, None]],
) -> None:
    """Run `body` with one place, a list of those who got it, and a function that lets someone take it."""

    async def main() -> None:
        places, order = ConcurrencyLimiter(1), list[str]()

        async def enter(name: str) -> None:
            await places.acquire(GLM, wait=True)
            order.append(name)

        async with asyncio.timeout(10):
            await body(places, order, lambda name: asyncio.create_task(enter(name)))

    asyncio.run(main())


def test_who_came_first_goes_first_and_alone() -> None:
    async def body(places: ConcurrencyLimiter, order: list[str], start: Any) -> None:
        tasks = [start(name) for name in "abc"]
        for expected in (["a"], ["a", "b"], ["a", "b", "c"]):
            await settle()
            assert order == expected
            places.release(GLM)
        await asyncio.gather(*tasks)
        await places.acquire(GLM, wait=False)

    in_line(body)


def test_who_will_not_wait_is_refused_at_once() -> None:
    async def body(places: ConcurrencyLimiter, order: list[str], start: Any) -> None:
        await places.acquire(GLM, wait=False)
        with pytest.raises(ErrorResponse) as caught:
            await places.acquire(GLM, wait=False)
        assert caught.value.code == 3040
        await places.acquire(BGE, wait=False)  # another model has a place of its own
        places.release(GLM)
        await places.acquire(GLM, wait=False)

    in_line(body)


def test_who_leaves_the_line_does_not_hold_up_the_others() -> None:
    async def body(places: ConcurrencyLimiter, order: list[str], start: Any) -> None:
        tasks = [start(name) for name in "abc"]
        await settle()
        tasks[1].cancel()
        await settle()
        places.release(GLM)
        await tasks[2]
        assert order == ["a", "c"]

    in_line(body)


def test_who_leaves_just_when_a_place_is_given_back_does_not_take_it_along() -> None:
    async def body(places: ConcurrencyLimiter, order: list[str], start: Any) -> None:
        tasks = [start(name) for name in "abc"]
        await settle()
        tasks[1].cancel()
        places.release(GLM)
        await tasks[2]
        assert order == ["a", "c"]

    in_line(body)


def test_who_leaves_just_when_it_is_his_turn_passes_it_on() -> None:
    async def body(places: ConcurrencyLimiter, order: list[str], start: Any) -> None:
        tasks = [start(name) for name in "abc"]
        await settle()
        places.release(GLM)
        tasks[1].cancel()
        await tasks[2]
        assert order == ["a", "c"]
        places.release(GLM)
        await places.acquire(GLM, wait=False)

    in_line(body)


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(places: ConcurrencyLimiter, order: list[str], start: Any) -> None:
        await places.acquire(GLM, wait=True)
        with pytest.raises(ErrorResponse) as caught:
            await places.acquire(GLM, wait=True)
        assert caught.value.code == 3040
        places.release(GLM)
        await places.acquire(GLM, wait=False)

    monkeypatch.setattr(_concurrency, "LONGEST", 0.0)
    in_line(body)


# The minute


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (GLM, 300),
        (BGE, 3000),
        ("@cf/baai/bge-large-en-v1.5", 1500),
        ("@cf/moonshotai/kimi-k2.6", 20),
        ("@cf/openai/whisper", 720),
        ("@cf/meta/m2m100-1.2b", 720),
    ],
)
def test_the_published_numbers_are_held(name: str, number: int) -> None:
    rates, model = RateLimiter({}), entry(name)
    assert [rates.admit(model, 0.0) for _ in range(number + 1)] == [True] * number + [False]
    assert rates.admit(model, 59.9) is False
    assert rates.admit(model, 60.0) is True


def test_a_task_is_counted_together_and_a_paid_model_by_itself() -> None:
    rates = RateLimiter({"Text Generation": 1})
    assert rates.admit(entry(GLM), 0.0)
    assert not rates.admit(entry("@cf/meta/llama-3.1-8b-instruct-fp8"), 0.0)
    assert rates.admit(entry("@cf/moonshotai/kimi-k2.6"), 0.0)
    assert rates.admit(entry(BGE), 0.0)


def test_a_task_without_a_published_number_has_none() -> None:
    rates = RateLimiter({})
    assert all(rates.admit(entry("@cf/deepgram/aura-1"), 0.0) for _ in range(5000))


def test_own_numbers_win_and_the_rest_stays() -> None:
    rates = RateLimiter({"@cf/moonshotai/kimi-k2.6": 50, GLM: 0})
    assert [rates.admit(entry("@cf/moonshotai/kimi-k2.6"), 0.0) for _ in range(51)].count(True) == 50
    assert not rates.admit(entry(GLM), 0.0)
    assert rates.admit(entry("@cf/zai-org/glm-5.3"), 0.0)


# The day


def test_a_day_begins_at_midnight_utc() -> None:
    now = 1_000 * 86_400.0 - 1
    meter = Quotas(Allowance(daily_neurons=10, clock=lambda: now))
    meter.admit(entry(GLM))
    meter.charge(10)
    with pytest.raises(ErrorResponse) as caught:
        meter.admit(entry(GLM))
    assert caught.value.code == 4006
    now += 1
    meter.admit(entry(GLM))
    meter.charge(9.9)
    meter.admit(entry(GLM))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"daily_neurons": -1}, "daily_neurons is 0 or more, not -1"),
        ({"daily_neurons": float("nan")}, "daily_neurons is 0 or more, not nan"),
        ({"concurrency": 0}, "concurrency is 1 or more, not 0"),
        ({"rate_limits": {"Text": 1}}, "'Text' is neither a task nor a model"),
        ({"rate_limits": {GLM: -1}}, "is 0 or more, not -1"),
    ],
)
def test_limits_that_are_none_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Allowance(**wrong)
