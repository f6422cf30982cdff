"""The cost of `from cfai import Ai` to a process that has imported nothing yet: `import cfai` alone loads nothing."""

from __future__ import annotations

import atexit
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from sys import executable

import cfai

from .measure import Report, Target, in_turns

IMPORTS = {
    "what cfai needs": "import httpx, httpx_sse, anyio; from pydantic import BaseModel",
    "cfai": "from cfai import Ai",
    "openai": "import openai",
}
# Where the packages of httpx's own command line are installed, as they are beside these tests, each import of httpx
# brings them along. Who installs cfai alone has none of them.
_PLAIN = "import sys; sys.modules['click'] = None; "
_CLOCK = _PLAIN + "import time; start = time.process_time_ns(); {}; print((time.process_time_ns() - start) / 1e6)"
_FIRST = "import time; from cfai import Ai; start = time.perf_counter(); {}; print((time.perf_counter() - start) * 1e6)"
_MAKE = "Ai(account_id='local', api_token='token', base_url='http://127.0.0.1:9/client/v4')"


def cold(report: Report, server: str, rounds: int) -> None:
    """CPU time of the import itself, and of the whole process with the interpreter's own start."""
    alone = in_turns({name: _child(_CLOCK.format(line)) for name, line in IMPORTS.items()}, rounds)
    whole = in_turns({name: _whole(_PLAIN + line) for name, line in {"nothing": "pass", **IMPORTS}.items()}, rounds)
    targets = (
        Target("to what it needs", "cfai", 1.15, "what cfai needs"),
        Target("to openai", "cfai", 0.30, "openai"),
    )
    report.table("CPU of the import alone, cold process", "ms", alone, *targets, baseline="what cfai needs")
    report.table("user CPU of the whole process", "ms", whole, *targets, baseline="what cfai needs")


def construction(report: Report, server: str, rounds: int) -> None:
    """Return `Ai()`, the first one of a process and a later one, in wall-clock time."""
    runs = {"first Ai()": _child(_FIRST.format(_MAKE)), "second Ai()": _child(_FIRST.format(f"{_MAKE}; {_SECOND}"))}
    targets = [Target("in µs", name, 1000) for name in runs]
    report.table("Ai(), cold process", "µs", in_turns(runs, rounds), *targets)


_SECOND = f"start = time.perf_counter(); {_MAKE}"


def _child(code: str) -> Callable[[], float]:
    """Return the number that a new process prints."""
    return lambda: float(_run(code))


def _whole(line: str) -> Callable[[], float]:
    def cost() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        _run(line)
        return (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before) * 1000

    return cost


@cache
def _compiled() -> str:
    """Return a folder for compiled modules, which the first turn fills."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    return folder


def _run(code: str) -> str:
    # Each process finds the package that this one has, wherever it lies, and compiled, as an installed one is.
    environment = {**os.environ, "PYTHONPATH": str(Path(cfai.__file__).parents[1]), "PYTHONPYCACHEPREFIX": _compiled()}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run([executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout
