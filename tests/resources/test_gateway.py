"""`ai.gateway(id)`: what it sends and reads, by the binding's own tests, and over the emulator."""

from __future__ import annotations

import copy
import gc
import json
import math
import pickle
import traceback
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
import respx

from cfai import (
    Ai,
    AiGateway,
    AiGatewayInternalError,
    AiGatewayLogNotFound,
    AiInternalError,
    APIResponseValidationError,
    AsyncStream,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    InferenceUpstreamError,
    InputError,
    NotFoundError,
    Stream,
)
from cfai.local import Emulator
from cfai.types import ChatCompletion, MessagesOutput, NativeText
from tests.conftest import ACCOUNT, TOKEN, row
from tests.resources.conftest import Invoke

API = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai-gateway/gateways/my-gateway"
HOST = f"https://gateway.ai.cloudflare.com/v1/{ACCOUNT}/my-gateway"
LLAMA = "@cf/meta/llama-3.1-8b-instruct"
GLM = "@cf/zai-org/glm-4.7-flash"
SMALL = "@cf/meta/llama-3.2-1b-instruct"
KEY = "a-key-of-a-provider-0123456789"
HELLO = {"messages": [{"role": "user", "content": "hello"}]}
CREDENTIALS = {"Authorization": "Bearer abcde", "Content-Type": "application/json"}
STEP: dict[str, Any] = {
    "provider": "workers-ai",
    "endpoint": LLAMA,
    "headers": CREDENTIALS,
    "query": {"prompt": "What is Cloudflare?"},
}
OWN = {"content-type", "content-length", "cf-aig-authorization", "accept", "accept-encoding", "user-agent", "host"}
OWN |= {"connection"}
"""The headers of each call that are not the gateway's options."""
LOG: dict[str, Any] = {
    "cached": False,
    "created_at": "2019-08-24T14:15:22Z",
    "custom_cost": True,
    "duration": 0,
    "id": "my-log-123",
    "metadata": "string",
    "model": "string",
    "model_type": "string",
    "path": "string",
    "provider": "string",
    "request_content_type": "string",
    "request_head": "string",
    "request_head_complete": True,
    "request_size": 0,
    "request_type": "string",
    "response_content_type": "string",
    "response_head": "string",
    "response_head_complete": True,
    "response_size": 0,
    "status_code": 0,
    "step": 0,
    "success": True,
    "tokens_in": 0,
    "tokens_out": 0,
    "cost": 0,
}
"""A log as the runtime's own tests have one."""


@pytest.fixture
def gateway(remote: Ai) -> AiGateway:
    return remote.gateway("my-gateway")


@pytest.fixture
def local_gateway(ai: Ai) -> AiGateway:
    return ai.gateway("my-gateway")


def sent(route: respx.Route) -> Any:
    return json.loads(route.calls.last.request.content)


def own_headers(route: respx.Route) -> dict[str, str]:
    """Return the headers of the last request but those that every request has."""
    return {name: value for name, value in route.calls.last.request.headers.items() if name not in OWN}


# Addresses


@respx.mock
def test_an_address_is_asked_for_and_read_in_both_of_its_forms(gateway: AiGateway, invoke: Invoke) -> None:
    for provider, path in (("openai", "openai"), (None, "universal"), ("a b", "a%20b")):
        for result in (f"{HOST}/x", {"url": f"{HOST}/x"}):
            with row((provider, result)):
                route = respx.get(f"{API}/url/{path}").respond(json={"success": True, "result": result})
                assert invoke(gateway, "get_url", *([] if provider is None else [provider])) == f"{HOST}/x"
                assert route.calls.last.request.headers["authorization"] == f"Bearer {TOKEN}"
    for result in (None, {}, 5, ""):
        respx.get(f"{API}/url/openai").respond(json={"success": True, "result": result})
        with row(result), pytest.raises(APIResponseValidationError, match="the result must be an address"):
            invoke(gateway, "get_url", "openai")


@respx.mock
def test_an_address_that_is_refused_has_the_name_that_the_binding_has_for_it(
    gateway: AiGateway, invoke: Invoke
) -> None:
    rows: list[tuple[int, type[Exception]]] = [
        (500, AiGatewayInternalError),
        (404, NotFoundError),
        (401, AuthenticationError),
    ]
    for status, kind in rows:
        respx.get(f"{API}/url/openai").respond(status, json={"errors": [{"message": "no"}]})
        with row(status), pytest.raises(kind, match="no ") as caught:
            invoke(gateway, "get_url", "openai")
        assert getattr(caught.value, "name", "") == "AiGatewayInternalError"
        assert not isinstance(caught.value, AiGatewayLogNotFound)


def test_ids_are_checked_before_anything_is_sent(gateway: AiGateway, invoke: Invoke) -> None:
    bad: list[Any] = ["", "..", 7]
    for id in bad:
        with row(id), pytest.raises(ConfigurationError, match=f"'id' of the gateway, .* got {id!r}"):
            Ai(account_id=ACCOUNT, api_token=TOKEN).gateway(id)
        with row(id), pytest.raises(ConfigurationError, match=f"an id must be a string without '/', .* got {id!r}"):
            invoke(gateway, "get_log", id)
    with pytest.raises(ConfigurationError, match="'id' of the gateway, 1 to 64 characters without '/', such"):
        Ai(account_id=ACCOUNT, api_token=TOKEN).gateway("a/b")
    for method, changes in (("get_log", {}), ("patch_log", {"feedback": 1})):
        with row(method), pytest.raises(ConfigurationError, match="got None: a call through no gateway has none"):
            invoke(gateway, method, None, **changes)
    with pytest.raises(ConfigurationError, match=r"an id must be a string without '/', .* got one with '/'"):
        invoke(gateway, "get_url", "a/b")
    assert repr(gateway) == "AiGateway('my-gateway')"


