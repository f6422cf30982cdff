"""Step 3 of a call: send a request, wait, and send it again where that is safe.

Method, URL, headers, body and configuration are the request's, whatever endpoint it goes to. The synchronous and the
asynchronous half read the same, but for what only one of them can do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, Self, cast
from urllib.parse import urlsplit

import anyio
import httpx

from cfai._config import BoundedWait, TimeBudget
from cfai._credentials import Setting
from cfai._errors import APIConnectionError, APITimeoutError, CfaiError, InputError
from cfai._log import log_failure, log_headers, log_retry, logger
from cfai._request import CREDENTIAL_HEADERS, ApiRequest
from cfai._response import (
    ApiResponse,
    build_broken_error,
    build_response,
    build_response_error,
    find_cause,
    is_body_streamed,
    make_too_large_error,
    map_transport_error,
    redact_headers,
)
from cfai._transport.attempt import Attempt
from cfai._transport.event_loop import unwind
from cfai._transport.pool import ClientPool, PooledClient
from cfai._transport.proxies import describe_proxy, list_proxy_secrets
from cfai._transport.retry import compute_retry_pause

MAX_ERROR_BYTES = 1024 * 1024
"""The bytes of an error's body that are read."""

ERROR_READ_TIMEOUT = 10.0
"""Seconds that an error's body may take: its status is known already."""

_FIRST_SERVER_ERROR = 500
_SWITCHING_PROTOCOLS = 101
"""The status of a WebSocket that was opened. It answers only a request that asks for one."""


def send(pool: ClientPool, request: ApiRequest) -> ApiResponse:
    """Return the answer to a request: 2xx, or any if it is raw; its body unread if it is a stream. Raises all else."""
    started = time.monotonic() if request.started is None else request.started
    budget = TimeBudget(request.config.timeout, request.config.total_timeout, started)
    attempts, pause = 0, 0.0
    while True:
        try:
            if attempts:
                time.sleep(pause)
            attempts += 1
            response = _send_once(pool, request, budget)
            response.attempts = attempts
            return response
        except CfaiError as error:
            pause = _find_pause(attempts, error, request, budget)
            if pause is None:
                _log_end(request, budget, attempts, error)
                raise
            log_retry(request.label, attempts, pause, error)
        except BaseException as error:  # cancelled, interrupted, or no failure of the network
            _log_end(request, budget, attempts, error)
            raise


async def asend(pool: ClientPool, request: ApiRequest) -> ApiResponse:
    """Return the answer to a request: 2xx, or any if it is raw; its body unread if it is a stream. Raises all else."""
    started = time.monotonic() if request.started is None else request.started
    budget = TimeBudget(request.config.timeout, request.config.total_timeout, started)
    attempts, pause = 0, 0.0
    while True:
        try:
            if attempts:
                await anyio.sleep(pause)
            attempts += 1
            response = await _asend_once(pool, request, budget)
            response.attempts = attempts
            return response
        except CfaiError as error:
            pause = _find_pause(attempts, error, request, budget)
            if pause is None:
                _log_end(request, budget, attempts, error)
                raise
            log_retry(request.label, attempts, pause, error)
        except BaseException as error:  # cancelled, interrupted, or no failure of the network
            _log_end(request, budget, attempts, error)
            raise


def _log_end(request: ApiRequest, budget: TimeBudget, attempts: int, error: BaseException) -> None:
    if logger.isEnabledFor(logging.INFO):
        log_failure(request.label, budget.elapsed(time.monotonic()), attempts, error)


