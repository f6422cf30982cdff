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
_FORGETTING = 2 * _WINDOW
"""Seconds in which nothing was sent, after which refusals are in a row no more."""


def compute_hold(refusals: int, retry_after: float | None) -> float | None:
    """Return the seconds that all wait after so many refusals in a row; `None` if waiting is of no use.

    >>> [compute_hold(refusals, None) for refusals in (1, 2, 3, 6, 20)], compute_hold(1, 7.0), compute_hold(1, 3600.0)
    ([2.0, 4.0, 8.0, 60.0, None], 7.0, None)
    """
    if refusals >= _MAX_REFUSALS or (retry_after or 0.0) > _LONGEST_RETRY_AFTER:
        return None
    growing = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (refusals - 1))
    return growing if retry_after is None else max(retry_after, growing if refusals > 1 else 0.0)


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
        self.refusals = 0
        """How many there were. A job remembers it when it begins: only those behind it are its own."""
        self._forgotten = 0
        """How many of these count no more, since an answer came behind them."""
        self._resumed: dict[str, float] = {}
        """The last turn that was taken over, by where it stood."""

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

    def hold(self, turn: float, retry_after: float | None, now: float, *, before: int = 0) -> bool:
        """Let all requests wait, since the one of this turn was refused. Return False if waiting is of no use.

        Requests that were under way together are refused together, which counts once. Those `before` its job began are
        none of its own.
        """
        with self._lock:
            is_new = turn >= self._held_until
            if is_new:
                if turn - self._held_until > _FORGETTING:
                    self._forgotten = self.refusals
                self.refusals += 1
            if compute_hold(self.refusals - max(self._forgotten, before), retry_after) is None:
                return False  # another job may try
            in_row = min(self.refusals - self._forgotten, _MAX_REFUSALS - 1)
            pause = compute_hold(in_row, retry_after) if is_new else retry_after
            self._held_until = max(self._held_until, now + (pause or 0.0))
            return True

    def accept(self, turn: float) -> None:
        """Forget the refusals, since the request of this turn was not refused."""
        with self._lock:
            if turn >= self._held_until:
                self._forgotten = self.refusals

    def resume(self, turns: list[float], source: str) -> None:
        """Take over turns of the last minute that another process was given. Those given here are known.

        So are those that were taken over from this source before.
        """
        with self._lock:
            known = self._resumed.get(source, -inf)
            new = [turn for turn in turns if known + _CLOCK_ERROR < turn < self._first - _CLOCK_ERROR]
            self._turns = sorted([*self._turns, *new])
            self._resumed[source] = max([known, *turns])


_paces: WeakKeyDictionary[Any, dict[tuple[str, float], Pace]] = WeakKeyDictionary()
"""The paces of each client and its copies: their jobs share that of a model."""
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
    owner = getattr(runner, "_pool", runner)  # copies of an `Ai` have the pool of its connections in common
    with _paces_lock:
        try:
            return _paces.setdefault(owner, {}).setdefault((name, per_minute), Pace(per_minute))
        except TypeError:  # a runner that cannot be hashed, or referred to weakly
            return Pace(per_minute)
