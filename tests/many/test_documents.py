"""`ai.to_markdown_many`: documents through the machinery of `run_many`, with its journal, its pace and its report."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from cfai import ConfigurationError, ConversionError, InputError, JobReport, Row
from cfai.local import Emulator
from tests.conftest import row

PDF = b"%PDF-1.7 words"


@pytest.fixture(params=["sync", "asyncio", "trio"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def convert(kind: str, local: Emulator, files: Any, **options: Any) -> tuple[list[Row[Any]], JobReport]:
    """Return the rows of a job, and its report."""
    if kind == "sync":
        with local.ai() as ai, ai.to_markdown_many(files, **options) as job:
            return list(job), job.report()

    async def main() -> tuple[list[Row[Any]], JobReport]:
        async with local.ai() as ai, ai.ato_markdown_many(files, **options) as job:
            return [row async for row in job], job.report()

    return anyio.run(main, backend=kind)


@pytest.fixture
def local() -> Iterable[Emulator]:
    with Emulator(tokens_per_second=None) as local:
        yield local


def make_files(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number:03}.pdf" for number in range(count)]
    for path in paths:
        path.write_bytes(PDF)
    return paths


def test_each_document_is_a_row_in_its_order(local: Emulator, kind: str, tmp_path: Path) -> None:
    paths = make_files(tmp_path, 40)

    async def generate() -> AsyncIterator[Path]:
        for path in paths:
            yield path

    rows, report = convert(kind, local, iter(paths) if kind == "sync" else generate(), concurrency=4)
    assert [each.inputs for each in rows] == paths
    assert [each.output.name for each in rows] == [path.name for path in paths]
    assert (report.done, report.failed, report.cost) == (40, 0, 0.0)
    assert len(local.requests) == 40


def test_what_is_not_converted_is_a_row_with_its_reason(local: Emulator, kind: str, tmp_path: Path) -> None:
    [path] = make_files(tmp_path, 1)
    long = ("a.pdf", Path("a" * 300))
    files = [path, ("a.exe", b"MZ"), "nowhere.pdf", ("bad.pdf", b"?"), 7, [path], long]
    rows, report = convert(kind, local, files, ordered=True, journal=tmp_path / "journal.jsonl")
    assert [type(each.error) for each in rows] == [
        type(None),
        ConversionError,
        InputError,
        ConversionError,
        InputError,
        InputError,
        InputError,
    ]
    assert str(rows[1].error) == "a.exe was not converted: Unsupported file type: application/octet-stream"
    error: Any = rows[3].error
    assert (error.result.name, error.result.format, error.status_code) == ("bad.pdf", "error", 200)
    assert error.request_id
    assert [each.attempts for each in rows] == [1, 1, 0, 1, 0, 0, 0]
    assert report.failures == {"ConversionError 200": 2, "InputError": 4}


def test_a_second_start_sends_only_what_is_new_or_failed(local: Emulator, kind: str, tmp_path: Path) -> None:
    journal, paths = tmp_path / "journal.jsonl", make_files(tmp_path, 6)
    files: list[Any] = [*paths, ("a.csv", b"1,2"), ("a.exe", b"MZ"), {"name": "x.pdf", "blob": paths[0]}]
    first, _ = convert(kind, local, files, journal=journal)
    sent = len(local.requests)
    paths[2].write_bytes(PDF + b" more")
    os.utime(paths[3], ns=(1, 1))
    again, report = convert(kind, local, [*files, ("a.csv", b"1,3")], journal=journal)
    assert [each.from_journal for each in again] == [True, True, False, False, True, True, True, False, True, False]
    assert [each.output.data for each in again if each.from_journal][:2] == [each.output.data for each in first[:2]]
    assert (report.skipped, report.done, report.failed) == (6, 9, 1)
    assert len(local.requests) - sent == 4
    other, _ = convert(kind, local, paths, journal=journal, conversion_options={"output": {"format": "text"}})
    assert {(each.from_journal, each.output.format) for each in other} == {(False, "text")}


def test_a_document_that_differs_in_one_thing_is_another(local: Emulator, tmp_path: Path) -> None:
    journal, [path, late] = tmp_path / "journal.jsonl", make_files(tmp_path, 2)
    changing: list[Any] = [str(late), ("t.pdf", late), {"name": "t.pdf", "blob": late}]
    known: list[Any] = [path, ("a.csv", b"1,2"), {"name": "x.pdf", "blob": path}]
    convert("sync", local, [*known, *changing], journal=journal)
    before = late.stat()
    late.write_bytes(PDF + b" more")
    os.utime(late, ns=(before.st_atime_ns, before.st_mtime_ns))
    new: list[Any] = [*changing, ("a.csv", b"1,3"), ("b.csv", b"1,2"), {"name": "y.pdf", "blob": path}]
    new += [{"name": "x.pdf", "blob": PDF}, {"name": "x.pdf", "blob": path, "mime_type": "text/csv"}]
    (tmp_path / "other").mkdir()
    new.append(shutil.copy2(path, tmp_path / "other"))
    for document in new:
        [each], _ = convert("sync", local, [document], journal=journal)
        with row(document):
            assert each.ok
            assert not each.from_journal
    again, _ = convert("sync", local, [*known, *new], journal=journal)
    assert all(each.from_journal for each in again)


def test_the_journal_holds_no_bytes_of_a_document(local: Emulator, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    path = tmp_path / "secret-words.csv"
    path.write_bytes(b"the secret words")
    convert("sync", local, [path, ("b.csv", b"other secret words")], journal=journal)
    head, *lines = journal.read_text("utf-8").splitlines()
    assert json.loads(head)["model"] == "toMarkdown"
    assert {json.loads(line)["answer"]["fields"]["name"] for line in lines} == {"secret-words.csv", "b.csv"}
    assert "secret words" not in journal.read_text("utf-8")
    assert str(tmp_path) not in journal.read_text("utf-8")


def test_documents_are_sent_again_as_calls_of_run_many_are(local: Emulator, kind: str) -> None:
    local.script(["503", "rate-limited", "ok"])
    rows, report = convert(kind, local, (PDF,), requests_per_minute=6000, extra_headers={"x-team": "a"})
    assert (rows[0].ok, rows[0].attempts, report.retried) == (True, 3, 2)
    assert local.requests[-1].headers["x-team"] == "a"
    local.script(["503"])
    rows, _ = convert(kind, local, [PDF], max_retries=0)
    assert (rows[0].ok, rows[0].attempts) == (False, 1)


def test_documents_are_read_as_they_are_needed(local: Emulator, kind: str) -> None:
    read: list[int] = []

    def generate() -> Iterable[Any]:
        for number in range(200):
            read.append(number)
            yield f"{number}.csv", b"1,2"

    def first(job: Any) -> Any:
        return next(iter(job))

    async def main() -> Any:
        async with local.ai() as ai, ai.ato_markdown_many(generate(), concurrency=2) as job:
            return await anext(job)

    if kind == "sync":
        with local.ai() as ai, ai.to_markdown_many(generate(), concurrency=2) as job:
            found = first(job)
    else:
        found = anyio.run(main, backend=kind)
    assert found.output.name == "0.csv"
    assert len(read) <= 10


def test_options_that_cannot_work_are_refused_when_the_job_is_made(local: Emulator) -> None:
    rows: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"gateway": "default"}, ConfigurationError, "`gateway` must be left out"),
        ({"conversion_options": {"x": 1}}, ConfigurationError, "has no option 'x'"),
        ({"max_cost": 1}, TypeError, r"to_markdown_many\(\) got an unexpected keyword argument 'max_cost'"),
        ({"concurrency": 0}, ConfigurationError, "`concurrency` must be"),
        ({"max_retries": "many"}, ConfigurationError, "max_retries"),
    ]
    alone: list[Any] = ["a.csv", b"a,b", Path("a.csv"), {"name": "a.csv", "blob": b"1"}, io.BytesIO(b"1"), None, 7]
    with local.ai() as ai:
        for options, error, said in rows:
            with row(options), pytest.raises(error, match=said):
                ai.to_markdown_many([PDF], **options)
        for files in alone:
            for method in (ai.to_markdown_many, ai.ato_markdown_many):
                with row(files), pytest.raises(ConfigurationError, match=r"`files` must be an iterable .* got .*alone"):
                    method(files)

        async def generate() -> AsyncIterator[bytes]:
            yield PDF

        with pytest.raises(ConfigurationError, match=r"`files` must be an iterable .* got async_generator"):
            ai.to_markdown_many(cast("Any", generate()))
    assert not local.requests
