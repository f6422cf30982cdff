"""Step 3 of a call: send a request, wait, and send it again where that is safe.

It knows nothing of models: method, URL, headers, body and configuration are the request's. The synchronous and the
asynchronous half read the same, but for what only one of them can do.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, NoReturn, cast

import anyio

from cfai._errors import APITimeoutError, CfaiError, InferenceUpstreamError
from cfai._request import CREDENTIAL_HEADERS, ApiRequest
from cfai._response import ApiResponse, build_error, is_body_streamed, map_transport_error, media_kind, parse_meta
from cfai._transport.attempt import AsyncAttempt, Attempt
from cfai._transport.pool import ClientPool, PooledClient
from cfai._transport.retry import pause_before_retry
from cfai._transport.time_budget import TimeBudget
from cfai._transport.unwind import unwind

LARGEST_ERROR = 1024 * 1024
"""The bytes of an error's body that are read."""


def send(pool: ClientPool, request: ApiRequest) -> ApiResponse:
    """Return the answer to a request: 2xx, or any if it is raw; its body unread if it is a stream. Raises all else."""
    started = time.monotonic() if request.started is None else request.started
    budget = TimeBudget(request.config.timeout, request.config.total_timeout, started)
    attempts = 1
    while True:
        try:
            return _send_once(pool, pool.get_sync_client(), request, budget)
        except CfaiError as error:
            pause = _decide_pause(attempts, error, request, budget)
            if pause is None:
                raise
        time.sleep(pause)
        attempts += 1


async def asend(pool: ClientPool, request: ApiRequest) -> ApiResponse:
    """Return the answer to a request: 2xx, or any if it is raw; its body unread if it is a stream. Raises all else."""
    started = time.monotonic() if request.started is None else request.started
    budget = TimeBudget(request.config.timeout, request.config.total_timeout, started)
    attempts = 1
    while True:
        try:
            return await _asend_once(pool, await pool.get_async_client(), request, budget)
        except CfaiError as error:
            pause = _decide_pause(attempts, error, request, budget)
            if pause is None:
                raise
        await anyio.sleep(pause)
        attempts += 1


def _send_once(pool: ClientPool, connections: PooledClient, request: ApiRequest, budget: TimeBudget) -> ApiResponse:
    attempt = Attempt()
    http_request = _build_request(connections.client, request, budget, attempt.trace)
    try:
        http = connections.client.send(http_request, stream=True, auth=None, follow_redirects=False)
    except Exception as exception:
        _raise_mapped(exception, request, budget, may_be_billed=attempt.may_be_billed(exception, time.monotonic()))
    finally:
        _forget_credentials(http_request)
    if not http.is_success and not request.wants_raw:
        raise _build_error(http, request, _read_error(http, http_request, budget))
    response = _build_response(http, request, budget, pool, connections)
    http_request.extensions["timeout"]["read"] = budget.read_timeout(time.monotonic())
    if not is_body_streamed(response, request):
        response.content = _read(http, request, budget)
    return response


async def _asend_once(
    pool: ClientPool, connections: PooledClient, request: ApiRequest, budget: TimeBudget
) -> ApiResponse:
    attempt = AsyncAttempt()
    http_request = _build_request(connections.client, request, budget, attempt.trace)
    try:
        with _time_limit(budget):
            http = await connections.client.send(http_request, stream=True, auth=None, follow_redirects=False)
    except Exception as exception:
        _raise_mapped(exception, request, budget, may_be_billed=attempt.may_be_billed(exception, time.monotonic()))
    finally:
        _forget_credentials(http_request)
    connections.watch(http)
    if not http.is_success and not request.wants_raw:
        raise _build_error(http, request, await _aread_error(http, http_request, budget))
    response = _build_response(http, request, budget, pool, connections)
    http_request.extensions["timeout"]["read"] = budget.read_timeout(time.monotonic())
    if not is_body_streamed(response, request):
        response.content = await _aread(http, request, budget)
    return response


def _read(http: Any, request: ApiRequest, budget: TimeBudget) -> bytes:
    """Read the whole body of an answer. The total timeout is looked at between its chunks."""
    try:
        if budget.total is None:
            return http.read()
        chunks: list[bytes] = []
        for chunk in http.iter_bytes():
            budget.remaining(time.monotonic())
            chunks.append(chunk)
        return b"".join(chunks)
    except Exception as exception:
        _raise_mapped(exception, request, budget, may_be_billed=True)
    finally:
        http.close()


async def _aread(http: Any, request: ApiRequest, budget: TimeBudget) -> bytes:
    """Read the whole body of an answer."""
    try:
        with _time_limit(budget):
            return await http.aread()
    except Exception as exception:
        _raise_mapped(exception, request, budget, may_be_billed=True)
    finally:
        await http.aclose()


