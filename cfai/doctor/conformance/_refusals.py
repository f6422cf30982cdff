"""Facts on errors: status, code, words, and the headers that come with them."""

from __future__ import annotations

import re
from typing import Any

from cfai import AuthenticationError, LimitError, NotFoundError, PermissionDeniedError
from cfai._response import parse_body, parse_error_body
from cfai.doctor._finding import REPORT_REMEDY, Finding, report_ok, report_problem, report_warning
from cfai.doctor._installation import CHEAPEST_MODEL
from cfai.doctor.conformance._probe import InconclusiveError, Probe
from cfai.local.recording import RawExchange

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def ask_wrong_token(probe: Probe) -> Finding:
    """Report how a wrong token is refused."""
    # Inputs of its own: in a recording, where no token is, they tell this call from the others.
    inputs = {"text": "a wrong token"}
    response = probe.ask("POST", f"/run/{CHEAPEST_MODEL}", json=inputs, headers={"authorization": f"Bearer {'0' * 40}"})
    error = probe.read(response.require_verdict(401, 403, 404), CHEAPEST_MODEL, inputs)
    judge = report_ok if isinstance(error, AuthenticationError | PermissionDeniedError) else _report_unexpected
    return judge(f"{response.status_text}, in cfai {type(error).__name__}")


def ask_no_model(probe: Probe) -> Finding:
    """Report how an unknown model is refused."""
    model, inputs = "@cf/cfai/no-such-model", {"prompt": "Hi"}
    response = probe.run(model, inputs).require_verdict(404)
    error = probe.read(response, model, inputs)
    judge = report_ok if isinstance(error, NotFoundError) else _report_unexpected
    return judge(f"{response.status_text}, in cfai {type(error).__name__}")


def _report_unexpected(message: str) -> Finding:
    return report_problem(message, REPORT_REMEDY)


def ask_request_id(probe: Probe) -> Finding:
    """Report whether the id at the end of an error's message is that of the header."""
    response = probe.run(CHEAPEST_MODEL, {"text": 5}).require_verdict()
    if response.is_success:
        raise InconclusiveError("a number was taken for a text")
    ids, header = re.findall(_UUID, response.error.message), response.headers.get("cf-ai-req-id")
    if not ids:
        form = f"none in the message; {'one' if header else 'none'} in cf-ai-req-id"
    elif not header:
        form = "one in the message, and none in cf-ai-req-id"
    else:
        form = f"that in the message is {'' if ids[-1] == header else 'not '}that in cf-ai-req-id"
    return report_ok(f"{response.status_text}: {form}")


def ask_limit(probe: Probe, model: str, inputs: dict[str, Any], excess: str) -> Finding:
    """Report the words in which too many tokens are refused, and whether cfai reads the limit in them."""
    response = probe.run(model, inputs).require_verdict()
    if response.is_success:
        return report_ok(f"no refusal for {excess}")
    error = probe.read(response, model, inputs)
    if isinstance(error, LimitError):
        return report_ok(f"{response.status_text}, in which cfai reads a limit of {error.limit:,} tokens")
    words = " ".join(response.error.message.split())[:200]
    return report_warning(f"{response.status_text}, in which cfai reads no limit: {words}", REPORT_REMEDY)


def ask_retry_after(probe: Probe) -> Finding:
    """Report how a busy service says how long to wait: only seen if one of the calls was refused like that."""
    refused = [exchange for exchange in probe.exchanges if exchange.status in (429, 503)]
    if not refused:
        raise InconclusiveError("none of these calls was refused with 429 or 503")
    return report_ok(", ".join(dict.fromkeys(map(_describe_wait, refused))))


def _describe_wait(exchange: RawExchange) -> str:
    code = parse_error_body(parse_body(b"".join(exchange.response_chunks))).code
    wait = exchange.response_headers.get("retry-after") or "none"
    return f"{exchange.status}{'' if code is None else f' / {code}'} with {wait}"
