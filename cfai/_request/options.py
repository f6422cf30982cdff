"""The options of a call, those of its gateway, and the headers that a caller may set, checked before sending."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypedDict, cast
from urllib.parse import urlencode

from cfai._credentials import NO_HEADERS, Secret, describe, find_token_flaw
from cfai._errors import ConfigurationError, InputError
from cfai._json import as_number, find_nested, find_unsendable, is_mapping, to_builtins

CREDENTIAL_HEADERS = ("authorization", "cf-aig-authorization")
"""Headers that carry a secret. They are taken off a request as soon as it is sent."""

# Patterns stay strings: `re` compiles them at first use, so that importing does not.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"[\t\x20-\x7e]*"  # httpx encodes headers in ASCII
_TAG = r"[A-Za-z0-9:\-./@]{1,50}"
_MAX_ID_LENGTH = 64
_MAX_METADATA = 5
_LARGEST_NUMBER = 10**12
_OWN_HEADERS = frozenset({"authorization", "content-type", "content-length", "host", "transfer-encoding"})


class GatewayRetries(TypedDict, total=False):
    """The gateway's own retries."""

    max_attempts: int
    """1 to 5."""
    retry_delay_ms: int
    """Milliseconds, at most 5000."""
    backoff: Literal["constant", "linear", "exponential"]


class GatewayCost(TypedDict, total=False):
    """The cost of a call to you, for the gateway's log: the first two, or the last."""

    per_token_in: float
    """US dollars for each token of the input."""
    per_token_out: float
    """US dollars for each token of the answer."""
    total_cost: float
    """US dollars for the whole call."""


class UniversalGatewayOptions(TypedDict, total=False):
    """The options of an AI Gateway, each a header. The binding's camel-case names are taken as well.

    The last six are no options of the binding. Headers: https://developers.cloudflare.com/ai-gateway/
    """

    skip_cache: bool
    """True to have the call answered anew, and not from the cache."""
    cache_ttl: int
    """Seconds that the answer is kept; 60 to a month, 0 to keep nothing. Sent when given, also 0, by `run`."""
    cache_key: str
    """The name under which the answer is kept, in the place of what was sent."""
    metadata: Mapping[str, str | int | float | bool | None]
    """At most five entries, for the log."""
    collect_log: bool
    """False to leave no log at all."""
    event_id: str
    """Your own id of the call, for the log."""
    request_timeout_ms: int
    """Milliseconds to the first byte."""
    retries: GatewayRetries
    """The gateway's own retries."""
    collect_log_payload: bool
    """False to log the call without its request and its answer."""
    custom_cost: GatewayCost
    """What the call costs you, where the gateway's own price is not yours."""
    byok_alias: str
    """The name of the provider's key in the gateway, without which it is `default`."""
    zdr: bool
    """True for providers that keep no data, under unified billing."""
    no_wholesale: bool
    """True to have a call refused (400) that no key of yours pays for, and not billed by Cloudflare."""
    token: str
    """A token for the gateway's own host alone; without it the API token is sent there twice."""


class GatewayOptions(UniversalGatewayOptions, total=False):
    """The AI Gateway to go through, and its options. The binding's camel-case names are taken as well."""

    id: str
    """The gateway's id; `default` is made by the account's first call to it."""


@dataclass(frozen=True, slots=True, repr=False)
class RunOptions:
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


NO_TAGS: tuple[str, ...] = ()
"""The default of `tags`."""

FLAGS = ("queue_request", "reject_if_busy", "return_raw_response")
"""The options of `run` that are True or False."""


class Gateway(NamedTuple):
    """The gateway that a call goes through."""

    id: str
    headers: Mapping[str, str]
    token: Secret | None


def parse_headers(option: str, headers: Secret) -> Secret:
    """Return the headers of an option, with names in lower case.

    Raises `ConfigurationError` for what would break or endanger a request.
    """
    if headers.value is None:
        return NO_HEADERS
    if flaw := _find_headers_flaw(headers.value):
        raise ConfigurationError(f"{option}{flaw}")
    return Secret({name.lower(): headers.value[name] for name in headers.value})


