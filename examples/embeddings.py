"""The texts that are nearest to a question: `python examples/embeddings.py "how do I get in?"`.

Needs `pip install numpy`.
"""

import sys

import numpy as np

from cfai import Ai

MODEL = "@cf/baai/bge-m3"
TEXTS = [
    "The door opens with the key under the mat.",
    "Rivers carry sand to the sea.",
    "Tax forms are due in March.",
]


def main() -> None:
    question = " ".join(sys.argv[1:]) or "How do I open the door?"
    with Ai() as ai:
        vectors = ai.embed(MODEL, [question, *TEXTS]).to_numpy()  # any number of texts
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = vectors[1:] @ vectors[0]
    for index in np.argsort(-scores):
        print(f"{scores[index]:.2f}  {TEXTS[index]}")


if __name__ == "__main__":
    main()
