"""Where calls go and with which credentials, from arguments and the environment; checked before anything is sent."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from cfai._errors import ConfigurationError

GatewayTransport = Literal["gateway", "rest"]

BASE_URL = "https://api.cloudflare.com/client/v4"
GATEWAY_URL = "https://gateway.ai.cloudflare.com/v1"

TOKEN_NAMES = (
    "CLOUDFLARE_API_TOKEN",
    "CF_API_TOKEN",
    "CF_AI_API_TOKEN",
    "CLOUDFLARE_AUTH_TOKEN",
    "CLOUDFLARE_API_KEY",
)
ACCOUNT_NAMES = ("CLOUDFLARE_ACCOUNT_ID", "CF_ACCOUNT_ID")
BASE_URL_NAMES = ("CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_BASE_URL", "CF_API_BASE_URL")

# Patterns stay texts: `re` compiles them at first use, so that importing does not.
_HEX_32 = r"[0-9a-fA-F]{32}"
_VISIBLE = r"[\x21-\x7e]+"


class Secret:
    """A text that does not show itself."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "Secret()"


class Account(NamedTuple):
    """Where calls go, and with which token."""

    id: str
    token: Secret
    base_url: str = BASE_URL
    default_headers: Mapping[str, str] = MappingProxyType({})
    gateway_transport: GatewayTransport = "gateway"

    def __repr__(self) -> str:
        # Headers can be credentials too.
        return f"Account(id={self.id!r}, base_url={self.base_url!r})"

    @property
    def gateway_url(self) -> str:
        """The gateway's host. A server that is not Cloudflare's has it beside its API."""
        if is_cloudflare(self.base_url):
            return GATEWAY_URL
        return self.base_url.removesuffix("/client/v4") + "/v1"


def account_from(
    environment: Mapping[str, str],
    account_id: str | None = None,
    api_token: str | None = None,
    base_url: str | None = None,
    *,
    default_headers: Mapping[str, str] | None = None,
    gateway_transport: GatewayTransport = "gateway",
    allow_http: bool = False,
) -> Account:
    """The account of a client. Arguments win over the environment; what is missing or wrong is named in the error."""
    url = checked_url(_first(environment, base_url, BASE_URL_NAMES) or BASE_URL, allow_http)
    id = _first(environment, account_id, ACCOUNT_NAMES)
    token = _first(environment, api_token, _token_names(environment))
    if id is None:
        raise ConfigurationError(
            f"no account id: pass account_id, or set {ACCOUNT_NAMES[0]} (it is in the dashboard's URL)"
        )
    if token is None:
        hint = ""
        if _stripped(environment.get("CLOUDFLARE_API_KEY")):
            hint = "; CLOUDFLARE_API_KEY beside CLOUDFLARE_EMAIL is the global key, which Workers AI does not take"
        raise ConfigurationError(
            f"no API token: pass api_token, or set {TOKEN_NAMES[0]} (make one with Workers AI Read and Edit){hint}"
        )
    _check_id(id, url)
    if not re.fullmatch(_VISIBLE, token):
        raise ConfigurationError("the API token has a blank, a line break or a character that no token has")
    return Account(id, Secret(token), url, default_headers or {}, checked_transport(gateway_transport))


def checked_transport(transport: GatewayTransport) -> GatewayTransport:
    if transport not in ("gateway", "rest"):
        raise ConfigurationError(f"gateway_transport is 'gateway' or 'rest', not {transport!r}")
    return transport


def checked_url(url: str, allow_http: bool) -> str:
    """A base URL without its last slash, or `ConfigurationError`: a token does not travel in the clear.

    >>> checked_url("https://api.cloudflare.com/client/v4/", allow_http=False)
    'https://api.cloudflare.com/client/v4'
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        host, port_is_valid, parts = "", False, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or not port_is_valid or not re.fullmatch(_VISIBLE, url):
        raise ConfigurationError(f"base_url is a URL such as {BASE_URL!r}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError("base_url has no user, password, query or fragment")
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        raise ConfigurationError(
            f"base_url: the token would go to {host} in the clear: use https, or pass allow_http=True"
        )
    return url.rstrip("/")


def is_cloudflare(url: str) -> bool:
    """Whether `url` is on one of Cloudflare's own hosts.

    >>> is_cloudflare("https://api.cloudflare.com/client/v4"), is_cloudflare("https://cloudflare.com.example/")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    return host == "cloudflare.com" or host.endswith(".cloudflare.com")


def _first(environment: Mapping[str, str], given: str | None, names: tuple[str, ...]) -> str | None:
    """The first that is set and not blank. Blanks around a value come from files and shells, and are taken off."""
    values = [given, *(environment.get(name) for name in names)]
    return next((value for value in map(_stripped, values) if value), None)


def _stripped(value: str | None) -> str:
    if value is not None and not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"account_id, api_token and base_url are texts, not {type(value).__name__}")
    return (value or "").strip()


def _token_names(environment: Mapping[str, str]) -> tuple[str, ...]:
    # Beside an e-mail address the last name is the account's global key, which is no token.
    return TOKEN_NAMES[:-1] if _stripped(environment.get("CLOUDFLARE_EMAIL")) else TOKEN_NAMES


def _check_id(id: str, url: str) -> None:
    # The value itself is not shown: what is wrong with it may be that it is the token.
    if is_cloudflare(url) and not re.fullmatch(_HEX_32, id):
        hint = "; this one looks like an API token" if len(id) >= 40 else ""
        raise ConfigurationError(f"an account id is 32 hexadecimal digits{hint}")
    if not re.fullmatch(_VISIBLE, id) or "/" in id or id in (".", ".."):
        raise ConfigurationError("the account id has a character that no account id has")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
