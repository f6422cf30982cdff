"""Sends, pauses and sends again. All that waits before a body is read as a stream waits here."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import anyio
import httpx

from cfai._errors import APITimeoutError, CfaiError, ConfigurationError, InferenceUpstreamError
from cfai._request.build import CREDENTIALS, Request
from cfai._response.errors import error_from, transport_error
from cfai._transport.pool import ClientPool, is_asyncio
from cfai._transport.retry import Retry

LARGEST_ERROR = 1024 * 1024
"""How many bytes of an error's body are read."""

PATIENCE = 10.0
"""Seconds that an error's body may take."""

_LEFT_IN_BUFFERS = 10_000
"""More chunks than can have been received before a response was closed."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """Seconds that each wait of a call may take; `None` is no bound."""

    connect: float | None = 5.0
    first_byte: float | None = 300.0
    """To the answer's first byte: the service may queue a call until it has room."""
    between: float | None = 60.0
    """Between the bytes of an answer."""
    write: float | None = 60.0
    pool: float | None = None
    """For a free connection; bounded by the total_timeout in any case."""

    @classmethod
    def of(cls, value: Any) -> Timeout:
        """Seconds for each operation as in httpx, an `httpx.Timeout` of either library, a `Timeout`, or `None`."""
        if isinstance(value, Timeout):
            return value
        if value is None:
            return cls(None, None, None, None, None)
        if all(hasattr(value, name) for name in ("connect", "read", "write", "pool")):
            return cls(value.connect, value.read, value.read, value.write, value.pool)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise ConfigurationError(
                f"`timeout` must be a positive number of seconds, an `httpx.Timeout`, a `Timeout` or None, got {value!r}"
            )
        return cls(*[float(value)] * 5)


class Plan(NamedTuple):
    """How long one call may take, and how often it may be sent."""

    retry: Retry
    timeout: Timeout
    started: float
    """When the call began, in seconds of `time.monotonic`."""
    total_timeout: float | None = None
    """Seconds that the whole call may take, retries and reading included."""
    raw: bool = False
    """Whether the caller takes any status for an answer."""

    def left(self) -> float | None:
        """Seconds left of the total_timeout. Raises `APITimeoutError` if there are none."""
        if self.total_timeout is None:
            return None
        left = self.started + self.total_timeout - time.monotonic()
        if left <= 0:
            raise self.too_late()
        return left

    def is_over(self) -> bool:
        """Whether the total_timeout has passed."""
        return self.total_timeout is not None and time.monotonic() >= self.started + self.total_timeout

    def too_late(self) -> APITimeoutError:
        return APITimeoutError(f"the total timeout of {self.total_timeout:g} s passed", retryable=False)

    def timeouts(self) -> tuple[float | None, float | None, float | None, float | None]:
        """Connect, read, write and pool, as httpx takes them."""
        left = self.left()
        timeout = self.timeout
        waits = (timeout.connect, timeout.first_byte, timeout.write, timeout.pool)
        return waits if left is None else tuple(left if wait is None else min(wait, left) for wait in waits)  # type: ignore[return-value]

    def between(self) -> float | None:
        """The bound between the bytes of an answer."""
        wait = self.timeout.between
        if self.total_timeout is None:
            return wait
        left = max(0.001, self.started + self.total_timeout - time.monotonic())
        return left if wait is None else min(wait, left)

    def patience(self) -> float:
        """The bound on reading an error's body: its status is known already."""
        if self.total_timeout is None:
            return PATIENCE
        return min(PATIENCE, max(0.001, self.started + self.total_timeout - time.monotonic()))

    def pause(self, attempt: int, error: CfaiError, request: Request) -> float | None:
        """Seconds to wait before the next attempt, or `None` to raise `error`."""
        wait = self.retry.pause(attempt, error, reject_if_busy=request.reject_if_busy)
        if wait is None or self.total_timeout is None:
            return wait
        return wait if self.started + self.total_timeout - time.monotonic() > wait else None

    def scope(self) -> AbstractContextManager[Any]:
        """Bounds what is awaited inside by the total_timeout."""
        left = self.left()
        return nullcontext() if left is None else anyio.fail_after(left)


def send(clients: ClientPool, request: Request, plan: Plan) -> httpx.Response:
    """The answer to `request`, its body unread: 2xx, or any if the plan is raw. Raises what else there is."""
    attempt = 1
    while True:
        try:
            return _send_once(clients, clients.sync_client(), request, plan)
        except CfaiError as error:
            pause = plan.pause(attempt, error, request)
            if pause is None:
                raise
        time.sleep(pause)
        attempt += 1


async def asend(clients: ClientPool, request: Request, plan: Plan) -> httpx.Response:
    """The answer to `request`, its body unread: 2xx, or any if the plan is raw. Raises what else there is."""
    attempt = 1
    while True:
        try:
            return await _asend_once(clients, clients.async_client(), request, plan)
        except CfaiError as error:
            pause = plan.pause(attempt, error, request)
            if pause is None:
                raise
        await anyio.sleep(pause)
        attempt += 1


def _send_once(clients: ClientPool, client: Any, request: Request, plan: Plan) -> httpx.Response:
    sent = _built(client, clients.encodings(client), request, plan)
    try:
        response = client.send(sent, stream=True, auth=None, follow_redirects=False)
    except Exception as exception:
        raise_mapped(exception, request, plan)
    finally:
        _forget_credentials(sent)
    if response.is_success or plan.raw:
        sent.extensions["timeout"]["read"] = plan.between()
        return response
    sent.extensions["timeout"]["read"] = plan.patience()
    raise _error(response, request, _some(response, plan))


