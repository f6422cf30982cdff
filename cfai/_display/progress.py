"""Show how far long work is: a line with a bar, the rate, the cost and the failures. A terminal's is that of rich."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Any, Self

from cfai._display.facts import format_facts
from cfai._display.html import escape_text
from cfai._display.shell import open_display, shows_pages

_QUIET_SECONDS = 2.0
"""Work that takes no longer is over before a bar says anything."""
_INTERVAL = 0.1
"""Seconds between two looks at a bar in a notebook."""


class Progress:
    """A line that tells how far a piece of work is: on standard error, or in a notebook. It is entered with `with`.

    - `total`: how many items there are, or `None` if nobody knows.
    - `shown`: `None` shows it in a terminal or a notebook once the work has taken two seconds; `True` at once and
      anywhere; `False` never. Outside of a notebook nothing is shown without rich.
    """

    def __init__(self, description: str, total: int | None = None, *, shown: bool | None = None) -> None:
        self._description = description
        self._total = total
        self._shown = shown
        self._started = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, *, failed: int = 0, skipped: int = 0, cost: float | None = None) -> None:
        """Tell how many items are done in all, and what they cost in US dollars so far.

        Of those that are done, so many `failed`, and so many were done before and `skipped`: the rate is without these.
        """
        bar = self._bar or self._start()
        if bar is None:
            return
        rate = (done - skipped) / max(time.monotonic() - self._started, 1e-6)
        facts = [f"{rate:,.1f}/s"]
        if cost is not None:
            facts.append(format_facts(None, None, cost, 0.0))
        if failed:
            facts.append(f"{failed:,} failed")
        bar.update(self._task, completed=done, facts=" · ".join(facts))

    def _start(self) -> Any:
        """Show the bar, if it is time and anybody can see it, and return it; else return `None`."""
        if self._shown is False or (self._shown is None and time.monotonic() - self._started < _QUIET_SECONDS):
            return None
        if shows_pages():
            self._bar = _PageBar(self._description, self._total)
            return self._bar
        with suppress(ModuleNotFoundError):
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            console = Console(file=sys.stderr)
            if self._shown or console.is_terminal:
                columns = (
                    TextColumn("{task.description}"),
                    BarColumn(),
                    MofNCompleteColumn(),
                    TextColumn("{task.fields[facts]}"),
                    TimeRemainingColumn(),
                )
                # In one terminal, what the program prints goes above the bar, on standard error. Output that goes to a
                # file or a pipe must get there.
                is_terminal = sys.stderr.isatty()
                self._bar = RichProgress(
                    *columns,
                    console=console,
                    redirect_stdout=is_terminal and sys.stdout is not None and sys.stdout.isatty(),
                    redirect_stderr=is_terminal,
                )
                self._task = self._bar.add_task(self._description, total=self._total, facts="")
                self._bar.start()
                return self._bar
        self._shown = False
        return None


class _PageBar:
    """A bar in a notebook, with the methods of rich's: that one needs ipywidgets there."""

    def __init__(self, description: str, total: int | None) -> None:
        self._description = description
        self._total = total
        self._next = 0.0
        self._line = self._text = ""
        self._handle: Any = None

    def update(self, _: Any, *, completed: int, facts: str) -> None:
        """Show the state, unless one was shown just now."""
        of_all = f"{completed:,}" if self._total is None else f"{completed:,}/{self._total:,}"
        bar = "" if self._total is None else f'<progress value="{completed}" max="{self._total}"></progress> '
        self._line = f"<div>{escape_text(self._description)} {bar}{of_all} · {escape_text(facts)}</div>"
        self._text = f"{self._description} {of_all} · {facts}"
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _INTERVAL
            self.stop()

    def stop(self) -> None:
        """Show the last state."""
        page = {"text/html": self._line, "text/plain": self._text}
        if self._handle is None:
            self._handle = open_display(page)
        else:
            self._handle.update(page, raw=True)
