"""Model, inputs and options to what is sent. Nothing is."""

from __future__ import annotations

import copy
import decimal
import json
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel, Field

from cfai import ConfigurationError, InputError
from cfai._config import ClientConfig, LimitPolicy, Retry, Timeout
from cfai._credentials import Credentials, Secret
from cfai._request import ApiRequest, RunOptions, inputs_to_builtins, parse_headers, prepare, quote_model

API = "https://api.cloudflare.com/client/v4"
MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
ACCOUNT = Credentials("0123456789abcdef0123456789abcdef", Secret("the-token"))
RUN = f"{API}/accounts/{ACCOUNT.id}/ai/run"


def built(model: str = MODEL, inputs: Any = None, account: Credentials = ACCOUNT, **options: Any) -> ApiRequest:
    config = ClientConfig(account, Timeout(), None, Retry(), LimitPolicy("off"))
    return prepare(config, model, inputs or {"prompt": "Hello"}, RunOptions(**options))


def sent(request: ApiRequest) -> Any:
    return json.loads(request.body)


# Paths


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (MODEL, MODEL),
        ("@hf/mistral/mistral-7b-instruct-v0.2", "@hf/mistral/mistral-7b-instruct-v0.2"),
        ("@cf/moondream/moondream3.1-9B-A2B", "@cf/moondream/moondream3.1-9B-A2B"),
        ("@cf/a/b?c", "@cf/a/b%3Fc"),
        ("@cf/a/b#c", "@cf/a/b%23c"),
        ("@cf/a/b%2fc", "@cf/a/b%252fc"),
        ("@cf/a/%2e%2e", "@cf/a/%252e%252e"),
        ("@cf/a/b c", "@cf/a/b%20c"),
        ("@cf/a/b\\..\\c", "@cf/a/b%5C..%5Cc"),
        ("@cf/a/é", "@cf/a/%C3%A9"),
        ("@cf/a/日本", "@cf/a/%E6%97%A5%E6%9C%AC"),
        ("@cf/a/b;c=d&e+f", "@cf/a/b%3Bc%3Dd%26e%2Bf"),
        ("@cf/a/...", "@cf/a/..."),
    ],
)
def test_a_model_stands_in_the_path_with_slashes_and_at_signs_literal(model: str, path: str) -> None:
    assert quote_model(model) == path
    assert built(model).url == f"{RUN}/{path}"


@pytest.mark.parametrize(
    "model",
    [
        "",
        ".",
        "..",
        "/",
        "@cf/../../tokens",
        "@cf/./a",
        "@cf/a/..",
        "../a",
        "@cf//a",
        "/@cf/a",
        "@cf/a/",
        "@cf/a\n",
        "@cf/a\r\nx: y",
        "@cf/a\0",
        "@cf/a\t",
        "@cf/a\x7f",
        None,
        5,
        b"@cf/a",
    ],
)
def test_what_could_leave_its_place_in_the_path_is_no_model(model: Any) -> None:
    with pytest.raises(ConfigurationError, match="model"):
        built(model)


def test_an_account_is_quoted_as_well() -> None:
    request = built(account=Credentials("a?b#c", Secret("x"), "http://localhost/client/v4"))
    assert request.url == f"http://localhost/client/v4/accounts/a%3Fb%23c/ai/run/{MODEL}"


def test_a_model_s_name_has_an_end() -> None:
    with pytest.raises(ConfigurationError, match="no model"):
        built("@cf/" + "x" * 70_000)


# Inputs


def test_the_inputs_are_the_body() -> None:
    inputs = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9, "raw": True, "seed": None}
    assert sent(built(inputs=inputs)) == inputs


def test_an_input_named_model_stays() -> None:
    inputs = {"model": "clef", "state": {}}
    assert sent(built("@cf/cloudflare/clef", inputs)) == inputs


def test_the_body_is_compact_json_in_utf_8() -> None:
    body = '{"prompt":"café \u2028 😀","n":[1,2.5]}'.encode()
    assert built(inputs={"prompt": "café \u2028 😀", "n": [1, 2.5]}).body == body


