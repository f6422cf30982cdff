"""`run` and `arun`: what is sent, what is known of the call, and the answer as it came."""

from __future__ import annotations

import copy
import json
from contextlib import nullcontext
from typing import Any

import httpx
import pytest

import cfai
from cfai import APIConnectionError, CapacityError, ConfigurationError, InputError, NotFoundError, QuotaExceededError
from tests.bodies import DONE, NATIVE_ANSWER, answering
from tests.conftest import SYNC_AND_ASYNC, Caller, Callers, Serve, Service, row

API = "https://api.cloudflare.com/client/v4"
MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO = {"prompt": "Hello"}


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


def test_what_goes_over_the_wire_is_the_path_as_it_was_built_and_the_token(callers: Callers, serve: Serve) -> None:
    server = serve(answering)
    caller = callers(base_url=server.url)
    for model, path in (
        (MODEL, MODEL),
        ("@cf/a/b?c#d", "@cf/a/b%3Fc%23d"),
        ("@cf/a/%2e%2e/b", "@cf/a/%252e%252e/b"),
        ("@cf/a/b c;é", "@cf/a/b%20c%3B%C3%A9"),
        ("@cf/a/b[1]|^", "@cf/a/b%5B1%5D%7C%5E"),
    ):
        caller.run(model, HELLO)
        line, _, headers = server.requests[-1].partition(b"\r\n")
        assert line == f"POST /client/v4/accounts/{caller.account}/ai/run/{path} HTTP/1.1".encode()
        assert f"\r\nauthorization: bearer {caller.token}\r\n".encode() in headers.lower()


def test_what_cannot_work_is_told_before_anything_is_sent(caller: Caller, service: Service) -> None:
    options: tuple[dict[str, Any], ...] = (
        *({"tags": ["not a tag"]}, {"session_affinity": "a\nb"}, {"gateway": {"id": "g", "unknown": 1}}),
        *({"extra_headers": headers} for headers in ({"x": "a\nb"}, {"authorization": "Bearer mine"})),
        *({"timeout": -1}, {"total_timeout": 0}, {"max_retries": -1}, {"checks": "x"}),
    )
    for model, inputs, option, error in (
        *((model, HELLO, {}, ConfigurationError) for model in ("@cf/../../tokens", "@cf//a", "", "@cf/a\n")),
        *((MODEL, HELLO, option, ConfigurationError) for option in options),
        (MODEL, {"prompt": "x", "image": b"bytes"}, {}, InputError),
        (MODEL, {"prompt": "x", "max_tokens": 10**9}, {"return_raw_response": True}, cfai.LimitError),
    ):
        with row((model, option)), pytest.raises(error):
            caller.run(model, inputs, **option)
        assert not service.requests


def test_inputs_are_never_changed(caller: Caller, service: Service) -> None:
    inputs = {"prompt": "x", "options": {}, "max_tokens": "max", "tools": [{"a": (1, 2)}]}
    before = copy.deepcopy(inputs)
    caller.run(MODEL, inputs, reject_if_busy=True)
    assert inputs == before
    assert isinstance(service.sent["max_tokens"], int)
    assert service.sent["tools"] == [{"a": [1, 2]}]


def test_options_become_query_body_and_headers(caller: Caller, service: Service) -> None:
    options = {"queue_request": True, "tags": ["team:a", "b"], "reject_if_busy": True}
    caller.run(MODEL, HELLO, **options, session_affinity="session-1", extra_headers={"X-Mine": "1"})
    assert service.request.url.raw_path.endswith(b"?queueRequest=true&tags=team:a,b")
    assert service.sent == {"prompt": "Hello", "options": {"rejectIfBusy": True}}
    assert service.request.headers["x-session-affinity"] == "session-1"
    assert service.request.headers["x-mine"] == "1"


def test_a_copy_is_all_that_its_original_is_but_for_what_was_given(callers: Callers, service: Service) -> None:
    caller = callers(default_headers={"X-A": "client", "X-B": "client"}, timeout=30, checks="off")
    caller.run(MODEL, HELLO, extra_headers={"x-b": "call"})
    assert (service.request.headers["x-a"], service.request.headers["x-b"]) == ("client", "call")
    caller.with_options(timeout=20).run(MODEL, {"prompt": "x", "max_tokens": 10**9})
    assert service.request.headers["x-a"] == "client"
    caller.with_options(default_headers={"x-b": "2"}).run(MODEL, HELLO)
    assert "x-a" not in service.request.headers
    assert service.request.headers["x-b"] == "2"
    assert [timeouts["read"] for timeouts in service.timeouts] == [30, 20, 30]


