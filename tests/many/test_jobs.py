"""Jobs: what they read, send and give, in which order, and how they end."""

from __future__ import annotations

import gc
import itertools
import json
import math
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import anyio
import pytest
from pydantic import BaseModel

import cfai
from cfai import (
    AsyncJob,
    AuthenticationError,
    BadRequestError,
    CapacityError,
    CfaiError,
    ConfigurationError,
    InputError,
    OutputValidationError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
    Retry,
)
from cfai._credentials import Secret
from cfai.local import Emulator
from cfai.many import JobOptions
from tests.conftest import ASYNC, BACKENDS, LONG, SYNC_AND_ASYNC, Callers, Service, row
from tests.many.conftest import MODEL, Jobs, StandIn, answer, asynchronous, prompts

NOW = Retry(max_retries=3, base=0)


@SYNC_AND_ASYNC
def test_each_input_is_sent_once_as_it_is_and_its_row_comes_in_order(
    callers: Callers, jobs: Jobs, service: Service
) -> None:
    rows = list(jobs(callers().ai, iter(prompts(50)), concurrency=7, tags=["a"]))
    assert [each.index for each in rows] == list(range(50))
    assert [each.inputs for each in rows] == prompts(50)
    assert {(each.output.text, each.ok, each.error, each.attempts, each.from_journal) for each in rows} == {
        ("Hello", True, None, 1, False)
    }
    assert all(each.output is each.answer for each in rows)
    assert sorted(request.content for request in service.requests) == sorted(
        json.dumps(each, separators=(",", ":")).encode() for each in prompts(50)
    )


@SYNC_AND_ASYNC
def test_nothing_is_read_or_sent_before_the_first_row_is_asked_for(jobs: Jobs) -> None:
    read: list[int] = []

    def inputs() -> Iterator[Any]:
        for number in itertools.count():
            read.append(number)
            yield {"prompt": f"{number}"}

    runner = StandIn(lambda inputs: inputs["prompt"])
    job = jobs(runner, inputs(), concurrency=3)
    assert (read, runner.calls, job.report()) == ([], [], cfai.JobReport())
    assert [next(job).output.text for _ in range(5)] == list("01234")
    job.close()
    assert len(read) <= 5 + 4 * 3, "an endless source is read no further than the rows that are given, and a few"
    assert list(job) == []


@SYNC_AND_ASYNC
def test_no_more_calls_are_under_way_than_may_be(jobs: Jobs) -> None:
    together = threading.Barrier(4)
    runner = StandIn(lambda _: str(together.wait(LONG)))
    assert len(list(jobs(runner, prompts(40), concurrency=4))) == 40
    assert runner.most == 4, "all four at a time, and never a fifth"


@SYNC_AND_ASYNC
def test_a_slow_row_holds_up_a_few_where_order_matters_and_none_where_it_does_not(jobs: Jobs) -> None:
    for ordered in (True, False):
        with row(ordered):
            slow = threading.Event()

            def call(inputs: Any, slow: threading.Event = slow) -> str:
                assert inputs["prompt"] != "Number 0?" or slow.wait(LONG)
                return "done"

            read: list[Any] = []
            inputs = (read.append(each) or each for each in prompts(100))
            runner = StandIn(call)
            job = jobs(runner, inputs, ordered=ordered, concurrency=4)
            if ordered:
                found: list[Any] = []
                thread = threading.Thread(target=found.extend, args=[job])
                thread.start()
                end = time.monotonic() + LONG
                while len(runner.calls) < 16 and time.monotonic() < end:
                    time.sleep(0.001)
                assert (len(read), len(runner.calls), found) == (16, 16, [])
                slow.set()
                thread.join(LONG)
                assert [each.index for each in found] == list(range(100))
            else:
                first = [next(job).index for _ in range(60)]
                slow.set()
                rest = [each.index for each in job]
                assert 0 not in first
                assert sorted(first + rest) == list(range(100))


@SYNC_AND_ASYNC
def test_an_error_is_its_rows_and_loses_no_other(jobs: Jobs, callers: Callers, service: Service) -> None:
    bad: list[Any] = [5, None, "text", {"prompt": "x", "stream": True}, {"prompt": object()}, {}]
    inputs = [each for pair in zip(prompts(6), bad, strict=True) for each in pair]
    rows = list(jobs(callers().ai, inputs, concurrency=3))
    assert [each.ok for each in rows] == [True, False] * 6
    errors = [each.error for each in rows[1::2]]
    assert [type(error) for error in errors[:5]] == [InputError] * 5, errors
    assert "without stream" in str(errors[3])
    assert [each.attempts for each in rows[1:10:2]] == [0] * 5
    assert all(each.output is None and each.answer is None for each in rows[1::2])


