"""Usage of one call, put together from the reports of its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast


@dataclass(slots=True, eq=False)
class UsageAccumulator:
    """Usage from its reports, of which there are three habits: totals so far, increments, and one trailer for all."""

    _last: dict[str, Any] = field(default_factory=dict[str, Any])
    _sum: dict[str, Any] = field(default_factory=dict[str, Any])
    _has_prompt: bool = False

    def add(self, report: Any) -> None:
        """Add one report. One that counts nothing is left out."""
        if report.__class__ is not dict:
            return
        if _prompt_tokens(report):
            self._has_prompt = True
        elif not (report.get("completion_tokens") or report.get("output_tokens") or report.get("total_tokens")):
            if report.get("neurons"):
                # The price alone says nothing of the habit.
                self._last = {**self._last, **report}
                _add_counts(self._sum, report)
            return
        self._last = report
        _add_counts(self._sum, report)

    def total(self) -> dict[str, Any]:
        """Return the last report if it counts the prompt; if only an earlier one did, the sum of all increments."""
        return self._sum if self._has_prompt and not _prompt_tokens(self._last) else self._last


def _prompt_tokens(report: dict[str, Any]) -> Any:
    return report.get("prompt_tokens") or report.get("input_tokens")


def _add_counts(total: dict[str, Any], report: dict[str, Any]) -> None:
    for key, value in report.items():
        if value.__class__ is int or value.__class__ is float:
            try:
                total[key] = value + total.get(key, 0)
            except (OverflowError, TypeError):  # an integer of three hundred digits beside a float, or no number before
                total[key] = value
        elif value.__class__ is dict:
            inner = total.get(key)
            if not isinstance(inner, dict):
                inner = total[key] = dict[str, Any]()
            _add_counts(cast("dict[str, Any]", inner), value)
        elif value is not None:
            total[key] = value
