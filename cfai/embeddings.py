"""Embed any number of texts: split into calls, a few at a time, the vectors in the order of the texts.

`_State` decides: what a call holds, what its answer gives, what a failure means. `embed` and `aembed` wait.
"""

from __future__ import annotations

import struct
import sys
import threading
from array import array
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Mapping, Sized
from contextlib import aclosing
from contextvars import copy_context
from dataclasses import dataclass, field
from math import ceil, isfinite, isnan, nan
from queue import SimpleQueue
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import anyio

from cfai import tokens
from cfai._config import LimitPolicy, Retry, parse_retry
from cfai._credentials import Secret
from cfai._display import Progress
from cfai._errors import (
    APIResponseValidationError,
    BadRequestError,
    CfaiError,
    ConfigurationError,
    EmbeddingsError,
    InputError,
    LimitError,
    PermissionDeniedError,
)
from cfai._json import as_sequence, find_unsendable, is_mapping
from cfai._limits import check_text, format_warning, list_input_warnings, make_input_error
from cfai._pacing import Turns, exceeds_rate, make_pace
from cfai._request import quote_model
from cfai._response import concerns_all_calls
from cfai._threads import run_in_thread
from cfai._warnings import InputWarning, LimitWarning, warn
from cfai.models.schemas import get_schema
from cfai.types import Embeddings, Meta, Result, Runner, Vectors, add_up

TextField = Literal["text", "queries", "documents"]
"""The inputs that texts go into."""

CONCURRENCY = 8
"""Calls at a time. Of 160 ms each, eight make the 3,000 a minute that the service takes of most embedding models."""

_MAX_TEXTS = 100
"""Texts of a call where the model's schema gives no number: that of most models."""
_MARGIN = 1.15
"""What the tokens of a call are estimated at, to what they are. Where that is too little, its halves are sent."""
_MAX_FAILURES = 16
"""Failed calls in a row after which no more is tried."""
_MAX_SINGLE_FAILURES = 8
"""Texts that are refused one by one, where none was embedded, after which no more of a call is."""


def concerns_inputs(error: BaseException) -> bool:
    """Return True if a call was refused for its inputs, which may be one text of many.

    >>> concerns_inputs(BadRequestError("too long")), concerns_inputs(CfaiError("busy"))
    (True, False)
    """
    kinds = (BadRequestError, PermissionDeniedError, InputError, LimitError)
    return isinstance(error, kinds) and not concerns_all_calls(error)


def embed(
    runner: Runner,
    policy: LimitPolicy,
    model: str,
    texts: Iterable[str],
    *,
    field: TextField = "text",
    inputs: Mapping[str, Any] | None = None,
    concurrency: int = CONCURRENCY,
    requests_per_minute: float | None = None,
    resume: Vectors | None = None,
    progress: bool | None = None,
    options: Secret,
) -> Vectors:
    """Embed texts as `Ai.embed` does. `options` are those of `run`; of the checks, `policy` has the mode."""
    _check_arguments(texts, field, concurrency, takes_async=False)
    texts = _read_column(texts)
    state = _State(policy, model, field, inputs, resume, texts)
    turns, once = state.make_turns(runner, requests_per_minute, options)
    state.check_all(texts)
    state.warn()

    def call_once(batch: _Batch) -> _Answer | Exception | None:
        try:
            output = turns.send(batch, lambda: runner.run(model, state.build_inputs(batch), **once.value))
            return None if output is None else _read_answer(output, len(batch.texts), batch.place)
        except Exception as error:
            return error

    def call(batch: _Batch) -> _Results:
        results, left = _Results(), [batch]
        while left:
            part = left.pop()
            left += state.halve(part, call_once(part), results)
        return results

    def take(results: _Results) -> None:
        state.take(results, bar)
        if state.is_stopped:
            turns.stop()

    threads = _Threads(call)
    try:
        with Progress("Embedding", state.total, shown=progress) as bar:
            for batch in state.split(texts):
                if not state.is_started:
                    # Alone: most calls are the only one, and what is wrong with all shows in one.
                    take(call(batch))
                    continue
                while threads.busy >= concurrency:
                    take(threads.wait())
                if state.is_stopped:
                    break
                threads.start(batch)
            while threads.busy:
                take(threads.wait())
    finally:
        turns.stop()
        threads.close()
    return state.finish()


