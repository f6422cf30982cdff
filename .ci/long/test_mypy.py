"""What mypy prints of a call that fits no overload: a few hundred bytes, where it used to be a hundred thousand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import row

MISFITS = Path(__file__).parents[2] / "tests" / "typing" / "misfits.py"


def test_mypy_reports_every_misfit_in_few_words(tmp_path: Path) -> None:
    misfits = MISFITS.read_text(encoding="utf-8").splitlines()
    for wrong_inputs in ("open", "Path('a.wav')", "5", "[1]", "'Hi'"):
        misfits += [f"ai.{method}(LLAMA, {wrong_inputs})  # ignore[reportCallIssue]" for method in ("run", "arun")]
    rules = r"report(CallIssue|UnknownVariableType|GeneralTypeIssues)\]"
    wrong = [number for number, line in enumerate(misfits, 1) if re.search(rules, line)]
    (tmp_path / "misfits.py").write_text("\n".join(misfits), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "misfits.py"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300).stdout
    said: dict[int, list[str]] = {}
    for line in printed.splitlines():
        if found := re.match(r"misfits\.py:(\d+): ", line):
            said.setdefault(int(found[1]), []).append(line)
    assert len(wrong) > 80
    for number in wrong:
        with row(misfits[number - 1]):
            assert any(": error: " in line for line in said.get(number, ()))
            assert len("\n".join(said[number])) < 5000