# Logs


@respx.mock
def test_a_log_is_the_record_with_its_date_as_one(gateway: AiGateway, invoke: Invoke) -> None:
    respx.get(f"{API}/logs/my-log-123").respond(json={"success": True, "result": LOG})
    log = invoke(gateway, "get_log", "my-log-123")
    assert dict(log) == {**LOG, "created_at": datetime(2019, 8, 24, 14, 15, 22, tzinfo=UTC)}
    assert (log.cached, log.model, log.metadata) == (False, "string", "string")


@respx.mock
def test_a_date_of_a_log_without_a_zone_is_in_utc(gateway: AiGateway, invoke: Invoke) -> None:
    for date in ("2019-08-24 14:15:22", "2019-08-24T14:15:22Z", "2019-08-24T16:15:22+02:00"):
        respx.get(f"{API}/logs/x").respond(json={"success": True, "result": {**LOG, "created_at": date}})
        with row(date):
            assert invoke(gateway, "get_log", "x").created_at == datetime(2019, 8, 24, 14, 15, 22, tzinfo=UTC)


@respx.mock
def test_a_log_is_read_whatever_it_lacks_or_has_besides(gateway: AiGateway, invoke: Invoke) -> None:
    rows: list[dict[str, Any]] = [{}, dict.fromkeys(LOG), {**LOG, "metadata": {"a": 1}, "new": [1], "duration": 0.5}]
    rows[1]["id"] = "x"
    for result in rows:
        respx.get(f"{API}/logs/x").respond(json={"success": True, "result": result})
        with row(result):
            assert {**invoke(gateway, "get_log", "x"), "created_at": None} == {**result, "created_at": None}


@respx.mock
def test_errors_of_logs_have_the_names_of_the_binding(gateway: AiGateway, invoke: Invoke) -> None:
    rows: list[tuple[httpx.Response, type[InferenceUpstreamError], str]] = [
        (httpx.Response(404, json={"errors": [{"code": 7002, "message": "Not Found"}]}), AiGatewayLogNotFound,
         "AiGatewayLogNotFound: Not Found "),
        (httpx.Response(404, json={"errors": []}), AiGatewayLogNotFound, "Log Not Found"),
        (httpx.Response(404, json={"errors": [{"code": 7002, "message": ""}]}), AiGatewayLogNotFound,
         r"Log Not Found \(status 404, request id req-1\)\. What to do: check the id"),
        (httpx.Response(500, json={"errors": [{"code": 7002, "message": "Internal Error"}]}), AiGatewayInternalError,
         r"AiGatewayInternalError: Internal Error \(status 500, request id req-1\)\. What to do: try again"),
        (httpx.Response(500, json={"errors": []}), AiGatewayInternalError, "AiGatewayInternalError: Internal Error "),
        (httpx.Response(404, text="no such page"), AiGatewayInternalError, "no such page"),
        (httpx.Response(404, json={"message": "no such page"}), AiGatewayInternalError, "no such page"),
        (httpx.Response(500, text="it broke"), AiGatewayInternalError, "it broke"),
        (httpx.Response(204), APIResponseValidationError, "cannot be read"),
        (httpx.Response(403, json={"errors": [{"code": 10000, "message": "no"}]}), AuthenticationError, "no"),
    ]  # fmt: skip
    for response, kind, said in rows:
        response.headers.update({"cf-ai-req-id": "req-1", "retry-after": "7"})
        route = respx.route(url=f"{API}/logs/x").mock(return_value=response)
        with row((response, response.content)):
            with pytest.raises(kind, match=said) as caught:
                invoke(gateway, "get_log", "x")
            if kind is not APIResponseValidationError:
                assert caught.value.name == (kind.__name__ if "AiG" in kind.__name__ else "AiGatewayInternalError")
                assert caught.value.status_code == response.status_code
                assert (caught.value.request_id, caught.value.retry_after) == ("req-1", 7)
                assert caught.value.retryable == (response.status_code == 500)
                assert caught.value.headers["cf-ai-req-id"] == "req-1"
                is_json = response.content.startswith(b"{")
                assert caught.value.body == (response.json() if is_json else response.text)
                with pytest.raises(kind, match=said):
                    invoke(gateway, "patch_log", "x", feedback=-1)
                assert route.calls.last.request.method == "PATCH"


@respx.mock
def test_a_patch_has_what_was_given_and_null_where_none_was(gateway: AiGateway, invoke: Invoke) -> None:
    rows: list[dict[str, Any]] = [
        {"feedback": -1},
        {"feedback": 1, "score": 0.5},
        {"feedback": np.int64(-1), "score": np.float32(0.5)},
        {"feedback": None},
        {"score": None, "metadata": None},
        {"metadata": {"a": 1, "b": True, "c": "x"}},
        {"score": 0},
        {"metadata": {}},
    ]
    for given in rows:
        for answer in ({"json": {"success": True, "result": {}}}, {}):
            route = respx.patch(f"{API}/logs/x").respond(**answer)
            with row(given):
                assert invoke(gateway, "patch_log", "x", **given) is None
                assert sent(route) == given


