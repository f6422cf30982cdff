"""The items of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar

from pydantic import BaseModel

from cfai._errors import CfaiError
from cfai._repr import short_repr

T = TypeVar("T")


class BatchInputs(TypedDict):
    """The inputs of `run` with `queue_request=True`."""

    requests: Sequence[Mapping[str, Any] | BaseModel]
    """The inputs of each request, and its `external_reference`: any string, which comes back with the answer."""


@dataclass(frozen=True, slots=True)
class BatchItem(Generic[T]):
    """One request of a batch, with its answer or its error."""

    __repr__ = short_repr

    index: int | None = None
    """The place of the request among those of the batch, from 0. `None` for an answer that does not say whose it is."""

    output: T = None  # type: ignore[assignment]  # that of an item with an error is not to be looked at
    """What `run` gives for the request. `None` if there is an error."""

    error: CfaiError | None = None
    """Why there is no output. `None` if there is one."""

    external_reference: str | None = None
    """The request's own `external_reference`."""

    @property
    def ok(self) -> bool:
        """Return True if there is an output."""
        return self.error is None
