"""Streams that do not end as they should: nothing is lost, nothing hangs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import anyio
import httpx
import pytest

from cfai import Ai, StreamError
from tests.bodies import DONE, answering, event
from tests.conftest import ACCOUNT, BACKENDS, TOKEN, Caller, Callers, Serve, Service, row

MODEL = "@cf/zai-org/glm-4.7-flash"
HI = event('{"response":"Hi"}')


async def silent() -> AsyncIterator[bytes]:
    yield HI
    await anyio.sleep_forever()


async def failed() -> AsyncIterator[bytes]:
    yield HI + event('{"errors":[{"code":3040,"message":"busy"}]}')
    await anyio.sleep_forever()


async def endless() -> AsyncIterator[bytes]:
    yield HI + DONE
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
    assert anyio.run(read, endless, "tokens") == ["Hi"]


def test_nothing_goes_on_to_a_browser_behind_the_end(caller: Caller, service: Service) -> None:
    body = event('{"response":"b\\ud83d"}') + DONE + event('{"response":{"safe":true}}')
    for cut in range(1, 90, 7):
        with row(cut):
            service.answers(service.events(body[:cut], body[cut:]))
            sent = b"".join(caller.stream(MODEL).to_event_stream("original"))
            assert sent.count(b"data: ") == 2
            assert sent.endswith(b"\n\n" + DONE)


def test_a_body_that_a_hook_has_read_is_read_all_the_same(callers: Callers, serve: Serve) -> None:
    async def aread(response: httpx.Response) -> None:
        await response.aread()

    with httpx.Client(event_hooks={"response": [httpx.Response.read]}) as client:
        async_client = httpx.AsyncClient(event_hooks={"response": [aread]})
        caller = callers(base_url=serve(answering).url, http_client=client, async_http_client=async_client)
        assert caller.stream(MODEL).result().text == "Hello"
        if caller.portal is not None:
            caller.portal.call(async_client.aclose)
