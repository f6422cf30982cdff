"""The fit of the rates in `cfai/tokens/rates.json`, on texts with their real counts.

A text's tokens are taken for a sum over the features of its pieces, so much of each at a rate that is the family's own.
The rates are found by least squares of relative errors, none below nothing, and drawn to *priors*: what nine of the
tokenizers made of 6,561 other texts, namely word lists, licences, documentation and code out of package registries, and
generated text in many languages and scripts. Those texts are not kept; what was fitted to them is, in `priors.json`. A
family whose tokenizer was not at hand gets a mixture of the nine, for each script and kind of piece its own.

To say how good the rates are, all of that is done again for each of five folds, without the texts of the fold, which
are then estimated. The texts of one document are in one fold.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from cfai import tokens
from cfai.tokens import _features
from cfai.tokens._bounds import is_composed

Array = np.ndarray[Any, np.dtype[Any]]

NEWER = ["tekken", "llama3", "llama4", "gemma3", "qwen2", "qwen3_5", "o200k", "deepseek_v3", "glm4", "kimi_k2"]
"""The families that `default`, for a tokenizer that is not known, lies in the middle of."""
FOLDS = 5
LONG = 500
"""Bytes of a text whose error counts. Shorter ones are fitted to as well, with half the weight."""
RIDGE = 0.0015
"""How strongly rates are drawn to their priors, for each text. This and the next were chosen by the same folds."""
MIXTURE_RIDGE = 1.0
"""How strongly the mixture for one script is drawn to the one for all."""

_BESIDE = Path(__file__).parents[3] / "shared" / "calibration"
_FEW = 8
"""Of a text of fewer tokens the error counts as if there were so many."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A text, and how many tokens it really is for each family."""

    document: str
    kind: str
    text: str
    counts: Mapping[str, int]

    @property
    def is_long(self) -> bool:
        return len(self.text.encode()) >= LONG


def calibration() -> list[Sample]:
    """Return the texts with their counts, which are not part of the repository. Ends the program if they are absent."""
    path = Path(os.environ.get("CFAI_CALIBRATION", _BESIDE)) / "token-samples.jsonl.gz"
    if not path.exists():
        raise SystemExit(f"the calibration texts are not at {path}: CFAI_CALIBRATION says where they are")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    # All that was generated has the same source.
    documents = [row["id"] if "synthetic" in row["src"] else row["src"] for row in rows]
    return [
        Sample(document, row["cls"], row["text"], row["counts"]) for document, row in zip(documents, rows, strict=True)
    ]


