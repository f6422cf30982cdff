"""An answer of the service, or what broke instead, to an error."""

from __future__ import annotations

import doctest
import json
import re
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cfai
from cfai import (
    AiInternalError,
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CapacityError,
    CfaiError,
    InferenceUpstreamError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
)
from cfai._response import errors as _errors
from cfai._response.errors import (
    build_error,
    map_transport_error,
    parse_body,
    parse_error_body,
    parse_retry_after,
    redact,
    redact_json,
)
from cfai._response.extract import body_reports_error

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
UUID = "3a1f9e1c-0b7d-4f0e-9a54-8f2f6c1f4b11"


def error_of(status: int, body: Any, model: str | None = MODEL, **headers: str) -> InferenceUpstreamError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return build_error(status, {name.replace("_", "-"): value for name, value in headers.items()}, content, model=model)


def envelope(code: int | None, message: str) -> dict[str, Any]:
    problem = {"message": message} | ({} if code is None else {"code": code})
    return {"errors": [problem], "success": False, "result": {}, "messages": []}


# Shapes


SHAPES: list[tuple[Any, int | str | None, str, str]] = [
    (
        {
            "result": None,
            "success": False,
            "errors": [{"code": 10000, "message": "Authentication error"}],
            "messages": [],
        },
        10000,
        "Authentication error",
        "AuthenticationError",
    ),
    (envelope(3030, f"AiError: Sequence too long: 9003 > 8192 ({UUID})"), 3030, "Sequence too long: 9003 > 8192", ""),
    (envelope(3030, f"AiError: AiError: Sequence too long ({UUID})"), 3030, "Sequence too long", ""),
    (envelope(5006, "AiError: Bad input: Error: '/temperature' must be <= 5"), 5006, "'/temperature' must be <= 5", ""),
    (envelope(5007, "No such model: @cf/a/b"), 5007, "No such model: @cf/a/b", ""),
    (
        envelope(5012, 'AiError: {"object":"error","message":"too many images","code":400}'),
        5012,
        "too many images",
        "",
    ),
    ({"errors": {"code": 3040, "message": "no room"}, "success": False}, 3040, "no room", ""),
    (
        {
            "internalCode": 1001,
            "message": "Invalid input",
            "name": "InvalidInput",
            "description": "prompt and messages",
        },
        1001,
        "prompt and messages",
        "InvalidInput",
    ),
    ({"internalCode": 3040, "message": "m", "name": "X", "description": "d", "httpCode": 429}, 3040, "d", "X"),
    ({"error": {"code": "invalid_prompt", "message": "AiError: no"}}, "invalid_prompt", "no", ""),
    ({"error": {"message": "no such thing", "type": "invalid_request_error", "code": None}}, None, "no such thing", ""),
    ({"error": {"message": "no such thing"}}, None, "no such thing", ""),
    ({"error": "no such thing"}, None, "no such thing", ""),
    ({"success": False, "error": [{"code": 2001, "message": "no gateway"}]}, 2001, "no gateway", ""),
    (
        {"state": "Failed", "error": {"code": "provider_unavailable", "message": "down"}},
        "provider_unavailable",
        "down",
        "",
    ),
    ({"result": {"state": "Failed", "error": {"code": "x", "message": "down"}}, "success": False}, "x", "down", ""),
    ({"message": "plain", "code": "3040"}, 3040, "plain", ""),
    ({"detail": "not found"}, None, "not found", ""),
    ([{"code": 3040, "message": "in a list"}], 3040, "in a list", ""),
    (envelope(None, "InferenceUpstreamError: 3040: no room"), 3040, "no room", ""),
    (envelope(3046, "1001: the envelope knows better"), 3046, "the envelope knows better", ""),
    (b"3040: no room", 3040, "no room", ""),
    (b"error 99999: no code of ours", None, "no code of ours", ""),
    (b"upstream connect error", None, "upstream connect error", ""),
    (b"<!DOCTYPE html>\n<html><head><title>502 Bad\n Gateway</title></head></html>", None, "502 Bad Gateway", ""),
    (b"<html><body><h1>Bad &amp; worse</h1></body></html>", None, "Bad & worse", ""),
    (b"\xff\xfe not text", None, "not text", ""),
    ({"errors": ["only text"]}, None, "only text", ""),
    ({"errors": [None, {"code": 5006, "message": "second"}]}, 5006, "second", ""),
    ({"unheard": ["of"]}, None, '{"unheard":["of"]}', ""),
]


