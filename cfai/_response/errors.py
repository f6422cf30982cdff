"""Errors of the service: status, headers and body of an answer, in whatever shape, become an error of cfai's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from cfai import models
from cfai._errors import (
    AiInternalError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    InferenceUpstreamError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RefusedContextLengthError,
    RefusedSequenceLengthError,
    StreamContextLengthError,
    StreamError,
    StreamSequenceLengthError,
)
from cfai._limits import requested_output, reserved_output
from cfai._response.error_body import (
    UUID_AT_END,
    ErrorBody,
    is_foreign_page,
    parse_error_body,
    parse_redacted_body,
    redact_headers,
    truncate,
)
from cfai._response.error_codes import (
    BY_FIRST_DIGIT,
    CODES,
    HINTS,
    NAMES,
    STATUSES,
    TEXTS,
    UNKNOWN_FAILURE,
    WITHOUT_MODEL,
    ErrorSpec,
)
from cfai._response.parsed_limit import ParsedLimit, parse_limit
from cfai._response.schema_problems import find_input_problem

_BLOCKED_BY_FIREWALL = 1020
"""A code that a prompt may have alone, for what it says."""

_ADVICE = {
    "context": "shorten the input or lower max_tokens: together they may be {} tokens",
    "sequence": "lower max_tokens to {} or less",
    "input": "split the text: one may have {} tokens",
    "batch": "send fewer texts in one call: together they may have {} tokens",
}
_PROMPT_FIELDS = ("messages", "prompt", "input", "text", "contexts", "documents", "queries")

_NO_MODEL = {"NoSuchModel", "InvalidModel", "ModelRetired", "NotFound"}
"""The errors for which there is another model to name."""

# Patterns stay strings: `re` compiles them at first use, so that importing does not.
_MODEL = r"@(?:cf|hf)/[\w./-]*\w"
_SECONDS = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_MAX_TEXT = 400
"""The characters of a message in which an error is told by its text: what follows may be an echo of the inputs."""
_FIRST_EDGE_STATUS = 520
"""From here on, statuses are those of Cloudflare's edge about an origin."""
_NO_SUCH_METHOD = 7001
"""With a 400 it is the code of inputs that AI Search refuses, as of all that is built on cloudflare/chanfana."""
_OF_ADDRESSES = range(7000, 7004)
"""Codes of a wrong address. With a 5xx they are those of a service behind it that failed, such as a gateway's logs."""
_CONTEXT_WINDOW_EXCEEDED = 5021
"""The gateway's own refusal of a length, whatever the status."""


def concerns_all_calls(error: BaseException) -> bool:
    """Return True if all other calls of the model would meet an error too: it is not about the inputs of one.

    >>> from cfai import RateLimitError
    >>> concerns_all_calls(AuthenticationError("no")), concerns_all_calls(RateLimitError("later"))
    (True, False)
    """
    kinds = (ConfigurationError, AuthenticationError, PermissionDeniedError, NotFoundError, QuotaExceededError)
    return isinstance(error, kinds) and error.code != _BLOCKED_BY_FIREWALL


def build_error(
    status: int,
    headers: Mapping[str, str],
    content: bytes,
    *,
    model: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    now: float = 0.0,
    secrets: Sequence[str] = (),
) -> InferenceUpstreamError:
    """Return the error that an answer stands for.

    `headers` has its names in lower case; `now` is the time of day, in seconds; `inputs` are those of the call. What
    the answer echoes of `secrets` is taken out.

    >>> body = b'{"errors":[{"code":5007,"message":"No such model: @cf/meta/lama-3.3-70b-instruct"}],"success":false}'
    >>> error = build_error(400, {}, body, model="@cf/meta/lama-3.3-70b-instruct-fp8-fast")
    >>> type(error).__name__, error.code, "@cf/meta/llama-3.3-70b-instruct-fp8-fast" in str(error)
    ('NotFoundError', 5007, True)
    """
    body = parse_redacted_body(content, secrets)
    headers = redact_headers(headers, secrets)
    problem = parse_error_body(body)
    spec = _find_spec(status, problem)
    name = problem.name or spec.name
    id_at_end = re.search(UUID_AT_END, problem.message)
    request_id = headers.get("cf-ai-req-id") or headers.get("cf-ray") or (id_at_end[1] if id_at_end else None)
    reason = problem.message[: id_at_end.start()] if id_at_end else problem.message
    if not (reason := _remove_code(problem.code, reason.strip())):
        unsaid = "no reason given" if body else "the answer has no body"
        reason = "the service failed without saying why" if status >= 500 else unsaid
    hint = _find_hint(spec, problem.message, model, inputs or {})
    hint = WITHOUT_MODEL.get(hint, hint) if model == "" else hint
    if 400 <= status < 500 and status != 407 and isinstance(body, str) and is_foreign_page(body):
        hint = "a web page answered, and not Workers AI: check base_url, and the proxy or firewall on the way"
    if spec.kind is BadRequestError and inputs is not None and (wrong := find_input_problem(reason, inputs)):
        entry = models.catalogue().get(model or "")
        reason, hint = wrong.reason, wrong.hint or (f"{hint}: it is for {entry.task}" if entry else hint)
    is_refusal = spec.kind is BadRequestError and (status < 500 or problem.code == _CONTEXT_WINDOW_EXCEEDED)
    # Text that is no JSON may be JSON that was cut off.
    limit = _parse_model_limit(problem.message, model, is_whole=not isinstance(body, str)) if is_refusal else None
    kind, limit_fields = spec.kind, dict[str, Any]()
    if limit is not None:
        kind = RefusedSequenceLengthError if limit.kind == "sequence" else RefusedContextLengthError
        limit_fields, hint = _build_limit_fields(limit, model, inputs or {}), _format_advice(limit, model)
    head = truncate(name if problem.code is None else f"{problem.code} {name}")
    details = f"status {status}" + (f", request id {request_id}" if request_id else "")
    details += f", model {model}" if model else ""
    return kind(
        f"{head}: {truncate(reason)} ({details})" + (f". What to do: {hint}." if hint else ""),
        status_code=status,
        code=problem.code,
        name=name,
        request_id=request_id,
        retryable=spec.retryable,
        retry_after=parse_retry_after(headers, now),
        body=body,
        headers=headers,
        model=model,
        **limit_fields,
    )


