"""The service's codes and statuses: the class, the name and the advice of each error."""

from __future__ import annotations

from typing import NamedTuple

from cfai._errors import (
    AiInternalError,
    AuthenticationError,
    BadRequestError,
    CapacityError,
    InferenceUpstreamError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
)


class ErrorSpec(NamedTuple):
    """A row of the table: an error's class and name, what the reader can do, and whether a call may be sent again."""

    kind: type[InferenceUpstreamError]
    name: str
    hint: str
    retryable: bool = False


_DAILY = (
    "the free allocation of 10,000 neurons a day is used up: it resets at 00:00 UTC, or move to the Workers Paid plan"
)
_TIMED_OUT = "it may have been billed, so it was not sent again: stream the answer, or lower max_tokens"

# Codes as of 2026-09: developers.cloudflare.com/workers-ai/platform/errors, and those seen on the wire since.
CODES: dict[int, ErrorSpec] = {
    1001: ErrorSpec(BadRequestError, "InvalidInput", "send either prompt or messages, as the model's page shows"),
    1031: ErrorSpec(
        PermissionDeniedError, "TokenExpired", "the token has expired or lacks a permission: make a new one"
    ),
    2001: ErrorSpec(BadRequestError, "GatewayNotFound", "create the gateway in the dashboard first, or check its id"),
    2009: ErrorSpec(AuthenticationError, "GatewayUnauthorized", "the gateway wants a token with AI Gateway Run"),
    2016: ErrorSpec(BadRequestError, "PromptBlocked", "a guardrail of the gateway blocked the prompt"),
    2017: ErrorSpec(BadRequestError, "ResponseBlocked", "a guardrail of the gateway blocked the answer"),
    3003: ErrorSpec(BadRequestError, "IncompleteRequest", "headers or body are missing"),
    3006: ErrorSpec(BadRequestError, "RequestTooLarge", "send less: smaller images or audio, fewer messages"),
    3007: ErrorSpec(RequestTimeoutError, "RequestTimeout", _TIMED_OUT),
    3008: ErrorSpec(RequestTimeoutError, "RequestAborted", _TIMED_OUT),
    3021: ErrorSpec(RateLimitError, "TooManyRequests", "slow down: requests are counted by the minute", retryable=True),
    3023: ErrorSpec(PermissionDeniedError, "AccountBlocked", "ask Cloudflare's support about this account"),
    3030: ErrorSpec(BadRequestError, "UpstreamRejected", "the model refused these inputs"),
    3036: ErrorSpec(QuotaExceededError, "DailyAllocationUsed", _DAILY),
    3039: ErrorSpec(BadRequestError, "FineTuneIncomplete", "upload adapter_config.json and adapter_model.safetensors"),
    3040: ErrorSpec(CapacityError, "OutOfCapacity", "the model is busy: try again, or use another", retryable=True),
    3041: ErrorSpec(PermissionDeniedError, "PrivateModel", "this account may not use this model"),
    3042: ErrorSpec(NotFoundError, "InvalidModel", "check the model's name"),
    3046: ErrorSpec(RequestTimeoutError, "RequestTimeout", _TIMED_OUT),
    4006: ErrorSpec(QuotaExceededError, "DailyAllocationUsed", _DAILY),
    5004: ErrorSpec(BadRequestError, "InvalidData", "the base64 input is not what the model takes"),
    5005: ErrorSpec(BadRequestError, "NoLora", "this model takes no lora"),
    5006: ErrorSpec(BadRequestError, "InvalidInput", "compare the inputs with the model's schema"),
    5007: ErrorSpec(NotFoundError, "NoSuchModel", "check the model's name"),
    5012: ErrorSpec(BadRequestError, "UpstreamValidation", "compare the inputs with the model's schema"),
    5016: ErrorSpec(PermissionDeniedError, "AgreementRequired", "accept the licence once, with the prompt 'agree'"),
    5018: ErrorSpec(PermissionDeniedError, "PrivateModel", "this account may not use this model"),
    5019: ErrorSpec(BadRequestError, "OldSdk", "update this package"),
    5021: ErrorSpec(BadRequestError, "ContextWindowExceeded", "shorten the input or lower max_tokens"),
    # UNCERTAIN: the next three are from memory.
    5023: ErrorSpec(BadRequestError, "JsonModeStreams", "ask for JSON without stream"),
    5024: ErrorSpec(BadRequestError, "JsonModeFailed", "ask again, or for a simpler schema"),
    5025: ErrorSpec(BadRequestError, "NoJsonMode", "this model takes no JSON schema: use one that does"),
    5035: ErrorSpec(PermissionDeniedError, "PaidPlanRequired", "move to Workers Paid, or prepay gateway credits"),
    7000: ErrorSpec(BadRequestError, "NoRoute", "check account_id, base_url and the model's name"),
    7001: ErrorSpec(BadRequestError, "NoSuchMethod", "check base_url: this address takes another method"),
    7003: ErrorSpec(BadRequestError, "NoRoute", "check account_id, base_url and the model's name"),
    8001: ErrorSpec(BadRequestError, "InvalidInput", "the model refused these inputs"),
    8005: ErrorSpec(InternalServerError, "InternalServerError", "try again", retryable=True),
    8006: ErrorSpec(BadRequestError, "ToolNeedsTokens", "a forced tool call needs more max_tokens"),
    10000: ErrorSpec(
        AuthenticationError,
        "AuthenticationError",
        "check the token: it needs the permissions Workers AI Read and Edit for this account",
    ),
}

STATUSES: dict[int, ErrorSpec] = {
    401: CODES[10000],
    402: ErrorSpec(QuotaExceededError, "BalanceEmpty", "add money to the gateway, or bring your own key"),
    403: ErrorSpec(PermissionDeniedError, "Forbidden", "check the token's permissions and the account's plan"),
    404: ErrorSpec(NotFoundError, "NotFound", "check account_id and the model's name"),
    408: CODES[3046],
    413: CODES[3006],
    429: CODES[3021],
    # The edge gave up on a model that still worked: 504 after its own limit, 524 after 120 s without an answer.
    504: CODES[3046],
    524: CODES[3046],
}
BY_FIRST_DIGIT: dict[int, ErrorSpec] = {
    3: ErrorSpec(
        InferenceUpstreamError, "Redirect", "redirects are not followed, the token would go along: check base_url"
    ),
    4: ErrorSpec(BadRequestError, "BadRequest", ""),
    5: ErrorSpec(InternalServerError, "InternalServerError", "try again", retryable=True),
}
"""Any other status, by its first digit."""
UNKNOWN_FAILURE = ErrorSpec(AiInternalError, "Failed", "")
"""An answer that reports an error under a good status."""
