"""The cost of a call at most, before it is sent, and the units of a price that it takes."""

from __future__ import annotations

import base64
import io
import json
import struct
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

import cfai
from cfai import Ai, models, tokens
from cfai._config import LimitPolicy
from cfai._limits import count_units, estimate_max_cost
from cfai.local import Emulator
from cfai.models import USD_PER_NEURON, Model
from cfai.models.schemas import get_schema
from tests.conftest import row

EXAMPLES = Path(__file__).parents[2] / "examples"
GLM = "@cf/zai-org/glm-4.7-flash"
SCHNELL = "@cf/black-forest-labs/flux-1-schnell"
DEV = "@cf/black-forest-labs/flux-2-dev"
KLEIN_4B, KLEIN_9B = "@cf/black-forest-labs/flux-2-klein-4b", "@cf/black-forest-labs/flux-2-klein-9b"
LUCID, PHOENIX = "@cf/leonardo/lucid-origin", "@cf/leonardo/phoenix-1.0"
TURBO, NOVA = "@cf/openai/whisper-large-v3-turbo", "@cf/deepgram/nova-3"


@pytest.fixture
def ai() -> Ai:
    return Ai(account_id="0" * 32, api_token="token")


def wav(seconds: float) -> bytes:
    with io.BytesIO() as file:
        with wave.open(file, "wb") as sound:
            sound.setparams((1, 2, 16_000, 0, "NONE", ""))
            sound.writeframes(bytes(round(seconds * 32_000)))
        return file.getvalue()


def inputs_for(model: Model) -> dict[str, Any]:
    """Return inputs with which a model can be called, and whose units can be known."""
    if model.name.startswith("@cf/cloudflare/clef"):
        return {"model": "clef", "state": "a text", "questions": {"a": {"type": "noul", "instructions": "Is it?"}}}
    named = {
        DEV: {"prompt": "a house", "steps": 20},
        "@cf/baai/bge-reranker-base": {"query": "one", "contexts": [{"text": "two"}]},
        "@cf/myshell-ai/melotts": {"prompt": "Hello"},
        "@cf/ai4bharat/indictrans2-en-indic-1B": {"text": "Hello", "target_language": "hin_Deva"},
    }
    by_task = {
        "Text Generation": {"messages": [{"role": "user", "content": "Where is New York?"}]},
        "Text Embeddings": {"text": ["one", "two"]},
        "Text Classification": {"text": "good"},
        "Translation": {"text": "Hello", "target_lang": "fr"},
        "Text-to-Speech": {"text": "Hello"},
        "Text-to-Image": {"prompt": "a house"},
        "Automatic Speech Recognition": {"audio": wav(30)},
        "Voice Activity Detection": {"audio": wav(30)},
        "Image Classification": {"image": EXAMPLES / "photo.jpg"},
        "Object Detection": {"image": EXAMPLES / "photo.jpg"},
        "Image-to-Text": {"image": EXAMPLES / "photo.jpg"},
    }
    return named.get(model.name, by_task[model.task])


def test_the_most_that_a_call_costs_is_known_for_every_model_with_a_price_but_those_whose_units_nobody_knows(
    ai: Ai,
) -> None:
    unknown = {"@cf/myshell-ai/melotts"}  # priced by the length of what comes out
    checked = 0
    for model in models.list(live=True):
        with row(model.name):
            if model.is_realtime_only:
                continue
            result = ai.check(model.name, inputs_for(model))
            is_known = bool(model.price) and model.task != "Translation" and model.name not in unknown
            assert (result.max_cost is not None) == is_known
            assert result.price_source == (model.price_source if is_known else None)
            if is_known:
                assert 0 <= (result.max_cost or 0) < 10
                checked += 1
    assert checked > 45