@respx.mock
def test_what_no_log_can_have_is_refused_before_it_is_sent(gateway: AiGateway, invoke: Invoke) -> None:
    rows: list[tuple[dict[str, Any], str]] = [
        ({}, "a log must get `feedback`, `score` or `metadata`"),
        *(({"feedback": value}, "`feedback` must be 1, -1 or None, got") for value in (0, 2, True, "1", [1])),
        *(({"score": value}, "`score` must be a number or None, got") for value in ("0.5", True, {})),
        *(
            ({"metadata": value}, "`metadata` must be a dict of strings, numbers and")
            for value in ("a", {"a": {}}, {"a": [1]})
        ),
    ]
    for given, said in rows:
        with row(given), pytest.raises(ConfigurationError, match=said):
            invoke(gateway, "patch_log", "x", **given)
    with pytest.raises(InputError, match="a"):
        invoke(gateway, "patch_log", "x", metadata={"a": b"x"})


@respx.mock
def test_logs_are_listed_by_filters_page_after_page(gateway: AiGateway, invoke: Invoke) -> None:
    pages = [{"result": [{"id": str(number)} for number in range(50)]}, {"result": [{"id": "last"}]}]
    route = respx.get(f"{API}/logs").mock(side_effect=[httpx.Response(200, json=page) for page in pages])
    since = datetime(2026, 11, 30, tzinfo=UTC)
    logs = invoke(gateway, "list_logs", success=True, start_date=since, order_by="model")
    assert [log.id for log in logs][-1] == "last"
    assert dict(route.calls[0].request.url.params) == {
        "success": "true",
        "start_date": "2026-11-30T00:00:00+00:00",
        "order_by": "model",
        "page": "1",
        "per_page": "50",
    }
    assert route.calls[1].request.url.params["page"] == "2"
    with pytest.raises(ConfigurationError, match="there is no filter 'sucess', known are search, success"):
        invoke(gateway, "list_logs", sucess=True)
    for feedback in (-1, 2, True, "1"):
        with row(feedback), pytest.raises(ConfigurationError, match=r"must be 1, or 0 for what .* -1, got"):
            invoke(gateway, "list_logs", feedback=feedback)
    local = datetime(2026, 11, 30, 12)
    for date in (local, local.astimezone(timezone(timedelta(hours=5)))):
        route.mock(return_value=httpx.Response(200, json={"result": []}))
        invoke(gateway, "list_logs", end_date=date)
        assert route.calls.last.request.url.params["end_date"] == local.astimezone(UTC).isoformat()
    respx.get(f"{API}/logs").respond(500, text="it broke")
    with pytest.raises(AiGatewayInternalError, match="it broke"):
        invoke(gateway, "list_logs")


# Calls of one provider after the other, as the runtime's tests have them


@respx.mock
def test_one_step_is_a_list_with_its_headers_as_text(gateway: AiGateway, invoke: Invoke) -> None:
    route = respx.post(HOST).respond(json={"response": "x"})
    headers = {
        **CREDENTIALS,
        "cf-aig-metadata": {"user": 123},
        "cf-aig-custom-cost": {"total_cost": 1.22},
        "cf-aig-skip-cache": False,
        "cf-aig-cache-ttl": 123,
    }
    step = {**STEP, "headers": headers}
    before = copy.deepcopy(step)
    for steps in (step, [step], (step,), iter([step])):
        invoke(gateway, "run", steps)
        texts = {
            **CREDENTIALS,
            "cf-aig-metadata": '{"user":123}',
            "cf-aig-custom-cost": '{"total_cost":1.22}',
            "cf-aig-skip-cache": "false",
            "cf-aig-cache-ttl": "123",
        }
        assert sent(route) == [{**STEP, "headers": texts}]
        assert list(sent(route)[0]) == ["provider", "endpoint", "headers", "query"]
        assert route.calls.last.request.headers["content-length"] == "322"
        assert own_headers(route) == {}
        assert route.calls.last.request.headers["cf-aig-authorization"] == f"Bearer {TOKEN}"
        assert step == before


@respx.mock
def test_options_of_the_gateway_are_headers_of_the_call_and_not_of_its_steps(
    gateway: AiGateway, invoke: Invoke
) -> None:
    route = respx.post(HOST).respond(json={"response": "x"})
    for options in ({"skip_cache": False, "cache_ttl": 123}, {"skipCache": False, "cacheTtl": 123}):
        invoke(gateway, "run", STEP, **options, extra_headers={"x-custom": "stuff"})
        assert own_headers(route) == {"cf-aig-skip-cache": "false", "cf-aig-cache-ttl": "123", "x-custom": "stuff"}
        assert route.calls.last.request.headers["content-length"] == "189"
        assert sent(route) == [STEP]


