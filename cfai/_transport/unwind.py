"""trio's rule for asynchronous generators, kept for those inside httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import anyio

from cfai._transport.pool import is_asyncio

_LEFT_IN_BUFFERS = 10_000
"""More chunks than can have been received before a response was closed."""


async def unwind(chunks: AsyncIterator[bytes] | None) -> None:
    """End the generators inside httpx, which trio complains of when they are left to the collector.

    Closing the outermost one would not close the others, so they are read on from; whatever they would wait for is
    cancelled, and this takes no time.
    """
    if chunks is None or is_asyncio():
        return
    with suppress(Exception), anyio.CancelScope() as scope:
        scope.cancel()
        for _ in range(_LEFT_IN_BUFFERS):
            await anext(chunks)
