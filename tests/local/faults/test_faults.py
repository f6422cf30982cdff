"""Everything that can be made to go wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from cfai.local import Fault
from cfai.local.faults import Script, parse_fault

if TYPE_CHECKING:
    from tests.local.conftest import Service

LLAMA = "@cf/meta/llama-3.1-8b-instruct-fp8"
OSS = "@cf/openai/gpt-oss-20b"
HELLO: dict[str, Any] = {"prompt": "hello"}
STREAM = HELLO | {"stream": True}


def tokens_before_the_end(service: Service, fault: str) -> tuple[int, str]:
    """Return how many events arrive, and how the body ends."""
    body = b""
    headers = {"cfai-emulate": fault}
    with service.http.stream("POST", service.url(LLAMA), json=STREAM, headers=headers) as response:
        assert response.status_code == 200
        try:
            for part in response.iter_raw():
                body += part
        except httpx.TransportError as error:
            return body.count(b"data: "), type(error).__name__
    return body.count(b"data: "), "complete"


@pytest.mark.parametrize(
    ("fault", "status", "code", "message"),
    [
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
    ],
)
def test_errors_come_in_the_inference_envelope(
    service: Service, fault: str, status: int, code: int | None, message: str
) -> None:
    response = service.run(LLAMA, HELLO, fault)
    expected: dict[str, Any] = {"message": f"{message} ({response.headers['cf-ai-req-id']})"}
    if code:
        expected["code"] = code
    assert response.status_code == status
    assert response.json() == {"errors": [expected], "success": False, "result": {}, "messages": []}


STATUSES = {
    400: [1001, 3003, 3030, 3039, 5004, 5006, 5007, 5023, 5024, 7000, 7003, 8001, 8006],
    401: [10000],
    403: [3023, 3041, 5016, 5018, 5035],
    404: [3042],
    405: [5005, 5019, 7001],
    408: [3007, 3008, 3046],
    413: [3006, 5021],
    422: [5012],
    429: [3021, 3036, 3040, 4006],
    500: [8005],
}


@pytest.mark.parametrize(("status", "code"), [(status, code) for status, codes in STATUSES.items() for code in codes])
def test_each_code_has_its_status(service: Service, status: int, code: int) -> None:
    response = service.run(LLAMA, HELLO, f"code={code}")
    assert (response.status_code, response.json()["errors"][0]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("status", "code"), [(403, 5018), (404, 3042), (408, 3046), (413, 3006), (422, 5012), (429, 3040)]
)
def test_a_status_alone_has_its_usual_code(service: Service, status: int, code: int) -> None:
    response = service.run(LLAMA, HELLO, f"status={status}")
    assert (response.status_code, response.json()["errors"][0]["code"]) == (status, code)


def test_the_used_up_allocation_has_the_words_of_the_service(service: Service) -> None:
    response = service.run(LLAMA, HELLO, "code=4006")
    assert response.status_code == 429
    assert "you have used up your daily free allocation of 10,000 neurons" in response.text


def test_edge_errors_come_in_the_edge_envelope(service: Service) -> None:
    response = service.run(LLAMA, HELLO, "status=401")
    assert response.status_code == 401
    errors = [{"code": 10000, "message": "Authentication error"}]
    assert response.json() == {"result": None, "success": False, "errors": errors, "messages": []}


@pytest.mark.parametrize("value", ["2", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_retry_after_goes_out_as_given(service: Service, value: str) -> None:
    service.local.script(Fault(code=3040, retry_after=value))
    assert service.run(LLAMA, HELLO).headers["retry-after"] == value


def test_retry_after_can_stand_in_the_header(service: Service) -> None:
    response = service.run(LLAMA, HELLO, "status=503,retry-after=2")
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")


def test_a_proxys_page_is_html(service: Service) -> None:
    response = service.run(LLAMA, STREAM, "html=502,retry-after=3")
    assert (response.status_code, response.headers["content-type"]) == (502, "text/html; charset=UTF-8")
    assert response.text.startswith("<!DOCTYPE html>")
    assert response.headers["retry-after"] == "3"


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_dropped_stream_lacks_the_end_of_its_body(service: Service, after: int) -> None:
    assert tokens_before_the_end(service, f"drop-after={after}") == (after, "RemoteProtocolError")


def test_a_reset_stream_fails_in_the_middle(service: Service) -> None:
    count, end = tokens_before_the_end(service, "reset-after=3")
    assert (count <= 3, end) == (True, "ReadError")


@pytest.mark.parametrize("after", [0, 2])
def test_a_truncated_stream_ends_well_but_without_done(service: Service, after: int) -> None:
    response = service.run(LLAMA, STREAM, f"truncate-after={after}")
    assert response.text.count("data: ") == after
    assert "[DONE]" not in response.text


def test_a_stream_shorter_than_the_fault_is_whole(service: Service) -> None:
    assert service.run(LLAMA, STREAM, "truncate-after=100000").text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("fault", ["drop-after=3", "reset-after=3"])
def test_a_whole_answer_breaks_off_in_the_middle(service: Service, fault: str) -> None:
    with pytest.raises(httpx.TransportError):
        service.run(LLAMA, HELLO, fault)


def test_a_truncated_whole_answer_is_half_of_it(service: Service) -> None:
    half = service.run(LLAMA, HELLO, "truncate-after=1").content
    assert service.run(LLAMA, HELLO).content.startswith(half)
    assert not half.endswith(b"}")


def test_an_error_event_holds_the_envelope_and_ends_the_stream(service: Service) -> None:
    *tokens, failure = service.events(LLAMA, HELLO, "error-after=2,code=3040")
    assert len(tokens) == 2
    assert list(failure.json) == ["errors", "success", "result", "messages"]
    [error] = failure.json["errors"]
    assert error["code"] == "3040"
    assert error["message"].startswith("AiError: Capacity temporarily exceeded, please try again. (")


@pytest.mark.parametrize("stream", [True, False])
def test_an_error_without_a_code_is_the_lack_of_capacity(service: Service, stream: bool) -> None:
    assert '"code":3040' in service.run(LLAMA, HELLO | {"stream": stream}, "error-after=1").text


def test_the_responses_api_has_an_error_event_of_its_own(service: Service) -> None:
    failure = service.events(OSS, {"input": "hi"}, "error-after=2,code=8005")[-1]
    expected = {"type": "error", "code": "8005", "message": "AiError: Internal server error", "param": None}
    assert (failure.name, failure.json) == ("error", expected)


def test_an_error_in_a_whole_answer_is_its_status(service: Service) -> None:
    response = service.run(LLAMA, HELLO, "error-after=2,code=3046")
    assert (response.status_code, response.json()["errors"][0]["code"]) == (408, 3046)


@pytest.mark.parametrize("inputs", [HELLO, STREAM])
def test_a_content_type_is_that_of_any_answer(service: Service, inputs: dict[str, Any]) -> None:
    plain = service.run(LLAMA, inputs)
    named = service.run(LLAMA, inputs, "content-type=text/plain")
    nameless = service.run(LLAMA, inputs, "content-type=")
    assert named.headers["content-type"] == "text/plain"
    assert "content-type" not in nameless.headers
    assert plain.text[:30] == named.text[:30] == nameless.text[:30]


def test_a_body_is_sent_as_it_is(service: Service) -> None:
    service.local.script(Fault(body=b"\xff\0", content_type="image/png"), Fault(status=418, body=b"[]", retry_after=5))
    image, error = service.run(LLAMA, HELLO), service.run(LLAMA, STREAM)
    assert (image.status_code, image.headers["content-type"], image.content) == (200, "image/png", b"\xff\0")
    assert (error.status_code, error.headers["content-type"], error.content) == (418, "application/json", b"[]")
    assert error.headers["retry-after"] == "5"


def test_raw_bytes_are_all_that_is_sent(service: Service) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="illegal status line"):
        service.run(LLAMA, HELLO, "raw=hello%0D%0A%0D%0A")
    # What follows the bytes is the end of the connection, so the answer says so: nobody is to use it again.
    raw = "HTTP/1.1 299 Fine\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"
    response = service.run(LLAMA, HELLO, f"raw={quote(raw)}")
    assert (response.status_code, response.reason_phrase, response.text) == (299, "Fine", "hi")
    assert list(response.headers) == ["content-length", "connection"]


def test_a_reset_leaves_no_byte(service: Service) -> None:
    with pytest.raises(httpx.ReadError):
        service.run(LLAMA, HELLO, "reset")


def test_hanging_up_leaves_no_byte(service: Service) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        service.run(LLAMA, HELLO, "hang-up")


def test_silence_lasts_until_the_client_leaves_and_is_counted(service: Service) -> None:
    before = service.local.disconnects
    headers = {"cfai-emulate": "silence-after=2"}
    with service.http.stream("POST", service.url(LLAMA), json=STREAM, headers=headers, timeout=0.3) as response:
        parts = response.iter_raw()
        received = b""
        while received.count(b"\n\n") < 2:
            received += next(parts)
        with pytest.raises(httpx.ReadTimeout):
            next(parts)
    assert service.local.wait_for_disconnects(before + 1)


def test_generating_stops_when_the_client_leaves(service: Service) -> None:
    before = service.local.disconnects
    inputs = {"prompt": "write 90000 words", "max_tokens": 30_000, "stream": True}
    with service.http.stream("POST", service.url(LLAMA), json=inputs) as response:
        next(response.iter_raw())
    assert service.local.wait_for_disconnects(before + 1)


@pytest.mark.parametrize("inputs", [HELLO, STREAM])
def test_a_client_that_leaves_a_trickling_body_is_noticed(service: Service, inputs: dict[str, Any]) -> None:
    before = service.local.disconnects
    headers = {"cfai-emulate": "trickle=0.01"}
    with service.http.stream("POST", service.url(LLAMA), json=inputs, headers=headers) as response:
        assert len(next(response.iter_raw())) == 1
    assert service.local.wait_for_disconnects(before + 1)


def test_a_client_that_reads_to_the_end_has_not_left(service: Service) -> None:
    before = service.local.disconnects
    service.run(LLAMA, STREAM)
    assert not service.local.wait_for_disconnects(before + 1, timeout=0.05)


@pytest.mark.parametrize("fault", ["hold", "slow-first=100", "delay=100"])
def test_what_does_not_come_times_out(service: Service, fault: str) -> None:
    with pytest.raises(httpx.ReadTimeout):
        service.run(LLAMA, STREAM, fault, timeout=0.2)


@pytest.mark.parametrize("fault", ["slow-first=100", "hold"])
def test_headers_do_not_wait_for_the_body(service: Service, fault: str) -> None:
    headers = {"cfai-emulate": fault}
    stream = service.http.stream("POST", service.url(LLAMA), json=STREAM, headers=headers, timeout=0.2)
    with stream as response, pytest.raises(httpx.ReadTimeout):
        response.read()


def test_headers_come_after_a_delay(service: Service) -> None:
    request = service.http.build_request("POST", service.url(LLAMA), json=STREAM, timeout=0.2)
    request.headers["cfai-emulate"] = "delay=100"
    with pytest.raises(httpx.ReadTimeout):
        service.http.send(request, stream=True)


def test_a_held_body_has_said_done(service: Service) -> None:
    received = b""
    headers = {"cfai-emulate": "hold"}
    with service.http.stream("POST", service.url(LLAMA), json=STREAM, headers=headers) as response:
        for part in response.iter_raw():
            received += part
            if received.endswith(b"data: [DONE]\n\n"):
                break
    assert received.count(b"[DONE]") == 1


@pytest.mark.parametrize("fault", ["delay=0.01", "slow-first=0.01"])
def test_what_is_late_comes(service: Service, fault: str) -> None:
    assert service.run(LLAMA, STREAM, fault).text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("size", [1, 7])
def test_split_writes_hold_at_most_so_many_bytes(service: Service, size: int) -> None:
    headers = {"cfai-emulate": f"split={size}"}
    with service.http.stream("POST", service.url(LLAMA), json=STREAM, headers=headers) as response:
        parts = list(response.iter_raw())
    assert max(map(len, parts)) == size
    assert len(b"".join(parts).split(b"\n\n")) == len(service.run(LLAMA, STREAM).text.split("\n\n"))


def test_a_stream_can_be_answered_with_the_whole_answer(service: Service) -> None:
    response = service.run(LLAMA, STREAM, "whole")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == service.run(LLAMA, HELLO).json()


def test_a_stream_can_be_answered_with_nothing(service: Service) -> None:
    response = service.run(LLAMA, STREAM, "empty")
    assert response.status_code == 200
    assert response.json() == {"result": {}, "success": True, "errors": [], "messages": []}


def test_a_header_tells_a_sequence_and_starts_over(service: Service) -> None:
    statuses = [service.run(LLAMA, HELLO, "status=503; code=3040 ;ok").status_code for _ in range(6)]
    assert statuses == [503, 429, 200, 503, 429, 200]


def test_sequences_are_not_remembered_without_bound() -> None:
    script = Script()
    for number in range(2000):
        script.next(f"code={number};ok")
    assert len(vars(script)["_header_turns"]) < 1100


def test_scripted_faults_are_met_once_each_and_in_order(service: Service) -> None:
    service.local.script(Fault(status=503), "ok", Fault(code=3040))
    assert service.local.faults == [Fault(status=503), Fault(), Fault(code=3040)]
    assert [service.run(LLAMA, HELLO).status_code for _ in range(4)] == [503, 200, 429, 200]
    assert service.local.faults == []


def test_a_request_with_a_header_leaves_the_script_alone(service: Service) -> None:
    service.local.script(Fault(status=503))
    assert service.run(LLAMA, HELLO, "ok").status_code == 200
    assert service.local.faults == [Fault(status=503)]


def test_a_reset_forgets_the_script(service: Service) -> None:
    service.local.script(Fault(status=503))
    service.local.reset()
    assert service.run(LLAMA, HELLO).status_code == 200


def test_failed_requests_are_received_too(service: Service) -> None:
    service.run(LLAMA, {"prompt": "meant to fail"}, "status=503")
    assert service.local.requests[-1].inputs == {"prompt": "meant to fail"}


@pytest.mark.parametrize("header", ["bogus=1", "status", "status=high", "hold=1", "status=503; bogus"])
def test_a_fault_that_is_not_understood_is_said_so(service: Service, header: str) -> None:
    responses = [service.run(LLAMA, HELLO, header) for _ in range(2)]
    assert responses[-1].status_code == 400
    assert responses[-1].headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("status=503, retry-after=2", Fault(status=503, retry_after="2")),
        ("drop-after=0", Fault(drop_after=0)),
        ("HOLD,slow-first=1.5", Fault(hold=True, slow_first=1.5)),
        ("retry-after=Wed%2C 21 Oct 2026 07:28:00 GMT", Fault(retry_after="Wed, 21 Oct 2026 07:28:00 GMT")),
        ("", Fault()),
    ],
)
def test_the_header_says_what_the_constructor_does(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


def test_a_fault_shows_only_what_was_set() -> None:
    assert repr(Fault(code=3040, hold=True)) == "Fault(code=3040, hold=True)"


def test_other_requests_are_answered_meanwhile(service: Service) -> None:
    headers = {"cfai-emulate": "silence-after=0"}
    with service.http.stream("POST", service.url(LLAMA), json=STREAM, headers=headers):
        began = time.monotonic()
        assert service.run(LLAMA, HELLO).status_code == 200
    assert time.monotonic() - began < 5
