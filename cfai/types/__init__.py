"""What goes in and what comes out, typed."""

from cfai.types._outputs import (
    Binary,
    ChatCompletion,
    Choice,
    ListOutput,
    Message,
    Meta,
    NativeText,
    Output,
    ResponsesOutput,
    TextOutput,
    Token,
    ToolCall,
    ToolCallDelta,
    Usage,
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
