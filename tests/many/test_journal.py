"""The journal: what a second start knows, whatever became of the first."""

from __future__ import annotations

import errno
import gc
import io
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal
from PIL import Image
from pydantic import BaseModel, Field, computed_field, field_validator

import cfai
from cfai import AsyncJob, BadRequestError, ConfigurationError, InputError
from cfai._credentials import Secret
from cfai.local import Emulator
from cfai.many import JobOptions
from cfai.many._journal import Journal, make_key
from tests.conftest import BACKENDS, SYNC_AND_ASYNC, Callers, Service, row
from tests.many.conftest import COST, MODEL, Jobs, StandIn, asynchronous, prompts

LONG = 60.0


def fail(inputs: Any) -> str:
    raise AssertionError(f"{inputs} was sent")


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@SYNC_AND_ASYNC
def test_a_second_start_sends_what_has_no_answer_and_gives_all_rows_in_order(jobs: Jobs, path: Path) -> None:
    def call(inputs: Any) -> str:
        if int(inputs["prompt"].split()[1].rstrip("?")) % 3 == 0:
            raise BadRequestError("no", code=5006)
        return f"answer to {inputs['prompt']}"

    first = list(jobs(StandIn(call), prompts(20), journal=path))
    runner = StandIn(lambda _: "new")
    job = jobs(runner, prompts(25), journal=str(path))
    second = list(job)
    assert [each.index for each in second] == list(range(25))
    assert sorted(each["prompt"] for each in runner.calls) == sorted(
        f"Number {number}?" for number in range(25) if number % 3 == 0 or number >= 20
    )
    for before, after in zip(first, second, strict=False):
        assert after.inputs == before.inputs
        assert after.from_journal == before.ok
        assert after.attempts == (0 if before.ok else 1)
        assert after.output.text == (before.output.text if before.ok else "new")
    assert (job.report().done, job.report().skipped, job.report().failed) == (25, 13, 0)
    assert str(job.report()).startswith("done       25 (13 of them from the journal)\nfailed     0\n")
    head, *lines = lines_of(path)
    assert head == {"cfai_journal": 1, "model": MODEL}
    assert len(lines) == 20 + 7 + 5
    assert sum("error" in line for line in lines) == 7
    assert [*jobs(StandIn(fail), prompts(25), journal=path)] == [*jobs(StandIn(fail), prompts(25), journal=path)]


@SYNC_AND_ASYNC
def test_each_kind_of_answer_comes_back_as_it_was(jobs: Jobs, path: Path) -> None:
    calls: tuple[tuple[str, Any], ...] = (
        (MODEL, {"prompt": "Hello"}),
        (MODEL, {"messages": [{"role": "user", "content": "Hello"}], "response_format": {"type": "json_object"}}),
        ("@cf/deepseek-ai/deepseek-r1-distill-qwen-32b", {"messages": [{"role": "user", "content": "Hi"}]}),
        ("@cf/zai-org/glm-4.7-flash", {"prompt": "Hello"}),
        ("@cf/openai/gpt-oss-20b", {"input": "Hello"}),
        ("@cf/baai/bge-m3", {"text": ["a", "b"]}),
        ("@cf/baai/bge-reranker-base", {"query": "a", "contexts": [{"text": "a"}]}),
        ("@cf/huggingface/distilbert-sst-2-int8", {"text": "good"}),
        ("@cf/meta/m2m100-1.2b", {"text": "a", "target_lang": "fr"}),
        ("@cf/meta/llama-guard-3-8b", {"messages": [{"role": "user", "content": "Hello"}]}),
        ("@cf/black-forest-labs/flux-1-schnell", {"prompt": "a cat"}),
        ("@cf/deepgram/aura-2-en", {"text": "Hello"}),
        ("@cf/openai/whisper", {"audio": np.frombuffer(b"RIFF0000WAVE", np.uint8)}),
    )
    for text in ("readable", "hostile"):
        with Emulator(text=text) as local, local.ai() as ai:
            for model, inputs in calls:
                with row((text, model)):
                    path.unlink(missing_ok=True)
                    (before,) = jobs(ai, [inputs], model=model, journal=path)
                    requests = len(local.requests)
                    (after,) = jobs(ai, [inputs], model=model, journal=path)
                    assert len(local.requests) == requests
                    assert before.ok, before.error
                    assert (before.from_journal, after.from_journal) == (False, True)
                    assert type(after.output) is type(before.output)
                    assert after.output == before.output
                    assert str(after.output) == str(before.output)
                    assert after.output.meta == before.output.meta
                    for name in ("text", "reasoning", "usage", "tool_calls", "finish_reason"):
                        assert getattr(after.output, name, None) == getattr(before.output, name, None)


