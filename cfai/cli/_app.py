"""The commands of `cfai`, each in a module of its own."""

from __future__ import annotations

import typer

from cfai.cli._dev import dev
from cfai.cli._doctor import doctor
from cfai.cli._run import run
from cfai.cli._terminal import EscapingGroup

app = typer.Typer(
    cls=EscapingGroup, help="Workers AI on the command line.", no_args_is_help=True, pretty_exceptions_enable=False
)


app.command()(run)
app.command()(dev)
app.command()(doctor)
