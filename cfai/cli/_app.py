"""The commands of `cfai`, each in a module of its own.

These modules import what they need in their functions: the help and the completion of a name are there without it.
"""

from __future__ import annotations

from typing import Annotated

import typer
from typer.completion import get_completion_inspect_parameters, install_callback, show_callback

from cfai import __version__
from cfai.cli._chat import EXAMPLES as CHAT_EXAMPLES
from cfai.cli._chat import chat
from cfai.cli._commands import Command, CommandGroup, format_examples
from cfai.cli._dev import EXAMPLES as DEV_EXAMPLES
from cfai.cli._dev import dev
from cfai.cli._doctor import EXAMPLES as DOCTOR_EXAMPLES
from cfai.cli._doctor import doctor
from cfai.cli._models import models
from cfai.cli._pull import EXAMPLES as PULL_EXAMPLES
from cfai.cli._pull import pull
from cfai.cli._run import EXAMPLES as RUN_EXAMPLES
from cfai.cli._run import run
from cfai.cli._tokens import EXAMPLES as TOKENS_EXAMPLES
from cfai.cli._tokens import tokens

_EXAMPLES = format_examples(
    'cfai run "where is new york?"',
    'cfai run flux-1-schnell "a cat" -o cat.jpg',
    "cfai chat",
    "cfai run --local --help",
    "cfai COMMAND --help",
)

app = typer.Typer(
    cls=CommandGroup,
    help="Workers AI on the command line.",
    epilog=_EXAMPLES,
    no_args_is_help=True,
    add_completion=False,  # its options are below: typer's own would load pydantic for every help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
get_completion_inspect_parameters()  # which sets completion up


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"cfai {__version__}")
        raise typer.Exit


@app.callback()
def set_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and end.")
    ] = False,
    install_completion: Annotated[
        bool,
        typer.Option(
            "--install-completion",
            callback=install_callback,
            is_eager=True,
            help="Let this shell complete commands, options and models.",
        ),
    ] = False,
    show_completion: Annotated[
        bool,
        typer.Option("--show-completion", callback=show_callback, is_eager=True, help="Print what that installs."),
    ] = False,
) -> None:
    """Workers AI on the command line."""


app.command(cls=Command, epilog=RUN_EXAMPLES)(run)
app.command(cls=Command, epilog=CHAT_EXAMPLES)(chat)
app.add_typer(models)
app.command(cls=Command, epilog=TOKENS_EXAMPLES)(tokens)
app.command(cls=Command, epilog=DEV_EXAMPLES)(dev)
app.command(cls=Command, epilog=PULL_EXAMPLES)(pull)
app.command(cls=Command, epilog=DOCTOR_EXAMPLES)(doctor)
