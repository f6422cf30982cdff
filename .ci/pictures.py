"""Make the pictures of the docs from the real program: `python .ci/pictures.py [NAME ...]`, into docs/pictures.

The films of a terminal need the extras `cli` and `llama`, and `pip install pyte`. The plots need matplotlib and what
`PYTHONPATH=.ci python -m benchmarks` printed, in a file: `python .ci/pictures.py benchmarks --output FILE`.
Look at what came out before it is committed: a small model says something else each time.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"


CASTS = {
    "stream": 'cfai run --local --stats "Give me three tips for better sleep. One short line each."',
    "limits": 'cfai run --emulated "Count to 9." --max-tokens 200000',
}
"""What is typed into the terminal of each film."""

PANELS = (
    ("Processor time a streamed token, µs", "CPU, one event a write, sync", 1),
    ("From the call to the first token, ms", "time to first token, warm connection, sync", 1000),
    ("Processor time of 100 embeddings, ms", "CPU, 100 embeddings of 1,024 numbers", 1000),
    ("Processor time of the import, ms", "CPU of the import alone, cold process", 1),
)
"""A heading, the benchmark that it shows, and how many of the benchmark's units make one of the heading's."""
CLIENTS = {
    "cfai": "cfai",
    "cfai, native": "cfai",
    "httpx-sse, native": "httpx-sse",
    "response.json()": "json.loads",
    "openai": "openai",
}
"""The rows of a benchmark that are shown, and under which name."""
GREY, ORANGE = "#737b85", "#f6821f"  # both can be read on white and on black


def read_benchmarks(output: str) -> dict[str, dict[str, float]]:
    """Return the figures of each client by benchmark, from what `python -m benchmarks` printed."""
    tables: dict[str, dict[str, float]] = {}
    for block in re.split(r"\n\n", output):
        title, *rows = block.splitlines()
        figures = [re.match(r" {4}(.+?) +([\d,]+\.\d+) ", row) for row in rows]
        tables[title] = {row[1]: float(row[2].replace(",", "")) for row in figures if row}
    return tables


def plot(tables: Mapping[str, Mapping[str, float]], versions: str, path: Path) -> None:
    """Draw the benchmarks as bars."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as pyplot

    matplotlib.rcParams |= {
        "svg.fonttype": "none",
        "svg.hashsalt": "cfai",
        "font.family": "sans-serif",
        "font.size": 10,
    }
    matplotlib.rcParams |= {"text.color": GREY, "ytick.labelcolor": GREY, "ytick.color": GREY}
    figure, places = pyplot.subplots(2, 2, figsize=(9, 3.8))
    for axes, (heading, benchmark, unit) in zip(places.flat, PANELS, strict=True):
        rows = [(CLIENTS[name], figure / unit) for name, figure in tables[benchmark].items() if name in CLIENTS]
        rows.reverse()
        names, values = zip(*rows, strict=True)
        bars = axes.barh(names, values, height=0.62, color=[ORANGE if name == "cfai" else GREY for name in names])
        axes.bar_label(bars, fmt=lambda value: f"{value:,.3g}", padding=4)
        axes.set_title(heading, loc="left", fontsize=10.5, fontweight="bold")
        axes.set_xlim(0, max(values) * 1.15)
        axes.set_ylim(len(rows) - 3.4, len(rows) - 0.4)  # the first at the top, where there are two as well
        axes.xaxis.set_visible(False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    figure.text(0.995, 0.01, versions, ha="right", fontsize=7.5)
    figure.tight_layout(h_pad=1.6, w_pad=3, rect=(0, 0.04, 1, 1))
    figure.savefig(path, transparent=True, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*CASTS, "benchmarks", []], metavar="NAME")
    parser.add_argument("--output", type=Path, help="the output of the benchmarks")
    parser.add_argument("--folder", type=Path, default=PICTURES, help="where the pictures go")
    given = parser.parse_args()
    given.folder.mkdir(exist_ok=True)
    for name in given.names or CASTS:
        if name == "benchmarks":
            if given.output is None:
                parser.error("`benchmarks` needs --output FILE")
            printed = given.output.read_text("utf-8")
            plot(read_benchmarks(printed), printed.partition("\n")[0], given.folder / "benchmarks.svg")
        else:
            from terminal_cast import save

            save(given.folder / f"{name}.svg", CASTS[name])


if __name__ == "__main__":
    sys.exit(main())
