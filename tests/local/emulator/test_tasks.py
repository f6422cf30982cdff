"""Models that do not chat, and batches."""

from __future__ import annotations

import base64
import io
import math
import os
import re
import struct
import subprocess
import sys
import wave
from itertools import combinations
from operator import mul
from typing import TYPE_CHECKING, Any

import pytest

from cfai import models
from cfai.local.emulator import _batches
from tests.conftest import row
from tests.local.conftest import PNG, PNG_URL, WAV, WAV_BASE64, check

if TYPE_CHECKING:
    from tests.local.conftest import Service

BGE = "@cf/baai/bge-base-en-v1.5"
M3 = "@cf/baai/bge-m3"
RERANKER = "@cf/baai/bge-reranker-base"
GUARD = "@cf/meta/llama-guard-3-8b"
LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
TURBO = "@cf/openai/whisper-large-v3-turbo"
JPEG, MP3 = b"\xff\xd8\xff", b"\xff\xf3"
BOX = {"xmin": 8, "ymin": 8, "xmax": 72, "ymax": 56}
CONTEXTS = [{"text": "one"}, {"text": "two"}]
GUARDED: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}
QUESTIONS = {
    "fits": {"type": "noul", "instructions": "?"},
    "colour": {"type": "choice", "instructions": "?", "criteria": {"red": "", "blue": ""}},
    "grade": {"type": "score", "instructions": "?", "criteria": ["bad", "good"]},
}
MOONDREAM = "@cf/moondream/moondream3.1-9B-A2B"
TASKS = {"query": ["answer", "reasoning"], "caption": ["caption"], "point": ["points"], "detect": ["objects"]}
METRICS = ["input_tokens", "output_tokens", "prefill_time_ms", "decode_time_ms", "ttft_ms"]


def holds(magic: bytes) -> Any:
    """Return a test that a text is base64 of something that begins so."""
    return lambda text: base64.b64decode(text, validate=True).startswith(magic)


RESULTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "pooling as requested": (BGE, {"text": "one", "pooling": "cls"}, {"pooling": "cls"}),
    "vectors of contexts": (M3, {"contexts": CONTEXTS}, {"shape": [2, 1024], "response.#": 2}),
    "contexts ranked": (M3, {"query": "which", "contexts": CONTEXTS}, {
        "response": lambda ranked: sorted(row["id"] for row in ranked) == [0, 1]}),
    "vector of a text": (M3, {"text": "one"}, {"*": lambda names: "data" in names}),
    "translation": ("@cf/meta/m2m100-1.2b", {"text": "hi", "target_lang": "french"}, {
        "": {"translated_text": "This is an emulated translation of “hi”: no model has read it."}}),
    "translations": ("@cf/ai4bharat/indictrans2-en-indic-1B", {"text": ["a", "b"], "target_language": "hin_Deva"}, {
        "translations.#": 2, "translations.1": re.compile("^This is an emulated translation of “b”")}),
    "summary": ("@cf/facebook/bart-large-cnn", {"input_text": "hi"}, {
        "": {"summary": "This is an emulated summary of “hi”: no model has read it."}}),
    "description": ("@cf/llava-hf/llava-1.5-7b-hf", {"image": list(PNG), "prompt": "what"}, {
        "": {"description": "This is an emulated description of a picture: no model has seen it."}}),
    "classes": ("@cf/microsoft/resnet-50", {"image": list(PNG)}, {
        "": [{"label": "EMULATED", "score": 1.0}]}),
    "objects": ("@cf/facebook/detr-resnet-50", {"image": list(PNG)}, {
        "": [{"label": "emulated", "score": 1.0, "box": BOX}]}),
    "end of a turn": ("@cf/pipecat-ai/smart-turn-v2", {"audio": "AAAA"}, {
        "": {"is_complete": True, "probability": 0.9}}),
    "judgement": (GUARD, GUARDED, {"response": "safe"}),
    "judgement in JSON mode": (GUARD, GUARDED | {"response_format": {"type": "json_object"}}, {
        "response": {"safe": True, "categories": []}}),
    "judgement of a hazard": (GUARD, {"messages": [{"role": "user", "content": "S1 or S14?"}]}, {
        "response": "unsafe\nS1,S14"}),
    **{f"moondream, {task}": (MOONDREAM, {"image": "https://example.com/a.png", "task": task, "stream": False}, {
        "*": ["finish_reason", "metrics", *fields], "metrics.*": METRICS}) for task, fields in TASKS.items()},
    "moondream without reasoning": (MOONDREAM, {"image": PNG_URL, "stream": False, "reasoning": False}, {
        "*": ["finish_reason", "metrics", "answer"]}),
    "moondream, cut": (MOONDREAM, {"image": PNG_URL, "stream": False, "max_tokens": 3, "reasoning": False}, {
        "finish_reason": "length", "answer": "This is an", "metrics.output_tokens": 3}),
    "clef": ("@cf/cloudflare/clef", {"model": "clef", "state": "x", "questions": QUESTIONS}, {
        "model": "clef", "usage.output_tokens": 0, "answers.*": list(QUESTIONS),
        "answers.fits.*": ["type", "noul"], "answers.fits.type": "noul",
        "answers.colour.*": ["type", "choice", "probabilities", "confidence"],
        "answers.colour.probabilities.*": ["red", "blue"],
        "answers.grade.*": ["type", "score", "legend", "probabilities", "confidence"],
        "answers.grade.legend": {"0": "bad", "1": "good"}, "answers.grade.probabilities.*": ["0", "1"]}),
    "transcription": (TURBO, {"audio": WAV_BASE64, "language": "de"}, {
        "*": ["transcription_info", "text", "word_count", "vtt", "segments"], "word_count": 6,
        "transcription_info.language": "de", "": lambda result: result["segments"][0]["text"] == result["text"],
        "segments.0.words.5": {"word": "cfai.", "start": 2.5, "end": 3.0}}),
    "image of flux": ("@cf/black-forest-labs/flux-1-schnell", {"prompt": "x"}, {"image": holds(JPEG)}),
    "image of lucid": ("@cf/leonardo/lucid-origin", {"prompt": "x"}, {"image": holds(JPEG)}),
    "speech of melotts": ("@cf/myshell-ai/melotts", {"prompt": "x"}, {"audio": holds(b"RIFF")}),
}  # fmt: skip
"""A model and its inputs, and what stands where in the result."""


def test_a_result_has_the_form_of_its_task(service: Service) -> None:
    for name, (model, inputs, expected) in RESULTS.items():
        with row(name):
            check(service.result(model, inputs), expected)


def test_the_figures_of_clef_are_computed_from_its_probabilities(service: Service) -> None:
    levels = {"type": "score", "instructions": "How good?", "criteria": ["bad", "fair", "good"]}
    questions = QUESTIONS | {"level": levels}
    answers = service.result("@cf/cloudflare/clef", {"model": "clef", "state": {}, "questions": questions})["answers"]
    assert 0 <= answers["fits"]["noul"] <= 1
    for name in ("colour", "grade", "level"):
        with row(name):
            shares, number = answers[name]["probabilities"], len(answers[name]["probabilities"])
            assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
            assert len(set(shares.values())) == number
            purity = sum(share**2 for share in shares.values())
            assert answers[name]["confidence"] == pytest.approx((purity - 1 / number) / (1 - 1 / number), abs=1e-4)
    long = service.result("@cf/cloudflare/clef", {"model": "clef", "state": "a " * 9000, "questions": QUESTIONS})
    assert long["usage"] == {"input_tokens": 2048, "output_tokens": 0}
    shares = answers["colour"]["probabilities"]
    assert shares[answers["colour"]["choice"]] == max(shares.values())
    expected = sum(int(level) * share for level, share in answers["level"]["probabilities"].items())
    assert answers["level"]["score"] == pytest.approx(expected, abs=1e-4)


