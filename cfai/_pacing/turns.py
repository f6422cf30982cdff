"""Send requests in turn, and again where that is safe. The synchronous and the asynchronous half read the same."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

import anyio

from cfai._config import Retry
from cfai._errors import CapacityError, CfaiError, QuotaExceededError, RateLimitError
from cfai._pacing.pace import Pace
from cfai._transport import compute_retry_pause

T = TypeVar("T")


class Request(Protocol):
    """Anything that is sent, in one thread or task at a time."""

    turn: float
    """When it was sent last, in seconds of `time.monotonic`."""


def exceeds_rate(error: BaseException) -> bool:
    """Return True if there were too many requests in a minute: that is the fault of none of them.

    >>> exceeds_rate(RateLimitError("later")), exceeds_rate(CapacityError("busy"))
    (True, False)
    """
    return isinstance(error, RateLimitError) and not isinstance(error, CapacityError | QuotaExceededError)


class Turns:
    """Whatever sends the requests of one job."""

    def __init__(self, pace: Pace, retry: Retry, *, rejects_if_busy: bool = False) -> None:
        self._pace = pace
        self._refusals_before = pace.refusals
        self._retry = retry
        self._rejects_if_busy = rejects_if_busy
        self.is_stopped = False
        """True if nothing more is to be sent."""
        # The collector may stop a job in one of its own threads, amid a wait: an event would have a lock there.
        self._wakes = SimpleQueue[None]()
        self._sleeping = set[anyio.CancelScope]()

    def stop(self) -> None:
        """Send nothing more. Those that wait to be sent wait no longer."""
        self.is_stopped = True
        self._wakes.put(None)
        for scope in self._sleeping:
            scope.cancel()

    def send(self, request: Request, call: Callable[[], T]) -> T | None:
        """Return what a call returns, which makes one attempt, or `None` if it is stopped first.

        Raises what it raised last. If `exceeds_rate`, all others would meet it too.
        """
        failures = 0
        while self._wait_for_turn(request):
            try:
                answer = call()
            except CfaiError as error:
                failures += not exceeds_rate(error)
                pause = self._find_pause(request, error, failures, time.monotonic())
                if pause is None:
                    raise
            else:
                self._pace.accept(request.turn)
                return answer
            self._sleep(pause)
        return None

    async def asend(self, request: Request, call: Callable[[], Awaitable[T]]) -> T | None:
        """Return what a call returns, which makes one attempt, or `None` if it is stopped first.

        Raises what it raised last. If `exceeds_rate`, all others would meet it too.
        """
        failures = 0
        while await self._await_turn(request):
            try:
                answer = await call()
            except CfaiError as error:
                failures += not exceeds_rate(error)
                pause = self._find_pause(request, error, failures, time.monotonic())
                if pause is None:
                    raise
            else:
                self._pace.accept(request.turn)
                return answer
            await self._asleep(pause)
        return None

    def _wait_for_turn(self, request: Request) -> bool:
        """Wait until it is a request's turn. Return False if it was stopped first."""
        while not self.is_stopped:
            now, is_used = time.monotonic(), False
            request.turn = self._pace.reserve(now)
            try:
                self._sleep(request.turn - now)
                is_used = not self.is_stopped and self._pace.is_current(request.turn, time.monotonic())
            finally:
                if not is_used:
                    self._pace.release(request.turn)
            if is_used:
                return True
        return False

    async def _await_turn(self, request: Request) -> bool:
        """Wait until it is a request's turn. Return False if it was stopped first."""
        while not self.is_stopped:
            now, is_used = time.monotonic(), False
            request.turn = self._pace.reserve(now)
            try:
                await self._asleep(request.turn - now)
                is_used = not self.is_stopped and self._pace.is_current(request.turn, time.monotonic())
            finally:
                if not is_used:
                    self._pace.release(request.turn)
            if is_used:
                return True
        return False

    def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(Empty):
                self._wakes.put(self._wakes.get(timeout=seconds))  # for the next that waits

    async def _asleep(self, seconds: float) -> None:
        if seconds > 0 and not self.is_stopped:
            with anyio.CancelScope() as scope:
                self._sleeping.add(scope)
                try:
                    await anyio.sleep(seconds)
                finally:
                    self._sleeping.remove(scope)

    def _find_pause(self, request: Request, error: CfaiError, failures: int, now: float) -> float | None:
        """Return the seconds to wait before a request is sent again, or `None` if its error is final.

        If there were too many in a minute, all wait for their next turn, and that is no failure of this one.
        """
        if exceeds_rate(error):
            before = self._refusals_before
            return 0.0 if self._pace.hold(request.turn, error.retry_after, now, before=before) else None
        self._pace.accept(request.turn)
        return compute_retry_pause(self._retry, failures, error, reject_if_busy=self._rejects_if_busy)
