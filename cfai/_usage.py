"""Add up what the calls of a client took: `ClientUsage`, by model."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field, replace

from cfai._repr import short_repr
from cfai.types import Meta

MOST_WAITING = 200
"""Calls that are kept one by one before they are added up."""


@dataclass(slots=True)
class ModelUsage:
    """The calls, tokens, neurons and cost of one model, added up."""

    calls: int = 0
    """Calls that were answered, streams included that were left before their end. Failed calls do not count, nor do
    batches that are not done."""
    prompt_tokens: int = 0
    """Tokens of input, of the calls whose usage the service told."""
    completion_tokens: int = 0
    """Tokens of output, likewise."""
    total_tokens: int = 0
    """Tokens of both, likewise."""
    neurons: float = 0.0
    """The service's own charges, of the calls where it told one."""
    cost: float = 0.0
    """US dollars: the `meta.cost` of all calls that have one."""
    unpriced_calls: int = 0
    """Calls that are not in `cost`, because nobody knows what they cost."""

    def add(self, other: ModelUsage) -> None:
        """Add other calls."""
        self.calls += other.calls
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.total_tokens += other.total_tokens
        self.neurons += other.neurons
        self.cost += other.cost
        self.unpriced_calls += other.unpriced_calls


@dataclass(slots=True)
class ClientUsage(ModelUsage):
    """The total of all calls of a client since it was made: `ai.usage`. It is a copy, which later calls do not change.

    `print` shows it as a table, a line a model.
    """

    __repr__ = short_repr

    by_model: dict[str, ModelUsage] = field(default_factory=dict[str, ModelUsage], repr=False)
    """The same by the model that was called."""

    def __str__(self) -> str:
        rows = self._list_rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
        return "\n".join([*lines, *self._list_notes()])

    def _repr_html_(self) -> str:
        from cfai._display import render_facts, render_table

        headings, *rows = self._list_rows()
        table = render_table(headings, rows, numbers=range(1, len(headings)), unbroken=[0])
        return table + render_facts(" ".join(self._list_notes()))

    def _list_rows(self) -> list[tuple[str, ...]]:
        """Return the headings, a row a model, the most costly first, and one for all together."""
        by_cost = sorted(self.by_model.items(), key=lambda item: -item[1].cost)
        headings = ("model", "calls", "input tokens", "output tokens", "neurons", "cost")
        return [
            headings,
            *(_format_row(name, usage) for name, usage in by_cost),
            *([_format_row("all", self)] if len(by_cost) != 1 else []),
        ]

    def _list_notes(self) -> list[str]:
        if not self.unpriced_calls:
            return []
        calls = "1 call" if self.unpriced_calls == 1 else f"{self.unpriced_calls:,} calls"
        return [f"The cost of {calls} is not known, and not in the sum."]


def _format_row(name: str, usage: ModelUsage) -> tuple[str, ...]:
    counts = (usage.calls, usage.prompt_tokens, usage.completion_tokens)
    return name, *(f"{count:,}" for count in counts), f"{usage.neurons:,.3f}", f"${usage.cost:.6f}"


class UsageLedger:
    """The calls of a client and its copies. A call that is over takes no lock and enters nothing to be noted here.

    It is appended to `answered`, which a garbage collector and a signal may do too, and added up later.
    """

    def __init__(self) -> None:
        self.answered: deque[Meta] = deque()
        """The calls that are over, and not added up yet."""
        self._by_model: dict[str, ModelUsage] = {}
        self._lock = threading.RLock()
        self._is_adding = False

    def add_up(self) -> None:
        """Add up the calls that are over."""
        with self._lock:
            if self._is_adding:
                return  # a handler of a signal asks in the middle of it, on the same thread
            self._is_adding = True
            try:
                while self.answered:
                    meta = self.answered.popleft()
                    if (usage := self._by_model.get(meta.model)) is None:
                        usage = self._by_model[meta.model] = ModelUsage()
                    _add_call(usage, meta)
            finally:
                self._is_adding = False

    def sum_up(self) -> ClientUsage:
        """Return what all calls took so far."""
        self.add_up()
        usage = ClientUsage()
        with self._lock:
            usage.by_model = {name: replace(of_model) for name, of_model in self._by_model.items()}
        for of_model in usage.by_model.values():
            usage.add(of_model)
        return usage


def _add_call(usage: ModelUsage, meta: Meta) -> None:
    """Add one call."""
    usage.calls += 1
    if (told := meta.usage) is not None:
        usage.prompt_tokens += told.prompt_tokens
        usage.completion_tokens += told.completion_tokens
        usage.total_tokens += told.total_tokens
    usage.neurons += meta.neurons or 0.0
    if (cost := meta.cost) is None:
        usage.unpriced_calls += 1
    else:
        usage.cost += cost
