"""The command line, against the emulator."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys

import pytest
import respx

from cfai.cli import main
from cfai.local import Emulator, Fault
from tests.cli.conftest import Run

MODEL = "@cf/zai-org/glm-4.7-flash"
SDXL = "@cf/bytedance/stable-diffusion-xl-lightning"
FLUX = "@cf/black-forest-labs/flux-1-schnell"
NATIVE = "@cf/meta/llama-3.1-8b-instruct-fp8"
LONG = 20.0
"""Seconds after which a test gives up."""


def program(*arguments: str) -> subprocess.Popen[bytes]:
    """Return the command line as a program of its own."""
    # Unbuffered output would hide that a token is not flushed.
    own = {"PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "default", "PYTHONUNBUFFERED": ""}
    command = [sys.executable, "-m", "cfai.cli", *arguments]
    return subprocess.Popen(command, env={**os.environ, **own}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def call(*arguments: str) -> tuple[int, bytes, bytes]:
    """Return exit code, output and errors of a program."""
    with program(*arguments) as called:
        out, errors = called.communicate(timeout=LONG)
    return called.returncode, out, errors


BOTH_WAYS = pytest.mark.parametrize("options", [[], ["--no-stream"]], ids=["streamed", "whole"])


class Missing:
    """Finds no module of a package, as where it is not installed."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {self.package!r}", name=self.package)


def answer_of(local: Emulator, prompt: str) -> str:
    with local.ai() as ai:
        return ai.run(MODEL, {"prompt": prompt}).text


def test_the_answer_is_printed_and_streamed_unless_the_command_says_otherwise(cfai: Run, local: Emulator) -> None:
    answer = answer_of(local, "where is new york?")
    for options, streams in (([], True), (["--no-stream"], False)):
        assert cfai("run", MODEL, "where is new york?", *options) == (0, f"{answer}\n", "")
        assert local.requests[-1].inputs.get("stream", False) is streams
    cfai("run", MODEL, "hello", "--max-tokens", "7")
    cfai("run", MODEL, "hello")
    assert [request.inputs.get("max_tokens") for request in local.requests[-2:]] == [7, None]


@BOTH_WAYS
def test_what_is_no_text_is_not_lost(local: Emulator, options: list[str]) -> None:
    """An image comes as bytes, and one that stands in JSON as that."""
    with local.ai() as ai:
        expected = ai.run(SDXL, {"prompt": "a cat"})
    assert call("run", SDXL, "a cat", *options) == (0, expected.content, b"")
    code, out, errors = call("run", FLUX, "a cat", *options)
    assert (code, errors) == (0, b"")
    assert base64.b64decode(json.loads(out)["image"], validate=True).startswith(b"\xff\xd8")


