"""A picture by a prompt: `python examples/image.py "a lighthouse at dusk" lighthouse`."""

import sys

from cfai import Ai

MODEL = "@cf/black-forest-labs/flux-1-schnell"


def main() -> None:
    prompt = sys.argv[1] if len(sys.argv) > 1 else "a lighthouse at dusk"
    path = sys.argv[2] if len(sys.argv) > 2 else "image"
    with Ai() as ai:
        image = ai.run(MODEL, {"prompt": prompt, "steps": 4})
    print(image.save(path, overwrite=True))  # with the suffix of its type


if __name__ == "__main__":
    main()