@respx.mock
def test_every_option_has_its_header_and_what_the_binding_leaves_out_is_left_out(
    gateway: AiGateway, invoke: Invoke
) -> None:
    route = respx.post(HOST).respond(json={"response": "x"})
    retries = {"maxAttempts": 3, "retryDelayMs": 250, "backoff": "exponential"}
    rows: list[tuple[dict[str, Any], dict[str, str]]] = [
        ({"cache_ttl": 0, "cache_key": ""}, {}),
        ({"collectLog": False, "skipCache": False}, {"collect-log": "false", "skip-cache": "false"}),
        ({"retries": retries}, {"max-attempts": "3", "retry-delay": "250", "backoff": "exponential"}),
        ({"requestTimeoutMs": 500, "eventId": "e"}, {"request-timeout": "500", "event-id": "e"}),
        ({"metadata": {}}, {"metadata": "{}"}),
        ({"metadata": {"a": 1, "b": "é"}, "cache_key": "k"}, {"metadata": '{"a":1,"b":"\\u00e9"}', "cache-key": "k"}),
        ({"zdr": True, "byok_alias": "mine"}, {"zdr": "true", "byok-alias": "mine"}),
        ({"extra_headers": {"cf-aig-cache-ttl": "60"}, "cache_ttl": 90}, {"cache-ttl": "60"}),
    ]
    for options, headers in rows:
        with row(options):
            invoke(gateway, "run", STEP, **options)
            assert own_headers(route) == {f"cf-aig-{name}": value for name, value in headers.items()}
    invoke(gateway, "run", STEP, token="for-the-gateway")
    assert route.calls.last.request.headers["cf-aig-authorization"] == "Bearer for-the-gateway"


@respx.mock
def test_headers_of_steps_are_text_null_and_nothing_else(gateway: AiGateway, invoke: Invoke) -> None:
    route = respx.post(HOST).respond(json={})
    headers = {"a": None, "b": 1.5, "c": 2.0, "d": True, "e": [1, {"f": None}], "g": "text", "h": {}}
    invoke(gateway, "run", {"provider": "openai", "endpoint": "x", "headers": headers, "config": {"maxAttempts": 2}})
    texts = {"a": None, "b": "1.5", "c": "2", "d": "true", "e": '[1,{"f":null}]', "g": "text", "h": "{}"}
    assert sent(route) == [{"provider": "openai", "endpoint": "x", "headers": texts, "config": {"maxAttempts": 2}}]
    invoke(gateway, "run", {"provider": "openai", "endpoint": "x"})
    assert sent(route) == [{"provider": "openai", "endpoint": "x"}]


@respx.mock
def test_the_token_goes_into_steps_of_workers_ai_that_have_none_if_it_is_to(gateway: AiGateway, invoke: Invoke) -> None:
    route = respx.post(HOST).respond(json={})
    bare = {"provider": "workers-ai", "endpoint": LLAMA, "query": {}}
    own = {**bare, "headers": {"authorization": "Bearer mine"}}
    foreign = {"provider": "openai", "endpoint": "x", "query": {}}
    invoke(gateway, "run", [bare, own, foreign], authorize=True)
    assert sent(route) == [{**bare, "headers": {"Authorization": f"Bearer {TOKEN}"}}, own, foreign]
    invoke(gateway, "run", [bare, own, foreign])
    assert sent(route) == [bare, own, foreign]


@respx.mock
def test_what_is_no_step_is_refused_before_it_is_sent(gateway: AiGateway, invoke: Invoke) -> None:
    route = respx.post(HOST).respond(json={})
    nested: list[Any] = []
    nested.append(nested)
    rows: list[tuple[Any, type[Exception], str]] = [
        ("openai", ConfigurationError, "`steps` must be a dict with 'provider', or a list of such dicts, got 'openai'"),
        (5, ConfigurationError, "`steps` must be a dict with 'provider', or a list of such dicts, got 5"),
        ([], ConfigurationError, "`steps` must hold at least one step"),
        ([STEP, "x"], ConfigurationError, r"steps\[1\] must be a dict with 'provider', got 'x'"),
        ({**STEP, "provider": None}, ConfigurationError, r"steps\[0\] must have 'provider', a string, got None"),
        ({"provider": "x"}, ConfigurationError, r"steps\[0\] must have 'endpoint', a string, got None"),
        ({**STEP, "headers": [TOKEN]}, ConfigurationError, r"steps\[0\]\['headers'\] must be a dict, got list"),
        ({**STEP, "headers": {"a": b"x"}}, InputError, r"steps\[0\]\['headers'\]\['a'\]: bytes cannot be sent"),
        ({**STEP, "query": {"a": {1}}}, InputError, r"steps\[0\]\['query'\]\['a'\]"),
        ({**STEP, "query": {"a": math.nan}}, InputError, r"steps\[0\]\['query'\]\['a'\]"),
        ({**STEP, "query": {"a": nested}}, InputError, "steps"),
        ({**STEP, "query": {"a": "\ud800"}}, InputError, r"steps\[0\]\['query'\]\['a'\]: the text has half"),
        ({**STEP, "headers": {"a": math.nan}}, InputError, r"steps\[0\]\['headers'\]\['a'\]"),
        ({**STEP, "headers": {"a": nested}}, InputError, "steps"),
    ]
    for steps, kind, said in rows:
        with row(steps), pytest.raises(kind, match=said) as caught:
            invoke(gateway, "run", steps, authorize=True)
        frames = [frame for frame, _ in traceback.walk_tb(caught.tb) if "/cfai/_" in frame.f_code.co_filename]
        assert [frame for frame in frames if TOKEN in repr(frame.f_locals)] == []
    for options, said in (
        ({"cache_ttl": "x"}, "gateway cache_ttl must be a whole number"),
        ({"extra_headers": {"authorization": "x"}}, "extra_headers may not set 'authorization'"),
        ({"authorize": "yes"}, "`authorize` must be True or False"),
        ({"skip_cash": True}, "no option 'skip_cash'"),
    ):
        with row(options), pytest.raises(ConfigurationError, match=said):
            invoke(gateway, "run", STEP, **options)
    assert not route.called


