"""What of a model's window a call asks for: the limits of what is read, and the output that room is kept for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cfai.models import Limit, Model

MAX_TOKENS_FIELDS = ("max_tokens", "max_completion_tokens", "max_output_tokens")

_COUNTLESS = 10**18
"""More than any limit is. Python would not even write a number of thousands of digits."""


class ReservedOutput(NamedTuple):
    """The output that the service keeps room for in a shared window."""

    tokens: int
    says: str
    """Why it is that many."""
    field: str | None = None
    """The input that asked for it."""


def asked(inputs: Mapping[str, Any]) -> dict[str, int]:
    """How many tokens of output are asked for, by the name under which they are."""
    return {
        field: min(value, _COUNTLESS)
        for field in MAX_TOKENS_FIELDS
        if isinstance(value := inputs.get(field), int) and not isinstance(value, bool) and value >= 0
    }


def shared_limit(entry: Model) -> Limit | None:
    """The limit of input and output together."""
    return entry.total_length or (entry.context_length if entry.window == "shared" else None)


def input_limits(entry: Model, reserve: int) -> list[tuple[Limit, int]]:
    """The limits of what is read, each with the tokens of output that count against it: a total is always shared."""
    return [
        (limit, reserve if entry.window == "shared" or limit is entry.total_length else 0)
        for limit in (entry.context_length, entry.total_length)
        if limit is not None and entry.window
    ]


def reserved_output(entry: Model, inputs: Mapping[str, Any], wanted: Mapping[str, int]) -> ReservedOutput:
    """The output that the service keeps room for: what is asked for, else the model's default, else a token."""
    if wanted:
        # UNCERTAIN: which one of several is read.
        field = min(wanted, key=wanted.__getitem__)
        return ReservedOutput(wanted[field], f"{field} asks for {wanted[field]:,}", field)
    # The default is that of the native schema, not of the Responses API.
    default = None if "input" in inputs else entry.default_max_tokens
    if default is None:
        return ReservedOutput(1, "the answer takes one at least")
    return ReservedOutput(default.value, f"without max_tokens {default.value:,} are asked for")
