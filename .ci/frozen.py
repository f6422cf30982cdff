"""A program for a freezer: it reads every data file of cfai, and calls what loads at first use, on an emulator."""

import asyncio
from typing import Any

import cfai
from cfai.local import Emulator
from cfai.types import NativeText

MODEL = "@cf/zai-org/glm-4.7-flash"
MEDIA: list[tuple[str, Any]] = [
    ("@cf/black-forest-labs/flux-1-schnell", {"prompt": "a cat"}),  # JPEG
    ("@cf/stabilityai/stable-diffusion-xl-base-1.0", {"prompt": "a cat"}),  # PNG
    ("@cf/myshell-ai/melotts", {"prompt": "Hi"}),  # WAV
    ("@cf/deepgram/aura-1", {"text": "Hi"}),  # MP3
]


async def embed(local: Emulator) -> list[int]:
    async with local.ai() as ai:
        return (await ai.arun("@cf/baai/bge-m3", {"text": ["a", "b"]})).shape


def main() -> None:
    print(cfai.models.suggest("@cf/zai/glm-4.7-flash", 1), NativeText(response="Hello"))
    print(cfai.count_tokens("Żółw " * 3, model=MODEL).certain, len(cfai.truncate("word " * 900, 100, model=MODEL)) > 0)
    with Emulator() as local, local.ai() as ai:
        print(ai.run(MODEL, {"prompt": "Hi"}).finish_reason)
        with ai.run(MODEL, {"prompt": "Hi", "stream": True}) as stream:
            print(stream.result().finish_reason)
        try:
            ai.run(MODEL, {"prompt": "Hi", "max_tokens": 10**9})
        except cfai.LimitError as error:
            print(type(error).__name__)
        print(asyncio.run(embed(local)))
        for model, inputs in MEDIA:
            print(len(ai.run(model, inputs).model_dump_json()) > 10_000)


if __name__ == "__main__":
    main()
