# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""All that can be said to a text model. Checked by pyright and by mypy, never run."""

from pathlib import Path
from typing import Any, Final, assert_type

from cfai import Ai, AsyncStream, Stream, Token
from cfai.types import TextOutput

ai = Ai()
LLAMA: Final = "@cf/meta/llama-3.2-1b-instruct"
GLM: Final = "@cf/zai-org/glm-4.7-flash"
GPT_OSS: Final = "@cf/openai/gpt-oss-20b"
QWEN: Final = "@cf/qwen/qwen3-30b-a3b-fp8"

# Native models.

assert_type(ai.run("@cf/meta/llama-3.3-70b-instruct-fp8-fast", {"prompt": "Hi"}), TextOutput)
assert_type(ai.run("@cf/meta/llama-3.2-3b-instruct", {"prompt": "Hi", "stream": False}), TextOutput)
assert_type(ai.run("@cf/meta/llama-3.2-3b-instruct", {"prompt": "Hi", "stream": True}), Stream[Token])
assert_type(
    ai.run(
        "@cf/mistralai/mistral-small-3.1-24b-instruct",
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}},
                    ],
                },
                {"role": "assistant", "content": "", "tool_calls": []},
                {"role": "tool", "name": "look", "content": "a cat"},
            ],
            "tools": [
                {"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}},
                {"type": "function", "function": {"name": "see", "description": "Sees."}},
            ],
            "max_tokens": "max",
            "temperature": 1,
            "top_p": 0.9,
            "top_k": 40,
            "seed": 1,
            "guided_json": {"type": "object"},
        },
    ),
    TextOutput,
)
assert_type(
    ai.run(
        "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
        {
            "messages": [{"role": "user", "content": "Hi"}],
            "response_format": {"type": "json_schema", "json_schema": {"type": "object"}},
            "max_tokens": 10,
        },
    ),
    TextOutput,
)

# Models with native inputs and chat answers.

assert_type(ai.run(QWEN, {"prompt": "Hi", "top_k": 3}), TextOutput)
assert_type(
    ai.run("@cf/ibm-granite/granite-4.0-h-micro", {"messages": [{"role": "user", "content": "Hi"}]}), TextOutput
)
assert_type(
    ai.run("@cf/aisingapore/gemma-sea-lion-v4-27b-it", {"prompt": "Hi", "raw": True, "stream": True}), Stream[Token]
)

# Chat models.

assert_type(ai.run(GLM, {"prompt": "Hi"}), TextOutput)
assert_type(
    ai.run(
        "@cf/moonshotai/kimi-k2.6",
        {
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
                {"role": "user", "name": "Ann", "content": "Hi"},
                {
                    "role": "assistant",
                    "content": None,
                    "reasoning_content": "Hm.",
                    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "1", "content": "a cat"},
                {"role": "function", "name": "look", "content": "a cat"},
            ],
            "tools": [{"type": "function", "function": {"name": "look", "parameters": {}, "strict": True}}],
            "tool_choice": {"type": "function", "function": {"name": "look"}},
            "max_completion_tokens": "max",
            "max_tokens": None,
            "reasoning_effort": "low",
            "chat_template_kwargs": {"thinking": False},
            "response_format": {"type": "text"},
            "stop": ["a", "b"],
            "n": 2,
            "logit_bias": {"12": 1},
            "stream": None,
        },
    ),
    TextOutput,
)
assert_type(
    ai.run(
        "@cf/google/gemma-4-26b-a4b-it",
        {
            "messages": [{"role": "user", "content": "Hi"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "skip_special_tokens": True,
        },
    ),
    Stream[Token],
)

# gpt-oss is asked in three forms.

assert_type(ai.run(GPT_OSS, {"prompt": "Hi"}), TextOutput)
assert_type(ai.run(GPT_OSS, {"messages": [{"role": "user", "content": "Hi"}]}), TextOutput)
assert_type(
    ai.run(
        "@cf/openai/gpt-oss-120b",
        {"messages": [{"role": "user", "content": "Hi"}], "reasoning_effort": "high", "tool_choice": "auto"},
    ),
    TextOutput,
)
assert_type(
    ai.run(
        "@cf/openai/gpt-oss-120b",
        {
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
                {"type": "function_call", "call_id": "1", "name": "look", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "1", "output": "a cat"},
            ],
            "instructions": "Be brief.",
            "reasoning": {"effort": "low", "summary": "auto"},
            "max_output_tokens": "max",
            "text": {"format": {"type": "json_schema", "name": "cat", "schema": {"type": "object"}}},
            "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}}],
        },
    ),
    TextOutput,
)
assert_type(ai.run("@cf/openai/gpt-oss-120b", {"input": "Hi", "stream": True}), Stream[Token])
assert_type(ai.run("@cf/openai/gpt-oss-120b", {"prompt": "Hi", "stream": True}), Stream[Token])


def what_is_known_at_run_time_only(stream: bool, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> None:
    assert_type(ai.run(LLAMA, {"prompt": "Hi", "stream": stream}), TextOutput | Stream[Token])
    assert_type(ai.run(GLM, {"messages": [], "stream": stream}), TextOutput | Stream[Token])
    assert_type(ai.run(GPT_OSS, {"input": "Hi", "stream": stream}), TextOutput | Stream[Token])
    print(ai.run(LLAMA, {"messages": messages, "tools": tools}).tool_calls)
    print(ai.run(GLM, {"messages": messages, "stream": True}).result().usage)


def what_works_whichever_came(inputs: dict[str, Any]) -> None:
    answer = ai.run(GLM, inputs)
    assert_type(answer.text, str)
    if isinstance(answer, Stream):
        assert_type(answer, Stream[Token])
    else:
        assert_type(answer, TextOutput)


def images_stand_in_messages_as_they_are(path: Path, data: bytes) -> None:
    assert_type(ai.run(GLM, {"messages": [{"role": "user", "content": ["What is this?", path, data]}]}), TextOutput)
    assert_type(
        ai.run(
            GLM,
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": path}}]}]},
        ),
        TextOutput,
    )


async def arun_is_run_awaited(stream: bool) -> None:
    assert_type(await ai.arun(LLAMA, {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun(LLAMA, {"prompt": "Hi", "stream": True}), AsyncStream[Token])
    assert_type(await ai.arun(GLM, {"prompt": "Hi", "stream": stream}), TextOutput | AsyncStream[Token])
    async with await ai.arun(GLM, {"prompt": "Hi", "stream": True}) as tokens:
        async for token in tokens:
            assert_type(token, Token)
    with ai.run(GLM, {"prompt": "Hi", "stream": True}) as whole:
        for token in whole:
            assert_type(token, Token)
