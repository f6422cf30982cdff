"""A client in a Worker: over a stand-in for the binding, with stand-ins for the modules that Pyodide has."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest

import cfai._binding
from cfai import Ai
from tests.worker.javascript import Response, make_modules
from tests.worker.runtime import Binding, Fetch, answering

Open: TypeAlias = Callable[..., tuple[Ai, Binding]]


@pytest.fixture
def open_worker(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Return what makes a client, and the binding under it, of answers or of what gives them."""
    for name, module in make_modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    # It looks for them when it is imported: it is now, and what it was before is put back.
    monkeypatch.setattr(cfai, "_binding", cfai._binding)
    monkeypatch.delitem(sys.modules, "cfai._binding")

    def open_worker(*answers: Response | Mapping[str, Any] | Fetch, **options: Any) -> tuple[Ai, Binding]:
        fetch: Any = answers[0] if callable(answers[0]) else answering(*answers)  # type: ignore[arg-type]
        binding = Binding(fetch)
        return Ai.from_binding(binding, **options), binding

    return open_worker
