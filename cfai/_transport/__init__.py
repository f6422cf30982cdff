"""Step 3 of a call: how a request is sent. Retries, time budget and connections are the same for every endpoint."""

from cfai._transport.background_reader import BackgroundReader
from cfai._transport.pool import (
    AsyncHttpClient,
    ClientPool,
    HttpClient,
    PooledClient,
    has_own_connection,
)
from cfai._transport.send import asend, send

__all__ = [
    "AsyncHttpClient",
    "BackgroundReader",
    "ClientPool",
    "HttpClient",
    "PooledClient",
    "asend",
    "has_own_connection",
    "send",
]
