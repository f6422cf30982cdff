"""Credentials and base URLs, from arguments and environment variables, checked before anything is sent."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import httpx

from cfai._errors import ConfigurationError

GatewayRoute = Literal["gateway", "api"]

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

# Patterns stay strings: `re` compiles them at first use, so that importing does not.
_HEX_32 = r"[0-9a-fA-F]{32}"
_VISIBLE = r"[\x21-\x7e]+"


class Secret:
    """A string that does not show itself."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "Secret()"

    def __reduce__(self) -> tuple[Any, ...]:
        return Secret, (self.value,)


class Credentials(NamedTuple):
    """The account and its token, and the URL that calls go to."""

    account_id: str
    token: Secret
    base_url: str = BASE_URL
    default_headers: Mapping[str, str] = MappingProxyType({})
    gateway_route: GatewayRoute = "gateway"
    allow_http: bool = False

    def __repr__(self) -> str:
        # Headers can be credentials too.
        return f"Credentials(account_id={self.account_id!r}, base_url={self.base_url!r})"

    @property
    def is_direct(self) -> bool:
        """True if calls go to this machine in the clear, past any proxy that the environment names."""
        return self.base_url.startswith("http:") and not self.allow_http

    @property
    def gateway_url(self) -> str:
        """The URL of the gateway's host. A server that is not Cloudflare's has it beside its API."""
        if is_cloudflare(self.base_url):
            return GATEWAY_URL
        return self.base_url.removesuffix("/client/v4") + "/v1"


class EnvironmentVariables:
    """The environment variables that cfai knows, stripped; no others, and none of them shown."""

    __slots__ = ("_values",)

    def __init__(self, variables: Mapping[str, str]) -> None:
        known = (*TOKEN_NAMES, *ACCOUNT_NAMES, *BASE_URL_NAMES, "CLOUDFLARE_EMAIL")
        # Blanks around a value come from files and shells.
        self._values = {name: Secret(value) for name in known if (value := variables.get(name, "").strip())}

    def first(self, names: Iterable[str]) -> Secret | None:
        """Return the first of `names` that is set and not blank."""
        return next((self._values[name] for name in names if name in self._values), None)


def parse_secret(value: Any) -> Secret | None:
    """Return an argument without the blanks around it, hidden from here on, or `None` if it is empty."""
    if value is None or isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ConfigurationError(
            f"`account_id`, `api_token` and `base_url` must be strings, got {type(value).__name__}"
        )
    return Secret(value.strip()) if value.strip() else None


def resolve_credentials(
    environment: EnvironmentVariables,
    account_id: Secret | None = None,
    api_token: Secret | None = None,
    base_url: Secret | None = None,
    *,
    default_headers: Mapping[str, str] | None = None,
    gateway_route: GatewayRoute = "gateway",
    allow_http: bool = False,
) -> Credentials:
    """Return the credentials of a client; arguments win over the environment.

    Raises `ConfigurationError`, which names what is missing or wrong, and never its value.
    """
    configured_url = base_url or environment.first(BASE_URL_NAMES)
    url = parse_base_url(configured_url.value if configured_url else BASE_URL, allow_http)
    id = account_id or environment.first(ACCOUNT_NAMES)
    if id is None:
        raise ConfigurationError(
            f"no account id: pass account_id, or set {ACCOUNT_NAMES[0]} (it is in the dashboard's URL)"
        )
    # Beside an e-mail address the last name is the account's global key, which is no token.
    has_email = environment.first(["CLOUDFLARE_EMAIL"]) is not None
    token = api_token or environment.first(TOKEN_NAMES[:-1] if has_email else TOKEN_NAMES)
    if token is None:
        hint = ""
        if environment.first(["CLOUDFLARE_API_KEY"]):
            hint = "; CLOUDFLARE_API_KEY beside CLOUDFLARE_EMAIL is the global key, which Workers AI does not take"
        raise ConfigurationError(
            f"no API token: pass api_token, or set {TOKEN_NAMES[0]} (make one with Workers AI Read and Edit){hint}"
        )
    # The id itself is not shown: what is wrong with it may be that it is the token.
    if is_cloudflare(url) and not re.fullmatch(_HEX_32, id.value):
        hint = "; this one looks like an API token" if len(id.value) >= 40 else ""
        raise ConfigurationError(f"an account id is 32 hexadecimal digits{hint}")
    if not re.fullmatch(_VISIBLE, id.value) or "/" in id.value or id.value in (".", ".."):
        raise ConfigurationError("the account id has a character that no account id has")
    if not re.fullmatch(_VISIBLE, token.value):
        raise ConfigurationError("the API token has a blank, a line break or a character that no token has")
    route = parse_gateway_route(gateway_route)
    return Credentials(id.value, token, url, default_headers or {}, route, allow_http)


def parse_gateway_route(route: GatewayRoute) -> GatewayRoute:
    """Return where calls of a gateway go. Raises `ConfigurationError`."""
    if route not in ("gateway", "api"):
        raise ConfigurationError(f"`gateway_route` must be 'gateway' or 'api', got {route!r}")
    return route


def check_proxy(proxy: Secret | None) -> None:
    """Raise `ConfigurationError` for what is no URL of a proxy, without showing it: it can hold a password."""
    if proxy is not None and not _is_proxy(proxy.value):
        raise ConfigurationError(
            "`proxy` must be a URL such as 'http://proxy.example:3128', with http, https or socks5"
        )


def _is_proxy(url: str) -> bool:
    # A function of its own, so that no frame of the error's traceback has the parts.
    try:
        parts = urlsplit(url)
    except (AttributeError, TypeError, ValueError):
        return False
    return parts.scheme in ("http", "https", "socks5", "socks5h") and bool(parts.hostname)


def parse_base_url(url: str, allow_http: bool) -> str:
    """Return a base URL without its last slash. Raises `ConfigurationError`: a token does not travel in the clear.

    >>> parse_base_url("https://api.cloudflare.com/client/v4/", allow_http=False)
    'https://api.cloudflare.com/client/v4'
    """
    parsed, problem = _parse_base_url(url, allow_http)
    url = ""  # it may hold a password, and a traceback shows the variables of this frame
    if problem:
        raise ConfigurationError(problem)
    return parsed


def _parse_base_url(url: str, allow_http: bool) -> tuple[str, str]:
    """Return a base URL without its last slash, its scheme in lower case, and what is wrong with it, if anything is."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(httpx.URL(url).host) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        return "", f"`base_url` must be a URL such as {BASE_URL!r}"
    if not is_url or not re.fullmatch(_VISIBLE, url):
        return "", f"`base_url` must be a URL such as {BASE_URL!r}"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "", "`base_url` must have no user, password, query or fragment"
    host = parts.hostname or ""
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        return "", f"base_url: the token would go to {host} in the clear: use https, or pass allow_http=True"
    return parts.scheme + url[len(parts.scheme) :].rstrip("/"), ""


def is_cloudflare(url: str) -> bool:
    """Return True if `url` is on one of Cloudflare's own hosts.

    >>> is_cloudflare("https://api.cloudflare.com/client/v4"), is_cloudflare("https://cloudflare.com.example/")
    (True, False)
    """
    return f".{urlsplit(url).hostname}".endswith(".cloudflare.com")


def _is_loopback(host: str) -> bool:
    if f".{host}".endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
