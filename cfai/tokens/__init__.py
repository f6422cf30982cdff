"""How many tokens a text is, for each tokenizer family: bounds that are certain, and an estimate between them.

The modules are imported, and the constants read, when the first text is counted: most calls never need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfai._lazy import lazy_exports

if TYPE_CHECKING:
    from cfai.tokens._bounds import CUT, borders, bounded, lower, upper
    from cfai.tokens._count import TokenCount, count, count_of, count_text, measure_for
    from cfai.tokens._count_tokens import count_tokens, messages_to_builtins
    from cfai.tokens._estimate import cost, estimate, known_families
    from cfai.tokens._families import Family, family_of
    from cfai.tokens._measure import (
        CountingStrategy,
        TokenCounter,
        checked_counter,
        counted,
        counting_strategy,
        forget,
        use,
    )
    from cfai.tokens._prompt import PromptSize, measure_prompt, most_bytes, size_of, text_of, texts_to_embed

__all__ = [
    "CUT",
    "Family",
    "CountingStrategy",
    "TokenCount",
    "TokenCounter",
    "PromptSize",
    "borders",
    "bounded",
    "checked_counter",
    "cost",
    "count",
    "count_of",
    "count_text",
    "count_tokens",
    "counted",
    "estimate",
    "family_of",
    "forget",
    "known_families",
    "lower",
    "measure_for",
    "counting_strategy",
    "messages_to_builtins",
    "most_bytes",
    "size_of",
    "text_of",
    "texts_to_embed",
    "upper",
    "use",
    "measure_prompt",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "_bounds": ("CUT", "borders", "bounded", "lower", "upper"),
        "_count": ("TokenCount", "count", "count_of", "count_text", "measure_for"),
        "_count_tokens": ("count_tokens", "messages_to_builtins"),
        "_estimate": ("cost", "estimate", "known_families"),
        "_families": ("Family", "family_of"),
        "_measure": (
            "CountingStrategy",
            "TokenCounter",
            "checked_counter",
            "counted",
            "forget",
            "counting_strategy",
            "use",
        ),
        "_prompt": ("PromptSize", "most_bytes", "size_of", "text_of", "texts_to_embed", "measure_prompt"),
    },
)