def _send_once(pool: ClientPool, request: ApiRequest, budget: TimeBudget) -> ApiResponse:
    pooled_client, attempt = pool.get_sync_client(), Attempt()
    http_request = _build_http_request(pooled_client, request, budget, attempt.trace)
    http, failure = cast("Any", None), None
    try:
        http = pooled_client.client.send(http_request, stream=True, auth=None, follow_redirects=False)
    except Exception as exception:
        failure = _map_exception(
            exception,
            request,
            budget,
            pooled_client.proxies,
            is_closed=pool.is_closed,
            may_be_billed=attempt.may_be_billed(exception, time.monotonic()),
            is_unsent=attempt.is_unsent,
        )
    finally:
        _strip_request(http_request)
    if failure is not None:
        raise failure
    response = build_response(
        http, request.model, budget=budget, now=time.monotonic(), pool=pool, pooled_client=pooled_client
    )
    if logger.isEnabledFor(logging.DEBUG):
        log_headers(f"{request.label} answered {http.status_code},", redact_headers(response.headers, request.secrets))
    if not http.is_success and not request.wants_raw:
        error = build_response_error(response, request, _read_error(http, http_request, budget), time.time())
        del http, response  # a traceback shows them, and a reason or a header may repeat the token
        raise error
    http_request.extensions["timeout"]["read"] = budget.shorten(budget.timeout.read, time.monotonic())
    if not is_body_streamed(response, request):
        response.content = _read(response, request)
    return response


async def _asend_once(pool: ClientPool, request: ApiRequest, budget: TimeBudget) -> ApiResponse:
    pooled_client, attempt = await pool.get_async_client(), Attempt()
    http_request = _build_http_request(pooled_client, request, budget, attempt.atrace)
    http, failure = cast("Any", None), None
    try:
        with _time_limit(budget):
            http = await pooled_client.client.send(http_request, stream=True, auth=None, follow_redirects=False)
    except Exception as exception:
        failure = _map_exception(
            exception,
            request,
            budget,
            pooled_client.proxies,
            is_closed=pool.is_closed,
            may_be_billed=attempt.may_be_billed(exception, time.monotonic()),
            is_unsent=attempt.is_unsent,
        )
    finally:
        _strip_request(http_request)
    if failure is not None:
        raise failure
    response = build_response(
        http, request.model, budget=budget, now=time.monotonic(), pool=pool, pooled_client=pooled_client
    )
    if logger.isEnabledFor(logging.DEBUG):
        log_headers(f"{request.label} answered {http.status_code},", redact_headers(response.headers, request.secrets))
    if not (http.is_success or http.status_code == _SWITCHING_PROTOCOLS or request.wants_raw):
        error = build_response_error(response, request, await _aread_error(http, http_request, budget), time.time())
        del http, response  # a traceback shows them, and a reason or a header may repeat the token
        raise error
    http_request.extensions["timeout"]["read"] = budget.shorten(budget.timeout.read, time.monotonic())
    if not is_body_streamed(response, request):
        response.content = await _aread(response, request)
    return response


def _read(response: ApiResponse, request: ApiRequest) -> bytes:
    """Read the whole body of an answer."""
    http, budget, parts, size = response.http, response.budget, list[bytes](), 0
    failure: Exception | None = None
    try:
        for chunk in http.iter_bytes():
            parts.append(chunk)
            size += len(chunk)
            if size > request.config.max_answer_bytes:
                raise make_too_large_error(response, request)
            budget.remaining(time.monotonic())
    except Exception as exception:
        failure = _map_broken(exception, response, request, b"".join(parts))
    finally:
        http.close()
    if failure is not None:
        raise failure
    http._content = b"".join(parts)  # as `read` leaves it, for whoever takes the raw response
    return http._content


async def _aread(response: ApiResponse, request: ApiRequest) -> bytes:
    """Read the whole body of an answer."""
    http, budget, parts, size = response.http, response.budget, list[bytes](), 0
    failure: Exception | None = None
    chunks = http.aiter_bytes()
    try:
        with _time_limit(budget):
            async for chunk in chunks:
                parts.append(chunk)
                size += len(chunk)
                if size > request.config.max_answer_bytes:
                    raise make_too_large_error(response, request)
    except Exception as exception:
        failure = _map_broken(exception, response, request, b"".join(parts))
    finally:
        await http.aclose()
        await unwind(chunks)
    if failure is not None:
        raise failure
    http._content = b"".join(parts)  # as `read` leaves it, for whoever takes the raw response
    return http._content


