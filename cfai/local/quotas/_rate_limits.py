"""Requests per minute, as https://developers.cloudflare.com/workers-ai/platform/limits/ gave them on 2026-09-17."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping

from cfai import models
from cfai.models import Model

_MINUTE = 60.0

_BY_TASK = {
    "Automatic Speech Recognition": 720,
    "Image Classification": 3000,
    "Image-to-Text": 720,
    "Object Detection": 3000,
    "Summarization": 1500,
    "Text Classification": 2000,
    "Text Embeddings": 3000,
    "Text Generation": 300,
    "Text-to-Image": 720,
    "Translation": 720,
}

_BY_MODEL = {"@cf/baai/bge-large-en-v1.5": 1500, "@cf/runwayml/stable-diffusion-v1-5-img2img": 1500}

_PAID_LIMIT = 20
"""For each text model that requires Workers Paid, with standard billing."""


def is_task_or_model(name: str) -> bool:
    """Return whether `name` is a task or a model."""
    return models.get(name) is not None or any(model.task == name for model in models.catalogue().values())


class RateLimiter:
    """The calls of the last minute. `numbers` by task or model stand in for the published ones."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers
        self._admitted: defaultdict[str, deque[float]] = defaultdict(deque)

    def admit(self, model: Model, now: float) -> bool:
        """Return whether one more call is allowed, which is counted then."""
        name, number = self._limit(model)
        if number is None:
            return True
        calls = self._admitted[name]
        while calls and calls[0] <= now - _MINUTE:
            calls.popleft()
        if len(calls) >= number:
            return False
        calls.append(now)
        return True

    def _limit(self, model: Model) -> tuple[str, int | None]:
        """Return what is counted together, and how much of it is allowed; for some tasks nothing is published."""
        paid = _PAID_LIMIT if model.task == "Text Generation" and "require_workers_paid" in model.capabilities else None
        own = _BY_MODEL.get(model.name, paid)
        counted = model.task if own is None and model.name not in self._numbers else model.name
        published = _BY_TASK.get(model.task) if own is None else own
        return counted, self._numbers.get(model.name, self._numbers.get(model.task, published))
