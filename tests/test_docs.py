"""Every Python block of README.md and docs/ runs by itself, and prints what the page says it prints.

Each block has a namespace and a folder of its own, with a picture and a sound in it: it can be copied alone. It runs
against the emulator as an account, and once more with `Ai.local` in the place of `Ai`. A `text` block right behind one
is its output, where an ellipsis stands for anything. A block that starts with the name of a test file is run by pytest,
beside the others of its page; text behind it is what pytest prints of it alone. Comments before a block say what is
special about it: `<!-- not run: why -->`, `<!-- warns: LimitWarning -->`.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import importlib
import inspect
import logging
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest

import cfai._errors
from cfai import Ai, ConfigurationError, models
from cfai.local import Emulator
from cfai.local.server import LOCAL_API_TOKEN
from tests.conftest import row

ROOT = Path(__file__).parents[1]
TASKS = sorted((ROOT / "docs" / "tasks").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *TASKS]
API = sorted((ROOT / "docs" / "api").glob("*.md"))
PUBLIC = ("", ".types", ".models", ".tokens", ".tokenizers", ".local", ".testing")
"""The modules of cfai whose names are public; `integrations` needs big packages, and the build of the site reads it."""
NOT_RUN = {
    "client.md": 1,
    "deployment.md": 3,
    "limits.md": 1,
    "local.md": 4,
    "migration.md": 4,
    "openai.md": 4,
    "python-workers.md": 1,
    "scale.md": 4,
}
"""How many blocks of a page cannot run here. Those of openai.md, migration.md and scale.md want other packages:
.ci/openai_page.py, .ci/migration_page.py and .ci/ray_cluster.py run them."""
FILES = [ROOT / "examples" / "photo.jpg", ROOT / "examples" / "speech.mp3"]
"""What stands in the folder of a block, as pages expect of their readers."""

LONG = 60.0
"""Seconds after which a test gives up."""

_BLOCK = re.compile(
    r"(?:^<!-- (?P<kind>not run|warns): (?P<word>.+?) -->\n+)?"
    r"^```python\n(?P<code>.*?)^```\n"
    r"(?:\n```text\n(?P<output>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
_FILE = re.compile(r"# (conftest\.py|test_\w+\.py)\n")
_MODEL = re.compile(r"^\| `(@\S+)` \| (.*) \| (.*) \|$", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:)([^)\s]*)\)")


@dataclass(frozen=True)
class Block:
    """A Python block of a page."""

    page: Path
    line: int
    code: str
    output: str | None
    not_run: str | None
    warns: str | None

    @property
    def file(self) -> str | None:
        """The name of the test file that it is, if it is one."""
        found = _FILE.match(self.code)
        return found[1] if found else None

    def compiled(self) -> Any:
        """Its code, which fails at the page's own lines, and may await as in a notebook."""
        code = "\n" * self.line + self.code
        return compile(code, str(self.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


RunAlone: TypeAlias = Callable[[Block], None]


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    found: list[Block] = []
    for block in _BLOCK.finditer(text):
        words = {block["kind"]: block["word"]}
        line = text.count("\n", 0, block.start("code"))
        found.append(Block(page, line, block["code"], block["output"], words.get("not run"), words.get("warns")))
    return found


def looks_like(printed: str, expected: str) -> bool:
    """Return whether a page's output is the real one."""
    pattern = ".*".join(map(re.escape, expected.rstrip("\n").split("…")))
    return re.fullmatch(pattern, printed.rstrip("\n"), re.DOTALL) is not None


@pytest.fixture
def local(workers_ai: Emulator) -> Emulator:
    """The emulator as a reader has it."""
    return workers_ai


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Ai]:
    """Every client that a page makes: a page need not close what ends with the program."""
    clients: list[Ai] = []
    init = Ai.__init__

    def record(self: Ai, *arguments: Any, **options: Any) -> None:
        init(self, *arguments, **options)
        clients.append(self)

    monkeypatch.setattr(Ai, "__init__", record)
    return clients


def run(block: Block, namespace: dict[str, Any], runner: asyncio.Runner, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)
        result = eval(block.compiled(), namespace)
        if inspect.iscoroutine(result):
            runner.run(result)
    assert {warning.category.__name__ for warning in warned} == ({block.warns} if block.warns else set())
    printed = capsys.readouterr().out
    if block.output is not None:
        assert looks_like(printed, block.output), f"{block.page.name}:{block.line} printed\n{printed}"


@pytest.fixture
def run_alone(
    clients: list[Ai], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[RunAlone]:
    """Run a block as if it were all that there is."""

    def run_alone(block: Block) -> None:
        folder = tmp_path / str(block.line)
        folder.mkdir()
        for file in FILES:
            shutil.copy(file, folder)
        monkeypatch.chdir(folder)
        namespace: dict[str, Any] = {"__name__": "__main__"}
        level = logging.getLogger("cfai").level
        with row(f"{block.page.name}:{block.line}"), asyncio.Runner() as runner:
            try:
                run(block, namespace, runner, capsys)
            finally:
                for ai in clients:
                    runner.run(ai.aclose())
                clients.clear()
                logging.getLogger("cfai").setLevel(level)

    gc.freeze()  # so that at the end only what a page leaves is looked through
    yield run_alone
    # The connections of an event loop that has ended can only be collected: now, not in the middle of another test.
    gc.collect()
    gc.unfreeze()


def runnable(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.not_run is None and block.file is None]


def pages(pattern: str) -> pytest.MarkDecorator:
    """Parametrize with the pages that have a block with `pattern` in it."""
    found = [page for page in PAGES if any(re.search(pattern, block.code) for block in runnable(page))]
    return pytest.mark.parametrize("page", found, ids=lambda page: page.name)


_CLIENT = r"\bAi\((?!account_id)"
"""A client that is made with the credentials of the environment."""


@pytest.mark.usefixtures("local")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pages("")
def test_a_block_prints_what_its_page_says(page: Path, run_alone: RunAlone) -> None:
    for block in runnable(page):
        run_alone(block)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pages(_CLIENT)
def test_without_an_account_a_block_runs_with_local_in_its_place(
    page: Path, run_alone: RunAlone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", LOCAL_API_TOKEN)  # for clients of OpenAI's API, as openai.md has it
    for block in runnable(page):
        if re.search(_CLIENT, block.code):
            code = re.sub(r"\bAi\(account_id.*?\)", "Ai()", block.code)
            code = code.replace("Ai()", "Ai.local(emulated=True)").replace("Ai(", "Ai.local(emulated=True, ")
            run_alone(replace(block, code=code))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pages(_CLIENT)
def test_without_an_account_the_error_of_a_block_names_the_way_out(page: Path, run_alone: RunAlone) -> None:
    for block in runnable(page):
        if re.search(_CLIENT, block.code):
            with pytest.raises(ConfigurationError, match=r"Ai\.local\(\)"):
                run_alone(block)


@pytest.mark.usefixtures("local")
def test_the_block_on_tools_runs_where_the_model_calls_none(run_alone: RunAlone) -> None:
    prompt = "Use get_weather for Oslo."
    (block,) = [block for block in runnable(ROOT / "docs" / "tasks" / "text.md") if prompt in block.code]
    code = block.code.replace(prompt, "Where is Oslo?")
    run_alone(replace(block, code=code, output="This is an emulated answer to “Where is Oslo?”: …"))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(block.file for block in blocks(page))], ids=lambda page: page.name
)
def test_the_tests_of_a_page_pass(page: Path, tmp_path: Path) -> None:
    files = {block.file: block for block in blocks(page) if block.file}
    for name, block in files.items():
        (tmp_path / name).write_text(block.code, "utf-8")
    options = "-q -W error -p no:cacheprovider --rootdir=. -c /dev/null"
    command = [sys.executable, "-m", "pytest", *options.split()]
    for arguments, expected in (([], "…"), *(([name], block.output) for name, block in files.items() if block.output)):
        done = subprocess.run([*command, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=LONG)
        assert arguments or done.returncode == 0, done.stdout
        assert looks_like(done.stdout, expected), f"{page.name}: {arguments} printed\n{done.stdout}"


def test_no_block_is_left_out_silently() -> None:
    counted = {page.name: sum(block.not_run is not None for block in blocks(page)) for page in PAGES}
    assert {name: count for name, count in counted.items() if count} == NOT_RUN
    for page in PAGES:
        fences = re.findall(r"^ *[`~]{3,} *(?:python|py|pycon)", page.read_text("utf-8"), re.MULTILINE)
        assert len(blocks(page)) == len(fences), page.name


def test_no_page_has_a_heading_twice() -> None:
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        headings = [line for line in re.findall(r"^#+ .*", text, re.MULTILINE) if page.name != "changelog.md"]
        assert sorted(headings) == sorted(set(headings)), page.name


def test_no_page_has_the_package_installed_from_an_index_that_does_not_have_it() -> None:
    # Where it is installed already, pip takes an extra of it without asking for the package.
    adds_an_extra = r'it is published, it is `pip install "cfai-sdk\[|`pip install "cfai-sdk\[media\]"`'
    for page in PAGES:
        if page.name != "releasing.md":
            text = re.sub(adds_an_extra, "", page.read_text("utf-8"))
            assert not re.findall(r"pip install[^`&\n]*cfai.*", text), page.name


def test_the_readme_names_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = re.findall(r"^\| `(\w+)` \|", PAGES[0].read_text("utf-8"), re.MULTILINE)
    assert {*extras, "dev", "docs"} == {*project["optional-dependencies"]}


def test_the_tables_of_models_say_what_the_catalogue_says() -> None:
    named: set[str] = set()
    for page in TASKS:
        for name, limits, price in re.findall(
            r"^\| `(@\S+)` \| (.*) \| (.*) \|$", page.read_text("utf-8"), re.MULTILINE
        ):
            model = models.get(name)
            assert model is not None, name
            with row(f"{page.name}: {name}"):
                assert model.retired_on is None
                prices = [(float(usd), unit) for usd, unit in re.findall(r"\$([\d.]+) (per [^;]+)", price)]
                assert prices == [(each.usd, each.unit) for each in model.price if each.usd]
                assert price.startswith("free") == (bool(model.price) and not prices)
                for limit in (model.context_length, model.input_length, model.batch_length):
                    assert limit is None or f"{limit.value:,}" in limits
            named.add(name)
    others = [model.name for model in models.list(live=True) if model.task != "Text Generation"]
    assert {*others} <= named, "the pages name all models but those that chat"


def test_every_page_of_a_task_has_the_same_headings() -> None:
    for page in TASKS:
        headings = re.findall(r"^## (.*)$", page.read_text("utf-8"), re.MULTILINE)
        parts = ["What goes in", "A first call", "What comes out", "Variations", "Limits and errors", "Async"]
        assert headings == parts, page.name


def test_the_errors_page_shows_the_whole_tree() -> None:
    assert cfai._errors.__doc__ is not None
    tree = cfai._errors.__doc__.split("```")[1]
    assert f"```text{tree}```" in (ROOT / "docs" / "errors.md").read_text("utf-8")


def test_every_link_leads_somewhere_and_every_page_is_reached_from_the_readme() -> None:
    leads: dict[Path, set[Path]] = {}
    for page in [*PAGES, *API]:
        for link in _LINK.findall(page.read_text("utf-8")):
            name, _, heading = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            assert target.exists(), f"{page.name}: {link}"
            titles = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE) if heading else []
            anchors = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
            assert not heading or heading in anchors, f"{page.name}: {link}"
            leads.setdefault(page, set()).add(target)
    reached = {PAGES[0]}
    while found := {target for page in reached for target in leads.get(page, ())} - reached:
        reached |= found
    assert {page for page in [*PAGES, *API] if page.name != "releasing.md"} - reached == set()


def test_a_picture_is_small_and_loads_and_runs_nothing() -> None:
    pictures = sorted((ROOT / "docs" / "pictures").glob("*.svg"))
    assert "stream.svg" in [picture.name for picture in pictures]
    for picture in pictures:
        with row(picture.name):
            text = picture.read_text("utf-8")
            assert len(text) < 100_000
            assert not re.findall(r"<script|<foreignObject|@import|(?:href|src)=[\"'](?!#)|url\((?!#)|\bon\w+=", text)


def test_every_public_name_has_its_place_in_the_api_reference_once() -> None:
    described = [name for page in API for name in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE)]
    objects = {name: get_object(name) for name in described if not name.startswith("cfai.integrations.")}
    assert len(described) == len({*described})
    for module in [f"cfai{name}" for name in PUBLIC]:
        for name in importlib.import_module(module).__all__:
            public = get_object(f"{module}.{name}")
            same = [each for each, value in objects.items() if value is public]
            assert isinstance(public, ModuleType) or len(same) == 1, f"{module}.{name}"
            assert module != "cfai" or isinstance(public, ModuleType) or same[0].count(".") == 1, same


def get_object(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)
