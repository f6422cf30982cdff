"""The budget of a job: it stops before that is passed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from cfai import APITimeoutError, BadRequestError, BudgetWarning, ConfigurationError
from cfai.local import Emulator
from cfai.many._budget import Budget
from tests.conftest import LONG, SYNC_AND_ASYNC, row
from tests.many.conftest import MODEL, Jobs, StandIn, prompts

COST = (10 * 26668 + 5 * 204805) * 1e-6 * 0.011e-3
"""US dollars of a call of `StandIn`."""
SHORT = [{**each, "max_tokens": 10} for each in prompts(1000)]


@SYNC_AND_ASYNC
def test_a_job_stops_before_its_budget_is_passed_and_warns(jobs: Jobs) -> None:
    for most, concurrency in ((0.01, 40), (0.002, 1), (0.0005, 16)):
        with row((most, concurrency)):
            runner = StandIn(lambda _: "x")
            job = jobs(runner, SHORT, max_cost=most, concurrency=concurrency)
            with pytest.warns(BudgetWarning, match="stopped before max_cost of"):
                rows = list(job)
            report = job.report()
            assert [each.index for each in rows] == list(range(len(rows)))
            assert report.cost == pytest.approx(len(runner.calls) * COST)
            assert most - 0.0003 < report.cost <= most, "the last call might have cost more"
            assert str(report.stopped).startswith(f"max_cost of ${most:g}: ")
            assert str(report).splitlines()[-1].startswith("stopped    max_cost")
            assert list(job) == []


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
    once, twice = (Budget(MODEL, 1.0, output_retries=number).estimate(SHORT[0]) for number in (0, 1))
    assert twice > 2 * once


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
