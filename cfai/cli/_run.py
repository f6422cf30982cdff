"""`cfai run`: a prompt in, an answer out."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from cfai import Ai, CfaiError, ConfigurationError, CutAnswerWarning, Stream, StreamError, Token, models
from cfai.cli._engine import LIFELIKE_RATE, Gguf, ModelMap, UpstreamUrl, parse_engine
from cfai.cli._prompt import check_argument, read_prompt
from cfai.cli._terminal import print_text, write
from cfai.types import Binary, TextOutput

if TYPE_CHECKING:
    from cfai.local import Engine

_PROMPT_FIELDS = {
    "Summarization": "input_text",
    "Text Classification": "text",
    "Text Embeddings": "text",
    "Text-to-Speech": "text",
}
"""Where the models of a task take what others take as `prompt`."""


def run(
    model: Annotated[str, typer.Argument(help="The model, such as @cf/zai-org/glm-4.7-flash.")],
    prompt: Annotated[
        str | None, typer.Argument(help="What to ask. What comes by standard input is put behind it, or in place of -.")
    ] = None,
    system: Annotated[str | None, typer.Option("--system", "-s", help="Instructions that come first.")] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Ask a small model on this machine; no account needed.")
    ] = False,
    emulated: Annotated[
        bool, typer.Option("--emulated", help="Ask no model: emulated text. No account needed.")
    ] = False,
    gguf: Gguf = None,
    upstream: UpstreamUrl = None,
    model_map: ModelMap = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="How many tokens the answer may have.")] = None,
    no_stream: Annotated[bool, typer.Option("--no-stream", help="Print the answer when it is whole.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="A file for the answer: text, image, sound.")
    ] = None,
) -> None:
    """Run a model and print its answer as it comes; an image or a sound goes into a file."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        inputs = _build_inputs(model, read_prompt(prompt, model), system)
        if output is not None:
            # Tried before anything is paid for, and without a loss or an empty file if the call fails.
            is_new = not os.path.lexists(output)
            output.open("ab").close()
            if is_new:
                output.unlink()
    except (OSError, ValueError) as error:
        print_text(errors, str(error), "red")
        raise typer.Exit(2) from error
    known = models.catalogue().get(model)
    if known is None or known.task == "Text Generation":
        # Others do not stream text, and FLUX.1 refuses what its schema does not have.
        inputs["stream"] = not no_stream
    if max_tokens is not None:
        inputs["max_tokens"] = max_tokens
    try:
        engine = parse_engine(gguf, upstream, model_map)
        if emulated and engine is not None:
            raise ConfigurationError("--emulated asks no model: leave out --gguf and --upstream, or it")
        if local and engine is None and not emulated:
            engine = _load_small_model(model, errors)
        with _open_client(local or emulated, engine) as ai, _print_warnings(errors):
            answer = ai.run(model, inputs)
            if output is None:
                _print_answer(answer, errors)
            else:
                with output.open("w", encoding="utf-8") as file, redirect_stdout(file):
                    _print_answer(answer, errors)
            sys.stdout.flush()
    except BrokenPipeError:  # a reader who has seen enough
        raise
    except (CfaiError, ImportError, OSError) as error:  # an extra that is missing says in one line how to install it
        if isinstance(error, StreamError) and output is None:
            # What had arrived is on the screen already.
            write("\n")
        try:
            sys.stdout.flush()
        except OSError:
            # The interpreter would try once more as it ends, and tell of it in lines of its own.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print_text(errors, str(error), "red")
        raise typer.Exit(1) from error


def _build_inputs(model: str, prompt: str, system: str | None) -> dict[str, Any]:
    if system is None:
        known = models.catalogue().get(model)
        own = None if known is None or known.name == "@cf/myshell-ai/melotts" else _PROMPT_FIELDS.get(known.task)
        return {own or "prompt": prompt}
    instructions = {"role": "system", "content": check_argument(system, "--system")}
    return {"messages": [instructions, {"role": "user", "content": prompt}]}


def _print_answer(answer: Any, errors: Console) -> None:
    reasoning = _Reasoning(errors)
    if isinstance(answer, Stream):
        stream, is_printed = cast("Stream[Token]", answer), False
        for token in stream:
            reasoning.show(token.reasoning, more=not token.text)
            write(token.text)
            is_printed = is_printed or bool(token.text)
        answer = stream.result()
        if isinstance(answer, TextOutput) or is_printed:
            write("\n")
            _print_calls(answer)
            return
    if isinstance(answer, Binary):
        _write(answer.content, answer.media_type, errors)
    elif isinstance(answer, TextOutput):
        reasoning.show(answer.reasoning, more=False)
        write(f"{answer}\n")
        _print_calls(answer)
    else:
        write(f"{answer.model_dump_json()}\n")


def _print_calls(answer: Any) -> None:
    for call in answer.tool_calls if isinstance(answer, TextOutput) else ():
        write(f"{call.name}({call.arguments})\n")


def _write(content: bytes, media_type: str, errors: Console) -> None:
    """Write bytes to standard output, unless it is a terminal."""
    if sys.stdout.isatty():
        how = "put it into a file with --output file, or > file"
        print_text(errors, f"{media_type} of {len(content):,} bytes: {how}", "yellow")
    else:
        sys.stdout.buffer.write(content)


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
            for message in dict.fromkeys(_describe_warning(warning.message) for warning in caught):
                print_text(errors, message, "yellow")


def _describe_warning(warning: Warning | str) -> str:
    if isinstance(warning, CutAnswerWarning):
        return "The answer stopped at the model's usual length: --max-tokens 1000 allows more."
    return str(warning)


def _load_small_model(model: str, errors: Console) -> Engine | None:
    """Return the engine of the small model, if it can run here and answers for `model`; a line says who answers."""
    from cfai.local._start import check_server_is_installed
    from cfai.local.engines import SMALL_MODEL, load_small_model

    check_server_is_installed()
    known = models.catalogue().get(model)
    if known is None or known.task not in ("Text Generation", "Text Embeddings"):
        return None
    try:
        engine = load_small_model()
    except ConfigurationError as error:
        print_text(errors, f"The text is emulated: {error}", "yellow")
        return None
    print_text(errors, f"{SMALL_MODEL.name} answers on this machine, in place of {model}.", "dim")
    return engine


@contextmanager
def _open_client(local: bool, engine: Engine | None) -> Generator[Ai]:
    if not local and engine is None:
        with Ai() as ai:
            yield ai
        return
    from cfai.local import Emulator

    rate = LIFELIKE_RATE if engine is None else None
    with Emulator(tokens_per_second=rate, engine=engine) as emulator, emulator.ai() as ai:
        yield ai
