"""What the service says is wrong: an error's status, headers and body, in whatever shape, become an error of cfai's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any, NamedTuple, cast

from cfai import models
from cfai._errors import (
    AiInternalError,
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CapacityError,
    InferenceUpstreamError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RefusedContextLengthError,
    RefusedSequenceLengthError,
    RequestTimeoutError,
    StreamContextLengthError,
    StreamError,
    StreamSequenceLengthError,
)
from cfai._json import compact, loads
from cfai._response.parsed_limit import ParsedLimit, parse_limit


class ErrorBody(NamedTuple):
    """What one error body says, whichever of its shapes it came in."""

    message: str
    code: int | str | None = None
    name: str = ""


class _Known(NamedTuple):
    """What is known of a code: its class, whether it may be sent again, and what the reader can do about it."""

    kind: type[InferenceUpstreamError]
    name: str
    hint: str
    retryable: bool = False


_DAILY = (
    "the free allocation of 10,000 neurons a day is used up: it resets at 00:00 UTC, or move to the Workers Paid plan"
)
_SHORTEN = {
    "context": "shorten the input or lower max_tokens: together they may be {} tokens",
    "sequence": "lower max_tokens to {} or less",
    "input": "split the text: one may have {} tokens",
    "batch": "send fewer texts in one call: together they may have {} tokens",
}
_SHORTER = "stream the answer, or lower max_tokens"

# Codes as of 2026-09: developers.cloudflare.com/workers-ai/platform/errors, and those seen on the wire since.
_CODES: dict[int, _Known] = {
    1001: _Known(BadRequestError, "InvalidInput", "send either prompt or messages, as the model's page shows"),
    1031: _Known(
        PermissionDeniedError,
        "TokenExpired",
        "the token has expired or lacks a permission: make a new one",
    ),
    2001: _Known(BadRequestError, "GatewayNotFound", "create the gateway in the dashboard first, or check its id"),
    2009: _Known(AuthenticationError, "GatewayUnauthorized", "the gateway wants a token with AI Gateway Run"),
    2016: _Known(BadRequestError, "PromptBlocked", "a guardrail of the gateway blocked the prompt"),
    2017: _Known(BadRequestError, "ResponseBlocked", "a guardrail of the gateway blocked the answer"),
    3003: _Known(BadRequestError, "IncompleteRequest", "headers or body are missing"),
    3006: _Known(BadRequestError, "RequestTooLarge", "send less: smaller images or audio, fewer messages"),
    3007: _Known(RequestTimeoutError, "RequestTimeout", _SHORTER),
    3008: _Known(RequestTimeoutError, "RequestAborted", _SHORTER),
    3021: _Known(RateLimitError, "TooManyRequests", "slow down: requests are counted by the minute", retryable=True),
    3023: _Known(PermissionDeniedError, "AccountBlocked", "ask Cloudflare's support about this account"),
    3030: _Known(BadRequestError, "UpstreamRejected", "the model refused these inputs"),
    3036: _Known(QuotaExceededError, "DailyAllocationUsed", _DAILY),
    3039: _Known(BadRequestError, "FineTuneIncomplete", "upload adapter_config.json and adapter_model.safetensors"),
    3040: _Known(CapacityError, "OutOfCapacity", "the model is busy: try again, or use another", retryable=True),
    3041: _Known(PermissionDeniedError, "PrivateModel", "this account may not use this model"),
    3042: _Known(NotFoundError, "InvalidModel", "check the model's name"),
    3046: _Known(RequestTimeoutError, "RequestTimeout", _SHORTER),
    4006: _Known(QuotaExceededError, "DailyAllocationUsed", _DAILY),
    5004: _Known(BadRequestError, "InvalidData", "the base64 input is not what the model takes"),
    5005: _Known(BadRequestError, "NoLora", "this model takes no lora"),
    5006: _Known(BadRequestError, "InvalidInput", "compare the inputs with the model's schema"),
    5007: _Known(NotFoundError, "NoSuchModel", "check the model's name"),
    5012: _Known(BadRequestError, "UpstreamValidation", "compare the inputs with the model's schema"),
    5016: _Known(PermissionDeniedError, "AgreementRequired", "accept the licence once, with the prompt 'agree'"),
    5018: _Known(PermissionDeniedError, "PrivateModel", "this account may not use this model"),
    5019: _Known(BadRequestError, "OldSdk", "update this package"),
    5021: _Known(BadRequestError, "ContextWindowExceeded", "shorten the input or lower max_tokens"),
    # UNCERTAIN: the next three are from memory.
    5023: _Known(BadRequestError, "JsonModeStreams", "ask for JSON without stream"),
    5024: _Known(BadRequestError, "JsonModeFailed", "ask again, or for a simpler schema"),
    5025: _Known(BadRequestError, "NoJsonMode", "this model takes no JSON schema: use one that does"),
    5035: _Known(PermissionDeniedError, "PaidPlanRequired", "move to Workers Paid, or prepay gateway credits"),
    7000: _Known(BadRequestError, "NoRoute", "check account_id, base_url and the model's name"),
    7001: _Known(BadRequestError, "NoSuchMethod", "check base_url: this address takes another method"),
    7003: _Known(BadRequestError, "NoRoute", "check account_id, base_url and the model's name"),
    8001: _Known(BadRequestError, "InvalidInput", "the model refused these inputs"),
    8005: _Known(InternalServerError, "InternalServerError", "try again", retryable=True),
    8006: _Known(BadRequestError, "ToolNeedsTokens", "a forced tool call needs more max_tokens"),
    10000: _Known(
        AuthenticationError,
        "AuthenticationError",
        "check the token: it needs the permissions Workers AI Read and Edit for this account",
    ),
}

_STATUSES: dict[int, _Known] = {
    401: _CODES[10000],
    402: _Known(QuotaExceededError, "BalanceEmpty", "add money to the gateway, or bring your own key"),
    403: _Known(PermissionDeniedError, "Forbidden", "check the token's permissions and the account's plan"),
    404: _Known(NotFoundError, "NotFound", "check account_id and the model's name"),
    408: _Known(RequestTimeoutError, "RequestTimeout", _SHORTER),
    413: _CODES[3006],
    429: _CODES[3021],
}
_REDIRECT = _Known(
    InferenceUpstreamError, "Redirect", "redirects are not followed, the token would go along: check base_url"
)
_CLIENT = _Known(BadRequestError, "BadRequest", "")
_SERVER = _Known(InternalServerError, "InternalServerError", "try again", retryable=True)
_FAILED = _Known(AiInternalError, "Failed", "")

# Patterns stay texts: `re` compiles them at first use, so that importing does not.
_UUID = r"\(?\b([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\b\)?\s*$"
_CODE_IN_TEXT = r"\b([0-9]{3,5}):"
_SECONDS = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_TAG = r"<[^<>]*>"
_TITLE = r"(?i)<title[^<>]*>([^<]{1,300})"
_SHORTEST_SECRET = 8
"""A shorter one is no real token, and would be found in the middle of words."""

_LONGEST = 500
"""How many characters of a body go into a message; the whole of it is in `.body`."""


def error_from(
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    *,
    model: str | None = None,
    now: float = 0.0,
    secrets: Sequence[str] = (),
) -> InferenceUpstreamError:
    """The error that an answer stands for. `headers` has its names in lower case; `now` is the time of day, in seconds.

    Credentials among `secrets` that the answer echoes are taken out of it.

    >>> body = b'{"errors":[{"code":5007,"message":"No such model: @cf/meta/lama-3.3-70b-instruct"}],"success":false}'
    >>> error = error_from(400, {}, body, model="@cf/meta/lama-3.3-70b-instruct-fp8-fast")
    >>> type(error).__name__, error.code, "@cf/meta/llama-3.3-70b-instruct-fp8-fast" in str(error)
    ('NotFoundError', 5007, True)
    """
    body = parsed(redacted(content, secrets))
    headers = redact_headers(headers, secrets)
    problem = parse_error_body(body)
    known = _known(status, problem)
    retry_after = seconds_to_wait(headers, now)
    request_id = headers.get("cf-ai-req-id") or headers.get("cf-ray") or _id_in(problem.message)
    said = _once(problem.code, re.sub(_UUID, "", problem.message).strip()) or _reason(status)
    details = [f"status {status}"]
    if request_id:
        details.append(f"request id {request_id}")
    if model:
        details.append(f"model {model}")
    name = problem.name or known.name
    head = _cut(f"{problem.code} {name}" if problem.code is not None else name)
    hint = _hint(known, model)
    is_refusal = known.kind is BadRequestError and (status < 500 or problem.code == _TOO_LONG)
    # Text that is no JSON may be JSON that was cut off.
    refusal = parse_limit(problem.message, is_whole=not isinstance(body, str)) if is_refusal else None
    if refusal is not None:
        hint = _shorten(refusal)
    message = f"{head}: {_cut(said)} ({', '.join(details)})" + (f". What to do: {hint}." if hint else "")
    answer: dict[str, Any] = {
        "status_code": status,
        "code": problem.code,
        "name": name,
        "request_id": request_id,
        "retryable": known.retryable,
        "retry_after": retry_after,
        "body": body,
        "headers": {key: value for key, value in headers.items() if key != "set-cookie"},
        "model": model,
    }
    if refusal is None:
        return known.kind(message, **answer)
    kind = RefusedSequenceLengthError if refusal.kind == "sequence" else RefusedContextLengthError
    return kind(message, **_lengths(refusal), **answer)


_TOO_LONG = 5021
"""The gateway's own refusal of a length, whatever the status."""


