from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date

import pytest

from cfai import Ai, ConfigurationError, models
from cfai.models import Limit, Model
from tests.conftest import ACCOUNT, TOKEN, row

ALL = list(models.catalogue().values())
LIMITS = ["context_length", "sequence_length", "total_length", "input_length", "batch_length"]


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
    """Return whether `text` is a day or a month, or a span of two."""
    try:
        for part in text.split("/"):
            date.fromisoformat(part if len(part) == 10 else f"{part}-01")
    except ValueError:
        return False
    return True


def test_a_limit_is_the_figure_that_is_enforced() -> None:
    for name, figures in [
        ("@cf/meta/llama-2-7b-chat-int8", {"context_length": 2048, "sequence_length": 1800}),
        ("@cf/meta/llama-2-7b-chat-fp16", {"context_length": 3072, "sequence_length": 2500}),
        ("@hf/mistral/mistral-7b-instruct-v0.2", {"context_length": 3072, "total_length": 4096}),
        *(
            (name, {"context_length": 131_072})
            for name in ("@cf/google/gemma-4-26b-a4b-it", "@cf/zai-org/glm-4.7-flash")
        ),
        ("@cf/zai-org/glm-5.2", {"context_length": 256_000}),
        ("@cf/zai-org/glm-5.3-flash", {"context_length": 1_048_576}),
        ("@cf/deepseek-ai/deepseek-v4-flash-0731", {"context_length": 1_048_576}),
        ("@cf/meta/llama-3.3-70b-instruct-fp8-fast", {"context_length": 24_000, "default_max_tokens": 256}),
        ("@cf/moonshotai/kimi-k2.6", {"context_length": 262_144, "sequence_length": 256_000}),
        ("@cf/baai/bge-base-en-v1.5", {"input_length": 512}),
        ("@cf/baai/bge-m3", {"batch_length": 60_000}),
    ]:
        assert {field: getattr(entry(name), field).value for field in figures} == figures, name
    # Where no source gives a figure, there is none.
    for name in ["@cf/meta/llama-3.1-8b-instruct-fast", "@cf/microsoft/phi-2", "@cf/meta/llama-3-8b-instruct"]:
        model = entry(name)
        assert (model.context_length, model.sequence_length, model.window) == (None, None, None), name
    assert entry("@cf/zai-org/glm-4.7-flash").default_max_tokens is None
    assert {model.name for model in ALL if model.default_max_tokens and model.default_max_tokens.value == 2000} == {
        "@cf/aisingapore/gemma-sea-lion-v4-27b-it",
        "@cf/ibm-granite/granite-4.0-h-micro",
        "@cf/qwen/qwen3-30b-a3b-fp8",
    }


def test_figures_that_are_sure_say_so_and_where_they_are_from() -> None:
    for name in ["@cf/meta/llama-2-7b-chat-int8", "@cf/meta/llama-2-7b-chat-fp16"]:
        limits = list(limits_of(entry(name)))
        assert len(limits) == 2, name
        for limit in limits:
            assert limit.date.startswith("2023-11"), name
            assert (limit.certain_to_refuse, limit.certain_to_fit) == (True, True), name
    measured = entry("@cf/google/gemma-4-26b-a4b-it").context_length
    assert measured is not None
    assert measured.certain_to_fit
    assert "256,000" in measured.source  # what the listing says, which it corrects


def test_every_limit_and_price_has_a_source_and_a_date() -> None:
    for model in ALL:
        for figure in (*limits_of(model), *model.price):
            assert figure.source, model.name
            assert is_date(figure.date), model.name
        assert all(limit.value > 0 for limit in limits_of(model)), model.name
        units = [price.unit for price in model.price]
        assert len(set(units)) == len(units), model.name
        for price in model.price:
            assert price.usd >= 0, model.name
            assert price.unit.startswith("per "), model.name
            # $0.011 per 1,000 neurons; the page rounds both columns, and contradicts itself for smart-turn-v2.
            if price.neurons is not None and model.name != "@cf/pipecat-ai/smart-turn-v2":
                assert price.neurons * 0.000_011 == pytest.approx(price.usd, rel=0.12), model.name


def test_a_window_says_how_its_figures_belong_together() -> None:
    for model in ALL:
        context, output = model.context_length, model.sequence_length
        assert (context is None) == (model.window is None), model.name
        assert model.total_length is None or model.window == "separate", model.name
        if model.window == "shared" and output and context:
            assert output.value <= context.value, model.name
    # Only models of 2023 have a limit each for input and output.
    assert {model.name for model in ALL if model.window == "separate"} == {
        "@cf/meta/llama-2-7b-chat-int8",
        "@cf/meta/llama-2-7b-chat-fp16",
        "@hf/mistral/mistral-7b-instruct-v0.2",
    }


