"""Markdown of a model that shows and does nothing, whatever renderer reads it."""

from __future__ import annotations

import html
import re
from html import unescape
from html.parser import HTMLParser

import mistune
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cfai._display import escape_markdown, render_answer
from tests.conftest import row

SCRIPTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<IFRAME SRC='javascript:alert(1)'>",
    "<a href='javascript:alert(1)'>x</a>",
    "<javascript:alert(1)>",
    "<svg/onload=alert(1)>",
    "<!-- --><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?>",
)
LINKS = (
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](\njavascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](java&#x0A;script:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](javascript\\:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](vbscript:msgbox)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](file:///etc/passwd)",
    "[x][y]\n\n[y]: javascript:alert(1)",
    "[y]\n\n[y]:\n  javascript:alert(1) 'title'",
    "[`y`]\n\n[`y`]: javascript:alert(1)",
    "[y\nz]\n\n[y\nz]: javascript:alert(1)",
    "[y]\n\n> [y]: &#106;avascript:alert(1)",
    "![x](https://example.com/leak.png?secret)",
    "![x][y]\n\n[y]: https://example.com/leak.png",
    '![x](x "onerror=alert(1)")',
)
AROUND = (
    "{}",
    "`{}`",
    "``{}``",
    "`{}",
    "```\n{}\n```",
    "```html\n{}",
    "~~~\n{}\n~~~",
    "~~~\n{}\n```",
    "    {}",
    "text\n    ```\n{}\n    ```",
    "- a\n\n  ```\n  {}\n  ```",
    "1. a\n   ```js\n   {}\n   ```\n2. b",
    "> ```\n> {}\n> ```",
    "| a | b |\n|---|---|\n| `{} | ` |",
    "| a |\n|---|\n| ``{} | `` |",
    "\\`{}\\`",
    "\\\\`{}`",
    "${}$",
    "$$\n{}\n$$",
    "`a` {} `b`",
    "`a\n\n{} `",
    "``` a`b\n{}\n```",
    "# {}",
    "a\n===\n{}",
    "\\{}",
    "&lt;{}",
    "*{}*",
)


class Page(HTMLParser):
    """A page, of which all that could act is listed."""

    SHOWN = re.compile(
        "p|em|strong|code|pre|[uo]l|li|h[1-6]|blockquote|[hb]r|table|thead|tbody|t[rhd]|del|a|small|details|summary|span|div"
    )

    def __init__(self, html: str) -> None:
        super().__init__()
        self.active: list[str] = []
        self.links: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.SHOWN.fullmatch(tag):
            self.active.append(tag)
        for name, value in attrs:
            if name == "href":
                self.links.append(value or "")
            elif name not in ("style", "title", "class", "start", "align"):
                self.active.append(f"{tag} {name}")

    def handle_comment(self, data: str) -> None:
        self.active.append(f"<!--{data}")

    def handle_decl(self, decl: str) -> None:
        self.active.append(f"<!{decl}")

    unknown_decl = handle_decl

    def handle_pi(self, data: str) -> None:
        self.active.append(f"<?{data}")


RENDERERS = {
    "mistune": mistune.create_markdown(escape=False, plugins=["table", "strikethrough", "url", "math", "def_list"]),
    "markdown-it": MarkdownIt("gfm-like", {"html": True, "linkify": False}).render,
    "CommonMark": MarkdownIt("commonmark").render,
}


def check_harmless(text: str) -> None:
    """Check that nothing of a text acts in any renderer, and that every tag is one of this module."""
    escaped = render_answer(text, "1 token", reasoning=text)
    tags = re.findall(r"</?[^>]{0,40}", escaped)
    ours = r"</?(?:pre|code|small|details|summary)\b"
    assert [tag for tag in tags if not re.match(ours, tag)] == []
    # The renderers here know some schemes for bad; that of JupyterLab follows all.
    for target in re.findall(r"(?s)\][(:]\s*(.{0,80})", escaped):
        assert not re.match(r"(?i)(?:javascript|vbscript|data|file):", re.sub(r"\s|\\", "", unescape(target)))
    for name, render in RENDERERS.items():
        with row(name):
            page = Page(str(render(escaped)))
            assert page.active == []
            schemes = [link.lower() for link in page.links if not re.match(r"(?i)https?://|mailto:|[^:&\\]*$", link)]
            assert schemes == []


