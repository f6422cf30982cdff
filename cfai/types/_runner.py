"""The protocol that what stands on `run` takes: anything with `run` and `arun`, such as an `Ai`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol


class Runner(Protocol):
    """Whoever runs models, synchronously and asynchronously, with the options of `Ai.run`."""

    def run(self, model: str, inputs: Any, **options: Any) -> Any: ...
    def arun(self, model: str, inputs: Any, **options: Any) -> Awaitable[Any]: ...
