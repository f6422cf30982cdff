"""Documents as Markdown, a file beside each, resumed after a crash: `python examples/documents.py reports/*.pdf`."""

import sys
from pathlib import Path

from cfai import Ai


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]]
    with Ai() as ai, ai.to_markdown_many(paths, journal="documents.jsonl", concurrency=4) as job:
        for row in job:
            if row.ok:
                target = row.inputs.with_name(f"{row.inputs.name}.md")
                target.write_text(str(row.output), "utf-8")
                print(f"{row.inputs} -> {target}")
            else:
                print(f"{row.inputs}: {row.error}", file=sys.stderr)
    print(job.report(), file=sys.stderr)


if __name__ == "__main__":
    main()
