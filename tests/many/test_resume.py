"""Jobs of any inputs and failures, killed at any point: each input has its row once, and no answer is paid twice."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import given, settings
from hypothesis import strategies as st

from cfai import BadRequestError, CapacityError, RateLimitError, Retry
from tests.many.conftest import Jobs, StandIn

FAULTS = {
    "final": BadRequestError("no", code=5006),
    "busy": CapacityError("busy", retryable=True, code=3040),
    "too many": RateLimitError("too many", retryable=True, code=3021, retry_after=0.0),
}


@pytest.fixture(scope="module", params=["sync", "asyncio", "trio"])
def portal(request: pytest.FixtureRequest) -> Iterator[BlockingPortal | None]:
    if request.param == "sync":
        yield None
        return
    with start_blocking_portal(request.param) as portal:
        yield portal


class Faulty(StandIn):
    """Answers, but for some prompts: always with an error, or the first few times."""

    def __init__(self, faults: dict[int, list[str]]) -> None:
        super().__init__(self.answer)
        self.answered = Counter[int]()
        self._faults = {prompt: list(names) for prompt, names in faults.items()}
        self._guard = threading.Lock()

    def answer(self, inputs: Any) -> str:
        prompt = int(inputs["prompt"])
        with self._guard:
            if left := self._faults.get(prompt):
                raise FAULTS[left[0] if left[0] == "final" else left.pop(0)]
            self.answered[prompt] += 1
        return f"answer to {prompt}"


@given(
    prompts=st.lists(st.integers(0, 12), max_size=25),
    faults=st.dictionaries(st.integers(0, 12), st.lists(st.sampled_from([*FAULTS]), min_size=1, max_size=3)),
    options=st.fixed_dictionaries({"ordered": st.booleans(), "concurrency": st.integers(1, 6)}),
    before=st.integers(0, 25),
    kill=st.integers(0, 10**6),
)
@settings(max_examples=60)
def test_a_job_that_is_killed_at_any_byte_of_its_journal_goes_on_from_there(
    portal: BlockingPortal | None,
    prompts: list[int],
    faults: dict[int, list[str]],
    options: dict[str, Any],
    before: int,
    kill: int,
) -> None:
    jobs = Jobs(portal)
    inputs = [{"prompt": str(prompt)} for prompt in prompts]
    options |= {"max_retries": Retry(max_retries=5, base=0), "progress": False}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.jsonl")
        first = jobs(Faulty(faults), inputs, journal=path, **options)
        given_rows = [next(first) for _ in range(min(before, len(prompts)))]
        first.close()
        assert len({each.index for each in given_rows}) == len(given_rows)
        if options["ordered"]:
            assert [each.index for each in given_rows] == [*range(len(given_rows))]
        whole = path.read_bytes() if given_rows else b""
        path.write_bytes(whole[: kill % (len(whole) + 1)])
        kept = path.read_bytes().split(b"\n")[1:-1]
        in_journal = sum(b'"answer"' in line for line in kept)

        runner = Faulty(faults)
        second = jobs(runner, inputs, journal=path, **options)
        rows = list(second)
        assert sorted(each.index for each in rows) == [*range(len(prompts))]
        if options["ordered"]:
            assert [each.index for each in rows] == [*range(len(prompts))]
        for each in rows:
            prompt = prompts[each.index]
            assert each.inputs == {"prompt": str(prompt)}
            assert each.ok == ("final" not in faults.get(prompt, ()))
            assert not each.ok or each.output.text == f"answer to {prompt}"
        assert sum(each.from_journal for each in rows) == in_journal
        sent = Counter(prompts[each.index] for each in rows if each.ok and not each.from_journal)
        assert runner.answered == sent, "what has an answer is not paid again"
        report = second.report()
        assert (report.done + report.failed, report.skipped) == (len(prompts), in_journal)

        again = Faulty({})
        rows = list(jobs(again, inputs, journal=path, **options))
        unanswered = Counter(prompt for prompt in prompts if "final" in faults.get(prompt, ()))
        assert again.answered == unanswered
        assert all(each.ok for each in rows)
