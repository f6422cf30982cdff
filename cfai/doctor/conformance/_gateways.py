"""Facts on AI Gateway, for whoever names one."""

from __future__ import annotations

from typing import Any, cast

import httpx

from cfai.doctor._finding import Finding, ok
from cfai.doctor._installation import EMBEDDING
from cfai.doctor.conformance._probe import (
    Probe,
    decode_body,
    find_refusal,
    get_content_type,
    join_words,
    judge_output,
    status_text,
)
from cfai.doctor.conformance._requests import HELLO

AURA = "@cf/deepgram/aura-1"


def ask_gateway_host(probe: Probe) -> Finding:
    """Return what the gateway's own host puts around an answer."""
    return _describe_envelope(probe, probe.run(EMBEDDING, HELLO, gateway=probe.gateway))


def ask_gateway_rest(probe: Probe) -> Finding:
    """Return what the API's host puts around an answer that came through a gateway."""
    return _describe_envelope(probe, probe.run(EMBEDDING, HELLO, gateway=probe.gateway, route="api"))


def ask_gateway_header(probe: Probe) -> Finding:
    """Return whether a path with a model in it heeds the gateway's header."""
    response = probe.run(EMBEDDING, {"text": "a gateway"}, extra_headers={"cf-aig-gateway-id": probe.gateway})
    if refused := find_refusal(response):
        return refused
    heeded = any(name.startswith("cf-aig-") for name in response.headers)
    return ok(f"{status_text(response)}, and the header is {'heeded' if heeded else 'not heeded'}")


def ask_gateway_binary(probe: Probe) -> Finding:
    """Return whether audio comes through the gateway's own host as it is."""
    inputs = {"text": "Hi"}
    response = probe.run(AURA, inputs, gateway=probe.gateway)
    if refused := find_refusal(response):
        return refused
    says = f"declared as {get_content_type(response)}, and it begins with {response.content[:4].hex()}"
    return judge_output(says, probe.read(response, AURA, inputs))


def _describe_envelope(probe: Probe, response: httpx.Response) -> Finding:
    if refused := find_refusal(response):
        return refused
    body = decode_body(response)
    keys = join_words(cast("dict[str, Any]", body)) if isinstance(body, dict) else "no object"
    names = join_words(sorted(name for name in response.headers if name.startswith("cf-a")))
    return judge_output(
        f"{get_content_type(response)} of {keys}; headers {names}", probe.read(response, EMBEDDING, HELLO)
    )
