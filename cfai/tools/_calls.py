"""Call the tools that a model asks for: those of one answer at the same time, and every failure as a result."""

from __future__ import annotations

import inspect
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from math import inf
from queue import SimpleQueue
from typing import Any, cast

import anyio
from pydantic_core import to_json

from cfai._json import join_surrogates, json_default
from cfai.tools._tool import Tool
from cfai.types import TextOutput, ToolCall, ToolResult

_MOST_THREADS = 32
"""Threads that the calls of one answer have at most."""


_INTERRUPTED = "it was interrupted before it ended, and may have been done in part"


def make_results(calls: Sequence[ToolCall]) -> list[ToolResult]:
    """Return what is told of calls that never come to their end."""
    return [ToolResult(call, error=_INTERRUPTED, content=f"Error: {_INTERRUPTED}") for call in calls]


def run_calls(tools: Mapping[str, Tool], results: list[ToolResult]) -> None:
    """Put the result of each call in its place. One runs in this thread, several in threads of their own."""
    if len(results) == 1:
        results[0] = copy_context().run(_run_call, tools, results[0].call)
        return
    todo, ended = deque(range(len(results))), SimpleQueue[BaseException | None]()

    def work() -> None:
        with suppress(IndexError):
            while True:
                index = todo.popleft()
                try:
                    results[index] = contexts[index].run(_run_call, tools, results[index].call)
                    ended.put(None)
                except BaseException as error:
                    ended.put(error)

    contexts = [copy_context() for _ in results]
    for _ in range(min(len(results), _MOST_THREADS)):
        # A daemon: an interrupted program ends at once, and not with its last tool.
        threading.Thread(target=work, name="cfai-tool", daemon=True).start()
    try:
        for _ in contexts:
            if (error := ended.get()) is not None:
                raise error
    finally:
        todo.clear()


async def arun_calls(tools: Mapping[str, Tool], results: list[ToolResult]) -> None:
    """Put the result of each call in its place. A synchronous function runs in a thread.

    Each runs in a task of its own, one alone too: a tool that is cancelled from within has no result, and the others
    go on.
    """

    interruptions: list[BaseException] = []

    async def run(index: int) -> None:
        try:
            results[index] = await _arun_call(tools, results[index].call)
        except anyio.get_cancelled_exc_class():
            # It stays the tool's own affair, unless the whole round is cancelled: the group would cancel the others.
            if anyio.current_effective_deadline() == -inf:
                raise
        except (KeyboardInterrupt, SystemExit) as error:
            # Out of a task of its own it would stop asyncio's loop, and nothing would be put away.
            interruptions.append(error)
            group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            for index in range(len(results)):
                group.start_soon(run, index)
    except BaseExceptionGroup as raised:
        # trio raises Ctrl-C here, in a group, and it is caught by its own name alone.
        error: Any = raised.split(anyio.get_cancelled_exc_class())[1]
        while isinstance(error, BaseExceptionGroup):
            error = cast("Any", error).exceptions[0]
        if error is None:
            raise
        raise error from error.__cause__
    if interruptions:
        raise interruptions[0]


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
    from cfai._threads import run_in_thread  # not sooner: it imports asyncio

    done, started = ToolResult(call), time.monotonic()
    try:
        function = _prepare(tools, done)
        if tools[call.name].is_async:
            value = function()
        else:
            # In a list: trio takes no coroutine from a thread. A thread that is abandoned runs on alone.
            (value,) = await run_in_thread(lambda: [function()], abandon_on_cancel=True)
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
    was_called, name, text = done.arguments is not None, type(error).__name__, ""
    with suppress(Exception):  # that of somebody else's class may fail
        text = str(error)
    done.error = f"{name}: {text}".removesuffix(": ") if was_called else text
    done.exception = error
    done.content = join_surrogates(f"Error: {done.error}")


def to_content(value: Any) -> str:
    """Return a result as the text of a message: a string as it is, all else as JSON. Raises `TypeError` for bytes.

    >>> to_content({"temperature": 7}), to_content("mild"), to_content(None)
    ('{"temperature":7}', 'mild', 'null')
    """
    is_picture = hasattr(value, "tobytes") and not hasattr(value, "tolist")
    is_bytes = isinstance(value, bytes | bytearray | memoryview) or hasattr(value, "__bytes__")
    if is_picture or (is_bytes and not isinstance(value, os.PathLike)):
        kind = type(cast("Any", value)).__name__
        raise TypeError(f"the result is {kind}, which no message can hold: return text, or save it")
    if isinstance(value, os.PathLike | TextOutput):  # another model's answer is its text
        value = str(cast("Any", value))
    text = value if isinstance(value, str) else to_json(value, fallback=_to_builtin).decode()
    return join_surrogates(text)  # half of a surrogate pair cannot be sent


def _to_builtin(value: Any) -> Any:
    try:
        return json_default(value)
    except TypeError:
        return str(value)
