"""The turns of requests: never more in a minute than there may be, and all wait together."""

from __future__ import annotations

import gc
import heapq
import weakref
from itertools import pairwise
from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from cfai._pacing import Pace, make_pace
from tests.conftest import row

MINUTE = 60.0


def fullest_minute(times: list[float]) -> int:
    """Return the largest number of times in any minute."""
    return max((sum(start <= each < start + MINUTE for each in times) for start in times), default=0)


def send(pace: Pace, requests: int, *, workers: int = 8, delay: float = 0.0, work: float = 1.0) -> list[float]:
    """Return when requests are sent by so many workers, every other one `delay` late, and busy for `work` seconds."""
    ready = [0.0] * workers
    sent: list[float] = []
    while len(sent) < requests:
        now = heapq.heappop(ready)
        turn = pace.reserve(now)
        late = turn + delay * (len(sent) % 2)
        if pace.is_current(turn, late):
            sent.append(late)
            heapq.heappush(ready, late + work)
        else:
            pace.release(turn)
            heapq.heappush(ready, late)
    return sorted(sent)


def test_a_minute_has_as_many_requests_as_it_may_have_and_no_more() -> None:
    for rate, workers in ((1, 1), (1, 3), (7, 3), (20, 40), (50, 2), (300, 40), (301, 100)):
        with row((rate, workers)):
            sent = send(Pace(rate), 3 * rate, workers=workers, work=0.0)
            assert fullest_minute(sent) <= rate
            assert sent[-1] < 3 * 61.0


@given(st.integers(1, 60), st.integers(1, 30), st.floats(0, 0.4), st.floats(0, 90))
@settings(max_examples=100)
def test_late_workers_do_not_overfill_a_minute(rate: int, workers: int, delay: float, work: float) -> None:
    assert fullest_minute(send(Pace(rate), 150, workers=workers, delay=delay, work=work)) <= rate


def test_a_few_go_at_once_and_the_others_evenly() -> None:
    first = send(Pace(100), 30, work=0.0)
    assert first[:10] == [0.0] * 10
    gaps = [round(after - before, 3) for before, after in pairwise(first[9:])]
    assert set(gaps) == {0.61}


def test_without_a_rate_nothing_waits_until_the_service_refuses() -> None:
    pace = Pace(inf)
    assert [pace.reserve(5.0) for _ in range(3)] == [5.0] * 3
    assert pace.hold(5.0, None, 6.0)
    assert [pace.reserve(7.0) for _ in range(3)] == [8.0] * 3


def test_a_turn_that_was_slept_through_is_over() -> None:
    pace = Pace(60)
    assert pace.is_current(pace.reserve(0.0), 0.4)
    assert not pace.is_current(pace.reserve(10.0), 10.6)


def test_a_refusal_lets_all_wait_those_too_whose_turn_was_given_already() -> None:
    pace = Pace(600)
    early, late = pace.reserve(0.0), pace.reserve(0.0)
    assert pace.hold(early, 30.0, 1.0)
    assert not pace.is_current(late, 1.0)
    turns = [pace.reserve(2.0) for _ in range(3)]
    assert turns[0] == 31.0
    assert all(pace.is_current(turn, turn) for turn in turns)


def test_refusals_of_one_moment_count_once_and_in_a_row_they_wait_longer_each_time() -> None:
    pace, now, pauses = Pace(inf), 0.0, []
    for _ in range(8):
        turn = pace.reserve(now)
        for _ in range(40):
            assert pace.hold(turn, None, turn)
        pauses.append(pace.reserve(turn) - turn)
        now = turn
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    turn = pace.reserve(now)
    pace.accept(turn)
    assert pace.hold(turn, None, turn)
    assert pace.reserve(turn) - turn == 2.0, "an answer ends the row"


def test_what_the_service_says_counts_for_the_first_refusal_and_in_a_row_only_if_it_is_longer() -> None:
    pace, turn, pauses = Pace(inf), 0.0, list[float]()
    for retry_after in (0.0, 0.0, 1.0, 90.0, 0.0, None):
        assert pace.hold(turn, retry_after, turn)
        pauses.append(pace.reserve(turn) - turn)
        turn += pauses[-1]
    assert pauses == [0.0, 4.0, 8.0, 90.0, 32.0, 60.0]
    late = turn - 1.0
    assert pace.hold(late, 2.0, turn), "it was under way with one that was refused"
    assert pace.reserve(turn) == turn + 2.0


def test_waiting_ends_after_twenty_refusals_or_when_the_service_wants_hours() -> None:
    pace, now = Pace(inf), 0.0
    results: list[bool] = []
    for _ in range(20):
        now = pace.reserve(now)
        results.append(pace.hold(now, None, now))
    assert results == [True] * 19 + [False]
    assert Pace(inf).hold(0.0, 600.0, 0.0)
    assert not Pace(inf).hold(0.0, 3600.0, 0.0)


