"""What `mkdocs.yml` has MkDocs do beside: pages link to files outside docs/, and on the site these are pages too.

So every link works in a checkout and on the site, and nothing is written twice: the README is the home of the site, a
program is a page with its code, a notebook one with what its cells showed, and a folder one that lists its files. A
picture is copied.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[1]
HOME = "README.md"
LANGUAGES = {"": "text", ".py": "python", ".html": "html", ".js": "javascript", ".css": "css"}
"""The files that are shown on a page, and how they are coloured."""

SEARCHED = {"ai.run", "glm-4.7-flash", "http_client", "limit_overrides", "max_retries", "run_with_tools", "to_numpy"}
"""What stands amid code on pages, and has to be found all the same."""

IN_A_CHECKOUT = "*In a checkout this page has names alone. `mkdocs serve` shows what their docstrings say.*\n"
"""What a page of the API says where nothing fills it in."""

sources: dict[str, str] = {}
"""The files and folders of the checkout that have a page, by the page."""

# A block of code, which stays as it is, or the address of a link or a picture, in Markdown or HTML.
_LINK = re.compile(
    r"""^(?P<fence>`{3,}).*?^(?P=fence)$|(?P<before>\]\(|\b(?:src|srcset|href)=")(?P<link>[^)"\s]+)""",
    re.MULTILINE | re.DOTALL,
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to outside docs/, and what that links to."""
    waiting = [HOME]
    for file in files.documentation_pages():
        waiting += find_targets(file.content_string, f"docs/{file.src_uri}")
    added: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path.startswith("docs/") or path in added:
            continue
        added.add(path)
        page = to_page(path)
        if not page.endswith(".md") or path.endswith(".ipynb"):
            files.append(File(path, str(ROOT), config.site_dir, config.use_directory_urls))
        if not page.endswith(".md"):
            continue
        content, pictures = convert(path) if path.endswith(".ipynb") else (render(path), {})
        for name, picture in pictures.items():
            files.append(File.generated(config, posixpath.join(posixpath.dirname(page), name), content=picture))
        waiting += find_targets(content, path)
        inclusion = InclusionLevel.INCLUDED if path == HOME else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, page, content=content, inclusion=inclusion))
        sources[page] = path
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the links of a page lead to pages, and say how it stands among the others."""
    path = sources.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def move(found: re.Match[str]) -> str:
        target = resolve(found["link"], path) if found["link"] else None
        if target is None:
            return found[0]
        heading = "#" + found["link"].partition("#")[2] if "#" in found["link"] else ""
        new = posixpath.relpath(to_page(target), posixpath.dirname(page.file.src_uri) or ".")
        if found["before"] != "](":  # MkDocs leaves HTML alone
            file = files.get_file_from_path(to_page(target))
            new = file.url_relative_to(page.file) if file else new
        return f"{found['before']}{new}{heading}"

    if page.is_homepage:
        page.meta["hide"] = ["navigation"]  # its group has no other page
    if page.file.src_uri.startswith(("ci/", "examples/", "tests/")):
        page.meta["search"] = {"exclude": True}  # a program has every word
    if page.file.src_uri.startswith("api/"):
        page.meta["search"] = {"boost": 0.5}  # what explains a word comes before what lists it
        markdown = markdown.replace(IN_A_CHECKOUT, "")
    return _LINK.sub(move, markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Check that the search takes code apart into the words that a reader looks for."""
    index = json.loads((Path(config.site_dir) / "search" / "search_index.json").read_text("utf-8"))
    separator = index["config"]["separator"]
    for page in index["docs"]:
        words = {*re.split(separator, re.sub(r"<.*?>", " ", page["text"]))}
        for name in SEARCHED:
            if re.search(rf"\b{name}\b", page["text"]) and not words.issuperset(re.split(separator, name)):
                raise PluginError(f"the search does not find {name} in {page['location']}: see mkdocs.yml")


def find_targets(markdown: str, path: str) -> Iterator[str]:
    """Return the files and folders of the checkout that a file links to."""
    for found in _LINK.finditer(markdown):
        if found["link"] and (target := resolve(found["link"], path)):
            yield target


def resolve(link: str, path: str) -> str | None:
    """Return the file or folder of the checkout that a link in another leads to; `None` if it leads nowhere else."""
    name = link.partition("#")[0]
    folder = path if (ROOT / path).is_dir() else posixpath.dirname(path)
    target = posixpath.normpath(posixpath.join(folder, name))
    is_here = name and ":" not in name and not target.startswith("..") and (ROOT / target).exists()
    return target if is_here else None  # of what there is not, MkDocs warns


def to_page(path: str) -> str:
    """Return where the site has a file or folder of the checkout."""
    if path == HOME:
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if (ROOT / path).is_dir():
        return f"{path}/index.md"
    if path.endswith(".ipynb"):
        return f"{path.removesuffix('.ipynb')}.md"  # the notebook itself stands beside the folder of its page
    return f"{path.removeprefix('.')}.md" if (ROOT / path).suffix in LANGUAGES else path


def render(path: str) -> str:
    """Return the page of a file or folder outside docs/."""
    source = ROOT / path
    if source.is_dir():
        rows = [_row(file, source) for file in sorted(source.rglob("*.*")) if file.is_file() and file.suffix != ".pyc"]
        return "\n".join([f"# {source.name.replace('_', ' ').capitalize()}", "", "| file | |", "|---|---|", *rows])
    text = source.read_text("utf-8")
    if source.suffix == ".md":
        return text
    return f"# {source.name}\n\n````{LANGUAGES[source.suffix]}\n{text.rstrip()}\n````\n"


def convert(path: str) -> tuple[str, dict[str, bytes]]:
    """Return the page of a notebook, and its pictures by their names."""
    source = ROOT / path
    text, resources = MarkdownExporter().from_filename(str(source), resources={"unique_key": source.stem})
    return f'{text}\n\n<a href="../{source.name}" download>Download this notebook</a>\n', resources["outputs"]


def _row(file: Path, folder: Path) -> str:
    """Return the row of a file in the list of its folder: its name, and a program's first line."""
    name = file.relative_to(folder).as_posix()
    says = re.match(r'"""(.*?)("""|\n)', file.read_text("utf-8")) if file.suffix == ".py" else None
    return f"| [`{name}`]({name}) | {says[1] if says else ''} |"
