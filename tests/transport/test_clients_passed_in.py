"""Clients of HTTP that the caller passes in: of either library, used as they are, never closed."""

from __future__ import annotations

import json
from typing import Any

import httpx
import httpx2
import pytest
from anyio.from_thread import BlockingPortal

import cfai
from cfai import Ai, APIConnectionError, APITimeoutError, ConfigurationError, StreamTruncatedError
from tests.bodies import OK, answering
from tests.conftest import SYNC_AND_ASYNC, Callers, Peer, Serve

ACCOUNT = "0123456789abcdef0123456789abcdef"
MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO: Any = {"prompt": "Hello"}
LIBRARIES = [httpx, httpx2]


def given(library: Any, portal: BlockingPortal | None, **options: Any) -> dict[str, Any]:
    """Return a client of the portal, as an option of `Ai`."""
    if portal is None:
        return {"http_client": library.Client(**options)}
    return {"async_http_client": library.AsyncClient(**options)}


def close(options: dict[str, Any], portal: BlockingPortal | None) -> None:
    [client] = options.values()
    client.close() if portal is None else portal.call(client.aclose)


def test_a_closed_ai_calls_nothing_more_with_a_client_passed_in(
    callers: Callers, serve: Serve, portal: BlockingPortal | None
) -> None:
    server = serve(lambda peer: peer.request() and peer.answer(OK))
    client = given(httpx, portal)
    caller = callers(base_url=server.url, **client)
    caller.close()
    with pytest.raises(cfai.ConfigurationError, match="this Ai is closed: make a new one"):
        caller.run(MODEL, HELLO)
    assert server.requests == []
    close(client, portal)


@SYNC_AND_ASYNC
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_client_of_either_library_works(
    callers: Callers, serve: Serve, portal: BlockingPortal | None, library: Any
) -> None:
    def script(peer: Peer) -> None:
        while sent := peer.request():
            if b'"stream":true' in sent:
                peer.start()
                peer.chunk(b'data: {"response":"Hel"}\n\n')
                peer.chunk(b'data: {"response":"lo"}\n\ndata: [DONE]\n\n')
                peer.chunk(b"")
            else:
                peer.answer(OK)

    server = serve(script)
    client = given(library, portal)
    caller = callers(base_url=server.url, **client)
    assert caller.run(MODEL, HELLO).text == "Hello"
    assert [str(token) for token in caller.stream(MODEL)] == ["Hel", "lo"]
    response = caller.run(MODEL, HELLO, return_raw_response=True)
    assert isinstance(response, library.Response)
    assert (len(server.requests), server.connections) == (3, 1)
    close(client, portal)


@SYNC_AND_ASYNC
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_exceptions_of_a_client_passed_in_are_mapped(
    callers: Callers, serve: Serve, portal: BlockingPortal | None, library: Any, sleeps: list[float]
) -> None:
    def script(peer: Peer) -> None:
        sent = peer.request()
        if b'"stream":true' in sent:
            peer.start()
            peer.chunk(b'data: {"response":"Hel"}\n\n')
        elif b"slow" in sent:
            assert peer.left()

    server = serve(script)
    client = given(library, portal)
    caller = callers(base_url=server.url, **client)
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
    close(client, portal)


@SYNC_AND_ASYNC
def test_a_client_that_was_passed_in_stays_open(callers: Callers, serve: Serve, portal: BlockingPortal | None) -> None:
    client = given(httpx, portal)
    caller = callers(base_url=serve(answering).url, **client)
    caller.run(MODEL, HELLO)
    caller.close()
    [own] = client.values()
    assert not own.is_closed
    close(client, portal)


def test_what_a_client_sends_by_itself_does_not_win(
    callers: Callers, serve: Serve, portal: BlockingPortal | None
) -> None:
    server = serve(answering)
    options = {"authorization": "Bearer another", "x-own": "1"}
    client = given(httpx, portal, headers=options, auth=("user", "password"))
    caller = callers(base_url=server.url, **client)
    caller.run(MODEL, HELLO)
    head = server.requests[0].lower()
    assert head.count(b"authorization:") == 1
    assert f"authorization: bearer {caller.token}\r\n".encode() in head
    assert b"x-own: 1\r\n" in head
    close(client, portal)


def test_a_client_passed_in_decides_neither_redirects_nor_timeouts(
    callers: Callers, serve: Serve, portal: BlockingPortal | None
) -> None:
    other = serve(answering)
    head = f"location: {other.origin}/\r\n"
    server = serve(lambda peer: peer.request() and peer.answer(b"", status="308 Permanent Redirect", head=head))
    client = given(httpx, portal, follow_redirects=True, timeout=0.001)
    with pytest.raises(cfai.InferenceUpstreamError, match="redirects"):
        callers(base_url=server.url, **client).run(MODEL, HELLO)
    assert other.connections == 0
    close(client, portal)


def test_a_sync_client_is_refused_for_async_calls_and_an_async_one_for_sync() -> None:
    with httpx.Client() as client, pytest.raises(ConfigurationError, match="async_http_client"):
        Ai(account_id=ACCOUNT, api_token="token", async_http_client=client)
    with pytest.raises(ConfigurationError, match="http_client"):
        Ai(account_id=ACCOUNT, api_token="token", http_client=httpx.AsyncClient())


@SYNC_AND_ASYNC
def test_a_client_that_its_owner_has_closed_is_an_error(callers: Callers, portal: BlockingPortal | None) -> None:
    client, async_client = httpx.Client(), httpx.AsyncClient()
    caller = callers(http_client=client, async_http_client=async_client)
    client.close()
    if portal is not None:
        portal.call(async_client.aclose)
    with pytest.raises(ConfigurationError, match="passed in is closed"):
        caller.run(MODEL, HELLO)


@pytest.mark.parametrize("inputs", [HELLO, {**HELLO, "stream": True}])
def test_a_client_of_our_own_sends_what_one_that_is_passed_in_sends(
    callers: Callers, serve: Serve, inputs: Any
) -> None:
    def answering_with_a_cookie(peer: Peer) -> None:
        while peer.request():
            peer.answer(OK, head="set-cookie: crumb=1; Path=/\r\n")

    server = serve(answering_with_a_cookie)
    default: Any = {"accept": "no", "authorization": "no"}
    with httpx.Client(headers=default) as client:
        async_client = httpx.AsyncClient(headers=default)
        for options in ({}, {"http_client": client, "async_http_client": async_client}):
            caller = callers(base_url=server.url, **options)
            caller.run(MODEL, inputs, return_raw_response=True)
            response = caller.run(MODEL, inputs, return_raw_response=True)
            assert json.loads(response.request.content) == inputs
        if caller.portal is not None:
            caller.portal.call(async_client.aclose)
    requests = [request.partition(b"\r\n\r\n") for request in server.requests]
    heads = [dict(line.decode().lower().split(": ", 1) for line in head.split(b"\r\n")[1:]) for head, _, _ in requests]
    assert heads[0] == heads[1]
    # The cookies of a client that was passed in are its owner's; ours keeps none.
    assert heads[0] == heads[2]
    assert heads[3]["cookie"] == "crumb=1"
    assert len({body for _, _, body in requests}) == 1
    assert int(heads[0]["content-length"]) == len(requests[0][2])
    encodings = httpx.Client().headers["accept-encoding"]
    assert heads[0]["accept-encoding"] == ("identity" if "stream" in inputs else encodings)
