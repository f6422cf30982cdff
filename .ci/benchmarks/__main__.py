"""The command: `PYTHONPATH=.ci python -m benchmarks [WHAT ...] [--rounds N]`."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version

from . import __doc__ as description
from . import calls, crowd, embeddings, growth, imports, many, streaming
from .clients import running_server
from .measure import Report

GROUPS: dict[str, tuple[Callable[[Report, str, int], None], ...]] = {
    "streaming": (streaming.hot, streaming.bursts, streaming.paced, streaming.first_token),
    "import": (imports.cold, imports.construction),
    "calls": (calls.small,),
    "embeddings": (embeddings.vectors,),
    "many": (many.overhead, many.growth),
    "limits": (calls.limits,),
    "growth": (growth.one_event, growth.many_tokens),
    "crowd": (crowd.streams,),
    "estimate": (),
}
UNASKED = [name for name in GROUPS if name not in ("crowd", "estimate")]
"""The groups that are run if none is asked for."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", choices=[*GROUPS, []], metavar="WHAT", help=", ".join(GROUPS))
    parser.add_argument("--rounds", type=int, default=15, help="how often each client has its turn (default: 15)")
    parser.add_argument("--markdown", action="store_true", help="estimate: print the tables of docs/limits.md instead")
    parser.add_argument("--write-rates", action="store_true", help="estimate: write cfai/tokens/rates.json instead")
    given = parser.parse_args()
    if "estimate" in given.what:
        if given.what != ["estimate"]:
            parser.error("estimate is run by itself")
        sys.exit(_estimate(given.markdown, given.write_rates))
    packages = ("cfai-sdk", "openai", "httpx", "httpx-sse", "pydantic")
    print(f"CPython {platform.python_version()},", ", ".join(f"{name} {version(name)}" for name in packages))
    report = Report()
    with running_server() as server:
        for what in given.what or UNASKED:
            for measure in GROUPS[what]:
                measure(report, server, given.rounds)
    report.summary()


def _estimate(markdown: bool, write_rates: bool) -> int:
    from . import estimate  # numpy and scipy, which nothing else needs

    if write_rates:
        estimate.write_rates()
        return 0
    report = Report()
    estimate.run(report, markdown=markdown)
    if not markdown:
        report.summary()
    return 1 if report.missed else 0


if __name__ == "__main__":
    main()
