"""What `mkdocs.yml` has MkDocs do beside: pages link to files outside docs/, and on the site these are pages too.

So every link works in a checkout and on the site, and nothing is written twice: the README is the home of the site, a
program is a page with its code, and a folder one that lists its files. A picture or a notebook is copied.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
LANGUAGES = {".py": "python", ".html": "html", ".js": "javascript", ".css": "css"}
HOME = "README.md"

sources: dict[str, str] = {}
"""The files and folders of the checkout that have a page, by the page."""

_LINK = re.compile(r"""(?<=\]\()[^)\s]+|(?<=\bsrc=")[^"]+|(?<=\bsrcset=")[^"]+|(?<=\bhref=")[^"]+""")
_CODE = re.compile(r"^(`{3,}).*?^\1$", re.MULTILINE | re.DOTALL)


def to_page(path: str) -> str:
    """Return where the site has a file or folder of the checkout."""
    if path == HOME:
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if (ROOT / path).is_dir():
        return f"{path}/index.md"
    is_code = (ROOT / path).suffix in LANGUAGES or (ROOT / path).suffix == ""
    return f"{path.removeprefix('.')}.md" if is_code else path


def move_links(markdown: str, path: str, follow: Callable[[str], None] = lambda target: None) -> str:
    """Return the text of a file of the checkout with the links that its page has; code stays as it is."""
    folder = path if (ROOT / path).is_dir() else posixpath.dirname(path)

    def move(link: re.Match[str]) -> str:
        name, mark, heading = link[0].partition("#")
        if not name or ":" in name:
            return link[0]
        target = posixpath.normpath(posixpath.join(folder, name))
        if target.startswith("..") or not (ROOT / target).exists():
            return link[0]  # MkDocs warns of it
        follow(target)
        return posixpath.relpath(to_page(target), posixpath.dirname(to_page(path)) or ".") + mark + heading

    parts: list[str] = []
    end = 0
    for code in _CODE.finditer(markdown):
        parts += [_LINK.sub(move, markdown[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _LINK.sub(move, markdown[end:])])


def render(path: str) -> str:
    """Return the page of a file or folder outside docs/."""
    source = ROOT / path
    if source.is_dir():
        rows = [_row(file, source) for file in sorted(source.rglob("*.*")) if file.is_file() and file.suffix != ".pyc"]
        return "\n".join([f"# {source.name.replace('_', ' ').capitalize()}", "", "| file | |", "|---|---|", *rows])
    text = source.read_text("utf-8")
    if source.suffix == ".md":
        return text
    return f"# {source.name}\n\n````{LANGUAGES.get(source.suffix, 'text')}\n{text.rstrip()}\n````\n"


def _row(file: Path, folder: Path) -> str:
    """Return the row of a file in the list of its folder: its name, and a program's first line."""
    name = file.relative_to(folder).as_posix()
    says = re.match(r'"""(.*?)("""|\n)', file.read_text("utf-8")) if file.suffix == ".py" else None
    return f"| [`{name}`]({name}) | {says[1] if says else ''} |"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to outside docs/, and what that links to."""
    found = {HOME}

    def follow(target: str) -> None:
        if not target.startswith("docs/") and target not in found:
            found.add(target)
            waiting.append(target)

    waiting = [HOME]
    for file in files.documentation_pages():
        move_links(file.content_string, f"docs/{file.src_uri}", follow)
    while waiting:
        path = waiting.pop()
        page = to_page(path)
        if not page.endswith(".md"):
            files.append(File(path, str(ROOT), config.site_dir, config.use_directory_urls))
            continue
        content = render(path)
        move_links(content, path, follow)
        inclusion = InclusionLevel.INCLUDED if path == HOME else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, page, content=content, inclusion=inclusion))
        sources[page] = path
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the links of a page lead to pages. The home has no other page of its group to list."""
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]
    return move_links(markdown, sources.get(page.file.src_uri, f"docs/{page.file.src_uri}"))
