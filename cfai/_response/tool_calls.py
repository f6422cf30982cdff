"""What comes in pieces, put together: tool calls and usage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from cfai._json import loads, split_surrogate, whole, words
from cfai.types import ToolCall, ToolCallDelta


class ToolCallAccumulator:
    """Tool calls from their pieces. The index tells them apart: ids repeat, go missing, or come last."""

    __slots__ = ("_last", "_moved", "_next", "_slots")

    def __init__(self) -> None:
        self._slots: dict[int, _Slot] = {}
        self._next = 0
        self._last = 0
        self._moved: dict[int, int] = {}
        """Where the pieces of a second call under one index belong."""

    def add(self, items: Sequence[Any]) -> tuple[ToolCallDelta, ...]:
        deltas: list[ToolCallDelta] = []
        named: set[int] = set()
        for item in items:
            if not isinstance(item, dict):
                continue
            item = cast("dict[str, Any]", item)
            function = item.get("function")
            # Llama 3.3 sends `{"name", "arguments"}` with nothing around it.
            call = cast("dict[str, Any]", function) if isinstance(function, dict) else item
            name = _string(call.get("name"))
            arguments = words(call.get("arguments"))
            id = _string(item.get("call_id")) or _string(item.get("id"))
            if not (name or arguments or id):
                continue  # the all-null piece that only marks the end of a call
            index = self._index(item.get("index"), name, id, named)
            if name:
                named.add(index)
            slot = self._slots.setdefault(index, _Slot())
            self._next = max(self._next, index + 1)
            arguments = slot.put(name, arguments, id)
            self._last = index
            deltas.append(ToolCallDelta(index, name, arguments, id))
        return tuple(deltas)

    def lacks(self, index: int) -> bool:
        """Whether a call's arguments, or the call itself, have not come yet."""
        return index not in self._slots or not self._slots[index].arguments

    def missing(self, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of the whole calls at the end of a stream that have not come in pieces, under their places here."""
        found: list[dict[str, Any]] = []
        places = {slot.id: index for index, slot in self._slots.items() if slot.id is not None}
        free = self._next
        for call in calls:
            id = _string(call.get("call_id")) or _string(call.get("id"))
            index: int = call["index"]
            if id in places:
                index = places[id]
            elif id is not None and index in self._slots and self._slots[index].id:
                index, free = free, free + 1  # another call stands there
            if self.lacks(index):
                found.append({**call, "index": index})
        return found

    def whole(self) -> list[ToolCall]:
        return [
            ToolCall(slot.name, whole("".join(slot.arguments) + slot.half), slot.id)
            for _, slot in sorted(self._slots.items())
        ]

    def _index(self, index: Any, name: str | None, id: str | None, named: set[int]) -> int:
        given = isinstance(index, int) and not isinstance(index, bool)
        target = self._moved.get(index, index) if given else self._last
        slot = self._slots.get(target)
        if name is None or slot is None or not slot.name:
            return target
        # A second call under the first one's index, or with no index at all. Its name says so, if the first is whole or
        # has another id; some engines repeat the name in every piece, others make up an id for each.
        other_id = id is not None and id != slot.id
        if target in named:
            another = True  # two names in one event
        elif given:
            another = other_id and (slot.complete() or (name != slot.name and not slot.arguments))
        else:
            another = slot.complete() or (other_id and (name != slot.name or not slot.arguments))
        if not another:
            return target
        if given:
            self._moved[index] = self._next
        return self._next


class _Slot:
    __slots__ = ("_open", "_tried", "arguments", "half", "id", "name")

    def __init__(self) -> None:
        self.name = ""
        self.arguments: list[str] = []
        self.id: str | None = None
        self.half = ""
        self._open = 0
        self._tried = 0

    def put(self, name: str | None, arguments: str, id: str | None) -> str:
        """Takes one piece, and gives its arguments in whole characters."""
        if name and name != self.name:
            self.name += name
        self.id = self.id or id
        arguments, self.half = split_surrogate(self.half + arguments)
        if arguments:
            self.arguments.append(arguments)
            self._open += arguments.count("{") - arguments.count("}")
        return arguments

    def complete(self) -> bool:
        """Whether the arguments are whole. Asked of every piece, so most are told by their braces alone."""
        if self._open != 0 or not self.arguments or not self.arguments[-1].rstrip().endswith("}"):
            return False
        # Pieces that are no JSON are tried again when they have doubled, so that all tries together stay linear.
        if self._tried and len(self.arguments) < 2 * self._tried:
            return False
        try:
            loads("".join(self.arguments).encode("utf-8", "replace"))
        except ValueError:
            self._tried = len(self.arguments)
            return False
        return True


class UsageAccumulator:
    """Usage from its reports, of which there are three habits: totals so far, increments, and one trailer for all."""

    __slots__ = ("_last", "_prompt_seen", "_sum")

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}
        self._sum: dict[str, Any] = {}
        self._prompt_seen = False

    def add(self, report: Any) -> None:
        """One report. Those that count nothing say nothing."""
        if report.__class__ is not dict:
            return
        if _prompt(report):
            self._prompt_seen = True
        elif not (_written(report) or report.get("total_tokens")):
            if report.get("neurons"):
                # The price alone says nothing of the habit.
                self._last = {**self._last, **report}
                _add(self._sum, report)
            return
        self._last = report
        _add(self._sum, report)

    def total(self) -> dict[str, Any]:
        """The last report is the total if it counts the prompt; if only an earlier one did, they are increments."""
        return self._sum if self._prompt_seen and not _prompt(self._last) else self._last


def _prompt(report: dict[str, Any]) -> Any:
    return report.get("prompt_tokens") or report.get("input_tokens")


def _written(report: dict[str, Any]) -> Any:
    return report.get("completion_tokens") or report.get("output_tokens")


def _add(total: dict[str, Any], report: dict[str, Any]) -> None:
    for key, value in report.items():
        if value.__class__ is int or value.__class__ is float:
            try:
                total[key] = value + total.get(key, 0)
            except (OverflowError, TypeError):  # an integer of three hundred digits beside a float, or no number before
                total[key] = value
        elif value.__class__ is dict:
            inner = total.get(key)
            if not isinstance(inner, dict):
                inner = total[key] = dict[str, Any]()
            _add(cast("dict[str, Any]", inner), value)
        elif value is not None:
            total[key] = value


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
