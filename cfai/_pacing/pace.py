"""Keep to a number of requests a minute. Nothing here waits: the time is an argument."""

from __future__ import annotations

import threading
from bisect import bisect_right, insort
from math import inf, isfinite
from typing import Any
from weakref import WeakKeyDictionary

from cfai._credentials import describe
from cfai._errors import ConfigurationError
from cfai.models import Model

_WINDOW = 61.0
"""Seconds. Requests are not equally long on their way: a second more than a minute lets none of them come too early."""

_MAX_DELAY = 0.5
"""Seconds after which a turn is over: a machine that was asleep is not to send at once all whose turn it was."""

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0
"""Seconds that all wait after a refusal: each time in a row twice as long. `Retry-After` says it of the first; of those
in a row with it only if it is longer."""

_CLOCK_ERROR = 1.0
"""Seconds by which two clocks may differ on when a request was sent."""
_LONGEST_RETRY_AFTER = 600.0
_MAX_REFUSALS = 20
"""Refusals in a row, with no answer between: a quarter of an hour."""


class Pace:
    """The turns of requests: at most `per_minute` in any minute, evenly, but for a tenth that may go at once.

    One lock guards it, so that threads and tasks of an event loop use it alike.

    >>> pace = Pace(20)
    >>> [round(pace.reserve(0.0), 2) for _ in range(4)]
    [0.0, 0.0, 3.05, 6.1]
    """

    def __init__(self, per_minute: float = inf) -> None:
        self._lock = threading.Lock()
        self._most = int(per_minute) if isfinite(per_minute) else 0
        self._turns: list[float] = []
        """The turns that were given, of the last minute and to come, oldest first."""
        self._first = inf
        """The first turn that was given."""
        self._spacing = _WINDOW / per_minute
        self._at_once = max(0.0, per_minute // 10 - 1) * self._spacing if isfinite(per_minute) else 0.0
        self._even = -inf
        """When the next request would be sent if all were sent evenly."""
        self._held_until = -inf
        self._refusals = 0

    def reserve(self, now: float) -> float:
        """Return when a request may be sent, and give that turn away."""
        with self._lock:
            turn = max(now, self._even - self._at_once, self._held_until)
            if self._most:
                del self._turns[: bisect_right(self._turns, now - _WINDOW)]
                if len(self._turns) >= self._most:
                    turn = max(turn, self._turns[-self._most] + _WINDOW)
                insort(self._turns, turn)
            self._even = max(self._even, turn) + self._spacing
            self._first = min(self._first, turn)
            return turn

    def release(self, turn: float) -> None:
        """Take back a turn at which nothing was sent, since its job was stopped before."""
        with self._lock:
            if turn in self._turns:
                self._turns.remove(turn)
                self._even -= self._spacing

    def is_current(self, turn: float, now: float) -> bool:
        """Return True if a turn that has come is still good; if not, another one has to be reserved."""
        return turn >= self._held_until and now - turn < _MAX_DELAY

    def hold(self, turn: float, retry_after: float | None, now: float) -> bool:
        """Let all requests wait, since the one of this turn was refused. Return False if waiting is of no use.

        Requests that were under way together are refused together, which counts once.
        """
        with self._lock:
            pause = retry_after or 0.0
            if turn >= self._held_until:
                self._refusals += 1
                if self._refusals > 1 or retry_after is None:
                    pause = max(pause, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (self._refusals - 1)))
            is_of_use = self._refusals < _MAX_REFUSALS and (retry_after or 0.0) <= _LONGEST_RETRY_AFTER
            if is_of_use:  # if not, another job may try
                self._held_until = max(self._held_until, now + pause)
            return is_of_use

    def accept(self, turn: float) -> None:
        """Forget the refusals, since the request of this turn was not refused."""
        with self._lock:
            if turn >= self._held_until:
                self._refusals = 0

    def resume(self, turns: list[float]) -> None:
        """Take over turns of the last minute that another process was given. Those given here are known."""
        with self._lock:
            self._turns = sorted([*self._turns, *(turn for turn in turns if turn < self._first - _CLOCK_ERROR)])

    def begin(self) -> None:
        """Forget the refusals that another job met."""
        with self._lock:
            self._refusals = 0


_paces: WeakKeyDictionary[Any, dict[tuple[str, float], Pace]] = WeakKeyDictionary()
"""The paces of each client: its jobs share that of a model."""
_paces_lock = threading.Lock()


def make_pace(runner: Any, name: str, model: Model | None, requests_per_minute: float | None) -> Pace:
    """Return the pace of a model, or the one given, which all jobs of a runner share.

    Raises `ConfigurationError` for what is none.
    """
    given: Any = requests_per_minute
    if given is not None and (not isinstance(given, int | float) or isinstance(given, bool) or not given >= 1):
        must_be = "`requests_per_minute` must be 1 or more, or math.inf for no pacing"
        raise ConfigurationError(f"{must_be}, got {describe(given)}")
    per_minute = float(given or (model and model.requests_per_minute) or inf)
    with _paces_lock:
        try:
            pace = _paces.setdefault(runner, {}).setdefault((name, per_minute), Pace(per_minute))
        except TypeError:  # a runner that cannot be hashed, or referred to weakly
            pace = Pace(per_minute)
    pace.begin()
    return pace
