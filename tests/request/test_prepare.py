"""Model, inputs and options to what is sent. Nothing is."""

from __future__ import annotations

import copy
import decimal
import json
from itertools import product
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, Field

from cfai import ConfigurationError, InputError
from cfai._config import ClientConfig, LimitPolicy, Retry, Timeout
from cfai._credentials import Credentials, Secret
from cfai._request import ApiRequest, RunOptions, inputs_to_builtins, parse_headers, prepare, quote_model
from tests.conftest import row

API = "https://api.cloudflare.com/client/v4"
GATEWAY = "https://gateway.ai.cloudflare.com/v1"
MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
OTHERS = "openai/gpt-5-mini"
"""A model of another author."""
ACCOUNT = Credentials("0123456789abcdef0123456789abcdef", Secret("the-token"))
REST = ACCOUNT._replace(gateway_route="api")
RUN = f"{API}/accounts/{ACCOUNT.account_id}/ai/run"


def built(model: str = MODEL, inputs: Any = None, account: Credentials = ACCOUNT, **options: Any) -> ApiRequest:
    config = ClientConfig(account, Timeout(), None, Retry(), LimitPolicy("off"))
    return prepare(config, model, inputs or {"prompt": "Hello"}, RunOptions(**options))


def sent(inputs: Any, **options: Any) -> Any:
    """Return what the service gets for `inputs`."""
    return json.loads(built(inputs=inputs, **options).body)  # pyright: ignore[reportArgumentType]  # bytes, in a call


def test_a_model_stands_in_the_path_with_slashes_and_at_signs_literal() -> None:
    for model, path in (
        *(
            (name, name)
            for name in (MODEL, "@hf/mistral/mistral-7b-instruct-v0.2", "@cf/moondream/moondream3.1-9B-A2B")
        ),
        ("@cf/a/b?c", "@cf/a/b%3Fc"),
        ("@cf/a/b#c", "@cf/a/b%23c"),
        ("@cf/a/b%2fc", "@cf/a/b%252fc"),
        ("@cf/a/%2e%2e", "@cf/a/%252e%252e"),
        ("@cf/a/b c", "@cf/a/b%20c"),
        ("@cf/a/b\\..\\c", "@cf/a/b%5C..%5Cc"),
        ("@cf/a/é", "@cf/a/%C3%A9"),
        ("@cf/a/日本", "@cf/a/%E6%97%A5%E6%9C%AC"),
        ("@cf/a/half \ud83d", "@cf/a/half%20%3F"),
        ("@cf/a/b;c=d&e+f", "@cf/a/b%3Bc%3Dd%26e%2Bf"),
        ("@cf/a/...", "@cf/a/..."),
    ):
        assert quote_model(model) == path
        assert built(model).url == f"{RUN}/{path}"
    request = built(account=Credentials("a?b#c", Secret("x"), "http://localhost/client/v4"))
    assert request.url == f"http://localhost/client/v4/accounts/a%3Fb%23c/ai/run/{MODEL}"


def test_what_could_leave_its_place_in_the_path_is_no_model() -> None:
    paths = ("", ".", "..", "/", "@cf/../../tokens", "@cf/./a", "@cf/a/..", "../a", "@cf//a", "/@cf/a", "@cf/a/")
    controls = ("@cf/a\n", "@cf/a\r\nx: y", "@cf/a\0", "@cf/a\t", "@cf/a\x7f")
    others: tuple[Any, ...] = (None, 5, b"@cf/a", [], "@cf/" + "x" * 70_000)
    for model in (*paths, *controls, *others):
        with row(model), pytest.raises(ConfigurationError, match="model") as caught:
            built(model)
        assert len(str(caught.value)) < 200


class Message(BaseModel):
    role: str = "user"
    content: str = Field(alias="said", default="")


class Inputs(BaseModel):
    prompt: str
    stream: bool = False


class Part(BaseModel):
    text: str
    detail: str | None = None


class Nested(BaseModel):
    content: list[Part]
    name: str | None = None


class Odd(BaseModel):
    thing: Any


