"""What counts, by itself: the line in front of a model, the calls of a minute, and the neurons of a day."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cfai import models
from cfai.local import Emulator
from cfai.local.quotas import Allowance, Quotas, _quotas
from cfai.local.quotas._quotas import RateLimiter
from cfai.local.wire import ErrorResponse

GLM = "@cf/zai-org/glm-4.7-flash"
BGE = "@cf/baai/bge-m3"


def entry(name: str) -> models.Model:
    model = models.get(name)
    assert model is not None
    return model


# The line


class Line:
    """A model that answers one call at a time, and who got to it."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self._quotas = Quotas(Allowance(concurrency=1))
        self._releases: list[Callable[[], None]] = []

    async def enter(self, name: str, *, model: str = GLM, wait: bool = True) -> None:
        self._releases.append(await self._quotas.acquire(entry(model), reject_if_busy=not wait))
        self.order.append(name)

    def release(self) -> None:
        """Let the one go who has the place."""
        self._releases.pop(0)()

    async def refuse(self, *, wait: bool) -> None:
        with pytest.raises(ErrorResponse) as caught:
            await self.enter("refused", wait=wait)
        assert caught.value.code == 3040


async def settle() -> None:
    """Let everyone go on who can."""
    for _ in range(5):
        await asyncio.sleep(0)


def run(body: Callable[[Line], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(body(Line()), 10))


def test_who_came_first_goes_first_and_alone() -> None:
    async def body(line: Line) -> None:
        tasks = [asyncio.create_task(line.enter(name)) for name in "abc"]
        for expected in (["a"], ["a", "b"], ["a", "b", "c"]):
            await settle()
            assert line.order == expected
            line.release()
        await asyncio.gather(*tasks)
        await line.enter("d", wait=False)

    run(body)


def test_who_will_not_wait_is_refused_at_once() -> None:
    async def body(line: Line) -> None:
        await line.enter("a", wait=False)
        await line.refuse(wait=False)
        await line.enter("b", model=BGE, wait=False)  # another model has a place of its own
        line.release()
        await line.enter("c", wait=False)

    run(body)


def test_who_leaves_the_line_neither_holds_up_the_others_nor_takes_a_place_along() -> None:
    for leaves in ("before a place is free", "just when it is", "just when it is his turn"):

        async def body(line: Line, leaves: str = leaves) -> None:
            tasks = [asyncio.create_task(line.enter(name)) for name in "abc"]
            await settle()
            if leaves == "just when it is his turn":
                line.release()
                tasks[1].cancel()
            else:
                tasks[1].cancel()
                if leaves == "before a place is free":
                    await settle()
                line.release()
            await tasks[2]
            assert line.order == ["a", "c"], leaves
            line.release()
            await line.enter("d", wait=False)

        run(body)


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(line: Line) -> None:
        await line.enter("a")
        await line.refuse(wait=True)
        line.release()
        await line.enter("b", wait=False)

    monkeypatch.setattr(_quotas, "MAX_QUEUE_SECONDS", 0.0)
    run(body)


# The minute


def test_the_published_numbers_are_kept_to() -> None:
    published = {
        GLM: 300,
        BGE: 3000,
        "@cf/baai/bge-large-en-v1.5": 1500,
        "@cf/moonshotai/kimi-k2.6": 20,
        "@cf/openai/whisper": 720,
        "@cf/meta/m2m100-1.2b": 720,
    }
    for name, number in published.items():
        rates, model = RateLimiter({}), entry(name)
        assert [rates.admit(model, 0.0) for _ in range(number + 1)] == [True] * number + [False], name
        assert rates.admit(model, 59.9) is False, name
        assert rates.admit(model, 60.0) is True, name


def test_a_task_is_counted_together_and_a_paid_model_by_itself() -> None:
    rates = RateLimiter({"Text Generation": 1})
    assert rates.admit(entry(GLM), 0.0)
    assert not rates.admit(entry("@cf/meta/llama-3.1-8b-instruct-fp8"), 0.0)
    assert rates.admit(entry("@cf/moonshotai/kimi-k2.6"), 0.0)
    assert not rates.admit(entry("@cf/moonshotai/kimi-k2.6"), 0.0)
    assert rates.admit(entry(BGE), 0.0)


def test_a_task_s_own_number_is_that_of_models_which_are_counted_by_themselves_too() -> None:
    rates, large = RateLimiter({"Text Embeddings": 2}), entry("@cf/baai/bge-large-en-v1.5")
    assert [rates.admit(large, 0.0) for _ in range(3)] == [True, True, False]
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
    quotas = Quotas(Allowance(daily_neurons=10, clock=lambda: now))
    quotas.admit(entry(GLM))
    quotas.charge(10)
    with pytest.raises(ErrorResponse) as caught:
        quotas.admit(entry(GLM))
    assert caught.value.code == 4006
    now += 1
    quotas.admit(entry(GLM))
    quotas.charge(9.9)
    quotas.admit(entry(GLM))


def test_limits_that_are_none_are_refused() -> None:
    rows: list[tuple[dict[str, Any], str]] = [
        ({"daily_neurons": -1}, "daily_neurons is 0 or more, not -1"),
        ({"daily_neurons": float("nan")}, "daily_neurons is 0 or more, not nan"),
        ({"concurrency": 0}, "concurrency is 1 or more, not 0"),
        ({"rate_limits": {"Text": 1}}, "'Text' is neither a task nor a model"),
        ({"rate_limits": {GLM: -1}}, "is 0 or more, not -1"),
    ]
    for options, message in rows:
        with pytest.raises(ValueError, match=message):
            Emulator(**options)