def test_the_turns_of_a_process_that_was_killed_count_on() -> None:
    pace = Pace(10)
    pace.resume([-1.0, -30.0, -2.0, *[-5.0] * 7], "labels.jsonl")
    turns = [pace.reserve(0.0) for _ in range(3)]
    assert turns == [31.0, 56.0, 61.0 - 5.0 + 6.1]


class Runner:
    """A client, which is of no use but to be one."""


class Copy:
    """A client that has the connections of another one."""

    def __init__(self, pool: Runner) -> None:
        self._pool = pool


class Slotted:
    __slots__ = ()


def test_jobs_of_one_client_and_model_share_a_pace_as_long_as_there_is_the_client() -> None:
    runner, model, other = Runner(), "@cf/baai/bge-m3", "@cf/baai/bge-base-en-v1.5"
    pace = make_pace(runner, model, None, 300)
    assert make_pace(runner, model, None, 300) is pace
    assert make_pace(Copy(runner), model, None, 300) is make_pace(Copy(runner), model, None, 300) is pace
    different = [
        make_pace(runner, other, None, 300),
        make_pace(runner, model, None, 299),
        make_pace(Runner(), model, None, 300),
        *(make_pace(each, model, None, 300) for each in (Slotted(), {}, Slotted())),
    ]
    assert len({id(each) for each in (pace, *different)}) == 7
    gone = weakref.ref(pace)
    del pace, runner, different
    gc.collect()
    assert gone() is None


def test_one_job_after_the_other_keeps_to_the_rate_and_begins_without_refusals() -> None:
    runner, sent = Runner(), list[float]()
    for _ in range(6):
        sent += send(make_pace(runner, "m", None, 100), 50, work=0.0)
    assert fullest_minute(sent) <= 100
    pace, now = make_pace(runner, "n", None, inf), 0.0
    for _ in range(19):
        assert pace.hold(now, None, now)
        now = pace.reserve(now)
    next_job = make_pace(runner, "n", None, inf).refusals
    assert not pace.hold(now, None, now)
    assert pace.hold(now, None, now, before=next_job)
    now = pace.reserve(now)
    assert not pace.hold(now, 3600.0, now)
    assert pace.reserve(now) == now, "an hour is not waited by the next job"


def test_refusals_of_a_job_count_on_while_others_begin() -> None:
    pace, now, results = Pace(inf), 0.0, list[bool]()
    for _ in range(20):
        other = pace.refusals
        results.append(pace.hold(now, None, now))
        assert pace.hold(now, None, now, before=other)
        now = pace.reserve(now)
    assert results == [True] * 19 + [False]
    assert pace.reserve(now) - now == 0.0
    assert now == 2 + 4 + 8 + 16 + 32 + 15 * 60.0


def test_refusals_are_in_a_row_no_more_once_nothing_was_sent_for_two_minutes() -> None:
    pace, now = Pace(inf), 0.0
    for _ in range(6):
        assert pace.hold(now, None, now)
        now = pace.reserve(now)
    assert pace.hold(now + 122.0, None, now + 122.0)
    assert pace.reserve(now + 122.0) == now + 122.0 + 60.0
    now += 182.0
    assert pace.hold(now + 122.1, None, now + 122.1)
    assert pace.reserve(now + 122.1) == now + 122.1 + 2.0


def test_turns_that_came_too_late_make_room_for_others() -> None:
    pace, now, sent = Pace(60), 0.0, list[float]()
    for _ in range(200):  # an event loop that is blocked for 1.7 s again and again
        turn = pace.reserve(now)
        now = now if turn <= now else max(turn, now + 1.7)
        if pace.is_current(turn, now):
            sent.append(now)
        else:
            pace.release(turn)
    assert fullest_minute(sent) <= 60
    assert len(sent) > now * 60 / 61 - 5


def test_turns_that_a_stopped_job_did_not_use_are_free_again() -> None:
    pace = Pace(1)
    assert pace.reserve(0.0) == 0.0
    for turn in [pace.reserve(0.0) for _ in range(16)]:
        pace.release(turn)
    assert pace.reserve(0.0) == 61.0


def test_the_turns_of_one_journal_count_once_however_often_it_is_opened() -> None:
    pace = Pace(100)
    for _ in range(9):
        pace.resume([-3.0, -5.0, *[-4.0] * 18], "labels.jsonl")
    pace.resume([-7.0] * 20, "other.jsonl")
    pace.resume([-1.0], "labels.jsonl")
    turns = [pace.reserve(0.0) for _ in range(60)]
    assert turns[58] < 54.0 <= turns[59]


def test_turns_that_were_given_here_are_not_taken_over_from_a_journal_once_more() -> None:
    pace = Pace(10)
    given = [pace.reserve(30.0) for _ in range(3)]
    pace.resume([turn + 0.001 for turn in given] + [5.0] * 7, "labels.jsonl")
    assert pace.reserve(60.0) == 66.0