def _find_headers_flaw(headers: Any) -> str:
    """Return what is wrong with headers, or nothing. Any of their values can be a credential."""
    if not isinstance(headers, Mapping):
        return f" must be a mapping of strings, got {type(headers).__name__}"
    for position, (name, value) in enumerate(cast("Mapping[Any, Any]", headers).items(), 1):
        if not isinstance(name, str) or not re.fullmatch(_NAME, name):
            return f": name {position} is no header name, such as 'x-team'"
        if name.lower() in _OWN_HEADERS:
            return f" may not set {name!r}: cfai sets it itself"
        if flaw := find_header_flaw(value):
            return f": {name}: {flaw}"
    return ""


def find_header_flaw(value: object) -> str:
    """Return what is wrong with the value of a header, or nothing."""
    if not isinstance(value, str):
        return f"a header's value must be a string, got {type(value).__name__}"
    if not re.fullmatch(_VALUE, value) or value != value.strip():
        return "a header's value must be ASCII, without line breaks, control characters or blanks around it"
    return ""


def build_query(queue_request: bool, tags: Iterable[str] | None) -> str:
    """Return the query of a call's URL. Raises `ConfigurationError` for what is no tag."""
    tags = () if tags is None else tags
    if isinstance(tags, str) or not isinstance(tags, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"`tags` must be a list of strings, got {describe(tags)}")
    listed = list(tags)
    for tag in listed:
        if not isinstance(tag, str) or not re.fullmatch(_TAG, tag):  # pyright: ignore[reportUnnecessaryIsInstance]
            must_be = "`tags` must be of 1 to 50 letters, digits and : - . / @"
            raise ConfigurationError(f"{must_be}: {describe(tag)} is no tag")
    distinct = list(dict.fromkeys(listed))
    if len(distinct) > 5:
        raise ConfigurationError(f"`tags` must be 5 at most, got {len(distinct)}")
    query = {"queueRequest": "true"} if queue_request else {}
    if distinct:
        # UNCERTAIN how several are written: a comma is in no tag, and is what a list becomes in the binding's language.
        query["tags"] = ",".join(distinct)
    return urlencode(query, safe=":/@,")


def parse_gateway(gateway: Secret) -> Gateway:
    """Return a call's gateway, its options as headers: `cache_ttl` is `cf-aig-cache-ttl`. Raises `ConfigurationError`.

    Metadata that cannot be sent is an `InputError`.
    """
    options, token = _split_token(gateway.value)
    if not isinstance(options, dict):
        raise ConfigurationError(f"`gateway` must be an id or a dict with 'id', got {options}")
    _check_names(options, "gateway", GatewayOptions)
    retries = options.pop("retries", None)
    if retries is not None:
        if not isinstance(retries, Mapping):
            raise ConfigurationError(
                f"gateway retries must be a dict with 'max_attempts' and the like, got {describe(retries)}"
            )
        given = cast("Mapping[Any, Any]", retries)
        retries = {_name_option(name, GatewayRetries): value for name, value in given.items()}
        _check_names(retries, "gateway retries", GatewayRetries)
        options |= retries
    id = options.pop("id", None)
    if not isinstance(id, str) or not id or len(id) > _MAX_ID_LENGTH or "/" in id or id in (".", ".."):
        came = f"{len(id)} characters" if isinstance(id, str) and len(id) > _MAX_ID_LENGTH else describe(id)
        must = f"`gateway` must have the 'id' of the gateway, 1 to {_MAX_ID_LENGTH} characters without '/'"
        raise ConfigurationError(f"{must}, such as 'default', got {came}")
    token_flaw = token and (find_header_flaw(token.value) or find_token_flaw(token, ""))
    for name, flaw in (("id", find_header_flaw(id)), ("token", token_flaw)):
        if flaw:
            raise ConfigurationError(f"gateway {name}: {flaw}")
    # Milliseconds are no part of a header's name: `cf-aig-request-timeout`.
    headers = {
        "cf-aig-" + name.removesuffix("_ms").replace("_", "-"): _encode_option(name, value)
        for name, value in options.items()
        if value is not None
    }
    return Gateway(id, headers, token)


