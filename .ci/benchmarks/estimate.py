"""How far off the estimate of `cfai.count_tokens` is on texts that it was not fitted to, family by family.

It needs numpy, scipy and the calibration texts (see `fitting`), and no server. What it finds is judged: a target that
is missed makes the command fail.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cfai import count_tokens, tokens
from cfai._config import LimitPolicy, parse_limit_overrides
from cfai._limits import CheckResult, check_call
from cfai.tokens import _estimate
from cfai.tokens._templates import get_template

from .fitting import LONG, Array, Sample, Texts, all_rates, as_json, calibration, default_rates, rates_of
from .measure import Report

RATES = Path(tokens.__file__).with_name("rates.json")

MODELS = {
    "llama2": "@cf/meta/llama-2-7b-chat-fp16",
    "mistral_v1": "@cf/mistral/mistral-7b-instruct-v0.1",
    "tekken": "@cf/mistralai/mistral-small-3.1-24b-instruct",
    "llama3": "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    "llama4": "@cf/meta/llama-4-scout-17b-16e-instruct",
    "gemma2": "@cf/google/gemma-7b-it-lora",
    "gemma3": "@cf/google/gemma-3-12b-it",
    "qwen2": "@cf/qwen/qwen3-30b-a3b-fp8",
    "qwen3_5": "@cf/qwen/qwen3.6-27b",
    "o200k": "@cf/openai/gpt-oss-20b",
    "deepseek_v3": "@cf/deepseek-ai/deepseek-v4-flash-0731",
    "glm4": "@cf/zai-org/glm-4.7-flash",
    "kimi_k2": "@cf/moonshotai/kimi-k2.6",
}
"""The chat families, which are judged, with a model of each that is in the catalogue."""

KINDS: dict[str, tuple[str, ...]] = {
    "English prose": ("prose_en",),
    "Markdown": ("markdown",),
    "code": ("code_",),
    "JSON, tools": ("json", "tool_schema"),
    "escaped JSON, logs, CSV, YAML": ("json_escaped", "log_csv"),
    "HTML, minified code": ("html", "minified_js"),
    "German, French, Spanish, Portuguese, Italian": ("de", "fr", "es", "pt_it"),
    "smaller languages in Latin letters": ("tr_pl_cs", "nordic_etc"),
    "Russian, Ukrainian": ("ru",),
    "Chinese": ("zh", "zh_mixed"),
    "Japanese": ("ja",),
    "Korean": ("ko",),
    "Arabic, Persian, Urdu": ("ar",),
    "Hindi": ("hi",),
    "Vietnamese, Thai": ("vi_th",),
    "other scripts": ("other_script",),
    "emoji": ("emoji",),
    "base64, hex, UUIDs, digits": ("base64", "hex", "uuid", "digits"),
    "white space": ("whitespace",),
    "nonsense": ("adversarial",),
}
"""The kinds of the samples, by what they are called; a kind that ends in `_` stands for all that begin with it."""

_MEAN, _HIGH = 5.0, 16.0
_MEANS = {
    "English prose": 3.5,
    "Markdown": 3.5,
    "code": 3.5,
    "JSON, tools": 3.5,
    "smaller languages in Latin letters": 8.0,
}
_LOWER = {"English prose": 0.88, "code": 0.70}
_UPPER = 4.2
_SHIPPED = 0.1
_OVER = (
    ("English prose", ("prose_en",), 95.0, True),
    ("Spanish", ("es",), 95.0, False),
    ("Chinese", ("zh", "zh_mixed"), 95.0, False),
    ("code", ("code_",), 95.0, False),
)
"""The kinds that are judged by their prompts over the limit, at least how many per cent, and whether they are to be
refused or told of only."""
_TOLD = 2.0
"""At most so many per cent of prompts that fit may be told to be too long."""
_LENGTH = 4000
"""About how many tokens the prompts have that are held against a limit: a text is repeated until it is as long as
people's prompts are."""


def run(report: Report, samples: Sequence[Sample] | None = None, *, markdown: bool = False) -> None:
    """Fit and measure, and judge what is found; or print the tables of `docs/limits.md` alone."""
    texts = Texts(calibration() if samples is None else samples)
    errors = held_out(texts)
    if markdown:
        _print_markdown(texts, errors)
        return
    _judge_families(report, texts, errors)
    _judge_kinds(report, texts, errors)
    _judge_bounds(report, texts)
    _judge_verdicts(report, texts)
    _print_speed(texts)


def write_rates(path: Path = RATES, samples: Sequence[Sample] | None = None) -> None:
    """Write the rates that all the texts together give."""
    texts = Texts(calibration() if samples is None else samples)
    path.write_text(as_json(all_rates(texts, np.arange(len(texts.samples)))), encoding="utf-8")
    print(f"wrote {path}")


