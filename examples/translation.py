"""A text in another language: `python examples/translation.py de "Where is the river?"`."""

import sys

from cfai import Ai

MODEL = "@cf/meta/m2m100-1.2b"


def main() -> None:
    language = sys.argv[1] if len(sys.argv) > 1 else "fr"
    text = " ".join(sys.argv[2:]) or "Where is the river?"
    with Ai() as ai:
        print(ai.run(MODEL, {"text": text, "target_lang": language}))


if __name__ == "__main__":
    main()