class Event(BaseModel, strict=True):
    day: date
    places: tuple[int, ...]


@dataclass
class Place:
    name: str


class Renamed(BaseModel):
    name: str = Field(validation_alias="given", serialization_alias="called")


class Closed(BaseModel, extra="forbid"):
    name: str

    @computed_field
    @property
    def length(self) -> int:
        return len(self.name)


class Inverse(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def divide(cls, number: int) -> int:
        return 1 // number


class Hidden(BaseModel):
    name: str
    note: str = Field(exclude=True)


@SYNC_AND_ASYNC
def test_an_output_type_is_validated_anew_and_what_is_of_another_type_is_asked_for_again(
    jobs: Jobs, path: Path
) -> None:
    outputs: tuple[tuple[Any, str, Any], ...] = (
        (Event, '{"day": "2026-01-02", "places": [1, 2]}', Event(day=date(2026, 1, 2), places=(1, 2))),
        (Place, '{"name": "Oslo"}', Place("Oslo")),
        (list[int], "[1, 2]", [1, 2]),
        (dict[str, date], '{"a": "2026-01-02"}', {"a": date(2026, 1, 2)}),
        (Renamed, '{"given": "Ada"}', Renamed(given="Ada")),
        (Closed, '{"name": "Ada"}', Closed(name="Ada")),
        (Hidden, '{"name": "Ada", "note": "n"}', Hidden(name="Ada", note="n")),
    )
    for output_type, text, output in outputs:
        with row(output_type):
            path.unlink(missing_ok=True)
            first = list(jobs(StandIn(lambda _, text=text: text), prompts(2), output_type=output_type, journal=path))
            rows = list(jobs(StandIn(fail), prompts(2), output_type=output_type, journal=path))
            assert [each.output for each in first] == [each.output for each in rows] == [output] * 2
            assert [each.answer for each in rows] == [each.answer for each in first]
            assert [(each.answer.text, each.answer.output) for each in rows] == [(text, output)] * 2
            rows = list(jobs(StandIn(lambda _: "5.5"), prompts(2), output_type=float, journal=path))
            assert [(each.output, each.from_journal) for each in rows] == [(5.5, False)] * 2


@SYNC_AND_ASYNC
def test_a_class_under_response_format_is_kept_as_an_output_type_is(
    callers: Callers, jobs: Jobs, service: Service, path: Path
) -> None:
    class Name(BaseModel):
        name: str

    class Title(BaseModel):
        name: str

    usage = {"prompt_tokens": 9, "completion_tokens": 10, "neurons": 2}
    misfit, fit = ({"response": text, "usage": usage} for text in ("no", '{"name": "Oslo"}'))
    service.answers(service.result(misfit), service.result(fit))
    typed = [{**prompts(1)[0], "response_format": Name}]
    ai = callers().ai
    (first,) = jobs(ai, typed, journal=path)
    (second,) = jobs(StandIn(fail), typed, journal=path)
    assert second.from_journal
    assert second.output.output == first.output.output == Name(name="Oslo")
    assert (second.output.meta, second.output.meta.cost) == (first.output.meta, pytest.approx(4 * 0.011e-3))
    (other,) = jobs(ai, [{**typed[0], "response_format": Title}], journal=path)
    assert (other.from_journal, other.output.output) == (False, Title(name="Oslo"))


@SYNC_AND_ASYNC
def test_a_class_among_the_inputs_gives_its_objects_again(jobs: Jobs, path: Path) -> None:
    inputs = [{"prompt": "x", "response_format": kind} for kind in (Place, Hidden)]
    texts = iter(['{"name": "Oslo"}', '{"name": "Ada", "note": "n"}'])
    list(jobs(StandIn(lambda _: next(texts)), inputs, journal=path, concurrency=1))
    rows = list(jobs(StandIn(fail), inputs, journal=path))
    assert [each.output.output for each in rows] == [Place("Oslo"), Hidden(name="Ada", note="n")]


@SYNC_AND_ASYNC
def test_an_output_type_that_is_added_later_reads_the_answers_that_are_there(jobs: Jobs, path: Path) -> None:
    list(jobs(StandIn(lambda _: '{"name": "Oslo"}'), prompts(2), journal=path))
    rows = list(jobs(StandIn(fail), prompts(2), journal=path, output_type=Place))
    assert [each.output for each in rows] == [Place("Oslo")] * 2


@SYNC_AND_ASYNC
def test_a_row_is_found_by_its_inputs_wherever_they_stand_and_equal_inputs_have_a_line_each(
    jobs: Jobs, path: Path
) -> None:
    same = {"prompt": "Write a poem"}
    counter = iter(range(100))
    runner = StandIn(lambda _: f"poem {next(counter)}")
    poems = {each.output.text for each in jobs(runner, [same, *prompts(3), same, same], journal=path, concurrency=1)}
    assert len(poems) == 6
    runner = StandIn(lambda _: "new")
    inputs = [{"prompt": "first"}, *reversed(prompts(3)), same, same, {"prompt": "Write another"}, same, same]
    rows = list(jobs(runner, inputs, journal=path))
    assert [each.index for each in rows if not each.from_journal] == [0, 6, 8]
    assert {each.output.text for each in rows if each.from_journal} == poems


@pytest.fixture
def files() -> Iterator[ExitStack]:
    with ExitStack() as files:
        yield files


def test_a_key_tells_inputs_apart_and_is_the_same_in_every_process(files: ExitStack) -> None:
    class Inputs(BaseModel):
        prompt: str

    class Holder(BaseModel, extra="allow"):
        image: Any

    def spool(content: bytes) -> Any:
        # An exit stack closes it, which the linter does not see.
        file: Any = files.enter_context(tempfile.SpooledTemporaryFile())  # noqa: SIM115
        file.write(content)
        file.seek(0)
        return file

    picture = Image.new("RGB", (2, 2))
    palettes = [Image.new("P", (2, 2)) for _ in range(2)]
    palettes[1].putpalette([5, 6, 7])
    different: list[Any] = [
        {"prompt": "a"},
        {"prompt": "b"},
        {"prompt": "a", "max_tokens": 5},
        {"image": b"a"},
        {"image": b"b"},
        {"image": Path("a.png")},
        {"image": Path("b.png")},
        {"image": np.zeros(4, np.uint8)},
        {"image": np.ones(4, np.uint8)},
        {"image": picture},
        {"image": Image.new("RGB", (2, 2), "red")},
        {"image": picture.resize((1, 4))},
        {"image": Image.new("L", (2, 6))},
        {"image": palettes[0]},
        {"image": palettes[1]},
        {"image": np.zeros((2, 2), np.uint8)},
        {"image": np.zeros(1, np.float32)},
        {"image": io.BytesIO(b"c")},
        {"image": io.BytesIO(b"d")},
        *({"image": spool(content)} for content in (b"e", b"f")),
        {"image": cfai.types.Audio(content=b"g", media_type="audio/mpeg")},
        {"image": cfai.types.Audio(content=b"h", media_type="audio/mpeg")},
        *({"image": Holder(image=io.BytesIO(content))} for content in (b"i", b"j")),
        *({"image": Holder(image=content)} for content in (b"\xff", b"\xfe")),
        *(
            {"image": Holder.model_validate({"image": io.BytesIO(b"m"), "detail": detail})}
            for detail in ("low", "high")
        ),
        *({"image": {"body": io.BytesIO(content), "contentType": "image/png"}} for content in (b"k", b"l")),
        {"prompt": "\ud83d"},
        {1: object()},
        5,
    ]
    keys = [make_key(MODEL, each) for each in different]
    assert len({*keys}) == len(different)
    assert [make_key(MODEL, each) for each in different] == keys, "it is found again, and no file was read to its end"
    assert make_key(MODEL, {"a": 1}) != make_key("@cf/other", {"a": 1})
    assert make_key(MODEL, Inputs(prompt="a")) == make_key(MODEL, {"prompt": "a"})
    assert make_key(MODEL, {"image": picture}) == make_key(MODEL, {"image": picture.copy()})
    file = io.BytesIO(b"abc")
    file.seek(1)
    key = make_key(MODEL, {"image": file})
    assert (key, file.tell()) == (make_key(MODEL, {"image": spool(b"bc")}), 1)
    assert key == make_key(MODEL, {"image": b"bc"}), "bytes in whichever form"
    spooled = spool(b"abc")
    spooled.seek(1)
    assert (make_key(MODEL, {"image": spooled}), spooled.read()) == (key, b"bc")
    loop: dict[str, Any] = {}
    loop["loop"] = loop
    assert make_key(MODEL, loop) != make_key(MODEL, loop), "what cannot be sent has the answer of no other"
    keys = [make_key(MODEL, {"prompt": text, "bias": {1: 2, "b": 3}}) for text in "ab"]
    assert keys == [make_key(MODEL, {"prompt": text, "bias": {"b": 3, "1": 2}}) for text in "ab"], "as it is sent"
    assert keys[0] != keys[1]
    code = "from cfai.many._journal import Journal, make_key; print(make_key('m', {'b': [1.5, 'ü'], 'a': None}).hex())"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True
        )
        assert done.stdout.strip() == make_key("m", {"a": None, "b": [1.5, "ü"]}).hex()