def test_texts_of_the_same_words_are_near_each_other_and_others_are_not(service: Service) -> None:
    texts = [
        "Where is New York?",
        "In which state is the city of New York?",
        "How do I bake bread with yeast?",
        "Baking bread with sour dough at home",
        "The weather in Paris is nice today.",
        "東京は日本の首都です",
        "日本の首都は東京です",
    ]
    alike = {(0, 1), (2, 3), (5, 6)}
    for model in (BGE, "@cf/pfnet/plamo-embedding-1b"):
        vectors = service.result(model, {"text": texts})["data"]
        near = {pair: cosine(vectors[pair[0]], vectors[pair[1]]) for pair in combinations(range(len(texts)), 2)}
        for pair, similarity in near.items():
            with row((model, texts[pair[0]], texts[pair[1]], similarity)):
                assert similarity > 0.35 if pair in alike else 0.1 < similarity < 0.35
    # A query finds what answers it, whichever way it is asked.
    contexts = {"query": texts[0], "contexts": [{"text": text} for text in texts[1:]]}
    for model in (M3, RERANKER):
        with row(model):
            assert service.result(model, contexts)["response"][0]["id"] == 0


def test_vectors_of_two_models_or_of_two_ways_of_pooling_do_not_compare(service: Service) -> None:
    text = {"text": "Where is New York?"}
    large, m3 = (service.result(model, text)["data"][0] for model in ("@cf/baai/bge-large-en-v1.5", M3))
    mean, cls = (service.result(BGE, text | {"pooling": pooling})["data"][0] for pooling in ("mean", "cls"))
    assert abs(cosine(large, m3)) < 0.2
    assert abs(cosine(mean, cls)) < 0.2
    assert service.result(BGE, text)["data"] == [mean]


def test_vectors_are_the_same_in_every_process(service: Service) -> None:
    code = """
import httpx
from cfai.local import Emulator
with Emulator() as local:
    headers = {"authorization": f"Bearer {local.api_token}"}
    url = f"{local.base_url}/accounts/{local.account_id}/ai/run/@cf/baai/bge-base-en-v1.5"
    answer = httpx.post(url, json={"text": "Where is New York?"}, headers=headers, trust_env=False)
    print(answer.json()["result"]["data"])
"""
    own = service.result(BGE, {"text": "Where is New York?"})["data"]
    for seed in ("1", "2"):
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=os.environ | {"PYTHONHASHSEED": seed}
        )
        assert (done.stdout, done.stderr) == (f"{own}\n", "")


def cosine(one: list[float], other: list[float]) -> float:
    return sum(map(mul, one, other))


def test_queries_and_documents_are_embedded_in_one_call_queries_first(service: Service) -> None:
    model = "@cf/qwen/qwen3-embedding-0.6b"
    result = service.result(model, {"queries": "one", "documents": ["two", "three"], "instruction": "Find it."})
    assert (result["shape"], list(result)) == ([3, 1024], ["shape", "data"])
    assert result["data"] == service.result(model, {"text": ["one", "two", "three"]})["data"]


def test_embeddings_have_the_size_of_their_model_and_depend_on_their_text_alone(service: Service) -> None:
    for model, size in (
        ("@cf/baai/bge-small-en-v1.5", 384),
        (BGE, 768),
        ("@cf/baai/bge-large-en-v1.5", 1024),
        (M3, 1024),
        ("@cf/google/embeddinggemma-300m", 768),
        ("@cf/qwen/qwen3-embedding-0.6b", 1024),
        ("@cf/pfnet/plamo-embedding-1b", 2048),
    ):
        with row(model):
            result = service.result(model, {"text": ["one", "two"]})
            assert result["shape"] == [2, size]
            assert [len(vector) for vector in result["data"]] == [size, size]
            assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-4) for vector in result["data"])
            assert result.get("pooling") == ("mean" if "bge" in model else None)
    both = service.result(M3, {"text": ["one", "two"]})["data"]
    assert both[0] != both[1]
    assert service.result(M3, {"text": "two"})["data"] == [both[1]]


