"""What `@pytest.mark.workers_ai(...)` says, and the server that it asks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, cast

from cfai.emulator import Fault
from cfai.testing._workers_ai import WorkersAI

if TYPE_CHECKING:
    import pytest


def server_for(marks: Iterable[pytest.Mark]) -> WorkersAI:
    """A server, not yet started, as the marks ask for it, the nearest first: what that says wins.

    Raises `ValueError`, with all that the reader needs to mend a mark.
    """
    options: dict[str, Any] = {}
    try:
        for mark in marks:
            if mark.args:
                raise ValueError(f"what goes wrong is named: faults={list(mark.args)!r}")
            options = dict(mark.kwargs) | options
        faults = faults_of(options.pop("faults", []))
        workers_ai = WorkersAI(**options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"@pytest.mark.workers_ai: {error}") from error
    workers_ai.script(*faults)
    return workers_ai


def faults_of(told: Any) -> list[Fault | Literal["ok"]]:
    """The faults of a mark. Each is a `Fault`, a status, a code, or a text as in the header `cfai-emulate`.

    >>> faults_of([503, 3040, "truncate-after=2", "ok"])
    [Fault(status=503), Fault(code=3040), Fault(truncate_after=2), 'ok']
    """
    if not isinstance(told, list | tuple):
        raise ValueError(f"faults is a list, not {told!r}")
    return [_fault(each) for each in cast("list[Any]", told)]


def _fault(told: Any) -> Fault | Literal["ok"]:
    if isinstance(told, Fault) or told == "ok":
        return told
    if isinstance(told, str):
        return Fault.parse(told)
    if isinstance(told, int) and not isinstance(told, bool):
        # A status has three digits, and no code has.
        return Fault(status=told) if told < 1000 else Fault(code=told)
    raise ValueError(f'a fault is a Fault, a status, a code, a text such as "retry-after=2", or "ok", not {told!r}')
