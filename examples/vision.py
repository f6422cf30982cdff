"""What is in a picture: `python examples/vision.py picture.jpg "What is the weather like?"`."""

import sys
from pathlib import Path

from cfai import Ai
from cfai.types import InputMessage

MODEL = "@cf/google/gemma-4-26b-a4b-it"
PHOTO = Path(__file__).with_name("photo.jpg")


def main() -> None:
    photo = Path(sys.argv[1]) if len(sys.argv) > 1 else PHOTO
    question = " ".join(sys.argv[2:]) or "What is in this picture?"
    messages: list[InputMessage] = [{"role": "user", "content": [question, photo]}]
    with Ai() as ai:
        print(ai.run(MODEL, {"messages": messages, "max_tokens": 1000}))


if __name__ == "__main__":
    main()
