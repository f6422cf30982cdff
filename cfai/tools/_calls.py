"""Call the tools that a model asks for: those of one answer at the same time, and every failure as a result."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, cast

import anyio
from anyio import to_thread
from pydantic_core import to_json

from cfai._json import join_surrogates, json_default
from cfai.tools._tool import Tool
from cfai.types import ToolCall, ToolResult

_MOST_THREADS = 32
"""Threads that the calls of one answer have at most."""


def run_calls(tools: Mapping[str, Tool], calls: Sequence[ToolCall]) -> list[ToolResult]:
    """Return the results of calls in their order. One runs in this thread, several in threads of their own."""
    if len(calls) == 1:
        return [copy_context().run(_run_call, tools, calls[0])]
    pool = ThreadPoolExecutor(min(len(calls), _MOST_THREADS), thread_name_prefix="cfai-tool")
    try:
        futures = [pool.submit(copy_context().run, _run_call, tools, call) for call in calls]
        return [future.result() for future in futures]
    finally:
        # Whoever interrupts does not wait for those that run.
        pool.shutdown(wait=False, cancel_futures=True)


async def arun_calls(tools: Mapping[str, Tool], calls: Sequence[ToolCall]) -> list[ToolResult]:
    """Return the results of calls in their order. A synchronous function runs in a thread."""
    if len(calls) == 1:
        return [await _arun_call(tools, calls[0])]
    results: dict[int, ToolResult] = {}

    async def run(index: int) -> None:
        results[index] = await _arun_call(tools, calls[index])

    async with anyio.create_task_group() as group:
        for index in range(len(calls)):
            group.start_soon(run, index)
    return [results[index] for index in range(len(calls))]


def _run_call(tools: Mapping[str, Tool], call: ToolCall) -> ToolResult:
    done, started = ToolResult(call), time.monotonic()
    try:
        value = _prepare(tools, done)()
        if inspect.iscoroutine(value):
            value.close()
            raise TypeError(f"{call.name} is asynchronous: call `arun_with_tools`")
        _record(done, value)
    except Exception as error:
        _record_error(done, error)
    done.elapsed = time.monotonic() - started
    return done


async def _arun_call(tools: Mapping[str, Tool], call: ToolCall) -> ToolResult:
    done, started = ToolResult(call), time.monotonic()
    try:
        function = _prepare(tools, done)
        if tools[call.name].is_async:
            value = function()
        else:
            # In a list: trio takes no coroutine from a thread. A thread that is abandoned runs on alone.
            (value,) = await to_thread.run_sync(lambda: [function()], abandon_on_cancel=True)
        _record(done, await value if inspect.isawaitable(value) else value)
    except Exception as error:
        _record_error(done, error)
    done.elapsed = time.monotonic() - started
    return done


def _prepare(tools: Mapping[str, Tool], done: ToolResult) -> Callable[[], Any]:
    """Return the function with its arguments. Raises `ValueError` in words for the model."""
    call = done.call
    if call.name not in tools:
        raise ValueError(f"there is no tool {call.name!r}, there are: {', '.join(tools)}")
    tool = tools[call.name]
    arguments = tool.parse(call)
    done.arguments = arguments
    return partial(tool.function, **arguments)


def _record(done: ToolResult, value: Any) -> None:
    done.content, done.result = to_content(value), value


def _record_error(done: ToolResult, error: Exception) -> None:
    """Tell the model what went wrong: of what the function raised its class too, and no traceback."""
    was_called = done.arguments is not None
    done.error = f"{type(error).__name__}: {error}".removesuffix(": ") if was_called else str(error)
    done.exception = error
    done.content = join_surrogates(f"Error: {done.error}")


def to_content(value: Any) -> str:
    """Return a result as the text of a message: a string as it is, all else as JSON. Raises `TypeError` for bytes.

    >>> to_content({"temperature": 7}), to_content("mild"), to_content(None)
    ('{"temperature":7}', 'mild', 'null')
    """
    is_picture = hasattr(value, "tobytes") and not hasattr(value, "tolist")
    if is_picture or hasattr(value, "__bytes__") or isinstance(value, bytes | bytearray | memoryview):
        kind = type(cast("Any", value)).__name__
        raise TypeError(f"the result is {kind}, which no message can hold: return text, or save it")
    text = value if isinstance(value, str) else to_json(value, fallback=_to_builtin).decode()
    return join_surrogates(text)  # half of a surrogate pair cannot be sent


def _to_builtin(value: Any) -> Any:
    try:
        return json_default(value)
    except TypeError:
        return str(value)
