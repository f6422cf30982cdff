"""Read `@pytest.mark.workers_ai(...)`, and build the server that it asks for."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, cast

import pytest

from cfai.testing._workers_ai import WorkersAI

_OPTIONS = tuple(inspect.signature(WorkersAI).parameters)


def build_server(marks: Iterable[pytest.Mark]) -> WorkersAI:
    """Return a server, not yet started, as the marks ask for it, the nearest first: what that says wins.

    Raises `ValueError`, with all that the reader needs to mend a mark.
    """
    options: dict[str, Any] = {}
    try:
        for mark in marks:
            if mark.args:
                raise ValueError(f"faults must be passed by name: faults={list(mark.args)!r}")
            options = dict(mark.kwargs) | options
        faults = options.pop("faults", [])
        if not isinstance(faults, list | tuple):
            raise ValueError(f"faults must be a list, got {faults!r}")
        for name in options.keys() - _OPTIONS:
            near = get_close_matches(name, [*_OPTIONS, "faults"], n=1)
            meant = f"did you mean {near[0]}?" if near else f"it has faults and {', '.join(_OPTIONS)}"
            raise ValueError(f"there is no option {name}: {meant}")
        workers_ai = WorkersAI(**options)
        workers_ai.script(cast("list[Any]", faults))
    except (TypeError, ValueError) as error:
        raise ValueError(f"@pytest.mark.workers_ai: {error}") from error
    return workers_ai
