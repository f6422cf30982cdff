"""Calls through an AI Gateway: its cache, its logs, and the headers by which it tells of both."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from cfai._json import is_mapping
from cfai.local._json import as_object
from cfai.local.emulator._delivery import Reply
from cfai.local.resources import GatewayLogs, format_time
from cfai.local.routes import RoutedCall
from cfai.local.wire import ErrorResponse
from cfai.models import USD_PER_NEURON, catalogue

_CACHE_SECONDS = 300.0
"""How long an answer is kept under a key of the caller's, where no other time is given."""
_MOST_METADATA = 5
_HEAD_LENGTH = 1000
"""The characters of a body that a log has."""


class GatewayCalls:
    """The memory of an account's gateways: answers, for whoever asks the same again, and logs."""

    def __init__(self, logs: GatewayLogs) -> None:
        self._logs = logs
        self._cache: dict[tuple[str, ...], tuple[float, Reply]] = {}
        """The answers, each with the time until which it is kept."""

    async def run(self, call: RoutedCall, work: Callable[[], Awaitable[Reply]], now: float, step: int = 0) -> Reply:
        """Return the answer to a call: that of the cache, or what `work` comes to. `now` is in seconds since 1970."""
        options, started = call.request.headers, time.monotonic()
        key, seconds = _build_cache_key(call), _find_cache_seconds(options)
        until, reply = self._cache.get(key, (0.0, None))
        is_hit = seconds > 0 and now < until and options.get("cf-aig-skip-cache") != "true"
        if reply is None or not is_hit:
            try:
                reply = await work()
            except ErrorResponse as error:
                refusal = Reply(error.status, "application/json")
                error.headers = self._record(call, refusal, now, started, step, is_hit=False)
                raise
            if seconds > 0 and reply.stream is None:  # what streams is not kept
                self._cache[key] = now + seconds, reply
        headers = self._record(call, reply, now, started, step, is_hit=is_hit)
        return replace(reply, headers={**reply.headers, **headers})

    def _record(
        self, call: RoutedCall, reply: Reply, now: float, started: float, step: int, *, is_hit: bool
    ) -> dict[str, str]:
        """Keep the log of a call, and return the headers that tell of it, those of an error too."""
        headers = {"cf-aig-cache-status": "HIT" if is_hit else "MISS", "cf-aig-step": str(step)}
        if (log_id := self._log(call, reply, now, started, step, is_hit=is_hit)) is not None:
            headers["cf-aig-log-id"] = log_id
        if call.served_by != call.model:
            headers |= {"cf-aig-model": call.served_by, "cf-aig-provider": "workers-ai"}
        return headers

    def _log(
        self, call: RoutedCall, reply: Reply, now: float, started: float, step: int, *, is_hit: bool
    ) -> str | None:
        """Keep the log of a call, and return its id; `None` if the caller wants none."""
        options = call.request.headers
        if options.get("cf-aig-collect-log") == "false":
            return None
        usage = _find_usage(reply)
        request, response = _to_text(call.inputs), reply.body.decode("utf-8", "replace")
        if options.get("cf-aig-collect-log-payload") == "false":
            request = response = ""
        model = catalogue().get(call.served_by)
        log = {
            "created_at": format_time(now),
            "provider": "workers-ai",
            "model": call.served_by,
            "model_type": model.task if model is not None else None,
            "path": call.request.path,
            "duration": round(1000 * (time.monotonic() - started)),
            "success": reply.status < 400,
            "cached": is_hit,
            "status_code": reply.status,
            "step": step,
            "tokens_in": usage.get("prompt_tokens", 0),
            "tokens_out": usage.get("completion_tokens", 0),
            "cost": _compute_cost(options, usage, reply, is_hit=is_hit),
            "custom_cost": "cf-aig-custom-cost" in options,
            "metadata": _keep_metadata(options.get("cf-aig-metadata")),
            "request_type": None,
            "request_content_type": options.get("content-type"),
            "request_size": len(call.request.body or b""),
            "request_head": request[:_HEAD_LENGTH],
            "request_head_complete": len(request) <= _HEAD_LENGTH,
            "response_content_type": reply.content_type,
            "response_size": len(reply.body),
            "response_head": response[:_HEAD_LENGTH],
            "response_head_complete": len(response) <= _HEAD_LENGTH,
        }
        return self._logs.add(call.gateway or "", log)


def _build_cache_key(call: RoutedCall) -> tuple[str, ...]:
    if own := call.request.headers.get("cf-aig-cache-key"):
        return call.gateway or "", own
    return call.gateway or "", call.request.path, call.model, _to_text(call.inputs)


def _find_cache_seconds(options: Mapping[str, str]) -> float:
    """Return how long an answer is to be kept. The gateway's own setting is that nothing is."""
    seconds = options.get("cf-aig-cache-ttl", "")
    if seconds.isascii() and seconds.isdigit():
        return float(seconds)
    return _CACHE_SECONDS if options.get("cf-aig-cache-key") else 0.0


def _keep_metadata(text: str | None) -> str | None:
    """Return the metadata of a call, of which a gateway keeps five entries and drops the others without a word."""
    metadata: Any = None
    with suppress(ValueError):
        metadata = json.loads(text or "")
    if not is_mapping(metadata) or len(metadata) <= _MOST_METADATA:
        return text
    return json.dumps(dict(islice(metadata.items(), _MOST_METADATA)), separators=(",", ":"))


def _to_text(inputs: Any) -> str:
    return inputs.hex() if isinstance(inputs, bytes) else json.dumps(inputs, ensure_ascii=False, separators=(",", ":"))


def _find_usage(reply: Reply) -> Mapping[str, Any]:
    """Return the tokens that an answer reports, if it is JSON and does."""
    if reply.content_type != "application/json":
        return {}
    body = as_object(json.loads(reply.body or b"{}"))
    usage = body.get("usage") or as_object(body.get("result")).get("usage")
    return usage if is_mapping(usage) else {}


def _compute_cost(options: Mapping[str, str], usage: Mapping[str, Any], reply: Reply, *, is_hit: bool) -> float:
    """Return US dollars: by the caller's own prices, or by the neurons of the answer."""
    with suppress(ValueError):
        own = as_object(json.loads(options.get("cf-aig-custom-cost", "")))
        per_token = own.get("per_token_in", 0) * usage.get("prompt_tokens", 0)
        per_token += own.get("per_token_out", 0) * usage.get("completion_tokens", 0)
        return own.get("total_cost", per_token)
    return 0.0 if is_hit else float(reply.headers.get("cf-ai-neurons", 0)) * USD_PER_NEURON
