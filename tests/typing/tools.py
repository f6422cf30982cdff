"""The types of calls with tools, for a type checker."""

from __future__ import annotations

from typing import Any, assert_type

from cfai import Ai, AsyncToolsStream, ToolsStream
from cfai.types import Step, ToolResult, ToolsOutput, Usage

MODEL = "@cf/zai-org/glm-4.7-flash"


def get_weather(city: str) -> str:
    return city


async def get_time(city: str) -> str:
    return city


def sync(ai: Ai, inputs: dict[str, Any]) -> None:
    answer = ai.run_with_tools(MODEL, {"prompt": "Hello"}, tools=[get_weather], max_rounds=5, timeout=3)
    assert_type(answer, ToolsOutput)
    assert_type(answer.steps, list[Step])
    assert_type(answer.steps[0].calls, list[ToolResult])
    assert_type(answer.usage, Usage | None)
    stream = ai.run_with_tools(MODEL, {"prompt": "Hello", "stream": True}, tools=[get_weather])
    assert_type(stream, ToolsStream)
    assert_type(stream.result(), ToolsOutput)
    assert_type(ai.run_with_tools("@cf/openai/gpt-oss-20b", {"input": "Hello"}, tools=[get_weather]), ToolsOutput)
    assert_type(ai.run_with_tools(MODEL, inputs, tools=[get_weather]), ToolsOutput | ToolsStream)
    ai.run_with_tools(MODEL, {"prompt": "Hello"}, tools=[{"function": lambda: 1, "name": "one"}])
    ai.run_with_tools(MODEL, {"prompt": "Hello"}, tools=[get_weather], queue_request=True)  # pyright: ignore[reportCallIssue]


async def asynchronous(ai: Ai) -> None:
    answer = await ai.arun_with_tools(MODEL, {"prompt": "Hello"}, tools=[get_weather, get_time])
    assert_type(answer, ToolsOutput)
    async with ai.arun_with_tools(MODEL, {"prompt": "Hello", "stream": True}, tools=[get_time]) as stream:
        assert_type(stream, AsyncToolsStream)
        assert_type(await stream.aresult(), ToolsOutput)
