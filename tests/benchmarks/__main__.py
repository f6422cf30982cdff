"""The command: `python -m tests.benchmarks [WHAT ...] [--rounds N]`."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from importlib.metadata import version

from . import __doc__ as description
from . import calls, crowd, growth, imports, streaming
from .clients import running_server
from .measure import Report

GROUPS: dict[str, tuple[Callable[[Report, str, int], None], ...]] = {
    "streaming": (streaming.hot, streaming.bursts, streaming.paced, streaming.first_token),
    "import": (imports.cold, imports.construction),
    "calls": (calls.small,),
    "limits": (calls.limits,),
    "growth": (growth.one_event, growth.many_tokens),
    "crowd": (crowd.streams,),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", choices=[*GROUPS, []], metavar="WHAT", help=", ".join(GROUPS))
    parser.add_argument("--rounds", type=int, default=15, help="how often each client has its turn (default: 15)")
    given = parser.parse_args()
    packages = ("cfai-sdk", "openai", "httpx", "httpx-sse", "pydantic")
    print(f"CPython {platform.python_version()},", ", ".join(f"{name} {version(name)}" for name in packages))
    report = Report()
    with running_server() as server:
        for what in given.what or [name for name in GROUPS if name != "crowd"]:
            for measure in GROUPS[what]:
                measure(report, server, given.rounds)
    report.summary()


if __name__ == "__main__":
    main()
