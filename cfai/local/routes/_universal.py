"""The universal endpoint of a gateway: steps, each a request to a provider, the first that succeeds answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cfai._json import as_sequence, is_mapping
from cfai.local._json import as_object
from cfai.local.routes._openai import COMPAT_ROUTES, WORKERS_AI_ROUTES
from cfai.local.routes._route import Route, RoutedCall, rejects_if_busy
from cfai.local.server import AccessRules, RawRequest
from cfai.local.wire import ErrorResponse


class _Bare(Route):
    """Workers AI as a step. UNCERTAIN: whether a step's answer has an envelope; a client of Cloudflare's reads none."""

    has_envelope = False


class UniversalRoute(Route):
    """`POST /v1/{account}/{gateway}`."""

    has_envelope = False
    takes_gateway_token = True

    def parse(self, request: RawRequest, model: str | None, gateway: str | None, body: Any) -> RoutedCall:
        """Return the call, whose inputs are its steps. Raises `ErrorResponse`."""
        steps = as_sequence(body)
        if not steps or not all(map(_is_step, steps)):
            raise ErrorResponse(None, "The body must be a list of steps with provider and endpoint", status=400)
        return RoutedCall(self, request, "", steps, request.parameters, gateway)

    def build_step(self, call: RoutedCall, step: Mapping[str, Any], access: AccessRules) -> RoutedCall:
        """Return one of the steps of a call as a call of its own. Raises `ErrorResponse` for what is refused."""
        provider, endpoint, query = step["provider"], step["endpoint"], step.get("query")
        headers = as_object(step.get("headers"))
        own = {name.lower(): str(value) for name, value in headers.items() if value is not None}
        request = replace(call.request, headers={**call.request.headers, **own})
        if provider == "compat" and (route := COMPAT_ROUTES.get(endpoint)):
            return route.parse(request, None, call.gateway, query)
        if provider != "workers-ai":
            raise ErrorResponse(2008)
        if own.get("authorization") != access.bearer:
            raise ErrorResponse(10000)
        if route := WORKERS_AI_ROUTES.get(endpoint.removeprefix("v1/")):
            return route.parse(request, None, call.gateway, query)
        model = endpoint.removeprefix("run/")
        return RoutedCall(_BARE, request, model, query, {}, call.gateway, rejects_if_busy(query))


def _is_step(step: Any) -> bool:
    return is_mapping(step) and isinstance(step.get("provider"), str) and isinstance(step.get("endpoint"), str)


_BARE = _Bare()
UNIVERSAL = UniversalRoute()
