"""`cfai chat`: a conversation on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cfai.cli._commands import format_examples
from cfai.cli._options import Checks, Emulated, Gguf, Local, ModelMap, ModelName, System, UpstreamUrl

EXAMPLES = format_examples(
    "cfai chat",
    'cfai chat llama-3.3 --system "Answer in one sentence."',
    "cfai chat gemma-4 -a photo.jpg",
    "cfai chat --resume trip.json",
    "cfai chat --local",
)


def chat(
    model: ModelName = None,
    system: System = None,
    attach: Annotated[
        list[Path] | None,
        typer.Option(
            "--attach", "-a", metavar="FILE", dir_okay=False, help="An image or a text to go with the first question."
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Go on with a conversation that /save wrote."),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="KEY=VALUE", help="Any other input of the model: -i temperature=0."),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many tokens an answer may have.")
    ] = None,
    checks: Annotated[
        Checks, typer.Option(help="What is done about questions that do not fit the model.")
    ] = Checks.ENFORCE,
    local: Local = False,
    emulated: Emulated = False,
    gguf: Gguf = None,
    upstream: UpstreamUrl = None,
    model_map: ModelMap = None,
) -> None:
    """Talk with a model. It knows what was said before.

    /help lists the commands. Ctrl-C stops an answer, Ctrl-D ends. Standard input that is piped in is a question a line.
    """
    from cfai.cli._call import LocalOptions
    from cfai.cli._chat_start import Start, start_chat

    start = Start(
        model=model,
        system=system,
        files=attach or [],
        resumed=resume,
        inputs=inputs or [],
        max_tokens=max_tokens,
        checks=checks.value,
    )
    machine = LocalOptions(local=local, emulated=emulated, gguf=gguf, upstream=upstream, model_map=model_map or [])
    start_chat(start, machine)
