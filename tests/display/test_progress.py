"""The line that tells how far long work is."""

from __future__ import annotations

import sys
import time

import pytest

from cfai._display import Progress


def test_a_line_tells_items_rate_cost_and_failures(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("Labels", 10, shown=True) as progress:
        progress.update(4, failed=1, cost=0.0123)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert all(part in shown.err for part in ("Labels", "4/10", "/s", "$0.0123", "1 failed")), shown.err


def test_by_itself_it_shows_nothing_that_is_short_or_that_nobody_sees(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Progress("Labels", 10) as progress:
        progress.update(4)
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 3)
        progress.update(5)
    with Progress("Labels", 10, shown=False) as progress:
        progress.update(5)
    assert capsys.readouterr() == ("", "")


def test_in_a_terminal_it_shows_after_two_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    now = time.monotonic()
    with Progress("Labels") as progress:
        monkeypatch.setattr(time, "monotonic", lambda: now + 1)
        progress.update(1)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(time, "monotonic", lambda: now + 3)
        progress.update(2)
    assert "Labels" in capsys.readouterr().err


def test_without_rich_nothing_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with Progress("Labels", 10, shown=True) as progress:
        progress.update(4)
        progress.update(5)
    assert capsys.readouterr() == ("", "")
