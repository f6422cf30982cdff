"""Send one row: in its turn, and again where that is safe. The synchronous and the asynchronous half read the same."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cfai._config import Retry
from cfai._credentials import Secret
from cfai._errors import (
    BadRequestError,
    CfaiError,
    InputError,
    LimitError,
    OutputValidationError,
    PermissionDeniedError,
    RateLimitError,
)
from cfai._json import is_mapping
from cfai._pacing import Pace, Turns, exceeds_rate
from cfai._response import concerns_all_calls
from cfai._threads import run_in_thread
from cfai.fallback import CallPlan, arun_plan, plan_call, run_plan
from cfai.many._journal import Journal
from cfai.many._report import Row
from cfai.structured import has_class
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
    """How many requests were sent for it."""
    retried: int = 0
    """How many of these were sent again."""
    turn: float = 0.0
    """When the last was sent, in seconds of `time.monotonic`."""
    answer: Any = None
    """The last answer."""
    answered: list[Meta] = field(default_factory=list[Meta])
    """The facts of each answer, those included that were asked for again."""
    cost: float = 0.0
    """US dollars that its requests have cost; at least what was reserved, if that of one is not known."""

    def charge(self, cost: float | None) -> None:
        """Count what one of its requests has cost; `None` if that is not known."""
        self.cost = max(self.cost, self.reserved) if cost is None else self.cost + cost


class _StopError(Exception):
    """The job is stopped: by the cause of this error, or by something else before a request was sent."""


class Sender:
    """Whatever sends the rows of one job.

    An answer may take several requests: of another model, or one that asks again for what did not fit. Each has a turn
    of its own, is sent again by itself, and counts.
    """

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
        rest = dict(options.value)
        self._runner = runner
        self._model = model
        self._output_type = output_type
        self._output_retries = rest.pop("output_retries", 1)
        self._fallback = rest.pop("fallback", None)
        self._checks = rest.get("checks", "enforce")
        self._options = Secret({**rest, "max_retries": 0})
        self.turns = Turns(pace, retry, rejects_if_busy=bool(rest.get("reject_if_busy")))
        self.journal: Journal | None = None
        self.failure: OSError | None = None
        """Why the journal cannot be written any more."""

    def send(self, item: Item) -> Row[Any] | None:
        """Return the row of an item, which stands in the journal, or `None` if the job was stopped first.

        Raises what is no failure of this row alone: it stops the job.
        """

        def call(model: str, inputs: Any) -> Any:
            return self._call(item, model, inputs)

        try:
            plan = self._plan(item.inputs)
            answer = call(self._model, item.inputs) if plan is None else run_plan(call, plan)
        except Exception as error:
            return self._fail(item, error)
        return self._end(item, answer, None)

    async def asend(self, item: Item) -> Row[Any] | None:
        """Return the row of an item, which stands in the journal, or `None` if the job was stopped first.

        Raises what is no failure of this row alone: it stops the job.
        """

        async def call(model: str, inputs: Any) -> Any:
            return await self._acall(item, model, inputs)

        try:
            plan = self._plan(item.inputs)
            answer = await (call(self._model, item.inputs) if plan is None else arun_plan(call, plan))
        except Exception as error:
            return self._fail(item, error)
        return self._end(item, answer, None)

    def sync(self) -> None:
        """Have the journal put on the disk, if it is time."""
        if self.journal is not None and self.journal.is_sync_due(time.monotonic()):
            try:
                self.journal.sync()
            except OSError as error:
                self.failure = self.failure or error

    async def async_sync(self) -> None:
        """Have the journal put on the disk, if it is time."""
        if self.journal is not None and self.journal.is_sync_due(time.monotonic()):
            try:
                await run_in_thread(self.journal.sync)
            except OSError as error:
                self.failure = self.failure or error

    def _plan(self, inputs: Any) -> CallPlan | None:
        """Return the plan of a call that may take several requests; `None` for any other. Raises what forbids it."""
        is_stream = inputs.get("stream") if is_mapping(inputs) else getattr(inputs, "stream", False)
        if is_stream:
            raise InputError("`inputs` must be without stream for run_many, which gives whole answers: leave it out")
        if self._output_type is None and self._fallback is None and not has_class(inputs):
            return None
        return plan_call(
            self._model,
            inputs,
            output_type=self._output_type,
            output_retries=self._output_retries,
            fallback=self._fallback,
            checks=self._checks,
            returns_answer=True,
        )

    def _call(self, item: Item, model: str, inputs: Any) -> Any:
        """Return the answer of one request, in its turn, and sent again where that is safe."""
        first = item.attempts

        def send() -> Any:
            with _counting(item, first):
                return self._runner.run(model, inputs, **self._options.value)

        return self._take(item, self.turns.send(item, send))

    async def _acall(self, item: Item, model: str, inputs: Any) -> Any:
        """Return the answer of one request, in its turn, and sent again where that is safe."""
        first = item.attempts

        async def send() -> Any:
            with _counting(item, first):
                return await self._runner.arun(model, inputs, **self._options.value)

        return self._take(item, await self.turns.asend(item, send))

    def _take(self, item: Item, answer: Any) -> Any:
        if answer is None:
            raise _StopError
        item.attempts += 1
        item.answered.append(answer.meta)
        item.charge(answer.meta.cost)
        item.answer = answer
        return answer

    def _fail(self, item: Item, error: Exception) -> Row[Any] | None:
        """Return the row of an item with this error, or `None` if the job was stopped. Raises what stops the job."""
        is_stop = isinstance(error, _StopError)
        if is_stop or (isinstance(error, CfaiError) and (exceeds_rate(error) or concerns_all_calls(error))):
            if item.answered:
                # An answer that was to be asked for again was billed.
                self._keep(item, Row(item.index, item.inputs, attempts=item.attempts))
            if not is_stop:
                raise error
            if error.__cause__ is not None:
                raise error.__cause__
            return None
        if not isinstance(error, CfaiError):
            if item.answer is None:
                raise error
            error = self._make_validation_error(item.answer, error)
        return self._end(item, None, error)

    def _make_validation_error(self, answer: Any, cause: Exception) -> OutputValidationError:
        problem = f"the answer of {self._model} could not be validated: {type(cause).__name__}: {cause}"
        advice = "a validator of `output_type` must raise ValueError or AssertionError for what does not fit"
        text = getattr(answer, "text", "")
        error = OutputValidationError(f"{problem}. What to do: {advice}", text=text, answer=answer, model=self._model)
        error.__cause__ = cause
        return error

    def _end(self, item: Item, answer: Any, error: CfaiError | None) -> Row[Any]:
        output = answer if self._output_type is None or error is not None else answer.output
        row = Row(item.index, item.inputs, output, error, answer, item.attempts)
        self._keep(item, row)
        return row

    def _keep(self, item: Item, row: Row[Any]) -> None:
        """Write a row into the journal. One that cannot be written is given all the same: it was paid."""
        if self.journal is not None and item.key is not None:
            sent = time.time() - (time.monotonic() - item.turn)
            try:
                self.journal.append(row, item.key, sent=sent, cost=item.cost)
            except OSError as error:
                self.failure = self.failure or error


@contextmanager
def _counting(item: Item, first: int) -> Generator[None]:
    """Count an attempt that fails, and what it has cost; `first` were made for requests before this one."""
    item.retried += item.attempts > first
    try:
        yield
    except CfaiError as error:
        if error.status_code is not None or not isinstance(error, InputError | LimitError):
            item.attempts += 1
        if error.meta is not None:
            item.answered.append(error.meta)
            item.charge(error.meta.cost)
        elif _may_be_billed(error):
            item.charge(None)
        raise
    except Exception as error:
        raise _StopError from error


def _may_be_billed(error: CfaiError) -> bool:
    """Return True unless it is known that the model did not run."""
    refused = (InputError, LimitError, BadRequestError, PermissionDeniedError, RateLimitError)
    return not error.retryable and not isinstance(error, refused)
