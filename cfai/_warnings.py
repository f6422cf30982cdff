"""Warnings, told at the caller's line rather than at ours."""

from __future__ import annotations

import sys
import warnings
from typing import Any, NamedTuple


class CutAnswerWarning(UserWarning):
    """An answer stopped at the service's default of `max_tokens`, not where the model would have."""


class LimitWarning(UserWarning):
    """The inputs are over a limit, or likely to be, and were sent all the same."""


class RetiredModelWarning(FutureWarning):
    """The model was retired. Shown by default wherever it is raised, which a `DeprecationWarning` is not."""


_NOT_THE_CALLER = frozenset({"cfai", "anyio", "asyncio", "trio"})


class Site(NamedTuple):
    """The line of the caller, for a warning that comes later."""

    file: str
    line: int
    module: str
    registry: dict[Any, Any]
    told: set[tuple[Any, ...]]
    """What an `Ai` and its copies have warned of already, whichever filter is set."""

    def warn(self, message: str, category: type[Warning], about: str, *, everywhere: bool = False) -> None:
        """Warns once of a model, at this line or `everywhere`."""
        key = (category, about) if everywhere else (category, about, self.file, self.line)
        if key not in self.told:
            warnings.warn_explicit(message, category, self.file, self.line, self.module, self.registry)
            self.told.add(key)  # where it is an error, the next call is stopped as well


def call_site(told: set[tuple[Any, ...]]) -> Site:
    """The nearest frame outside this package; for a task, the one that runs its loop."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # what warnings itself uses
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _NOT_THE_CALLER:
        frame = frame.f_back
    names = frame.f_globals
    registry = names.setdefault("__warningregistry__", {})
    return Site(frame.f_code.co_filename, frame.f_lineno, str(names.get("__name__")), registry, told)