def build_stream_error(
    opening: str,
    problem: ErrorBody,
    event: Any,
    *,
    model: str = "",
    inputs: Mapping[str, Any] | None = None,
    request_id: str | None = None,
) -> StreamError:
    """Return the error that an event of a stream reports; its message begins with `opening`.

    >>> error = build_stream_error("it failed", ErrorBody("max_tokens 900 > 512", 3030), {})
    >>> type(error).__name__, error.limit
    ('StreamSequenceLengthError', 512)
    """
    text = re.sub(UUID_AT_END, "", problem.message).strip() if request_id else problem.message
    reason = _remove_code(problem.code, text) or "no reason given"
    message = f"{opening}: {reason}" if problem.code is None else f"{opening}: {problem.code}: {reason}"
    if request_id:
        message += f" (request id {request_id})"
    spec = _find_spec(0, problem)
    limit = _parse_model_limit(problem.message, model) if spec.kind in (BadRequestError, AiInternalError) else None
    if limit is None:
        hint = "" if spec is UNKNOWN_FAILURE else _find_hint(spec, problem.message, model, inputs or {})
        message += f"{'' if message.endswith('.') else '.'} What to do: {hint}." if hint else ""
        return StreamError(message, code=problem.code, body=event)
    kind = StreamSequenceLengthError if limit.kind == "sequence" else StreamContextLengthError
    message = f"{message}. What to do: {_format_advice(limit, model)}."
    return kind(message, **_build_limit_fields(limit, model, inputs or {}), code=problem.code, body=event)


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that `Retry-After` asks for, whether it came as seconds, milliseconds or a date.

    >>> parse_retry_after({"retry-after": "2"}, now=0), parse_retry_after({"retry-after": "soon"}, now=0)
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


