"""A server on this machine in the foreground: until Ctrl-C, or as long as a program runs that uses it."""

from __future__ import annotations

import errno
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from cfai.cli._terminal import escape_for

if TYPE_CHECKING:
    from cfai.local.server import AnsweredRequest, LocalServer

_NOT_FOUND, _NOT_EXECUTABLE, _BY_SIGNAL = 127, 126, 128
"""Exit codes of a shell: no such program; one that cannot be run; to this a signal's number is added."""


def serve(local: LocalServer, note: str, command: Sequence[str], *, log_requests: bool = False) -> int:
    """Serve until `KeyboardInterrupt`, or until `command` ends, and return its exit code.

    Each request is a line on standard error: with a command whose terminal that is, only if `log_requests` asks for it,
    since it would stand in the middle of what the command shows. Without a command the environment that points a client
    at the server is printed. Raises `OSError` if the port is taken.
    """
    if logging.lastResort is not None:
        # A library's log is silent, but this is a program: what cannot be taken or recorded is said on standard error.
        logging.getLogger("cfai.local").addHandler(logging.lastResort)
    if log_requests or not (command and sys.stderr.isatty()):
        local.log_request = _print_request
    # What a container's or a service's manager sends means the same as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _explain_taken_port(), local:
        environment = {
            "CLOUDFLARE_API_BASE_URL": local.base_url,
            "CLOUDFLARE_ACCOUNT_ID": local.account_id,
            "CLOUDFLARE_API_TOKEN": local.api_token,
        }
        if command:
            return _run_program(command, {**os.environ, **environment})
        for name, value in environment.items():
            print(f"export {name}={value}", flush=True)
        _print_line(note)
        while True:
            time.sleep(3600)  # the server has threads of its own: this one waits for Ctrl-C
    raise AssertionError("unreachable")


@contextmanager
def _explain_taken_port() -> Generator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise OSError(f"{error.strerror}: does another cfai dev run? --port 0 takes any free one") from error


def _run_program(command: Sequence[str], environment: dict[str, str]) -> int:
    try:
        program = subprocess.Popen(command, env=environment)
    except OSError as error:
        _print_line(f"{command[0]} cannot be run: {error.strerror}")
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
    # Ctrl-C reaches the program too, which ends as it likes; a manager's signal is passed on to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: program.send_signal(number))
    code = program.wait()
    return code if code >= 0 else _BY_SIGNAL - code


def _print_request(request: AnsweredRequest) -> None:
    # Of a path the account says nothing here.
    path = re.sub(r"^/client/v4/accounts/[^/]+/ai/|^/v1/[^/]+/", "", request.path)
    status: Any = request.status or "cut"
    left = ", left by its client" if request.left_by_client else ""
    clock = time.strftime("%H:%M:%S")
    _print_line(f"{clock}  {request.method} {path}  {status}  {request.seconds:.2f} s{left}")


def _print_line(text: str) -> None:
    with suppress(OSError):  # nobody reads it any more
        print(escape_for(sys.stderr, text), file=sys.stderr, flush=True)