@respx.mock
def test_a_raw_response_is_given_whatever_its_status(gateway: AiGateway, invoke: Invoke) -> None:
    for count, status in enumerate((200, 400, 401, 404, 429, 500, 503), 1):
        route = respx.post(HOST).respond(status, json={"success": False, "error": [{"code": 2001, "message": "no"}]})
        response = invoke(gateway, "run", STEP)
        assert (response.status_code, response.json()["error"][0]["code"]) == (status, 2001)
        assert route.call_count == count  # none is sent again
        assert b"Bearer" not in pickle.dumps(response) + response.request.read()


@respx.mock
def test_a_call_that_is_given_up_ends(gateway: AiGateway) -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        started.set()
        await anyio.sleep_forever()
        raise AssertionError

    async def main() -> None:
        with anyio.CancelScope() as given_up:
            given_up.cancel()
            await gateway.arun(STEP)  # type: ignore[arg-type]
        assert given_up.cancelled_caught
        assert not route.called
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gateway.arun, STEP)
            await started.wait()
            tasks.cancel_scope.cancel()

    route = respx.post(HOST).mock(side_effect=hang)
    for backend in ("asyncio", "trio"):
        started = anyio.Event()
        with row(backend):
            anyio.run(main, backend=backend)
        route.reset()


# What the step that answered comes to


@respx.mock
def test_an_answer_is_that_of_the_step_that_the_gateway_names(gateway: AiGateway, invoke: Invoke) -> None:
    claude = {"provider": "anthropic", "endpoint": "v1/messages", "query": {"model": "claude-haiku-4-5"}}
    message = {"type": "message", "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn"}
    chat = {"choices": [{"message": {"content": "Hello"}}]}
    rows: list[tuple[dict[str, Any], str | None, type[Any], str]] = [
        ({"response": "Hello"}, None, NativeText, LLAMA),
        ({"response": "Hello"}, "0", NativeText, LLAMA),
        ({"result": {"response": "Hello"}, "success": True, "errors": [], "messages": []}, "9", NativeText, LLAMA),
        (message, "1", MessagesOutput, "anthropic/claude-haiku-4-5"),
        (chat, "2", ChatCompletion, "openai/responses"),
        (chat, "3", ChatCompletion, LLAMA),
    ]
    steps = [STEP, claude, {"provider": "openai", "endpoint": "responses"}, {**STEP, "endpoint": f"run/{LLAMA}"}]
    for body, number, kind, model in rows:
        headers = {"cf-aig-log-id": "log-1", **({} if number is None else {"cf-aig-step": number})}
        respx.post(HOST).respond(json=body, headers=headers)
        with row((kind, number)):
            answer = invoke(gateway, "run", steps, return_raw_response=False)
            assert (type(answer), answer.text, answer.meta.model) == (kind, "Hello", model)
            assert (answer.meta.gateway_log_id, answer.meta.gateway_step) == ("log-1", number and int(number))
    respx.post(HOST).respond(json={"response": [{"id": 0, "score": 0.9}]})
    query = {"query": "water", "contexts": [{"text": "a river"}]}
    step = {**STEP, "endpoint": "@cf/baai/bge-reranker-base", "query": query}
    answer = invoke(gateway, "run", step, return_raw_response=False)
    assert answer.ranking[0].score == 0.9


@respx.mock
def test_an_answer_that_is_an_error_is_raised_where_it_is_read(gateway: AiGateway, invoke: Invoke) -> None:
    rows: list[tuple[int, Any, type[InferenceUpstreamError], str]] = [
        (400, {"success": False, "error": [{"code": 2001, "message": "no gateway"}]}, BadRequestError, "no gateway"),
        (401, {"success": False, "error": [{"code": 2009, "message": "no"}]}, AuthenticationError, "2009"),
        (400, {"error": {"message": f"key {TOKEN}"}}, BadRequestError, r"key \[removed\]"),
        (200, {"error": {"message": f"key {KEY}"}}, AiInternalError, r"key \[removed\]"),
        (400, {"error": {"message": f"key {KEY}"}}, BadRequestError, r"key \[removed\]"),
    ]
    for status, body, kind, said in rows:
        respx.post(HOST).respond(status, json=body)
        step = {**STEP, "headers": {"x-api-key": KEY}}
        with row(body), pytest.raises(kind, match=said) as caught:
            invoke(gateway, "run", step, return_raw_response=False)
        assert caught.value.model == ("" if caught.value.code == 2009 else LLAMA), "no step was called"
        assert KEY not in f"{caught.value.body} {caught.value.headers}"


