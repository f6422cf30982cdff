"""`cfai pull`: the small model's file, before it is needed."""

from __future__ import annotations

import typer

from cfai.cli._commands import format_examples
from cfai.cli._terminal import write

EXAMPLES = format_examples("cfai pull", "cfai run --local 'where is new york?'")


def pull() -> None:
    """Fetch the small model of --local and `Ai.local()`, if it is not there, and print where it is."""
    from cfai import ConfigurationError
    from cfai.cli._errors import print_error, print_line, report_errors
    from cfai.local.engines import fetch_model
    from cfai.local.engines._llama import check_llama_is_installed

    with report_errors():
        try:
            write(f"{fetch_model(verify=True)}\n")
            check_llama_is_installed()
        except ImportError as error:  # the file is there, and is of use once this is
            print_line(str(error), "yellow")
        except ConfigurationError as error:  # no fault of the arguments: there are none
            print_error(error)
            raise typer.Exit(1) from error
