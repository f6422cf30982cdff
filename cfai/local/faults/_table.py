"""The scenarios: what can go wrong, by the names of the field, each with a line on what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cfai.local.faults._defects import BUSY, DEFECTS, error_envelope
from cfai.local.faults._fault import Fault
from cfai.local.wire import GatewayErrorResponse


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that can go wrong."""

    group: str
    """Under which heading it stands."""

    summary: str
    """Its description, in a line."""

    fault: Fault | None
    """The fault that makes it; `None` if no request gets that far, and then the summary says how to have it."""


# Codes of the service, named for what they mean; their statuses and texts are the emulator's.
_CODES = {
    "invalid-input": (1001, "Prompt and messages together"),
    "token-expired": (1031, "The token has expired or lacks a permission"),
    "incomplete-request": (3003, "Headers or body are missing"),
    "request-too-large": (3006, "The body is too large"),
    "request-timeout": (3007, "The service gave up"),
    "request-aborted": (3008, "The service aborted the call"),
    "rate-limited": (3021, "Too many requests in a minute"),
    "account-blocked": (3023, "The account is blocked"),
    "upstream-rejected": (3030, "The model's server refused the request"),
    "quota-exceeded-documented": (3036, "The daily allocation is used up, as the documentation has it"),
    "fine-tune-incomplete": (3039, "The fine-tune lacks files"),
    "out-of-capacity": (3040, "The model is busy"),
    "private-model": (3041, "The model is another account's"),
    "invalid-model": (3042, "No such model id"),
    "inference-timeout": (3046, "The model ran for longer than 240 s"),
    "quota-exceeded": (4006, "The daily allocation is used up, as the service says it"),
    "invalid-base64": (5004, "The data is not of the type that the model takes"),
    "lora-unsupported": (5005, "The model takes no LoRA"),
    "bad-input": (5006, "The inputs do not fit the schema"),
    "no-such-model": (5007, "No such model or task"),
    "unprocessable-input": (5012, "The model's server found the request invalid"),
    "agreement-required": (5016, "The model's licence was not accepted"),
    "model-not-allowed": (5018, "The account may not use the model"),
    "sdk-deprecated": (5019, "The SDK is too old"),
    "context-window-exceeded": (5021, "Prompt and output are over the context window"),
    "json-mode-streaming": (5023, "JSON mode and streaming together"),
    "json-mode-failed": (5024, "The model could not keep to the schema"),
    "json-mode-unsupported": (5025, "The model has no JSON mode"),
    "paid-plan-required": (5035, "The model needs the Workers Paid plan"),
    "no-route": (7000, "No route for the URI: an encoded slash, say"),
    "method-not-allowed": (7001, "Another method than POST"),
    "invalid-account": (7003, "Could not route: a wrong account id, say"),
    "engine-invalid-input": (8001, "The engine refused the inputs"),
    "engine-error": (8005, "The engine failed"),
    "forced-tool-too-long": (8006, "A forced tool call does not fit max_tokens"),
    "authentication-error": (10000, "The token is missing or wrong"),
}

_STATUSES = {
    "payment-required": (402, "The gateway's balance is empty"),
    "internal-server-error": (500, "The service failed, and gives no code"),
    "bad-gateway": (502, "The service's upstream failed"),
    "service-unavailable": (503, "The service is down"),
    "gateway-timeout": (504, "The service's upstream did not answer"),
}

# Cloudflare's own names for the pages of its edge.
_PAGES = {
    "web-server-unknown-error": (520, "the origin answered with something unexpected"),
    "web-server-down": (521, "the origin refused the connection"),
    "connection-timed-out": (522, "the origin could not be reached in time"),
    "origin-unreachable": (523, "the origin is unreachable"),
    "timeout-occurred": (524, "the origin did not answer in time"),
}

_TOO_LONG = "Sequence too long: 9003 > 8192"
_WINDOW = (
    "Ai: The estimated number of input and maximum output tokens (263008) exceeded this model context window limit "
    "(262144)."
)
_INTERNAL = {
    "internalCode": 1001,
    "message": "InvalidInput",
    "name": "InvalidInput",
    "description": "prompt is missing",
}
_UPSTREAM = '{"object":"error","message":"the image cannot be read","code":400}'
_REDIRECT = b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno size\r\n"


def _build_json_fault(value: Any, status: int = 200) -> Fault:
    return Fault(status=status, body=json.dumps(value, separators=(",", ":")).encode())