def test_the_renderers_of_these_tests_do_run_what_is_not_escaped() -> None:
    for name, render in RENDERERS.items():
        with row(name):
            assert Page(str(render(SCRIPTS[0]))).active == ["script"]
            assert Page(str(render("![x](https://example.com/a)"))).active[0] == "img"


def test_nothing_hostile_acts_wherever_it_stands() -> None:
    for text in (*SCRIPTS, *LINKS):
        for around in AROUND:
            with row((text, around)):
                check_harmless(around.replace("{}", text))


PIECES = (
    *(
        "`",
        "``",
        "```",
        "~~~",
        "\n",
        "\n\n",
        " ",
        "    ",
        "\t",
        "> ",
        "- ",
        "1. ",
        "| ",
        "|---|\n",
        "\\",
        "$",
        "$$",
        "*",
        "_",
    ),
    *(
        "[x]",
        "[",
        "]",
        "](",
        "]:",
        "(",
        ")",
        "!",
        "![",
        "<",
        ">",
        "&",
        "&#60;",
        "&lt;",
        "javascript:alert(1)",
        "https://a.b",
    ),
    *(
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:a)",
        "[x]: javascript:a",
        "text",
        "#",
    ),
    *("\u2028", "\u200b", "\x0c", "\r", "\0", ":", '"'),
)


@settings(max_examples=150, database=None, derandomize=True)
@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join))
def test_nothing_acts_in_any_mixture(text: str) -> None:
    check_harmless(text)


def test_what_is_harmless_stays_as_it_was_written() -> None:
    for text in (
        "# Title\n\n*a* **b** ~~c~~ [d](https://example.com/a_b)",
        "- a\n  - b\n\n1. c\n\n> d\n\n| e | f |\n|---|---|\n| g | h |",
        "```python\nif x[0]:\n    print(handlers[name](arg), a & b > c)\n```",
        "Energy: $E = mc^2$ and $$\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}$$",
        "`x = y[1:2]` & [a](#b) [c]: d",
        "[1]: https://example.com\n\n[mail](mailto:a@example.com)",
    ):
        with row(text):
            assert escape_markdown(text) == text


def test_what_is_not_is_shown_as_it_was_written() -> None:
    for text, expected in (
        ("a < b, <b>c</b>", "a &lt; b, &lt;b>c&lt;/b>"),
        ("$a < b$", "$a \\lt  b$"),
        ("`List<int>`", "<code>List&#60;int&#62;</code>"),
        ("<https://b.example>. > c", "&lt;https://b.example&gt;. > c"),
        ("![a](https://b)", "&#33;[a](https://b)"),
        ("[a](javascript:b)", "[a]&#40;javascript:b)"),
        ("```\na\r\nb", "```\na\nb\n```"),
        ("a\x1b]0;b\x07 \u202e", "a\\x1b]0;b\\x07 \\u202e"),
    ):
        with row(text):
            assert escape_markdown(text) == expected


@pytest.mark.parametrize("name", RENDERERS)
def test_code_shows_every_character(name: str) -> None:
    code = "<b>*a* _b_ [c](d) `e` $f$\n\n    # <g> & | \\ ~~h~~\n\t{i}"
    for around in ("```html\n{}\n```", "1. a\n\n   ```html\n   {}\n   ```"):
        with row(around):
            indent = "   " if around.startswith("1") else ""
            page = str(RENDERERS[name](escape_markdown(around.replace("{}", code.replace("\n", f"\n{indent}")))))
            found = re.search(r"<pre><code>(.*?)</code></pre>", page, re.DOTALL)
            assert found is not None
            assert html.unescape(re.sub(r"<[^>]*>", "", found[1])).rstrip("\n") == code


def test_an_answer_that_was_cut_in_its_code_leaves_the_grey_line_outside() -> None:
    for text in ("```python\nprint(1)", "~~~~\n<b>", "1. a\n   ```\n   b", "```"):
        with row(text):
            page = str(RENDERERS["markdown-it"](render_answer(text, "1 token")))
            assert re.search(r'<p><small style="color: gray">1 token</small></p>\s*$', page)


def test_a_text_that_is_made_to_take_minutes_takes_moments() -> None:
    for piece in ("](", "`a", "$$", "$", "<", "![", "\n", " \n", "]:", "[", "```", "    ```\n"):
        assert escape_markdown(piece * 20_000)
    assert escape_markdown("".join("`" * count + "a" for count in range(400)))
