"""How many tokens a text is, for each tokenizer family: bounds that are certain, and an estimate between them.

The modules are imported, and the constants read, when the first text is counted: most calls never need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfai._later import later

if TYPE_CHECKING:
    from cfai.tokens._bounds import CUT, borders, bounded, lower, upper
    from cfai.tokens._count import TokenCount, count_tokens
    from cfai.tokens._estimate import cost, estimate
    from cfai.tokens._families import Family, family_of
    from cfai.tokens._prompt import at_least, at_most, most_bytes

__all__ = [
    "CUT",
    "Family",
    "TokenCount",
    "at_least",
    "at_most",
    "borders",
    "bounded",
    "cost",
    "count_tokens",
    "estimate",
    "family_of",
    "lower",
    "most_bytes",
    "upper",
]

__getattr__, __dir__ = later(
    __name__,
    {
        "_bounds": ("CUT", "borders", "bounded", "lower", "upper"),
        "_count": ("TokenCount", "count_tokens"),
        "_estimate": ("cost", "estimate"),
        "_families": ("Family", "family_of"),
        "_prompt": ("at_least", "at_most", "most_bytes"),
    },
)
