"""Credentials and base URLs, from arguments and environment variables, checked before anything is sent."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import httpx

from cfai._errors import ConfigurationError

GatewayRoute = Literal["gateway", "api"]

BASE_URL = "https://api.cloudflare.com/client/v4"
BINDING_URL = "https://workers-binding.ai/client/v4"
"""The URL of requests that are never sent: the host is the one to which the binding of a Worker itself speaks."""
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

_MAX_LENGTH = 4096
"""Characters of a token, an id or a URL: servers take some 8,000 for all headers together."""

NO_ACCOUNT = "without an account, start the program with cfai dev -- python app.py, or use Ai.local()"

# Patterns stay strings: `re` compiles them at first use, so that importing does not.
_HEX_32 = r"[0-9a-fA-F]{32}"
_GLOBAL_KEY = r"[0-9a-f]{37}"
_VISIBLE = r"[\x21-\x7e]+"
_BEARER_TOKEN = r"[\w.~+-][\w.~+/-]*=*"  # RFC 6750, section 2.1; none begins with a slash, as paths do
_SECRET_HEADER = r"(?i)auth|token|jwt|key|secret|cookie|passw|pwd|credential"
_HOST_NAME = r"([\w-]{1,63}\.)*[\w-]{1,63}\.?"
# Files written on Windows begin with a byte order mark, and web pages have blanks without a width.
_WIDTHLESS = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_QUOTED = (
    r"""(?s)"(.*)"|'(.*)'|`(.*)`"""
    r"|[\u201c-\u201e](.*)[\u201c\u201d]|[\u2018-\u201a](.*)[\u2018\u2019]|\u00ab(.*)\u00bb"
)
_OWN_NAMES = (*TOKEN_NAMES, *ACCOUNT_NAMES)
_PLACEHOLDER = r"(?is)x{3,}|(your|insert|enter|paste|replace|put)_.*|your-.*|change.?me"
_PLACEHOLDER_IN_MARKS = r"(?s)<.*>|\{+.*\}+|\[.*\]|\$\{.*\}|\$\(.*\)|\$[A-Z_]+|%\w+%|\*{3,}|\.{3,}|\u2026+|\u2022+"


class Secret:
    """A value that does not show itself."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "Secret()"

    def __reduce__(self) -> tuple[Any, ...]:
        return Secret, (self.value,)


NO_HEADERS = Secret({})


class Setting(NamedTuple):
    """A string that was set, and the option or the environment variable that it comes from."""

    name: str
    secret: Secret


class Credentials(NamedTuple):
    """The account and its token, and the URL that calls go to."""

    account_id: str
    token: Secret
    base_url: str = BASE_URL
    default_headers: Secret = NO_HEADERS
    """A mapping by name: headers can be credentials too."""
    gateway_route: GatewayRoute = "gateway"
    allow_http: bool = False

    @property
    def is_binding(self) -> bool:
        """True if calls go to the binding of a Worker, and not over REST."""
        return self.base_url == BINDING_URL

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
    """The environment variables that cfai knows, cleaned; no others, and none of them shown."""

    __slots__ = ("_values",)

    def __init__(self, variables: Mapping[str, str]) -> None:
        known = (*TOKEN_NAMES, *ACCOUNT_NAMES, *BASE_URL_NAMES, "CLOUDFLARE_EMAIL")
        self._values = {name: Secret(value) for name in known if (value := clean(variables.get(name, "")))}

    def find(self, names: Iterable[str]) -> list[Setting]:
        """Return those of `names` that are set and not blank, in order."""
        return [Setting(name, self._values[name]) for name in names if name in self._values]

    def find_tokens(self) -> list[Setting]:
        """Return the variables that hold a token; the first one counts."""
        # Beside an e-mail address the last name is the account's global key, which is no token.
        return self.find(TOKEN_NAMES[:-1] if self.find(["CLOUDFLARE_EMAIL"]) else TOKEN_NAMES)


def clean(value: str) -> str:
    """Return a value without the blanks and the pairs of quote marks around it, which files and shells leave there.

    >>> clean(' "abc"\\r\\n'), clean("\\ufeff'abc'"), clean('"abc')
    ('abc', 'abc', '"abc')
    """
    for _ in range(3):
        value = value.strip().strip(_WIDTHLESS).strip()
        # No pattern where none is needed: to compile them took half of the first `Ai()`.
        if value and not value[0].isalnum() and (quoted := re.fullmatch(_QUOTED, value)):
            value = "".join(group or "" for group in quoted.groups())
    return value


