"""The class of an answer by its shape, for whoever has no more than the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfai import types
from cfai._json import as_sequence, is_mapping
from cfai.types._output import ListResult, Output
from cfai.types._text import find_text_class

_LISTS_BY_TASK: Mapping[str, type[ListResult[Any]]] = {
    "Image Classification": types.Classification,
    "Object Detection": types.DetectedObjects,
    "Text Classification": types.Classification,
}


def find_output_class(fields: Mapping[str, Any]) -> type[Output] | None:
    """Return the class for the shape that an object has, or `None` if nobody knows it."""
    return find_text_class(fields) or _find_task_class(fields)


def find_list_class(items: Any, task: str = "") -> type[ListResult[Any]] | None:
    """Return the class for the shape that the items of a list have, or `None` if nobody knows it.

    The list of a model that found nothing has no items: its task tells.
    """
    if not items:
        return _LISTS_BY_TASK.get(task)
    first = items[0]
    if not is_mapping(first) or "label" not in first or "score" not in first:
        return None
    return types.DetectedObjects if "box" in first else types.Classification


def _find_task_class(fields: Mapping[str, Any]) -> type[Output] | None:
    vectors = fields.get("data", fields.get("response"))
    if isinstance(vectors, list) and ("shape" in fields or _has_vectors(vectors)):
        return types.Embeddings
    if _has_items(fields.get("response"), "score"):
        return types.Reranking
    if "translated_text" in fields or isinstance(fields.get("translations"), list):
        return types.Translation
    if "is_complete" in fields:
        return types.TurnDetection
    if is_mapping(fields.get("answers")):
        return types.ClefOutput
    if is_mapping(fields.get("metrics")) or any(isinstance(fields.get(name), list) for name in ("points", "objects")):
        return types.VisionAnswer
    if "transcription_info" in fields or "word_count" in fields or "vtt" in fields or _has_channels(fields):
        return types.Transcription
    if isinstance(fields.get("state"), str) and "result" in fields:
        return types.ProviderOutput
    if isinstance(fields.get("summary"), str | int | float):
        return types.Summary
    return types.ImageDescription if isinstance(fields.get("description"), str | int | float) else None


def _has_vectors(items: Any) -> bool:
    first = as_sequence(items[0]) if items else ()
    return bool(first) and isinstance(first[0], float | int)


def _has_items(value: Any, key: str) -> bool:
    return any(is_mapping(item) and key in item for item in as_sequence(value)[:1])


def _has_channels(fields: Mapping[str, Any]) -> bool:
    results = fields.get("results")
    return is_mapping(results) and "channels" in results
