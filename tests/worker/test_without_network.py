"""A Worker has one thread, no sockets, no TLS and no processes: nothing that is awaited needs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_everything_that_is_awaited_works_without_threads_sockets_tls_and_processes(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.worker.without_network", str(tmp_path / "hi.mp3")]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    program = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60
    )
    assert (program.returncode, program.stderr) == (0, "")
    results = json.loads(program.stdout)
    assert {name: result for name, result in results.items() if "not awaited" not in name} == {
        "run": "one",
        "long": 100_000,
        "stream": ["Hi"],
        "tools": "7 °C in Rome",
        "chat": "7 °C in Rome",
        "typed": "Oslo",
        "fallback": "one",
        "embed": [300, 2],
        "many": ["a", "b"],
        "heard": "40 bytes",
        "spoken": 8,
        "saved": 8,
        "models": ["@cf/zai-org/glm-4.7-flash"],
        "calls": 17,
    }
    refusals = {name: result for name, result in results.items() if "not awaited" in name}
    assert len(refusals) == 5
    assert refusals.pop("many, not awaited").endswith("as in a Worker, call `arun_many`")
    for name, result in refusals.items():
        assert result.startswith("a Worker waits for nothing but what is awaited: call `arun`"), (name, result)
