"""`cfai pull`: the small model's file, before it is needed."""

from __future__ import annotations

import typer
from rich.console import Console

from cfai import ConfigurationError
from cfai.cli._terminal import print_text, write


def pull() -> None:
    """Fetch the small model of --local and `Ai.local()`, if it is not there, and print where it is."""
    from cfai.local.engines import fetch_model

    try:
        write(f"{fetch_model(verify=True)}\n")
    except ConfigurationError as error:
        print_text(Console(stderr=True, highlight=False, soft_wrap=True), str(error), "red")
        raise typer.Exit(1) from error