@pytest.mark.parametrize("stream", [True, 1])
def test_a_stream_is_told_by_the_inputs(stream: Any) -> None:
    assert built(inputs={"prompt": "x", "stream": stream}).wants_stream is True


@pytest.mark.parametrize("inputs", [{"prompt": "x"}, {"prompt": "x", "stream": False}, {"prompt": "x", "stream": None}])
def test_without_it_there_is_none(inputs: Any) -> None:
    assert built(inputs=inputs).wants_stream is False


@pytest.mark.parametrize("inputs", [None, "Hello", ["Hello"], 5])
def test_inputs_are_a_mapping(inputs: Any) -> None:
    with pytest.raises(InputError, match="inputs"):
        inputs_to_builtins(inputs)


def test_inputs_that_are_refused_are_a_type_error() -> None:
    with pytest.raises(TypeError):
        inputs_to_builtins("Hello")


def test_any_mapping_is_taken() -> None:
    inputs = MappingProxyType({"response_format": MappingProxyType({"type": "json_object"}), "tags": (1, 2)})
    assert sent(built(inputs=inputs)) == {"response_format": {"type": "json_object"}, "tags": [1, 2]}


def test_inputs_are_never_changed() -> None:
    inputs = {"messages": [{"role": "user", "content": "Hello"}], "options": {"other": 1}, "max_tokens": 5}
    before = copy.deepcopy(inputs)
    built(inputs=inputs, reject_if_busy=True, gateway="g")
    assert inputs == before


class Message(BaseModel):
    role: str = "user"
    content: str = Field(alias="said", default="")


def test_pydantic_models_become_objects_by_their_aliases() -> None:
    inputs = {"messages": [Message(role="system", said="Be brief")]}
    assert sent(built(inputs=inputs)) == {"messages": [{"role": "system", "said": "Be brief"}]}


class Inputs(BaseModel):
    prompt: str
    stream: bool = False


def test_the_inputs_themselves_may_be_a_pydantic_model() -> None:
    request = built(inputs=Inputs(prompt="Hello", stream=True))
    assert request.wants_stream
    assert sent(request) == {"prompt": "Hello", "stream": True}


def test_defaults_of_a_pydantic_model_are_sent() -> None:
    assert sent(built(inputs={"messages": [Message(said="Hello")]})) == {
        "messages": [{"role": "user", "said": "Hello"}]
    }


class Part(BaseModel):
    text: str
    detail: str | None = None


class Nested(BaseModel):
    content: list[Part]
    name: str | None = None


def test_a_default_that_is_none_means_that_nothing_was_given() -> None:
    message = Nested(content=[Part(text="Hello")])
    assert sent(built(inputs={"messages": [message]})) == {"messages": [{"content": [{"text": "Hello"}]}]}


def test_none_that_was_given_is_sent() -> None:
    message = Nested(content=[Part(text="Hello", detail=None)], name=None)
    assert sent(built(inputs=message)) == {"content": [{"text": "Hello", "detail": None}], "name": None}


class Odd(BaseModel):
    thing: Any


@pytest.mark.parametrize("thing", [object(), b"\xff", "half \ud83d"])
def test_a_pydantic_model_that_json_cannot_hold_is_named_by_its_place(thing: Any) -> None:
    with pytest.raises(InputError, match=r"inputs\['a'\]"):
        built(inputs={"a": Odd(thing=thing)})
    with pytest.raises(InputError, match="inputs"):
        built(inputs=Odd(thing=thing))


class Scalar:
    """What numpy's scalars and arrays have in common."""

    dtype = "float32"

    def __init__(self, value: Any) -> None:
        self.value = value

    def tolist(self) -> Any:
        return self.value


def test_numpy_values_become_numbers_and_lists() -> None:
    inputs = {"temperature": Scalar(0.5), "audio": Scalar([1, 2]), "nested": [{"seed": Scalar(7)}]}
    assert sent(built(inputs=inputs)) == {"temperature": 0.5, "audio": [1, 2], "nested": [{"seed": 7}]}