async def aembed(
    runner: Runner,
    policy: LimitPolicy,
    model: str,
    texts: Iterable[str] | AsyncIterable[str],
    *,
    field: TextField = "text",
    inputs: Mapping[str, Any] | None = None,
    concurrency: int = CONCURRENCY,
    requests_per_minute: float | None = None,
    resume: Vectors | None = None,
    progress: bool | None = None,
    options: Secret,
) -> Vectors:
    """Embed texts as `Ai.aembed` does."""
    _check_arguments(texts, field, concurrency, takes_async=True)
    texts = _read_column(texts)
    state = _State(policy, model, field, inputs, resume, texts)
    turns, once = state.make_turns(runner, requests_per_minute, options)
    await run_in_thread(state.check_all, texts)
    state.warn()
    slots = anyio.Semaphore(concurrency)

    async def call_once(batch: _Batch) -> _Answer | Exception | None:
        try:
            output = await turns.asend(batch, lambda: runner.arun(model, state.build_inputs(batch), **once.value))
            return None if output is None else _read_answer(output, len(batch.texts), batch.place)
        except Exception as error:
            return error

    async def call(batch: _Batch) -> _Results:
        results, left = _Results(), [batch]
        while left:
            part = left.pop()
            left += state.halve(part, await call_once(part), results)
        return results

    def take(results: _Results) -> None:
        state.take(results, bar)
        if state.is_stopped:
            turns.stop()

    async def call_beside(batch: _Batch) -> None:
        take(await call(batch))
        slots.release()

    with Progress("Embedding", state.total, shown=progress) as bar:
        async with aclosing(state.asplit(texts)) as batches, anyio.create_task_group() as group:
            async for batch in batches:
                if not state.is_started:
                    take(await call(batch))
                    continue
                await slots.acquire()
                if state.is_stopped:
                    break
                group.start_soon(call_beside, batch)
    return state.finish()


@dataclass(slots=True, eq=False)
class _Batch:
    """The texts of one call."""

    texts: list[str] = field(default_factory=list[str])
    indices: list[int] = field(default_factory=list[int])
    """The place of each among all texts."""
    tokens: int = 0
    """About how many they are, and rather too many."""
    turn: float = 0.0
    """When it was sent last."""

    @property
    def place(self) -> str:
        """Return where its texts stand, for an error."""
        return f"`texts[{self.indices[0]}]` to `texts[{self.indices[-1]}]`"


class _Answer(NamedTuple):
    """The vectors of one call."""

    numbers: array[float]
    """All of them, one after another."""
    dimensions: int
    meta: Meta


_Results: TypeAlias = list[tuple[_Batch, _Answer | BaseException | None]]
"""What a call came to, or its parts if a text of it was refused; `None` for what was not sent."""


