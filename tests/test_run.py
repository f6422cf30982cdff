"""`run` and `arun`: what is sent, what is known of the call, and the answer as it came."""

from __future__ import annotations

from typing import Any

import pytest

import cfai
from cfai import (
    CapacityError,
    ConfigurationError,
    InputError,
    NotFoundError,
    QuotaExceededError,
)
from tests.conftest import SYNC_AND_ASYNC, Caller, Callers, Serve, Service

API = "https://api.cloudflare.com/client/v4"
MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO = {"prompt": "Hello"}
NATIVE = {"response": "Hello", "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}


# What is sent


@SYNC_AND_ASYNC
def test_a_call_is_one_post_of_its_inputs(caller: Caller, service: Service) -> None:
    caller.run(MODEL, {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5})
    [request] = service.requests
    assert request.method == "POST"
    assert str(request.url) == f"{API}/accounts/{caller.account}/ai/run/{MODEL}"
    assert request.content == b'{"messages":[{"role":"user","content":"Hello"}],"max_tokens":5}'
    assert request.headers["authorization"] == f"Bearer {caller.token}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == f"cfai/{cfai.__version__}"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (MODEL, MODEL),
        ("@cf/a/b?c#d", "@cf/a/b%3Fc%23d"),
        ("@cf/a/%2e%2e/b", "@cf/a/%252e%252e/b"),
        ("@cf/a/b c;é", "@cf/a/b%20c%3B%C3%A9"),
        ("@cf/a/b[1]|^", "@cf/a/b%5B1%5D%7C%5E"),
    ],
)
def test_what_goes_over_the_wire_is_the_path_as_it_was_built(
    callers: Callers, serve: Serve, model: str, path: str
) -> None:
    server = serve(lambda peer: peer.request() and peer.answer(b'{"result":{}}'))
    callers(base_url=server.url).run(model, HELLO)
    line = server.requests[0].split(b"\r\n")[0]
    assert line == f"POST /client/v4/accounts/{callers().account}/ai/run/{path} HTTP/1.1".encode()


def test_the_token_goes_over_the_wire(callers: Callers, serve: Serve) -> None:
    server = serve(lambda peer: peer.request() and peer.answer(b'{"result":{}}'))
    caller = callers(base_url=server.url)
    caller.run(MODEL, HELLO)
    assert f"\r\nauthorization: bearer {caller.token}\r\n".encode() in server.requests[0].lower()


@pytest.mark.parametrize("model", ["@cf/../../tokens", "@cf//a", "", "@cf/a\n"])
def test_a_model_that_could_leave_its_place_is_not_called(caller: Caller, service: Service, model: str) -> None:
    with pytest.raises(ConfigurationError):
        caller.run(model, HELLO)
    assert not service.requests


def test_inputs_that_cannot_be_sent_are_not(caller: Caller, service: Service) -> None:
    with pytest.raises(InputError, match="image"):
        caller.run(MODEL, {"prompt": "x", "image": b"bytes"})
    assert not service.requests


def test_inputs_are_never_changed(caller: Caller, service: Service) -> None:
    inputs = {"prompt": "x", "options": {}, "max_tokens": "max"}
    caller.run(MODEL, inputs, reject_if_busy=True)
    assert inputs == {"prompt": "x", "options": {}, "max_tokens": "max"}
    assert isinstance(service.sent["max_tokens"], int)


def test_options_become_query_body_and_headers(caller: Caller, service: Service) -> None:
    caller.run(
        MODEL,
        HELLO,
        queue_request=True,
        tags=["team:a", "b"],
        session_affinity="session-1",
        reject_if_busy=True,
        extra_headers={"X-Mine": "1"},
    )
    assert service.request.url.raw_path.endswith(b"?queueRequest=true&tags=team:a,b")
    assert service.sent == {"prompt": "Hello", "options": {"rejectIfBusy": True}}
    assert service.request.headers["x-session-affinity"] == "session-1"
    assert service.request.headers["x-mine"] == "1"


