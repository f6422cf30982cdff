"""The jobs: iterators that wait for rows, with threads and with tasks. `Work` decides, they do."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, Self, TypeVar, cast

import anyio
from anyio.abc import TaskGroup

from cfai._credentials import Secret
from cfai._errors import ConfigurationError
from cfai._transport import start_system_task
from cfai.many._report import JobReport, Row
from cfai.many._sender import Item, Sender
from cfai.many._work import JobOptions, Work
from cfai.types import Runner

T = TypeVar("T")

_END: Any = object()


class Job(Generic[T]):
    """Thousands of calls: iterate it for their rows. `Ai.run_many` makes it, and nothing is sent before the first row.

    Inputs are read in the thread that iterates, four times `concurrency` ahead at most; calls are made in threads of
    the job's own. `with` or `close` end it early.
    """

    def __init__(self, runner: Runner, model: str, inputs: Any, options: JobOptions, call_options: Secret) -> None:
        if not isinstance(inputs, Iterable):
            raise ConfigurationError(f"`inputs` of run_many must be an iterable of dicts, got {type(inputs).__name__}")
        self._inputs: Iterator[Any] = iter(cast("Any", inputs))
        self._work = Work[T](runner, model, inputs, options, call_options)
        self._todo = SimpleQueue[Item | None]()
        self._done = SimpleQueue[tuple[Item, Row[T] | BaseException | None]]()
        self._threads = 0
        # A job that nobody has any more ends its threads.
        weakref.finalize(self, _dismiss, self._work.sender, self._todo, options.concurrency)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row[T]:
        """Return the next row. Raises what stopped the job, once all rows that have ended were given."""
        work = self._work
        if work.is_closed:
            raise StopIteration
        try:
            work.open()
            self._read_one()  # one for each row that is given: calls go on however long it is looked at
            while True:
                while not self._done.empty():
                    work.collect(*self._done.get())
                if (row := work.give()) is not None:
                    return row
                if work.wants_input:
                    self._read_one()
                elif work.pending:
                    work.collect(*self._done.get())
                else:
                    work.end()
                    raise StopIteration
        except BaseException:  # the end, an interruption, or what stopped it
            self.close()
            raise

    def report(self) -> JobReport:
        """Return what was done so far: `print` it."""
        return self._work.make_report()

    def close(self) -> None:
        """Send no more. Calls under way are left to themselves: they may be billed, and the journal lacks them."""
        self._work.close()
        _dismiss(self._work.sender, self._todo, self._threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_one(self) -> None:
        work = self._work
        if not work.wants_input:
            return
        item = work.take_refused()
        if item is None:
            try:
                inputs = next(self._inputs)
            except StopIteration:
                work.end_inputs()
                return
            except Exception as error:
                work.end_inputs(error)
                return
            item = work.take(inputs)
        if item is None:
            return
        self._todo.put(item)
        if self._threads < min(work.pending, work.options.concurrency):
            self._threads += 1
            # A daemon: an interrupted program ends at once, and not with its last call.
            arguments = (_send_items, work.sender, self._todo, self._done)
            threading.Thread(target=copy_context().run, args=arguments, name="cfai-job", daemon=True).start()


def _send_items(sender: Sender, todo: SimpleQueue[Item | None], done: SimpleQueue[Any]) -> None:
    """Send items until there is none. It knows no job: one that nobody has any more can be collected."""
    while (item := todo.get()) is not None:
        try:
            outcome = sender.send(item)
            sender.sync()
        except BaseException as error:
            outcome = error
        done.put((item, outcome))
        del outcome  # a thread that waits keeps no answer


def _dismiss(sender: Sender, todo: SimpleQueue[Item | None], threads: int) -> None:
    sender.stop()
    for _ in range(threads):
        todo.put(None)


class AsyncJob(Generic[T]):
    """Thousands of calls: `async for` gives their rows. `Ai.arun_many` makes it, and nothing is sent before the first.

    Inputs are read by a task of the job's own, four times `concurrency` ahead at most. Leave it early with `async with`
    or `aclose`: without, calls go on until so many rows wait for somebody to take them.
    """

    def __init__(self, runner: Runner, model: str, inputs: Any, options: JobOptions, call_options: Secret) -> None:
        if not isinstance(inputs, Iterable) and not hasattr(inputs, "__aiter__"):
            must_be = "`inputs` of arun_many must be an iterable or asynchronous iterable of dicts"
            raise ConfigurationError(f"{must_be}, got {type(inputs).__name__}")
        source = cast("Any", inputs)
        self._iterator: Any = aiter(source) if hasattr(source, "__aiter__") else iter(source)
        self._work = Work[T](runner, model, inputs, options, call_options)
        self._scope: anyio.CancelScope | None = None
        """That of the job's task, once it is started."""
        self._todo = deque[Item]()
        self._senders = 0
        """How many tasks send items."""
        self._is_over = False
        self._changed = _Signal()
        """For the task that reads: something ended, or was given."""
        self._ended = _Signal()
        """For the task that iterates: something ended."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Row[T]:
        """Return the next row. Raises what stopped the job, once all rows that have ended were given."""
        work = self._work
        if work.is_closed:
            raise StopAsyncIteration
        try:
            work.open()
            if self._scope is None:
                self._scope = anyio.CancelScope()
                start_system_task(partial(self._run, self._scope))
            while True:
                if (row := work.give()) is not None:
                    self._changed.set()
                    return row
                if self._is_over:
                    work.end()
                    raise StopAsyncIteration
                await self._ended.wait()
        except BaseException:  # the end, cancelled, or what stopped it
            self._stop()
            raise

    def report(self) -> JobReport:
        """Return what was done so far: `print` it."""
        return self._work.make_report()

    async def aclose(self) -> None:
        """Send no more, and cancel the calls under way: they may be billed, and the journal lacks them."""
        self._stop()
        while self._scope is not None and not self._is_over:
            await self._ended.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _stop(self) -> None:
        if self._scope is not None:
            self._scope.cancel()
        self._work.close()

    async def _run(self, scope: anyio.CancelScope) -> None:
        """Read inputs and send them, in a task that belongs to the event loop: whoever iterates may come and go."""
        try:
            with scope:
                async with anyio.create_task_group() as group:
                    with anyio.CancelScope() as reading:
                        await self._read(group, reading)
        finally:
            self._is_over = True
            self._ended.set()

    async def _read(self, group: TaskGroup, reading: anyio.CancelScope) -> None:
        work, iterator = self._work, self._iterator
        try:
            while not work.is_input_over:
                if len(self._todo) >= work.options.concurrency or not work.wants_input:
                    await self._changed.wait()
                    continue
                item = work.take_refused()
                if item is None:
                    is_async = hasattr(iterator, "__anext__")
                    inputs = await anext(iterator, _END) if is_async else next(iterator, _END)
                    if inputs is _END:
                        work.end_inputs()
                        return
                    item = work.take(inputs)
                if item is None:
                    self._ended.set()  # its row was in the journal
                    continue
                self._todo.append(item)
                if self._senders < work.options.concurrency:
                    self._senders += 1
                    group.start_soon(self._send_items, reading)
        except Exception as error:
            work.end_inputs(error)
        finally:
            if hasattr(iterator, "aclose"):
                await iterator.aclose()

    async def _send_items(self, reading: anyio.CancelScope) -> None:
        """Send items until there is none. To start a task for each would cost as much as all else."""
        work = self._work
        while self._todo:
            item = self._todo.popleft()
            try:
                outcome = await work.sender.asend(item)
                await work.sender.async_sync()
            except Exception as error:
                outcome = error
            work.collect(item, outcome)
            if work.sender.stopped.is_set():
                reading.cancel()
            self._changed.set()
            self._ended.set()
        self._senders -= 1


class _Signal:
    """What one task waits for. Whoever is woken looks again whether there is anything to do."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    def set(self) -> None:
        """Wake the task that waits, if one does."""
        if self._event is not None:
            self._event.set()

    async def wait(self) -> None:
        """Wait until it is set again."""
        self._event = anyio.Event()
        try:
            await self._event.wait()
        finally:
            self._event = None