def describe(value: object) -> str:
    """Return what came in place of an option's value: a number or a word as it is, and of all else only the type.

    >>> describe(-1), describe("Strict"), describe(["a secret"])
    ('-1', "'Strict'", 'list')
    """
    is_number = type(value) is float or (type(value) is int and abs(value) < 10**20)
    is_word = type(value) is str and re.fullmatch(r"[\w .-]{0,20}", value)
    return repr(value) if is_number or is_word or value is None or isinstance(value, bool) else type(value).__name__


@lru_cache(maxsize=256)  # asked for every header of a call, and few differ
def is_secret_header(name: str) -> bool:
    """Return True for a header that may carry a secret, by its name: the user's own, too."""
    return bool(re.search(_SECRET_HEADER, name))


def check_flag(option: str, value: object) -> None:
    """Raise `ConfigurationError` for what is neither True nor False: the string "false" would be true."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"`{option}` must be True or False, got {describe(value)}")


def parse_setting(option: str, value: Secret) -> Setting | None:
    """Return an argument cleaned, or `None` if it is empty. Raises `ConfigurationError` for what is no string."""
    if value.value is None:
        return None
    if not isinstance(value.value, str):
        raise ConfigurationError(f"`{option}` must be a string, got {type(value.value).__name__}")
    cleaned = Secret(clean(value.value))
    return Setting(f"`{option}`", cleaned) if cleaned.value else None


def resolve_credentials(
    environment: EnvironmentVariables,
    account_id: Setting | None = None,
    api_token: Setting | None = None,
    base_url: Setting | None = None,
    *,
    default_headers: Secret = NO_HEADERS,
    gateway_route: GatewayRoute = "gateway",
    allow_http: bool = False,
) -> Credentials:
    """Return the credentials of a client; arguments win over the environment.

    Raises `ConfigurationError`, which names what is missing or wrong, and never its value.
    """
    url = parse_base_url(base_url or _first(environment.find(BASE_URL_NAMES)), allow_http)
    id = account_id or _first(environment.find(ACCOUNT_NAMES))
    if id is None:
        raise ConfigurationError(
            f"no account id: pass account_id, or set {ACCOUNT_NAMES[0]} (it is in the dashboard's URL); {NO_ACCOUNT}"
        )
    token = api_token or _first(environment.find_tokens())
    if token is None:
        hint = ""
        if environment.find(["CLOUDFLARE_API_KEY"]):
            hint = "; CLOUDFLARE_API_KEY beside CLOUDFLARE_EMAIL is the global key, which Workers AI does not take"
        raise ConfigurationError(
            f"no API token: pass api_token, or set {TOKEN_NAMES[0]} (make one with Workers AI Read and Edit){hint}; "
            f"{NO_ACCOUNT}"
        )
    # Neither is shown, not even the id: what is wrong with it may be that it is the token.
    if flaw := find_account_flaw(id.secret, url):
        raise ConfigurationError(f"{id.name} is no account id: {flaw}. Copy the id from the dashboard's URL")
    if flaw := find_token_flaw(token.secret, url):
        raise ConfigurationError(
            f"{token.name} is no API token: {flaw}. Copy the token again, or make one with Workers AI Read and Edit"
        )
    route = parse_gateway_route(gateway_route)
    return Credentials(id.secret.value, token.secret, url, default_headers, route, allow_http)


def _first(settings: list[Setting]) -> Setting | None:
    return settings[0] if settings else None


def parse_gateway_route(route: GatewayRoute) -> GatewayRoute:
    """Return where calls of a gateway go. Raises `ConfigurationError`."""
    if not isinstance(route, str) or route not in ("gateway", "api"):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"`gateway_route` must be 'gateway' or 'api', got {describe(route)}")
    return route


def find_token_flaw(token: Secret, base_url: str) -> str:
    """Return what is wrong with an API token, or nothing."""
    flaw = _find_flaw(token.value)
    if flaw or not is_cloudflare(base_url):
        return flaw
    if re.fullmatch(_HEX_32, token.value):
        return "it looks like an account id"
    if re.fullmatch(_GLOBAL_KEY, token.value):
        return "it looks like the account's global key, which Workers AI does not take"
    return "" if re.fullmatch(_BEARER_TOKEN, token.value) else "it looks like an address, a path or a list"


def find_account_flaw(id: Secret, base_url: str) -> str:
    """Return what is wrong with an account id, or nothing."""
    value = id.value
    if flaw := _find_flaw(value):
        return flaw
    if "/" in value or value in (".", ".."):
        return "it looks like a URL, or a part of one"
    if not is_cloudflare(base_url) or re.fullmatch(_HEX_32, value):
        return ""
    flaw = "an account id is 32 hexadecimal digits"
    if "@" in value:
        return f"{flaw}, and this looks like an e-mail address"
    if len(value) >= 37:
        return f"{flaw}, and this looks like an API token"
    return f"{flaw}, and this looks like a domain" if "." in value else flaw


def _find_flaw(value: str) -> str:
    """Return what no token and no id has, or nothing."""
    if len(value) > _MAX_LENGTH:
        return f"it has {len(value):,} characters"
    if re.match(r"(?i)(authorization\s*:|bearer\b)", value):
        return "it starts with 'Bearer', which cfai adds itself: take it off"
    if _is_placeholder(value):
        return "it is a placeholder, to be replaced by the value that it stands for"
    if value.isascii() and value.isalnum():
        return ""
    if re.match(rf"((export|set)\s+)?({'|'.join(_OWN_NAMES)})\s*=", value):
        return "it starts with the name of a variable: take off all up to the equals sign"
    if re.search(r"\S\s+#", value):
        return "it has a comment behind it: take it off"
    if re.search("[\"'`]", value[0] + value[-1]):
        return "it has a quote mark at one end"
    if not re.fullmatch(_VISIBLE, value):
        return "it has a blank, a line break or a character that none has"
    return ""


def _is_placeholder(value: str) -> bool:
    if value in (*_OWN_NAMES, "None", "null", "undefined") or re.fullmatch(_PLACEHOLDER, value):
        return True
    # Compiling this pattern would be a fifth of the first `Ai()`.
    return not value[0].isalnum() and re.fullmatch(_PLACEHOLDER_IN_MARKS, value) is not None


def parse_base_url(url: Setting | None, allow_http: bool) -> str:
    """Return a base URL without its last slash. Raises `ConfigurationError`: a token does not travel in the clear.

    >>> parse_base_url(Setting("`base_url`", Secret("https://api.cloudflare.com/client/v4/")), allow_http=False)
    'https://api.cloudflare.com/client/v4'
    """
    if url is None:
        return BASE_URL
    if flaw := _find_url_flaw(url.secret.value, allow_http):
        raise ConfigurationError(f"{url.name} {flaw}")
    scheme, rest = url.secret.value.split(":", 1)
    return f"{scheme.lower()}:{rest.rstrip('/')}"


def _find_url_flaw(url: str, allow_http: bool) -> str:
    """Return what is wrong with a base URL, or nothing. A URL may hold a password, so no part of it is shown."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(httpx.URL(url).host) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        return f"must be a URL such as {BASE_URL!r}"
    host, path = parts.hostname or "", parts.path.rstrip("/")
    is_url = is_url and not parts.netloc.endswith(":")  # as in https://https://a.example
    if not is_url or not is_host(host) or not re.fullmatch(_VISIBLE, url) or len(url) > _MAX_LENGTH:
        return f"must be a URL such as {BASE_URL!r}"
    if "@" in parts.netloc or "?" in url or "#" in url:
        return "must have no user, password, query or fragment"
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        return "begins with http://, so the token would go there in the clear: use https, or pass allow_http=True"
    if host == urlsplit(GATEWAY_URL).hostname:
        return "is the URL of a gateway: leave it out, and pass gateway= with the gateway's id to the call"
    if is_cloudflare(url) and not host.startswith("api."):
        return f"is a page of Cloudflare's, not its API: leave it out, or set it to {BASE_URL!r}"
    is_api = host == urlsplit(BASE_URL).hostname
    if path == "/client/v4" or (path.endswith("/client/v4") and not is_api):
        return ""
    # What a server of somebody else's has before the account is its own affair.
    if wrong := re.search(r"(/accounts|/ai/v1|/ai/run)(?=/|\Z)|(?<=/client/v4)/", path):
        end = f"{wrong[1]} and what follows it" if wrong[1] else "what follows /client/v4"
        return f"must end before the account and the model, which cfai adds: take off {end}"
    return f"must be {BASE_URL!r}" if is_api else ""


def is_host(host: str) -> bool:
    """Return True for a name or an address that can be looked up. Python raises `UnicodeError` for a long label."""
    if ":" not in host:
        return bool(re.fullmatch(_HOST_NAME, host, re.ASCII)) and len(host) < 254
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def is_cloudflare(url: str) -> bool:
    """Return True if `url` is on one of Cloudflare's own hosts.

    >>> is_cloudflare("https://api.cloudflare.com/client/v4"), is_cloudflare("https://cloudflare.com.example/")
    (True, False)
    """
    return f".{urlsplit(url).hostname}".rstrip(".").endswith(".cloudflare.com")


def _is_loopback(host: str) -> bool:
    if f".{host}".endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
