"""Count tokens for each tokenizer family: bounds that are certain, and an estimate between them.

`count_tokens`, `TokenCount` and `TokenCounter` are public; the rest is for the other rooms of the package. The modules
are imported, and the constants read, when the first text is counted: most calls never need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfai._lazy import lazy_exports

if TYPE_CHECKING:
    from cfai.tokens._bounds import (
        count_borders as count_borders,
    )
    from cfai.tokens._bounds import (
        lower_bound as lower_bound,
    )
    from cfai.tokens._bounds import (
        upper_bound as upper_bound,
    )
    from cfai.tokens._count import (
        TokenCount,
        count_tokens,
    )
    from cfai.tokens._count import (
        count_prompt as count_prompt,
    )
    from cfai.tokens._count import (
        count_text as count_text,
    )
    from cfai.tokens._count import (
        messages_to_builtins as messages_to_builtins,
    )
    from cfai.tokens._count import (
        resolve_strategy as resolve_strategy,
    )
    from cfai.tokens._count import (
        to_token_count as to_token_count,
    )
    from cfai.tokens._estimate import (
        estimate as estimate,
    )
    from cfai.tokens._estimate import (
        estimate_unrounded as estimate_unrounded,
    )
    from cfai.tokens._estimate import (
        list_families as list_families,
    )
    from cfai.tokens._families import Family as Family
    from cfai.tokens._families import get_family as get_family
    from cfai.tokens._images import MAX_MEDIUM as MAX_MEDIUM
    from cfai.tokens._images import MEDIA_TYPES as MEDIA_TYPES
    from cfai.tokens._prompt import (
        PromptSize as PromptSize,
    )
    from cfai.tokens._prompt import (
        get_text as get_text,
    )
    from cfai.tokens._prompt import (
        list_embedding_texts as list_embedding_texts,
    )
    from cfai.tokens._prompt import (
        measure_prompt as measure_prompt,
    )
    from cfai.tokens._strategy import (
        CountingStrategy as CountingStrategy,
    )
    from cfai.tokens._strategy import (
        TokenCounter,
    )
    from cfai.tokens._strategy import (
        count_with as count_with,
    )
    from cfai.tokens._strategy import (
        get_strategy as get_strategy,
    )
    from cfai.tokens._strategy import (
        register_counter as register_counter,
    )
    from cfai.tokens._strategy import (
        unregister_counter as unregister_counter,
    )
    from cfai.tokens._strategy import (
        validate_counter as validate_counter,
    )
    from cfai.tokens._templates import MAX_AROUND_TEXT as MAX_AROUND_TEXT
    from cfai.tokens._templates import MAX_TEMPLATE as MAX_TEMPLATE

__all__ = ["TokenCount", "TokenCounter", "count_tokens"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "_bounds": ("count_borders", "lower_bound", "upper_bound"),
        "_count": (
            "TokenCount",
            "count_prompt",
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
