"""When to send again, and how long to wait first. Nothing is sent, and nothing waits."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from cfai import (
    APIConnectionError,
    APITimeoutError,
    CapacityError,
    CfaiError,
    ConfigurationError,
    InputError,
    InternalServerError,
    LimitError,
    RateLimitError,
    RequestTimeoutError,
    Retry,
    StreamError,
    StreamTimeoutError,
    StreamTruncatedError,
)

BUSY = InternalServerError("busy", retryable=True)


def asking(seconds: float) -> RateLimitError:
    return RateLimitError("slow down", retryable=True, retry_after=seconds)


def test_by_default_there_are_two_retries() -> None:
    retry = Retry()
    assert [retry.pause(attempt, BUSY) is not None for attempt in (1, 2, 3)] == [True, True, False]


def test_by_default_the_wait_doubles_from_half_a_second_to_eight() -> None:
    retry = Retry(max_retries=99, jitter=lambda: 1.0)
    assert [retry.pause(attempt, BUSY) for attempt in range(1, 8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_base_and_cap_can_be_chosen() -> None:
    retry = Retry(max_retries=99, base=3, cap=10, jitter=lambda: 1.0)
    assert [retry.pause(attempt, BUSY) for attempt in range(1, 5)] == [3.0, 6.0, 10.0, 10.0]


def test_jitter_takes_off_up_to_a_quarter() -> None:
    assert Retry(base=4, jitter=lambda: 0.0).pause(1, BUSY) == 3.0
    assert Retry(base=4, jitter=lambda: 0.5).pause(1, BUSY) == 3.5


def test_callers_who_failed_together_do_not_return_together() -> None:
    waits = {Retry(base=1).pause(1, BUSY) for _ in range(50)}
    assert len(waits) > 1
    assert all(wait is not None and 0.75 <= wait <= 1 for wait in waits)


def test_a_thousand_attempts_do_not_overflow() -> None:
    assert Retry(max_retries=9_999, jitter=lambda: 1.0).pause(5000, BUSY) == 8.0


@pytest.mark.parametrize("seconds", [0.0, 0.25, 9.0, 60.0])
def test_a_wait_that_the_service_asks_for_wins(seconds: float) -> None:
    assert Retry().pause(1, asking(seconds)) == seconds


@pytest.mark.parametrize("seconds", [60.001, 3600.0])
def test_a_wait_of_more_than_a_minute_is_the_callers_to_decide(seconds: float) -> None:
    assert Retry().pause(1, asking(seconds)) is None


def test_a_wait_that_the_service_asks_for_makes_no_more_attempts() -> None:
    assert Retry().pause(3, asking(1)) is None


@pytest.mark.parametrize(
    "error",
    [
        CfaiError("x"),
        ConfigurationError("x"),
        InputError("x"),
        LimitError("x"),
        APITimeoutError("no answer in time", retryable=False),
        InternalServerError("not again", retryable=False),
        RequestTimeoutError("billed, perhaps"),
        RateLimitError("no more today", retry_after=1.0),
        StreamError("x"),
        StreamTruncatedError("x"),
        StreamTimeoutError("x"),
    ],
)
def test_what_must_not_be_sent_again_is_not(error: CfaiError) -> None:
    assert Retry().pause(1, error) is None


@pytest.mark.parametrize("error", [APIConnectionError("x"), APITimeoutError("x"), CapacityError("x", retryable=True)])
def test_what_was_not_run_is_sent_again(error: CfaiError) -> None:
    assert Retry(base=1, jitter=lambda: 1.0).pause(1, error) == 1.0


def test_a_caller_who_does_not_want_to_wait_for_room_is_told_at_once() -> None:
    assert Retry().pause(1, CapacityError("x", retryable=True, retry_after=1.0), reject_if_busy=True) is None


def test_but_waits_for_anything_else() -> None:
    assert Retry().pause(1, asking(1), reject_if_busy=True) == 1.0


def test_no_retries_can_be_asked_for() -> None:
    assert Retry.of(None).pause(1, BUSY) is None
    assert Retry.of(0).pause(1, BUSY) is None


def test_a_number_is_a_number_of_retries() -> None:
    assert Retry.of(2) == Retry(max_retries=2)


def test_a_retry_is_itself() -> None:
    retry = Retry(max_retries=6)
    assert Retry.of(retry) is retry


@pytest.mark.parametrize("value", [-1, True, False, 1.5, "2", [], Retry])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_retries"):
        Retry.of(value)


@pytest.mark.parametrize(
    "options",
    [
        {"max_retries": -1},
        {"max_retries": -2},
        {"base": -1},
        {"base": float("nan")},
        {"base": float("inf")},
        {"cap": -1},
        {"cap": float("nan")},
        {"cap": float("inf")},
    ],
)
def test_waits_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"`Retry` must have max_retries"):
        Retry(**options)


def test_no_wait_at_all_can_be_asked_for() -> None:
    assert Retry(base=0).pause(1, BUSY) == 0.0
    assert Retry(cap=0).pause(1, BUSY) == 0.0


def test_a_retry_pickles() -> None:
    assert pickle.loads(pickle.dumps(Retry(max_retries=4))) == Retry(max_retries=4)
