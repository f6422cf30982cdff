"""Facts on AI Gateway, for whoever names one."""

from __future__ import annotations

from cfai._json import is_mapping
from cfai.doctor._finding import Finding, report_ok
from cfai.doctor._installation import CHEAPEST_MODEL
from cfai.doctor.conformance._inputs import AURA, HELLO
from cfai.doctor.conformance._probe import Probe, join_words, judge_output


def ask_gateway_envelope(probe: Probe, route: str | None = None) -> Finding:
    """Report the envelope of an answer that came through a gateway: by its own host, or by the API's."""
    response = probe.run(CHEAPEST_MODEL, HELLO, gateway=probe.gateway, route=route).require_success()
    body = response.body
    keys = join_words(body) if is_mapping(body) else "no object"
    names = join_words(sorted(name for name in response.headers if name.startswith("cf-a")))
    form = f"{response.content_type} of {keys}; headers {names}"
    return judge_output(form, probe.read(response, CHEAPEST_MODEL, HELLO))


def ask_gateway_header(probe: Probe) -> Finding:
    """Report whether a path with a model in it heeds the gateway's header."""
    header = {"cf-aig-gateway-id": probe.gateway}
    response = probe.run(CHEAPEST_MODEL, {"text": "a gateway"}, extra_headers=header).require_success()
    heeded = any(name.startswith("cf-aig-") for name in response.headers)
    return report_ok(f"{response.status_text}, and the header is {'heeded' if heeded else 'not heeded'}")


def ask_gateway_binary(probe: Probe) -> Finding:
    """Report whether audio comes through the gateway's own host as it is."""
    inputs = {"text": "Hi"}
    response = probe.run(AURA, inputs, gateway=probe.gateway).require_success()
    form = f"declared as {response.content_type}, and it begins with {response.content[:4].hex()}"
    return judge_output(form, probe.read(response, AURA, inputs))
