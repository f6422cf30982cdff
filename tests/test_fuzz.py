"""The fuzzer runs, and finds what it is for."""

from __future__ import annotations

import random
import time

import fuzz
import pytest

from cfai import Token
from cfai._response import Accumulator, Decoder
from tests.conftest import LONG


def test_a_few_hundred_inputs_find_nothing() -> None:
    assert fuzz.run(1, lambda number: number < 300, long_every=0) == 300


def test_one_seed_makes_the_same_inputs_again() -> None:
    first, second = random.Random(5), random.Random(5)
    assert [fuzz.inputs(first) for _ in range(50)] == [fuzz.inputs(second) for _ in range(50)]


def test_other_exceptions_and_tokens_that_do_not_add_up_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Decoder, rest: bytes) -> list[Token]:
        raise RecursionError("too deep")

    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "finish", broken)
        with pytest.raises(RecursionError) as raised:
            fuzz.run(1, lambda number: number < 300, long_every=0)
    assert "of seed 1: b" in raised.value.__notes__[0]
    monkeypatch.setattr(Accumulator, "get_text", lambda self, choice: "something else")
    with pytest.raises(fuzz.Uneven):
        fuzz.run(1, lambda number: number < 300, long_every=0)


def test_work_that_grows_faster_than_the_input_or_hangs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "spent", lambda way, data: len(data) ** 2 / 1e9)
    with pytest.raises(fuzz.Slow, match="times as long"):
        fuzz.grows_evenly(b"data: x\n\n", random.Random(1))
    with pytest.raises(fuzz.Slow, match="still running"):
        hang()


def hang() -> None:
    end = time.monotonic() + LONG
    with fuzz.alarm(0.01):
        while time.monotonic() < end:
            pass


def test_the_program_fails_with_the_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["0", "7"]) == 0
    assert "seed 7" in capsys.readouterr().out
    monkeypatch.setattr(fuzz, "tokens", lambda pieces: object())
    assert fuzz.main(["5", "7"]) == 1
    assert "input 1 of seed 7: b" in capsys.readouterr().err
