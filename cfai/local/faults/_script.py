"""Choose the next fault: what a test scripted, what a header asks for, or what chance draws."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from cfai.local.faults._fault import FAULT_HEADER, Fault
from cfai.local.faults._table import SCENARIOS

Faults = Fault | int | str | Sequence["Faults"]
"""A fault, a status, a scenario's name, or several of them."""

_PARSERS: dict[str, Any] = {"bool": bool, "bytes": unquote_to_bytes, "int": int, "float": float, "str": unquote}
_FIELDS = {f.name.replace("_", "-"): _PARSERS[str(f.type).partition(" ")[0]] for f in fields(Fault) if f.init}
"""The fields of a fault as a header names them, and what parses each."""


def parse_fault(text: str) -> Fault:
    """Parse the fault that `text` asks for: scenarios, a status, fields with dashes in their names, parted by commas.

    Values are percent-encoded where they hold a comma or semicolon; flags need no value; `ok` is no fault. Raises
    `ValueError` for anything unknown, naming what is nearest.

    >>> parse_fault("rate-limited, retry-after=2")
    Fault(code=3021, retry_after='2')
    """
    values: dict[str, Any] = {}
    names: list[str] = []
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, value = (each.strip() for each in part.partition("="))
        name = name.lower().replace("_", "-")
        if equals or _FIELDS.get(name) is bool:
            values[name.replace("-", "_")] = _parse_value(part, name, value if equals else None)
        else:
            names.append(name)
            values |= _parse_name(name)
    return Fault(**values).with_name("" if names in ([], ["ok"]) else text.replace(" ", ""))


def parse_faults(*requested: Faults) -> list[Fault]:
    """Return one fault for each request. A string may be a sequence itself, parted by semicolons.

    >>> [str(fault) for fault in parse_faults([503, "rate-limited; ok"])]
    ['503', 'rate-limited', 'ok']
    """
    faults: list[Fault] = []
    for item in requested:
        if isinstance(item, Fault):
            faults.append(item)
        elif isinstance(item, str):
            faults += map(parse_fault, item.split(";"))
        elif isinstance(item, int) and not isinstance(item, bool):
            faults.append(parse_fault(str(item)))
        elif isinstance(item, Iterable):
            faults += parse_faults(*item)
        else:
            raise TypeError(
                f"a fault must be a Fault, a status, the name of a scenario or several of them, got {item!r}"
            )
    return faults


def _parse_name(name: str) -> dict[str, Any]:
    """Return the fields of a scenario or a status."""
    if name in ("ok", "200"):
        return {}
    if name.isdecimal():
        for code, scenario in SCENARIOS.items():
            if scenario.fault == Fault(code=int(name)):
                raise ValueError(f"{FAULT_HEADER}: {int(name)} is no status but a code: ask for {code}")
        return {"status": int(name)}
    if name in _FIELDS:
        raise ValueError(f"{FAULT_HEADER}: {name} needs a value, as in {name}=…")
    if name not in SCENARIOS:
        near = get_close_matches(name, [*SCENARIOS, *_FIELDS], n=2)
        suggestion = f": did you mean {' or '.join(near)}?" if near else "."
        raise ValueError(
            f"{FAULT_HEADER}: there is no scenario {name!r}{suggestion} All are listed by: cfai dev --scenarios"
        )
    scenario = SCENARIOS[name]
    if scenario.fault is None:
        raise ValueError(f"{FAULT_HEADER}: {name} happens before a request is read. {scenario.summary}")
    return scenario.fault.get_changed_fields()


def _parse_value(part: str, name: str, value: str | None) -> Any:
    parse = _FIELDS.get(name)
    if parse is None:
        near = get_close_matches(name, _FIELDS, n=1)
        raise ValueError(f"{FAULT_HEADER}: there is no field {name!r}" + (f": did you mean {near[0]}?" if near else ""))
    if parse is bool and value is not None:
        raise ValueError(f"{FAULT_HEADER}: {name} takes no value")
    try:
        return parse(value) if value is not None else True
    except ValueError:
        raise ValueError(f"{FAULT_HEADER}: {part!r} has a value of the wrong kind") from None


class Script:
    """A queue of faults, shared by the caller's thread and the server's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: deque[Fault] = deque()
        self._header_turns: dict[str, int] = {}
        self._rate = 0.0
        self._pool: list[Fault] = []
        self._random = random.Random()

    @property
    def pending(self) -> list[Fault]:
        """The faults of the requests to come."""
        with self._lock:
            return list(self._pending)

    def add(self, *requested: Faults) -> None:
        """Add to the end, one for each request to come."""
        faults = parse_faults(*requested)
        with self._lock:
            self._pending.extend(faults)

    def draw(self, rate: float, seed: int, scenarios: Faults | None) -> None:
        """Let chance choose for every request for which nothing else does.

        The same seed draws the same for the same order of requests.
        """
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be a share of the requests, from 0 to 1, got {rate}")
        if scenarios is None:
            # One that waits would be a test that waits: they have to be asked for.
            scenarios = [name for name, each in SCENARIOS.items() if each.fault and not each.fault.waits]
        pool = [fault.with_name(fault.name, drawn=True) for fault in parse_faults(scenarios)]
        if not pool:
            raise ValueError("scenarios has nothing to draw from")
        with self._lock:
            self._rate, self._pool, self._random = rate, pool, random.Random(seed)

    def clear(self) -> None:
        """Forget what was not used, and leave nothing to chance."""
        with self._lock:
            self._pending.clear()
            self._header_turns.clear()
            self._pool = []

    def next(self, header: str | None, *, streams: bool = False) -> Fault:
        """Return the fault for one request: what its header asks for, else the next one added, else one by chance."""
        with self._lock:
            if header is None:
                return self._pending.popleft() if self._pending else self._draw_one(streams)
            sequence = [part.strip() for part in header.split(";")]
            turn = self._header_turns.get(header, 0)
            if len(self._header_turns) > 1000:
                self._header_turns.clear()
            self._header_turns[header] = turn + 1
        return parse_fault(sequence[turn % len(sequence)])

    def _draw_one(self, streams: bool) -> Fault:
        # Two numbers for each request, so that what one draws does not depend on the ones before.
        hit, which = self._random.random() < self._rate, self._random.random()
        pool = [fault for fault in self._pool if streams or not fault.only_streams]
        return pool[int(which * len(pool))] if hit and pool else Fault()
