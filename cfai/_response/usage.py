"""Usage of one call, put together from the reports of its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast


@dataclass(slots=True, eq=False)
class UsageAccumulator:
    """Usage from its reports, of which there are three habits: totals so far, increments, and one trailer for all."""

    _last: dict[str, Any] = field(default_factory=dict[str, Any])
    _earlier_sum: dict[str, Any] = field(default_factory=dict[str, Any])
    """The sum of the reports before the last, but for totals that the next report replaced."""
    _neurons_report: dict[str, Any] = field(default_factory=dict[str, Any])
    """The last report of neurons alone, which say nothing of the habit."""
    _has_prompt: bool = False

    def add(self, report: Any) -> None:
        """Add one report. One that counts nothing is left out."""
        if report.__class__ is not dict:
            return
        prompt = _get_prompt_tokens(report)
        if prompt:
            self._has_prompt = True
        elif not (report.get("completion_tokens") or report.get("output_tokens") or report.get("total_tokens")):
            if report.get("neurons"):
                self._neurons_report = report
                _add_counts(self._earlier_sum, report)
            return
        if not prompt or prompt != _get_prompt_tokens(self._last):  # else both are totals so far
            _add_counts(self._earlier_sum, self._last)
        self._last = report
        if report.get("neurons"):
            self._neurons_report = {}

    def total(self) -> dict[str, Any]:
        """Return the last report if it counts the prompt; if only an earlier one did, the sum of all increments."""
        if not self._has_prompt or _get_prompt_tokens(self._last):
            return {**self._last, **{key: value for key, value in self._neurons_report.items() if value}}
        total: dict[str, Any] = {}
        _add_counts(total, self._earlier_sum)
        _add_counts(total, self._last)
        return total


def _get_prompt_tokens(report: dict[str, Any]) -> Any:
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
