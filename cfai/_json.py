"""Read JSON as the service sends it, turn values into text, and turn Python values into what JSON can hold.

Measured on stream events: `pydantic_core.from_json` takes 0.35 to 1 µs, `json.loads` 2 to 3. It refuses two things that
the service does send, bad UTF-8 and half of a surrogate pair, so those few are decoded again with the tolerant one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from numbers import Real
from typing import Any, TypeGuard, cast

from pydantic_core import from_json


class _Digits(str):
    """A number as it stood on the wire."""

    __slots__ = ()


_digits_decoder = json.JSONDecoder(parse_int=_Digits, parse_float=_Digits, parse_constant=_Digits)


def loads(data: bytes) -> Any:
    """Return the value of a JSON text in UTF-8. Raises `ValueError`, and nothing else, for what is not JSON.

    >>> loads(b'{"response": "caf\\xc3\\xa9"}')
    {'response': 'café'}
    """
    try:
        return from_json(data)
    except ValueError as error:
        if "recursion" in str(error):
            raise  # the tolerant decoder goes deeper, but nobody could use what it makes
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None


def raw_number(data: bytes, path: Iterable[str | int]) -> str:
    """Return the text of the value at `path` of a JSON text, every number with the digits that stood on the wire.

    >>> raw_number(b'{"response": 0.10}', ["response"]), raw_number(b'{"a": [{"b": 1e3}]}', ["a", 0])
    ('0.10', '{"b":1e3}')
    """
    value: Any = _digits_decoder.decode(data.decode("utf-8", "replace"))
    for step in path:
        # `{"result": 5}` has its text where an object would have its fields.
        if isinstance(value, dict) or (isinstance(value, list) and isinstance(step, int)):
            value = cast("Any", value)[step]
    return value if isinstance(value, str) else _to_raw_text(value)


def _to_raw_text(value: Any) -> str:
    """Return compact JSON in which numbers keep their digits."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return "{" + ",".join(f"{to_compact_json(key)}:{_to_raw_text(item)}" for key, item in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_to_raw_text(item) for item in cast("list[Any]", value)) + "]"
    return value if isinstance(value, _Digits) else to_compact_json(value)


def to_compact_json(value: Any) -> str:
    """Return JSON without spaces, or the name of the value's type if JSON cannot hold it."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__


def value_to_text(value: Any) -> str:
    """Return the text of a JSON value that came in the place of text; for numbers there is `raw_number`.

    >>> value_to_text(None), value_to_text("a"), value_to_text(True), value_to_text({"a": 1})
    ('', 'a', 'true', '{"a":1}')
    """
    if isinstance(value, str):
        return value
    return "" if value is None else to_compact_json(value)


def split_surrogate(text: str) -> tuple[str, str]:
    """Return `text` in whole characters, and the half of one that it ends with, to be put before the next text.

    >>> split_surrogate("a\\ud83d")
    ('a', '\\ud83d')
    """
    half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
    text = text.removesuffix(half) if half else text
    return (text if text.isascii() else join_surrogates(text)), half


def join_surrogates(text: str) -> str:
    """Return `text` with the halves of surrogate pairs joined, and U+FFFD for a half that stands alone.

    >>> join_surrogates("\\ud83d\\ude00"), join_surrogates("\\ud83d")
    ('😀', '�')
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def as_sequence(value: Any) -> Sequence[Any]:
    """Return a list or tuple as it is, and an empty sequence for everything else."""
    return cast("Sequence[Any]", value) if isinstance(value, (list, tuple)) else ()


def is_mapping(value: Any) -> TypeGuard[Mapping[str, Any]]:
    """Return True if a value is a JSON object or another mapping."""
    return isinstance(value, (dict, Mapping))  # the first is found at once


def find_nested(value: Mapping[Any, Any]) -> str:
    """Return what a JSON object has in it that is another object or an array, or nothing.

    >>> find_nested({"user": 7, "teams": ["a"]}), find_nested({"user": 7})
    ("list under 'teams'", '')
    """
    for name, each in value.items():
        if isinstance(each, Mapping | list | tuple):
            return f"{type(cast('object', each)).__name__} under {str(name)[:40]!r}"
    return ""


# Python values to what JSON can hold.

_LARGEST_NUMBER = 10**308
"""Beyond any number of floating point, and long before Python refuses to write it."""

