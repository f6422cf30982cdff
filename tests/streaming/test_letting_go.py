"""A stream lets go of its connection when it has no more use for it: another call may have it by then."""

from __future__ import annotations

import gc
import json
import time
from typing import Any

import httpx
import pytest
import trio

import cfai._streaming.stream
import cfai._transport.pool
from cfai import Ai, InferenceUpstreamError, StreamError, StreamTruncatedError
from tests.bodies import DONE, OK, chat, event, native
from tests.conftest import ACCOUNT, SYNC_AND_ASYNC, TOKEN, Caller, Callers, Peer, Serve, Service, stream_of

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
PIECES = [str(number) for number in range(5)]


def whole_then_streamed(first: bytes) -> Any:
    """Return the script of a connection that answers whole, and streams the next answer slowly."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.answer(first)
        peer.request()
        peer.start()
        for piece in native(*PIECES):
            peer.chunk(piece)
            time.sleep(0.02)
        peer.chunk(DONE)
        peer.chunk(b"")

    return script


@SYNC_AND_ASYNC
@pytest.mark.parametrize("way", ["closed", "forgotten"])
def test_a_whole_answer_has_no_hold_on_the_connection_of_the_next_call(
    callers: Callers, serve: Serve, way: str
) -> None:
    server = serve(whole_then_streamed(b'{"result":{"response":"whole"},"success":true}'))
    caller = callers(base_url=server.url)
    whole = caller.stream(MODEL)
    assert str(next(whole)) == "whole"
    streamed = caller.stream(MODEL)
    texts = [str(next(streamed))]
    if way == "closed":
        whole.close()
    del whole
    gc.collect()
    assert "".join([*texts, *map(str, streamed)]) == "".join(PIECES)
    assert server.connections == 1


@SYNC_AND_ASYNC
def test_an_error_under_200_has_no_hold_on_the_connection_of_the_next_call(callers: Callers, serve: Serve) -> None:
    server = serve(whole_then_streamed(b'{"result":null,"success":false,"errors":[{"code":5007,"message":"no"}]}'))
    caller = callers(base_url=server.url)
    with pytest.raises(InferenceUpstreamError):
        caller.stream(MODEL)
    streamed = caller.stream(MODEL)
    texts: list[str] = []
    for token in streamed:
        texts.append(str(token))
        gc.collect()
    assert "".join(texts) == "".join(PIECES)


@SYNC_AND_ASYNC
def test_a_body_that_was_read_to_its_end_is_not_read_on(
    callers: Callers, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cfai._streaming.stream, "DRAIN_TIMEOUT", 60)
    output = [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}]
    response = {"object": "response", "output": output, "status": "completed"}
    completed = json.dumps({"type": "response.completed", "response": response})
    for name, body in (("JSON", b'{"result":{"response":"Hello"}}'), ("no blank line", event(completed).rstrip())):

        def script(peer: Peer, body: bytes = body) -> None:
            while peer.request():
                peer.start()
                peer.chunk(body)
                peer.chunk(b"")

        server = serve(script)
        caller = callers(base_url=server.url)
        started = time.monotonic()
        for _ in range(2):
            assert caller.stream(MODEL).result().text == "Hello", name
        assert server.connections == 1, name
        assert time.monotonic() - started < 20, name


@SYNC_AND_ASYNC
def test_the_error_of_a_finish_reason_is_raised_though_the_connection_breaks(caller: Caller, service: Service) -> None:
    last = {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}], "message": "boom"}
    service.answers(service.events(chat(content="par"), event(json.dumps(last)), breaks=httpx.ReadError("gone")))
    stream = caller.stream(MODEL)
    with pytest.raises(StreamError, match="boom") as caught:
        list(stream)
    assert caught.value.partial == "par"


@SYNC_AND_ASYNC
def test_the_error_of_a_finish_reason_is_raised_without_waiting_for_the_end(callers: Callers, serve: Serve) -> None:
    last = {"choices": [{"index": 0, "delta": {"content": "par"}, "finish_reason": "error"}], "message": "boom"}

    def script(peer: Peer) -> None:
        peer.request()
        peer.stream(event(json.dumps(last)))
        assert peer.left()

    stream = callers(base_url=serve(script).url).stream(MODEL)
    assert str(next(stream)) == "par"
    for _ in range(2):
        with pytest.raises(StreamError, match="boom") as caught:
            list(stream)
        assert caught.value.partial == "par"


@SYNC_AND_ASYNC
def test_the_result_of_a_stream_that_broke_raises_what_broke_it(caller: Caller, service: Service) -> None:
    for breaks, raised in ((ValueError("broke"), ValueError), (httpx.ReadError("gone"), StreamTruncatedError)):
        service.answers(service.events(*native("Hel"), breaks=breaks))
        stream = caller.stream(MODEL)
        for read in (lambda stream=stream: list(stream), stream.result, stream_of(stream).result):
            with pytest.raises(raised):
                read()


class LockedError(Exception):
    """An error whose request nobody can set."""

    request = property(lambda self: None)


@SYNC_AND_ASYNC
def test_an_error_of_the_callers_transport_goes_on_as_it_is_and_leaves_nothing_open(
    caller: Caller, service: Service
) -> None:
    service.answers(service.events(*native("Hel"), breaks=LockedError("locked")))
    with pytest.raises(LockedError):
        list(caller.stream(MODEL))
    assert service.bodies[-1].closed


@SYNC_AND_ASYNC
def test_the_result_of_a_stream_that_was_left_at_its_error_raises_that_error(caller: Caller, service: Service) -> None:
    last = {"response": "Hello", "finish_reason": "error", "message": "out of memory"}
    service.answers(service.events(event(json.dumps(last)), DONE))
    stream = caller.stream(MODEL)
    assert str(next(stream)) == "Hello"
    stream.close()
    for read in (stream.result, stream_of(stream).result):
        with pytest.raises(StreamError, match="out of memory"):
            read()


@SYNC_AND_ASYNC
def test_the_cause_of_a_broken_stream_knows_its_request(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("Hel"), breaks=httpx.ReadError("gone")))
    with pytest.raises(StreamTruncatedError, match=r"in the middle of the stream: gone\. What to do: ask") as caught:
        list(caller.stream(MODEL))
    assert isinstance(caught.value.__cause__, httpx.ReadError)
    assert caught.value.__cause__.request.url == service.url


@pytest.mark.parametrize("portal", ["sync", "asyncio"], indirect=True)
def test_closing_closes_what_was_left_open_on_a_client_that_was_passed_in(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.start()
        peer.chunk(native("Hel")[0])
        assert peer.left()

    server = serve(script)
    passed_in: dict[str, Any] = {"http_client": httpx.Client(), "async_http_client": httpx.AsyncClient()}
    caller = callers(base_url=server.url, **passed_in)
    stream = caller.stream(MODEL)
    assert str(next(stream)) == "Hel"
    del stream
    gc.collect()
    caller.close()
    for client in passed_in.values():
        assert not client._transport._pool.connections


def test_a_closed_ai_leaves_nothing_behind_on_a_loop_of_trio(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        while peer.request():
            peer.answer(OK)

    url = serve(script).url

    async def main() -> list[int]:
        left: list[int] = []
        for _ in range(3):
            async with Ai(account_id=ACCOUNT, api_token=TOKEN, base_url=url) as ai:
                await ai.arun(MODEL, {"prompt": "x"})
            left.append(sum(map(len, cfai._transport.pool._closers.values())))
        return left

    first, *others = trio.run(main)
    assert others == [first] * 2
