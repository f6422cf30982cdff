"""What users match on and read in errors, code by code."""

from __future__ import annotations

import json
import re

import pytest

from cfai._errors import error_from

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
    5035: "PaidPlanRequired",
    7000: "NoRoute",
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
    524: "InternalServerError",
}

ADVICE = r"What to do: [a-z].*[a-z0-9')]\.$"
"""It goes on in the middle of a sentence, and ends it."""


@pytest.mark.parametrize(("code", "name"), NAMES.items())
def test_a_code_has_the_name_that_people_match_on(code: int, name: str) -> None:
    error = error_from(400, {}, json.dumps({"errors": [{"code": code, "message": "no"}]}).encode())
    assert error.name == name


@pytest.mark.parametrize("code", NAMES)
def test_the_advice_for_a_code_is_part_of_a_sentence(code: int) -> None:
    error = error_from(400, {}, json.dumps({"errors": [{"code": code, "message": "no"}]}).encode())
    assert re.search(ADVICE, str(error))


@pytest.mark.parametrize(("status", "name"), STATUSES.items())
def test_a_status_has_the_name_that_people_match_on(status: int, name: str) -> None:
    assert error_from(status, {}, b"no").name == name


@pytest.mark.parametrize("status", [301, 401, 402, 403, 404, 408, 413, 429, 500])
def test_the_advice_for_a_status_is_part_of_a_sentence(status: int) -> None:
    assert re.search(ADVICE, str(error_from(status, {}, b"no")))


@pytest.mark.parametrize("status", [200, 400, 418])
def test_a_status_that_says_nothing_comes_without_advice(status: int) -> None:
    assert str(error_from(status, {}, b"no")).endswith(f"no (status {status})")
