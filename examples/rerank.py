"""Texts by how well they answer a question: `python examples/rerank.py "how do I get in?"`."""

import sys

from cfai import Ai

MODEL = "@cf/baai/bge-reranker-base"
TEXTS = [
    "The house is made of oak.",
    "The door opens with the key under the mat.",
    "Tax forms are due in March.",
]


def main() -> None:
    question = " ".join(sys.argv[1:]) or "How do I open the door?"
    with Ai() as ai:
        answer = ai.run(MODEL, {"query": question, "contexts": [{"text": text} for text in TEXTS]})
    for context in answer.ranking:
        print(f"{context.score:.2f}  {TEXTS[context.id]}")


if __name__ == "__main__":
    main()
