"""The event loop that runs: which one it is, and trio's rule for asynchronous generators."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from contextvars import copy_context
from importlib import import_module
from typing import Any

import anyio

from cfai._errors import ConfigurationError

_LEFT_IN_BUFFERS = 10_000
"""More chunks than can have been received before a response was closed."""

_tasks: set[Any] = set()


async def unwind(chunks: AsyncIterator[bytes]) -> None:
    """End the generators inside httpx, which trio complains of when they are left to the collector.

    Closing the outermost one would not close the others, so they are read on from; whatever they would wait for is
    cancelled, and this takes no time.
    """
    if is_asyncio():
        return
    with suppress(Exception), anyio.CancelScope() as scope:
        scope.cancel()
        for _ in range(_LEFT_IN_BUFFERS):
            await anext(chunks)


def start_system_task(function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Start a task that belongs to the event loop, and has the context of the one that starts it. It must not raise."""
    if (loop := _get_asyncio_loop()) is not None:
        task = loop.create_task(function())
        _tasks.add(task)  # asyncio itself keeps none
        task.add_done_callback(_tasks.discard)
    else:
        import_module("trio.lowlevel").spawn_system_task(function, context=copy_context())


def is_asyncio() -> bool:
    """Return True if the running event loop is one of asyncio's."""
    return _get_asyncio_loop() is not None


def get_running_loop() -> Any:
    """Return the running event loop, or what stands for one with trio. Raises `ConfigurationError` if none runs."""
    loop = _get_asyncio_loop()
    if loop is not None:
        return loop
    with suppress(RuntimeError):
        token = import_module("anyio.lowlevel").current_token()  # not sooner: it imports asyncio
        return getattr(token, "native_token", token)
    raise ConfigurationError(
        "no event loop of asyncio or trio runs here (in a forked child that of its parent does not): "
        "use asyncio.run(...), or `run` instead of `arun`"
    )


def _get_asyncio_loop() -> Any:
    # Importing asyncio takes 8 ms, which whoever calls no `arun` need not pay. Where it is not imported, no loop runs.
    asyncio = sys.modules.get("asyncio")
    with suppress(RuntimeError):
        return asyncio and asyncio.get_running_loop()
    return None
