"""Batches: many requests for one model, handed in at once and answered when the service has room.

`Batch` and `AsyncBatch` wait and read the same; what they wait for is decided by `_BatchState` and the functions below.
Source: https://developers.cloudflare.com/workers-ai/features/batch-api/.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Generic, TypeVar, cast

import anyio

from cfai import models, types
from cfai._config import ClientConfig, check_seconds
from cfai._credentials import describe
from cfai._display import Progress
from cfai._errors import (
    AiInternalError,
    APIConnectionError,
    APIResponseValidationError,
    BatchTimeoutError,
    CfaiError,
    ConfigurationError,
    InferenceUpstreamError,
    InputError,
    QuotaExceededError,
    RateLimitError,
)
from cfai._json import as_sequence, is_mapping
from cfai._repr import join_fields
from cfai._request import PreparedCall, RunOptions, prepare
from cfai._resources.api import encode_json
from cfai._response import body_reports_error, build_error, parse_result, unwrap
from cfai._threads import run_in_thread
from cfai.types import BatchItem, Meta

T = TypeVar("T")

MAX_PAYLOAD = 10_000_000
"""Bytes: a payload has to be "under 10 MB"."""

_ALSO_QUEUED = ("@cf/baai/bge-m3", "@cf/meta/m2m100-1.2b")
"""Models without `async_queue` in the listing whose batches are documented."""
_NEVER_JSON = "@cf/deepgram/nova-3"
"""A model with `async_queue` whose sounds are the whole body of a call, and so no part of a batch."""

_MUST_BE = "a list of inputs, such as [{'prompt': '...'}]"

_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 1.0, 1.5, 30.0
"""Seconds between two polls at first and at most. Each pause is so many times as long as the one before."""
_LONGEST_RETRY_AFTER = 600.0
"""Seconds: a poll takes little, and the service may have meant something else by a day."""
_LAST_LOOK = 1.0
"""Seconds that a poll may take at least, however little of the timeout is left."""
_MOST_FAILURES = 20
"""Polls in a row that may fail before a wait gives up: some ten minutes."""
_MOST_MISSING = 1_000
"""Answers that may be missing where nobody knows how many there are: a larger id is none."""
_WAITING = frozenset({"queued", "running"})
"""Statuses after which more will come."""
_ENDED = frozenset({"failed", "failure", "error", "errored", "cancelled", "canceled", "expired", "completed", "done"})
"""Statuses after which nothing comes any more. UNCERTAIN: a batch that is done has no status, and documented are
`queued` and `running`, so that every other word is waited for."""


@dataclass(slots=True, eq=False)
class _Part:
    """A part of a batch: the requests that one payload handed in."""

    id: str
    poll: PreparedCall = field(repr=False)
    """Asks after it."""
    size: int | None = None
    """How many requests it has; `None` for one of which no more than the id is known."""
    references: Sequence[str | None] = ()
    """The `external_reference` of each request, if they are known."""
    status: str = "unknown"
    """What the service said last."""
    failures: int = 0
    """How many polls in a row have failed."""
    items: Sequence[BatchItem[Any]] | None = None
    """The answers and errors of the requests in their order, with indices of this part alone, and then those answers
    that cannot be told whose they are. `None` until it is done."""
    meta: Meta | None = None
    """The facts of the answer with the results."""


# Handing in


def list_requests(requests: Any) -> list[Any]:
    """Return the requests of a batch as a list. Raises `InputError` for what is none."""
    if isinstance(requests, str | bytes) or is_mapping(requests) or not isinstance(requests, Iterable):
        raise InputError(f"`requests` must be {_MUST_BE}, got {type(requests).__name__}")
    return list(cast("Iterable[Any]", requests))


def prepare_parts(call: PreparedCall) -> list[PreparedCall]:
    """Return the calls that hand a batch in: `call`, which has all of it, or several if it is too large for a payload.

    Raises `InputError` for what cannot be part of a batch, and for a model that takes none.
    """
    requests = as_sequence(call.inputs["requests"])
    _check_requests(call, requests)
    body = cast("bytes", call.body)  # of JSON always
    if len(body) < MAX_PAYLOAD:
        return [call]
    config = call.config.with_overrides(checks="off")  # it was checked, and warned of
    parts = [
        prepare(config, call.model, {**call.inputs, "requests": part}, replace(call.options, tags=()))
        for part in split_requests(requests, len(body))
    ]
    # The URL stays: tags that can be iterated only once are in it already.
    return [replace(part, url=call.url, warnings=() if number else call.warnings) for number, part in enumerate(parts)]


def _check_requests(call: PreparedCall, requests: Sequence[Any]) -> None:
    if call.config.limit_policy.mode != "off":
        _check_model(call.model)
    if not requests:
        got = "an empty list" if call.inputs["requests"] == [] else describe(call.inputs["requests"])
        raise InputError(f"`requests` must be {_MUST_BE}, got {got}")
    if call.inputs.get("stream"):
        raise InputError("a batch has no streams: leave out 'stream'")
    for index, request in enumerate(requests):
        if not is_mapping(request):
            raise InputError(f"requests[{index}] must be a dict such as {{'prompt': '...'}}, got {describe(request)}")
        if request.get("stream"):
            raise InputError(f"requests[{index}]: a batch has no streams: leave out 'stream'")
        reference = request.get("external_reference")
        if not isinstance(reference, str | None):
            must_be = f"requests[{index}]['external_reference'] must be a string"
            raise InputError(f"{must_be}, got {describe(reference)}: it comes back as it is")


def takes_batches(model: models.Model) -> bool:
    """Return True for a model whose requests can be queued."""
    return "async_queue" in model.capabilities or model.name in _ALSO_QUEUED


def _is_partial(rows: Sequence[Any], status: Any, size: int | None) -> bool:
    """Return True for answers to which more will come: a batch that waits may show those so far, or an empty list."""
    is_waiting = isinstance(status, str) and status.lower() in _WAITING
    return is_waiting and (size is None or len(rows) < size)


def _check_model(model: str) -> None:
    entry = models.catalogue().get(model)
    if entry is None or takes_batches(entry):
        return
    others = [each for each in models.list(capability="async_queue", live=True) if each.name != _NEVER_JSON]
    names = [each.name for each in others if each.task == entry.task] or [each.name for each in others][:3]
    raise InputError(f"{model} takes no batch: choose a model with `async_queue`, such as {', '.join(names)}")


def split_requests(requests: Sequence[Any], total: int) -> list[list[Any]]:
    """Return the requests, whose payload has `total` bytes, in lists that are small enough for one each.

    Raises `InputError` for a request that is too large by itself.

    >>> [len(part) for part in split_requests([{"text": "x" * 4_000_000}] * 5, 20_000_070)]
    [2, 2, 1]
    """
    lengths = [1 + len(encode_json(request)) for request in requests]
    around = total - sum(lengths)
    parts: list[list[Any]] = [[]]
    size = around
    for index, (request, length) in enumerate(zip(requests, lengths, strict=True)):
        if around + length >= MAX_PAYLOAD:
            must_be = f"requests[{index}] must have less than {MAX_PAYLOAD - around:,} bytes as JSON"
            raise InputError(f"{must_be}, got {length:,}: call `run` for it")
        if size + length >= MAX_PAYLOAD:
            parts.append([])
            size = around
        parts[-1].append(request)
        size += length
    return parts


def read_handed_in(call: PreparedCall, output: Any) -> _Part:
    """Return what was handed in, by its answer. Raises `APIResponseValidationError` for one without an id."""
    id = output.get("request_id") if isinstance(output, types.Output) else None
    if not id or not isinstance(id, str | int):
        raise _make_unreadable_error("a batch was handed in, and the answer has no request_id", output, call.model)
    requests = as_sequence(call.inputs["requests"])
    references = [request.get("external_reference") for request in requests]
    poll = prepare_poll(call.config, call.model, str(id), call.options)
    status = output.get("status")
    return _Part(str(id), poll, len(requests), references, status if isinstance(status, str) else "queued")


def prepare_poll(config: ClientConfig, model: str, id: str, options: RunOptions) -> PreparedCall:
    """Return the call that asks after what was handed in.

    With `?queueRequest=true`, as the documentation of the REST API has it. The binding leaves it out.
    """
    poll_options = replace(options, queue_request=True, tags=(), reject_if_busy=False)
    return replace(prepare(config, model, {"request_id": id}, poll_options), warnings=())


def connect(config: ClientConfig, model: str, request_id: str, options: RunOptions, requests: Any = ()) -> list[_Part]:
    """Return what was handed in before, by the `request_id` of a `Batch`. Raises `ConfigurationError` for what is none.

    It is the service's own id, or of several payloads `id:size,id:size`. There are no `requests` beside it.
    """
    if requests != ():
        raise ConfigurationError("`request_id` is of a batch that was handed in: leave out `requests`, or it")
    if not isinstance(request_id, str) or not request_id.strip(" ,"):  # pyright: ignore[reportUnnecessaryIsInstance]
        must_be = "`request_id` must be that of a Batch, a string"
        raise ConfigurationError(f"{must_be}, got {describe(request_id)}")
    if "," not in request_id:
        request_id = request_id.strip()  # a file has a line's end behind it
        return [_Part(request_id, prepare_poll(config, model, request_id, options))]
    parts: list[_Part] = []
    for each in request_id.split(","):
        id, _, text = each.strip().rpartition(":")
        size = _read_number(text)
        if not id or size is None:
            must_be = "`request_id` must be that of a Batch, each of several ids with ':' and a number"
            raise ConfigurationError(f"{must_be}, got {each.strip()[:80]!r} among them: pass it as it was kept")
        parts.append(_Part(id, prepare_poll(config, model, id, options), size))
    return parts


def note_handed_in(error: BaseException, parts: Sequence[_Part]) -> None:
    """Note on an error which part of a batch was handed in before it, so that it is not lost."""
    if parts:
        count = sum(part.size or 0 for part in parts)
        error.add_note(f"Handed in before it: the first {count:,} of the requests, which {_describe_call(parts)} has.")
        if isinstance(error, CfaiError):
            error.batch_id = _join_ids(parts)


def _describe_call(parts: Sequence[_Part]) -> str:
    """Return the call that finds what was handed in again."""
    return f"ai.batch({parts[0].poll.model!r}, request_id={_join_ids(parts)!r})"


def _join_ids(parts: Sequence[_Part]) -> str:
    return parts[0].id if len(parts) == 1 else ",".join(f"{part.id}:{part.size}" for part in parts)


# Results


def read_items(rows: Iterable[Any], part: _Part, meta: Meta) -> list[BatchItem[Any]]:
    """Return the answers of a part in the order of its requests, and behind them those that cannot be told whose.

    `id` is the index of a request. UNCERTAIN whether it is always there, once for each, and a number: an answer without
    it is that of the only request with its `external_reference`.
    """
    counts = Counter(part.references)
    by_reference = {each: index for index, each in enumerate(part.references) if each and counts[each] == 1}
    by_index: dict[int, list[Any]] = {}
    strays: list[Any] = []
    listed = list(rows)
    end = part.size if part.size is not None else len(listed) + _MOST_MISSING
    for row in listed:
        index = _read_index(row, by_reference)
        if index is None or index >= end:
            strays.append(row)
        else:
            by_index.setdefault(index, []).append(row)
    if len(strays) == part.size == 1 and not by_index:
        by_index, strays = {0: strays}, []  # the one answer to the one request
    size = part.size if part.size is not None else max(by_index, default=-1) + 1
    items: list[BatchItem[Any]] = []
    for index in range(size):
        found = by_index.get(index, [])
        reference = part.references[index] if part.references else None
        if found and all(row == found[0] for row in found):
            items.append(_read_row(found[0], part.poll, meta, index, reference))
        else:
            problem = f"the batch has {len(found) or 'no'} answers for the request with the id {index}"
            error = _make_unreadable_error(problem, found or strays, part.poll.model, meta)
            items.append(BatchItem(index, error=error, external_reference=reference))
    return items + [_read_row(row, part.poll, meta, None, None) for row in strays]


def _read_index(row: Any, by_reference: Mapping[str, int]) -> int | None:
    """Return the index of the request that a row answers, or `None` if it does not say."""
    if not is_mapping(row):
        return None
    id, reference = row.get("id"), row.get("external_reference")
    if id is None and isinstance(reference, str):
        return by_reference.get(reference)
    return _read_number(str(id).removesuffix(".0"))  # a number may have become one of floating point


def _read_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _read_row(row: Any, call: PreparedCall, meta: Meta, index: int | None, reference: str | None) -> BatchItem[Any]:
    """Return one answer, or the error that stands in its place.

    UNCERTAIN how a failed one is told: every form counts that an answer by itself may have. A result may have one or
    two envelopes.
    """
    result: Any = row
    if is_mapping(row):
        returned = row.get("external_reference")
        reference = returned if isinstance(returned, str) else reference
        result = {name: value for name, value in row.items() if name not in ("id", "external_reference")}
        if "result" in result and not body_reports_error(result):
            result = result["result"]  # here, since a row may have more keys than an envelope
    while not body_reports_error(result) and (inner := unwrap(result)) is not result:
        result = inner
    if body_reports_error(result):
        content = json.dumps(result).encode()
        error = build_error(meta.status_code, {}, content, model=call.model, secrets=call.secrets)
        error.retryable = False  # the batch is over; a call of its own may go well
        error.request_id = error.request_id or meta.request_id
        return BatchItem(index, error=error, external_reference=reference)
    of_item = replace(meta, usage=None, neurons=None, units=None)
    return BatchItem(index, parse_result(result, call, of_item), external_reference=reference)


def _make_unreadable_error(problem: str, body: Any, model: str, meta: Meta | None = None) -> APIResponseValidationError:
    meta = meta or (body.meta if isinstance(body, types.Result) else Meta())
    return APIResponseValidationError(
        f"{problem} (status {meta.status_code}, request id {meta.request_id}, model {model})",
        status_code=meta.status_code,
        request_id=meta.request_id,
        body=dict(cast("Any", body)) if is_mapping(body) else body,
        model=model,
    )


# Waiting


class _Wait:
    """When a wait asks next, and when it gives up."""

    def __init__(self, timeout: float | None, poll: float | None) -> None:
        check_seconds("timeout", timeout)
        check_seconds("poll", poll)
        self._timeout = timeout
        self._end = inf if timeout is None else time.monotonic() + timeout
        self._poll = poll
        self._pause = _FIRST_PAUSE
        self.retry_after = 0.0
        """Seconds that the service asks to wait before the next poll."""

    def limit(self, call: PreparedCall) -> PreparedCall:
        """Return a poll that takes no longer than what is left."""
        if self._end == inf:
            return call
        remaining = max(_LAST_LOOK, self._end - time.monotonic())
        return replace(
            call, config=call.config.with_overrides(total_timeout=min(remaining, call.config.total_timeout or inf))
        )

    def find_pause(self, batch: _BatchState[Any]) -> float:
        """Return the seconds to the next poll. Raises `BatchTimeoutError` once the timeout has passed."""
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise BatchTimeoutError(
                f"the batch was not done in {self._timeout:g} s: it goes on, and "
                f"ai.batch({batch.model!r}, request_id={batch.request_id!r}) has it again",
                batch_id=batch.request_id,
                model=batch.model,
            )
        pause = max(self._poll or self._pause, self.retry_after)
        self._pause, self.retry_after = min(self._pause * _GROWTH, _LONGEST_PAUSE), 0.0
        return min(pause, remaining)


class _BatchState(Generic[T]):
    """The state of a batch, as far as it is known."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = parts

    @property
    def model(self) -> str:
        """The model that answers."""
        return self._parts[0].poll.model

    @property
    def request_id(self) -> str:
        """The id to keep in order to find the batch again: `ai.batch(model, request_id=…)`, in another program too.

        It is the service's own id. Of a batch that was too large for one payload, it is those of all its payloads, each
        with its number of requests: `id:1200,id:800`.
        """
        return _join_ids(self._parts)

    @property
    def meta(self) -> Meta:
        """The facts of the answer with the results: usage and cost are those of the whole batch, as far as it is done.

        Before that it has the model alone.
        """
        known = [part.meta for part in self._parts if part.meta is not None]
        return types.add_up_meta(known) if known else Meta(self.model)

    def __repr__(self) -> str:
        fields = [("model", self.model), ("request_id", self.request_id), ("status", self._status)]
        return join_fields(type(self).__name__, fields)

    @property
    def _status(self) -> str:
        words = {"done" if part.items is not None else part.status for part in self._parts}
        return words.pop() if len(words) == 1 else "running"

    @property
    def _pending(self) -> list[_Part]:
        return [part for part in self._parts if part.items is None]

    @property
    def _total(self) -> int | None:
        sizes = [part.size for part in self._parts]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def _take(self, part: _Part, output: Any) -> None:
        """Take what a poll was answered with. The body tells, whatever the status: 202 is one of an interim answer."""
        rows = output.get("responses") if isinstance(output, types.Output) else None
        status = output.get("status") if isinstance(output, types.Output) else None
        if isinstance(rows, list) and not _is_partial(cast("list[Any]", rows), status, part.size):
            part.items, part.meta = read_items(cast("list[Any]", rows), part, output.meta), output.meta
        elif not isinstance(status, str):
            raise _make_unreadable_error("a batch was asked after, and no status came", output, self.model)
        elif status.lower() in _ENDED:
            raise InferenceUpstreamError(
                f"the batch ended as {status!r}, without answers (request id {output.meta.request_id})",
                name=status,
                status_code=output.meta.status_code,
                request_id=output.meta.request_id,
                body=dict(output),
                model=self.model,
            )
        else:
            part.status = status
        part.failures = 0

    def _survives(self, part: _Part, error: CfaiError, wait: _Wait) -> bool:
        """Return True if a wait goes on after an error of a poll. If not, the id is noted there."""
        part.failures += 1
        if _may_pass(error) and part.failures < _MOST_FAILURES:
            wait.retry_after = max(wait.retry_after, min(error.retry_after or 0.0, _LONGEST_RETRY_AFTER))
            return True
        error.batch_id = self.request_id
        error.add_note(f"{_describe_call(self._parts)} asks after the batch again.")
        if others := [each for each in self._parts if each is not part]:
            error.add_note(f"It came when {part.id} was asked after: {_describe_call(others)} has the other requests.")
        return False

    def _show(self, bar: Progress) -> None:
        done = [item for part in self._parts for item in part.items or ()]
        bar.update(len(done), failed=sum(not item.ok for item in done), cost=self.meta.cost)

    def _join_items(self) -> list[BatchItem[T]]:
        """Return the items of all parts, with the indices of the whole batch."""
        items: list[BatchItem[Any]] = []
        strays: list[BatchItem[Any]] = []
        start = 0
        for part in self._parts:
            for item in part.items or ():
                if item.index is None:
                    strays.append(item)
                else:
                    items.append(replace(item, index=start + item.index))
            start += part.size or 0
        return items + strays


