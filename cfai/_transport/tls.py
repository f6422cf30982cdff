"""The certificates that TLS connections trust: those of the option `verify`, of the environment, or the usual ones."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import httpx

from cfai._errors import ConfigurationError


def make_tls_context(verify: str | bool, file: str = "", folder: str = "") -> ssl.SSLContext:
    """Return a TLS context; `file` and `folder` are those of the environment, which count if `verify` is True.

    One costs tens of milliseconds, and serves all clients until the environment changes. Raises `ConfigurationError`
    with the option or the variable that cannot be used, and without its path.
    """
    return _make_tls_context(verify, file, folder, os.environ.get("SSLKEYLOGFILE", ""))


@lru_cache(maxsize=4)
def _make_tls_context(verify: str | bool, file: str, folder: str, key_log: str) -> ssl.SSLContext:
    if isinstance(verify, str):
        name, (file, folder) = "`verify`", ("", verify) if os.path.isdir(verify) else (verify, "")
    elif verify and file:
        name, folder = "SSL_CERT_FILE", ""
    elif verify and folder:
        name = "SSL_CERT_DIR"
    else:
        name, file, folder = "the package certifi", "", ""
    kind = "folder" if folder else "file"
    remedy = f"let it name a {kind} of PEM certificates that can be read"
    # OpenSSL takes several folders, and does not miss one that is not there.
    is_there = os.path.isfile(file) if file else any(map(os.path.isdir, folder.split(os.pathsep)))
    if (file or folder) and not is_there:
        raise ConfigurationError(f"{name} names no {kind} that is there: {remedy}")
    try:
        if file or folder:
            return ssl.create_default_context(cafile=file or None, capath=folder or None)
        return httpx.create_ssl_context(verify=bool(verify), trust_env=False)
    except (OSError, ValueError) as error:
        has_none = isinstance(error, ssl.SSLError)
        reason = "no certificate in it can be read" if has_none else getattr(error, "strerror", type(error).__name__)
    if key_log and not _can_write(key_log):
        # Python opens the file for the keys of connections with every context.
        raise ConfigurationError("SSLKEYLOGFILE names no file that can be written to: correct it, or unset it")
    raise ConfigurationError(f"{name} cannot be used ({reason}): {remedy}")


def _can_write(path: str) -> bool:
    try:
        with open(path, "a"):
            return True
    except (OSError, ValueError):
        return False
