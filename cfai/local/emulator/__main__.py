"""`python -m cfai.local.emulator`: serve until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from cfai.local.emulator import Emulator
from cfai.local.faults import SCENARIOS
from cfai.local.server import serve


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m cfai.local.emulator", description="A Workers AI on this machine.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--tokens-per-second", type=float, default=60.0, help="pace (default: %(default)s, 0: none)")
    parser.add_argument("--lenient-paths", action="store_true", help="accept %%2F in paths")
    parser.add_argument("--retired", choices=("serve", "refuse"), default="serve", help="what retired models do")
    parser.add_argument("--allow-remote", action="store_true", help="listen on other than loopback addresses")
    parser.add_argument("--rate-limits", action="store_true", help="allow the published requests per minute only")
    parser.add_argument("--daily-neurons", type=float, help="neurons a day, from 00:00 UTC (the free plan: 10000)")
    parser.add_argument("--concurrency", type=int, help="calls that a model answers at a time; others wait in line")
    parser.add_argument("--prompt-caching", action="store_true", help="count cached tokens in usage")
    parser.add_argument("--no-workers-paid", action="store_true", help="refuse models that require Workers Paid")
    parser.add_argument("--random-faults", type=float, default=0.0, help="share of the requests that go wrong, 0 to 1")
    parser.add_argument("--seed", type=int, default=0, help="seed of --random-faults (default: %(default)s)")
    parser.add_argument("--scenarios", action="store_true", help="list what can go wrong, by name, and end")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; the exit code."""
    options = parser().parse_args(arguments)
    if options.scenarios:
        group = ""
        for name, scenario in SCENARIOS.items():
            if scenario.group != group:
                group = scenario.group
                print(group)
            print(f"  {name:26} {scenario.summary}")
        return 0
    try:
        local = Emulator(
            options.host,
            options.port,
            tokens_per_second=options.tokens_per_second or None,
            lenient_paths=options.lenient_paths,
            retired=options.retired,
            allow_remote=options.allow_remote,
            keep_requests=0,
            rate_limits=options.rate_limits,
            daily_neurons=options.daily_neurons,
            concurrency=options.concurrency,
            prompt_caching=options.prompt_caching,
            workers_paid=not options.no_workers_paid,
        )
        local.random_faults(options.random_faults, seed=options.seed)
        serve(local, "Serving emulated answers until Ctrl-C.")
    except KeyboardInterrupt:
        return 0
    except (ImportError, OSError, OverflowError, ValueError) as error:
        print(f"{error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