def test_figures_are_those_of_the_price_list() -> None:
    # Neurons of rest-api.md, section 10, by hand.
    for name, inputs, neurons in (
        (SCHNELL, {"prompt": "a house"}, 4 * 4.80 + 4 * 9.60),
        (SCHNELL, {"prompt": "a house", "steps": 8}, 4 * 4.80 + 8 * 9.60),
        (PHOENIX, {"prompt": "a house"}, 4 * 530 + 25 * 10),
        (PHOENIX, {"prompt": "a house", "width": 513, "height": 512, "num_steps": 1}, 2 * 530 + 10),
        (LUCID, {"prompt": "a house"}, 9 * 636 + 40 * 12),
        (LUCID, {"prompt": "a house", "width": 512, "height": 512, "steps": 3}, 636 + 3 * 12),
        (LUCID, {"prompt": "a house", "width": 512, "height": 512, "num_steps": 3}, 636 + 3 * 12),
        (DEV, {"prompt": "a house", "steps": 10}, 4 * 10 * 37.50),
        (DEV, {"prompt": "a house", "steps": "10", "width": "512", "height": "512", "input_image_0": {}}, 562.5),
        (KLEIN_4B, {"prompt": "a house", "width": 512, "height": 512}, 26.05),
        (KLEIN_4B, {"prompt": "a house", "input_image_0": {}, "input_image_3": {}}, 4 * 26.05 + 2 * 5.37),
        (KLEIN_9B, {"prompt": "a house"}, 1363.64),
        (KLEIN_9B, {"prompt": "a house", "width": 1920, "height": 1080, "input_image_0": {}}, 1363.64 + 2 * 181.82),
        ("@cf/deepgram/aura-1", {"text": "x" * 250}, 1363.64 / 4),
        ("@cf/deepgram/aura-2-es", {"text": "ñ" * 500}, 2727.27 / 2),
        ("@cf/openai/whisper", {"audio": [*wav(30)]}, 41.14 / 2),
        (TURBO, {"audio": base64.b64encode(wav(120)).decode()}, 46.63 * 2),
        (NOVA, {"audio": {"seconds": 90.0}}, 472.73 * 1.5),
        ("@cf/microsoft/resnet-50", {"image": [1, 2]}, 0.228055),
        ("@cf/bytedance/stable-diffusion-xl-lightning", {"prompt": "a house"}, 0),
    ):
        with row(f"{name} {str(inputs)[:60]}"):
            assert estimate_max_cost(name, inputs) == pytest.approx(neurons * USD_PER_NEURON, rel=1e-3)


def test_a_megapixel_has_1024_times_1024_pixels() -> None:
    # "$0.015 per first MP (1024x1024), $0.002 per subsequent MP": the pricing page, and that of the model.
    for width, height, dollars in (
        (1024, 1024, 0.0150),
        (1025, 1024, 0.0170),
        (1920, 1080, 0.0170),
        (1920, 1920, 0.0210),
    ):
        with row((width, height)):
            inputs = {"prompt": "a house", "width": width, "height": height}
            assert estimate_max_cost(KLEIN_9B, inputs) == pytest.approx(dollars, rel=1e-4)
            with Emulator() as service, service.ai() as ai:
                assert ai.run(KLEIN_9B, inputs).meta.cost == pytest.approx(dollars, rel=1e-4), "as it is charged"


def test_a_size_that_may_be_ignored_makes_no_image_cheaper() -> None:
    entry = models.catalogue()[SCHNELL]
    for size, tiles in (({"width": 256, "height": 256}, 4), ({"width": 2048}, 8), ({"width": 1024, "height": 1024}, 4)):
        with row(size):
            inputs = {"prompt": "a house", **size}
            assert count_units(entry, inputs, at_most=True) == {"per 512x512 tile": tiles, "per step": 4}
            assert (count_units(entry, inputs) is None) == (size != {"width": 1024, "height": 1024}), "not certain"