class Scalar:
    """A value with what numpy's scalars and arrays have in common."""

    dtype = "float32"

    def __init__(self, value: Any) -> None:
        self.value = value

    def tolist(self) -> Any:
        return self.value


def test_the_inputs_are_the_body() -> None:
    plain = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9, "raw": True, "seed": None}
    mapping = MappingProxyType({"response_format": MappingProxyType({"type": "json_object"}), "tags": (1, 2)})
    unset, nulls = Nested(content=[Part(text="x")]), Nested(content=[Part(text="x", detail=None)], name=None)
    rows: dict[str, tuple[Any, Any]] = {
        "plain values": (plain, plain),
        "an input named model": ({"model": "clef", "state": {}}, {"model": "clef", "state": {}}),
        "mappings": (mapping, {"response_format": {"type": "json_object"}, "tags": [1, 2]}),
        "a pydantic model": (Inputs(prompt="Hello", stream=True), {"prompt": "Hello", "stream": True}),
        "aliases": ({"a": [Message(role="system", said="Be brief")]}, {"a": [{"role": "system", "said": "Be brief"}]}),
        "defaults": ({"a": [Message(said="Hello")]}, {"a": [{"role": "user", "said": "Hello"}]}),
        "defaults of None": ({"a": [unset]}, {"a": [{"content": [{"text": "x"}]}]}),
        "None that was set": (nulls, {"content": [{"text": "x", "detail": None}], "name": None}),
        "numpy values": (
            {"temperature": Scalar(0.5), "audio": Scalar([1, 2]), "nested": [{"seed": Scalar(7)}]},
            {"temperature": 0.5, "audio": [1, 2], "nested": [{"seed": 7}]},
        ),
    }
    for name, (inputs, expected) in rows.items():
        with row(name):
            assert sent(inputs) == expected
    body = '{"prompt":"café \u2028 😀","n":[1,2.5]}'.encode()
    assert built(inputs={"prompt": "café \u2028 😀", "n": [1, 2.5]}).body == body
    before = copy.deepcopy(plain)
    built(inputs=plain, reject_if_busy=True, gateway="g")
    assert plain == before


def test_a_stream_is_told_by_the_inputs() -> None:
    for model in (MODEL, OTHERS):
        for stream, wants_stream in ((True, True), (1, True), (False, False), (None, False)):
            request = built(model, {"prompt": "x", "stream": stream})
            assert request.wants_stream is wants_stream, (model, stream)
    assert built(inputs=Inputs(prompt="x", stream=True)).wants_stream is True
    assert built(inputs={"prompt": "x"}).wants_stream is False


def circular() -> Any:
    value: dict[str, Any] = {}
    value["itself"] = value
    return value


def deep() -> Any:
    value: Any = "bottom"
    for _ in range(100_000):
        value = [value]
    return value


