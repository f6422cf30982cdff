"""A server for the command line: there until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import time
from typing import NoReturn

from cfai.local.server._server import LocalServer


def serve_in_foreground(local: LocalServer, note: str) -> NoReturn:
    """Print the environment that points a client at `local`, and serve until `KeyboardInterrupt`."""
    # What a container's or a service's manager sends means the same as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with local:
        print(f"export CLOUDFLARE_API_BASE_URL={local.base_url}")
        print(f"export CLOUDFLARE_ACCOUNT_ID={local.account_id}")
        print(f"export CLOUDFLARE_API_TOKEN={local.api_token}", flush=True)
        print(note, file=sys.stderr, flush=True)
        while True:
            time.sleep(3600)
