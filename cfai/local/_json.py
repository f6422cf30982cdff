"""Read JSON that anybody may have sent: strictly, and never failing over a value of another type."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from cfai._json import is_mapping


def as_object(value: Any) -> Mapping[str, Any]:
    """Return a JSON object as it is, and an empty one for everything else."""
    return value if is_mapping(value) else {}


def loads_strictly(text: str | bytes, parse_float: Callable[[str], float] = float) -> Any:
    """Return the value of a JSON text. Raises `ValueError` for `NaN` and `Infinity` too, which Python would take."""
    return json.loads(text, parse_float=parse_float, parse_constant=_reject_constant)


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
