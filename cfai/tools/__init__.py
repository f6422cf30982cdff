"""Python functions as tools of a model: schemas from their signatures, and the loop that calls them."""

from cfai.tools._conversation import Conversation, check_answers, check_max_rounds, check_model
from cfai.tools._loop import arun_conversation, arun_with_tools, run_conversation, run_with_tools
from cfai.tools._stream import AsyncToolsStream, ToolsStream
from cfai.tools._tool import Tool, ToolFunction, make_tools

__all__ = [
    "AsyncToolsStream",
    "Conversation",
    "Tool",
    "ToolFunction",
    "ToolsStream",
    "arun_conversation",
    "arun_with_tools",
    "check_answers",
    "check_max_rounds",
    "check_model",
    "make_tools",
    "run_conversation",
    "run_with_tools",
]
