"""The options of a call, those of its gateway, and the headers that a caller may set, checked before sending."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypedDict, cast
from urllib.parse import urlencode

from cfai._errors import ConfigurationError, InputError
from cfai._json import find_unsendable, to_builtins

CREDENTIAL_HEADERS = ("authorization", "cf-aig-authorization")
"""Headers that carry a secret. They are taken off a request as soon as it is sent."""

# Patterns stay strings: `re` compiles them at first use, so that importing does not.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"[\t\x20-\x7e]*"  # httpx encodes headers in ASCII
_TAG = r"[A-Za-z0-9:\-./@]{1,50}"
_OWN_HEADERS = frozenset({"authorization", "content-type", "content-length", "host", "transfer-encoding"})


class GatewayRetries(TypedDict, total=False):
    """The gateway's own retries."""

    max_attempts: int
    """1 to 5."""
    retry_delay_ms: int
    """Milliseconds, at most 5000."""
    backoff: Literal["constant", "linear", "exponential"]


class GatewayOptions(TypedDict, total=False):
    """The AI Gateway to go through, and its options. The binding's camel-case names are taken as well."""

    id: str
    """The gateway's id; `default` is made by the account's first call to it."""
    skip_cache: bool
    cache_ttl: int
    """Seconds; 60 to a month, 0 to keep nothing. Sent when given, also 0, which the binding drops."""
    cache_key: str
    metadata: Mapping[str, str | int | float | bool | None]
    """At most five entries."""
    collect_log: bool
    event_id: str
    request_timeout_ms: int
    """Milliseconds to the first byte."""
    retries: GatewayRetries
    token: str
    """A token for the gateway's own host alone; without it the API token is sent there twice."""


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


def parse_gateway(gateway: str | GatewayOptions) -> dict[str, Any]:
    """Return the gateway's options in snake case. Raises `ConfigurationError`."""
    if isinstance(gateway, str):
        gateway = {"id": gateway}
    if not isinstance(gateway, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"`gateway` must be an id or a dict with 'id', got {gateway!r}")
    options = _parse_options(gateway, "gateway", GatewayOptions)
    retries = options.pop("retries", None)
    if retries is not None:
        if not isinstance(retries, Mapping):
            raise ConfigurationError(
                f"gateway retries must be a dict with 'max_attempts' and the like, got {retries!r}"
            )
        options |= _parse_options(cast("Mapping[str, Any]", retries), "gateway retries", GatewayRetries)
    id = options.get("id")
    if not isinstance(id, str) or not id or "/" in id or id in (".", ".."):
        raise ConfigurationError("`gateway` must have the 'id' of the gateway, such as 'default'")
    for key in ("id", "token"):
        check_header_value(f"gateway {key}", options.get(key, ""))
    return options


def _parse_options(values: Mapping[str, Any], place: str, known: type) -> dict[str, Any]:
    """Return options in snake case. Raises `ConfigurationError` for one that is not among those of `known`."""
    # The binding's names are in camel case.
    options = {re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", str(key)): values[key] for key in values}
    unknown = sorted(options.keys() - known.__annotations__)
    if unknown:
        raise ConfigurationError(f"{place}: no option {unknown[0]!r}, known are {', '.join(known.__annotations__)}")
    return options


def build_gateway_headers(gateway: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that carry a gateway's options: `cache_ttl` is `cf-aig-cache-ttl`."""
    headers: dict[str, str] = {}
    for key, value in gateway.items():
        if key in ("id", "token") or value is None:
            continue
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, Mapping):
            # A header is ASCII, and an empty object is sent too, as the binding does.
            if problem := find_unsendable(value, f"gateway {key}"):
                raise InputError(problem)
            try:
                value = json.dumps(to_builtins(value), separators=(",", ":"))
            except (RecursionError, ValueError):
                raise InputError(f"gateway {key}: a value holds itself, or is nested too deeply") from None
        # Milliseconds are no part of a header's name: `cf-aig-request-timeout`.
        header = "cf-aig-" + key.removesuffix("_ms").replace("_", "-")
        headers[header] = check_header_value(f"gateway {key}", str(value))
    return headers
