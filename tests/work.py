"""Work that is counted rather than timed, so that a test of growth says the same on a busy machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple


class Work(NamedTuple):
    """The work of a call."""

    calls: int
    """How many functions were called."""
    size: int
    """How many bytes and characters their own methods were called on."""


def work(call: Callable[[], object]) -> Work:
    """Return the work that `call` does."""
    calls = size = 0

    def count(frame: FrameType, event: str, called: Any) -> None:
        nonlocal calls, size
        calls += event in ("call", "c_call")
        owner = getattr(called, "__self__", None) if event == "c_call" else None
        size += len(owner) if isinstance(owner, str | bytes) else 0

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(before)
    return Work(calls, size)