@respx.mock
def test_a_refused_key_is_blamed_on_whose_it_is(gateway: AiGateway, invoke: Invoke) -> None:
    steps = [{"provider": "openai", "endpoint": "responses", "headers": {"authorization": KEY}}, STEP]
    rows = [
        ("0", r"What to do: check the key of openai, in the headers of steps\[0\] or stored in the gateway\.$"),
        ("1", "check the token: it needs .*Workers AI Read and Edit"),
        ("2", "check the token"),
        (None, "check the token"),
    ]
    for number, said in rows:
        headers = {} if number is None else {"cf-aig-step": number}
        respx.post(HOST).respond(401, json={"error": {"message": "Incorrect API key"}}, headers=headers)
        with row(number), pytest.raises(AuthenticationError, match=said) as caught:
            invoke(gateway, "run", steps, return_raw_response=False)
        assert "Incorrect API key" in str(caught.value)
        assert str(caught.value).count("What to do") == 1
        assert caught.value.model == {"0": "openai/responses", "1": LLAMA, "2": "", None: LLAMA}[number]
    bare = {"provider": "workers-ai", "endpoint": LLAMA}
    said = r"What to do: steps\[{}\] has no 'Authorization' in its headers: pass authorize=True, which .* token\.$"
    for of_workers_ai, number, code, hint in (
        ([bare], None, 10000, said.format(0)),
        ([steps[0], bare], None, 10000, said.format(1)),
        ([steps[0], bare], "1", 10000, said.format(1)),
        ([bare], None, 2009, "the gateway wants a token"),
        ([STEP], None, 10000, "check the token"),
    ):
        headers = {} if number is None else {"cf-aig-step": number}
        respx.post(HOST).respond(401, json={"errors": [{"code": code, "message": "no"}]}, headers=headers)
        with row((of_workers_ai, code)), pytest.raises(AuthenticationError, match=hint):
            invoke(gateway, "run", of_workers_ai, return_raw_response=False)


@respx.mock
def test_an_answer_that_cannot_be_read_shows_no_key_in_its_traceback(gateway: AiGateway, invoke: Invoke) -> None:
    steps = [{**STEP, "headers": {"x-api-key": KEY}}, {"provider": "workers-ai", "endpoint": LLAMA}]
    rows = [
        httpx.Response(204),
        httpx.Response(200, content=b"{bad", headers={"content-type": "application/json"}),
        httpx.Response(200, json={"error": {"message": "no"}}, headers={"cf-aig-step": "1"}),
    ]
    for response in rows:
        respx.post(HOST).mock(return_value=response)
        with row(response.content), pytest.raises((APIResponseValidationError, AiInternalError)) as caught:
            invoke(gateway, "run", steps, return_raw_response=False, authorize=True)
        frames = [frame for frame, _ in traceback.walk_tb(caught.tb) if "/cfai/_" in frame.f_code.co_filename]
        shown = [frame for frame in frames if any(secret in repr(frame.f_locals) for secret in (KEY, TOKEN))]
        assert (frames != [], shown) == (True, [])


def test_steps_are_tried_in_order_until_one_answers(local_gateway: AiGateway, ai: Ai, invoke: Invoke) -> None:
    openai = {"provider": "openai", "endpoint": "chat/completions", "query": HELLO}
    unknown = {"provider": "workers-ai", "endpoint": "@cf/none/such", "query": HELLO}
    rows: list[tuple[list[dict[str, Any]], int]] = [
        ([{"provider": "workers-ai", "endpoint": GLM, "query": HELLO}], 0),
        ([openai, {"provider": "workers-ai", "endpoint": f"run/{GLM}", "query": HELLO}], 1),
        ([openai, unknown, {"provider": "workers-ai", "endpoint": "v1/chat/completions",
                            "query": {**HELLO, "model": GLM}}], 2),
        ([{"provider": "compat", "endpoint": "chat/completions", "query": {**HELLO, "model": "dynamic/x"}}], 0),
    ]  # fmt: skip
    for steps, number in rows:
        with row(steps):
            response = invoke(local_gateway, "run", steps, authorize=True)
            assert response.json()["choices"][0]["message"]["content"].startswith("This is an emulated answer")
            answer = invoke(local_gateway, "run", steps, authorize=True, return_raw_response=False)
            assert (answer.meta.gateway_step, answer.meta.gateway_log_id is not None) == (number, True)
            log = invoke(local_gateway, "get_log", response.headers["cf-aig-log-id"])
            assert (log.model, log.step, log.success) == (GLM, number, True)
    assert invoke(local_gateway, "run", [openai, unknown], authorize=True).json()["errors"][0]["code"] == 5007
    assert invoke(local_gateway, "run", openai).json()["error"][0]["code"] == 2008
    [refused] = invoke(local_gateway, "run", {"provider": "workers-ai", "endpoint": GLM, "query": HELLO}).json()[
        "errors"
    ]
    assert refused["code"] == 10000
    assert ai.usage.calls == 2 * len(rows), "those that were refused do not count"


def test_a_step_streams(local: Emulator, ai: Ai, local_gateway: AiGateway) -> None:
    step: Any = {"provider": "workers-ai", "endpoint": GLM, "query": {**HELLO, "stream": True}}
    with local_gateway.run(step, authorize=True, return_raw_response=False) as stream:
        assert isinstance(stream, Stream)
        text = "".join(token.text for token in stream)
    # One of several is enough, which may be the one that answers.
    failing = {"provider": "groq", "endpoint": "x", "query": {}}
    with local_gateway.run([failing, step], authorize=True, return_raw_response=False) as stream:
        assert "".join(token.text for token in stream) == text
    assert local.requests[-1].headers["accept-encoding"] == "identity"
    assert text == ai.run(GLM, HELLO).text
    response = local_gateway.run(step, authorize=True)
    assert not response.is_closed
    assert response.read().endswith(b"data: [DONE]\n\n")
    response = local.ai().gateway("my-gateway").run(step, authorize=True)
    gc.collect()
    assert response.read().endswith(b"data: [DONE]\n\n"), "it keeps its client, which nobody else does"

    async def main() -> None:
        async with await local_gateway.arun(step, authorize=True, return_raw_response=False) as stream:
            assert isinstance(stream, AsyncStream)
            assert "".join([token.text async for token in stream]) == text

    for backend in ("asyncio", "trio"):
        anyio.run(main, backend=backend)


