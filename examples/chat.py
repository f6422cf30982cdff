"""A conversation: `python examples/chat.py`. An empty line or Ctrl-D ends it, Ctrl-C an answer."""

from contextlib import suppress

from cfai import Ai


def main() -> None:
    with Ai() as ai, suppress(EOFError):
        chat = ai.chat("@cf/zai-org/glm-4.7-flash", system="You answer in one short paragraph.")
        while prompt := input("> "):
            with suppress(KeyboardInterrupt), chat.stream(prompt) as stream:
                for token in stream:
                    print(token, end="", flush=True)
            print()


if __name__ == "__main__":
    main()
