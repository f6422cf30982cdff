"""Match requests to recordings; where none answers, name the nearest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

from cfai._json import as_sequence
from cfai.local.recording._application import RecordingError
from cfai.local.recording._exchange import Exchange, ExchangeRequest, ExchangeResponse

_MAX_LENGTH = 60
"""Characters of a value that are shown."""

_MISSING: Any = object()


class RecordedExchanges:
    """Exchanges in their order, from which each request takes its next one, and the last again and again."""

    def __init__(self, exchanges: Sequence[tuple[Path, Exchange]]) -> None:
        self._all = exchanges
        self._responses: dict[str, list[ExchangeResponse]] = {}
        for _, exchange in exchanges:
            self._responses.setdefault(_build_key(exchange.request), []).append(exchange.response)

    def next(self, request: ExchangeRequest) -> ExchangeResponse:
        """Return the answer to a request. Raises `RecordingError`, which names the nearest, if there is none."""
        responses = self._responses.get(_build_key(request))
        if responses is None:
            raise RecordingError(404, self._describe_nearest(request))
        return responses.pop(0) if len(responses) > 1 else responses[0]

    def _describe_nearest(self, request: ExchangeRequest) -> str:
        compared = [(list(_compare_requests(exchange.request, request)), path) for path, exchange in self._all]
        # Of two that are as near, the one that was asked for in the same place.
        elsewhere = {"method", "model", "path"}
        differences, path = min(compared, key=lambda each: (len(each[0]), any(at in elsewhere for at, _, _ in each[0])))
        shown = [
            f"{at} is {_shorten(old, new)} there and {_shorten(new, old)} here" for at, old, new in differences[:3]
        ]
        more = f", and {len(differences) - 3} more differ" if len(differences) > 3 else ""
        return f"no recording answers this request; the nearest is {path.name}: {', '.join(shown)}{more}"


def _compare_requests(recorded: ExchangeRequest, request: ExchangeRequest) -> Iterator[tuple[str, Any, Any]]:
    """Yield the differences of two requests: the place, the recorded value and the requested one."""
    if recorded.method != request.method:
        yield "method", recorded.method, request.method
    if recorded.model != request.model:
        yield "model", recorded.model or _MISSING, request.model or _MISSING
    elif _decode_segments(recorded) != _decode_segments(request):
        yield "path", recorded.path, request.path
    if _parse_query(recorded) != _parse_query(request):
        yield "query", recorded.query, request.query
    old, new = recorded.body or {}, request.body or {}
    if "json" in old and "json" in new:
        # Where the body names the model, that is said already.
        known = "model" if recorded.path == request.path and recorded.model != request.model else None
        yield from (each for each in _compare_values("", old["json"], new["json"]) if each[0] != known)
    elif old != new:
        yield "body", _describe_body(old), _describe_body(new)


def _build_key(request: ExchangeRequest) -> str:
    return json.dumps([request.method, _decode_segments(request), _parse_query(request), request.body], sort_keys=True)


def _decode_segments(request: ExchangeRequest) -> list[str]:
    # An encoded slash stays one: the service tells them apart.
    return [unquote(segment) for segment in request.path.split("/")]


def _parse_query(request: ExchangeRequest) -> list[tuple[str, str]]:
    return sorted(parse_qsl(request.query, keep_blank_values=True))


def _compare_values(at: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    old_parts, new_parts = _split(old), _split(new)
    if old_parts is not None and new_parts is not None and type(old) is type(new):
        for name in old_parts | new_parts:
            path = f"{at}{name}" if at else name.removeprefix(".")
            yield from _compare_values(path, old_parts.get(name, _MISSING), new_parts.get(name, _MISSING))
    elif json.dumps([old], default=str) != json.dumps([new], default=str):
        # Compared as JSON: to Python, `true` is 1.
        yield at or "body", old, new


def _split(value: Any) -> dict[str, Any] | None:
    """Return the parts of a value by their place, or `None` for one without, as many numbers are: audio or an image."""
    if isinstance(value, dict):
        return {f".{name}": part for name, part in cast("dict[str, Any]", value).items()}
    items = as_sequence(value)
    if not isinstance(value, list) or (len(items) > 8 and all(isinstance(item, int | float) for item in items)):
        return None
    return {f"[{index}]": item for index, item in enumerate(items)}


def _describe_body(body: dict[str, Any]) -> Any:
    if "sha256" in body:
        return f"{body['bytes']} bytes"
    return body.get("json", body.get("text", _MISSING))


def _shorten(value: Any, other: Any) -> str:
    """Return a value, shortened to where it differs from the other."""
    if value is _MISSING:
        return "missing"
    text, beside = (json.dumps(each, ensure_ascii=False, default=lambda _: "") for each in (value, other))
    pairs = enumerate(zip(text, beside, strict=False))
    same = next((place for place, (one, other) in pairs if one != other), min(len(text), len(beside)))
    start = max(0, same - _MAX_LENGTH // 2) if len(text) > _MAX_LENGTH else 0
    end = start + _MAX_LENGTH
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
