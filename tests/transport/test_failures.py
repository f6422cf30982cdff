"""Failures before an answer has begun: errors of the service, retries, timeouts and total timeouts."""

from __future__ import annotations

import gzip
import time
from typing import Any

import anyio
import httpx
import pytest
from anyio.from_thread import BlockingPortal

from cfai import (
    Ai,
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    CapacityError,
    ConfigurationError,
    InferenceUpstreamError,
    InternalServerError,
    NotFoundError,
    Retry,
    StreamError,
    StreamTruncatedError,
    Timeout,
)
from tests.bodies import DONE, OK
from tests.bodies import HELLO as HELLO_EVENTS
from tests.conftest import ACCOUNT, ASYNC, LONG, SYNC_AND_ASYNC, TOKEN, Caller, Callers, Peer, Serve, Service, row

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO = {"prompt": "Hello"}


# Errors of the service


@SYNC_AND_ASYNC
def test_a_bad_status_raises_an_error_with_everything_on_it(caller: Caller, service: Service) -> None:
    service.answers(
        service.error(404, 5007, "No such model", cf_ai_req_id="id-1", retry_after="90", set_cookie="a=b", x_a="c")
    )
    for stream in (False, True):
        with pytest.raises(NotFoundError) as caught:
            caller.run("@cf/meta/lama-3.3-70b-instruct", {"prompt": "x", "stream": stream})
        error = caught.value
        assert (error.status_code, error.code, error.request_id, error.retry_after) == (404, 5007, "id-1", 90.0)
        assert (error.model, error.retryable) == ("@cf/meta/lama-3.3-70b-instruct", False)
        assert error.body["errors"][0]["code"] == 5007
        assert error.headers["x-a"] == "c"
        assert "set-cookie" not in error.headers
        assert "@cf/meta/llama-3.3-70b-instruct-fp8-fast" in str(error)


def test_an_error_page_is_an_error_whatever_its_type(caller: Caller, service: Service) -> None:
    page = b"<html><head><title>502 Bad Gateway</title></head></html>"
    for content_type in ("text/html", "image/png", "text/event-stream", None):
        service.answers(service.raw(page, content_type, 502))
        with row(content_type), pytest.raises(InternalServerError, match="502 Bad Gateway") as caught:
            caller.run(MODEL, HELLO, max_retries=None)
        assert caught.value.body == page.decode()


@SYNC_AND_ASYNC
def test_no_more_than_a_mebibyte_of_an_error_s_body_is_read_in_ten_seconds(caller: Caller, service: Service) -> None:
    service.answers(service.events(*[b"x" * 500_000] * 40, status=400))
    with pytest.raises(InferenceUpstreamError) as caught:
        caller.run(MODEL, HELLO)
    assert len(caught.value.body) == 1 << 20
    assert (service.bodies[0].given, service.bodies[0].closed) == (3, True)
    assert service.request.extensions["timeout"]["read"] == 10.0


