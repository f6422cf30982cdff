"""Models that do not chat: a small valid result of each task."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping
from operator import mul
from typing import Any

from cfai._json import as_sequence
from cfai.local._json import as_object
from cfai.local._models import get_schema
from cfai.local.emulator import _text
from cfai.local.emulator._generate import DESCRIPTION, MOONDREAM
from cfai.local.emulator._media import Media, build_speech, read_media
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
TRANSCRIPT = "This transcript is emulated by cfai."


def run_task(model: Model, inputs: Mapping[str, Any], vectors: list[list[float]] | None = None) -> Any:
    """Return what stands under `result`, or `Media`.

    `vectors` are those of `list_texts_to_embed`, if a model made them.
    """
    if _embeds(model):
        vectors = vectors or _build_vectors(model, inputs, list_texts_to_embed(model, inputs))
        return _rank(inputs, vectors) if _ranks(inputs) else _build_embeddings(model, inputs, vectors)
    if model.name.startswith("@cf/cloudflare/clef"):
        return _answer_clef(inputs)
    if model.name == "@cf/meta/llama-guard-3-8b":
        return _moderate(inputs)
    return _TASKS[model.task](model, inputs)


def list_texts_to_embed(model: Model, inputs: Mapping[str, Any]) -> list[str]:
    """Return the texts that a model embeds for a call, a query first; none where the task is another one."""
    query = [inputs["query"]] if _ranks(inputs) else []
    return [*query, *list_texts(inputs)] if _embeds(model) else []


def _embeds(model: Model) -> bool:
    return model.task == "Text Embeddings" or model.name.endswith("reranker-base")


def _ranks(inputs: Mapping[str, Any]) -> bool:
    return "query" in inputs and "contexts" in inputs


def _build_vectors(model: Model, inputs: Mapping[str, Any], texts: list[str]) -> list[list[float]]:
    size = int(model.properties.get("output_dimensions") or _DIMENSIONS.get(model.name, 768))
    # Vectors of two models do not compare, nor do those of two ways of pooling.
    space = f"{model.name} {inputs.get('pooling', 'mean')}"
    return [_text.build_vector(text, size, space) for text in texts]


def _build_embeddings(model: Model, inputs: Mapping[str, Any], vectors: list[list[float]]) -> dict[str, Any]:
    size = len(vectors[0]) if vectors else 0
    key = "response" if "contexts" in inputs else "data"
    # UNCERTAIN: the order of Qwen3 Embedding's vectors, if a call has queries and documents: the queries go first here.
    result: dict[str, Any] = {"shape": [len(vectors), size], key: vectors}
    return result | {"pooling": inputs.get("pooling", "mean")} if "pooling" in get_schema(model.name).output else result


def _rank(inputs: Mapping[str, Any], vectors: list[list[float]]) -> dict[str, Any]:
    """Return the contexts by how near their vectors are to the first one, the query's."""
    scores = [_cosine_similarity(vectors[0], vector) for vector in vectors[1:]]
    rows: list[dict[str, Any]] = [{"id": index, "score": score} for index, score in enumerate(scores)]
    return {"response": sorted(rows, key=lambda row: -row["score"])[: inputs.get("top_k")]}


def _cosine_similarity(one: list[float], other: list[float]) -> float:
    """Return the cosine of the angle between two vectors, from 0 to 1."""
    lengths = math.hypot(*one) * math.hypot(*other)
    return round(max(0.0, sum(map(mul, one, other)) / lengths), 6) if lengths else 0.0


def _classify(model: Model, inputs: Mapping[str, Any]) -> Any:
    score = _text.build_score(str(inputs["text"]))
    return [{"label": "NEGATIVE", "score": score}, {"label": "POSITIVE", "score": round(1 - score, 6)}]


def _translate(model: Model, inputs: Mapping[str, Any]) -> Any:
    texts = [_text.introduce("translation", text) for text in list_texts(inputs)]
    return {"translations": texts} if "translations" in get_schema(model.name).output else {"translated_text": texts[0]}


def _describe(model: Model, inputs: Mapping[str, Any]) -> Any:
    if not model.name.startswith(MOONDREAM):
        return {"description": DESCRIPTION}
    # The tasks of Moondream that write are generated elsewhere: they may stream.
    finds_points = inputs["task"] == "point"
    box = {"x_min": 0.1, "y_min": 0.1, "x_max": 0.9, "y_max": 0.9}
    found = {"points": [{"x": 0.5, "y": 0.5}]} if finds_points else {"objects": [box]}
    tokens = {"input_tokens": _text.count_emulated(dict(inputs)), "output_tokens": 8}
    times = {"prefill_time_ms": 1.0, "decode_time_ms": 1.0, "ttft_ms": 1.0}
    return {"finish_reason": "stop", "metrics": tokens | times, **found}


