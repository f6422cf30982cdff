"""Tell which tokenizer a model uses.

A family is one vocabulary. It is *certain* where the tokenizer's files were read and the model is known to use them,
and presumed where only the model's lineage speaks for it: then its bounds are good for a warning, not for a refusal.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class Family(NamedTuple):
    """A tokenizer family, and how sure it is that a model belongs to it."""

    name: str
    """The key that the bounds and the estimate take, such as `llama3`; `default` where nothing is known."""

    certain: bool
    """True if the model is known to use this vocabulary, not only presumed to."""


_KNOWN_FAMILIES = {
    "llama2": (
        "meta/llama-2",
        "meta-llama/llama-2",
        "thebloke/llama-2",
        "thebloke/llamaguard",
        "thebloke/codellama",
        "tinyllama/",
        "defog/sqlcoder",
        "llava-hf/",
    ),
    "mistral_v1": (
        "mistral/mistral-7b",
        "thebloke/mistral",
        "thebloke/zephyr",
        "thebloke/openhermes",
        "thebloke/neural-chat",
        "thebloke/discolm",
        "openchat/",
        "nexusflow/starling",
        "nousresearch/hermes-2-pro-mistral",
        "fblgit/una-cybertron",
    ),
    "tekken": ("mistralai/mistral-small-3.1",),
    "llama3": ("meta/llama-3", "meta/meta-llama-3", "meta-llama/meta-llama-3", "meta/llama-guard-3"),
    "llama4": ("meta/llama-4",),
    "gemma2": ("google/gemma-2b", "google/gemma-7b"),
    "gemma3": ("google/gemma-3", "google/embeddinggemma", "aisingapore/gemma-sea-lion"),
    "qwen2": (
        "qwen/qwen1.5",
        "qwen/qwen2.5",
        "qwen/qwen3-",
        "qwen/qwq",
        "deepseek-ai/deepseek-r1-distill-qwen",
        "unum/uform",
    ),
    "qwen3_5": ("qwen/qwen3.5", "qwen/qwen3.6"),
    "o200k": ("openai/gpt-oss",),
    "deepseek_v3": ("deepseek-ai/deepseek-v3", "deepseek-ai/deepseek-r1", "deepseek-ai/deepseek-v4"),
    "deepseek_llm": ("deepseek-ai/deepseek-math",),
    "deepseek_coder": ("thebloke/deepseek-coder",),
    "glm4": ("zai-org/glm-4.7",),
    "kimi_k2": ("moonshotai/kimi-k2",),
    "codegen": ("microsoft/phi-2",),
    "gpt2": ("facebook/bart-large",),
    "bert": ("baai/bge-small", "baai/bge-base", "baai/bge-large"),
    "xlmr": ("baai/bge-m3", "baai/bge-reranker"),
    "whisper": ("openai/whisper",),
}
_PRESUMED_FAMILIES = {
    "tekken": ("nvidia/nemotron-3", "swiss-ai/apertus"),
    "gemma3": ("google/gemma-4",),
    "qwen3_5": ("qwen/qwen3.8",),
    "glm4": ("zai-org/glm-5",),
    "cl100k": ("ibm-granite/granite-4",),
    "bert": ("baai/omni-bge-base",),
    # Distillates keep the vocabulary of what they were made from, and only Qwen's is known.
    "default": ("deepseek-ai/deepseek-r1-distill",),
}
_BY_PREFIX = {
    prefix: Family(name, certain)
    for table, certain in ((_KNOWN_FAMILIES, True), (_PRESUMED_FAMILIES, False))
    for name, prefixes in table.items()
    for prefix in prefixes
}


@lru_cache(maxsize=256)
def get_family(model: str) -> Family:
    """Return the tokenizer family of a model, by the longest known beginning of its name.

    >>> get_family("@cf/meta/llama-3.3-70b-instruct-fp8-fast")
    Family(name='llama3', certain=True)
    >>> get_family("@cf/nvidia/nemotron-3-120b-a12b")
    Family(name='tekken', certain=False)
    >>> get_family("@cf/somebody/something-new")
    Family(name='default', certain=False)
    """
    name = model.lower().removeprefix("@cf/").removeprefix("@hf/")
    longest = max((prefix for prefix in _BY_PREFIX if name.startswith(prefix)), key=len, default="")
    return _BY_PREFIX.get(longest, Family("default", certain=False))
