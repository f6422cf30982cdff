"""Errors in a notebook and in IPython's terminal: a few lines, and the whole traceback where it is asked for."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from typing import Any

import pytest

from cfai import CfaiError, InputError
from tests.conftest import row
from tests.display.conftest import Shell

GLM = "@cf/zai-org/glm-4.7-flash"
WRONG = f'ai.run("{GLM}", {{"prompt": "Hello", "max_tokens": 10**9}})'
HALF = f'ai.run("{GLM}", {{"prompt": "Hello", "stream": stream}}, extra_headers=half)'


def plain(text: str) -> list[str]:
    """Return the lines of a text without its colors."""
    return re.sub(r"\x1b\[[\d;]*m", "", text).rstrip().splitlines()


def test_an_error_is_five_lines_with_its_advice(notebook: Shell, ai: Any) -> None:
    notebook.set(stream=False, half={"cfai-emulate": "truncated"})
    for cell, place, name, advice in (
        (WRONG, WRONG, "SequenceLengthError", "pass checks='warn' to send it all the same."),
        (f"x = 1\n{WRONG}", f"line 2: {WRONG}", "SequenceLengthError", "pass checks='warn'"),
        (f'ai.run("{GLM}", {{"promt": "x"}})', "promt", "InputError", "did you mean `prompt`?"),
        ('ai.run("@cf/nobody/nothing", {"prompt": "x"})', "nobody", "NotFoundError", "("),
        (HALF, HALF, "APIResponseValidationError", "What to do: ask again; if it stays, see"),
        (HALF, HALF, "APIResponseValidationError", "(status 200, request id "),
        (
            f"stream = True\n{HALF}.result()",
            "line 2: ai.run(",
            "StreamTruncatedError",
            "What to do: ask again; if it stays",
        ),
        (f"def ask():\n    return {WRONG}\nask()", f"line 2: return {WRONG}", "SequenceLengthError", "pass checks"),
    ):
        with row(cell):
            shown = notebook(cell)
            lines = plain(shown.stdout)
            assert not shown.ok
            assert len(lines) <= 5
            assert max(map(len, lines[1:])) <= 92
            assert place in lines[0]
            assert lines[1].startswith(f"{name}: ")
            assert advice in " ".join(lines)


def test_an_error_of_an_awaited_call_names_the_line_that_awaits(notebook: Shell, ai: Any) -> None:
    shown = asyncio.run(notebook.arun(f"x = 1\nawait {WRONG.replace('run', 'arun')}"))
    lines = plain(shown.stdout)
    assert "line 2: await ai.arun(" in lines[0]
    assert len(lines) <= 5


def test_the_whole_traceback_is_folded_under_the_error(notebook: Shell, ai: Any) -> None:
    notebook.set(prompt="<script>")
    shown = notebook(f'ai.run("{GLM}", {{"prompt": "<script>", "max_tokens": 10**9}})')
    page = shown.page["text/html"]
    assert page.startswith('<details><summary style="color: gray">Traceback</summary><pre>Traceback (most recent')
    assert "in _run" not in page or "prepare" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert notebook("1").outputs == [{"text/plain": "1"}], "once, and under its own cell"


def test_in_a_terminal_a_line_says_how_the_whole_is_shown_and_that_shows_it(terminal: Shell, ai: Any) -> None:
    lines = plain(terminal(WRONG).stdout)
    assert len(lines) <= 5
    assert lines[-1] == "%tb shows the whole traceback"
    whole = plain(terminal("%tb").stdout)
    assert len(whole) > 15
    assert any("prepare" in line for line in whole)
    assert len(plain(terminal(WRONG).stdout)) <= 5, "a new one is short again"


def test_of_a_long_message_the_middle_goes_and_the_advice_stays(notebook: Shell) -> None:
    notebook.set(error=InputError(f"{'a word ' * 200}\n\nWhat to do: leave it out."))
    lines = plain(notebook("raise error").stdout)
    assert len(lines) == 5
    assert lines[1].startswith("InputError: a word")
    assert lines[3].endswith(" …")
    assert lines[4] == "What to do: leave it out."
    notebook.set(error=InputError(f"{'a word ' * 200} ends. What to do: {'ask again ' * 12}or leave it."))
    lines = plain(notebook("raise error").stdout)
    assert len(lines) == 5
    assert "\n".join(lines[3:]).split() == f"What to do: {'ask again ' * 12}or leave it.".split()
    notebook.set(error=CfaiError())
    assert plain(notebook("raise error").stdout)[1:] == ["CfaiError:"]


def test_without_colors_an_error_has_none(terminal: Shell, ai: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" in terminal(WRONG).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in terminal(WRONG).stdout


def test_other_errors_are_those_of_ipython(notebook: Shell) -> None:
    notebook.set(error=InputError("x"))
    assert len(plain(notebook("1 / 0").stdout)) > 4
    whole = plain(notebook("try:\n    raise error\nexcept Exception as e:\n    raise ValueError('y') from e").stdout)
    assert any("direct cause" in line for line in whole)


def test_a_plain_program_has_the_traceback_of_python() -> None:
    code = "import cfai\ndef f():\n    raise cfai.InputError('x')\nf()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "cfai.InputError: x"
