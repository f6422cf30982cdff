"""Reranking: contexts by how well they answer a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Required, TypedDict

from pydantic import PrivateAttr

from cfai.types._embeddings import Context
from cfai.types._output import Fields, Output


class RerankingInputs(TypedDict, total=False):
    """A query, and the contexts to rank for it."""

    query: Required[str]
    """At least one character."""
    contexts: Required[Sequence[Context]]
    """The texts to rank."""
    top_k: int
    """How many come back, the best ones. At least 1; default all."""


class RankedContext(Fields):
    """A context, by its place among those that were sent."""

    id: int
    """Its index in `contexts`."""
    score: float
    """The higher, the nearer: 0 to 1."""


class Reranking(Output):
    """Contexts with their scores."""

    response: list[RankedContext]
    """As the service sent them, which promises no order."""
    _contexts: list[str] | None = PrivateAttr(default=None)
    """In a notebook: the texts that were sent, to be shown with their scores."""

    @property
    def ranking(self) -> list[RankedContext]:
        """The contexts, the best first."""
        return sorted(self.response, key=lambda context: -context.score)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show the contexts in a notebook, the best first."""
        if self._contexts is None:
            return self._render_table(("id", "score"), [(each.id, f"{each.score:.4f}") for each in self.ranking])
        texts = dict(enumerate(self._contexts))
        rows = [(each.id, f"{each.score:.4f}", texts.get(each.id, "")) for each in self.ranking]
        return self._render_table(("id", "score", "context"), rows, numbers=[0, 1])
