"""Copy exchanges while a client makes them, and redact them so that they can be written down."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from cfai._credentials import Credentials
from cfai.local import Exchange
from cfai.local.recording import ACCOUNT_PATH, RawExchange, Redactor
from cfai.local.server import LOCAL_ACCOUNT_ID


class ExchangeSink(Protocol):
    """Takes exchanges, to write them down or to look at them."""

    def add(self, exchange: Exchange) -> object:
        """Take one that is over, with nothing secret in it."""
        ...


def make_recording_hook(exchanges: list[RawExchange]) -> Callable[[httpx.Response], None]:
    """Return a hook for an httpx client that adds each exchange to a list, its chunks as they are read."""

    def hook(response: httpx.Response) -> None:
        request, chunks = response.request, list[bytes]()
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        exchanges.append(
            RawExchange(
                number=len(exchanges) + 1,
                method=request.method,
                path=path,
                query=query,
                request_content_type=request.headers.get("content-type"),
                request_body=request.content,
                status=response.status_code,
                response_headers={name.lower(): value for name, value in response.headers.items()},
                response_chunks=chunks,
            )
        )
        response.stream = _CopyingStream(response.stream, chunks)

    return hook


class _CopyingStream(httpx.SyncByteStream):
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


class ExchangeRedactor:
    """Takes the secrets of an account and the ids of requests out of exchanges, the same way in each."""

    def __init__(self, account: Credentials) -> None:
        self._account = f"/{quote(account.account_id, safe='')}/"
        self._redactor = Redactor({account.account_id: LOCAL_ACCOUNT_ID, account.token.value: "x"})

    def __call__(self, exchange: RawExchange) -> Exchange:
        """Return the exchange as it may be written down."""
        path = f"{exchange.path}/".replace(self._account, f"/{ACCOUNT_PATH}/", 1)[:-1]
        return self._redactor.redact(_decompress(replace(exchange, path=path)))

    def redact_text(self, text: str) -> str:
        """Return a text as it may be shown: without secrets, with the ids of exchanges that were redacted before."""
        return self._redactor.redact_request(text.encode("utf-8", "replace")).decode("utf-8", "replace")


def _decompress(exchange: RawExchange) -> RawExchange:
    """Return an exchange with a body that can be searched for secrets."""
    encoding = exchange.response_headers.get("content-encoding", "identity")
    if encoding == "identity":
        return exchange
    try:
        body = zlib.decompress(b"".join(exchange.response_chunks), zlib.MAX_WBITS | 32)
    except zlib.error:
        body = f"[a body in the encoding {encoding}]".encode()
    headers = {name: value for name, value in exchange.response_headers.items() if name != "content-length"}
    return replace(exchange, response_headers=headers, response_chunks=[body])
