"""What is said in a recording, and when: `python examples/speech_to_text.py recording.mp3`."""

import sys
from pathlib import Path

from cfai import Ai

MODEL = "@cf/deepgram/nova-3"
SPEECH = Path(__file__).with_name("speech.mp3")


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else SPEECH
    with Ai() as ai:
        speech = ai.run(MODEL, {"audio": path, "punctuate": True, "smart_format": True})
    print(speech.text)
    for word in speech.words:
        print(f"{word.start:6.2f} s  {word.word}")


if __name__ == "__main__":
    main()