def test_a_class_under_response_format_is_checked_as_its_schema(ai: Ai) -> None:
    class City(BaseModel):
        name: str

    llama = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
    schema = {"type": "json_schema", "json_schema": City.model_json_schema()}
    plain = ai.check(llama, {"prompt": "Where?", "response_format": schema})
    result = ai.check(llama, {"prompt": "Where?", "response_format": City})
    assert result
    assert plain.max_cost is not None
    # The answer may not fit: the second call reads it and the question, and writes as much again.
    assert result == replace(plain, max_cost=plain.max_cost * 3)
    assert ai.check(llama, {"prompt": "Where?", "response_format": City, "stream": True}).error is not None
    refused = ai.check("@cf/meta/llama-3.2-1b-instruct", {"prompt": "Where?", "response_format": City})
    assert "has no JSON mode" in str(refused.error)


def test_output_counts_as_much_as_can_come() -> None:
    per_token = 400_000 / 1e6 * USD_PER_NEURON  # GLM-5.2, output
    in_all, model, prompt = 256_000, "@cf/zai-org/glm-5.2", {"prompt": "Where is New York?"}
    least = tokens.count_tokens("Where is New York?", model=model).lower
    nothing = estimate_max_cost(model, {**prompt, "max_tokens": 0})
    assert nothing is not None
    for more, output in (
        ({"max_tokens": 100}, 100),
        ({"max_completion_tokens": 100}, 100),
        ({"max_tokens": 100, "max_completion_tokens": 200}, 200),
        ({"max_tokens": 100, "n": 3}, 300),
        ({"max_tokens": 100, "n": None}, 100),
        ({}, in_all - least),
        ({"max_tokens": "max"}, in_all - least),
        ({"max_tokens": 10**9}, in_all - least),
    ):
        with row(more):
            cost = estimate_max_cost(model, {**prompt, **more})
            assert cost is not None
            assert cost - nothing == pytest.approx(output * per_token, rel=1e-3)


def test_without_max_tokens_the_default_of_the_native_schema_counts_where_there_is_one() -> None:
    for model, inputs, output in (
        ("@cf/meta/llama-3.2-1b-instruct", {"prompt": "Hi"}, 256),
        ("@cf/meta/llama-3.2-1b-instruct", {"prompt": "Hi", "max_tokens": "max"}, 60_000),
        ("@cf/openai/gpt-oss-20b", {"messages": [{"role": "user", "content": "Hi"}]}, 256),
        ("@cf/openai/gpt-oss-20b", {"input": "Hi"}, 16_384),
        ("@cf/moondream/moondream3.1-9B-A2B", {"image": "", "question": "What is it?"}, 768),
    ):
        with row(f"{model} {inputs}"):
            entry = models.catalogue()[model]
            least, cost = entry.estimate_token_cost(0, output), estimate_max_cost(model, inputs)
            assert least is not None
            assert cost is not None
            most = entry.estimate_token_cost(4_000, output)
            assert most is not None
            assert least * 0.999 < cost < most


def test_input_counts_with_the_most_tokens_that_it_can_have() -> None:
    text = "Where is New York? " * 300
    upper = tokens.count_tokens(text, model=GLM).upper
    for model, inputs, count in (
        (GLM, {"prompt": text, "max_tokens": 0}, upper),
        (GLM, {"messages": [{"role": "user", "content": text}], "max_tokens": 0}, upper),
        ("@cf/baai/bge-m3", {"text": text}, tokens.count_tokens(text, model="@cf/baai/bge-m3").upper),
    ):
        with row(model):
            entry = models.catalogue()[model]
            price, cost = entry.estimate_token_cost(count), estimate_max_cost(model, inputs)
            assert price is not None
            assert cost is not None
            assert price <= cost < price * 1.5


def test_a_query_counts_beside_each_text_that_is_ranked() -> None:
    query, contexts = "word " * 100, [{"text": "a"}] * 50
    model = "@cf/baai/bge-reranker-base"
    one, all_of_them = (
        estimate_max_cost(model, {"query": query, "contexts": given}) or 0 for given in (contexts[:1], contexts)
    )
    assert all_of_them == pytest.approx(50 * one)


