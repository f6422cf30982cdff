"""Keep to a budget: what a call costs at most is reserved before it is sent, and settled when it has ended."""

from __future__ import annotations

from math import inf
from typing import Any

from cfai import models
from cfai._errors import ConfigurationError, InputError
from cfai._limits import estimate_max_cost
from cfai._request import encode_inputs, refuse_streams
from cfai.fallback import adapt_inputs, parse_fallback
from cfai.structured import OutputFormat, add_schema, count_reads, has_class, replace_class


class Budget:
    """The cost of a job in US dollars, and what it may be."""

    def __init__(
        self,
        model: str,
        max_cost: float | None,
        *,
        output_type: Any = None,
        output_retries: int = 1,
        fallback: Any = None,
    ) -> None:
        self._models = [model, *(parse_fallback(model, fallback) if fallback is not None else ())]
        for name in self._models if max_cost is not None else ():
            entry = models.catalogue().get(name)
            if entry is None or not entry.price:
                raise _make_error(f"{name} has no known price")
        self._max_cost = inf if max_cost is None else max_cost
        self._schema = None if output_type is None or max_cost is None else OutputFormat.of(output_type).schema
        # An answer that is asked for again is read with all before it.
        self._reads = count_reads(output_retries)
        self._reserved = 0.0
        self.factor = 1.0
        """By how much the dearest call has exceeded its estimate: the service may charge more than its price list."""
        self.spent = 0.0
        """What ended calls have cost; at most, where that is not known."""

    def estimate(self, inputs: Any) -> float:
        """Return what a call costs at most; 0 without a budget, and for inputs that will not be sent.

        With a `fallback`, it is what the dearest of the models costs. Raises `ConfigurationError` if nobody knows
        beforehand what a call costs.
        """
        if self._max_cost == inf:
            return 0.0
        first, *others = self._models
        try:
            refuse_streams(inputs, "", "")
        except InputError as error:  # which are sent, once
            raise _make_error("a stream can be read only once") from error
        try:
            encoded = encode_inputs(first, replace_class(first, inputs))
            if self._schema is not None:
                encoded = add_schema(first, encoded, self._schema)
        except InputError:
            return 0.0
        costs = [estimate_max_cost(first, encoded)]
        costs += [estimate_max_cost(other, adapt_inputs(encoded, other).inputs) for other in others]
        known = [cost for cost in costs if cost is not None]
        if len(known) < len(costs):
            raise _make_error(f"nobody knows that of {' or '.join(self._models)} with these inputs")
        is_structured = self._schema is not None or has_class(inputs)
        return (self._reads if is_structured else 1) * max(known)

    def allows(self, cost: float) -> bool:
        """Return True if there is room for a call of this estimate."""
        return self.spent + self.factor * (self._reserved + cost) <= self._max_cost

    def reserve(self, cost: float) -> None:
        """Put aside what a call costs at most."""
        self._reserved += cost

    def settle(self, reserved: float, cost: float) -> None:
        """Count what a call has cost in place of what was reserved for it."""
        self._reserved -= reserved
        self.spent += cost
        if reserved:
            self.factor = max(self.factor, cost / reserved)


def _make_error(reason: str) -> ConfigurationError:
    must = "`max_cost` needs calls whose cost is known beforehand"
    return ConfigurationError(f"{must}, and {reason}: leave it out, or take a part of the inputs at a time")
