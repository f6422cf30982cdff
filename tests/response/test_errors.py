"""An answer of the service, or what broke instead, to an error: its class, and the words that users read."""

from __future__ import annotations

import dataclasses
import doctest
import json
import re
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    models,
)
from cfai._response import error_body, errors, map_transport_error
from cfai._response.error_body import parse_error_body, redact, redact_json
from cfai._response.errors import build_error, parse_retry_after
from cfai._response.extract import body_reports_error
from tests.conftest import row

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
RETIRED = "@cf/meta/llama-2-7b-chat-int8"
UUID = "3a1f9e1c-0b7d-4f0e-9a54-8f2f6c1f4b11"
ADVICE = r"What to do: [a-z].*[a-z0-9')]\.$"
"""It goes on in the middle of a sentence, and ends it."""


def error_of(status: int, body: Any, model: str | None = MODEL, **headers: str) -> InferenceUpstreamError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return build_error(status, {name.replace("_", "-"): value for name, value in headers.items()}, content, model=model)


def envelope(code: int | None, message: str) -> dict[str, Any]:
    problem = {"message": message} | ({} if code is None else {"code": code})
    return {"errors": [problem], "success": False, "result": {}, "messages": []}


# Shapes

SHAPES: list[tuple[Any, int | str | None, str, str]] = [
    # The body; the code, some words of the message, and the name, if it is the body's own.
    ({"result": None, "success": False, "errors": [{"code": 10000, "message": "Authentication error"}], "messages": []},
     10000, "Authentication error", "AuthenticationError"),
    (envelope(3030, f"AiError: Sequence too long: 9003 > 8192 ({UUID})"), 3030, "Sequence too long: 9003 > 8192", ""),
    (envelope(3030, f"AiError: AiError: Sequence too long ({UUID})"), 3030, ": Sequence too long (status", ""),
    (envelope(5006, "AiError: Bad input: Error: '/temperature' must be <= 5"), 5006, "'/temperature' must be <= 5", ""),
    (envelope(5006, "AiError: about AiError: this"), 5006, ": about AiError: this", ""),
    (envelope(5007, "No such model: @cf/a/b"), 5007, "No such model: @cf/a/b", ""),
    (envelope(5012, 'AiError: {"object":"error","message":"too many images","code":400}'), 5012, "too many images", ""),
    ({"errors": {"code": 3040, "message": "no room"}, "success": False}, 3040, "no room", ""),
    ({"internalCode": 1001, "message": "Invalid input", "name": "InvalidInput", "description": "prompt and messages"},
     1001, "prompt and messages", "InvalidInput"),
    ({"internalCode": 3040, "message": "m", "name": "X", "description": "d", "httpCode": 429}, 3040, "d", "X"),
    ({"error": {"code": "invalid_prompt", "message": "AiError: no"}}, "invalid_prompt", "no", ""),
    ({"error": {"message": "no such thing", "type": "invalid_request_error", "code": None}}, None, "no such thing",
     "invalid_request_error"),
    ({"errors": [{"message": "it failed", "name": "of_its_own"}]}, None, "it failed", "of_its_own"),
    ({"error": {"message": "no such thing"}}, None, "no such thing", ""),
    ({"error": "no such thing"}, None, "no such thing", ""),
    ({"success": False, "error": [{"code": 2001, "message": "no gateway"}]}, 2001, "no gateway", ""),
    ({"state": "Failed", "error": {"code": "provider_unavailable", "message": "down"}}, "provider_unavailable", "down",
     ""),
    ({"result": {"state": "Failed", "error": {"code": "x", "message": "down"}}, "success": False}, "x", "down", ""),
    ({"message": "plain", "code": "3040"}, 3040, "plain", ""),
    ({"detail": "not found"}, None, "not found", ""),
    ([{"code": 3040, "message": "in a list"}], 3040, "in a list", ""),
    (envelope(None, "InferenceUpstreamError: 3040: no room"), 3040, "no room", ""),
    (envelope(3046, "1001: the envelope knows better"), 3046, "the envelope knows better", ""),
    (b"3040: no room", 3040, "no room", ""),
    (b"error 99999: no code of ours", None, "no code of ours", ""),
    (b"upstream connect error", None, "upstream connect error", ""),
    (b"<!DOCTYPE html>\n<html><head><title>502 Bad\n Gateway</title></head><p>Ask</p></html>", None,
     ": 502 Bad Gateway (status", ""),
    (b"<h1>Bad &amp; worse</h1><p>now</p>", None, ": Bad & worse now (status", ""),
    (b"\xff\xfe not text", None, "not text", ""),
    ({"errors": ["only text"]}, None, "only text", ""),
    ({"errors": [None, {"code": 5006, "message": "second"}]}, 5006, "second", ""),
    ({"errors": [{"code": 1}, {"code": 2, "message": "x"}]}, 2, "x", ""),
    ({"errors": [{"code": True, "message": "x"}]}, None, "x", ""),
    ({"error": True, "message": "it failed", "code": 5006}, 5006, ": it failed (status", ""),
    ({"statusCode": 404, "error": "Not Found", "message": "Cannot POST /ai/run"}, None, ": Cannot POST /ai/run (", ""),
    ({"error": "Bad Request", "message": ["prompt is empty", "and more"]}, None, ": prompt is empty (status", ""),
    ({"error": "invalid_token", "error_description": "it has expired"}, None, ": it has expired (status", ""),
    ([{"errors": [{"message": "AiError: in a list", "code": 5007}]}], 5007, ": in a list (status", ""),
    ({"errors": [[{"message": "in two lists", "code": 5007}]]}, 5007, ": in two lists (status", ""),
    ({"code": 5006, "error": "beside"}, 5006, ": beside (status", ""),
    ({"code": 5006, "error": {"message": "beside"}}, 5006, ": beside (status", ""),
    ({"errors": [{"code": 5006}, {"message": "beside"}]}, 5006, ": beside (status", ""),
    ({"errors": [{"code": " 5006 ", "message": "x"}]}, 5006, "x", ""),
    ({"type": "about:blank", "title": "Bad", "detail": "x"}, None, "BadRequest: Bad: x (status", "BadRequest"),
    ({"errors": [{"code": 5028, "message": None}]}, 5028, "ModelRetired: no reason given (status", ""),
    ({"unheard": ["of"]}, None, ': {"unheard":["of"]}', ""),
]  # fmt: skip


