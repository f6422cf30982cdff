"""Short reprs: what a value is at a glance, however much it holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

MAX_LENGTH = 300
"""Characters of a repr at most."""
_FIELD_LENGTHS = (220, 120, 60, 30)
"""Characters of one field, tried in this order until all fields fit together."""


def short_repr(self: Any) -> str:
    """Return the class of a dataclass, and its fields that differ from their defaults. It is set as a `__repr__`."""
    return join_fields(type(self).__name__, _list_fields(self))


def _list_fields(value: Any) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(value):
        make_default: Any = field.default_factory
        default: Any = field.default if make_default is dataclasses.MISSING else make_default()
        found = getattr(value, field.name)
        if field.repr and not (type(found) is type(default) and found == default):
            yield field.name, found


def join_fields(name: str, fields: Iterable[tuple[str | None, Any]]) -> str:
    """Return `Name(field=value, …)`, in at most 300 characters.

    >>> join_fields("Note", [("marks", [1, 2]), (None, "the text")])
    "Note(marks=[1, 2], 'the text')"
    """
    fields, text = list(fields), ""
    for length in _FIELD_LENGTHS:
        shown = ((field, shorten(value, length)) for field, value in fields)
        text = f"{name}({', '.join(value if field is None else f'{field}={value}' for field, value in shown)})"
        if len(text) <= MAX_LENGTH:
            return text
    return f"{text[: MAX_LENGTH - 2]}…)"


def shorten(value: Any, length: int) -> str:
    """Return the repr of a value in about `length` characters.

    >>> shorten("a long text", 6), shorten([*range(1000)], 12), shorten(b"abc", 20), shorten(0.1 + 0.2, 20)
    ("'a lo…'", '[0, 1, 2, 3, 4, … 995 more]', '<3 bytes>', '0.3')
    """
    if isinstance(value, str):
        text = repr(value[:length])
        return text if len(value) <= length else f"{text[: length - 1]}…{text[-1]}"
    if isinstance(value, bytes | bytearray):
        return f"<{len(value):,} bytes>"
    if isinstance(value, dict):
        items = cast("Mapping[Any, Any]", value).items()
        return f"{{{_join((f'{key!r}: {shorten(item, length // 2)}' for key, item in items), len(items), length)}}}"
    if type(value) is list or type(value) is tuple:
        listed = cast("list[Any]", value)
        text = _join((shorten(item, length // 2) for item in listed), len(listed), length)
        return f"[{text}]" if isinstance(value, list) else f"({text})"
    if isinstance(value, float):
        value = float(f"{value:.12g}")  # without the last digits of a sum, which are those of no decimal number
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _join(items: Iterable[str], count: int, length: int) -> str:
    """Return as many items as fit, and how many more there are."""
    text = ""
    for number, item in enumerate(items):
        if number and len(text) + len(item) > length:
            return f"{text}, … {count - number:,} more"
        text += f", {item}" if number else item
    return text
