"""The first step of a call: inputs and limits checked, the request built, nothing sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from cfai import models
from cfai._config import ClientConfig, LimitPolicy
from cfai._limits import check_unless_short, format_warning, is_slow_to_count, resolve_max_tokens
from cfai._request.build import ApiRequest, RunOptions, build_run_request, quote_model
from cfai._request.encode import inputs_to_builtins
from cfai._warnings import LimitWarning, RetiredModelWarning


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PreparedCall(ApiRequest):
    """A call of `run`, ready to be sent: its request, and what its answer is read by."""

    inputs: Mapping[str, Any] = field(repr=False)
    """The inputs as they are sent."""
    options: RunOptions
    warnings: tuple[tuple[str, type[Warning]], ...] = ()
    """What the caller is to be warned of."""
    is_unstreamed_retry: bool = False
    """True if a whole answer is to be given as a stream: the model would not stream, and was asked again without."""


def prepare(config: ClientConfig, model: str, inputs: Any, options: RunOptions) -> PreparedCall:
    """Return the call that runs `model`. Raises what forbids it before anything is sent; the inputs are not changed."""
    quote_model(model)
    return _prepare(config, model, inputs_to_builtins(inputs), options)


async def aprepare(config: ClientConfig, model: str, inputs: Any, options: RunOptions) -> PreparedCall:
    """Return the call that runs `model`, with long inputs counted in a thread, beside the event loop."""
    quote_model(model)
    given = inputs_to_builtins(inputs)
    if not is_slow_to_count(given):
        return _prepare(config, model, given, options)
    from anyio import to_thread  # not sooner: it imports asyncio

    return await to_thread.run_sync(partial(_prepare, config, model, given, options))


def prepare_unstreamed(call: PreparedCall, started: float) -> PreparedCall:
    """Return the same call without streaming, its answer still wanted as a stream. It is paid for by one retry.

    It has what is left of the total timeout of the call, which began at `started`.
    """
    retry = replace(call.config.retry, max_retries=call.config.retry.max_retries - 1)
    inputs = {**call.inputs, "stream": False}
    # The URL stays: tags that can be iterated only once are in it already.
    _, headers, body = build_run_request(call.config.credentials, call.model, inputs, call.options)
    return replace(
        call,
        config=call.config._replace(retry=retry),
        started=started,
        headers=headers,
        body=body,
        inputs=inputs,
        wants_stream=False,
        is_unstreamed_retry=True,
        warnings=(),
    )


def _prepare(config: ClientConfig, model: str, inputs: dict[str, Any], options: RunOptions) -> PreparedCall:
    resolved = resolve_max_tokens(model, inputs, config.limits)
    warnings = [*_find_retirement_warnings(model), *_check_limits(model, resolved, config.limits)]
    url, headers, body = build_run_request(config.credentials, model, resolved, options)
    return PreparedCall(
        config=config,
        url=url,
        headers=headers,
        body=body,
        model=model,
        wants_stream=bool(resolved.get("stream")),
        wants_raw=options.return_raw_response,
        retries_when_busy=not options.reject_if_busy,
        inputs=resolved,
        options=options,
        warnings=tuple(warnings),
    )


def _find_retirement_warnings(model: str) -> list[tuple[str, type[Warning]]]:
    entry = models.get(model)
    if entry is None or entry.retired_on is None:
        return []
    instead = entry.replaced_by or entry.successor
    return [(f"{model} was retired on {entry.retired_on}: use {instead}", RetiredModelWarning)]


def _check_limits(model: str, inputs: Mapping[str, Any], policy: LimitPolicy) -> list[tuple[str, type[Warning]]]:
    """Raise the error of what does not fit, or return what to warn of."""
    result = check_unless_short(model, inputs, policy) if policy.mode != "off" else None
    if result is None or result.error is None:
        return []
    if result.raises(policy.mode):
        raise result.error
    return [(format_warning(result.error), LimitWarning)]
