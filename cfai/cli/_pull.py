"""`cfai pull`: the small model's file, before it is needed."""

from __future__ import annotations

from cfai.cli._commands import format_examples
from cfai.cli._terminal import write

EXAMPLES = format_examples("cfai pull", "cfai run --local 'where is new york?'")


def pull() -> None:
    """Fetch the small model of --local and `Ai.local()`, if it is not there, and print where it is."""
    from cfai.cli._errors import report_errors
    from cfai.local.engines import fetch_model

    with report_errors():
        write(f"{fetch_model(verify=True)}\n")
