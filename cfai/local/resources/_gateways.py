"""AI Gateways: the addresses of their providers, and the logs of the calls that went through them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from cfai._json import is_mapping
from cfai.local.resources._resource import ResourceReply, ResourceRequest, refuse, reply, reply_page
from cfai.local.wire import ErrorResponse

_TEXT_FILTERS = ("provider", "model", "model_type", "request_content_type", "response_content_type")
_FLAG_FILTERS = ("success", "cached")
_NUMBER_FILTERS = ("cost", "duration", "tokens_in", "tokens_out", "total_tokens")
_SORTED_BY = ("created_at", "provider", "model", "model_type", "success", "cached")
_MOST_PER_PAGE = 50


class GatewayLogs:
    """The logs of all gateways. A gateway needs not be made: any id is one."""

    def __init__(self) -> None:
        self._logs: dict[str, dict[str, dict[str, Any]]] = {}
        """By gateway, and by the log's own id."""

    def add(self, gateway: str, log: Mapping[str, Any]) -> str:
        """Keep a log, and return the id that it gets."""
        id = uuid.uuid4().hex
        self._logs.setdefault(gateway, {})[id] = {"id": id, **log}
        return id

    async def answer(self, request: ResourceRequest) -> ResourceReply:
        """Answer a request for an address, for logs, or to change one."""
        match request.method, request.path:
            case "GET", (gateway, "url", provider):
                address = f"http://{request.raw.headers.get('host', '')}/v1/{request.account}/{gateway}"
                result: Any = address if provider == "universal" else f"{address}/{provider}"
            case "GET", (gateway, "logs"):
                return reply_page(request, self._list(gateway, request.query), most=_MOST_PER_PAGE)
            case "GET", (gateway, "logs", id):
                result = self._find(gateway, id)
            case "PATCH", (gateway, "logs", id):
                _patch(self._find(gateway, id), request.json)
                result = {}
            case _, (_, "logs") | (_, "logs", _) | (_, "url", _):
                raise ErrorResponse(7001, f"Method {request.method} not available for that URI.")
            case _:
                raise ErrorResponse(7000)
        return reply(result)

    def _find(self, gateway: str, id: str) -> dict[str, Any]:
        log = self._logs.get(gateway, {}).get(id)
        if log is None:
            raise ErrorResponse(7002)
        return log

    def _list(self, gateway: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        order = query.get("order_by", "created_at")
        if order not in _SORTED_BY:
            raise refuse(f"order_by must be one of {', '.join(_SORTED_BY)}")
        fits = _build_filter(query)
        # Those of one moment stay in their order.
        logs = [log for log in self._logs.get(gateway, {}).values() if fits(log)]
        logs.sort(key=lambda log: str(log[order]))
        return logs[::-1] if query.get("order_by_direction", "desc") == "desc" else logs


def _build_filter(query: Mapping[str, str]) -> Callable[[Mapping[str, Any]], bool]:
    """Return what tells whether a log fits the filters of a query. Raises `ErrorResponse` for one that cannot be."""
    since, until = (_parse_date(query, name) for name in ("start_date", "end_date"))
    if query.get("feedback") not in (None, "0", "1"):
        raise refuse("feedback must be 0 or 1")
    least, most = (_parse_bounds(query, prefix) for prefix in ("min_", "max_"))

    def fits(log: Mapping[str, Any]) -> bool:
        created = datetime.fromisoformat(log["created_at"])
        is_in_time = (since is None or since <= created) and (until is None or created <= until)
        numbers = {**log, "total_tokens": log["tokens_in"] + log["tokens_out"]}
        in_range = all(numbers[name] >= bound for name, bound in least) and all(
            numbers[name] <= bound for name, bound in most
        )
        has_words = all(log[name] == query[name] for name in _TEXT_FILTERS if name in query)
        has_flags = all(log[name] is (query[name] == "true") for name in _FLAG_FILTERS if name in query)
        # The list has 0 where a log is patched with -1.
        has_feedback = "feedback" not in query or log.get("feedback") == {"0": -1, "1": 1}.get(query["feedback"])
        has_text = query.get("search", "") in (log.get("request_head") or "") + (log.get("response_head") or "")
        return has_words and has_flags and has_feedback and has_text and is_in_time and in_range

    return fits


def _parse_date(query: Mapping[str, str], name: str) -> datetime | None:
    if name not in query:
        return None
    with suppress(ValueError):
        date = datetime.fromisoformat(query[name])
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    raise refuse(f"{name} must be a date")


def _parse_bounds(query: Mapping[str, str], prefix: str) -> list[tuple[str, float]]:
    with suppress(ValueError):
        return [(name, float(query[prefix + name])) for name in _NUMBER_FILTERS if prefix + name in query]
    raise refuse(f"what begins with {prefix} must be a number")


def _patch(log: dict[str, Any], changes: Any) -> None:
    """Change a log. Raises `ErrorResponse` for what it cannot have."""
    if not is_mapping(changes):
        raise refuse("the body must be an object")
    feedback, score, metadata = (changes.get(name) for name in ("feedback", "score", "metadata"))
    if isinstance(feedback, bool) or feedback not in (None, 1, -1):
        raise refuse("feedback must be -1 or 1")
    if score is not None and (isinstance(score, bool) or not isinstance(score, int | float)):
        raise refuse("score must be a number")
    is_flat = is_mapping(metadata) and all(isinstance(each, str | int | float | None) for each in metadata.values())
    if metadata is not None and not is_flat:
        raise refuse("metadata must be an object of strings, numbers and booleans")
    log |= {name: changes[name] for name in ("feedback", "score") if name in changes}
    if "metadata" in changes:
        log["metadata"] = None if metadata is None else json.dumps(metadata, separators=(",", ":"))