@SYNC_AND_ASYNC
def test_with_a_journal_an_input_whose_content_cannot_be_told_is_refused_and_the_others_go_on(
    jobs: Jobs, path: Path
) -> None:
    closed = io.BytesIO(b"x")
    closed.close()
    pieces = [b"ID3"]
    media: list[Any] = [iter(pieces), {"body": iter(pieces), "contentType": "audio/mpeg"}, closed, io.StringIO("x")]
    runner = StandIn(lambda _: "x")
    inputs = [prompts(1)[0], *({"audio": each} for each in media), prompts(2)[1]]
    job = jobs(runner, inputs, journal=path)
    rows = list(job)
    assert [each.ok for each in rows] == [True, False, False, False, False, True]
    kinds = ("a stream", "a stream", "BytesIO", "StringIO")
    for each, kind in zip(rows[1:-1], kinds, strict=True):
        assert isinstance(each.error, InputError)
        assert str(each.error).endswith(f"where there is a journal, got {kind}: pass a Path or bytes")
        assert each.attempts == 0
    assert (len(runner.calls), job.report().failed, len(lines_of(path))) == (2, 4, 3)


@SYNC_AND_ASYNC
def test_an_answer_that_does_not_fit_hides_none_below_it_that_does(jobs: Jobs, path: Path) -> None:
    for output_type, text in ((Place, '{"name": "Oslo"}'), (float, "5.5")):
        list(jobs(StandIn(lambda _, text=text: text), prompts(1), output_type=output_type, journal=path))
    (again,) = jobs(StandIn(fail), prompts(1), output_type=float, journal=path)
    assert (again.output, again.from_journal) == (5.5, True)


