"""The line that tells how far long work is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from cfai._display import Progress
from tests.conftest import LONG, row
from tests.display.conftest import Shell

ROOT = Path(__file__).parents[2]


def test_a_line_tells_items_rate_cost_and_failures(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("Labels", 10, shown=True) as progress:
        progress.update(4, failed=1, cost=0.0123)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert all(part in shown.err for part in ("Labels", "4/10", "/s", "$0.012", "1 failed")), shown.err


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


def test_the_rate_is_without_what_was_done_before(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Progress("Labels", 1000, shown=True) as progress:
        monkeypatch.setattr(time, "monotonic", lambda: now + 10)
        progress.update(950, skipped=900)
    assert "5.0/s" in capsys.readouterr().err


PROGRAM = """
import sys
from tests.many.conftest import Jobs, StandIn, prompts
job = Jobs(None)(StandIn(lambda _: "x"), prompts(20), progress=True)
for row in job.job:
    print("row", row.index)
    if row.index == int(sys.argv[1]):
        raise ValueError
    if row.index == int(sys.argv[2]):
        break
print("the end")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_what_a_program_prints_goes_where_it_was_sent_and_the_bar_ends_with_the_program(tmp_path: Path) -> None:
    import pty

    for error_at, break_at, given in ((-1, -1, 20), (5, -1, 6), (-1, 5, 6)):
        for is_file in (True, False):
            with row((error_at, break_at, is_file)):
                ours, theirs = pty.openpty()
                command = [sys.executable, "-c", PROGRAM, f"{error_at}", f"{break_at}"]
                environ = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
                with open(tmp_path / "out.txt", "wb") as file, ThreadPoolExecutor(1) as thread:
                    shown = thread.submit(read_all, ours)
                    out = file if is_file else theirs
                    subprocess.run(command, stdout=out, stderr=theirs, env=environ, cwd=ROOT, timeout=LONG, check=False)
                    os.close(theirs)
                    on_terminal = shown.result()
                printed = (tmp_path / "out.txt").read_text() if is_file else on_terminal
                lines = re.findall(r"row \d+|the end", printed)
                expected = [f"row {index}" for index in range(given)]
                assert lines == (expected if error_at >= 0 else [*expected, "the end"])
                assert not is_file or "row" not in on_terminal.replace("for row in", "").replace("row.index", "")
                assert "/20" in on_terminal, "the bar is on the terminal"
                assert on_terminal.count("\x1b[?25l") == on_terminal.count("\x1b[?25h") > 0, "the cursor is shown again"


def read_all(end: int) -> str:
    pieces: list[bytes] = []
    with suppress(OSError):  # the other end is closed
        while piece := os.read(end, 65536):
            pieces.append(piece)
    os.close(end)
    return b"".join(pieces).decode()


def test_without_rich_nothing_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with Progress("Labels", 10, shown=True) as progress:
        progress.update(4)
        progress.update(5)
    assert capsys.readouterr() == ("", "")


def test_in_a_notebook_a_bar_needs_no_package_and_stays_in_one_place(
    notebook: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    notebook.set(Progress=Progress)
    shown = notebook(
        "with Progress('<Labels>', 1000, shown=True) as progress:\n"
        "    for done in range(0, 1001, 10):\n"
        "        progress.update(done, failed=1, cost=0.0123)"
    )
    assert shown.ok
    assert len(shown.looks) < 20, "not one for each step"
    page = shown.page["text/html"]
    assert "&lt;Labels&gt;" in page
    assert '<progress value="1000" max="1000"></progress> 1,000/1,000 · ' in page
    assert "$0.012 · 1 failed" in page
    shown = notebook("with Progress('Labels', shown=True) as progress:\n    progress.update(4)")
    assert "<progress" not in shown.text
    assert notebook("with Progress('Labels') as progress:\n    progress.update(4)").outputs == []
