"""The measuring of the estimate, on a few made texts whose counts are known because the estimate itself made them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks import __main__ as command
from benchmarks import estimate
from benchmarks.fitting import Sample, Texts, calibration
from benchmarks.measure import Report

from cfai import tokens

WORDS = ["the", "of", "and", "in", "is", "that", "people", "function", "return", "Cloudflare", "tokenizer", "42", "();"]


def sample(number: int, kind: str, family_count: Callable[[str, str], int]) -> Sample:
    text = " ".join(random.Random(number).choices(WORDS, k=150))
    families = [family for family in tokens.list_families() if family != "default"]
    return Sample(f"document {number // 2}", kind, text, {family: family_count(text, family) for family in families})


def samples(count: Callable[[str, str], int] = tokens.estimate) -> list[Sample]:
    kinds = [kind + "py" * kind.endswith("_") for kinds in estimate.KINDS.values() for kind in kinds]
    return [sample(number, kind, count) for number, kind in enumerate(kinds)]


@pytest.fixture(autouse=True)
def two_families(monkeypatch: pytest.MonkeyPatch) -> None:
    # One that has priors, and one that has a mixture of them.
    monkeypatch.setattr(estimate, "MODELS", {family: estimate.MODELS[family] for family in ("llama3", "kimi_k2")})


def test_rates_that_are_right_meet_their_targets(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    estimate.run(report, samples())
    assert [line for line in report.missed if "mean error" in line or "percentile" in line] == []
    assert any(line.startswith("kimi_k2, 95th percentile: ") for line in report.met)
    assert "10 % under the limit" in capsys.readouterr().out


def test_counts_that_nothing_explains_miss_the_targets() -> None:
    noise = random.Random(0)
    rows: list[tuple[Callable[[str, str], int], list[str]]] = [
        (
            lambda text, family: round(tokens.estimate(text, family) * noise.choice([0.7, 1.6])),
            ["llama3, mean error", "kimi_k2, 95th percentile", "English prose (prose_en), mean error"],
        ),
        (
            lambda text, family: 2 * tokens.estimate(text, family),
            ["llama3, mean error by the shipped rates from that by this fit"],
        ),
        (lambda text, _: len(text), ["English prose, lower to real"]),
    ]
    for count, targets in rows:
        report = Report()
        estimate.run(report, samples(count))
        for target in targets:
            assert any(line.startswith(f"{target}: ") for line in report.missed), target


def test_a_text_is_estimated_without_its_document() -> None:
    texts = Texts(samples())
    documents = [sample.document for sample in texts.samples]
    places: list[int] = []
    for fitted, out in texts.folds():
        assert not {documents[place] for place in fitted} & {documents[place] for place in out}
        places += out.tolist()
    assert sorted(places) == list(range(len(documents)))


def test_the_held_out_text_has_no_part_in_its_own_estimate() -> None:
    made = samples()
    odd = [replace(made[0], counts={family: 9 * count for family, count in made[0].counts.items()}), *made[1:]]
    same, other = (estimate.held_out(Texts(each))["llama3"][0] for each in (made, odd))
    assert same < 5
    assert other > 85


def test_the_tables_are_markdown_and_nothing_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    estimate.run(report, samples(), markdown=True)
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert all(line.startswith("|") and line.endswith("|") for line in lines)
    assert {line.split("|")[1].strip() for line in lines} >= {"`llama3`", "`default`", "English prose", "nonsense"}
    assert not report.met + report.missed


def test_rates_are_written_as_the_estimate_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    estimate.write_rates(path, samples())
    written, shipped = json.loads(path.read_bytes()), json.loads(estimate.RATES.read_bytes())
    assert list(written["rates"]) == list(shipped["rates"])
    assert {len(row) for row in written["rates"].values()} == {len(written["features"])}
    assert min(min(row) for row in written["rates"].values()) >= 0


def test_texts_that_are_absent_are_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="prose_en"):
        estimate.run(Report(), samples()[1:])
    monkeypatch.setenv("CFAI_CALIBRATION", str(tmp_path))
    with pytest.raises(SystemExit, match="token-samples"):
        calibration()


@pytest.mark.parametrize(("factor", "code"), [(1, 0), (3, 1)])
def test_the_command_fails_if_a_target_is_missed(factor: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(report: Report, markdown: bool) -> None:
        report.check("a figure", factor * 1.0, 2.0)

    monkeypatch.setattr(estimate, "run", run)
    monkeypatch.setattr("sys.argv", ["benchmarks", "estimate"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == code
