"""Tell how a call uses its model's window: the output that it requests, what is reserved for it, and the limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cfai.models import Limit, Model

MAX_TOKENS_FIELDS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""The inputs that request output, under the names of the native API, chat completions and the Responses API."""

_MAX_TOKENS = 10**18
"""More than any limit is. Python would not even write a number of thousands of digits."""


class ReservedOutput(NamedTuple):
    """The output that the service reserves in a shared window."""

    tokens: int
    reason: str
    """Why it is that many."""
    field: str | None = None
    """The input that requests it."""


def requested_output(inputs: Mapping[str, Any]) -> dict[str, int]:
    """Return the output tokens that a call requests, by field name."""
    return {
        field: min(value, _MAX_TOKENS)
        for field in MAX_TOKENS_FIELDS
        if isinstance(value := inputs.get(field), int) and not isinstance(value, bool) and value >= 0
    }


def reserved_output(entry: Model, inputs: Mapping[str, Any], requested: Mapping[str, int]) -> ReservedOutput:
    """Return the output that the service reserves: what is requested, else the model's default, else a token."""
    if requested:
        # UNCERTAIN: which one of several is read.
        field = min(requested, key=requested.__getitem__)
        return ReservedOutput(requested[field], f"that {field} requests", field)
    # The default is that of the native schema, not of the Responses API.
    default = None if "input" in inputs else entry.default_max_tokens
    if default is None:
        return ReservedOutput(1, "that an answer has at least")
    return ReservedOutput(default.value, "that the model writes without max_tokens")


def shared_limit(entry: Model) -> Limit | None:
    """Return the limit of input and output together."""
    return entry.total_length or (entry.context_length if entry.window == "shared" else None)


def input_limits(entry: Model, reserved: int) -> list[tuple[Limit, int]]:
    """Return the limits of the prompt, each with the reserved output that counts against it: a total is shared."""
    return [
        (limit, reserved if entry.window == "shared" or limit is entry.total_length else 0)
        for limit in (entry.context_length, entry.total_length)
        if limit is not None and entry.window
    ]
