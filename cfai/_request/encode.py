"""A call's inputs as they will be sent: plain values, and JSON. Nothing that a caller gave is changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from cfai._errors import InputError
from cfai._json import find_unsendable, json_default, to_builtins

_ENDLESS = "cannot be sent as JSON (a value holds itself, or is nested too deeply)"


def inputs_to_builtins(inputs: Any) -> dict[str, Any]:
    """Return the inputs as a dict of our own, with plain values in it. Pydantic models are taken too."""
    if hasattr(inputs, "model_dump"):
        try:
            inputs = json_default(inputs)
        except TypeError as error:
            raise InputError(f"inputs: {type(inputs).__name__} cannot be sent as JSON {error}".rstrip()) from None
    if not isinstance(inputs, Mapping):
        raise InputError(f"`inputs` must be a dict such as {{'prompt': '...'}}, got {type(inputs).__name__}")
    given = cast("Mapping[str, Any]", inputs)
    try:
        return {key: to_builtins(value) for key, value in given.items()}
    except RecursionError:
        raise InputError(f"inputs: {_ENDLESS}") from None


def encode_json(value: Any, place: str = "inputs") -> bytes:
    """Return `value` as JSON in UTF-8. Raises `InputError` with the place of what JSON cannot hold."""
    try:
        return json.dumps(
            value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=json_default
        ).encode()
    except (TypeError, ValueError, RecursionError):
        pass
    raise InputError(find_unsendable(value, place) or f"{place}: {_ENDLESS}")


def check_sendable(value: Any, place: str = "inputs") -> None:
    """Raise `InputError` with the place of what JSON cannot hold."""
    if found := find_unsendable(value, place):
        raise InputError(found)
