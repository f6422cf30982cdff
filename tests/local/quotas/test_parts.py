"""The parts of quotas, each by itself: the line in front of a model, the calls of a minute, the neurons of a day."""

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
LLAMA = "@cf/meta/llama-3.1-8b-instruct-fp8"
KIMI = "@cf/moonshotai/kimi-k2.6"
BGE = "@cf/baai/bge-m3"
LARGE = "@cf/baai/bge-large-en-v1.5"


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


def test_nobody_waits_for_ever_and_who_will_not_wait_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for wait, longest in ((False, 10.0), (True, 0.0)):

        async def body(line: Line, wait: bool = wait) -> None:
            await line.enter("a", wait=wait)
            await line.refuse(wait=wait)
            await line.enter("b", model=BGE, wait=False)  # another model has a place of its own
            line.release()
            await line.enter("c", wait=False)

        monkeypatch.setattr(_quotas, "MAX_QUEUE_SECONDS", longest)
        run(body)


# The minute


RATES: dict[str, tuple[dict[str, int], list[tuple[str, int, bool]]]] = {
    "a task is counted together and a paid model by itself": (
        {"Text Generation": 1},
        [(GLM, 1, True), (LLAMA, 1, False), (KIMI, 1, True), (KIMI, 1, False), (BGE, 1, True)],
    ),
    "a task's own number is that of models which are counted by themselves too": (
        {"Text Embeddings": 2},
        [(LARGE, 2, True), (LARGE, 1, False), (BGE, 1, True)],
    ),
    "a task without a published number has none": ({}, [("@cf/deepgram/aura-1", 5000, True)]),
    "own numbers win and the rest stays": (
        {KIMI: 50, GLM: 0},
        [(KIMI, 50, True), (KIMI, 1, False), (GLM, 1, False), ("@cf/zai-org/glm-5.3", 1, True)],
    ),
}
"""Limits; models, how often each is called, and whether it may be."""


def test_calls_are_counted_by_task_or_by_model_up_to_the_published_numbers() -> None:
    for name, (limits, calls) in RATES.items():
        rates = RateLimiter(limits)
        for model, times, admitted in calls:
            assert [rates.admit(entry(model), 0.0) for _ in range(times)] == [admitted] * times, (name, model)
    published = {GLM: 300, BGE: 3000, LARGE: 1500, KIMI: 20, "@cf/openai/whisper": 720, "@cf/meta/m2m100-1.2b": 720}
    for name, number in published.items():
        rates, model = RateLimiter({}), entry(name)
        assert [rates.admit(model, 0.0) for _ in range(number + 1)] == [True] * number + [False], name
        assert rates.admit(model, 59.9) is False, name
        assert rates.admit(model, 60.0) is True, name


def test_limits_that_are_none_are_refused() -> None:
    rows: list[tuple[dict[str, Any], str]] = [
        ({"daily_neurons": -1}, "daily_neurons must be 0 or more, got -1"),
        ({"daily_neurons": float("nan")}, "daily_neurons must be 0 or more, got nan"),
        ({"concurrency": 0}, "concurrency must be 1 or more, got 0"),
        ({"rate_limits": {"Text": 1}}, "'Text' is neither a task nor a model"),
        ({"rate_limits": {GLM: -1}}, "must be 0 or more, got -1"),
    ]
    for options, message in rows:
        with pytest.raises(ValueError, match=message):
            Emulator(**options)
