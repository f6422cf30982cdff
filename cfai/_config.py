"""The configuration of a client: the options of an `Ai`, checked once, as plain values."""

from __future__ import annotations

import math
import os
import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeGuard, cast, get_args

from cfai import models, tokens
from cfai._credentials import Credentials, Setting, describe
from cfai._errors import APITimeoutError, ConfigurationError
from cfai.models import LIMIT_FIELDS, Limit, Model

CheckMode = Literal["enforce", "strict", "warn", "off"]


MAX_ANSWER_BYTES = 256 * 1024 * 1024
"""The bytes that an answer may have by default: more than any model gives, and less than fills a machine."""

_FOREVER = 1e300
"""Seconds."""


class NotGiven:
    """The default of an option for which `None` means something."""

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Any = NotGiven()


@dataclass(frozen=True, slots=True)
class Timeout:
    """Seconds that each wait of a call may take; `None` is no bound."""

    connect: float | None = 5.0
    first_byte: float | None = 300.0
    """To the answer's first byte: the service may queue a call until it has room."""
    read: float | None = 60.0
    """Between the bytes of an answer."""
    write: float | None = 60.0
    pool: float | None = None
    """For a free connection; bounded by the total timeout in any case."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            check_seconds(name, getattr(self, name))


def _draw_jitter() -> float:
    # `random.random` itself would be pickled with the state of its generator.
    return random.random()


@dataclass(frozen=True, slots=True)
class Retry:
    """The policy of retries: how often a request is sent again, and how long to wait first.

    Sent again are: a connection that could not be made, a model that was busy (3040), too many requests in a minute,
    and 5xx. What may have been billed is never sent again: a timeout of the service or of ours, a connection that broke
    once the request was sent, anything after a 200.
    """

    max_retries: int = 2
    """How often a request is sent again at most."""

    base: float = 0.5
    """Seconds before the first retry; each further wait is twice the one before."""

    cap: float = 8.0
    """The longest wait of our own choosing, in seconds."""

    jitter: Callable[[], float] = _draw_jitter
    """A number from 0 to 1: how much of a wait's last quarter to take."""

    def __post_init__(self) -> None:
        if not _is_count(self.max_retries):
            raise ConfigurationError(f"`max_retries` must be a number of 0 or more, got {describe(self.max_retries)}")
        for name, seconds in (("base", self.base), ("cap", self.cap)):
            if not _is_number(seconds) or not 0 <= seconds < _FOREVER:
                raise ConfigurationError(
                    f"`{name}` of a Retry must be 0 or a positive number of seconds, got {describe(seconds)}"
                )
        if not callable(self.jitter):
            raise ConfigurationError(
                f"`jitter` of a Retry must be a function that returns 0 to 1, got {describe(self.jitter)}"
            )


class LimitPolicy(NamedTuple):
    """The limits that calls are held to, and how strictly."""

    mode: CheckMode = "enforce"
    overrides: Mapping[str, Model] = MappingProxyType({})
    """The models with limits of the user's in place of the catalogue's."""
    counter: tokens.TokenCounter | Mapping[str, tokens.TokenCounter] | None = None
    """The user's counter, for all models or by model."""

    def get_model(self, name: str) -> Model | None:
        """Return what is known of a model, with the user's limits in it, or `None` if nothing is."""
        return self.overrides.get(name) or models.catalogue().get(name)

    def get_strategy(self, name: str) -> tokens.CountingStrategy:
        """Return how the tokens of a model's texts are counted."""
        counter = self.counter.get(name) if isinstance(self.counter, Mapping) else self.counter
        return tokens.get_strategy(name, counter)


