"""A model for every form that streams have, and what to ask it."""

from __future__ import annotations

from typing import Any

NATIVE = "@cf/meta/llama-3.1-8b-instruct-fp8"
DUAL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
COMPLETION = "@cf/qwen/qwen3-30b-a3b-fp8"
CHAT = "@cf/zai-org/glm-4.7-flash"
TRAILER = "@cf/zai-org/glm-5.3-flash"
KIMI = "@cf/moonshotai/kimi-k2.6"
RESPONSES = "@cf/openai/gpt-oss-20b"
MODELS = [NATIVE, DUAL, COMPLETION, CHAT, TRAILER, KIMI, RESPONSES]

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "Where"}}},
    },
}


def question(model: str, scenario: str = "") -> dict[str, Any]:
    """Return what to ask for a stream in which a scenario can happen."""
    if scenario.startswith("tool-"):
        return {"messages": [{"role": "user", "content": "call get_weather"}], "tools": [TOOL]}
    return {"input": "hi"} if model == RESPONSES else {"prompt": "hi"}
