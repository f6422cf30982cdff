"""Error responses of the service: its codes, and the bodies they come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfai._response import ERROR_CODES

MESSAGES: dict[int, str] = {
    971: "Please wait and slow down your requests.",
    1000: "Invalid API Token",
    6003: "Invalid request headers",
    6103: "Invalid format for X-Auth-Key header",
    6111: "Invalid format for Authorization header",
    7000: "No route for that URI",
    7001: "Method not available for that URI.",
    7002: "Not Found",
    7003: "Could not route to that URI, perhaps your object identifier is invalid?",
    9106: "Missing Authorization header",
    9109: "Unauthorized to access requested resource",
    10000: "Authentication error",
    10001: "Unable to authenticate request",
    1006: "Access denied",
    1009: "Access denied",
    1010: "Access denied",
    1015: "You are being rate limited",
    1016: "Origin DNS error",
    1020: "Access denied",
    1031: "Session or token has expired, or lacks a permission",
    1033: "Tunnel error",
    1101: "Worker threw exception",
    1102: "Worker exceeded resource limits",
    2001: "Please configure AI Gateway in the Cloudflare dashboard",
    2002: "Failed to parse model output",
    2003: "Rate limited",
    2005: "Failed to get response from provider",
    2008: "Invalid provider",
    2009: "Unauthorized",
    2016: "Prompt blocked due to security configurations",
    2017: "Response blocked due to security configurations",
    2018: "Invalid User Credentials",
    2019: "Endpoint is disabled",
    2021: "Insufficient balance; add money to your gateway or use BYOK",
    2036: "Endpoint is disabled",
    2040: "Provider has no BYOK credential",
    2041: "Spend limit exceeded",
    2045: "Spend limit exceeded",
    1001: "prompt and messages are mutually exclusive",
    3001: "AiError: Unknown internal error",
    3003: "Incomplete request",
    3006: "Request is too large",
    3007: "Request timeout",
    3008: "Request was aborted",
    3010: "Invalid or incomplete input for the model",
    3021: "rate limiting: inference request per min rate reached",
    3023: "Account is blocked",
    3025: "error with the engine's API: invalid request",
    3030: "AiError: Upstream rejected the request",
    3036: "You have used up your daily free allocation of 10,000 neurons.",
    3037: "AiError: Finetune not found",
    3039: "Fine-tune is missing required files",
    3040: "Capacity temporarily exceeded, please try again.",
    3041: "Account is not allowed to use this model",
    3042: "Invalid model ID",
    3043: "Internal server error",
    3046: "Request timeout",
    3048: "Unknown internal error",
    3050: "Max retries exhausted",
    4006: (
        "AiError: you have used up your daily free allocation of 10,000 neurons, please upgrade to "
        "Cloudflare's Workers Paid plan if you would like to continue usage."
    ),
    5004: "Invalid data type for base64 input",
    5005: "Model does not support LoRA",
    5006: "Bad input: Error: invalid input",
    5007: "No such model: No such model or task",
    5012: "AiError: Request body failed validation",
    5016: "Model agreement has not been accepted",
    5018: "Account is not allowed to use this model",
    5019: "Deprecated SDK version",
    5021: "Ai: The estimated number of input and maximum output tokens exceeded this model context window limit.",
    5023: "JSON Schema mode is not supported with stream mode",
    5024: "JSON Mode couldn't be met",
    5025: "This model doesn't support JSON Schema",
    5028: "Model has been deprecated: it has ended, use another",
    5030: "Model is unavailable",
    5035: "This model requires the Workers Paid plan",
    8001: "Invalid input",
    8002: "Invalid value",
    8005: "AiError: Internal server error",
    8006: "Forced tool call did not fit max_tokens",
    8007: "Bad request to the engine",
    8008: "Internal server error",
}
"""Texts by code."""

_API_CODES = {971, 1000, 6003, 6103, 6111, 7000, 7001, 7002, 7003, 9106, 9109, 10000, 10001}
"""Codes that Cloudflare's API answers with, before any model is asked."""

_GATEWAY_CODES = range(2000, 2100)
"""Codes of a gateway itself, which names its list `error`."""

CODES_BY_STATUS = {401: 10000, 403: 5018, 404: 3042, 408: 3046, 413: 3006, 422: 5012, 429: 3040}
"""The code a status most often comes with."""
RESOURCE_CODES_BY_STATUS = {401: 10000, 404: 7002, 429: 971}
"""The same where no model is run."""

_STATUS_MESSAGES = {402: "Insufficient balance; add money to your gateway or use BYOK"}
"""Texts of statuses that come with no code."""


class ErrorResponse(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: int | None, message: str | None = None, *, status: int | None = None) -> None:
        self.code = code
        known_status = ERROR_CODES[code].status if code in ERROR_CODES else None
        self.status = status or known_status or 400
        unknown = "AiError: Internal server error" if self.status >= 500 else "Request failed"
        self.message = message or MESSAGES.get(code or 0) or _STATUS_MESSAGES.get(self.status, unknown)
        self.headers: Mapping[str, str] = {}
        """Those of the gateway that it came through."""
        super().__init__(self.message)

    @property
    def is_of_model(self) -> bool:
        """True if it is Workers AI that refuses, and neither Cloudflare's API nor a gateway."""
        return self.code not in _API_CODES and self.code not in _GATEWAY_CODES

    def to_body(self, request_id: str) -> dict[str, Any]:
        """Return the envelope of this refusal. Inference errors end in the request's id, others do not."""
        if self.is_of_model:
            return {"errors": [self.to_entry(request_id)], "success": False, "result": {}, "messages": []}
        error = {"code": self.code, "message": self.message}
        if self.code in _API_CODES:
            return {"result": None, "success": False, "errors": [error], "messages": []}
        named = {"name": "AiGatewayError", "httpCode": self.status, "internalCode": self.code, "message": self.message}
        return {"success": False, "result": [], "messages": [], "error": [error], **named}

    def to_entry(self, request_id: str) -> dict[str, Any]:
        """Return the one entry of `errors`."""
        error: dict[str, Any] = {"message": f"AiError: {self.message} ({request_id})"}
        return error if self.code is None else error | {"code": self.code}


def make_input_error(problem: str) -> ErrorResponse:
    """Return a schema validation failure, in the words of the service's validator."""
    return ErrorResponse(5006, f"Bad input: Error: {problem}")


def build_envelope(result: Any) -> dict[str, Any]:
    """Return a success."""
    return {"result": result, "success": True, "errors": [], "messages": []}
