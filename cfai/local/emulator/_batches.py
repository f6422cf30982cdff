"""Batches: queued, polled, and then answered in another order than they came."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cfai._json import as_sequence
from cfai.local._json import as_object
from cfai.local.emulator._run import Result
from cfai.local.wire import ErrorResponse, count_usage, make_input_error
from cfai.models import Model

MAX_BATCH_SIZE = 10_000_000
"""Bytes: a batch has to be "under 10 MB"."""

_MAX_BATCHES = 10_000
"""How many batches are remembered."""

_RUNNING_AFTER = 1.0
"""Seconds that a poll waits for the result before it says that the batch is running."""

Run = Callable[[Model, Any], Awaitable[Result]]


@dataclass(slots=True)
class _Batch:
    """A batch: its requests, and the task that answers them once it runs."""

    model: str
    requests: Sequence[Any]
    polls: int = 0
    task: asyncio.Task[dict[str, Any]] | None = None


class Batches:
    """The queue. The first poll of a batch finds it queued, the next one done, or running if that takes longer; it runs
    once, however often it is polled, and whoever leaves.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._batches: OrderedDict[str, _Batch] = OrderedDict()

    def submit(self, model: Model, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Take a batch in. Raises `ErrorResponse` for one without requests."""
        requests = as_sequence(inputs["requests"])
        if not requests:
            raise make_input_error("'/requests' must be a list of one request or more")
        request_id = str(uuid.uuid4())
        self._batches[request_id] = _Batch(model.name, requests)
        while len(self._batches) > _MAX_BATCHES:
            self._batches.popitem(last=False)
        return {"status": "queued", "request_id": request_id, "model": model.name}

    async def poll(self, model: Model, request_id: str) -> dict[str, Any]:
        """Return the state or result of a batch. Raises `ErrorResponse` for one that was not submitted to `model`."""
        batch = self._batches.get(request_id)
        if batch is None or batch.model != model.name:
            raise make_input_error("no such request_id")
        batch.polls += 1
        if batch.polls == 1:
            return {"status": "queued", "request_id": request_id}
        if batch.task is None:
            batch.task = asyncio.create_task(self._run_all(model, batch.requests))
        await asyncio.wait({batch.task}, timeout=_RUNNING_AFTER)
        return batch.task.result() if batch.task.done() else {"status": "running", "request_id": request_id}

    async def aclose(self) -> None:
        """Cancel what still runs."""
        tasks = [batch.task for batch in self._batches.values() if batch.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run_all(self, model: Model, requests: Sequence[Any]) -> dict[str, Any]:
        prompt_tokens = tokens = 0
        rows: list[dict[str, Any]] = []
        for index, request in enumerate(requests):
            row = {"id": index, "external_reference": as_object(request).get("external_reference")}
            try:
                result = await self._run(model, request)
            except ErrorResponse as refusal:
                row |= {"success": False, "result": {}, "errors": [refusal.to_entry(str(uuid.uuid4()))]}
            else:
                row |= {"success": True, "result": result.value}
                prompt_tokens, tokens = prompt_tokens + result.prompt_tokens, tokens + result.tokens
            rows.append(row)
        return {"responses": rows[::-1], "usage": count_usage(prompt_tokens, tokens)}
