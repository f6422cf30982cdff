"""The time that one call may take, and what is left of it for each wait. The clock is its caller's."""

from __future__ import annotations

from typing import NamedTuple

from cfai._config import Timeout
from cfai._errors import APITimeoutError

ERROR_READ_TIMEOUT = 10.0
"""Seconds that an error's body may take: its status is known already."""

_SHORTEST = 0.001


class TimeBudget(NamedTuple):
    """The time that one call may take, retries and reading included."""

    timeout: Timeout
    total: float | None
    """Seconds that the whole call may take."""
    started: float
    """When the call began, in seconds of `time.monotonic`."""

    def remaining(self, now: float) -> float | None:
        """Return the seconds left of the total timeout, or `None` if there is none. Raises `APITimeoutError` at 0."""
        if self.total is None:
            return None
        remaining = self.started + self.total - now
        if remaining <= 0:
            raise self.make_error()
        return remaining

    def is_exceeded(self, now: float) -> bool:
        """Return True once the total timeout has passed."""
        return self.total is not None and now >= self.started + self.total

    def make_error(self) -> APITimeoutError:
        """Return the error for a total timeout that has passed."""
        passed = f"the total timeout of {self.total:g} s passed"
        return APITimeoutError(f"{passed}: raise total_timeout= if the model needs longer", retryable=False)

    def timeouts(self, now: float) -> tuple[float | None, float | None, float | None, float | None]:
        """Return the timeouts of connecting, reading, writing and waiting for a connection, as httpx takes them."""
        timeout = self.timeout
        waits = (timeout.connect, timeout.first_byte, timeout.write, timeout.pool)
        remaining = self.remaining(now)
        if remaining is None:
            return waits
        connect, read, write, pool = (remaining if wait is None else min(wait, remaining) for wait in waits)
        return connect, read, write, pool

    def read_timeout(self, now: float) -> float | None:
        """Return the timeout between the bytes of an answer."""
        return self._within(self.timeout.between, now)

    def error_read_timeout(self, now: float) -> float:
        """Return the timeout of reading an error's body."""
        return self._within(ERROR_READ_TIMEOUT, now) or ERROR_READ_TIMEOUT

    def allows_pause(self, seconds: float, now: float) -> bool:
        """Return True if there is time for a pause, and for something after it."""
        return self.total is None or self.started + self.total - now > seconds

    def _within(self, wait: float | None, now: float) -> float | None:
        if self.total is None:
            return wait
        remaining = max(_SHORTEST, self.started + self.total - now)
        return remaining if wait is None else min(wait, remaining)
