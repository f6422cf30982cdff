"""A mood for each line of a file, resumed after a crash, within a budget: `python examples/many.py reviews.txt`."""

import sys

from cfai import Ai

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


def main() -> None:
    path = sys.argv[1]
    with Ai() as ai, open(path, encoding="utf-8") as lines:
        prompts = (f"Is this review positive? Answer yes or no.\n\n{line.strip()}" for line in lines)
        inputs = ({"prompt": prompt, "max_tokens": 5} for prompt in prompts)
        with ai.run_many(MODEL, inputs, journal=f"{path}.jsonl", max_cost=0.50) as job:
            for row in job:
                print(row.index, row.output if row.ok else row.error)
        print(job.report(), file=sys.stderr)


if __name__ == "__main__":
    main()
