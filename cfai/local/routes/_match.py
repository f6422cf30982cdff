"""Match requests to routes, their paths as they came, before anything decodes them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from cfai.local.resources import find_surface
from cfai.local.routes._catalogue import LISTINGS
from cfai.local.routes._openai import COMPAT_ROUTES, OPENAI_ROUTES, WORKERS_AI_ROUTES
from cfai.local.routes._route import BINDING_MODEL, REST, UNIFIED, WORKER, ResourceRoute, Route
from cfai.local.routes._universal import UNIVERSAL
from cfai.local.server import RawRequest
from cfai.local.wire import ErrorResponse


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


def match_route(request: RawRequest, *, lenient: bool) -> MatchedRoute:
    """Return the route of a request. Raises `ErrorResponse` where there is none."""
    path = request.path
    if lenient:
        path = unquote(path)
    elif "%2f" in path.lower():
        # An encoded slash is part of a name, and no name has one: what many generated clients get to see.
        raise ErrorResponse(7000)
    gateway = request.headers.get("cf-aig-gateway-id")
    match [unquote(part) for part in path.split("/")[1:]]:
        case ["client", "v4", "accounts", account, "ai", "run"]:
            return MatchedRoute(account, None, gateway, route=UNIFIED)
        case ["client", "v4", "accounts", account, "ai", "run", *model] if all(model):
            return MatchedRoute(account, "/".join(model), gateway)
        case ["client", "v4", "accounts", account, "ai", "v1", *rest] if route := OPENAI_ROUTES.get("/".join(rest)):
            return MatchedRoute(account, None, gateway, route=route)
        case ["client", "v4", "accounts", account, "ai", *rest] if route := LISTINGS.get("/".join(rest)):
            return MatchedRoute(account, None, route=route)
        case ["client", "v4", "accounts", account, *rest] if prefix := find_surface(rest):
            return MatchedRoute(account, None, route=ResourceRoute(account, prefix, tuple(rest[len(prefix) :])))
        case ["v1", account, named] | ["v1", account, named, ""] if named:
            return MatchedRoute(account, None, named, on_gateway_host=True, route=UNIVERSAL)
        case ["v1", account, named, "compat", *rest] if route := COMPAT_ROUTES.get("/".join(rest)):
            return MatchedRoute(account, None, named, on_gateway_host=True, route=route)
        case ["v1", account, named, "workers-ai", "v1", *rest] if route := WORKERS_AI_ROUTES.get("/".join(rest)):
            return MatchedRoute(account, None, named, on_gateway_host=True, route=route)
        case ["v1", account, named, "workers-ai", "run", *model] | ["v1", account, named, "workers-ai", *model] if all(
            model or [""]
        ):
            return MatchedRoute(account, "/".join(model), named, on_gateway_host=True)
        case ["run"] | ["ai-gateway", "run"] if BINDING_MODEL in request.headers:
            return MatchedRoute(None, None, route=WORKER)
        case ["ai-api", *rest] if route := LISTINGS.get("/".join(rest)):
            return MatchedRoute(None, None, route=route)
        case _:
            raise ErrorResponse(7000)
