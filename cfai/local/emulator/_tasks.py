"""Models that do not chat: a small valid result of each task."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from operator import mul
from typing import Any

from cfai._json import as_sequence
from cfai.local._json import as_object
from cfai.local._models import get_schema
from cfai.local.emulator import _text
from cfai.local.emulator._validate import list_texts
from cfai.local.wire import count_usage, make_input_error
from cfai.models import Model

# From the models' own cards; the listing gives the other ones.
_DIMENSIONS = {
    "@cf/baai/bge-m3": 1024,
    "@cf/google/embeddinggemma-300m": 768,
    "@cf/pfnet/plamo-embedding-1b": 2048,
    "@cf/qwen/qwen3-embedding-0.6b": 1024,
}
_TRANSCRIPT = "This transcript is emulated by cfai."
_CAPTION = "This is an emulated description of a picture: no model has seen it."


@dataclass(frozen=True, slots=True)
class Media:
    """A result that is no JSON."""

    content: bytes
    content_type: str


def run_task(model: Model, inputs: Mapping[str, Any], vectors: list[list[float]] | None = None) -> Any:
    """Return what stands under `result`, or `Media`.

    `vectors` are those of `list_texts_to_embed`, if a model made them.
    """
    if vectors is not None:
        return _rank(inputs, vectors) if "query" in inputs else _build_embeddings(model, inputs, vectors)
    if model.name.startswith("@cf/cloudflare/clef"):
        return _answer_clef(inputs)
    if model.name == "@cf/meta/llama-guard-3-8b":
        return _moderate(inputs)
    return _TASKS[model.task](model, inputs)


def list_texts_to_embed(model: Model, inputs: Mapping[str, Any]) -> list[str]:
    """Return the texts that a real model can embed for a call, a query first; none where the task is another one."""
    if model.task == "Text Embeddings" or model.name.endswith("reranker-base"):
        query = inputs.get("query")
        return [*([query] if isinstance(query, str) else []), *list_texts(inputs)]
    return []


def _embed(model: Model, inputs: Mapping[str, Any]) -> Any:
    if "query" in inputs and "score" in get_schema(model.name).output:
        return _rank(inputs)
    size = int(model.properties.get("output_dimensions") or _DIMENSIONS.get(model.name, 768))
    return _build_embeddings(model, inputs, [_text.build_vector(text, size) for text in list_texts(inputs)])


def _build_embeddings(model: Model, inputs: Mapping[str, Any], vectors: list[list[float]]) -> dict[str, Any]:
    size = len(vectors[0]) if vectors else 0
    key = "response" if "contexts" in inputs else "data"
    result: dict[str, Any] = {"shape": [len(vectors), size], key: vectors}
    return result | {"pooling": inputs.get("pooling", "mean")} if "pooling" in get_schema(model.name).output else result


def _rank(inputs: Mapping[str, Any], vectors: list[list[float]] | None = None) -> dict[str, Any]:
    """Return the contexts by how near they are to the query: by their vectors, if a model made some."""
    if vectors is None:
        scores = [_text.build_score(str(inputs["query"]), text) for text in list_texts(inputs)]
    else:
        scores = [_cosine_similarity(vectors[0], vector) for vector in vectors[1:]]
    rows: list[dict[str, Any]] = [{"id": index, "score": score} for index, score in enumerate(scores)]
    return {"response": sorted(rows, key=lambda row: -row["score"])[: inputs.get("top_k")]}


def _cosine_similarity(one: list[float], other: list[float]) -> float:
    """Return the cosine of the angle between two vectors, from 0 to 1."""
    lengths = math.hypot(*one) * math.hypot(*other)
    return round(max(0.0, sum(map(mul, one, other)) / lengths), 6) if lengths else 0.0


def _classify(model: Model, inputs: Mapping[str, Any]) -> Any:
    if model.name.endswith("reranker-base"):
        return _rank(inputs)
    score = _text.build_score(str(inputs["text"]))
    return [{"label": "NEGATIVE", "score": score}, {"label": "POSITIVE", "score": round(1 - score, 6)}]


def _translate(model: Model, inputs: Mapping[str, Any]) -> Any:
    texts = [_text.introduce("translation", text) for text in list_texts(inputs)]
    return {"translations": texts} if "translations" in get_schema(model.name).output else {"translated_text": texts[0]}


def _describe(model: Model, inputs: Mapping[str, Any]) -> Any:
    if not model.name.startswith("@cf/moondream/"):
        return {"description": _CAPTION}
    # UNCERTAIN: what its events are. So it answers with JSON even where the service would stream.
    result: dict[str, Any] = {
        "caption": {"caption": _CAPTION},
        "point": {"points": [{"x": 0.5, "y": 0.5}]},
        "detect": {"objects": [{"x_min": 0.1, "y_min": 0.1, "x_max": 0.9, "y_max": 0.9}]},
    }.get(str(inputs.get("task")), {"answer": _text.introduce("answer", str(inputs.get("question", "")))})
    return {"finish_reason": "stop", "metrics": {"input_tokens": 1, "output_tokens": 8}, **result}


def _transcribe(model: Model, inputs: Mapping[str, Any]) -> Any:
    words = [{"word": word, "start": at / 2, "end": at / 2 + 0.5} for at, word in enumerate(_TRANSCRIPT.split())]
    text, duration = _TRANSCRIPT, len(words) / 2
    if model.name == "@cf/deepgram/flux":
        raise make_input_error("this model is reached by WebSocket only")
    if model.name == "@cf/deepgram/nova-3":
        scored = [word | {"confidence": 1.0} for word in words]
        alternative = {"transcript": text, "confidence": 1.0, "words": scored}
        return {"results": {"channels": [{"alternatives": [alternative]}]}}
    result = {"text": text, "word_count": len(words), "vtt": f"WEBVTT\n\n00.000 --> 0{duration:.3f}\n{text}"}
    if model.name == "@cf/openai/whisper-large-v3-turbo":
        info = {"language": inputs.get("language", "en"), "language_probability": 1.0, "duration": duration}
        return result | {"transcription_info": info, "segments": [{"start": 0.0, "end": duration, "text": text}]}
    return result | {"words": words}


def _build_speech(model: Model, inputs: Mapping[str, Any]) -> Any:
    if "base64" in get_schema(model.name).output:
        # The schema says MP3; what comes is WAV.
        return {"audio": base64.b64encode(_read("speech.wav")).decode()}
    if inputs.get("encoding") == "linear16":
        return Media(_read("speech.wav"), "audio/wav")
    return Media(_read("speech.mp3"), "audio/mpeg")


def _build_image(model: Model, inputs: Mapping[str, Any]) -> Any:
    binary = re.search(r"contentType (image/\w+)", get_schema(model.name).output)
    if binary is None:
        return {"image": base64.b64encode(_read("picture.jpg")).decode()}
    return Media(_read("picture.png" if binary[1] == "image/png" else "picture.jpg"), binary[1])


@cache
def _read(name: str) -> bytes:
    """Return one of the files that stand for every picture and every sound."""
    return files("cfai.local.emulator").joinpath("media", name).read_bytes()


def _answer_clef(inputs: Mapping[str, Any]) -> Any:
    answers: dict[str, Any] = {}
    for name, question in inputs["questions"].items():
        criteria = as_object(question).get("criteria")
        options = list(as_object(criteria)) or as_sequence(criteria) or ["emulated"]
        shares = {str(option): round(1 / len(options), 6) for option in options}
        answers[name] = {
            "choice": {"type": "choice", "choice": str(options[0]), "probabilities": shares, "confidence": 0.5},
            "score": {"type": "score", "score": 0, "legend": {}, "probabilities": {"0": 1.0}, "confidence": 0.5},
        }.get(str(as_object(question).get("type")), {"type": "noul", "noul": 0.5})
    usage = {"input_tokens": _text.count_emulated(inputs["state"]), "output_tokens": 0}
    return {"model": inputs["model"], "answers": answers, "usage": usage}


def _moderate(inputs: Mapping[str, Any]) -> Any:
    prompt = _text.count_emulated(inputs["messages"])
    verdict: Any = {"safe": True, "categories": []} if inputs.get("response_format") else "safe"
    return {"response": verdict, "usage": count_usage(prompt, 2)}


_TASKS: dict[str, Callable[[Model, Mapping[str, Any]], Any]] = {
    "Text Embeddings": _embed,
    "Text Classification": _classify,
    "Translation": _translate,
    "Summarization": lambda model, inputs: {"summary": _text.introduce("summary", str(inputs["input_text"]))},
    "Image-to-Text": _describe,
    "Image Classification": lambda model, inputs: [{"label": "EMULATED", "score": 1.0}],
    "Object Detection": lambda model, inputs: [
        {"label": "emulated", "score": 1.0, "box": {"xmin": 0, "ymin": 0, "xmax": 1, "ymax": 1}}
    ],
    "Automatic Speech Recognition": _transcribe,
    "Text-to-Speech": _build_speech,
    "Text-to-Image": _build_image,
    "Voice Activity Detection": lambda model, inputs: {"is_complete": True, "probability": 0.9},
}
