"""Exchanges as they went over the wire: kept while a client makes them, and made fit to be written down."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Any, Protocol
from urllib.parse import quote

import httpx

ACCOUNT = "{account_id}"
"""What stands in a path in place of the account id."""

_KEPT = r"content-(?:type|length|encoding)|retry-after|location|allow|cf-ray|cf-aig?-.*"
"""Headers of an answer that are kept: others say nothing, or hold cookies and ids."""

_IDS = r"(?:.*-)?(?:id|ray)"
_ID = rb"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32})(?![0-9a-fA-F])"
_SHORTEST = 4
"""Characters: a shorter secret is in too many words."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer, the answer's body in the pieces in which it came."""

    method: str
    path: str
    query: str
    content_type: str | None
    """That of the request."""

    sent: bytes
    """The body of the request."""

    status: int
    headers: dict[str, str]
    """Those of the answer, names in lower case."""

    chunks: list[bytes] = field(default_factory=list[bytes])


class Keeper(Protocol):
    """Whatever keeps exchanges."""

    def keep(self, exchange: Exchange) -> object:
        """Takes one that is over, with nothing secret in it."""
        ...


def kept_in(exchanges: list[Exchange]) -> Callable[[httpx.Response], None]:
    """A hook for an httpx client that adds each exchange to a list, its chunks as they are read."""

    def hook(response: httpx.Response) -> None:
        request = response.request
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        kind = request.headers.get("content-type")
        headers = {name.lower(): value for name, value in response.headers.items()}
        exchange = Exchange(request.method, path, query, kind, request.content, response.status_code, headers)
        exchanges.append(exchange)
        response.stream = _Kept(response.stream, exchange.chunks)

    return hook


class _Kept(httpx.SyncByteStream):
    """A body that is copied while it is read."""

    def __init__(self, stream: Any, chunks: list[bytes]) -> None:
        self._stream = stream
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._chunks.append(chunk)
            yield chunk

    def close(self) -> None:
        self._stream.close()


class Redaction:
    """Takes secrets and ids out of exchanges, the same way in each, so that a batch is still asked for by its own id.

    An `x` stands for each character of a secret, a number for an id. What replaces something is as long as it was, so
    that lengths that were announced, and the cuts between chunks, stay true.
    """

    def __init__(self, account_id: str, *secrets: str) -> None:
        self._account = quote(account_id, safe="")
        forms = {account_id, self._account, *secrets}
        self._secrets = sorted((form.encode() for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)
        self._ids: dict[bytes, bytes] = {}

    def __call__(self, exchange: Exchange) -> Exchange:
        """The exchange as it may be written down."""
        for name, value in exchange.headers.items():
            if re.fullmatch(_IDS, name) and len(value) >= _SHORTEST:
                self._stand_in(value.encode())
        headers = {name: self.text(value) for name, value in exchange.headers.items() if re.fullmatch(_KEPT, name)}
        pieces = exchange.chunks
        if (encoding := headers.pop("content-encoding", "identity")) != "identity":
            # What is compressed cannot be searched for secrets.
            headers.pop("content-length", None)
            pieces = [_decompressed(b"".join(pieces), encoding)]
        body = self._clean(b"".join(pieces))
        return replace(
            exchange,
            path=self.text(f"{exchange.path}/".replace(f"/{self._account}/", f"/{ACCOUNT}/")[:-1]),
            query=self.text(exchange.query),
            sent=self._clean(exchange.sent),
            headers=headers,
            chunks=[body[start:end] for start, end in pairwise(accumulate(map(len, pieces), initial=0))],
        )

    def text(self, text: str) -> str:
        """A text as it may be shown or written down."""
        return self._clean(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def _clean(self, content: bytes) -> bytes:
        for secret in self._secrets:
            content = content.replace(secret, b"x" * len(secret))
        content = re.sub(_ID, lambda found: self._stand_in(found[0]), content)
        for id, stand_in in self._ids.items():
            content = content.replace(id, stand_in)
        return content

    def _stand_in(self, id: bytes) -> bytes:
        """Zeros in the shape of an id, which end in its number among the ids."""
        if id in self._ids.values():
            return id
        if id not in self._ids:
            digits = iter(f"{len(self._ids) + 1:0{len(id)}d}"[id.count(b"-") :])
            self._ids[id] = "".join("-" if byte == ord("-") else next(digits) for byte in id).encode()
        return self._ids[id]


def _decompressed(body: bytes, encoding: str) -> bytes:
    try:
        return zlib.decompress(body, zlib.MAX_WBITS | 32)
    except zlib.error:
        return f"[a body in the encoding {encoding}]".encode()
