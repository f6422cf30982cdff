"""Ray Data: embeddings and answers for any number of rows, by many workers, at one rate that the cluster shares."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from operator import attrgetter
from typing import Any

from cfai import Ai, CfaiError, ConfigurationError, Retry, models
from cfai._client_options import CallOptions
from cfai._credentials import Secret
from cfai._lazy import explain_missing
from cfai._pacing import compute_hold, exceeds_rate
from cfai._response import concerns_all_calls
from cfai._transport import compute_retry_pause
from cfai.embeddings import concerns_inputs, read_rows
from cfai.models.schemas import get_schema

with explain_missing("cfai.integrations.ray", extra="ray"):
    pyarrow, ray = import_module("pyarrow"), import_module("ray")
__all__ = ["embed", "run"]

_RETRY = Retry(max_retries=8, base=1.0, cap=60.0)  # for some three minutes: nobody waits for a single row
_ACTOR = {"namespace": "cfai", "lifetime": "detached", "max_restarts": -1, "max_task_retries": -1, "num_cpus": 0}
_STAGE = {"batch_size": None, "batch_format": "pyarrow", "num_cpus": 0.25, "udf_modifying_row_count": False}
_OPTIONS = frozenset(CallOptions.__annotations__) - {"max_retries"}
Steps = tuple[Callable[[Any], Any], Callable[[Any], Any]]  # rows to inputs, and an output to a value for each row


class Rate:
    """An actor that says when the next request may go: evenly, and not for a while after one too many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._next = clock, 0.0

    def reserve(self, requests_per_minute: float, hold: float = 0.0) -> float:
        """Take the next time that is free, in `hold` seconds at the soonest, and return the seconds until then."""
        now = self._clock()
        start = max(self._next, now + hold)
        self._next = start + 61.0 / requests_per_minute  # one more: requests are not equally long on their way
        return start - now


