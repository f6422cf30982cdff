"""The jobs: iterators that wait for rows, with threads and with tasks. `Work` decides, they do."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, Self, TypeVar, cast

import anyio
from anyio.abc import TaskGroup

from cfai._credentials import Secret
from cfai._errors import ConfigurationError
from cfai._threads import run_in_thread
from cfai._transport import get_running_loop, start_system_task
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
        # When nobody has the job any more, or the program ends, its threads and its progress bar do too.
        weakref.finalize(self, _dismiss, self._work, self._todo, options.concurrency)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Row[T]:
        """Return the next row. Raises what stopped the job, once all rows that have ended were given."""
        work = self._work
        if work.is_closed:
            work.raise_interruption()
            raise StopIteration
        try:
            if work.start():
                work.use_journal(work.open_journal())
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
        except Exception:  # the end, or what stopped it
            self.close()
            raise
        except BaseException as error:
            work.interrupt(type(error).__name__)
            self.close()
            raise

    def report(self) -> JobReport:
        """Return what was done so far: `print` it."""
        return self._work.make_report()

    def close(self) -> None:
        """Send no more. Calls under way are left to themselves: they may be billed, and the journal lacks them."""
        _dismiss(self._work, self._todo, self._threads)

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
            thread = threading.Thread(target=copy_context().run, args=arguments, name="cfai-job", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                raise ConfigurationError(f"{error}: where there are none, as in a Worker, call `arun_many`") from error


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


def _dismiss(work: Work[Any], todo: SimpleQueue[Item | None], threads: int) -> None:
    for _ in range(threads):
        todo.put(None)
    work.close()


class AsyncJob(Generic[T]):
    """Thousands of calls: `async for` gives their rows. `Ai.arun_many` makes it, and nothing is sent before the first.

    Inputs are read by a task of the job's own, four times `concurrency` ahead at most. `async with` and `aclose` end it
    early. A wait for a row that is cancelled loses none: iterate on, in any task of its event loop.
    """

    def __init__(self, runner: Runner, model: str, inputs: Any, options: JobOptions, call_options: Secret) -> None:
        if not isinstance(inputs, Iterable) and not hasattr(inputs, "__aiter__"):
            must_be = "`inputs` of arun_many must be an iterable or asynchronous iterable of dicts"
            raise ConfigurationError(f"{must_be}, got {type(inputs).__name__}")
        self._work = Work[T](runner, model, inputs, options, call_options)
        self._calls = _Calls(self._work, inputs)
        weakref.finalize(self, self._calls.abandon)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Row[T]:
        """Return the next row. Raises what stopped the job, once all rows that have ended were given."""
        work, calls = self._work, self._calls
        try:
            if not work.is_closed:
                work.start()
                calls.start()
            while not work.is_closed:
                if (row := work.give()) is not None:
                    calls.changed.set()
                    return row
                if calls.is_over:
                    work.end()
                else:
                    await calls.ended.wait()
        except Exception:  # what stopped it
            calls.stop()
            raise
        work.raise_interruption()
        raise StopAsyncIteration

    def report(self) -> JobReport:
        """Return what was done so far: `print` it."""
        return self._work.make_report()

    async def aclose(self) -> None:
        """Send no more, and cancel the calls under way: they may be billed, and the journal lacks them."""
        self._calls.stop()
        await self._calls.wait_for_end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _Calls:
    """Reads the inputs of an asynchronous job and sends them, in a task that belongs to the event loop.

    Whoever iterates the job may come and go. It knows no job: one that nobody has any more can be collected.
    """

    def __init__(self, work: Work[Any], inputs: Any) -> None:
        self._iterator: Any = aiter(inputs) if hasattr(inputs, "__aiter__") else iter(inputs)
        self._work = work
        self._scope: anyio.CancelScope | None = None
        """That of the task, once it is started."""
        self._loop: Any = None
        self._todo = deque[Item]()
        self._senders = 0
        """How many tasks send items."""
        self.is_over = False
        """True when the task has ended."""
        self.changed = _Signal()
        """For the task that reads: something ended, or was given."""
        self.ended = _Signal()
        """For the task that iterates: something ended."""

    def start(self) -> None:
        """Start the task, once."""
        if self._scope is None:
            self._scope, self._loop = anyio.CancelScope(), get_running_loop()
            start_system_task(partial(self._run, self._scope))

    def stop(self) -> None:
        """Close the job, and cancel what is under way."""
        if self._scope is not None:
            self._scope.cancel()
        self._work.close()

    async def wait_for_end(self) -> None:
        """Wait until the task has ended."""
        while self._scope is not None and not self.is_over:
            await self.ended.wait()

    def abandon(self) -> None:
        """Let the journal go, and stop in the event loop: the collector may come in any thread."""
        if self._work.sender.journal is not None:
            self._work.sender.journal.close()
        if self._scope is not None and not self.is_over:
            with suppress(RuntimeError):  # it is closed
                call_soon = getattr(self._loop, "call_soon_threadsafe", None) or self._loop.run_sync_soon
                call_soon(self.stop)

    async def _run(self, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                if self._work.options.journal is not None:  # in a thread: a large one takes seconds
                    self._work.use_journal(await run_in_thread(self._work.open_journal))
                async with anyio.create_task_group() as group:
                    with anyio.CancelScope() as reading:
                        await self._read(group, reading)
        except Exception as error:
            self._work.end_inputs(error)
        except BaseException:
            self._work.interrupt("the end of its event loop")
            raise
        finally:
            self.is_over = True
            self.ended.set()

    async def _read(self, group: TaskGroup, reading: anyio.CancelScope) -> None:
        work, iterator = self._work, self._iterator
        try:
            try:
                while not work.is_input_over:
                    if len(self._todo) >= work.options.concurrency or not work.wants_input:
                        await self.changed.wait()
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
                        self.ended.set()  # its row was in the journal
                        continue
                    self._todo.append(item)
                    if self._senders < work.options.concurrency:
                        self._senders += 1
                        group.start_soon(self._send_items, reading)
            finally:
                if hasattr(iterator, "aclose"):
                    await iterator.aclose()
        except Exception as error:
            work.end_inputs(error)

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
            if work.sender.turns.is_stopped:
                reading.cancel()
            self.changed.set()
            self.ended.set()
        self._senders -= 1


class _Signal:
    """A signal that tasks wait for. Whoever is woken looks again whether there is anything to do."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    def set(self) -> None:
        """Wake the tasks that wait."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Wait until it is set again."""
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()
