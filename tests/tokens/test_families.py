from __future__ import annotations

import pytest

from cfai import models, tokens
from cfai.tokens import Family
from tests.tokens.conftest import FAMILIES


@pytest.mark.parametrize(
    ("model", "family", "certain"),
    [
        ("@cf/meta/llama-2-7b-chat-int8", "llama2", True),
        ("@cf/meta-llama/llama-2-7b-chat-hf-lora", "llama2", True),
        ("@hf/thebloke/llama-2-13b-chat-awq", "llama2", True),
        ("@hf/thebloke/llamaguard-7b-awq", "llama2", True),
        ("@cf/tinyllama/tinyllama-1.1b-chat-v1.0", "llama2", True),
        ("@cf/defog/sqlcoder-7b-2", "llama2", True),
        ("@cf/mistral/mistral-7b-instruct-v0.1", "mistral_v1", True),
        ("@hf/mistral/mistral-7b-instruct-v0.2", "mistral_v1", True),
        ("@hf/thebloke/mistral-7b-instruct-v0.1-awq", "mistral_v1", True),
        ("@hf/thebloke/zephyr-7b-beta-awq", "mistral_v1", True),
        ("@hf/thebloke/openhermes-2.5-mistral-7b-awq", "mistral_v1", True),
        ("@hf/thebloke/neural-chat-7b-v3-1-awq", "mistral_v1", True),
        ("@cf/thebloke/discolm-german-7b-v1-awq", "mistral_v1", True),
        ("@cf/openchat/openchat-3.5-0106", "mistral_v1", True),
        ("@hf/nexusflow/starling-lm-7b-beta", "mistral_v1", True),
        ("@hf/nousresearch/hermes-2-pro-mistral-7b", "mistral_v1", True),
        ("@cf/fblgit/una-cybertron-7b-v2-bf16", "mistral_v1", True),
        ("@cf/mistralai/mistral-small-3.1-24b-instruct", "tekken", True),
        ("@cf/nvidia/nemotron-3-120b-a12b", "tekken", False),
        ("@cf/swiss-ai/apertus-v1.5-8b", "tekken", False),
        ("@cf/meta/llama-3-8b-instruct", "llama3", True),
        ("@hf/meta-llama/meta-llama-3-8b-instruct", "llama3", True),
        ("@cf/meta/llama-3.1-8b-instruct-fp8", "llama3", True),
        ("@cf/meta/llama-3.2-11b-vision-instruct", "llama3", True),
        ("@cf/meta/llama-3.3-70b-instruct-fp8-fast", "llama3", True),
        ("@cf/meta/llama-guard-3-8b", "llama3", True),
        ("@cf/meta/llama-4-scout-17b-16e-instruct", "llama4", True),
        ("@cf/google/gemma-2b-it-lora", "gemma2", True),
        ("@hf/google/gemma-7b-it", "gemma2", True),
        ("@cf/google/gemma-3-12b-it", "gemma3", True),
        ("@cf/google/embeddinggemma-300m", "gemma3", True),
        ("@cf/aisingapore/gemma-sea-lion-v4-27b-it", "gemma3", True),
        ("@cf/google/gemma-4-26b-a4b-it", "gemma3", False),
        ("@cf/qwen/qwen1.5-14b-chat-awq", "qwen2", True),
        ("@cf/qwen/qwen2.5-coder-32b-instruct", "qwen2", True),
        ("@cf/qwen/qwen3-30b-a3b-fp8", "qwen2", True),
        ("@cf/qwen/qwq-32b", "qwen2", True),
        ("@cf/deepseek-ai/deepseek-r1-distill-qwen-32b", "qwen2", True),
        ("@cf/qwen/qwen3.6-27b", "qwen3_5", True),
        ("@cf/qwen/qwen3.8-27b", "qwen3_5", False),
        ("@cf/openai/gpt-oss-120b", "o200k", True),
        ("@cf/deepseek-ai/deepseek-r1", "deepseek_v3", True),
        ("@cf/deepseek-ai/deepseek-v4-pro-0813", "deepseek_v3", True),
        ("@cf/deepseek-ai/deepseek-math-7b-instruct", "deepseek_llm", True),
        ("@hf/thebloke/deepseek-coder-6.7b-instruct-awq", "deepseek_coder", True),
        ("@cf/zai-org/glm-4.7-flash", "glm4", True),
        ("@cf/zai-org/glm-5.3", "glm4", False),
        ("@cf/moonshotai/kimi-k2.6", "kimi_k2", True),
        ("@cf/ibm-granite/granite-4.0-h-micro", "cl100k", False),
        ("@cf/microsoft/phi-2", "codegen", True),
        ("@cf/baai/bge-large-en-v1.5", "bert", True),
        ("@cf/baai/bge-m3", "xlmr", True),
        ("@cf/openai/whisper-large-v3-turbo", "whisper", True),
        ("@cf/tiiuae/falcon-7b-instruct", "default", False),
        ("@cf/utter-project/eurollm-9b-it", "default", False),
        ("@cf/cloudflare/clef", "default", False),
    ],
)
def test_a_model_has_the_family_of_its_tokenizer(model: str, family: str, certain: bool) -> None:
    assert tokens.family_of(model) == Family(family, certain)


def test_the_longest_beginning_of_a_name_wins() -> None:
    assert tokens.family_of("@cf/deepseek-ai/deepseek-r1-distill-qwen-1.5b").name == "qwen2"
    assert tokens.family_of("@cf/deepseek-ai/deepseek-r1-distill-llama-70b") == Family("default", certain=False)
    assert tokens.family_of("@cf/deepseek-ai/deepseek-r1-0528").name == "deepseek_v3"


def test_names_are_matched_in_any_case() -> None:
    assert tokens.family_of("@cf/Qwen/QwQ-32B") == Family("qwen2", certain=True)


def test_every_model_of_the_catalogue_has_a_family_with_bounds() -> None:
    for name in models.catalogue():
        assert tokens.family_of(name).name in FAMILIES


def test_no_text_model_falls_to_the_default_unnoticed() -> None:
    unknown = {
        model.name
        for model in models.catalogue().values()
        if model.task == "Text Generation" and tokens.family_of(model.name).name == "default"
    }
    assert unknown == {
        "@cf/cloudflare/clef",
        "@cf/cloudflare/clef-flash",
        "@cf/cloudflare/clef-omni",
        "@cf/tiiuae/falcon-7b-instruct",
        "@cf/utter-project/eurollm-9b-it",
    }
