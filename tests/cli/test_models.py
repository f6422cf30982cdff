"""`cfai models`."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import respx

from cfai import models
from cfai.cli._catalogue import known_models
from cfai.local import Emulator
from tests.cli.conftest import Run
from tests.conftest import row

EXAMPLES = Path(__file__).parents[2] / "examples"
NEW = "@cf/example/new-model-1b"


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder for what `sync` finds."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    known_models.cache_clear()
    return tmp_path


def test_lists_are_tables_for_people_columns_for_programs_and_json(cfai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    live = [model for model in models.catalogue().values() if model.retired_on is None]
    for arguments, count in (
        ([], len(live)),
        (["list"], len(live)),
        (["list", "--retired"], len(models.catalogue())),
        (["list", "--task", "text-to-image"], len(models.list(task="Text-to-Image", live=True))),
        (["list", "--author", "OpenAI", "--capability", "function calling"], 2),
        (["search", "flux"], 5),
        (["search", "FLUX", "text to image"], 4),
        (["search", "vision reasoning"], len([each for each in live if {"vision", "reasoning"} <= each.capabilities])),
    ):
        with row(arguments):
            code, out, err = cfai("models", *arguments)
            assert (code, err, out.count("\n")) == (0, "", count)
            assert {line.count("\t") for line in out.splitlines()} == {4}
    said = "no live model has 'flux' and 'xyzzy' in its name, task or capabilities\n"
    assert cfai("models", "search", "flux", "xyzzy") == (1, "", said)
    code, out, err = cfai("models", "list", "--task", "trnslation")
    assert (code, out) == (2, "")
    assert err.endswith("got 'trnslation': did you mean 'Translation'?\n")
    assert [row["name"] for row in json.loads(cfai("models", "search", "nova", "--json")[1])] == ["@cf/deepgram/nova-3"]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    out = cfai("models", "search", "glm")[1]
    assert re.search(r"^.*@cf/zai-org/glm-4\.7-flash +131,072 +\$0\.06\d* / \$0\.4\d*$", out, re.MULTILINE)
    assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in out.splitlines()) <= 100


def test_a_model_is_shown_with_a_command_that_runs_it(cfai: Run, local: Emulator, tmp_path: Path) -> None:
    out = cfai("models", "show", "flux-1-schnell")[1]
    assert out.startswith("@cf/black-forest-labs/flux-1-schnell\n")
    assert 'cfai run flux-1-schnell "a cat" -o cat.jpg\n' in out
    assert "retired on 2026-05-30" in cfai("models", "show", "llama-2-7b-chat-int8")[1]
    assert json.loads(cfai("models", "show", "glm-4.7-flash", "--json")[1])["context_length"] == 131_072
    for name in ("glm", "xyzzy", "@cf/x/y"):
        assert cfai("models", "show", name)[0] == 2


def test_the_command_that_is_shown_for_a_live_model_runs_it(
    cfai: Run, local: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, source in (("photo.jpg", "photo.jpg"), ("mask.png", "photo.jpg"), ("talk.mp3", "speech.mp3")):
        shutil.copy(EXAMPLES / source, tmp_path / name)
    shutil.copy(tmp_path / "talk.mp3", tmp_path / "talk.wav")
    monkeypatch.chdir(tmp_path)
    for model in models.list(live=True):
        line = cfai("models", "show", model.name)[1].splitlines()[-1].removeprefix(f"  {'run it':20}")
        with row(line):
            if model.is_realtime_only:
                assert line == "only through a WebSocket, which cfai does not open"
                continue
            before = len(local.requests)
            code, _, err = call_shown(cfai, line)
            assert (code, err) == (0, "")
            assert [request.model for request in local.requests[before:]] == [model.name]


def call_shown(cfai: Run, line: str) -> tuple[int, str, str]:
    """Run a line of a shell; what is written as bytes goes into a file."""
    program, *arguments = shlex.split(line)
    assert program == "cfai"
    return cfai(*arguments, *(["-o", "sound"] if "melotts" in line else []))


def test_what_models_can_is_never_cut_and_those_that_are_no_more_are_dim(
    cfai: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    out = cfai("models", "list", "--retired", "--task", "text generation")[1]
    lines = [re.sub(r"\x1b\[\d*m", "", line) for line in out.splitlines()]
    assert max(map(len, lines)) <= 80
    below = lines[next(at for at, line in enumerate(lines) if line.startswith("@cf/zai-org/glm-4.7-flash ")) + 1]
    assert below == f"  {', '.join(sorted(models.get('@cf/zai-org/glm-4.7-flash').capabilities))}"
    assert re.search(r"\x1b\[2m@cf/meta/llama-2-7b-chat-int8 .*\n.*  retired 2026-05-30", out)
    assert len(re.findall(r"^  retired ", "\n".join(lines), re.MULTILINE)) == len(
        models.list(task="Text Generation", live=False)
    )


def test_on_a_narrow_terminal_nothing_is_cut_or_broken_in_a_word(cfai: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "50")
    out = cfai("models", "search", "gemma-4")[1]
    assert max(map(len, out.splitlines())) <= 50
    assert "@cf/google/gemma-4-26b-a4b-it\n  131,072 tokens · $0.1 / $0.3 in / out, per M\n  tokens\n" in out
    monkeypatch.setenv("COLUMNS", "80")
    out = cfai("models", "list", "--task", "text-to-image")[1]
    prices = {
        f"{price.usd:.6f}".rstrip("0")
        for model in models.list(task="text-to-image", live=True)
        for price in model.price
    }
    assert "…" not in out
    assert [price for price in prices if f"${price.rstrip('.')}" not in out] == []
    lines = cfai("models", "show", "glm-4.7-flash")[1].splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines[1:] if not re.match(r"  [a-z]| {22}\S", line)] == []
    assert " logit_bias," in " ".join(lines)


def test_sync_says_what_is_new_gone_and_changed_and_new_models_are_called_by_short_names(
    cfai: Run, local: Emulator, cache: Path
) -> None:
    code, out, err = cfai("models", "sync")
    live = len(models.list(live=True))
    assert (code, err) == (0, "")
    assert f"{live} models are listed: 0 new, 0 gone, " in out
    with local.ai() as ai:
        url = f"{ai.base_url}/accounts/{ai.account_id}/ai/models/search"
    listed = [
        {
            "name": NEW,
            "task": {"name": "Text Generation"},
            "properties": [
                {"property_id": "context_window", "value": "32000"},
                {"property_id": "price", "value": [{"unit": "per M input tokens", "price": 0.1, "currency": "USD"}]},
                {"property_id": "function_calling", "value": "true"},
            ],
        }
    ]
    with respx.mock as router:
        router.get(url__startswith=url).respond(json={"success": True, "result": listed})
        out = cfai("models", "sync")[1]
    assert f"new      {NEW} (Text Generation)\n" in out
    assert "gone     @cf/zai-org/glm-4.7-flash: " in out
    assert json.loads((cache / "cfai" / "models.json").read_bytes())[0]["name"] == NEW
    known_models.cache_clear()
    assert cfai("models", "search", "new-model")[1] == f"{NEW}\tText Generation\t32,000\t$0.1\tfunction_calling\n"
    assert f"'{NEW}'" not in cfai("models", "show", "new-model-1b")[2]
    (cache / "cfai" / "models.json").write_text("{")
    known_models.cache_clear()
    assert NEW not in known_models()


def test_without_an_account_sync_says_what_it_needs(cfai: Run) -> None:
    code, out, err = cfai("models", "sync")
    assert (code, out) == (2, "")
    assert err.startswith("no account id: set CLOUDFLARE_ACCOUNT_ID")