def _find_spec(status: int, problem: ErrorBody) -> ErrorSpec:
    """Return the row for an error: by its code, else its name, else its text, else its status; 0 for an event's.

    >>> _find_spec(400, ErrorBody("Model has been deprecated")).name, _find_spec(418, ErrorBody("teapot")).name
    ('ModelRetired', 'BadRequest')
    """
    # The pages of proxies and networks say "access denied" whatever they want.
    spec = None if 300 <= status < 400 or status in (407, 511) else _find_spec_by_content(status, problem)
    # At 504 and 524 the edge gave up while the model may still have run, whatever the body says.
    if spec is not None and not (status in (504, 524) and spec.retryable):
        return spec
    return STATUSES.get(status) or BY_FIRST_DIGIT.get(min(status // 100, 5), UNKNOWN_FAILURE)


def _find_spec_by_content(status: int, problem: ErrorBody) -> ErrorSpec | None:
    text = problem.message[:_MAX_TEXT].lower()
    if "daily free allocation" in text:
        return CODES[4006]
    if "network connection lost" in text:
        return CODES[3043]  # it comes with 1000, which stands for a wrong token elsewhere
    is_other = (problem.code == _NO_SUCH_METHOD and status == 400) or (problem.code in _OF_ADDRESSES and status >= 500)
    if isinstance(problem.code, int) and problem.code in CODES and not is_other:
        return CODES[problem.code]
    for name in (problem.code, problem.name):
        if isinstance(name, str) and (spec := NAMES.get(re.sub(r"[ _-]", "", name).lower())):
            return spec
    if status >= _FIRST_EDGE_STATUS:
        return None  # an origin's connection that "timed out" is no call that did
    spec = next((spec for pattern, spec in TEXTS if re.search(pattern, text)), None)
    # "Not authorized" says no more than the status does.
    return STATUSES[403] if status == 403 and spec is not None and spec.kind is AuthenticationError else spec


def _find_hint(spec: ErrorSpec, message: str, model: str | None, inputs: Mapping[str, Any]) -> str:
    if spec.name in _NO_MODEL and model:
        return _suggest_model(spec, model, message[:_MAX_TEXT])
    if spec.name == "FineTuneNotFound" and isinstance(lora := inputs.get("lora"), str):
        return f"there is no {truncate(lora)!r} for this model and account: {spec.hint}"
    if spec.kind in (BadRequestError, QuotaExceededError) or spec.name == "AgreementRequired":
        text = message[:_MAX_TEXT].lower()
        return next((hint for pattern, hint in HINTS if re.search(pattern, text)), spec.hint)
    return spec.hint


def _suggest_model(spec: ErrorSpec, model: str, message: str) -> str:
    """Return the hint for a model that the service does not have, or has no more."""
    known = models.catalogue()
    entry = known.get(model)
    # Behind the one that is retired stands the one to use.
    others = [known.get(name) or models.Model(name, "") for name in re.findall(_MODEL, message) if name != model]
    named = [other.name for other in others if not other.retirement]
    if named and spec.name == "ModelRetired":
        return f"{spec.hint}, such as {named[-1]}"
    if entry is not None and entry.retirement:
        return entry.retirement
    if entry is not None and spec.name != "ModelRetired":
        return spec.hint
    # The service has retired it since the catalogue was made.
    near = [models.catalogue()[name] for name in models.suggest(model) if name != model]
    names = [other.name for other in near if entry is None or other.task == entry.task]
    if not names:
        return spec.hint
    return f"{spec.hint}{', such as ' if spec.name == 'ModelRetired' else ': did you mean '}{' or '.join(names)}"


def _parse_model_limit(message: str, model: str | None, *, is_whole: bool = True) -> ParsedLimit | None:
    limit, entry = parse_limit(message, is_whole=is_whole), models.catalogue().get(model or "")
    if limit is not None and limit.kind in ("input", "batch") and entry is not None and entry.window:
        return limit._replace(kind="context")  # engines of text models say it in the words of those that embed
    return limit


def _build_limit_fields(limit: ParsedLimit, model: str | None, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `LimitError`: the figures that the service named, completed by what the call requested."""
    requested = requested_output(inputs)
    input_tokens, output_tokens, max_tokens = limit.input_tokens, limit.output_tokens, None
    field = next((field for field in _PROMPT_FIELDS if inputs.get(field) is not None), "")
    if limit.kind == "sequence":
        max_tokens = limit.limit
        field = max(requested, key=requested.__getitem__, default="max_tokens")
    elif limit.kind == "context":
        if output_tokens is None and inputs:
            entry = models.catalogue().get(model or "") or models.Model("", "")
            output_tokens = reserved_output(entry, inputs, requested).tokens
            if limit.total_tokens is not None and input_tokens is None:
                input_tokens = max(0, limit.total_tokens - output_tokens)
        if input_tokens is not None and input_tokens < limit.limit and not limit.at_least:
            max_tokens = limit.limit - input_tokens
    return {
        "field": field,
        "value": limit.total_tokens or limit.input_tokens or limit.output_tokens or 0,
        "limit": limit.limit,
        "limit_source": f"the {limit.source}'s refusal",
        "source": limit.source,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": limit.total_tokens,
        "max_tokens": max_tokens,
        "limit_kind": limit.kind,
    }


def _format_advice(limit: ParsedLimit, model: str | None) -> str:
    """Return the advice for a limit that the service named, and the line to set where the catalogue differs."""
    advice = _ADVICE[limit.kind].format(f"{limit.limit:,}")
    entry = models.catalogue().get(model or "")
    field = f"{limit.kind}_length"
    if entry is not None and entry.window == "separate" and field == "context_length":
        field = "total_length"  # the service speaks of input and output together
    published = getattr(entry, field, None)
    if not model or (published is not None and published.value <= limit.limit):
        return advice
    line = f'Ai(limit_overrides={{"{model}": {{"{field}": {limit.limit}}}}})'
    return f"{advice}; {line} has it checked before sending"


def _remove_code(code: int | str | None, message: str) -> str:
    """Return `message` without the code at its beginning, which the error's own message has already."""
    return message if code is None else re.sub(rf"\A(?:error )?{re.escape(str(code))}:\s*", "", message, flags=re.I)
