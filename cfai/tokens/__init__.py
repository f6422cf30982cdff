"""How many tokens a text is: so far the bounds that are certain, for each tokenizer family.

The modules are imported, and the constants read, when the first text is counted: most calls never need them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfai.tokens._bounds import CUT, borders, bounded, lower, upper
    from cfai.tokens._families import Family, family_of

__all__ = ["CUT", "Family", "borders", "bounded", "family_of", "lower", "upper"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'cfai.tokens' has no attribute {name!r}")
    module = "_families" if name in ("Family", "family_of") else "_bounds"
    value = getattr(import_module(f"cfai.tokens.{module}"), name)
    globals()[name] = value
    return value
