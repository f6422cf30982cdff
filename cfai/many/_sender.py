"""Send one row: in its turn, and again where that is safe. The synchronous and the asynchronous half read the same."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread

from cfai._config import Retry
from cfai._credentials import Secret
from cfai._errors import (
    BadRequestError,
    CapacityError,
    CfaiError,
    InputError,
    LimitError,
    OutputValidationError,
    PermissionDeniedError,
    RateLimitError,
)
from cfai._json import is_mapping
from cfai._pacing import Pace
from cfai._response import concerns_all_calls
from cfai._transport import compute_retry_pause
from cfai.many._journal import Journal
from cfai.many._report import Row
from cfai.types import Meta, Runner


@dataclass(slots=True)
class Item:
    """An input on its way to being a row."""

    index: int
    inputs: Any
    key: bytes | None
    """Its key in the journal."""
    reserved: float
    """US dollars that it costs at most."""
    attempts: int = 0
    turn: float = 0.0
    """When it was sent last, in seconds of `time.monotonic`."""
    cost: float = 0.0
    """US dollars that it has cost; what was reserved, if it was sent and that is not known."""
    answered: list[Meta] = field(default_factory=list[Meta])
    """The facts of its answers, those that did not fit its `output_type` included."""


class Sender:
    """Whatever sends the rows of one job."""

    def __init__(
        self,
        runner: Runner,
        model: str,
        *,
        pace: Pace,
        retry: Retry,
        output_type: Any,
        options: Secret,
    ) -> None:
        self._runner = runner
        self._model = model
        self._pace = pace
        self._retry = retry
        self._output_type = output_type
        self._rejects_if_busy = bool(options.value.get("reject_if_busy"))
        added = {"max_retries": 0} if output_type is None else {"max_retries": 0, "output_type": output_type}
        self._options = Secret({**options.value, **added})
        self.stopped = threading.Event()
        """Set when nothing more is to be sent."""
        self.journal: Journal | None = None
        self._sleeping = set[anyio.CancelScope]()

    def stop(self) -> None:
        """Send nothing more. Those that wait to be sent wait no longer."""
        self.stopped.set()
        for scope in self._sleeping:
            scope.cancel()

    def send(self, item: Item) -> Row[Any] | None:
        """Return the row of an item, which stands in the journal, or `None` if the job was stopped first.

        Raises what is no failure of this row alone: it stops the job.
        """
        while self._wait_for_turn(item):
            item.attempts += 1
            try:
                _refuse_stream(item)
                answer = self._runner.run(self._model, item.inputs, **self._options.value)
            except CfaiError as error:
                pause = self._find_pause(item, error, time.monotonic())
                if pause is None:
                    return self._end(item, None, error)
            else:
                return self._end(item, answer, None)
            self._sleep(pause)
        return None

    async def asend(self, item: Item) -> Row[Any] | None:
        """Return the row of an item, which stands in the journal, or `None` if the job was stopped first.

        Raises what is no failure of this row alone: it stops the job.
        """
        while await self._await_turn(item):
            item.attempts += 1
            try:
                _refuse_stream(item)
                answer = await self._runner.arun(self._model, item.inputs, **self._options.value)
            except CfaiError as error:
                pause = self._find_pause(item, error, time.monotonic())
                if pause is None:
                    return self._end(item, None, error)
            else:
                return self._end(item, answer, None)
            await self._asleep(pause)
        return None

    def sync(self) -> None:
        """Have the journal put on the disk, if it is time."""
        if self.journal is not None and self.journal.is_sync_due(time.monotonic()):
            self.journal.sync()

    async def async_sync(self) -> None:
        """Have the journal put on the disk, if it is time."""
        if self.journal is not None and self.journal.is_sync_due(time.monotonic()):
            await anyio.to_thread.run_sync(self.journal.sync)

    def _wait_for_turn(self, item: Item) -> bool:
        """Wait until it is an item's turn. Return False if the job was stopped first."""
        while not self.stopped.is_set():
            now = time.monotonic()
            item.turn = self._pace.reserve(now)
            self._sleep(item.turn - now)
            if self._pace.is_current(item.turn, time.monotonic()):
                return not self.stopped.is_set()
        return False

    async def _await_turn(self, item: Item) -> bool:
        """Wait until it is an item's turn. Return False if the job was stopped first."""
        while not self.stopped.is_set():
            now = time.monotonic()
            item.turn = self._pace.reserve(now)
            await self._asleep(item.turn - now)
            if self._pace.is_current(item.turn, time.monotonic()):
                return not self.stopped.is_set()
        return False

    def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.stopped.wait(seconds)

    async def _asleep(self, seconds: float) -> None:
        if seconds > 0 and not self.stopped.is_set():
            with anyio.CancelScope() as scope:
                self._sleeping.add(scope)
                try:
                    await anyio.sleep(seconds)
                finally:
                    self._sleeping.remove(scope)

    def _find_pause(self, item: Item, error: CfaiError, now: float) -> float | None:
        """Return the seconds to wait before an item is sent again, or `None` if its error is final.

        Too many requests in a minute are nobody's fault: all rows wait for their next turn, and that is no retry of
        this one. Raises the error if all other rows would meet it as well.
        """
        if error.meta is not None:
            item.answered.append(error.meta)
        if isinstance(error, OutputValidationError) and isinstance(error.__cause__, CfaiError):
            error = error.__cause__  # that for which it could not be asked again
        if concerns_all_calls(error):
            raise error
        if isinstance(error, RateLimitError) and not isinstance(error, CapacityError):
            if not self._pace.hold(item.turn, error.retry_after, now):
                raise error
            return 0.0
        return compute_retry_pause(self._retry, item.attempts, error, reject_if_busy=self._rejects_if_busy)

    def _end(self, item: Item, answer: Any, error: CfaiError | None) -> Row[Any]:
        self._pace.accept(item.turn)
        output = answer if self._output_type is None or error is not None else answer.output
        is_sent = not isinstance(error, InputError)
        row = Row(item.index, item.inputs, output, error, answer, item.attempts if is_sent else 0)
        if error is None:
            failed = [each.meta for each in answer.meta.fallback_errors if each.meta is not None]
            item.answered += [*failed, answer.meta]
        costs = [each.cost for each in item.answered]
        item.cost = sum(cost or 0.0 for cost in costs)
        if None in costs or (error is not None and _may_have_cost_more(error)):
            item.cost = max(item.cost, item.reserved)
        if self.journal is not None and item.key is not None:
            sent = time.time() - (time.monotonic() - item.turn)
            self.journal.append(row, item.key, sent=sent, cost=item.cost)
        return row


def _may_have_cost_more(error: CfaiError) -> bool:
    """Return True unless it is known that the model did not run, or what its answers cost."""
    known = (InputError, LimitError, BadRequestError, PermissionDeniedError, RateLimitError, OutputValidationError)
    return not error.retryable and not isinstance(error, known)


def _refuse_stream(item: Item) -> None:
    inputs = item.inputs
    if inputs.get("stream") if is_mapping(inputs) else getattr(inputs, "stream", False):
        raise InputError("`inputs` must be without stream for run_many, which gives whole answers: leave it out")
