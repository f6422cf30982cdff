"""`python -m cfai.emulator`: serve until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence

from cfai.emulator import Emulator


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m cfai.emulator", description="A Workers AI on this machine.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--tokens-per-second", type=float, default=60.0, help="pace (default: %(default)s, 0: none)")
    parser.add_argument("--lenient-paths", action="store_true", help="accept %%2F in paths")
    parser.add_argument("--retired", choices=("serve", "refuse"), default="serve", help="what retired models do")
    parser.add_argument("--allow-remote", action="store_true", help="listen on other than loopback addresses")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; the exit code."""
    options = parser().parse_args(arguments)
    # What a container's or a service's manager sends means the same as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        local = Emulator(
            options.host,
            options.port,
            tokens_per_second=options.tokens_per_second or None,
            lenient_paths=options.lenient_paths,
            retired=options.retired,
            allow_remote=options.allow_remote,
            keep_requests=0,
        )
        with local:
            print(f"export CLOUDFLARE_API_BASE_URL={local.base_url}")
            print(f"export CLOUDFLARE_ACCOUNT_ID={local.account_id}")
            print(f"export CLOUDFLARE_API_TOKEN={local.api_token}", flush=True)
            print("Serving emulated answers until Ctrl-C.", file=sys.stderr, flush=True)
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        return 0
    except (ImportError, OSError, OverflowError, ValueError) as error:
        print(f"{error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
