"""Calls with tools, sync and async alike."""

from __future__ import annotations

from functools import partial
from typing import Any

from cfai import AsyncToolsStream
from tests.conftest import BlockingStream, Caller

GLM = "@cf/zai-org/glm-4.7-flash"
LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
SCOUT = "@cf/meta/llama-4-scout-17b-16e-instruct"
GPT_OSS = "@cf/openai/gpt-oss-20b"
QUESTION = {"role": "user", "content": "What is the weather in Oslo?"}
PROMPT = {"prompt": QUESTION["content"]}


def run_with_tools(caller: Caller, model: str, inputs: Any, **options: Any) -> Any:
    """Call `run_with_tools`, or `arun_with_tools` on an event loop in another thread."""
    if caller.portal is None:
        return caller.ai.run_with_tools(model, inputs, **options)
    result = caller.portal.call(partial(caller.ai.arun_with_tools, model, inputs, **options))
    return BlockingStream(result, caller.portal) if isinstance(result, AsyncToolsStream) else result


def get_weather(city: str, unit: str = "C") -> dict[str, int]:
    """The weather of today in a city.

    city: its English name
    """
    return {"temperature": len(city)}


WEATHER = {
    "name": "get_weather",
    "description": "The weather of today in a city.",
    "parameters": {
        "properties": {
            "city": {"description": "its English name", "type": "string"},
            "unit": {"default": "C", "type": "string", "description": "unit"},
        },
        "required": ["city"],
        "type": "object",
    },
}
TOOL = {"type": "function", "function": WEATHER}
