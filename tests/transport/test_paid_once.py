"""Nothing is paid twice: every way in which a call can end without an answer, and how often its request was sent."""

from __future__ import annotations

from functools import partial
from time import sleep
from typing import Any

import anyio
import pytest

from cfai import Ai, APIConnectionError, Retry
from cfai.types import GatewayLog
from tests.bodies import OK
from tests.conftest import ACCOUNT, SYNC_AND_ASYNC, TOKEN, Callers, Peer, Serve, row

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO = {"prompt": "Hello"}


def break_off(peer: Peer, work: float = 0, sends: bytes = b"", resets: bool = False) -> None:
    """Receive a request, work for so many seconds, send the beginning of an answer, and break the connection."""
    peer.request()
    sleep(work)
    peer.send(sends)
    if resets:
        peer.reset()


AT_ONCE: dict[str, dict[str, Any]] = {"closes": {}, "resets": {"resets": True}}
LATER: dict[str, dict[str, Any]] = {
    "works and closes": {"work": 1.2},
    "sends half a status line": {"sends": b"HTTP/1.1 2"},
    "sends a status line": {"sends": b"HTTP/1.1 200 OK\r\n"},
    "sends no HTTP": {"sends": b"220 mail.example ESMTP\r\n"},
}
"""Ways in which a server that has received a request whole breaks the connection: before it is used, or then."""


@SYNC_AND_ASYNC
@pytest.mark.parametrize("inputs", [HELLO, {**HELLO, "stream": True}])
def test_a_request_that_was_sent_whole_is_sent_once(callers: Callers, serve: Serve, inputs: Any) -> None:
    for name, end in (AT_ONCE | LATER).items():
        server = serve(partial(break_off, **end))
        with row(name), pytest.raises(APIConnectionError, match="may have been billed") as caught:
            callers(base_url=server.url).run(MODEL, inputs)
        assert (caught.value.retryable, len(server.requests)) == (False, 1), name


@pytest.mark.parametrize("awaited", [False, True])
def test_what_only_reads_is_asked_again(serve: Serve, awaited: bool) -> None:
    half = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
    halves: dict[str, dict[str, Any]] = {"a status line": {"sends": half[:10]}, "an answer": {"sends": half}}
    for name, end in (AT_ONCE | halves).items():

        def script(peer: Peer, end: dict[str, Any] = end) -> None:
            if peer.server.connections == 1:
                return break_off(peer, **end)
            peer.request()
            peer.answer(OK)

        def ask(url: str, retries: int) -> Any:
            retry = Retry(retries, base=0)
            with Ai(account_id=ACCOUNT, api_token=TOKEN, base_url=url, max_retries=retry) as ai:
                gateway = ai.gateway("mine")
                return anyio.run(gateway.aget_log, "1") if awaited else gateway.get_log("1")

        with row(name):
            server = serve(script)
            assert isinstance(ask(server.url, 1), GatewayLog)
            assert len(server.requests) == 2
            with pytest.raises(APIConnectionError) as caught:
                ask(serve(script).url, 0)
            assert (caught.value.retryable, "billed" in str(caught.value)) == (True, False)


def test_a_connection_that_was_closed_here_says_nothing_of_the_server(serve: Serve) -> None:
    streams: list[Any] = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.answer(OK)
        peer.request()
        streams[0].close()  # as httpcore may do in another thread
        peer.send(b"H")  # wakes whoever waits for it

    server = serve(script)
    with Ai(account_id=ACCOUNT, api_token=TOKEN, base_url=server.url) as ai:
        streams.append(ai.run(MODEL, HELLO, return_raw_response=True).extensions["network_stream"])
        with pytest.raises(APIConnectionError, match="may have been billed") as caught:
            ai.run(MODEL, HELLO)
    assert (caught.value.retryable, len(server.requests)) == (False, 2)


@SYNC_AND_ASYNC
def test_a_connection_kept_alive_must_have_died_at_once(callers: Callers, serve: Serve, sleeps: list[float]) -> None:
    def script(peer: Peer, end: dict[str, Any]) -> None:
        peer.request()
        peer.answer(OK)
        if peer.server.connections == 1:
            break_off(peer, **end)

    for name, end in (AT_ONCE | LATER).items():
        server = serve(partial(script, end=end))
        caller = callers(base_url=server.url)
        caller.run(MODEL, HELLO)
        with row(name):
            if name in AT_ONCE:
                assert caller.run(MODEL, HELLO).text
            else:
                with pytest.raises(APIConnectionError, match="may have been billed"):
                    caller.run(MODEL, HELLO)
            assert len(server.requests) == (3 if name in AT_ONCE else 2)


@SYNC_AND_ASYNC
def test_a_connection_that_cannot_be_made_is_tried_again(callers: Callers, serve: Serve, sleeps: list[float]) -> None:
    server = serve(break_off)
    server.close()
    with pytest.raises(APIConnectionError, match=r"127\.0\.0\.1") as caught:
        callers(base_url=server.url).run(MODEL, HELLO)
    assert (caught.value.retryable, len(sleeps)) == (True, 2)


@SYNC_AND_ASYNC
def test_a_request_that_was_sent_whole_through_a_socks_proxy_is_sent_once(
    callers: Callers, serve: Serve, sleeps: list[float]
) -> None:
    pytest.importorskip("socksio")

    def carry(peer: Peer) -> None:
        peer.connection.recv(65536)
        peer.send(b"\x05\x00")
        peer.connection.recv(65536)
        peer.send(b"\x05\x00\x00\x01" + bytes(6))
        break_off(peer)

    server = serve(carry)
    caller = callers(base_url="http://a.example", allow_http=True, proxy=f"socks5://127.0.0.1:{server.port}")
    with pytest.raises(APIConnectionError, match="may have been billed"):
        caller.run(MODEL, HELLO)
    assert len(server.requests) == 1


@SYNC_AND_ASYNC
def test_a_proxy_that_gives_no_tunnel_has_had_no_request(callers: Callers, serve: Serve, sleeps: list[float]) -> None:
    def refuse(peer: Peer) -> None:
        peer.request()
        peer.answer(b"", status="502 Bad Gateway")

    for script in (break_off, refuse):
        server = serve(script)
        caller = callers(base_url="https://ai.example", proxy=server.url)
        with row(script), pytest.raises(APIConnectionError) as caught:
            caller.run(MODEL, HELLO)
        assert ("billed" in str(caught.value), caught.value.retryable, len(sleeps)) == (False, True, 2), script
        assert [request.split()[:2] for request in server.requests] == [[b"CONNECT", b"ai.example:443"]] * 3, script
        assert caller.token.encode() not in b"".join(server.requests), script
        sleeps.clear()