def test_every_shape_is_read_and_kept_whole() -> None:
    for body, code, words, name in SHAPES:
        error = error_of(400, body)
        assert (error.code, words in str(error), name in str(error)) == (code, True, True), body
        assert not name or error.name == name, body
        assert error.body == (body.decode("utf-8", "replace") if isinstance(body, bytes) else body)


def test_the_text_of_a_problem_is_told_without_what_is_around_it() -> None:
    for key in ("description", "message", "error", "detail"):
        for body in ({"errors": [{key: "it failed"}]}, {key: "it failed"}):
            assert str(error_of(400, body, model=None)).startswith("BadRequest: it failed (status 400)"), body
    for key in ("internalCode", "code"):
        assert type(error_of(429, {key: 3040})) is CapacityError, key
    deep = {"message": {"message": {"message": {"message": "deep"}}}}
    for item, words in (
        *((7, "7"), (["a"], "a"), (deep, "deep")),
        ({"message": deep}, '{"message":"deep"}'),
        ({"message": "m", "name": 5}, "m"),
    ):
        problem = parse_error_body({"errors": [item]})
        assert (problem.message, problem.name) == (words, ""), item


def test_an_error_that_says_nothing_has_a_message_all_the_same() -> None:
    empty: list[Any] = [b"", {}, None, [], ""]
    for body in empty:
        assert "without saying why (status 503" in str(error_of(503, body)), body
    unknown: list[Any] = [{"errors": [], "success": False, "result": None}, {"errors": [{}]}, [None], 5]
    for body in unknown:
        assert f": {json.dumps(body, separators=(',', ':'))} (status 503" in str(error_of(503, body)), body
    assert ": no reason given (status 400" in str(error_of(400, b"<html>"))
    for status, reason in ((499, "the answer has no body"), (500, "the service failed without saying why")):
        assert f": {reason} (status {status})" in str(build_error(status, {}, b"")), status


def test_a_message_is_one_line_and_bounded_and_the_body_is_not() -> None:
    for part in ("code", "name", "type", "message"):
        problem = {"message": "failed", "code": "x", part: "one\ntwo\r\nthree\u2028four"}
        assert len(str(error_of(400, {"errors": [problem]})).splitlines()) == 1, part
        problem[part] = "x" * 100_000
        error = error_of(400, {"errors": [problem]})
        assert len(str(error)) < 1500, part
        assert error.body == {"errors": [problem]}
    for length, shown in ((500, "y" * 500), (501, "y" * 500 + "…")):
        words = str(error_of(400, {"message": "y" * length}, model=None))
        assert words.startswith(f"BadRequest: {shown} (status 400)"), length


