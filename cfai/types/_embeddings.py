"""Text embeddings: what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Required, TypedDict

from cfai._json import as_sequence
from cfai._lazy import explain_missing
from cfai.types._media_inputs import FloatArray
from cfai.types._output import Output


class EmbeddingsInputs(TypedDict, total=False):
    """Texts to embed."""

    text: Required[str | Sequence[str]]
    """One text or several: at most 100 (Qwen3 Embedding: 32), each of at least one character."""
    pooling: Literal["mean", "cls"]
    """How the vectors of tokens become one, for the bge models: default `mean`. Vectors of the two do not compare."""
    truncate_inputs: bool
    """Cut what is too long (bge-m3). Default false: it is refused."""


class RetrievalInputs(TypedDict, total=False):
    """Queries for Qwen3 Embedding, and if need be documents, which it embeds in different ways."""

    queries: Required[str | Sequence[str]]
    """At most 32, each of at least one character."""
    documents: str | Sequence[str]
    """At most 32, each of at least one character."""
    instruction: str
    """The task that goes before each query.

    Default: "Given a web search query, retrieve relevant passages that answer the query".
    """


class DocumentsInputs(TypedDict):
    """Documents for Qwen3 Embedding."""

    documents: str | Sequence[str]
    """At most 32, each of at least one character."""


class Context(TypedDict):
    """A text that a query is compared with."""

    text: str
    """At least one character."""


class ContextsInputs(TypedDict, total=False):
    """Contexts for bge-m3: their vectors."""

    contexts: Required[Sequence[Context]]
    """The texts to compare."""
    truncate_inputs: bool
    """Cut what is too long. Default false: it is refused."""


class QueryInputs(TypedDict, total=False):
    """A query and contexts for bge-m3."""

    query: Required[str]
    """The text to compare them with: at least one character."""
    contexts: Required[Sequence[Context]]
    """The texts to compare."""
    truncate_inputs: bool
    """Cut what is too long. Default false: it is refused."""


class TextOrContexts(EmbeddingsInputs, total=False):
    """Inputs of bge-m3: either `text` or `contexts` is needed. For an editor to offer, and for pyright to tell of."""

    contexts: Sequence[Context]
    """The texts to compare. Either these or `text`."""
    query: str
    """The text to compare them with: at least one character."""


class TextOrRetrieval(EmbeddingsInputs, total=False):
    """Inputs of Qwen3 Embedding: either `text`, `queries` or `documents` is needed. As `TextOrContexts`."""

    queries: str | Sequence[str]
    """At most 32, each of at least one character."""
    documents: str | Sequence[str]
    """At most 32, each of at least one character."""
    instruction: str
    """The task that goes before each query."""


class Embeddings(Output):
    """Vectors of texts, one a text, in the order of the texts."""

    @property
    def data(self) -> list[list[float]]:
        """The vectors. Those of `contexts` stand under `response` in the answer, and are here all the same."""
        fields = self.model_extra or {}
        return fields.get("data", fields.get("response", []))

    @property
    def shape(self) -> list[int]:
        """Return how many vectors there are, and how many numbers each has, counted if the answer does not say."""
        shape = (self.model_extra or {}).get("shape")
        return shape or [len(self.data), len(as_sequence(next(iter(self.data), None)))]

    @property
    def pooling(self) -> str | None:
        """The way the vectors of tokens became one, `mean` or `cls`, if the model says."""
        return (self.model_extra or {}).get("pooling")

    def to_numpy(self) -> FloatArray:
        """Return the vectors as an array of float32, of shape `(texts, dimensions)`. Needs numpy."""
        with explain_missing("Embeddings.to_numpy()", extra="media"):
            import numpy as np

        return np.array(self.data, dtype=np.float32)

    def __repr__(self) -> str:
        return f"Embeddings(shape={self.shape}, pooling={self.pooling!r})"
