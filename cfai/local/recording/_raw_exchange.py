"""An exchange as it passed by, with all its secrets, and what may be kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cfai.local.recording import _exchange
from cfai.local.recording._exchange import FORMAT, Cut, Exchange, ExchangeResponse, ExchangeTimes
from cfai.local.recording._redact import RawResponse, Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class RawExchange:
    """A request and its answer, bodies as they read without compression."""

    number: int
    """The exchange's number, which stand-ins for its ids end in."""

    method: str
    path: str
    """The path as it came, with `{account_id}` for the account."""

    query: str
    content_type: str | None
    """That of the request."""

    sent: bytes
    """The body of the request."""

    status: int
    headers: Mapping[str, str]
    """Those of the answer, names in lower case."""

    chunks: Sequence[bytes]
    """The body of the answer, in the pieces in which it came."""

    cut: Cut | None = None
    times: ExchangeTimes = field(default_factory=ExchangeTimes)


def redact(exchange: RawExchange, redactor: Redactor) -> Exchange:
    """Return the exchange as it may be written down."""
    for text in (exchange.query.encode("latin-1"), exchange.sent):
        redactor.hide_tokens(text)
    redactor.register_polled_id(exchange.sent, exchange.number)
    path, query, content_type = (
        redactor.redact_request(text.encode("latin-1")).decode("latin-1")
        for text in (exchange.path, exchange.query, exchange.content_type or "")
    )
    asked = _exchange.parse_request(
        exchange.method, path, query, content_type or None, redactor.redact_request(exchange.sent)
    )
    sent = b"\n".join([exchange.path.encode("latin-1"), exchange.query.encode("latin-1"), exchange.sent])
    names_ids = exchange.method == "POST" or exchange.status >= 400
    headers, chunks = redactor.redact_response(
        RawResponse(exchange.number, sent, names_ids, exchange.headers, exchange.chunks)
    )
    response = ExchangeResponse(
        status=exchange.status,
        headers=headers,
        cut=exchange.cut,
        times=exchange.times,
        chunks=_exchange.encode_chunks(chunks),
    )
    return Exchange(format=FORMAT, request=asked, response=response)