def _read_error(http: Any, http_request: Any, budget: TimeBudget) -> bytes:
    """Read an error's body, within `ERROR_READ_TIMEOUT`. Its status is known, so what breaks here is ignored."""
    seconds = budget.shorten(ERROR_READ_TIMEOUT, time.monotonic()) or ERROR_READ_TIMEOUT
    end = time.monotonic() + seconds
    http_request.extensions["timeout"]["read"] = BoundedWait(seconds, end)
    content = bytearray()
    try:
        for chunk in http.iter_bytes():
            content += chunk
            if len(content) >= MAX_ERROR_BYTES or time.monotonic() > end:
                break
    except Exception as exception:
        if map_transport_error(exception, "", "") is None:
            raise
    finally:
        http.close()
    return bytes(content[:MAX_ERROR_BYTES])


async def _aread_error(http: Any, http_request: Any, budget: TimeBudget) -> bytes:
    """Read an error's body, within `ERROR_READ_TIMEOUT`. Its status is known, so what breaks here is ignored."""
    seconds = budget.shorten(ERROR_READ_TIMEOUT, time.monotonic()) or ERROR_READ_TIMEOUT
    http_request.extensions["timeout"]["read"] = seconds
    content, chunks = bytearray(), http.aiter_bytes()
    try:
        with anyio.move_on_after(seconds):
            async for chunk in chunks:
                content += chunk
                if len(content) >= MAX_ERROR_BYTES:
                    break
    except Exception as exception:
        if map_transport_error(exception, "", "") is None:
            raise
    finally:
        await http.aclose()
        await unwind(chunks)
    return bytes(content[:MAX_ERROR_BYTES])


def _time_limit(budget: TimeBudget) -> AbstractContextManager[object]:
    """Return a block that is cancelled with `TimeoutError` once the total timeout has passed, if there is one."""
    return nullcontext() if budget.total is None else anyio.fail_after(budget.remaining(time.monotonic()))


def _find_pause(attempts: int, error: CfaiError, request: ApiRequest, budget: TimeBudget) -> float | None:
    """Return the seconds to wait before the request is sent again, or `None` to raise `error`."""
    if hasattr(request.body, "__next__") or hasattr(request.body, "__anext__"):
        return None  # a body that is iterated once cannot be sent again
    if request.makes_something and (error.status_code or 0) >= _FIRST_SERVER_ERROR:
        return None
    pause = compute_retry_pause(request.config.retry, attempts, error, reject_if_busy=request.reject_if_busy)
    return pause if pause is not None and budget.allows_pause(pause, time.monotonic()) else None


def _build_http_request(pooled_client: PooledClient, request: ApiRequest, budget: TimeBudget, trace: Any) -> Any:
    if logger.isEnabledFor(logging.DEBUG):
        log_headers(f"{request.method} {request.url}", request.headers)
    client, timeout, now = pooled_client.client, budget.timeout, time.monotonic()
    budget.remaining(now)  # raises if there is none
    timeouts = {
        "connect": budget.shorten(timeout.connect, now),
        "read": budget.shorten(timeout.first_byte, now),
        "write": budget.shorten(timeout.write, now),
        "pool": budget.shorten(timeout.pool, now),
    }
    url = _parse_url(cast("Any", type(client.base_url)), request.url)
    body = request.body
    if not isinstance(body, bytes):
        body = _adapt_stream(body, is_async=hasattr(client, "aclose"))
    if pooled_client.is_own and body:
        http_request = _build_own_request(client, url, request, body)
        http_request.extensions["timeout"] = timeouts
    else:
        # A client takes only requests of its own library; its headers and parameters are its owner's.
        http_request = client.build_request(
            request.method, url, headers=dict(request.headers), content=body, timeout=tuple(timeouts.values())
        )
    http_request.extensions |= {"trace": trace, "cfai_request": request}
    return http_request


class _RequestBody(httpx.ByteStream):
    """A body in one piece. That of httpx is a generator, which trio complains of if writing it is cancelled."""

    def __aiter__(self) -> Any:
        return _OnePiece(b"".join(self))


class _OnePiece:
    """An asynchronous iterator over one piece."""

    def __init__(self, piece: bytes) -> None:
        self._pieces = [piece]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop()


