"""A call of a model, from the arguments of `cfai run` to its answer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from cfai import models
from cfai._limits import requested_output
from cfai.cli._attach import read_attachment
from cfai.cli._client import choose_engine, open_client
from cfai.cli._errors import make_error_console, print_line, print_warnings, refuse_arguments, report_errors
from cfai.cli._inputs import build_inputs, parse_inputs
from cfai.cli._model import resolve_arguments, resolve_model
from cfai.cli._prompt import check_argument, read_prompt
from cfai.cli._schema import read_schema
from cfai.cli._terminal import print_text


@dataclass(frozen=True, slots=True)
class Request:
    """The arguments of `cfai run`, as they were given."""

    model: str | None
    prompt: str | None
    system: str | None
    files: Sequence[Path]
    inputs: Sequence[str]
    max_tokens: int | None
    fallback: Sequence[str]
    checks: str
    output: Path | None
    as_json: bool
    schema: str | None
    shows_stats: bool
    streams: bool


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """The options that have somebody on this machine answer."""

    local: bool
    emulated: bool
    gguf: str | None
    upstream: str | None
    model_map: Sequence[str]


def run_request(request: Request, machine: LocalOptions) -> None:
    """Run a request with the client that the options ask for, and print its answer."""
    with refuse_arguments():
        model, prompt = resolve_arguments(request.model, request.prompt)
        inputs = _build_inputs(model, prompt, request)
        options: dict[str, Any] = {"checks": request.checks}
        if request.fallback:
            options["fallback"] = [resolve_model(each) for each in request.fallback]
        if request.schema is not None:
            options["output_type"] = read_schema(request.schema)
        if request.output is not None:
            _check_output(request.output)
    with report_errors():
        engine = choose_engine(model, **asdict(machine))
        # Not sooner: a model loads meanwhile.
        from cfai.cli._answer import AnswerPrinter, warn_of_shortfall
        from cfai.cli._stats import Stopwatch, format_stats

        most, is_billed = min(requested_output(inputs).values(), default=None), engine is None
        is_local = machine.local or machine.emulated
        with print_warnings(_describe_cut(most)), open_client(engine, is_local=is_local) as ai:
            watch = Stopwatch()
            answer = cast("Any", ai).run(model, inputs, **options)
            printer = AnswerPrinter(watch, as_json=request.as_json, file=request.output, is_billed=is_billed)
            if request.output is None:
                answer = printer.print(answer)
            else:
                with request.output.open("w", encoding="utf-8") as file, redirect_stdout(file):
                    answer = printer.print(answer)
            warn_of_shortfall(answer, most)
            for error in answer.meta.fallback_errors:
                why = str(error).partition(" (status ")[0]  # for who has an answer, the rest says nothing
                print_line(f"{answer.meta.model} answered, since {why}", "yellow")
            if request.shows_stats:
                print_text(make_error_console(), format_stats(answer, watch, is_billed=is_billed), "dim")


def _describe_cut(most: int | None) -> str:
    """Return what an answer was cut by, which had at most so many tokens, and what allows more."""
    if most is None:
        return "The answer stopped at the model's usual length: --max-tokens 1000 allows more."
    return f"Cut off at --max-tokens {most:,}: a larger number allows more."


def _build_inputs(model: str, argument: str | None, request: Request) -> dict[str, Any]:
    prompt, piped = read_prompt(argument)
    system = None if request.system is None else check_argument(request.system, "--system")
    attachments = [*piped, *map(read_attachment, request.files)]
    inputs = build_inputs(model, prompt, system, parse_inputs(model, request.inputs), attachments, request.checks)
    known = models.catalogue().get(model)
    if known is None or known.task == "Text Generation":
        # Others do not stream text, and FLUX.1 refuses what its schema does not have.
        inputs.setdefault("stream", request.streams)
    if request.max_tokens is not None:
        inputs["max_tokens"] = request.max_tokens
    return inputs


def _check_output(file: Path) -> None:
    """Raise `OSError` for a file that cannot be written: before anything is paid for, and without leaving one."""
    is_new = not os.path.lexists(file)
    file.open("ab").close()
    if is_new:
        file.unlink()
