"""`cfai doctor`, against the emulator, and the page that shows what it prints."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest

from cfai.doctor import CHECKS, FACTS, conform
from cfai.local import Emulator
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def doctor(cfai: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `cfai doctor`, without the pauses between polls."""
    monkeypatch.setattr("cfai.doctor.conform", functools.partial(conform, sleep=lambda _: None))
    return functools.partial(cfai, "doctor")


@pytest.mark.usefixtures("local")
def test_each_check_has_a_line_with_a_coloured_verdict_on_a_terminal(
    doctor: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = doctor()
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == len(CHECKS)
    for line, check in zip(lines, CHECKS, strict=True):
        assert re.match(rf"(ok|warning) +{check.name}  +\S", line), line
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[32mok\x1b[0m" in doctor()[1]


def test_a_problem_gives_exit_code_1_and_says_what_to_do(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", "http://127.0.0.1:9/client/v4")
    code, out, _ = doctor("--timeout", "1")
    assert code == 1
    assert "problem  token            no API token is set. What to do: make a token" in out
    assert "or work without an account: cfai dev" in out


def test_json_is_one_object_of_problems_too(doctor: Run, local: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = doctor("--json")
    report = json.loads(out)
    assert (code, report["ok"]) == (0, True)
    assert [finding["check"] for finding in report["findings"]] == [check.name for check in CHECKS]
    assert report["findings"][0].keys() == {"verdict", "message", "remedy", "check"}
    assert "conformance" not in report
    assert local.api_token not in out
    assert local.account_id not in out
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "a-token-of-somebody-else")
    code, out, _ = doctor("--json")
    assert (code, json.loads(out)["ok"]) == (1, False)
    assert "a-token-of-somebody-else" not in out


@pytest.mark.usefixtures("local")
def test_neurons_are_spent_only_by_leave_and_without_it_the_health_is_in_the_json(doctor: Run, local: Emulator) -> None:
    for number, typed in enumerate(("n\n", "\n", ""), 1):
        code, _, err = doctor("--conformance", typed=typed)
        assert code == 1, typed
        assert "up to 179 neurons" in err
        assert len(local.requests) == number, "the one of the health check"
    code, out, err = doctor("--json", "--conformance", typed="n\n")
    report = json.loads(out)
    assert (code, report["ok"]) == (1, True)
    assert [finding["check"] for finding in report["findings"]] == [check.name for check in CHECKS]
    assert "conformance" not in report
    assert err.endswith("None was made.\n")


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize(("options", "typed"), [(["--yes"], ""), ([], "y\n")])
def test_with_leave_each_fact_has_a_line(doctor: Run, options: list[str], typed: str) -> None:
    code, out, _ = doctor("--conformance", *options, typed=typed)
    assert code == 0
    names = [fact.name for fact in FACTS if not fact.needs_gateway]
    assert [line[9 : 9 + len(name)] for line, name in zip(out.splitlines()[len(CHECKS) :], names, strict=True)] == names


@pytest.mark.usefixtures("local")
def test_what_is_found_out_is_in_the_json_and_recorded(
    doctor: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, account_id = tmp_path / "recordings", "89abcdef" * 4
    with Emulator(account_id=account_id) as local:
        monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", local.base_url)
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", account_id)
        code, out, _ = doctor("--conformance", "--yes", "--json", "--gateway", "default", "--record", str(folder))
    report = json.loads(out)
    assert (code, report["ok"]) == (0, True)
    assert [finding["check"] for finding in report["conformance"]] == [fact.name for fact in FACTS]
    files = sorted(folder.iterdir())
    assert files[0].name == "0001-cf-baai-bge-small-en-v1.5.json"
    assert not [file for file in files if account_id in file.read_text("utf-8")]


def test_after_a_problem_nothing_more_is_asked(doctor: Run, local: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "a-token-of-somebody-else")
    code, out, _ = doctor("--conformance", "--yes")
    assert code == 1
    assert out.endswith("The service was asked nothing more: mend the problems first.\n")
    assert local.requests == []
    assert "conformance" not in json.loads(doctor("--conformance", "--yes", "--json")[1])


def test_options_of_conformance_need_it_and_a_folder_that_is_none(doctor: Run, local: Emulator, tmp_path: Path) -> None:
    for options in (["--record", "folder"], ["--gateway", "default"]):
        code, _, err = doctor(*options)
        assert code == 2, options
        assert "go with --conformance" in err, options
    (tmp_path / "file").write_text("")
    code, _, err = doctor("--conformance", "--yes", "--record", str(tmp_path / "file"))
    assert code == 2
    assert "--record" in err
    assert len(local.requests) == 1


# The page


def shown(command: str) -> str:
    """Return the output that the page shows for a command."""
    page = (ROOT / "docs" / "doctor.md").read_text("utf-8")
    [output] = re.findall(rf"^```sh\n{re.escape(command)}\n```\n\n```text\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return str(output)


def pattern(text: str) -> str:
    return ".*".join(map(re.escape, text.split("…")))


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("options", [[], ["--conformance", "--yes", "--record", "recordings"]], ids=["health", "facts"])
def test_the_page_shows_what_is_printed(
    doctor: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _, out, err = doctor(*options)
    lines = out.splitlines(keepends=True)
    printed = "".join([*lines[: len(CHECKS)], err, *lines[len(CHECKS) :]])
    assert re.fullmatch(pattern(shown(" ".join(["cfai doctor", *options]))), printed, re.DOTALL), printed


def test_the_page_shows_what_a_wrong_token_gives(doctor: Run, monkeypatch: pytest.MonkeyPatch, local: Emulator) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "no-such-token")
    _, out, _ = doctor()
    assert re.search(pattern(shown("CLOUDFLARE_API_TOKEN=no-such-token cfai doctor | grep problem")), out, re.DOTALL)
