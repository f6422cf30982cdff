# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""A text model's name, the form of its inputs and `stream` decide the type of the result. Checked, never run."""

from typing import Any, Final, Literal, assert_type

from pydantic import BaseModel

from cfai import Ai, AsyncStream, Stream, Token
from cfai.types import (
    Binary,
    ChatCompletion,
    ChatInputs,
    InputMessage,
    ListOutput,
    NativeInputs,
    NativeText,
    Output,
    ResponsesInputStream,
    ResponsesOutput,
    TextOutput,
    ValueOutput,
)

ai = Ai()
LLAMA: Final = "@cf/meta/llama-3.2-1b-instruct"
GLM: Final = "@cf/zai-org/glm-4.7-flash"
GPT_OSS: Final = "@cf/openai/gpt-oss-20b"
QWEN: Final = "@cf/qwen/qwen3-30b-a3b-fp8"

# Native models.

assert_type(ai.run("@cf/meta/llama-3.3-70b-instruct-fp8-fast", {"prompt": "Hi"}), NativeText)
assert_type(ai.run("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "stream": False}), NativeText)
assert_type(ai.run("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi", "stream": True}), Stream[Token])
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
    NativeText,
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
    NativeText,
)

# Native inputs, chat answers.

assert_type(ai.run(QWEN, {"prompt": "Hi", "top_k": 3}), ChatCompletion)
assert_type(
    ai.run("@cf/ibm-granite/granite-4.0-h-micro", {"messages": [{"role": "user", "content": "Hi"}]}), ChatCompletion
)
assert_type(
    ai.run("@cf/aisingapore/gemma-sea-lion-v4-27b-it", {"prompt": "Hi", "raw": True, "stream": True}), Stream[Token]
)

# Chat models.

assert_type(ai.run(GLM, {"prompt": "Hi"}), ChatCompletion)
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
    ChatCompletion,
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

# gpt-oss answers in the form that it is asked in.

assert_type(ai.run(GPT_OSS, {"prompt": "Hi"}), NativeText)
assert_type(ai.run(GPT_OSS, {"messages": [{"role": "user", "content": "Hi"}]}), ChatCompletion)
assert_type(
    ai.run(
        "@cf/openai/gpt-oss-120b",
        {"messages": [{"role": "user", "content": "Hi"}], "reasoning_effort": "high", "tool_choice": "auto"},
    ),
    ChatCompletion,
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
    ResponsesOutput,
)
assert_type(ai.run("@cf/openai/gpt-oss-120b", {"input": "Hi", "stream": True}), Stream[Token])
assert_type(ai.run("@cf/openai/gpt-oss-120b", {"prompt": "Hi", "stream": True}), Stream[Token])

# Text models of which no source says more.

assert_type(ai.run("@cf/swiss-ai/apertus-v1.5-8b", {"prompt": "Hi"}), TextOutput)
assert_type(ai.run("@cf/swiss-ai/apertus-v1.5-8b", {"prompt": "Hi", "stream": True}), Stream[Token])
assert_type(ai.run("@cf/utter-project/eurollm-9b-it", {"anything": 1}), TextOutput | Stream[Token])

# Models of other tasks, and models that no list names, give what the service sends.

assert_type(ai.run("@cf/baai/bge-m3", {"text": ["Hi"]}), Output | ListOutput | Binary)
assert_type(ai.run("@cf/deepgram/aura-1", {"text": "Hi", "speaker": "angus"}), Output | ListOutput | Binary)
assert_type(
    ai.run("@cf/black-forest-labs/flux-1-schnell", {"prompt": "a cat", "steps": 4}), Output | ListOutput | Binary
)
assert_type(
    ai.run("@cf/cloudflare/clef", {"model": "clef", "state": "a", "questions": {}}), Output | ListOutput | Binary
)
assert_type(
    ai.run("@cf/moondream/moondream3.1-9B-A2B", {"image": "data:,", "question": "What?"}), Output | Stream[Token]
)
assert_type(ai.run("@cf/nobody/knows-this", {"prompt": "Hi"}), TextOutput)
assert_type(ai.run("@cf/nobody/knows-this", {"text": "Hi"}), Output | ListOutput | ValueOutput | Binary | Stream[Token])
assert_type(ai.run("@cf/nobody/knows-this", {"prompt": "Hi", "stream": True}), Stream[Token])