def test_a_reranker_sorts_and_keeps_the_best_and_a_classification_adds_up_to_one(service: Service) -> None:
    contexts = [{"text": f"word {number}"} for number in range(9)]
    ranked = service.result(RERANKER, {"query": "q", "contexts": contexts})["response"]
    scores = [row["score"] for row in ranked]
    assert (scores, len(set(scores))) == (sorted(scores, reverse=True), 9)
    best = service.result(RERANKER, {"query": "q", "contexts": contexts, "top_k": 3})
    assert best["response"] == ranked[:3]
    rows = service.result("@cf/huggingface/distilbert-sst-2-int8", {"text": "good"})
    assert [row["label"] for row in rows] == ["NEGATIVE", "POSITIVE"]
    assert sum(row["score"] for row in rows) == pytest.approx(1)


def test_whisper_takes_raw_audio_and_numbers_and_nova_3_a_raw_body_only(service: Service) -> None:
    for model in ("@cf/openai/whisper", "@cf/openai/whisper-tiny-en"):
        with row(model):
            as_numbers = service.result(model, {"audio": list(WAV)})
            raw = service.http.post(service.url(model), content=WAV, headers={"content-type": "audio/wav"})
            assert raw.json()["result"] == as_numbers
            assert list(as_numbers) == ["text", "word_count", "vtt", "words"]
            assert service.local.requests[-1].inputs == WAV
    model = "@cf/deepgram/nova-3"
    query = {"language": "en", "keyterm": ["one", "two"]}
    headers = {"content-type": "audio/wav"}
    response = service.http.post(service.url(model), content=WAV, headers=headers, params=query)
    [channel] = response.json()["result"]["results"]["channels"]
    assert channel["alternatives"][0]["transcript"] == "This transcript is emulated by cfai."
    assert service.local.requests[-1].query == query
    assert service.error(model, {"audio": "SUQz"})[1] == 5006


def test_bytes_are_taken_as_the_body_by_models_whose_schema_has_that_alone(service: Service) -> None:
    form = "multipart/form-data; boundary=x"
    for model, media_type, content, code in (
        ("@cf/openai/whisper-tiny-en", "application/octet-stream", WAV, None),
        # What curl declares by itself.
        ("@cf/openai/whisper", "application/x-www-form-urlencoded", WAV, None),
        ("@cf/unum/uform-gen2-qwen-500m", "image/png", PNG, None),
        ("@cf/llava-hf/llava-1.5-7b-hf", "image/png", PNG, None),
        ("@cf/microsoft/resnet-50", "image/png", PNG, None),
        ("@cf/facebook/detr-resnet-50", "image/png", PNG, None),
        ("@cf/pipecat-ai/smart-turn-v2", "audio/wav", WAV, None),
        ("@cf/deepgram/nova-3", "audio/wav", WAV, None),
        ("@cf/openai/whisper", "application/json", WAV, 5006),
        (LLAMA, "audio/wav", WAV, 5006),
        ("@cf/meta/llama-3.2-11b-vision-instruct", "image/png", PNG, 5006),
        ("@cf/openai/whisper-large-v3-turbo", "audio/mpeg", MP3, 5006),
        ("@cf/cloudflare/clef-omni", "audio/mpeg", MP3, 5006),
        ("@cf/black-forest-labs/flux-2-dev", "image/png", PNG, 5006),
        ("@cf/openai/whisper", form, b"--x--", 5006),
        ("@cf/openai/whisper", "audio/mpeg", b"", 3003),
    ):
        with row((model, media_type)):
            response = service.http.post(service.url(model), content=content, headers={"content-type": media_type})
            assert [error["code"] for error in response.json()["errors"]] == ([code] if code else [])