def test_a_journal_that_breaks_off_anywhere_goes_on_from_its_last_whole_line(path: Path) -> None:
    jobs = Jobs(None)
    list(jobs(StandIn(lambda inputs: inputs["prompt"]), prompts(3), journal=path, concurrency=1))
    whole = path.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    near_ends = {end + step for end in ends for step in (-2, -1, 0, 1)}
    for length in sorted({0, 1, *near_ends, *range(0, len(whole), 23)} - {len(whole) + 1}):
        with row(length):
            path.write_bytes(whole[:length])
            runner = StandIn(lambda inputs: inputs["prompt"])
            rows = list(jobs(runner, prompts(3), journal=path, concurrency=1))
            assert [each.output.text for each in rows] == [each["prompt"] for each in prompts(3)]
            kept = max(0, sum(end <= length for end in ends) - 1)
            assert len(runner.calls) == 3 - kept
            head, *lines = lines_of(path)
            assert (head["model"], [line["index"] for line in lines]) == (MODEL, [0, 1, 2])


def test_a_file_that_is_no_journal_of_this_model_is_refused_and_stays_as_it_is(path: Path, tmp_path: Path) -> None:
    jobs = Jobs(None)
    list(jobs(StandIn(lambda _: "x"), prompts(3), journal=path))
    head, first, *rest = path.read_bytes().splitlines(keepends=True)
    other = head.replace(MODEL.encode(), b"@cf/other")
    whole = json.loads(first)
    changes: list[dict[str, Any]] = [{"key": value} for value in ("zz", 5, None)]
    changes += [{name: value} for name in ("sent", "cost", "attempts") for value in (None, "1", -1, math.inf)]
    changes += [{"answer": None}, {"attempts": 1.5}]
    wrong = [json.dumps({**whole, **change}).encode() for change in changes]
    wrong += [
        json.dumps({name: whole[name] for name in whole if name != left}).encode()
        for left in ("key", "sent", "cost", "attempts")
    ]
    for content, problem in (
        (b"some notes\n", "line 1 of .* is none of its lines"),
        (b'{"a": 1}\n', "line 1 of .* is none of its lines"),
        (b"[]\n", "line 1 of .* is none of its lines"),
        (b'{"prompt": "x"}\n' * 3, "line 1 of .* is none of its lines"),
        (b'{"precious": "data"}', "line 1 of .* is none of its lines"),
        (b'{"cfai_journal": 1, "model": "@cf/oth', "line 1 of .* is none of its lines"),
        *(
            (b"".join([head, first, line + b"\n", *rest]), "line 3 of .* is none of its lines. Take it out")
            for line in wrong
        ),
        (other + first, "is of @cf/other"),
        (head.replace(b": 1", b": 2"), "another version"),
        (b"".join([head, first[:40] + b"\n", *rest]), "line 2 of"),
        (b"".join([head, first, b"\n", *rest]), "line 3 of"),
    ):
        with row(content):
            path.write_bytes(content)
            with pytest.raises(ConfigurationError, match=problem):
                list(jobs(StandIn(fail), prompts(3), journal=path))
            assert path.read_bytes() == content
    for place in (tmp_path, tmp_path / "no" / "folder"):
        with pytest.raises(ConfigurationError, match="file that can be written"):
            list(jobs(StandIn(fail), prompts(3), journal=place))


