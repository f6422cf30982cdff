"""The command line, run in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from cfai.cli import main

Run = Callable[..., tuple[int, str, str]]
"""Arguments to exit code, output and errors."""


@pytest.fixture
def cfai(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    # Where it is set, rich takes any file for a terminal.
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def cfai(*arguments: str, typed: str | bytes = "") -> tuple[int, str, str]:
        content = typed.encode() if isinstance(typed, str) else typed
        monkeypatch.setattr(sys, "argv", ["cfai", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8"))
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return cfai
