"""Embed the lines of a file in a batch, found again at a second start: `python examples/batch.py notes.txt`."""

import sys
from pathlib import Path

from cfai import Ai

MODEL = "@cf/baai/bge-small-en-v1.5"


def main() -> None:
    path = Path(sys.argv[1])
    kept = path.with_suffix(".batch")  # the id, so that nothing is sent twice
    with Ai() as ai:
        if kept.exists():
            batch = ai.batch(MODEL, request_id=kept.read_text())
        else:
            lines = path.read_text("utf-8").splitlines()
            batch = ai.batch(MODEL, [{"text": line, "external_reference": line} for line in lines])
            kept.write_text(batch.request_id)
        for item in batch.wait():
            print(item.external_reference, item.output.shape if item.ok else item.error)
        print(f"${batch.meta.cost or 0:.6f}", file=sys.stderr)


if __name__ == "__main__":
    main()