def _split_token(gateway: Any) -> tuple[dict[str, Any] | str, Secret | None]:
    """Return a gateway's options in snake case, or what came in their place, and its token: no frame shows it."""
    if isinstance(gateway, str):
        return {"id": gateway}, None
    if not isinstance(gateway, Mapping):
        return describe(gateway), None
    options: dict[str, Any] = {}
    for name, value in cast("Mapping[Any, Any]", gateway).items():
        # The value of an option that there is not, such as `Token`, is not needed to say so.
        known = _name_option(name, GatewayOptions)
        options[known] = value if known in GatewayOptions.__annotations__ else None
    token = options.pop("token", None)
    is_empty = token is None or (isinstance(token, str) and not token)
    return options, None if is_empty else Secret(token)


def _check_names(options: Mapping[str, Any], place: str, known: type) -> None:
    """Raise `ConfigurationError` for an option that is not among those of `known`."""
    unknown = sorted(options.keys() - known.__annotations__)
    if unknown:
        known_names = ", ".join(known.__annotations__)
        raise ConfigurationError(f"{place}: no option {unknown[0][:40]!r}, known are {known_names}")


def _name_option(name: Any, known: type) -> str:
    """Return the name of an option, for the binding's in camel case that of `known`; another as it was typed."""
    typed = name if isinstance(name, str) else describe(name)
    snake_case = re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", typed)
    return snake_case if snake_case in known.__annotations__ else typed


def _encode_option(name: str, value: Any) -> str:
    """Return an option of a gateway as the value of its header. Raises `ConfigurationError` or `InputError`."""
    value = as_number(value)
    came = describe(value)
    if name in ("skip_cache", "collect_log", "collect_log_payload", "zdr", "no_wholesale"):
        must_be, is_right = "True or False", isinstance(value, bool)
    elif name in ("cache_key", "event_id", "byok_alias"):
        must_be, is_right = "a string", isinstance(value, str)
    elif name == "backoff":
        must_be = "'constant', 'linear' or 'exponential'"
        is_right = isinstance(value, str) and value in ("constant", "linear", "exponential")
    elif name == "metadata":
        # The gateway drops the sixth without a word, and keeps no objects.
        must_be = "a dict of at most five strings, numbers or booleans"
        if is_mapping(value):
            came = find_nested(value) if len(value) <= _MAX_METADATA else f"{len(value)} entries"
        is_right = is_mapping(value) and not came
    elif name == "custom_cost":
        must_be = f"a dict of numbers under {', '.join(GatewayCost.__annotations__)}"
        is_right = is_mapping(value) and bool(value) and value.keys() <= GatewayCost.__annotations__.keys()
        is_right = is_right and all(isinstance(each, int | float) for each in value.values())
    else:
        must_be = "a whole number of 0 or more"
        is_right = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST_NUMBER
    if not is_right:
        raise ConfigurationError(f"gateway {name} must be {must_be}, got {came}")
    if isinstance(value, Mapping):
        return _encode_object(name, cast("Mapping[Any, Any]", value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(int(value))
    if flaw := find_header_flaw(value):
        raise ConfigurationError(f"gateway {name}: {flaw}")
    return value


def _encode_object(name: str, value: Mapping[Any, Any]) -> str:
    # A header is ASCII, and an empty object is sent too, as the binding does.
    if problem := find_unsendable(value, f"gateway {name}"):
        raise InputError(problem)
    return json.dumps(to_builtins(value), separators=(",", ":"))