def test_a_client_calls_where_it_was_told_to_and_so_does_a_gateway(callers: Callers, service: Service) -> None:
    callers(base_url="https://ai.example/client/v4/", account_id="mine").run(MODEL, HELLO)
    assert service.url == f"https://ai.example/client/v4/accounts/mine/ai/run/{MODEL}"
    caller = callers()
    caller.run(MODEL, HELLO, gateway={"id": "g", "cache_ttl": 60})
    assert service.url == f"https://gateway.ai.cloudflare.com/v1/{caller.account}/g/workers-ai/{MODEL}"
    assert service.request.headers["cf-aig-cache-ttl"] == "60"
    caller.run(MODEL, HELLO, gateway="my gateway?")
    assert service.request.url.raw_path == f"/v1/{caller.account}/my%20gateway%3F/workers-ai/{MODEL}".encode()
    for each in (caller.with_options(gateway_route="api"), callers(gateway_route="api")):
        each.run(MODEL, HELLO, gateway="g")
        assert service.url == f"{API}/accounts/{caller.account}/ai/run"
        assert service.request.headers["cf-aig-gateway-id"] == "g"
        assert service.sent == {"model": MODEL, "input": HELLO}


def last(caller: Caller) -> tuple[Any, ...]:
    status = (caller.ai.last_request_http_status_code, caller.ai.last_request_internal_status_code)
    return (caller.ai.last_request_id, caller.ai.ai_gateway_log_id, *status)


@SYNC_AND_ASYNC
def test_the_last_call_can_be_asked_about_and_nothing_of_the_one_before(caller: Caller, service: Service) -> None:
    headers = {"cf_ai_req_id": "id-1", "cf_aig_log_id": "log-1"}
    assert last(caller) == (None, None, None, None)
    for answer, error, known in (
        (service.result(NATIVE_ANSWER, **headers), None, ("id-1", "log-1", 200, None)),
        (service.result(NATIVE_ANSWER), None, (None, None, 200, None)),
        (service.error(429, 3036, "used up", **headers), QuotaExceededError, ("id-1", "log-1", 429, 3036)),
        (httpx.ConnectError("refused"), APIConnectionError, (None, None, None, None)),
        (service.error(404, 3042, "x", cf_ai_req_id="id-2"), NotFoundError, ("id-2", None, 404, 3042)),
        (service.error(200, 3040, "no room", **headers), CapacityError, ("id-1", "log-1", 200, 3040)),
        (service.result(NATIVE_ANSWER), None, (None, None, 200, None)),
    ):
        service.answers(answer)
        with row(known), pytest.raises(error) if error else nullcontext():
            caller.run(MODEL, HELLO)
        assert last(caller) == known
    assert last(caller.with_options(timeout=5)) == (None, None, None, None)


@SYNC_AND_ASYNC
def test_the_answer_can_be_had_as_it_came_whatever_its_status(caller: Caller, service: Service) -> None:
    service.answers(service.result(NATIVE_ANSWER, cf_ai_req_id="id-1"))
    response = caller.run(MODEL, HELLO, return_raw_response=True)
    assert (response.status_code, response.is_closed) == (200, True)
    assert response.json()["result"] == NATIVE_ANSWER
    assert last(caller) == ("id-1", None, 200, None)
    for status in (302, 400, 401, 429, 500, 503):
        service.forget()
        service.answers(service.error(status, 5006, "bad"))
        for stream in (False, True):
            with row((status, stream)):
                response = caller.run(MODEL, {**HELLO, "stream": stream}, return_raw_response=True)
                assert response.status_code == caller.ai.last_request_http_status_code == status
                assert json.loads(caller.read(response))["errors"][0]["code"] == 5006
        assert len(service.requests) == 2


@SYNC_AND_ASYNC
def test_a_stream_as_it_came_is_not_read(caller: Caller, service: Service) -> None:
    service.answers(service.events(b'data: {"response":"Hello"}\n\n', DONE))
    response = caller.stream(MODEL, return_raw_response=True)
    assert not response.is_closed
    assert caller.read(response) == b'data: {"response":"Hello"}\n\n' + DONE


def test_the_request_of_an_answer_has_its_body_and_no_credentials(caller: Caller, service: Service) -> None:
    for inputs in (HELLO, {**HELLO, "stream": True}):
        response = caller.run(MODEL, inputs, gateway="g", return_raw_response=True)
        assert b"Hello" in response.request.content
        assert not {"authorization", "cf-aig-authorization"} & {*response.request.headers}
        assert response.request.headers["content-type"] == "application/json"