@pytest.mark.parametrize(("body", "code", "said", "name"), SHAPES)
def test_every_shape_is_read(body: Any, code: int | str | None, said: str, name: str) -> None:
    error = error_of(400, body)
    assert error.code == code
    assert said in str(error)
    if name:
        assert error.name == name
        assert name in str(error)


@pytest.mark.parametrize(("body", "code", "said", "name"), SHAPES)
def test_the_body_is_kept_whole(body: Any, code: int | str | None, said: str, name: str) -> None:
    assert error_of(400, body).body == (body.decode("utf-8", "replace") if isinstance(body, bytes) else body)


@pytest.mark.parametrize("body", [b"", {}, None, [], ""])
def test_an_error_that_says_nothing_has_a_message_all_the_same(body: Any) -> None:
    assert "without saying why (status 503" in str(error_of(503, body))


@pytest.mark.parametrize("body", [{"errors": [], "success": False, "result": None}, {"errors": [{}]}, [None], 5])
def test_an_error_in_no_known_shape_is_shown_as_it_came(body: Any) -> None:
    assert f": {json.dumps(body, separators=(',', ':'))} (status 503" in str(error_of(503, body))


def test_a_message_is_one_line() -> None:
    assert "\n" not in str(error_of(400, envelope(5006, "AiError: one\ntwo\r\nthree")))


@pytest.mark.parametrize("part", ["code", "name", "type", "message"])
def test_whatever_it_is_made_of(part: str) -> None:
    problem = {"message": "failed", "code": "x", part: "one\ntwo\r\nthree\u2028four"}
    assert len(str(error_of(400, {"errors": [problem]})).splitlines()) == 1


@pytest.mark.parametrize("part", ["code", "name", "type", "message"])
def test_a_message_is_bounded_and_the_body_is_not(part: str) -> None:
    problem = {"message": "failed", "code": "x", part: "x" * 100_000}
    error = error_of(400, {"errors": [problem]})
    assert len(str(error)) < 1500
    assert error.body == {"errors": [problem]}


def test_a_prefix_in_the_middle_stays() -> None:
    assert "about AiError: this" in str(error_of(400, envelope(5006, "AiError: about AiError: this")))


def test_a_code_stands_in_a_message_once() -> None:
    said = "3040: Capacity temporarily exceeded, please try again"
    for body in (envelope(3040, f"AiError: {said}"), {"error": said}, {"errors": [{"message": said}]}):
        assert str(error_of(429, body)).startswith("3040 OutOfCapacity: Capacity temporarily exceeded")


# Codes


CODES: list[tuple[int, int, type[InferenceUpstreamError], bool]] = [
    (1001, 400, BadRequestError, False),
    (1031, 403, PermissionDeniedError, False),
    (2001, 400, BadRequestError, False),
    (2009, 401, AuthenticationError, False),
    (2016, 400, BadRequestError, False),
    (2017, 400, BadRequestError, False),
    (3003, 400, BadRequestError, False),
    (3006, 413, BadRequestError, False),
    (3007, 408, RequestTimeoutError, False),
    (3008, 408, RequestTimeoutError, False),
    (3021, 429, RateLimitError, True),
    (3023, 403, PermissionDeniedError, False),
    (3030, 400, BadRequestError, False),
    (3036, 429, QuotaExceededError, False),
    (3039, 400, BadRequestError, False),
    (3040, 429, CapacityError, True),
    (3041, 403, PermissionDeniedError, False),
    (3042, 404, NotFoundError, False),
    (3046, 408, RequestTimeoutError, False),
    (4006, 429, QuotaExceededError, False),
    (5004, 400, BadRequestError, False),
    (5005, 405, BadRequestError, False),
    (5006, 400, BadRequestError, False),
    (5007, 400, NotFoundError, False),
    (5012, 422, BadRequestError, False),
    (5016, 403, PermissionDeniedError, False),
    (5018, 403, PermissionDeniedError, False),
    (5019, 405, BadRequestError, False),
    (5023, 400, BadRequestError, False),
    (5024, 400, BadRequestError, False),
    (5025, 400, BadRequestError, False),
    (5035, 403, PermissionDeniedError, False),
    (7000, 400, BadRequestError, False),
    (7001, 405, BadRequestError, False),
    (7003, 400, BadRequestError, False),
    (8001, 400, BadRequestError, False),
    (8005, 500, InternalServerError, True),
    (8006, 400, BadRequestError, False),
    (10000, 401, AuthenticationError, False),
    (10000, 403, AuthenticationError, False),
]