class Texts:
    """Samples as matrices: features, counts, bounds."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        self.long = np.array([sample.is_long for sample in samples])
        self.weights = np.where(self.long, 1.0, 0.5)
        self.families = list(samples[0].counts)
        self.counts = {
            family: np.array([sample.counts[family] for sample in samples], float) for family in self.families
        }
        plain = np.array([amounts(sample.text) for sample in samples])
        composed = np.array([amounts(unicodedata.normalize("NFC", sample.text)) for sample in samples])
        self.amounts = {family: composed if is_composed(family) else plain for family in [*self.families, "default"]}
        self._bounds: dict[str, tuple[Array, Array]] = {}

    def bounds(self, family: str) -> tuple[Array, Array]:
        """Return what each text has at least and at most."""
        if family not in self._bounds:
            least, most = (
                [bound(sample.text, family) for sample in self.samples]
                for bound in (tokens.lower_bound, tokens.upper_bound)
            )
            self._bounds[family] = np.array(least), np.array(most)
        return self._bounds[family]

    def estimates(self, family: str, rates: Array) -> Array:
        """Return what `tokens.estimate` would say, with these rates."""
        return np.clip(np.round(self.amounts[family] @ rates), *self.bounds(family))

    def folds(self) -> Iterator[tuple[Array, Array]]:
        """Return the texts to fit to and those held out, as their places, for each fold."""
        documents: dict[str, list[int]] = {}
        for place, sample in enumerate(self.samples):
            documents.setdefault(sample.document, []).append(place)
        names = sorted(documents)
        random.Random(0).shuffle(names)
        folds: list[list[int]] = [[] for _ in range(FOLDS)]
        for name in sorted(names, key=lambda name: -len(documents[name])):
            min(folds, key=len).extend(documents[name])
        for fold in folds:
            yield np.setdiff1d(np.arange(len(self.samples)), fold), np.array(fold)


@dataclass(frozen=True)
class Priors:
    """Features and rates that were fitted to other texts."""

    features: list[str]
    scale: Array
    """How much of each feature those texts had: the more, the surer its priors are."""
    rates: dict[str, Array]


@cache
def priors() -> Priors:
    data = json.loads(Path(__file__).with_name("priors.json").read_bytes())
    rates = {family: np.array(row, float) for family, row in data["rates"].items()}
    return Priors(data["features"], np.array(data["scale"], float), rates)


def amounts(text: str) -> Array:
    """Return how much of each feature a text has."""
    found: Counter[str] = Counter()
    for piece, count in Counter(_features.PIECE.findall(text)).items():
        for name, size in _features.count_features(piece).items():
            found[name] += size * count
    return np.array([found[name] for name in priors().features], float)


def all_rates(texts: Texts, places: Array) -> dict[str, Array]:
    """Return the rates of all families and of `default`, fitted to the texts at `places`."""
    rates = {family: rates_of(texts, places, family) for family in texts.families}
    return {**rates, "default": default_rates(texts, places, rates)}


def rates_of(texts: Texts, places: Array, family: str) -> Array:
    """Return the rates of one family."""
    x, counts, weights = texts.amounts[family][places], texts.counts[family][places], texts.weights[places]
    prior = priors().rates.get(family)
    if prior is None:
        prior = mixture(x, counts, weights)
    return _fit(x, counts, weights, prior)


def default_rates(texts: Texts, places: Array, rates: Mapping[str, Array], but: str = "") -> Array:
    """Return the rates of a family in the middle of the newer ones, without one of them.

    The middle is the harmonic mean of their counts, which keeps the relative errors to each of them low.
    """
    names = [name for name in NEWER if name in rates and name != but]
    middle = 1 / np.mean([1 / texts.counts[name][places] for name in names], axis=0)
    prior = np.mean([rates[name] for name in names], axis=0)
    return _fit(texts.amounts["default"][places], middle, texts.weights[places], prior)


def mixture(x: Array, counts: Array, weights: Array) -> Array:
    """Return the priors of a family without any: of the nine, so much of each, for each group of features."""
    known = np.array(list(priors().rates.values()))
    alike = _solve(x @ known.T, counts, weights, np.zeros(len(known)), 0.0)
    groups = np.array([_group(name) for name in priors().features])
    names = sorted(set(groups))
    parts = np.hstack([x[:, groups == name] @ known[:, groups == name].T for name in names])
    shares = _solve(parts, counts, weights, np.tile(alike, len(names)), MIXTURE_RIDGE)
    by_group = dict(zip(names, shares.reshape(len(names), -1) @ known, strict=True))
    return np.array([by_group[group][place] for place, group in enumerate(groups)])


def _fit(x: Array, counts: Array, weights: Array, prior: Array) -> Array:
    return _solve(x, counts, weights, prior, RIDGE * len(counts) * priors().scale ** 2)


def _solve(x: Array, counts: Array, weights: Array, prior: Array, ridge: Array | float) -> Array:
    """Return the rates, none below nothing, that make the least of the relative errors, and stay near `prior`.

    Squares would let a few odd texts decide. So the errors are taken to the power of one and a half: by squares that
    are weighted anew, by the errors of the turn before.
    """
    ridges = np.sqrt(np.broadcast_to(ridge, prior.shape))
    by_size = weights / np.maximum(counts, _FEW)
    scales, rates = by_size, prior
    for _ in range(6):
        rows = np.vstack([x * scales[:, None], np.diag(ridges)])
        rates, _ = nnls(rows, np.concatenate([counts * scales, ridges * prior]), maxiter=100 * len(prior))
        errors = np.abs(x @ rates - counts) / np.maximum(counts, _FEW)
        scales = by_size / np.sqrt(np.maximum(errors, 0.03))
    return rates


def _group(feature: str) -> str:
    """Return the group of a feature, which shares a mixture.

    It is Chinese and Japanese, another script with many texts, all others, words, numbers, ...
    """
    first = feature.split()[0]
    group = next((group for group, firsts in _GROUPS.items() if first in firsts), None)
    if group is None and first in _features.SCRIPTS:
        return first if first in _features.SEGMENTED else "scripts"
    return group or "marks"


_GROUPS = {
    "chinese, japanese": {"han", "hira", "kata"},
    "words": {"word", "parts", "unknown", "cut", "upper", "stutter", "letter"},
    "numbers": {"hex", "base64", "digits", "digit", "threes"},
    "signs": {
        *("emoji", "skin", "flag", "joiner", "box", "dingbat", "symbol", "general", "cjk"),
        *("latin", "combining", "control", "two", "three", "four"),
    },
}


def as_json(rates: Mapping[str, Array]) -> str:
    """Return the text of `rates.json`: features that take nothing in any family are left out."""
    used = np.max(list(rates.values()), axis=0) > 0.0005
    rows = {name: [_short(rate) for rate in row[used]] for name, row in rates.items()}
    features = [name for name, is_used in zip(priors().features, used, strict=True) if is_used]
    lines = ",\n".join(f"{json.dumps(name)}:{_compact(row)}" for name, row in rows.items())
    return f'{{\n"features":{_compact(features)},\n"rates":{{\n{lines}\n}}\n}}\n'


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _short(rate: float) -> float:
    rounded = round(float(rate), 3)
    return int(rounded) if rounded.is_integer() else rounded
