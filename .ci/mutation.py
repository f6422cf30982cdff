"""Mutation testing with mutmut: are the tests failing when the code is wrong?

    python .ci/mutation.py [--at-least 90] [--processes 2] [--last-digits 15]

Run it at the root of a copy of the checkout, with the `dev` extra and mutmut installed: it leaves a folder `mutants`
there. What is mutated, and by which tests it should be noticed, stands under `[tool.mutmut]` in `pyproject.toml`. It
prints the share that was noticed, by module, and the mutants that were not; `mutmut show NAME` shows one. All mutants
take hours: those whose numbers end in a few digits are a sample, with some of every function.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

SURVIVED, NO_TESTS, NOT_RUN = 0, (5, 33), None
"""The exit codes by which mutmut records what became of a mutant. Any other was noticed."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at-least", type=float, default=90.0, help="per cent of the mutants to notice (default: 90)")
    parser.add_argument("--processes", type=int, default=2, help="mutants that run at a time (default: 2)")
    parser.add_argument("--last-digits", default="0123456789", help="only mutants whose number ends in one of these")
    options = parser.parse_args()
    sample = f"*__mutmut_*[{options.last_digits}]"
    subprocess.run(["mutmut", "run", "--max-children", str(options.processes), sample], check=True)
    files = sorted(Path("mutants").rglob("*.meta"))
    outcomes = {name: code for file in files for name, code in _read(file).items() if name[-1] in options.last_digits}
    survivors = sorted(name for name, code in outcomes.items() if code in (SURVIVED, *NO_TESTS, NOT_RUN))
    print("not noticed:", *survivors, sep="\n  ")
    modules: dict[str, list[bool]] = {}
    for name in outcomes:
        modules.setdefault(name.rpartition(".")[0], []).append(name not in survivors)
    for module, noticed in modules.items():
        print(f"{100 * sum(noticed) / len(noticed):6.1f} % of {len(noticed):5,}  {module}")
    share = 100 * (1 - len(survivors) / len(outcomes)) if outcomes else 0.0
    print(f"{share:6.1f} % of {len(outcomes):5,}  in all, at least {options.at_least:g} wanted")
    return 0 if share >= options.at_least else 1


def _read(file: Path) -> dict[str, int | None]:
    """Return the exit code of each mutant of a module, by name."""
    return json.loads(file.read_text("utf-8"))["exit_code_by_key"]


if __name__ == "__main__":
    sys.exit(main())