def test_an_image_is_not_written_to_a_terminal(cfai: Run, local: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfai.cli._run.sys.stdout.isatty", lambda: True)
    code, out, err = cfai("run", SDXL, "a cat")
    assert (code, out) == (0, "")
    assert re.fullmatch(r"image/png of [0-9,]+ bytes: put it into a file with > file\n", err)


def test_local_asks_the_emulator_and_without_it_the_error_names_what_an_account_needs(cfai: Run) -> None:
    code, out, err = cfai("run", "--local", MODEL, "where is new york?")
    assert (code, err) == (0, "")
    assert out.startswith("This is an emulated answer to “where is new york?”")
    code, out, err = cfai("run", MODEL, "hello")
    assert (code, out) == (1, "")
    assert "CLOUDFLARE_ACCOUNT_ID" in err
    assert err.endswith("; with --local no account is needed\n")


@BOTH_WAYS
def test_a_dash_reads_the_prompt_from_standard_input(cfai: Run, local: Emulator, options: list[str]) -> None:
    code, out, _ = cfai("run", MODEL, "-", *options, typed="where is\nnew york?\n")
    assert code == 0
    assert local.requests[0].inputs["prompt"] == "where is\nnew york?\n"
    assert "“where is new york?”" in out


@BOTH_WAYS
def test_an_error_is_one_line_of_its_own_and_keeps_its_brackets(cfai: Run, local: Emulator, options: list[str]) -> None:
    local.script(Fault(code=4006, message="[bold] is [/] wrong"))
    code, out, err = cfai("run", MODEL, "hello", *options)
    assert (code, out) == (1, "")
    assert err.startswith("4006 DailyAllocationUsed: ")
    assert "[bold] is [/] wrong" in err
    assert err.count("\n") == 1


def test_a_limit_is_told_before_anything_is_sent(cfai: Run, local: Emulator) -> None:
    code, _, err = cfai("run", MODEL, "word " * 200_000)
    assert code == 1
    assert "131,072 tokens" in err
    assert not local.requests


def test_a_stream_that_breaks_keeps_what_had_come(cfai: Run, local: Emulator) -> None:
    local.script(Fault(truncate_after=60))
    code, out, err = cfai("run", MODEL, "hello")
    assert code == 1
    assert out.endswith("\n")
    assert answer_of(local, "hello").startswith(out[:-1])
    assert len(out) > 20
    assert "[DONE]" in err


@BOTH_WAYS
def test_reasoning_shows_on_a_terminal_and_is_no_part_of_what_is_piped_on(
    cfai: Run, local: Emulator, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    with local.ai() as ai:
        reasoning = ai.run(MODEL, {"prompt": "hello"}).reasoning
    assert "emulated reasoning" in (reasoning or "")
    _, out, err = cfai("run", MODEL, "hello", *options)
    assert "reasoning" not in out + err
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    _, out, err = cfai("run", MODEL, "hello", *options)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", err)
    assert shown.rstrip("\n") == reasoning
    assert "reasoning" not in out
    assert shown.endswith("\n"), "the answer would start in the middle of a line"


def test_a_warning_is_one_line_that_names_no_file(local: Emulator) -> None:
    code, _, err = call("run", NATIVE, "write 600 words", "--no-stream")
    assert code == 0
    assert b"256 tokens" in err
    assert err.count(b"\n") == 1
    assert b".py" not in err


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_a_missing_extra_gives_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    for name in [name for name in sys.modules if name.startswith("cfai.cli._") or name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(module), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 'The command line needs an extra: pip install "cfai-sdk[cli]"'


def test_what_else_is_missing_is_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("cfai.cli._")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cfai.types", None)
    with pytest.raises(ModuleNotFoundError, match=r"cfai\.types"):
        main()


def test_local_without_its_extra_gives_the_line_that_installs_it(cfai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cfai.local.server._loop", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, out, err = cfai("run", "--local", MODEL, "hello")
    assert (code, out) == (1, "")
    assert 'pip install "cfai-sdk[emulator]"' in err
    assert err.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signal to send to a program")
def test_tokens_come_at_once_and_ctrl_c_ends_the_call_without_a_traceback(local: Emulator) -> None:
    local.script(Fault(silence_after=60))
    with program("run", MODEL, "hello") as run:
        assert run.stdout is not None
        assert os.read(run.stdout.fileno(), 100)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=LONG)
    assert run.returncode in (1, 130)
    assert b"Traceback" not in err
    assert local.wait_for_disconnects(1, timeout=LONG)


def test_a_reader_who_has_seen_enough_is_no_error(local: Emulator) -> None:
    with program("run", NATIVE, "write 20 words") as run:
        assert run.stdout is not None
        run.stdout.close()
        assert run.stderr is not None
        err = run.stderr.read()
    assert b"Traceback" not in err


def test_arguments_that_cannot_be_are_told_and_none_say_what_can(cfai: Run) -> None:
    rows = [
        (["--gguf", "a.gguf", "--upstream", "http://127.0.0.1:9"], "give either"),
        (["--gguf", "nowhere.gguf"], "nowhere.gguf cannot be read as a model"),
        (["--upstream", "localhost:9"], "is no URL of a server"),
        (["--upstream", "http://127.0.0.1:9", "--model-map", "llama"], "--model-map must be such as"),
        (["--model-map", "a=b"], "give --upstream as well"),
        (["--upstream", "http://127.0.0.1:9/v1"], "cannot be reached"),
    ]
    for options, message in rows:
        code, _, errors = cfai("run", "--local", *options, MODEL, "Hello")
        assert code == 1, options
        assert message in " ".join(errors.split()), options
    _, out, _ = cfai()
    assert "run" in out
    assert "Workers AI" in out


def test_an_upstream_answers_in_the_place_of_emulated_text(cfai: Run) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "In New York."}, "finish_reason": "stop"}]}
    with respx.mock as router:
        router.route(host="127.0.0.1").pass_through()
        route = router.post("http://engine.test/v1/chat/completions").respond(
            content=f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
        )
        engine = ["--upstream", "http://engine.test/v1", "--model-map", "*=llama3.2"]
        _, output, _ = cfai("run", "--local", *engine, MODEL, "Where is it?")
    assert output == "In New York.\n"
    assert json.loads(route.calls[0].request.content)["model"] == "llama3.2"
