"""Streams that are the value of a cell, and their hints elsewhere."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from cfai.local import Emulator, Fault
from tests.conftest import row
from tests.display.conftest import Shell, Shown

GLM = "@cf/zai-org/glm-4.7-flash"
CALLS = (
    f'ai.run("{GLM}", {{"prompt": "Hello", "stream": True}})',
    f'ai.run("{GLM}", {{"prompt": "Hello", "stream": True}}, output_type=dict[str, int])',
    f'ai.chat("{GLM}").stream("Hello")',
    f'ai.run_with_tools("{GLM}", {{"prompt": "Hello", "stream": True}}, tools=[])',
    'ai.run("@cf/deepgram/aura-1", {"text": "Hello", "stream": True})',
)


def to_async(call: str) -> str:
    if ".chat" in call:
        return call.replace("stream(", "astream(")
    return "await " + call.replace("ai.run", "ai.arun")


@pytest.fixture
def slow(notebook: Shell) -> Iterator[Emulator]:
    """An emulator that writes slowly enough to be looked at."""
    with Emulator(tokens_per_second=200) as emulator, emulator.ai() as ai:
        notebook.set(ai=ai)
        yield emulator


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfai._display.live._INTERVAL", 0.0)
    monkeypatch.setattr("cfai._display.live._CHARACTERS_A_SECOND", 1e9)


def test_a_stream_grows_in_its_place_and_ends_as_the_answer(notebook: Shell, slow: Emulator) -> None:
    shown = notebook(CALLS[0])
    first, *looks, last = shown.looks
    assert first["text/plain"] == ""
    texts = [look["text/plain"] for look in looks if "color: gray" not in look["text/html"]]
    assert len(texts) > 5
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert any("color: gray" in look["text/html"] for look in looks), "its reasoning comes first"
    assert "This is an emulated answer to “Hello”" in last["text/markdown"]
    assert "tokens, " in last["text/markdown"]
    assert shown.outputs == [last]


def test_every_kind_of_stream_ends_as_its_result(notebook: Shell, ai: Any) -> None:
    expected = ("emulated answer", "```json\n{", "emulated answer", "emulated answer", "<audio")
    for call, part in zip(CALLS, expected, strict=True):
        with row(call):
            assert part in notebook(call).text


def test_asynchronous_streams_grow_beside_the_cells_that_run_meanwhile(notebook: Shell, emulator: Emulator) -> None:
    expected = ("emulated answer", "```json\n{", "emulated answer", "emulated answer", "<audio")

    async def run(call: str) -> Shown:
        async with emulator.ai() as ai:
            notebook.set(ai=ai)
            return await notebook.arun(to_async(call))

    for call, part in zip(CALLS, expected, strict=True):
        with row(call):
            shown = asyncio.run(run(call))
            assert shown.ok
            assert shown.looks[0]["text/plain"].startswith("<Async"), "what to do, where a page does not change"
            assert part in shown.text
    gc.collect()


def test_synchronous_calls_and_awaited_ones_work_in_one_running_loop(notebook: Shell, emulator: Emulator) -> None:
    async def run() -> list[Shown]:
        async with emulator.ai() as ai:
            notebook.set(ai=ai)
            cells = (
                CALLS[0],
                f'ai.run("{GLM}", {{"prompt": "Hello"}})',
                f'await ai.arun("{GLM}", {{"prompt": "Hello"}})',
                f'"".join(map(str, ai.run("{GLM}", {{"prompt": "Hello", "stream": True}})))',
                f'"".join([str(token) async for token in ai.arun("{GLM}", {{"prompt": "Hello", "stream": True}})])',
            )
            return [await notebook.arun(cell) for cell in cells]

    for shown in asyncio.run(run()):
        assert "emulated answer to “Hello”" in str(shown.page)


def test_a_stream_that_breaks_shows_what_had_come_and_why(notebook: Shell, ai: Any, emulator: Emulator) -> None:
    emulator.script(Fault(truncate_after=40))
    shown = notebook(CALLS[0])
    page, traceback = shown.outputs
    assert "This is" in page["text/markdown"]
    assert "broken off</small>" in page["text/markdown"]
    assert "StreamTruncatedError" in shown.stdout
    assert "<details>" in traceback["text/html"]


def test_an_asynchronous_stream_that_breaks_says_why_in_its_place(notebook: Shell, emulator: Emulator) -> None:
    async def run() -> Shown:
        async with emulator.ai() as ai:
            notebook.set(ai=ai)
            emulator.script(Fault(truncate_after=40))
            return await notebook.arun(to_async(CALLS[0]))

    page = asyncio.run(run()).page["text/markdown"]
    assert "This is" in page
    assert "StreamTruncatedError: " in page


def test_an_interrupt_stops_the_model_and_leaves_what_had_come(
    notebook: Shell, slow: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cfai._display import live

    grow, seen = live._Screen.grow, [0]

    def interrupt(screen: Any) -> None:
        grow(screen)
        seen[0] += 1
        if seen[0] == 30:
            raise KeyboardInterrupt

    monkeypatch.setattr(live._Screen, "grow", interrupt)
    notebook(f'stream = ai.run("{GLM}", {{"prompt": "Hello", "stream": True}})')
    shown = notebook("stream")
    assert not shown.ok
    assert "stopped</small>" in shown.page["text/markdown"]
    assert shown.stdout.strip() == "KeyboardInterrupt: the stream was stopped"
    assert "left" in repr(notebook.shell.user_ns["stream"])


def test_a_stream_that_was_read_is_shown_as_its_answer_again(notebook: Shell, ai: Any) -> None:
    notebook(f"stream = {CALLS[0]}")
    first = notebook("stream").text
    assert notebook("stream").text == first
    assert notebook("stream.result()").text == first


def test_long_answers_are_looked_at_less_often(notebook: Shell, ai: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfai._display.live._CHARACTERS_A_SECOND", 1.0)
    assert len(notebook(CALLS[0]).looks) <= 4, "the first, one at once, one of the text, the last"


def test_in_a_terminal_a_stream_is_printed_as_it_comes(terminal: Shell, ai: Any) -> None:
    shown = terminal(CALLS[0])
    assert shown.stdout.startswith("This is an emulated answer to “Hello”")
    assert shown.outputs == []
    assert terminal(CALLS[4]).stdout.startswith("Audio(audio/mpeg, ")


def test_in_a_terminal_control_characters_are_shown(terminal: Shell, ai: Any) -> None:
    shown = terminal('ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "a\\x1b]0;b\\x07", "stream": True})')
    assert "\x1b" not in shown.stdout
    assert "\\x1b]0;b" in shown.stdout


def test_in_a_terminal_a_stream_that_breaks_shows_its_error(terminal: Shell, ai: Any, emulator: Emulator) -> None:
    emulator.script(Fault(truncate_after=40))
    lines = terminal(CALLS[0]).stdout.splitlines()
    assert lines[0].startswith("This is")
    assert lines[1].startswith("\x1b[1;31mStreamTruncatedError")


def test_in_a_terminal_an_asynchronous_stream_says_how_it_is_read(terminal: Shell, emulator: Emulator) -> None:
    async def run() -> Shown:
        async with emulator.ai() as ai:
            terminal.set(ai=ai)
            return await terminal.arun(to_async(CALLS[0]))

    assert "async for token in stream" in asyncio.run(run()).stdout


def test_elsewhere_a_stream_says_how_it_is_read_and_how_far_it_is(emulator: Emulator) -> None:
    with emulator.ai() as ai:
        stream = ai.run(GLM, {"prompt": "Hello", "stream": True})
        assert str(stream) == repr(stream)
        assert repr(stream) == (
            "<Stream of @cf/zai-org/glm-4.7-flash, not read yet: for token in stream: print(token, end='', "
            "flush=True), or stream.result() for the whole>"
        )
        next(stream)
        assert "being read as tokens" in repr(stream)
        stream.result()
        assert repr(stream) == "<Stream of @cf/zai-org/glm-4.7-flash, read to its end: .result() is the whole>"
        with ai.run(GLM, {"prompt": "Hello", "stream": True}) as left:
            next(left)
        assert repr(left) == "<Stream of @cf/zai-org/glm-4.7-flash, broken off or left: StreamTruncatedError>"
        call: Any = ai.arun(GLM, {"prompt": "Hello"})
        assert repr(call) == "<AsyncCall, sent once it is awaited: write `await` before it>"
        call.close()
        call = ai.arun(GLM, {"prompt": "Hello", "stream": True})
        assert "`async for token in …`" in repr(call)
        call.close()
        chat = ai.chat(GLM)
        assert "iterate it" in repr(chat.stream("Hello"))
        assert "async for" in repr(chat.astream("Hello"))
        tools = ai.run_with_tools(GLM, {"prompt": "Hello", "stream": True}, tools=[])
        assert "is to be read" in repr(tools)
        tools.result()
        assert "is over" in repr(tools)
