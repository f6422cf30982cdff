"""The command line, `cfai`. Needs the extra `cli`."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import NoReturn

_TERMINATED = 128 + signal.SIGTERM
"""The exit code of a shell for a program that was ended so."""


def main() -> None:
    """Run the command line, or say what to install for it."""
    # What ends so too gives the terminal back as it was: its cursor, and that it shows what is typed.
    signal.signal(signal.SIGTERM, _end)
    try:
        _run_app()
    except KeyboardInterrupt:
        sys.exit(130)


def _end(*_: object) -> NoReturn:
    sys.exit(_TERMINATED)


def _run_app() -> None:
    try:
        import_module("rich")  # which the commands import where they need it
        from cfai.cli._app import app
        from cfai.cli._terminal import escape_logs
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich", "click"):
            raise
        sys.exit('The command line needs an extra: pip install "cfai-sdk[cli]"')
    # A program that was started without them has none.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  # closed with the program
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115  # closed with the program
    for stream in (sys.stdout, sys.stderr):
        # A terminal, or a file, whose encoding lacks a character shows a question mark instead.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    escape_logs()
    app(prog_name="cfai")
