"""The rates of the estimate that are shipped are those that were fitted to the texts with real counts."""

from __future__ import annotations

from statistics import mean, quantiles

from cfai import tokens
from tests.tokens.conftest import Sample

FAMILIES_OF_CHAT = "llama2 mistral_v1 tekken llama3 llama4 gemma2 gemma3 qwen2 qwen3_5 o200k deepseek_v3 glm4 kimi_k2"
CHAT = FAMILIES_OF_CHAT.split()
LATIN = ["nordic_etc", "tr_pl_cs"]
PLAIN = [
    "prose_en",
    "markdown",
    "json",
    "tool_schema",
    *(f"code_{name}" for name in ("py", "js", "ts", "c_cpp", "java_kt", "go_rs", "rb_sh_sql")),
]


def errors_of(samples: list[Sample], family: str) -> list[tuple[str, float]]:
    """Return how far off the estimate is, and the kind of text, for each text of 500 bytes and more."""
    return [
        (sample.kind, abs(tokens.estimate(sample.text, family) - sample.counts[family]) / sample.counts[family])
        for sample in samples
        if len(sample.text.encode()) >= 500
    ]


# The rates were fitted to these same texts, so this says that the shipped rates are those, not how good they are on
# others: that is what `python -m benchmarks estimate` measures.
def test_the_rates_are_those_that_were_fitted(samples: list[Sample]) -> None:
    latin: list[float] = []
    for family in CHAT:
        found = errors_of(samples, family)
        errors = [error for _, error in found]
        assert mean(errors) < 0.035, family
        assert quantiles(errors, n=20)[-1] < 0.14, family
        assert mean(error for kind, error in found if kind in PLAIN) < 0.035, family
        latin.append(mean(error for kind, error in found if kind in LATIN))
        assert latin[-1] < 0.10, family
    assert mean(latin) < 0.08  # small languages in Latin letters
