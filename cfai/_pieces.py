"""What comes in pieces, put together: tool calls and usage."""

from __future__ import annotations

from typing import Any, cast

from cfai._json import loads, whole, words
from cfai.types import ToolCall, ToolCallDelta


class ToolCalls:
    """Tool calls from their pieces. The index tells them apart: ids repeat, go missing, or come last."""

    __slots__ = ("_last", "_slots")

    def __init__(self) -> None:
        self._slots: dict[int, _Slot] = {}
        self._last = 0

    def add(self, items: list[Any]) -> tuple[ToolCallDelta, ...]:
        deltas: list[ToolCallDelta] = []
        for position, item in enumerate(items):
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
            index = self._index(item.get("index"), name, id, position)
            slot = self._slots.setdefault(index, _Slot())
            slot.put(name, arguments, id)
            self._last = index
            deltas.append(ToolCallDelta(index, name, arguments, id))
        return tuple(deltas)

    def lacks(self, index: int) -> bool:
        """Whether a call's arguments, or the call itself, have not come yet."""
        return index not in self._slots or not self._slots[index].arguments

    def whole(self) -> list[ToolCall]:
        return [ToolCall(slot.name, whole("".join(slot.arguments)), slot.id) for _, slot in sorted(self._slots.items())]

    def _index(self, index: Any, name: str | None, id: str | None, position: int) -> int:
        given = isinstance(index, int) and not isinstance(index, bool)
        target = index if given else self._last
        slot = self._slots.get(target)
        if name is None or slot is None or not slot.name:
            return target
        # A second whole call under the first one's index, or with no index at all.
        another = slot.complete() and (not given or (id is not None and id != slot.id))
        return max(self._slots) + 1 if another or (not given and position > 0) else target


class _Slot:
    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.name = ""
        self.arguments: list[str] = []
        self.id: str | None = None

    def put(self, name: str | None, arguments: str, id: str | None) -> None:
        if name and name != self.name:
            self.name += name
        if arguments:
            self.arguments.append(arguments)
        self.id = self.id or id

    def complete(self) -> bool:
        try:
            loads("".join(self.arguments).encode("utf-8", "replace"))
        except ValueError:
            return False
        return True


class Tally:
    """Usage from its reports, of which there are three habits: totals so far, increments, and one trailer for all."""

    __slots__ = ("_counts_prompt", "_total")

    def __init__(self) -> None:
        self._total: dict[str, Any] = {}
        self._counts_prompt = False

    def add(self, report: Any) -> None:
        """A report that counts the prompt is a total so far; one that does not adds to an earlier one that did."""
        if report.__class__ is not dict:
            return
        prompt = report.get("prompt_tokens") or report.get("input_tokens")
        if prompt:
            self._counts_prompt = True
            self._total = report
        elif any(report.get(key) for key in _COUNTS):
            self._total = _added(self._total, report) if self._counts_prompt else report

    def total(self) -> dict[str, Any]:
        return self._total


_COUNTS = ("completion_tokens", "output_tokens", "total_tokens", "neurons")


def _added(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    total = dict(left)
    for key, value in right.items():
        before = total.get(key)
        if isinstance(value, dict):
            inner = cast("dict[str, Any]", before) if isinstance(before, dict) else {}
            total[key] = _added(inner, cast("dict[str, Any]", value))
        elif isinstance(value, int | float) and isinstance(before, int | float):
            total[key] = before + value
        else:
            total[key] = value
    return total


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