@pytest.mark.parametrize(("code", "status", "kind", "retryable"), CODES)
def test_every_code_has_its_class(code: int, status: int, kind: type[CfaiError], retryable: bool) -> None:
    error = error_of(status, envelope(code, "AiError: it failed"))
    assert (type(error), error.code, error.status_code, error.retryable) == (kind, code, status, retryable)


@pytest.mark.parametrize(("code", "status", "kind", "retryable"), CODES)
def test_every_code_has_a_name_and_says_what_to_do(
    code: int, status: int, kind: type[CfaiError], retryable: bool
) -> None:
    error = error_of(status, envelope(code, "AiError: it failed"))
    assert re.fullmatch("[A-Z][A-Za-z]+", error.name)
    assert str(error).startswith(f"{code} {error.name}: it failed (status {status}")
    assert "What to do: " in str(error)


STATUSES: list[tuple[int, type[InferenceUpstreamError], bool]] = [
    (301, InferenceUpstreamError, False),
    (302, InferenceUpstreamError, False),
    (307, InferenceUpstreamError, False),
    (308, InferenceUpstreamError, False),
    (400, BadRequestError, False),
    (401, AuthenticationError, False),
    (402, QuotaExceededError, False),
    (403, PermissionDeniedError, False),
    (404, NotFoundError, False),
    (405, BadRequestError, False),
    (408, RequestTimeoutError, False),
    (409, BadRequestError, False),
    (413, BadRequestError, False),
    (418, BadRequestError, False),
    (422, BadRequestError, False),
    (429, RateLimitError, True),
    (500, InternalServerError, True),
    (502, InternalServerError, True),
    (503, InternalServerError, True),
    (504, RequestTimeoutError, False),
    (520, InternalServerError, True),
    (521, InternalServerError, True),
    (522, InternalServerError, True),
    (523, InternalServerError, True),
    (524, RequestTimeoutError, False),
]


@pytest.mark.parametrize(("status", "kind", "retryable"), STATUSES)
@pytest.mark.parametrize("body", [b"", b"<html></html>", envelope(None, "said"), envelope(99_999, "an unknown code")])
def test_without_a_known_code_the_status_decides(
    body: Any, status: int, kind: type[CfaiError], retryable: bool
) -> None:
    error = error_of(status, body)
    assert (type(error), error.retryable) == (kind, retryable)


@pytest.mark.parametrize("code", [None, 3040, 10_000_000])
def test_the_daily_allocation_is_told_by_its_text_too(code: int | None) -> None:
    text = "AiError: you have used up your daily free allocation of 10,000 neurons, please upgrade"
    error = error_of(429, envelope(code, text))
    assert type(error) is QuotaExceededError
    assert not error.retryable
    assert "00:00 UTC" in str(error)


def test_a_redirect_says_that_it_was_not_followed() -> None:
    error = error_of(307, b"", location="https://elsewhere.example/")
    assert "redirects are not followed" in str(error)
    assert error.headers["location"] == "https://elsewhere.example/"


def test_a_code_that_is_true_is_no_code() -> None:
    assert error_of(400, {"errors": [{"code": True, "message": "x"}]}).code is None


