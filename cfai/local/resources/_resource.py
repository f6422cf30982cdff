"""What the surfaces of the API beside `run` are made of: requests by path, and their answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from typing import Any, Protocol

from cfai.local.server import RawRequest
from cfai.local.wire import ErrorResponse


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

    @property
    def json(self) -> Any:
        """The body, which must be JSON. Raises `ErrorResponse`."""
        try:
            return json.loads(self.raw.body or b"")
        except ValueError as error:
            # UNCERTAIN: the code that these surfaces have for it.
            raise ErrorResponse(7001, "Invalid JSON", status=400) from error

    @property
    def form(self) -> list[FormPart]:
        """The parts of the body, which must be a form. Raises `ErrorResponse`."""
        content_type = self.raw.headers.get("content-type", "")
        if not content_type.startswith("multipart/form-data"):
            raise ErrorResponse(7001, "Content-Type must be multipart/form-data", status=400)
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
    """An answer as it is sent: `value` as JSON, or `content`."""

    value: Any = None
    status: int = 200
    content: bytes | None = field(default=None, repr=False)
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Surface(Protocol):
    """A part of the API with a memory of its own, in plain dictionaries."""

    async def answer(self, request: ResourceRequest) -> ResourceReply:
        """Answer a request. Raises `ErrorResponse`."""
        ...
