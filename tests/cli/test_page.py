"""The page of the command line: each command in it prints what stands behind it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cfai.cli._catalogue import known_models
from cfai.local import Emulator
from tests.cli.conftest import Run
from tests.conftest import row

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "command-line.md").read_text("utf-8")
_SHOWN = re.compile(r"^```sh\n(.+)\n```\n\n```text\n((?:.*\n)*?)```\n", re.MULTILINE)
APP = 'from cfai import Ai\n\nprint(Ai().run("@cf/zai-org/glm-4.7-flash", {"prompt": "Where is New York?"}))\n'


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The emulator as a reader has it."""
    with Emulator() as local:
        monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", local.base_url)
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", local.account_id)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", local.api_token)
        yield


@pytest.mark.usefixtures("account")
def test_each_command_of_the_page_prints_what_stands_behind_it(
    cfai: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    known_models.cache_clear()
    for name in ("photo.jpg", "speech.mp3"):
        shutil.copy(ROOT / "examples" / name, tmp_path)
    (tmp_path / "notes.txt").write_text("Buy milk.\n", "utf-8")
    (tmp_path / "questions.txt").write_text("Where is New York?\nAnd London?\n", "utf-8")
    (tmp_path / "app.py").write_text(APP, "utf-8")
    shown = [pair for pair in re.findall(_SHOWN, PAGE) if pair[0] != "cfai dev"]  # which has no end
    assert len(shown) == 17
    for command, expected in shown:
        with row(command):
            typed, _, piped = command.rpartition(" | ")
            content = (tmp_path / typed.split()[1]).read_bytes() if typed else b""
            arguments = shlex.split(piped or command)[1:]
            if "dev" in arguments:  # its program writes past what this process can see
                arguments = [sys.executable if each == "python" else each for each in arguments]
                program = [sys.executable, "-m", "cfai", *arguments]
                done = subprocess.run(program, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
                out, err = done.stdout.decode(), done.stderr.decode()
            else:
                _, out, err = cfai(*arguments, typed=content)
            printed = out + err
            pattern = ".*".join(map(re.escape, expected.rstrip("\n").split("…")))
            assert re.fullmatch(pattern, printed.rstrip("\n"), re.DOTALL), printed


def test_each_exit_code_and_command_is_on_the_page(cfai: Run) -> None:
    commands = re.findall(r"^│ (\w+) ", cfai("-h")[1].partition("Commands")[2], re.MULTILINE)
    assert [name for name in commands if f"cfai {name}" not in PAGE] == []
    assert {"run", "chat", "models", "tokens", "dev", "pull", "doctor"} <= {*commands}
