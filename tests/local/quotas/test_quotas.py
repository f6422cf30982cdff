"""The quotas of an account, as a client meets them: switched off until they are asked for."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from cfai import CapacityError, Retry
from cfai.local import Emulator
from cfai.local.emulator import _batches
from tests.conftest import LONG
from tests.local.conftest import Service

GLM = "@cf/zai-org/glm-4.7-flash"
QWEN = "@cf/qwen/qwen3-30b-a3b-fp8"
KIMI = "@cf/moonshotai/kimi-k2.6"
BGE = "@cf/baai/bge-m3"
HELLO = {"prompt": "hello"}


class Clock:
    """Stands still until it is set."""

    now = 1_000 * 86_400.0

    def __call__(self) -> float:
        return self.now


Make = Callable[..., Service]


@pytest.fixture
def serving() -> Iterator[Make]:
    """Makes an emulator with the options that it is given, and stops it after the test."""
    made: list[Service] = []

    def make(**options: Any) -> Service:
        made.append(Service(Emulator(**options).start()))
        return made[-1]

    yield make
    for service in made:
        service.http.close()
        service.local.stop()


def refused(response: httpx.Response) -> tuple[int, int]:
    return response.status_code, response.json()["errors"][0]["code"]


# Requests per minute


def test_a_call_too_many_in_a_minute_is_refused_whatever_its_route(serving: Make) -> None:
    clock = Clock()
    service = serving(rate_limits={"Text Generation": 2}, clock=clock)
    body = {"model": GLM, "messages": [{"role": "user", "content": "x"}]}
    assert service.run("@cf/meta/no-such-model", HELLO).status_code == 400, "which is not counted"
    assert service.http.get(f"{service.local.openai_url}/models").status_code == 200, "nor is this"
    assert service.http.post(f"{service.local.openai_url}/chat/completions", json=body).status_code == 200
    assert service.run(GLM, HELLO).status_code == 200
    assert refused(service.run(GLM, HELLO)) == (429, 3021)
    assert service.run(BGE, {"text": "x"}).status_code == 200
    clock.now += 60
    assert service.run(GLM, HELLO).status_code == 200


def test_the_published_numbers_are_those_without_others(serving: Make) -> None:
    for options, expected in (({"rate_limits": True, "clock": Clock()}, (429, [3021])), ({}, (200, []))):
        service = serving(**options)
        assert {service.run(KIMI, HELLO).status_code for _ in range(20)} == {200}
        last = service.run(KIMI, HELLO)
        assert (last.status_code, [error["code"] for error in last.json()["errors"]]) == expected, options


# The daily allocation


def test_what_was_used_up_is_back_at_midnight(serving: Make) -> None:
    clock = Clock()
    clock.now -= 1
    first = float(serving().run(GLM, HELLO).headers["cf-ai-neurons"])
    service = serving(daily_neurons=first + first / 2, clock=clock)
    for _ in range(2):
        assert [service.run(GLM, HELLO).status_code for _ in range(2)] == [200, 200]
        assert refused(service.run(GLM, HELLO)) == (429, 4006)
        clock.now += 1


def test_streams_whole_answers_and_media_are_charged_for_what_came(serving: Make) -> None:
    rows: list[tuple[str, Any]] = [
        (GLM, {"prompt": "hello", "stream": True}),
        (GLM, {"messages": [{"role": "user", "content": "hello"}]}),
        ("@cf/leonardo/phoenix-1.0", HELLO),
    ]
    for model, inputs in rows:
        service = serving(daily_neurons=0.001, clock=Clock())
        assert service.run(model, inputs).status_code == 200, inputs
        assert refused(service.run(model, inputs)) == (429, 4006), inputs
    asked = {"prompt": "write 5000 words", "stream": True}
    whole = serving().result(GLM, {"prompt": "write 5000 words"})["usage"]["neurons"]
    service = serving(daily_neurons=whole / 10, clock=Clock())
    with service.http.stream("POST", service.url(GLM), json=asked, headers={"cfai-emulate": "silence-after=5"}) as left:
        next(left.iter_raw())
    assert service.local.wait_for_disconnects()
    assert service.run(GLM, HELLO).status_code == 200


def test_refusals_faults_lists_and_unknown_models_cost_nothing(serving: Make) -> None:
    service = serving(daily_neurons=0.001, rate_limits={"Text Generation": 2}, clock=Clock())
    assert refused(service.run(GLM, {})) == (400, 5006)
    assert service.run(GLM, HELLO, "status=500").status_code == 500
    assert service.run(GLM, HELLO).status_code == 200
    service = serving(daily_neurons=0, clock=Clock())
    assert service.http.get(f"{service.local.openai_url}/models").status_code == 200
    assert refused(service.run("@cf/meta/no-such-model", HELLO)) == (400, 5007)
    assert refused(service.run(GLM, HELLO)) == (429, 4006)


def batch(service: Service, model: str, requests: list[Any]) -> dict[str, str]:
    """Hands in a batch and finds it queued: what to ask for it with."""
    queued = service.run(model, {"requests": requests}, params={"queueRequest": "true"}).json()["result"]
    poll = {"request_id": queued["request_id"]}
    assert service.result(model, poll)["status"] == "queued"
    return poll


def test_a_batch_is_charged_once_and_when_it_is_done(serving: Make) -> None:
    one, two = (float(serving().run(QWEN, {"prompt": text}).headers["cf-ai-neurons"]) for text in ("one", "two"))
    service = serving(daily_neurons=(one + two) * 0.999, clock=Clock())
    poll = batch(service, QWEN, [{"prompt": "one"}, {"prompt": "two"}, {}])
    assert service.run(BGE, {"text": "x"}).status_code == 200, "what waits has cost nothing yet"
    assert len(service.result(QWEN, poll)["responses"]) == 3
    assert refused(service.run(QWEN, HELLO)) == (429, 4006)
    service = serving(daily_neurons=one * 1.5, clock=Clock())
    poll = batch(service, QWEN, [{"prompt": "one"}])
    done = [service.result(QWEN, poll) for _ in range(3)]
    assert done[0] == done[1] == done[2]
    assert service.run(QWEN, {"prompt": "one"}).status_code == 200


class Slow:
    """An engine whose vectors take a moment; says how often it was asked."""

    asked = 0

    def __init__(self, seconds: float = 0.1) -> None:
        self.seconds = seconds
        self.ended: list[str] = []

    async def answer(self, model: str, inputs: Any, most: int | None) -> Any:
        raise NotImplementedError

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        self.asked += 1
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.ended.append("call")
        return [[1.0] for _ in texts]

    async def aclose(self) -> None:
        self.ended.append("engine")


def test_a_batch_runs_once_for_two_and_on_for_one_who_left(serving: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_batches, "_RUNNING_AFTER", LONG)
    service = serving(engine=(engine := Slow()))
    poll = batch(service, BGE, [{"text": "x"}])
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: service.result(BGE, poll), range(2))
    assert (one == other, engine.asked) == (True, 1)
    service = serving(engine=(engine := Slow(0.2)))
    poll = batch(service, BGE, [{"text": "x"}, {"text": "y"}, {"text": "z"}])
    with pytest.raises(httpx.ReadTimeout):
        service.run(BGE, poll, timeout=0.3)
    assert service.local.wait_for_disconnects()
    assert len(service.result(BGE, poll)["responses"]) == engine.asked == 3


def test_a_batch_runs_until_it_is_done_or_the_emulator_ends(serving: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_batches, "_RUNNING_AFTER", 0.01)
    service = serving(engine=Slow(0.1))
    poll = batch(service, BGE, [{"text": "x"}])
    assert service.result(BGE, poll) == {"status": "running", **poll}
    while (answer := service.result(BGE, poll)) == {"status": "running", **poll}:
        pass
    assert len(answer["responses"]) == 1
    service = serving(engine=(engine := Slow(600)))
    assert service.result(BGE, batch(service, BGE, [{"text": "x"}]))["status"] == "running"
    service.local.stop()
    assert engine.ended == ["call", "engine"]


def test_a_batch_is_handed_in_as_a_call_and_asked_for_as_none(serving: Make) -> None:
    service = serving(daily_neurons=0.001, rate_limits={"Text Generation": 1}, clock=Clock())
    poll = batch(service, QWEN, [HELLO])
    assert [len(service.result(QWEN, poll)["responses"]) for _ in range(2)] == [1, 1]
    again = service.run(QWEN, {"requests": [HELLO]}, params={"queueRequest": "true"})
    assert refused(again) == (429, 3021)
    used_up = service.run(BGE, {"requests": [{"text": "x"}]}, params={"queueRequest": "true"})
    assert refused(used_up) == (429, 4006)


# Capacity


@contextmanager
def busy(service: Service) -> Iterator[None]:
    """Someone who holds a place at the model."""
    silent = {"cfai-emulate": "silence-after=1"}
    with service.http.stream("POST", service.url(GLM), json=HELLO | {"stream": True}, headers=silent) as response:
        parts = response.iter_raw()
        next(parts)
        yield


def test_a_busy_model_is_waited_for_or_refused_at_once(serving: Make, callers: Callable[..., Any]) -> None:
    service = serving(concurrency=1)
    local = service.local
    done = threading.Event()

    def wait_in_line() -> None:
        assert service.run(GLM, HELLO).status_code == 200
        done.set()

    with busy(service):
        waiting = threading.Thread(target=wait_in_line)
        waiting.start()
        caller = callers(
            local.account_id, local.api_token, base_url=local.base_url, trust_env=False, max_retries=Retry(base=0)
        )
        with pytest.raises(CapacityError) as caught:
            caller.run(GLM, HELLO, reject_if_busy=True)
        assert (caught.value.status_code, caught.value.code) == (429, 3040)
        body = {"model": GLM, "messages": [{"role": "user", "content": "x"}], "options": {"rejectIfBusy": True}}
        assert refused(service.http.post(f"{local.openai_url}/chat/completions", json=body)) == (429, 3040)
        assert service.run("@cf/meta/llama-3.1-8b-instruct-fp8", HELLO).status_code == 200
        assert not done.is_set()
    assert done.wait(LONG)
    waiting.join()


def test_an_answer_or_a_refusal_gives_its_place_back_and_who_stops_waiting_leaves_the_line(serving: Make) -> None:
    service = serving(concurrency=1)
    asked = HELLO | {"options": {"rejectIfBusy": True}}
    for fault in (None, "truncate-after=1", "drop-after=1", "error-after=1"):
        try:
            service.run(GLM, asked | {"stream": True}, fault)
        except httpx.RemoteProtocolError:
            assert fault == "drop-after=1"
    assert refused(service.run(GLM, asked | {"tool_choice": "any"})) == (400, 8001)
    assert service.run(GLM, asked).status_code == 200
    service = serving(concurrency=1)
    body = json.dumps(HELLO)
    head = f"POST /client/v4{service.url(GLM)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    with busy(service):
        with socket.create_connection(("127.0.0.1", service.local.port)) as client:
            client.sendall(f"{head}Authorization: Bearer {service.local.api_token}\r\n\r\n{body}".encode())
            while len(service.local.requests) < 2:
                service.http.get(f"{service.local.openai_url}/models")
        assert service.local.wait_for_disconnects()
    assert service.run(GLM, HELLO).status_code == 200


# The plan


def test_models_of_the_paid_plan_can_be_refused(serving: Make) -> None:
    service = serving(workers_paid=False)
    assert refused(service.run(KIMI, HELLO)) == (403, 5035)
    assert service.run(GLM, HELLO).status_code == 200
    with serving().local.ai() as ai:
        assert ai.run(KIMI, HELLO).text
