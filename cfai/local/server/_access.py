"""Let in programs on this machine, with the local token, for the local account."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cfai.local.wire import ErrorResponse

CREDENTIAL_HEADERS = frozenset(
    ("authorization", "cf-aig-authorization", "cookie", "x-auth-email", "x-auth-key", "x-auth-user-service-key")
)
"""Headers that hold who a caller is: they are noted nowhere."""


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The rules by which a request is let in: its host, its token, its account."""

    account_id: str
    api_token: str = field(repr=False)
    allow_remote: bool

    @property
    def bearer(self) -> str:
        """The value of the header `Authorization`."""
        return f"Bearer {self.api_token}"

    def allows_host(self, header: str, own: Iterable[str] = ()) -> bool:
        """Return True if a `Host` header names this machine, or one of its `own` names; with remote access any does."""
        name, colon, port = header.rpartition(":")
        host = name if colon and port.isdecimal() else header
        return self.allow_remote or is_loopback(host) or host in own

    def check_credentials(
        self, headers: Mapping[str, str], account: str | None, path: str, *, takes_gateway_token: bool = False
    ) -> None:
        """Raise `ErrorResponse` unless a request may use `account`, which is `None` where it names none.

        With `takes_gateway_token` the token may stand in the header of a gateway alone.
        """
        token = headers.get("authorization")
        if token is None and takes_gateway_token:
            token = headers.get("cf-aig-authorization")
        if token != self.bearer:
            raise ErrorResponse(10000)
        if account not in (None, self.account_id):
            raise ErrorResponse(7003, f"Could not route to {path}, perhaps your object identifier is invalid?")


def is_loopback(host: str) -> bool:
    """Return True if `host`, a name or an address without a port, is this machine."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
