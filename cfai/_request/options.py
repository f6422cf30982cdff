"""The options of a call, and the headers that a caller may set, checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from cfai._errors import ConfigurationError

if TYPE_CHECKING:
    from cfai._request.gateway import GatewayOptions

CREDENTIAL_HEADERS = ("authorization", "cf-aig-authorization")
"""Headers that carry a secret. They are taken off a request as soon as it is sent."""

# Patterns stay strings: `re` compiles them at first use, so that importing does not.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"[\t\x20-\x7e]*"  # httpx encodes headers in ASCII
_TAG = r"[A-Za-z0-9:\-./@]{1,50}"
_OWN_HEADERS = frozenset({"authorization", "content-type", "content-length", "host", "transfer-encoding"})


class RunOptions(NamedTuple):
    """The options of `run`, beside its inputs and what the client's configuration holds."""

    gateway: str | GatewayOptions | None = None
    queue_request: bool = False
    tags: Iterable[str] = ()
    extra_headers: Mapping[str, str] | None = None
    session_affinity: str | None = None
    reject_if_busy: bool = False
    return_raw_response: bool = False

    def __repr__(self) -> str:
        # A gateway has a token, and headers can be credentials.
        return f"RunOptions(tags={self.tags!r})"


def parse_headers(headers: Mapping[str, str] | None, option: str) -> dict[str, str]:
    """Return headers with names in lower case. Raises `ConfigurationError` for what would break or endanger a request.

    `option` is the name under which they were given.
    """
    if headers is not None and not isinstance(headers, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"`{option}` must be a mapping of strings, got {type(headers).__name__}")
    parsed: dict[str, str] = {}
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not re.fullmatch(_NAME, name):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"{option}: {name!r} is no header name")
        if name.lower() in _OWN_HEADERS:
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


def build_query(queue_request: bool, tags: Iterable[str]) -> str:
    """Return the query of a call's URL. Raises `ConfigurationError` for what is no tag."""
    if isinstance(tags, str) or not isinstance(tags, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"`tags` must be a list of strings, got {tags!r}")
    listed = list(tags)
    for tag in listed:
        if not isinstance(tag, str) or not re.fullmatch(_TAG, tag):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"{tag!r} is no tag: 1 to 50 letters, digits and : - . / @")
    distinct = list(dict.fromkeys(listed))
    if len(distinct) > 5:
        raise ConfigurationError(f"`tags` must be 5 at most, got {len(distinct)}")
    query = {"queueRequest": "true"} if queue_request else {}
    if distinct:
        # UNCERTAIN how several are written: a comma is in no tag, and is what a list becomes in the binding's language.
        query["tags"] = ",".join(distinct)
    return urlencode(query, safe=":/@,")
