"""Python functions as tools of a model: schemas from their signatures, and the loop that calls them."""

from cfai.tools._loop import arun_with_tools, run_with_tools
from cfai.tools._stream import AsyncToolsStream, ToolsStream
from cfai.tools._tool import ToolFunction

__all__ = ["AsyncToolsStream", "ToolFunction", "ToolsStream", "arun_with_tools", "run_with_tools"]
