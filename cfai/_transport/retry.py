"""When to send again, and how long to wait first. Nothing here waits."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from cfai._errors import CapacityError, CfaiError, ConfigurationError, InferenceUpstreamError

LONGEST_WAIT = 60.0
"""Seconds. If the service asks for a longer wait than this, the error is raised with `retry_after` set."""


def _chance() -> float:
    return random.random()


@dataclass(frozen=True, slots=True)
class Retry:
    """When to try again, and how long to wait first.

    Sent again are: a connection that failed before any answer, a model that was busy (3040), too many requests in a
    minute, and 5xx. A read timeout or 408 may have been billed, and is never retried; nor is anything after a 200.
    """

    max_retries: int = 2
    """How often a request is sent again at most."""

    base: float = 0.5
    """Seconds before the first retry; each further wait is twice the one before."""

    cap: float = 8.0
    """The longest wait of our own choosing, in seconds."""

    jitter: Callable[[], float] = _chance
    """A number from 0 to 1: how much of a wait's last quarter to take."""

    def __post_init__(self) -> None:
        if self.max_retries < 0 or not (0 <= self.base < float("inf")) or not (0 <= self.cap < float("inf")):
            raise ConfigurationError(
                "`Retry` must have max_retries, base and cap of 0 or more, the last two in seconds"
            )

    def pause(self, attempt: int, error: CfaiError, *, reject_if_busy: bool = False) -> float | None:
        """Seconds to wait before the next attempt, or `None` to raise `error`.

        The service knows best: `Retry-After` wins, up to a minute. Without it the wait doubles from `base` up to `cap`,
        less up to a quarter, so that callers who failed together do not return together.

        >>> from cfai import InternalServerError
        >>> Retry(base=1, jitter=lambda: 1.0).pause(2, InternalServerError("busy", retryable=True))
        2.0
        >>> Retry().pause(3, InternalServerError("busy", retryable=True)) is None
        True
        """
        if attempt > self.max_retries or not error.retryable:
            return None
        if reject_if_busy and isinstance(error, CapacityError):
            # The caller asked to be told at once.
            return None
        asked = error.retry_after if isinstance(error, InferenceUpstreamError) else None
        if asked is not None:
            return asked if asked <= LONGEST_WAIT else None
        # The exponent is bounded so that a thousand attempts do not overflow a float.
        wait = min(self.cap, self.base * 2.0 ** min(attempt - 1, 60))
        return wait * (0.75 + 0.25 * self.jitter())

    @classmethod
    def of(cls, value: Retry | int | None) -> Retry:
        """`Retry` itself, a number of retries after the first attempt, or `None` for no retries."""
        if isinstance(value, Retry):
            return value
        if value is None:
            return cls(max_retries=0)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"`max_retries` must be a number of 0 or more, a Retry or None, got {value!r}")
        return cls(max_retries=value)