@pytest.mark.parametrize(
    "options",
    [
        {"tags": ["not a tag"]},
        {"extra_headers": {"x": "a\nb"}},
        {"extra_headers": {"authorization": "Bearer mine"}},
        {"session_affinity": "a\nb"},
        {"gateway": {"id": "g", "unknown": 1}},
        {"timeout": -1},
        {"total_timeout": 0},
        {"max_retries": -1},
        {"checks": "x"},
    ],
)
def test_options_that_cannot_work_are_told_before_anything_is_sent(
    caller: Caller, service: Service, options: Any
) -> None:
    with pytest.raises(ConfigurationError):
        caller.run(MODEL, HELLO, **options)
    assert not service.requests


def test_headers_of_the_client_go_with_every_call(callers: Callers, service: Service) -> None:
    caller = callers(default_headers={"X-A": "client", "X-B": "client"})
    caller.run(MODEL, HELLO, extra_headers={"x-b": "call"})
    assert (service.request.headers["x-a"], service.request.headers["x-b"]) == ("client", "call")


def test_a_copy_can_have_headers_of_its_own(callers: Callers, service: Service) -> None:
    caller = callers(default_headers={"x-a": "1"})
    caller.with_options(default_headers={"x-b": "2"}).run(MODEL, HELLO)
    assert "x-a" not in service.request.headers
    assert service.request.headers["x-b"] == "2"


def test_a_gateway_is_reached_at_its_host(caller: Caller, service: Service) -> None:
    caller.run(MODEL, HELLO, gateway={"id": "g", "cache_ttl": 60})
    assert service.url == f"https://gateway.ai.cloudflare.com/v1/{caller.account}/g/workers-ai/{MODEL}"
    assert service.request.headers["cf-aig-cache-ttl"] == "60"


def test_or_by_a_header_at_the_apis_host(callers: Callers, service: Service) -> None:
    caller = callers(gateway_route="api")
    caller.run(MODEL, HELLO, gateway="g")
    assert service.url == f"{API}/accounts/{caller.account}/ai/run"
    assert service.request.headers["cf-aig-gateway-id"] == "g"
    assert service.sent == {"model": MODEL, "input": HELLO}


def test_a_copy_can_reach_it_in_the_other_way(caller: Caller, service: Service) -> None:
    caller.with_options(gateway_route="api").run(MODEL, HELLO, gateway="g")
    assert service.request.headers["cf-aig-gateway-id"] == "g"


def test_a_base_url_of_its_own_is_where_calls_go(callers: Callers, service: Service) -> None:
    callers(base_url="https://ai.example/client/v4/", account_id="mine").run(MODEL, HELLO)
    assert service.url == f"https://ai.example/client/v4/accounts/mine/ai/run/{MODEL}"


# What is known of the last call


def last(caller: Caller) -> tuple[Any, ...]:
    ai = caller.ai
    return (
        ai.last_request_id,
        ai.ai_gateway_log_id,
        ai.last_request_http_status_code,
        ai.last_request_internal_status_code,
    )


def test_before_the_first_call_nothing_is_known(caller: Caller) -> None:
    assert last(caller) == (None, None, None, None)


@SYNC_AND_ASYNC
def test_the_last_call_can_be_asked_about(caller: Caller, service: Service) -> None:
    service.answers(service.result(NATIVE, cf_ai_req_id="id-1", cf_aig_log_id="log-1"))
    caller.run(MODEL, HELLO)
    assert last(caller) == ("id-1", "log-1", 200, None)


def test_the_last_call_is_known_after_an_error(caller: Caller, service: Service) -> None:
    service.answers(service.error(429, 3036, "used up", cf_ai_req_id="id-2", cf_aig_log_id="log-2"))
    with pytest.raises(QuotaExceededError):
        caller.run(MODEL, HELLO)
    assert last(caller) == ("id-2", "log-2", 429, 3036)