def held_out(texts: Texts) -> dict[str, Array]:
    """How far off each text's estimate is in per cent, by family, by rates that were fitted without its document.

    `default` stands for a family of which nothing is known: there the family was left out as well. It has one column
    for each of the chat families.
    """
    errors = {family: np.zeros(len(texts.samples)) for family in MODELS}
    unknown = {family: np.zeros(len(texts.samples)) for family in MODELS}
    for fitted, out in texts.folds():
        rates = {family: rates_of(texts, fitted, family) for family in MODELS}
        for family in MODELS:
            errors[family][out] = _off(texts, family, texts.estimates(family, rates[family]))[out]
            default = default_rates(texts, fitted, rates, but=family)
            unknown[family][out] = _off(texts, family, texts.estimates("default", default))[out]
    return errors | {"default": np.array(list(unknown.values())).T}


def shipped(texts: Texts) -> dict[str, Array]:
    """Return the same by the rates that are shipped, which were fitted to these texts."""
    return {
        family: _off(texts, family, np.array([tokens.estimate(sample.text, family) for sample in texts.samples]))
        for family in MODELS
    }


def _off(texts: Texts, family: str, estimates: Array) -> Array:
    return 100 * np.abs(estimates - texts.counts[family]) / texts.counts[family]


def _judge_families(report: Report, texts: Texts, errors: Mapping[str, Array]) -> None:
    print("\nThe estimate by family: per cent off on average, at the 95th percentile; the same by the shipped rates")
    of_shipped = shipped(texts)
    figures = {family: _figures(errors[family][texts.long]) for family in MODELS}
    now = {family: _figures(of_shipped[family][texts.long]) for family in MODELS}
    for family in MODELS:
        print("    {:<26}{:>8.1f}{:>8.1f}   {:>8.1f}{:>8.1f}".format(family, *figures[family], *now[family]))
    print("    {:<26}{:>8.1f}{:>8.1f}   by family {:.1f} to {:.1f}".format("default", *_default(texts, errors)))
    everywhere = np.arange(len(texts.samples))
    for family in MODELS:
        report.check(f"{family}, mean error", figures[family][0], _MEAN)
        report.check(f"{family}, 95th percentile", figures[family][1], _HIGH)
        anew = _off(texts, family, texts.estimates(family, rates_of(texts, everywhere, family)))
        apart = abs(now[family][0] - _figures(anew[texts.long])[0])
        report.check(f"{family}, mean error by the shipped rates from that by this fit", apart, _SHIPPED)


def _judge_kinds(report: Report, texts: Texts, errors: Mapping[str, Array]) -> None:
    print("\nThe estimate by text: per cent off on average, at the 95th percentile")
    for name, kinds in KINDS.items():
        print("    {:<46}{:>8.1f}{:>8.1f}".format(name, *_figures(_together(errors, _where(texts, kinds)))))
    for name, most in _MEANS.items():
        for kind in KINDS[name]:
            mean, _ = _figures(_together(errors, _where(texts, (kind,))))
            report.check(f"{name} ({kind.rstrip('_')}), mean error", mean, most)


def _judge_bounds(report: Report, texts: Texts) -> None:
    print("\nThe certain bounds by text: medians of lower and upper to the real count")
    found = {name: _bounds(texts, _where(texts, kinds)) for name, kinds in KINDS.items()}
    for name, (low, high) in found.items():
        print(f"    {name:<46}{low:>8.2f}{high:>8.2f}")
    for name, least in _LOWER.items():
        report.check(f"{name}, lower to real", found[name][0], least, at_least=True)
        report.check(f"{name}, upper to real", found[name][1], _UPPER)


def _judge_verdicts(report: Report, texts: Texts) -> None:
    """Return what the limit check says of prompts that are a little too long, and of such as just fit."""
    over, under = _verdicts(texts, 1.2), _verdicts(texts, 0.9)
    for name, kinds, least, refused in _OVER:
        told = _share([over[kind] for kind in over if _is_of(kind, kinds)], refused)
        report.check(f"{name}, 1.2 times the limit, {'refused' if refused else 'told'}", told, least, at_least=True)
    report.check("all, 10 % under the limit, refused", _share([*under.values()], refused=True), 0.0)
    report.check("all, 10 % under the limit, told", _share([*under.values()], refused=False), _TOLD)


def _verdicts(texts: Texts, times: float) -> dict[str, Counter[tuple[str, bool]]]:
    """By kind, the verdicts on prompts that are so many times as long as their models read, and whether `run` raises
    them; printed by what the kinds are called.
    """
    found: dict[str, Counter[tuple[str, bool]]] = {}
    for sample in (sample for sample in texts.samples if sample.is_long):
        fits = (_fit(sample, family, times) for family in MODELS)
        found.setdefault(sample.kind, Counter()).update((fit.verdict, fit.raises("enforce")) for fit in fits)
    print(f"\nVerdicts on prompts of some {_LENGTH} tokens that are {times} times the limit, per cent (shipped rates)")
    for name, kinds in KINDS.items():
        together: Counter[str] = Counter()
        for kind in (kind for kind in found if _is_of(kind, kinds)):
            for (verdict, _), count in found[kind].items():
                together[verdict] += count
        shares = (f"{verdict} {100 * count / together.total():.1f}" for verdict, count in together.most_common())
        print(f"    {name:<46}  {', '.join(shares)}")
    return found