def test_a_retired_model_names_a_live_one_of_its_own_task() -> None:
    for model in ALL:
        if model.retired_on is None:
            assert (model.replaced_by, model.successor) == (None, None), model.name
            continue
        instead = entry(model.successor or "")
        assert instead.retired_on is None, model.name
        assert instead.task == model.task or model.task == "Summarization", model.name
        assert model.replaced_by is None or entry(model.replaced_by).retired_on is None, model.name


def test_the_recommended_models_are_live_and_priced() -> None:
    for name in (
        "@cf/zai-org/glm-4.7-flash",
        "@cf/google/gemma-4-26b-a4b-it",
        "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
        "@cf/moonshotai/kimi-k2.6",
    ):
        assert entry(name).retired_on is None, name
        assert entry(name).price, name
    # The figures of the page with the prices, not those of the listing, which are rounded.
    prices = {price.unit: price.usd for price in entry("@cf/meta/llama-3.3-70b-instruct-fp8-fast").price}
    assert prices == {"per M input tokens": 0.293, "per M output tokens": 2.253}


def test_the_catalogue_is_whole_and_in_order_and_cannot_be_changed() -> None:
    names = list(models.catalogue())
    assert len(names) == 111
    assert names == [model.name for model in ALL]
    assert names == sorted(names)
    with pytest.raises(TypeError):
        models.catalogue()["@cf/a/b"] = ALL[0]  # pyright: ignore[reportIndexIssue]  # what is tested
    with pytest.raises(dataclasses.FrozenInstanceError):
        ALL[0].task = "other"  # pyright: ignore[reportAttributeAccessIssue]  # what is tested
    assert models.get("@cf/meta/llama-9") is None
    assert models.get("@CF/META/LLAMA-2-7B-CHAT-INT8") is None


def test_the_nearest_name_is_the_one_meant() -> None:
    for typed, meant in [
        ("@cf/meta/lama-3.3-70b-instruct", "@cf/meta/llama-3.3-70b-instruct-fp8-fast"),
        ("glm-4.7-flash", "@cf/zai-org/glm-4.7-flash"),
        ("@cf/ZAI-org/GLM-4.7-flash", "@cf/zai-org/glm-4.7-flash"),
        ("@cf/openai/gpt-oss-120B", "@cf/openai/gpt-oss-120b"),
        ("kimi-k2.6", "@cf/moonshotai/kimi-k2.6"),
    ]:
        assert models.suggest(typed)[0] == meant, (typed, meant)
    near = models.suggest("@cf/meta/llama-2-7b-chat-int8", count=5)
    assert 0 < len(near) <= 5
    assert all(entry(name).retired_on is None for name in near)
    assert models.suggest("zzzzzz") == []
    assert models.suggest("") == []
    assert "@cf/meta/llama-3.3-70b-instruct-fp8-fast" in models.suggest("llama3.3")


def test_a_short_name_finds_the_one_live_model_that_has_it() -> None:
    for name, found in [
        ("glm-4.7-flash", "@cf/zai-org/glm-4.7-flash"),
        ("llama-3.3-70b-instruct-fp8-fast", "@cf/meta/llama-3.3-70b-instruct-fp8-fast"),
        ("GLM-4.7-flash", None),
        ("zai-org/glm-4.7-flash", None),  # another author's model would be called so
        ("phi-2", None),  # retired
        ("flash", None),
        ("", None),
    ]:
        with row(name):
            assert getattr(models.get(name), "name", None) == found


def test_a_call_takes_no_short_name_for_the_model() -> None:
    with Ai(account_id=ACCOUNT, api_token=TOKEN) as ai:
        assert ai.check("llama-3.3-70b-instruct-fp8-fast", {"prompt": "Hi", "max_tokens": 10**9}).verdict == "unknown"


def test_the_list_has_all_models_live_ones_first() -> None:
    listed = models.list()
    retired = [model.retired_on is not None for model in listed]
    assert {model.name for model in listed} == {model.name for model in ALL}
    assert retired == sorted(retired)
    assert any(retired)
    assert [model for model in listed if not model.retired_on] == models.list(live=True)
    assert [model for model in listed if model.retired_on] == models.list(live=False)