def stream_error(opening: str, problem: ErrorBody, event: Any) -> StreamError:
    """The error that an event of a stream reports; its message begins with `opening`.

    >>> error = stream_error("it failed", Problem("max_tokens 900 > 512", 3030), {})
    >>> type(error).__name__, error.limit
    ('StreamSequenceLengthError', 512)
    """
    said = _once(problem.code, problem.message) or "no reason given"
    message = f"{opening}: {said}" if problem.code is None else f"{opening}: {problem.code}: {said}"
    known = _CODES.get(problem.code) if isinstance(problem.code, int) else None
    is_refusal = known is None or known.kind is BadRequestError
    refusal = parse_limit(problem.message) if is_refusal else None
    if refusal is None:
        return StreamError(message, code=problem.code, body=event)
    kind = StreamSequenceLengthError if refusal.kind == "sequence" else StreamContextLengthError
    message = f"{message}. What to do: {_shorten(refusal)}."
    return kind(message, **_lengths(refusal), code=problem.code, body=event)


def _lengths(refusal: ParsedLimit) -> dict[str, Any]:
    """What a refusal tells, as the fields of a `LimitError`."""
    counts = (refusal.total_tokens, refusal.input_tokens, refusal.output_tokens)
    measured = refusal.kind == "context" and refusal.input_tokens is not None and not refusal.at_least
    knows = refusal.kind == "sequence" or (measured and (refusal.input_tokens or 0) < refusal.limit)
    return {
        "field": "max_tokens" if refusal.kind == "sequence" else "",
        "value": next((count for count in counts if count is not None), 0),
        "limit": refusal.limit,
        "limit_source": f"the {refusal.source}'s refusal",
        "source": refusal.source,
        "input_tokens": refusal.input_tokens,
        "output_tokens": refusal.output_tokens,
        "total_tokens": refusal.total_tokens,
        "max_tokens": refusal.limit - (refusal.input_tokens or 0 if measured else 0) if knows else None,
        "limit_kind": refusal.kind,
    }