class ClientConfig(NamedTuple):
    """The options of a client, checked. It is all that a pickle holds."""

    credentials: Credentials
    timeout: Timeout
    total_timeout: float | None
    retry: Retry
    limit_policy: LimitPolicy
    proxy: Setting | None = None
    verify: ssl.SSLContext | str | bool = True
    trust_env: bool = True
    max_answer_bytes: int = MAX_ANSWER_BYTES

    def with_overrides(
        self,
        timeout: Any = NOT_GIVEN,
        total_timeout: Any = NOT_GIVEN,
        max_retries: Any = NOT_GIVEN,
        checks: Any = NOT_GIVEN,
        max_answer_bytes: Any = NOT_GIVEN,
    ) -> ClientConfig:
        """Return a copy with the options that are given; itself if none is. Raises `ConfigurationError`."""
        changes: dict[str, Any] = {}
        if timeout is not NOT_GIVEN:
            changes["timeout"] = parse_timeout(timeout)
        if total_timeout is not NOT_GIVEN:
            check_seconds("total_timeout", total_timeout)
            changes["total_timeout"] = total_timeout
        if max_retries is not NOT_GIVEN:
            changes["retry"] = parse_retry(max_retries)
        if checks is not NOT_GIVEN:
            if not isinstance(checks, str) or checks not in get_args(CheckMode):
                must_be = "`checks` must be 'enforce', 'strict', 'warn' or 'off'"
                raise ConfigurationError(f"{must_be}, got {describe(checks)}")
            changes["limit_policy"] = self.limit_policy._replace(mode=checks)
        if max_answer_bytes is not NOT_GIVEN:
            if not _is_count(max_answer_bytes) or max_answer_bytes == 0:
                raise ConfigurationError(f"`max_answer_bytes` must be 1 or more, got {describe(max_answer_bytes)}")
            changes["max_answer_bytes"] = int(max_answer_bytes)
        return self._replace(**changes) if changes else self


def parse_timeout(value: Any) -> Timeout:
    """Return a `Timeout` of seconds for each operation as in httpx, an `httpx.Timeout` of either library, or `None`.

    >>> parse_timeout(30).first_byte
    30.0
    """
    if isinstance(value, Timeout):
        return value
    if value is None:
        return Timeout(None, None, None, None, None)
    if all(hasattr(value, name) for name in ("connect", "read", "write", "pool")):
        return Timeout(value.connect, value.read, value.read, value.write, value.pool)
    if not _is_positive(value):
        must_be = "`timeout` must be a positive number of seconds, an `httpx.Timeout`, a `Timeout` or None"
        raise ConfigurationError(f"{must_be}, got {describe(value)}")
    return Timeout(*[float(value)] * 5)


def parse_retry(value: Any) -> Retry:
    """Return a `Retry`, made of a number of retries, or of `None` for none. Raises `ConfigurationError`."""
    if isinstance(value, Retry):
        return value
    if value is None:
        return Retry(max_retries=0)
    if not _is_count(value):
        raise ConfigurationError(f"`max_retries` must be a number of 0 or more, a Retry or None, got {describe(value)}")
    return Retry(max_retries=value)


def parse_verify(verify: Any) -> ssl.SSLContext | str | bool:
    """Return the option `verify`, with a path as a string. Raises `ConfigurationError`."""
    path = cast("Any", os.fspath(verify) if hasattr(verify, "__fspath__") else verify)
    is_context = isinstance(path, ssl.SSLContext) and path.protocol != ssl.PROTOCOL_TLS_SERVER
    if is_context or isinstance(path, bool) or (isinstance(path, str) and path):
        return cast("ssl.SSLContext | str | bool", path)
    must_be = "`verify` must be True, False, the path of PEM certificates or the ssl.SSLContext of a client"
    raise ConfigurationError(f"{must_be}, got {type(verify).__name__}")