def test_the_list_is_chosen_by_task_author_and_capability_however_they_are_spelt() -> None:
    def names(**choice: str) -> set[str]:
        return {model.name for model in models.list(**choice)}  # pyright: ignore[reportArgumentType]  # `live`

    for task in ["text-to-image", "Text-to-Image", "text to image", "TEXT_TO_IMAGE", "texttoimage"]:
        with row(task):
            assert names(task=task) == {model.name for model in ALL if model.task == "Text-to-Image"}
    assert names(author="Meta") == {model.name for model in ALL if model.name.startswith("@cf/meta/")}
    for capability in ["function_calling", "Function Calling", "function-calling"]:
        with row(capability):
            assert names(capability=capability) == {m.name for m in ALL if "function_calling" in m.capabilities}
    live = models.list(task="text generation", author="zai-org", capability="vision", live=True)
    assert [model.name for model in live] == ["@cf/zai-org/glm-5.3-flash"]
    assert models.list(task="translation", capability="vision") == []
    seeing = {"meta/llama-3.2-11b-vision-instruct", "meta/llama-4-scout-17b-16e-instruct"}
    seeing |= {"mistralai/mistral-small-3.1-24b-instruct", "google/gemma-4-26b-a4b-it", "moonshotai/kimi-k2.6"}
    assert {f"@cf/{name}" for name in seeing} <= names(capability="vision", live=True)
    assert "@cf/meta/llama-3.1-8b-instruct-fast" not in names(capability="vision")  # though its schema has an image


def test_a_choice_that_no_model_meets_says_what_there_is_and_what_was_meant() -> None:
    for choice, message in [
        ({"task": "text-to-imge"}, "`task` must be one of Automatic .*, got 'text-to-imge': did you mean 'Text-to-Im"),
        ({"author": "mta"}, "`author` must be one of ai4bharat, .*, got 'mta': did you mean 'meta'"),
        ({"capability": "visoin"}, "`capability` must be one of async_queue, .*, got 'visoin': did you mean 'vision'"),
        ({"task": "!"}, "`task` must be one of .*, got '!'$"),
        ({"author": ""}, "`author` must be one of .*, got ''$"),
        ({"task": 5}, "`task` must be one of .*, got 5$"),
    ]:
        with row(choice), pytest.raises(ConfigurationError, match=message):
            models.list(**choice)  # pyright: ignore[reportArgumentType]  # callers without types


def test_the_list_shows_as_a_table_in_a_terminal() -> None:
    table = str(models.list(task="Text Generation", author="zai-org"))
    head, *rows = table.splitlines()
    assert table == repr(models.list(task="Text Generation", author="zai-org"))
    assert head.split() == ["name", "price", "context", "task", "capabilities"]
    assert rows[0].split("  ")[0] == "@cf/zai-org/glm-4.7-flash"
    for cell in ["131,072", "$0.06 in, $0.4 out per M tokens", "function_calling, reasoning"]:
        assert cell in rows[0]
    assert {row.index("Text Generation") for row in rows} == {head.index("task")}
    assert re.search("@cf/microsoft/phi-2 +retired 2026-05-30 ", str(models.list(author="microsoft")))
    assert str(models.list(task="Text Generation", author="zai-org")[:1]).splitlines()[0].split() == head.split()
    assert str(models.list(task="translation", capability="vision")).split() == head.split()


def test_the_list_shows_as_a_table_in_a_notebook_and_nothing_in_it_is_markup() -> None:
    listed = models.list(author="microsoft")
    listed.append(Model("<b>", "a & b"))
    page = listed._repr_html_()  # pyright: ignore[reportPrivateUsage]  # what a notebook calls
    left = 'style="text-align: left; white-space: nowrap"'
    assert '<th style="text-align: left">price</th>' in page
    assert page.startswith(f"<table><tr><th {left}>name</th>")
    assert f"<td {left}>@cf/microsoft/phi-2</td>" in page
    assert f"<td {left}>&lt;b&gt;</td>" in page
    assert ">a &amp; b</td>" in page
    assert '<td style="text-align: left">retired 2026-05-30</td>' in page, "beside the name"


def test_a_model_says_how_many_requests_a_minute_it_takes() -> None:
    for name, rate, prepaid in [
        ("@cf/meta/llama-3.2-1b-instruct", 300, 300),
        ("@cf/zai-org/glm-5.2", 20, 50),
        ("@cf/baai/bge-m3", 3000, 3000),
        ("@cf/baai/bge-large-en-v1.5", 1500, 1500),
        ("@cf/runwayml/stable-diffusion-v1-5-img2img", 1500, 1500),
        ("@cf/leonardo/phoenix-1.0", 720, 720),
        ("@cf/openai/whisper", 720, 720),
        ("@cf/deepgram/aura-1", None, None),
    ]:
        model = entry(name)
        assert (model.requests_per_minute, model.prepaid_requests_per_minute) == (rate, prepaid), name


def test_importing_reads_no_figures() -> None:
    code = "from cfai import models; print(models.catalogue.cache_info().currsize)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
