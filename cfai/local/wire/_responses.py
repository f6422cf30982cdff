"""The Responses API: numbered events, and the answer that they come to."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

from cfai.local.wire._generation import Generation, Payload, Payloads, new_id
from cfai.types import Token

_ITEMS: dict[str, tuple[str, str, Payload]] = {
    "reasoning": ("rs_", "reasoning_text", {"summary": []}),
    "message": ("msg_", "output_text", {"role": "assistant"}),
    "function_call": ("fc_", "function_call_arguments", {}),
}
"""How the id of an item begins, by its type, what the events of its text are called, and what it has from the start."""


class ResponsesWriter:
    """Writes the events of the Responses API; the last one has the whole answer."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._id, self._created_at = new_id("resp_"), int(time.time())
        self._number = count()
        self._items: list[Payload] = []
        self._open: Payload | None = None
        self._text: list[str] = []
        self._call = -1
        self._has_begun = False

    def feed(self, token: Token) -> Payloads:
        yield from self._begin()
        for item_type, text in (("reasoning", token.reasoning), ("message", token.text)):
            if text:
                yield from self._open_item(item_type)
                yield self._delta(text, {} if item_type == "reasoning" else {"logprobs": []})
        for part in token.tool_calls:
            yield from self._open_item("function_call", part.index)
            if part.arguments:
                yield self._delta(part.arguments, {})

    def end(self) -> Payloads:
        yield from self._begin()
        yield from self._close_item()
        response = self._build_response()
        yield 0, self._event(f"response.{response['status']}", response=response)

    def _begin(self) -> Payloads:
        if not self._has_begun:
            self._has_begun = True
            started: Payload = {"status": "in_progress", "usage": None, "incomplete_details": None}
            yield 0, self._event("response.created", response=self._build_response() | started)

    def _build_response(self) -> Payload:
        is_cut = self._generation.choices[0].finish == "length"
        prompt, completion = self._generation.prompt_tokens or 0, self._generation.tokens
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created_at,
            "model": self._generation.model.name,
            "status": "incomplete" if is_cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "output": list(self._items),
            "usage": {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion},
        }

    def _open_item(self, item_type: str, call: int = -1) -> Payloads:
        """Open an item of this type, unless it is open."""
        if self._open is not None and self._open["type"] == item_type and self._call == call:
            return
        yield from self._close_item()
        prefix, _, fields = _ITEMS[item_type]
        self._call, self._text = call, []
        self._open = {"type": item_type, "id": new_id(prefix), **fields}
        if call >= 0:
            generated = self._generation.choices[0].calls[call]
            self._open |= {"call_id": generated.id, "name": generated.name}
        yield 0, self._event("response.output_item.added", output_index=len(self._items), item=self._open)

    def _close_item(self) -> Payloads:
        if self._open is None:
            return
        item, text = self._open, "".join(self._text)
        if item["type"] == "function_call":
            yield 0, self._text_event("done", {"name": item["name"], "arguments": text})
            item = item | {"arguments": text, "status": "completed"}
        else:
            yield 0, self._text_event("done", {"text": text})
            rest: Payload = {"annotations": []} if item["type"] == "message" else {}
            item = item | {"content": [{"type": _ITEMS[item["type"]][1], "text": text, **rest}]}
        yield 0, self._event("response.output_item.done", output_index=len(self._items), item=item)
        self._items.append(item)
        self._open = None

    def _delta(self, text: str, more: Payload) -> tuple[int, Payload]:
        self._text.append(text)
        return 1, self._text_event("delta", {"delta": text, **more})

    def _text_event(self, name: str, fields: Payload) -> Payload:
        """Return an event about the text, or the arguments, of the item that is open."""
        item: Payload = self._open or {}
        place = {} if item["type"] == "function_call" else {"content_index": 0}
        place = {"item_id": item["id"], "output_index": len(self._items), **place}
        return self._event(f"response.{_ITEMS[item['type']][1]}.{name}", **place, **fields)

    def _event(self, event_type: str, **fields: Any) -> Payload:
        return {"type": event_type, **fields, "sequence_number": next(self._number)}
