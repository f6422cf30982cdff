"""The options of `Ai.local`, of `Ai.from_binding`, and of the methods that stand on `run`, for type checkers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

import httpx

from cfai import tokens
from cfai._config import CheckMode, Retry, Timeout
from cfai._credentials import GatewayRoute, Secret
from cfai._request import GatewayOptions
from cfai._transport import AsyncHttpClient, HttpClient


class LocalOptions(TypedDict, total=False):
    """The options of `Ai` that `Ai.local` takes too: all but those that say where the service is, and as whom."""

    timeout: float | httpx.Timeout | Timeout | None
    total_timeout: float | None
    max_retries: Retry | int | None
    max_answer_bytes: int
    checks: CheckMode
    default_headers: Mapping[str, str] | None
    http_client: HttpClient | None
    async_http_client: AsyncHttpClient | None
    limit_overrides: Mapping[str, int | Mapping[str, int]] | None
    token_counter: tokens.TokenCounter | Mapping[str, tokens.TokenCounter] | None
    gateway_route: GatewayRoute


class BindingOptions(TypedDict, total=False):
    """The options of `Ai` that `Ai.from_binding` takes too: all but those that concern a network."""

    timeout: float | httpx.Timeout | Timeout | None
    total_timeout: float | None
    max_retries: Retry | int | None
    max_answer_bytes: int
    checks: CheckMode
    default_headers: Mapping[str, str] | None
    limit_overrides: Mapping[str, int | Mapping[str, int]] | None
    token_counter: tokens.TokenCounter | Mapping[str, tokens.TokenCounter] | None


class CallOptions(TypedDict, total=False):
    """The options of `Ai.run` that what stands on it takes too, and passes on with every call."""

    gateway: str | GatewayOptions | None
    tags: Iterable[str]
    extra_headers: Mapping[str, str] | None
    session_affinity: str | None
    reject_if_busy: bool
    timeout: float | httpx.Timeout | Timeout | None
    total_timeout: float | None
    max_retries: Retry | int | None
    checks: CheckMode


class FallbackOptions(CallOptions, total=False):
    """The options of a call, and other models for it; `Ai.run` says what they do."""

    fallback: Sequence[str] | None


class ManyOptions(FallbackOptions, total=False):
    """The options of `Ai.run` that `Ai.run_many` passes on with every call."""

    output_retries: int


def check_call_options(method: str, options: Secret, kind: type = FallbackOptions) -> None:
    """Raise `TypeError` for an option that is not among those of `kind`, as Python does for other parameters."""
    known = kind.__annotations__
    if unknown := next((name for name in options.value if name not in known), None):
        hint = f"the options of its calls are {', '.join(known)}"
        raise TypeError(f"Ai.{method}() got an unexpected keyword argument {unknown!r}: {hint}")
