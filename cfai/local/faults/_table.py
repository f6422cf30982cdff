"""The scenarios: what can go wrong, by the names of the field, each with a line on what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cfai._response import EDGE_PAGE_CODES, ERROR_CODES
from cfai.local.faults._defects import BUSY, DEFECTS, error_envelope
from cfai.local.faults._fault import Fault
from cfai.local.wire import ErrorResponse


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
    "api-throttled": (971, "Too many requests to Cloudflare's API"),
    "invalid-token": (1000, "The token is not valid"),
    "invalid-headers": (6003, "The headers are not valid, such as that of the token"),
    "invalid-key-header": (6103, "The global key's header has not its form"),
    "invalid-authorization-header": (6111, "The token's header has not its form"),
    "no-route": (7000, "No route for the URI: an encoded slash, say"),
    "method-not-allowed": (7001, "Another method than POST"),
    "not-found": (7002, "No such object in the account, such as a log"),
    "invalid-account": (7003, "Could not route: a wrong account id, say"),
    "no-token": (9106, "No token arrived"),
    "token-of-another-account": (9109, "The token is not for this account"),
    "authentication-error": (10000, "The token is missing or wrong"),
    "unauthenticated": (10001, "The request cannot be authenticated"),
    "address-banned": (1006, "The edge blocks the client's address"),
    "country-banned": (1009, "The edge blocks the client's country"),
    "client-banned": (1010, "The edge blocks the client's signature"),
    "edge-throttled": (1015, "The edge limits the client's rate"),
    "origin-dns-error": (1016, "The edge finds no address of the host"),
    "firewall-blocked": (1020, "A rule of the edge's firewall blocks the request"),
    "token-expired": (1031, "The token has expired or lacks a permission"),
    "tunnel-error": (1033, "The edge finds no tunnel to the host"),
    "worker-exception": (1101, "A Worker on the way failed"),
    "worker-over-limit": (1102, "A Worker on the way is over its limits"),
    "gateway-not-found": (2001, "No such gateway"),
    "gateway-unreadable-answer": (2002, "The gateway cannot read the model's answer"),
    "gateway-throttled": (2003, "Too many requests for the gateway"),
    "provider-failed": (2005, "The gateway got no answer from the provider"),
    "invalid-provider": (2008, "The gateway does not serve this provider"),
    "gateway-unauthorized": (2009, "The gateway wants another token"),
    "prompt-blocked": (2016, "A guardrail of the gateway blocked the prompt"),
    "response-blocked": (2017, "A guardrail of the gateway blocked the answer"),
    "provider-unauthorized": (2018, "The provider refuses the gateway's key"),
    "gateway-endpoint-disabled": (2019, "The gateway has this endpoint switched off"),
    "gateway-balance-empty": (2021, "The gateway's balance is empty"),
    "gateway-endpoint-off": (2036, "The gateway has this endpoint switched off, by another code"),
    "provider-key-missing": (2040, "The gateway has no key for the provider"),
    "spend-limit": (2041, "The gateway's spend limit is reached"),
    "spend-limit-of-rule": (2045, "The spend limit of one of the gateway's rules is reached"),
    "invalid-input": (1001, "Prompt and messages together"),
    "unknown-failure": (3001, "The service failed, and does not know why"),
    "incomplete-request": (3003, "Headers or body are missing"),
    "request-too-large": (3006, "The body is too large"),
    "request-timeout": (3007, "The service gave up"),
    "request-aborted": (3008, "The service aborted the call"),
    "incomplete-input": (3010, "The model cannot read the inputs"),
    "rate-limited": (3021, "Too many requests in a minute"),
    "account-blocked": (3023, "The account is blocked"),
    "engine-rejected": (3025, "An older engine refused the request"),
    "upstream-rejected": (3030, "The model's server refused the request"),
    "quota-exceeded-documented": (3036, "The daily allocation is used up, as the documentation has it"),
    "fine-tune-not-found": (3037, "No such fine-tune"),
    "fine-tune-incomplete": (3039, "The fine-tune lacks files"),
    "out-of-capacity": (3040, "The model is busy"),
    "private-model": (3041, "The model is another account's"),
    "invalid-model": (3042, "No such model id"),
    "inference-error": (3043, "The model failed"),
    "inference-timeout": (3046, "The model ran for longer than 240 s"),
    "unknown-inference-error": (3048, "The model failed, and the service does not know why"),
    "retries-exhausted": (3050, "The service tried several times"),
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
    "model-retired": (5028, "The model was retired"),
    "model-unavailable": (5030, "The model cannot be reached"),
    "paid-plan-required": (5035, "The model needs the Workers Paid plan"),
    "engine-invalid-input": (8001, "The engine refused the inputs"),
    "engine-invalid-value": (8002, "The engine refused a value, such as a language"),
    "engine-error": (8005, "The engine failed"),
    "forced-tool-too-long": (8006, "A forced tool call does not fit max_tokens, or an image is none"),
    "engine-bad-request": (8007, "The engine refused the request"),
    "engine-failed": (8008, "The engine failed, by another code"),
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
_EDGE_PAGE = (
    b'<html><head><title>Attention Required! | Cloudflare</title></head><body><div id="cf-error-details">'
    b'<span class="cf-error-code">1020</span></div></body></html>'
)
_SCHEMA_PAGE = (
    "anyOf at '/' not met: required properties at '/audio' are 'voice,format', "
    + "".join(f"required properties at '/tools/{index}/function' are 'name', " for index in range(30))
    + "Type mismatch of '/prompt', 'string' not in 'array', required properties at '/' are 'messages'"
)
_REDIRECT = b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno size\r\n"


def _build_json_fault(value: Any, status: int = 200) -> Fault:
    return Fault(status=status, body=json.dumps(value, separators=(",", ":")).encode())


def _build_code_fault(code: int) -> Fault:
    """Return the fault that answers with a code: the edge's are plain text."""
    if code not in EDGE_PAGE_CODES:
        return Fault(code=code)
    text = f"error code: {code}".encode()
    return Fault(status=ERROR_CODES[code].status, body=text, content_type="text/plain; charset=UTF-8")


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
    "gateway-error-list": (
        "The gateway's own error: a list called `error`",
        _build_json_fault(ErrorResponse(2009).to_body(""), 401),
    ),
    "code-in-text": (
        "An error in plain text, as the binding writes it: class name, code and text",
        Fault(status=429, body=f"InferenceUpstreamError: 3040: {BUSY}".encode(), content_type="text/plain"),
    ),
    "edge-page": (
        "The edge's own error as an HTML page",
        Fault(status=403, body=_EDGE_PAGE, content_type="text/html; charset=UTF-8"),
    ),
    "schema-page": (
        "A page of what every schema misses, most of it about inputs that were not sent",
        _build_json_fault(error_envelope(message=f"AiError: Bad input: Error: {_SCHEMA_PAGE}", code=5006), 400),
    ),
    "problem-json": (
        "An error as RFC 9457 has it: a URL for its type, a title and a detail",
        _build_json_fault({"type": "https://a.example/e", "title": "Bad Request", "detail": "it is wrong"}, 400),
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
    "Codes": {name: (f"{code}: {summary}", _build_code_fault(code)) for name, (code, summary) in _CODES.items()},
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
