"""`cfai doctor`: what is wrong, how to mend it, and what the service really does."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cfai.cli._commands import format_examples
from cfai.cli._terminal import print_text, write

if TYPE_CHECKING:
    from cfai.doctor import Finding

EXAMPLES = format_examples("cfai doctor", "cfai doctor --json", "cfai doctor --conformance --record recordings")

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print findings as JSON, for machines.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait, each time.")] = 5.0,
    conformance: Annotated[
        bool, typer.Option("--conformance", help="Then ask the service which forms it really uses. Costs neurons.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before neurons are spent.")] = False,
    record: Annotated[
        Path | None, typer.Option("--record", help="With --conformance: a folder for redacted recordings.")
    ] = None,
    gateway: Annotated[
        str | None, typer.Option("--gateway", help="With --conformance: the id of an AI Gateway to ask about too.")
    ] = None,
) -> None:
    """Say what is wrong between this machine and Workers AI, and how to mend it. Shows no credentials.

    Exit code 1 if there is a problem. One call is made that costs a hundredth of a neuron.
    """
    if not conformance and (record or gateway):
        raise typer.BadParameter("--record and --gateway go with --conformance")
    from cfai.doctor import conform, estimate_cost, examine
    from cfai.local import RecordingWriter

    health = _print_findings(examine(timeout=timeout), as_json)
    facts: list[Finding] | None = None
    is_confirmed = True
    if conformance and not _has_problem(health):
        try:
            sink = RecordingWriter(record) if record else None
            is_confirmed = _confirm(estimate_cost(gateway), yes)
            facts = _print_findings(conform(gateway=gateway, sink=sink), as_json) if is_confirmed else None
        except OSError as error:
            raise typer.BadParameter(f"--record: {error}") from error
    elif conformance and not as_json:
        print("The service was asked nothing more: mend the problems first.")
    has_problem = _has_problem([*health, *(facts or [])])
    if as_json:
        report: dict[str, Any] = {"ok": not has_problem, "findings": list(map(asdict, health))}
        if facts is not None:
            report["conformance"] = list(map(asdict, facts))
        write(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    if has_problem or not is_confirmed:
        raise typer.Exit(1)


def _print_findings(findings: Iterable[Finding], as_json: bool) -> list[Finding]:
    """Return the findings, each printed in a line as it comes, unless JSON is printed at the end."""
    from rich.console import Console

    out = Console(highlight=False, soft_wrap=True)
    printed: list[Finding] = []
    for finding in findings:
        printed.append(finding)
        if not as_json:
            print_text(out, finding.verdict, _COLOURS[finding.verdict], end="")
            print_text(out, str(finding).removeprefix(finding.verdict))
    return printed


def _confirm(neurons: float, yes: bool) -> bool:
    """Return True if the calls may be made. It asks on standard error, so that what is piped on is the report."""
    from rich.console import Console

    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    free = "10,000 a day are free"
    errors.print(f"The calls to come cost up to {neurons:.0f} neurons ({free}; more cost $0.011 per 1,000).")
    if yes:
        return True
    print_text(errors, "Make them? [y/N] ", end="")
    is_confirmed = sys.stdin.readline().strip().lower() in ("y", "yes")
    if not is_confirmed:
        errors.print("None was made.")
    return is_confirmed


def _has_problem(findings: Iterable[Finding]) -> bool:
    return any(finding.verdict == "problem" for finding in findings)
