"""Model, inputs and options to what is sent: path, query, headers and body, all checked before anything leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypedDict, cast
from urllib.parse import quote, urlencode

from cfai._credentials import Credentials
from cfai._errors import ConfigurationError
from cfai._json import json_default
from cfai._request.encode import encode_json
from cfai._version import __version__

CREDENTIALS = ("authorization", "cf-aig-authorization")
"""Headers that carry a secret. They are taken off a request as soon as it is sent."""

# Patterns stay texts: `re` compiles them at first use, so that importing does not.
_TOKEN_CHARACTERS = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE_CHARACTERS = r"[\t\x20-\x7e]*"  # httpx encodes headers in ASCII
_CONTROL = r"[\x00-\x1f\x7f]"
_TAG = r"[A-Za-z0-9:\-./@]{1,50}"
_OURS = frozenset({"authorization", "content-type", "content-length", "host", "transfer-encoding"})
_LONGEST_NAME = 500


class GatewayRetries(TypedDict, total=False):
    """How the gateway itself tries again."""

    max_attempts: int
    """1 to 5."""
    retry_delay_ms: int
    """Milliseconds, at most 5000."""
    backoff: Literal["constant", "linear", "exponential"]


class GatewayOptions(TypedDict, total=False):
    """The AI Gateway to go through, and what it is asked. The binding's camel-case names are taken as well."""

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
    """A token for the gateway alone; without it the API token is sent to the gateway too."""


_GATEWAY_HEADERS = {
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


class Options(NamedTuple):
    """What a call may ask for beside its inputs."""

    gateway: str | GatewayOptions | None = None
    queue_request: bool = False
    tags: Iterable[str] = ()
    extra_headers: Mapping[str, str] | None = None
    session_affinity: str | None = None
    reject_if_busy: bool = False

    def __repr__(self) -> str:
        # A gateway has a token, and headers can be credentials.
        return f"Options(tags={self.tags!r})"


@dataclass(slots=True, eq=False)
class Request:
    """A request as it will be sent, every time it is."""

    model: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    stream: bool
    reject_if_busy: bool

    @property
    def host(self) -> str:
        return self.url.partition("://")[2].partition("/")[0]

    def secrets(self) -> list[str]:
        """What must not show in anything that comes back."""
        return [self.headers[name].removeprefix("Bearer ") for name in CREDENTIALS if name in self.headers]


def build(account: Credentials, model: str, inputs: Mapping[str, Any], options: Options) -> Request:
    """The request for a call; `inputs` are `plain` already. Raises `ConfigurationError` or `InputError`."""
    path = model_path(model)
    body = inputs
    stream = bool(body.get("stream"))
    gateway = _gateway(options.gateway)
    query = _query(options)
    if options.reject_if_busy:
        body = {**body, "options": {**_mapping(body.get("options")), "rejectIfBusy": True}}
    run = f"{account.base_url}/accounts/{quote(account.id, safe='')}/ai/run"
    id = gateway.get("id", "")
    if model.startswith(("@cf/", "@hf/")) or "/" not in model:
        url, is_wrapped = f"{run}/{path}", bool(gateway)
        if gateway and account.gateway_route == "gateway":
            # The older host, whose form is certain for these models.
            url = f"{account.gateway_url}/{quote(account.id, safe='')}/{quote(id, safe='')}/workers-ai/{path}"
            is_wrapped = False
    else:
        # Other authors' models have no path of their own; without a gateway they take the account's default one.
        url, is_wrapped = run, True
    content = encode_json({"model": model, "input": body} if is_wrapped else body)
    # Last, so that no traceback of a mistake in the inputs has the token in it.
    headers = _headers(account, options, gateway, stream)
    if gateway and is_wrapped:
        url = run
        headers["cf-aig-gateway-id"] = id
    elif gateway:
        # This host wants the token a second time.
        headers.setdefault("cf-aig-authorization", f"Bearer {gateway.get('token') or account.token.value}")
    return Request(
        model=model,
        url=f"{url}?{query}" if query else url,
        headers=headers,
        content=content,
        stream=stream,
        reject_if_busy=options.reject_if_busy,
    )


def model_path(model: str) -> str:
    """The model's name as it stands in a path: `/` and `@` literal, everything else quoted, no way out.

    >>> model_path("@cf/meta/llama-3.3-70b-instruct-fp8-fast")
    '@cf/meta/llama-3.3-70b-instruct-fp8-fast'
    >>> model_path("@cf/../../tokens")
    Traceback (most recent call last):
    cfai.ConfigurationError: '@cf/../../tokens' is no model name: no part of it may be empty, '.' or '..'
    """
    if not isinstance(model, str) or not model:  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise ConfigurationError(f"a model name is a text such as '@cf/zai-org/glm-4.7-flash', not {model!r}")
    return _path(model)


@lru_cache(maxsize=256)
def _path(model: str) -> str:
    if re.search(_CONTROL, model):
        raise ConfigurationError(f"{model!r} is no model name: it has a control character")
    if len(model) > _LONGEST_NAME:
        raise ConfigurationError(f"{model[:50]!r}… is no model name: it has more than {_LONGEST_NAME} characters")
    segments = model.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise ConfigurationError(f"{model!r} is no model name: no part of it may be empty, '.' or '..'")
    return "/".join(quote(segment, safe="@", errors="replace") for segment in segments)


def checked_headers(headers: Mapping[str, str] | None, origin: str) -> dict[str, str]:
    """Headers with names in lower case, or `ConfigurationError` for what would break or endanger the request."""
    checked: dict[str, str] = {}
    for name, value in (headers or {}).items():
        if not isinstance(name, str) or not re.fullmatch(_TOKEN_CHARACTERS, name):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"{origin}: {name!r} is no header name")
        if name.lower() in _OURS:
            raise ConfigurationError(f"{origin} may not set {name!r}: cfai sets it itself")
        checked[name.lower()] = _header_value(name, value)
    return checked


