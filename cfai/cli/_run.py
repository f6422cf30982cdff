"""`cfai run`: a prompt in, an answer out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cfai.cli._commands import complete_model, format_examples
from cfai.cli._options import Checks, Emulated, Gguf, Local, ModelMap, ModelName, System, UpstreamUrl

EXAMPLES = format_examples(
    'cfai run "where is new york?"',
    'cat notes.txt | cfai run glm-4.7-flash "summarise this"',
    'cfai run gemma-4-26b-a4b-it "what is this?" -a photo.jpg',
    'cfai run flux-1-schnell "a cat" -o cat.jpg',
    "cfai run whisper-large-v3-turbo -a talk.mp3 -i language=en",
    'cfai run --local "where is new york?"',
)

_ANSWER = "The answer"


def run(
    model: ModelName = None,
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT",
            help="What to ask. What comes by standard input is put behind it, or in place of -.",
            show_default=False,
        ),
    ] = None,
    system: System = None,
    attach: Annotated[
        list[Path] | None,
        typer.Option(
            "--attach", "-a", metavar="FILE", dir_okay=False, help="An image, a sound, a video or a text to go with it."
        ),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="KEY=VALUE", help="Any other input of the model; KEY=@FILE is a file's."),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many tokens the answer may have.")
    ] = None,
    fallback: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="Who answers where the model cannot.", autocompletion=complete_model),
    ] = None,
    checks: Annotated[
        Checks, typer.Option(help="What is done about inputs that do not fit the model.")
    ] = Checks.ENFORCE,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            dir_okay=False,
            help="A file for it; - prints it.",
            rich_help_panel=_ANSWER,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.", rich_help_panel=_ANSWER)] = False,
    schema: Annotated[
        str | None,
        typer.Option(
            "--schema",
            metavar="FILE",
            help="JSON that fits a JSON schema: a file, or the schema itself.",
            rich_help_panel=_ANSWER,
        ),
    ] = None,
    stats: Annotated[
        bool, typer.Option("--stats", help="Then say how fast it came, and its cost.", rich_help_panel=_ANSWER)
    ] = False,
    no_stream: Annotated[
        bool, typer.Option("--no-stream", help="Print it when it is whole.", rich_help_panel=_ANSWER)
    ] = False,
    local: Local = False,
    emulated: Emulated = False,
    gguf: Gguf = None,
    upstream: UpstreamUrl = None,
    model_map: ModelMap = None,
) -> None:
    """Run a model, and print its answer as it comes.

    An image or a sound goes into a file: that of -o, that behind >, or on a terminal a new one in this folder.
    """
    from cfai.cli._call import LocalOptions, Request, run_request

    request = Request(
        model=model,
        prompt=prompt,
        system=system,
        files=attach or [],
        inputs=inputs or [],
        max_tokens=max_tokens,
        fallback=fallback or [],
        checks=checks.value,
        output=None if output == Path("-") else output,
        as_json=as_json,
        schema=schema,
        shows_stats=stats,
        streams=not (no_stream or as_json or schema),
    )
    machine = LocalOptions(local=local, emulated=emulated, gguf=gguf, upstream=upstream, model_map=model_map or [])
    run_request(request, machine)
