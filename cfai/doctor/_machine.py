"""Checks that need no network: what is installed, and what the environment says."""

from __future__ import annotations

import os
import platform
import re
import socket
from importlib import metadata
from importlib.util import find_spec
from urllib.parse import urlsplit
from urllib.request import getproxies

from cfai import ConfigurationError, __version__
from cfai._credentials import BASE_URL, Setting, clean, find_account_flaw, find_token_flaw
from cfai._transport import check_proxy_url, check_socks, find_proxy, make_tls_context
from cfai.doctor._finding import NEW_TOKEN_REMEDY, Finding, report_ok, report_problem, report_warning
from cfai.doctor._installation import Installation

EXTRAS = {
    "cli": ("typer", "rich", "prompt_toolkit", "jsonschema", "uvicorn"),
    "emulator": ("uvicorn",),
    "llama": ("xllamacpp",),
    "tokenizers": ("tokenizers", "huggingface_hub"),
    "media": ("PIL", "soundfile", "numpy"),
    "aiohttp": ("httpx_aiohttp",),
    "tools": ("griffe",),
    "ray": ("ray", "pyarrow"),
    "realtime": ("wsproto",),
}
"""The extras, and the modules that show that they are there."""

_LIBRARIES = ("httpx", "httpx2", "httpx-sse", "pydantic", "anyio")
_COPY_ID = "copy the account id, 32 hexadecimal digits, from the dashboard's URL into {}"
_MIN_TOKEN_LENGTH = 20
"""Characters. Those that the service gives out have 40 and more."""


def check_versions(installation: Installation) -> Finding:
    """Check the versions of cfai, Python and the libraries that cfai needs."""
    needed = _list_dependencies()
    names = dict.fromkeys([*_LIBRARIES, *(name for name, _ in needed)])
    versions = {name: version for name in names if (version := _get_version(name))}
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    message = f"cfai {__version__}, Python {platform.python_version()}, {libraries}"
    if _get_version("cfai"):
        # It installs a package of the same name over this one, or under it.
        return report_problem(f"{message}; somebody else's distribution 'cfai' is installed too", "pip uninstall cfai")
    old = [item for item in needed if _parse_version(versions.get(item[0], "")) < _parse_version(item[1])]
    if old:
        found = ", ".join(f"{name} {versions.get(name, 'is missing')} (needs {lowest})" for name, lowest in old)
        remedy = " ".join(["pip install", *(f'"{name}>={lowest}"' for name, lowest in old)])
        return report_problem(f"{message}; too old: {found}", remedy)
    return report_ok(message)


def check_extras(installation: Installation) -> Finding:
    """Report the extras that are installed."""
    extras = {name: all(find_spec(module) for module in modules) for name, modules in EXTRAS.items()}
    installed = ", ".join(name for name, is_installed in extras.items() if is_installed) or "none"
    missing = ", ".join(name for name, is_installed in extras.items() if not is_installed)
    return report_ok(f"installed: {installed}" + (f"; not installed: {missing}" if missing else ""))


def check_token(installation: Installation) -> Finding:
    """Check that a token is set and looks like one, and report the variable that it comes from."""
    if not installation.token_variables:
        message = "no API token is set"
        if installation.environment.find(["CLOUDFLARE_API_KEY"]):
            message += "; CLOUDFLARE_API_KEY beside CLOUDFLARE_EMAIL is the global key, which Workers AI does not take"
        return report_problem(
            message, f"{NEW_TOKEN_REMEDY.format(installation.token_name)}, or work without an account: cfai dev"
        )
    secret = installation.token_variables[0].secret
    flaw = find_token_flaw(secret, installation.base_url)
    if not flaw and installation.is_cloudflare and len(secret.value) < _MIN_TOKEN_LENGTH:
        flaw = "it is too short to be one"
    return _judge_variables(installation.token_variables, flaw, NEW_TOKEN_REMEDY)


def check_account_id(installation: Installation) -> Finding:
    """Check that an account id is set and looks like one, and report the variable that it comes from."""
    if not installation.account_variables:
        return report_problem("no account id is set", _COPY_ID.format(installation.account_name))
    flaw = find_account_flaw(installation.account_variables[0].secret, installation.base_url)
    return _judge_variables(installation.account_variables, flaw, _COPY_ID)