@SYNC_AND_ASYNC
def test_what_reading_the_inputs_raises_comes_behind_the_rows_that_were_read(jobs: Jobs) -> None:
    def inputs() -> Iterator[Any]:
        yield from prompts(20)
        raise OSError("the disk is gone")

    found: list[int] = []
    job = jobs(StandIn(lambda _: "x"), inputs(), concurrency=4)
    with pytest.raises(OSError, match="the disk is gone"):
        found.extend(each.index for each in job)
    assert [*job] == []
    assert job.report().done == 20
    assert job.report().stopped == "OSError: the disk is gone"


@pytest.mark.parametrize("portal", ["asyncio", "trio"], indirect=True)
def test_inputs_may_come_from_an_asynchronous_iterable(jobs: Jobs) -> None:
    rows = list(jobs(StandIn(lambda inputs: inputs["prompt"]), asynchronous(prompts(30)), concurrency=4))
    assert [each.output.text for each in rows] == [each["prompt"] for each in prompts(30)]


@SYNC_AND_ASYNC
def test_retries_are_the_jobs_own_and_what_may_be_billed_is_not_sent_again(
    jobs: Jobs, callers: Callers, service: Service
) -> None:
    good = service.result({"response": "Hello"})
    busy, limited = service.error(429, 3040), service.error(429, 3021, retry_after="0")
    for answers, expected in (
        ((busy, service.error(500), good), (3, None, 2)),
        ((busy,), (4, CapacityError, 3)),
        ((limited,) * 9 + (good,), (10, None, 9)),
        ((limited,) * 5 + (service.error(500), busy) + (good,), (8, None, 7)),
        ((service.error(408, 3046), good), (1, RequestTimeoutError, 0)),
        ((service.error(400, 5006), good), (1, BadRequestError, 0)),
    ):
        with row(expected):
            service.forget()
            service.answers(*answers)
            job = jobs(callers().ai, prompts(1), max_retries=NOW)
            [found] = job
            error = None if found.error is None else type(found.error)
            assert (len(service.requests), error, job.report().retried) == expected
            assert found.attempts == expected[0]


@SYNC_AND_ASYNC
def test_what_all_would_meet_stops_the_job_behind_the_rows_that_have_ended(jobs: Jobs) -> None:
    refused = AuthenticationError("no")
    refused.__cause__ = ValueError("what the transport raised")
    for stops in (
        QuotaExceededError("used up", code=4006),
        refused,
        ConfigurationError("no"),
        RateLimitError("later", retryable=True, retry_after=3600.0),
        TypeError("a mistake"),
    ):
        with row(stops):

            def call(inputs: Any, stops: Exception = stops) -> str:
                if inputs["prompt"] == "Number 20?":
                    raise stops
                return "x"

            found: list[Any] = []
            runner = StandIn(call)
            job = jobs(runner, prompts(1000), concurrency=4)
            with pytest.raises(type(stops), match=str(stops)):
                found.extend(job)
            given = [each.index for each in found]
            sent = [int(each["prompt"].strip("Number ?")) for each in runner.calls]
            assert given == sorted({*sent} - {20}), "what was sent is given, in order"
            assert all(each.ok for each in found)
            assert len(runner.calls) < 60
            assert str(job.report().stopped).startswith(f"{type(stops).__name__}: ")
            assert job.report().done == len(found)


@SYNC_AND_ASYNC
def test_a_prompt_that_a_firewall_blocks_stops_nothing(jobs: Jobs) -> None:
    def call(inputs: Any) -> str:
        if inputs["prompt"] == "Number 1?":
            raise cfai.PermissionDeniedError("blocked", code=1020)
        return "x"

    assert [each.ok for each in jobs(StandIn(call), prompts(4))] == [True, False, True, True]


