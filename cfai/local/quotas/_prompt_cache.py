"""Prompts that a model's instance has seen, so that it need not read their beginning again."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from collections.abc import Mapping
from itertools import takewhile
from operator import eq
from typing import Any

from cfai._json import as_sequence
from cfai.local.wire import pieces

BLOCK = 64
"""Tokens that are cached together. UNCERTAIN: the service says only that short prompts are not."""

_SESSIONS = 100
_PROMPTS = 8
_PARTS = ("tools", "instructions", "prompt", "messages", "input")
"""Where a prompt stands in the inputs, in the order in which a model reads it."""


class PromptCache:
    """The last prompts of the last sessions."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[tuple[str, str], deque[list[str]]] = OrderedDict()

    def seen(self, model: str, session: str, inputs: Mapping[str, Any]) -> int:
        """How many tokens at the beginning of a prompt were there before, in whole blocks. Remembers the prompt."""
        prompt = _tokens(inputs)
        before = self._sessions.setdefault((model, session), deque(maxlen=_PROMPTS))
        self._sessions.move_to_end((model, session))
        if len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
        longest = max((_common(prompt, other) for other in before), default=0)
        before.append(prompt)
        # The last token is always read: the answer begins behind it.
        return min(longest, max(0, len(prompt) - 1)) // BLOCK * BLOCK


def _common(one: list[str], other: list[str]) -> int:
    return sum(1 for _ in takewhile(bool, map(eq, one, other)))


def _tokens(inputs: Mapping[str, Any]) -> list[str]:
    values = (inputs[name] for name in _PARTS if name in inputs)
    entries = (entry for value in values for entry in ([value] if isinstance(value, str) else as_sequence(value)))
    return [piece for entry in entries for piece in pieces(json.dumps(entry, ensure_ascii=False))]
