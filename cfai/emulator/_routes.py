"""Which request is which: paths matched as they came, before anything decodes them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from cfai.emulator._state import Settings
from cfai.wire._refusals import GatewayRefusal, Refusal


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes."""

    account: str
    model: str | None
    """`None` where the body names it."""

    gateway: str | None
    on_gateway_host: bool = False


def route(raw_path: str, headers: Mapping[str, str], *, lenient: bool) -> Route:
    """The route of `raw_path`. Raises `Refusal` where there is none."""
    if lenient:
        raw_path = unquote(raw_path)
    elif "%2f" in raw_path.lower():
        # An encoded slash is part of a name, and no name has one: what many generated clients get to see.
        raise Refusal(7000)
    gateway = headers.get("cf-aig-gateway-id")
    match [unquote(part) for part in raw_path.split("/")[1:]]:
        case ["client", "v4", "accounts", account, "ai", "run"]:
            return Route(account, None, gateway)
        case ["client", "v4", "accounts", account, "ai", "run", *model] if all(model):
            return Route(account, "/".join(model), gateway)
        case ["v1", account, named, "workers-ai", "run", *model] | ["v1", account, named, "workers-ai", *model] if all(
            model or [""]
        ):
            return Route(account, "/".join(model), named, on_gateway_host=True)
        case _:
            raise Refusal(7000)


def check_credentials(found: Route, raw_path: str, headers: Mapping[str, str], settings: Settings) -> None:
    """Raise `Refusal` unless the request may use this account, and this gateway."""
    bearer = f"Bearer {settings.api_token}"
    # Only the `default` gateway has its authentication on here, as it has when the service makes it.
    locked = found.on_gateway_host and found.gateway == "default"
    if locked and headers.get("cf-aig-authorization") != bearer:
        raise GatewayRefusal(2009, "Unauthorized", status=401)
    if headers.get("authorization") != bearer:
        raise Refusal(10000)
    if found.account != settings.account_id:
        raise Refusal(7003, f"Could not route to {raw_path}, perhaps your object identifier is invalid?")


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address without a port, is this machine."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """A `Host` header without its port."""
    name, colon, port = header.rpartition(":")
    return name if colon and port.isdecimal() else header
