"""An answer, token by token, in asyncio: `python examples/stream_async.py "Where is New York?"`."""

import asyncio
import sys

from cfai import Ai

MODEL = "@cf/zai-org/glm-4.7-flash"


async def main() -> None:
    prompt = " ".join(sys.argv[1:]) or "Where is New York?"
    async with Ai() as ai, await ai.arun(MODEL, {"prompt": prompt, "stream": True}) as stream:
        async for token in stream:
            print(token, end="", flush=True)
    print()
    print(f"{stream.usage.completion_tokens if stream.usage else 'unknown'} tokens", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main())