def test_what_json_cannot_hold_is_named_by_its_place_and_not_shown_in_full() -> None:
    rows: list[tuple[Any, str]] = [
        ({"image": b"\x89PNG" * 10_000}, r"inputs\['image'\]: bytes"),
        *(({"image": data}, r"inputs\['image'\]") for data in (bytearray(b"x"), memoryview(b"x"))),
        ({"messages": [{"content": "a"}, {"content": b"b"}]}, r"inputs\['messages'\]\[1\]\['content'\]"),
        *(({"temperature": float(name)}, rf"inputs\['temperature'\]: {name}") for name in ("nan", "inf", "-inf")),
        ({"temperature": Scalar(float("nan"))}, r"inputs\['temperature'\]"),
        ({"a": {"b": [object()]}}, r"inputs\['a'\]\['b'\]\[0\]: object cannot be sent as JSON$"),
        ({"a": {1, 2}}, r"inputs\['a'\]: set"),
        ({"a": decimal.Decimal(1)}, r"inputs\['a'\]: Decimal"),
        ({"a": (1, object())}, r"inputs\['a'\]\[1\]"),
        ({"a": 1j}, r"inputs\['a'\]: complex"),
        ({"a": {"schema": Odd}}, r"inputs\['a'\]\['schema'\]: the class Odd .*: send Odd.model_json_schema\(\)$"),
        ({"a": int}, r"inputs\['a'\]: the class int cannot be sent as JSON$"),
        ({"a": print}, r"inputs\['a'\]"),
        ({"a": MappingProxyType({"b": b""})}, r"inputs\['a'\]\['b'\]"),
        ({"prompt": "half \ud83d an emoji"}, r"inputs\['prompt'\]: .*surrogate"),
        ({"a": {"half \ud83d": 1}}, r"inputs\['a'\]: .*surrogate"),
        ({"a": {(1, 2): 3}}, r"inputs\['a'\]: keys must be strings, got tuple"),
        *(({"a": value}, "inputs") for value in (circular(), deep())),
        *(({"a": Odd(thing=thing)}, r"inputs\['a'\]") for thing in (object(), b"\xff", "half \ud83d")),
        *((Odd(thing=thing), "inputs") for thing in (object(), b"\xff", "half \ud83d")),
        ({"a": Odd(thing=object())}, r"inputs\['a'\]: Odd cannot be sent as JSON: Unable"),
        (Odd(thing=object()), "inputs: Odd cannot be sent as JSON: Unable"),
    ]
    for model, (inputs, place) in product((MODEL, OTHERS), rows):
        with row((model, place)), pytest.raises(InputError, match=f"^{place}") as caught:
            built(model, inputs)
        assert len(str(caught.value)) < 300
    for value in (None, "Hello", ["Hello"], 5):
        with row(value), pytest.raises(InputError, match="inputs") as caught:
            inputs_to_builtins(value)  # pyright: ignore[reportArgumentType]  # what is tested
        assert isinstance(caught.value, TypeError)


BAD_VALUES: tuple[Any, ...] = ("a\nb", "a\r\nx: y", "a\0", "a\x7f", " a", "a ", "日本", "käse", 5, b"a")


def test_a_call_has_these_headers() -> None:
    headers = built().headers
    assert headers["authorization"] == "Bearer the-token"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("cfai/")
    assert not {"cf-aig-authorization", "x-session-affinity"} & {*headers}
    assert built(session_affinity="session 1").headers["x-session-affinity"] == "session 1"
    headers = built(inputs={"prompt": "x", "stream": True}).headers
    assert headers["accept-encoding"] == "identity"
    assert "text/event-stream" in headers["accept"]


def test_headers_of_a_call_win_over_those_of_the_client_and_of_its_gateway() -> None:
    account = ACCOUNT._replace(default_headers=Secret({"x-a": "client", "x-b": "client"}))
    extra = {"X-A": "call", "User-Agent": "mine", "cf-aig-cache-ttl": "5", "cf-aig-authorization": "Bearer mine"}
    headers = built(account=account, gateway={"id": "g", "cache_ttl": 60}, extra_headers=extra).headers
    assert headers["x-b"] == "client"
    for name, value in extra.items():
        assert headers[name.lower()] == value, name


def test_what_is_no_header_or_is_set_by_cfai_is_refused() -> None:
    names: tuple[Any, ...] = ("", "a b", "a:b", "a\n", "a\r\nb", "ä", "a\0", "(a)", 5, None)
    reserved = ("authorization", "Authorization", "content-type", "Content-Type", "content-length", "Host")
    for origin in ("default_headers", "extra_headers"):
        for name in (*names, *reserved, "Transfer-Encoding"):
            with row((origin, name)), pytest.raises(ConfigurationError, match=origin):
                parse_headers(origin, Secret({name: "x"}))
    for value in (*BAD_VALUES, None):
        with row(value), pytest.raises(ConfigurationError, match="x-a"):
            parse_headers("extra_headers", Secret({"x-a": value}))
    for value in BAD_VALUES:
        with row(value), pytest.raises(ConfigurationError, match="session_affinity"):
            built(session_affinity=value)
    for value in ("", "a", "a b", "a\tb", "~"):
        assert parse_headers("extra_headers", Secret({"X-A": value})).value == {"x-a": value}


