# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""A model in a variable of type `str` gives what its inputs ask for. Checked by pyright and by mypy, never run.

mypy gives a module's `MODEL = "…"` the type `str`; pyright does so inside functions.
"""

from pathlib import Path
from typing import Any, Literal, assert_type

from pydantic import BaseModel

from cfai import Ai, AsyncAudioStream, AsyncStream, AudioStream, Stream, Token
from cfai.types import (
    Audio,
    Binary,
    Classification,
    ClefOutput,
    DetectedObjects,
    Embeddings,
    GuardInputs,
    Image,
    ImageClassificationInputs,
    ImageDescription,
    InputMessage,
    LlavaInputs,
    Moderation,
    MoondreamInputs,
    MoondreamInputsStream,
    Output,
    QueryInputs,
    Reranking,
    ResponsesInput,
    Summary,
    TextClassificationInputs,
    TextInputs,
    TextInputsPlain,
    TextInputsStream,
    TextOutput,
    Transcription,
    Translation,
    TurnDetection,
    VisionAnswer,
)
from cfai.types._output import ListResult

ai = Ai()
MODEL = "@cf/zai-org/glm-4.7-flash"
EMBEDDINGS = "@cf/baai/bge-m3"
FLUX = "@cf/black-forest-labs/flux-1-schnell"
NOVA = "@cf/deepgram/nova-3"

print(ai.run(MODEL, {"prompt": "Hi"}).text, ai.run(MODEL, {"messages": [{"role": "user", "content": "Hi"}]}).usage)
print(ai.run(EMBEDDINGS, {"text": ["Hi"]}).data)
with ai.run(MODEL, {"prompt": "Hi", "stream": True}) as stream:
    for token in stream:
        assert_type(token, Token)


def constants_of_a_module() -> None:
    assert_type(ai.run(MODEL, {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run(EMBEDDINGS, {"text": "Hi"}), Embeddings)
    assert_type(ai.run(FLUX, {"prompt": "a cat", "steps": 4}), Image)
    assert_type(ai.run(NOVA, {"audio": b"", "punctuate": True}), Transcription)


def a_prompt_or_messages_give_text(
    model: str, typed: list[InputMessage], untyped: list[dict[str, Any]], stream: bool
) -> None:
    assert_type(ai.run(model, {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run(model, {"prompt": "Hi", "max_tokens": 10, "temperature": 0.5}), TextOutput)
    assert_type(ai.run(model, {"prompt": "Hi", "reasoning_effort": "low", "stream": None}), TextOutput)
    assert_type(ai.run(model, {"messages": [{"role": "user", "content": "Hi"}], "top_k": 3}), TextOutput)
    assert_type(ai.run(model, {"messages": typed, "tools": []}), TextOutput)
    assert_type(ai.run(model, {"prompt": "Hi"}, tags=["a"], timeout=5), TextOutput)
    assert_type(ai.run(model, {"prompt": "Hi", "stream": stream}), TextOutput | Stream[Token])
    assert_type(ai.run(model, {"input": "Hi"}), TextOutput)
    print(ai.run(model, {"messages": untyped}).text)


def a_stream_that_is_asked_for_is_one(model: str) -> None:
    assert_type(ai.run(model, {"prompt": "Hi", "stream": True}), Stream[Token])
    assert_type(ai.run(model, {"messages": [{"role": "user", "content": "Hi"}], "stream": True}), Stream[Token])
    assert_type(ai.run(model, {"input": "Hi", "stream": True}), Stream[Token])


def a_model_that_nobody_knows_yet_is_any_other() -> None:
    assert_type(ai.run("@cf/nobody/knows-this", {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run("@cf/nobody/knows-this", {"prompt": "Hi", "stream": True}), Stream[Token])
    assert_type(ai.run("@cf/nobody/knows-this", {"text": ["Hi"]}), Embeddings)
    assert_type(ai.run("openai/gpt-5", {"messages": [{"role": "user", "content": "Hi"}]}), TextOutput)
    assert_type(ai.run("@cf/meta/llama-2-7b-chat-int8", {"prompt": "Hi"}), TextOutput)


def other_inputs_give_the_answer_of_their_task(model: str) -> None:
    assert_type(ai.run(model, {"text": ["Hi"]}), Embeddings)
    assert_type(ai.run(model, {"queries": ["Hi"], "documents": ["Ho"]}), Embeddings)
    assert_type(ai.run(model, {"documents": ["Ho"]}), Embeddings)
    assert_type(ai.run(model, {"contexts": [{"text": "Ho"}]}), Embeddings)
    assert_type(ai.run(model, {"query": "Hi", "contexts": [{"text": "Ho"}]}), Reranking)
    assert_type(ai.run(model, {"text": "Hi", "target_lang": "fr"}), Translation)
    assert_type(ai.run(model, {"text": "Hi", "target_language": "hin_Deva"}), Translation)
    assert_type(ai.run(model, {"input_text": "Hi"}), Summary)
    assert_type(ai.run(model, {"image": Path("cat.png")}), Classification | DetectedObjects)
    assert_type(ai.run(model, {"image": b"", "prompt": "What?"}), TextOutput)
    assert_type(ai.run(model, {"image": b"", "question": "What?"}), VisionAnswer)
    assert_type(ai.run(model, {"image": b"", "question": "What?", "stream": True}), Stream[Token])
    assert_type(ai.run(model, {"audio": Path("hi.mp3")}), Transcription)
    assert_type(ai.run(model, {"audio": b"", "vad_filter": True}), Transcription)
    assert_type(ai.run(model, {"audio": b"", "diarize": True}), Transcription)
    assert_type(ai.run(model, {"audio": b"", "dtype": "uint8"}), TurnDetection)
    assert_type(ai.run(model, {"text": "Hi", "speaker": "luna"}), Audio)
    assert_type(ai.run(model, {"prompt": "Hi", "lang": "en"}), Audio)
    assert_type(ai.run(model, {"prompt": "a cat", "num_steps": 4}), Image)
    assert_type(ai.run(model, {"prompt": "a cat", "steps": 4}), Image)
    assert_type(ai.run(model, {"prompt": "a cat", "input_image_0": b""}), Image)
    assert_type(ai.run(model, {"multipart": {"body": b"", "contentType": "multipart/form-data; boundary=a"}}), Image)
    assert_type(
        ai.run(
            model,
            {"model": "clef", "state": "Hi", "questions": {"kind": {"type": "noul", "instructions": "Kind?"}}},
        ),
        ClefOutput,
    )


def inputs_in_a_variable(
    model: str, inputs: TextInputs, plain: TextInputsPlain, streamed: TextInputsStream, responses: ResponsesInput
) -> None:
    assert_type(ai.run(model, inputs), TextOutput | Stream[Token])
    assert_type(ai.run(model, plain), TextOutput)
    assert_type(ai.run(model, streamed), Stream[Token])
    assert_type(ai.run("@cf/zai-org/glm-4.7-flash", inputs), TextOutput | Stream[Token])
    assert_type(ai.run("@cf/zai-org/glm-4.7-flash", plain), TextOutput)
    assert_type(ai.run("@cf/zai-org/glm-4.7-flash", streamed), Stream[Token])
    assert_type(ai.run("@cf/openai/gpt-oss-20b", responses), TextOutput | Stream[Token])


class Inputs(BaseModel):
    prompt: str


def what_is_not_checked(model: str, untyped: dict[str, Any], inputs: Inputs) -> None:
    assert_type(ai.run(model, untyped), Output | ListResult[Any] | Binary | Stream[Token] | AudioStream)
    assert_type(ai.run(model, inputs), Output | ListResult[Any] | Binary | Stream[Token] | AudioStream)
    assert_type(ai.run("@cf/zai-org/glm-4.7-flash", untyped), TextOutput | Stream[Token])
    assert_type(ai.run("@cf/zai-org/glm-4.7-flash", inputs), TextOutput | Stream[Token])
    assert_type(ai.run("@cf/baai/bge-base-en-v1.5", untyped), Embeddings)
    assert_type(ai.run("@cf/baai/bge-m3", untyped), Reranking | Embeddings)
    assert_type(ai.run("@cf/deepgram/nova-3", untyped), Transcription)
    assert_type(ai.run("@cf/deepgram/aura-1", untyped), AudioStream | Audio)
    assert_type(ai.run("@cf/lykon/dreamshaper-8-lcm", inputs), Image)


def what_has_no_type_at_all(model: str, value: Any) -> None:
    # mypy knows of none what comes.
    ai.run(model, value)
    ai.run("@cf/zai-org/glm-4.7-flash", value)
    ai.run(value, {"prompt": "Hi"})
    ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": value})
    ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "Hi", "stream": value})
    ai.run("@cf/baai/bge-m3", {"text": value})
    ai.run(model, {"audio": value})


def one_of_several_models(
    alike: Literal["@cf/meta/llama-3.2-3b-instruct", "@cf/zai-org/glm-4.7-flash"],
    unlike: Literal["@cf/baai/bge-base-en-v1.5", "@cf/baai/bge-m3"],
) -> None:
    assert_type(ai.run(alike, {"prompt": "Hi"}), TextOutput)
    assert_type(ai.run(alike, {"prompt": "Hi", "stream": True}), Stream[Token])
    assert_type(ai.run(unlike, {"text": "Hi"}), Embeddings)


def an_answer_can_be_asked_on(model: str, answer: TextOutput) -> None:
    conversation: list[InputMessage] = [{"role": "user", "content": "Hi"}]
    conversation.append({"role": "assistant", "content": answer.text})
    assert_type(ai.run(model, {"messages": conversation}), TextOutput)
    assert_type(ai.run("@cf/zai-org/glm-4.7-flash", {"messages": conversation}), TextOutput)


async def arun_is_run_awaited(model: str, stream: bool, untyped: dict[str, Any]) -> None:
    assert_type(await ai.arun(model, {"prompt": "Hi"}), TextOutput)
    assert_type(await ai.arun(model, {"prompt": "Hi", "stream": True}), AsyncStream[Token])
    assert_type(await ai.arun(model, {"prompt": "Hi", "stream": stream}), TextOutput | AsyncStream[Token])
    assert_type(await ai.arun(model, {"text": ["Hi"]}), Embeddings)
    assert_type(
        await ai.arun(model, untyped), Output | ListResult[Any] | Binary | AsyncStream[Token] | AsyncAudioStream
    )
    assert_type(await ai.arun("@cf/zai-org/glm-4.7-flash", untyped), TextOutput | AsyncStream[Token])
    async with ai.arun(MODEL, {"prompt": "Hi", "stream": True}) as tokens:
        async for token in tokens:
            assert_type(token, Token)
    async for token in ai.arun(model, {"prompt": "Hi", "stream": True}):
        assert_type(token, Token)


class Counted(Ai):
    """`run` is a method like any other: it can be called through the class, and overridden."""

    calls = 0

    def run(self, model: str, inputs: Any, **options: Any) -> Any:
        self.calls += 1
        return super().run(model, inputs)


assert_type(Ai.run(ai, "@cf/zai-org/glm-4.7-flash", {"prompt": "Hi"}), TextOutput)


async def speech_that_is_asked_for_as_a_stream_is_one_of_bytes(model: str) -> None:
    assert_type(ai.run("@cf/deepgram/aura-1", {"text": "Hi", "stream": True}), AudioStream)
    assert_type(ai.run("@cf/myshell-ai/melotts", {"prompt": "Hi", "stream": True}), AudioStream)
    assert_type(ai.run(model, {"text": "Hi", "stream": True}), AudioStream)
    async with ai.arun("@cf/deepgram/aura-1", {"text": "Hi", "stream": True}) as speech:
        assert_type(speech, AsyncAudioStream)
    async for chunk in ai.arun("@cf/deepgram/aura-1", {"text": "Hi", "stream": True}):
        assert_type(chunk, bytes)


def inputs_that_are_declared_tell_their_task(
    model: str,
    query: QueryInputs,
    question: MoondreamInputs,
    streamed: MoondreamInputsStream,
    description: LlavaInputs,
    image: ImageClassificationInputs,
    text: TextClassificationInputs,
    conversation: GuardInputs,
) -> None:
    assert_type(ai.run(model, query), Reranking)
    assert_type(ai.run(model, question), VisionAnswer)
    assert_type(ai.run(model, streamed), Stream[Token])
    assert_type(ai.run(model, description), ImageDescription)
    assert_type(ai.run(model, image), Classification | DetectedObjects)
    assert_type(ai.run(model, {"image": Path("cat.jpg")}), Classification | DetectedObjects)
    assert_type(ai.run(model, text), Classification)
    assert_type(ai.run(model, conversation), Moderation)
