"""`cfai models`: what models there are, and what is known of each."""

from __future__ import annotations

from typing import Annotated

import typer

from cfai.cli._commands import Command, CommandGroup, complete_model, format_examples

_EXAMPLES = format_examples(
    "cfai models",
    'cfai models list --task "text to image"',
    "cfai models search vision",
    "cfai models show flux-1-schnell",
)

models = typer.Typer(
    name="models",
    cls=CommandGroup,
    help="List models, search them, show one, and look for new ones.",
    epilog=_EXAMPLES,
    invoke_without_command=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


@models.callback()
def list_by_default(context: typer.Context) -> None:
    """List models, search them, show one, and look for new ones."""
    if context.invoked_subcommand is None:
        list_models()


@models.command(
    "list", cls=Command, epilog=format_examples("cfai models list --task translation", "cfai models list --json")
)
def list_models(
    task: Annotated[str | None, typer.Option(metavar="TASK", help="Those of a task, such as text-to-image.")] = None,
    author: Annotated[str | None, typer.Option(metavar="NAME", help="Those of an author, such as meta.")] = None,
    capability: Annotated[
        str | None, typer.Option(metavar="NAME", help="Those that can, such as vision or function_calling.")
    ] = None,
    retired: Annotated[bool, typer.Option("--retired", help="Those that are no more, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the models, by their tasks."""
    from cfai.cli._errors import report_errors
    from cfai.cli._model_table import filter_models, print_models

    with report_errors():
        print_models(filter_models(task=task, author=author, capability=capability, retired=retired), as_json=as_json)


@models.command("search", cls=Command, epilog=format_examples("cfai models search llama", "cfai models search vision"))
def search_models(
    words: Annotated[list[str], typer.Argument(metavar="WORD...", help="Words of a name, a task or a capability.")],
    retired: Annotated[bool, typer.Option("--retired", help="Models that are no more, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the models whose name, task or capabilities have all the words. Exit code 1 if there is none."""
    from cfai.cli._errors import print_error, report_errors
    from cfai.cli._model_table import print_models, search_by_words

    found = search_by_words(words, retired=retired)
    with report_errors():
        print_models(found, as_json=as_json)
    if not found:
        kind = "model" if retired else "live model"
        print_error(LookupError(f"no {kind} has {' and '.join(map(repr, words))} in its name, task or capabilities"))
        raise typer.Exit(1)


@models.command(
    "show",
    cls=Command,
    epilog=format_examples("cfai models show glm-4.7-flash", "cfai models show flux-1-schnell --json"),
)
def show_model(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The model.", autocompletion=complete_model, show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Show what is known of a model: its limits, its prices, what it takes, and a command that runs it."""
    from cfai.cli._errors import report_errors
    from cfai.cli._model import resolve_model
    from cfai.cli._model_table import print_model

    with report_errors():
        print_model(resolve_model(model), as_json=as_json)


@models.command("sync", cls=Command, epilog=format_examples("cfai models sync"))
def sync_models() -> None:
    """Ask the service which models it has now, and say what is new.

    New models are listed, completed and called by short names from then on. Programs are not changed by it: they hold
    calls to the limits that this version of cfai came with.
    """
    from cfai import Ai
    from cfai.cli._errors import report_errors
    from cfai.cli._listing import sync

    with report_errors(), Ai() as ai:
        sync(ai)
