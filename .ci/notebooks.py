"""The notebooks of `examples/notebooks`, in real kernels, and what becomes of their outputs in a real browser.

`python -m pytest .ci/notebooks.py` runs them against the emulator, compares what they show with what they hold, and
looks for anything hostile that runs in a page. `python .ci/notebooks.py` runs them, keeps what they show in them, and
makes the pictures of `docs/notebooks.md`.

Needs the packages nbclient, nbconvert, ipykernel and matplotlib, and Chromium: the program of the variable CHROMIUM, or
`chromium`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from PIL import Image, ImageChops

from cfai.local import Emulator

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
PICTURES = ROOT / "docs" / "pictures"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium"
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=3000"
)
GLM = "@cf/zai-org/glm-4.7-flash"
LONG = 120
"""Seconds after which a cell, or the browser, is given up."""

FACTS = r"<small style=\"color: gray\">(?:[\d,]+ tokens, )?[\d.]+ neurons, \$0\.\d+, [\d.]+ m?s</small>$"
EXPECTED: dict[str, list[tuple[str, str, str]]] = {
    "tour": [
        ('"Where is New York?"', "text/markdown", rf"emulated answer to “Where is New York\?”.*{FACTS}"),
        ('"Write a sonnet."', "text/markdown", rf"emulated answer to “Write a sonnet\.”.*{FACTS}"),
        ("asyncio.gather", "text/plain", r"^\[ChatCompletion\(text='This is an emulated answer to “Where is Oslo"),
        ("%%ai", "text/markdown", rf"emulated answer to “What is Lima known for\?”.*{FACTS}"),
        ("answer.usage", "text/plain", r"^Usage\(prompt_tokens=\d+, "),
        ("output_type=City", "text/markdown", r"^<details>.*```json\n\{\n  \"name\": \"emulated\","),
        ("max_tokens", "error", "`max_tokens` must be at most 131,072"),
        ("max_tokens", "text/html", r"^<details><summary[^>]*>Traceback</summary><pre>Traceback.*ipykernel"),
        ("models.list", "text/html", r"^<table>.*@cf/black-forest-labs/flux-1-schnell"),
        ("ai.usage", "text/html", r"^<table>.*@cf/zai-org/glm-4.7-flash"),
    ],
    "search": [
        ("ai.embed(BGE, texts)", "text/plain", r"^Vectors\(shape=\(6, 1024\), "),
        ("plt.show()", "image/png", "^iVBORw0KGgo"),
        ("argsort", "text/plain", r"^\['The door opens with the key\."),
        ("bge-reranker-base", "text/html", r"<th [^>]*>context</th>.*under the mat.*<small"),
        ("ai.usage", "text/html", "^<table>"),
    ],
    "speech_and_pictures": [
        ("flux-1-schnell", "image/jpeg", "^/9j/"),
        ("resnet-50", "image/svg+xml", r"^<svg .*<image href=\"data:image/jpeg;base64,/9j/.*EMULATED"),
        ("detr-resnet-50", "image/svg+xml", r"^<svg .*<image href=\"data:image/jpeg;base64,/9j/.*emulated 100%"),
        ("moondream", "text/markdown", rf"emulated answer to “What is in this picture\?”.*{FACTS}"),
        ('"The river', "text/html", r"^<div><audio controls [^>]*src=\"data:audio/mpeg;base64,"),
        ("whisper", "text/html", r"00:00\.0</td>.*This transcript is emulated by cfai\."),
        ('"Hello.", "stream"', "text/html", r"^<div><audio controls "),
    ],
}
"""By notebook, words of a cell, a media type of its outputs, and a pattern of what it shows there."""

SHOWN = {
    "notebook-answer": ("tour", ['"Where is New York?"', '"Write a sonnet."']),
    "notebook-magic": ("tour", ["%load_ext", "%%ai"]),
    "notebook-error": ("tour", ["max_tokens"]),
    "notebook-table": ("search", ["bge-reranker-base"]),
    "notebook-plot": ("search", ["plt.show()"]),
    "notebook-labels": ("speech_and_pictures", ["microsoft/resnet-50"]),
    "notebook-boxes": ("speech_and_pictures", ["facebook/detr-resnet-50"]),
    "notebook-speech": ("speech_and_pictures", ['"The river', "whisper"]),
}
"""By picture of the docs: the cells that are seen on it."""


def set_account(patch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    """Let an `Ai` without arguments call an emulator, in kernels too."""
    patch.setenv("CLOUDFLARE_API_BASE_URL", emulator.base_url)
    patch.setenv("CLOUDFLARE_ACCOUNT_ID", emulator.account_id)
    patch.setenv("CLOUDFLARE_API_TOKEN", emulator.api_token)


def run_notebook(book: Any, folder: Path, *, may_fail: bool = False) -> Any:
    """Run a notebook in a kernel of its own against an emulator."""
    with Emulator(tokens_per_second=60) as emulator, pytest.MonkeyPatch.context() as patch:
        set_account(patch, emulator)
        options = {"resources": {"metadata": {"path": str(folder)}}, "timeout": LONG, "allow_errors": may_fail}
        NotebookClient(book, kernel_name="python3", **options).execute()
    return book


def list_shown(cell: Any) -> list[tuple[str, str]]:
    """Return what a cell shows, by media type."""
    shown: list[tuple[str, str]] = []
    for output in cell.outputs:
        if output.output_type == "error":
            shown.append(("error", "\n".join(output.traceback)))
        elif output.output_type == "stream":
            shown.append((output.name, output.text))
        else:
            shown += output.data.items()
    return sorted(shown)


def generalize(text: str) -> str:
    """Return what is shown without what is another each time: seconds, plots, and where things are on the machine."""
    text = re.sub(r"[\d.]+ m?s</small>", "1.0 s</small>", text)
    text = re.sub(r", line \d+, in ", ", line …, in ", text)
    text = re.sub(r"File &quot;[^&]*/((?:cfai|IPython)/[^&]*)&quot;", r"File &quot;…/\1&quot;", text)
    return re.sub(r"/[^ &]*ipykernel_\d+/\d+\.py", "…/ipykernel/cell.py", text)


def run_chromium(*options: str) -> bytes:
    """Run Chromium, and return what it writes."""
    with tempfile.TemporaryDirectory() as profile:
        command = [CHROMIUM, *OPTIONS.split(), f"--user-data-dir={profile}", *options]
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=LONG, check=True
        ).stdout


def render(book: Any, path: Path) -> str:
    """Write a notebook as a page, and return the page's URL."""
    path.write_text(HTMLExporter().from_notebook_node(book)[0], "utf-8")
    return path.as_uri()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_it_holds(path: Path, tmp_path: Path) -> None:
    held = nbformat.read(path, 4)
    run = run_notebook(nbformat.read(path, 4), tmp_path)
    for words, kind, pattern in EXPECTED[path.stem]:
        found = [
            text
            for cell in run.cells
            if words in cell.source and cell.cell_type == "code"
            for name, text in list_shown(cell)
            if name == kind
        ]
        assert any(re.search(pattern, re.sub(r"\x1b\[[\d;]*m", "", text), re.DOTALL) for text in found), (words, found)
    for before, now in zip(held.cells, run.cells, strict=True):
        if before.cell_type == "code":
            kept, new = ([(kind, generalize(text)) for kind, text in list_shown(cell)] for cell in (before, now))
            assert [kind for kind, _ in kept] == [kind for kind, _ in new], before.source
            differ = [pair for pair in zip(kept, new, strict=True) if pair[0] != pair[1] and pair[0][0] != "image/png"]
            assert differ == [], "run `python .ci/notebooks.py`, and look at what it has changed"


