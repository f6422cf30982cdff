"""Clients, results and errors go from one process to another."""

from __future__ import annotations

import copy
import pickle
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal

import cfai
from cfai import Ai, CfaiError, GatewayOptions, InferenceUpstreamError, LimitError, Retry, StreamError, Timeout, Token
from cfai._credentials import Secret
from cfai.types import Meta, ToolCall, ToolCallDelta, Usage
from tests.bodies import CHAT_ANSWER, DONE, NATIVE_ANSWER, OK, PNG, RESPONSES_ANSWER, native
from tests.conftest import ACCOUNT, SYNC_AND_ASYNC, Caller, Callers, Peer, Serve, Service, row, stream_of

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO: Any = {"prompt": "Hello"}
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


def repickle(value: Any, protocol: int = pickle.HIGHEST_PROTOCOL) -> Any:
    return pickle.loads(pickle.dumps(value, protocol))


def client(**options: Any) -> Ai:
    return Ai(account_id=ACCOUNT, api_token="the-token", **options)


def make_error(name: str) -> CfaiError:
    """Return an error of that name, with everything on it that it can have."""
    kind: Any = getattr(cfai, name)
    fields: dict[str, Any] = {}
    if issubclass(kind, InferenceUpstreamError):
        fields = {"status_code": 429, "code": 3040, "name": "OutOfCapacity", "request_id": "id-1", "retryable": True}
        fields |= {"retry_after": 7.0, "body": {"errors": [1]}, "headers": {"cf-ray": "ray"}, "model": MODEL}
    elif issubclass(kind, StreamError):
        fields = {"code": 3040, "partial": "Hel", "request_id": "id-1", "model": MODEL, "body": {"error": "x"}}
    elif issubclass(kind, LimitError):
        fields = {"model": MODEL, "field": "max_tokens", "value": 10, "limit": 5, "source": "a page, 2026-01-01"}
    elif issubclass(kind, cfai.APIConnectionError):
        fields = {"model": MODEL, "retryable": False}
    return kind("said", **fields)


def test_an_error_pickles_and_copies_with_all_that_is_on_it() -> None:
    for name in cfai.__all__:
        if not name.endswith("Error"):
            continue
        error = make_error(name)
        with row(name):
            assert vars(copy.deepcopy(error)) == vars(copy.copy(error)) == vars(error)
        error.__cause__ = httpx.ConnectError("x", request=httpx.Request("POST", "https://a.example"))
        for protocol in PROTOCOLS:
            with row((name, protocol)):
                back = repickle(error, protocol)
                assert type(back) is type(error)
                assert str(back) == str(error) == "said"
                assert (back.args, vars(back)) == (error.args, vars(error))
                assert (back.retryable, back.model) == (error.retryable, error.model)


def test_an_error_that_was_raised_pickles(caller: Caller, service: Service) -> None:
    not_found = service.error(404, 5007, "No such model", cf_ai_req_id="id-1", retry_after="90")
    broken = service.events(b'data: {"response":"Hel"}\n\n', breaks=httpx.ReadError("gone"))
    for kind, answer, inputs, field, value in (
        (InferenceUpstreamError, not_found, HELLO, "retry_after", 90.0),
        (LimitError, not_found, {"prompt": "x", "max_tokens": 10**9}, "limit", 24_000),
        (StreamError, broken, {**HELLO, "stream": True}, "partial", "Hel"),
    ):
        service.answers(answer)
        with row(kind), pytest.raises(kind) as caught:
            list(caller.run(MODEL, inputs))
        back = repickle(caught.value)
        assert (str(back), vars(back)) == (str(caught.value), vars(caught.value)), kind
        assert getattr(back, field) == value, kind


def test_a_result_pickles_and_copies_with_all_that_is_on_it(caller: Caller, service: Service) -> None:
    headers = {"cf_ai_req_id": "id-1", "cf_ai_neurons": "1.5"}
    for name, answer in (
        *(
            (repr(result), service.result(result, **headers))
            for result in (
                {**NATIVE_ANSWER, "tool_calls": [{"name": "f", "arguments": {"a": 1}}], "new": 1},
                CHAT_ANSWER,
                RESPONSES_ANSWER,
                {"shape": [1, 2], "data": [[0.1, 0.2]]},
                [{"label": "POSITIVE", "score": 0.5}],
                *(5, None, "Hello"),
            )
        ),
        ("bytes", service.raw(PNG, "image/png", **headers)),
        ("stream", service.events(b'data: {"response":"Hello","finish_reason":"stop"}\n\n', DONE, **headers)),
    ):
        service.answers(answer)
        output = caller.stream(MODEL).result() if name == "stream" else caller.run(MODEL, HELLO)
        for back in (*(repickle(output, protocol) for protocol in PROTOCOLS), copy.deepcopy(output)):
            with row(name):
                assert type(back) is type(output)
                assert back == output
                assert back.meta == output.meta
                assert (back.meta.request_id, back.meta.neurons) == ("id-1", 1.5)
                for field in ("text", "reasoning", "tool_calls", "finish_reason", "usage"):
                    assert getattr(back, field, None) == getattr(output, field, None)


