"""A LoRA adapter from the folder of its training, uploaded and run: `python examples/finetune.py adapter tickets`."""

import sys

from cfai import Ai

MODEL = "@cf/mistral/mistral-7b-instruct-v0.2-lora"


def main() -> None:
    folder, name = sys.argv[1:]
    with Ai() as ai:
        if name not in [each.name for each in ai.finetunes.list()]:
            ai.finetunes.upload(folder, model=MODEL, name=name)
        print(ai.run(MODEL, {"prompt": "Hello!", "lora": name}))


if __name__ == "__main__":
    main()
