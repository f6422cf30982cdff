"""What all commands have in common: helps, guesses, the completion of names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cfai import models
from cfai.cli._commands import complete_model
from cfai.doctor._machine import EXTRAS
from tests.cli.conftest import Run
from tests.conftest import row

ROOT = Path(__file__).parents[2]
COMMANDS = [
    "run",
    "models",
    "models list",
    "models search",
    "models show",
    "models sync",
    "tokens",
    "dev",
    "pull",
    "doctor",
]


def test_each_help_has_examples_and_no_option_takes_a_secret(cfai: Run) -> None:
    for command in ["", *COMMANDS]:
        with row(command):
            code, out, err = cfai(*command.split(), "-h")
            assert (code, err) == (0, "")
            assert (out, "Examples" in out) == (cfai(*command.split(), "--help")[1], True)
            assert re.search(rf"\$ cfai {command}", out)
            assert not re.search(r"--\S*(token|key|secret|password)\b", out.replace("--max-tokens", ""))
            assert "<bool>" not in out


def test_what_was_meant_is_guessed(cfai: Run) -> None:
    for arguments, hint in (
        (["rnu"], "Did you mean 'run'?"),
        (["modles"], "Did you mean 'models'?"),
        (["models", "serch"], "Did you mean 'search'?"),
        (["where is new york?"], "Did you mean 'cfai run'?"),
        (["@cf/zai-org/glm-4.7-flash", "hello"], "Did you mean 'cfai run'?"),
        (["run", "where", "is", "it?"], "a prompt of several words stands in quotes"),
        (
            ["run", "hi", "--temperature", "0"],
            "No such option: --temperature: an input of the model is -i temperature=VALUE",
        ),
        (["chat", "--max-token", "9"], "--max-tokens"),
        (["dev", "--port", "80000"], "65535"),
        (["chat", "flux-1-schnell", "--emulated"], "choose one of cfai models list --task text-generation"),
    ):
        with row(arguments):
            code, out, err = cfai(*arguments)
            assert (code, out) == (2, "")
            assert hint in " ".join(err.replace("│", "").split())


def test_the_extra_of_the_command_line_has_all_that_emulated_answers_need() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert {*extras["emulator"]} <= {*extras["cli"]}
    assert {*EXTRAS["emulator"]} <= {*EXTRAS["cli"]}


def test_a_default_model_that_is_none_is_told_by_the_name_of_its_variable(
    cfai: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFAI_MODEL", "bogus")
    for command in (["run", "hello there"], ["chat"]):
        assert cfai(*command)[::2] == (2, "CFAI_MODEL: there is no model 'bogus': cfai models lists them\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no full device")
def test_a_list_on_a_full_disk_ends_with_one_line(cfai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        ended = cfai("models", "search", "glm")
        assert (ended[0], ended[2]) == (1, "No space left on device\n")


def test_names_of_models_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete_model("flux-1") == ["flux-1-schnell"]
    assert complete_model("@cf/zai-org/glm-4") == ["@cf/zai-org/glm-4.7-flash"]
    assert len(complete_model("")) > 60
    assert "llama-2-7b-chat-int8" not in complete_model("llama-2"), "it is retired"
    code = "import sys, cfai.cli; print('httpx' in sys.modules, file=sys.stderr); cfai.cli.main()"
    words = {"COMP_WORDS": "cfai run flux-1", "COMP_CWORD": "2", "_CFAI_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **words}, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.strip(), done.stderr.strip()) == ("flux-1-schnell", "False")


def test_a_help_loads_no_client() -> None:
    code = "import sys\ntry:\n import cfai.cli; sys.argv = ['cfai', 'run', '-h']; cfai.cli.main()\nfinally:\n"
    code += " print('loaded', *{'httpx', 'pydantic', 'pydantic_core', 'asyncio', 'cfai._client'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "loaded"


def test_the_package_is_the_program(cfai: Run) -> None:
    done = subprocess.run([sys.executable, "-m", "cfai", "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, cfai("--version")[1])
    assert models.catalogue()
