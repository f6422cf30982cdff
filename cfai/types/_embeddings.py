"""Text embeddings: what goes in and what comes out."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Required, TypedDict, overload

from cfai._json import as_sequence
from cfai._lazy import explain_missing
from cfai.types._media_inputs import FloatArray
from cfai.types._output import Output
from cfai.types._tokens import Usage

if TYPE_CHECKING:
    NumberArray = array[float]
else:
    NumberArray = array  # which has no parameter before Python 3.12


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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Vectors(Sequence[list[float]]):
    """The vectors of any number of texts, one a text, in the order of the texts: what `Ai.embed` returns.

    It is a sequence of lists of floats, which are made when they are asked for: all numbers are kept as float32 in one
    array, four bytes each. In the `.partial` of an `EmbeddingsError` the vectors that are missing are all NaN.
    """

    model: str
    """The model that embedded the texts."""
    dimensions: int
    """How many numbers a vector has; 0 where there is no vector and the catalogue does not say."""
    numbers: NumberArray
    """All vectors one after another, as float32."""
    usage: Usage | None = None
    """The tokens of all calls together, or `None` if the service did not say for each."""
    neurons: float | None = None
    """What all calls were charged, in neurons ($0.011 per 1,000), or `None` if the service did not say for each."""
    cost: float | None = None
    """What all calls cost, in US dollars, as `Meta.cost` has it; `None` if that is not known of each."""
    calls: int = 0
    """How many calls the texts took."""

    @property
    def shape(self) -> tuple[int, int]:
        """Return how many vectors there are, and how many numbers each has."""
        return len(self), self.dimensions

    @property
    def data(self) -> list[list[float]]:
        """Return all vectors as lists. They take eight times as much memory as the array."""
        return list(self)

    def to_numpy(self) -> FloatArray:
        """Return the vectors as an array of float32, of shape `(texts, dimensions)`. Needs numpy.

        Nothing is copied: who changes the array changes these vectors.
        """
        with explain_missing("Vectors.to_numpy()", extra="media"):
            import numpy as np

        return np.asarray(self.numbers, dtype=np.float32).reshape(self.shape)

    def __repr__(self) -> str:
        cost = None if self.cost is None else f"{self.cost:.3g}"
        return f"Vectors(shape={self.shape}, model={self.model[:100]!r}, cost={cost})"

    def __len__(self) -> int:
        return len(self.numbers) // self.dimensions if self.dimensions else 0

    @overload
    def __getitem__(self, index: int) -> list[float]: ...
    @overload
    def __getitem__(self, index: slice) -> list[list[float]]: ...
    def __getitem__(self, index: int | slice) -> list[float] | list[list[float]]:
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        start = range(len(self))[index] * self.dimensions
        return self.numbers[start : start + self.dimensions].tolist()