@SYNC_AND_ASYNC
def test_two_jobs_cannot_write_one_journal_and_it_is_free_when_the_first_ends(jobs: Jobs, path: Path) -> None:
    first = jobs(StandIn(lambda _: "x"), prompts(100), journal=path)
    next(first)
    second = jobs(StandIn(fail), prompts(100), journal=path)
    with pytest.raises(ConfigurationError, match=r"no other job writes: .* is in use\. .* `close\(\)`, `await aclose"):
        next(second)
    assert list(second) == []
    first.close()
    assert len(list(jobs(StandIn(lambda _: "x"), prompts(100), journal=path))) == 100


@pytest.mark.skipif(sys.platform == "win32", reason="its locks are others")
def test_a_file_system_that_cannot_lock_files_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (errno.ENOTSUP, errno.ENOLCK):

        def refuse(*_: Any, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("fcntl.flock", refuse)
        with row(number), pytest.raises(ConfigurationError, match=r"can lock files: .* Name one on a disk of this"):
            list(Jobs(None)(StandIn(fail), prompts(3), journal=path))


@SYNC_AND_ASYNC
def test_what_is_no_path_is_no_journal(jobs: Jobs) -> None:
    for journal in (5, True, b"x", ["x"]):
        with row(journal), pytest.raises(ConfigurationError, match="`journal` must be the path of a file, got"):
            jobs(StandIn(fail), prompts(3), journal=journal)


@SYNC_AND_ASYNC
def test_what_stops_a_job_leaves_the_answers_before_it_in_the_journal(jobs: Jobs, path: Path) -> None:
    def call(inputs: Any) -> str:
        if inputs["prompt"] == "Number 20?":
            raise cfai.QuotaExceededError("used up", code=4006)
        return "x"

    runner = StandIn(call)
    with pytest.raises(cfai.QuotaExceededError):
        list(jobs(runner, prompts(100), journal=path, concurrency=4))
    _, *lines = lines_of(path)
    sent = {int(each["prompt"].strip("Number ?")) for each in runner.calls}
    assert {line["index"] for line in lines} == sent - {20}
    assert not any("error" in line for line in lines), "it is no row's error"
    rows = list(jobs(StandIn(lambda _: "x"), prompts(100), journal=path))
    assert sum(each.from_journal for each in rows) == len(lines)


def test_a_full_disk_stops_the_job_and_leaves_whole_lines(path: Path) -> None:
    code = f"""
import resource, signal
from tests.many.conftest import Jobs, StandIn, prompts
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
runner = StandIn(lambda _: "x" * 100)
job = Jobs(None)(runner, prompts(100), journal={str(path)!r})
rows = []
try:
    rows.extend(job)
finally:
    print(len(rows), len(runner.calls), job.report().done, sum(row.ok for row in rows))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LONG, cwd=root)
    assert "OSError: [Errno " in done.stderr
    assert "the journal cannot be written (" in done.stderr
    assert "start it again: it goes on from what stands there" in done.stderr
    assert len({*done.stdout.split()}) == 1, "what was answered was paid, and is given"
    rows = lines_of(path)
    assert 2 < len(rows) < 20
    assert path.stat().st_size <= 5000


@SYNC_AND_ASYNC
def test_a_disk_that_fails_stops_the_job(jobs: Jobs, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", break_down)
    runner = StandIn(lambda _: "x")
    with pytest.raises(OSError, match=r"the journal cannot be written \(Input/output error\)") as caught:
        list(jobs(runner, prompts(100), journal=path, concurrency=2))
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(path))
    assert len(runner.calls) < 100


@SYNC_AND_ASYNC
def test_a_job_that_nobody_has_any_more_lets_its_journal_go(jobs: Jobs, path: Path) -> None:
    for number in range(3):
        job = jobs(StandIn(lambda _: "x"), prompts(100), journal=path, concurrency=2)
        assert next(job).from_journal == (number > 0)
        jobs.made.clear()
        del job
        gc.collect()


@SYNC_AND_ASYNC
def test_an_answer_that_breaks_a_validator_is_its_rows_failure_and_stands_in_the_journal(
    jobs: Jobs, path: Path
) -> None:
    def call(inputs: Any) -> str:
        return json.dumps({"number": int(inputs["prompt"].split()[1].rstrip("?"))})

    rows = list(jobs(StandIn(call), prompts(4), output_type=Inverse, journal=path))
    assert [each.ok for each in rows] == [False, True, True, True]
    assert isinstance(rows[0].error, cfai.OutputValidationError)
    assert isinstance(rows[0].error.__cause__, ZeroDivisionError)
    assert rows[0].error.text == '{"number": 0}'
    assert (rows[0].error.model, rows[0].error.answer.text) == (MODEL, '{"number": 0}')
    assert str(rows[0].error) == (
        f"the answer of {MODEL} could not be validated: ZeroDivisionError: {rows[0].error.__cause__}. What to do: "
        "a validator of `output_type` must raise ValueError or AssertionError for what does not fit"
    )
    errors = [line["error"] for line in lines_of(path) if "error" in line]
    assert errors == [{"cause": "OutputValidationError", "message": str(rows[0].error)}]
    assert min(line["cost"] for line in lines_of(path)[1:]) > 0
    assert [each.from_journal for each in jobs(StandIn(call), prompts(4), output_type=Inverse, journal=path)] == [
        False,
        True,
        True,
        True,
    ]


@SYNC_AND_ASYNC
def test_what_a_row_had_cost_when_the_job_was_stopped_stands_in_the_journal(jobs: Jobs, path: Path) -> None:
    def call(inputs: Any) -> str:
        if len(inputs.get("messages", ())) > 1:
            raise cfai.QuotaExceededError("used up", code=4006)
        return "no JSON"

    for fails in (True, False):
        job = jobs(
            StandIn(call if fails else lambda _: '{"name": "Oslo"}'), prompts(1), output_type=Place, journal=path
        )
        try:
            list(job)
        except cfai.QuotaExceededError:
            assert fails
        assert job.report().cost + job.report().journal_cost == pytest.approx((1 if fails else 2) * COST)


def test_an_interrupted_job_lets_its_journal_go_whole(path: Path) -> None:
    def inputs() -> Iterator[Any]:
        yield from prompts(70)
        raise KeyboardInterrupt

    jobs = Jobs(None)
    with pytest.raises(KeyboardInterrupt):
        list(jobs(StandIn(lambda _: "x"), inputs(), journal=path))
    before = len(lines_of(path)) - 1
    rows = list(jobs(StandIn(lambda _: "x"), prompts(70), journal=path))
    assert sum(each.from_journal for each in rows) == before > 0


@BACKENDS
def test_a_cancelled_job_cancels_its_calls_and_lets_its_journal_go(path: Path, backend: str) -> None:
    left: list[str] = []

    class Endless(StandIn):
        async def arun(self, model: str, inputs: Any, **options: Any) -> Any:
            if inputs == prompts(9)[8]:
                try:
                    await anyio.sleep_forever()
                finally:
                    left.append(inputs["prompt"])
                    is_left.set()
            return await super().arun(model, inputs, **options)

    is_left = anyio.Event()

    async def main() -> None:
        options = JobOptions(concurrency=2, journal=path, requests_per_minute=math.inf)
        found: list[int] = []
        with anyio.CancelScope() as scope:
            async for each in AsyncJob[Any](Endless(lambda _: "x"), MODEL, prompts(9), options, Secret({})):
                found.append(each.index)
                if each.index == 7:
                    scope.deadline = -math.inf
        assert found == [*range(8)]
        gc.collect()
        with anyio.fail_after(LONG):
            await is_left.wait()
        assert left == ["Number 8?"]
        again = AsyncJob[Any](StandIn(lambda _: "x"), MODEL, prompts(9), options, Secret({}))
        async with again:
            assert [each.from_journal async for each in again] == [True] * 8 + [False]
        async with AsyncJob[Any](
            Endless(lambda _: "x"), MODEL, asynchronous(prompts(9)), JobOptions(), Secret({})
        ) as job:
            async for _ in job:
                break
        async for _ in AsyncJob[Any](StandIn(lambda _: "x"), MODEL, prompts(9), JobOptions(), Secret({})):
            break

    anyio.run(main, backend=backend)
    gc.collect()


CHILD = """
import sys
from cfai import Ai, Retry
url, account, token, journal, count, way = sys.argv[1:]
MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
inputs = ({"prompt": f"Number {number}?", "max_tokens": 5} for number in range(int(count)))
options = {"concurrency": 8, "requests_per_minute": float("inf"), "journal": journal}
options["max_retries"] = Retry(max_retries=5, base=0)

def run():
    with Ai(account_id=account, api_token=token, base_url=url) as ai:
        for row in ai.run_many(MODEL, inputs, **options):
            print(row.index, row.ok, flush=True)

async def arun():
    async with Ai(account_id=account, api_token=token, base_url=url) as ai:
        async for row in ai.arun_many(MODEL, inputs, **options):
            print(row.index, row.ok, flush=True)

if way == "sync":
    run()
else:
    import anyio
    anyio.run(arun, backend=way)
"""


@pytest.mark.parametrize("way", ["sync", "asyncio", "trio"])
def test_a_job_that_is_killed_anywhere_has_each_input_answered_once_in_the_end(path: Path, way: str) -> None:
    count, chance = 120, random.Random(way)
    faults = (500, 503, "bad-input", "connection-reset", "short-body", "truncated-json", "inference-timeout")
    with Emulator(keep_requests=10_000) as local:
        local.random_faults(0.05, scenarios=faults)
        account = (local.base_url, local.account_id, local.api_token)
        command = [sys.executable, "-c", CHILD, *account, str(path), f"{count}", way]
        for end in (chance.randrange(1, count), None):
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                given: list[str] = []
                for line in child.stdout:
                    given.append(line)
                    if len(given) == end:
                        child.kill()
                        break
            assert [int(line.split()[0]) for line in given] == list(range(end or count))
        answered = [request.inputs["prompt"] for request in local.requests if request.fault == "ok"]
    last: dict[int, Any] = {}
    for line in lines_of(path)[1:]:
        assert "answer" not in last.get(line["index"], {}), "what had an answer was sent again"
        last[line["index"]] = line
    assert sorted(last) == list(range(count))
    assert len(answered) - len({*answered}) <= 8 + 10, "sent again was what was under way, or broke off"


def test_rows_from_the_journal_wait_for_nobody_in_an_event_loop(path: Path) -> None:
    with start_blocking_portal("asyncio") as portal:
        jobs = Jobs(portal)
        list(jobs(StandIn(lambda _: "x"), prompts(200), journal=path))
        rows = list(jobs(StandIn(fail), prompts(200), journal=path, concurrency=1))
        assert [each.index for each in rows] == list(range(200))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_of_a_fork_neither_holds_nor_frees_the_journal_of_its_parent(path: Path) -> None:
    program = f"""
import math, os, sys, time
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.many.conftest import MODEL, StandIn, prompts
from cfai._credentials import Secret
from cfai.many import Job, JobOptions

def start():
    options = JobOptions(1, math.inf, journal={str(path)!r})
    return Job(StandIn(lambda _: "yes"), MODEL, prompts(5), options, Secret({{}}))

def is_free():
    try:
        job = start()
        next(job)
        job.close()
        return True
    except ValueError:
        return False

job = start()
next(job)
ended, end = os.pipe()
closing = os.fork()
if closing == 0:
    job.close()
    os._exit(0)
os.waitpid(closing, 0)
assert not is_free(), "a child freed it"
child = os.fork()
if child == 0:
    os.close(end)
    os.read(ended, 1)
    os._exit(0)
job.close()
assert is_free(), "a child holds it"
os.close(end)
os.waitpid(child, 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


class CutOff:
    """A medium whose bytes cannot be had, as those of a picture that is cut off."""

    def __bytes__(self) -> bytes:
        raise OSError("image file is truncated")


@SYNC_AND_ASYNC
def test_a_medium_that_is_cut_off_is_its_rows_error_with_a_journal_and_without(
    jobs: Jobs, callers: Callers, service: Service, path: Path
) -> None:
    service.router.route().mock(return_value=httpx.Response(200, json={"result": {"response": "yes"}}))
    vision = "@cf/meta/llama-3.2-11b-vision-instruct"
    file = io.BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(file, "JPEG")
    for journal in (None, path):
        cut = Image.open(io.BytesIO(file.getvalue()[: len(file.getvalue()) * 3 // 4]))
        for medium in (cut, CutOff()):
            with row((journal, type(medium))):
                inputs: list[Any] = [{"prompt": "a"}, {"prompt": "b", "image": medium}, {"prompt": "c"}]
                rows = [*jobs(callers().ai, inputs, model=vision, journal=journal)]
                assert [type(each.error) for each in rows] == [type(None), InputError, type(None)]
                assert "cut off" in str(rows[1].error) or "truncated" in str(rows[1].error)


@SYNC_AND_ASYNC
def test_a_journal_is_read_beside_the_event_loop(jobs: Jobs, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(inputs: Any) -> str:
        return "yes"

    assert len([*jobs(StandIn(call), prompts(3), journal=path)]) == 3
    threads = list[str]()

    def name() -> str:
        return threading.current_thread().name

    def open_journal(*options: Any) -> Journal:
        threads.append(name())
        return Journal(*options)

    monkeypatch.setattr("cfai.many._work.Journal", open_journal)
    rows = [*jobs(StandIn(fail), prompts(3), journal=path)]
    assert [row.from_journal for row in rows] == [True] * 3
    if jobs.portal is not None:
        assert threads != [jobs.portal.call(name)]
