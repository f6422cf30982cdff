"""What goes wrong before an answer has begun: errors, retries, timeouts and deadlines."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from cfai import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    CapacityError,
    CfaiError,
    InferenceUpstreamError,
    InternalServerError,
    NotFoundError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
    Retry,
    Timeout,
)
from tests.bodies import OK
from tests.conftest import EVERY_COLOUR

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO = {"prompt": "Hello"}


# Errors of the service


@EVERY_COLOUR
@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_status_raises_an_error_with_everything_on_it(caller: Any, service: Any, stream: bool) -> None:
    service.answers(
        service.error(404, 5007, "No such model", cf_ai_req_id="id-1", retry_after="90", set_cookie="a=b", x_a="c")
    )
    with pytest.raises(NotFoundError) as caught:
        caller.run("@cf/meta/lama-3.3-70b-instruct", {"prompt": "x", "stream": stream})
    error = caught.value
    assert (error.status_code, error.code, error.request_id, error.retry_after) == (404, 5007, "id-1", 90.0)
    assert (error.model, error.retryable) == ("@cf/meta/lama-3.3-70b-instruct", False)
    assert error.body["errors"][0]["code"] == 5007
    assert error.headers["x-a"] == "c"
    assert "set-cookie" not in error.headers
    assert "@cf/meta/llama-3.3-70b-instruct-fp8-fast" in str(error)


def test_an_error_says_when_the_allocation_comes_back(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(service.error(429, 4006, "you have used up your daily free allocation of 10,000 neurons"))
    with pytest.raises(QuotaExceededError, match="00:00 UTC"):
        caller.run(MODEL, HELLO)
    assert len(service.requests) == 1


@pytest.mark.parametrize("content_type", ["text/html", "image/png", "text/event-stream", None])
def test_an_error_page_is_an_error_whatever_its_type(caller: Any, service: Any, content_type: str | None) -> None:
    page = b"<html><head><title>502 Bad Gateway</title></head></html>"
    service.answers(service.raw(page, content_type, 502))
    with pytest.raises(InternalServerError, match="502 Bad Gateway") as caught:
        caller.run(MODEL, HELLO, max_retries=None)
    assert caught.value.body == page.decode()


@EVERY_COLOUR
def test_only_so_much_of_an_errors_body_is_read(caller: Any, service: Any) -> None:
    service.answers(service.events(*[b"x" * 500_000] * 40, status=400))
    with pytest.raises(InferenceUpstreamError) as caught:
        caller.run(MODEL, HELLO)
    assert len(caught.value.body) == 1 << 20
    assert service.bodies[0].given == 3
    assert service.bodies[0].closed


@EVERY_COLOUR
def test_an_error_whose_body_breaks_off_is_that_error(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 100\r\n\r\n" + b'{"errors":[{"code":100')

    with pytest.raises(AuthenticationError) as caught:
        callers(base_url=serve(script).url).run(MODEL, HELLO)
    assert caught.value.status_code == 401
    assert caught.value.body == '{"errors":[{"code":100'


@EVERY_COLOUR
def test_an_error_whose_body_does_not_come_is_not_waited_for_long(
    callers: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(peer: Any) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 100\r\n\r\n")
        assert peer.left()

    monkeypatch.setattr("cfai._transport.send.PATIENCE", 0.1)
    with pytest.raises(AuthenticationError):
        callers(base_url=serve(script).url).run(MODEL, HELLO)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error(caller: Any, service: Any, status: int) -> None:
    service.answers(service.raw(b"", None, status, location="/elsewhere"))
    with pytest.raises(InferenceUpstreamError, match="redirects are not followed"):
        caller.run(MODEL, HELLO)
    assert len(service.requests) == 1


# What is sent again


@EVERY_COLOUR
def test_what_failed_is_sent_again_as_it_was(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(service.error(503), service.error(429, 3040), service.result({"response": "Hello"}))
    assert caller.run(MODEL, HELLO, extra_headers={"x-a": "b"}).text == "Hello"
    first, *others = service.requests
    assert len(others) == 2
    for other in others:
        assert (other.url, other.content, other.headers) == (first.url, first.content, first.headers)
        assert other.headers["authorization"] == f"Bearer {caller.token}"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "code", "calls"),
    [
        (400, 1001, 1),
        (400, 3003, 1),
        (413, 3006, 1),
        (408, 3007, 1),
        (408, 3008, 1),
        (429, 3021, 3),
        (403, 3023, 1),
        (400, 3030, 1),
        (429, 3036, 1),
        (400, 3039, 1),
        (429, 3040, 3),
        (403, 3041, 1),
        (404, 3042, 1),
        (408, 3046, 1),
        (429, 4006, 1),
        (400, 5004, 1),
        (405, 5005, 1),
        (400, 5006, 1),
        (400, 5007, 1),
        (422, 5012, 1),
        (403, 5016, 1),
        (403, 5018, 1),
        (405, 5019, 1),
        (403, 5035, 1),
        (400, 7000, 1),
        (400, 7003, 1),
        (400, 8001, 1),
        (500, 8005, 3),
        (400, 8006, 1),
        (401, 10000, 1),
        (302, None, 1),
        (400, None, 1),
        (402, None, 1),
        (408, None, 1),
        (409, None, 1),
        (429, None, 3),
        (500, None, 3),
        (502, None, 3),
        (503, None, 3),
        (504, None, 3),
        (520, None, 3),
        (522, None, 3),
        (524, None, 3),
    ],
)
def test_the_code_decides_how_often_a_call_is_sent(
    caller: Any, service: Any, sleeps: list[float], status: int, code: int | None, calls: int, stream: bool
) -> None:
    service.answers(service.error(status, code))
    with pytest.raises(InferenceUpstreamError):
        caller.run(MODEL, {"prompt": "x", "stream": stream})
    assert len(service.requests) == calls
    assert len(sleeps) == calls - 1


@pytest.mark.parametrize(
    ("exception", "kind", "calls"),
    [
        (httpx.ConnectError("refused"), APIConnectionError, 3),
        (httpx.ConnectTimeout("slow"), APITimeoutError, 3),
        (httpx.PoolTimeout("full"), APITimeoutError, 3),
        (httpx.WriteError("broken"), APIConnectionError, 3),
        (httpx.WriteTimeout("slow"), APITimeoutError, 3),
        (httpx.ReadError("reset"), APIConnectionError, 3),
        (httpx.RemoteProtocolError("disconnected"), APIConnectionError, 3),
        (httpx.ProxyError("no proxy"), APIConnectionError, 3),
        (httpx.ReadTimeout("slow"), APITimeoutError, 1),
        (httpx.LocalProtocolError("bad header"), APIConnectionError, 1),
        (httpx.UnsupportedProtocol("ftp"), APIConnectionError, 1),
    ],
)
def test_so_does_what_broke(
    caller: Any, service: Any, sleeps: list[float], exception: Exception, kind: type[CfaiError], calls: int
) -> None:
    service.answers(exception)
    with pytest.raises(APIConnectionError) as caught:
        caller.run(MODEL, HELLO)
    assert type(caught.value) is kind
    assert caught.value.__cause__ is exception
    assert caught.value.model == MODEL
    assert len(service.requests) == calls
    assert len(sleeps) == calls - 1


def test_what_broke_is_sent_again_until_it_works(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(httpx.ConnectError("x"), httpx.RemoteProtocolError("x"), service.result({"response": "Hello"}))
    assert caller.run(MODEL, HELLO).text == "Hello"


def test_what_is_not_the_networks_fault_goes_on_as_it_is(caller: Any, service: Any) -> None:
    service.answers(ZeroDivisionError("a hook of the caller's client"))
    with pytest.raises(ZeroDivisionError):
        caller.run(MODEL, HELLO)
    assert len(service.requests) == 1


@EVERY_COLOUR
def test_between_attempts_there_is_a_pause_that_doubles(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(service.error(503))
    with pytest.raises(InternalServerError):
        caller.run(MODEL, HELLO, max_retries=Retry(max_retries=4, jitter=lambda: 1.0))
    assert sleeps == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("0", 0.0), ("60", 60.0), ("0.5", 0.5)])
def test_the_service_says_how_long(caller: Any, service: Any, sleeps: list[float], value: str, seconds: float) -> None:
    service.answers(service.error(429, 3040, retry_after=value), service.result({"response": "Hello"}))
    caller.run(MODEL, HELLO)
    assert sleeps == [seconds]


def test_also_in_milliseconds(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(service.error(503, retry_after_ms="1500"), service.result({"response": "Hello"}))
    caller.run(MODEL, HELLO)
    assert sleeps == [1.5]


def test_also_by_a_date(caller: Any, service: Any, sleeps: list[float]) -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    service.answers(service.error(503, retry_after=date), service.result({"response": "Hello"}))
    caller.run(MODEL, HELLO)
    assert len(sleeps) == 1
    assert 20 < sleeps[0] <= 30


@pytest.mark.parametrize("value", ["soon", "-5", ""])
def test_a_wait_that_cannot_be_read_is_ours_to_choose(
    caller: Any, service: Any, sleeps: list[float], value: str
) -> None:
    service.answers(service.error(503, retry_after=value), service.result({"response": "Hello"}))
    caller.run(MODEL, HELLO, max_retries=Retry(jitter=lambda: 1.0))
    assert sleeps == [0.5]


@EVERY_COLOUR
def test_more_than_a_minute_is_the_callers_to_wait(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(service.error(429, 3040, retry_after="61"))
    with pytest.raises(CapacityError) as caught:
        caller.run(MODEL, HELLO)
    assert caught.value.retry_after == 61.0
    assert caught.value.retryable
    assert len(service.requests) == 1
    assert sleeps == []


@pytest.mark.parametrize(("retry", "calls"), [(None, 1), (0, 1), (1, 2), (4, 5), (Retry(max_retries=1), 2)])
def test_retries_are_chosen_for_a_call_a_copy_or_a_client(
    callers: Any, service: Any, sleeps: list[float], retry: Any, calls: int
) -> None:
    service.answers(service.error(503))
    for attempt in (
        lambda: callers(max_retries=retry).run(MODEL, HELLO),
        lambda: callers().with_options(max_retries=retry).run(MODEL, HELLO),
        lambda: callers().run(MODEL, HELLO, max_retries=retry),
        lambda: callers(max_retries=3).run(MODEL, HELLO, max_retries=retry),
    ):
        service.requests.clear()
        with pytest.raises(InternalServerError):
            attempt()
        assert len(service.requests) == calls


@EVERY_COLOUR
def test_who_does_not_want_to_wait_for_room_is_told_at_once(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(service.error(429, 3040, "Capacity temporarily exceeded, please try again."))
    with pytest.raises(CapacityError):
        caller.run(MODEL, HELLO, reject_if_busy=True)
    assert len(service.requests) == 1
    assert service.sent["options"] == {"rejectIfBusy": True}


@pytest.mark.parametrize(("status", "code"), [(429, 3021), (503, None)])
def test_but_other_failures_are_tried_again(
    caller: Any, service: Any, sleeps: list[float], status: int, code: int | None
) -> None:
    service.answers(service.error(status, code), service.result({"response": "Hello"}))
    assert caller.run(MODEL, HELLO, reject_if_busy=True).text == "Hello"


@EVERY_COLOUR
def test_also_while_an_error_is_read(caller: Any, service: Any) -> None:
    service.answers(service.events(b"{", breaks=ZeroDivisionError("the caller's transport"), status=400))
    with pytest.raises(ZeroDivisionError):
        caller.run(MODEL, HELLO)
    assert service.bodies[0].closed


# After a 200 nothing is sent again


@EVERY_COLOUR
def test_an_answer_that_breaks_off_is_not_asked_for_again(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(service.events(b'{"result":', breaks=httpx.ReadError("gone"), content_type="application/json"))
    with pytest.raises(APIConnectionError) as caught:
        caller.run(MODEL, HELLO)
    assert isinstance(caught.value.__cause__, httpx.ReadError)
    assert len(service.requests) == 1


def test_nor_is_one_that_is_too_slow(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(service.events(b"{", breaks=httpx.ReadTimeout("slow"), content_type="application/json"))
    with pytest.raises(APITimeoutError):
        caller.run(MODEL, HELLO)
    assert len(service.requests) == 1


@EVERY_COLOUR
def test_what_broke_after_a_200_does_not_say_that_it_is_safe_to_send_again(caller: Any, service: Any) -> None:
    service.answers(service.events(b'{"result":', breaks=httpx.ReadError("gone"), content_type="application/json"))
    with pytest.raises(APIConnectionError) as caught:
        caller.run(MODEL, HELLO)
    assert not caught.value.retryable


def test_nor_is_one_that_cannot_be_unpacked(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(service.events(b"no gzip", content_type="application/json", content_encoding="gzip"))
    with pytest.raises(APIConnectionError):
        caller.run(MODEL, HELLO)
    assert len(service.requests) == 1


# Over a real connection


@EVERY_COLOUR
def test_a_host_that_does_not_listen_is_tried_three_times(callers: Any, serve: Any, sleeps: list[float]) -> None:
    server = serve(lambda peer: None)
    server.close()
    with pytest.raises(APIConnectionError, match=r"127\.0\.0\.1"):
        callers(base_url=server.url).run(MODEL, HELLO)
    assert len(sleeps) == 2


@EVERY_COLOUR
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_server_that_leaves_without_an_answer_is_asked_again(
    callers: Any, serve: Any, sleeps: list[float], how: str
) -> None:
    def script(peer: Any) -> None:
        peer.request()
        if peer.server.connections < 3:
            return peer.reset() if how == "reset" else None
        return peer.answer(OK)

    server = serve(script)
    assert callers(base_url=server.url).run(MODEL, HELLO).text == "Hello"
    assert len(server.requests) == 3


@EVERY_COLOUR
def test_half_an_answer_is_an_error_and_not_asked_for_again(callers: Any, serve: Any, sleeps: list[float]) -> None:
    def script(peer: Any) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n" + OK[:20])

    server = serve(script)
    with pytest.raises(APIConnectionError):
        callers(base_url=server.url).run(MODEL, HELLO)
    assert len(server.requests) == 1


@EVERY_COLOUR
def test_what_is_no_http_is_an_error(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        peer.request()
        peer.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

    with pytest.raises(APIConnectionError):
        callers(base_url=serve(script).url).run(MODEL, HELLO, max_retries=None)


@EVERY_COLOUR
def test_a_first_byte_that_does_not_come_is_waited_for_once(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        peer.request()
        assert peer.left()

    server = serve(script)
    with pytest.raises(APITimeoutError, match="billed") as caught:
        callers(base_url=server.url).run(MODEL, HELLO, timeout=Timeout(first_byte=0.1))
    assert not caught.value.retryable
    assert len(server.requests) == 1


@EVERY_COLOUR
def test_a_slow_first_byte_may_take_longer_than_the_bytes_after_it(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        peer.request()
        time.sleep(0.3)  # three times what the bytes after it may take
        peer.answer(OK)

    caller = callers(base_url=serve(script).url, timeout=Timeout(between=0.1))
    assert caller.run(MODEL, HELLO).text == "Hello"


@EVERY_COLOUR
def test_the_bytes_after_it_may_not(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        peer.request()
        peer.start("application/json")
        peer.chunk(OK[:20])
        assert peer.left()

    with pytest.raises(APITimeoutError):
        callers(base_url=serve(script).url).run(MODEL, HELLO, timeout=Timeout(between=0.1))


@EVERY_COLOUR
def test_a_redirect_is_not_followed_to_another_host(callers: Any, serve: Any) -> None:
    other = serve(lambda peer: peer.request() and peer.answer(OK))
    location = f"location: {other.origin}/client/v4\r\n"
    server = serve(lambda peer: peer.request() and peer.answer(b"", status="307 Temporary Redirect", head=location))
    with pytest.raises(InferenceUpstreamError, match="redirects are not followed") as caught:
        callers(base_url=server.url).run(MODEL, HELLO, gateway="g")
    assert caught.value.headers["location"] == f"{other.origin}/client/v4"
    assert other.connections == 0
    assert len(server.requests) == 1


# Timeouts


DEFAULT = {"connect": 5.0, "read": 300.0, "write": 60.0, "pool": None}


@EVERY_COLOUR
@pytest.mark.parametrize(
    ("given", "sent", "then"),
    [
        ({}, DEFAULT, 60.0),
        ({"timeout": 30}, dict.fromkeys(DEFAULT, 30.0), 30.0),
        ({"timeout": 0.5}, dict.fromkeys(DEFAULT, 0.5), 0.5),
        ({"timeout": None}, dict.fromkeys(DEFAULT), None),
        (
            {"timeout": httpx.Timeout(connect=1, read=2, write=3, pool=4)},
            {"connect": 1, "read": 2, "write": 3, "pool": 4},
            2,
        ),
        ({"timeout": httpx.Timeout(7)}, dict.fromkeys(DEFAULT, 7), 7),
        ({"timeout": Timeout(first_byte=9, between=8)}, {**DEFAULT, "read": 9}, 8),
    ],
)
def test_each_operation_has_its_time(caller: Any, service: Any, given: Any, sent: Any, then: float | None) -> None:
    response = caller.run(MODEL, HELLO, return_raw_response=True, **given)
    assert service.timeouts == [sent]
    assert response.request.extensions["timeout"]["read"] == then


def test_a_client_has_its_times_and_so_has_a_copy(callers: Any, service: Any) -> None:
    caller = callers(timeout=30)
    caller.run(MODEL, HELLO)
    caller.with_options(timeout=20).run(MODEL, HELLO)
    caller.run(MODEL, HELLO, timeout=10)
    assert [timeouts["read"] for timeouts in service.timeouts] == [30, 20, 10]


def test_a_stream_has_the_same(caller: Any, service: Any) -> None:
    service.answers(service.events(b"data: [DONE]\n\n"))
    response = caller.stream(MODEL, return_raw_response=True)
    caller.leave(response)
    assert service.timeouts == [DEFAULT]
    assert response.request.extensions["timeout"]["read"] == 60.0


# Deadlines


@EVERY_COLOUR
def test_a_deadline_bounds_every_operation(caller: Any, service: Any) -> None:
    caller.run(MODEL, HELLO, total_timeout=50)
    [timeouts] = service.timeouts
    assert timeouts["connect"] == 5.0
    for operation in ("read", "write", "pool"):
        assert 40 < timeouts[operation] <= 50


@EVERY_COLOUR
def test_a_deadline_passes_while_waiting_for_an_answer(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        peer.request()
        assert peer.left()

    server = serve(script)
    with pytest.raises(APITimeoutError) as caught:
        callers(base_url=server.url).run(MODEL, HELLO, total_timeout=0.2)
    assert not caught.value.retryable
    assert len(server.requests) == 1


@EVERY_COLOUR
def test_a_deadline_passes_while_an_answer_drips_in(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        peer.request()
        peer.start("application/json")
        peer.drip(b" ")

    server = serve(script)
    with pytest.raises(APITimeoutError, match="total timeout"):
        callers(base_url=server.url).run(MODEL, HELLO, total_timeout=0.3)
    assert not server.dripped


@EVERY_COLOUR
def test_a_deadline_passes_while_an_error_drips_in(callers: Any, serve: Any) -> None:
    def script(peer: Any) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n")
        peer.drip(b"x")

    server = serve(script)
    with pytest.raises((InferenceUpstreamError, APITimeoutError)):
        callers(base_url=server.url).run(MODEL, HELLO, total_timeout=0.3)
    assert not server.dripped


@EVERY_COLOUR
def test_no_retry_begins_that_the_deadline_would_cut_off(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(service.error(503))
    with pytest.raises(InternalServerError):
        caller.run(MODEL, HELLO, total_timeout=10, max_retries=Retry(max_retries=99, base=3, jitter=lambda: 1.0))
    assert sleeps == [3.0, 6.0]
    assert len(service.requests) == 3


def test_retries_share_one_deadline(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(service.error(503), service.result({"response": "Hello"}))
    caller.run(MODEL, HELLO, total_timeout=50, max_retries=Retry(base=8, jitter=lambda: 1.0))
    first, second = (timeouts["read"] for timeouts in service.timeouts)
    assert 40 < first <= 50
    assert 32 < second <= 42


def test_a_wait_that_the_service_asks_for_is_not_begun_either(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(service.error(429, 3040, retry_after="30"))
    with pytest.raises(CapacityError) as caught:
        caller.run(MODEL, HELLO, total_timeout=10)
    assert caught.value.retry_after == 30.0
    assert sleeps == []


def test_deadlines_are_chosen_for_a_client_a_copy_or_a_call(callers: Any, service: Any) -> None:
    caller = callers(total_timeout=30)
    caller.run(MODEL, HELLO)
    caller.with_options(total_timeout=20).run(MODEL, HELLO)
    caller.run(MODEL, HELLO, total_timeout=10)
    caller.run(MODEL, HELLO, total_timeout=None)
    reads = [timeouts["read"] for timeouts in service.timeouts]
    assert [round(read, -1) for read in reads] == [30, 20, 10, 300]


def test_a_silent_server_is_left_at_the_deadline_which_is_named(callers: Any, serve: Any) -> None:
    server = serve(lambda peer: (peer.request(), peer.left()))
    with pytest.raises(APITimeoutError, match=r"the total timeout of 0\.3 s passed"):
        callers(base_url=server.url).run(MODEL, {"prompt": "x"}, total_timeout=0.3)


# Names that people know from elsewhere


@pytest.mark.parametrize(
    ("status", "code", "kinds"),
    [
        (429, 3040, (CapacityError, RateLimitError, InferenceUpstreamError)),
        (429, 3036, (QuotaExceededError, RateLimitError)),
        (408, 3046, (RequestTimeoutError, APITimeoutError, APIConnectionError)),
        (500, None, (InternalServerError, InferenceUpstreamError)),
    ],
)
def test_an_error_is_caught_by_each_of_its_names(
    caller: Any, service: Any, status: int, code: int | None, kinds: tuple[type[CfaiError], ...]
) -> None:
    service.answers(service.error(status, code))
    with pytest.raises(CfaiError) as caught:
        caller.run(MODEL, HELLO, max_retries=None)
    assert all(isinstance(caught.value, kind) for kind in kinds)


def test_a_retried_call_remembers_its_last_attempt(caller: Any, service: Any, sleeps: list[float]) -> None:
    service.answers(service.error(503, cf_ai_req_id="id-1"), service.result({"response": "x"}, cf_ai_req_id="id-2"))
    assert caller.run(MODEL, HELLO).meta.request_id == "id-2"
    assert caller.ai.last_request_id == "id-2"
    assert json.loads(service.request.content) == HELLO
