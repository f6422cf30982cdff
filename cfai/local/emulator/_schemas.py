"""Schemas: what each model takes, as the service lists it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast

_CHAT = "@cf/zai-org/glm-4.7-flash"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input of a model."""

    kinds: frozenset[str]
    """JSON types it may have; empty where any will do."""

    rules: dict[str, Any]
    """What else its schema says: `minimum`, `enum`, `required`, ..."""

    @property
    def holds_texts(self) -> bool:
        """Return whether a list of it has nothing but strings."""
        return "array<string>" in str(self.rules["type"])


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of a model: what it takes, and in words what it gives."""

    parameters: dict[str, Parameter]
    output: str

    @property
    def streams(self) -> bool:
        """Return whether the model knows `stream`."""
        return "no streaming" not in self.output

    def required(self) -> dict[str | None, list[str]]:
        """Return the names that must be there, by variant; `None` is what every variant needs."""
        groups: dict[str | None, list[str]] = {}
        for name, parameter in self.parameters.items():
            if parameter.rules.get("required"):
                groups.setdefault(parameter.rules.get("variant"), []).append(name)
        return groups


def as_object(value: Any) -> Mapping[str, Any]:
    """Return `value` if it is a JSON object, else an empty one."""
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    """Return `value` if it is a JSON array, else an empty one."""
    return cast(list[Any], value) if isinstance(value, list) else []


@cache
def get_schema(model: str) -> Schema:
    """Return the schema of `model`, batches apart; a chat model's, if the listing has none."""
    row: dict[str, Any] = _load_rows()[model]
    listed = row["input_params"] or _load_rows()[_CHAT]["input_params"]
    parameters = {name: _parse_parameter(rules) for name, rules in listed.items() if name != "requests"}
    return Schema(parameters, row["output"] or "")


@cache
def _load_rows() -> dict[str, Any]:
    return json.loads(files("cfai.models").joinpath("schemas.json").read_bytes())


def _parse_parameter(rules: dict[str, Any]) -> Parameter:
    described = str(rules["type"])
    kinds = _parse_types(described)
    many = re.search(r"\(maxItems (\d+)\)", described)
    return Parameter(kinds, rules | {"maxItems": int(many[1])} if many else rules)


@cache
def _parse_types(described: str) -> frozenset[str]:
    """Return the JSON types in a description such as `array<{role:string}>|null`."""
    flat, before = described, ""
    while flat != before:
        before = flat
        flat = re.sub(r"<[^<>{}]*>", "", re.sub(r"\{[^<>{}]*\}", "object", flat))
    flat = re.sub(r"\([^()]*\)", "", flat)
    kinds = [_parse_type(part.strip()) for part in flat.split("|")]
    return frozenset[str]() if None in kinds else frozenset(kind for kind in kinds if kind)


def _parse_type(part: str) -> str | None:
    if part.startswith("'"):
        return "string"
    word = part.split(" ")[0]
    return word if word in ("string", "number", "integer", "boolean", "null", "object", "array") else None
