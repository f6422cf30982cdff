"""`cfai dev` with a program of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cfai.cli._dev import DEFAULT_PORT
from tests.cli.conftest import Run
from tests.conftest import row

PROGRAM = """
import os, sys
from cfai import Ai
with Ai() as ai:
    print(ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "hello"}).text)
try:
    parent = open(f"/proc/{os.getppid()}/cmdline").read()
except OSError:
    parent = ""
print(os.environ["CLOUDFLARE_API_TOKEN"] in parent + " ".join(sys.argv))
sys.exit(7)
"""


def test_a_program_runs_with_the_environment_set_and_its_exit_code_is_that_of_dev(tmp_path: Path) -> None:
    file = tmp_path / "app.py"
    file.write_text(PROGRAM, "utf-8")
    command = [sys.executable, "-m", "cfai", "dev", "--tokens-per-second", "0", "--", sys.executable, str(file)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("CF_", "CLOUDFLARE_"))}
    done = subprocess.run(
        command, env=environ | {"PYTHONIOENCODING": "utf-8"}, capture_output=True, timeout=60, stdin=subprocess.DEVNULL
    )
    answer, is_shown = done.stdout.decode().splitlines()
    assert (done.returncode, is_shown) == (7, "False"), "no process list shows the token"
    assert answer.startswith("This is an emulated answer to “hello”")
    line = r"\d\d:\d\d:\d\d  POST run/@cf/zai-org/glm-4\.7-flash  200  \d+\.\d\d s\n"
    assert re.fullmatch(line, done.stderr.decode())


def test_requests_are_told_on_no_terminal_of_a_program_unless_they_are_asked_for(
    cfai: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    call = "import os, httpx; httpx.get(os.environ['CLOUDFLARE_API_BASE_URL'])"
    for is_terminal, options, lines in ((False, [], 1), (True, [], 0), (True, ["--log-requests"], 1)):
        with row((is_terminal, options)):
            monkeypatch.setattr("sys.stderr.isatty", lambda is_terminal=is_terminal: is_terminal)
            code, _, err = cfai("dev", *options, "--", sys.executable, "-c", call)
            assert (code, err.count("  GET ")) == (0, lines)


def test_programs_that_do_not_run_or_are_killed_end_as_in_a_shell(
    cfai: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    file = tmp_path / "data"
    file.touch()
    assert cfai("dev", "--", "no-such-program") == (
        127,
        "",
        "no-such-program cannot be run: No such file or directory\n",
    )
    assert cfai("dev", "--", str(file)) == (126, "", f"{file} cannot be run: Permission denied\n")
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert cfai("dev", "--", sys.executable, "-c", killed)[0] == 128 + 9


def test_a_port_that_is_taken_is_explained(cfai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, out, err = cfai("dev", "--port", str(taken.getsockname()[1]))
    assert (code, out) == (1, "")
    assert err.endswith("does another cfai dev run? --port 0 takes any free one\n")
    assert DEFAULT_PORT != 8787, "that of wrangler dev"


def test_an_address_that_is_not_loopback_names_the_option_that_allows_it(cfai: Run) -> None:
    said = "'0.0.0.0' is not loopback: pass --allow-remote to be reachable from other machines\n"
    assert cfai("dev", "--host", "0.0.0.0") == (2, "", said)
