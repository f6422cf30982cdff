"""The line in front of a model that is busy."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque

from cfai.local.wire import ErrorResponse

LONGEST = 600.0
"""Seconds that a call waits at most."""


class ConcurrencyLimiter:
    """So many calls at a time for each model; who came first goes first."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._taken: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[asyncio.Future[None]]] = defaultdict(deque)

    async def acquire(self, model: str, *, wait: bool) -> None:
        """Take a place, when one is free. Raises `ErrorResponse` if it takes too long, or at once if not to wait."""
        if self._taken[model] < self._number:
            self._taken[model] += 1
            return
        if not wait:
            raise ErrorResponse(3040)
        turn = asyncio.get_running_loop().create_future()
        self._waiting[model].append(turn)
        try:
            async with asyncio.timeout(LONGEST):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                # It had its turn in the same moment.
                self.release(model)
            elif turn in self._waiting[model]:
                self._waiting[model].remove(turn)
            if isinstance(error, TimeoutError):
                raise ErrorResponse(3040) from error
            raise

    def release(self, model: str) -> None:
        """Let the next one have the place."""
        while self._waiting[model]:
            turn = self._waiting[model].popleft()
            # One that was given up may still stand in line.
            if not turn.done():
                turn.set_result(None)
                return
        self._taken[model] -= 1
