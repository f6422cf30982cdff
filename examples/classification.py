"""The mood of a text, or what a picture shows: `python examples/classification.py "What a lovely day."`, or a path."""

import sys
from pathlib import Path

from cfai import Ai

TEXT_MODEL = "@cf/huggingface/distilbert-sst-2-int8"
IMAGE_MODEL = "@cf/microsoft/resnet-50"


def main() -> None:
    given = " ".join(sys.argv[1:]) or "What a lovely day."
    with Ai() as ai:
        if Path(given).is_file():
            labels = ai.run(IMAGE_MODEL, {"image": Path(given)})
        else:
            labels = ai.run(TEXT_MODEL, {"text": given})
    for label in sorted(labels, key=lambda label: -label.score):
        print(f"{label.score:.2f}  {label.label}")


if __name__ == "__main__":
    main()
