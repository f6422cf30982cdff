"""`cfai dev`: a Workers AI on this machine, until Ctrl-C."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cfai.cli._commands import format_examples
from cfai.cli._engine import parse_engine
from cfai.cli._options import LIFELIKE_RATE, Gguf, ModelMap, UpstreamUrl

if TYPE_CHECKING:
    from cfai.local.server import LocalServer

DEFAULT_PORT = 8790
"""The port of `cfai dev`: not that of `wrangler dev`, so that both can run."""

EXAMPLES = format_examples(
    "cfai dev", "cfai dev -- python app.py", "cfai dev --random-faults 0.3 -- pytest", "cfai dev --replay recordings"
)

_EMULATOR_OPTIONS = (
    "tokens_per_second",
    "text",
    "lenient_paths",
    "retired",
    "rate_limits",
    "daily_neurons",
    "concurrency",
    "no_workers_paid",
    "random_faults",
    "seed",
)


class Text(StrEnum):
    """The kinds of emulated text."""

    READABLE = "readable"
    HOSTILE = "hostile"


class Retired(StrEnum):
    """The answer of retired models."""

    SERVE = "serve"
    REFUSE = "refuse"


def dev(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- COMMAND...]",
            help="A program to run with the environment set; it ends with the program, and with its exit code.",
            show_default=False,
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="Stand in front of the real service, with your credentials, and keep what it answers here."),
    ] = None,
    replay: Annotated[Path | None, typer.Option(help="Play back what was recorded here, and nothing else.")] = None,
    timing: Annotated[bool, typer.Option("--timing", help="With --replay: keep the pauses of the recording.")] = False,
    gguf: Gguf = None,
    upstream: UpstreamUrl = None,
    model_map: ModelMap = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            help=f"Port to listen on; 0 is any free one. By default {DEFAULT_PORT}, with a program any.",
            metavar="N",
            min=0,
            max=65_535,
        ),
    ] = None,
    tokens_per_second: Annotated[float, typer.Option(min=0, help="Pace of the emulator; 0 is none.")] = LIFELIKE_RATE,
    text: Annotated[
        Text, typer.Option(help="What is answered: sentences, or what programs lose or break on its way.")
    ] = Text.READABLE,
    lenient_paths: Annotated[bool, typer.Option("--lenient-paths", help="Accept %2F in paths.")] = False,
    retired: Annotated[Retired, typer.Option(help="What retired models do.")] = Retired.SERVE,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen on other than loopback addresses.")
    ] = False,
    rate_limits: Annotated[
        bool, typer.Option("--rate-limits", help="Allow the published requests per minute only.")
    ] = False,
    daily_neurons: Annotated[
        float | None, typer.Option(help="Neurons a day, from 00:00 UTC (the free plan: 10000).")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Calls that a model answers at a time; others wait in line.")
    ] = None,
    no_workers_paid: Annotated[
        bool, typer.Option("--no-workers-paid", help="Refuse models that require Workers Paid.")
    ] = False,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="With a program on a terminal: print the requests all the same.")
    ] = False,
    random_faults: Annotated[float, typer.Option(help="Share of the requests that go wrong, from 0 to 1.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of --random-faults: the same draws the same.")] = 0,
    scenarios: Annotated[bool, typer.Option("--scenarios", help="List what can go wrong, by name, and end.")] = False,
) -> None:
    """Serve a Workers AI on this machine, and print the environment that points a client at it.

    Each request is a line on standard error; not in the middle of what a program shows on a terminal.
    """
    if scenarios:
        return _print_scenarios()
    _check_options(context, record, replay, timing)
    from cfai.cli._errors import report_errors
    from cfai.cli._serve import serve
    from cfai.local import Emulator, Player, Recorder

    if port is None:
        port = 0 if command else DEFAULT_PORT
    with suppress(KeyboardInterrupt), report_errors(), ExitStack() as cleanup:
        engine = parse_engine(gguf, upstream, model_map)
        if record:
            service: dict[str, str] = {}
            if engine:
                inner = cleanup.enter_context(Emulator(engine=engine, keep_requests=0))
                service = {
                    "upstream_url": inner.base_url,
                    "upstream_account_id": inner.account_id,
                    "upstream_token": inner.api_token,
                }
            recorder = Recorder(record, host, port, allow_remote=allow_remote, **service)
            local: LocalServer = recorder
            note = f"Recording {recorder.upstream_url} into {record} until Ctrl-C."
        elif replay:
            local = Player(replay, host, port, timing=timing, allow_remote=allow_remote)
            note = f"Playing back {replay} until Ctrl-C."
        else:
            is_lifelike = engine is None or _is_on_command_line(context, "tokens_per_second")
            emulator = Emulator(
                host,
                port,
                tokens_per_second=tokens_per_second or None if is_lifelike else None,
                text=text.value,
                lenient_paths=lenient_paths,
                retired=retired.value,
                allow_remote=allow_remote,
                keep_requests=0,
                engine=engine,
                rate_limits=rate_limits,
                daily_neurons=daily_neurons,
                concurrency=concurrency,
                workers_paid=not no_workers_paid,
            )
            emulator.random_faults(random_faults, seed=seed)
            local = emulator
            note = f"Serving {'emulated answers' if engine is None else f'answers of {engine!r}'} until Ctrl-C."
        if code := serve(local, note, command or [], log_requests=log_requests):
            raise typer.Exit(code)


def _print_scenarios() -> None:
    from cfai.local import SCENARIOS

    group = ""
    for name, scenario in SCENARIOS.items():
        if scenario.group != group:
            group = scenario.group
            typer.echo(group)
        typer.echo(f"  {name:26} {scenario.summary}")


def _check_options(context: typer.Context, record: Path | None, replay: Path | None, timing: bool) -> None:
    """Raise `typer.BadParameter` for options that mean nothing together."""
    if record and replay:
        raise typer.BadParameter("--record and --replay exclude each other")
    if timing and not replay:
        raise typer.BadParameter("--timing needs --replay")
    if replay and (context.params.get("gguf") or context.params.get("upstream")):
        raise typer.BadParameter("--gguf and --upstream answer anew: they mean nothing with --replay")
    options = [name for name in _EMULATOR_OPTIONS if _is_on_command_line(context, name)]
    if options and (record or replay):
        option = options[0].replace("_", "-")
        raise typer.BadParameter(f"--{option} is the emulator's: it means nothing with --record or --replay")


def _is_on_command_line(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