def test_small_things_pickle_and_copy() -> None:
    for value in (
        Token("x", {"response": "x"}, "thought", (ToolCallDelta(0, "f", "{}", "id"),), "stop", 1),
        Token("", {"response": "\ud83d"}),
        ToolCall("f", "{}", "id"),
        ToolCallDelta(0, "f", "{}", "a"),
        Meta(MODEL, "id", 200, 1.5, "log", 2.0),
        Usage.of({"prompt_tokens": 3, "completion_tokens": 4, "neurons": 0.5}),
        Retry(max_retries=6),
        Timeout(connect=1),
        GatewayOptions(id="g"),
    ):
        assert repickle(value) == copy.deepcopy(value) == value


def settings(value: Any) -> Any:
    """Return all that a client was made with, in a form that compares."""
    if isinstance(value, Secret):
        return ("secret", value.value)
    names = getattr(value, "_fields", None) or getattr(value, "__dataclass_fields__", None)
    return {name: settings(getattr(value, name)) for name in names} if names else value


def test_an_ai_pickles_with_its_settings() -> None:
    options: dict[str, Any] = {"base_url": "https://ai.example/v4", "timeout": 7, "total_timeout": 50, "max_retries": 5}
    options |= {"checks": "warn", "proxy": "http://localhost:9", "verify": False, "default_headers": {"x-a": "b"}}
    options |= {"gateway_route": "api", "trust_env": False}
    for ai in (client(), client(**options)):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            back = repickle(ai, protocol)
            assert settings(back._config) == settings(ai._config), protocol
            assert (back.account_id, back.base_url) == (ai.account_id, ai.base_url)


def test_a_pickled_client_has_its_token_alone(
    callers: Callers, service: Service, portal: BlockingPortal | None
) -> None:
    service.answers(service.result({"response": "Hello"}, cf_ai_req_id="id-1"))
    caller = callers(default_headers={"x-a": "b"}, timeout=9)
    caller.run(MODEL, HELLO)
    for each, timeout in ((caller, 9), (caller.with_options(timeout=3), 3)):
        other = Caller(repickle(each.ai), portal)
        assert other.ai.last_request_id is None
        assert other.run(MODEL, HELLO).text == "Hello"
        sent = service.request.headers
        assert (sent["authorization"], sent["x-a"]) == (f"Bearer {caller.token}", "b"), timeout
        assert service.timeouts[-1]["read"] == timeout
        other.close()
        with pytest.raises(cfai.ConfigurationError, match="closed"):
            other.run(MODEL, HELLO)
    assert caller.run(MODEL, HELLO).text == "Hello"
    caller.close()
    other = Caller(repickle(caller.ai), portal)
    assert other.run(MODEL, HELLO).text == "Hello"
    other.close()


def test_a_pickled_client_leaves_a_client_passed_in_behind_also_by_its_methods(service: Service) -> None:
    with httpx.Client(headers={"x-own": "1"}) as own:
        run = repickle(client(http_client=own).run)
    assert run(MODEL, HELLO).text == "Hello"
    assert "x-own" not in service.request.headers
    run.__self__.close()


def test_an_ai_pickles_while_it_is_in_use(serve: Serve) -> None:
    arrived, finish = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        while peer.request():
            arrived.set()
            finish.wait(10)
            peer.answer(OK)

    with client(base_url=serve(script).url) as ai, ThreadPoolExecutor(1) as threads:
        call = threads.submit(ai.run, MODEL, HELLO)
        assert arrived.wait(10)
        back = repickle(ai)
        finish.set()
        assert call.result(10).text == "Hello"
        with back:
            assert back.run(MODEL, HELLO).text == "Hello"


def test_a_context_of_tls_is_not_pickled_and_says_so() -> None:
    with pytest.raises(cfai.ConfigurationError, match="the path of its certificates"):
        pickle.dumps(client(verify=ssl.create_default_context()))


@SYNC_AND_ASYNC
def test_a_stream_is_neither_copied_nor_pickled_and_says_so(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("Hel", "lo"), DONE))
    stream = caller.stream(MODEL)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with row(attempt), pytest.raises(cfai.ConfigurationError, match=r"cannot be copied or pickled: .* result\(\)"):
            attempt(stream_of(stream))
    assert stream.result().text == "Hello"
