"""`cfai tokens`: how many tokens files are, against the limit of a model."""

from __future__ import annotations

from typing import Annotated

import typer

from cfai.cli._commands import complete_model, format_examples

EXAMPLES = format_examples(
    "cfai tokens glm-4.7-flash notes.txt", "cat *.md | cfai tokens llama-3.3-70b-instruct-fp8-fast -"
)


def tokens(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The model.", autocompletion=complete_model, show_default=False)
    ],
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE...", help="Texts; - is standard input.", show_default=False)
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Count with the model's tokenizer, which may be downloaded.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")] = False,
) -> None:
    """Count the tokens of files, and say whether they fit a model together. Nothing is sent.

    Exit code 1 if they are too long for it.
    """
    from cfai.cli._count import count_files

    if not count_files(model, files or [], exact=exact, as_json=as_json):
        raise typer.Exit(1)
