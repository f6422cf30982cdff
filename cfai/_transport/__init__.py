"""Step 3 of a call: how a request is sent. Retries, time budget and connections are the same for every endpoint."""

from cfai._transport.background_reader import BackgroundReader
from cfai._transport.event_loop import get_running_loop, start_system_task
from cfai._transport.network import LAST_LOOK
from cfai._transport.pool import (
    AsyncHttpClient,
    ClientPool,
    HttpClient,
    PooledClient,
    has_own_connection,
    make_client,
)
from cfai._transport.proxies import check_proxy_url, check_socks, find_proxy, parse_proxy
from cfai._transport.retry import compute_retry_pause
from cfai._transport.send import asend, send
from cfai._transport.tls import make_tls_context

__all__ = [
    "LAST_LOOK",
    "AsyncHttpClient",
    "BackgroundReader",
    "ClientPool",
    "HttpClient",
    "PooledClient",
    "asend",
    "check_proxy_url",
    "check_socks",
    "compute_retry_pause",
    "find_proxy",
    "get_running_loop",
    "has_own_connection",
    "make_client",
    "make_tls_context",
    "parse_proxy",
    "send",
    "start_system_task",
]
