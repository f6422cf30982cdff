"""Keep to a budget: what a call costs at most is reserved before it is sent, and settled when it has ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf
from typing import Any

from cfai import models, tokens
from cfai._errors import ConfigurationError
from cfai._json import is_mapping
from cfai._limits import MAX_TOKENS_FIELDS, requested_output
from cfai.models import Model


class Budget:
    """The cost of a job in US dollars, and what it may be."""

    def __init__(self, model: str, max_cost: float | None, *, output_retries: int = 0) -> None:
        self._entry = models.catalogue().get(model)
        self._prices = {price.unit: price.usd / 1e6 for price in self._entry.price} if self._entry else {}
        self._max_cost = inf if max_cost is None else max_cost
        self._output_retries = output_retries
        self._reserved = 0.0
        self.spent = 0.0
        """What ended calls have cost; at most, where that is not known."""
        is_free = bool(self._prices) and not any(self._prices.values())
        if max_cost is not None and not self._has_token_prices and not is_free:
            raise ConfigurationError(
                f"`max_cost` needs a model with a known price by tokens, got {model}: leave `max_cost` out, "
                "or take a part of the inputs at a time"
            )

    @property
    def _has_token_prices(self) -> bool:
        return "per M input tokens" in self._prices

    def estimate(self, inputs: Any) -> float:
        """Return what a call costs at most; 0 without a budget, and for inputs that will not be sent."""
        if self._max_cost == inf or not self._has_token_prices or not is_mapping(inputs) or self._entry is None:
            return 0.0
        prompt, output = _count_prompt(self._entry, inputs), _count_output(self._entry, inputs)
        price_in, price_out = self._prices["per M input tokens"], self._prices.get("per M output tokens", 0.0)
        if output == inf and not price_out:
            output = 0.0
        # An answer that does not fit its `output_type` is sent along when it is asked for once more.
        calls = 1 + self._output_retries
        return calls * (prompt * price_in + output * price_out) + output * price_in * sum(range(calls))

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


def _count_prompt(entry: Model, inputs: Mapping[str, Any]) -> float:
    """Return the tokens of the inputs at most."""
    if entry.task == "Text Generation":
        try:
            return tokens.measure_prompt(inputs, tokens.get_strategy(entry.name, None)).upper_bound
        except (TypeError, ValueError, RecursionError):
            return 0.0  # inputs that cannot be sent
    # A token has a byte at least, and templates add less than this.
    return tokens.MAX_TEMPLATE + len(json.dumps(inputs, ensure_ascii=False, default=str).encode("utf-8", "replace"))


def _count_output(entry: Model, inputs: Mapping[str, Any]) -> float:
    """Return the tokens of the answer at most; infinity if nobody knows."""
    requested = requested_output(inputs)
    number = inputs.get("n")
    answers = number if isinstance(number, int) and number > 1 else 1
    if requested:
        return answers * max(requested.values())
    default = entry.default_max_tokens
    if default is not None and "input" not in inputs and not any(inputs.get(name) for name in MAX_TOKENS_FIELDS):
        return answers * default.value
    if entry.task == "Translation":
        return 2.0 * _count_prompt(entry, inputs)
    longest = entry.sequence_length or entry.context_length
    return answers * longest.value if longest is not None else inf