def _may_pass(error: CfaiError) -> bool:
    """Return True if asking once more may go well: a poll changes nothing, and may be sent as often as one likes."""
    passing = isinstance(error, APIConnectionError | RateLimitError | AiInternalError) or error.retryable
    return passing and not isinstance(error, QuotaExceededError)


class Batch(_BatchState[T]):
    """Requests that were handed in together: `ai.batch` makes it.

    ```python
    batch = ai.batch(model, [{"prompt": "Where is Oslo?"}, {"prompt": "Where is Bergen?"}])
    for item in batch.wait():
        print(item.index, item.output if item.ok else item.error)
    ```

    Nothing of it has to be closed. `batch.request_id` is enough to find it again.
    """

    def __init__(self, run: Callable[[PreparedCall], Any], parts: Sequence[_Part]) -> None:
        super().__init__(parts)
        self._run = run

    def status(self) -> str:
        """Ask the service for the state: `queued`, `running` or `done`.

        It is another word if the service has one. Raises what `run` raises.
        """
        for part in self._pending:
            self._take(part, self._run(part.poll))
        return self._status

    def wait(
        self, *, timeout: float | None = None, poll: float | None = None, progress: bool | None = None
    ) -> list[BatchItem[T]]:
        """Wait for the answers: an item a request, in the order of the requests, each with its output or its error.

        - `timeout`: seconds to wait at most; `None` waits as long as it takes.
        - `poll`: seconds between two questions to the service. By default 1 at first, and then half as much again each
          time, to 30.
        - `progress`: a bar; `None` shows it for long work. In a terminal it needs rich.

        An answer that does not say whose it is stands behind the others, with the index `None`; a request without an
        answer, or with two that differ, has an `APIResponseValidationError`. A poll that fails for the connection, for
        too many requests or on the service's side is made again, up to 20 times in a row.

        Raises `BatchTimeoutError`, and `InferenceUpstreamError` for what will not pass, such as an id that the service
        does not know, with the id as its `batch_id`. No answer that came is lost by these, nor by Ctrl-C: wait again.
        """
        waiting = _Wait(timeout, poll)
        with Progress(self.model, self._total, shown=progress) as bar:
            while True:
                for part in self._pending:
                    try:
                        self._take(part, self._run(waiting.limit(part.poll)))
                    except CfaiError as error:
                        if not self._survives(part, error, waiting):
                            raise
                self._show(bar)
                if not self._pending:
                    return self._join_items()
                time.sleep(waiting.find_pause(self))


