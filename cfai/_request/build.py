"""Requests: method, URL, headers and body, all checked before anything leaves."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from cfai._config import ClientConfig
from cfai._credentials import Credentials
from cfai._errors import ConfigurationError
from cfai._json import is_mapping
from cfai._request.encode import encode_json
from cfai._request.gateway import GatewayOptions, build_gateway_headers, parse_gateway
from cfai._request.headers import CREDENTIAL_HEADERS, check_header_value, parse_headers
from cfai._version import __version__

# Patterns stay strings: `re` compiles them at first use, so that importing does not.
_CONTROL = r"[\x00-\x1f\x7f]"
_TAG = r"[A-Za-z0-9:\-./@]{1,50}"
_LONGEST_NAME = 500


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ApiRequest:
    """One request to the API, as it will be sent every time it is."""

    config: ClientConfig
    """Its time budget, its retries and its credentials."""
    method: str = "POST"
    url: str
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    body: bytes | Iterable[bytes] | AsyncIterable[bytes] = field(repr=False)
    """Bytes, or a stream of them: one that can be iterated only once is never sent again."""
    model: str = ""
    """The model that it runs, for errors; empty if it runs none."""
    wants_stream: bool = False
    """True if the answer is to be read while it comes."""
    wants_raw: bool = False
    """True if the caller takes any status for an answer."""
    retries_when_busy: bool = True
    """False if a busy model (3040) is to be told of at once."""
    started: float | None = None
    """When the call began, in seconds of `time.monotonic`, if this is not its first request."""

    @property
    def host(self) -> str:
        """The host that it is sent to, for errors."""
        return self.url.partition("://")[2].partition("/")[0]

    @property
    def secrets(self) -> list[str]:
        """The credentials in its headers: what must not show in anything that comes back."""
        return [self.headers[name].removeprefix("Bearer ") for name in CREDENTIAL_HEADERS if name in self.headers]


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


def build_run_request(
    credentials: Credentials, model: str, inputs: Mapping[str, Any], options: RunOptions
) -> tuple[str, dict[str, str], bytes]:
    """Return URL, headers and body of a call that runs a model. Raises `ConfigurationError` or `InputError`."""
    path = quote_model(model)
    gateway = {} if options.gateway is None else parse_gateway(options.gateway)
    query = _build_query(options) if options.queue_request or options.tags else ""
    if options.reject_if_busy:
        given = inputs.get("options")
        inputs = {**inputs, "options": {**(given if is_mapping(given) else {}), "rejectIfBusy": True}}
    account = quote(credentials.id, safe="")
    url = f"{credentials.base_url}/accounts/{account}/ai/run"
    id = gateway.get("id", "")
    # Other authors' models have no path of their own; without a gateway they take the account's default one.
    has_own_path = model.startswith(("@cf/", "@hf/")) or "/" not in model
    # The older host, whose form is certain for these models.
    uses_gateway_host = has_own_path and bool(gateway) and credentials.gateway_route == "gateway"
    names_model_in_body = not has_own_path or (bool(gateway) and not uses_gateway_host)
    if uses_gateway_host:
        url = f"{credentials.gateway_url}/{account}/{quote(id, safe='')}/workers-ai/{path}"
    elif not names_model_in_body:
        url = f"{url}/{path}"
    body = encode_json({"model": model, "input": inputs} if names_model_in_body else inputs)
    # Last, so that no traceback of a mistake in the inputs has the token in it.
    headers = _build_headers(credentials, options, gateway, wants_stream=bool(inputs.get("stream")))
    if uses_gateway_host:
        # This host wants the token a second time.
        headers.setdefault("cf-aig-authorization", f"Bearer {gateway.get('token') or credentials.token.value}")
    elif gateway:
        headers["cf-aig-gateway-id"] = id
    return f"{url}?{query}" if query else url, headers, body


def quote_model(model: str) -> str:
    """Return a model's name as it stands in a path: `/` and `@` literal, everything else quoted, no way out.

    >>> quote_model("@cf/meta/llama-3.3-70b-instruct-fp8-fast")
    '@cf/meta/llama-3.3-70b-instruct-fp8-fast'
    >>> quote_model("@cf/../../tokens")
    Traceback (most recent call last):
    cfai.ConfigurationError: '@cf/../../tokens' is no model name: no part of it may be empty, '.' or '..'
    """
    if not isinstance(model, str) or not model:  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise ConfigurationError(f"`model` must be a name such as '@cf/zai-org/glm-4.7-flash', got {model!r}")
    return _quote_path(model)


@lru_cache(maxsize=256)
def _quote_path(model: str) -> str:
    if re.search(_CONTROL, model):
        raise ConfigurationError(f"{model!r} is no model name: it has a control character")
    if len(model) > _LONGEST_NAME:
        raise ConfigurationError(f"{model[:50]!r}… is no model name: it has more than {_LONGEST_NAME} characters")
    segments = model.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise ConfigurationError(f"{model!r} is no model name: no part of it may be empty, '.' or '..'")
    return "/".join(quote(segment, safe="@", errors="replace") for segment in segments)


def _build_headers(
    credentials: Credentials, options: RunOptions, gateway: Mapping[str, Any], *, wants_stream: bool
) -> dict[str, str]:
    headers = {
        "user-agent": f"cfai/{__version__}",
        "accept": "text/event-stream, application/json" if wants_stream else "*/*",
        **credentials.default_headers,
        **(build_gateway_headers(gateway) if gateway else {}),
        **(parse_headers(options.extra_headers, "extra_headers") if options.extra_headers else {}),
    }
    if wants_stream:
        # A compressed stream arrives late, in lumps.
        headers["accept-encoding"] = "identity"
    if options.session_affinity is not None:
        headers["x-session-affinity"] = check_header_value("session_affinity", options.session_affinity)
    headers["content-type"] = "application/json"
    headers["authorization"] = f"Bearer {credentials.token.value}"
    return headers


def _build_query(options: RunOptions) -> str:
    query: dict[str, str] = {}
    if options.queue_request:
        query["queueRequest"] = "true"
    tags = _parse_tags(options.tags)
    if tags:
        # UNCERTAIN how several are written: a comma is in no tag, and is what a list becomes in the binding's language.
        query["tags"] = ",".join(tags)
    return urlencode(query, safe=":/@,")


def _parse_tags(tags: Iterable[str]) -> list[str]:
    if isinstance(tags, str):
        raise ConfigurationError(f"`tags` must be a list of strings, got the string {tags!r}")
    distinct = list(dict.fromkeys(tags))
    if len(distinct) > 5:
        raise ConfigurationError(f"`tags` must be 5 at most, got {len(distinct)}")
    for tag in distinct:
        if not isinstance(tag, str) or not re.fullmatch(_TAG, tag):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"{tag!r} is no tag: 1 to 50 letters, digits and : - . / @")
    return distinct