def test_pictures_and_sounds_come_raw_with_their_content_type(service: Service) -> None:
    for model, inputs, content_type, magic in (
        ("@cf/lykon/dreamshaper-8-lcm", {"prompt": "x"}, "image/png", PNG),
        ("@cf/leonardo/phoenix-1.0", {"prompt": "x"}, "image/jpeg", JPEG),
        ("@cf/deepgram/aura-2-en", {"text": "x"}, "audio/mpeg", MP3),
    ):
        with row((model, inputs)):
            response = service.run(model, inputs)
            assert response.headers["content-type"] == content_type
            assert response.content.startswith(magic[:8])
            assert "cf-ai-neurons" not in response.headers


def test_a_picture_has_512_pixels_a_side_and_says_that_it_is_emulated(service: Service) -> None:
    png = service.run("@cf/lykon/dreamshaper-8-lcm", {"prompt": "x"}).content
    jpeg = service.run("@cf/leonardo/phoenix-1.0", {"prompt": "x"}).content
    assert struct.unpack(">II", png[16:24]) == (512, 512)
    # The frame of a JPEG: two bytes of its length, one of its depth, height and width.
    assert struct.unpack(">HH", jpeg.partition(b"\xff\xc0")[2][3:7]) == (512, 512)
    for content in (png, jpeg):
        assert b"emulated by cfai, not by a model" in content
        assert 10_000 < len(content) < 60_000


def test_a_sound_is_a_sentence_of_some_seconds(service: Service) -> None:
    encoded = service.result("@cf/myshell-ai/melotts", {"prompt": "x"})["audio"]
    with wave.open(io.BytesIO(base64.b64decode(encoded))) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 16_000)
        assert 2 < sound.getnframes() / sound.getframerate() < 4
        samples = sound.readframes(sound.getnframes())
    assert max(abs(each) for (each,) in struct.iter_unpack("<h", samples)) > 5000, "it is silent"
    mp3 = service.run("@cf/deepgram/aura-1", {"text": "x"}).content
    assert 10_000 < len(mp3) < len(samples) / 3


def submit(service: Service, model: str, requests: list[Any]) -> dict[str, str]:
    """Hand a batch in, and return what polls it."""
    queued = service.run(model, {"requests": requests}, params={"queueRequest": "true"}).json()["result"]
    assert queued == {"status": "queued", "request_id": queued["request_id"], "model": model}
    return {"request_id": queued["request_id"]}


def run_batch(service: Service, model: str, requests: list[Any]) -> Any:
    """Return the result of a batch, which is there at the second poll."""
    poll = submit(service, model, requests)
    assert service.result(model, poll) == {"status": "queued", **poll}
    return service.result(model, poll)


def test_a_batch_is_queued_and_then_there_in_another_order_with_media_in_base64(service: Service) -> None:
    result = run_batch(service, LLAMA, [{"prompt": "one", "external_reference": "a"}, {"prompt": "two"}, {}])
    assert "status" not in result
    assert result["usage"]["total_tokens"] > 0
    assert [each["id"] for each in result["responses"]] == [2, 1, 0]
    bad, two, one = result["responses"]
    assert [one["external_reference"], two["external_reference"]] == ["a", None]
    assert two["result"] == service.result(LLAMA, {"prompt": "two"})
    # A bad item fails alone.
    assert [each["success"] for each in (one, two, bad)] == [True, True, False]
    assert bad["errors"][0]["code"] == 5006
    [response] = run_batch(service, "@cf/deepgram/aura-1", [{"text": "x"}])["responses"]
    assert base64.b64decode(response["result"]["data"]).startswith(MP3)


