"""Engines: models that really run, and answer in the place of the emulated text."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from cfai.types import Token, Usage


class Engine(Protocol):
    """Runs models for an emulator, which has checked the inputs and writes what comes in the service's wire format.

    All methods are called on the event loop of the emulator's server. What an engine cannot do is a
    `cfai.local.ErrorResponse`.
    """

    async def answer(
        self, model: str, inputs: Mapping[str, Any], max_tokens: int | None
    ) -> AsyncGenerator[Token | Usage, None]:
        """Yield the answer to a text model's inputs in tokens, and what it took at the end. `max_tokens` is how many of
        output the service would give. It returns when the engine has begun, or raises; closing it ends the work.
        """
        ...

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text."""
        ...

    async def aclose(self) -> None:
        """Free what the engine holds."""
        ...
