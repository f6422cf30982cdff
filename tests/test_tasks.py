"""Every task by its wire: what is sent for it, and what its answer gives."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from cfai import models, types
from tests.bodies import PNG
from tests.conftest import SYNC_AND_ASYNC, Caller, Service, row

JPEG, WAV, MP3 = b"\xff\xd8\xff\xe0\0\x10JFIF", b"RIFF\x24\0\0\0WAVEfmt ", b"ID3\x04\0\0"
PNG_URL = "data:image/png;base64," + b64encode(PNG).decode()
WAV_BASE64 = b64encode(WAV).decode()
CONTEXTS = [{"text": "Bread is baked."}, {"text": "New York is a city."}]
ASKED = [{"role": "user", "content": "Is it safe?"}]
WORDS = [{"word": "Hello", "start": 0, "end": 0.5}, {"word": " there", "start": 0.5, "end": 1.25}]
TURBO_ANSWER: dict[str, Any] = {
    "transcription_info": {"language": "en", "language_probability": 1, "duration": 59.9996, "duration_after_vad": 50},
    "text": "Hello there",
    "word_count": 2,
    "segments": [{"start": 0.0, "end": 59.9996, "text": " Hello there", "temperature": 0, "words": WORDS}],
}
CUES = "WEBVTT\n\n00:00:00.000 --> 00:01:00.000\nHello there\n"
CHANNEL = {
    "alternatives": [{"transcript": "Hello there", "confidence": 0.9, "words": [{**WORDS[0], "confidence": 0.9}]}]
}
OTHER_CHANNEL = {"alternatives": [{"transcript": "Bye", "confidence": 0.5, "words": []}]}
CLEF = {
    "model": "clef",
    "state": {"sky": "blue"},
    "questions": {"dry": {"type": "noul", "instructions": "Will it stay dry?"}},
}
METRICS = {"input_tokens": 735, "output_tokens": 12, "prefill_time_ms": 5.0}
BOX = {"x_min": 0.25, "y_min": 0.5, "x_max": 0.75, "y_max": 1}
CHAT = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "A cat."}, "finish_reason": "stop"}]}

JSON_TASKS: list[tuple[str, dict[str, Any], Any, type, Callable[[Any], Any], Any]] = [
    # The model and its inputs, the result on the wire, its class, and what it gives.
    (
        "@cf/baai/bge-base-en-v1.5",
        {"text": ["a", "b"], "pooling": "cls"},
        {"shape": [2, 2], "data": [[0.5, 1], [0, -0.5]], "pooling": "cls"},
        types.Embeddings,
        lambda answer: (answer.shape, answer.data, answer.pooling, answer.to_numpy().tolist()),
        ([2, 2], [[0.5, 1], [0, -0.5]], "cls", [[0.5, 1.0], [0.0, -0.5]]),
    ),
    (
        "@cf/google/embeddinggemma-300m",
        {"text": "a"},
        {"shape": [1, 1], "data": [[0.5]]},
        types.Embeddings,
        lambda answer: (answer.shape, answer.data, answer.pooling),
        ([1, 1], [[0.5]], None),
    ),
    (
        "@cf/qwen/qwen3-embedding-0.6b",
        {"queries": ["a"], "documents": ["b"], "instruction": "Find"},
        {"shape": [2, 1], "data": [[0.5], [1]]},
        types.Embeddings,
        lambda answer: answer.data,
        [[0.5], [1]],
    ),
    (
        "@cf/baai/bge-m3",
        {"text": "a", "truncate_inputs": True},
        {"shape": [1, 1], "data": [[0.5]], "pooling": "cls"},
        types.Embeddings,
        lambda answer: (answer.data, answer.pooling),
        ([[0.5]], "cls"),
    ),
    (
        "@cf/baai/bge-m3",
        {"contexts": CONTEXTS},
        {"response": [[0.5], [1]], "shape": [2, 1], "pooling": "cls"},
        types.Embeddings,
        lambda answer: (answer.data, answer.shape),
        ([[0.5], [1]], [2, 1]),
    ),
    (
        "@cf/baai/bge-m3",
        {"query": "What is New York?", "contexts": CONTEXTS},
        {"response": [{"id": 0, "score": 0.25}, {"id": 1, "score": 0.75}]},
        types.Reranking,
        lambda answer: [(context.id, context.score) for context in answer.ranking],
        [(1, 0.75), (0, 0.25)],
    ),
    (
        "@cf/baai/bge-reranker-base",
        {"query": "What is New York?", "contexts": CONTEXTS, "top_k": 1},
        {"response": [{"id": 1, "score": 0.75}]},
        types.Reranking,
        lambda answer: ([context.id for context in answer.response], answer.ranking[0]["score"]),
        ([1], 0.75),
    ),
    (
        "@cf/meta/m2m100-1.2b",
        {"text": "Hello", "source_lang": "english", "target_lang": "french"},
        {"translated_text": "Bonjour"},
        types.Translation,
        lambda answer: (answer.text, answer.texts, str(answer), answer.translated_text),
        ("Bonjour", ["Bonjour"], "Bonjour", "Bonjour"),
    ),
    (
        "@cf/ai4bharat/indictrans2-en-indic-1B",
        {"text": ["Hello", "Bye"], "target_language": "hin_Deva"},
        {"translations": ["नमस्ते", "अलविदा"]},
        types.Translation,
        lambda answer: (answer.text, answer.texts),
        ("नमस्ते", ["नमस्ते", "अलविदा"]),
    ),
    (
        "@cf/facebook/bart-large-cnn",
        {"input_text": "A long text.", "max_length": 10},
        {"summary": "A text."},
        types.Summary,
        lambda answer: (answer.text, str(answer), answer.summary),
        ("A text.", "A text.", "A text."),
    ),
    (
        "@cf/huggingface/distilbert-sst-2-int8",
        {"text": "I like it"},
        [{"label": "NEGATIVE", "score": 0.25}, {"label": "POSITIVE", "score": 0.75}],
        types.Classification,
        lambda answer: (answer.best.label, [label.score for label in answer]),
        ("POSITIVE", [0.25, 0.75]),
    ),
    (
        "@cf/microsoft/resnet-50",
        {"image": [*PNG]},
        [{"label": "tabby", "score": 0.5}],
        types.Classification,
        lambda answer: (answer.best.label, answer[0].score, len(answer)),
        ("tabby", 0.5, 1),
    ),
    (
        "@cf/facebook/detr-resnet-50",
        {"image": [*PNG]},
        [{"score": 0.5, "label": "cat", "box": {"xmin": 1, "ymin": 2, "xmax": 30, "ymax": 40.5}}],
        types.DetectedObjects,
        lambda answer: [(found.label, found.score, found.box.xmin, found.box.ymax) for found in answer],
        [("cat", 0.5, 1, 40.5)],
    ),
    (
        "@cf/llava-hf/llava-1.5-7b-hf",
        {"image": [*PNG], "prompt": "What is it?", "max_tokens": 20},
        {"description": " A cat."},
        types.ImageDescription,
        lambda answer: (answer.text, str(answer)),
        (" A cat.", " A cat."),
    ),
    (
        "@cf/meta/llama-4-scout-17b-16e-instruct",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG_URL}}]}]},
        {"response": "A cat.", "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}},
        types.NativeText,
        lambda answer: (answer.text, answer.usage.total_tokens),
        ("A cat.", 12),
    ),
    (
        "@cf/google/gemma-4-26b-a4b-it",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG_URL}}]}]},
        CHAT,
        types.ChatCompletion,
        lambda answer: (answer.text, answer.finish_reason),
        ("A cat.", "stop"),
    ),
    (
        "@cf/moondream/moondream3.1-9B-A2B",
        {"image": PNG_URL, "question": "What is it?", "stream": False},
        {
            "finish_reason": "stop",
            "metrics": METRICS,
            "answer": "A cat.",
            "reasoning": {"text": "Fur.", "grounding": []},
        },
        types.VisionAnswer,
        lambda answer: (answer.text, answer.reasoning, answer.usage.total_tokens, answer.finish_reason, str(answer)),
        ("A cat.", "Fur.", 747, "stop", "A cat."),
    ),
    (
        "@cf/moondream/moondream3.1-9B-A2B",
        {"image": "https://a.example/cat.png", "task": "caption", "caption_length": "short", "stream": False},
        {"finish_reason": "stop", "metrics": METRICS, "caption": "A cat."},
        types.VisionAnswer,
        lambda answer: (answer.text, answer.reasoning),
        ("A cat.", ""),
    ),
    (
        "@cf/moondream/moondream3.1-9B-A2B",
        {"image": PNG_URL, "task": "point", "target": "cat", "stream": False},
        {"finish_reason": "stop", "metrics": METRICS, "points": [{"x": 0.5, "y": 0.25}]},
        types.VisionAnswer,
        lambda answer: ([(point.x, point.y) for point in answer.points], answer.text),
        ([(0.5, 0.25)], ""),
    ),
    (
        "@cf/moondream/moondream3.1-9B-A2B",
        {"image": PNG_URL, "task": "detect", "target": "cat", "max_objects": 2, "stream": False},
        {"finish_reason": "stop", "metrics": METRICS, "objects": [BOX]},
        types.VisionAnswer,
        lambda answer: [(found.x_min, found.y_max) for found in answer.objects],
        [(0.25, 1)],
    ),
    (
        "@cf/openai/whisper",
        {"audio": [*WAV], "source_lang": "en"},
        {"text": "Hello there", "word_count": 2, "words": WORDS, "vtt": "WEBVTT\n\n00.000 --> 01.250\nHello there"},
        types.Transcription,
        lambda answer: (answer.text, [(word.word, word.start, word.end) for word in answer.words], answer.vtt[-11:]),
        ("Hello there", [("Hello", 0, 0.5), ("there", 0.5, 1.25)], "Hello there"),
    ),
    (
        "@cf/openai/whisper-large-v3-turbo",
        {"audio": WAV_BASE64, "task": "transcribe", "language": "en", "vad_filter": True},
        TURBO_ANSWER,
        types.Transcription,
        lambda answer: (answer.language, answer.duration, answer.segments[0].text, len(answer.words), answer.vtt),
        ("en", 59.9996, "Hello there", 2, CUES),
    ),
    (
        "@cf/pipecat-ai/smart-turn-v2",
        {"audio": WAV_BASE64},
        {"is_complete": True, "probability": 0.75},
        types.TurnDetection,
        lambda answer: (bool(answer), answer.is_complete, answer.probability),
        (True, True, 0.75),
    ),
    (
        "@cf/meta/llama-guard-3-8b",
        {"messages": ASKED},
        {"response": "\n\nunsafe\nS1,S9", "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}},
        types.Moderation,
        lambda answer: (answer.safe, answer.categories, answer.usage.total_tokens),
        (False, ["S1", "S9"], 8),
    ),
    (
        "@cf/meta/llama-guard-3-8b",
        {"messages": ASKED, "response_format": {"type": "json_object"}},
        {"response": {"safe": False, "categories": ["S1"]}},
        types.Moderation,
        lambda answer: (answer.safe, answer.categories),
        (False, ["S1"]),
    ),
    (
        "@cf/cloudflare/clef",
        CLEF,
        {"model": "clef", "answers": {"dry": {"type": "noul", "noul": 0.75}}, "usage": {"input_tokens": 40}},
        types.ClefOutput,
        lambda answer: (answer.answers["dry"].noul, answer.answers["dry"].choice, answer.usage.prompt_tokens),
        (0.75, None, 40),
    ),
    (
        "@cf/black-forest-labs/flux-1-schnell",
        {"prompt": "a cat", "steps": 4},
        {"image": b64encode(JPEG).decode()},
        types.Image,
        lambda answer: (answer.media_type, answer.content),
        ("image/jpeg", JPEG),
    ),
    (
        "@cf/leonardo/lucid-origin",
        {"prompt": "a cat", "width": 512},
        {"image": b64encode(PNG).decode()},
        types.Image,
        lambda answer: (answer.media_type, answer.content),
        ("image/png", PNG),
    ),
    (
        "@cf/myshell-ai/melotts",
        {"prompt": "Hello", "lang": "en"},
        {"audio": WAV_BASE64},
        types.Audio,
        lambda answer: (answer.media_type, answer.content),
        ("audio/wav", WAV),
    ),
]

ZEROS: list[tuple[str, dict[str, Any], Any]] = [
    # The model and its inputs, and a result that has a number in the place of its text.
    ("@cf/meta/m2m100-1.2b", {"text": "0", "target_lang": "fr"}, {"translated_text": 0}),
    ("@cf/ai4bharat/indictrans2-en-indic-1B", {"text": "0", "target_language": "hin_Deva"}, {"translations": [0]}),
    ("@cf/openai/whisper", {"audio": [*WAV]}, {"text": 0, "word_count": 1}),
    ("@cf/llava-hf/llava-1.5-7b-hf", {"image": [*PNG]}, {"description": 0}),
    ("@cf/moondream/moondream3.1-9B-A2B", {"image": PNG_URL}, {"answer": 0, "metrics": METRICS}),
    ("@cf/moondream/moondream3.1-9B-A2B", {"image": PNG_URL}, {"caption": 0, "metrics": METRICS}),
    ("@cf/facebook/bart-large-cnn", {"input_text": "0"}, {"summary": 0}),
    ("@cf/meta/llama-guard-3-8b", {"messages": ASKED}, {"response": 0}),
]

BYTES: list[tuple[str, dict[str, Any], bytes, str, type, str]] = [
    # The model and its inputs, the answer and the type that it is declared as, its class and the type that it has.
    ("@cf/stabilityai/stable-diffusion-xl-base-1.0", {"prompt": "a cat"}, JPEG, "image/png", types.Image, "image/jpeg"),
    ("@cf/leonardo/phoenix-1.0", {"prompt": "a cat", "num_steps": 5}, JPEG, "image/jpeg", types.Image, "image/jpeg"),
    ("@cf/deepgram/aura-1", {"text": "Hello", "speaker": "angus"}, MP3, "audio/mpeg", types.Audio, "audio/mpeg"),
    ("@cf/deepgram/aura-2-es", {"text": "Hola", "encoding": "linear16"}, WAV, "audio/mpeg", types.Audio, "audio/wav"),
    ("@cf/myshell-ai/melotts", {"prompt": "Hello"}, MP3, "audio/mpeg", types.Audio, "audio/mpeg"),
]


@SYNC_AND_ASYNC
@pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")  # no live model summarizes
def test_inputs_go_as_they_are_and_the_answer_gives_what_its_task_is_for(caller: Caller, service: Service) -> None:
    for model, inputs, result, kind, read, expected in JSON_TASKS:
        for answer in (service.result(result), service.json(result)):  # a gateway may send it bare
            with row((model, inputs)):
                service.answers(answer)
                output = caller.run(model, inputs)
                assert service.sent == inputs
                assert service.url.endswith(f"/ai/run/{model}")
                assert type(output) is kind
                assert read(output) == expected


@SYNC_AND_ASYNC
@pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")  # no live model summarizes
def test_a_number_in_the_place_of_a_text_is_its_digits(caller: Caller, service: Service) -> None:
    for model, inputs, result in ZEROS:
        with row((model, result)):
            service.answers(service.result(result))
            output = caller.run(model, inputs)
            assert (output.text, str(output)) == ("0", "0")


@SYNC_AND_ASYNC
def test_bytes_are_an_image_or_a_sound_of_the_type_that_they_begin_like(caller: Caller, service: Service) -> None:
    for model, inputs, content, declared, kind, media_type in BYTES:
        with row((model, declared)):
            service.answers(service.raw(content, declared, cf_ai_req_id="id-1"))
            output = caller.run(model, inputs)
            assert service.sent == inputs
            assert (type(output), output.content, output.media_type) == (kind, content, media_type)
            assert output.meta.request_id == "id-1"


@SYNC_AND_ASYNC
def test_nova_gives_the_text_of_its_channels_in_either_envelope(caller: Caller, service: Service) -> None:
    results = {"results": {"channels": [CHANNEL, OTHER_CHANNEL], "summary": {"result": "success"}}}
    for answer in (service.result(results), service.json(results)):
        service.answers(answer)
        output = caller.run("@cf/deepgram/nova-3", {"audio": WAV, "punctuate": True})
        assert (service.request.content, service.url.partition("?")[2]) == (WAV, "punctuate=true")
        assert type(output) is types.Transcription
        assert output.text == "Hello there\nBye"
        assert [(word.word, word.start, word.end, word.confidence) for word in output.words] == [("Hello", 0, 0.5, 0.9)]
        assert output.vtt == "WEBVTT\n\n00:00:00.000 --> 00:00:00.500\nHello\n"
        assert output.results["summary"] == {"result": "success"}


def read_cues(vtt: str) -> list[tuple[str, str]]:
    """Return the times and texts of subtitles, read as strictly as the standard allows."""
    assert re.match(r"WEBVTT[ \t]?[^\n]*\n\n", vtt)
    time = r"(?:\d{2,}:)?[0-5]\d:[0-5]\d\.\d{3}"
    return re.findall(rf"(?m)^({time} --> {time})(?:[ \t][^\n]*)?\n(.+)", vtt)


@SYNC_AND_ASYNC
def test_the_subtitles_of_whisper_are_such_as_players_read(caller: Caller, service: Service) -> None:
    for times, expected in (
        ("00.580 --> 01.460", "00:00:00.580 --> 00:00:01.460"),
        ("59.000 --> 01:02.340", "00:00:59.000 --> 00:01:02.340"),
        ("75.5 --> 1:01:02.340 align:left", "00:01:15.500 --> 01:01:02.340"),
        ("00:00:00.580 --> 00:00:01.460", "00:00:00.580 --> 00:00:01.460"),
    ):
        own = f"WEBVTT\n\n{times}\nHello: 5 - 6\n\n{times}\nthere"
        service.answers(service.result({"text": "Hello there", "word_count": 2, "words": WORDS, "vtt": own}))
        output = caller.run("@cf/openai/whisper", {"audio": [*WAV]})
        with row(times):
            assert read_cues(output.vtt) == [(expected, "Hello: 5 - 6"), (expected, "there")]
            assert output["vtt"] == own


def test_every_task_of_the_catalogue_is_here() -> None:
    tried = {model for model, *_ in [*JSON_TASKS, *BYTES]} | {"@cf/deepgram/nova-3"}
    tasks = {entry.task for model in tried if (entry := models.get(model))}
    assert tasks == {entry.task for entry in models.list()}
