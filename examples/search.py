"""An answer from a document of yours: `python examples/search.py notes.md "how do I get in?"`.

The instance `examples` of AI Search is made if it is not there, and stays.
"""

import sys
from pathlib import Path

from cfai import Ai, AiSearchNotFoundError


def main() -> None:
    path, question = Path(sys.argv[1]), " ".join(sys.argv[2:])
    with Ai() as ai:
        try:
            docs = ai.search().get("examples")
            docs.info()
        except AiSearchNotFoundError:
            docs = ai.search().create({"id": "examples"})
        docs.items.upload(path.name, path, wait_for_completion=True)
        with docs.chat_completions({"messages": [{"role": "user", "content": question}], "stream": True}) as stream:
            for token in stream:
                print(token, end="", flush=True)
        print("", *(f"{chunk.item.key}: {chunk.text}" for chunk in stream.chunks), sep="\n")


if __name__ == "__main__":
    main()
