"""Facts on AI Gateway, for whoever names one."""

from __future__ import annotations

from typing import Any, cast

import httpx

from cfai.doctor._finding import Finding, ok
from cfai.doctor._installation import EMBEDDING
from cfai.doctor.conformance._probe import Probe, body_of, how, judged, kind_of, listed, refusal
from cfai.doctor.conformance._requests import HELLO

AURA = "@cf/deepgram/aura-1"


def gateway_host(bench: Probe) -> Finding:
    """Return what the gateway's own host puts around an answer."""
    return _around(bench, bench.run(EMBEDDING, HELLO, gateway=bench.gateway))


def gateway_rest(bench: Probe) -> Finding:
    """Return what the API's host puts around an answer that came through a gateway."""
    return _around(bench, bench.run(EMBEDDING, HELLO, gateway=bench.gateway, route="api"))


def gateway_header(bench: Probe) -> Finding:
    """Return whether a path with a model in it heeds the gateway's header."""
    response = bench.run(EMBEDDING, {"text": "a gateway"}, extra_headers={"cf-aig-gateway-id": bench.gateway})
    if refused := refusal(response):
        return refused
    heeded = any(name.startswith("cf-aig-") for name in response.headers)
    return ok(f"{how(response)}, and the header is {'heeded' if heeded else 'not heeded'}")


def gateway_binary(bench: Probe) -> Finding:
    """Return whether audio comes through the gateway's own host as it is."""
    inputs = {"text": "Hi"}
    response = bench.run(AURA, inputs, gateway=bench.gateway)
    if refused := refusal(response):
        return refused
    says = f"declared as {kind_of(response)}, and it begins with {response.content[:4].hex()}"
    return judged(says, bench.read(response, AURA, inputs))


def _around(bench: Probe, response: httpx.Response) -> Finding:
    if refused := refusal(response):
        return refused
    body = body_of(response)
    keys = listed(cast("dict[str, Any]", body)) if isinstance(body, dict) else "no object"
    names = listed(sorted(name for name in response.headers if name.startswith("cf-a")))
    return judged(f"{kind_of(response)} of {keys}; headers {names}", bench.read(response, EMBEDDING, HELLO))