_MAX_DEPTH = 100
_SURROGATE = "[\ud800-\udfff]"


def to_builtins(value: Any) -> Any:
    """Return a value as it will be sent: pydantic models, other mappings and numpy values as plain ones.

    A value that needs no change is returned itself; what cannot be converted stays, and `find_unsendable` names it.
    Raises `RecursionError` for a value that holds itself.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict):
        fields = cast("dict[Any, Any]", value)
        converted = {key: to_builtins(item) for key, item in fields.items()}
        return fields if all(converted[key] is item for key, item in fields.items()) else converted
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        new_items = [to_builtins(item) for item in items]
        return items if all(new is old for new, old in zip(new_items, items, strict=True)) else new_items
    try:
        return to_builtins(json_default(value))
    except TypeError:
        return value


def as_number(value: Any) -> Any:
    """Return a number of numpy's as one of Python's, and anything else as it is."""
    return to_builtins(value) if isinstance(value, Real) else value


def json_default(value: Any, exclude: set[str] | None = None) -> Any:
    """Return what stands in JSON for a pydantic model, another mapping, or a numpy value. Raises `TypeError`.

    An answer of cfai's stands for its message, a tool call for its part of one. `exclude` are fields of a model
    to leave out.
    """
    if hasattr(value, "_as_input"):
        return value._as_input()
    if hasattr(value, "model_dump") and not hasattr(value, "__bytes__"):  # an image is no object of fields
        # A `None` is sent only if the user gave it: a default `None` means nothing.
        try:
            without_none = value.model_dump(mode="json", by_alias=True, exclude=exclude, exclude_none=True)
            as_given = value.model_dump(mode="json", by_alias=True, exclude=exclude, exclude_unset=True)
            return _merge(without_none, as_given)
        except ValueError as error:
            raise TypeError(str(error)) from None
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError


def find_unsendable(value: Any, place: str, depth: int = 0) -> str | None:
    """Return what is wrong with the first value that JSON cannot hold, with its place; `None` if JSON can hold all."""
    if depth > _MAX_DEPTH or value is None:
        return None
    if isinstance(value, Mapping | list | tuple):
        items = cast("Any", value).items() if isinstance(value, Mapping) else enumerate(cast("Any", value))
        for key, item in items:
            # Numbers, booleans and None become strings where they are keys.
            if not isinstance(key, str | int | float | None):
                return f"{place}: keys must be strings, got {type(key).__name__}"
            if isinstance(key, str) and re.search(_SURROGATE, key):
                return f"{place}: the key {key!r} has half of a surrogate pair, which cannot be sent"
            if problem := find_unsendable(item, f"{place}[{key!r}]", depth + 1):
                return problem
        return None
    if isinstance(value, str):
        has_half = re.search(_SURROGATE, value)
        return f"{place}: the text has half of a surrogate pair, which cannot be sent" if has_half else None
    if isinstance(value, float):
        return None if isfinite(value) else f"{place}: {value} cannot be sent as JSON"
    if isinstance(value, int):
        too_large = abs(value) > _LARGEST_NUMBER
        return f"{place}: a number of that many digits cannot be sent as JSON" if too_large else None
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{place}: bytes cannot be sent as JSON: encode them as the model asks, often as base64 text"
    if isinstance(value, type):
        schema = f": send {value.__name__}.model_json_schema()" if hasattr(value, "model_json_schema") else ""
        return f"{place}: the class {value.__name__} cannot be sent as JSON{schema}"
    try:
        return find_unsendable(json_default(value), place, depth + 1)
    except TypeError as error:
        return f"{place}: {type(value).__name__} cannot be sent as JSON: {error}".rstrip(": ")


def _merge(fields: Any, others: Any) -> Any:
    """Return `fields`, with those of `others` that are missing there, at every depth."""
    if isinstance(fields, dict) and isinstance(others, dict):
        left, right = cast("dict[str, Any]", fields), cast("dict[str, Any]", others)
        return {**right, **{key: _merge(value, right.get(key)) for key, value in left.items()}}
    if isinstance(fields, list) and isinstance(others, list):
        return [_merge(*pair) for pair in zip(cast("list[Any]", fields), cast("list[Any]", others), strict=True)]
    return cast("Any", fields)
