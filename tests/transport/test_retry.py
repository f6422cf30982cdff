"""`Retry`: when to send a call again, and how long to wait first. Nothing is sent, and nothing waits."""

from __future__ import annotations

from typing import Any, cast

import pytest

import cfai
from cfai import APIConnectionError, APITimeoutError, CapacityError, CfaiError, ConfigurationError, Retry, Timeout
from cfai._errors import StreamTimeoutError
from cfai._transport.retry import compute_retry_pause
from tests.conftest import row

BUSY = cfai.InternalServerError("busy", retryable=True)
TIMEOUTS = ("connect", "first_byte", "read", "write", "pool")


def rate_limited(seconds: float) -> cfai.RateLimitError:
    """Return an error of a service that asks for so many seconds."""
    return cfai.RateLimitError("slow down", retryable=True, retry_after=seconds)


def test_pauses_double_from_a_base_to_a_cap_for_as_long_as_there_are_retries() -> None:
    for retry, pauses in (
        (Retry(jitter=lambda: 1.0), [0.5, 1.0, None]),
        (Retry(max_retries=99, jitter=lambda: 1.0), [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]),
        (Retry(max_retries=99, base=3, cap=10, jitter=lambda: 1.0), [3.0, 6.0, 10.0, 10.0]),
        (Retry(base=4, jitter=lambda: 0.0), [3.0]),
        (Retry(base=4, jitter=lambda: 0.5), [3.5]),
        (Retry(base=0), [0.0]),
        (Retry(cap=0), [0.0]),
        (Retry(max_retries=0), [None]),
    ):
        assert [compute_retry_pause(retry, attempt, BUSY) for attempt in range(1, len(pauses) + 1)] == pauses, retry
    assert compute_retry_pause(Retry(max_retries=9_999, jitter=lambda: 1.0), 5000, BUSY) == 8.0


def test_callers_who_failed_together_do_not_return_together() -> None:
    waits = {compute_retry_pause(Retry(base=1), 1, BUSY) for _ in range(50)}
    assert len(waits) > 1
    assert all(wait is not None and 0.75 <= wait <= 1 for wait in waits)


def test_a_wait_that_the_service_asks_for_wins_up_to_a_minute() -> None:
    for seconds in (0.0, 0.25, 9.0, 60.0):
        assert compute_retry_pause(Retry(), 1, rate_limited(seconds)) == seconds
    for seconds in (60.001, 3600.0):
        assert compute_retry_pause(Retry(), 1, rate_limited(seconds)) is None, "it is the caller's to decide"
    assert compute_retry_pause(Retry(), 3, rate_limited(1)) is None, "it makes no more attempts"
    # A caller who rejects a busy model waits for anything but room.
    assert (
        compute_retry_pause(Retry(), 1, CapacityError("x", retryable=True, retry_after=1.0), reject_if_busy=True)
        is None
    )
    assert compute_retry_pause(Retry(), 1, rate_limited(1), reject_if_busy=True) == 1.0


def test_only_what_was_not_run_is_sent_again() -> None:
    for error in (
        *(kind("x") for kind in (CfaiError, ConfigurationError, cfai.InputError, cfai.LimitError)),
        *(kind("x") for kind in (cfai.RequestTimeoutError, cfai.StreamError, cfai.StreamTruncatedError)),
        StreamTimeoutError("x"),
        APITimeoutError("no answer in time", retryable=False),
        cfai.InternalServerError("not again", retryable=False),
        cfai.RateLimitError("no more today", retry_after=1.0),
    ):
        assert compute_retry_pause(Retry(), 1, error) is None, repr(error)
    for error in (APIConnectionError("x"), APITimeoutError("x"), CapacityError("x", retryable=True)):
        assert compute_retry_pause(Retry(base=1, jitter=lambda: 1.0), 1, error) == 1.0, repr(error)


def test_figures_that_make_no_sense_are_refused() -> None:
    no_seconds = (-1, float("nan"), float("inf"), "2", True)
    for kind, name, text, values in (
        (Retry, "max_retries", "`max_retries` must be", (-1, 1.5, "2", True, None)),
        *((Retry, name, f"`{name}` of a Retry must", no_seconds) for name in ("base", "cap")),
        *((Timeout, name, f"`{name}` must be", (0, *no_seconds)) for name in TIMEOUTS),
    ):
        for value in values:
            with row((name, value)), pytest.raises(ConfigurationError, match=f"{text} .* got {value!r}"):
                kind(**cast("Any", {name: value}))
    assert (Retry(base=0, cap=0).base, Retry(max_retries=0).max_retries) == (0, 0)
    assert [name for name in TIMEOUTS if getattr(Timeout(**cast("Any", {name: None})), name) is not None] == []
