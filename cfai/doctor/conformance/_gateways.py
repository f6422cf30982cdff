"""Facts on AI Gateway, for whoever names one."""

from __future__ import annotations

from cfai._json import is_mapping
from cfai.doctor._finding import Finding, report_ok
from cfai.doctor._installation import CHEAPEST_MODEL
from cfai.doctor.conformance._inputs import AURA, HELLO
from cfai.doctor.conformance._probe import InconclusiveError, Probe, ProbeResponse, join_words, judge_output
from cfai.types import GatewayStep


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


def ask_gateway_steps(probe: Probe) -> Finding:
    """Report the form of Workers AI's answer to a step of the universal endpoint."""
    step: GatewayStep = {"provider": "workers-ai", "endpoint": CHEAPEST_MODEL, "query": HELLO}
    raw = probe.open_gateway().run(step, authorize=True)
    response = ProbeResponse(raw).require_success()
    keys = join_words(response.body) if is_mapping(response.body) else "no object"
    return judge_output(f"{response.content_type} of {keys}", probe.read(response, CHEAPEST_MODEL, HELLO))


def ask_gateway_url(probe: Probe) -> Finding:
    """Report the address that the API has for no provider, for which the binding asks as `universal`."""
    url = probe.open_gateway().get_url()
    return report_ok(f"behind the gateway it has {url.partition(f'/{probe.gateway}')[2] or 'nothing'}")


def ask_gateway_log(probe: Probe) -> Finding:
    """Report whether the log of a call is found: accounts since 2026-09-24 have another one."""
    response = probe.run(CHEAPEST_MODEL, HELLO, gateway=probe.gateway).require_success()
    log_id = response.headers.get("cf-aig-log-id")
    if log_id is None:
        raise InconclusiveError("the answer names no log")
    probe.sleep(3.0)  # it may appear a moment later
    log = probe.open_gateway().get_log(log_id)
    return report_ok(f"found, with {join_words(sorted(log))}; metadata is {type(log.metadata).__name__}")