@SYNC_AND_ASYNC
def test_rows_that_wait_for_another_attempt_end_when_the_job_is_stopped(jobs: Jobs) -> None:
    waits = threading.Event()

    def call(inputs: Any) -> str:
        if inputs["prompt"] == "Number 0?":
            waits.set()
            raise CapacityError("busy", retryable=True, retry_after=60.0)
        assert waits.wait(LONG)
        raise AuthenticationError("no")

    started = time.monotonic()
    with pytest.raises(AuthenticationError):
        list(jobs(StandIn(call), prompts(2), concurrency=2))
    assert time.monotonic() - started < LONG


class Label(BaseModel):
    label: str


@SYNC_AND_ASYNC
def test_with_an_output_type_the_output_is_the_object(jobs: Jobs) -> None:
    for each in jobs(StandIn(lambda _: '{"label": "positive"}'), prompts(3), output_type=Label):
        assert each.output == each.answer.output == Label(label="positive")
        assert each.answer.text == '{"label": "positive"}'


@SYNC_AND_ASYNC
def test_every_request_of_a_row_has_a_turn_of_its_own(jobs: Jobs) -> None:
    runner = StandIn(lambda inputs: '{"label": "a"}' if len(inputs.get("messages", ())) > 1 else "no JSON")
    job = jobs(runner, prompts(10), output_type=Label, requests_per_minute=1e6)
    rows = list(job)
    assert [(each.output, each.attempts) for each in rows] == [(Label(label="a"), 2)] * 10
    assert len(job.job._work._pace._turns) == len(runner.calls) == 20
    assert (job.report().prompt_tokens, job.report().retried) == (200, 0)


@SYNC_AND_ASYNC
def test_another_model_is_called_in_turn_too(jobs: Jobs) -> None:
    class Busy(StandIn):
        def run(self, model: str, inputs: Any, **options: Any) -> Any:
            output = super().run(model, inputs, **options)
            if model == MODEL:
                raise CapacityError("busy", code=3040, status_code=429)
            return output

    runner = Busy(lambda _: "x")
    other = "@cf/meta/llama-3.1-8b-instruct-fp8-fast"
    job = jobs(runner, prompts(5), fallback=[other], requests_per_minute=1e6)
    assert [(each.answer.meta.model, each.attempts) for each in job] == [(other, 2)] * 5
    assert len(job.job._work._pace._turns) == len(runner.calls) == 10
    assert all(options == {"max_retries": 0} for options in runner.options)


@SYNC_AND_ASYNC
def test_inputs_that_are_changed_after_they_were_read_are_sent_as_they_were(jobs: Jobs) -> None:
    def inputs() -> Iterator[Any]:
        message: dict[str, Any] = {"role": "user"}
        reused: dict[str, Any] = {"messages": [message]}
        for number in range(20):
            message["content"] = f"Number {number}?"
            yield reused

    runner = StandIn(lambda inputs: inputs["messages"][0]["content"])
    rows = list(jobs(runner, inputs(), concurrency=2))
    assert [each.output.text for each in rows] == [f"Number {number}?" for number in range(20)]
    assert [each.inputs["messages"][0]["content"] for each in rows] == [each.output.text for each in rows]


@BACKENDS
def test_a_wait_for_a_row_that_is_cancelled_loses_nothing(backend: str) -> None:
    async def main() -> None:
        is_open = anyio.Event()

        class Slow(StandIn):
            async def arun(self, model: str, inputs: Any, **options: Any) -> Any:
                await is_open.wait()
                return answer(model, inputs["prompt"])

        options = JobOptions(concurrency=3, requests_per_minute=math.inf)
        job = AsyncJob[Any](Slow(lambda _: "x"), MODEL, prompts(20), options, Secret({}))
        for _ in range(3):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await anext(job)
            assert scope.cancelled_caught
        is_open.set()
        found: list[int] = []

        async def take() -> None:
            found.extend([each.index async for each in job])

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(take)
        assert sorted(found) == [*range(20)]

    anyio.run(main, backend=backend)


@BACKENDS
def test_a_job_whose_event_loop_has_ended_says_so(backend: str) -> None:
    made: list[AsyncJob[Any]] = []

    async def main(is_new: bool) -> None:
        if is_new:
            options = JobOptions(requests_per_minute=math.inf)
            made.append(AsyncJob[Any](StandIn(lambda _: "x"), MODEL, prompts(1000), options, Secret({})))
            assert (await anext(made[0])).ok
        else:
            await anext(made[0])

    anyio.run(main, True, backend=backend)
    for _ in range(2):
        with pytest.raises(CfaiError, match="stopped before its end by the end of its event loop"):
            anyio.run(main, False, backend=backend)
    assert made[0].report().stopped == "the end of its event loop"