def circular() -> Any:
    value: dict[str, Any] = {}
    value["itself"] = value
    return value


def deep() -> Any:
    value: Any = "bottom"
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("inputs", "place"),
    [
        ({"image": b"\x89PNG"}, r"inputs\['image'\]: bytes"),
        ({"image": bytearray(b"x")}, r"inputs\['image'\]"),
        ({"image": memoryview(b"x")}, r"inputs\['image'\]"),
        ({"messages": [{"content": "a"}, {"content": b"b"}]}, r"inputs\['messages'\]\[1\]\['content'\]"),
        ({"temperature": float("nan")}, r"inputs\['temperature'\]: nan"),
        ({"temperature": float("inf")}, r"inputs\['temperature'\]: inf"),
        ({"temperature": -float("inf")}, r"inputs\['temperature'\]: -inf"),
        ({"temperature": Scalar(float("nan"))}, r"inputs\['temperature'\]"),
        ({"a": {"b": [object()]}}, r"inputs\['a'\]\['b'\]\[0\]: object"),
        ({"a": {1, 2}}, r"inputs\['a'\]: set"),
        ({"a": decimal.Decimal(1)}, r"inputs\['a'\]: Decimal"),
        ({"a": (1, object())}, r"inputs\['a'\]\[1\]"),
        ({"a": 1j}, r"inputs\['a'\]: complex"),
        ({"a": print}, r"inputs\['a'\]"),
        ({"a": MappingProxyType({"b": b""})}, r"inputs\['a'\]\['b'\]"),
        ({"prompt": "half \ud83d an emoji"}, r"inputs\['prompt'\]: .*surrogate"),
        ({"a": {"half \ud83d": 1}}, r"inputs\['a'\]: .*surrogate"),
        ({"a": {(1, 2): 3}}, r"inputs\['a'\]: keys must be strings, got \(1, 2\)"),
        ({"a": circular()}, "inputs"),
        ({"a": deep()}, "inputs"),
    ],
)
def test_what_json_cannot_hold_is_named_by_its_place(inputs: Any, place: str) -> None:
    with pytest.raises(InputError, match=place):
        built(inputs=inputs)


def test_a_value_that_cannot_be_sent_is_not_shown_in_full() -> None:
    with pytest.raises(InputError) as caught:
        built(inputs={"image": b"x" * 10_000})
    assert len(str(caught.value)) < 300


# Headers


def test_a_call_has_these_headers() -> None:
    headers = built().headers
    assert headers["authorization"] == "Bearer the-token"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("cfai/")
    assert "cf-aig-authorization" not in headers
    assert "x-session-affinity" not in headers


def test_a_stream_is_asked_for_uncompressed() -> None:
    headers = built(inputs={"prompt": "x", "stream": True}).headers
    assert headers["accept-encoding"] == "identity"
    assert "text/event-stream" in headers["accept"]


def test_headers_of_a_call_win_over_those_of_the_client() -> None:
    account = Credentials(ACCOUNT.id, ACCOUNT.token, default_headers={"x-a": "client", "x-b": "client"})
    headers = built(account=account, extra_headers={"X-A": "call", "User-Agent": "mine"}).headers
    assert (headers["x-a"], headers["x-b"], headers["user-agent"]) == ("call", "client", "mine")


def test_headers_of_a_call_win_over_options_of_the_gateway() -> None:
    gateway = {"id": "g", "cache_ttl": 60}
    assert built(gateway=gateway, extra_headers={"cf-aig-cache-ttl": "5"}).headers["cf-aig-cache-ttl"] == "5"


def test_headers_of_a_call_win_over_the_token_that_the_gateway_would_get() -> None:
    headers = built(gateway="g", extra_headers={"cf-aig-authorization": "Bearer mine"}).headers
    assert headers["cf-aig-authorization"] == "Bearer mine"


