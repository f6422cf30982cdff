"""Clients, results and errors go from one process to another."""

from __future__ import annotations

import copy
import pickle
import ssl
import threading
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal

import cfai
from cfai import Ai, CfaiError, GatewayOptions, InferenceUpstreamError, LimitError, Retry, StreamError, Timeout, Token
from cfai._credentials import Secret
from cfai.types import Meta, ToolCall, ToolCallDelta, Usage
from tests.conftest import Caller, Callers, Peer, Serve, Service

ACCOUNT = "0123456789abcdef0123456789abcdef"
MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO: Any = {"prompt": "Hello"}
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


def again(value: Any, protocol: int = pickle.HIGHEST_PROTOCOL) -> Any:
    return pickle.loads(pickle.dumps(value, protocol))


# Errors

ERRORS = sorted(name for name in cfai.__all__ if name.endswith("Error"))


def made(name: str) -> CfaiError:
    """Return an error of that name, with everything on it that it can have."""
    kind: Any = getattr(cfai, name)
    if issubclass(kind, InferenceUpstreamError):
        return kind(
            "said",
            status_code=429,
            code=3040,
            name="OutOfCapacity",
            request_id="id-1",
            retryable=True,
            retry_after=7.0,
            body={"errors": [{"code": 3040}]},
            headers={"cf-ray": "ray"},
            model=MODEL,
        )
    if issubclass(kind, StreamError):
        return kind("said", code=3040, partial="Hel", request_id="id-1", model=MODEL, body={"error": "x"})
    if issubclass(kind, LimitError):
        return kind("said", model=MODEL, field="max_tokens", value=10, limit=5, source="a page, 2026-01-01")
    if issubclass(kind, cfai.APIConnectionError):
        return kind("said", model=MODEL, retryable=False)
    return kind("said")


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_error_pickles_with_all_that_is_on_it(name: str, protocol: int) -> None:
    error = made(name)
    error.__cause__ = httpx.ConnectError("x", request=httpx.Request("POST", "https://a.example"))
    back = again(error, protocol)
    assert type(back) is type(error)
    assert str(back) == str(error) == "said"
    assert back.args == error.args
    assert vars(back) == vars(error)
    assert (back.retryable, back.model) == (error.retryable, error.model)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_can_be_copied(name: str) -> None:
    error = made(name)
    assert vars(copy.deepcopy(error)) == vars(copy.copy(error)) == vars(error)


def test_an_error_that_was_raised_pickles(caller: Caller, service: Service) -> None:
    service.answers(service.error(404, 5007, "No such model", cf_ai_req_id="id-1", retry_after="90"))
    with pytest.raises(InferenceUpstreamError) as caught:
        caller.run("@cf/meta/lama-3.3-70b-instruct", HELLO)
    back = again(caught.value)
    assert str(back) == str(caught.value)
    assert vars(back) == vars(caught.value)
    assert (back.status_code, back.code, back.request_id, back.retry_after) == (404, 5007, "id-1", 90.0)


def test_a_limit_error_that_was_raised_pickles(caller: Caller, service: Service) -> None:
    with pytest.raises(LimitError) as caught:
        caller.run(MODEL, {"prompt": "x", "max_tokens": 10**9})
    back = again(caught.value)
    assert (back.field, back.value, back.limit) == ("max_tokens", 10**9, caught.value.limit)
    assert vars(back) == vars(caught.value)


def test_a_stream_error_that_was_raised_pickles(caller: Caller, service: Service) -> None:
    service.answers(service.events(b'data: {"response":"Hel"}\n\n', breaks=httpx.ReadError("gone")))
    with pytest.raises(StreamError) as caught:
        list(caller.stream(MODEL))
    assert again(caught.value).partial == "Hel"


# Results

RESULTS = [
    {
        "response": "Hello",
        "tool_calls": [{"name": "f", "arguments": {"a": 1}}],
        "usage": {"prompt_tokens": 3},
        "new": 1,
    },
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]},
    {"object": "response", "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}]},
    {"shape": [1, 2], "data": [[0.1, 0.2]]},
    [{"label": "POSITIVE", "score": 0.5}],
    5,
    None,
    "Hello",
]


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_result_pickles_with_all_that_is_on_it(caller: Caller, service: Service, result: Any, protocol: int) -> None:
    service.answers(service.result(result, cf_ai_req_id="id-1", cf_ai_neurons="1.5"))
    output = caller.run(MODEL, HELLO)
    back = again(output, protocol)
    assert type(back) is type(output)
    assert back == output
    assert back.meta == output.meta
    assert back.meta.request_id == "id-1"
    for name in ("text", "reasoning", "tool_calls", "finish_reason", "usage"):
        assert getattr(back, name, None) == getattr(output, name, None)


def test_bytes_pickle(caller: Caller, service: Service) -> None:
    service.answers(service.raw(b"\x89PNG\r\n\x1a\n", "image/png", cf_ai_req_id="id-1"))
    output = caller.run(MODEL, HELLO)
    assert again(output) == output
    assert again(output).meta.request_id == "id-1"