def test_reject_if_busy_goes_into_the_body_beside_other_options() -> None:
    assert sent({"prompt": "x"}) == {"prompt": "x"}
    assert sent({"prompt": "x"}, reject_if_busy=True) == {"prompt": "x", "options": {"rejectIfBusy": True}}
    for options, others in (({"other": 1}, {"other": 1}), ("odd", {})):
        inputs = {"prompt": "x", "options": options}
        assert sent(inputs, reject_if_busy=True)["options"] == {**others, "rejectIfBusy": True}, options
    assert built(reject_if_busy=True).reject_if_busy


def test_queue_request_and_tags_go_into_the_query() -> None:
    rows: list[tuple[dict[str, Any], str]] = [
        *((options, "") for options in ({}, {"tags": []})),
        ({"queue_request": True}, "?queueRequest=true"),
        ({"tags": ["team:a", "v1.2-b/c@d"]}, "?tags=team:a,v1.2-b/c@d"),
        ({"tags": ["a"], "queue_request": True}, "?queueRequest=true&tags=a"),
        ({"tags": ["a", "b", "c", "d", "e", "a"]}, "?tags=a,b,c,d,e"),
        ({"tags": (tag for tag in "ab")}, "?tags=a,b"),
        ({"tags": ["a" * 50]}, f"?tags={'a' * 50}"),
    ]
    for options, query in rows:
        with row(options):
            assert built(**options).url == f"{RUN}/{MODEL}{query}"
    assert built(gateway="g", tags=["a"]).url == f"{GATEWAY}/{ACCOUNT.account_id}/g/workers-ai/{MODEL}?tags=a"


def test_what_is_no_tag_is_refused() -> None:
    rows: list[tuple[Any, str]] = [
        (list("abcdef"), "`tags` must be 5 at most, got 6"),
        ("ab", "`tags` must be a list of strings, got 'ab'"),
        (5, "`tags` must be a list of strings, got 5"),
        ([["a"]], "is no tag"),
        *(([tag], "is no tag") for tag in ("", "a" * 51, "a b", "a,b", "a_b", "é", "a\n", "a?b", 5, None)),
    ]
    for tags, message in rows:
        with row(tags), pytest.raises(ConfigurationError, match=message):
            built(tags=tags)


def test_a_gateway_is_reached_by_the_route_of_the_client_and_the_author_of_the_model() -> None:
    """Models of others have no path of their own, and the older host is for Cloudflare's alone."""
    gateway_host, hello = f"{GATEWAY}/{ACCOUNT.account_id}/mine/workers-ai/{MODEL}", {"prompt": "Hello"}
    for model, account, gateway, url, is_named in (
        *((MODEL, ACCOUNT, gateway, gateway_host, False) for gateway in ("mine", {"id": "mine"})),
        (MODEL, REST, "mine", RUN, True),
        (MODEL, REST, None, f"{RUN}/{MODEL}", False),
        *((OTHERS, *each, RUN, True) for each in product((ACCOUNT, REST), ("mine", None))),
    ):
        with row((model, account.gateway_route, gateway)):
            request = built(model, account=account, gateway=gateway)
            assert request.url == url
            assert json.loads(request.body) == ({"model": model, "input": hello} if is_named else hello)  # pyright: ignore[reportArgumentType]
            assert request.headers["authorization"] == "Bearer the-token"
            is_older_host = url == gateway_host
            assert request.headers.get("cf-aig-authorization") == ("Bearer the-token" if is_older_host else None)
            assert request.headers.get("cf-aig-gateway-id") == ("mine" if gateway and not is_older_host else None)
    for account, gateway in product((ACCOUNT, REST), ("mine", None)):
        with row((account.gateway_route, gateway)):
            request, plain = (built(name, account=account, gateway=gateway) for name in (f"run/{MODEL}", MODEL))
            assert (request.url, request.body, request.model) == (plain.url, plain.body, MODEL)
    request = built(inputs={"prompt": "a private matter"}, gateway={"id": "g", "token": "for-the-gateway"})
    assert request.headers["authorization"] == "Bearer the-token"
    assert request.headers["cf-aig-authorization"] == "Bearer for-the-gateway"
    assert request.secrets == ["the-token", "for-the-gateway"]
    assert not [word for word in ("the-token", "for-the-gateway", "private") if word in repr(request)]


