"""The chaos suite runs, and finds what it is for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from chaos.__main__ import Chaos
from chaos.callers import Call, Wrong
from chaos.plan import BEHAVIOURS, make_plan

from cfai import APIConnectionError, CfaiError, StreamTruncatedError
from tests.conftest import row

FOLDER = Path(__file__).parents[1]


def find_call(behaviour: str, streams: bool = True) -> Call:
    """Return a call whose answer has that behaviour."""
    return next(
        call
        for call in (Call(1, number) for number in range(10_000))
        if (call.plan.behaviour, call.plan.streams) == (behaviour, streams)
    )


def test_a_few_seconds_of_chaos_find_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "chaos"), "--seconds", "6", "--seed", "1", "--threads", "8", "--tasks", "8"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "0 problems with seed 1" in done.stdout


def test_one_seed_plans_the_same_again_and_every_behaviour_is_drawn() -> None:
    plans = [make_plan(1, number) for number in range(5000)]
    assert {plan.behaviour for plan in plans} == {*BEHAVIOURS}
    for plan in plans[:100]:
        again = make_plan(1, plan.number)
        assert (again.steps, again.text, again.refusals) == (plan.steps, plan.text, plan.refusals)
    assert all(plan.steps for plan in plans)


def test_what_cannot_be_right_is_found() -> None:
    def take(call: Call, *texts: str) -> None:
        for text in texts:
            call.take(text)

    def end_early(call: Call) -> None:
        call.take(call.plan.text[:1])
        call.end(None)

    partial = StreamTruncatedError("cut", partial="something else")
    cases: dict[str, Any] = {
        "another text": lambda call: take(call, "another"),
        "too much text": lambda call: take(call, call.plan.text, "!"),
        "a quiet end": end_early,
        "an exception of another library": lambda call: call.fail(OSError("gone")),
        "a good answer that is lost": lambda call: call.fail(APIConnectionError("gone")),
        "another partial text": lambda call: call.fail(partial),
        "an error of another call": lambda call: call.fail(CfaiError("gone", request_id="call-0")),
    }
    for name, case in cases.items():
        call = find_call("cut" if name in ("another partial text", "an error of another call") else "good")
        with row(name), pytest.raises(Wrong):
            case(call)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_call_that_hangs_is_found() -> None:
    hung: list[str] = []
    chaos = Chaos(1, 0.0, threads=0, tasks=0, on_hang=hung.append)
    chaos._end = time.monotonic() + 1
    call = chaos.next_call()
    assert call is not None
    chaos._running[call.plan.number] -= 1000
    chaos.look_for_hangs()
    assert "takes longer" in hung[0]
