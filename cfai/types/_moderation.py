"""Moderation by Llama Guard: what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Required, TypedDict

from cfai._json import is_mapping
from cfai.types._text import NativeText


class GuardMessage(TypedDict):
    """A message to judge."""

    role: Literal["user", "assistant"]
    """The roles have to alternate, and the user begins."""
    content: str
    """What was said."""


class GuardInputs(TypedDict, total=False):
    """A conversation to judge."""

    messages: Required[Sequence[GuardMessage]]
    """The conversation, whose last message is judged."""
    max_tokens: int
    """Tokens of the answer at most. Default 256."""
    temperature: float
    """The higher, the more varied the answer: 0 to 5, default 0.6."""
    response_format: Mapping[str, object]
    """`{"type": "json_object"}` has the verdict come as an object."""


class Moderation(NativeText):
    """A verdict on the last message of a conversation."""

    @property
    def safe(self) -> bool | None:
        """True or false; `None` if the answer says neither."""
        if is_mapping(self.response):
            return self.response.get("safe")
        return {"safe": True, "unsafe": False}.get(self._list_lines()[0].lower())

    @property
    def categories(self) -> list[str]:
        """The hazards by their codes, such as `S1`; empty if there are none."""
        if is_mapping(self.response):
            return self.response.get("categories") or []
        return [code.strip() for line in self._list_lines()[1:] for code in line.split(",") if code.strip()]

    def _list_lines(self) -> list[str]:
        return [line.strip() for line in self.text.strip().split("\n")]
