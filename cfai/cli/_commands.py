"""The common part of all commands: how they are looked up, their examples, and the completion of a model's name."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from typer.core import TyperCommand, TyperGroup

from cfai._escape import escape_controls


def format_examples(*commands: str) -> str:
    """Return commands as the examples at the end of a help: in typer's markup, a line each."""
    lines = (f"  $ {command}".replace("[", r"\[") for command in commands)
    return "\n\n".join(["[bold]Examples[/bold]", *lines])


def complete_model(incomplete: str) -> list[str]:
    """Return the names of live models that begin so: short ones, or whole ones behind an `@`."""
    from cfai.cli._catalogue import known_models

    live = [model for model in known_models().values() if model.retired_on is None]
    if incomplete.startswith("@"):
        return [model.name for model in live if model.name.startswith(incomplete)]
    shorts = [model.name.rpartition("/")[2] for model in live]
    return sorted(short for short in shorts if short.startswith(incomplete) and shorts.count(short) == 1)


class _Readable:
    """A help that is easy to read, and there at once."""

    params: list[Any]

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option `--help`."""
        option = cast("Any", super()).get_help_option(ctx)
        if option is not None:
            # With none, typer would load pydantic to find out that it is not wanted: a third of the time of a help.
            option.default = False
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help. An option that takes no value is shown by its name alone, without `<bool>`."""
        for parameter in [*self.params, self.get_help_option(ctx)]:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
        cast("Any", super()).format_help(ctx, formatter)


class Command(_Readable, TyperCommand):
    """A command."""


class CommandGroup(_Readable, TyperGroup):
    """Commands that guess what was meant, and whose errors repeat no control character of their arguments."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command. The error for one that is none says how a question is asked."""
        try:
            return super().resolve_command(ctx, args)
        except Exception as raised:
            error: Any = raised  # click's own class, of which newer versions of typer have a copy
            words = args[0] if args else ""
            if words in ("help", "version") and hasattr(error, "message"):
                error.message = f"{error.message.rstrip('.')}. Did you mean 'cfai --{words}'?"
            is_question = words.startswith("@") or len(words.split()) > 1
            if is_question and isinstance(message := getattr(error, "message", None), str):
                error.message = f"{message.rstrip('.')}. Did you mean 'cfai run'?"
            raise

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _escape_usage_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _escape_usage_errors():
            return super().invoke(ctx)


def _is_input(name: str) -> bool:
    """Return True for the name of an input that some model takes."""
    from cfai.cli._attach import get_parameters
    from cfai.cli._catalogue import known_models

    return any(name in get_parameters(model) for model in known_models())


@contextmanager
def _escape_usage_errors() -> Generator[None]:
    try:
        yield
    except Exception as raised:
        error: Any = raised
        if isinstance(message := getattr(error, "message", None), str):
            if message.startswith("Got unexpected extra argument"):
                message += ": a prompt of several words stands in quotes"
            name = str(getattr(error, "option_name", "")).lstrip("-").replace("-", "_")
            command = getattr(getattr(error, "ctx", None), "info_name", None)
            if command in ("run", "chat") and message.startswith("No such option") and _is_input(name):
                message += f": an input of the model is -i {name}=VALUE"
                error.possibilities = None  # what is near in spelling is not what was meant
            error.message = escape_controls(message)
        raise