def test_a_dynamic_route_is_called_as_a_chat_of_its_gateway() -> None:
    chat = {"messages": [{"role": "user", "content": "hello"}], "stream": True}
    host = f"{GATEWAY}/{ACCOUNT.account_id}/my%20own/compat/chat/completions"
    api = f"{RUN.removesuffix('/run')}/v1/chat/completions"
    rows: list[tuple[Credentials, Any, str, dict[str, str]]] = [
        (ACCOUNT, "my own", host, {"cf-aig-authorization": "Bearer the-token"}),
        (ACCOUNT, {"id": "my own", "token": "another"}, host, {"cf-aig-authorization": "Bearer another"}),
        (REST, "my own", api, {"authorization": "Bearer the-token", "cf-aig-gateway-id": "my own"}),
    ]
    for account, gateway, url, headers in rows:
        with row((account.gateway_route, gateway)):
            request = built("dynamic/support", chat, account=account, gateway=gateway)
            assert request.url == url
            assert json.loads(request.body) == {**chat, "model": "dynamic/support"}  # pyright: ignore[reportArgumentType]
            named = ("authorization", "cf-aig-authorization", "cf-aig-gateway-id")
            assert {name: value for name, value in request.headers.items() if name in named} == headers
            assert request.wants_stream
        with pytest.raises(ConfigurationError, match="'dynamic/support' is a route of a gateway: name that one"):
            built("dynamic/support", chat, account=account)
        with pytest.raises(InputError, match="a dynamic route must have 'messages'"):
            built("dynamic/support", {"prompt": "hello"}, account=account, gateway=gateway)


def test_each_option_of_a_gateway_is_a_header_under_either_spelling() -> None:
    rows: list[tuple[str, str, Any, str, str]] = [
        ("skip_cache", "skipCache", True, "skip-cache", "true"),
        ("skip_cache", "skipCache", False, "skip-cache", "false"),
        ("cache_ttl", "cacheTtl", 3600, "cache-ttl", "3600"),
        ("cache_ttl", "cacheTtl", 0, "cache-ttl", "0"),
        ("cache_ttl", "cacheTtl", np.int64(60), "cache-ttl", "60"),
        ("cache_key", "cacheKey", "key", "cache-key", "key"),
        ("metadata", "metadata", {"team": "é", "n": 1, "b": None}, "metadata", '{"team":"\\u00e9","n":1,"b":null}'),
        ("metadata", "metadata", {}, "metadata", "{}"),
        ("collect_log", "collectLog", False, "collect-log", "false"),
        ("collect_log", "collectLog", True, "collect-log", "true"),
        ("event_id", "eventId", "e1", "event-id", "e1"),
        ("request_timeout_ms", "requestTimeoutMs", 500, "request-timeout", "500"),
        *(("retries", "retries", {name: 3}, "max-attempts", "3") for name in ("max_attempts", "maxAttempts")),
        *(("retries", "retries", {name: 250}, "retry-delay", "250") for name in ("retry_delay_ms", "retryDelayMs")),
        ("retries", "retries", {"backoff": "linear"}, "backoff", "linear"),
        ("collect_log_payload", "collectLogPayload", False, "collect-log-payload", "false"),
        ("custom_cost", "customCost", {"total_cost": 1.22}, "custom-cost", '{"total_cost":1.22}'),
        (
            "custom_cost",
            "customCost",
            {"per_token_in": 1e-6, "per_token_out": 0},
            "custom-cost",
            '{"per_token_in":1e-06,"per_token_out":0}',
        ),
        ("byok_alias", "byokAlias", "mine", "byok-alias", "mine"),
        ("zdr", "zdr", True, "zdr", "true"),
        ("no_wholesale", "noWholesale", True, "no-wholesale", "true"),
    ]
    for model, (snake, camel, option, header, value) in product((MODEL, OTHERS), rows):
        for name in (snake, camel):
            gateway = {"id": "g", name: option}
            before = copy.deepcopy(gateway)
            headers = built(model, gateway=gateway).headers
            names = {each for each in headers if each.startswith("cf-aig-")}
            assert names - {"cf-aig-authorization", "cf-aig-gateway-id"} == {f"cf-aig-{header}"}, name
            assert (headers[f"cf-aig-{header}"], gateway) == (value, before), name


