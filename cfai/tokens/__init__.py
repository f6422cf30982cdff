"""How many tokens a text is, for each tokenizer family: bounds that are certain, and an estimate between them.

The modules are imported, and the constants read, when the first text is counted: most calls never need them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfai.tokens._bounds import CUT, borders, bounded, lower, upper
    from cfai.tokens._estimate import cost, estimate
    from cfai.tokens._families import Family, family_of

__all__ = ["CUT", "Family", "borders", "bounded", "cost", "estimate", "family_of", "lower", "upper"]

_MODULES = {"Family": "_families", "family_of": "_families", "cost": "_estimate", "estimate": "_estimate"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'cfai.tokens' has no attribute {name!r}")
    value = getattr(import_module(f"cfai.tokens.{_MODULES.get(name, '_bounds')}"), name)
    globals()[name] = value
    return value
