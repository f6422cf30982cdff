"""Facts on errors: status, code, words, and the headers that come with them."""

from __future__ import annotations

import re
from typing import Any

from cfai import AuthenticationError, LimitError, NotFoundError, PermissionDeniedError
from cfai._response import parse_body, parse_error_body
from cfai.doctor._finding import Finding, ok, problem, warning
from cfai.doctor._installation import EMBEDDING
from cfai.doctor.conformance._probe import Probe, decode_body, status_text
from cfai.doctor.conformance._requests import SMALL
from cfai.local.recording import RawExchange

BGE_M3 = "@cf/baai/bge-m3"

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_REPORT = "report it to the project"


def ask_wrong_token(probe: Probe) -> Finding:
    """Return the status of a token that there is not."""
    # Inputs of its own: in a recording, where no token is, they tell this call from the others.
    inputs = {"text": "a wrong token"}
    response = probe.ask("POST", f"/run/{EMBEDDING}", json=inputs, headers={"authorization": f"Bearer {'0' * 40}"})
    error = probe.read(response, EMBEDDING, inputs)
    if isinstance(error, AuthenticationError | PermissionDeniedError):
        return ok(f"{status_text(response)}, in cfai {type(error).__name__}")
    return problem(f"{status_text(response)}, in cfai {type(error).__name__}", _REPORT)


def ask_no_model(probe: Probe) -> Finding:
    """Return what a model that there is not gives."""
    model = "@cf/cfai/no-such-model"
    response = probe.run(model, {"prompt": "Hi"})
    error = probe.read(response, model, {"prompt": "Hi"})
    if isinstance(error, NotFoundError):
        return ok(f"{status_text(response)}, in cfai NotFoundError")
    return problem(f"{status_text(response)}, in cfai {type(error).__name__}", _REPORT)


def ask_request_id(probe: Probe) -> Finding:
    """Return whether the id at the end of an error's message is that of the header."""
    response = probe.run(EMBEDDING, {"text": 5})
    said = re.findall(_UUID, parse_error_body(decode_body(response)).message)
    header = response.headers.get("cf-ai-req-id")
    if response.is_success:
        return warning("not found out: a number was taken for a text")
    if not said:
        return ok(f"{status_text(response)}: none in the message; {'one' if header else 'none'} in cf-ai-req-id")
    if not header:
        return ok(f"{status_text(response)}: one in the message, and none in cf-ai-req-id")
    return ok(
        f"{status_text(response)}: that in the message is {'' if said[-1] == header else 'not '}that in cf-ai-req-id"
    )


def ask_too_long(probe: Probe) -> Finding:
    """Return the words in which too many tokens are refused, and whether cfai reads the limit in them."""
    inputs = {"prompt": "Hi", "max_tokens": 10_000_000}
    return _ask_limit(probe, SMALL, inputs, "ten million output tokens")


def ask_text_too_long(probe: Probe) -> Finding:
    """Return the same for a text to embed, with the model whose limit of 8,192 tokens is only presumed."""
    return _ask_limit(probe, BGE_M3, {"text": "one " * 8_600}, "a text of 8,600 words")


def _ask_limit(probe: Probe, model: str, inputs: dict[str, Any], long: str) -> Finding:
    response = probe.run(model, inputs)
    if response.is_success:
        return ok(f"no refusal for {long}")
    error = probe.read(response, model, inputs)
    if isinstance(error, LimitError):
        return ok(f"{status_text(response)}, in which cfai reads a limit of {error.limit:,} tokens")
    said = " ".join(parse_error_body(decode_body(response)).message.split())[:200]
    return warning(f"{status_text(response)}, in which cfai reads no limit: {said}", _REPORT)


def ask_retry_after(probe: Probe) -> Finding:
    """Tell how a refusal for being too busy says how long to wait: seen only if one came."""
    refused = [exchange for exchange in probe.exchanges if exchange.status in (429, 503)]
    if not refused:
        return warning("not found out: none of these calls was refused with 429 or 503")
    return ok(", ".join(dict.fromkeys(map(_describe_wait, refused))))


def _describe_wait(exchange: RawExchange) -> str:
    code = parse_error_body(parse_body(b"".join(exchange.chunks))).code
    held = exchange.headers.get("retry-after") or "none"
    return f"{exchange.status}{'' if code is None else f' / {code}'} with {held}"
