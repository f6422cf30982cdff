"""Taking turns, medians, and tables with targets beside the figures."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

Values = Mapping[str, list[float]]
"""By client, one value a round."""


@dataclass(frozen=True, slots=True)
class Target:
    """That one client's figure is at most `limit` times another's, or at most `limit` if there is no other."""

    name: str
    of: str
    limit: float
    to: str | None = None


@dataclass
class Report:
    """Prints tables, and remembers which targets were met."""

    met: list[str] = field(default_factory=list[str])
    missed: list[str] = field(default_factory=list[str])

    def table(self, title: str, unit: str, values: Values, *targets: Target, baseline: str | None = None) -> None:
        """The medians of `values`, as they are and as ratios to `baseline`, and how they stand to the targets."""
        print(f"\n{title}")
        for name, figures in values.items():
            versus = f"  {_ratio(figures, values[baseline]):7.2f} x" if baseline else ""
            print(f"    {name:<26} {median(figures):>12,.2f} {unit}{versus}")
        for target in targets:
            self._judge(title, values, target)

    def check(self, name: str, figure: float, limit: float, *, at_least: bool = False) -> None:
        """Judges one figure that is no median over rounds."""
        met = figure >= limit if at_least else figure <= limit
        self._note(met, f"{name}: {figure:.3g}, target {'≥' if at_least else '≤'} {limit:g}")

    def _judge(self, title: str, values: Values, target: Target) -> None:
        ratios = _ratios(values[target.of], values[target.to]) if target.to else values[target.of]
        figure = median(ratios)
        low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else (figure, figure, figure)
        versus = f" x {target.to}" if target.to else ""
        met = figure <= target.limit
        line = f"{target.of} {figure:.3g}{versus} (quartiles {low:.3g} to {high:.3g}), target ≤ {target.limit:g}"
        self._note(met, f"{target.name}: {line}", f"{title}: ")

    def _note(self, met: bool, line: str, where: str = "") -> None:
        print(f"  {'met   ' if met else 'MISSED'} {line}")
        (self.met if met else self.missed).append(where + line)

    def summary(self) -> None:
        print(f"\n{len(self.met)} targets met, {len(self.missed)} missed")
        for line in self.missed:
            print(f"  missed: {line}")


def in_turns(runs: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return what each run gives, once a round, in an order that changes, after one turn that does not count."""
    values: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for number in range(rounds + 1):
        gc.collect()
        for name in names[number % len(names) :] + names[: number % len(names)]:
            value = runs[name]()
            if number:
                values[name].append(value)
    return values


def cpu_us(work: Callable[[], Any], per: int) -> float:
    """Microseconds of this process's CPU that `work` takes, for each of `per` units."""
    start = time.process_time_ns()
    work()
    return (time.process_time_ns() - start) / 1000 / per


def awaited(runner: asyncio.Runner, work: Callable[[], Coroutine[Any, Any, Any]]) -> Callable[[], Any]:
    """Return `work` as a plain call."""
    return lambda: runner.run(work())


def _ratios(left: list[float], right: list[float]) -> list[float]:
    return [one / other for one, other in zip(left, right, strict=True)]


def _ratio(left: list[float], right: list[float]) -> float:
    return median(_ratios(left, right))
