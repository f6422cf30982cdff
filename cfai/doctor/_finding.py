"""Findings: the result of a check, in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, and what to do about it. `str()` gives it as a line."""

    verdict: Verdict
    says: str
    """What was found. Credentials and the account id are never in it."""

    remedy: str = ""
    """What to do about it; empty where there is nothing to do."""

    check: str = ""
    """The name of the check."""

    def __str__(self) -> str:
        head = f"{self.verdict:<7}  {self.check:<15}  {self.says}"
        return f"{head}. What to do: {self.remedy}." if self.remedy else head


def ok(says: str) -> Finding:
    """Return the finding that all is well."""
    return Finding("ok", says)


def warning(says: str, remedy: str = "") -> Finding:
    """Return the finding that something is odd, or could not be seen."""
    return Finding("warning", says, remedy)


def problem(says: str, remedy: str = "") -> Finding:
    """Return the finding that something has to be mended."""
    return Finding("problem", says, remedy)
