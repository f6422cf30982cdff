"""Requests for the surfaces of the API beside `run`, and their answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import HTTP
from typing import Any, Protocol

from cfai.local.server import RawRequest
from cfai.local.wire import ErrorResponse, build_envelope


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """A request for something that is no model."""

    raw: RawRequest
    account: str
    path: tuple[str, ...]
    """The segments behind those that name the surface, decoded."""
    now: float
    """The time, in seconds since 1970."""

    @property
    def method(self) -> str:
        return self.raw.method

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the URL, each with its last value."""
        return self.raw.parameters

    def read_number(self, name: str, default: int, least: int, most: int = 10**9) -> int:
        """Return a whole number of the URL. Raises `ErrorResponse` for one that is out of its range."""
        text = self.query.get(name, str(default))
        # Of digits there may be more than `int` takes.
        if not text.isascii() or not text.isdigit() or not least <= int(text[:20]) <= most:
            raise refuse(f"{name} must be from {least} to {most}")
        return int(text)

    @property
    def json(self) -> Any:
        """The body, which must be JSON. Raises `ErrorResponse`."""
        try:
            return json.loads(self.raw.body or b"")
        except ValueError as error:
            raise refuse("Invalid JSON") from error

    @property
    def form(self) -> list[FormPart]:
        """The parts of the body, which must be a form. Raises `ErrorResponse`."""
        content_type = self.raw.headers.get("content-type", "")
        if not content_type.startswith("multipart/form-data"):
            raise refuse("Content-Type must be multipart/form-data")
        head = f"content-type: {content_type}\r\n\r\n".encode()
        message: Any = message_from_bytes(head + (self.raw.body or b""), policy=HTTP)
        return [
            FormPart(
                part.get_param("name", header="content-disposition"),
                part.get_filename(),
                part.get_content_type(),
                part.get_payload(decode=True),
            )
            for part in message.iter_parts()
        ]


@dataclass(frozen=True, slots=True)
class FormPart:
    """A field of a form, or a file in it."""

    name: str
    filename: str | None
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ResourceReply:
    """An answer of status 200: `value` as JSON, or `content`."""

    value: Any = None
    content: bytes | None = field(default=None, repr=False)
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Surface(Protocol):
    """A part of the API with a memory of its own, in plain dictionaries."""

    async def answer(self, request: ResourceRequest) -> ResourceReply:
        """Answer a request. Raises `ErrorResponse`."""
        ...


def refuse(problem: str) -> ErrorResponse:
    """Return the error for a request that is wrong."""
    # UNCERTAIN: the code that these surfaces have for it.
    return ErrorResponse(7001, problem, status=400)


def not_found(what: str) -> ErrorResponse:
    """Return the error for what is not there."""
    return ErrorResponse(7002, f"Not Found: {what}", status=404)


def read_object(request: ResourceRequest, method: str) -> dict[str, Any]:
    """Return the body of a request by `method`, which must be an object. Raises `ErrorResponse`."""
    if request.method != method:
        raise ErrorResponse(7001)
    body = request.json
    if not isinstance(body, dict):
        raise refuse("the body must be an object")
    return body  # pyright: ignore[reportUnknownVariableType]


def reply(result: Any, result_info: Mapping[str, Any] | None = None) -> ResourceReply:
    """Return a result in its envelope."""
    return ResourceReply(build_envelope(result) | ({} if result_info is None else {"result_info": result_info}))


def reply_page(request: ResourceRequest, rows: Iterable[Any], *, most: int = 100) -> ResourceReply:
    """Return the page of a list that is asked for, of `most` rows at most. Raises `ErrorResponse`."""
    page, per_page = request.read_number("page", 1, 1), request.read_number("per_page", 20, 1, most)
    everything = [*rows]
    result = everything[(page - 1) * per_page :][:per_page]
    info = {"count": len(result), "page": page, "per_page": per_page, "total_count": len(everything)}
    return reply(result, info)


def format_time(now: float) -> str:
    """Return a time, in seconds since 1970, as the service writes it.

    >>> format_time(0)
    '1970-01-01T00:00:00.000Z'
    """
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