def test_an_instruction_counts_beside_each_text_that_is_embedded() -> None:
    model, instruction = "@cf/qwen/qwen3-embedding-0.6b", "word " * 100
    texts = {"queries": ["a"] * 3, "documents": ["b"]}
    entry, bare = models.catalogue()[model], estimate_max_cost(model, texts)
    more = entry.estimate_token_cost(4 * tokens.count_tokens(instruction, model=model).upper)
    assert bare is not None
    assert more is not None
    assert estimate_max_cost(model, {**texts, "instruction": instruction}) == pytest.approx(bare + more)


def test_each_question_to_clef_counts_with_the_whole_state() -> None:
    model, question = "@cf/cloudflare/clef", {"type": "noul", "instructions": "Is it?"}
    state = {"notes": ["word " * 500]}
    one = estimate_max_cost(model, {"state": state, "questions": {"a": question}}) or 0
    two = estimate_max_cost(model, {"state": state, "questions": {"a": question, "b": question}}) or 0
    assert two > 2 * one > 0
    words = models.catalogue()[model].estimate_token_cost(tokens.count_tokens("word " * 500, model=model).upper)
    assert words is not None
    assert one > words
    omni = {"state": "x", "questions": {"a": question}, "audio": ["data:audio/wav;base64,AAAA"]}
    assert estimate_max_cost("@cf/cloudflare/clef-omni", omni) is None


def test_requests_of_a_batch_add_up() -> None:
    single = estimate_max_cost(GLM, {"prompt": "Hi", "max_tokens": 10}) or 0
    assert estimate_max_cost(GLM, {"requests": [{"prompt": "Hi", "max_tokens": 10}] * 3}) == pytest.approx(3 * single)
    for requests in ([], None, [1], 5):
        assert estimate_max_cost(GLM, {"requests": requests}) is None
    assert estimate_max_cost(TURBO, {"requests": [{"audio": "AAAA"}]}) is None


def test_what_nobody_knows_has_no_figure() -> None:
    for model, inputs in (
        ("@cf/no/such-model", {"prompt": "Hi"}),
        ("@cf/swiss-ai/apertus-v1.5-8b", {"prompt": "Hi"}),  # no price
        ("@cf/meta/m2m100-1.2b", {"text": "Hi", "target_lang": "fr"}),
        ("@cf/myshell-ai/melotts", {"prompt": "Hi"}),
        (TURBO, {"audio": base64.b64encode(b"ID3" + bytes(100)).decode()}),
        (TURBO, {"audio": "é" * 100}),
        ("@cf/openai/whisper", {"audio": ["RIFF"] * 50}),
        (NOVA, {"audio": {"seconds": None}}),
        (NOVA, {}),
        (DEV, {"prompt": "Hi"}),
        (DEV, {"multipart": {}}),
        (PHOENIX, {"prompt": "Hi", "width": 0}),
        (PHOENIX, {"prompt": "Hi", "height": "tall"}),
        ("@cf/deepgram/aura-1", {"text": 5}),
    ):
        with row(f"{model} {inputs}"):
            assert estimate_max_cost(model, inputs) is None


def test_steps_that_are_not_documented_count_only_at_most() -> None:
    lucid = models.catalogue()[LUCID]
    assert count_units(lucid, {"prompt": "a house"}) is None
    assert count_units(lucid, {"prompt": "a house"}, at_most=True) == {"per 512x512 tile": 9, "per step": 40}
    assert count_units(lucid, {"prompt": "a house", "steps": 5}) == {"per 512x512 tile": 9, "per step": 5}


def test_what_an_answer_says_of_its_length_comes_before_the_file() -> None:
    turbo = models.catalogue()[TURBO]
    audio = base64.b64encode(wav(120)).decode()
    assert count_units(turbo, {"audio": audio}, seconds=30) == {"per audio minute": 0.5}
    assert count_units(turbo, {"request_id": "abc"}, seconds=None) is None
    assert count_units(models.catalogue()["@cf/microsoft/resnet-50"], {"request_id": "abc"}) is None


