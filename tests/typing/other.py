# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Models of other tasks, and models that no list names, give what the service sends. Checked, never run."""

from typing import Any, assert_type

from cfai import Ai, AsyncStream, Stream, Token
from cfai.types import Binary, ListOutput, Output, ValueOutput

ai = Ai()

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
assert_type(
    ai.run("@cf/nobody/knows-this", {"prompt": "Hi"}), Output | ListOutput | ValueOutput | Binary | Stream[Token]
)
assert_type(ai.run("@cf/nobody/knows-this", {"prompt": "Hi", "stream": True}), Stream[Token])


async def arun_is_run_awaited(inputs: dict[str, Any], texts: dict[str, str], model: str) -> None:
    assert_type(await ai.arun("@cf/baai/bge-m3", inputs), Output | ListOutput | Binary)
    assert_type(await ai.arun("@cf/baai/bge-m3", texts), Output | ListOutput | Binary)
    assert_type(await ai.arun(model, texts), Output | ListOutput | ValueOutput | Binary | AsyncStream[Token])
    assert_type(await ai.arun(model, inputs), Output | ListOutput | ValueOutput | Binary | AsyncStream[Token])