def _transcribe(model: Model, inputs: Mapping[str, Any]) -> Any:
    words = [{"word": word, "start": at / 2, "end": at / 2 + 0.5} for at, word in enumerate(TRANSCRIPT.split())]
    text, duration = TRANSCRIPT, len(words) / 2
    if model.name == "@cf/deepgram/flux":
        raise make_input_error("this model is reached by WebSocket only")
    if model.name == "@cf/deepgram/nova-3":
        scored = [word | {"confidence": 1.0} for word in words]
        alternative = {"transcript": text, "confidence": 1.0, "words": scored}
        return {"results": {"channels": [{"alternatives": [alternative]}]}}
    result = {"text": text, "word_count": len(words), "vtt": f"WEBVTT\n\n00.000 --> 0{duration:.3f}\n{text}"}
    if model.name != "@cf/openai/whisper-large-v3-turbo":
        return result | {"words": words}
    info = {"language": inputs.get("language", "en"), "language_probability": 1.0, "duration": duration}
    figures = {"temperature": 0.0, "avg_logprob": -0.1, "compression_ratio": 1.0, "no_speech_prob": 0.0}
    segment = {"start": 0.0, "end": duration, "text": text, **figures, "words": words}
    return {"transcription_info": info | {"duration_after_vad": duration}, **result, "segments": [segment]}


def _speak(model: Model, inputs: Mapping[str, Any]) -> Any:
    if "base64" in get_schema(model.name).output:
        # The schema says MP3; what comes is WAV.
        return {"audio": base64.b64encode(read_media("speech.wav")).decode()}
    return build_speech(inputs)


def _draw(model: Model, inputs: Mapping[str, Any]) -> Any:
    binary = re.search(r"contentType (image/\w+)", get_schema(model.name).output)
    if binary is None:
        return {"image": base64.b64encode(read_media("picture.jpg")).decode()}
    return Media(read_media("picture.png" if binary[1] == "image/png" else "picture.jpg"), binary[1])


def _answer_clef(inputs: Mapping[str, Any]) -> Any:
    answers = {name: _answer_question(name, as_object(question)) for name, question in inputs["questions"].items()}
    # What is more of a state is cut, and neither refused nor paid for: measured.
    usage = {"input_tokens": min(2048, _text.count_emulated(inputs["state"])), "output_tokens": 0}
    return {"model": inputs["model"], "answers": answers, "usage": usage}


def _answer_question(name: str, question: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer of chance, with the figures that the service computes from its probabilities."""
    key = f"{name}\0{question.get('instructions')}"
    if question["type"] == "noul":
        return {"type": "noul", "noul": round(_text.build_score(key), 4)}
    criteria = question["criteria"]
    legend = {str(level): text for level, text in enumerate(as_sequence(criteria))}
    weights = {option: 0.01 + _text.build_score(key, option) ** 3 for option in legend or criteria}
    shares = {option: round(weight / sum(weights.values()), 4) for option, weight in weights.items()}
    even = 1 / len(shares)
    confidence = round((sum(share * share for share in shares.values()) - even) / (1 - even), 4)
    rest = {"probabilities": shares, "confidence": confidence}
    if question["type"] == "choice":
        return {"type": "choice", "choice": max(shares, key=lambda option: shares[option]), **rest}
    score = sum(int(level) * share for level, share in shares.items())
    return {"type": "score", "score": round(score, 4), "legend": legend, **rest}


def _moderate(inputs: Mapping[str, Any]) -> Any:
    """Return a verdict: a message is unsafe if it names the codes of hazards, such as S1."""
    hazards = re.findall(r"\bS(?:1[0-4]|[1-9])\b", str(inputs["messages"][-1]["content"]))
    verdict: Any = "\n".join(["unsafe", ",".join(hazards)]) if hazards else "safe"
    if as_object(inputs.get("response_format")).get("type") == "json_object":
        verdict = {"safe": not hazards, "categories": hazards}
    return {"response": verdict, "usage": count_usage(_text.count_emulated(inputs["messages"]), 2)}


_TASKS: dict[str, Callable[[Model, Mapping[str, Any]], Any]] = {
    "Text Classification": _classify,
    "Translation": _translate,
    "Summarization": lambda model, inputs: {"summary": _text.introduce("summary", str(inputs["input_text"]))},
    "Image-to-Text": _describe,
    "Image Classification": lambda model, inputs: [{"label": "EMULATED", "score": 1.0}],
    "Object Detection": lambda model, inputs: [
        {"label": "emulated", "score": 1.0, "box": {"xmin": 8, "ymin": 8, "xmax": 72, "ymax": 56}}
    ],
    "Automatic Speech Recognition": _transcribe,
    "Text-to-Speech": _speak,
    "Text-to-Image": _draw,
    "Voice Activity Detection": lambda model, inputs: {"is_complete": True, "probability": 0.9},
}