@ASYNC
def test_what_the_end_of_an_asynchronous_generator_raises_comes_behind_its_rows(jobs: Jobs) -> None:
    async def inputs() -> AsyncIterator[Any]:
        for each in prompts(20):
            yield each
        raise OSError("the disk is gone")

    found: list[int] = []
    with pytest.raises(OSError, match="the disk is gone"):
        found.extend(each.index for each in jobs(StandIn(lambda _: "x"), inputs(), concurrency=4))
    assert found == [*range(20)]


@SYNC_AND_ASYNC
def test_retries_of_the_output_and_a_fallback_are_options_too(callers: Callers, service: Service) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    busy, unfit = service.error(410, 5028), service.result({"response": "no", "usage": usage})
    service.answers(busy, unfit)
    caller = callers()
    other = "@cf/qwen/qwen3-30b-a3b-fp8"
    options: dict[str, Any] = {"output_type": Label, "output_retries": 0, "fallback": [other]}
    if caller.portal is None:
        rows = [*caller.ai.run_many(MODEL, [{"prompt": "x"}], **options)]
    else:

        async def collect() -> list[Any]:
            return [each async for each in caller.ai.arun_many(MODEL, [{"prompt": "x"}], **options)]

        rows = caller.portal.call(collect)
    assert [(type(each.error), each.error.model) for each in rows] == [(OutputValidationError, other)]
    assert len(service.requests) == 2
    with pytest.raises(ConfigurationError, match="`output_retries` must be a number of 0 or more"):
        caller.ai.run_many(MODEL, [], output_type=Label, output_retries=cast("Any", "2"))


@SYNC_AND_ASYNC
def test_options_of_a_call_pass_through_and_its_retries_are_switched_off(jobs: Jobs) -> None:
    runner = StandIn(lambda _: "x")
    list(jobs(runner, prompts(1), timeout=5.0, max_retries=9))
    assert runner.options == [{"timeout": 5.0, "max_retries": 0}]


@SYNC_AND_ASYNC
def test_what_cannot_work_is_told_before_anything_is_read(jobs: Jobs, callers: Callers) -> None:
    ai = callers().ai
    for options, problem in (
        *(({"concurrency": value}, "`concurrency` must be") for value in (0, -1, 1.5, None, True, "4")),
        *(({"requests_per_minute": value}, "`requests_per_minute` must be") for value in (0, 0.5, -3, math.nan, "9")),
        *(({"max_cost": value}, "`max_cost` must be") for value in (-1, math.nan, "1")),
        ({"model": "@cf/openai/whisper-tiny-en", "max_cost": 1}, "has no known price"),
        ({"model": "@cf/no/such", "max_cost": 1}, "has no known price"),
        ({"model": "@cf/../.."}, "is no model name"),
        ({"max_retries": -1}, "`max_retries` must be"),
    ):
        with row(options), pytest.raises(ConfigurationError, match=problem):
            jobs(ai, prompts(1), **options)
    for inputs in (5, None):
        with pytest.raises(ConfigurationError, match=r"must be an iterable"):
            jobs(ai, inputs)  # type: ignore[arg-type]
    for option, value in (("return_raw_response", True), ("nonsense", 1)):
        with pytest.raises(TypeError, match=f"run_many.. got an unexpected keyword argument '{option}'"):
            jobs(ai, prompts(1), **{option: value})
    with pytest.raises(ConfigurationError, match="`fallback` must be a list of models"):
        jobs(ai, prompts(1), fallback="@cf/zai-org/glm-4.7-flash")


@SYNC_AND_ASYNC
def test_a_job_that_is_closed_sends_nothing_more_and_gives_nothing(jobs: Jobs) -> None:
    runner = StandIn(lambda _: "x")
    job = jobs(runner, prompts(1000), concurrency=2)
    next(job)
    job.close()
    calls = len(runner.calls)
    assert calls < 20
    assert list(job) == []
    job.close()
    unused = jobs(runner, prompts(5))
    unused.close()
    assert list(unused) == []
    assert len(runner.calls) <= calls + 2, "but those that were under way"


def test_a_job_that_nobody_has_any_more_ends_its_threads() -> None:
    def count() -> int:
        return sum(thread.name == "cfai-job" for thread in threading.enumerate())

    jobs = Jobs(None)
    before = count()
    next(jobs(StandIn(lambda _: "x"), prompts(100), concurrency=8))
    jobs.made.clear()
    gc.collect()
    end = time.monotonic() + LONG
    while count() > before and time.monotonic() < end:
        time.sleep(0.001)
    assert count() == before