def _read_error(http: Any, http_request: Any, budget: TimeBudget) -> bytes:
    """Read as much of an error's body as arrives in a moment. Its status is known, so what breaks here is ignored."""
    seconds = http_request.extensions["timeout"]["read"] = budget.error_read_timeout(time.monotonic())
    content, end = bytearray(), time.monotonic() + seconds
    try:
        for chunk in http.iter_bytes():
            content += chunk
            if len(content) >= LARGEST_ERROR or time.monotonic() > end:
                break
    except Exception as exception:
        if map_transport_error(exception, "", "") is None:
            raise
    finally:
        http.close()
    return bytes(content[:LARGEST_ERROR])


async def _aread_error(http: Any, http_request: Any, budget: TimeBudget) -> bytes:
    """Read as much of an error's body as arrives in a moment. Its status is known, so what breaks here is ignored."""
    seconds = http_request.extensions["timeout"]["read"] = budget.error_read_timeout(time.monotonic())
    content, chunks = bytearray(), http.aiter_bytes()
    try:
        with anyio.move_on_after(seconds):
            async for chunk in chunks:
                content += chunk
                if len(content) >= LARGEST_ERROR:
                    break
    except Exception as exception:
        if map_transport_error(exception, "", "") is None:
            raise
    finally:
        await http.aclose()
        await unwind(chunks)
    return bytes(content[:LARGEST_ERROR])


def _time_limit(budget: TimeBudget) -> AbstractContextManager[object]:
    """Return a block that is cancelled with `TimeoutError` once the total timeout has passed, if there is one."""
    return nullcontext() if budget.total is None else anyio.fail_after(budget.remaining(time.monotonic()))


def _decide_pause(attempts: int, error: CfaiError, request: ApiRequest, budget: TimeBudget) -> float | None:
    """Return the seconds to wait before the request is sent again, or `None` to raise `error`."""
    if not isinstance(request.body, bytes) and is_iterated_once(request.body):
        return None
    pause = pause_before_retry(request.config.retry, attempts, error, when_busy=request.retries_when_busy)
    return pause if pause is not None and budget.allows_pause(pause, time.monotonic()) else None


def is_iterated_once(body: Any) -> bool:
    """Return True for a body that can be iterated only once, and so never be sent again."""
    return hasattr(body, "__next__") or hasattr(body, "__anext__")


def _build_request(client: Any, request: ApiRequest, budget: TimeBudget, trace: Any) -> Any:
    # A client takes only requests of its own library; if it was passed in, its headers and parameters are its owner's.
    http_request = client.build_request(
        request.method,
        _parse_url(cast("Any", type(client.base_url)), request.url),
        headers=dict(request.headers),
        content=request.body,
        timeout=budget.timeouts(time.monotonic()),
    )
    http_request.extensions["trace"] = trace
    return http_request


@lru_cache(maxsize=256)
def _parse_url(kind: Any, url: str) -> Any:
    """Return a URL as the client's library has it. Parsing takes a twentieth of a short call, and few differ."""
    return kind(url)


def _build_response(
    http: Any, request: ApiRequest, budget: TimeBudget, pool: ClientPool, connections: PooledClient
) -> ApiResponse:
    headers = _decode_headers(http)
    return ApiResponse(
        http=http,
        headers=headers,
        meta=parse_meta(request.model, http.status_code, headers, time.monotonic() - budget.started),
        kind=media_kind(headers.get("content-type", "")),
        content=None,
        started=budget.started,
        pool=pool,
        connections=connections,
    )


def _build_error(http: Any, request: ApiRequest, content: bytes) -> InferenceUpstreamError:
    return build_error(
        http.status_code,
        _decode_headers(http),
        content,
        model=request.model,
        inputs=getattr(request, "inputs", None),
        now=time.time(),
        secrets=request.secrets,
    )


def _decode_headers(http: Any) -> dict[str, str]:
    """Return an answer's headers, names in lower case. Each look-up in httpx's own costs as much as all of this."""
    return {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in http.headers.raw}


def _forget_credentials(http_request: Any) -> None:
    # From here on the request lives in responses, exceptions and their pickles.
    for name in CREDENTIAL_HEADERS:
        if name in http_request.headers:
            del http_request.headers[name]


def _raise_mapped(exception: Exception, request: ApiRequest, budget: TimeBudget, *, may_be_billed: bool) -> NoReturn:
    """Raise what `exception` stands for, with it as the cause; one that is not the network's goes on as it is."""
    if isinstance(exception, TimeoutError) and budget.total is not None:
        raise budget.make_error() from exception
    error = map_transport_error(exception, request.model, request.host, may_be_billed=may_be_billed)
    if error is None:
        raise exception
    if isinstance(error, APITimeoutError) and budget.is_exceeded(time.monotonic()):
        raise budget.make_error() from exception
    raise error from exception