@pytest.mark.parametrize("status", [504, 524])
def test_a_call_that_the_edge_gave_up_on_is_never_sent_again(status: int) -> None:
    for code in (None, 8005, 3040, 3021, 99_999):
        error = error_of(status, envelope(code, "it failed"))
        assert (type(error), error.retryable) == (RequestTimeoutError, False), code
        assert "may have been billed" in str(error), code


def test_the_examples_in_docstrings_hold() -> None:
    failed, attempted = doctest.testmod(_errors)
    assert (failed, attempted > 0) == (0, True)


# Messages


def test_a_message_has_all_that_support_asks_for() -> None:
    error = error_of(429, envelope(3040, f"AiError: Capacity temporarily exceeded ({UUID})"), cf_ai_req_id="id-1")
    assert str(error) == (
        f"3040 OutOfCapacity: Capacity temporarily exceeded (status 429, request id id-1, model {MODEL}). "
        "What to do: the model is busy: try again, or use another."
    )
    assert (error.status_code, error.code, error.name, error.request_id) == (429, 3040, "OutOfCapacity", "id-1")
    assert error.model == MODEL


@pytest.mark.parametrize(
    ("headers", "id"),
    [
        ({"cf_ai_req_id": "a", "cf_ray": "b"}, "a"),
        ({"cf_ray": "b"}, "b"),
        ({}, UUID),
        ({"cf_ai_req_id": ""}, UUID),
    ],
)
def test_the_request_id_is_the_best_that_there_is(headers: dict[str, str], id: str) -> None:
    error = error_of(400, envelope(5006, f"AiError: bad ({UUID})"), **headers)
    assert error.request_id == id
    assert f"request id {id}" in str(error)


def test_without_any_id_there_is_none() -> None:
    error = error_of(400, envelope(5006, "AiError: bad"))
    assert error.request_id is None
    assert "request id" not in str(error)


@pytest.mark.parametrize("status", [400, 404])
def test_an_unknown_model_names_the_nearest(status: int) -> None:
    error = error_of(status, envelope(5007, "No such model"), model="@cf/meta/lama-3.3-70b-instruct")
    assert isinstance(error, NotFoundError)
    assert "did you mean @cf/meta/llama-3.3-70b-instruct-fp8-fast" in str(error)


def test_the_nearest_models_are_live_ones() -> None:
    said = str(error_of(400, envelope(5007, "No such model"), model="@cf/meta/llama-2-7b-chat-int9"))
    names = re.findall(r"@[a-z]+/[^\s?,]+", said.partition("did you mean")[2])
    assert names
    for name in names:
        entry = cfai.models.get(name.rstrip("?.:"))
        assert entry is not None
        assert entry.retired_on is None


def test_a_retired_model_names_one_that_lives() -> None:
    error = error_of(400, envelope(5007, "No such model"), model="@cf/meta/llama-2-7b-chat-int8")
    assert "was retired on" in str(error)
    instead = re.search(r"use (@\S+?)\.?$", str(error))
    assert instead
    entry = cfai.models.get(instead[1])
    assert entry is not None
    assert entry.retired_on is None


def test_a_model_that_exists_is_not_corrected() -> None:
    assert "did you mean" not in str(error_of(404, b""))


def test_headers_are_kept_without_cookies() -> None:
    error = error_of(429, b"", set_cookie="__cf_bm=secret", retry_after="3", x_a="b")
    assert error.headers == {"retry-after": "3", "x-a": "b"}


# Retry-After

