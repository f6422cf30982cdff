"""Clients of HTTP that the caller passes in: of either library, used as they are, never closed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import httpx2
import pytest
from anyio.from_thread import BlockingPortal

import cfai
from cfai import Ai, APIConnectionError, APITimeoutError, ConfigurationError, StreamTruncatedError
from tests.bodies import HELLO as HELLO_STREAM
from tests.bodies import OK, answering
from tests.conftest import ACCOUNT, SYNC_AND_ASYNC, Callers, Peer, Serve

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO: Any = {"prompt": "Hello"}
Given = Callable[..., dict[str, Any]]
LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2])


@pytest.fixture
def given(portal: BlockingPortal | None) -> Iterator[Given]:
    """Make a client for the portal, as an option of `Ai`, and close it after the test."""
    made: list[Any] = []

    def make(library: Any = httpx, **options: Any) -> dict[str, Any]:
        made.append(library.Client(**options) if portal is None else library.AsyncClient(**options))
        return {"http_client" if portal is None else "async_http_client": made[-1]}

    yield make
    for client in made:
        client.close() if portal is None else portal.call(client.aclose)


@SYNC_AND_ASYNC
@LIBRARIES
def test_a_client_of_either_library_works(callers: Callers, serve: Serve, given: Given, library: Any) -> None:
    server = serve(answering)
    caller = callers(base_url=server.url, **given(library))
    assert caller.run(MODEL, HELLO).text == "Hello"
    assert [str(token) for token in caller.stream(MODEL)] == ["Hel", "lo", ""]
    response = caller.run(MODEL, HELLO, return_raw_response=True)
    assert isinstance(response, library.Response)
    assert (len(server.requests), server.connections) == (3, 1)


@SYNC_AND_ASYNC
@LIBRARIES
def test_the_exceptions_of_a_client_passed_in_are_mapped(
    callers: Callers, serve: Serve, given: Given, library: Any, sleeps: list[float]
) -> None:
    def script(peer: Peer) -> None:
        sent = peer.request()
        if b'"stream":true' in sent:
            peer.stream(HELLO_STREAM[0])
        elif b"slow" in sent:
            assert peer.left()

    server = serve(script)
    caller = callers(base_url=server.url, **given(library))
    with pytest.raises(APIConnectionError) as caught:
        caller.run(MODEL, HELLO)
    assert isinstance(caught.value.__cause__, library.RemoteProtocolError)
    assert sleeps == []  # the request was sent whole
    assert "may have been billed" in str(caught.value)
    with pytest.raises(APITimeoutError):
        caller.run(MODEL, {"prompt": "slow"}, timeout=0.1)
    with pytest.raises(StreamTruncatedError) as broken:
        list(caller.stream(MODEL))
    assert broken.value.partial == "Hel"
    server.close()
    with pytest.raises(APIConnectionError):
        caller.run(MODEL, HELLO, max_retries=None)


@SYNC_AND_ASYNC
def test_a_client_passed_in_stays_open_behind_a_closed_ai(callers: Callers, serve: Serve, given: Given) -> None:
    server, client = serve(answering), given()
    caller = callers(base_url=server.url, **client)
    caller.run(MODEL, HELLO)
    caller.close()
    with pytest.raises(ConfigurationError, match="this Ai is closed: make a new one"):
        caller.run(MODEL, HELLO)
    assert [each.is_closed for each in client.values()] == [False]
    assert len(server.requests) == 1


def test_a_client_passed_in_decides_nothing_that_is_our_own(callers: Callers, serve: Serve, given: Given) -> None:
    other = serve(answering)
    head = f"location: {other.origin}/\r\n"
    server = serve(lambda peer: peer.request() and peer.answer(b"", status="308 Permanent Redirect", head=head))
    own = {"authorization": "Bearer another", "x-own": "1"}
    client = given(headers=own, auth=("user", "password"), follow_redirects=True, timeout=0.001)
    caller = callers(base_url=server.url, **client)
    with pytest.raises(cfai.InferenceUpstreamError, match="redirects"):
        caller.run(MODEL, HELLO)
    sent = server.requests[0].lower()
    assert sent.count(b"authorization:") == 1
    assert f"authorization: bearer {caller.token}\r\n".encode() in sent
    assert b"x-own: 1\r\n" in sent
    assert other.connections == 0


def test_a_sync_client_is_refused_for_async_calls_and_an_async_one_for_sync() -> None:
    with httpx.Client() as client, pytest.raises(ConfigurationError, match="async_http_client"):
        Ai(account_id=ACCOUNT, api_token="token", async_http_client=client)
    with pytest.raises(ConfigurationError, match="http_client"):
        Ai(account_id=ACCOUNT, api_token="token", http_client=httpx.AsyncClient())


@SYNC_AND_ASYNC
def test_a_client_its_owner_closed_is_an_error(callers: Callers, given: Given, portal: BlockingPortal | None) -> None:
    options = given()
    [client] = options.values()
    client.close() if portal is None else portal.call(client.aclose)
    with pytest.raises(ConfigurationError, match="passed in is closed"):
        callers(**options).run(MODEL, HELLO)


@pytest.mark.parametrize("inputs", [HELLO, {**HELLO, "stream": True}])
def test_our_client_sends_what_one_passed_in_does(callers: Callers, serve: Serve, given: Given, inputs: Any) -> None:
    def answering_with_a_cookie(peer: Peer) -> None:
        while peer.request():
            peer.answer(OK, head="set-cookie: crumb=1; Path=/\r\n")

    server = serve(answering_with_a_cookie)
    for options in ({}, given(headers={"accept": "no", "authorization": "no"})):
        caller = callers(base_url=server.url, **options)
        for _ in range(2):
            response = caller.run(MODEL, inputs, return_raw_response=True)
            assert json.loads(response.request.content) == inputs
    requests = [request.partition(b"\r\n\r\n") for request in server.requests]
    heads = [dict(line.decode().lower().split(": ", 1) for line in head.split(b"\r\n")[1:]) for head, _, _ in requests]
    # The cookies of a client that was passed in are its owner's; ours keeps none.
    assert heads[0] == heads[1] == heads[2]
    assert heads[3]["cookie"] == "crumb=1"
    assert len({body for _, _, body in requests}) == 1
    assert int(heads[0]["content-length"]) == len(requests[0][2])
    encodings = httpx.Client().headers["accept-encoding"]
    assert heads[0]["accept-encoding"] == ("identity" if "stream" in inputs else encodings)


def test_a_body_that_a_hook_has_read_is_read_all_the_same(callers: Callers, serve: Serve) -> None:
    async def aread(response: httpx.Response) -> None:
        await response.aread()

    with httpx.Client(event_hooks={"response": [httpx.Response.read]}) as client:
        async_client = httpx.AsyncClient(event_hooks={"response": [aread]})
        caller = callers(base_url=serve(answering).url, http_client=client, async_http_client=async_client)
        assert caller.stream(MODEL).result().text == "Hello"
        if caller.portal is not None:
            caller.portal.call(async_client.aclose)
