"""The commands of `cfai`, each in a module of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from cfai import __version__
from cfai.cli._dev import dev
from cfai.cli._doctor import doctor
from cfai.cli._pull import pull
from cfai.cli._run import run
from cfai.cli._terminal import EscapingGroup

app = typer.Typer(
    cls=EscapingGroup,
    help="Workers AI on the command line.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"cfai {__version__}")
        raise typer.Exit


@app.callback()
def set_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """Workers AI on the command line."""


app.command()(run)
app.command()(dev)
app.command()(pull)
app.command()(doctor)