NOW = 1_700_000_000.0
"""2023-11-14 22:13:20 UTC."""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2.0),
        ("2.5", 2.5),
        (" 3 ", 3.0),
        ("0", 0.0),
        ("3600", 3600.0),
        ("-1", None),
        ("+1", None),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        ("1, 2", None),
        ("9" * 400, None),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tuesday, 14-Nov-23 22:13:30 GMT", 10.0),
        ("Tue Nov 14 22:13:30 2023", 10.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
        ("Tue, 99 Nov 2023 22:13:00 GMT", None),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_retry_after_is_read_as_seconds_or_as_a_date(
    value: str, seconds: float | None, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert parse_retry_after({"retry-after": value}, NOW) == seconds
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-5"}, None),
        ({}, None),
    ],
)
def test_milliseconds_are_more_exact(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(headers, NOW) == seconds


def test_an_error_says_how_long_to_wait() -> None:
    assert error_of(429, envelope(3040, "x"), retry_after="7").retry_after == 7.0
    assert error_of(429, envelope(3040, "x")).retry_after is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Sun, 22 Nov 2026 13:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 15:00:30 +0200", 30.0),
        ("Sunday, 22-Nov-26 13:00:30 GMT", 30.0),
        ("Sun Nov 22 13:00:30 2026", 30.0),
        ("Sun, 22 Nov 2026 12:00:00 GMT", 0.0),
    ],
)
def test_a_date_to_wait_for_is_read_in_its_own_zone(value: str, expected: float) -> None:
    now = datetime(2026, 11, 22, 13, 0, 0, tzinfo=UTC).timestamp()
    assert parse_retry_after({"retry-after": value}, now) == expected


# 2xx


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"success": False}, True),
        ({"success": False, "errors": [], "result": {"response": "x"}}, True),
        ({"errors": [{"code": 1, "message": "x"}]}, True),
        ({"errors": [{"code": 1}], "result": {}}, True),
        ({"errors": [{"code": 1}], "result": None}, True),
        ({"error": "x"}, True),
        ({"error": {"message": "x"}}, True),
        ({"error": [{"message": "x"}]}, True),
        ({"success": True, "result": {"response": "x"}, "errors": []}, False),
        ({"success": True, "result": {"response": "x"}, "errors": [{"message": "a warning"}]}, False),
        ({"success": True, "result": {}, "errors": []}, False),
        ({"result": None}, False),
        ({"errors": []}, False),
        ({"error": None, "choices": []}, False),
        ({"error": ""}, False),
        ([{"label": "error"}], False),
        ("error", False),
        (None, False),
        (5, False),
    ],
)
def test_an_answer_that_reports_an_error_is_one(body: Any, expected: bool) -> None:
    assert body_reports_error(body) is expected


def test_an_error_with_a_good_status_is_on_the_side_of_the_service() -> None:
    error = error_of(200, {"success": False, "errors": []})
    assert type(error) is AiInternalError


def test_a_chat_completion_with_an_error_beside_its_choices_is_an_answer() -> None:
    assert body_reports_error({"error": "slow", "choices": []}) is False
    assert body_reports_error({"error": "slow"}) is True


# What broke before an answer


NO_ANSWER = "no answer from api.example: slow"
CHECK = "pass verify= with your own certificates if a proxy puts its own in between"
SSL = "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"
MAY_BE_BILLED = f"{NO_ANSWER} (the request was sent whole, so it may have been billed; it was not sent again)"

