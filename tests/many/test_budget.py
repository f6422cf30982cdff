"""The budget of a job: it stops before that is passed."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from cfai import (
    APITimeoutError,
    BadRequestError,
    BudgetWarning,
    CapacityError,
    ConfigurationError,
    OutputValidationError,
    Retry,
)
from cfai.local import Emulator
from cfai.many._budget import Budget
from cfai.types import Meta
from tests.conftest import LONG, SYNC_AND_ASYNC, Callers, Service, row
from tests.many.conftest import COST, MODEL, Jobs, StandIn, prompts


class Label(BaseModel):
    label: str


SHORT = [{**each, "max_tokens": 10} for each in prompts(1000)]


class Dear(StandIn):
    """Costs three times what was estimated for the first of `SHORT`."""

    cost = 3 * Budget(MODEL, 1.0).estimate(SHORT[0])

    def run(self, model: str, inputs: Any, **options: Any) -> Any:
        output = super().run(model, inputs, **options)
        output._meta = Meta(model=model, neurons=self.cost / 0.011e-3)
        return output


@SYNC_AND_ASYNC
def test_a_job_stops_before_its_budget_is_passed_and_warns(jobs: Jobs) -> None:
    for most, concurrency in ((0.01, 40), (0.002, 1), (0.0005, 16)):
        with row((most, concurrency)):
            runner = StandIn(lambda _: "x")
            job = jobs(runner, SHORT, max_cost=most, concurrency=concurrency)
            advice = "What to do: inputs are left: raise max_cost, or give them a smaller max_tokens$"
            with pytest.warns(BudgetWarning, match=f"stopped before max_cost of .*{advice}"):
                rows = list(job)
            report = job.report()
            assert [each.index for each in rows] == list(range(len(rows)))
            assert report.cost == pytest.approx(len(runner.calls) * COST)
            assert most - 0.0003 < report.cost <= most, "the last call might have cost more"
            assert str(report.stopped).startswith(f"max_cost of ${most:g}: ")
            assert str(report).splitlines()[-1].startswith("stopped    max_cost")
            assert list(job) == []


@SYNC_AND_ASYNC
def test_where_calls_cost_more_than_their_estimate_those_after_them_are_taken_to_be_as_dear(jobs: Jobs) -> None:
    cost = Dear.cost
    runner = Dear(lambda _: "x")
    with pytest.warns(BudgetWarning, match=rf"a call may cost up to \${cost:.4f}"):
        rows = list(jobs(runner, SHORT[:1] * 50, max_cost=10.5 * cost, concurrency=1))
    assert len(rows) == len(runner.calls) == 10


@SYNC_AND_ASYNC
def test_no_more_calls_than_are_under_way_at_a_time_can_pass_the_budget(jobs: Jobs) -> None:
    go = threading.Event()
    runner = Dear(lambda _: "x" if go.wait(LONG) else "late")
    threading.Timer(0.2, go.set).start()  # when all were begun that may be
    with pytest.warns(BudgetWarning):
        list(jobs(runner, SHORT[:1] * 200, max_cost=6.5 * Dear.cost, concurrency=4))
    assert 4 <= len(runner.calls) <= 6


def test_what_is_put_aside_for_calls_under_way_grows_with_what_one_has_cost() -> None:
    budget = Budget(MODEL, 10.0)
    for _ in range(4):
        budget.reserve(1.0)
    budget.settle(1.0, 2.0)
    budget.settle(1.0, 1.0)
    assert budget.allows(1.5)
    assert not budget.allows(1.6)


@SYNC_AND_ASYNC
def test_a_budget_that_is_not_reached_says_nothing(jobs: Jobs) -> None:
    job = jobs(StandIn(lambda _: "x"), SHORT[:50], max_cost=1)
    assert len(list(job)) == 50
    assert job.report().stopped is None


@SYNC_AND_ASYNC
def test_with_a_budget_that_one_call_may_pass_nothing_is_sent(jobs: Jobs) -> None:
    for model, inputs in ((MODEL, {"prompt": "x", "max_tokens": 10_000}), ("@cf/zai-org/glm-4.7-flash", prompts(1)[0])):
        with row(model):
            runner = StandIn(lambda _: "x")
            with pytest.warns(BudgetWarning, match="a call may cost up to"):
                assert list(jobs(runner, [inputs], model=model, max_cost=0.001)) == []
            assert runner.calls == []


@SYNC_AND_ASYNC
def test_calls_under_way_count_with_what_they_may_cost(jobs: Jobs) -> None:
    first_two = threading.Barrier(2)
    runner = StandIn(lambda _: str(first_two.wait(LONG)))
    inputs = [{"prompt": "x", "max_tokens": 1000}] * 6
    most = 2.5 * Budget(MODEL, 1.0).estimate(inputs[0])
    assert len(list(jobs(runner, inputs, max_cost=most, concurrency=6))) == 6
    assert runner.most == 2, "a third has to wait until they have cost less"


@SYNC_AND_ASYNC
def test_a_budget_for_one_call_at_a_time_ends_no_job_whose_rows_wait_to_be_taken(jobs: Jobs) -> None:
    runner = StandIn(lambda _: "x")
    # Room for all calls, and for no two under way.
    inputs = [{**each, "max_tokens": 100} for each in prompts(12)]
    most = 11.5 * COST + Budget(MODEL, 1.0).estimate(inputs[0])
    job = jobs(runner, inputs, max_cost=most, concurrency=2)
    rows = [next(job)]
    deadline = time.monotonic() + LONG
    while job._portal is not None and (len(runner.calls) < 8 or job.job._work.pending) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(rows + list(job)) == 12


@SYNC_AND_ASYNC
def test_an_answer_that_was_asked_for_again_counts_whatever_became_of_that(jobs: Jobs) -> None:
    def call(inputs: Any) -> str:
        if len(inputs.get("messages", ())) > 1:
            raise CapacityError("busy", retryable=True)
        return "no JSON"

    runner = StandIn(call)
    job = jobs(runner, SHORT[:5], output_type=Label, max_cost=1.0, max_retries=Retry(max_retries=2, base=0))
    rows = list(job)
    assert [each.attempts for each in rows] == [4] * 5, "what was asked again is sent again, and not the whole row"
    assert sum("prompt" in inputs for inputs in runner.calls) == 5
    assert job.report().cost == pytest.approx(5 * COST)
    assert job.report().retried == 10


@SYNC_AND_ASYNC
def test_what_the_journal_had_cost_counts(jobs: Jobs, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    list(jobs(StandIn(lambda _: "x"), SHORT[:100], journal=journal))
    for most, sent in ((100 * COST, 0), (1.0, 10)):
        runner = StandIn(lambda _: "x")
        job = jobs(runner, SHORT[:110], journal=journal, max_cost=most)
        if sent:
            rows = list(job)
        else:
            with pytest.warns(BudgetWarning):
                rows = list(job)
        assert (len(rows), len(runner.calls)) == (100 + sent, sent)
        assert job.report().journal_cost == pytest.approx(100 * COST)
        assert job.report().cost == pytest.approx(sent * COST)


@SYNC_AND_ASYNC
def test_a_call_whose_cost_is_not_known_counts_as_much_as_it_may_have_cost(jobs: Jobs) -> None:
    class Silent(StandIn):
        def run(self, model: str, inputs: Any, **options: Any) -> Any:
            output = super().run(model, inputs, **options)
            output.meta.usage = None
            return output

    def time_out(_: Any) -> str:
        raise APITimeoutError("no answer", retryable=False)

    def refuse(_: Any) -> str:
        raise BadRequestError("no")

    most = Budget(MODEL, 1.0).estimate(SHORT[0])
    for runner, calls in ((Silent(lambda _: "x"), 10), (StandIn(time_out), 10), (StandIn(refuse), 1000)):
        job = jobs(runner, SHORT, max_cost=10.5 * most)
        if calls == 10:
            with pytest.warns(BudgetWarning):
                list(job)
        else:
            list(job)
        assert len(runner.calls) == calls
        assert job.report().cost == pytest.approx(calls * most if calls == 10 else 0.0)


def test_an_estimate_is_never_less_than_the_cost() -> None:
    calls: tuple[tuple[str, Any], ...] = (
        (MODEL, {"prompt": "x"}),
        (MODEL, {"prompt": "word " * 3000, "max_tokens": 3}),
        (MODEL, {"messages": [{"role": "user", "content": "Grüße " * 100}], "max_tokens": 50}),
        ("@cf/zai-org/glm-4.7-flash", {"prompt": "write 100 words", "n": 3, "max_tokens": 50}),
        ("@cf/zai-org/glm-4.7-flash", {"prompt": "write 100 words"}),
        ("@cf/zai-org/glm-4.7-flash", {"prompt": "write 100 words", "max_tokens": "max"}),
        ("@cf/openai/gpt-oss-20b", {"input": "Hello"}),
        ("@cf/baai/bge-m3", {"text": ["a word or two"] * 50}),
        ("@cf/baai/bge-reranker-base", {"query": "a", "contexts": [{"text": "a b c d e"}] * 20}),
        ("@cf/huggingface/distilbert-sst-2-int8", {"text": "a very good day"}),
        ("@cf/deepgram/aura-1", {"text": "Where is the river? " * 10}),
        ("@cf/black-forest-labs/flux-1-schnell", {"prompt": "a river"}),
    )
    with Emulator() as local, local.ai() as ai:
        for model, inputs in calls:
            with row((model, inputs)):
                cost = ai.run(model, inputs).meta.cost
                assert cost is not None
                assert 0 < cost <= Budget(model, 1.0).estimate(inputs)


def test_an_answer_that_may_be_asked_for_once_more_is_estimated_with_that() -> None:
    once, typed = (Budget(MODEL, 1.0, output_type=type).estimate(SHORT[0]) for type in (None, Label))
    assert typed > 2 * once
    assert Budget(MODEL, 1.0).estimate({**SHORT[0], "response_format": Label}) == typed


@SYNC_AND_ASYNC
def test_a_budget_holds_for_a_class_under_response_format_as_for_an_output_type(
    callers: Callers, jobs: Jobs, service: Service
) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 10, "neurons": 60}
    service.answers(service.result({"response": '{"label": "a"}', "usage": usage}))
    for more, options in (({}, {"output_type": Label}), ({"response_format": Label}, {})):
        with row(options):
            inputs = [{**each, **more} for each in SHORT[:40]]
            most = 2.5 * Budget(MODEL, 1.0).estimate({**inputs[0], "response_format": Label})
            with pytest.warns(BudgetWarning):
                rows = list(jobs(callers().ai, inputs, max_cost=most, concurrency=40, **options))
            assert 0 < len(rows) * 60 * 0.011e-3 <= most
            assert [getattr(each.output, "output", each.output) for each in rows] == [Label(label="a")] * len(rows)


@SYNC_AND_ASYNC
def test_answers_that_do_not_fit_count_with_what_all_of_them_cost(
    callers: Callers, jobs: Jobs, service: Service, tmp_path: Path
) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "neurons": 5}
    service.answers(service.result({"response": '{"x": 1}', "usage": usage}))
    for max_cost in (None, 1.0):
        with row(max_cost):
            ai, path = callers().ai, tmp_path / f"{max_cost}.jsonl"
            job = jobs(ai, prompts(3), output_type=Label, max_cost=max_cost, journal=path)
            assert [type(each.error) for each in job] == [OutputValidationError] * 3
            report = job.report()
            assert (report.done, report.failed, len(service.requests)) == (0, 3, 6)
            assert (report.prompt_tokens, report.completion_tokens, report.neurons) == (60, 30, 30.0)
            assert report.cost == pytest.approx(30 * 0.011e-3) == pytest.approx(ai.usage.cost)
            assert "cost       $0.0003, 30.0 neurons" in str(report)
            again = jobs(ai, [], output_type=Label, max_cost=max_cost, journal=path)
            assert list(again) == []
            assert again.report().journal_cost == pytest.approx(report.cost)
            assert "cost       $0.0000 (and $0.0003 before, by the journal)\n" in str(again.report())
            service.forget()


@SYNC_AND_ASYNC
def test_what_was_paid_before_a_row_is_sent_again_counts(callers: Callers, jobs: Jobs, service: Service) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "neurons": 5}
    misfit, fit = ({"response": text, "usage": usage} for text in ('{"x": 1}', '{"label": "a"}'))
    busy, broken = service.error(429, 3040), service.raw(b"", "application/json")
    for answers, options, neurons in (
        ((misfit, busy, fit), {"max_retries": Retry(max_retries=1, base=0)}, 10),
        ((misfit, busy, fit), {"fallback": ["@cf/qwen/qwen3-30b-a3b-fp8"], "max_retries": 0}, 10),
        ((misfit, broken), {}, None),
    ):
        with row(options):
            service.answers(*(service.result(each) if isinstance(each, dict) else each for each in answers))
            ai, inputs = callers().ai, {**SHORT[0], "response_format": Label}
            job = jobs(ai, [SHORT[0]], output_type=Label, max_cost=1.0, **options)
            assert next(job).ok == (neurons is not None)
            cost = Budget(MODEL, 1.0).estimate(inputs) if neurons is None else neurons * 0.011e-3
            assert job.report().cost == pytest.approx(cost)


def test_an_estimate_is_that_of_the_dearest_model_that_may_be_called() -> None:
    cheap, dear = "@cf/qwen/qwen3-30b-a3b-fp8", MODEL
    alone = Budget(dear, 1.0).estimate(SHORT[0])
    assert Budget(cheap, 1.0, fallback=[dear]).estimate(SHORT[0]) == alone
    assert Budget(dear, 1.0, fallback=[cheap]).estimate(SHORT[0]) == alone
    with pytest.raises(ConfigurationError, match="has no known price"):
        Budget(dear, 1.0, fallback=["@cf/swiss-ai/apertus-v1.5-8b"])


@SYNC_AND_ASYNC
def test_a_budget_needs_inputs_that_can_be_read_before_they_are_sent(jobs: Jobs) -> None:
    runner = StandIn(lambda _: "x")
    inputs = {"prompt": "What is it?", "image": iter([b"a picture"])}
    with pytest.raises(ConfigurationError, match="a stream can be read only once"):
        list(jobs(runner, [inputs], model="@cf/meta/llama-3.2-11b-vision-instruct", max_cost=1.0))
    assert runner.calls == []


@SYNC_AND_ASYNC
def test_a_budget_needs_calls_whose_cost_is_known_beforehand(jobs: Jobs) -> None:
    for model, inputs in (
        ("@cf/openai/whisper", {"audio": b"ID3" + bytes(100)}),
        ("@cf/meta/m2m100-1.2b", {"text": "Where is the river?", "target_lang": "fr"}),
    ):
        with row(model):
            runner = StandIn(lambda _: "x")
            with pytest.raises(ConfigurationError, match="known beforehand"):
                list(jobs(runner, [inputs], model=model, max_cost=1.0))
            assert runner.calls == []
            assert Budget(model, None).estimate(inputs) == 0


@SYNC_AND_ASYNC
def test_calls_before_one_of_unknown_cost_are_finished(jobs: Jobs) -> None:
    job = jobs(StandIn(lambda _: "x"), [SHORT[0]] * 3 + [{"requests": [{}, 3]}], max_cost=1.0)
    found: list[Any] = []
    with pytest.raises(ConfigurationError, match="known beforehand"):
        found.extend(each.index for each in job)
    assert found == [0, 1, 2]


@SYNC_AND_ASYNC
def test_an_answer_that_cannot_be_read_and_was_billed_is_in_the_figures(
    callers: Callers, jobs: Jobs, service: Service
) -> None:
    headers = {"content-type": "application/json", "cf-ai-neurons": "3"}
    service.router.route().mock(return_value=httpx.Response(200, content=b'{"result":{"respo', headers=headers))
    for options in ({}, {"max_cost": 1.0}, {"output_type": dict[str, int]}):
        ai = callers().ai
        job = jobs(ai, prompts(4), **options)
        with row(options):
            assert [each.ok for each in job] == [False] * 4
            report = job.report()
            assert (report.neurons, report.cost) == (12.0, pytest.approx(12 * 0.011 / 1000))
            assert ai.usage.neurons == 12.0