def test_a_code_stands_in_a_message_once() -> None:
    words = "3040: Capacity temporarily exceeded, please try again"
    for body in (envelope(3040, f"AiError: {words}"), {"error": words}, {"errors": [{"message": words}]}):
        assert str(error_of(429, body)).startswith("3040 OutOfCapacity: Capacity temporarily exceeded"), body


# Codes and statuses

STATUSES: list[tuple[tuple[int, ...], type[InferenceUpstreamError], bool, str]] = [
    # Statuses; class, whether it is retryable, and name.
    ((200, 299), AiInternalError, False, "Failed"),
    ((300, 301, 302, 307, 308, 399), InferenceUpstreamError, False, "Redirect"),
    ((400, 409, 418, 422, 499), BadRequestError, False, "BadRequest"),
    ((405,), BadRequestError, False, "NoSuchMethod"),
    ((401,), AuthenticationError, False, "AuthenticationError"),
    ((402,), QuotaExceededError, False, "BalanceEmpty"),
    ((403,), PermissionDeniedError, False, "Forbidden"),
    ((404,), NotFoundError, False, "NotFound"),
    ((407,), BadRequestError, False, "ProxyAuthentication"),
    ((408, 504, 524), RequestTimeoutError, False, "RequestTimeout"),
    ((410,), NotFoundError, False, "ModelRetired"),
    ((413,), BadRequestError, False, "RequestTooLarge"),
    ((429,), RateLimitError, True, "TooManyRequests"),
    ((511,), InternalServerError, False, "NetworkLogin"),
    ((529,), CapacityError, True, "OutOfCapacity"),
    ((500, 502, 503, 520, 521, 522, 523, 530, 599, 600), InternalServerError, True, "InternalServerError"),
]


def test_without_a_known_code_the_status_decides() -> None:
    for statuses, kind, retryable, name in STATUSES:
        for status in statuses:
            for body in (b"", b"<html></html>", b"no", envelope(None, "no"), envelope(99_999, "an unknown code")):
                error = error_of(status, body, model=None)
                assert (type(error), error.retryable, error.name) == (kind, retryable, name), (status, body)
            assert re.search(ADVICE, str(error_of(status, b"no", model=None))), status


def test_the_daily_allocation_is_told_by_its_text_too() -> None:
    text = "AiError: you have used up your daily free allocation of 10,000 neurons, please upgrade"
    for code in (None, 3040, 4006, 10_000_000):
        error = error_of(429, envelope(code, text))
        assert (type(error), error.retryable, "00:00 UTC" in str(error)) == (QuotaExceededError, False, True), code


def test_a_call_that_the_edge_gave_up_on_is_never_sent_again() -> None:
    problem = {"type": "https://developers.cloudflare.com/error-524/", "title": "Error 524: A timeout occurred"}
    for status in (504, 524):
        for body in (problem, *(envelope(code, "it failed") for code in (None, 8005, 3040, 3021, 99_999))):
            error = error_of(status, body)
            assert (type(error), error.retryable) == (RequestTimeoutError, False), (status, body)
            assert "may have been billed" in str(error), (status, body)


def test_the_examples_in_docstrings_hold() -> None:
    for module in (errors, error_body):
        failed, attempted = doctest.testmod(module)
        assert (failed, attempted > 0) == (0, True), module


# Messages


def test_a_message_has_all_that_support_asks_for() -> None:
    error = error_of(429, envelope(3040, f"AiError: Capacity temporarily exceeded ({UUID})"), cf_ai_req_id="id-1")
    assert str(error) == (
        f"3040 OutOfCapacity: Capacity temporarily exceeded (status 429, request id id-1, model {MODEL}). "
        "What to do: the model is busy: try again, or use another."
    )
    assert (error.status_code, error.code, error.name, error.request_id) == (429, 3040, "OutOfCapacity", "id-1")
    assert error.model == MODEL


