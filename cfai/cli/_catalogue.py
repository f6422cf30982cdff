"""The models that the command line knows: those of the catalogue, and those that `cfai models sync` has found since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from cfai.models import Limit, Model, Price, catalogue


@cache
def known_models() -> Mapping[str, Model]:
    """Return every known model by name, retired ones included."""
    found: dict[str, Model] = {}
    # A file that cannot be read, or is of another version, is as none.
    with suppress(OSError, ValueError, TypeError, KeyError):
        for row in json.loads(find_synced_file().read_bytes()):
            found[row["name"]] = _parse_row(row)
    return {**found, **catalogue()}


def find_synced_file() -> Path:
    """Return the path of the models that were found. Raises `ConfigurationError` for a user without a home."""
    from cfai.local._cache_folder import find_cache_folder

    return find_cache_folder() / "models.json"


def write_synced_file(models: list[Model]) -> Path:
    """Keep models that the catalogue does not have, and return the path of the file. Raises `OSError`."""
    file = find_synced_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**asdict(model), "capabilities": sorted(model.capabilities)} for model in models]
    file.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    known_models.cache_clear()
    return file


def _parse_row(row: Mapping[str, Any]) -> Model:
    context, longest = row["context_length"], row["input_length"]
    return Model(
        row["name"],
        row["task"],
        row["created_at"],
        context_length=None if context is None else Limit(**context),
        input_length=None if longest is None else Limit(**longest),
        price=tuple(Price(**price) for price in row["price"]),
        capabilities=frozenset(row["capabilities"]),
    )
