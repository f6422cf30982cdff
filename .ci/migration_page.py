"""The programs of docs/migration.md that are not cfai's run with the packages of the page, and print what it says:
`python -m pytest .ci/migration_page.py`. Those with cfai run in the gate.

Each package has a virtual environment of its own. Addresses of Cloudflare's in a program lead to an emulator.
"""

from __future__ import annotations

import os
import re
import subprocess
import venv
from pathlib import Path

import pytest

from cfai._credentials import BASE_URL
from cfai.local import Emulator
from tests.test_docs import ROOT, Block, blocks, looks_like

PROGRAMS = [block for block in blocks(ROOT / "docs" / "migration.md") if block.not_run is not None]
LONG = 900
"""Seconds after which an installation gives up."""


def find_package(block: Block) -> str:
    """Return what the page tells to install before a block."""
    above = "\n".join(block.page.read_text("utf-8").splitlines()[: block.line])
    return re.findall(r"^`pip install (.*)`$", above, re.MULTILINE)[-1]


@pytest.mark.parametrize("block", PROGRAMS, ids=find_package)
def test_the_program_of_another_client_prints_what_the_page_says(block: Block, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    venv.create(python.parents[1], with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "-q", find_package(block)], check=True, timeout=LONG)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with Emulator() as service:
        for file in tmp_path.glob("venv/lib/*/site-packages/*cloudflare*/**/*.py"):
            file.write_text(file.read_text("utf-8").replace(BASE_URL, service.base_url), "utf-8")
        account = {"CLOUDFLARE_ACCOUNT_ID": service.account_id, "CLOUDFLARE_API_TOKEN": service.api_token}
        done = subprocess.run(
            [python, "-c", block.code.replace(BASE_URL, service.base_url)],
            env=kept | account,
            capture_output=True,
            text=True,
            timeout=LONG,
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stderr
    assert block.output is not None
    assert looks_like(done.stdout, block.output), done.stdout