class _State:
    """The state of the work: what was read, what is done, what failed. It waits for nothing."""

    def __init__(
        self,
        policy: LimitPolicy,
        model: str,
        field: TextField,
        inputs: Mapping[str, Any] | None,
        resume: Vectors | None,
        texts: Any,
    ) -> None:
        quote_model(model)  # raises for a name that is no model's
        self._policy, self._model, self._field = policy, model, field
        self._inputs = _check_inputs(inputs)
        self._entry = entry = policy.get_model(model)
        if entry is not None:
            if entry.task != "Text Embeddings":
                must = "`model` must be one that embeds texts, such as '@cf/baai/bge-m3'"
                raise ConfigurationError(f"{must}, got {model!r} ({entry.task})")
            for message, category in list_input_warnings(entry, {**self._inputs, field: ["a"]}, policy.mode):
                warn(message, category)
        schema = get_schema(model)
        rules = schema.parameters[field].rules if schema and field in schema.parameters else {}
        self._max_texts: int = rules.get("maxItems", _MAX_TEXTS)
        self._refuses_empty = "minLength" in rules and policy.mode != "off"
        self._input_length = entry.input_length.value if entry and entry.input_length else sys.maxsize
        self._batch_length = entry.batch_length.value if entry and entry.batch_length else sys.maxsize
        self._strategy = policy.get_strategy(model)

        self.total: int | None = len(texts) if isinstance(texts, Sized) else None
        """How many texts there are, if that is known."""
        self.is_started = False
        """True once a call has ended."""
        self.is_stopped = False
        """True if no call is to be made any more."""

        self._batch = _Batch()
        self._read = self._failed = self._failures_in_a_row = 0
        self._reading_error: Exception | None = None
        """What the iterable of the texts raised."""
        self._error: BaseException | None = None
        """The failure that is told: the one that stopped the work, or else the first."""
        self._warning: tuple[str, type[Warning]] | None = None
        """What may be wrong with the first text that may be refused: a warning for each would bury the program."""
        self._has_warned = False
        if resume is None:
            dimensions = int(entry.properties.get("output_dimensions", 0)) if entry else 0
            resume = Vectors(model, dimensions, array("f"))
        _check_resume(resume, model, self.total)
        self._dimensions, self._numbers = resume.dimensions, resume.numbers[:]
        self._sums: tuple[Any, Any, Any] = (resume.usage, resume.neurons, resume.cost)
        """Usage, neurons and cost of all calls."""
        self._calls = resume.calls
        self._done = sum(map(self._has, range(len(resume))))

    def check_all(self, texts: Any) -> None:
        """Check all texts before the first is sent, if they can be read twice. Raises what is wrong with one."""
        if self.total is not None and hasattr(texts, "__getitem__"):
            for index, text in enumerate(texts):
                self._measure(index, text)

    def warn(self) -> None:
        """Warn of the first text that may be refused."""
        if self._warning and not self._has_warned:
            self._has_warned = True
            warn(*self._warning)

    def split(self, texts: Iterable[Any]) -> Iterator[_Batch]:
        """Yield the calls to make. An error of the iterable itself stops the work."""
        try:
            for text in texts:
                if (full := self._add(text)) is not None:
                    yield full
                if self.is_stopped:
                    return
        except Exception as error:
            self._reading_error = error
            self._fail(0, error, stops=True)
        if self._batch.texts and not self.is_stopped:
            yield self._batch

    async def asplit(self, texts: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[_Batch]:
        """Yield the calls to make, of an asynchronous iterable too."""
        if not isinstance(texts, AsyncIterable):
            for batch in self.split(texts):
                yield batch
            return
        try:
            async for text in texts:
                if (full := self._add(text)) is not None:
                    yield full
                if self.is_stopped:
                    return
        except Exception as error:
            self._reading_error = error
            self._fail(0, error, stops=True)
        if self._batch.texts and not self.is_stopped:
            yield self._batch

    def build_inputs(self, batch: _Batch) -> dict[str, Any]:
        """Return the inputs of a call."""
        return {**self._inputs, self._field: batch.texts}

    def make_turns(self, runner: Runner, requests_per_minute: float | None, options: Secret) -> tuple[Turns, Secret]:
        """Return what sends the calls, and the options of one attempt. Raises `ConfigurationError`."""
        pace = make_pace(runner, self._model, self._entry, requests_per_minute)
        retry = parse_retry(options.value.get("max_retries", Retry(max_retries=5)))
        turns = Turns(pace, retry, rejects_if_busy=bool(options.value.get("reject_if_busy")))
        return turns, Secret({**options.value, "max_retries": 0})

    def halve(self, batch: _Batch, answer: _Answer | Exception | None, results: _Results) -> list[_Batch]:
        """Return the halves of a call that was refused, since one of its texts may be why; else note what it came to.

        Where no text was ever embedded, and some were refused one by one, it is for what all have in common.
        """
        if isinstance(answer, Exception) and concerns_inputs(answer) and not isinstance(answer, InputError):
            is_hopeless = not self._done and len(results) >= _MAX_SINGLE_FAILURES
            is_hopeless = is_hopeless and all(isinstance(each, Exception) for _, each in results)
            middle = len(batch.texts) // 2
            if middle and not is_hopeless:
                parts = slice(middle, None), slice(middle)  # the first is taken from the end
                return [_Batch(batch.texts[part], batch.indices[part]) for part in parts]
        results.append((batch, answer))
        return []

    def take(self, results: _Results, bar: Progress) -> None:
        """Keep what a call came to, and show how far the work is."""
        self.is_started = True
        self._failures_in_a_row += any(answer is not None for _, answer in results)
        for batch, answer in results:
            if answer is not None:
                self._take_part(batch, answer)
        bar.update(self._done + self._failed, failed=self._failed, cost=self._sums[2])

    def _take_part(self, batch: _Batch, answer: _Answer | BaseException) -> None:
        if isinstance(answer, _Answer) and self._numbers and answer.dimensions != self._dimensions:
            problem = f"the vectors have {answer.dimensions} numbers, those before had {self._dimensions}"
            answer = _make_answer_error(problem, batch.place, answer.meta)
        if isinstance(answer, _Answer):
            self._store(batch, answer)
            return
        if isinstance(answer, CfaiError) and answer.meta is not None:
            self._count(answer.meta)
        # The texts were checked: what is wrong with the inputs is in those that all calls have.
        stops = isinstance(answer, InputError) or concerns_all_calls(answer) or exceeds_rate(answer)
        self._fail(len(batch.texts), answer, stops=stops or self._failures_in_a_row >= _MAX_FAILURES)

    def finish(self) -> Vectors:
        """Return the vectors of all texts. Raises `EmbeddingsError` if a part is missing, and its cause if all are."""
        self._pad(max(self._read, self.total or 0) if self.is_stopped else self._read)
        vectors = Vectors(self._model, self._dimensions, self._numbers, *self._sums, self._calls)
        count = len(vectors)  # of `resume` perhaps more than were read
        if self._error is None:
            return vectors
        if not self._done:
            raise self._error
        missing = [index for index in range(count) if not self._has(index)]
        kind = "" if isinstance(self._error, CfaiError) else f"{type(self._error).__name__}: "
        cause = f"{kind}{self._error}".rstrip(".")
        if self._error is self._reading_error:
            problem = f"`texts` raised {cause}, after {self._read:,} texts"
        else:
            problem = f"{len(missing):,} of {count:,} texts have no vector, the first is `texts[{missing[0]}]`: {cause}"
        raise EmbeddingsError(
            f"{problem}. The vectors that are there are in `.partial`: embed again with "
            "resume=error.partial, which sends the texts that are missing",
            partial=vectors,
            missing=missing,
            model=self._model,
            **_get_facts(self._error),
        ) from self._error

    def _add(self, text: Any) -> _Batch | None:
        """Take the next text. Return the texts before it, if they make a call."""
        index = self._read
        self._read += 1
        if self._has(index):
            self._failures_in_a_row = 0  # else the failures of a part would keep `resume` from what is behind it
            return None
        try:
            size = self._measure(index, text)
        except CfaiError as error:
            self._fail(1, error)
            return None
        self.warn()
        if size * self._max_texts > self._batch_length:  # else as many go into a call as may, whatever they are
            size = min(size, ceil(self._strategy.estimate(text) * _MARGIN))
        full, batch = None, self._batch
        if len(batch.texts) == self._max_texts or (batch.texts and batch.tokens + size > self._batch_length):
            full, batch = batch, _Batch()
            self._batch = batch
        batch.texts.append(text)
        batch.indices.append(index)
        batch.tokens += size
        return full

    def _measure(self, index: int, text: Any) -> int:
        """Return how many tokens a text has at most. Raises what makes it sure to be refused."""
        place = f"texts[{index}]"
        if not isinstance(text, str):
            raise InputError(f"`{place}` must be a string, got {type(text).__name__}. Take it out, or make it one")
        if not text and self._refuses_empty:
            error = make_input_error(self._model, f"`{place}` must not be empty for {self._model}. Take it out")
            self._judge(error, raises=self._policy.mode != "warn")
        if not text.isascii() and (problem := find_unsendable(text, f"`{place}`")):
            raise InputError(problem)
        # No family has more tokens than characters of ASCII, but for a blank that some put before the text.
        size = len(text) + 1 if text.isascii() else tokens.upper_bound(text, self._strategy.family.name)
        if self._inputs.get("truncate_inputs") is True:
            return min(size, self._input_length)
        if self._entry and size > min(self._input_length, self._batch_length) and self._policy.mode != "off":
            result = check_text(self._entry, text, place, self._policy)
            if result.error is not None:
                self._judge(result.error, raises=result.raises(self._policy.mode))
        return size

    def _judge(self, error: InputError | LimitError, *, raises: bool) -> None:
        """Raise what is wrong with a text, or keep the first to warn of."""
        if raises:
            raise error
        category = LimitWarning if isinstance(error, LimitError) else InputWarning
        self._warning = self._warning or (format_warning(error), category)

    def _store(self, batch: _Batch, answer: _Answer) -> None:
        size = self._dimensions = answer.dimensions
        self._pad(batch.indices[-1] + 1)
        for place, index in enumerate(batch.indices):
            self._numbers[index * size : (index + 1) * size] = answer.numbers[place * size : (place + 1) * size]
        self._done += len(batch.texts)
        self._failures_in_a_row = 0
        self._count(answer.meta)

    def _count(self, meta: Meta) -> None:
        """Add up what a call took."""
        new = (meta.usage, meta.neurons, meta.cost)
        if self._calls:
            usage, neurons, cost = map(add_up, zip(self._sums, new, strict=True))
            new = usage, neurons, cost
        self._sums = new
        self._calls += 1

    def _fail(self, count: int, error: BaseException, *, stops: bool = False) -> None:
        """Note a failure that `count` texts share. What nobody expects stops the work."""
        self._failed += count
        stops = stops or not isinstance(error, CfaiError)
        if self._error is None or (stops and not self.is_stopped):
            self._error = error
        self.is_stopped = self.is_stopped or stops

    def _has(self, index: int) -> bool:
        """Return True if a text has its vector."""
        start = index * self._dimensions
        return start < len(self._numbers) and not isnan(self._numbers[start])

    def _pad(self, count: int) -> None:
        """Make room for the vectors of `count` texts."""
        lacking = count * self._dimensions - len(self._numbers)
        self._numbers.extend(array("f", [nan]) * max(0, lacking))


class _Threads:
    """Threads that make calls. Nobody waits for them: they are daemons, so that Ctrl-C ends a program at once."""

    def __init__(self, call: Callable[[_Batch], _Results]) -> None:
        self.busy: int = 0
        """How many calls are on their way."""
        self._call = call
        self._count: int = 0
        self._waiting: SimpleQueue[_Batch | None] = SimpleQueue()
        self._ended: SimpleQueue[_Results] = SimpleQueue()

    def start(self, batch: _Batch) -> None:
        """Make a call in a thread that is free, or in a new one."""
        if self.busy == self._count:
            self._count += 1
            threading.Thread(target=copy_context().run, args=(self._work,), name="cfai-embed", daemon=True).start()
        self.busy += 1
        self._waiting.put(batch)

    def wait(self) -> _Results:
        """Wait for a call to end, whichever is first."""
        ended = self._ended.get()
        self.busy -= 1
        return ended

    def close(self) -> None:
        """End the threads, each once its call has ended."""
        for _ in range(self._count):
            self._waiting.put(None)

    def _work(self) -> None:
        while (batch := self._waiting.get()) is not None:
            try:
                results = self._call(batch)
            except BaseException as error:  # SystemExit, say: nobody would wait for the end of this thread
                results: _Results = [(batch, error)]
            self._ended.put(results)


def read_rows(output: Any) -> list[Any]:
    """Return the vectors of an answer as they came. Raises `APIResponseValidationError` for what are none."""
    rows = [*as_sequence(output.data)] if isinstance(output, Embeddings) and output.data else []
    _read_answer(output, len(rows), "some rows")
    return rows


def _read_answer(output: Any, count: int, place: str) -> _Answer:
    """Return the vectors of an answer as float32. Raises `APIResponseValidationError` unless each text has one."""
    meta = output.meta if isinstance(output, Result) else Meta()
    if not isinstance(output, Embeddings) or not output.data:
        raise _make_answer_error("there are no vectors in it", place, meta)
    rows = [as_sequence(row) for row in as_sequence(output.data)]
    if len(rows) != count:
        raise _make_answer_error(f"{len(rows):,} vectors came for {count:,} texts", place, meta)
    lengths = {*map(len, rows)}
    if len(lengths) != 1 or 0 in lengths:
        sizes = " and ".join(map(str, sorted(lengths)))
        raise _make_answer_error(f"the vectors must have one length, got {sizes} numbers", place, meta)
    # `array("f", row)` takes longer, and makes infinity of what is too large.
    dimensions, numbers, pack = len(rows[0]), array("f"), struct.Struct(f"={len(rows[0])}f").pack
    try:
        for row in rows:
            if not isfinite(sum(row)):
                raise _make_answer_error("the vectors hold NaN or infinity", place, meta)
            numbers.frombytes(pack(*row))
    except (TypeError, OverflowError, struct.error):
        raise _make_answer_error("the vectors hold what is no number of float32", place, meta) from None
    return _Answer(numbers, dimensions, meta)


def _make_answer_error(problem: str, place: str, meta: Meta) -> APIResponseValidationError:
    request_id = f", request id {meta.request_id}" if meta.request_id else ""
    error = APIResponseValidationError(
        f"the answer for {place} cannot be used: {problem} (status {meta.status_code}{request_id}). It may have been "
        "billed, so it was not sent again",
        status_code=meta.status_code,
        request_id=meta.request_id,
        model=meta.model,
    )
    error.meta = meta
    return error


def _get_facts(error: BaseException) -> dict[str, Any]:
    """Return what an error says of its answer, for the one that it is the cause of."""
    names = ("retryable", "code", "status_code", "request_id", "retry_after")
    return {name: getattr(error, name) for name in names} if isinstance(error, CfaiError) else {}


def _check_arguments(texts: object, field: object, concurrency: object, *, takes_async: bool) -> None:
    """Raise `InputError` for what are no texts, and `ConfigurationError` for options that cannot work."""
    kind = type(texts).__name__
    has_columns = is_mapping(texts) or hasattr(texts, "columns")  # it iterates their names
    is_scalar = getattr(texts, "shape", None) == ()  # an array of numpy without a dimension
    if isinstance(texts, AsyncIterable) and not takes_async:
        raise InputError(f"`texts` must be an iterable, got {kind}, which is asynchronous: call `aembed`")
    if isinstance(texts, str | bytes) or has_columns or not isinstance(texts, Iterable | AsyncIterable) or is_scalar:
        advice = (
            ": pass its values, or one column of it"
            if has_columns
            else ": put it into a list"
            if isinstance(texts, str)
            else ""
        )
        raise InputError(f"`texts` must be a list or another iterable of strings, got {kind}{advice}")
    if field not in get_args(TextField):
        raise ConfigurationError(f"`field` must be one of {', '.join(get_args(TextField))}, got {field!r}")
    if not isinstance(concurrency, int) or isinstance(concurrency, bool) or concurrency < 1:
        raise ConfigurationError(f"`concurrency` must be a number of 1 or more, got {concurrency!r}")


def _read_column(texts: Any) -> Any:
    """Return the strings of a column of pyarrow, which iterates values of its own; anything else as it is."""
    return texts.to_pylist() if hasattr(texts, "to_pylist") else texts


def _check_inputs(inputs: Any) -> dict[str, Any]:
    """Return the inputs that each call has beside its texts. Raises `InputError` for what cannot be such."""
    if inputs is not None and not is_mapping(inputs):
        raise InputError(f"`inputs` must be a dict such as {{'pooling': 'cls'}}, got {type(inputs).__name__}")
    for name in inputs or ():
        if name in ("text", "queries", "documents", "query", "contexts", "requests", "stream"):
            raise InputError(f"`inputs` must not have {name!r}: what is embedded are `texts`. Take it out")
    return dict(inputs or {})


def _check_resume(resume: object, model: str, total: int | None) -> None:
    """Raise `ConfigurationError` for vectors to go on from that are not of these texts and this model."""
    if not isinstance(resume, Vectors):
        must = "`resume` must be the `.partial` of an EmbeddingsError"
        raise ConfigurationError(f"{must}, got {type(resume).__name__}")
    if resume.model != model:
        raise ConfigurationError(f"`resume` must be of {model}, got vectors of {resume.model}")
    if total is not None and len(resume) > total:
        raise ConfigurationError(f"`resume` must be of the same texts: it has {len(resume):,} rows, they are {total:,}")
