"""Findings: the result of a check, in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "problem"]

REPORT_REMEDY = "report it to the project"
"""The remedy for an answer that cfai does not expect."""

NEW_TOKEN_REMEDY = (
    "make a token from the template 'Workers AI' (Workers AI Read and Edit) at "
    "https://dash.cloudflare.com/profile/api-tokens and put it into {}"
)
"""The remedy for a token that does not work, with a place for the variable's name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, and what to do about it. `str()` gives it as a line."""

    verdict: Verdict
    message: str
    """The result in words. Credentials and the account id are never in it."""

    remedy: str = ""
    """The action that mends it; empty where there is nothing to do."""

    check: str = ""
    """The name of the check."""

    def __str__(self) -> str:
        head = f"{self.verdict:<7}  {self.check:<15}  {self.message}"
        return f"{head}. What to do: {self.remedy}." if self.remedy else head


def report_ok(message: str) -> Finding:
    """Return the finding that all is well."""
    return Finding("ok", message)


def report_warning(message: str, remedy: str = "") -> Finding:
    """Return the finding that something is odd, or could not be checked."""
    return Finding("warning", message, remedy)


def report_problem(message: str, remedy: str = "") -> Finding:
    """Return the finding that something has to be mended."""
    return Finding("problem", message, remedy)
