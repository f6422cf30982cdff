"""The notebooks of the examples, as they are kept. `.ci/notebooks.py` runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.conftest import row

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


def test_each_notebook_is_small_shows_what_its_cells_do_and_says_that_it_is_emulated() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["search", "speech_and_pictures", "tour"]
    for path in NOTEBOOKS:
        with row(path.name):
            text = path.read_text("utf-8")
            assert len(text) < 250_000
            assert not re.findall(r"/(?:home|tmp|root|Users)/|site-packages|ipykernel_\d", text)
            assert "emulated" in "".join(json.loads(text)["cells"][0]["source"])
            shown = 0
            for cell in json.loads(text)["cells"]:
                if cell["cell_type"] == "code":
                    kinds = [output["output_type"] for output in cell["outputs"]]
                    assert ("error" in kinds) == ("raises-exception" in cell["metadata"].get("tags", []))
                    shown += bool(kinds)
            assert shown >= 5


def test_the_page_on_notebooks_shows_pictures_that_are_there_and_small() -> None:
    page = (ROOT / "docs" / "notebooks.md").read_text("utf-8")
    pictures = re.findall(r"^!\[.+?\]\((pictures/notebook-[\w-]+\.png)\)$", page, re.MULTILINE)
    sizes: dict[str, Any] = {name: (ROOT / "docs" / name).stat().st_size for name in pictures}
    assert len(sizes) == 6
    assert max(sizes.values()) < 60_000