# What the emulator's gateways remember


def test_a_call_through_a_gateway_leaves_a_log_that_can_be_patched(
    ai: Ai, local_gateway: AiGateway, invoke: Invoke
) -> None:
    options: Any = {"id": "my-gateway", "metadata": {"user": 7}, "custom_cost": {"total_cost": 1.5}}
    answer = ai.run(GLM, HELLO, gateway=options)
    log = invoke(local_gateway, "get_log", answer.meta.gateway_log_id)
    assert (log.provider, log.model, log.cached, log.metadata) == ("workers-ai", GLM, False, '{"user":7}')
    assert (log.cost, log.custom_cost, log.tokens_out) == (1.5, True, answer.usage.completion_tokens)
    assert abs(datetime.now(UTC) - log.created_at).total_seconds() < 60
    assert answer.text in json.loads(log.response_head)["result"]["choices"][0]["message"]["content"]
    invoke(local_gateway, "patch_log", log.id, feedback=-1, score=0.5, metadata={"a": 1})
    patched = invoke(local_gateway, "get_log", log.id)
    assert (patched.feedback, patched.score, patched.metadata) == (-1, 0.5, '{"a":1}')
    invoke(local_gateway, "patch_log", log.id, feedback=None)
    patched = invoke(local_gateway, "get_log", log.id)
    assert (patched.feedback, patched.score) == (None, 0.5)
    with pytest.raises(AiGatewayLogNotFound):
        invoke(local_gateway, "get_log", "404")
    with pytest.raises(AiGatewayLogNotFound):
        invoke(local_gateway, "patch_log", "404", feedback=-1)
    with pytest.raises(AiGatewayLogNotFound):
        invoke(ai.gateway("another"), "get_log", log.id)
    for text, kept in (
        ('{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}', '{"a":1,"b":2,"c":3,"d":4,"e":5}'),
        ("{no JSON", "{no JSON"),
    ):
        more = ai.run(GLM, HELLO, gateway="my-gateway", extra_headers={"cf-aig-metadata": text})
        assert invoke(local_gateway, "get_log", more.meta.gateway_log_id).metadata == kept
    # Without its payload, or not at all.
    short = ai.run(GLM, HELLO, gateway={"id": "my-gateway", "collect_log_payload": False})
    assert invoke(local_gateway, "get_log", short.meta.gateway_log_id).response_head == ""
    assert ai.run(GLM, HELLO, gateway={"id": "my-gateway", "collect_log": False}).meta.gateway_log_id is None
    assert ai.ai_gateway_log_id is None


def test_logs_are_found_by_what_they_say(ai: Ai, local_gateway: AiGateway, invoke: Invoke) -> None:
    options: list[dict[str, Any]] = [{"cache_ttl": 60}, {"cache_ttl": 60}, {}]
    for gateway in options:
        ai.run(GLM, HELLO, gateway={"id": "my-gateway", **gateway})
    with pytest.raises(NotFoundError) as caught:
        ai.run("@cf/none/such", HELLO, gateway="my-gateway")
    now = datetime.now(UTC)
    assert caught.value.headers
    assert invoke(local_gateway, "get_log", caught.value.headers["cf-aig-log-id"]).status_code == 400
    rows: list[tuple[dict[str, Any], int]] = [
        ({}, 4),
        ({"cached": True}, 1),
        ({"success": False}, 1),
        ({"model": "@cf/none/such"}, 1),
        ({"per_page": 1}, 4),
        ({"per_page": 1, "page": 2}, 1),
        ({"feedback": 1}, 0),
        ({"search": "hello"}, 4),
        ({"search": "no such word"}, 0),
        ({"end_date": "2020-01-01T00:00:00Z"}, 0),
        ({"start_date": "2020-01-01T00:00:00Z", "end_date": "2199-01-01T00:00:00+05:00"}, 4),
        ({"start_date": now - timedelta(minutes=5)}, 4),
        # The clock of another zone shows another time for the same moment.
        ({"start_date": (now - timedelta(minutes=5)).astimezone(timezone(timedelta(hours=12))).isoformat()}, 4),
        ({"start_date": (now + timedelta(minutes=5)).astimezone(timezone(timedelta(hours=-12))).isoformat()}, 0),
        ({"min_tokens_out": 1}, 3),
        ({"min_tokens_out": 1, "max_cost": 0}, 1),
        ({"min_total_tokens": 1e6}, 0),
        ({"max_duration": 1e6, "min_duration": 0, "min_tokens_in": 0, "max_tokens_in": 1e6}, 4),
        ({"order_by": "cached", "order_by_direction": "asc"}, 4),
    ]
    for filters, count in rows:
        with row(filters):
            assert len(invoke(local_gateway, "list_logs", **filters)) == count
    with pytest.raises(BadRequestError, match="per_page must be from 1 to 50"):
        invoke(local_gateway, "list_logs", per_page=51)


