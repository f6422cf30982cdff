"""The cost of 100 vectors of 1,024 numbers: time to lists, and what is held."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import httpx

from cfai import Ai

from .measure import Report, Target, cpu_us, in_turns
from .server import EMBEDDING_MODEL

COUNT = 100
TEXTS = ["a text"] * COUNT


def vectors(report: Report, server: str, rounds: int) -> None:
    """Return a call for embeddings, up to lists of numbers. The floor reads the JSON as httpx does."""
    import openai

    base = f"{server}/vectors/native/{COUNT}"
    url = f"{base}/client/v4/accounts/local/ai/run/{EMBEDDING_MODEL}"
    with (
        httpx.Client() as http,
        Ai(account_id="local", api_token="token", base_url=f"{base}/client/v4", trust_env=False) as ai,
        openai.OpenAI(api_key="token", base_url=f"{base}/v1", max_retries=0) as client,
    ):
        calls: dict[str, Callable[[], Any]] = {
            "cfai": lambda: ai.run(EMBEDDING_MODEL, {"text": TEXTS}).data,
            "response.json()": lambda: http.post(url, json={"text": TEXTS}).json()["result"]["data"],
            "openai": lambda: [
                item.embedding for item in client.embeddings.create(model=EMBEDDING_MODEL, input=TEXTS).data
            ],
        }
        check_equal(calls)
        calls["to_numpy"] = lambda: ai.embed(EMBEDDING_MODEL, TEXTS).to_numpy()
        values = in_turns({name: _measure(call) for name, call in calls.items()}, rounds)
        held, peak = _held(calls["cfai"])
        array, _ = _held(calls["to_numpy"])
    targets = (
        Target("to JSON", "cfai", 0.35, "response.json()"),
        Target("to openai", "cfai", 0.06, "openai"),
        Target("to_numpy to JSON", "to_numpy", 0.5, "response.json()"),
    )
    title = f"CPU, {COUNT} embeddings of 1,024 numbers"
    report.table(title, "µs a call", values, *targets, baseline="response.json()")
    report.check("peak of memory to what is kept", peak / held, 1.5)
    report.check("memory of the array to that of the lists", array / held, 0.30)


def check_equal(calls: dict[str, Callable[[], Any]]) -> None:
    """Raise if the clients give other numbers than one another."""
    first, *others = (call() for call in calls.values())
    if len(first) != COUNT or any(other != first for other in others):
        raise AssertionError(f"not the same vectors from {', '.join(calls)}")


def _measure(call: Callable[[], Any]) -> Callable[[], float]:
    return lambda: cpu_us(call, 1)


def _held(call: Callable[[], Any]) -> tuple[int, int]:
    """Return the bytes that a call's result keeps, and the most that were held meanwhile."""
    call()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = call()
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
        assert result is not None
        return after - before, peak - before
    finally:
        tracemalloc.stop()
