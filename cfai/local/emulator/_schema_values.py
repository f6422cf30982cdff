"""The smallest value that a JSON schema accepts: for JSON mode, and for the arguments of tool calls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from cfai._json import as_sequence
from cfai.local._json import as_object

_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "emulated@example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
# Past a few levels only what must be there: a schema that refers to itself has to end somewhere.
_FULL_DEPTH = 3
_MAX_DEPTH = 32
_MAX_VALUES = 10_000
_MAX_LENGTH = 100_000


@dataclass(slots=True)
class _Document:
    """A whole schema, which references point into, and how many values may still be built from it."""

    schema: Any
    values_left: int = _MAX_VALUES


def build_value(schema: Any) -> Any:
    """Return a value that `schema` accepts; patterns and exotic keywords are not looked at. Raises `ValueError` for a
    schema that is none, and for one that wants too much.

    >>> build_value({"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}})
    {'n': 3}
    """
    try:
        return _build(schema, _Document(schema), 0)
    except (TypeError, ArithmeticError, LookupError) as error:
        raise ValueError("not a JSON schema") from error


def _build(schema: Any, document: _Document, depth: int) -> Any:
    document.values_left -= 1
    if document.values_left < 0:
        raise ValueError(f"the schema wants more than {_MAX_VALUES} values")
    rules = as_object(schema)
    if not rules or depth > _MAX_DEPTH:
        return None
    for key in ("const", "default"):
        if key in rules:
            return rules[key]
    if rules.get("enum"):
        return rules["enum"][0]
    if "$ref" in rules:
        return _build(_resolve_reference(str(rules["$ref"]), document.schema), document, depth + 1)
    for key in ("anyOf", "oneOf"):
        if branches := rules.get(key):
            # Past the full depth the first that refers to nothing, if there is one.
            ends = (branch for branch in branches if depth > _FULL_DEPTH and "$ref" not in as_object(branch))
            return _build(next(ends, branches[0]), document, depth + 1)
    if rules.get("allOf"):
        parts = [_build(part, document, depth + 1) for part in rules["allOf"]]
        return {key: value for part in parts for key, value in as_object(part).items()} or parts[0]
    types = rules.get("type") or ("object" if "properties" in rules else "array" if "items" in rules else "string")
    match str(next(iter(as_sequence(types)), types)):
        case "object":
            properties = as_object(rules.get("properties"))
            required: Sequence[str] = as_sequence(rules.get("required"))
            names = required if depth > _FULL_DEPTH else {**properties, **dict.fromkeys(required)}
            return {name: _build(properties.get(name, {"type": "string"}), document, depth + 1) for name in names}
        case "array":
            first = [_build(item, document, depth + 1) for item in as_sequence(rules.get("prefixItems"))]
            default = min(1, rules.get("maxItems", 1)) if depth <= _FULL_DEPTH else 0
            rest = range(rules.get("minItems", default) - len(first))
            return first + [_build(rules.get("items"), document, depth + 1) for _ in rest]
        case "integer":
            return _build_number(rules, 1)
        case "number":
            return _build_number(rules, 0.5)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            text = _FORMATS.get(str(rules.get("format")), "emulated")
            if rules.get("minLength", 0) > _MAX_LENGTH:
                raise ValueError(f"the schema wants a text of more than {_MAX_LENGTH} characters")
            return text.ljust(rules.get("minLength", 0), ".")[: rules.get("maxLength")]


def _build_number(rules: Mapping[str, Any], step: float) -> float:
    step = rules.get("multipleOf") or step
    if "exclusiveMinimum" in rules:
        return (math.floor(rules["exclusiveMinimum"] / step) + 1) * step
    if "minimum" in rules:
        return math.ceil(rules["minimum"] / step) * step
    largest = rules.get("maximum", rules.get("exclusiveMaximum", 2 * step) - step)
    return min(step, math.floor(largest / step) * step)


def _resolve_reference(reference: str, root: Any) -> Any:
    """Return what a JSON pointer in a fragment points to. https://www.rfc-editor.org/rfc/rfc6901"""
    for part in reference.removeprefix("#").split("/")[1:]:
        root = as_object(root).get(unquote(part).replace("~1", "/").replace("~0", "~"))
    return root