def parse_limit_overrides(limits: Any) -> dict[str, Model]:
    """Return the models of a user's `limit_overrides`, with these limits. Raises `ConfigurationError`."""
    if limits is not None and not isinstance(limits, Mapping):
        raise ConfigurationError(f"`limit_overrides` must be a mapping by model, got {type(limits).__name__}")
    overrides: dict[str, Model] = {}
    for model, figures in cast("Mapping[Any, Any]", limits or {}).items():
        if not isinstance(model, str):
            raise ConfigurationError(f"`limit_overrides` must have names of models as keys, got {describe(model)}")
        entry = models.catalogue().get(model) or Model(model, "")
        if not isinstance(figures, Mapping):
            # A number alone is the length of a text where texts are all that is limited, and of the context elsewhere.
            is_of_texts = entry.window is None and entry.input_length
            figures = {"input_length" if is_of_texts else "context_length": figures}
        changes: dict[str, Any] = {}
        for field, value in cast("Mapping[Any, Any]", figures).items():
            if not isinstance(field, str) or field not in LIMIT_FIELDS:
                known = ", ".join(LIMIT_FIELDS)
                raise ConfigurationError(f"`limit_overrides` of {model} must be of {known}, got {describe(field)}")
            if not _is_count(value) or value == 0:
                must_be = f"{field} in `limit_overrides` of {model} must be 1 or more"
                raise ConfigurationError(f"{must_be}, got {describe(value)}")
            changes[field] = Limit(value, "limit_overrides", "given by you", True, True)
        if entry.window is None and "context_length" in changes:
            changes["window"] = "shared"
        elif entry.window is None and "total_length" in changes:
            changes["window"] = "separate"
        if changes:
            overrides[model] = replace(entry, **changes)
    return overrides


def parse_token_counter(counter: Any) -> Any:
    """Return a user's `token_counter`, one for all models or a mapping by model. Raises `ConfigurationError`."""
    if not isinstance(counter, Mapping):
        return None if counter is None else tokens.validate_counter(counter, "token_counter")
    by_model = dict(cast("Mapping[Any, Any]", counter))
    for model in by_model:
        if not isinstance(model, str):
            raise ConfigurationError(f"`token_counter` must have names of models as keys, got {describe(model)}")
        tokens.validate_counter(by_model[model], f"token_counter[{model!r}]")
    return by_model


def check_seconds(option: str, seconds: Any) -> None:
    """Raise `ConfigurationError` if `seconds` is no time that an option can have."""
    if seconds is not None and not _is_positive(seconds):
        raise ConfigurationError(f"`{option}` must be a positive number of seconds or None, got {describe(seconds)}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_positive(value: Any) -> TypeGuard[float]:
    return _is_number(value) and 0 < value < _FOREVER


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


_SHORTEST_WAIT = 0.001
"""Seconds. httpx takes 0 for a wait that is over before it began."""


class BoundedWait(float):
    """The seconds that one wait may take, which knows when all waits of its call have to be over.

    Where nobody looks at that, it is a plain number of seconds.
    """

    end: float
    """In seconds of `time.monotonic`."""

    def __new__(cls, seconds: float, end: float) -> BoundedWait:
        wait = super().__new__(cls, seconds)
        wait.end = end
        return wait

    def shorten(self, now: float) -> float:
        """Return the seconds that a wait may take if it begins now; not 0."""
        return max(_SHORTEST_WAIT, min(float(self), self.end - now))


class TimeBudget(NamedTuple):
    """The time that one call may take, retries and reading included. The clock is its caller's."""

    timeout: Timeout
    total: float | None
    """Seconds that the whole call may take."""
    started: float
    """When the call began, in seconds of `time.monotonic`."""

    def remaining(self, now: float) -> float | None:
        """Return the seconds left of the total timeout, or `None` if there is none. Raises `APITimeoutError` at 0."""
        if self.total is None:
            return None
        seconds = self.started + self.total - now
        if seconds <= 0:
            raise self.make_error()
        return seconds

    def elapsed(self, now: float) -> float:
        """Return the seconds since the call began."""
        return now - self.started

    def is_exceeded(self, now: float) -> bool:
        """Return True once the total timeout has passed."""
        return self.total is not None and now >= self.started + self.total

    def make_error(self) -> APITimeoutError:
        """Return the error for a total timeout that has passed."""
        passed = f"the total timeout of {self.total:g} s passed"
        return APITimeoutError(f"{passed}: raise total_timeout= if the model needs longer", retryable=False)

    def shorten(self, wait: float | None, now: float) -> float | None:
        """Return a wait, no longer than what is left of the total timeout, but not 0."""
        if self.total is None:
            return wait
        end = self.started + self.total
        return BoundedWait(BoundedWait(math.inf if wait is None else wait, end).shorten(now), end)

    def allows_pause(self, seconds: float, now: float) -> bool:
        """Return True if there is time for a pause, and for something after it."""
        return self.total is None or self.started + self.total - now > seconds
