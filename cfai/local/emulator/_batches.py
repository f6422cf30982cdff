"""Batches: queued, asked for again, and then answered in another order than they came."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cfai.local.emulator._schemas import as_list, as_object
from cfai.local.wire._errors import ErrorResponse, make_input_error
from cfai.models import Model

LARGEST = 10 * 1024 * 1024
"""Bytes that a batch has at most."""

_KEPT = 20

Run = Callable[[Any], Awaitable[tuple[Any, int, int]]]
"""Inputs to result, and tokens in and out."""


@dataclass(slots=True)
class _Batch:
    """A batch: its requests, and its answer once there is one."""

    model: str
    requests: list[Any]
    polls: int = 0
    done: dict[str, Any] | None = None
    running: asyncio.Lock = field(default_factory=asyncio.Lock)


class Batches:
    """The queue. The first poll of a batch finds it queued, the next one done; it runs once, however often it is asked
    for.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Batch] = OrderedDict()

    def submit(self, model: Model, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Take a batch in."""
        request_id = str(uuid.uuid4())
        self._kept[request_id] = _Batch(model.name, as_list(inputs["requests"]))
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return {"status": "queued", "request_id": request_id, "model": model.name}

    async def poll(self, model: Model, request_id: str, run: Run) -> dict[str, Any]:
        """Return how a batch is getting on. Raises `ErrorResponse` for one that `model` was not given."""
        batch = self._kept.get(request_id)
        if batch is None or batch.model != model.name:
            raise make_input_error("no such request_id")
        batch.polls += 1
        if batch.polls == 1:
            return {"status": "queued", "request_id": request_id}
        async with batch.running:
            if batch.done is None:
                batch.done = await _run_all(batch.requests, run)
        return batch.done


async def _run_all(requests: list[Any], run: Run) -> dict[str, Any]:
    tokens = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    responses = [await _run_item(index, request, run, tokens) for index, request in enumerate(requests)]
    return {"responses": responses[::-1], "usage": tokens}


async def _run_item(index: int, request: Any, run: Run, tokens: dict[str, int]) -> dict[str, Any]:
    row: dict[str, Any] = {"id": index, "external_reference": as_object(request).get("external_reference")}
    try:
        result, prompt, completion = await run(request)
    except ErrorResponse as refusal:
        return row | {"success": False, "result": {}, "errors": [refusal.to_entry(str(uuid.uuid4()))]}
    tokens["prompt_tokens"] += prompt
    tokens["completion_tokens"] += completion
    tokens["total_tokens"] += prompt + completion
    return row | {"success": True, "result": result}
