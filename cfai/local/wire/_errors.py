"""Error responses of the service: its codes, and the bodies they come in."""

from __future__ import annotations

from typing import Any

CODES: dict[int, tuple[int, str]] = {
    1001: (400, "prompt and messages are mutually exclusive"),
    1031: (403, "Session or token has expired, or lacks a permission"),
    3003: (400, "Incomplete request"),
    3006: (413, "Request is too large"),
    3007: (408, "Request timeout"),
    3008: (408, "Request was aborted"),
    3021: (429, "rate limiting: inference request per min rate reached"),
    3023: (403, "Account is blocked"),
    3030: (400, "AiError: Upstream rejected the request"),
    3036: (429, "You have used up your daily free allocation of 10,000 neurons."),
    3039: (400, "Fine-tune is missing required files"),
    3040: (429, "Capacity temporarily exceeded, please try again."),
    3041: (403, "Account is not allowed to use this model"),
    3042: (404, "Invalid model ID"),
    3046: (408, "Request timeout"),
    4006: (
        429,
        "AiError: you have used up your daily free allocation of 10,000 neurons, please upgrade to Cloudflare's "
        "Workers Paid plan if you would like to continue usage.",
    ),
    5004: (400, "Invalid data type for base64 input"),
    5005: (405, "Model does not support LoRA"),
    5006: (400, "Bad input: Error: invalid input"),
    5007: (400, "No such model: No such model or task"),
    5012: (422, "AiError: Request body failed validation"),
    5016: (403, "Model agreement has not been accepted"),
    5018: (403, "Account is not allowed to use this model"),
    5019: (405, "Deprecated SDK version"),
    5021: (
        413,
        "Ai: The estimated number of input and maximum output tokens exceeded this model context window limit.",
    ),
    5023: (400, "JSON Mode is not supported with stream mode"),
    5024: (400, "JSON Mode couldn't be met"),
    5025: (400, "This model doesn't support JSON Schema"),
    5035: (403, "This model requires the Workers Paid plan"),
    7000: (400, "No route for that URI"),
    7001: (405, "Method not available for that URI."),
    7003: (400, "Could not route to that URI, perhaps your object identifier is invalid?"),
    8001: (400, "Invalid input"),
    8005: (500, "AiError: Internal server error"),
    8006: (400, "Forced tool call did not fit max_tokens"),
    10000: (401, "Authentication error"),
}
"""Status and text by code. UNCERTAIN: 5023 to 5025, and the statuses of 8001, 8005 and 8006."""

EDGE_CODES = {7000, 7001, 7003, 10000}
"""Codes that the API's edge answers with, before any model is asked."""

CODES_BY_STATUS = {401: 10000, 403: 5018, 404: 3042, 408: 3046, 413: 3006, 422: 5012, 429: 3040}
"""The code a status most often comes with."""

_MESSAGES = {402: "Insufficient balance; add money to your gateway or use BYOK"}
"""Texts of statuses that come with no code."""


class ErrorResponse(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: int | None, message: str | None = None, *, status: int | None = None) -> None:
        known_status, known_message = CODES.get(code or 0, (None, None))
        self.code = code
        self.status = status or known_status or 400
        unknown = "AiError: Internal server error" if self.status >= 500 else "Request failed"
        self.message = message or known_message or _MESSAGES.get(self.status, unknown)
        super().__init__(self.message)

    def to_body(self, request_id: str) -> dict[str, Any]:
        """Return the envelope of this refusal. Inference errors end in the request's id, edge errors do not."""
        if self.code in EDGE_CODES:
            errors = [{"code": self.code, "message": self.message}]
            return {"result": None, "success": False, "errors": errors, "messages": []}
        return {"errors": [self.to_entry(request_id)], "success": False, "result": {}, "messages": []}

    def to_entry(self, request_id: str) -> dict[str, Any]:
        """Return the one entry of `errors`."""
        error: dict[str, Any] = {"message": f"AiError: {self.message} ({request_id})"}
        return error if self.code is None else error | {"code": self.code}


class GatewayErrorResponse(ErrorResponse):
    """An error of the gateway itself, which names its list `error`."""

    def to_body(self, request_id: str) -> dict[str, Any]:
        """Return the gateway's envelope."""
        error = {"code": self.code, "message": self.message}
        return {"success": False, "result": [], "messages": [], "error": [error]}


def make_input_error(problem: str) -> ErrorResponse:
    """Return a schema validation failure, in the words of the service's validator."""
    return ErrorResponse(5006, f"Bad input: Error: {problem}")


def build_envelope(result: Any) -> dict[str, Any]:
    """Return a success."""
    return {"result": result, "success": True, "errors": [], "messages": []}
