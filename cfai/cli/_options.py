"""Options and arguments that several commands have."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cfai.cli._commands import complete_model

LIFELIKE_RATE = 60.0
"""Tokens a second that the emulator gives, so that a stream looks like one."""


class Checks(StrEnum):
    """How strictly inputs are held to the model's limits and schema."""

    ENFORCE = "enforce"
    STRICT = "strict"
    WARN = "warn"
    OFF = "off"


ModelName = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="The model, by its name or the part that tells it from others. Without one, that of CFAI_MODEL, "
        "else @cf/zai-org/glm-4.7-flash.",
        autocompletion=complete_model,
        show_default=False,
    ),
]
System = Annotated[str | None, typer.Option("--system", "-s", metavar="TEXT", help="Instructions that come first.")]
_PANEL = "Answers on this machine"

Local = Annotated[bool, typer.Option("--local", help="Ask a small model; no account needed.", rich_help_panel=_PANEL)]
Emulated = Annotated[bool, typer.Option("--emulated", help="Ask no model: emulated text.", rich_help_panel=_PANEL)]
Gguf = Annotated[
    str | None,
    typer.Option("--gguf", metavar="FILE", help="A model's file, for real answers.", rich_help_panel=_PANEL),
]
UpstreamUrl = Annotated[
    str | None,
    typer.Option("--upstream", metavar="URL", help="A server with OpenAI's API: Ollama, vLLM.", rich_help_panel=_PANEL),
]
ModelMap = Annotated[
    list[str] | None,
    typer.Option(
        "--model-map",
        metavar="NAME=NAME",
        help="Which model of the server stands for which: @cf/…=name, *=name.",
        rich_help_panel=_PANEL,
    ),
]
