"""`--stats`: how fast an answer came, and what it cost."""

from __future__ import annotations

import math
import time
from typing import Any


class Stopwatch:
    """The times of a call, in seconds from its beginning."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.first: float | None = None
        """When the first token came; `None` for an answer that came whole."""

    @property
    def elapsed(self) -> float:
        """Return the seconds so far."""
        return time.monotonic() - self._started

    def note_token(self) -> None:
        """Note that a token has come."""
        if self.first is None:
            self.first = self.elapsed


def format_stats(answer: Any, watch: Stopwatch, *, is_billed: bool) -> str:
    """Return the figures of a call in a line; what nobody knows is left out, and the price of what costs nothing."""
    elapsed, usage, meta = watch.elapsed, answer.meta.usage, answer.meta
    if usage is None:
        usage = getattr(answer, "usage", None)
    parts: list[str] = []
    if usage is not None and usage.completion_tokens:
        # The first token is there when the clock of the others begins.
        seconds = elapsed - (watch.first or 0.0)
        tokens = usage.completion_tokens - (watch.first is not None)
        if tokens > 0 and seconds > 0:
            parts.append(f"{tokens / seconds:,.0f} tokens/s")
    if watch.first is not None:
        parts.append(f"first token {watch.first:.2f} s")
    parts.append(f"total {elapsed:.2f} s")
    if usage is not None:
        parts.append(f"{usage.prompt_tokens:,} + {usage.completion_tokens:,} tokens")
    if is_billed and meta.neurons is not None:
        parts.append(f"{meta.neurons:,.3g} neurons")
    if is_billed and meta.cost is not None:
        parts.append(format_usd(meta.cost))
    return " · ".join(parts)


def format_usd(amount: float) -> str:
    """Return US dollars with three digits that say something.

    >>> format_usd(0.0000123456), format_usd(12.5), format_usd(0)
    ('$0.0000123', '$12.50', '$0')
    """
    if not amount:
        return "$0"
    digits = max(2, 2 - math.floor(math.log10(abs(amount))))
    return f"${amount:,.{digits}f}"
