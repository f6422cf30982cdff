"""The result of `arun`: a coroutine wherever one is expected, and a stream to be entered or iterated at once."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any
from unittest.mock import create_autospec

import anyio
import httpx
import pytest
import trio
from pydantic import BaseModel

from cfai import (
    Ai,
    APIResponseValidationError,
    APITimeoutError,
    ConfigurationError,
    RateLimitError,
    StreamError,
    StreamTruncatedError,
)
from tests.bodies import event
from tests.conftest import ACCOUNT, BACKENDS, TOKEN, Service, row

MODEL = "@cf/meta/llama-3.1-8b-instruct-fp8"
PLAIN = {"prompt": "Hello"}
STREAM = {"prompt": "Hello", "stream": True}
EVENTS = (b'data: {"response":"New"}\n\n', b'data: {"response":" York"}\n\n', b"data: [DONE]\n\n")


class Inputs(BaseModel):
    prompt: str
    stream: bool = False


@pytest.fixture
def ai() -> Ai:
    return Ai(account_id=ACCOUNT, api_token=TOKEN)


@pytest.fixture
def streams(service: Service) -> Service:
    service.answers(service.events(*EVENTS))
    return service


async def closed(ai: Ai, work: Callable[[], Awaitable[Any]]) -> Any:
    """Return what `work` comes to, the client closed behind it."""
    async with ai:
        return await work()


async def run_as_task(ai: Ai) -> list[Any]:
    return [await asyncio.create_task(ai.arun(MODEL, PLAIN))]


async def run_in_task_group(ai: Ai) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ai.arun(MODEL, PLAIN)) for _ in range(3)]
    return [task.result() for task in tasks]


WAYS: dict[str, Callable[[Ai], Awaitable[list[Any]]]] = {
    "a task": run_as_task,
    "a task group": run_in_task_group,
    "gather": lambda ai: asyncio.gather(*(ai.arun(MODEL, PLAIN) for _ in range(3))),
    "wait_for": lambda ai: asyncio.gather(asyncio.wait_for(ai.arun(MODEL, PLAIN), 10)),
    "as_completed": lambda ai: asyncio.gather(*asyncio.as_completed([ai.arun(MODEL, PLAIN) for _ in range(2)])),
    "ensure_future": lambda ai: asyncio.gather(asyncio.ensure_future(ai.arun(MODEL, PLAIN))),
}


def test_asyncio_takes_it_for_a_coroutine(ai: Ai, service: Service) -> None:
    async def work() -> None:
        for name, way in WAYS.items():
            service.forget()
            answers = await way(ai)
            assert {str(answer) for answer in answers} == {"Hello"}, name
            assert len(answers) == len(service.requests), name

    assert str(asyncio.run(ai.arun(MODEL, PLAIN))) == "Hello"
    with asyncio.Runner() as runner:
        assert str(runner.run(ai.arun(MODEL, PLAIN))) == "Hello"
    asyncio.run(closed(ai, work))


if sys.version_info >= (3, 12):  # before, a function cannot be marked as one of coroutines

    def test_whoever_asks_before_calling_takes_it_for_a_coroutine_function(ai: Ai) -> None:
        assert inspect.iscoroutinefunction(ai.arun)
        mock = create_autospec(ai)
        mock.arun.return_value = "Hello"
        assert asyncio.run(mock.arun(MODEL, PLAIN)) == "Hello"


def test_a_call_where_no_event_loop_runs_says_so_and_sends_nothing(ai: Ai, service: Service) -> None:
    for name, step in (("arun", ai.arun(MODEL, PLAIN)), ("aclose", ai.aclose())):
        with row(name), pytest.raises(ConfigurationError, match="no event loop of asyncio or trio runs here"):
            step.send(None)
    assert not service.requests


@BACKENDS
def test_anyio_starts_it_in_a_task_group(ai: Ai, service: Service, backend: str) -> None:
    async def work() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ai.arun, MODEL, PLAIN)

    anyio.run(closed, ai, work, backend=backend)
    assert len(service.requests) == 3


def test_trio_starts_it_in_a_nursery_and_runs_it_by_itself(ai: Ai, service: Service) -> None:
    async def work() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ai.arun, MODEL, PLAIN)

    trio.run(closed, ai, work)
    assert str(trio.run(Ai(account_id=ACCOUNT, api_token=TOKEN).arun, MODEL, PLAIN)) == "Hello"
    assert len(service.requests) == 4


def test_nothing_is_sent_before_it_is_awaited_once_and_python_warns_if_it_never_is(ai: Ai, service: Service) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ai.arun(MODEL, PLAIN)
        gc.collect()
    assert [str(warning.message) for warning in caught] == ["coroutine 'Ai.arun' was never awaited"]
    assert service.requests == []

    async def work() -> None:
        call = ai.arun(MODEL, PLAIN)
        assert str(await call) == "Hello"
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await call

    asyncio.run(closed(ai, work))


def test_a_call_that_is_too_slow_is_cancelled(ai: Ai, service: Service) -> None:
    async def never(request: Any) -> Any:
        await asyncio.sleep(60)

    async def work() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ai.arun(MODEL, PLAIN), 0.05)
        task = asyncio.create_task(ai.arun(MODEL, PLAIN))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(APITimeoutError):
            await ai.arun(MODEL, PLAIN, total_timeout=0.05)

    service.router.route().mock(side_effect=never)
    asyncio.run(closed(ai, work))


@BACKENDS
def test_a_stream_is_entered_or_iterated_without_an_await(ai: Ai, streams: Service, backend: str) -> None:
    async def break_inside() -> None:
        async with ai.arun(MODEL, STREAM) as stream:
            async for _ in stream:
                raise KeyError("mine")

    async def work() -> None:
        async with ai.arun(MODEL, STREAM) as stream:
            assert "".join([str(token) async for token in stream]) == "New York"
        assert "".join([str(token) async for token in ai.arun(MODEL, STREAM)]) == "New York"
        with pytest.raises(KeyError, match="mine"):
            await break_inside()
        assert [body.closed for body in streams.bodies] == [True] * 3

    anyio.run(closed, ai, work, backend=backend)


@BACKENDS
def test_a_loop_that_is_left_early_leaves_nothing_open(ai: Ai, streams: Service, backend: str) -> None:
    async def work() -> None:
        async for _ in ai.arun(MODEL, STREAM):
            break
        gc.collect()
        await ai.arun(MODEL, STREAM)  # the next call closes what was left
        assert streams.bodies[0].closed
        async with ai.arun(MODEL, STREAM) as stream:
            async for _ in stream:
                break
        assert streams.bodies[2].closed

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        anyio.run(closed, ai, work, backend=backend)


def test_a_stream_that_breaks_off_says_so_in_every_way_in(ai: Ai, service: Service) -> None:
    service.answers(service.events(EVENTS[0]))

    async def tokens(items: AsyncIterator[Any]) -> None:
        assert str(await anext(items)) == "New"
        with pytest.raises(StreamTruncatedError) as caught:
            await anext(items)
        assert caught.value.partial == "New"

    async def work() -> None:
        await tokens(aiter(await ai.arun(MODEL, STREAM)))
        await tokens(aiter(ai.arun(MODEL, STREAM)))

    asyncio.run(closed(ai, work))


async def enter(ai: Ai, inputs: Any, **options: Any) -> None:
    async with ai.arun(MODEL, inputs, **options):
        pytest.fail("entered")


async def iterate(ai: Ai, inputs: Any, **options: Any) -> None:
    async for _ in ai.arun(MODEL, inputs, **options):
        pytest.fail("iterated")


def test_a_call_that_does_not_stream_is_neither_entered_nor_iterated(ai: Ai, service: Service) -> None:
    message = 'need a stream: put "stream": True into the inputs, or await'
    for inputs, options in (
        (PLAIN, {}),
        (STREAM, {"return_raw_response": True}),
        (Inputs(prompt="Hello"), {}),
    ):
        for way in (enter, iterate):
            with row((inputs, way)), pytest.raises(ConfigurationError, match=message):
                asyncio.run(way(ai, inputs, **options))
    assert service.requests == []


def test_errors_come_out_of_every_way_in(ai: Ai, service: Service) -> None:
    async def wait(ai: Ai, inputs: Any) -> None:
        await ai.arun(MODEL, inputs)

    service.answers(service.error(429, 4006))
    for way in (wait, enter, iterate):
        with row(way), pytest.raises(RateLimitError):
            asyncio.run(way(ai, STREAM))
    service.answers(service.raw(b"\x89PNG\r\n\x1a\n", "image/png"))
    with pytest.raises(APIResponseValidationError, match="answered Image") as caught:
        asyncio.run(enter(ai, STREAM))
    assert caught.value.body.media_type == "image/png"


async def silent() -> AsyncIterator[bytes]:
    yield EVENTS[0]
    await anyio.sleep_forever()


async def failed() -> AsyncIterator[bytes]:
    yield EVENTS[0] + event('{"errors":[{"code":3040,"message":"busy"}]}')
    await anyio.sleep_forever()


async def endless() -> AsyncIterator[bytes]:
    yield EVENTS[0] + EVENTS[2]
    while True:
        yield b": ping\n\n"


async def read(body: Callable[[], AsyncIterator[bytes]], way: str) -> list[str]:
    """Return what is read in one way, of a silent body the first item alone."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body())

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    found: list[str] = []
    with anyio.fail_after(20):
        stream: Any = await Ai(account_id=ACCOUNT, api_token=TOKEN, async_http_client=client).arun(
            MODEL, {"prompt": "x", "stream": True}
        )
        items = {"tokens": lambda: stream, "events": stream.aevents, "sse": stream.ato_event_stream}[way]()
        async with stream, aclosing(items):
            async for item in items:
                found.append(str(item))
                if body is silent:
                    break
    return found


@BACKENDS
def test_a_stream_that_is_held_open_or_goes_on_for_ever_holds_nobody(backend: str) -> None:
    for way in ("tokens", "events", "sse"):
        assert len(anyio.run(read, silent, way, backend=backend)) == 1, way
    with pytest.raises(StreamError, match="busy"):
        anyio.run(read, failed, "tokens", backend=backend)
    assert anyio.run(read, endless, "tokens") == ["New"]
