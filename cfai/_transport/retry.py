"""The decision to send again, and how long to wait first. Nothing here waits."""

from __future__ import annotations

from cfai._config import Retry
from cfai._errors import CapacityError, CfaiError

MAX_RETRY_AFTER = 60.0
"""Seconds. If the service asks for a longer wait than this, the error is raised with `retry_after` set."""


def compute_retry_pause(retry: Retry, attempts: int, error: CfaiError, *, reject_if_busy: bool = False) -> float | None:
    """Return the seconds to wait before a request is sent again, or `None` to raise `error`.

    `attempts` is how often it was sent already. The service knows best: `Retry-After` wins, up to a minute. Without it
    the wait doubles from `base` up to `cap`, less up to a quarter, so that callers who failed together do not return
    together. With `reject_if_busy` a busy model is not asked again.

    >>> from cfai import InternalServerError
    >>> compute_retry_pause(Retry(base=1, jitter=lambda: 1.0), 2, InternalServerError("busy", retryable=True))
    2.0
    >>> compute_retry_pause(Retry(), 3, InternalServerError("busy", retryable=True)) is None
    True
    """
    if attempts > retry.max_retries or not error.retryable:
        return None
    if isinstance(error, CapacityError) and reject_if_busy:
        return None
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= MAX_RETRY_AFTER else None
    # The exponent is bounded so that a thousand attempts do not overflow a float.
    wait = min(retry.cap, retry.base * 2.0 ** min(attempts - 1, 60))
    return wait * (0.75 + 0.25 * retry.jitter())
