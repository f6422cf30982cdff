"""A picture, changed by a prompt: `python examples/image_edit.py "make it winter" photo.jpg winter`.

Needs `pip install pillow`.
"""

import sys
from pathlib import Path

from PIL import Image

from cfai import Ai

MODEL = "@cf/black-forest-labs/flux-2-klein-4b"
PHOTO = Path(__file__).with_name("photo.jpg")


def main() -> None:
    prompt = sys.argv[1] if len(sys.argv) > 1 else "make it winter, with snow on the rocks"
    photo = Image.open(sys.argv[2] if len(sys.argv) > 2 else PHOTO)
    path = sys.argv[3] if len(sys.argv) > 3 else "edited"
    photo.thumbnail((511, 511))  # the model takes none of 512 x 512 pixels and more
    with Ai() as ai:
        image = ai.run(MODEL, {"prompt": prompt, "input_image_0": photo})
    print(image.save(path, overwrite=True))


if __name__ == "__main__":
    main()
