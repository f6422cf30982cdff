"""Step 1 of a call: check whether it fits its model before anything is sent, and shorten what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfai._lazy import lazy_exports
from cfai._limits.check import (
    CheckResult,
    add_problems,
    check_call,
    check_text,
    check_unless_short,
    is_slow_to_count,
    resolve_max_tokens,
)
from cfai._limits.cost import count_units, count_wav_seconds, estimate_max_cost
from cfai._limits.inputs import (
    InputProblem,
    find_input_problems,
    is_blind,
    list_input_warnings,
    list_inputs,
    list_plain_inputs,
)
from cfai._limits.messages import format_warning, make_input_error
from cfai._limits.window import MAX_TOKENS_FIELDS, requested_output, reserved_output

if TYPE_CHECKING:
    from cfai._limits.shorten import FittedMessages, find_first_turn, fit_messages, truncate

__all__ = [
    "MAX_TOKENS_FIELDS",
    "CheckResult",
    "FittedMessages",
    "InputProblem",
    "add_problems",
    "check_call",
    "check_text",
    "check_unless_short",
    "count_units",
    "count_wav_seconds",
    "estimate_max_cost",
    "find_first_turn",
    "find_input_problems",
    "fit_messages",
    "format_warning",
    "is_blind",
    "is_slow_to_count",
    "list_input_warnings",
    "list_inputs",
    "list_plain_inputs",
    "make_input_error",
    "requested_output",
    "reserved_output",
    "resolve_max_tokens",
    "truncate",
]

__getattr__, __dir__ = lazy_exports(
    __name__, {"shorten": ("FittedMessages", "find_first_turn", "fit_messages", "truncate")}
)
