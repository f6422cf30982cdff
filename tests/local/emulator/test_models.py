"""The client's outputs of every task, and Moondream's streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import cfai
from cfai import Ai, models, types
from cfai.local import Emulator
from tests.conftest import row
from tests.local.conftest import DONE, PNG, PNG_URL, WAV, WAV_BASE64, Service, join, read

MOONDREAM = "@cf/moondream/moondream3.1-9B-A2B"
GUARD = "@cf/meta/llama-guard-3-8b"
HAZARD = {"messages": [{"role": "user", "content": "Is it S2?"}]}
CONTEXTS = [{"text": "Bread is baked."}, {"text": "New York is a city."}]
QUESTIONS = {
    "fits": {"type": "noul", "instructions": "?"},
    "colour": {"type": "choice", "instructions": "?", "criteria": {"red": "", "blue": ""}},
    "grade": {"type": "score", "instructions": "?", "criteria": ["bad", "good"]},
}
TRANSCRIPT = "This transcript is emulated by cfai."
CAPTION = "This is an emulated description of a picture: no model has seen it."


def get_embeddings(output: types.Embeddings) -> Any:
    assert np.allclose(np.linalg.norm(output.to_numpy(), axis=1), 1, atol=1e-4)
    return output.shape, output.pooling, [len(vector) for vector in output.data]


def get_best(output: types.Reranking) -> Any:
    return [context.id for context in output.ranking]


def get_words(output: types.Transcription) -> Any:
    last = output.words[-1]
    return output.text, len(output.words), (last.word, last.start, last.end), output.vtt.startswith("WEBVTT")


def get_size(output: types.Image) -> Any:
    return output.media_type, output.to_numpy().shape


def get_rate(output: types.Audio) -> Any:
    return output.media_type, output.sample_rate, output.to_numpy().ndim


def get_verdict(output: types.Moderation) -> Any:
    return output.safe, output.categories


def get_answers(output: types.ClefOutput) -> Any:
    fits, colour, grade = output.answers.values()
    assert None not in (fits.noul, colour.confidence, grade.score)
    return [fits.type, colour.choice in ("red", "blue"), grade.legend]


def get_labels(output: types.Classification) -> Any:
    return [label.label for label in output], output.best is not None


WORDS = (TRANSCRIPT, 6, ("cfai.", 2.5, 3.0), True)
DIFFUSION = ("@cf/stabilityai/stable-diffusion-xl-base-1.0", "@cf/bytedance/stable-diffusion-xl-lightning",
             "@cf/lykon/dreamshaper-8-lcm", "@cf/runwayml/stable-diffusion-v1-5-img2img",
             "@cf/runwayml/stable-diffusion-v1-5-inpainting")  # fmt: skip
OUTPUTS: list[tuple[str, dict[str, Any], type, Any, Any]] = [
    ("@cf/baai/omni-bge-base-en-v1.5", {"text": "a"}, types.Embeddings, get_embeddings, ([1, 768], "mean", [768])),
    *[(f"@cf/baai/bge-{size}-en-v1.5", {"text": ["a", "b"]}, types.Embeddings, get_embeddings,
       ([2, length], "mean", [length] * 2)) for size, length in (("small", 384), ("base", 768), ("large", 1024))],
    ("@cf/baai/bge-m3", {"text": "a"}, types.Embeddings, get_embeddings, ([1, 1024], "mean", [1024])),
    ("@cf/baai/bge-m3", {"contexts": CONTEXTS}, types.Embeddings, get_embeddings, ([2, 1024], "mean", [1024] * 2)),
    ("@cf/baai/bge-m3", {"query": "Where is New York?", "contexts": CONTEXTS}, types.Reranking, get_best, [1, 0]),
    ("@cf/baai/bge-reranker-base", {"query": "New York", "contexts": CONTEXTS}, types.Reranking, get_best, [1, 0]),
    ("@cf/google/embeddinggemma-300m", {"text": "a"}, types.Embeddings, get_embeddings, ([1, 768], None, [768])),
    ("@cf/pfnet/plamo-embedding-1b", {"text": "a"}, types.Embeddings, get_embeddings, ([1, 2048], None, [2048])),
    ("@cf/qwen/qwen3-embedding-0.6b", {"queries": "a", "documents": ["b"]}, types.Embeddings, get_embeddings,
     ([2, 1024], None, [1024] * 2)),
    ("@cf/huggingface/distilbert-sst-2-int8", {"text": "good"}, types.Classification, get_labels,
     (["NEGATIVE", "POSITIVE"], True)),
    ("@cf/microsoft/resnet-50", {"image": list(PNG)}, types.Classification, get_labels, (["EMULATED"], True)),
    ("@cf/facebook/detr-resnet-50", {"image": list(PNG)}, types.DetectedObjects,
     lambda output: [(found.label, found.box.xmax) for found in output], [("emulated", 72.0)]),
    ("@cf/meta/m2m100-1.2b", {"text": "hi", "target_lang": "fr"}, types.Translation, str,
     "This is an emulated translation of “hi”: no model has read it."),
    ("@cf/ai4bharat/indictrans2-en-indic-1B", {"text": ["a", "b"], "target_language": "hin_Deva"}, types.Translation,
     lambda output: len(output.texts), 2),
    ("@cf/llava-hf/llava-1.5-7b-hf", {"image": list(PNG)}, types.ImageDescription, str, CAPTION),
    ("@cf/openai/whisper", {"audio": list(WAV)}, types.Transcription, get_words, WORDS),
    ("@cf/openai/whisper", {"audio": WAV}, types.Transcription, get_words, WORDS),
    ("@cf/deepgram/nova-3", {"audio": WAV, "punctuate": True}, types.Transcription, get_words, WORDS),
    *[(f"@cf/black-forest-labs/flux-2-{name}", {"prompt": "x", "width": 512, "input_image_0": PNG}, types.Image,
       get_size, ("image/jpeg", (512, 512, 3))) for name in ("dev", "klein-4b", "klein-9b")],
    ("@cf/openai/whisper-tiny-en", {"audio": list(WAV)}, types.Transcription, get_words, WORDS),
    ("@cf/openai/whisper-large-v3-turbo", {"audio": WAV_BASE64}, types.Transcription, get_words, WORDS),
    ("@cf/openai/whisper-large-v3-turbo", {"audio": WAV_BASE64}, types.Transcription,
     lambda output: (output.segments[0].end, output.language, output.duration), (3.0, "en", 3.0)),
    ("@cf/pipecat-ai/smart-turn-v2", {"audio": WAV_BASE64}, types.TurnDetection, bool, True),
    (GUARD, HAZARD, types.Moderation, get_verdict, (False, ["S2"])),
    (GUARD, HAZARD | {"response_format": {"type": "json_object"}}, types.Moderation, get_verdict, (False, ["S2"])),
    (GUARD, {"messages": [{"role": "user", "content": "Hi"}]}, types.Moderation, get_verdict, (True, [])),
    *[(f"@cf/cloudflare/{name}", {"model": name, "state": "x", "questions": QUESTIONS}, types.ClefOutput, get_answers,
       ["noul", True, {"0": "bad", "1": "good"}]) for name in ("clef", "clef-flash", "clef-omni")],
    (MOONDREAM, {"image": PNG_URL, "task": "caption", "stream": False}, types.VisionAnswer, str, CAPTION),
    (MOONDREAM, {"image": PNG_URL, "question": "what?", "stream": False}, types.VisionAnswer,
     lambda output: (output.text[:36], output.reasoning[:26], output.finish_reason, output.usage is not None),
     ("This is an emulated answer to “what?”"[:36], "This is emulated reasoning", "stop", True)),
    (MOONDREAM, {"image": PNG_URL, "task": "point"}, types.VisionAnswer, lambda output: output.points[0].x, 0.5),
    (MOONDREAM, {"image": PNG_URL, "task": "detect"}, types.VisionAnswer, lambda output: output.objects[0].x_max, 0.9),
    *[(name, {"prompt": "x"}, types.Image, get_size, ("image/png", (512, 512, 3))) for name in DIFFUSION],
    *[(name, {"prompt": "x"}, types.Image, get_size, ("image/jpeg", (512, 512, 3))) for name in (
        "@cf/black-forest-labs/flux-1-schnell", "@cf/leonardo/lucid-origin", "@cf/leonardo/phoenix-1.0")],
    ("@cf/myshell-ai/melotts", {"prompt": "x"}, types.Audio, get_rate, ("audio/wav", 16_000, 1)),
    ("@cf/deepgram/aura-1", {"text": "x"}, types.Audio, get_rate, ("audio/mpeg", 22_050, 1)),
    ("@cf/deepgram/aura-2-es", {"text": "x"}, types.Audio, get_rate, ("audio/mpeg", 22_050, 1)),
    ("@cf/deepgram/aura-2-en", {"text": "x", "encoding": "flac"}, types.Audio, get_rate, ("audio/flac", 16_000, 1)),
]  # fmt: skip
"""A model and its inputs, the class of its output, and what a function finds in it."""


@pytest.fixture
def ai(local: Emulator) -> Iterator[Ai]:
    with local.ai(max_retries=cfai.Retry(base=0)) as ai:
        yield ai


def test_every_task_has_an_output_of_its_class(ai: Ai) -> None:
    run: Any = ai.run
    for model, inputs, kind, find, expected in OUTPUTS:
        with row((model, list(inputs))):
            output = run(model, inputs)
            assert type(output) is kind
            assert find(output) == expected


@pytest.mark.anyio
async def test_every_task_has_the_same_output_in_an_event_loop(ai: Ai, local: Emulator) -> None:
    run: Any = ai.run
    async with local.ai() as other:
        arun: Any = other.arun
        for model, inputs, *_ in OUTPUTS:
            assert await arun(model, inputs) == run(model, inputs), model


def test_every_live_model_that_does_not_chat_is_in_the_table() -> None:
    live = [model for model in models.catalogue().values() if not model.retired_on]
    # Deepgram's flux takes nothing but a WebSocket.
    wanted = {model.name for model in live if model.task != "Text Generation"} - {"@cf/deepgram/flux"}
    judges = {model.name for model in live if "guard" in model.name or "/clef" in model.name}
    assert {model for model, *_ in OUTPUTS} == wanted | judges


# Moondream


def test_moondream_streams_unless_it_is_told_not_to(service: Service) -> None:
    for task, field in ((None, "answer"), ("query", "answer"), ("caption", "caption")):
        inputs = {"image": PNG_URL, "question": "what?"} | ({"task": task} if task else {})
        for stream in ({}, {"stream": True}):
            with row((task, stream)):
                *deltas, last = service.payloads(MOONDREAM, inputs) if stream else read_default(service, inputs)
                whole = service.result(MOONDREAM, inputs | {"stream": False})
                assert join(str(delta[field]) for delta in deltas if field in delta) == whole[field]
                thoughts = "".join(delta["reasoning"]["text"] for delta in deltas if "reasoning" in delta)
                assert thoughts == whole.get("reasoning", {}).get("text", "")
                assert (last["finish_reason"], list(last["metrics"])) == ("stop", list(whole["metrics"]))
    for task in ("point", "detect"):
        response = service.run(MOONDREAM, {"image": PNG_URL, "task": task, "stream": True})
        assert response.headers["content-type"] == "application/json", task


def read_default(service: Service, inputs: Any) -> list[Any]:
    """Return the events of a call that does not say whether it streams."""
    response = service.run(MOONDREAM, inputs)
    assert response.headers["content-type"] == "text/event-stream"
    *events, last = read(response.text)
    assert last.data == DONE
    return [event.json for event in events]


def test_moondreams_stream_goes_wrong_like_any_other(service: Service) -> None:
    inputs = {"image": PNG_URL, "task": "caption"}
    whole = service.run(MOONDREAM, inputs, "whole-answer").json()["result"]
    assert whole["caption"] == CAPTION
    assert all(event.data != DONE for event in service.events(MOONDREAM, inputs, "missing-done"))
    *deltas, error = service.events(MOONDREAM, inputs, "error-event")
    assert "".join(event.json["caption"] for event in deltas) == "This is an"
    assert error.json["errors"][0]["code"] == "3040"


def test_the_client_reads_moondreams_stream(ai: Ai) -> None:
    run: Any = ai.run
    for task in ("query", "caption"):
        inputs = {"image": PNG_URL, "question": "what?", "task": task}
        with row(task), run(MOONDREAM, inputs | {"stream": True}) as stream:
            whole = run(MOONDREAM, inputs | {"stream": False})
            assert "".join(str(token) for token in stream) == whole.text
            assert (stream.reasoning or "") == whole.reasoning
            assert stream.finish_reason == "stop"


def test_an_engine_is_asked_nothing_that_moondream_is(local: Emulator) -> None:
    class Silent:
        async def answer(self, model: str, inputs: Any, max_tokens: int | None) -> Any:
            raise AssertionError(model)

        async def embed(self, model: str, texts: Any) -> list[list[float]]:
            return [[1.0, 0.0] for _ in texts]

        async def aclose(self) -> None:
            return

    with Emulator(engine=Silent()) as with_engine, with_engine.ai() as ai:
        run: Any = ai.run
        assert run(MOONDREAM, {"image": PNG_URL, "stream": False}).text
        with run(MOONDREAM, {"image": PNG_URL, "stream": True}) as stream:
            assert "".join(str(token) for token in stream)


# Retired models


def test_retired_models_of_all_tasks_answer_unless_they_are_to_be_refused() -> None:
    calls: dict[str, dict[str, Any]] = {
        "@cf/facebook/bart-large-cnn": {"input_text": "x"},
        "@cf/unum/uform-gen2-qwen-500m": {"image": list(PNG)},
        "@cf/microsoft/phi-2": {"prompt": "x"},
    }
    with Emulator() as serving, (service := Service(serving)).http:
        for model, inputs in calls.items():
            with row(model):
                assert service.run(model, inputs).status_code == 200
    with Emulator(retired="refuse") as refusing, (service := Service(refusing)).http:
        for model, inputs in calls.items():
            with row(model):
                assert service.error(model, inputs)[:2] == (410, 5028)