class Worker:
    """An actor of `map_batches`, with a client and threads of its own. It adds columns to tables of pyarrow."""

    def __init__(self, make_ai: Any, threads: int, rate: Any, column: Any, size: int, steps: Steps, run: Any) -> None:
        self._ai, self._threads, (self._rate, self._pace) = make_ai(), ThreadPoolExecutor(threads), rate
        self._column, self._size, (self._make_inputs, self._read), self._options = column, size, steps, run.value
        value = ("embedding", pyarrow.list_(pyarrow.float32())) if column else ("answer", pyarrow.string())
        self._added = value, ("cost", pyarrow.float64()), ("error", pyarrow.string())

    def __call__(self, table: Any) -> Any:
        if taken := {name for name, _ in self._added}.intersection(table.column_names):
            raise ConfigurationError(f"the dataset has a column `{min(taken)}` already: drop it, or rename it")
        rows = (table[self._column] if self._column else table).to_pylist()
        full = [row for row in rows if row]
        requests = [full[start : start + self._size] for start in range(0, len(full), self._size)]
        answers = iter([answer for answered in self._threads.map(self._answer, requests) for answer in answered])
        added = [next(answers) if row else (None, None, "InputError: there is no text") for row in rows]
        for (name, kind), values in zip(self._added, zip(*added, strict=True), strict=True):
            table = table.append_column(name, pyarrow.array(values, kind))
        return table

    def _answer(self, rows: list[Any]) -> list[tuple[Any, float | None, str | None]]:
        """Return what to add to the rows of one request: a value, its cost, an error."""
        cost = None
        try:
            output = self._run(self._make_inputs(rows))
            cost = None if output.meta.cost is None else output.meta.cost / len(rows)
            return [(value, cost, None) for value, _ in zip(self._read(output), rows, strict=True)]
        except Exception as error:  # of the caller's functions too: one odd row in a million is not to end the job
            if concerns_all_calls(error) or exceeds_rate(error) or isinstance(error, ray.exceptions.RayError):
                raise
            if len(rows) > 1 and concerns_inputs(error):
                return self._answer(rows[: len(rows) // 2]) + self._answer(rows[len(rows) // 2 :])
            if isinstance(error, CfaiError) and error.meta and error.meta.cost is not None:
                cost = error.meta.cost / len(rows)  # it cannot be read, and was billed
            return [(None, cost, f"{type(error).__name__}: {error}")] * len(rows)

    def _run(self, inputs: Any) -> Any:
        """Run the model. Every request waits for its time, also one that is sent again."""
        attempts, refusals, hold = 0, 0, 0.0
        while True:
            time.sleep(ray.get(self._rate.reserve.remote(self._pace, hold)))
            try:
                return self._ai.run(inputs=inputs, max_retries=0, **self._options)
            except CfaiError as error:
                if exceeds_rate(error):  # it was not run, and all have to wait
                    hold = compute_hold(refusals := refusals + 1, error.retry_after)
                    pause = None if hold is None else 0.0
                else:
                    pause, hold = compute_retry_pause(_RETRY, attempts := attempts + 1, error), 0.0
                if pause is None:
                    raise
            time.sleep(pause)


def embed(dataset: Any, model: str, column: str, *, inputs: Mapping[str, Any] | None = None, **options: Any) -> Any:
    """Add the columns `embedding` (a list of float32), `cost` (US dollars) and `error`, for the texts in a column.

    `inputs` are what goes beside the texts, such as `{"pooling": "cls"}`. All else is as in `run`.
    """
    entry, schema = models.get(model), get_schema(model)
    if entry is not None and entry.task != "Text Embeddings":
        raise ConfigurationError(f"`model` must be one that embeds texts, got {model} ({entry.task})")
    size = schema.parameters["text"].rules.get("maxItems", 100) if schema else 100
    steps: Steps = lambda texts: {**(inputs or {}), "text": texts}, read_rows
    return _map(dataset, model, column, size, steps, _OPTIONS, **options)


def run(dataset: Any, model: str, make_inputs: Any, *, read: Any = attrgetter("text"), **options: Any) -> Any:
    """Add the columns `answer` (a string), `cost` (US dollars) and `error`: one call a row.

    - `make_inputs`: makes the inputs of `Ai.run` from a row, such as `lambda row: {"prompt": row["question"]}`.
    - `read`: makes the string from an output. By default its `text`.
    - `workers` (2), `concurrency` (16): how many processes, and how many requests at a time each has;
      `requests_per_minute`: of all together, by default the catalogue's for this model.
    - `make_ai`: makes a worker's client, in the worker. By default `Ai`, with the credentials of its environment.
    - The other `options` are those of `Ai.run_many`, but for `max_retries`.

    A row that failed, after retries, has an `error`, and a cost if it was answered. What all rows would meet ends the
    job: credentials, account, model, quota; twenty refusals, or one for ten minutes. Raises `ConfigurationError`.
    """
    steps: Steps = lambda rows: make_inputs(rows[0]), lambda output: [str(read(output))]
    return _map(dataset, model, None, 1, steps, _OPTIONS | {"fallback", "output_type", "output_retries"}, **options)


def _map(dataset: Any, model: str, column: Any, size: int, steps: Steps, known: Any, **options: Any) -> Any:
    workers, concurrency = options.pop("workers", 2), options.pop("concurrency", 16)
    make_ai, entry = options.pop("make_ai", Ai), models.get(model) or models.Model(model, "")
    pace = options.pop("requests_per_minute", None) or entry.requests_per_minute or 0
    if unknown := options.keys() - known:
        raise TypeError(f"got an unexpected keyword argument {min(unknown)!r}: {', '.join(sorted(known))} are options")
    if pace <= 0:
        raise ConfigurationError(f"`requests_per_minute` must be a positive number for {model}, got {pace}")
    if not callable(make_ai):
        raise ConfigurationError("`make_ai` must be a function that returns an Ai: an Ai would take its token along")
    # The service counts all models of a task together, but for those that have a rate of their own.
    name = (entry.requests_per_minute == models.Model("", entry.task).requests_per_minute and entry.task) or model
    rate = ray.remote(Rate).options(name=name, get_if_exists=True, **_ACTOR).remote()
    worker = {"make_ai": make_ai, "threads": concurrency, "rate": (rate, pace), "column": column, "size": size}
    worker |= {"steps": steps, "run": Secret({**options, "model": model})}
    stage = {**_STAGE, "compute": ray.data.ActorPoolStrategy(size=workers), "fn_constructor_kwargs": worker}
    # A block is what a worker has in hand, and loses when it dies: four requests for each of its threads.
    return dataset.repartition(target_num_rows_per_block=4 * concurrency * size).map_batches(Worker, **stage)