def test_the_request_id_is_the_best_that_there_is() -> None:
    for message, headers, id in (
        (f"bad ({UUID})", {"cf_ai_req_id": "a", "cf_ray": "b"}, "a"),
        (f"bad ({UUID})", {"cf_ray": "b"}, "b"),
        (f"bad ({UUID})", {}, UUID),
        (f"bad ({UUID.upper()})", {"cf_ai_req_id": ""}, UUID.upper()),
    ):
        error = error_of(400, {"message": message}, model=None, **headers)
        assert error.request_id == id, headers
        assert str(error).startswith(f"BadRequest: bad (status 400, request id {id})"), headers
    error = error_of(400, envelope(5006, "AiError: bad"))
    assert (error.request_id, "request id" in str(error)) == (None, False)


def test_an_unknown_model_names_the_nearest_that_live() -> None:
    for status in (400, 404):
        error = error_of(status, envelope(5007, "No such model"), model="@cf/meta/lama-3.3-70b-instruct")
        assert isinstance(error, NotFoundError)
        assert "did you mean @cf/meta/llama-3.3-70b-instruct-fp8-fast" in str(error)
    words = str(error_of(400, envelope(5007, "No such model"), model="@cf/meta/llama-2-7b-chat-int9"))
    names = re.findall(r"@[a-z]+/[^\s?,]+", words.partition("did you mean")[2])
    entries = [models.get(name.rstrip("?.:")) for name in names]
    assert entries
    assert [entry for entry in entries if entry is None or entry.retired_on is not None] == []
    assert "did you mean" not in str(error_of(404, b""))
    assert str(error_of(404, b"no", model=None)).endswith("What to do: check account_id and the model's name.")


def test_a_retired_model_names_one_that_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    error = error_of(400, envelope(5007, "No such model"), model=RETIRED)
    assert "was retired on" in str(error)
    successor = re.search(r"use (@\S+?)\.?$", str(error))
    assert successor
    entry = models.get(successor[1])
    assert entry is not None
    assert entry.retired_on is None
    assert "retired" not in str(error_of(403, b"no", RETIRED)), "only a model that is not found is called retired"
    entry = models.get(RETIRED)
    assert entry is not None
    alone = dataclasses.replace(entry, replaced_by=None, successor=None)
    monkeypatch.setattr(models, "catalogue", lambda: {RETIRED: alone})
    assert str(error_of(404, b"no", RETIRED)).endswith(f"{RETIRED} was retired on {entry.retired_on}.")


def test_headers_are_kept_without_cookies_and_say_how_long_to_wait() -> None:
    error = error_of(429, b"", set_cookie="__cf_bm=secret", retry_after="3", x_a="b")
    assert (error.headers, error.retry_after) == ({"retry-after": "3", "x-a": "b"}, 3.0)
    assert error_of(429, envelope(3040, "x")).retry_after is None
    error = error_of(307, b"", location="https://elsewhere.example/")
    assert "redirects are not followed" in str(error)
    assert error.headers["location"] == "https://elsewhere.example/"


NOW = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC).timestamp()

