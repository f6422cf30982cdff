"""Summarization: what goes in and what comes out."""

from __future__ import annotations

from typing import Any, Required, TypedDict

from pydantic import ConfigDict

from cfai.types._output import Output


class SummarizationInputs(TypedDict, total=False):
    """A text for BART."""

    input_text: Required[str]
    """At least one character."""
    max_length: int
    """Tokens of the summary at most. Default 1024."""


class Summary(Output):
    """A summary; `str(answer)` is its text."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    summary: str
    """The summary."""

    @property
    def text(self) -> str:
        """The summary."""
        return self.summary

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show it in a notebook, with what the call took."""
        return self._render_text(self.text)

    def __str__(self) -> str:
        return self.summary