def transport_error(exception: Exception, model: str, host: str) -> APIConnectionError | None:
    """The error for what an HTTP client raised, or `None` if it is none of its own.

    It goes by the names of the classes, since a client may come from httpx or from its fork, whose trees are unrelated.
    """
    names = {kind.__name__ for kind in type(exception).__mro__}
    if "RequestError" not in names:
        return None
    said = " ".join(str(exception).split()) or type(exception).__name__
    if "PoolTimeout" in names:
        return APITimeoutError(f"no connection to {host} came free in time: {said}", model=model)
    if "ReadTimeout" in names:
        hint = "the call may have been billed, so it was not sent again; raise timeout=, or stream the answer"
        return APITimeoutError(f"{host} did not answer in time ({said}): {hint}", model=model, retryable=False)
    if "TimeoutException" in names:
        return APITimeoutError(f"could not send to {host} in time: {said}", model=model)
    if "CERTIFICATE_VERIFY_FAILED" in said:
        hint = "pass verify= with your own certificates if a proxy puts its own in between"
        return APIConnectionError(f"{host} is not trusted: {said}. {hint}", model=model, retryable=False)
    certain = names & {"LocalProtocolError", "UnsupportedProtocol", "DecodingError"}
    return APIConnectionError(f"no answer from {host}: {said}", model=model, retryable=not certain)