WAITS: list[tuple[str, float | None]] = [
    ("2", 2.0), ("2.5", 2.5), (" 3 ", 3.0), ("0", 0.0), ("3600", 3600.0),
    ("-1", None), ("+1", None), ("1e3", None), ("nan", None), ("inf", None), ("٣", None), ("soon", None), ("", None),
    ("1, 2", None), ("9" * 400, None),
    ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
    ("Wed, 15 Nov 2023 00:13:30 +0200", 10.0),
    ("Tuesday, 14-Nov-23 22:13:30 GMT", 10.0),
    ("Tue Nov 14 22:13:30 2023", 10.0),
    ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
    ("Tue, 99 Nov 2023 22:13:00 GMT", None),
]  # fmt: skip


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_retry_after_is_read_as_seconds_or_as_a_date_in_its_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for headers, seconds in (
            *(({"retry-after": value}, seconds) for value, seconds in WAITS),
            # Milliseconds are more exact.
            *(({"retry-after-ms": "1500", **other}, 1.5) for other in ({}, {"retry-after": "9"})),
            ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
            *(({"retry-after-ms": "-5"}, None), ({}, None)),
        ):
            assert parse_retry_after(headers, NOW) == seconds, headers
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_answer_that_reports_an_error_is_one() -> None:
    result = {"response": "x"}
    errors: list[Any] = [
        *({"success": False, **more} for more in ({}, {"errors": [], "result": result})),
        *({"errors": [{"code": 1}], **more} for more in ({}, {"result": {}}, {"result": None})),
        *({"error": problem} for problem in ("x", {"message": "x"}, [{"message": "x"}])),
        *({"message": "forbidden"}, {"statusCode": 404, "message": "no"}, {"detail": [{"msg": "no"}]}),
        *({"type": "about:blank", "title": "no", "status": 500, "detail": "no"}, {"internalCode": 1001, "name": "x"}),
        {"object": "error", "message": "no", "type": "BadRequestError", "param": None, "code": 400},
    ]
    answers: list[Any] = [
        *({"success": True, "result": result, "errors": problems} for problems in ([], [{"message": "a warning"}])),
        *({"success": True, "result": {}, "errors": []}, {"result": None}, {"errors": []}),
        *({"error": None, "choices": []}, {"error": "slow", "choices": []}, {"error": ""}),
        *({"message": ""}, {"message": "x", "note": "y"}, {"type": "message_start", "message": {"role": "assistant"}}),
        *({"status": "queued", "message": None}, {"status": "queued", "request_id": "x"}),
        *([{"label": "error"}], "error", None, 5),
    ]
    for body, is_error in (*((body, True) for body in errors), *((body, False) for body in answers)):
        assert body_reports_error(body) is is_error, body


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
    ("ReadTimeout", "slow", False, APITimeoutError, "api.example did not answer in time (slow): raise timeout=", False),
    ("ReadTimeout", "slow", True, APITimeoutError, "api.example did not answer in time (slow): the call may have been "
     "billed, so it was not sent again; raise timeout=, or stream the answer", False),
    ("ConnectError", SSL, True, APIConnectionError, f"api.example is not trusted: {SSL}. {CHECK}", False),
    ("ConnectError", "", False, APIConnectionError, "no answer from api.example: the connection was closed", True),
    ("ConnectError", " two\n lines ", False, APIConnectionError, "no answer from api.example: two lines", True),
]  # fmt: skip


def test_what_a_client_raises_has_its_class() -> None:
    for library in (httpx, httpx2):
        for name, text, may_be_billed, kind, message, retryable in NETWORK:
            exception = getattr(library, name)(text)
            error = map_transport_error(exception, MODEL, "api.example", may_be_billed=may_be_billed)
            assert error is not None, (library, name)
            seen = (type(error), str(error), error.retryable, error.model)
            assert seen == (kind, message, retryable, MODEL), (library, name)
    for exception in (ValueError("x"), RuntimeError("x"), KeyError("x"), httpx.StreamConsumed()):
        assert map_transport_error(exception, MODEL, "api.example") is None, exception


# Whatever comes


def test_credentials_that_were_echoed_are_removed_and_what_has_none_stays_the_same_object() -> None:
    assert redact(b"a the-token b the-token", ["the-token", "other"]) == b"a [removed] b [removed]"
    # So short a secret would take words out of every text.
    assert redact(b"12345678", ["12345678"]) == b"[removed]"
    assert redact(b"12345678", ["1234567"]) == b"12345678"
    value: dict[str, Any] = {"a": ["b", 1.0, None, "\ud83d"]}
    assert redact_json(value, ["the-token"]) is value
    for value, redacted in (
        ({"a": ["the-token"]}, {"a": ["[removed]"]}),
        ({"a": "the-token \ud83d"}, {"a": "[removed] ?"}),
    ):
        assert redact_json(value, ["the-token"]) == redacted
    for echoed in (rb"no \/the-token", rb"no \u002fthe-token", b"no /the-token"):
        error = build_error(400, {}, b'{"error":"' + echoed + b'"}', secrets=["/the-token"])
        assert error.body == {"error": "no [removed]"}, echoed
        assert "the-token" not in str(error), echoed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from([*"abc", "errors", "error", "message", "code"]), inner)
    ),
    max_leaves=10,
)


@given(st.integers(200, 599), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_breaks_the_parser(status: int, content: bytes) -> None:
    error = build_error(status, {}, content, model=MODEL)
    assert isinstance(error, InferenceUpstreamError)
    assert len(str(error).splitlines()) == 1


@given(st.text())
def test_no_retry_after_breaks_the_parser(value: str) -> None:
    seconds = parse_retry_after({"retry-after": value, "retry-after-ms": value}, NOW)
    assert seconds is None or seconds >= 0


def test_a_body_made_to_be_hard_still_gives_a_short_message() -> None:
    for content in (b"[" * 100_000, b'{"error":' * 50_000, b"<" * 1_000_000, b"AiError: " * 100_000):
        with row(content[:10]):
            assert 0 < len(str(build_error(500, {}, content, model=MODEL))) < 1_000
