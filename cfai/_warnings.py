"""Warnings, shown at the caller's line rather than at ours, once for each by the `warnings` registry."""

from __future__ import annotations

import sys
import warnings

from cfai._escape import escape_controls


class BudgetWarning(UserWarning):
    """A job of `run_many` stopped before its `max_cost` was passed: inputs are left."""


class CutAnswerWarning(UserWarning):
    """An answer stopped at the service's default of `max_tokens`, or has no text since reasoning used these up."""


class InputWarning(UserWarning):
    """An input is wrong for its model, or likely to be ignored, and was sent all the same."""


class LimitWarning(UserWarning):
    """The inputs are over a limit, or likely to be, and were sent all the same; a `Chat` without its oldest turns."""


class RetiredModelWarning(FutureWarning):
    """The model was retired. Shown by default wherever it is raised, which a `DeprecationWarning` is not."""


class UnstoppedStreamWarning(UserWarning):
    """A stream was left, or may be, without its model being stopped: it writes on, and is paid for."""


# Tracebacks and pickles show the names by which these are imported.
for _public in [each for each in vars().values() if isinstance(each, type) and issubclass(each, Warning)]:
    _public.__module__ = "cfai"

_INTERNAL = frozenset({"cfai", "anyio", "asyncio", "trio"})
"""Packages whose frames are nobody's own code."""


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the nearest line outside this package; in a task of its own, at the line that runs its loop."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # what `warnings` itself uses
    level = 2
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _INTERNAL:
        frame = frame.f_back
        level += 1
    warnings.warn(escape_controls(message), category, stacklevel=level)