def test_an_interruption_while_inputs_are_read_ends_the_job_at_once() -> None:
    def inputs() -> Iterator[Any]:
        yield from prompts(5)
        raise KeyboardInterrupt

    job = Jobs(None)(StandIn(lambda _: "x"), inputs(), concurrency=16)
    with pytest.raises(KeyboardInterrupt):
        list(job)
    assert job.report().stopped == "KeyboardInterrupt"
    for _ in range(2):
        with pytest.raises(CfaiError, match="stopped before its end by KeyboardInterrupt"):
            list(job)


@SYNC_AND_ASYNC
def test_the_published_rate_of_the_model_is_kept_unless_another_is_given(jobs: Jobs) -> None:
    for model, options, expected in (
        (MODEL, {}, 300),
        ("@cf/zai-org/glm-5.2", {}, 20),
        ("@cf/zai-org/glm-5.2", {"requests_per_minute": 50}, 50),
        ("@cf/no/such", {}, 0),
        (MODEL, {"requests_per_minute": math.inf}, 0),
    ):
        with row((model, options)):
            options = {"requests_per_minute": None, **options}
            job = jobs(StandIn(lambda _: "x"), [], model=model, **options)
            assert job.job._work._pace._most == expected


@SYNC_AND_ASYNC
def test_a_report_counts_what_was_done_and_says_it_in_lines(jobs: Jobs) -> None:
    seen: set[str] = set()

    def call(inputs: Any) -> str:
        prompt = inputs["prompt"]
        if prompt == "Number 0?" and prompt not in seen:
            seen.add(prompt)
            raise CapacityError("busy", retryable=True, code=3040)
        if prompt in ("Number 1?", "Number 2?"):
            raise BadRequestError("no", code=5006, status_code=400)
        return "x"

    job = jobs(StandIn(call), prompts(10), max_retries=NOW)
    list(job)
    report = job.report()
    assert (report.done, report.failed, report.failures, report.retried) == (8, 2, {"BadRequestError 5006": 2}, 1)
    assert (report.prompt_tokens, report.completion_tokens, report.stopped) == (80, 40, None)
    assert report.cost == pytest.approx(8 * (10 * 26668 + 5 * 204805) * 1e-6 * 0.011e-3)
    assert report.neurons == 0, "the service told none"
    lines = str(report).splitlines()
    assert [line.split()[0] for line in lines] == ["done", "failed", "2", "retried", "tokens", "cost", "time"]
    assert lines[2].strip() == "2 BadRequestError 5006"
    assert re.fullmatch(r"cost +\$0\.\d{4}", lines[5]), "of no neurons and no journal there is nothing to say"
    assert report.rate == pytest.approx(10 / report.seconds)
    assert job.report() == report, "the clock stands still at the end"


@SYNC_AND_ASYNC
def test_a_tenth_of_a_minutes_requests_go_at_once_and_the_others_one_after_the_other(jobs: Jobs) -> None:
    with Emulator(rate_limits={"Text Generation": 1200}) as local, local.ai() as ai:
        rows = list(jobs(ai, prompts(126), requests_per_minute=1200, concurrency=8))
        assert all(each.ok for each in rows)
        times = [request.received_at for request in local.requests]
        assert len(times) == 126
        assert times[-1] - times[0] > 5 * 60 / 1200


@SYNC_AND_ASYNC
def test_all_jobs_of_a_client_keep_to_the_rate_of_the_model_together(jobs: Jobs) -> None:
    runner = StandIn(lambda _: "x")
    paces = [jobs(runner, [], requests_per_minute=rate).job._work._pace for rate in (20, 20, 30)]
    assert paces[0] is paces[1] is not paces[2]


@SYNC_AND_ASYNC
def test_the_answer_of_a_task_is_the_output_of_its_row(jobs: Jobs) -> None:
    with Emulator() as local, local.ai() as ai:
        inputs = [{"text": [f"text {number}"]} for number in range(5)]
        rows = list(jobs(ai, inputs, model="@cf/baai/bge-m3"))
        assert {type(each.output).__name__ for each in rows} == {"Embeddings"}
        assert answer(MODEL, "x").text == "x"