def test_an_identical_call_is_answered_from_the_cache_while_it_is_kept() -> None:
    now = [1.8e9]
    with Emulator(tokens_per_second=None, clock=lambda: now[0]) as local, local.ai(max_retries=0) as ai:

        def ask(prompt: str = "hello", *, model: str = GLM, **options: Any) -> tuple[str | None, str]:
            answer = ai.run(model, {"prompt": prompt}, gateway={"id": "g", **options})
            return answer.meta.gateway_cache_status, answer.text

        status, text = ask(cache_ttl=60)
        assert status == "MISS"
        assert ask(cache_ttl=60) == ("HIT", text)
        others: list[dict[str, Any]] = [{}, {"prompt": "another"}, {"model": SMALL}, {"skip_cache": True}, {"id": "h"}]
        for other in others:
            with row(other):
                assert ask(**{"cache_ttl": 60 if other else 0, **other})[0] == "MISS"
        step: Any = {"provider": "workers-ai", "endpoint": GLM, "query": {"prompt": "hello"}}
        elsewhere = [ai.gateway("g").run(step, authorize=True, cache_ttl=60) for _ in range(2)]
        assert [response.headers["cf-aig-cache-status"] for response in elsewhere] == ["MISS", "HIT"]
        now[0] += 61
        assert ask(cache_ttl=60)[0] == "MISS"
        # Under a key of its own, and without a time, it is kept for five minutes.
        assert [ask(prompt, cache_key="k")[0] for prompt in ("one", "two")] == ["MISS", "HIT"]
        now[0] += 301
        assert ask("one", cache_key="k")[0] == "MISS"
        picture = {"prompt": "a cat"}
        drawn = [ai.run("@cf/lykon/dreamshaper-8-lcm", picture, gateway={"id": "g", "cache_ttl": 9}) for _ in range(2)]
        assert [image.meta.gateway_cache_status for image in drawn] == ["MISS", "HIT"]
        assert bytes(drawn[0]) == bytes(drawn[1])


def test_a_dynamic_route_answers_as_a_chat_and_says_who_did(ai: Ai) -> None:
    expected = ai.run(GLM, HELLO).text
    for each in (ai, ai.with_options(gateway_route="api")):
        for gateway in ("my-gateway", "default"):
            answer = each.run("dynamic/support", HELLO, gateway=gateway)
            assert (answer.text, answer.meta.model) == (expected, "dynamic/support")
            assert (answer.meta.gateway_model, answer.meta.gateway_provider) == (GLM, "workers-ai")
            with each.run("dynamic/support", {**HELLO, "stream": True}, gateway=gateway) as stream:
                assert "".join(token.text for token in stream) == expected
    assert ai.run(GLM, HELLO, gateway="my-gateway").meta.gateway_model is None


def test_the_gateways_of_the_emulator_are_no_kinder_than_those_of_the_service(local: Emulator) -> None:
    key = {"authorization": f"Bearer {local.api_token}"}
    own_key = {"cf-aig-authorization": f"Bearer {local.api_token}"}
    api = f"{local.base_url}/accounts/{local.account_id}/ai-gateway/gateways/g"
    host = f"{local.gateway_url}/{local.account_id}/g"
    dynamic = {**HELLO, "model": "dynamic/x"}
    rows: list[tuple[str, str, dict[str, str], Any, int]] = [
        ("GET", f"{api}/logs", {}, None, 401),
        ("GET", f"{api}/logs?page=0", key, None, 400),
        ("GET", f"{api}/logs?order_by=x", key, None, 400),
        ("GET", f"{api}/logs?feedback=-1", key, None, 400),
        ("GET", f"{api}/logs?start_date=yesterday", key, None, 400),
        ("GET", f"{api}/logs?min_cost=x", key, None, 400),
        ("DELETE", f"{api}/logs", key, None, 405),
        ("POST", f"{api}/url/openai", key, None, 405),
        ("GET", api, key, None, 400),
        ("POST", host, {}, [STEP], 401),
        ("POST", host, own_key, STEP, 400),
        ("POST", host, own_key, [], 400),
        ("POST", host, own_key, [{"provider": "openai"}], 400),
        ("POST", host, own_key, [STEP], 401),
        ("POST", f"{host}/workers-ai/{GLM}", own_key, HELLO, 401),
        ("POST", f"{host}/compat/chat/completions", own_key, dynamic, 200),
        ("POST", f"{host}/workers-ai/v1/chat/completions", key, dynamic, 400),
        ("POST", f"{local.base_url}/accounts/{local.account_id}/ai/v1/chat/completions", key, dynamic, 400),
    ]
    for method, url, headers, body, status in rows:
        with row((method, url, body)):
            assert httpx.request(method, url, headers=headers, json=body).status_code == status
    with local.ai() as ai:
        log_id = ai.run(GLM, HELLO, gateway="g").meta.gateway_log_id
    for body in ([], {"feedback": 2}, {"feedback": True}, {"score": "x"}, {"metadata": "x"}, {"metadata": {"a": {}}}):
        with row(body):
            assert httpx.patch(f"{api}/logs/{log_id}", headers=key, json=body).status_code == 400
