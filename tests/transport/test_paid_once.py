"""Nothing is paid twice: every way in which a call can end without an answer, and how often its request was sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from cfai import APIConnectionError, APITimeoutError, RequestTimeoutError
from tests.bodies import OK
from tests.conftest import SYNC_AND_ASYNC, Callers, Peer, Server, row

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO = {"prompt": "Hello"}
Serve = Callable[..., Server]


def closes(peer: Peer) -> None:
    peer.request()


def works_and_closes(peer: Peer) -> None:
    peer.request()
    time.sleep(1.2)


def resets(peer: Peer) -> None:
    peer.request()
    peer.reset()


def sends_half_a_status_line(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 2")


def sends_a_status_line(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n")


def sends_no_http(peer: Peer) -> None:
    peer.request()
    peer.send(b"220 mail.example ESMTP\r\n")


SENT_WHOLE = (closes, works_and_closes, resets, sends_half_a_status_line, sends_a_status_line, sends_no_http)


@SYNC_AND_ASYNC
@pytest.mark.parametrize("inputs", [HELLO, {**HELLO, "stream": True}])
def test_a_request_that_was_sent_whole_is_sent_once(callers: Callers, serve: Serve, inputs: Any) -> None:
    for script in SENT_WHOLE:
        server = serve(script)
        with row(script.__name__), pytest.raises(APIConnectionError, match="may have been billed") as caught:
            callers(base_url=server.url).run(MODEL, inputs)
        assert not caught.value.retryable, script.__name__
        assert len(server.requests) == 1, script.__name__


@SYNC_AND_ASYNC
def test_once_a_byte_came_a_connection_that_was_kept_alive_is_no_excuse(callers: Callers, serve: Serve) -> None:
    for script in (works_and_closes, sends_half_a_status_line, sends_a_status_line, sends_no_http):

        def answer_first(peer: Peer, script: Callable[[Peer], None] = script) -> None:
            peer.request()
            peer.answer(OK)
            script(peer)

        server = serve(answer_first)
        caller = callers(base_url=server.url)
        caller.run(MODEL, HELLO)
        with row(script.__name__), pytest.raises(APIConnectionError, match="may have been billed"):
            caller.run(MODEL, HELLO)
        assert len(server.requests) == 2, script.__name__


@SYNC_AND_ASYNC
def test_a_connection_that_was_kept_alive_and_died_at_once_is_tried_again(
    callers: Callers, serve: Serve, sleeps: list[float]
) -> None:
    for dies in (closes, resets):
        answered: list[Peer] = []

        def script(peer: Peer, dies: Callable[[Peer], None] = dies, answered: list[Peer] = answered) -> None:
            if answered:
                while peer.request():
                    peer.answer(OK)
                return
            answered.append(peer)
            peer.request()
            peer.answer(OK)
            dies(peer)

        server = serve(script)
        caller = callers(base_url=server.url)
        caller.run(MODEL, HELLO)
        assert caller.run(MODEL, HELLO).text, dies.__name__
        assert len(server.requests) == 3, dies.__name__


@SYNC_AND_ASYNC
def test_a_connection_that_cannot_be_made_is_tried_again(callers: Callers, serve: Serve, sleeps: list[float]) -> None:
    server = serve(closes)
    server.close()
    with pytest.raises(APIConnectionError, match=r"127\.0\.0\.1") as caught:
        callers(base_url=server.url).run(MODEL, HELLO)
    assert caught.value.retryable
    assert len(sleeps) == 2


@SYNC_AND_ASYNC
def test_a_proxy_that_gives_no_tunnel_has_had_no_request(callers: Callers, serve: Serve, sleeps: list[float]) -> None:
    server = serve(closes)
    with pytest.raises(APIConnectionError) as caught:
        callers(base_url="https://ai.example", proxy=server.url).run(MODEL, HELLO)
    assert "billed" not in str(caught.value)
    assert caught.value.retryable
    assert [request.split()[0] for request in server.requests] == [b"CONNECT"] * 3
    assert len(sleeps) == 2


@SYNC_AND_ASYNC
def test_an_answer_that_says_that_time_ran_out_is_taken_at_its_word(callers: Callers, serve: Serve) -> None:
    problem = b'{"type":"https://developers.cloudflare.com/error-524/","title":"Error 524: A timeout occurred"}'
    for status, body in (("504 Gateway Timeout", b""), ("524 Timeout", problem), ("408 Timeout", b"{}")):

        def script(peer: Peer, status: str = status, body: bytes = body) -> None:
            while peer.request():
                peer.answer(body, "application/problem+json", status)

        server = serve(script)
        with row(status), pytest.raises(RequestTimeoutError, match="may have been billed") as caught:
            callers(base_url=server.url).run(MODEL, HELLO)
        assert (caught.value.retryable, caught.value.name) == (False, "RequestTimeout"), status
        assert len(server.requests) == 1, status


@SYNC_AND_ASYNC
def test_an_answer_that_does_not_come_in_time_is_not_asked_for_again(callers: Callers, serve: Serve) -> None:
    server = serve(works_and_closes)
    with pytest.raises(APITimeoutError, match="may have been billed") as caught:
        callers(base_url=server.url, timeout=0.3).run(MODEL, HELLO)
    assert not caught.value.retryable
    assert len(server.requests) == 1
