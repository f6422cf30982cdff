"""The families, and texts with their real token counts, where they are at hand."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

ROWS = json.loads(files("cfai.tokens").joinpath("bounds.json").read_bytes())
FAMILIES = list(ROWS)
COUNTED = [family for family in FAMILIES if family != "default"]
"""The families that are a tokenizer, of which there are real counts."""

_BESIDE = Path(__file__).parents[3] / "shared" / "calibration"


@dataclass(frozen=True)
class Sample:
    name: str
    kind: str
    text: str
    counts: dict[str, int]


@pytest.fixture(scope="session")
def samples() -> list[Sample]:
    """Real counts by tokenizer family. Skips where they are absent, and fails if that is in CI."""
    path = Path(os.environ.get("CFAI_CALIBRATION", _BESIDE)) / "token-samples.jsonl.gz"
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"the calibration texts are not at {path}")
        pytest.skip("the calibration texts are not part of the repository")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    assert rows
    return [Sample(row["id"], row["cls"], row["text"], row["counts"]) for row in rows]
