"""Annotations can be read at run time, as FastAPI, pydantic, typer and inspectors do."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import cfai
from cfai import Ai

MODULES = (
    "cfai",
    "cfai.types",
    "cfai.models",
    "cfai.tokens",
    "cfai.tokenizers",
    "cfai.local",
    "cfai.testing",
    "cfai.doctor",
)


def functions_of(kind: type) -> Iterator[tuple[str, FunctionType]]:
    """Return the methods and properties of a class that are cfai's own, inherited ones included."""
    for base in kind.__mro__:
        for name, member in [*vars(base).items()]:  # pydantic adds to them when they are looked at
            function = getattr(member, "fget", None) or getattr(member, "__func__", member)
            if isinstance(function, FunctionType) and function.__module__.startswith("cfai"):
                yield name, function


def annotated() -> Iterator[tuple[str, Any]]:
    """Return every public class and function, and the methods of the classes."""
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, type | FunctionType):
                yield f"{module_name}.{name}", value
            for method, function in functions_of(value) if isinstance(value, type) else ():
                yield f"{module_name}.{name}.{method}", function


def test_the_annotations_of_everything_public_resolve() -> None:
    names = [name for name, _ in annotated()]
    assert {"cfai.Ai.__init__", "cfai.types.TextOutput.text", "cfai.local.Exchange", "cfai.Stream.result"} <= {*names}
    unresolved: dict[str, str] = {}
    for name, value in annotated():
        try:
            typing.get_type_hints(value, include_extras=True)
        except Exception as error:
            unresolved[name] = repr(error)
    assert unresolved == {}


def test_signatures_are_the_real_ones() -> None:
    hints = typing.get_type_hints(Ai.__init__)
    assert hints.keys() == {*inspect.signature(Ai).parameters, "return"}
    assert cfai.TokenCounter in typing.get_args(hints["token_counter"])
    for method in (Ai.run, Ai.arun):
        assert [*inspect.signature(method).parameters][:4] == ["self", "model", "inputs", "output_type"]
        assert typing.get_type_hints(method)["max_retries"] == cfai.Retry | int | None
    assert typing.get_type_hints(Ai.run)["gateway"] == str | cfai.GatewayOptions | None
    assert typing.get_type_hints(cfai.CheckResult)["tokens"] == cfai.TokenCount | None
