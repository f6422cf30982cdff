"""`cfai run`: a prompt in, an answer out."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from cfai import Ai, CfaiError, ConfigurationError, Stream, StreamError, Token
from cfai.cli._engine import LIFELIKE_RATE, Gguf, ModelMap, UpstreamUrl, parse_engine
from cfai.cli._terminal import print_text, write
from cfai.types import Binary, TextOutput

if TYPE_CHECKING:
    from cfai.local import Engine


def run(
    model: Annotated[str, typer.Argument(help="The model, such as @cf/zai-org/glm-4.7-flash.")],
    prompt: Annotated[str, typer.Argument(help="What to ask. A single - reads it from standard input.")],
    local: Annotated[
        bool, typer.Option("--local", help="Ask the emulator on this machine; no account needed.")
    ] = False,
    gguf: Gguf = None,
    upstream: UpstreamUrl = None,
    model_map: ModelMap = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="How many tokens the answer may have.")] = None,
    no_stream: Annotated[bool, typer.Option("--no-stream", help="Print the answer when it is whole.")] = False,
) -> None:
    """Run a model and print its answer as it comes; what is no text goes into a file with > file."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    inputs: dict[str, Any] = {"prompt": sys.stdin.read() if prompt == "-" else prompt, "stream": not no_stream}
    if max_tokens is not None:
        inputs["max_tokens"] = max_tokens
    try:
        with _open_client(local, parse_engine(gguf, upstream, model_map)) as ai, _print_warnings(errors):
            _print_answer(ai.run(model, inputs), errors)
    except (CfaiError, ImportError) as error:  # an extra that is missing says in one line how to install it
        if isinstance(error, StreamError):
            # What had arrived is on the screen already.
            write("\n")
        print_text(errors, str(error), "red")
        raise typer.Exit(1) from error


def _print_answer(answer: Any, errors: Console) -> None:
    reasoning = _Reasoning(errors)
    if isinstance(answer, Stream):
        stream = cast("Stream[Token]", answer)
        for token in stream:
            reasoning.show(token.reasoning, more=not token.text)
            write(token.text)
        answer = stream.result()
        if isinstance(answer, TextOutput):
            write("\n")
            _print_calls(answer)
            return
    if isinstance(answer, Binary):
        _write(answer, errors)
    elif isinstance(answer, TextOutput):
        reasoning.show(answer.reasoning, more=False)
        write(f"{answer}\n")
        _print_calls(answer)
    else:
        write(f"{answer.model_dump_json()}\n")


def _print_calls(answer: TextOutput) -> None:
    for call in answer.tool_calls:
        write(f"{call.name}({call.arguments})\n")


def _write(answer: Binary, errors: Console) -> None:
    """Write bytes to standard output, unless it is a terminal."""
    if sys.stdout.isatty():
        print_text(errors, f"{answer.media_type} of {len(answer):,} bytes: put it into a file with > file", "yellow")
    else:
        sys.stdout.buffer.write(answer.content)


class _Reasoning:
    """Reasoning goes to a terminal only: what is piped on is the answer."""

    def __init__(self, errors: Console) -> None:
        self._errors = errors
        self._in_a_line = False

    def show(self, text: str, *, more: bool) -> None:
        if not self._errors.is_terminal:
            return
        if text:
            print_text(self._errors, text, "dim", end="")
            self._in_a_line = True
        if self._in_a_line and not more:
            self._errors.print()
            self._in_a_line = False


@contextmanager
def _print_warnings(errors: Console) -> Generator[None]:
    """Print warnings in a line each, after the answer: the place in the code that they name means nothing here."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                print_text(errors, message, "yellow")


@contextmanager
def _open_client(local: bool, engine: Engine | None) -> Generator[Ai]:
    if not local and engine is None:
        try:
            ai = Ai()
        except ConfigurationError as error:
            raise ConfigurationError(f"{error}; with --local no account is needed") from error
        with ai:
            yield ai
        return
    from cfai.local import Emulator

    rate = LIFELIKE_RATE if engine is None else None
    with Emulator(tokens_per_second=rate, engine=engine) as emulator, emulator.ai() as ai:
        yield ai
