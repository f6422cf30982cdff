"""A stream that is left while its model writes on says so."""

from __future__ import annotations

import warnings
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from cfai import Ai, UnstoppedStreamWarning
from tests.bodies import DONE, native
from tests.conftest import ACCOUNT, SYNC_AND_ASYNC, TOKEN, Body, Caller, row

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
STREAMED: Any = {"prompt": "Hello", "stream": True}
PIECES = [*native("Hel", "lo"), DONE]


def streaming(version: str, body: Body | None = None) -> Ai:
    """Return a client on clients of its caller's, which speak this version of HTTP."""

    def answer(_: httpx.Request) -> httpx.Response:
        extensions = {"http_version": version.encode()}
        headers = {"content-type": "text/event-stream"}
        return httpx.Response(200, headers=headers, stream=body or Body(PIECES, None, 0), extensions=extensions)

    transport = httpx.MockTransport(answer)
    return Ai(
        account_id=ACCOUNT,
        api_token=TOKEN,
        http_client=httpx.Client(transport=transport),
        async_http_client=httpx.AsyncClient(transport=transport),
    )


@SYNC_AND_ASYNC
def test_a_stream_that_is_left_early_over_http_2_warns_at_the_line_that_leaves_it(
    portal: BlockingPortal | None,
) -> None:
    caller = Caller(streaming("HTTP/2"), portal)
    with pytest.warns(UnstoppedStreamWarning, match="http2=False") as told, caller.stream(MODEL) as stream:
        assert str(next(stream)) == "Hel"
    assert len(told) == 1
    if portal is None:
        assert told[0].filename == __file__


@SYNC_AND_ASYNC
def test_a_stream_that_ended_or_has_its_own_connection_does_not_warn(portal: BlockingPortal | None) -> None:
    whole, early = Caller(streaming("HTTP/2"), portal), Caller(streaming("HTTP/1.1"), portal)
    with whole.stream(MODEL) as stream:
        assert "".join(map(str, stream)) == "Hello"
    with early.stream(MODEL) as stream:
        next(stream)


@SYNC_AND_ASYNC
def test_a_stream_is_closed_also_where_the_warning_is_an_error(portal: BlockingPortal | None) -> None:
    body = Body(PIECES, None, 0)
    stream = Caller(streaming("HTTP/2", body), portal).stream(MODEL)
    next(stream)
    with pytest.raises(UnstoppedStreamWarning), stream:
        pass
    assert body.closed


def page(ai: Ai) -> FastAPI:
    app = FastAPI()

    def to_event_stream() -> Any:
        with ai.run(MODEL, STREAMED) as stream:
            yield from stream.to_event_stream()

    @app.get("/sync")
    def sync() -> StreamingResponse:
        return StreamingResponse(ai.run(MODEL, STREAMED).to_event_stream())

    @app.get("/generator")
    def generator() -> StreamingResponse:
        return StreamingResponse(to_event_stream())

    @app.get("/async")
    async def asynchronous() -> StreamingResponse:
        return StreamingResponse((await ai.arun(MODEL, STREAMED)).ato_event_stream())

    @app.get("/whole")
    def whole() -> str:
        return b"".join(ai.run(MODEL, STREAMED).to_event_stream()).decode()

    return app


def test_a_synchronous_stream_that_starlette_reads_warns_and_comes_whole() -> None:
    browser = TestClient(page(streaming("HTTP/1.1")))
    for path, warned in (("/sync", 1), ("/generator", 1), ("/async", 0), ("/whole", 0)):
        with row(path), warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert browser.get(path).text.count("response") == 2
            assert [each.category for each in told] == [UnstoppedStreamWarning] * warned
