"""How many tokens a text is, for each tokenizer family: bounds that are certain, and an estimate between them.

The modules are imported, and the constants read, when the first text is counted: most calls never need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfai._later import later

if TYPE_CHECKING:
    from cfai.tokens._bounds import CUT, borders, bounded, lower, upper
    from cfai.tokens._count import TokenCount, count, count_text, count_tokens, measure_for
    from cfai.tokens._estimate import cost, estimate, known_families
    from cfai.tokens._families import Family, family_of
    from cfai.tokens._measure import Measure, TokenCounter, forget, measure_of, use
    from cfai.tokens._prompt import about, at_least, at_most, likely_most, media_in, most_bytes, texts_to_embed

__all__ = [
    "CUT",
    "Family",
    "Measure",
    "TokenCount",
    "TokenCounter",
    "about",
    "at_least",
    "at_most",
    "borders",
    "bounded",
    "cost",
    "count",
    "count_text",
    "count_tokens",
    "estimate",
    "family_of",
    "forget",
    "known_families",
    "likely_most",
    "lower",
    "measure_for",
    "measure_of",
    "media_in",
    "most_bytes",
    "texts_to_embed",
    "upper",
    "use",
]

__getattr__, __dir__ = later(
    __name__,
    {
        "_bounds": ("CUT", "borders", "bounded", "lower", "upper"),
        "_count": ("TokenCount", "count", "count_text", "count_tokens", "measure_for"),
        "_estimate": ("cost", "estimate", "known_families"),
        "_families": ("Family", "family_of"),
        "_measure": ("Measure", "TokenCounter", "forget", "measure_of", "use"),
        "_prompt": ("about", "at_least", "at_most", "likely_most", "media_in", "most_bytes", "texts_to_embed"),
    },
)
