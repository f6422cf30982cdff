"""A conversation: `python examples/chat.py`. An empty line or Ctrl-D ends it."""

from contextlib import suppress

from cfai import Ai
from cfai.types import InputMessage

MODEL = "@cf/zai-org/glm-4.7-flash"


def main() -> None:
    # The service remembers nothing: every call sends the whole conversation.
    messages: list[InputMessage] = [{"role": "system", "content": "You answer in one short paragraph."}]
    with Ai() as ai, suppress(EOFError):
        while prompt := input("> "):
            messages.append({"role": "user", "content": prompt})
            with ai.run(MODEL, {"messages": messages, "stream": True}) as stream:
                for token in stream:
                    print(token, end="", flush=True)
            print()
            messages.append({"role": "assistant", "content": stream.text})


if __name__ == "__main__":
    main()