def test_what_is_no_option_of_a_gateway_is_refused() -> None:
    no_id = "`gateway` must have the 'id' of the gateway, 1 to 64 characters without '/', such as 'default', got "
    rows: list[tuple[Any, str]] = [
        ({"id": "g", "skipCash": True}, r"'skipCash'.*skip_cache"),
        ({"id": "g", "cacheTTL": 60}, r"gateway: no option 'cacheTTL', known are .*cache_ttl"),
        ({"id": "g", "retries": {"maxAtempts": 3}}, "gateway retries: no option 'maxAtempts'"),
        ({"id": "g", "max_attempts": 3}, "no option 'max_attempts'"),
        ({"id": "g", "extra": None}, "no option 'extra'"),
        ({"id": "g", "retries": {"attempts": 3}}, "gateway retries: no option 'attempts', known are max_attempts, r"),
        ({"id": "g", "retries": {5: 3}}, "gateway retries: no option '5'"),
        ({"id": "g", "retries": 3}, "gateway retries must be a dict with 'max_attempts' and the like, got 3"),
        ({"cache_ttl": 60}, no_id),
        *(({"id": id}, no_id) for id in ("", None, 5, "a/b", "..")),
        ({"id": "a" * 65}, f"{no_id}65 characters"),
        ("", no_id),
        (5, "`gateway` must be an id or a dict with 'id', got 5"),
        (["g"], "`gateway` must be an id or a dict with 'id'"),
        *(({"id": id}, "gateway id: a header's value must be ASCII") for id in ("a\r\nx: y", "a\nb", "a\0")),
        *(({"id": "g", "token": token}, "gateway token: a header") for token in ("a\r\nx: y", "a\nb", 5)),
        ({"id": "g", "cache_key": "a\nb"}, "cache_key"),
        ({"id": "g", "event_id": "a\r\nx: y"}, "event_id"),
        ({"id": "g", "cache_key": "日本"}, "cache_key"),
        ({"id": "g", "zdr": "yes"}, "gateway zdr must be True or False, got 'yes'"),
        (
            {"id": "g", "metadata": dict.fromkeys("abcdef", 1)},
            "metadata must be .* at most five .*, got 6 entries",
        ),
        ({"id": "g", "byok_alias": 5}, "gateway byok_alias must be a string, got 5"),
        *(
            (
                {"id": "g", "custom_cost": cost},
                "gateway custom_cost must be a dict of numbers under per_token_in, per_to",
            )
            for cost in (1.5, {}, {"total": 1}, {"total_cost": "1"}, {"total_cost": 1, 5: 1})
        ),
    ]
    for model in (MODEL, OTHERS):
        for account in (ACCOUNT, REST):
            for gateway, message in rows:
                with row(gateway), pytest.raises(ConfigurationError, match=message):
                    built(model, account=account, gateway=gateway)
    for value in (object(), float("nan"), b"x"):
        with row(value), pytest.raises(InputError, match=r"gateway metadata\['a'\]"):
            built(gateway={"id": "g", "metadata": {"a": value}})
    for value in ({}, {"b": 1}, ["x"], circular()):
        got = f"at most five strings, numbers or booleans, got {type(value).__name__} under 'a'"
        with row(value), pytest.raises(ConfigurationError, match=got):
            built(gateway={"id": "g", "metadata": {"a": value}})
    with pytest.raises(ConfigurationError, match="got 6 entries"):
        built(gateway={"id": "g", "metadata": dict.fromkeys("abcdef", 1)})