class _StreamedBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces. That of httpx has a generator, too."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)


class _PiecesInThread:
    """An asynchronous iterable over pieces that are read from disk: each in a thread, beside the event loop."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _IteratorInThread(iter(self._pieces))


class _IteratorInThread:
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        from cfai._threads import run_in_thread  # not sooner: it imports asyncio

        piece = await run_in_thread(next, self._pieces, None)
        if piece is None:
            raise StopAsyncIteration
        return piece


def _adapt_stream(body: Iterable[bytes] | AsyncIterable[bytes], *, is_async: bool) -> Any:
    """Return a streamed body as its client reads it."""
    if isinstance(body, AsyncIterable):
        if not is_async:
            raise InputError("a stream that is awaited cannot be sent by `run`: call `arun`")
        return body
    return _PiecesInThread(body) if is_async else body


def _build_own_request(client: Any, url: Any, request: ApiRequest, body: Any) -> httpx.Request:
    """Return a request for a client of our own, which has nothing to merge into it: 5 µs, where httpx's takes 35."""
    headers = {
        "host": url.netloc.decode("ascii"),
        "accept-encoding": client.headers["accept-encoding"],
        "connection": "keep-alive",
        **request.headers,
    }
    if not isinstance(body, bytes):
        if "content-length" not in headers:
            headers["transfer-encoding"] = "chunked"
        return httpx.Request(request.method, url, headers=headers, stream=_StreamedBody(body))
    headers["content-length"] = str(len(body))
    http_request = httpx.Request(request.method, url, headers=headers, stream=_RequestBody(body))
    http_request.read()
    return http_request


@lru_cache(maxsize=256)
def _parse_url(kind: Any, url: str) -> Any:
    """Return a URL as the client's library has it. Parsing takes a twentieth of a short call, and few differ."""
    return kind(url)


def _strip_request(http_request: Any) -> None:
    # From here on the request lives in responses, exceptions and their pickles. Nor is the answer's body traced, which
    # takes as long as building the request (5 µs): what has begun to be answered may be billed.
    http_request.extensions.pop("trace", None)
    http_request.extensions.pop("cfai_request", None)
    for name in CREDENTIAL_HEADERS:
        if name in http_request.headers:
            del http_request.headers[name]


def _map_broken(exception: Exception, response: ApiResponse, request: ApiRequest, content: bytes) -> Exception:
    """Return the error for a body that broke off, with what had come of it."""
    proxies, is_closed = response.pooled_client.proxies, response.pool.is_closed
    error = _map_exception(exception, request, response.budget, proxies, is_closed=is_closed, may_be_billed=True)
    if isinstance(error, APIConnectionError):
        error = build_broken_error(exception, error, response, request, content)
        error.__cause__ = find_cause(exception, request.secrets)
    return error


def _map_exception(
    exception: Exception,
    request: ApiRequest,
    budget: TimeBudget,
    proxies: Mapping[str, Setting],
    *,
    is_closed: bool,
    may_be_billed: bool,
    is_unsent: bool = False,
) -> Exception:
    """Return the error that `exception` stands for; one that is not the network's stays as it is.

    It is raised when `exception` is handled: else that would be its context, whatever credentials it holds.
    """
    host, secrets = request.host, request.secrets
    if proxy := proxies.get(urlsplit(request.url).hostname or ""):
        host, secrets = f"{host} through {describe_proxy(proxy)}", [*secrets, *list_proxy_secrets(proxy)]
    if is_closed:
        host = f"{host} before the Ai was closed"
    may_be_billed = may_be_billed and not request.only_reads
    error: Exception | None = map_transport_error(
        exception, request.model, host, may_be_billed=may_be_billed, is_unsent=is_unsent, secrets=secrets
    )
    if isinstance(exception, TimeoutError) and budget.total is not None:
        error = budget.make_error()
    if error is None:
        return exception
    if isinstance(error, APITimeoutError) and budget.is_exceeded(time.monotonic()):
        error = budget.make_error()
    error.__cause__ = find_cause(exception, secrets)
    return error
