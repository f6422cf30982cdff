"""The bounds and the limit check against real counts."""

from __future__ import annotations

from statistics import median

from cfai import SequenceLengthError, models, tokens
from cfai._limits import check_call
from tests.tokens.conftest import COUNTED, Sample

CHAT = ["llama2", "mistral_v1", "tekken", "llama3", "gemma3", "qwen2", "o200k", "deepseek_v3", "glm4"]
SHORT_WINDOWS = [
    model
    for model in models.catalogue().values()
    if model.window and model.context_length and model.context_length.value < 100_000
]


def test_the_bounds_hold_for_real_counts_of_every_family(samples: list[Sample]) -> None:
    for family in COUNTED:
        for sample in samples:
            real = sample.counts[family]
            assert tokens.lower_bound(sample.text, family) <= real <= tokens.upper_bound(sample.text, family), (
                sample.name
            )
    assert set(samples[0].counts) == set(COUNTED)
    for sample in samples:
        counts = [count for family, count in sample.counts.items() if family not in ("bert", "xlmr")]
        assert tokens.lower_bound(sample.text, "default") <= min(counts), sample.name
        assert max(counts) <= tokens.upper_bound(sample.text, "default"), sample.name


def test_the_lower_bound_of_english_prose_has_teeth(samples: list[Sample]) -> None:
    prose = [sample for sample in samples if sample.kind == "prose_en" and len(sample.text) >= 500]
    ratios = [tokens.lower_bound(sample.text, family) / sample.counts[family] for sample in prose for family in CHAT]
    assert median(ratios) >= 0.88


def test_english_prose_of_2400_llama_2_tokens_is_refused(samples: list[Sample]) -> None:
    prose = sorted(
        (sample for sample in samples if sample.kind == "prose_en"), key=lambda sample: -sample.counts["llama2"]
    )
    tried = 0
    for first in prose:
        copies, missing = divmod(2400, first.counts["llama2"])
        texts = [first.text] * copies
        for filling in prose:
            while copies and filling.counts["llama2"] <= missing:
                texts.append(filling.text)
                missing -= filling.counts["llama2"]
        if copies:
            finding = check_call("@cf/meta/llama-2-7b-chat-int8", {"prompt": "\n\n".join(texts)})
            assert finding.certain
            tried += 1
    assert tried > 15


def test_no_text_of_2000_llama_2_tokens_is_refused(samples: list[Sample]) -> None:
    for sample in samples:
        # Joining texts was seen to add four tokens at most.
        copies = 2000 // (sample.counts["llama2"] + 4)
        text = "\n".join([sample.text] * copies)
        assert check_call("@cf/meta/llama-2-7b-chat-int8", {"prompt": text}).verdict != "too long", sample.name


def test_a_prompt_that_just_fits_is_not_refused(samples: list[Sample]) -> None:
    for model in SHORT_WINDOWS:
        family = tokens.get_family(model.name).name
        limit = model.context_length
        assert limit, model.name
        reserve = 1 if model.window == "shared" else 0
        for sample in samples:
            if sample.kind not in ("prose_en", "hex", "digits", "zh", "code_py", "json_escaped"):
                continue
            real = max(sample.counts.values()) if family == "default" else sample.counts[family]
            copies = (limit.value - reserve) // (real + 4)
            if 0 < copies < 20:
                messages = [{"role": "user", "content": sample.text} for _ in range(copies)]
                inputs = {"messages": messages, "max_tokens": limit.value - copies * real if reserve else 1}
                fit = check_call(model.name, inputs)
                assert fit.verdict != "too long" or isinstance(fit.error, SequenceLengthError), sample.name
