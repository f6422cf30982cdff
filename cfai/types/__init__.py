"""What goes in and what comes out, typed."""

from typing import TYPE_CHECKING

from cfai.types._tokens import Meta, Token, ToolCall, ToolCallDelta, Usage

if TYPE_CHECKING:
    from cfai.types._outputs import (
        Binary,
        ChatCompletion,
        Choice,
        ListOutput,
        Message,
        NativeText,
        Output,
        ResponsesOutput,
        TextOutput,
        ValueOutput,
    )

__all__ = [
    "Binary",
    "ChatCompletion",
    "Choice",
    "ListOutput",
    "Message",
    "Meta",
    "NativeText",
    "Output",
    "ResponsesOutput",
    "TextOutput",
    "Token",
    "ToolCall",
    "ToolCallDelta",
    "Usage",
    "ValueOutput",
]


def __getattr__(name: str) -> object:
    """The outputs, at first use: the first model of pydantic costs tens of milliseconds, which no import should."""
    if name in __all__:
        from cfai.types import _outputs

        return getattr(_outputs, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