@SYNC_AND_ASYNC
def test_an_error_whose_body_breaks_off_or_does_not_come_is_that_error(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        body = b"" if (is_slow := b"slow" in peer.request()) else b'{"errors":[{"code":100'
        peer.send(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 100\r\n\r\n" + body)
        assert not is_slow or peer.left()

    caller = callers(base_url=serve(script).url)
    for prompt, total_timeout, body in (("broken", None, '{"errors":[{"code":100'), ("slow", 0.3, "")):
        with row(prompt), pytest.raises(AuthenticationError) as caught:
            caller.run(MODEL, {"prompt": prompt}, total_timeout=total_timeout)
        assert (caught.value.status_code, caught.value.body) == (401, body), prompt


# What is sent again


@SYNC_AND_ASYNC
def test_a_call_that_failed_is_sent_again_as_it_was(caller: Caller, service: Service, sleeps: list[float]) -> None:
    service.answers(
        service.error(503, cf_ai_req_id="id-1"),
        service.error(429, 3040),
        service.result({"response": "Hello"}, cf_ai_req_id="id-2"),
    )
    output = caller.run(MODEL, HELLO, extra_headers={"x-a": "b"})
    assert (output.text, output.meta.request_id, caller.ai.last_request_id) == ("Hello", "id-2", "id-2")
    first, *others = service.requests
    assert len(others) == 2
    for other in others:
        assert (other.url, other.content, other.headers) == (first.url, first.content, first.headers)
        assert other.headers["authorization"] == f"Bearer {caller.token}"


SENT_AGAIN = [(429, 3021), (429, 3040), (500, 8005), (429, None), (500, None), (502, None), (503, None)]
SENT_AGAIN += [(520, None), (522, None)]
SENT_ONCE = [(400, 1001), (400, 3003), (413, 3006), (408, 3007), (408, 3008), (403, 3023), (400, 3030), (429, 3036)]
SENT_ONCE += [(400, 3039), (403, 3041), (404, 3042), (408, 3046), (429, 4006), (400, 5004), (405, 5005), (400, 5006)]
SENT_ONCE += [(400, 5007), (422, 5012), (403, 5016), (403, 5018), (405, 5019), (403, 5035), (400, 7000), (400, 7003)]
SENT_ONCE += [(400, 8001), (400, 8006), (401, 10000), (302, None), (400, None), (402, None), (408, None), (409, None)]
SENT_ONCE += [(504, None), (524, None)]


def test_the_code_decides_how_often_a_call_is_sent(caller: Caller, service: Service, sleeps: list[float]) -> None:
    for stream in (False, True):
        for (status, code), calls in [(each, 3) for each in SENT_AGAIN] + [(each, 1) for each in SENT_ONCE]:
            service.answers(service.error(status, code))
            service.forget()
            sleeps.clear()
            with row((status, code, stream)):
                with pytest.raises(InferenceUpstreamError) as caught:
                    caller.run(MODEL, {"prompt": "x", "stream": stream})
                assert caught.value.retryable is (calls > 1)
                assert (len(service.requests), len(sleeps)) == (calls, calls - 1)


def test_the_network_decides_how_often_a_call_is_sent(caller: Caller, service: Service, sleeps: list[float]) -> None:
    for exception, kind, calls in (
        (httpx.ConnectError("refused"), APIConnectionError, 3),
        (httpx.ConnectTimeout("slow"), APITimeoutError, 3),
        (httpx.PoolTimeout("full"), APITimeoutError, 3),
        (httpx.WriteError("broken"), APIConnectionError, 3),
        (httpx.WriteTimeout("slow"), APITimeoutError, 3),
        (httpx.ProxyError("no proxy"), APIConnectionError, 3),
        (httpx.ReadTimeout("slow"), APITimeoutError, 1),
        (httpx.LocalProtocolError("bad header"), APIConnectionError, 1),
        (httpx.UnsupportedProtocol("ftp"), APIConnectionError, 1),
    ):
        service.answers(exception)
        service.forget()
        sleeps.clear()
        with row(exception):
            with pytest.raises(APIConnectionError) as caught:
                caller.run(MODEL, HELLO)
            assert type(caught.value) is kind
            assert caught.value.__cause__ is exception
            assert caught.value.model == MODEL
            assert (len(service.requests), len(sleeps)) == (calls, calls - 1)
    service.answers(httpx.ConnectError("x"), httpx.PoolTimeout("x"), service.result({"response": "Hello"}))
    assert caller.run(MODEL, HELLO).text == "Hello"


@SYNC_AND_ASYNC
def test_an_exception_that_is_not_the_network_s_passes_unchanged(caller: Caller, service: Service) -> None:
    broken = ZeroDivisionError("the caller's")
    for answer in (broken, service.events(b"{", breaks=broken, status=400)):
        service.answers(answer)
        with pytest.raises(ZeroDivisionError):
            caller.run(MODEL, HELLO)
    assert len(service.requests) == 2
    assert service.bodies[0].closed


@SYNC_AND_ASYNC
def test_the_service_says_how_long_to_wait_to_a_minute(caller: Caller, service: Service, sleeps: list[float]) -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    for headers, seconds in (
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0"}, 0.0),
        ({"retry_after": "60"}, 60.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"retry_after": date}, 28.0),
        # What cannot be read is no wait: the pause is our own.
        ({"retry_after": "soon"}, 0.5),
        ({"retry_after": "-5"}, 0.5),
        ({"retry_after": ""}, 0.5),
    ):
        sleeps.clear()
        service.answers(service.error(429, 3040, **headers), service.result({"response": "Hello"}))
        caller.run(MODEL, HELLO, max_retries=Retry(jitter=lambda: 1.0))
        assert sleeps == [pytest.approx(seconds, abs=5 if seconds == 28 else 0)], headers
    sleeps.clear()
    service.forget()
    service.answers(service.error(429, 3040, retry_after="61"))
    with pytest.raises(CapacityError) as caught:
        caller.run(MODEL, HELLO)
    assert (caught.value.retry_after, caught.value.retryable) == (61.0, True)
    assert (len(service.requests), sleeps) == (1, [])


def test_a_call_a_copy_or_a_client_chooses_retries(callers: Callers, service: Service, sleeps: list[float]) -> None:
    service.answers(service.error(503))
    for retry, calls in ((None, 1), (0, 1), (1, 2), (2, 3), (4, 5), (Retry(max_retries=1), 2)):
        for place, caller, options in (
            ("client", callers(max_retries=retry), {}),
            ("copy", callers().with_options(max_retries=retry), {}),
            ("call", callers(), {"max_retries": retry}),
            ("call of a client with another", callers(max_retries=3), {"max_retries": retry}),
        ):
            service.forget()
            with pytest.raises(InternalServerError):
                caller.run(MODEL, HELLO, **options)
            assert len(service.requests) == calls, (place, retry)


@SYNC_AND_ASYNC
def test_a_caller_may_reject_a_busy_model_at_once(caller: Caller, service: Service, sleeps: list[float]) -> None:
    service.answers(service.error(429, 3040, "Capacity temporarily exceeded, please try again."))
    with pytest.raises(CapacityError):
        caller.run(MODEL, HELLO, reject_if_busy=True)
    assert len(service.requests) == 1
    assert service.sent["options"] == {"rejectIfBusy": True}
    for status, code in ((429, 3021), (503, None)):
        service.answers(service.error(status, code), service.result({"response": "Hello"}))
        assert caller.run(MODEL, HELLO, reject_if_busy=True).text == "Hello", (status, code)


@SYNC_AND_ASYNC
def test_after_a_200_nothing_is_sent_or_called_safe(caller: Caller, service: Service, sleeps: list[float]) -> None:
    for exception, kind, words in (
        (httpx.ReadError("gone"), APIResponseValidationError, "10 bytes of the answer came before it broke off: gone"),
        (httpx.RemoteProtocolError("cut"), APIConnectionError, "10 bytes of the answer came before it broke off: cut"),
        (httpx.ReadError(""), APIConnectionError, "before it broke off: ReadError"),
        (
            httpx.ReadTimeout("slow"),
            APITimeoutError,
            "10 bytes of the answer came, and no more in time: raise timeout=",
        ),
    ):
        service.forget()
        headers = {"content_type": "application/json", "cf_ai_req_id": "id-1", "set_cookie": "__cf_bm=secret"}
        service.answers(service.events(b'{"result":', breaks=exception, **headers))
        with row(exception):
            with pytest.raises(kind, match=words) as caught:
                caller.run(MODEL, HELLO)
            error = caught.value
            assert error.__cause__ is exception
            assert f"(status 200, request id id-1, model {MODEL}). It may have been billed" in str(error)
            assert "no answer" not in str(error)
            assert (error.status_code, error.request_id, error.body) == (200, "id-1", '{"result":')
            assert (error.headers["cf-ai-req-id"], "set-cookie" in error.headers) == ("id-1", False)
            assert (error.retryable, len(service.requests)) == (False, 1)


def test_an_answer_that_cannot_be_unpacked_is_not_asked_for_again(caller: Caller, service: Service) -> None:
    service.answers(service.events(b"no gzip", content_type="application/json", content_encoding="gzip"))
    with pytest.raises(APIResponseValidationError, match="before it broke off"):
        caller.run(MODEL, HELLO)
    assert len(service.requests) == 1


OPENING = "HTTP/1.1 200 OK\r\ncf-ai-req-id: id-1\r\ncontent-type: application/json\r\n"


def break_off(peer: Peer, sends: bytes, resets: bool) -> None:
    """Receive a request, send the beginning of an answer, and break the connection."""
    peer.request()
    peer.send(sends)
    if resets:
        peer.reset()


BREAKS: dict[str, tuple[bytes, bytes]] = {
    # What is sent before the connection closes, and what had come of the body.
    "a length that is not reached": (f"{OPENING}content-length: 100\r\n\r\n".encode() + OK[:20], OK[:20]),
    "a length, and nothing": (f"{OPENING}content-length: 100\r\n\r\n".encode(), b""),
    "chunks without an end": (
        f"{OPENING}transfer-encoding: chunked\r\n\r\n14\r\n".encode() + OK[:20] + b"\r\n",
        OK[:20],
    ),
    "half a chunk": (f"{OPENING}transfer-encoding: chunked\r\n\r\n40\r\n".encode() + OK[:20], OK[:20]),
    "a chunk without a size": (f"{OPENING}transfer-encoding: chunked\r\n\r\nno size\r\n".encode(), b""),
}


@SYNC_AND_ASYNC
def test_half_an_answer_is_an_error_with_what_had_come(callers: Callers, serve: Serve, sleeps: list[float]) -> None:
    for name, (sent, came) in BREAKS.items():
        for resets in (False, True):
            server = serve(
                lambda peer, sent=sent, resets=resets: (peer.request(), peer.send(sent), resets and peer.reset())
            )
            with row((name, resets)), pytest.raises(APIResponseValidationError) as caught:
                callers(base_url=server.url).run(MODEL, HELLO)
            error = caught.value
            assert isinstance(error, APIConnectionError), "whoever catches broken connections catches this one"
            assert (error.status_code, error.request_id, error.retryable) == (200, "id-1", False), name
            assert resets or error.body == came.decode(), name
            assert "answered, and" in str(error), name
            assert "no answer" not in str(error), name
            assert len(server.requests) == 1, name


@SYNC_AND_ASYNC
def test_half_of_a_packed_answer_is_an_error_too(callers: Callers, serve: Serve) -> None:
    packed = gzip.compress(OK)
    head = f"{OPENING}content-encoding: gzip\r\ncontent-length: "
    for name, sent, problem in (
        ("the connection closes", f"{head}{len(packed)}\r\n\r\n".encode() + packed[:-12], "broke off"),
        ("the length is that of the half", f"{head}{len(packed) - 12}\r\n\r\n".encode() + packed[:-12], "breaks off"),
    ):
        server = serve(lambda peer, sent=sent: (peer.request(), peer.send(sent)))
        with row(name), pytest.raises(APIResponseValidationError, match=problem) as caught:
            callers(base_url=server.url).run(MODEL, HELLO)
        assert (caught.value.status_code, caught.value.request_id, len(server.requests)) == (200, "id-1", 1), name


@SYNC_AND_ASYNC
def test_an_answer_that_stops_is_given_up_with_what_had_come(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(f"{OPENING}content-length: 100\r\n\r\n".encode() + OK[:20])
        peer.left()

    for options, message in (
        ({"timeout": Timeout(read=0.2)}, "20 bytes of the answer came, and no more in time"),
        ({"total_timeout": 0.3}, r"the total timeout of 0\.3 s passed: raise total_timeout="),
    ):
        server = serve(script)
        with row(options), pytest.raises(APITimeoutError, match=message) as caught:
            callers(base_url=server.url).run(MODEL, HELLO, **options)
        error = caught.value
        assert (error.status_code, error.request_id, error.body) == (200, "id-1", OK[:20].decode()), options
        assert (error.retryable, len(server.requests)) == (False, 1), options


@SYNC_AND_ASYNC
def test_an_answer_that_does_not_come_is_waited_for_once(callers: Callers, serve: Serve) -> None:
    for options, message in (
        ({"timeout": 0.1}, "may have been billed"),
        ({"timeout": Timeout(first_byte=0.1)}, "may have been billed"),
        ({"total_timeout": 0.2}, r"the total timeout of 0\.2 s passed"),
    ):
        server = serve(lambda peer: (peer.request(), peer.left()))
        with row(options), pytest.raises(APITimeoutError, match=message) as caught:
            callers(base_url=server.url).run(MODEL, HELLO, **options)
        assert (caught.value.retryable, len(server.requests)) == (False, 1), options


@SYNC_AND_ASYNC
def test_the_first_byte_may_take_longer_than_the_bytes_after_it(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        if b"slow" in peer.request():
            time.sleep(0.3)  # three times what the bytes after it may take
            peer.answer(OK)
        else:
            peer.start("application/json")
            peer.chunk(OK[:20])
            assert peer.left()

    caller = callers(base_url=serve(script).url, timeout=Timeout(read=0.1))
    assert caller.run(MODEL, {"prompt": "slow"}).text == "Hello"
    with pytest.raises(APITimeoutError):
        callers(base_url=serve(script).url).run(MODEL, HELLO, timeout=Timeout(read=0.1))


# Timeouts

DEFAULT = {"connect": 5.0, "read": 300.0, "write": 60.0, "pool": None}


@SYNC_AND_ASYNC
def test_each_operation_has_its_timeout(caller: Caller, service: Service) -> None:
    limits = httpx.Timeout(connect=1, read=2, write=3, pool=4)
    table: list[tuple[Any, Any, float | None]] = [
        ({}, DEFAULT, 60.0),
        ({"timeout": 30}, dict.fromkeys(DEFAULT, 30.0), 30.0),
        ({"timeout": 0.5}, dict.fromkeys(DEFAULT, 0.5), 0.5),
        ({"timeout": None}, dict.fromkeys(DEFAULT), None),
        ({"timeout": limits}, {"connect": 1, "read": 2, "write": 3, "pool": 4}, 2),
        ({"timeout": httpx.Timeout(7)}, dict.fromkeys(DEFAULT, 7), 7),
        ({"timeout": Timeout(first_byte=9, read=8)}, {**DEFAULT, "read": 9}, 8),
    ]
    for options, sent, between in table:
        for answer in (service.result({"response": "Hello"}), service.events(DONE)):
            service.answers(answer)
            response = caller.stream(MODEL, return_raw_response=True, **options)
            assert caller.read(response), options
            assert service.timeouts[-1] == sent, options
            assert response.request.extensions["timeout"]["read"] == between, options


def test_timeouts_are_chosen_for_a_client_a_copy_or_a_call(callers: Callers, service: Service) -> None:
    caller = callers(timeout=30)
    caller.run(MODEL, HELLO)
    caller.with_options(timeout=20).run(MODEL, HELLO)
    caller.run(MODEL, HELLO, timeout=10)
    caller = callers(total_timeout=30)
    caller.run(MODEL, HELLO)
    caller.with_options(total_timeout=20).run(MODEL, HELLO)
    caller.run(MODEL, HELLO, total_timeout=10)
    caller.run(MODEL, HELLO, total_timeout=None)
    assert [round(timeouts["read"], -1) for timeouts in service.timeouts] == [30, 20, 10, 30, 20, 10, 300]


# Total timeouts


@SYNC_AND_ASYNC
def test_a_total_timeout_bounds_every_operation_and_the_answer_can_be_read(caller: Caller, service: Service) -> None:
    response = caller.run(MODEL, HELLO, total_timeout=50, return_raw_response=True)
    assert response.json()["result"] == {"response": "Hello"}
    [timeouts] = service.timeouts
    assert timeouts["connect"] == 5.0
    for operation in ("read", "write", "pool"):
        assert 40 < timeouts[operation] <= 50, operation


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n"
DRIPS: dict[str, tuple[bytes, bytes]] = {
    "spaces of a body": (CHUNKED + b"\r\n", b"1\r\n \r\n"),
    "headers": (HEAD, b"x-more: 1\r\n"),
    "one header": (HEAD + b"x-long: ", b"x"),
    "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "interim answers without a pause": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000),
    "the extension of a chunk": (CHUNKED + b"\r\n1;", b"x"),
    "the name in a gzip header": (
        CHUNKED + b"content-encoding: gzip\r\n\r\na\r\n\x1f\x8b\x08\x08\0\0\0\0\0\xff\r\n",
        b"1\r\nx\r\n",
    ),
    "an error": (b"HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "the extension of an error's chunk": (
        b"HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n1;",
        b"x",
    ),
}
"""By name, how an answer begins, and what comes of it now and then for seconds."""


@SYNC_AND_ASYNC
def test_a_total_timeout_passes_whatever_drips_in(callers: Callers, serve: Serve) -> None:
    for name, (start, drop) in DRIPS.items():

        def script(peer: Peer, start: bytes = start, drop: bytes = drop) -> None:
            peer.request()
            peer.send(start)
            peer.drip_raw(drop)

        server = serve(script)
        with row(name):
            with pytest.raises((InferenceUpstreamError, APITimeoutError)) as caught:
                callers(base_url=server.url, max_retries=0).run(MODEL, HELLO, total_timeout=0.5)
            assert ("total timeout" in str(caught.value)) == ("error" not in name)
            assert not server.dripped


@ASYNC
def test_a_call_that_is_cancelled_in_a_handshake_closes_its_connection(
    callers: Callers, serve: Serve, portal: BlockingPortal
) -> None:
    server = serve(Peer.left)
    ai = callers(base_url=server.url.replace("http:", "https:")).ai

    async def call() -> None:
        with anyio.move_on_after(0.3) as scope:
            await ai.arun(MODEL, HELLO)
        assert scope.cancelled_caught

    portal.call(call)
    assert server.was_left.wait(LONG)


@SYNC_AND_ASYNC
def test_a_total_timeout_passes_while_a_stream_drips_in_or_a_request_is_taken_slowly(
    callers: Callers, serve: Serve
) -> None:
    def trickle(peer: Peer) -> None:
        peer.request()
        peer.stream(HELLO_EVENTS[0])
        peer.send(b"5;")
        peer.drip_raw(b"x")

    server = serve(trickle)
    stream = callers(base_url=server.url).stream(MODEL, total_timeout=0.5)
    with pytest.raises(StreamTruncatedError, match="total timeout"):
        list(stream)
    assert stream.text == "Hel"
    assert not server.dripped

    def swallow(peer: Peer) -> None:
        for _ in range(60):
            peer.connection.recv(65536)
            time.sleep(0.05)
        peer.server.dripped = True

    server = serve(swallow)
    with pytest.raises(APITimeoutError, match="total timeout"):
        callers(base_url=server.url, checks="off").run(MODEL, {"prompt": "x" * 60_000_000}, total_timeout=1)
    assert not server.dripped


# Size


@SYNC_AND_ASYNC
def test_an_answer_that_is_too_large_is_given_up(callers: Callers, serve: Serve) -> None:
    bomb = gzip.compress(b'{"result":{"response":"' + b" " * 50_000_000)

    def whole(peer: Peer) -> None:
        peer.request()
        peer.answer(bomb, head="content-encoding: gzip\r\ncf-ai-req-id: the-id\r\n")

    def comments(peer: Peer) -> None:
        peer.request()
        peer.stream(HELLO_EVENTS[0])
        while True:
            peer.chunk(b": nothing\n\n" * 1000)

    for raw in (False, True):
        caller = callers(base_url=serve(whole).url, max_answer_bytes=1_000_000)
        with pytest.raises(APIResponseValidationError, match="max_answer_bytes") as caught:
            caller.run(MODEL, HELLO, return_raw_response=raw)
        assert (caught.value.status_code, caught.value.request_id) == (200, "the-id")
        assert not caught.value.retryable
    caller = callers(base_url=serve(comments).url).with_options(max_answer_bytes=1_000_000)
    with pytest.raises(StreamError, match="max_answer_bytes") as broken:
        list(caller.stream(MODEL))
    assert broken.value.partial == "Hel"


def test_the_size_of_an_answer_is_a_number_of_bytes() -> None:
    for size in (0, -1, 1.5, "1", None, True):
        with row(size), pytest.raises(ConfigurationError, match="`max_answer_bytes` must be 1 or more"):
            Ai(account_id=ACCOUNT, api_token=TOKEN, max_answer_bytes=size)  # pyright: ignore[reportArgumentType]


@SYNC_AND_ASYNC
def test_no_retry_begins_that_a_total_timeout_cuts_off(caller: Caller, service: Service, sleeps: list[float]) -> None:
    service.answers(service.error(503))
    with pytest.raises(InternalServerError):
        caller.run(MODEL, HELLO, total_timeout=10, max_retries=Retry(max_retries=99, base=3, jitter=lambda: 1.0))
    assert sleeps == [3.0, 6.0]
    assert len(service.requests) == 3
    sleeps.clear()
    service.answers(service.error(429, 3040, retry_after="30"))
    with pytest.raises(CapacityError) as caught:
        caller.run(MODEL, HELLO, total_timeout=10)
    assert caught.value.retry_after == 30.0
    assert sleeps == []


def test_retries_share_one_total_timeout(caller: Caller, service: Service, sleeps: list[float]) -> None:
    service.answers(service.error(503), service.result({"response": "Hello"}))
    caller.run(MODEL, HELLO, total_timeout=50, max_retries=Retry(base=8, jitter=lambda: 1.0))
    first, second = (timeouts["read"] for timeouts in service.timeouts)
    assert 40 < first <= 50
    assert 32 < second <= 42