def test_documented_sizes_are_those_of_the_schemas() -> None:
    for name, width, height in ((LUCID, 1120, 1120), (PHOENIX, 1024, 1024)):
        schema = get_schema(name)
        assert schema is not None
        given = (schema.parameters["width"].rules["default"], schema.parameters["height"].rules["default"])
        assert given == (width, height)
        units = count_units(models.catalogue()[name], {"num_steps": 1})
        assert units is not None
        assert units["per 512x512 tile"] == -(-width // 512) * -(-height // 512)
        maximum = schema.parameters["num_steps"].rules["maximum"]
        assert (count_units(models.catalogue()[name], {}, at_most=True) or {})["per step"] <= maximum


def test_a_check_reads_the_length_of_a_sound_in_any_form(ai: Ai, tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(wav(60))
    for model, minute in ((TURBO, 46.63), (NOVA, 472.73), ("@cf/openai/whisper", 41.14)):
        for audio in (path, wav(60), base64.b64encode(wav(60)).decode(), path.open("rb")):
            with row(f"{model} {type(audio).__name__}"):
                cost = ai.check(model, {"audio": audio}).max_cost
                assert cost == pytest.approx(minute * USD_PER_NEURON, rel=1e-3)
            if isinstance(audio, io.BufferedReader):
                audio.close()
        samples = {"audio": np.zeros(16_000 * 60, dtype=np.int16), "sample_rate": 16_000}
        assert ai.check(model, samples).max_cost == pytest.approx(minute * USD_PER_NEURON, rel=1e-3)
        assert ai.check(model, {"audio": EXAMPLES / "speech.mp3"}).max_cost is None


def test_a_check_counts_the_pictures_of_a_form(ai: Ai) -> None:
    photo = EXAMPLES / "photo.jpg"
    for pictures in range(3):
        inputs = {"prompt": "winter", **{f"input_image_{number}": photo for number in range(pictures)}}
        neurons = 4 * 26.05 + pictures * 5.37
        assert ai.check(KLEIN_4B, inputs).max_cost == pytest.approx(neurons * USD_PER_NEURON, rel=1e-3)


def test_a_head_that_is_no_wav_tells_nothing() -> None:
    head = wav(1)[:48]
    for broken in (b"", b"RIFF", head[:31], b"JUNK" + head[4:], head[:8] + b"AVI " + head[12:], head[:28] + bytes(20)):
        assert cfai._limits.count_wav_seconds(broken, 32_044) is None
    assert cfai._limits.count_wav_seconds(head, 32_044) == 1
    assert cfai._limits.count_wav_seconds(head, 10) == 0
    longest = head[:28] + struct.pack("<I", 1) + head[32:]
    assert cfai._limits.count_wav_seconds(longest, 2**40) == 2**40 - 44


def test_limits_of_the_user_bound_the_output(ai: Ai) -> None:
    short = Ai(account_id="0" * 32, api_token="token", limit_overrides={GLM: 1000})
    prompt = {"prompt": "Where is New York?"}
    mine, published = short.check(GLM, prompt).max_cost, ai.check(GLM, prompt).max_cost
    assert mine is not None
    assert published is not None
    assert mine < published / 20
    assert estimate_max_cost(GLM, prompt, LimitPolicy()) == published


def test_a_check_of_a_long_prompt_is_of_what_would_be_sent(ai: Ai) -> None:
    result = ai.check(GLM, {"prompt": "word " * 1000, "max_tokens": "max"})
    assert result.max_tokens is not None
    price = models.catalogue()[GLM].estimate_token_cost(0, result.max_tokens)
    assert price is not None
    assert result.max_cost is not None
    assert price < result.max_cost < 1.2 * price
    assert json.dumps(result.max_cost)