async def _asend_once(clients: ClientPool, client: Any, request: Request, plan: Plan) -> httpx.Response:
    sent = _built(client, clients.encodings(client), request, plan)
    try:
        with plan.scope():
            response = await client.send(sent, stream=True, auth=None, follow_redirects=False)
    except Exception as exception:
        raise_mapped(exception, request, plan)
    finally:
        _forget_credentials(sent)
    if response.is_success or plan.raw:
        sent.extensions["timeout"]["read"] = plan.between()
        return response
    sent.extensions["timeout"]["read"] = plan.patience()
    raise _error(response, request, await _asome(response, plan))


def read(response: httpx.Response, request: Request, plan: Plan) -> bytes:
    """The whole body of an answer."""
    try:
        if plan.total_timeout is not None:
            return b"".join(_timely(response.iter_bytes(), plan))
        return response.read()
    except Exception as exception:
        raise_mapped(exception, request, plan, answered=True)
    finally:
        response.close()


async def aread(response: httpx.Response, request: Request, plan: Plan) -> bytes:
    """The whole body of an answer."""
    try:
        with plan.scope():
            return await response.aread()
    except Exception as exception:
        raise_mapped(exception, request, plan, answered=True)
    finally:
        await response.aclose()


def _timely(chunks: Iterable[bytes], plan: Plan) -> Iterable[bytes]:
    """`chunks`, up to the total_timeout: checked between them, so that a wait may overshoot by one read."""
    for chunk in chunks:
        plan.left()
        yield chunk


def _some(response: httpx.Response, plan: Plan) -> bytes:
    """As much of an error's body as arrives in a moment. Its status is known, so what breaks here is ignored."""
    content = bytearray()
    end = time.monotonic() + plan.patience()
    try:
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) >= LARGEST_ERROR or time.monotonic() > end:
                break
    except Exception as exception:
        if transport_error(exception, "", "") is None:
            raise
    finally:
        response.close()
    return bytes(content[:LARGEST_ERROR])


async def _asome(response: httpx.Response, plan: Plan) -> bytes:
    """As much of an error's body as arrives in a moment. Its status is known, so what breaks here is ignored."""
    content = bytearray()
    chunks = response.aiter_bytes()
    try:
        with anyio.move_on_after(plan.patience()):
            async for chunk in chunks:
                content += chunk
                if len(content) >= LARGEST_ERROR:
                    break
    except Exception as exception:
        if transport_error(exception, "", "") is None:
            raise
    finally:
        await response.aclose()
        await unwind(chunks)
    return bytes(content[:LARGEST_ERROR])


async def unwind(chunks: AsyncIterator[bytes] | None) -> None:
    """Ends the generators inside httpx, which trio complains of when they are left to the collector.

    Closing the outermost one would not close the others, so they are read on from; whatever they would wait for is
    cancelled, and this takes no time.
    """
    if chunks is None or is_asyncio():
        return
    with suppress(Exception), anyio.CancelScope() as scope:
        scope.cancel()
        for _ in range(_LEFT_IN_BUFFERS):
            await anext(chunks)


@lru_cache(maxsize=256)
def _parsed(kind: Any, url: str) -> Any:
    """A URL of the client's own library. Parsing is a third of what a request costs."""
    return kind(url)


def _built(client: Any, encodings: str | None, request: Request, plan: Plan) -> Any:
    url = _parsed(client.base_url.__class__, request.url)
    waits = plan.timeouts()
    if encodings is None:
        # Clients take only requests of their own library, and this one's headers, cookies and parameters are the
        # caller's wish.
        return client.build_request("POST", url, headers=dict(request.headers), content=request.content, timeout=waits)
    # Ours have none, so nothing is to be merged: an eighth of what `build_request` costs.
    sent = httpx.Request(
        "POST",
        url,
        headers={
            "host": url.netloc.decode("ascii"),
            "accept-encoding": encodings,
            **request.headers,
            "content-length": str(len(request.content)),
        },
        stream=httpx.ByteStream(request.content),
        extensions={"timeout": dict(zip(("connect", "read", "write", "pool"), waits, strict=True))},
    )
    sent.read()
    return sent


def _error(response: httpx.Response, request: Request, content: bytes) -> InferenceUpstreamError:
    return error_from(
        response.status_code,
        headers_of(response),
        content,
        model=request.model,
        now=time.time(),
        secrets=request.secrets(),
    )


def headers_of(response: httpx.Response) -> dict[str, str]:
    """An answer's headers, names in lower case. Each look-up in httpx's own costs as much as all of this."""
    return {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.headers.raw}


def _forget_credentials(sent: Any) -> None:
    # From here on the request lives in responses, exceptions and their pickles.
    for name in CREDENTIALS:
        if name in sent.headers:
            del sent.headers[name]


def raise_mapped(exception: Exception, request: Request, plan: Plan, *, answered: bool = False) -> NoReturn:
    """Raises what `exception` stands for, with it as the cause; one that is not the network's goes on as it is."""
    if isinstance(exception, TimeoutError) and plan.total_timeout is not None:
        raise plan.too_late() from exception
    error = transport_error(exception, request.model, request.host)
    if error is None:
        raise exception
    if isinstance(error, APITimeoutError) and plan.is_over():
        raise plan.too_late() from exception
    # Once there was a 200, the model has run.
    error.retryable = error.retryable and not answered
    raise error from exception
