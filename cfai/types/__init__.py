"""Types of inputs and outputs."""

# ruff: noqa: F403, F405  # `__all__` lists the names

from typing import TYPE_CHECKING

from cfai._lazy import lazy_exports
from cfai.types._tokens import Meta, Token, ToolCall, ToolCallDelta, Usage
from cfai.types._tokens import TextSummary as TextSummary

if TYPE_CHECKING:
    from cfai.types._inputs import *
    from cfai.types._outputs import *

__all__ = [
    "AllowedTools",
    "AssistantMessage",
    "AudioData",
    "AudioOptions",
    "AudioPart",
    "BatchPoll",
    "Binary",
    "ChatCompletion",
    "ChatInputs",
    "ChatInputsPlain",
    "ChatInputsStream",
    "ChatMessages",
    "ChatMessagesPlain",
    "ChatMessagesStream",
    "ChatPrompt",
    "ChatPromptPlain",
    "ChatPromptStream",
    "ChatTemplateOptions",
    "ChatTool",
    "ChatToolChoice",
    "Choice",
    "ContentPart",
    "CustomTool",
    "EmbeddedFunction",
    "FileData",
    "FilePart",
    "FunctionCall",
    "FunctionDefinition",
    "FunctionMessage",
    "FunctionTool",
    "ImagePart",
    "ImageUrl",
    "InputMessage",
    "JsonFormat",
    "ListOutput",
    "Message",
    "Meta",
    "NamedFunction",
    "NamedTool",
    "NativeInputs",
    "NativeInputsPlain",
    "NativeInputsStream",
    "NativeMessages",
    "NativeMessagesPlain",
    "NativeMessagesStream",
    "NativePrompt",
    "NativePromptPlain",
    "NativePromptStream",
    "NativeText",
    "NativeTool",
    "Output",
    "Prediction",
    "ReasoningOptions",
    "ResponsesFormat",
    "ResponsesFunction",
    "ResponsesFunctionCall",
    "ResponsesFunctionOutput",
    "ResponsesImagePart",
    "ResponsesInput",
    "ResponsesInputPlain",
    "ResponsesInputStream",
    "ResponsesItem",
    "ResponsesMessage",
    "ResponsesOutput",
    "ResponsesText",
    "ResponsesTextPart",
    "StreamOptions",
    "SystemMessage",
    "TextFormat",
    "TextOutput",
    "TextPart",
    "Token",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallMessage",
    "ToolMessage",
    "Usage",
    "UserMessage",
    "ValueOutput",
    "VideoPart",
    "VideoUrl",
    "WebSearchOptions",
]


# At first use: the first model of pydantic costs tens of milliseconds, and nothing but a type checker needs the inputs.
_OUTPUTS = {
    "Binary",
    "ChatCompletion",
    "Choice",
    "ListOutput",
    "Message",
    "NativeText",
    "Output",
    "ResponsesOutput",
    "TextOutput",
    "ValueOutput",
}
_INPUTS = {*__all__} - _OUTPUTS - {"Meta", "Token", "ToolCall", "ToolCallDelta", "Usage"}

__getattr__, __dir__ = lazy_exports(__name__, {"_outputs": {*_OUTPUTS, "find_text_class"}, "_inputs": _INPUTS})
