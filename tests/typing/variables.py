# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""A model in a variable of type `str` gives what its inputs ask for. Checked by pyright and by mypy, never run.

mypy gives a module's `MODEL = "…"` the type `str`, where pyright keeps its value.
"""

from typing import Any, assert_type

from cfai import Ai, AsyncStream, Stream, Token
from cfai.types import Binary, InputMessage, ListOutput, Output, TextOutput, ValueOutput

ai = Ai()
MODEL = "@cf/zai-org/glm-4.7-flash"
EMBEDDINGS = "@cf/baai/bge-m3"

print(ai.run(MODEL, {"prompt": "Hi"}).text, ai.run(MODEL, {"messages": [{"role": "user", "content": "Hi"}]}).usage)
with ai.run(MODEL, {"prompt": "Hi", "stream": True}) as stream:
    for token in stream:
        assert_type(token, Token)


def a_prompt_or_messages_give_text(
    model: str, typed: list[InputMessage], strings: list[dict[str, str]], chat: dict[str, Any], stream: bool
) -> None:
    assert_type(ai.run(model, {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run(model, {"prompt": "Hi", "max_tokens": 10, "temperature": 0.5}), TextOutput)
    assert_type(ai.run(model, {"prompt": "Hi", "reasoning_effort": "low", "stream": None}), TextOutput)
    assert_type(ai.run(model, {"messages": [{"role": "user", "content": "Hi"}], "top_k": 3}), TextOutput)
    assert_type(ai.run(model, {"messages": typed, "tools": []}), TextOutput)
    assert_type(ai.run(model, {"messages": strings}), TextOutput)
    assert_type(ai.run(model, {"prompt": "Hi"}, tags=["a"], timeout=5), TextOutput)
    assert_type(ai.run(model, {"prompt": "Hi", "stream": stream}), TextOutput | Stream[Token])


def a_stream_that_is_asked_for_is_one(model: str, strings: list[dict[str, str]]) -> None:
    assert_type(ai.run(model, {"prompt": "Hi", "stream": True}), Stream[Token])
    assert_type(ai.run(model, {"messages": [{"role": "user", "content": "Hi"}], "stream": True}), Stream[Token])


def other_inputs_give_whatever_comes(model: str, inputs: dict[str, Any]) -> None:
    assert_type(ai.run(model, inputs), Output | ListOutput | ValueOutput | Binary | Stream[Token])
    assert_type(ai.run(model, {"text": ["Hi"]}), Output | ListOutput | ValueOutput | Binary | Stream[Token])
    assert_type(
        ai.run(model, {"prompt": "a cat", "num_steps": 4}), Output | ListOutput | ValueOutput | Binary | Stream[Token]
    )


async def arun_is_run_awaited(model: str, stream: bool) -> None:
    assert_type(await ai.arun(model, {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun(model, {"prompt": "Hi", "stream": True}), AsyncStream[Token])
    assert_type(await ai.arun(model, {"prompt": "Hi", "stream": stream}), TextOutput | AsyncStream[Token])
    async with ai.arun(MODEL, {"prompt": "Hi", "stream": True}) as tokens:
        async for token in tokens:
            assert_type(token, Token)
