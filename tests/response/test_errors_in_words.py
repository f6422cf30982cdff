"""What users match on and read in errors: code by code, and shape by shape."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from cfai import CapacityError, InferenceUpstreamError, models
from cfai._response.errors import build_error, parse_error_body

RETIRED = "@cf/meta/llama-2-7b-chat-int8"


def error_of(body: Any, status: int = 400, model: str | None = None) -> InferenceUpstreamError:
    return build_error(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode(), model=model)


NAMES = {
    1001: "InvalidInput",
    1031: "TokenExpired",
    2001: "GatewayNotFound",
    2009: "GatewayUnauthorized",
    2016: "PromptBlocked",
    2017: "ResponseBlocked",
    3003: "IncompleteRequest",
    3006: "RequestTooLarge",
    3007: "RequestTimeout",
    3008: "RequestAborted",
    3021: "TooManyRequests",
    3023: "AccountBlocked",
    3030: "UpstreamRejected",
    3036: "DailyAllocationUsed",
    3039: "FineTuneIncomplete",
    3040: "OutOfCapacity",
    3041: "PrivateModel",
    3042: "InvalidModel",
    3046: "RequestTimeout",
    4006: "DailyAllocationUsed",
    5004: "InvalidData",
    5005: "NoLora",
    5006: "InvalidInput",
    5007: "NoSuchModel",
    5012: "UpstreamValidation",
    5016: "AgreementRequired",
    5018: "PrivateModel",
    5019: "OldSdk",
    5021: "ContextWindowExceeded",
    5023: "JsonModeStreams",
    5024: "JsonModeFailed",
    5025: "NoJsonMode",
    5035: "PaidPlanRequired",
    7000: "NoRoute",
    7001: "NoSuchMethod",
    7003: "NoRoute",
    8001: "InvalidInput",
    8005: "InternalServerError",
    8006: "ToolNeedsTokens",
    10000: "AuthenticationError",
}

STATUSES = {
    200: "Failed",
    301: "Redirect",
    400: "BadRequest",
    401: "AuthenticationError",
    402: "BalanceEmpty",
    403: "Forbidden",
    404: "NotFound",
    408: "RequestTimeout",
    413: "RequestTooLarge",
    418: "BadRequest",
    429: "TooManyRequests",
    500: "InternalServerError",
    524: "RequestTimeout",
}

ADVICE = r"What to do: [a-z].*[a-z0-9')]\.$"
"""It goes on in the middle of a sentence, and ends it."""


@pytest.mark.parametrize(("code", "name"), NAMES.items())
def test_a_code_has_the_name_that_people_match_on(code: int, name: str) -> None:
    error = error_of({"errors": [{"code": code, "message": "no"}]})
    assert error.name == name


@pytest.mark.parametrize("code", NAMES)
def test_the_advice_for_a_code_is_part_of_a_sentence(code: int) -> None:
    error = error_of({"errors": [{"code": code, "message": "no"}]})
    assert re.search(ADVICE, str(error))


@pytest.mark.parametrize(("status", "name"), STATUSES.items())
def test_a_status_has_the_name_that_people_match_on(status: int, name: str) -> None:
    assert error_of(b"no", status).name == name


@pytest.mark.parametrize("status", [301, 401, 402, 403, 404, 408, 413, 429, 500])
def test_the_advice_for_a_status_is_part_of_a_sentence(status: int) -> None:
    assert re.search(ADVICE, str(error_of(b"no", status)))


@pytest.mark.parametrize("status", [200, 400, 418])
def test_a_status_that_says_nothing_comes_without_advice(status: int) -> None:
    assert str(error_of(b"no", status)).endswith(f"no (status {status})")


@pytest.mark.parametrize("key", ["description", "message", "error", "detail"])
def test_the_text_of_a_problem_is_told_without_what_is_around_it(key: str) -> None:
    assert str(error_of({"errors": [{key: "it failed"}]})) == "BadRequest: it failed (status 400)"


@pytest.mark.parametrize("key", ["message", "description", "detail"])
def test_a_problem_with_nothing_around_it_is_read(key: str) -> None:
    assert str(error_of({key: "it failed"})) == "BadRequest: it failed (status 400)"


@pytest.mark.parametrize("key", ["internalCode", "code"])
def test_a_code_with_nothing_around_it_is_read(key: str) -> None:
    assert type(error_of({key: 3040}, 429)) is CapacityError


@pytest.mark.parametrize("key", ["name", "type"])
def test_a_problem_s_own_name_comes_before_that_of_its_status(key: str) -> None:
    error = error_of({"errors": [{"message": "it failed", key: "invalid_request_error"}]})
    assert error.name == "invalid_request_error"


def test_of_a_page_with_a_title_the_title_is_told() -> None:
    page = b"<html><title>502 Bad Gateway</title><body>Ask your administrator</body></html>"
    assert str(error_of(page, 502)).startswith("InternalServerError: 502 Bad Gateway (status 502)")


def test_of_a_page_without_a_title_the_text_is_told() -> None:
    assert str(error_of(b"<h1>Bad &amp; worse</h1><p>now</p>")) == "BadRequest: Bad & worse now (status 400)"


def test_a_long_text_ends_with_dots() -> None:
    assert str(error_of({"message": "y" * 501})) == f"BadRequest: {'y' * 500}… (status 400)"
    assert str(error_of({"message": "y" * 500})) == f"BadRequest: {'y' * 500} (status 400)"


def test_an_id_in_capitals_is_an_id() -> None:
    id = "3A1F9E1C-0B7D-4F0E-9A54-8F2F6C1F4B11"
    error = error_of({"message": f"it failed ({id})"})
    assert (error.request_id, str(error)) == (id, f"BadRequest: it failed (status 400, request id {id})")


@pytest.mark.parametrize(
    ("status", "name"),
    [(299, "Failed"), (300, "Redirect"), (399, "Redirect"), (400, "BadRequest"), (499, "BadRequest")],
)
def test_the_hundreds_of_a_status_have_their_edges(status: int, name: str) -> None:
    assert error_of(b"no", status).name == name


def test_only_a_model_that_is_not_found_is_called_retired() -> None:
    assert "retired" in str(error_of(b"no", 404, RETIRED))
    assert "retired" not in str(error_of(b"no", 403, RETIRED))


def test_without_a_model_there_is_none_to_name() -> None:
    assert str(error_of(b"no", 404)).endswith("What to do: check account_id and the model's name.")


def test_a_retired_model_that_nothing_replaces_is_called_retired_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = models.get(RETIRED)
    assert entry is not None
    alone = dataclasses.replace(entry, replaced_by=None, successor=None)
    monkeypatch.setattr(models, "get", lambda name: alone)
    assert str(error_of(b"no", 404, RETIRED)).endswith(f"{RETIRED} was retired on {entry.retired_on}.")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"errors": [7]}, "7"),
        ({"errors": [["a"]]}, '["a"]'),
        ({"errors": [{"message": {"message": {"message": {"message": "deep"}}}}]}, "deep"),
        (
            {"errors": [{"message": {"message": {"message": {"message": {"message": "deeper"}}}}}]},
            '{"message":"deeper"}',
        ),
        ({"errors": [{"message": "m", "name": 5}]}, "m"),
    ],
)
def test_items_of_other_shapes_are_read_as_far_as_they_go(body: Any, said: str) -> None:
    problem = parse_error_body(body)
    assert (problem.message, problem.name) == (said, "")
