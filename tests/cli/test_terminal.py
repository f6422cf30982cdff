"""What others wrote, on a real terminal and in a pipe: the command line as a program of its own."""

from __future__ import annotations

import doctest
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cfai import InferenceUpstreamError, LimitWarning, StreamError, _escape
from cfai._warnings import warn
from tests.conftest import ACCOUNT, LONG, TOKEN, Callers, Peer, Serve, row

if sys.platform == "win32":
    pytest.skip("there are no pseudo-terminals", allow_module_level=True)

import pty
import termios

MODEL = "@cf/zai-org/glm-4.7-flash"
SHOWN = {
    "\x1b]52;c;c3Vkbw==\x07": r"\x1b]52;c;c3Vkbw==\x07",  # writes the clipboard
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x1b]8;;http://a.example\x1b\\link\x1b]8;;\x1b\\": r"\x1b]8;;http://a.example\x1b\link\x1b]8;;\x1b" + "\\",
    "\x1b[2J\x1b[8mhidden": r"\x1b[2J\x1b[8mhidden",
    "\x9b2J\x9d0;title\x9c\x90q": r"\x9b2J\x9d0;title\x9c\x90q",  # the same in one character, C1
    "\0\x08\x08\x7f\x0c\x0b\x05": r"\x00\x08\x08\x7f\x0c\x0b\x05",
    "ok\rno": r"ok\rno",
    "\u202eabc\u202c \u2066d\u2069": r"\u202eabc\u202c \u2066d\u2069",
    "\U000e0041\U000e007f": r"\U000e0041\U000e007f",
    "[bold]a[/bold] [link=http://a.example]b[/link] [/] :smile: 🤷🏽\u200d♀️ \u200f": None,
    "a\tb\nc": None,
}
"""Text, and how a terminal shows it; `None` is as it is."""

TEXT = " ".join(SHOWN)
ON_TERMINAL = " ".join(text if shown is None else shown for text, shown in SHOWN.items())
ONE_LINE = " ".join(TEXT.replace("\0\x08\x08\x7f\x0c\x0b\x05", "").split())


def answer(peer: Peer) -> None:
    """Answer with the text, in the place that the prompt names, as the call wants it."""
    while request := peer.request():
        inputs = json.loads(request.partition(b"\r\n\r\n")[2] or "{}")
        place = inputs.get("prompt", "error")
        if place == "error":
            problem = {"code": 5006, "message": f"AiError: {TEXT}"}
            body = {"success": False, "errors": [problem]}
            peer.answer(json.dumps(body).encode(), status="400 Bad Request", head="cf-ai-req-id: a\x9bb\r\n")
        elif place == "other":
            peer.answer(json.dumps({"result": {"note": TEXT}}).encode())
        elif inputs["stream"]:
            peer.stream(*map(encode_event, stream_of(place)), b"data: [DONE]\n\n" if place != "event" else b"")
            peer.chunk(b"")
        else:
            peer.answer(json.dumps({"result": {"choices": [{"index": 0, "message": message_of(place)}]}}).encode())


def message_of(place: str) -> dict[str, Any]:
    if place == "tool call":
        call = {"id": "1", "type": "function", "function": {"name": TEXT, "arguments": json.dumps({"a": 1}) + TEXT}}
        return {"role": "assistant", "content": "", "tool_calls": [call]}
    if place == "reasoning":
        return {"role": "assistant", "content": "yes", "reasoning_content": TEXT}
    return {"role": "assistant", "content": TEXT}


def stream_of(place: str) -> list[dict[str, Any]]:
    """Return events; text and reasoning a character each, so that every sequence is cut everywhere."""
    if place == "event":
        return [{"choices": [{"index": 0, "delta": {"content": "so far"}}]}, {"error": {"message": TEXT, "code": 3030}}]
    message = message_of(place)
    deltas = [{"reasoning_content": each} for each in message.get("reasoning_content", "")]
    deltas += [{"content": each} for each in message["content"]]
    deltas += [{"tool_calls": [{"index": 0, **call}]} for call in message.get("tool_calls", ())]
    return [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]