HOSTILE = r"""
from cfai import types

RUN = "document.documentElement.dataset.ran = 1"
TEXTS = [
    f"<script>{RUN}</script>",
    f"<img src=x onerror='{RUN}'>",
    f"`<img src=x onerror='{RUN}'>`",
    f"```html\n<script>{RUN}</script>\n```",
    f"text\n    ```\n<script>{RUN}</script>\n    ```",
    f"| a | b |\n|---|---|\n| `<img src=x onerror='{RUN}'> | ` |",
    f"[click](javascript:{RUN.replace(' ', '')}) <javascript:{RUN}>",
    f"$<img src=x onerror='{RUN}'>$ and $$\n<script>{RUN}</script>\n$$",
    f"![x](data:text/html,<script>{RUN}</script>)",
]
TEXT = "\n\n".join(TEXTS)
"""
SHOW = (
    "types.NativeText(response=TEXT)",
    "types.ChatCompletion(choices=[{'message': {'content': TEXT, 'reasoning_content': TEXT}}])",
    "types.NativeText(response=None, tool_calls=[{'name': TEXT, 'arguments': {TEXT: TEXT}}])",
    "types.StructuredOutput.of(types.NativeText(response='x'), {TEXT: TEXTS})",
    "types.Classification([{'label': text, 'score': 0.5} for text in TEXTS])",
    "box = {'xmin': 0, 'ymin': 0, 'xmax': 9, 'ymax': 9}\n"
    "types.DetectedObjects([{'label': text, 'score': 0.5, 'box': box} for text in TEXTS])",
    "types.Transcription(text=TEXT, words=[{'word': text, 'start': 0, 'end': 1} for text in TEXTS])",
    "types.Translation(translations=TEXTS)",
    "types.ClefOutput(answers={TEXT: {'type': 'choice', 'choice': TEXT, 'confidence': 0.5}})",
    "svg = f'<svg xmlns=\"http://www.w3.org/2000/svg\"><script>{RUN}</script></svg>'\n"
    "types.Image(content=svg.encode(), media_type='image/svg+xml')",
    "types.Image(content=b'x', media_type=TEXT)",
    "types.Audio(content=b'x', media_type='audio/mpeg' + TEXT)",
    "from cfai import Ai\nai = Ai()\nai.run('@cf/zai-org/glm-4.7-flash', {'prompt': TEXT})",
    "ai.run('@cf/zai-org/glm-4.7-flash', {'prompt': TEXT, 'stream': True})",
    "ai.run('@cf/baai/bge-reranker-base', {'query': TEXT, 'contexts': [{'text': text} for text in TEXTS]})",
    "from cfai import InputError\nraise InputError(TEXT)",
)