@pytest.mark.parametrize(
    "name",
    ["authorization", "Authorization", "content-type", "Content-Type", "content-length", "Host", "Transfer-Encoding"],
)
@pytest.mark.parametrize("origin", ["default_headers", "extra_headers"])
def test_neither_sets_what_cfai_sets(name: str, origin: str) -> None:
    with pytest.raises(ConfigurationError, match=origin):
        parse_headers({name: "x"}, origin)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\n", "a\r\nb", "ä", "a\0", "(a)", 5, None])
def test_what_is_no_header_name_is_refused(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="extra_headers"):
        parse_headers({name: "x"}, "extra_headers")


BAD_VALUES = ["a\nb", "a\r\nx: y", "a\0", "a\x7f", " a", "a ", "日本", "käse", 5, None, b"a"]


@pytest.mark.parametrize("value", BAD_VALUES)
def test_what_is_no_header_value_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="x-a"):
        parse_headers({"x-a": value}, "extra_headers")


@pytest.mark.parametrize("value", ["", "a", "a b", "a\tb", "~"])
def test_other_values_are_taken(value: str) -> None:
    assert parse_headers({"X-A": value}, "extra_headers") == {"x-a": value}


# Options


def test_session_affinity_is_a_header() -> None:
    assert built(session_affinity="session 1").headers["x-session-affinity"] == "session 1"


@pytest.mark.parametrize("value", [value for value in BAD_VALUES if value is not None])
def test_session_affinity_is_checked(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="session_affinity"):
        built(session_affinity=value)


def test_reject_if_busy_goes_into_the_body() -> None:
    request = built(reject_if_busy=True)
    assert not request.retries_when_busy
    assert sent(request) == {"prompt": "Hello", "options": {"rejectIfBusy": True}}


def test_reject_if_busy_stands_beside_other_options() -> None:
    request = built(inputs={"prompt": "x", "options": {"other": 1}}, reject_if_busy=True)
    assert sent(request)["options"] == {"other": 1, "rejectIfBusy": True}


def test_without_it_the_body_has_no_options() -> None:
    assert "options" not in sent(built())


def test_queue_request_goes_into_the_query() -> None:
    assert built(queue_request=True).url == f"{RUN}/{MODEL}?queueRequest=true"


def test_tags_go_into_the_query() -> None:
    assert built(tags=["team:a", "v1.2-b/c@d"]).url == f"{RUN}/{MODEL}?tags=team:a,v1.2-b/c@d"


def test_tags_stand_beside_other_options() -> None:
    assert built(tags=["a"], queue_request=True).url == f"{RUN}/{MODEL}?queueRequest=true&tags=a"


def test_a_tag_that_comes_twice_is_sent_once() -> None:
    assert built(tags=["a", "b", "a"]).url.endswith("?tags=a,b")


def test_five_tags_are_sent_even_if_one_of_them_comes_twice() -> None:
    assert built(tags=["a", "b", "c", "d", "e", "a"]).url.endswith("?tags=a,b,c,d,e")


def test_tags_may_come_from_any_iterable() -> None:
    assert built(tags=(tag for tag in "ab")).url.endswith("?tags=a,b")


def test_six_tags_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="5 at most"):
        built(tags=list("abcdef"))


def test_a_text_is_no_list_of_tags() -> None:
    with pytest.raises(ConfigurationError, match="tags"):
        built(tags="ab")


def test_a_tag_has_up_to_50_characters() -> None:
    assert built(tags=["a" * 50]).url.endswith("a" * 50)


@pytest.mark.parametrize("tag", ["", "a" * 51, "a b", "a,b", "a_b", "é", "a\n", "a?b", 5, None])
def test_what_is_no_tag_is_refused(tag: Any) -> None:
    with pytest.raises(ConfigurationError, match="tag"):
        built(tags=[tag])


# Gateways

GATEWAY = "https://gateway.ai.cloudflare.com/v1"
REST = Credentials(ACCOUNT.id, ACCOUNT.token, gateway_route="api")


