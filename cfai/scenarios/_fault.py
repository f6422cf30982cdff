"""Faults on demand: what can go wrong between a client and the service, spelled for Python and for a header."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, fields
from typing import Literal, Self
from urllib.parse import unquote

HEADER = "cfai-emulate"

Ending = Literal["drop", "reset", "silence", "truncate", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way for a request to go wrong. Times are seconds, `..._after` counts tokens already sent.

    In the request header `cfai-emulate` the same names are written with dashes, parted by commas, values
    percent-encoded where they hold a comma or semicolon; flags need no value. Semicolons part a sequence, of which each
    request with that header value takes the next (`ok` is no fault), starting over at its end:

        cfai-emulate: status=429,code=3040,retry-after=2
        cfai-emulate: status=503; status=503; ok

    >>> Fault.parse("status=503,retry-after=2")
    Fault(status=503, retry_after='2')
    """

    status: int | None = None
    """Answer with this HTTP status, in the envelope that the service uses for it."""

    code: int | None = None
    """Answer with this error code; alone, with the status that belongs to it. With `error_after`: the event's code."""

    message: str | None = None
    """The error's text, instead of the usual one."""

    retry_after: str | float | None = None
    """The value of a `Retry-After` header: seconds, or an HTTP date."""

    html: int | None = None
    """Answer with this status and the HTML page of a proxy."""

    hang_up: bool = False
    """Close the connection before a single byte of an answer."""

    delay: float = 0.0
    """Wait before the status line."""

    slow_first: float = 0.0
    """Wait between the headers and the first token."""

    drop_after: int | None = None
    """Close the connection inside the body."""

    reset_after: int | None = None
    """Like `drop_after`, with a TCP reset."""

    silence_after: int | None = None
    """Send nothing more and keep the connection open, until the client leaves."""

    truncate_after: int | None = None
    """End the body properly, without `[DONE]`."""

    error_after: int | None = None
    """Send an error event inside the stream, then end the body."""

    split: int | None = None
    """Write the body in pieces of this many bytes."""

    hold: bool = False
    """Keep the body open after `[DONE]`, until the client leaves."""

    whole: bool = False
    """Answer `stream: true` with the whole answer as JSON."""

    empty: bool = False
    """Answer with status 200 and an empty result."""

    def __post_init__(self) -> None:
        for name, lowest, highest in (("status", 200, 599), ("html", 200, 599), ("split", 1, None)):
            value = getattr(self, name)
            if value is not None and not (lowest <= value and (highest is None or value <= highest)):
                raise ValueError(f"{HEADER}: {name} is {lowest} to {highest or 'any number'}, not {value}")
        if not str(self.retry_after or "").isprintable():
            raise ValueError(f"{HEADER}: retry_after is one line")

    def __repr__(self) -> str:
        told = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) != f.default]
        return f"Fault({', '.join(told)})"

    @property
    def ending(self) -> tuple[Ending, int] | None:
        """How the body ends before its time, and after how many tokens."""
        endings: dict[Ending, int | None] = {
            "drop": self.drop_after,
            "reset": self.reset_after,
            "silence": self.silence_after,
            "truncate": self.truncate_after,
            "error": self.error_after,
        }
        return next(((kind, after) for kind, after in endings.items() if after is not None), None)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The fault that one element of the header asks for. Raises `ValueError` for anything unknown."""
        values: dict[str, bool | int | float | str] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, given, value = part.partition("=")
            name = name.strip().lower().replace("-", "_")
            convert = _CONVERT.get(name)
            if convert is None or (convert is bool) == bool(given):
                raise ValueError(f"{HEADER}: {part!r} is not understood")
            values[name] = True if convert is bool else convert(unquote(value.strip()))
        return cls(**values)  # pyright: ignore[reportArgumentType] -- each value was converted by its own field


_CONVERT: dict[str, type[bool] | type[int] | type[float] | type[str]] = {
    f.name: next(kind for kind in (bool, int, float, str) if str(f.type).startswith(kind.__name__))
    for f in fields(Fault)
}


class Script:
    """Which fault is next. Shared by the caller's thread and the server's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: deque[Fault] = deque()
        self._taken: dict[str, int] = {}

    @property
    def pending(self) -> list[Fault]:
        """What the requests to come will meet."""
        with self._lock:
            return list(self._pending)

    def add(self, *faults: Fault | Literal["ok"]) -> None:
        """Add to the end, one for each request to come; `"ok"` is a request that goes well."""
        with self._lock:
            self._pending.extend(Fault() if fault == "ok" else fault for fault in faults)

    def clear(self) -> None:
        """Forget what was not used."""
        with self._lock:
            self._pending.clear()

    def next(self, header: str | None) -> Fault:
        """The fault for one request: what its header asks for, else the next one added."""
        with self._lock:
            if header is None:
                return self._pending.popleft() if self._pending else Fault()
            sequence = [part.strip() for part in header.split(";")]
            turn = self._taken.get(header, 0)
            if len(self._taken) > 1000:
                self._taken.clear()
            self._taken[header] = turn + 1
        element = sequence[turn % len(sequence)]
        return Fault() if element == "ok" else Fault.parse(element)
