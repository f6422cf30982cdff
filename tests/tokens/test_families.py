"""The tokenizer family of each model."""

from __future__ import annotations

from cfai import models, tokens
from cfai.tokens import Family
from tests.tokens.conftest import FAMILIES

KNOWN = {
    "llama2": (
        "@cf/meta/llama-2-7b-chat-int8 @cf/meta-llama/llama-2-7b-chat-hf-lora "
        "@hf/thebloke/llama-2-13b-chat-awq @cf/tinyllama/tinyllama-1.1b-chat-v1.0 @cf/defog/sqlcoder-7b-2"
    ),
    "mistral_v1": (
        "@cf/mistral/mistral-7b-instruct-v0.1 @hf/thebloke/mistral-7b-instruct-v0.1-awq "
        "@cf/openchat/openchat-3.5-0106 @hf/nexusflow/starling-lm-7b-beta "
        "@hf/nousresearch/hermes-2-pro-mistral-7b @cf/fblgit/una-cybertron-7b-v2-bf16"
    ),
    "tekken": "@cf/mistralai/mistral-small-3.1-24b-instruct",
    "llama3": "@cf/meta/llama-3-8b-instruct @hf/meta-llama/meta-llama-3-8b-instruct",
    "llama4": "@cf/meta/llama-4-scout-17b-16e-instruct",
    "gemma2": "@cf/google/gemma-2b-it-lora",
    "gemma3": "@cf/google/gemma-3-12b-it @cf/aisingapore/gemma-sea-lion-v4-27b-it",
    # The longest beginning of a name wins, and names are matched in any case.
    "qwen2": (
        "@cf/qwen/qwen1.5-14b-chat-awq @cf/deepseek-ai/deepseek-r1-distill-qwen-32b "
        "@cf/deepseek-ai/deepseek-r1-distill-qwen-1.5b @cf/Qwen/QwQ-32B"
    ),
    "qwen3_5": "@cf/qwen/qwen3.6-27b",
    "o200k": "@cf/openai/gpt-oss-120b",
    "deepseek_v3": "@cf/deepseek-ai/deepseek-r1 @cf/deepseek-ai/deepseek-r1-0528",
    "deepseek_llm": "@cf/deepseek-ai/deepseek-math-7b-instruct",
    "deepseek_coder": "@hf/thebloke/deepseek-coder-6.7b-instruct-awq",
    "glm4": "@cf/zai-org/glm-4.7-flash",
    "kimi_k2": "@cf/moonshotai/kimi-k2.6",
    "codegen": "@cf/microsoft/phi-2",
    "bert": "@cf/baai/bge-large-en-v1.5",
    "xlmr": "@cf/baai/bge-m3",
    "whisper": "@cf/openai/whisper-large-v3-turbo",
}
"""Models that are known to use a vocabulary, by its family."""
PRESUMED = {
    "tekken": "@cf/nvidia/nemotron-3-120b-a12b @cf/swiss-ai/apertus-v1.5-8b",
    "gemma3": "@cf/google/gemma-4-26b-a4b-it",
    "qwen3_5": "@cf/qwen/qwen3.8-27b",
    "glm4": "@cf/zai-org/glm-5.3",
    "cl100k": "@cf/ibm-granite/granite-4.0-h-micro",
    "default": (
        "@cf/tiiuae/falcon-7b-instruct @cf/utter-project/eurollm-9b-it @cf/cloudflare/clef "
        "@cf/deepseek-ai/deepseek-r1-distill-llama-70b"
    ),
}
"""Models whose vocabulary is only presumed."""


def test_a_model_has_the_family_of_its_tokenizer() -> None:
    for table, certain in ((KNOWN, True), (PRESUMED, False)):
        for family, names in table.items():
            for model in names.split():
                assert tokens.get_family(model) == Family(family, certain), model


def test_every_model_of_the_catalogue_has_a_family_and_no_text_model_the_default_one_unnoticed() -> None:
    for name in models.catalogue():
        assert tokens.get_family(name).name in FAMILIES
    unknown = {
        model.name
        for model in models.catalogue().values()
        if model.task == "Text Generation" and tokens.get_family(model.name).name == "default"
    }
    clef = {"@cf/cloudflare/clef", "@cf/cloudflare/clef-flash", "@cf/cloudflare/clef-omni"}
    assert unknown == clef | {"@cf/tiiuae/falcon-7b-instruct", "@cf/utter-project/eurollm-9b-it"}
