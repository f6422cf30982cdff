"""The proxy that a URL is reached by: the option `proxy`, or what the environment says.

httpx reads `NO_PROXY` in its own way and fails at what other programs take (`::1/128`, `[::1]`), at every proxy of the
environment that it could not use, used or not, and shows their passwords. So the choice is made here, for the few
hosts that an `Ai` calls.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

import httpx

from cfai._credentials import Secret, Setting, clean, is_host
from cfai._errors import ConfigurationError

_SCHEMES = ("http", "https", "socks5", "socks5h")
_EXAMPLE = "'http://proxy.example:3128'"


def parse_proxy(option: Secret) -> Setting | None:
    """Return the option `proxy`, or `None` if it is not given. Raises `ConfigurationError` for what is no proxy."""
    if option.value is None:
        return None
    if not isinstance(option.value, str):
        raise ConfigurationError(f"`proxy` must be a URL such as {_EXAMPLE}, got {type(option.value).__name__}")
    proxy = Setting("`proxy`", Secret(clean(option.value)))
    check_proxy_url(proxy)
    return proxy


def check_proxy_url(proxy: Setting) -> None:
    """Raise `ConfigurationError` for what is no URL of a proxy, without showing it: it can hold a password."""
    if flaw := _find_proxy_flaw(proxy.secret.value):
        raise ConfigurationError(f"{proxy.name} {flaw}")


def check_socks(proxy: Setting) -> None:
    """Raise `ConfigurationError` for a SOCKS proxy without the package that it needs."""
    if proxy.secret.value.lower().startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError(f'{proxy.name} is a SOCKS proxy, which needs a package: pip install "httpx[socks]"')


def _find_proxy_flaw(url: str) -> str:
    """Return what is wrong with the URL of a proxy, or nothing. No part of it is shown, nor is in a frame above."""
    scheme, _, rest = url.partition("://")
    if re.match("(?i)socks", scheme) and scheme.lower() not in _SCHEMES:
        return "must be a URL with http, https, socks5 or socks5h: of SOCKS only version 5 can be used (socks5://)"
    must_be = f"must be a URL such as {_EXAMPLE}"
    if re.search("(?s)[/?#].*@", rest):
        return f"{must_be}: in its user and password write # as %23, / as %2F, ? as %3F and @ as %40"
    try:
        host, parts = httpx.Proxy(url).url.raw_host.decode(), urlsplit(url)
        is_url = is_host(host) and parts.port != 0 and not parts.netloc.endswith(":")  # as in http://http://a.example
    except (ValueError, httpx.InvalidURL):
        is_url = False
    return "" if is_url else f"{must_be}, with http, https or socks5 and a port of 1 to 65535"


def describe_proxy(proxy: Setting) -> str:
    """Return where a proxy comes from and its address, without its user and password."""
    parts = urlsplit(str(proxy.secret.value))
    return f"{proxy.name} ({parts.netloc.rpartition('@')[2]})"


def list_proxy_secrets(proxy: Setting) -> list[str]:
    """Return what a proxy may echo of its password: as it is written, as it is meant, and as it is sent."""
    parts = urlsplit(str(proxy.secret.value))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    login = base64.b64encode(f"{user}:{password}".encode("utf-8", "replace")).decode()
    return [parts.password, password, login] if parts.password else []


def find_proxy(url: str) -> Setting | None:
    """Return the proxy that the environment names for a URL, or `None` if there is none. It is not checked yet."""
    proxies = getproxies()
    for scheme in (urlsplit(url).scheme, "all"):
        value = clean(proxies.get(scheme, ""))
        if value and not is_exempt(url, proxies.get("no", "")):
            return Setting(_get_variable(scheme), Secret(value if "://" in value else f"http://{value}"))
    return None


def _get_variable(scheme: str) -> str:
    """Return the environment variable that names the proxy of a scheme: the one in small letters wins."""
    names = [name for name in os.environ if name.lower() == f"{scheme}_proxy" and os.environ[name]]
    return max(names, default="the proxy of the system's settings")


def find_exempt_hosts(urls: Iterable[str]) -> list[str]:
    """Return the hosts of `urls` that the environment exempts from its proxies."""
    no_proxy = getproxies().get("no", "")
    return [urlsplit(url).hostname or "" for url in urls if is_exempt(url, no_proxy)]


def is_exempt(url: str, no_proxy: str) -> bool:
    """Return True if a URL is to be reached without a proxy, by a list of hosts as it stands in `NO_PROXY`.

    An entry is a host and all below it, with a dot in front only those below it; an address or a range of them; any of
    these with a port, or as a URL; or `*`.

    >>> is_exempt("https://10.1.2.3/v4", "localhost, 10.0.0.0/8"), is_exempt("https://[::1]/v4", "::1/128")
    (True, True)
    """
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or {"http": 80}.get(parts.scheme, 443)
    for entry in re.split(r"[\s,;]+", clean(no_proxy).lower()):
        scheme, _, rest = entry.rpartition("://")
        name = rest.partition("/")[0] if scheme else rest.rstrip("/")
        with_port = re.fullmatch(r"(\[.*\]|[^:]*):(\d{1,5})", name)
        name, named_port = (with_port[1], int(with_port[2])) if with_port else (name, port)
        name = re.sub(r"[\[\]]", "", name).rstrip(".")
        if scheme in ("", "all", parts.scheme) and named_port == port and _matches(host, name):
            return True
    return False


def _matches(host: str, name: str) -> bool:
    """Return True if a host is what an entry of `NO_PROXY` names."""
    if fnmatchcase(host, name):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        domain = name.strip(".")
        return bool(domain) and host.endswith(f".{domain}")
    try:
        return address in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False
