from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from datetime import date

import pytest

from cfai import models
from cfai.models import Limit, Model

ALL = list(models.catalogue().values())
LIMITS = ["context_length", "sequence_length", "total_length", "input_length", "batch_length"]


def by_name(model: Model) -> str:
    return model.name


def limits_of(model: Model) -> Iterator[Limit]:
    for field in LIMITS:
        limit = getattr(model, field)
        if limit is not None:
            yield limit


def entry(name: str) -> Model:
    model = models.get(name)
    assert model is not None
    return model


def is_date(text: str) -> bool:
    """Whether `text` is a day or a month, or a span of two."""
    try:
        for part in text.split("/"):
            date.fromisoformat(part if len(part) == 10 else f"{part}-01")
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("@cf/meta/llama-2-7b-chat-int8", "context_length", 2048),
        ("@cf/meta/llama-2-7b-chat-int8", "sequence_length", 1800),
        ("@cf/meta/llama-2-7b-chat-fp16", "context_length", 3072),
        ("@cf/meta/llama-2-7b-chat-fp16", "sequence_length", 2500),
        ("@hf/mistral/mistral-7b-instruct-v0.2", "context_length", 3072),
        ("@hf/mistral/mistral-7b-instruct-v0.2", "total_length", 4096),
        ("@cf/google/gemma-4-26b-a4b-it", "context_length", 131_072),
        ("@cf/zai-org/glm-5.2", "context_length", 256_000),
        ("@cf/zai-org/glm-5.3-flash", "context_length", 1_048_576),
        ("@cf/deepseek-ai/deepseek-v4-flash-0731", "context_length", 1_048_576),
        ("@cf/zai-org/glm-4.7-flash", "context_length", 131_072),
        ("@cf/meta/llama-3.3-70b-instruct-fp8-fast", "context_length", 24_000),
        ("@cf/moonshotai/kimi-k2.6", "context_length", 262_144),
        ("@cf/moonshotai/kimi-k2.6", "sequence_length", 256_000),
        ("@cf/baai/bge-base-en-v1.5", "input_length", 512),
        ("@cf/baai/bge-m3", "batch_length", 60_000),
    ],
)
def test_a_limit_is_the_figure_that_is_enforced(name: str, field: str, value: int) -> None:
    assert getattr(entry(name), field).value == value


@pytest.mark.parametrize("name", ["@cf/meta/llama-2-7b-chat-int8", "@cf/meta/llama-2-7b-chat-fp16"])
def test_the_limits_of_the_announcement_are_two_separate_ones(name: str) -> None:
    model = entry(name)
    assert model.window == "separate"
    assert model.context_length
    assert model.sequence_length
    for limit in limits_of(model):
        assert limit.date.startswith("2023-11")
        assert limit.certain_to_refuse
        assert limit.certain_to_fit


def test_a_measured_figure_names_the_listing_that_it_corrects() -> None:
    limit = entry("@cf/google/gemma-4-26b-a4b-it").context_length
    assert limit is not None
    assert limit.certain_to_fit
    assert "256,000" in limit.source


@pytest.mark.parametrize(
    "name", ["@cf/meta/llama-3.1-8b-instruct-fast", "@cf/microsoft/phi-2", "@cf/meta/llama-3-8b-instruct"]
)
def test_where_no_source_gives_a_figure_there_is_none(name: str) -> None:
    model = entry(name)
    assert model.context_length is None
    assert model.sequence_length is None
    assert model.window is None


@pytest.mark.parametrize("model", ALL, ids=by_name)
def test_every_limit_has_a_source_and_a_date(model: Model) -> None:
    for limit in limits_of(model):
        assert limit.value > 0
        assert limit.source
        assert is_date(limit.date), limit.date


@pytest.mark.parametrize("model", ALL, ids=by_name)
def test_every_price_has_a_unit_a_source_and_a_date(model: Model) -> None:
    for price in model.price:
        assert price.usd >= 0  # models in beta are free
        assert price.unit.startswith("per ")
        assert price.source
        assert is_date(price.date), price.date
    units = [price.unit for price in model.price]
    assert len(set(units)) == len(units)


@pytest.mark.parametrize("model", ALL, ids=by_name)
def test_neurons_are_what_the_price_comes_to(model: Model) -> None:
    for price in model.price:
        # $0.011 per 1,000; the page rounds both columns, and contradicts itself for smart-turn-v2.
        if price.neurons is not None and model.name != "@cf/pipecat-ai/smart-turn-v2":
            assert price.neurons * 0.000_011 == pytest.approx(price.usd, rel=0.12)


