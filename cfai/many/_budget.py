"""Keep to a budget: what a call costs at most is reserved before it is sent, and settled when it has ended."""

from __future__ import annotations

from math import inf
from typing import Any

from cfai import models
from cfai._errors import ConfigurationError, InputError
from cfai._limits import estimate_max_cost
from cfai._request import encode_inputs


class Budget:
    """The cost of a job in US dollars, and what it may be."""

    def __init__(self, model: str, max_cost: float | None, *, output_retries: int = 0) -> None:
        entry = models.catalogue().get(model)
        if max_cost is not None and (entry is None or not entry.price):
            raise _make_error(f"{model} has no known price")
        self._model = model
        self._max_cost = inf if max_cost is None else max_cost
        # An answer that does not fit its `output_type` is read again, with all before it, when one more is asked for.
        self._calls = sum(range(1, output_retries + 2))
        self._reserved = 0.0
        self.spent = 0.0
        """What ended calls have cost; at most, where that is not known."""

    def estimate(self, inputs: Any) -> float:
        """Return what a call costs at most; 0 without a budget, and for inputs that will not be sent.

        Raises `ConfigurationError` if nobody knows beforehand what a call costs.
        """
        if self._max_cost == inf:
            return 0.0
        try:
            cost = estimate_max_cost(self._model, encode_inputs(self._model, inputs))
        except InputError:
            return 0.0
        if cost is None:
            raise _make_error(f"nobody knows that of {self._model} with these inputs")
        return self._calls * cost

    def allows(self, cost: float) -> bool:
        """Return True if a call may cost so much."""
        return self.spent + self._reserved + cost <= self._max_cost

    def reserve(self, cost: float) -> None:
        """Put aside what a call costs at most."""
        self._reserved += cost

    def settle(self, reserved: float, cost: float) -> None:
        """Count what a call has cost in place of what was reserved for it."""
        self._reserved -= reserved
        self.spent += cost


def _make_error(reason: str) -> ConfigurationError:
    must = "`max_cost` needs calls whose cost is known beforehand"
    return ConfigurationError(f"{must}, and {reason}: leave it out, or take a part of the inputs at a time")