def test_the_last_call_is_known_after_an_error_under_a_200(caller: Caller, service: Service) -> None:
    service.answers(service.error(200, 3040, "no room", cf_ai_req_id="id-2"))
    with pytest.raises(CapacityError):
        caller.run(MODEL, HELLO)
    assert last(caller) == ("id-2", None, 200, 3040)


def test_the_next_call_leaves_nothing_of_it(caller: Caller, service: Service) -> None:
    service.answers(service.error(404, 3042, "x", cf_ai_req_id="id-1", cf_aig_log_id="log-1"), service.result(NATIVE))
    with pytest.raises(NotFoundError):
        caller.run(MODEL, HELLO)
    caller.run(MODEL, HELLO)
    assert last(caller) == (None, None, 200, None)


def test_a_copy_remembers_its_own_calls(caller: Caller, service: Service) -> None:
    service.answers(service.result(NATIVE, cf_ai_req_id="id-1"))
    caller.run(MODEL, HELLO)
    copy = caller.with_options(timeout=5)
    assert last(copy) == (None, None, None, None)


# The answer as it came


@SYNC_AND_ASYNC
def test_the_answer_can_be_had_as_it_came(caller: Caller, service: Service) -> None:
    service.answers(service.result(NATIVE, cf_ai_req_id="id-1"))
    response = caller.run(MODEL, HELLO, return_raw_response=True)
    assert response.status_code == 200
    assert response.is_closed
    assert response.json()["result"] == NATIVE
    assert last(caller) == ("id-1", None, 200, None)


@SYNC_AND_ASYNC
@pytest.mark.parametrize("status", [302, 400, 401, 429, 500, 503])
def test_whatever_its_status(caller: Caller, service: Service, status: int) -> None:
    service.answers(service.error(status, 5006, "bad"))
    response = caller.run(MODEL, HELLO, return_raw_response=True)
    assert response.status_code == status
    assert response.json()["errors"][0]["code"] == 5006
    assert len(service.requests) == 1
    assert caller.ai.last_request_http_status_code == status


@SYNC_AND_ASYNC
def test_a_stream_as_it_came_is_not_read(caller: Caller, service: Service) -> None:
    service.answers(service.events(b'data: {"response":"Hello"}\n\n', b"data: [DONE]\n\n"))
    response = caller.stream(MODEL, return_raw_response=True)
    assert not response.is_closed
    assert caller.read(response) == b'data: {"response":"Hello"}\n\ndata: [DONE]\n\n'


def test_a_bad_status_of_a_stream_does_not_raise_either(caller: Caller, service: Service) -> None:
    service.answers(service.error(500, 8005, "broken"))
    response = caller.stream(MODEL, return_raw_response=True)
    assert response.status_code == 500
    assert b"broken" in caller.read(response)


def test_an_answer_as_it_came_has_no_credentials(caller: Caller, service: Service) -> None:
    response = caller.run(MODEL, HELLO, gateway="g", return_raw_response=True)
    assert "authorization" not in response.request.headers
    assert "cf-aig-authorization" not in response.request.headers
    assert response.request.headers["content-type"] == "application/json"


def test_limits_are_checked_all_the_same(caller: Caller, service: Service) -> None:
    with pytest.raises(cfai.LimitError):
        caller.run(MODEL, {"prompt": "x", "max_tokens": 10**9}, return_raw_response=True)
    assert not service.requests


@pytest.mark.parametrize("inputs", [HELLO, {**HELLO, "stream": True}])
def test_the_request_of_an_answer_has_its_body_and_no_credentials(
    callers: Callers, service: Service, inputs: Any
) -> None:
    response = callers().run(MODEL, inputs, return_raw_response=True)
    assert b"Hello" in response.request.content
    assert "authorization" not in response.request.headers
