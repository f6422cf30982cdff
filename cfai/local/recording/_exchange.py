"""One exchange, and the file that it is kept in: JSON to be read, changed and compared by people."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn, cast
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cfai.local.recording._redact import remove_tokens

FORMAT = 1
ACCOUNT_PATH = "{account_id}"
"""What stands in a path for the account."""

Cut = Literal["by the client", "by the service", "by the recorder"]

_DEEPEST = 100
_MODEL_PATH = re.compile(r"/ai/run/(.+)|/workers-ai/(?:run/)?(.+)")
_HEADER_NAME = r"[0-9A-Za-z!#$%&'*+.^_`|~-]+"
_HEADER_VALUE = r"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?"
_NUMBERS = re.compile(r"\[\n\s+(-?[\d.eE+-]+(?:,\n\s+-?[\d.eE+-]+)*)\n\s+\]")


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
    """One member: `json` has the value, `text` the text, `sha256` the digest of any other bytes."""

    @property
    def model(self) -> str | None:
        """The model that it asks for, by the path or by the body."""
        if found := _MODEL_PATH.search(self.path):
            return unquote(found[1] or found[2])
        value = (self.body or {}).get("json")
        named: Any = cast("dict[str, Any]", value).get("model") if isinstance(value, dict) else None
        return named if isinstance(named, str) else None


class BinaryChunk(_Part):
    """A chunk that is no UTF-8."""

    base64: str


class ExchangeTimes(_Part):
    """Milliseconds since the request was sent."""

    head: int = Field(default=0, ge=0)
    """Until the status and the headers were there."""

    chunks: list[int] = []
    """Until each chunk was."""


class ExchangeResponse(_Part):
    """The response of an exchange."""

    status: int = Field(ge=200, le=599)
    headers: dict[str, str]
    cut: Cut | None = None
    """Who broke off before the end."""

    times: ExchangeTimes = ExchangeTimes()
    chunks: list[str | BinaryChunk]

    @property
    def data(self) -> list[bytes]:
        """The chunks in bytes."""
        return [
            chunk.encode() if isinstance(chunk, str) else base64.b64decode(chunk.base64, validate=True)
            for chunk in self.chunks
        ]


class Exchange(_Part):
    """A request and its answer."""

    format: Literal[1]
    request: ExchangeRequest
    response: ExchangeResponse


def parse_request(method: str, path: str, query: str, content_type: str | None, body: bytes) -> ExchangeRequest:
    """Return a request in the form in which it is kept and compared."""
    kind, _, boundary = (content_type or "").partition("boundary=")
    boundary = boundary.partition(";")[0].strip().strip('"')
    if boundary and kind.strip().lower().startswith("multipart/"):
        # It is drawn anew for each request.
        body = body.replace(boundary.encode("latin-1"), b"boundary")
        content_type = f"{kind.strip()} boundary=boundary"
    body = remove_tokens(body)
    query, path = (remove_tokens(text.encode("latin-1")).decode("latin-1") for text in (query, path))
    return ExchangeRequest(method=method, path=path, query=query, content_type=content_type, body=_parse_body(body))


def encode_chunks(data: Iterable[bytes]) -> list[str | BinaryChunk]:
    """Chunks as a file has them."""
    return [_encode_chunk(each) for each in data]


def save_exchange(exchange: Exchange, folder: Path, number: int) -> Path:
    """Write a file, at once and whole; the path of it. Raises `OSError`."""
    text = _format_json(_to_members(exchange))
    while (path := folder / f"{number:04d}-{_build_slug(exchange.request)}.json").exists():
        # Another recorder keeps its own here.
        number += 1
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, "utf-8", newline="\n")
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    return path


def load_exchange(path: Path) -> Exchange:
    """Read a file. Raises `ValueError` for one that is no recording, and says what is wrong with it."""
    try:
        exchange = Exchange.model_validate(json.loads(path.read_bytes(), parse_float=_parse_json_number))
        exchange.response.data  # noqa: B018 -- what cannot be decoded is found now
        _check_headers(exchange.response.headers)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path} is no recording: {where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no recording: {error}") from error
    return exchange


def list_recordings(folder: Path) -> list[Path]:
    """Return the recordings in a folder, in their order."""
    return [
        path for _, path in sorted((parse_number(path), path) for path in folder.glob("*.json") if parse_number(path))
    ]


def parse_number(path: Path) -> int:
    """Return the number of a recording by its name; 0 for any other file."""
    found = re.match(r"(\d+)-", path.name)
    return int(found[1]) if found else 0


def _check_headers(headers: Mapping[str, str]) -> None:
    """Raise `ValueError` for a header that no answer can have."""
    for name, value in headers.items():
        wanted = r"\d+" if name.lower() == "content-length" else _HEADER_VALUE
        if not re.fullmatch(_HEADER_NAME, name) or not re.fullmatch(wanted, value):
            raise ValueError(f"response.headers.{name}: {value!r} cannot be sent")


def _parse_body(body: bytes) -> dict[str, Any] | None:
    if not body:
        return None
    try:
        value = json.loads(body, parse_float=_parse_json_number, parse_constant=_reject_constant)
        if _is_deeper(value, _DEEPEST):
            raise ValueError("too deep to be laid out")
        return {"json": value}
    except (ValueError, RecursionError):
        pass
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}


def _parse_json_number(text: str) -> int | float:
    """Return a number by its value: 1.0 is 1."""
    value = float(text)
    if value in (float("inf"), float("-inf")):
        return _reject_constant(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _is_deeper(value: Any, depth: int) -> bool:
    """Return whether objects and lists stand in each other more than `depth` times."""
    level: list[Any] = [value] if type(value) in (dict, list) else []
    for _ in range(depth):
        held: list[Any] = []
        for holder in level:
            held += holder.values() if type(holder) is dict else holder
        level = [each for each in held if type(each) in (dict, list)]
        if not level:
            return False
    return True


def _encode_chunk(data: bytes) -> str | BinaryChunk:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return BinaryChunk(base64=base64.b64encode(data).decode())


def _to_members(exchange: Exchange) -> dict[str, Any]:
    """Return what a file holds: everything but what is not there."""
    request, answer = exchange.request, exchange.response
    response = answer.model_dump(mode="json")
    if answer.cut is None:
        del response["cut"]
    return {"format": FORMAT, "request": {name: value for name, value in request if value}, "response": response}


def _format_json(value: Any) -> str:
    """JSON with a line for each member, but for lists of numbers."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=2)
        text.encode()
    except UnicodeEncodeError:
        # Half a character: JSON can write it, UTF-8 cannot.
        text = json.dumps(value, indent=2)
    return _NUMBERS.sub(lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]", text) + "\n"


def _build_slug(request: ExchangeRequest) -> str:
    name = request.model or request.path.partition(ACCOUNT_PATH)[2]
    return re.sub(r"[^0-9A-Za-z.]+", "-", name).strip("-.")[:80] or "request"
