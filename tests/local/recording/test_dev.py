"""`cfai dev`, as a program and in this process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, call

import httpx
import pytest

import cfai.local.emulator
import cfai.local.recording
from cfai.cli import main
from cfai.local import SCENARIOS, Emulator
from tests.conftest import ACCOUNT, LONG, TOKEN, row
from tests.local.recording.conftest import MODEL, Tapes

Run = Callable[..., tuple[int, str, str]]


@contextmanager
def dev(*options: str, note: str, number: signal.Signals = signal.SIGINT) -> Iterator[dict[str, str]]:
    """Run the command until Ctrl-C, or another signal; gives the environment that it prints."""
    command = [sys.executable, "-W", "error", "-m", "cfai.cli", "dev", "--port", "0", *options]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert program.stdout is not None
    lines = [program.stdout.readline().split() for _ in range(3)]
    try:
        assert [line[0] for line in lines if line] == ["export"] * 3
        exported = dict(line[1].split("=") for line in lines)
        assert list(exported) == ["CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN"]
        yield exported
    finally:
        program.send_signal(number)
        output, errors = program.communicate(timeout=LONG)
    first, *requests = errors.splitlines()
    assert (program.returncode, output, first) == (0, "", f"{note} until Ctrl-C.")
    for line in requests:
        assert re.fullmatch(rf"\d\d:\d\d:\d\d  POST run/{MODEL}  (200|404)  \d+\.\d\d s", line), line
    assert requests, "each request is a line"


def ask(exported: dict[str, str], inputs: Any) -> httpx.Response:
    base_url, account_id, api_token = exported.values()
    headers = {"authorization": f"Bearer {api_token}"}
    url = f"{base_url}/accounts/{account_id}/ai/run/{MODEL}"
    return httpx.post(url, json=inputs, headers=headers, trust_env=False, timeout=LONG)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process, where Ctrl-C comes as soon as it serves."""
    monkeypatch.setattr("cfai.cli._serve.time.sleep", MagicMock(side_effect=KeyboardInterrupt))
    monkeypatch.setattr(signal, "signal", MagicMock())
    # Where it is set, rich takes any file for a terminal.
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def cli(*arguments: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cfai", "dev", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return cli


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, upstream: Emulator) -> Emulator:
    """The emulator as the service of the environment."""
    monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", upstream.base_url)
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    return upstream


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signal to send to a program")
def test_dev_emulates_records_and_plays_back(tapes: Tapes, account: Emulator) -> None:
    inputs = {"prompt": "Hello", "stream": True}
    for number in (signal.SIGINT, signal.SIGTERM):
        emulator = dev("--tokens-per-second", "0", note="Serving emulated answers", number=number)
        with row(number), emulator as exported:
            assert ask(exported, {"prompt": "Hello"}).json()["result"]["choices"]
    with dev("--record", str(tapes.folder), note=f"Recording {account.base_url} into {tapes.folder}") as exported:
        assert TOKEN not in exported.values()
        recorded = ask(exported, inputs)
    account.stop()
    assert len(tapes.read()) == 1
    assert TOKEN.encode() not in tapes.everything()
    with dev("--replay", str(tapes.folder), note=f"Playing back {tapes.folder}") as exported:
        assert ask(exported, {"prompt": "other"}).status_code == 404
        played = ask(exported, inputs)
    assert played.status_code == 200
    assert len(played.content) == len(recorded.content)


def test_the_command_lists_every_scenario(cli: Run) -> None:
    code, printed, _ = cli("--scenarios")
    assert code == 0
    for name, scenario in SCENARIOS.items():
        assert f"\n  {name:26} {scenario.summary}\n" in printed


