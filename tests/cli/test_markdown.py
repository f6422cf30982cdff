"""An answer in Markdown on a terminal: drawn as it comes, whole in the end, plain where it must be."""

from __future__ import annotations

import io
import json
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cfai.cli._live_markdown import MarkdownWriter
from tests.conftest import ACCOUNT, TOKEN, Peer, Serve, row

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals", allow_module_level=True)

import pyte

from tests.cli.screens import run_on_screen

MODEL = "@cf/zai-org/glm-4.7-flash"
NUMBERED = "\n".join(f"{number}. item {number}" for number in range(1, 31))
ANSWER = f"""# The title

A **bold** word, `code`, <b>html</b> and a [link](https://a.example/b).
The second line.

{NUMBERED}

```python
def f(x):
    return x  # \x1b]0;title\x07
```

| a | b |
|---|---|
| 1 | 2 |

> quoted

![a cat](https://a.example/cat.png)

The [end][1].

[1]: https://a.example/end
"""
SHOWN = """The title

A bold word, code, <b>html</b> and a link
(https://a.example/b).
The second line.

{numbers}

 def f(x):
     return x  # \\x1b]0;title\\x07

 a  b
 ────
 1  2

▌ quoted

!a cat (https://a.example/cat.png)

The end (https://a.example/end).""".replace("{numbers}", "\n".join(f"{n:3} item {n}" for n in range(1, 31)))


def answer(peer: Peer) -> None:
    while peer.request():
        pieces = [ANSWER[at : at + 7] for at in range(0, len(ANSWER), 7)]
        events = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
        peer.stream(*(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events), b"data: [DONE]\n\n")
        peer.chunk(b"")


def test_an_answer_longer_than_the_screen_is_whole_in_its_history_and_plain_where_it_is_wanted(serve: Serve) -> None:
    names = {"CLOUDFLARE_API_BASE_URL": serve(answer).url, "CLOUDFLARE_ACCOUNT_ID": ACCOUNT}
    names |= {"CLOUDFLARE_API_TOKEN": TOKEN, "PYTHONWARNINGS": "error"}
    command = ["-m", "cfai", "run", MODEL, "hello"]
    screen = run_on_screen(*command, environment=names)
    assert (screen.code, screen.text) == (0, SHOWN)
    assert len(screen.history) > 30
    assert b"\x1b[1m" in screen.written, "bold"
    assert b"\x1b]0;" not in screen.written
    assert screen.written.endswith(b"\x1b[?25h") or b"\x1b[?25h" in screen.written[-40:], "the cursor is back"
    plain = ANSWER.replace("\x1b", r"\x1b").replace("\x07", r"\x07")
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        with row(environment):
            screen = run_on_screen(*command, columns=200, environment=names | environment)
            assert (screen.code, screen.text) == (0, plain.rstrip())
            assert b"\x1b" not in screen.written


def draw(text: str, step: int, rows: int = 8) -> str:
    """Return what a terminal shows in the end of a text that came in pieces."""
    file, screen = io.StringIO(), pyte.HistoryScreen(60, rows, history=10_000, ratio=1)
    console = Console(file=file, force_terminal=True, width=60, height=rows, color_system="standard", highlight=False)
    with MarkdownWriter(console) as writer:
        for at in range(0, len(text), step):
            writer.write(text[at : at + step])
    pyte.Stream(screen).feed(file.getvalue().replace("\n", "\r\n"))
    history = ["".join(line[column].data for column in range(60)).rstrip() for line in screen.history.top]
    return "\n".join([*history, *(line.rstrip() for line in screen.display)]).rstrip()


def test_it_does_not_matter_how_an_answer_is_cut() -> None:
    for step in (1, 2, 3, 11, 10_000):
        with row(step):
            assert draw(ANSWER, step) == SHOWN
    assert draw(ANSWER.replace("\n", "\r\n"), 1) == SHOWN


def test_what_is_written_behind_an_end_goes_on_below() -> None:
    file = io.StringIO()
    with MarkdownWriter(Console(file=file, force_terminal=True, width=40, height=8)) as writer:
        writer.write("one")
        writer.end()
        writer.write("two")
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue())
    assert [line for line in shown.splitlines() if line.strip()][-1].strip() == "two"


@given(st.text(st.sampled_from("ab1*_`#>-+|[]()!~\\.: \n\t<&é"), max_size=60), st.integers(1, 9))
def test_no_text_breaks_it_and_letters_stay(text: str, step: int) -> None:
    letters = re.sub(r"[^abé]", "", text)
    for shown in (draw(text, step, rows=30), draw(text, 1000, rows=30)):
        assert re.sub(r"[^abé]", "", shown).count("é") <= letters.count("é")
    if not re.search(r"[\[`|~\\]", text):
        assert re.sub(r"[^abé]", "", shown) == letters
