"""Compare the cost of a question with several models: `python examples/cost.py "Where is New York?"`."""

import sys

from cfai import Ai

MODELS = ("@cf/zai-org/glm-4.7-flash", "@cf/meta/llama-3.3-70b-instruct-fp8-fast", "@cf/openai/gpt-oss-120b")


def main() -> None:
    prompt = " ".join(sys.argv[1:]) or "Where is New York?"
    with Ai() as ai:
        for model in MODELS:
            most = ai.check(model, {"prompt": prompt, "max_tokens": 200}).max_cost
            cost = ai.run(model, {"prompt": prompt, "max_tokens": 200}).meta.cost
            print(f"{model}: ${cost:.6f} of at most ${most:.6f}")
        print(ai.usage)


if __name__ == "__main__":
    main()
