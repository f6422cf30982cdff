"""The command line, `cfai`. Needs the extra `cli`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line, or says what to install for it."""
    try:
        from cfai.cli._app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich", "click"):
            raise
        sys.exit('The command line needs an extra: pip install "cfai-sdk[cli]"')
    app()