def test_the_options_of_dev_reach_the_emulator(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = MagicMock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr(cfai.local, "Emulator", stand_in)
    defaults: dict[str, Any] = {"lenient_paths": False, "retired": "serve", "allow_remote": False, "keep_requests": 0}
    defaults |= {"engine": None, "rate_limits": False, "daily_neurons": None, "concurrency": None}
    defaults |= {"workers_paid": True, "tokens_per_second": 60.0, "text": "readable"}
    for options, changes in (
        ([], {}),
        (["--tokens-per-second", "0"], {"tokens_per_second": None}),
        (["--tokens-per-second", "5"], {"tokens_per_second": 5.0}),
        (["--text", "hostile"], {"text": "hostile"}),
        (["--lenient-paths"], {"lenient_paths": True}),
        (["--retired", "refuse"], {"retired": "refuse"}),
        (["--allow-remote"], {"allow_remote": True}),
        (["--rate-limits"], {"rate_limits": True}),
        (["--daily-neurons", "10000"], {"daily_neurons": 10000.0}),
        (["--concurrency", "4"], {"concurrency": 4}),
        (["--no-workers-paid"], {"workers_paid": False}),
    ):
        with row(options):
            assert cli("--host", "::1", "--port", "8787", *options)[0] == 0
            assert stand_in.call_args == call("::1", 8787, **defaults | changes)
    stand_in = MagicMock()
    monkeypatch.setattr(cfai.local, "Emulator", stand_in)
    for options in ([], ["--random-faults", "0.3", "--seed", "7"]):
        assert cli(*options)[0] == 0
    assert stand_in.return_value.random_faults.call_args_list == [call(0.0, seed=0), call(0.3, seed=7)]


def test_an_engine_answers_in_earnest(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = ["--upstream", "http://127.0.0.1:9/v1", "--model-map", "*=llama3.2"]
    emulator = MagicMock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr(cfai.local, "Emulator", emulator)
    assert cli(*upstream)[0] == 0
    assert cli(*upstream, "--tokens-per-second", "5")[0] == 0
    plain, paced = (call.kwargs for call in emulator.call_args_list)
    assert repr(plain["engine"]) == "OpenAIUpstream('http://127.0.0.1:9/v1')"
    assert (plain["tokens_per_second"], paced["tokens_per_second"]) == (None, 5.0)


def test_the_emulator_behind_a_recorder_ends_with_it(cli: Run, tapes: Tapes, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: dict[str, str] = {}

    def interrupted(*_: Any, **options: Any) -> None:
        passed.update(options)
        assert httpx.get(options["upstream_url"], trust_env=False).status_code == 400, "it serves by now"
        raise KeyboardInterrupt

    monkeypatch.setattr(cfai.local, "Recorder", interrupted)
    assert cli("--record", tapes.folder, "--upstream", "http://127.0.0.1:9/v1")[0] == 0
    assert passed["upstream_token"] == "cfai-emulator-token"
    with pytest.raises(httpx.ConnectError):
        httpx.get(passed["upstream_url"], trust_env=False)


def test_the_options_of_dev_reach_the_recorder_and_the_player(
    cli: Run, tapes: Tapes, account: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, option, more in (("Recorder", "--record", []), ("Player", "--replay", ["--timing"])):
        stand_in = MagicMock(side_effect=KeyboardInterrupt)
        monkeypatch.setattr(cfai.local, name, stand_in)
        assert cli(option, tapes.folder, "--host", "::1", "--port", "8787", "--allow-remote", *more)[0] == 0
        assert stand_in.call_args.args == (tapes.folder, "::1", 8787)
        timing = {"timing": True} if more else {}
        assert stand_in.call_args.kwargs == {"allow_remote": True} | timing


def test_options_that_mean_nothing_together_are_refused_and_a_mistake_named(
    cli: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for options, problem in (
        (["--record", "a", "--replay", "b"], "--record and --replay exclude each other"),
        (["--timing"], "--timing needs --replay"),
        (["--record", "a", "--timing"], "--timing needs --replay"),
        (["--replay", "a", "--lenient-paths"], "--lenient-paths is the emulator's"),
        (["--replay", "a", "--text", "hostile"], "--text is the emulator's"),
        (["--text", "rude"], "--text"),
        (["--replay", "a", "--random-faults", "0.1"], "--random-faults is the emulator's"),
        (["--record", "a", "--daily-neurons", "10"], "--daily-neurons is the emulator's"),
        (["--record", "a", "--tokens-per-second", "60"], "--tokens-per-second is the emulator's"),
        (["--replay", "a", "--upstream", "http://127.0.0.1:9"], "they mean nothing with --replay"),
        (["--retired", "maybe"], "--retired"),
        (["--tokens-per-second", "-1"], "--tokens-per-second"),
    ):
        with row(options):
            code, out, err = cli(*options)
            assert (code, out) == (2, "")
            assert problem in err
    assert list(tmp_path.iterdir()) == []
    for options, problem in (
        (["--host", "0.0.0.0"], "'0.0.0.0' is not loopback: pass --allow-remote to be"),
        (["--random-faults", "2"], "rate must be a share of the requests, from 0 to 1, got 2.0"),
        (["--concurrency", "0"], "concurrency must be 1 or more"),
        (["--replay", "nothing"], "nothing is recorded in nothing"),
        (["--record", "a"], "no account id: set CLOUDFLARE_ACCOUNT_ID"),
    ):
        with row(options):
            code, out, err = cli(*options)
            assert (code, out, err.count("\n")) == (2, "", 1)
            assert err.startswith(problem)


def test_a_file_in_the_place_of_the_folder_is_named(cli: Run, account: Emulator, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.touch()
    assert cli("--record", file) == (1, "", f"{file} is a file: recordings are kept in a folder\n")


def test_without_the_extra_a_line_says_what_to_install(
    cli: Run, tapes: Tapes, account: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "cfai.local.server._loop", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for option, name in (("--record", "the recorder"), ("--replay", "the player")):
        with row(option):
            line = f'{name} needs another package: pip install "cfai-sdk[emulator]"\n'
            assert cli(option, tapes.folder) == (1, "", line)


def test_importing_a_room_does_not_need_the_extra() -> None:
    for module in ("cfai.local.emulator", "cfai.local.recording", "cfai.local.server", "cfai.cli._app"):
        with row(module):
            check = f"import sys, {module}; print([m for m in sys.modules if m.startswith('uvicorn')])"
            result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=LONG)
            assert (result.returncode, result.stdout) == (0, "[]\n")
