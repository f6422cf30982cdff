"""`cfai tokens`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cfai import count_tokens
from tests.cli.conftest import Run
from tests.conftest import row

SMALL = "llama-2-7b-chat-int8"


def test_files_are_counted_and_held_against_the_limit(
    cfai: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("where is new york? " * 20, "utf-8")
    Path("b.md").write_text("word " * 3000, "utf-8")
    Path("c.bin").write_bytes(b"\xff\xfe")
    expected = count_tokens(Path("a.txt").read_text("utf-8"), model="@cf/zai-org/glm-4.7-flash").estimate
    for arguments in (["glm-4.7-flash", "a.txt"], ["a.txt"], ["a.txt", "glm-4.7-flash"]):
        with row(arguments):
            code, out, err = cfai("tokens", *arguments)
            first, last = out.splitlines()
            assert (code, err) == (0, "")
            assert first.startswith(f"a.txt  {expected:,} tokens (")
            assert re.fullmatch(r"\d+ tokens \(.*\) of 131,072, 0\.\d%: fits, with up to [\d,]+ left .*", last)
    code, out, _ = cfai("tokens", SMALL, "a.txt", "b.md")
    assert code == 1
    assert " of 2,048, " in out
    assert ": too long. Shorten them, or take another model" in out
    assert cfai("tokens", SMALL, typed="hello")[1].startswith("-  1 tokens")
    answer = json.loads(cfai("tokens", "bge-m3", "a.txt", "-", "--json", typed="hello")[1])
    assert [each["file"] for each in answer["files"]] == ["a.txt", "-"]
    assert (answer["limit"], answer["verdict"]) == (8192, "fits")
    for arguments, message in (
        (["glm", "a.txt"], "may be one of 4 models"),
        (["@cf/x/y", "a.txt"], "there is no model '@cf/x/y'"),
        ([SMALL, "none.txt"], "No such file"),
        ([SMALL, "c.bin"], "c.bin must be text in UTF-8, and is not at byte 0"),
    ):
        with row(arguments):
            code, out, err = cfai("tokens", *arguments)
            assert (code, out) == (2, "")
            assert message in err