def _print_speed(texts: Texts) -> None:
    """Print the seconds of the processor that counting English takes.

    Counted are 1 MB with nothing known of its words, and 2 KB, both with the constants read.
    """
    prose = "\n\n".join(sample.text for sample in texts.samples if _is_of(sample.kind, KINDS["English prose"]))
    tokens.estimate_unrounded("x", "llama3")
    print("\nSeconds of the processor that counting English takes with nothing known of its words")
    for name, size, most in (("1 MB", 1_000_000, 0.25), ("2 KB", 2000, 0.003)):
        text = (prose * (size // len(prose) + 1))[:size]
        print(f"    {name:<10}{min(_seconds(text) for _ in range(3)):>10.4f}   target {most}")


def _seconds(text: str) -> float:
    _estimate._estimate_short.cache_clear()
    # What was counted of a text is remembered, so each is another one.
    began = time.process_time()
    count_tokens(f"{began} {text}", family="llama3")
    return time.process_time() - began


def _share(verdicts: Sequence[Counter[tuple[str, bool]]], refused: bool) -> float:
    """Return how many of the prompts are refused, or else told to be too long at least, in per cent."""
    of_all = sum(each.total() for each in verdicts)
    told = sum(
        count
        for each in verdicts
        for (verdict, raises), count in each.items()
        if (raises if refused else verdict.endswith("too long"))
    )
    return 100 * told / of_all


def _fit(sample: Sample, family: str, times: float) -> CheckResult:
    """Return what is found of a prompt that is so many times as long as its model reads."""
    copies = max(1, _LENGTH // sample.counts[family])
    limit = round((sample.counts[family] * copies + get_template(family).start) / times)
    overrides = parse_limit_overrides({MODELS[family]: {"context_length": limit + 1, "sequence_length": 10**7}})
    inputs = {"prompt": "\n\n".join([sample.text] * copies), "max_tokens": 1}
    return check_call(MODELS[family], inputs, LimitPolicy(overrides=overrides))


def _print_markdown(texts: Texts, errors: Mapping[str, Array]) -> None:
    print("| family | mean error | 95th percentile |\n| --- | --: | --: |")
    for family in MODELS:
        print("| `{}` | {:.1f} % | {:.1f} % |".format(family, *_figures(errors[family][texts.long])))
    mean, high, lowest, highest = _default(texts, errors)
    print(f"| `default` | {mean:.1f} % ({lowest:.1f} to {highest:.1f}) | {high:.1f} % |")
    print("\n| text | mean error | 95th percentile | lower | upper |\n| --- | --: | --: | --: | --: |")
    for name, kinds in KINDS.items():
        where = _where(texts, kinds)
        figures = (*_figures(_together(errors, where)), *_bounds(texts, where))
        print("| {} | {:.1f} % | {:.1f} % | {:.2f} | {:.2f} |".format(name, *figures))


def _is_of(kind: str, kinds: tuple[str, ...]) -> bool:
    return any(kind == each or (each.endswith("_") and kind.startswith(each)) for each in kinds)


def _where(texts: Texts, kinds: tuple[str, ...]) -> Array:
    """Return which samples are long, and of one of the kinds. There has to be one."""
    found = texts.long & [_is_of(sample.kind, kinds) for sample in texts.samples]
    if not found.any():
        raise SystemExit(f"no text of {LONG} bytes is of the kind {' or '.join(kinds)}")
    return found


def _together(errors: Mapping[str, Array], where: Array) -> Array:
    """Return the errors of all chat families."""
    return np.concatenate([errors[family][where] for family in MODELS])


def _figures(errors: Array) -> tuple[float, float]:
    return float(errors.mean()), float(np.quantile(errors, 0.95))


def _default(texts: Texts, errors: Mapping[str, Array]) -> tuple[float, float, float, float]:
    """Mean error and 95th percentile over all families, the mean error of the best family and of the worst."""
    columns = errors["default"][texts.long]
    means = columns.mean(axis=0)
    return *_figures(columns), float(means.min()), float(means.max())


def _bounds(texts: Texts, where: Array) -> tuple[float, float]:
    """Medians of lower and upper bound to the real count, over texts and families."""
    ratios = [[texts.bounds(family)[side][where] / texts.counts[family][where] for family in MODELS] for side in (0, 1)]
    return float(np.median(ratios[0])), float(np.median(ratios[1]))
