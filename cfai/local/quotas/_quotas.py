"""One account's use of the service, held against what it may use."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cfai import models
from cfai.local.wire import ErrorResponse
from cfai.models import Model

_MINUTE = 60.0
_DAY = 86_400

MAX_QUEUE_SECONDS = 600.0
"""Seconds that a call waits at most for a model that is busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The allowance of an account; as it stands, all that it asks for."""

    rate_limits: bool | Mapping[str, int] = False
    """Requests per minute: the published ones, or those with other numbers for some tasks or models."""

    daily_neurons: float | None = None
    """Neurons a day, which begins at 00:00 UTC."""

    concurrency: int | None = None
    """How many calls a model answers at a time; the others wait in line."""

    workers_paid: bool = True
    """True if models that require Workers Paid may be called."""

    clock: Callable[[], float] = time.time
    """Seconds since 1970."""

    def __post_init__(self) -> None:
        if self.daily_neurons is not None and not self.daily_neurons >= 0:
            raise ValueError(f"daily_neurons must be 0 or more, got {self.daily_neurons}")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency must be 1 or more, got {self.concurrency}")
        for name, number in self.rate_limits.items() if isinstance(self.rate_limits, Mapping) else ():
            if models.catalogue().get(name) is None and all(
                model.task != name for model in models.catalogue().values()
            ):
                raise ValueError(f"rate_limits: {name!r} is neither a task nor a model")
            if number < 0:
                raise ValueError(f"rate_limits: {name!r} must be 0 or more, got {number}")


class RateLimiter:
    """The calls of the last minute. `numbers` by task or model stand in for the published ones."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers
        self._admitted: defaultdict[str, deque[float]] = defaultdict(deque)

    def admit(self, model: Model, now: float) -> bool:
        """Return True if one more call is allowed, which is counted then."""
        name, number = self._find_limit(model)
        if number is None:
            return True
        calls = self._admitted[name]
        while calls and calls[0] <= now - _MINUTE:
            calls.popleft()
        if len(calls) >= number:
            return False
        calls.append(now)
        return True

    def _find_limit(self, model: Model) -> tuple[str, int | None]:
        """Return what is counted together, and how much of it is allowed; for some tasks nothing is published."""
        has_own = model.requests_per_minute != Model("", model.task).requests_per_minute  # not the task's
        counted = model.name if has_own or model.name in self._numbers else model.task
        return counted, self._numbers.get(model.name, self._numbers.get(model.task, model.requests_per_minute))


class Quotas:
    """Counts. All of it happens on the event loop of one server."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self.now = allowance.clock
        self._rates = RateLimiter(allowance.rate_limits if isinstance(allowance.rate_limits, Mapping) else {})
        self._places = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(allowance.concurrency or 0))
        self._neurons = defaultdict[int, float](float)
        """Used up on a day, by its number since 1970."""

    def admit(self, model: Model) -> None:
        """Count a call in. Raises `ErrorResponse` if it is one too many, or not in the account's plan."""
        if "require_workers_paid" in model.capabilities and not self._allowance.workers_paid:
            raise ErrorResponse(5035)
        if self._allowance.rate_limits is not False and not self._rates.admit(model, self.now()):
            raise ErrorResponse(3021)
        limit = self._allowance.daily_neurons
        if limit is not None and self._neurons[self._today()] >= limit:
            # The documentation says 3036; this is what is seen.
            raise ErrorResponse(4006)

    def charge(self, neurons: float) -> None:
        """Count what a call took."""
        self._neurons[self._today()] += neurons

    async def acquire(self, model: Model, *, reject_if_busy: bool) -> Callable[[], None]:
        """Wait until the model is free, who came first goes first; return how to release it.

        Raises `ErrorResponse` if that takes too long, or at once if the model is busy and the call is not to wait.
        """
        if self._allowance.concurrency is None:
            return lambda: None
        places = self._places[model.name]
        if places.locked() and reject_if_busy:
            raise ErrorResponse(3040)
        try:
            async with asyncio.timeout(MAX_QUEUE_SECONDS):
                await places.acquire()
        except TimeoutError as error:
            raise ErrorResponse(3040) from error
        return places.release

    def _today(self) -> int:
        return int(self.now() // _DAY)