@pytest.mark.parametrize("gateway", ["my-gateway", {"id": "my-gateway"}])
def test_models_of_cloudflare_take_the_gateways_host(gateway: Any) -> None:
    request = built(gateway=gateway)
    assert request.url == f"{GATEWAY}/{ACCOUNT.id}/my-gateway/workers-ai/{MODEL}"
    assert sent(request) == {"prompt": "Hello"}
    assert request.headers["authorization"] == "Bearer the-token"
    assert request.headers["cf-aig-authorization"] == "Bearer the-token"
    assert "cf-aig-gateway-id" not in request.headers


def test_a_gateway_can_have_a_token_of_its_own() -> None:
    headers = built(gateway={"id": "g", "token": "for-the-gateway"}).headers
    assert headers["authorization"] == "Bearer the-token"
    assert headers["cf-aig-authorization"] == "Bearer for-the-gateway"


def test_both_tokens_are_secrets() -> None:
    assert built(gateway={"id": "g", "token": "for-the-gateway"}).secrets == ["the-token", "for-the-gateway"]


def test_over_rest_models_of_cloudflare_are_named_in_the_body() -> None:
    request = built(account=REST, gateway="my-gateway")
    assert request.url == RUN
    assert sent(request) == {"model": MODEL, "input": {"prompt": "Hello"}}
    assert request.headers["cf-aig-gateway-id"] == "my-gateway"
    assert "cf-aig-authorization" not in request.headers


def test_without_a_gateway_the_transport_changes_nothing() -> None:
    assert built(account=REST).url == f"{RUN}/{MODEL}"


@pytest.mark.parametrize("account", [ACCOUNT, REST])
def test_models_of_others_are_named_in_the_body(account: Credentials) -> None:
    request = built("openai/gpt-5-mini", account=account)
    assert request.url == RUN
    assert sent(request) == {"model": "openai/gpt-5-mini", "input": {"prompt": "Hello"}}
    assert "cf-aig-gateway-id" not in request.headers


@pytest.mark.parametrize("account", [ACCOUNT, REST])
def test_models_of_others_have_the_gateway_in_a_header(account: Credentials) -> None:
    request = built("openai/gpt-5-mini", account=account, gateway="my-gateway")
    assert request.url == RUN
    assert request.headers["cf-aig-gateway-id"] == "my-gateway"
    assert "cf-aig-authorization" not in request.headers


def test_models_of_others_are_streamed_when_their_input_says_so() -> None:
    assert built("openai/gpt-5-mini", {"messages": [], "stream": True}).wants_stream is True


def test_the_query_goes_along_with_a_gateway() -> None:
    assert built(gateway="g", tags=["a"]).url == f"{GATEWAY}/{ACCOUNT.id}/g/workers-ai/{MODEL}?tags=a"


@pytest.mark.parametrize(
    ("option", "header", "value"),
    [
        ({"skip_cache": True}, "cf-aig-skip-cache", "true"),
        ({"skipCache": True}, "cf-aig-skip-cache", "true"),
        ({"skip_cache": False}, "cf-aig-skip-cache", "false"),
        ({"cache_ttl": 3600}, "cf-aig-cache-ttl", "3600"),
        ({"cacheTtl": 3600}, "cf-aig-cache-ttl", "3600"),
        ({"cache_ttl": 0}, "cf-aig-cache-ttl", "0"),
        ({"cache_key": "key"}, "cf-aig-cache-key", "key"),
        ({"cacheKey": "key"}, "cf-aig-cache-key", "key"),
        ({"metadata": {"team": "é", "n": 1, "b": None}}, "cf-aig-metadata", '{"team":"\\u00e9","n":1,"b":null}'),
        ({"metadata": {}}, "cf-aig-metadata", "{}"),
        ({"collect_log": False}, "cf-aig-collect-log", "false"),
        ({"collectLog": True}, "cf-aig-collect-log", "true"),
        ({"event_id": "e1"}, "cf-aig-event-id", "e1"),
        ({"eventId": "e1"}, "cf-aig-event-id", "e1"),
        ({"request_timeout_ms": 500}, "cf-aig-request-timeout", "500"),
        ({"requestTimeoutMs": 500}, "cf-aig-request-timeout", "500"),
        ({"retries": {"max_attempts": 3}}, "cf-aig-max-attempts", "3"),
        ({"retries": {"maxAttempts": 3}}, "cf-aig-max-attempts", "3"),
        ({"retries": {"retry_delay_ms": 250}}, "cf-aig-retry-delay", "250"),
        ({"retries": {"retryDelayMs": 250}}, "cf-aig-retry-delay", "250"),
        ({"retries": {"backoff": "linear"}}, "cf-aig-backoff", "linear"),
    ],
)
@pytest.mark.parametrize("model", [MODEL, "openai/gpt-5-mini"])
def test_each_option_of_a_gateway_is_a_header(model: str, option: Any, header: str, value: str) -> None:
    gateway = {"id": "g", **option}
    before = copy.deepcopy(gateway)
    headers = built(model, gateway=gateway).headers
    assert headers[header] == value
    given = {name for name in headers if name.startswith("cf-aig-")}
    assert given - {"cf-aig-authorization", "cf-aig-gateway-id"} == {header}
    assert gateway == before


