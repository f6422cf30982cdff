"""Batches: queued, asked for again, and then answered in another order than they came."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from cfai.emulator._schemas import as_list, as_object
from cfai.models import Model
from cfai.wire._refusals import Refusal, bad_input

LARGEST = 10 * 1024 * 1024
"""Bytes that a batch has at most."""

_KEPT = 20

Run = Callable[[Any], Awaitable[tuple[Any, int, int]]]
"""Inputs to result, and tokens in and out."""


class Batches:
    """The queue. The first poll of a batch finds it queued, the next one done."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, tuple[list[Any], int]] = OrderedDict()

    def submit(self, model: Model, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Take a batch in."""
        request_id = str(uuid.uuid4())
        self._waiting[request_id] = (as_list(inputs["requests"]), 0)
        if len(self._waiting) > _KEPT:
            self._waiting.popitem(last=False)
        return {"status": "queued", "request_id": request_id, "model": model.name}

    async def poll(self, request_id: str, run: Run) -> dict[str, Any]:
        """How a batch is getting on."""
        if request_id not in self._waiting:
            raise bad_input("no such request_id")
        requests, polls = self._waiting[request_id]
        self._waiting[request_id] = (requests, polls + 1)
        if polls == 0:
            return {"status": "queued", "request_id": request_id}
        tokens = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        responses = [await _item(index, request, run, tokens) for index, request in enumerate(requests)]
        return {"responses": responses[::-1], "usage": tokens}


async def _item(index: int, request: Any, run: Run, tokens: dict[str, int]) -> dict[str, Any]:
    row: dict[str, Any] = {"id": index, "external_reference": as_object(request).get("external_reference")}
    try:
        result, prompt, completion = await run(request)
    except Refusal as refusal:
        return row | {"success": False, "result": {}, "errors": [refusal.error(str(uuid.uuid4()))]}
    tokens["prompt_tokens"] += prompt
    tokens["completion_tokens"] += completion
    tokens["total_tokens"] += prompt + completion
    return row | {"success": True, "result": result}