def _headers(account: Credentials, options: Options, gateway: Mapping[str, Any], stream: bool) -> dict[str, str]:
    headers = {
        "user-agent": f"cfai/{__version__}",
        "accept": "text/event-stream, application/json" if stream else "*/*",
        **checked_headers(account.default_headers, "default_headers"),
        **_gateway_headers(gateway),
        **checked_headers(options.extra_headers, "extra_headers"),
    }
    if stream:
        # A compressed stream arrives late, in lumps.
        headers["accept-encoding"] = "identity"
    if options.session_affinity is not None:
        headers["x-session-affinity"] = _header_value("session_affinity", options.session_affinity)
    headers["content-type"] = "application/json"
    headers["authorization"] = f"Bearer {account.token.value}"
    return headers


def _query(options: Options) -> str:
    if not options.queue_request and not options.tags:
        return ""
    query: dict[str, str] = {}
    if options.queue_request:
        query["queueRequest"] = "true"
    tags = _tags(options.tags)
    if tags:
        # UNCERTAIN how several are written: a comma is in no tag, and is what a list becomes in the binding's language.
        query["tags"] = ",".join(tags)
    return urlencode(query, safe=":/@,")


def _tags(tags: Iterable[str]) -> list[str]:
    if isinstance(tags, str):
        raise ConfigurationError(f"tags is a list of texts, not the text {tags!r}")
    distinct = list(dict.fromkeys(tags))
    if len(distinct) > 5:
        raise ConfigurationError(f"at most 5 tags a call, not {len(distinct)}")
    for tag in distinct:
        if not isinstance(tag, str) or not re.fullmatch(_TAG, tag):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"{tag!r} is no tag: 1 to 50 letters, digits and : - . / @")
    return distinct


def _gateway(gateway: str | GatewayOptions | None) -> dict[str, Any]:
    """The gateway's options in snake case, checked; empty if there is no gateway."""
    if gateway is None:
        return {}
    if isinstance(gateway, str):
        gateway = {"id": gateway}
    if not isinstance(gateway, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"gateway is an id or a dict with 'id', not {gateway!r}")
    options: dict[str, Any] = {_snake(str(key)): value for key, value in gateway.items()}
    retries = options.pop("retries", None)
    if retries is not None:
        if not isinstance(retries, Mapping):
            raise ConfigurationError(f"gateway retries is a dict with 'max_attempts' and the like, not {retries!r}")
        options.update({_snake(key): value for key, value in cast("Mapping[str, Any]", retries).items()})
    unknown = sorted(options.keys() - _GATEWAY_HEADERS.keys() - {"id", "token"})
    if unknown:
        raise ConfigurationError(
            f"gateway has no option {unknown[0]!r}: known are {', '.join(GatewayOptions.__annotations__)}"
        )
    if (
        not isinstance(options.get("id"), str)
        or not options["id"]
        or "/" in options["id"]
        or options["id"] in (".", "..")
    ):
        raise ConfigurationError("gateway needs the 'id' of the gateway, such as 'default'")
    for key in ("id", "token"):
        _header_value(f"gateway {key}", options.get(key, ""))
    return options


def _gateway_headers(gateway: Mapping[str, Any]) -> dict[str, str]:
    headers: dict[str, str] = {}
    if not gateway:
        return headers
    for key, header in _GATEWAY_HEADERS.items():
        value = gateway.get(key)
        if value is None:
            continue
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, Mapping):
            # A header is ASCII, and an empty object is sent too, as the binding does.
            encode_json(cast("Any", value), f"gateway {key}")
            value = json.dumps(dict(cast("Mapping[str, Any]", value)), separators=(",", ":"), default=json_default)
        headers[header] = _header_value(f"gateway {key}", str(value))
    return headers


def _header_value(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"{name}: a header's value is a text, not {type(value).__name__}")
    if not re.fullmatch(_VALUE_CHARACTERS, value) or value != value.strip():
        raise ConfigurationError(
            f"{name}: a header's value is ASCII, without line breaks, control characters or blanks around it"
        )
    return value


def _snake(key: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), key)


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
