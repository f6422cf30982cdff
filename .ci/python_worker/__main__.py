"""Runs cfai and `examples/python_worker` in Pyodide, over miniflare's `env.AI`, whose host is an emulator.

    PYTHONPATH=.ci python .ci/python_worker

Pyodide and miniflare are npm's, and Pyodide's wheels PyPI's. workerd's own Python cannot be tried without Cloudflare's
hosts: it fetches its Pyodide from one of them when it starts.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from clients.__main__ import node, run

from cfai.local import Emulator

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def download_wheels(folder: Path, lock: Path) -> None:
    """Put the checkout, what it needs and the SDK of Python Workers into a folder, as wheels for a Pyodide."""
    info = json.loads(lock.read_text("utf-8"))["info"]
    version = "".join(info["python"].split(".")[:2])
    tags = ["--platform", f"pyemscripten_{info['abi_version']}_wasm32", "--python-version", version]
    tags += ["--implementation", "cp", "--abi", f"cp{version}", "--abi", "none", "--only-binary=:all:"]
    pip = (sys.executable, "-m", "pip")
    run(*pip, "wheel", "-q", "--no-deps", "-w", folder, ROOT, cwd=folder)
    (own,) = folder.glob("*.whl")
    run(*pip, "download", "-q", *tags, "-d", folder, own, "workers-runtime-sdk", cwd=folder)


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary, Emulator(lenient_paths=True) as local:
        work = Path(temporary)
        interpreter = node(work, {"pyodide@>=314", "miniflare@>=4"})
        wheels = work / "wheels"
        wheels.mkdir()
        download_wheels(wheels, work / "node_modules" / "pyodide" / "pyodide-lock.json")
        script = work / "worker.mjs"  # Node looks for packages beside it
        script.write_text((HERE / "worker.mjs").read_text("utf-8"), "utf-8")
        told = {
            "EMULATOR_BINDING_URL": local.binding_url,
            "WHEELS": str(wheels),
            "ENTRY": str(ROOT / "examples" / "python_worker" / "src"),
            "PROGRAM": str(HERE / "program.py"),
        }
        run(interpreter, script, cwd=work, env={**os.environ, **told})
        assert [each.inputs.get("prompt") for each in local.requests][-2:] == ["café & tea", "Where is New York?"]
        print(f"Pyodide: {len(local.requests)} requests of {len({each.model for each in local.requests})} models")


if __name__ == "__main__":
    main()