_ERRORS = {
    "errors-object": (
        "The envelope, its `errors` an object and no list",
        _build_json_fault({"errors": {"code": 3040, "message": BUSY}, "success": False, "result": None}, 429),
    ),
    "internal-error-envelope": (
        "The binding's own error: `internalCode`, `name` and `description`",
        _build_json_fault(_INTERNAL, 400),
    ),
    "openai-error": (
        "OpenAI's `error` object, with a word for a code",
        _build_json_fault({"error": {"code": "invalid_prompt", "message": "AiError: the prompt is invalid"}}, 400),
    ),
    "openai-error-message": (
        "OpenAI's `error` object, without a code",
        _build_json_fault({"error": {"message": "no"}}, 400),
    ),
    "openai-error-string": ("OpenAI's `error` as a string", _build_json_fault({"error": "the model failed"}, 500)),
    "gateway-run-failed": (
        "The error of the gateway's Run API: `state` and `error`",
        _build_json_fault(
            {"state": "Failed", "error": {"code": "provider_unavailable", "message": "no provider"}}, 503
        ),
    ),
    "gateway-unauthorized": (
        "The gateway's own error: a list called `error`",
        _build_json_fault(GatewayErrorResponse(2009, "Unauthorized").to_body(""), 401),
    ),
    "code-in-text": (
        "An error in plain text, as the binding writes it: class name, code and text",
        Fault(status=429, body=f"InferenceUpstreamError: 3040: {BUSY}".encode(), content_type="text/plain"),
    ),
    "plain-text-error": (
        "An error in plain text",
        Fault(status=502, body=b"error code: 502", content_type="text/plain; charset=UTF-8"),
    ),
    "empty-error": ("An error without a body", Fault(status=500, body=b"", content_type="")),
    "html-error": ("An error that is the HTML page of a proxy", Fault(html=502)),
    "upstream-json-message": (
        "An error whose message is the JSON of the model's server",
        _build_json_fault(error_envelope(message=f"AiError: AiError: {_UPSTREAM}", code=3030), 400),
    ),
    "unknown-code": (
        "An error with a code that nobody knows, so that the status decides",
        _build_json_fault(error_envelope(message="AiError: it is new", code=9999), 403),
    ),
    "sequence-too-long": (
        "3030 with the words of an embedding model, and its limit",
        Fault(code=3030, message=_TOO_LONG),
    ),
    "context-window-numbers": ("5021 with the estimate and the limit", Fault(code=5021, message=_WINDOW)),
    "retry-after-seconds": ("A busy model that says when to come back: now", Fault(code=3040, retry_after=0)),
    "retry-after-date": (
        "Too many requests, and an HTTP date, which has passed",
        Fault(code=3021, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
    ),
    "retry-after-too-long": ("Too many requests, and an hour to wait", Fault(code=3021, retry_after=3600)),
    "redirect": ("A redirect to another path", Fault(raw=_REDIRECT)),
}

_ANSWERS = {
    "success-false": ("Status 200 with `success: false`", _build_json_fault(error_envelope(code=3040, message=BUSY))),
    "empty-result": ("Status 200 with an empty `result`, also to `stream: true`", Fault(empty=True)),
    "invalid-json": ("Status 200 with something that is no JSON", Fault(body=b"Hello")),
    "truncated-json": ("Status 200 with half of a JSON text", Fault(body=b'{"result":{"response":"Hel')),
    "empty-body": ("Status 200 with no body", Fault(body=b"")),
    "html-page": ("Status 200 with the page of a network to log in to", Fault(html=200)),
    "text-plain": ("The answer, or the stream, says it is plain text", Fault(content_type="text/plain")),
    "no-content-type": ("The answer, or the stream, has no content type", Fault(content_type="")),
}

_CONNECTIONS = {
    "connection-closed": ("The connection is closed before an answer", Fault(hang_up=True)),
    "connection-reset": ("The connection is reset before an answer", Fault(reset=True)),
    "partial-header": (
        "The connection is closed in the middle of a header",
        Fault(raw=b"HTTP/1.1 200 OK\r\ncontent-type: application/js"),
    ),
    "not-http": ("Another protocol answers", Fault(raw=b"SSH-2.0-OpenSSH_9.9\r\n\r\n")),
    "no-answer": ("Nothing comes, and the connection stays open", Fault(delay=600)),
    "stalled-tls": ("TLS is never negotiated: point the client at `local.stalled_tls_url`", None),
}

_BODIES = {
    "no-body": ("Headers come, and nothing after them", Fault(silence_after=0)),
    "short-body": ("The connection is closed before the body's end", Fault(drop_after=3)),
    "body-reset": ("The connection is reset before the body's end", Fault(reset_after=3)),
    "truncated": ("The body ends properly, before the answer does", Fault(truncate_after=3)),
    "stalled": ("The body falls silent, and the connection stays open", Fault(silence_after=3)),
    "trickling-body": ("The body comes byte by byte, 20 in a second", Fault(trickle=0.05)),
    "one-byte-chunks": ("The body comes in chunks of a byte", Fault(split=1)),
    "invalid-chunk": ("The chunked body has no sizes", Fault(raw=_CHUNKS)),
}

_STREAMS = {
    "whole-answer": ("`stream: true` is answered with JSON", Fault(whole=True)),
    "held-open": ("The body is not ended after `[DONE]`", Fault(hold=True)),
    "error-event": ("After three tokens the error envelope, or the dialect's own event", Fault(error_after=3)),
}


_GROUPS: dict[str, Mapping[str, tuple[str, Fault | None]]] = {
    "Codes": {name: (f"{code}: {summary}", Fault(code=code)) for name, (code, summary) in _CODES.items()},
    "Statuses": {
        **{name: (f"{status}: {summary}", Fault(status=status)) for name, (status, summary) in _STATUSES.items()},
        **{
            name: (f"{status}, an HTML page: {summary}", Fault(html=status))
            for name, (status, summary) in _PAGES.items()
        },
    },
    "Errors": _ERRORS,
    "Answers": _ANSWERS,
    "Connections": _CONNECTIONS,
    "Bodies": _BODIES,
    "Streams": {**_STREAMS, **{name: (defect.summary, Fault(defect=name)) for name, defect in DEFECTS.items()}},
}

SCENARIOS = {
    name: Scenario(group, summary, fault)
    for group, scenarios in _GROUPS.items()
    for name, (summary, fault) in scenarios.items()
}
"""All of them, by name."""
