"""Which request is which: paths matched as they came, before anything decodes them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote

from cfai.local.emulator._state import EmulatorConfig
from cfai.local.routes import BINDING_HOST, BINDING_MODEL, LISTINGS, OPENAI, REST, UNIFIED, WORKER, HttpRequest, Route
from cfai.local.wire import EmulatorError, ErrorResponse, GatewayErrorResponse


@dataclass(frozen=True, slots=True)
class MatchedRoute:
    """The route of a request, with what its path names."""

    account: str | None
    """`None` for the binding of a Worker, which has no other account than its own."""

    model: str | None
    """`None` where the body or a header names it."""

    gateway: str | None = None
    on_gateway_host: bool = False
    route: Route = REST


def match_route(http_request: HttpRequest, *, lenient: bool) -> MatchedRoute:
    """Return the route of a request. Raises `ErrorResponse` where there is none."""
    path = http_request.path
    if lenient:
        path = unquote(path)
    elif "%2f" in path.lower():
        # An encoded slash is part of a name, and no name has one: what many generated clients get to see.
        raise ErrorResponse(7000)
    gateway = http_request.headers.get("cf-aig-gateway-id")
    match [unquote(part) for part in path.split("/")[1:]]:
        case ["client", "v4", "accounts", account, "ai", "run"]:
            return MatchedRoute(account, None, gateway, route=UNIFIED)
        case ["client", "v4", "accounts", account, "ai", "run", *model] if all(model):
            return MatchedRoute(account, "/".join(model), gateway)
        case ["client", "v4", "accounts", account, "ai", "v1", *rest] if route := OPENAI.get("/".join(rest)):
            return MatchedRoute(account, None, gateway, route=route)
        case ["client", "v4", "accounts", account, "ai", *rest] if route := LISTINGS.get("/".join(rest)):
            return MatchedRoute(account, None, route=route)
        case ["v1", account, named, "workers-ai", "v1", *rest] | ["v1", account, named, "compat", *rest] if (
            route := OPENAI.get("/".join(rest))
        ):
            return MatchedRoute(account, None, named, on_gateway_host=True, route=route)
        case ["v1", account, named, "workers-ai", "run", *model] | ["v1", account, named, "workers-ai", *model] if all(
            model or [""]
        ):
            return MatchedRoute(account, "/".join(model), named, on_gateway_host=True)
        case ["run"] | ["ai-gateway", "run"] if BINDING_MODEL in http_request.headers:
            # No web page of another origin can send that header, so none can use the binding.
            return MatchedRoute(None, None, route=WORKER)
        case ["ai-api", *rest] if route := LISTINGS.get("/".join(rest)):
            return MatchedRoute(None, None, route=route)
        case _:
            raise ErrorResponse(7000)


def check_host(http_request: HttpRequest, config: EmulatorConfig) -> None:
    """Raise `EmulatorError` if a web page may have had its own name resolved to this machine."""
    host = host_name(http_request.headers.get("host", ""))
    if not (config.allow_remote or is_loopback(host) or host == BINDING_HOST):
        raise EmulatorError(403, "Host not allowed: the emulator answers to loopback names only")


def check_credentials(found: MatchedRoute, http_request: HttpRequest, config: EmulatorConfig) -> None:
    """Raise `ErrorResponse` unless the request may use this account, and this gateway."""
    bearer, headers = f"Bearer {config.api_token}", http_request.headers
    if found.account is None and not config.allow_remote and "authorization" not in headers:
        # The binding has no credentials of its own: on this machine it needs none.
        return
    # Only the `default` gateway has its authentication on here, as it has when the service makes it.
    locked = found.on_gateway_host and found.gateway == "default"
    if locked and headers.get("cf-aig-authorization") != bearer:
        raise GatewayErrorResponse(2009, "Unauthorized", status=401)
    if headers.get("authorization") != bearer:
        raise ErrorResponse(10000)
    if found.account not in (None, config.account_id):
        raise ErrorResponse(7003, f"Could not route to {http_request.path}, perhaps your object identifier is invalid?")


def is_loopback(host: str) -> bool:
    """Return whether `host`, a name or an address without a port, is this machine."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """Return a `Host` header without its port."""
    name, colon, port = header.rpartition(":")
    return name if colon and port.isdecimal() else header
