"""An answer, token by token: `python examples/stream.py "Where is New York?"`."""

import sys

from cfai import Ai

MODEL = "@cf/zai-org/glm-4.7-flash"


def main() -> None:
    prompt = " ".join(sys.argv[1:]) or "Where is New York?"
    with Ai() as ai, ai.run(MODEL, {"prompt": prompt, "stream": True}) as stream:
        for token in stream:
            print(token, end="", flush=True)
    print()
    print(f"{stream.usage.completion_tokens if stream.usage else 'unknown'} tokens", file=sys.stderr)


if __name__ == "__main__":
    main()