def test_what_is_no_batch_is_bad_input_and_one_above_10_megabytes_too_large(service: Service) -> None:
    poll = submit(service, LLAMA, [{"prompt": "one"}])
    for name, model, inputs in (
        ("requests without the query", LLAMA, {"requests": [{"prompt": "one"}]}),
        ("an unknown id", LLAMA, {"request_id": "none"}),
        ("another model's", M3, poll),
    ):
        with row(name):
            assert service.error(model, inputs)[:2] == (400, 5006)
    assert service.result(LLAMA, poll)["status"] == "queued"
    for requests in ([], {}, "one", None):
        with row(requests):
            response = service.run(LLAMA, {"requests": requests}, params={"queueRequest": "true"})
            assert (response.status_code, response.json()["errors"][0]["code"]) == (400, 5006)
    around = len(b'{"requests":[""]}')
    for size, status in ((9_999_999, 200), (10_000_000, 413)):
        with row(size):
            inputs = {"requests": ["x" * (size - around)]}
            response = service.run(LLAMA, inputs, params={"queueRequest": "true"})
            assert (response.status_code, len(response.request.content)) == (status, size)
    assert response.json()["errors"][0]["code"] == 3006


def test_only_the_last_batches_are_kept(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [{"prompt": "one"}]
    first, *_ = [submit(service, LLAMA, requests) for _ in range(25)]
    assert service.result(LLAMA, first)["status"] == "queued"
    assert len(service.result(LLAMA, first)["responses"]) == 1
    monkeypatch.setattr(_batches, "_MAX_BATCHES", 2)
    *_, last = [submit(service, LLAMA, requests) for _ in range(2)]
    assert service.error(LLAMA, first)[1] == 5006
    assert service.result(LLAMA, last)["status"] == "queued"


def test_every_model_of_the_catalogue_answers_but_one_for_websockets_only(service: Service) -> None:
    minimal: dict[str, Any] = dict.fromkeys(("prompt", "text", "input_text", "query", "state"), "x")
    minimal |= {"contexts": CONTEXTS, "questions": {"q": {"type": "noul", "instructions": "?"}}}
    minimal |= {"target_lang": "fr", "target_language": "hin_Deva"}
    image = {"image": list(PNG)}
    special: dict[str, Any] = {
        "@cf/meta/llama-guard-3-8b": {"messages": [{"role": "user", "content": "x"}]},
        "@cf/openai/whisper": {"audio": list(WAV)},
        "@cf/openai/whisper-tiny-en": {"audio": list(WAV)},
        "@cf/openai/whisper-large-v3-turbo": {"audio": WAV_BASE64},
        "@cf/pipecat-ai/smart-turn-v2": {"audio": WAV_BASE64},
        "@cf/moondream/moondream3.1-9B-A2B": {"image": PNG_URL},
        "@cf/black-forest-labs/flux-1-schnell": {"prompt": "x"},
        **dict.fromkeys(("@cf/microsoft/resnet-50", "@cf/facebook/detr-resnet-50"), image),
        **dict.fromkeys(("@cf/llava-hf/llava-1.5-7b-hf", "@cf/unum/uform-gen2-qwen-500m"), image),
    }
    raw: dict[str, Any] = {
        "@cf/deepgram/nova-3": {"content": WAV, "headers": {"content-type": "audio/wav"}},
        **{name: {"files": {"prompt": (None, "x")}} for name in models.catalogue() if "flux-2" in name},
    }
    for name in models.catalogue().keys() - {"@cf/deepgram/flux"}:
        inputs = special.get(name, minimal | {"model": name.rpartition("/")[2]})
        response = service.http.post(service.url(name), **raw.get(name, {"json": inputs}))
        assert response.status_code == 200, (name, response.text)
    inputs = {"encoding": "linear16", "sample_rate": "16000"}
    assert service.error("@cf/deepgram/flux", inputs)[2].endswith("this model is reached by WebSocket only")
