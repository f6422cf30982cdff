"""The three programs that a client must be able to run, word for word, each as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cfai.local
from cfai.local import Emulator

MEDIA = Path(cfai.local.__path__[0], "emulator", "media")


@pytest.fixture
def local() -> Emulator:
    return Emulator()


def run_program(name: str, folder: Path, local: Emulator) -> tuple[list[str], str]:
    """Return the lines that a program wrote, and what it wrote to standard error. It has to end well."""
    (folder / "r.png").write_bytes((MEDIA / "picture.png").read_bytes())
    (folder / "a.wav").write_bytes((MEDIA / "speech.wav").read_bytes())
    with local:
        environment = {
            **os.environ,
            "CLOUDFLARE_API_BASE_URL": local.base_url,
            "CLOUDFLARE_ACCOUNT_ID": local.account_id,
            "CLOUDFLARE_API_TOKEN": local.api_token,
        }
        program = str(Path(__file__).parent / "programs" / name)
        done = subprocess.run(
            [sys.executable, program], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


def test_an_agent_has_typed_answers_tools_vision_and_a_conversation(local: Emulator, tmp_path: Path) -> None:
    city, weather, _, talk = run_program("agent.py", tmp_path, local)[0]
    assert city == "emulated 1"
    assert " 2 " in weather, "two calls of the model"
    assert float(weather.split()[-1]) > 0, "US dollars"
    assert "And London?" in talk
    history = json.loads((tmp_path / "chat.json").read_text())["messages"]
    assert [message["role"] for message in history] == ["system", "user", "assistant", "user", "assistant"]
    assert history[-1]["content"] == talk


def test_an_agent_falls_back_on_another_model(local: Emulator, tmp_path: Path) -> None:
    local.script("model-retired", "ok")
    assert run_program("agent.py", tmp_path, local)[0][0] == "emulated 1"
    models = [request.model for request in local.requests[:2]]
    assert models == ["@cf/zai-org/glm-4.7-flash", "@cf/qwen/qwen3-30b-a3b-fp8"]


def test_labels_go_on_where_they_stopped_and_say_what_they_cost(local: Emulator, tmp_path: Path) -> None:
    (tmp_path / "reviews.txt").write_text("It works.\nIt broke.\n")
    first, bar = run_program("labels.py", tmp_path, local)
    assert first[:2] == ["0 positive", "1 positive"]
    assert "done       2" in first
    assert any(line.startswith("cost       $0.0") for line in first)
    assert "2/?" in bar
    (tmp_path / "reviews.txt").write_text("It works.\nIt broke.\nAgain!\n")
    again = run_program("labels.py", tmp_path, local)[0]
    assert again[:3] == [*first[:2], "2 positive"]
    assert len(local.requests) == 3, "what stands in the journal is not sent again"


def test_the_cells_of_a_notebook_run(local: Emulator, tmp_path: Path) -> None:
    assert run_program("notebook.py", tmp_path, local) == ([], "")
    assert len(local.requests) == 2 + 10 + 5, "a thousand texts are ten calls"
