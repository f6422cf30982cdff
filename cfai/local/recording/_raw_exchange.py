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


def redact(passed: RawExchange, redactor: Redactor) -> Exchange:
    """The exchange as it may be written down."""
    for text in (passed.query.encode("latin-1"), passed.sent):
        redactor.hide_tokens(text)
    redactor.follow(passed.sent, passed.number)
    path, query, content_type = (
        redactor.redact_request(text.encode("latin-1")).decode("latin-1")
        for text in (passed.path, passed.query, passed.content_type or "")
    )
    asked = _exchange.build_request(
        passed.method, path, query, content_type or None, redactor.redact_request(passed.sent)
    )
    sent = b"\n".join([passed.path.encode("latin-1"), passed.query.encode("latin-1"), passed.sent])
    names_ids = passed.method == "POST" or passed.status >= 400
    headers, chunks = redactor.redact_response(
        RawResponse(passed.number, sent, names_ids, passed.headers, passed.chunks)
    )
    response = ExchangeResponse(
        status=passed.status,
        headers=headers,
        cut=passed.cut,
        times=passed.times,
        chunks=_exchange.encode_chunks(chunks),
    )
    return Exchange(format=FORMAT, request=asked, response=response)