@pytest.mark.parametrize(
    "gateway",
    [
        {"id": "g", "skip_cash": True},
        {"id": "g", "retries": {"attempts": 3}},
        {"id": "g", "retries": 3},
        {"id": "g", "max_attempts": 3},
        {"id": "g", "retries": {5: 3}},
        {"id": "g", "extra": None},
        {"cache_ttl": 60},
        {"id": ""},
        {"id": None},
        {"id": 5},
        {"id": "a/b"},
        {"id": ".."},
        "",
        5,
        ["g"],
    ],
)
def test_what_is_no_option_of_a_gateway_is_refused(gateway: Any) -> None:
    with pytest.raises(ConfigurationError):
        built(gateway=gateway)


def test_an_unknown_option_of_a_gateway_is_named_beside_the_known() -> None:
    with pytest.raises(ConfigurationError, match=r"'skip_cash'.*skip_cache"):
        built(gateway={"id": "g", "skipCash": True})
    with pytest.raises(ConfigurationError, match=r"gateway retries: no option 'attempts', known are max_attempts, r"):
        built(gateway={"id": "g", "retries": {"attempts": 3}})


@pytest.mark.parametrize("model", [MODEL, "openai/gpt-5-mini"])
@pytest.mark.parametrize("account", [ACCOUNT, REST])
@pytest.mark.parametrize("id", ["a\r\nx: y", "a\nb", "a\0"])
def test_the_id_of_a_gateway_carries_no_line_break(model: str, account: Credentials, id: str) -> None:
    with pytest.raises(ConfigurationError):
        built(model, account=account, gateway={"id": id})


@pytest.mark.parametrize("token", ["a\r\nx: y", "a\nb", 5])
def test_the_token_of_a_gateway_is_checked(token: Any) -> None:
    with pytest.raises(ConfigurationError):
        built(gateway={"id": "g", "token": token})


@pytest.mark.parametrize("option", [{"cache_key": "a\nb"}, {"event_id": "a\r\nx: y"}, {"cache_key": "日本"}])
def test_options_of_a_gateway_carry_no_line_break(option: Any) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        built(gateway={"id": "g", **option})


@pytest.mark.parametrize("metadata", [{"a": object()}, {"a": float("nan")}, {"a": b"x"}])
def test_metadata_that_json_cannot_hold_is_refused(metadata: Any) -> None:
    with pytest.raises((ConfigurationError, InputError), match="metadata"):
        built(gateway={"id": "g", "metadata": metadata})


def test_a_request_does_not_show_what_it_carries() -> None:
    request = built(inputs={"prompt": "a private matter"}, gateway={"id": "g", "token": "for-the-gateway"})
    assert not [word for word in ("the-token", "for-the-gateway", "private") if word in repr(request)]