class AsyncBatch(_BatchState[T]):
    """Requests that were handed in together: `await ai.abatch(…)` makes it."""

    def __init__(self, run: Callable[[PreparedCall], Awaitable[Any]], parts: Sequence[_Part]) -> None:
        super().__init__(parts)
        self._run = run

    async def status(self) -> str:
        """Ask the service for the state: `queued`, `running` or `done`.

        It is another word if the service has one. Raises what `run` raises.
        """
        for part in self._pending:
            self._take(part, await self._run(part.poll))
        return self._status

    async def wait(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # a `BatchTimeoutError` has the id
        poll: float | None = None,
        progress: bool | None = None,
    ) -> list[BatchItem[T]]:
        """Wait for the answers: an item a request, in the order of the requests, as `Batch.wait` does.

        A wait that is cancelled loses nothing: wait again.
        """
        waiting = _Wait(timeout, poll)
        with Progress(self.model, self._total, shown=progress) as bar:
            while True:
                for part in self._pending:
                    try:
                        self._take(part, await self._run(waiting.limit(part.poll)))
                    except CfaiError as error:
                        if not self._survives(part, error, waiting):
                            raise
                self._show(bar)
                if not self._pending:
                    return self._join_items()
                await anyio.sleep(waiting.find_pause(self))


def submit(run: Callable[[PreparedCall], Any], call: PreparedCall) -> Batch[Any]:
    """Hand in the `requests` of a call. What was handed in before an error is noted on it."""
    parts: list[_Part] = []
    try:
        for each in prepare_parts(call):
            parts.append(read_handed_in(each, run(each)))
    except BaseException as error:
        note_handed_in(error, parts)
        raise
    return Batch(run, parts)


async def asubmit(run: Callable[[PreparedCall], Awaitable[Any]], call: PreparedCall) -> AsyncBatch[Any]:
    """Hand in the `requests` of a call, awaited. What was handed in before an error is noted on it."""
    parts: list[_Part] = []
    try:
        # In a thread: to write megabytes of JSON takes long.
        for each in await run_in_thread(prepare_parts, call):
            parts.append(read_handed_in(each, await run(each)))
    except BaseException as error:
        note_handed_in(error, parts)
        raise
    return AsyncBatch(run, parts)