def encode_event(event: Any) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def run(
    url: str, *arguments: str, terminals: tuple[bool, bool], more: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Return exit code, output and errors of the program, each on a terminal or through a pipe, as it was written."""
    names = {"CLOUDFLARE_API_BASE_URL": url, "CLOUDFLARE_ACCOUNT_ID": ACCOUNT, "CLOUDFLARE_API_TOKEN": TOKEN}
    names |= {
        "PYTHONIOENCODING": "utf-8",
        "TERM": "dumb",
        **(more or {}),
    }  # a dumb one has no colours
    environ = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "NO_COLOR")} | names
    (out_end, to_out), (errors_end, to_errors) = [open_terminal() if each else os.pipe() for each in terminals]
    command = [sys.executable, "-m", "cfai.cli", *arguments]
    with (
        ThreadPoolExecutor(2) as threads,
        subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=to_out, stderr=to_errors) as program,
    ):
        os.close(to_out)
        os.close(to_errors)
        out, errors = threads.map(read_all, [out_end, errors_end])
        code = program.wait(LONG)
    return code, out, errors


def open_terminal() -> tuple[int, int]:
    """Return the two ends of a terminal that leaves newlines as they are."""
    end, terminal = pty.openpty()
    attributes = termios.tcgetattr(terminal)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
    return end, terminal


def read_all(end: int) -> str:
    pieces: list[bytes] = []
    try:
        while piece := os.read(end, 65536):
            pieces.append(piece)
    except OSError:
        pass  # how a terminal ends
    os.close(end)
    return b"".join(pieces).decode()


BOTH, NEITHER, OUTPUT, ERRORS = (True, True), (False, False), (True, False), (False, True)
HOW = pytest.mark.parametrize("options", [[], ["--no-stream"]], ids=["streamed", "whole"])


@HOW
def test_an_answer_is_shown_with_escapes_on_a_terminal_and_piped_on_as_it_is(serve: Serve, options: list[str]) -> None:
    url = serve(answer).url
    for terminals, expected in ((BOTH, ON_TERMINAL), (OUTPUT, ON_TERMINAL), (ERRORS, TEXT), (NEITHER, TEXT)):
        with row(terminals):
            assert run(url, "run", MODEL, "text", *options, terminals=terminals) == (0, f"{expected}\n", "")


@HOW
def test_reasoning_is_shown_with_escapes_whatever_becomes_of_the_answer(serve: Serve, options: list[str]) -> None:
    url = serve(answer).url
    shown = f"(thinking)\n{ON_TERMINAL}\n\n"  # by words, where a terminal cannot show it by its colour
    for terminals, expected in ((BOTH, shown), (ERRORS, shown), (OUTPUT, ""), (NEITHER, "")):
        with row(terminals):
            assert run(url, "run", MODEL, "reasoning", *options, terminals=terminals) == (0, "yes\n", expected)


@HOW
def test_tool_calls_are_shown_with_escapes(serve: Serve, options: list[str]) -> None:
    url = serve(answer).url
    for terminals, expected in ((BOTH, ON_TERMINAL), (NEITHER, TEXT)):
        _, out, _ = run(url, "run", MODEL, "tool call", *options, terminals=terminals)
        with row(terminals):
            assert out.lstrip("\n") == f'{expected}({{"a": 1}}{expected})\n'


def test_other_answers_are_shown_with_escapes(serve: Serve) -> None:
    url = serve(answer).url
    _, out, _ = run(url, "run", MODEL, "other", "--no-stream", terminals=BOTH)
    assert find_controls(out) == []
    _, piped, _ = run(url, "run", MODEL, "other", "--no-stream", terminals=NEITHER)
    assert json.loads(piped)["note"] == TEXT


def test_errors_are_shown_with_escapes_in_red(serve: Serve) -> None:
    url = serve(answer).url
    for place, terminals, options in (
        ("error", BOTH, []),
        ("error", BOTH, ["--no-stream"]),
        ("error", ERRORS, []),
        ("event", BOTH, []),
    ):
        code, _, errors = run(url, "run", MODEL, place, *options, terminals=terminals, more={"TERM": "xterm"})
        with row((place, terminals, options)):
            assert (code, errors[:5], errors[-5:]) == (1, "\x1b[31m", "\x1b[0m\n")
            errors = errors.replace("\x1b[31m", "").replace("\x1b[0m", "")
            assert find_controls(errors) == []
            errors = " ".join(errors.split())  # the lines are broken between words
            assert r"\x1b]52;c;c3Vkbw==\x07" in errors
            assert "[bold]a[/bold] [link=http://a.example]b[/link] [/] :smile:" in errors
            assert place == "event" or r"\x9bb, model" in errors, "a request id"


def test_arguments_and_findings_are_shown_with_escapes(serve: Serve, tmp_path: Path) -> None:
    url = serve(answer).url
    text = TEXT.replace("\0", "")
    for arguments, code in (
        (["run", text, "error"], 2),
        (["models", "show", text], 2),
        (["tokens", MODEL, text], 2),
        (["models", "list", "--task", text], 2),
        (["run", MODEL, "error", f"--{text}"], 2),
        (["run", MODEL, "error", text], 2),
        ([text], 2),
        (["dev", "--replay", str(tmp_path / "no\x1b[2Jne")], 2),
        (["dev", "--host", text], 2),
        (["dev", "--upstream", text], 2),
        (["doctor"], 1),
    ):
        with row(arguments):
            status, out, errors = run(url, *arguments, terminals=BOTH)
            assert (status, find_controls(out + errors)) == (code, [])
            assert r"\x1b" in out + errors


def test_a_traceback_and_a_warning_show_escapes(callers: Callers, serve: Serve) -> None:
    caller = callers(base_url=serve(answer).url)
    for kind, place, body in (
        (
            InferenceUpstreamError,
            "error",
            {"success": False, "errors": [{"code": 5006, "message": f"AiError: {TEXT}"}]},
        ),
        (StreamError, "event", {"error": {"message": TEXT, "code": 3030}}),
    ):
        with row(place):
            with pytest.raises(kind) as caught:
                list(caller.stream(MODEL, place))
            assert find_controls(str(caught.value)) == []
            assert caught.value.body == body
    with pytest.warns(LimitWarning) as warned:
        warn(TEXT, LimitWarning)
    assert str(warned[0].message) == ON_TERMINAL


def test_the_example_in_the_docs_of_the_function_is_right() -> None:
    failed, attempted = doctest.testmod(_escape)
    assert (failed, attempted) == (0, 1)


def find_controls(text: str) -> list[str]:
    return [each for each in text if not each.isprintable() and each not in "\n\t\u200d\u200f"]
