"""A text, spoken into a file: `python examples/text_to_speech.py "The river is high today." river.mp3`."""

import sys

from cfai import Ai

MODEL = "@cf/deepgram/aura-2-en"


def main() -> None:
    text = sys.argv[1] if len(sys.argv) > 1 else "The river is high today."
    path = sys.argv[2] if len(sys.argv) > 2 else "speech"
    with Ai() as ai:
        speech = ai.run(MODEL, {"text": text, "speaker": "luna"})
    print(speech.save(path, overwrite=True))


if __name__ == "__main__":
    main()
