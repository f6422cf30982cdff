"""One fault, spelled in fields: what can go wrong between a client and the service."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from cfai.local.faults._defects import DEFECTS
from cfai.local.faults._rewrites import decode_event, encode, iter_payloads
from cfai.local.wire import Event, Payload

FAULT_HEADER = "cfai-emulate"


class UnfitFaultError(ValueError):
    """A fault was asked for that cannot happen to this request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way for a request to go wrong. Times are seconds, `..._after` counts tokens already sent.

    The scenarios are faults that have a name. In the request header `cfai-emulate` fields are written with dashes:

    >>> from cfai.local.faults import parse_fault
    >>> parse_fault("status=503,retry-after=2")
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

    body: bytes | None = None
    """Answer with this body, as JSON unless `content_type` says otherwise; with status 200 unless `status` does."""

    content_type: str | None = None
    """Say that the answer, whatever it is, has this content type; empty for none."""

    hang_up: bool = False
    """Close the connection before a single byte of an answer."""

    reset: bool = False
    """Like `hang_up`, with a TCP reset."""

    raw: bytes | None = None
    """Send these bytes instead of an HTTP answer, and close the connection."""

    delay: float = 0.0
    """Wait before the status line."""

    slow_first: float = 0.0
    """Wait between the headers and the first token."""

    trickle: float = 0.0
    """Wait so long after every byte of the body, or after every piece where `split` is set."""

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

    close_code: int | None = None
    """Close a WebSocket with this code, and `message` as the reason, after `truncate_after` messages or at once."""

    split: int | None = None
    """Write the body in pieces of this many bytes."""

    hold: bool = False
    """Keep the body open after `[DONE]`, until the client leaves."""

    whole: bool = False
    """Answer `stream: true` with the whole answer as JSON."""

    empty: bool = False
    """Answer with status 200 and an empty result."""

    defect: str | None = None
    """Rewrite the events of the stream: the name of a scenario among those of streams."""

    name: str = field(default="", init=False, compare=False)
    """The scenario that it is, if it was asked for by name."""

    drawn: bool = field(default=False, init=False, compare=False)
    """True if chance chose it."""

    def __post_init__(self) -> None:
        for name in ("status", "html"):
            status = getattr(self, name)
            if status is not None and not 200 <= status <= 599:
                raise ValueError(f"{FAULT_HEADER}: {name} must be 200 to 599, got {status}")
            if status in (204, 304):
                raise ValueError(f"{FAULT_HEADER}: an answer with status {status} has no body: give all of it as raw")
        if self.close_code is not None and not 1000 <= self.close_code <= 4999:
            raise ValueError(f"{FAULT_HEADER}: close_code must be 1000 to 4999, got {self.close_code}")
        if self.split is not None and self.split < 1:
            raise ValueError(f"{FAULT_HEADER}: split must be 1 or more, got {self.split}")
        for name in ("retry_after", "content_type"):
            value = str(getattr(self, name) or "")
            if not (value.isprintable() and value.isascii()):
                raise ValueError(f"{FAULT_HEADER}: {name} must be one line of ASCII")
        if self.defect is not None and self.defect not in DEFECTS:
            raise ValueError(f"{FAULT_HEADER}: no defect of streams is called {self.defect!r}")

    def __repr__(self) -> str:
        return f"Fault({', '.join(f'{name}={value!r}' for name, value in self.get_changed_fields().items())})"

    def __str__(self) -> str:
        return self.name or (repr(self) if self.get_changed_fields() else "ok")

    def get_changed_fields(self) -> dict[str, Any]:
        """Return the fields that differ from no fault."""
        own = [(f, getattr(self, f.name)) for f in fields(self) if f.init]
        return {f.name: value for f, value in own if value != f.default}

    def with_name(self, name: str, *, drawn: bool = False) -> Self:
        """Return a copy that is known by this name."""
        copy = replace(self)
        object.__setattr__(copy, "name", name)
        object.__setattr__(copy, "drawn", drawn)
        return copy

    @property
    def ending(self) -> tuple[str, int] | None:
        """The way in which the body ends before its time, and after how many tokens."""
        for ending in ("drop", "reset", "silence", "truncate", "error"):
            after: int | None = getattr(self, f"{ending}_after")
            if after is not None:
                return ending, after
        return None

    @property
    def only_streams(self) -> bool:
        """True if it can happen to streams alone."""
        return self.defect is not None or self.hold or self.whole

    def check_applies(self, streams: bool) -> None:
        """Raise `UnfitFaultError` if it happens to streams alone, and this answer is none."""
        if self.close_code is not None and not self.drawn:
            raise UnfitFaultError(f"{FAULT_HEADER}: {self} happens to WebSockets alone, and this call opens none")
        if self.only_streams and not streams and not self.drawn:
            raise UnfitFaultError(
                f'{FAULT_HEADER}: {self} happens to streams alone, and this call does not ask a model to "stream"'
            )

    def check_applies_to_websocket(self) -> None:
        """Raise `UnfitFaultError` if it happens to bodies of answers alone, of which a WebSocket has none."""
        if not self.drawn and (self.only_streams or self.split or self.trickle or self.slow_first or self.empty):
            raise UnfitFaultError(f"{FAULT_HEADER}: {self} happens to bodies of answers, and a WebSocket has none")

    def rewrite(self, events: Iterable[Event], usage: Payload) -> Iterable[Event]:
        """Return the events of a stream with its defect. Raises `UnfitFaultError` if nothing of them can have it."""
        if self.defect is None:
            return events
        defect, before = DEFECTS[self.defect], list(events)
        decoded = [(tokens, decode_event(data)) for tokens, data in before]
        if defect.is_met is None or any(map(defect.is_met, iter_payloads(decoded))):
            return [(tokens, encode(event)) for tokens, event in defect.rewrite(decoded, usage)]
        if self.drawn:
            return before
        raise UnfitFaultError(f"{FAULT_HEADER}: {self} needs a stream with {defect.need}, and this one has none")

    @property
    def waits(self) -> bool:
        """True if the client has to wait, or to leave."""
        return bool(self.delay or self.slow_first or self.trickle or self.hold) or self.silence_after is not None