def what_is_known_at_run_time_only(
    stream: bool,
    model: str,
    either: Literal["@cf/zai-org/glm-4.7-flash", "@cf/meta/llama-3.2-1b-instruct"],
    llama: Literal["@cf/meta/llama-3.2-3b-instruct", "@cf/meta/llama-3.2-1b-instruct"],
    responses: ResponsesInputStream,
    native: NativeInputs,
    chat: ChatInputs,
) -> None:
    assert_type(ai.run(LLAMA, {"prompt": "Hi", "stream": stream}), NativeText | Stream[Token])
    assert_type(ai.run(QWEN, {"prompt": "Hi", "stream": stream}), ChatCompletion | Stream[Token])
    assert_type(ai.run(GLM, {"prompt": "Hi", "stream": stream}), ChatCompletion | Stream[Token])
    assert_type(ai.run(GPT_OSS, {"prompt": "Hi", "stream": stream}), NativeText | Stream[Token])
    assert_type(
        ai.run(GPT_OSS, {"messages": [{"role": "user", "content": "Hi"}], "stream": stream}),
        ChatCompletion | Stream[Token],
    )
    assert_type(ai.run(GPT_OSS, {"input": "Hi", "stream": stream}), ResponsesOutput | Stream[Token])
    assert_type(ai.run(LLAMA, native), NativeText | Stream[Token])
    assert_type(ai.run(GLM, chat), ChatCompletion | Stream[Token])
    assert_type(ai.run(GPT_OSS, responses), Stream[Token])
    assert_type(ai.run(llama, {"prompt": "Hi"}), NativeText)
    assert_type(ai.run(either, {"prompt": "Hi"}), TextOutput | Stream[Token])
    assert_type(ai.run(either, {"prompt": "Hi", "stream": True}), Stream[Token])
    assert_type(ai.run(model, {"prompt": "Hi", "stream": True}), Stream[Token])
    assert_type(ai.run(model, {"anything": 1, "stream": True}), Stream[Token])
    assert_type(ai.run(model, {"prompt": "Hi"}), TextOutput)


class Inputs(BaseModel):
    prompt: str


def what_is_not_checked(
    inputs: dict[str, Any], messages: list[dict[str, Any]], tools: list[dict[str, Any]], model: Inputs, value: Any
) -> None:
    assert_type(ai.run(LLAMA, inputs), NativeText | Stream[Token])
    assert_type(ai.run(QWEN, inputs), ChatCompletion | Stream[Token])
    assert_type(ai.run(GLM, inputs), ChatCompletion | Stream[Token])
    assert_type(ai.run(GPT_OSS, inputs), TextOutput | Stream[Token])
    assert_type(ai.run(LLAMA, model), NativeText | Stream[Token])
    assert_type(ai.run(LLAMA, {"messages": messages, "tools": tools}), NativeText)
    assert_type(ai.run(GLM, {"messages": messages, "stream": True}), Stream[Token])
    assert_type(ai.run(GLM, {"messages": messages, "tools": tools}), ChatCompletion)
    assert_type(ai.run(GLM, {"prompt": value}), ChatCompletion)
    assert_type(ai.run("@cf/baai/bge-m3", value), Output | ListOutput | ValueOutput | Binary | Stream[Token])


def what_works_whichever_came(inputs: dict[str, Any]) -> None:
    answer = ai.run(GLM, inputs)
    assert_type(answer.text, str)
    if isinstance(answer, Stream):
        assert_type(answer, Stream[Token])
    else:
        assert_type(answer, ChatCompletion)


def an_answer_can_be_asked_on(answer: ChatCompletion) -> None:
    conversation: list[InputMessage] = [{"role": "user", "content": "Hi"}]
    conversation.append({"role": "assistant", "content": answer.text})
    assert_type(ai.run(GLM, {"messages": conversation}), ChatCompletion)
    assert_type(ai.run(LLAMA, {"messages": conversation}), NativeText)
    message = answer.choices[0].message
    assert message
    assert_type(ai.run(GLM, {"messages": [message, {"role": "user", "content": "And?"}]}), ChatCompletion)


async def arun_is_run_awaited(stream: bool, inputs: dict[str, Any], texts: dict[str, str], model: str) -> None:
    assert_type(await ai.arun("@cf/baai/bge-m3", inputs), Output | ListOutput | Binary)
    assert_type(await ai.arun("@cf/baai/bge-m3", texts), Output | ListOutput | Binary)
    assert_type(await ai.arun(model, texts), Output | ListOutput | ValueOutput | Binary | AsyncStream[Token])
    assert_type(await ai.arun(model, inputs), Output | ListOutput | ValueOutput | Binary | AsyncStream[Token])
    assert_type(await ai.arun(LLAMA, {"prompt": "Hi"}), NativeText)
    assert_type(await ai.arun(LLAMA, {"prompt": "Hi", "stream": True}), AsyncStream[Token])
    assert_type(await ai.arun(GLM, {"prompt": "Hi", "stream": stream}), ChatCompletion | AsyncStream[Token])
    assert_type(await ai.arun(GPT_OSS, {"input": "Hi"}), ResponsesOutput)
    assert_type(await ai.arun(GLM, inputs), ChatCompletion | AsyncStream[Token])
    assert_type(await ai.arun(model, {"prompt": "Hi", "stream": True}), AsyncStream[Token])
    async with await ai.arun(GLM, {"prompt": "Hi", "stream": True}) as tokens:
        async for token in tokens:
            assert_type(token, Token)
    with ai.run(GLM, {"prompt": "Hi", "stream": True}) as whole:
        for token in whole:
            assert_type(token, Token)


class Counted(Ai):
    """`run` is a method like any other: it can be called through the class, and overridden."""

    calls = 0

    def run(self, model: str, inputs: Any, **options: Any) -> Any:
        self.calls += 1
        return super().run(model, inputs)


assert_type(Ai.run(ai, GLM, {"prompt": "Hi"}), ChatCompletion)
