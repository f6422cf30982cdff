"""Decide what a job reads, begins and gives next. Nothing here waits, and one thread, or one event loop, uses it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sized
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar, cast

from cfai import models
from cfai._config import Retry, parse_retry
from cfai._credentials import Secret, describe
from cfai._display import Progress
from cfai._errors import CfaiError, ConfigurationError, InputError
from cfai._pacing import make_pace
from cfai._request import quote_model
from cfai._warnings import BudgetWarning, warn
from cfai.many._budget import Budget
from cfai.many._journal import Journal, make_key
from cfai.many._report import JobReport, Row, describe_cause
from cfai.many._sender import Item, Sender
from cfai.types import Runner

T = TypeVar("T")

_WINDOW = 4
"""Rows a call at a time that are read and not given yet: a slow one may hold up so many where order matters."""
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class JobOptions:
    """The options of a job, as `Ai.run_many` describes them."""

    concurrency: int = 16
    requests_per_minute: float | None = None
    ordered: bool = True
    journal: str | os.PathLike[str] | None = None
    max_cost: float | None = None
    progress: bool | None = None
    output_type: Any = None
    identify: Callable[[Any], Any] = lambda inputs: inputs
    """Return what tells an input from others in the journal."""

    def check(self) -> None:
        """Raise `ConfigurationError` for what cannot work."""
        _check_number("concurrency", self.concurrency, 1, "a number of 1 or more", int)
        _check_number("max_cost", self.max_cost, 0, "0 or more US dollars")
        journal: Any = self.journal
        if journal is not None and not isinstance(journal, str | os.PathLike):
            raise ConfigurationError(f"`journal` must be the path of a file, got {describe(journal)}")


def _check_number(option: str, value: Any, least: float, must_be: str, kind: type[float] = float) -> None:
    if value is None and kind is float:
        return
    if not isinstance(value, int | kind) or isinstance(value, bool) or not value >= least:
        raise ConfigurationError(f"`{option}` must be {must_be}, got {describe(value)}")


class Work(Generic[T]):
    """The state of a job: which rows are under way, which have ended, and why no more are read."""

    def __init__(self, runner: Runner, model: str, inputs: Any, options: JobOptions, call_options: Secret) -> None:
        quote_model(model)
        options.check()
        retry: Any = call_options.value.get("max_retries", Retry(max_retries=5))
        fallback = call_options.value.get("fallback")
        self.options = options
        self._model = model
        retries = call_options.value.get("output_retries", 1)
        _check_number("output_retries", retries, 0, "a number of 0 or more", int)
        self._budget = Budget(
            model, options.max_cost, output_type=options.output_type, output_retries=retries, fallback=fallback
        )
        self._pace = make_pace(runner, model, models.catalogue().get(model), options.requests_per_minute)
        self.sender = Sender(
            runner,
            model,
            pace=self._pace,
            retry=parse_retry(retry),
            output_type=options.output_type,
            options=call_options,
        )
        self._seen = 0
        """How many rows of the journal were given."""
        total = len(inputs) if isinstance(inputs, Sized) else None
        self._progress = Progress(model, total, shown=options.progress)
        self._report = JobReport()
        self._started: float | None = None
        self._ended: float | None = None
        self._read = 0
        """How many inputs were read."""
        self._given = 0
        """How many rows were given; in order, the index of the next."""
        self._finished: dict[int, Row[T]] = {}
        """The rows that have ended and were not given, by index, in the order in which they ended."""
        self.pending = 0
        """How many items are under way, or wait for it."""
        self._refused: Item | None = None
        """An item that was read, and costs more than the budget has left at present."""
        self._is_read = False
        """True if no more inputs will be read."""
        self._error: BaseException | None = None
        """What is raised when the last row was given."""
        self._interruption = ""
        """What stopped the job before its end, if nobody asked for that."""

    @property
    def is_closed(self) -> bool:
        """Return True once nothing more will be given."""
        return self._ended is not None

    @property
    def is_input_over(self) -> bool:
        """Return True if no more inputs will be begun."""
        if self._is_read or self._refused is None or self.pending:
            return self._is_read
        return not self._budget.allows(self._refused.reserved)  # nothing under way will end, and make room

    @property
    def wants_input(self) -> bool:
        """Return True if another input can be begun."""
        if self._is_read or self._read - self._given >= _WINDOW * self.options.concurrency:
            return False
        if self.options.max_cost is not None and self.pending >= self.options.concurrency:
            return False  # what waits to be sent would be paid too, though calls prove dearer than their estimates
        return self._refused is None or self._budget.allows(self._refused.reserved)

    def start(self) -> bool:
        """Begin to count the time. Return False if that was done before."""
        if self._started is not None:
            return False
        self._started = time.monotonic()
        self._progress.__enter__()
        return True

    def open_journal(self) -> Journal | None:
        """Open the journal and read it, which may take long. Raises `ConfigurationError` if it cannot be used."""
        if self.options.journal is None:
            return None
        return Journal(self.options.journal, self._model, self.options.output_type)

    def use_journal(self, journal: Journal | None) -> None:
        """Go on from a journal, unless the job was closed while it was read."""
        if journal is None:
            return
        if self.is_closed:
            journal.close()
            return
        self.sender.journal = journal
        self._budget.spent = journal.past.cost
        self._report.journal_cost = journal.past.cost
        ages = [max(0.0, time.time() - sent) for sent in journal.past.sent]
        recent = [time.monotonic() - age for age in ages if age < _MINUTE]
        # The process that sent them was perhaps killed, with others under way.
        recent += [max(recent)] * self.options.concurrency if recent else []
        self._pace.resume(recent, str(journal.path.resolve()))

    def take(self, inputs: Any) -> Item | None:
        """Return the item of an input, to be sent; `None` if the journal has its row, or there is no money for it."""
        index, inputs = self._read, _copy(inputs)
        self._read += 1
        key = None
        if self.sender.journal is not None:
            try:
                key = make_key(self._model, self.options.identify(inputs))
            except InputError as error:
                self._finish(Row(index, inputs, error=error, attempts=0))
                return None
            row = self.sender.journal.find(key, index, inputs)
            if row is not None:
                self._finish(row)
                self._report.skipped += 1
                return None
        try:
            item = Item(index, inputs, key, self._budget.estimate(inputs))
        except ConfigurationError as error:  # those under way are finished first
            self.end_inputs(error)
            return None
        if not self._budget.allows(item.reserved):
            self._refused = item
            return None
        return self._begin(item)

    def take_refused(self) -> Item | None:
        """Return the item that there was no money for, if there is now."""
        item = self._refused
        if item is None or not self._budget.allows(item.reserved):
            return None
        self._refused = None
        return self._begin(item)

    def _begin(self, item: Item) -> Item:
        self._budget.reserve(item.reserved)
        self.pending += 1
        return item

    def end_inputs(self, error: Exception | None = None) -> None:
        """Read no more: all were read, or reading them raised this. What is under way goes on."""
        self._is_read = True
        self._error = self._error or error

    def collect(self, item: Item, outcome: Row[T] | BaseException | None) -> None:
        """Take what became of an item: its row, what stops the job, or nothing if that was stopped before."""
        self.pending -= 1
        self._budget.settle(item.reserved, item.cost)
        self._count(item)
        if isinstance(outcome, Row):
            self._finish(outcome)
            outcome = self.sender.failure
        if outcome is not None:
            self._error = self._error or outcome
            self._is_read = True
            self.sender.turns.stop()

    def _finish(self, row: Row[Any]) -> None:
        self._finished[row.index] = row
        if row.error is None:
            self._report.done += 1
        else:
            cause = describe_cause(row.error)
            self._report.failures[cause] = self._report.failures.get(cause, 0) + 1

    def give(self) -> Row[T] | None:
        """Return the next row, if it is there."""
        if not self._finished:
            return None
        index = self._given if self.options.ordered else next(iter(self._finished))
        row = self._finished.pop(index, None)
        if row is None and self._is_read and not self.pending:
            row = self._finished.pop(min(self._finished))  # those before it were left when the job was stopped
        if row is not None:
            self._given += 1
            self._seen += row.from_journal
            report = self._report
            cost = report.journal_cost + report.cost
            self._progress.update(self._given, failed=report.failed, skipped=self._seen, cost=cost)
        return row

    def end(self) -> None:
        """Close the job after its last row. Raises what stopped it, and warns if the budget did."""
        error, self._error = self._error, None
        if self._refused is not None and error is None:
            spent, most = self._budget.spent, self._budget.factor * self._refused.reserved
            stopped = (
                f"max_cost of ${self.options.max_cost:g}: ${spent:.4f} are spent, a call may cost up to ${most:.4f}"
            )
            self._report.stopped = stopped
        elif error is not None:
            self._report.stopped = f"{type(error).__name__}: {error}"
        refused, self._refused = self._refused, None
        self.close()
        if error is not None:
            raise error
        if refused is not None:
            hint = "inputs are left: raise max_cost, or give them a smaller max_tokens"
            warn(f"{self._model}: stopped before {self._report.stopped}. What to do: {hint}", BudgetWarning)

    def interrupt(self, by: str) -> None:
        """Close the job before its end, which whoever iterates on is not to take for its end."""
        if self._ended is None:
            self._report.stopped = self._interruption = by
        self.close()

    def raise_interruption(self) -> None:
        """Raise `CfaiError` if the job was interrupted."""
        if self._interruption:
            advice = "start another one: with a journal, it goes on from there"
            raise CfaiError(f"the job was stopped before its end by {self._interruption}. What to do: {advice}")

    def close(self) -> None:
        """Send no more, and let the journal go. What is under way is given up."""
        self.sender.turns.stop()
        self._is_read = True
        self._finished.clear()
        if self._ended is None:
            self._ended = time.monotonic()
            self._progress.__exit__()
            if self.sender.journal is not None:
                self.sender.journal.close()

    def make_report(self) -> JobReport:
        """Return the figures so far."""
        seconds = 0.0 if self._started is None else (self._ended or time.monotonic()) - self._started
        return replace(self._report, failures=dict(self._report.failures), seconds=seconds)

    def _count(self, item: Item) -> None:
        report = self._report
        report.retried += item.retried
        report.cost += item.cost
        for meta in item.answered:
            report.neurons += meta.neurons or 0.0
            if meta.usage is not None:
                report.prompt_tokens += meta.usage.prompt_tokens
                report.completion_tokens += meta.usage.completion_tokens


def _copy(inputs: Any) -> Any:
    """Return inputs that stay as they are, whatever becomes of the dicts and lists that they were made of."""
    try:
        return _copy_value(inputs)
    except RecursionError:
        return inputs  # cannot be sent, as its row will say


def _copy_value(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copy_value(each) for key, each in cast("dict[Any, Any]", value).items()}
    if type(value) is list:
        return [_copy_value(each) for each in cast("list[Any]", value)]
    return value
