"""Count tokens for each tokenizer family: bounds that are certain, and an estimate between them.

`count_tokens`, `TokenCount` and `TokenCounter` are public; the rest is for the other rooms of the package. The modules
are imported, and the constants read, when the first text is counted: most calls never need them.
"""

# ruff: noqa: F403, F405  # `lazy_exports` lists the names

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cfai._lazy import lazy_exports

if TYPE_CHECKING:
    from cfai.tokens._bounds import *
    from cfai.tokens._count import *
    from cfai.tokens._estimate import *
    from cfai.tokens._families import *
    from cfai.tokens._images import *
    from cfai.tokens._prompt import *
    from cfai.tokens._strategy import *
    from cfai.tokens._templates import *


def load() -> None:
    """Import the modules and read the constants, which counting does at first use."""
    from cfai.tokens import _bounds, _estimate, _features

    for name in __dir__():
        getattr(sys.modules[__name__], name)
    _bounds.read_bounds()
    _estimate.read_rates()
    _features.read_filters()


__all__ = ["TokenCount", "TokenCounter", "count_tokens"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "_bounds": ("count_borders", "lower_bound", "upper_bound"),
        "_count": (
            "TokenCount",
            "count_text",
            "count_tokens",
            "messages_to_builtins",
            "resolve_strategy",
            "to_token_count",
        ),
        "_estimate": ("estimate", "estimate_unrounded", "list_families"),
        "_families": ("Family", "get_family"),
        "_images": ("MAX_MEDIUM", "MEDIA_TYPES"),
        "_templates": ("MAX_AROUND_TEXT", "MAX_TEMPLATE"),
        "_prompt": ("PromptSize", "get_text", "list_embedding_texts", "measure_prompt"),
        "_strategy": (
            "CountingStrategy",
            "TokenCounter",
            "count_with",
            "get_strategy",
            "register_counter",
            "unregister_counter",
            "validate_counter",
        ),
    },
)
