"""JSON schemas of parameters, in the form that every model takes.

Native models demand `type` and `description` of every property, know no `$ref`, and take one type where JSON schema has
a list of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

_SUBSCHEMA_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SUBSCHEMAS = ("items", "additionalProperties", "contains", "not", "propertyNames")
_PROPERTIES = ("properties", "patternProperties")
_DROPPED = ("title", "$defs", "discriminator")
"""What a model has no use for, or refers to what is no longer there."""


_TYPES: Mapping[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
    type(None): "null",
}
"""JSON's types of Python's."""


class RecursiveSchemaError(ValueError):
    """A type holds itself: without references it cannot be written."""


def simplify_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema without references and titles, in which every property has a type and a description.

    >>> simplify_schema({"type": "object", "properties": {"to_city": {"anyOf": [{"type": "string"}, {"type": "null"}],
    ... "default": None, "title": "To City"}}})
    {'type': 'object', 'properties': {'to_city': {'type': 'string', 'description': 'to city'}}}
    """
    return _simplify(schema, schema.get("$defs", {}), ())


def to_words(name: str) -> str:
    """Return a name of code in words.

    >>> to_words("get_weather"), to_words("cityName"), to_words("__x")
    ('get weather', 'city name', 'x')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\W]+", " ", name).strip().lower()


def _simplify(schema: Any, definitions: Mapping[str, Any], above: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        return schema  # `additionalProperties: false`
    schema = cast("Mapping[str, Any]", schema)
    simple: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$ref":
            name = value.rpartition("/")[2]
            if name in above:
                raise RecursiveSchemaError(name)
            simple |= _simplify(definitions[name], definitions, (*above, name)) | simple
        elif key in _SUBSCHEMA_LISTS:
            simple[key] = [_simplify(part, definitions, above) for part in value]
        elif key in _SUBSCHEMAS:
            simple[key] = _simplify(value, definitions, above)
        elif key in _PROPERTIES:
            simple[key] = {
                name: _complete(name, _simplify(part, definitions, above), is_optional="default" in part)
                for name, part in value.items()
            }
        elif key not in _DROPPED:
            simple[key] = value
    return simple


def _complete(name: str, schema: dict[str, Any], *, is_optional: bool) -> dict[str, Any]:
    """Return the schema of a property with one type and a description."""
    description = schema.get("description") or to_words(name) or name
    for key in _SUBSCHEMA_LISTS[:3]:
        branches = [branch for branch in schema.get(key, ()) if branch.get("type") != "null"]
        has_null = len(branches) < len(schema.get(key, ()))
        if has_null:
            # The one type cannot say it, but an optional one can be left out.
            description += "" if is_optional else " (null if there is none)"
            schema = {name: value for name, value in schema.items() if (name, value) != ("default", None)}
            schema[key] = branches
        if len(branches) == 1:
            schema = branches[0] | {name: value for name, value in schema.items() if name != key}
    if not isinstance(schema.get("type"), str):
        types = _list_types(schema)
        if len(types) > 1 and {*types} != {"integer", "number"}:
            choices = map(json.dumps, schema["enum"]) if "enum" in schema else types
            description += f" ({' or '.join(choices)})"  # the one type cannot say it
        # One that a value can have: text if there is a choice, else the first, or that which has the first in it.
        schema = {**schema, "type": next((kind for kind in ("string", "number") if kind in types), types[0])}
    return {**schema, "description": description}


def _list_types(schema: Mapping[str, Any]) -> list[str]:
    """Return the types that a value may have, but null. Whatever may be anything may be text."""
    kind = schema.get("type", [])
    types: list[str] = [kind] if isinstance(kind, str) else [*kind]
    values: list[object] = schema.get("enum", []) if not types else []
    types += [_TYPES.get(type(value), "string") for value in values]
    for branch in [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        types += _list_types(branch)
    return [kind for kind in dict.fromkeys(types) if kind != "null"] or ["string"]