def test_a_price_of_the_page_wins_over_a_rounded_one() -> None:
    prices = {price.unit: price.usd for price in entry("@cf/meta/llama-3.3-70b-instruct-fp8-fast").price}
    assert prices == {"per M input tokens": 0.293, "per M output tokens": 2.253}


@pytest.mark.parametrize("model", ALL, ids=by_name)
def test_a_window_says_how_its_figures_belong_together(model: Model) -> None:
    if model.window is None:
        assert model.context_length is None
        assert model.total_length is None
    else:
        assert model.context_length is not None
    if model.window == "shared":
        assert model.total_length is None


def test_only_models_of_2023_have_separate_limits() -> None:
    assert {model.name for model in ALL if model.window == "separate"} == {
        "@cf/meta/llama-2-7b-chat-int8",
        "@cf/meta/llama-2-7b-chat-fp16",
        "@hf/mistral/mistral-7b-instruct-v0.2",
    }


@pytest.mark.parametrize("model", ALL, ids=by_name)
def test_an_output_is_not_longer_than_the_window(model: Model) -> None:
    if model.window == "shared" and model.sequence_length and model.context_length:
        assert model.sequence_length.value <= model.context_length.value


@pytest.mark.parametrize("model", [model for model in ALL if model.retired_on], ids=by_name)
def test_a_retired_model_names_a_live_one_of_its_own_task(model: Model) -> None:
    instead = entry(model.successor or "")
    assert instead.retired_on is None
    assert instead.task == model.task or model.task == "Summarization"
    if model.replaced_by is not None:
        assert entry(model.replaced_by).retired_on is None


@pytest.mark.parametrize("model", [model for model in ALL if not model.retired_on], ids=by_name)
def test_a_live_model_needs_no_successor(model: Model) -> None:
    assert model.replaced_by is None
    assert model.successor is None


@pytest.mark.parametrize(
    "name",
    [
        "@cf/zai-org/glm-4.7-flash",
        "@cf/google/gemma-4-26b-a4b-it",
        "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
        "@cf/moonshotai/kimi-k2.6",
    ],
)
def test_the_recommended_models_are_live_and_priced(name: str) -> None:
    model = entry(name)
    assert model.retired_on is None
    assert model.price


def test_default_outputs_are_per_model() -> None:
    assert entry("@cf/meta/llama-3.3-70b-instruct-fp8-fast").default_max_tokens.value == 256
    assert entry("@cf/zai-org/glm-4.7-flash").default_max_tokens is None
    assert {model.name for model in ALL if model.default_max_tokens and model.default_max_tokens.value == 2000} == {
        "@cf/aisingapore/gemma-sea-lion-v4-27b-it",
        "@cf/ibm-granite/granite-4.0-h-micro",
        "@cf/qwen/qwen3-30b-a3b-fp8",
    }


def test_the_catalogue_is_whole_and_in_order() -> None:
    names = list(models.catalogue())
    assert len(names) == 111
    assert names == [model.name for model in ALL]
    assert names == sorted(names)


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        models.catalogue()["@cf/a/b"] = ALL[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        ALL[0].task = "other"


def test_an_unknown_name_is_none_and_case_counts() -> None:
    assert models.get("@cf/meta/llama-9") is None
    assert models.get("@CF/META/LLAMA-2-7B-CHAT-INT8") is None


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("@cf/meta/lama-3.3-70b-instruct", "@cf/meta/llama-3.3-70b-instruct-fp8-fast"),
        ("glm-4.7-flash", "@cf/zai-org/glm-4.7-flash"),
        ("@cf/ZAI-org/GLM-4.7-flash", "@cf/zai-org/glm-4.7-flash"),
        ("@cf/openai/gpt-oss-120B", "@cf/openai/gpt-oss-120b"),
        ("kimi-k2.6", "@cf/moonshotai/kimi-k2.6"),
    ],
)
def test_the_nearest_name_is_the_one_meant(typed: str, meant: str) -> None:
    assert models.nearest(typed)[0] == meant


def test_nearest_names_are_live_and_few() -> None:
    found = models.nearest("@cf/meta/llama-2-7b-chat-int8", count=5)
    assert 0 < len(found) <= 5
    assert all(entry(name).retired_on is None for name in found)
    assert models.nearest("zzzzzz") == []


def test_importing_reads_no_figures() -> None:
    code = "from cfai import models; print(models.catalogue.cache_info().currsize)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
