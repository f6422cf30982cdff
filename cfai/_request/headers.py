"""Headers of a request: what a caller may set, checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cfai._errors import ConfigurationError

CREDENTIAL_HEADERS = ("authorization", "cf-aig-authorization")
"""Headers that carry a secret. They are taken off a request as soon as it is sent."""

# Patterns stay strings: `re` compiles them at first use, so that importing does not.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"[\t\x20-\x7e]*"  # httpx encodes headers in ASCII
_RESERVED = frozenset({"authorization", "content-type", "content-length", "host", "transfer-encoding"})


def parse_headers(headers: Mapping[str, str] | None, option: str) -> dict[str, str]:
    """Return headers with names in lower case. Raises `ConfigurationError` for what would break or endanger a request.

    `option` is the name under which they were given.
    """
    parsed: dict[str, str] = {}
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not re.fullmatch(_NAME, name):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"{option}: {name!r} is no header name")
        if name.lower() in _RESERVED:
            raise ConfigurationError(f"{option} may not set {name!r}: cfai sets it itself")
        parsed[name.lower()] = check_header_value(name, value)
    return parsed


def check_header_value(name: str, value: Any) -> str:
    """Return `value` if it can be sent as a header's. Raises `ConfigurationError` under `name`."""
    if not isinstance(value, str):
        raise ConfigurationError(f"{name}: a header's value must be a string, got {type(value).__name__}")
    if not re.fullmatch(_VALUE, value) or value != value.strip():
        raise ConfigurationError(
            f"{name}: a header's value must be ASCII, without line breaks, control characters or blanks around it"
        )
    return value
