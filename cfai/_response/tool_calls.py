"""Tool calls, put together from the pieces in which events bring them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cfai._json import is_mapping, join_surrogates, loads, split_surrogate, value_to_text
from cfai.types import ToolCall, ToolCallDelta


@dataclass(slots=True, eq=False)
class ToolCallAccumulator:
    """Tool calls from their pieces. The index tells them apart: ids repeat, go missing, or come last."""

    _calls: dict[int, _PartialCall] = field(default_factory=dict[int, "_PartialCall"])
    _last: int = 0
    _redirects: dict[int, int] = field(default_factory=dict[int, int])
    """By the index that two calls share: the index to which the pieces of the second belong."""

    def add(self, pieces: Sequence[Any]) -> tuple[ToolCallDelta, ...]:
        """Add the pieces of one event, and return each with the index of its call."""
        deltas: list[ToolCallDelta] = []
        named: set[int] = set()
        for piece in pieces:
            if not is_mapping(piece):
                continue
            function = piece.get("function")
            # Llama 3.3 sends `{"name", "arguments"}` with nothing around it.
            fields = function if is_mapping(function) else piece
            name = _to_string(fields.get("name"))
            arguments = value_to_text(fields.get("arguments"))
            id = _get_call_id(piece)
            if not (name or arguments or id):
                continue  # the all-null piece that only marks the end of a call
            index = self._find_index(piece.get("index"), name, id, named)
            if name:
                named.add(index)
            call = self._calls.setdefault(index, _PartialCall())
            self._last = index
            deltas.append(ToolCallDelta(index, name, call.add(name, arguments, id), id))
        return tuple(deltas)

    def is_missing(self, index: int) -> bool:
        """Return True if a call's arguments, or the call itself, have not come yet."""
        return index not in self._calls or not self._calls[index].arguments

    def select_missing(self, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return those of the whole calls at the end of a stream that have not come in pieces, with a free index."""
        missing: list[dict[str, Any]] = []
        by_id = {call.id: index for index, call in self._calls.items() if call.id is not None}
        free = self._free_index
        for call in calls:
            id = _get_call_id(call)
            index: int = call["index"]
            if id in by_id:
                index = by_id[id]
            elif id is not None and index in self._calls and self._calls[index].id:
                index, free = free, free + 1  # another call stands there
            if self.is_missing(index):
                missing.append({**call, "index": index})
        return missing

    def build_result(self) -> list[ToolCall]:
        """Return the calls so far, in the order of their indexes."""
        return [
            ToolCall(call.name, join_surrogates("".join(call.arguments) + call.half), call.id)
            for _, call in sorted(self._calls.items())
        ]

    @property
    def _free_index(self) -> int:
        return max([-1, *self._calls]) + 1

    def _find_index(self, index: Any, name: str | None, id: str | None, named: set[int]) -> int:
        has_index = isinstance(index, int) and not isinstance(index, bool)
        target = self._redirects.get(index, index) if has_index else self._last
        call = self._calls.get(target)
        if name is None or call is None or not call.name:
            return target
        # A second call under the first one's index, or with no index at all. Its name says so, if the first is whole or
        # has another id; some engines repeat the name in every piece, others make up an id for each.
        other_id = id is not None and id != call.id
        if target in named:
            is_another = True  # two names in one event
        elif has_index:
            is_another = other_id and (call.is_complete() or (name != call.name and not call.arguments))
        else:
            is_another = call.is_complete() or (other_id and (name != call.name or not call.arguments))
        if not is_another:
            return target
        if has_index:
            self._redirects[index] = self._free_index
        return self._free_index


@dataclass(slots=True, eq=False)
class _PartialCall:
    """A tool call so far."""

    name: str = ""
    arguments: list[str] = field(default_factory=list[str])
    id: str | None = None
    half: str = ""
    _open_braces: int = 0
    _attempted: int = 0

    def add(self, name: str | None, arguments: str, id: str | None) -> str:
        """Add one piece, and return its arguments in whole characters."""
        if name and name != self.name:
            self.name += name
        self.id = self.id or id
        arguments, self.half = split_surrogate(self.half + arguments)
        if arguments:
            self.arguments.append(arguments)
            self._open_braces += arguments.count("{") - arguments.count("}")
        return arguments

    def is_complete(self) -> bool:
        """Return True if the arguments are whole JSON. Counting braces decides most cases without parsing."""
        if self._open_braces != 0 or not self.arguments or not self.arguments[-1].rstrip().endswith("}"):
            return False
        # Pieces that are no JSON are tried again when they have doubled, so that all attempts together stay linear.
        if self._attempted and len(self.arguments) < 2 * self._attempted:
            return False
        try:
            loads("".join(self.arguments).encode("utf-8", "replace"))
        except ValueError:
            self._attempted = len(self.arguments)
            return False
        return True


def _get_call_id(piece: Mapping[str, Any]) -> str | None:
    """Return the id of a call: the Responses API has one for the item, `id`, and another to answer to, `call_id`."""
    return _to_string(piece.get("call_id")) or _to_string(piece.get("id"))


def _to_string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
