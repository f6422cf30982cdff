# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
# fmt: off
"""Inputs that a known model does not take are reported. Each line is one mistake; if it passes, the check fails."""

from typing import Final

from cfai import Ai
from cfai.types import ResponsesInput

ai = Ai()
LLAMA: Final = "@cf/meta/llama-3.2-1b-instruct"
GLM: Final = "@cf/zai-org/glm-4.7-flash"
GPT_OSS: Final = "@cf/openai/gpt-oss-20b"
TURBO: Final = "@cf/openai/whisper-large-v3-turbo"
MOONDREAM: Final = "@cf/moondream/moondream3.1-9B-A2B"
FLUX: Final = "@cf/black-forest-labs/flux-1-schnell"
CLEF: Final = "@cf/cloudflare/clef"

# Text.

ai.run(LLAMA, {"promt": "Hi"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(LLAMA, {"prompt": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(LLAMA, {"temperature": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(LLAMA, {"prompt": "Hi", "max_token": 12})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(LLAMA, {"prompt": "Hi", "max_tokens": "12"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(LLAMA, {"prompt": "Hi", "stream": "yes"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(GLM, {"prompt": "Hi", "reasoning_effort": "much"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(GLM, {"prompt": "Hi", "chat_template_kwargs": {"enable_thinkin": False}})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(GLM, {"messages": "Hi"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(GLM, {"messages": [{"role": "usr", "content": "Hi"}]})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(GLM, {"messages": [{"role": "user", "text": "Hi"}]})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(GLM, {"messages": [{"role": "user"}]})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(GLM, {"messages": [{"role": "user", "content": [{"type": "image", "image_url": {"url": "data:,"}}]}]})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(GLM, {"messages": [], "tools": [{"nam": "look"}]})  # pyright: ignore[reportArgumentType, reportCallIssue]

# gpt-oss, which takes `input` as well.

ai.run(GPT_OSS, {"inputs": "Hi"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(GPT_OSS, {"input": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(GPT_OSS, {"instructions": "Be brief."})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(GPT_OSS, {"input": "Hi", "max_tokens": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(GPT_OSS, {"input": "Hi", "reasoning": {"effort": "max"}})  # pyright: ignore[reportArgumentType, reportCallIssue]

# Embeddings and rankings.

ai.run("@cf/baai/bge-base-en-v1.5", {"txt": "Hi"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/baai/bge-base-en-v1.5", {"text": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/baai/bge-base-en-v1.5", {"pooling": "cls"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/baai/bge-base-en-v1.5", {"text": "Hi", "pooling": "max"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/baai/bge-m3", {"context": [{"text": "Hi"}]})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/baai/bge-m3", {"contexts": [{"txt": "Hi"}]})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/baai/bge-m3", {"query": "Hi"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/qwen/qwen3-embedding-0.6b", {"query": ["Hi"]})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/qwen/qwen3-embedding-0.6b", {"instruction": "Hi"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/qwen/qwen3-embedding-0.6b", {"documents": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/baai/bge-reranker-base", {"query": "Hi", "context": []})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/baai/bge-reranker-base", {"query": "Hi", "contexts": ["Ho"]})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/baai/bge-reranker-base", {"query": "Hi"})  # pyright: ignore[reportArgumentType, reportCallIssue]

# Translation and classification.

ai.run("@cf/meta/m2m100-1.2b", {"text": "Hi", "target_language": "fr"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/meta/m2m100-1.2b", {"text": "Hi", "target_lang": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/meta/m2m100-1.2b", {"target_lang": "fr"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/ai4bharat/indictrans2-en-indic-1B", {"text": "Hi", "target": "hin_Deva"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/ai4bharat/indictrans2-en-indic-1B", {"text": 1, "target_language": "hin_Deva"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/ai4bharat/indictrans2-en-indic-1B", {"target_language": "hin_Deva"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/huggingface/distilbert-sst-2-int8", {"txt": "Hi"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/huggingface/distilbert-sst-2-int8", {"text": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]

# Images to look at.

ai.run("@cf/microsoft/resnet-50", {"img": b""})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/microsoft/resnet-50", {"image": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/facebook/detr-resnet-50", {"image": b"", "threshold": 0.5})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/facebook/detr-resnet-50", {"image": None})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/llava-hf/llava-1.5-7b-hf", {"image": b"", "promt": "What?"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/llava-hf/llava-1.5-7b-hf", {"image": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/llava-hf/llava-1.5-7b-hf", {"max_tokens": 9})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(MOONDREAM, {"image": b"", "questions": "What?"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(MOONDREAM, {"image": b"", "task": "find"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(MOONDREAM, {"question": "What?"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(MOONDREAM, {"image": b"", "stream": "yes"})  # pyright: ignore[reportArgumentType, reportCallIssue]

# Speech.

ai.run("@cf/openai/whisper", {"file": b""})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/openai/whisper-tiny-en", {"audio": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(TURBO, {"audio": b"", "lang": "en"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(TURBO, {"audio": b"", "task": "write"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(TURBO, {"language": "en"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/deepgram/nova-3", {"audio": b"", "punctuation": True})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/deepgram/nova-3", {"audio": b"", "diarize": "yes"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/deepgram/nova-3", {"punctuate": True})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/deepgram/aura-1", {"text": "Hi", "voice": "luna"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/deepgram/aura-2-en", {"text": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/deepgram/aura-2-es", {"speaker": "aquila"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/deepgram/aura-2-es", {"text": "Hi", "encoding": "m4a"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/myshell-ai/melotts", {"prompt": "Hi", "language": "en"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/myshell-ai/melotts", {"prompt": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/myshell-ai/melotts", {"lang": "en"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/pipecat-ai/smart-turn-v2", {"audio": b"", "type": "uint8"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/pipecat-ai/smart-turn-v2", {"audio": b"", "dtype": "int8"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/pipecat-ai/smart-turn-v2", {"dtype": "uint8"})  # pyright: ignore[reportArgumentType, reportCallIssue]

# Images to draw.

ai.run("@cf/stabilityai/stable-diffusion-xl-base-1.0", {"prompt": "a cat", "num_step": 4})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/lykon/dreamshaper-8-lcm", {"prompt": "a cat", "width": "512"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/bytedance/stable-diffusion-xl-lightning", {"num_steps": 4})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(FLUX, {"prompt": "a cat", "step": 4})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(FLUX, {"prompt": "a cat", "steps": "4"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(FLUX, {"steps": 4})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/black-forest-labs/flux-2-dev", {"prompt": "a cat", "input_image": b""})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/black-forest-labs/flux-2-klein-4b", {"prompt": "a cat", "input_image_0": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/black-forest-labs/flux-2-klein-9b", {"width": 512})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/leonardo/lucid-origin", {"prompt": "a cat", "guidence": 4})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/leonardo/phoenix-1.0", {"prompt": "a cat", "guidance": "4"})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/leonardo/phoenix-1.0", {"negative_prompt": "a dog"})  # pyright: ignore[reportArgumentType, reportCallIssue]

# Judgements.

ai.run("@cf/meta/llama-guard-3-8b", {"message": []})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/meta/llama-guard-3-8b", {"messages": [{"role": "usr", "content": "Hi"}]})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run("@cf/meta/llama-guard-3-8b", {"temperature": 0})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(CLEF, {"model": "clef", "state": "Hi", "question": {}})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(CLEF, {"model": "clef-2", "state": "Hi", "questions": {}})  # pyright: ignore[reportArgumentType, reportCallIssue]
ai.run(CLEF, {"state": "Hi", "questions": {}})  # pyright: ignore[reportArgumentType, reportCallIssue]


async def in_both_colours() -> None:
    await ai.arun(LLAMA, {"promt": "Hi"})  # pyright: ignore[reportArgumentType, reportCallIssue]
    await ai.arun("@cf/baai/bge-m3", {"txt": "Hi"})  # pyright: ignore[reportArgumentType, reportCallIssue]
    await ai.arun(TURBO, {"audio": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]


def what_is_typed_as_strings_or_objects(texts: dict[str, str], objects: dict[str, object]) -> None:
    # Whether these fit depends on the keys, which the type does not tell: `dict[str, Any]` says that one knows.
    ai.run(GLM, texts)  # pyright: ignore[reportArgumentType, reportCallIssue]
    ai.run(GLM, objects)  # pyright: ignore[reportArgumentType, reportCallIssue]
    ai.run(GLM, {"prompt": "Hi", **texts})  # pyright: ignore[reportArgumentType, reportCallIssue]


def a_model_that_nobody_knows_takes_what_some_model_takes(model: str) -> None:
    ai.run(model, {"promt": "Hi"})  # pyright: ignore[reportArgumentType, reportCallIssue]
    ai.run("@cf/nobody/knows-this", {"prompt": "Hi", "max_token": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]
    ai.run("@cf/meta/llama-2-7b-chat-int8", {"prompt": 1})  # pyright: ignore[reportArgumentType, reportCallIssue]



async def what_another_model_takes_gives_nothing_of_use(inputs: ResponsesInput) -> None:
    # A known model's name is a `str` as well, and some model takes these: what is done with the result is an error.
    a = ai.run(FLUX, {"prompt": "a cat", "num_steps": 4})  # pyright: ignore[reportUnknownVariableType]
    b = ai.run("@cf/deepgram/aura-1", {"prompt": "Hi"})  # pyright: ignore[reportUnknownVariableType]
    c = ai.run("@cf/meta/m2m100-1.2b", {"text": "Hi"})  # pyright: ignore[reportUnknownVariableType]
    d = ai.run(LLAMA, {"text": "Hi"})  # pyright: ignore[reportUnknownVariableType]
    e = ai.run(TURBO, inputs)  # pyright: ignore[reportUnknownVariableType]
    print(ai.run(LLAMA, {"text": "Hi"}), a, b, c, d, e)  # pyright: ignore[reportUnknownArgumentType]
    await ai.arun("@cf/myshell-ai/melotts", {"text": "Hi"})  # pyright: ignore[reportGeneralTypeIssues]
    async with ai.arun(LLAMA, {"text": "Hi", "stream": True}):  # pyright: ignore[reportGeneralTypeIssues]
        pass
    with ai.run(LLAMA, {"text": "Hi", "stream": True}):  # pyright: ignore[reportGeneralTypeIssues]
        pass
    ai.run(FLUX, {"prompt": "a cat", "temperature": 1}).save("cat")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