def make_book(*cells: str) -> Any:
    book: Any = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    return book


class Targets(HTMLParser):
    """What the elements of a page lead to, fetch and do."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs if name in ("href", "src", "srcdoc") or name.startswith("on")]
        self.found += [dict(attrs)[name] or "" for name in names]


def test_nothing_that_a_model_writes_runs_in_the_page(tmp_path: Path) -> None:
    book = run_notebook(make_book(HOSTILE, *SHOW), tmp_path, may_fail=True)
    failed = [cell.source for cell in book.cells[:-1] if "error" in dict(list_shown(cell))]
    assert failed == []
    for cell in book.cells[1:]:
        assert list_shown(cell), cell.source
    page = run_chromium("--dump-dom", render(book, tmp_path / "page.html")).decode()
    assert "dataset.ran" in page, "it is shown"
    assert "data-ran" not in page
    targets = Targets()
    targets.feed(page[page.index("<main>") :])
    harmless = "https?:|#|data:(?:image|audio|application/octet-stream)"
    assert [target for target in targets.found if not re.match(harmless, target)] == []


def test_the_same_text_runs_where_it_is_not_escaped(tmp_path: Path) -> None:
    show = "from IPython.display import Markdown\nMarkdown({})"
    for text in ("TEXTS[0]", "TEXTS[1]", "TEXTS[4]", "TEXTS[5]"):
        book = run_notebook(make_book(HOSTILE, show.format(text)), tmp_path)
        page = run_chromium("--dump-dom", render(book, tmp_path / "page.html")).decode()
        assert "data-ran" in page, text


def test_synchronous_and_awaited_calls_and_magics_work_in_the_loop_of_a_kernel(tmp_path: Path) -> None:
    call = "('@cf/zai-org/glm-4.7-flash', {'prompt': 'Hello', 'stream': True})"
    cells = (
        "from cfai import Ai\nai = Ai()\nimport asyncio\nasyncio.get_running_loop().is_running()",
        f"''.join(map(str, ai.run{call}))",
        f"''.join([str(token) async for token in ai.arun{call}])",
        f"ai.run{call}",
        f"(await (await ai.arun{call}).aresult()).text",
        "%load_ext cfai",
        "%%ai glm-4.7-flash\nHello",
    )
    book = run_notebook(make_book(*cells), tmp_path)
    for cell in (book.cells[number] for number in (1, 2, 3, 4, 6)):
        assert "emulated answer to “Hello”" in str(list_shown(cell)), cell.source


def test_an_interrupt_between_two_cells_stops_an_asynchronous_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator(tokens_per_second=20) as emulator:
        set_account(monkeypatch, emulator)
        manager, client = start_new_kernel(kernel_name="python3")
        try:
            cells = (
                "from cfai import Ai\nai = Ai()",
                f"await ai.arun({GLM!r}, {{'prompt': 'Write 400 words', 'stream': True}})",
            )
            for cell in cells:
                client.execute_interactive(cell, timeout=LONG, output_hook=lambda _: None)
            while "emulated answer" not in wait_for_look(client, "text/html"):
                pass
            manager.interrupt_kernel()
            assert "stopped" in wait_for_look(client, "text/markdown")
            assert emulator.wait_for_disconnects(1, timeout=LONG)
            reply = client.execute_interactive("1 + 1", timeout=LONG, output_hook=lambda _: None)
            assert reply["content"]["status"] == "ok"
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def wait_for_look(client: Any, kind: str) -> str:
    """Return the next that a growing stream shows in a media type."""
    while True:
        message = client.get_iopub_msg(timeout=LONG)
        if message["msg_type"] == "update_display_data" and kind in message["content"]["data"]:
            return message["content"]["data"][kind]


def keep_outputs(path: Path) -> Any:
    """Run a notebook, and keep what it shows in its file."""
    book = nbformat.read(path, 4)
    with tempfile.TemporaryDirectory() as folder:
        run_notebook(book, Path(folder))
    for cell in book.cells:
        cell.metadata.pop("execution", None)
    book.metadata.language_info = {"name": "python"}
    path.write_text(generalize_file(nbformat.writes(book, indent=1)) + "\n", "utf-8")
    return book


def generalize_file(text: str) -> str:
    """Return the text of a notebook's file without what is another each time, but for the seconds."""
    seconds = re.findall(r"[\d.]+ m?s</small>", text)
    text = generalize(text)
    return re.sub(r"1\.0 s</small>", lambda _: seconds.pop(0), text)


def draw_cells(book: Any, words: list[str], path: Path) -> None:
    """Draw some cells of a notebook, as a page shows them, without the white around them."""
    chosen = [cell for cell in book.cells if cell.cell_type == "code" and any(each in cell.source for each in words)]
    part = nbformat.from_dict({**book, "cells": chosen})
    with tempfile.TemporaryDirectory() as folder:
        url = render(part, Path(folder) / "page.html")
        run_chromium(f"--screenshot={folder}/page.png", "--window-size=900,1600", url)
        image = Image.open(f"{folder}/page.png").convert("RGB")
    box = ImageChops.difference(image, Image.new("RGB", image.size, "white")).getbbox()
    assert box is not None
    left, top, right, bottom = box
    image = image.crop((max(left - 8, 0), max(top - 8, 0), min(right + 8, 900), min(bottom + 8, 1600)))
    image.quantize(128).save(path, optimize=True)


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    books = {path.stem: keep_outputs(path) for path in NOTEBOOKS}
    for name, (notebook, words) in SHOWN.items():
        draw_cells(books[notebook], words, PICTURES / f"{name}.png")
        print(name, (PICTURES / f"{name}.png").stat().st_size, "bytes")


if __name__ == "__main__":
    sys.exit(main())