def redacted(content: bytes, secrets: Iterable[str]) -> bytes:
    """`content` without the credentials that a server or proxy echoed."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            content = content.replace(secret.encode(), b"[removed]")
    return content


def redact_headers(headers: Mapping[str, str], secrets: Sequence[str]) -> dict[str, str]:
    """`headers` without the credentials that a server or proxy echoed."""
    return {name: redacted(value.encode(), secrets).decode() for name, value in headers.items()}


def hide(error: StreamError, secrets: Iterable[str]) -> None:
    """Takes credentials that a server echoed out of `error`."""
    said = redacted(error.message.encode("utf-8", "replace"), secrets).decode()
    if said != error.message:
        error.message = said
        error.args = (said,)
    shown = compact(error.body).encode("utf-8", "replace")
    if redacted(shown, secrets) != shown:
        error.body = parsed(redacted(shown, secrets))


def parsed(content: bytes) -> Any:
    """A body as JSON if it is JSON, else as text."""
    try:
        return loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")


def parse_error_body(body: Any) -> ErrorBody:
    """What an error body says: the first problem that has a message, in any of the shapes the service uses.

    >>> problem_in({"errors": [{"code": 3040, "message": "AiError: Capacity temporarily exceeded"}]})
    Problem(message='Capacity temporarily exceeded', code=3040, name='')
    >>> problem_in({"internalCode": 1001, "name": "InvalidInput", "description": "prompt and messages are exclusive"})
    Problem(message='prompt and messages are exclusive', code=1001, name='InvalidInput')
    >>> problem_in("<html><title>502 Bad Gateway</title></html>")
    Problem(message='502 Bad Gateway', code=None, name='')
    """
    if isinstance(body, str):
        return _problem_in_text(body)
    found = [_problem(item) for item in _problems(body)]
    said = next((problem for problem in found if problem.message), found[0] if found else ErrorBody(""))
    if said.message or said.code is not None:
        return said
    return ErrorBody("" if body in (None, {}, []) else _cut(compact(body)))


def is_error(body: Any) -> bool:
    """Whether a 2xx body is an error all the same: `success` is false, or an error is named and no result came."""
    if not isinstance(body, dict):
        return False
    body = cast("dict[str, Any]", body)
    if body.get("success") is False:
        return True
    for answer in (body, body.get("result")):
        # The Responses API reports a failure in an answer of its own shape.
        if isinstance(answer, dict) and cast("dict[str, Any]", answer).get("object") == "response":
            return cast("dict[str, Any]", answer).get("status") == "failed"
    return bool(body.get("errors") or body.get("error")) and not body.get("result") and "choices" not in body


def seconds_to_wait(headers: Mapping[str, str], now: float) -> float | None:
    """What `Retry-After` asks for, in seconds, whether it came as seconds, milliseconds or a date.

    >>> seconds_to_wait({"retry-after": "2"}, now=0), seconds_to_wait({"retry-after": "soon"}, now=0)
    (2.0, None)
    """
    milliseconds = headers.get("retry-after-ms", "").strip()
    if re.fullmatch(_SECONDS, milliseconds):
        return float(milliseconds) / 1000
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(_SECONDS, value):
        return float(value)
    try:
        when = parsedate_to_datetime(value)
        # One of the three forms of an HTTP date names no zone, and means UTC.
        return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None


def _problems(body: Any) -> Iterable[Any]:
    if isinstance(body, list):
        yield from cast("list[Any]", body)
    if not isinstance(body, dict):
        return
    body = cast("dict[str, Any]", body)
    for key in ("errors", "error"):
        value = body.get(key)
        if isinstance(value, list):
            yield from cast("list[Any]", value)
        elif value:
            yield value
    inner = body.get("result")
    if isinstance(inner, dict) and cast("dict[str, Any]", inner).get("error"):
        yield cast("dict[str, Any]", inner)["error"]
    if any(key in body for key in ("message", "description", "internalCode", "code", "detail")):
        yield body


def _problem(item: Any, depth: int = 0) -> ErrorBody:
    if isinstance(item, str):
        return _problem_in_text(item)
    if not isinstance(item, dict) or depth > 3:
        return ErrorBody("" if item is None else _cut(compact(item)))
    item = cast("dict[str, Any]", item)
    text = next((item[key] for key in ("description", "message", "error", "detail") if item.get(key)), "")
    inner = _problem_in_text(text) if isinstance(text, str) else _problem(text, depth + 1)
    code = next((item[key] for key in ("internalCode", "code") if item.get(key) is not None), inner.code)
    name = item.get("name") or item.get("type") or ""
    return ErrorBody(inner.message, _code(code), name if isinstance(name, str) else "")


def _problem_in_text(text: str) -> ErrorBody:
    head = text.lstrip()[:2000]
    if head[:1] == "<":
        title = re.search(_TITLE, head)
        return ErrorBody(_spaced(unescape(title[1] if title else re.sub(_TAG, " ", head))))
    message = re.sub(r"\A(?:AiError: \s*)+", "", text.strip())
    # The binding writes "3040: text", sometimes behind a class name: only a code that is known counts.
    code = next((int(digits) for digits in re.findall(_CODE_IN_TEXT, message[:200]) if int(digits) in _CODES), None)
    return ErrorBody(message, code)


def _code(value: Any) -> int | str | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    text = str(value)[:100]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text or None


def _known(status: int, problem: ErrorBody) -> _Known:
    if "daily free allocation" in problem.message:
        return _CODES[4006]
    known = _CODES.get(problem.code) if isinstance(problem.code, int) else None
    if known is not None:
        return known
    if status in _STATUSES:
        return _STATUSES[status]
    if 300 <= status < 400:
        return _REDIRECT
    if 400 <= status < 500:
        return _CLIENT
    return _SERVER if status >= 500 else _FAILED


def _hint(known: _Known, model: str | None) -> str:
    if known.kind is NotFoundError and model:
        entry = models.get(model)
        if entry is not None and entry.retired_on is not None:
            instead = entry.replaced_by or entry.successor
            return f"{model} was retired on {entry.retired_on}" + (f": use {instead}" if instead else "")
        near = models.nearest(model) if entry is None else []
        if near:
            return f"{known.hint}: did you mean {' or '.join(near)}?".removesuffix("?")
    return known.hint


def _shorten(refusal: ParsedLimit) -> str:
    return _SHORTEN[refusal.kind].format(f"{refusal.limit:,}")


def _once(code: int | str | None, message: str) -> str:
    """`message` without the code at its beginning, which the error's own message has already."""
    return message if code is None else message.removeprefix(f"{code}:").lstrip()


def _id_in(message: str) -> str | None:
    found = re.search(_UUID, message[-100:])
    return found[1] if found else None


def _reason(status: int) -> str:
    return "the answer has no body" if status < 500 else "the service failed without saying why"


def _cut(text: str) -> str:
    text = _spaced(text[: 4 * _LONGEST])
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _spaced(text: str) -> str:
    return " ".join(text.split())
