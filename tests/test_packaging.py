"""The package works where it is not a folder of source files: in a zip file, optimised, frozen by PyInstaller."""

from __future__ import annotations

import runpy
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import cfai
from tests.conftest import row

ROOT = Path(__file__).parents[1]
PACKAGE = Path(cfai.__file__).parent
PROGRAM = ROOT / ".ci" / "frozen.py"
OUTPUT = """\
['@cf/zai-org/glm-4.7-flash'] Hello
True True
stop
stop
SequenceLengthError
[2, 1024]
True
True
True
True
"""


def test_it_works_from_a_zip_file_and_without_docstrings_and_assertions(tmp_path: Path) -> None:
    archive = tmp_path / "cfai.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for file in PACKAGE.rglob("*"):
            if "__pycache__" not in file.parts:
                zipped.write(file, file.relative_to(PACKAGE.parent))
    start = f"""
import runpy, sys
sys.path.insert(0, {str(archive)!r})
import cfai
assert cfai.__file__.startswith({str(archive)!r}), cfai.__file__
runpy.run_path({str(PROGRAM)!r}, run_name="__main__")
"""
    for flags in ([], ["-OO"]):
        with row(flags):
            command = [sys.executable, *flags, "-W", "error", "-c", start]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
            assert (done.stdout, done.stderr) == (OUTPUT, "")


def test_pyinstaller_is_told_of_a_hook_that_collects_the_data_files(monkeypatch: pytest.MonkeyPatch) -> None:
    entry_points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    module, _, function = entry_points["pyinstaller40"]["hook-dirs"].partition(":")
    [folder] = getattr(import_module(module), function)()
    hooks = ModuleType("PyInstaller.utils.hooks")
    monkeypatch.setattr(hooks, "collect_data_files", lambda package: [package], raising=False)
    for name in ("PyInstaller", "PyInstaller.utils"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, hooks.__name__, hooks)
    assert runpy.run_path(str(Path(folder) / "hook-cfai.py"))["datas"] == ["cfai"]
