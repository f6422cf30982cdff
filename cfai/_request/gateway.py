"""AI Gateway: the options of a call that goes through one, as headers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, TypedDict, cast

from cfai._errors import ConfigurationError, InputError
from cfai._json import find_unsendable, json_default
from cfai._request.options import check_header_value


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


_HEADERS = {
    "skip_cache": "cf-aig-skip-cache",
    "cache_ttl": "cf-aig-cache-ttl",
    "cache_key": "cf-aig-cache-key",
    "metadata": "cf-aig-metadata",
    "collect_log": "cf-aig-collect-log",
    "event_id": "cf-aig-event-id",
    "request_timeout_ms": "cf-aig-request-timeout",
    "max_attempts": "cf-aig-max-attempts",
    "retry_delay_ms": "cf-aig-retry-delay",
    "backoff": "cf-aig-backoff",
}


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
    """Return the headers that carry a gateway's options."""
    headers: dict[str, str] = {}
    for key, header in _HEADERS.items():
        value = gateway.get(key)
        if value is None:
            continue
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, Mapping):
            # A header is ASCII, and an empty object is sent too, as the binding does.
            if problem := find_unsendable(value, f"gateway {key}"):
                raise InputError(problem)
            try:
                value = json.dumps(dict(cast("Mapping[str, Any]", value)), separators=(",", ":"), default=json_default)
            except (ValueError, RecursionError):
                raise InputError(f"gateway {key}: a value holds itself, or is nested too deeply") from None
        headers[header] = check_header_value(f"gateway {key}", str(value))
    return headers
