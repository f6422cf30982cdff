"""Every block of docs/openai.md runs with the packages that the page tells to install, and prints what it says:
`python -m pytest .ci/openai_page.py`.

Each section has a virtual environment of its own, as these packages disagree about what they need; what the gate leaves
out of the page is here.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import venv
from pathlib import Path

import pytest

from cfai.local import Emulator
from tests.test_docs import ROOT, Block, blocks, looks_like

PAGE = ROOT / "docs" / "openai.md"
LONG = 900
"""Seconds after which an installation gives up."""


def find_packages(block: Block) -> list[str]:
    """Return what the page tells to install before a block."""
    above = "\n".join(block.page.read_text("utf-8").splitlines()[: block.line])
    return shlex.split(re.findall(r"^`pip install (.*)`$", above, re.MULTILINE)[-1])


@pytest.mark.parametrize("block", blocks(PAGE), ids=lambda block: find_packages(block)[0])
def test_a_block_prints_what_the_page_says_with_the_newest_packages(block: Block, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    venv.create(python.parents[1], with_pip=True)
    install = [python, "-m", "pip", "install", "-q", ROOT, *find_packages(block)]
    subprocess.run(install, check=True, timeout=LONG)
    program = tmp_path / "program.py"
    program.write_text(block.code, "utf-8")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with Emulator() as service:
        account = {
            "CLOUDFLARE_API_BASE_URL": service.base_url,
            "CLOUDFLARE_ACCOUNT_ID": service.account_id,
            "CLOUDFLARE_API_TOKEN": service.api_token,
        }
        # Nothing is looked up outside.
        quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            [python, program], env=kept | account | quiet, capture_output=True, text=True, timeout=LONG, cwd=tmp_path
        )
        requests = [(request.path.rpartition("/v1/")[2], request.model) for request in service.requests]
    assert done.returncode == 0, done.stderr
    assert block.output is not None
    assert looks_like(done.stdout, block.output), done.stdout
    chat = ("chat/completions", "@cf/zai-org/glm-4.7-flash")
    assert requests == [chat, chat, ("embeddings", "@cf/baai/bge-m3")]
