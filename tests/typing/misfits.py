# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Inputs that a known model does not take are reported. Each line is one mistake; if it passes, the check fails."""

from typing import Any, Final, assert_type

from cfai import Ai, Stream, Token
from cfai.types import ChatCompletion, NativeText, ResponsesInput, TextOutput

ai = Ai()
LLAMA: Final = "@cf/meta/llama-3.2-1b-instruct"
GLM: Final = "@cf/zai-org/glm-4.7-flash"
GPT_OSS: Final = "@cf/openai/gpt-oss-20b"
QWEN: Final = "@cf/qwen/qwen3-30b-a3b-fp8"

# Native models.

ai.run(LLAMA, {"promt": "Hi"})  # pyright: ignore[reportDeprecated]
ai.run(LLAMA, {"prompt": 1})  # pyright: ignore[reportDeprecated]
ai.run(LLAMA, {"temperature": 1})  # pyright: ignore[reportDeprecated]
ai.run(LLAMA, {"prompt": "Hi", "messages": []})  # pyright: ignore[reportDeprecated]
ai.run(LLAMA, {"prompt": "Hi", "max_tokens": "12"})  # pyright: ignore[reportDeprecated]
ai.run(LLAMA, {"prompt": "Hi", "max_token": 12})  # pyright: ignore[reportDeprecated]
ai.run(LLAMA, {"prompt": "Hi", "stream": "yes"})  # pyright: ignore[reportDeprecated]
ai.run(LLAMA, {"prompt": "Hi", "reasoning_effort": "low"})  # pyright: ignore[reportDeprecated]
ai.run(LLAMA, {"input": "Hi"})  # pyright: ignore[reportDeprecated]
ai.run(QWEN, {"prompt": "Hi", "max_completion_tokens": 1})  # pyright: ignore[reportDeprecated]

# Chat models.

ai.run(GLM, {"prompt": "Hi", "top_k": 3})  # pyright: ignore[reportDeprecated]
ai.run(GLM, {"prompt": "Hi", "reasoning_effort": "much"})  # pyright: ignore[reportDeprecated]
ai.run(GLM, {"messages": "Hi"})  # pyright: ignore[reportDeprecated]
ai.run(GLM, {"messages": [{"role": "usr", "content": "Hi"}]})  # pyright: ignore[reportDeprecated]
ai.run(GLM, {"messages": [{"role": "user", "text": "Hi"}]})  # pyright: ignore[reportDeprecated]
ai.run(GLM, {"messages": [{"role": "user"}]})  # pyright: ignore[reportDeprecated]
ai.run(  # pyright: ignore[reportDeprecated]
    GLM, {"messages": [{"role": "user", "content": [{"type": "image", "image_url": {"url": "data:,"}}]}]}
)
ai.run(  # pyright: ignore[reportDeprecated]
    GLM, {"messages": [{"role": "user", "content": "Hi"}], "tools": [{"name": "look"}]}
)
ai.run(  # pyright: ignore[reportDeprecated]
    GLM, {"messages": [{"role": "user", "content": "Hi"}], "chat_template_kwargs": {"enable_thinkin": False}}
)

# gpt-oss.

ai.run(GPT_OSS, {"input": "Hi", "prompt": "Hi"})  # pyright: ignore[reportDeprecated]
ai.run(GPT_OSS, {"input": "Hi", "max_tokens": 1})  # pyright: ignore[reportDeprecated]
ai.run(GPT_OSS, {"input": "Hi", "reasoning": {"effort": "max"}})  # pyright: ignore[reportDeprecated]


async def in_both_colours() -> None:
    await ai.arun(LLAMA, {"promt": "Hi"})  # pyright: ignore[reportDeprecated]
    await ai.arun(GLM, {"prompt": "Hi", "stream": 1})  # pyright: ignore[reportDeprecated]


def answers_have_no_more_than_their_shape(inputs: dict[str, Any]) -> None:
    print(ai.run(GLM, {"prompt": "Hi"}).response)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
    print(ai.run(GLM, inputs).choices)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]


async def the_wrong_for_is_an_error() -> None:
    async for _ in ai.run(GLM, {"prompt": "Hi", "stream": True}):  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
        pass
    for _ in await ai.arun(GLM, {"prompt": "Hi", "stream": True}):  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
        pass


def what_is_typed_for_another_model(inputs: ResponsesInput, texts: dict[str, str], objects: dict[str, object]) -> None:
    ai.run(GLM, inputs)  # pyright: ignore[reportDeprecated]
    # Whether these fit depends on the keys, which the type does not tell: `dict[str, Any]` says that one knows.
    ai.run(GLM, texts)  # pyright: ignore[reportDeprecated]
    ai.run(GLM, objects)  # pyright: ignore[reportDeprecated]
    ai.run(GLM, {"prompt": "Hi", **texts})  # pyright: ignore[reportDeprecated]


def a_misfit_has_the_type_of_what_comes(messages: list[dict[str, str]], stream: bool, texts: dict[str, str]) -> None:
    assert_type(
        ai.run(GLM, {"messages": messages}),  # pyright: ignore[reportDeprecated]
        ChatCompletion,
    )
    assert_type(
        ai.run(GLM, {"messages": messages, "stream": True}),  # pyright: ignore[reportDeprecated]
        Stream[Token],
    )
    assert_type(
        ai.run(LLAMA, {"messages": messages, "stream": stream}),  # pyright: ignore[reportDeprecated]
        NativeText | Stream[Token],
    )
    assert_type(
        ai.run(GPT_OSS, texts),  # pyright: ignore[reportDeprecated]
        TextOutput | Stream[Token],
    )


def what_is_not_typed_at_all(inputs: Any, options: dict[str, Any]) -> None:
    # `Any` may fit every overload, and pyright reports the one for misfits with the others.
    ai.run(GLM, inputs)  # pyright: ignore[reportDeprecated]
    ai.run(GLM, {"prompt": "Hi"}, **options)  # pyright: ignore[reportDeprecated]
