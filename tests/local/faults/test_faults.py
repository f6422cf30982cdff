"""Everything that can be made to go wrong."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from cfai.local import Fault

if TYPE_CHECKING:
    from tests.local.conftest import Service

LLAMA = "@cf/meta/llama-3.1-8b-instruct-fp8"
OSS = "@cf/openai/gpt-oss-20b"
HELLO: dict[str, Any] = {"prompt": "hello"}
STREAM = HELLO | {"stream": True}


def stream(
    service: Service, fault: str, inputs: dict[str, Any] = STREAM, timeout: float = 20
) -> AbstractContextManager[httpx.Response]:
    """Return a response with a fault, to be read as it comes."""
    headers = {"cfai-emulate": fault}
    return service.http.stream("POST", service.url(LLAMA), json=inputs, headers=headers, timeout=timeout)


def tokens_before_the_end(service: Service, fault: str) -> tuple[int, str]:
    """Return how many events arrive, and how the body ends."""
    body = b""
    with stream(service, fault) as response:
        assert response.status_code == 200
        try:
            for part in response.iter_raw():
                body += part
        except httpx.TransportError as error:
            return body.count(b"data: "), type(error).__name__
    return body.count(b"data: "), "complete"


ALLOCATION = "AiError: AiError: you have used up your daily free allocation of 10,000 neurons, please upgrade to "
ALLOCATION += "Cloudflare's Workers Paid plan if you would like to continue usage."
ERRORS: list[tuple[str, int, int | None, str]] = [
    ("code=3040", 429, 3040, "AiError: Capacity temporarily exceeded, please try again."),
    ("status=429", 429, 3040, "AiError: Capacity temporarily exceeded, please try again."),
    ("code=3046", 408, 3046, "AiError: Request timeout"),
    ("code=3021", 429, 3021, "AiError: rate limiting: inference request per min rate reached"),
    ("code=8005", 500, 8005, "AiError: AiError: Internal server error"),
    ("status=500", 500, None, "AiError: AiError: Internal server error"),
    ("status=503", 503, None, "AiError: AiError: Internal server error"),
    ("status=402", 402, None, "AiError: Insufficient balance; add money to your gateway or use BYOK"),
    ("status=503,code=3040", 503, 3040, "AiError: Capacity temporarily exceeded, please try again."),
    ("code=5035,message=pay%2C please", 403, 5035, "AiError: pay, please"),
    ("status=403", 403, 5018, "AiError: Account is not allowed to use this model"),
    ("status=404", 404, 3042, "AiError: Invalid model ID"),
    ("status=408", 408, 3046, "AiError: Request timeout"),
    ("status=413", 413, 3006, "AiError: Request is too large"),
    ("status=422", 422, 5012, "AiError: AiError: Request body failed validation"),
    ("code=4006", 429, 4006, ALLOCATION),
]


def test_errors_come_in_the_inference_envelope(service: Service) -> None:
    for fault, status, code, message in ERRORS:
        response = service.run(LLAMA, HELLO, fault)
        expected: dict[str, Any] = {"message": f"{message} ({response.headers['cf-ai-req-id']})"}
        expected |= {"code": code} if code else {}
        assert response.status_code == status, fault
        assert response.json() == {"errors": [expected], "success": False, "result": {}, "messages": []}, fault


def test_retry_after_goes_out_as_it_came_and_edges_and_proxies_answer_in_their_form(service: Service) -> None:
    for value in ("2", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"):
        service.local.script(Fault(code=3040, retry_after=value))
        assert service.run(LLAMA, HELLO).headers["retry-after"] == value
    response = service.run(LLAMA, HELLO, "status=503,retry-after=2")
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    response = service.run(LLAMA, HELLO, "status=401")
    assert response.status_code == 401
    errors = [{"code": 10000, "message": "Authentication error"}]
    assert response.json() == {"result": None, "success": False, "errors": errors, "messages": []}
    response = service.run(LLAMA, STREAM, "html=502,retry-after=3")
    assert (response.status_code, response.headers["content-type"]) == (502, "text/html; charset=UTF-8")
    assert response.text.startswith("<!DOCTYPE html>")
    assert response.headers["retry-after"] == "3"


def test_an_answer_breaks_off_where_it_is_told_to(service: Service) -> None:
    for after in (0, 1, 3):
        assert tokens_before_the_end(service, f"drop-after={after}") == (after, "RemoteProtocolError")
        # Which ends well, but without [DONE].
        assert tokens_before_the_end(service, f"truncate-after={after}") == (after, "complete")
    count, end = tokens_before_the_end(service, "reset-after=3")
    assert (count <= 3, end) == (True, "ReadError")
    # One that is shorter is whole.
    assert service.run(LLAMA, STREAM, "truncate-after=100000").text.endswith("data: [DONE]\n\n")
    for fault in ("drop-after=3", "reset-after=3"):
        with pytest.raises(httpx.TransportError):
            service.run(LLAMA, HELLO, fault)
    half = service.run(LLAMA, HELLO, "truncate-after=1").content
    assert service.run(LLAMA, HELLO).content.startswith(half)
    assert not half.endswith(b"}")


def test_an_error_event_has_the_form_of_its_api_and_ends_the_stream(service: Service) -> None:
    *tokens, failure = service.events(LLAMA, HELLO, "error-after=2,code=3040")
    assert len(tokens) == 2
    assert list(failure.json) == ["errors", "success", "result", "messages"]
    [error] = failure.json["errors"]
    assert error["code"] == "3040"
    assert error["message"].startswith("AiError: Capacity temporarily exceeded, please try again. (")
    failure = service.events(OSS, {"input": "hi"}, "error-after=2,code=8005")[-1]
    expected = {"type": "error", "code": "8005", "message": "AiError: Internal server error", "param": None}
    assert (failure.name, failure.json) == ("error", expected)


def test_an_error_without_a_code_is_the_lack_of_capacity_and_one_in_a_whole_answer_its_status(service: Service) -> None:
    for inputs in (HELLO, STREAM):
        assert '"code":3040' in service.run(LLAMA, inputs, "error-after=1").text
    response = service.run(LLAMA, HELLO, "error-after=2,code=3046")
    assert (response.status_code, response.json()["errors"][0]["code"]) == (408, 3046)


def test_a_content_type_is_that_of_any_answer_and_a_body_is_sent_as_it_is(service: Service) -> None:
    for inputs in (HELLO, STREAM):
        plain = service.run(LLAMA, inputs)
        named = service.run(LLAMA, inputs, "content-type=text/plain")
        nameless = service.run(LLAMA, inputs, "content-type=")
        assert named.headers["content-type"] == "text/plain"
        assert "content-type" not in nameless.headers
        assert plain.text[:30] == named.text[:30] == nameless.text[:30]
    service.local.script(Fault(body=b"\xff\0", content_type="image/png"), Fault(status=418, body=b"[]", retry_after=5))
    image, error = service.run(LLAMA, HELLO), service.run(LLAMA, STREAM)
    assert (image.status_code, image.headers["content-type"], image.content) == (200, "image/png", b"\xff\0")
    assert (error.status_code, error.headers["content-type"], error.content) == (418, "application/json", b"[]")
    assert error.headers["retry-after"] == "5"


def test_raw_bytes_are_all_that_is_sent_and_a_connection_cut_at_once_leaves_none(service: Service) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="illegal status line"):
        service.run(LLAMA, HELLO, "raw=hello%0D%0A%0D%0A")
    # What follows the bytes is the end of the connection, so the answer says so: nobody is to use it again.
    raw = "HTTP/1.1 299 Fine\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"
    response = service.run(LLAMA, HELLO, f"raw={quote(raw)}")
    assert (response.status_code, response.reason_phrase, response.text) == (299, "Fine", "hi")
    assert list(response.headers) == ["content-length", "connection"]
    with pytest.raises(httpx.ReadError):
        service.run(LLAMA, HELLO, "reset")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        service.run(LLAMA, HELLO, "hang-up")


def test_silence_lasts_until_the_client_leaves_and_is_counted(service: Service) -> None:
    before = service.local.disconnects
    with stream(service, "silence-after=2", timeout=0.3) as response:
        parts = response.iter_raw()
        received = b""
        while received.count(b"\n\n") < 2:
            received += next(parts)
        with pytest.raises(httpx.ReadTimeout):
            next(parts)
    assert service.local.wait_for_disconnects(before + 1)


def test_a_client_is_counted_that_leaves_before_the_end_and_no_other(service: Service) -> None:
    words = {"prompt": "write 90000 words", "max_tokens": 30_000, "stream": True}
    for fault, inputs in (("ok", words), ("trickle=0.01", HELLO), ("trickle=0.01", STREAM)):
        before = service.local.disconnects
        with stream(service, fault, inputs) as response:
            first = next(response.iter_raw())
            # On a busy machine several bytes come at once.
            assert fault == "ok" or len(first) < 50
        assert service.local.wait_for_disconnects(before + 1), (fault, inputs)
    before = service.local.disconnects
    service.run(LLAMA, STREAM)
    assert not service.local.wait_for_disconnects(before + 1, timeout=0.05)


def test_headers_come_after_a_delay_and_do_not_wait_for_the_body(service: Service) -> None:
    for fault, has_headers in (("delay=100", False), ("slow-first=100", True), ("hold", True)):
        request = service.http.build_request("POST", service.url(LLAMA), json=STREAM, timeout=0.2)
        request.headers["cfai-emulate"] = fault
        if has_headers:
            response = service.http.send(request, stream=True)
            with pytest.raises(httpx.ReadTimeout):
                response.read()
        else:
            with pytest.raises(httpx.ReadTimeout):
                service.http.send(request, stream=True)


def test_a_held_body_has_said_done_and_what_is_late_comes(service: Service) -> None:
    with stream(service, "hold") as response:
        parts, received = response.iter_raw(), b""
        while not received.endswith(b"data: [DONE]\n\n"):
            received += next(parts)
    assert received.count(b"[DONE]") == 1
    for fault in ("delay=0.01", "slow-first=0.01"):
        assert service.run(LLAMA, STREAM, fault).text.endswith("data: [DONE]\n\n"), fault


def test_split_writes_hold_at_most_so_many_bytes(service: Service) -> None:
    for size in (1, 7):
        with stream(service, f"split={size}") as response:
            parts = list(response.iter_raw())
        assert max(map(len, parts)) == size
        assert len(b"".join(parts).split(b"\n\n")) == len(service.run(LLAMA, STREAM).text.split("\n\n"))


def test_a_stream_can_be_answered_with_the_whole_answer_or_nothing_and_others_meanwhile(service: Service) -> None:
    nothing = {"result": {}, "success": True, "errors": [], "messages": []}
    for fault, expected in (("whole", service.run(LLAMA, HELLO).json()), ("empty", nothing)):
        response = service.run(LLAMA, STREAM, fault)
        assert (response.status_code, response.headers["content-type"]) == (200, "application/json"), fault
        assert response.json() == expected, fault
    with stream(service, "silence-after=0"):
        began = time.monotonic()
        assert service.run(LLAMA, HELLO).status_code == 200
    assert time.monotonic() - began < 5


def test_failed_requests_are_received_too_and_a_fault_shows_only_what_was_set(service: Service) -> None:
    service.run(LLAMA, {"prompt": "meant to fail"}, "status=503")
    assert service.local.requests[-1].inputs == {"prompt": "meant to fail"}
    assert repr(Fault(code=3040, hold=True)) == "Fault(code=3040, hold=True)"