def test_the_result_of_a_stream_pickles(caller: Caller, service: Service) -> None:
    service.answers(service.events(b'data: {"response":"Hello","finish_reason":"stop"}\n\n', b"data: [DONE]\n\n"))
    result = caller.stream(MODEL).result()
    back = again(result)
    assert (back.text, back.finish_reason, back.meta) == ("Hello", "stop", result.meta)


@pytest.mark.parametrize(
    "value",
    [
        Token("x", {"response": "x"}, "thought", (ToolCallDelta(0, "f", "{}", "id"),), "stop", 1),
        ToolCall("f", "{}", "id"),
        Meta(MODEL, "id", 200, 1.5, "log", 2.0),
        Usage(prompt_tokens=1),
        Retry(max_retries=6),
        Timeout(connect=1),
        GatewayOptions(id="g"),
    ],
)
def test_small_things_pickle(value: Any) -> None:
    assert again(value) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_pickles(protocol: int) -> None:
    assert pickle.loads(pickle.dumps(Ai(account_id=ACCOUNT, api_token="the-token"), protocol)).account_id == ACCOUNT


# Clients


def settings(ai: Ai) -> Any:
    """Return all that an `Ai` was made with, in a form that compares."""
    return unfolded(ai._config)


def unfolded(value: Any) -> Any:
    if isinstance(value, Secret):
        return ("secret", value.value)
    names = getattr(value, "_fields", None) or getattr(value, "__dataclass_fields__", None)
    return {name: unfolded(getattr(value, name)) for name in names} if names else value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_ai_pickles_with_its_settings(protocol: int) -> None:
    ai = Ai(
        account_id=ACCOUNT,
        api_token="the-token",
        base_url="https://ai.example/v4",
        timeout=7,
        total_timeout=50,
        max_retries=5,
        checks="warn",
        proxy="http://localhost:9",
        verify=False,
        default_headers={"x-a": "b"},
        gateway_route="api",
        trust_env=False,
    )
    back = again(ai, protocol)
    assert settings(back) == settings(ai)
    assert (back.account_id, back.base_url) == (ai.account_id, ai.base_url)


def test_an_ai_pickles_with_nothing_but_the_defaults() -> None:
    assert settings(again(Ai(account_id=ACCOUNT, api_token="the-token"))) == settings(
        Ai(account_id=ACCOUNT, api_token="the-token")
    )


def test_a_pickled_client_has_its_token_with_it(
    callers: Callers, service: Service, portal: BlockingPortal | None
) -> None:
    caller = callers(default_headers={"x-a": "b"}, timeout=9)
    caller.run(MODEL, HELLO)
    other = type(caller)(again(caller.ai), portal)
    assert other.run(MODEL, HELLO).text == "Hello"
    assert service.request.headers["authorization"] == f"Bearer {caller.token}"
    assert service.request.headers["x-a"] == "b"
    assert service.timeouts[-1]["read"] == 9
    other.close()
    assert caller.run(MODEL, HELLO).text == "Hello"


def test_a_pickled_client_leaves_connections_and_last_call_behind(
    callers: Callers, service: Service, portal: BlockingPortal | None
) -> None:
    service.answers(service.result({"response": "x"}, cf_ai_req_id="id-1"))
    caller = callers()
    caller.run(MODEL, HELLO)
    back = again(caller.ai)
    assert back.last_request_id is None
    caller.close()
    other = type(caller)(back, portal)
    assert other.run(MODEL, HELLO).text == "x"
    other.close()


def test_a_pickled_client_leaves_a_client_passed_in_behind(service: Service) -> None:
    with httpx.Client(headers={"x-own": "1"}) as client:
        back = again(Ai(account_id=ACCOUNT, api_token="the-token", http_client=client))
    with back:
        assert back.run(MODEL, HELLO).text == "Hello"
    assert "x-own" not in service.request.headers


def test_a_copy_with_options_pickles_as_an_ai_of_its_own(service: Service) -> None:
    with Ai(account_id=ACCOUNT, api_token="the-token") as ai:
        back = again(ai.with_options(timeout=3))
    back.run(MODEL, HELLO)
    assert service.timeouts[0]["read"] == 3
    back.close()
    with pytest.raises(cfai.ConfigurationError, match="closed"):
        back.run(MODEL, HELLO)


def test_an_ai_pickles_while_it_is_in_use(serve: Serve) -> None:
    arrived, finish = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        while peer.request():
            arrived.set()
            finish.wait(10)
            peer.answer(b'{"response":"Hello"}')

    with Ai(account_id="local", api_token="the-token", base_url=serve(script).url) as ai:
        thread = threading.Thread(target=ai.run, args=[MODEL, HELLO])
        thread.start()
        assert arrived.wait(10)
        back = again(ai)
        finish.set()
        thread.join(10)
        with back:
            assert back.run(MODEL, HELLO).text == "Hello"


def test_methods_of_a_client_pickle_for_a_pool_of_workers(service: Service) -> None:
    with Ai(account_id=ACCOUNT, api_token="the-token") as ai:
        run = again(ai.run)
    assert run(MODEL, HELLO).text == "Hello"
    run.__self__.close()


def test_a_context_of_tls_is_not_pickled_and_says_so() -> None:
    with pytest.raises(cfai.ConfigurationError, match="the path of its certificates"):
        pickle.dumps(Ai(account_id=ACCOUNT, api_token="the-token", verify=ssl.create_default_context()))
