"""The results of a job: rows, and a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from cfai._errors import CfaiError
from cfai._repr import short_repr

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """One input of a job, with its answer or its error."""

    __repr__ = short_repr

    index: int
    """The place of the input among all inputs, from 0."""

    inputs: Any = field(repr=False)
    """The input."""

    output: T = None  # type: ignore[assignment]  # that of a row with an error is not to be looked at
    """What `run` gives for the input: with `output_type` the validated object. `None` if there is an error."""

    error: CfaiError | None = None
    """The error that was final: the job's own retries are over. `None` if there is an output."""

    answer: Any = field(default=None, repr=False)
    """The whole answer, with `.meta` and its usage. Without `output_type` it is the output."""

    attempts: int = 1
    """How many requests were sent for the input: 0 if it was refused before sending, or is from the journal."""

    from_journal: bool = False
    """True if the journal had the answer, and nothing was sent."""

    @property
    def ok(self) -> bool:
        """Return True if there is an output."""
        return self.error is None


@dataclass(slots=True)
class JobReport:
    """The work of a job so far. Tokens, neurons, cost and seconds are those of this run of it."""

    __repr__ = short_repr

    done: int = 0
    """Inputs with an answer, those from the journal included."""

    skipped: int = 0
    """Of these, the ones from the journal: they were not sent again."""

    failures: dict[str, int] = field(default_factory=dict[str, int])
    """Inputs with a final error, by its class and code."""

    retried: int = 0
    """Requests that were sent again."""

    prompt_tokens: int = 0
    """Tokens of the inputs, as far as the service said."""

    completion_tokens: int = 0
    """Tokens of the answers, reasoning included, as far as the service said."""

    neurons: float = 0.0
    """The service's own charges, of the calls where it told one."""

    cost: float = 0.0
    """US dollars: by the service's own figure, else by the catalogue's prices. With `max_cost`, a call whose cost is
    not known counts with what it may have cost."""

    journal_cost: float = 0.0
    """US dollars that the rows in the journal had cost before this run."""

    seconds: float = 0.0
    """Seconds since the first row was asked for; at the end, to the last row."""

    stopped: str | None = None
    """Why inputs are left: `max_cost`, or the error that stopped the job. `None` if none is known to be left."""

    @property
    def failed(self) -> int:
        """Return how many inputs have a final error."""
        return sum(self.failures.values())

    @property
    def rate(self) -> float:
        """Return the inputs a second that were sent and have ended."""
        return (self.done - self.skipped + self.failed) / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        """Return the report as lines of text."""
        skipped = f" ({self.skipped:,} of them from the journal)" if self.skipped else ""
        lines = [f"done       {self.done:,}{skipped}"]
        lines.append(f"failed     {self.failed:,}")
        lines += [f"           {count:,} {cause}" for cause, count in sorted(self.failures.items())]
        lines.append(f"retried    {self.retried:,}")
        lines.append(f"tokens     {self.prompt_tokens:,} in, {self.completion_tokens:,} out")
        before = f" (and ${self.journal_cost:.4f} before, by the journal)" if self.journal_cost else ""
        told = f", {self.neurons:,.1f} neurons" if self.neurons else ""
        lines.append(f"cost       ${self.cost:.4f}{told}{before}")
        lines.append(f"time       {self.seconds:,.1f} s, {self.rate:,.1f} a second")
        if self.stopped:
            lines.append(f"stopped    {self.stopped}")
        return "\n".join(lines)


def describe_cause(error: CfaiError) -> str:
    """Return the class and the code of an error.

    >>> describe_cause(CfaiError("x", code=3040))
    'CfaiError 3040'
    """
    code = error.code if error.code is not None else error.status_code
    return type(error).__name__ + (f" {code}" if code is not None else "")
