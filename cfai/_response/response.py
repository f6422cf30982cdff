"""One answer of the API: status, headers and, unless it is read as a stream, its body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from cfai.types import Meta

if TYPE_CHECKING:
    from cfai._request import ApiRequest


@dataclass(slots=True, eq=False)
class ApiResponse:
    """The answer to a request, whose error or transport decides nothing any more: it is a 2xx, or any if it is raw."""

    http: Any = field(repr=False)
    """The `httpx.Response`, of whichever library its client is."""
    status_code: int
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    content_type: str
    """The content type as the service declared it, or an empty string."""
    content: bytes | None = field(repr=False)
    """The whole body; `None` while it is still to be read as a stream."""
    started: float
    """When the call began, in seconds of `time.monotonic`."""
    elapsed: float
    """Seconds from then to the headers."""
    pool: Any = field(repr=False)
    """The clients, kept for as long as the answer is: with them its connection would go."""
    connections: Any = field(repr=False)
    """The one client that it came through."""

    def meta(self, model: str) -> Meta:
        """Return what the headers say about the call."""
        headers = self.headers
        return Meta(
            model=model,
            request_id=headers.get("cf-ai-req-id") or headers.get("cf-ray"),
            status_code=self.status_code,
            neurons=_parse_number(headers["cf-ai-neurons"]) if "cf-ai-neurons" in headers else None,
            gateway_log_id=headers.get("cf-aig-log-id"),
            elapsed=self.elapsed,
        )


def media_kind(content_type: str) -> str:
    """Return `json`, `events`, `text` or `binary` for a content type.

    >>> media_kind("application/json; charset=utf-8"), media_kind("text/event-stream"), media_kind("image/png")
    ('json', 'events', 'binary')
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        return "json"
    if media_type == "text/event-stream":
        return "events"
    return "text" if media_type in ("text/plain", "") else "binary"


def is_read_as_stream(headers: Mapping[str, str], request: ApiRequest) -> bool:
    """Return True if the body of an answer is to be read while it comes. Some models call their events plain text."""
    if request.wants_raw:
        return request.wants_stream
    kind = media_kind(headers.get("content-type", ""))
    return kind == "events" or (kind == "text" and request.wants_stream)


def _parse_number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if isfinite(number) else None
