"""One exchange: a request in the form in which requests are compared, and what it was answered."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import to_jsonable_python

from cfai.local._json import as_object, loads_strictly

ACCOUNT_PATH = "{account_id}"
"""The placeholder for the account in a path."""

Cut = Literal["by the client", "by the service", "by the recorder"]

_MODEL_PATH = re.compile(r"/ai/run/(.+)|/workers-ai/(?:run/)?(.+)")

TOKEN_PATTERNS = (
    # Behind the word, as members of a JSON object, as parameters of a query.
    rb"(?i)bearer ([0-9A-Za-z._~+/=-]{8,})",
    rb'(?i)"(?:[\w-]*[_-])?(?:api[_-]?key|authorization|token|secret)"\s*:\s*"([^"\\\s]{16,})"',
    rb"(?i)(?:^|[&?])(?:[\w-]*[_-])?(?:key|apikey|token|secret)=([^&#\s]{16,})",
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExchangeRequest(_Part):
    """The request of an exchange. Its content type is for readers, and not compared."""

    method: str
    path: str
    """The path as it came, with `{account_id}` for the account."""

    query: str = ""
    content_type: str | None = None
    body: dict[str, Any] | None = None
    """`json` has the value, or `text` the text, or `sha256` the digest of any other bytes and `bytes` their number."""

    @field_validator("body")
    @classmethod
    def _check_body(cls, body: dict[str, Any] | None) -> dict[str, Any] | None:
        if body is not None and sorted(body) not in (["json"], ["text"], ["bytes", "sha256"]):
            raise ValueError("it has `json`, `text`, or `sha256` and `bytes`")
        return body

    @property
    def model(self) -> str | None:
        """The model that it asks for, by the path or by the body."""
        if match := _MODEL_PATH.search(self.path):
            return unquote(match[1] or match[2])
        name = as_object((self.body or {}).get("json")).get("model")
        return name if isinstance(name, str) else None


class BinaryChunk(_Part):
    """A chunk that is no UTF-8."""

    base64: str

    @classmethod
    def encode(cls, data: bytes) -> str | Self:
        """Return a chunk as a file has it: as text, if it is UTF-8."""
        try:
            return data.decode()
        except UnicodeDecodeError:
            return cls(base64=base64.b64encode(data).decode())


Milliseconds = Annotated[int, Field(ge=0, le=10**9)]


class ExchangeTimes(_Part):
    """Milliseconds since the request was sent."""

    head: Milliseconds = 0
    """Until the status and the headers were there."""

    chunks: list[Milliseconds] = []
    """Until each chunk was."""


class ExchangeResponse(_Part):
    """The response of an exchange."""

    status: int = Field(ge=200, le=599)
    headers: dict[str, str]
    cut: Cut | None = None
    """The side that broke off before the end."""

    times: ExchangeTimes = ExchangeTimes()
    chunks: list[str | BinaryChunk]

    def decode_chunks(self) -> list[bytes]:
        """Return the chunks in bytes. Raises `ValueError` for one that is not base64."""
        return [
            chunk.encode() if isinstance(chunk, str) else base64.b64decode(chunk.base64, validate=True)
            for chunk in self.chunks
        ]


class Exchange(_Part):
    """A request and its answer."""

    format: Literal[1]
    request: ExchangeRequest
    response: ExchangeResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class RawExchange:
    """A request and its answer as they passed by, with all their secrets; bodies as they read without compression."""

    number: int
    """The exchange's number, which stand-ins for its ids end in."""

    method: str
    path: str
    """The path as it came, with `{account_id}` for the account."""

    query: str
    request_content_type: str | None
    request_body: bytes
    status: int
    response_headers: Mapping[str, str]
    """Names in lower case."""

    response_chunks: Sequence[bytes]
    """The body of the response, in the pieces in which it came."""

    cut: Cut | None = None
    head_time: int = 0
    """Milliseconds until the status and the headers were there."""

    chunk_times: Sequence[int] = ()
    """Milliseconds until each chunk was."""


def parse_request(method: str, path: str, query: str, content_type: str | None, body: bytes) -> ExchangeRequest:
    """Return a request in the form in which it is saved and compared."""
    media_type, _, boundary = (content_type or "").partition("boundary=")
    boundary = boundary.partition(";")[0].strip().strip('"')
    if boundary and media_type.strip().lower().startswith("multipart/"):
        # It is drawn anew for each request.
        body = body.replace(boundary.encode("latin-1"), b"boundary")
        content_type = f"{media_type.strip()} boundary=boundary"
    body = _remove_tokens(body)
    query, path = (_remove_tokens(text.encode("latin-1")).decode("latin-1") for text in (query, path))
    return ExchangeRequest(method=method, path=path, query=query, content_type=content_type, body=_parse_body(body))


def _parse_body(body: bytes) -> dict[str, Any] | None:
    if not body:
        return None
    try:
        value = loads_strictly(body, parse_float)
        # Fails for what is nested too deeply to be laid out.
        to_jsonable_python(value)
        return {"json": value}
    except (ValueError, RecursionError):
        pass
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}


def parse_float(text: str) -> int | float:
    """Return a number by its value: 1.0 is 1."""
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is not JSON")
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _remove_tokens(data: bytes) -> bytes:
    """Return a request's text without the tokens that it may hold for other providers.

    >>> _remove_tokens(b'{"headers": {"Authorization": "Bearer sk-12345678"}}')
    b'{"headers": {"Authorization": "Bearer xxxxxxxxxxx"}}'
    """
    for pattern in TOKEN_PATTERNS:
        data = re.sub(pattern, _remove_group, data)
    return data


def _remove_group(match: re.Match[bytes]) -> bytes:
    start, end = (at - match.start() for at in match.span(1))
    return match[0][:start] + b"x" * (end - start) + match[0][end:]