NETWORK: list[tuple[str, str, bool, type[CfaiError], str, bool]] = [
    # The exception, its text, whether the call may have been billed; the error, its message, whether it is retryable.
    ("ConnectError", "slow", False, APIConnectionError, NO_ANSWER, True),
    ("ConnectError", "slow", True, APIConnectionError, NO_ANSWER, True),
    ("RemoteProtocolError", "slow", False, APIConnectionError, NO_ANSWER, True),
    ("RemoteProtocolError", "slow", True, APIConnectionError, MAY_BE_BILLED, False),
    ("ReadError", "slow", False, APIConnectionError, NO_ANSWER, True),
    ("ReadError", "slow", True, APIConnectionError, MAY_BE_BILLED, False),
    ("WriteError", "slow", True, APIConnectionError, NO_ANSWER, True),
    ("CloseError", "slow", False, APIConnectionError, NO_ANSWER, True),
    ("ProxyError", "slow", True, APIConnectionError, NO_ANSWER, True),
    ("LocalProtocolError", "slow", True, APIConnectionError, NO_ANSWER, False),
    ("UnsupportedProtocol", "slow", True, APIConnectionError, NO_ANSWER, False),
    ("DecodingError", "slow", False, APIConnectionError, NO_ANSWER, False),
    ("ConnectTimeout", "slow", False, APITimeoutError, "could not connect to api.example in time: slow", True),
    ("PoolTimeout", "slow", False, APITimeoutError, "no connection to api.example came free in time: slow", True),
    ("WriteTimeout", "slow", False, APITimeoutError, "could not send to api.example in time: slow", True),
    ("ReadTimeout", "slow", False, APITimeoutError, "api.example did not answer in time (slow): the call may have been "
     "billed, so it was not sent again; raise timeout=, or stream the answer", False),
    ("ConnectError", SSL, True, APIConnectionError, f"api.example is not trusted: {SSL}. {CHECK}", False),
    ("ConnectError", "", False, APIConnectionError, "no answer from api.example: ConnectError", True),
    ("ConnectError", " two\n lines ", False, APIConnectionError, "no answer from api.example: two lines", True),
]  # fmt: skip


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_what_a_client_raises_has_its_class(library: Any) -> None:
    for name, text, may_be_billed, kind, message, retryable in NETWORK:
        exception = getattr(library, name)(text)
        error = map_transport_error(exception, MODEL, "api.example", may_be_billed=may_be_billed)
        assert error is not None, name
        assert (type(error), str(error), error.retryable, error.model) == (kind, message, retryable, MODEL), name


@pytest.mark.parametrize("exception", [ValueError("x"), OSError("x"), KeyError("x"), httpx.StreamConsumed()])
def test_what_is_not_the_networks_is_nobodys_error(exception: Exception) -> None:
    assert map_transport_error(exception, MODEL, "api.example") is None


def test_a_connection_error_knows_its_model() -> None:
    assert APIConnectionError("x", model="@cf/a/b").model == "@cf/a/b"


# Whatever comes


def test_credentials_that_were_echoed_are_removed() -> None:
    assert redact(b"a the-token b the-token", ["the-token", "other"]) == b"a [removed] b [removed]"
    # So short a secret would take words out of every text.
    assert redact(b"12345678", ["12345678"]) == b"[removed]"
    assert redact(b"12345678", ["1234567"]) == b"12345678"


def test_a_json_value_without_secrets_stays_the_same_object() -> None:
    value: dict[str, Any] = {"a": ["b", 1.0, None, "\ud83d"]}
    assert redact_json(value, ["the-token"]) is value
    assert redact_json({"a": ["the-token"]}, ["the-token"]) == {"a": ["[removed]"]}
    assert redact_json({"a": "the-token \ud83d"}, ["the-token"]) == {"a": "[removed] ?"}


def test_an_error_without_a_body_says_whose_it_is() -> None:
    for status, reason in ((499, "the answer has no body"), (500, "the service failed without saying why")):
        assert f": {reason} (status {status})" in str(build_error(status, {}, b"")), status


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from([*"abc", "errors", "error", "message", "code"]), inner)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.integers(200, 599), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_breaks_the_parser(status: int, content: bytes) -> None:
    error = build_error(status, {}, content, model=MODEL)
    assert str(error)
    assert "\n" not in str(error)
    assert isinstance(error, InferenceUpstreamError)


@settings(deadline=None)
@given(st.text())
def test_no_retry_after_breaks_the_parser(value: str) -> None:
    seconds = parse_retry_after({"retry-after": value, "retry-after-ms": value}, NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"error":' * 50_000, b"<" * 1_000_000, b"AiError: " * 100_000])
def test_a_body_made_to_be_hard_still_gives_a_short_message(content: bytes) -> None:
    assert 0 < len(str(build_error(500, {}, content, model=MODEL))) < 1_000


def test_a_body_is_json_if_it_can_be() -> None:
    assert parse_body(b'{"a": 1}') == {"a": 1}
    assert parse_body(b"a") == "a"


def test_a_problem_without_a_message_gives_way_to_one_that_has_one() -> None:
    assert parse_error_body({"errors": [{"code": 1}, {"code": 2, "message": "x"}]}).code == 2
