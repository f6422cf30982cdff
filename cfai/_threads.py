"""Threads for what takes long, beside the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

from anyio import to_thread

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


async def run_in_thread(
    function: Callable[[Unpack[Arguments]], T], *arguments: *Arguments, abandon_on_cancel: bool = False
) -> T:
    """Call a function in a thread, and return its result; where no thread can start, as in a Worker, call it here."""
    has_started = False

    def call() -> T:
        nonlocal has_started
        has_started = True
        return function(*arguments)

    try:
        return await to_thread.run_sync(call, abandon_on_cancel=abandon_on_cancel)
    except RuntimeError:  # "can't start new thread", or the function's own
        if has_started:
            raise
    return function(*arguments)