def _judge_variables(variables: list[Setting], flaw: str, remedy: str) -> Finding:
    name, secret = variables[0]
    message = f"from {name}, {len(secret.value)} character{'' if len(secret.value) == 1 else 's'}"
    if flaw:
        return report_problem(f"{message}: {flaw}", remedy.format(name))
    return _check_contradictions(message, variables)


def check_address(installation: Installation) -> Finding:
    """Check the base URL that calls go to."""
    name = installation.address_variables[0].name if installation.address_variables else ""
    try:
        url = installation.base_url
    except ConfigurationError as error:
        return report_problem(str(error), f"unset {name}, or set it to {BASE_URL}")
    message = f"{url}, from {name}" if name else f"{url}, the default"
    if not urlsplit(url).path.endswith("/client/v4"):
        return report_warning(
            message, f"let {name} end in /client/v4, as {BASE_URL} does: cfai adds the account and the model"
        )
    return _check_contradictions(message, installation.address_variables)


def check_proxy(installation: Installation) -> Finding:
    """Check that the proxy that the environment names for this address can be reached."""
    if installation.is_direct:
        return report_ok("none is used for an address on this machine")
    proxy = find_proxy(installation.base_url)
    if proxy is None:
        is_set = any(getproxies().get(scheme) for scheme in ("https", "all"))
        return report_ok(f"none is used: NO_PROXY exempts {installation.host}" if is_set else "none is set")
    try:
        check_proxy_url(proxy)
        check_socks(proxy)
    except ConfigurationError as error:
        return report_problem(str(error), f"correct {proxy.name}, or unset it if this network needs none")
    parts = urlsplit(str(proxy.secret.value))
    host, port = parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme, 1080)
    message = f"{host}:{port}, from {proxy.name}" + (", with a login" if parts.username else "")
    try:
        socket.create_connection((host or "", port), timeout=installation.timeout).close()
    except OSError as error:
        remedy = f"start the proxy, correct {proxy.name}, or unset it if this network needs none"
        return report_problem(f"{message}, cannot be reached ({error.strerror or error})", remedy)
    return report_ok(f"{message}, can be reached")


def check_certificates(installation: Installation) -> Finding:
    """Report the certificates that TLS connections trust."""
    if installation.is_direct:
        return report_ok("none is needed for an address on this machine")
    file, folder = (clean(os.environ.get(name, "")) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    try:
        context = make_tls_context(True, file, folder)
    except ConfigurationError as error:
        message, _, remedy = str(error).partition(": ")
        return report_problem(message, f"{remedy}, or unset it")
    if file:
        return report_ok(f"the {len(context.get_ca_certs())} of SSL_CERT_FILE are trusted, and no others")
    if folder:
        return report_ok("those of SSL_CERT_DIR are trusted, and no others")
    others = [name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if os.environ.get(name)]
    return report_ok("the usual authorities are trusted" + (f"; {others[0]} is not read" if others else ""))


def _check_contradictions(message: str, variables: list[Setting]) -> Finding:
    """Report the message, or a warning if another variable of the same meaning has another value."""
    others = [name for name, secret in variables[1:] if secret.value != variables[0][1].value]
    if others:
        return report_warning(
            f"{message}; {', '.join(others)} holds another, and is not used", "unset the one that is not meant"
        )
    return report_ok(message)


def _get_version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _list_dependencies() -> list[tuple[str, str]]:
    """Return the libraries that cfai needs, each with its lowest version."""
    try:
        lines = metadata.requires("cfai-sdk") or []
    except metadata.PackageNotFoundError:
        return []
    matches = (re.fullmatch(r"([\w-]+)>=([\d.]+)", line) for line in lines)
    return [(match[1], match[2]) for match in matches if match]


def _parse_version(version: str) -> list[int]:
    """Return the numbers of a version as far as they are plain.

    >>> _parse_version("0.28.1"), _parse_version("2.0rc1")
    ([0, 28, 1], [2, 0])
    """
    return [int(part) for part in re.findall(r"(?:^|\.)(\d+)", version)]
