"""A call's inputs as they will be sent: plain values, and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, cast

from cfai._errors import InputError
from cfai._json import is_object

_ENDLESS = "cannot be sent as JSON (a value holds itself, or is nested too deeply)"
_LARGEST = 10**308
"""Beyond any number of floating point, and long before Python refuses to write it."""


def plain(inputs: Any) -> dict[str, Any]:
    """The inputs as a dict of our own, so that the caller's is never touched. Pydantic models are taken too."""
    if hasattr(inputs, "model_dump"):
        inputs = _or_refused(inputs, "inputs")
    if not isinstance(inputs, Mapping):
        raise InputError(f"inputs is a dict such as {{'prompt': '...'}}, not {type(inputs).__name__}")
    given = cast("Mapping[str, Any]", inputs)
    try:
        return {key: _plainly(value) for key, value in given.items()}
    except RecursionError:
        raise InputError(f"inputs: {_ENDLESS}") from None


def _plainly(value: Any) -> Any:
    """A value as it will be sent, so that limits see what the service does; itself, if nothing in it is changed."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, dict):
        fields = cast("dict[Any, Any]", value)
        plain = {key: _plainly(item) for key, item in fields.items()}
        return fields if all(plain[key] is item for key, item in fields.items()) else plain
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        made = [_plainly(item) for item in items]
        return items if all(new is old for new, old in zip(made, items, strict=True)) else made
    try:
        return converted(value)
    except TypeError:
        return value  # `encode` says where it stands


def plain_messages(messages: Any, place: str = "messages") -> list[Any]:
    """Messages as they will be sent. Raises `InputError` with the place of what cannot be, or is no message."""
    if isinstance(messages, str | bytes) or is_object(messages) or not isinstance(messages, Iterable):
        raise InputError(f"{place} is a list of dicts, not {type(messages).__name__}")
    try:
        plain: list[Any] = [_plainly(message) for message in cast("Iterable[Any]", messages)]
    except RecursionError:
        raise InputError(f"{place}: {_ENDLESS}") from None
    for index, message in enumerate(plain):
        if not isinstance(message, Mapping):
            raise InputError(f"{place}[{index}] is a dict, or a pydantic model, not {type(message).__name__}")
    check_sendable(plain, place)
    return plain


def check_sendable(value: Any, place: str = "inputs") -> None:
    """Raises `InputError` with the place of what JSON cannot hold."""
    _find_unsendable(value, place, 0)


def encode(value: Any, place: str = "inputs") -> bytes:
    """JSON in UTF-8. Raises `InputError` with the place of what JSON cannot hold."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=converted).encode()
    except (TypeError, ValueError, RecursionError):
        pass
    _find_unsendable(value, place, 0)
    raise InputError(f"{place}: {_ENDLESS}")


def converted(value: Any) -> Any:
    """What stands in JSON for a pydantic model, another mapping, or a numpy value."""
    if hasattr(value, "model_dump"):
        return _dumped(value)
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError


def _dumped(model: Any) -> dict[str, Any]:
    """A pydantic model's fields. `None` counts only where it was given: a default `None` means that nothing was."""
    try:
        without_none = model.model_dump(mode="json", by_alias=True, exclude_none=True)
        given = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
    except ValueError as error:
        raise TypeError(str(error)) from None
    return _merged(without_none, given)


def _merged(fields: Any, given: Any) -> Any:
    if isinstance(fields, dict) and isinstance(given, dict):
        left, right = cast("dict[str, Any]", fields), cast("dict[str, Any]", given)
        return {**right, **{key: _merged(value, right.get(key)) for key, value in left.items()}}
    if isinstance(fields, list) and isinstance(given, list):
        return [_merged(*pair) for pair in zip(cast("list[Any]", fields), cast("list[Any]", given), strict=True)]
    return cast("Any", fields)


def _find_unsendable(value: Any, place: str, depth: int) -> None:
    """Raises `InputError` with the place of the first value that JSON cannot hold."""
    if depth > 100:
        return
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[Any, Any]", value).items():
            if not isinstance(key, str):
                raise InputError(f"{place}: the key {key!r} is no text")
            if not _encodable(key):
                raise InputError(f"{place}: the key {key!r} has half of a surrogate pair, which cannot be sent")
            _find_unsendable(item, f"{place}[{key!r}]", depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(cast("list[Any]", value)):
            _find_unsendable(item, f"{place}[{index}]", depth + 1)
    elif isinstance(value, float) and not isfinite(value):
        raise InputError(f"{place}: {value} cannot be sent as JSON")
    elif isinstance(value, str):
        if not _encodable(value):
            raise InputError(f"{place}: the text has half of a surrogate pair, which cannot be sent")
    elif isinstance(value, int) and abs(value) > _LARGEST:
        raise InputError(f"{place}: a number of that many digits cannot be sent as JSON")
    elif isinstance(value, bytes | bytearray | memoryview):
        raise InputError(f"{place}: bytes cannot be sent as JSON: encode them as the model asks, often as base64 text")
    elif value is not None and not isinstance(value, int | float):
        _find_unsendable(_or_refused(value, place), place, depth + 1)


def _or_refused(value: Any, place: str) -> Any:
    try:
        return converted(value)
    except TypeError as error:
        raise InputError(f"{place}: {type(value).__name__} cannot be sent as JSON {error}".rstrip()) from None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
