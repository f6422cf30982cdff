# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""The effect of `output_type` and `fallback` on the type of the result. Never run."""

from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict, assert_type

from pydantic import BaseModel

from cfai import Ai, AsyncJob, AsyncStructuredStream, Job, StructuredStream
from cfai.types import StructuredOutput, TextInputs, TextOutput

ai = Ai()
GLM: Final = "@cf/zai-org/glm-4.7-flash"
QWEN: Final = "@cf/qwen/qwen3-30b-a3b-fp8"


class City(BaseModel):
    name: str


@dataclass
class River:
    name: str


class Lake(TypedDict):
    name: str


assert_type(ai.run(GLM, {"prompt": "Hi"}, output_type=City, fallback=[QWEN]).output, City)
assert_type(ai.run(GLM, {"prompt": "Hi"}, output_type=City), StructuredOutput[City])
assert_type(ai.run(GLM, {"messages": [{"role": "user", "content": "Hi"}]}, output_type=River).output, River)
assert_type(ai.run("@cf/openai/gpt-oss-20b", {"input": "Hi"}, output_type=Lake, output_retries=0).output, Lake)
assert_type(ai.run(GLM, {"prompt": "Hi"}, output_type=list[City], timeout=30).output, list[City])
assert_type(ai.run("openai/gpt-5", {"prompt": "Hi"}, output_type=int).output, int)
assert_type(ai.run(GLM, {"prompt": "Hi", "stream": True}, output_type=City), StructuredStream[City])
assert_type(ai.run(GLM, {"prompt": "Hi", "stream": True}, output_type=City).result().output, City)
assert_type(ai.run(GLM, {"prompt": "Hi"}, output_type=Literal["good", "bad"]), StructuredOutput[Any])
assert_type(ai.run(GLM, {"prompt": "Hi", "stream": True}, output_type=City | None), StructuredStream[Any])
assert_type(ai.run(GLM, {"prompt": "Hi"}, output_type=None), TextOutput)
assert_type(ai.run(GLM, {"prompt": "Hi", "response_format": City}), TextOutput)
assert_type(ai.run(GLM, {"prompt": "Hi"}, fallback=[QWEN]), TextOutput)
assert_type(ai.run(GLM, {"prompt": "Hi"}, fallback=(QWEN, "@cf/zai-org/glm-5.2")), TextOutput)


def what_is_known_at_run_time_only(inputs: TextInputs, untyped: dict[str, Any], anything: Any, model: str) -> None:
    assert_type(ai.run(GLM, inputs, output_type=City), StructuredOutput[City] | StructuredStream[City])
    assert_type(ai.run(model, untyped, output_type=City), StructuredOutput[City] | StructuredStream[City])
    assert_type(ai.run(model, anything, output_type=City), StructuredOutput[City] | StructuredStream[City])


def run_many_knows_the_type_too() -> None:
    inputs = [{"prompt": "Hi"}]
    assert_type(ai.run_many(GLM, inputs, output_type=City, output_retries=0, fallback=[QWEN]), Job[City])
    assert_type(ai.run_many(GLM, inputs, output_type=Literal["good", "bad"]), Job[Any])
    assert_type(ai.run_many(GLM, inputs), Job[Any])
    assert_type(ai.arun_many(GLM, inputs, output_type=City | None), AsyncJob[Any])


async def arun_has_the_same() -> None:
    assert_type((await ai.arun(GLM, {"prompt": "Hi"}, output_type=City)).output, City)
    async with ai.arun(GLM, {"prompt": "Hi", "stream": True}, output_type=City) as stream:
        assert_type(stream, AsyncStructuredStream[City])
        assert_type((await stream.aresult()).output, City)


ai.run(GLM, {"promt": "Hi"}, output_type=City)  # pyright: ignore[reportCallIssue, reportArgumentType]
ai.run(GLM, {"prompt": "Hi"}, output_retries=1)  # pyright: ignore[reportCallIssue]
ai.run(GLM, {"prompt": "Hi"}, output_type=City, return_raw_response=True)  # pyright: ignore[reportCallIssue, reportArgumentType]
print(ai.run(GLM, {"prompt": "Hi"}, output_type=City).output.population)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
