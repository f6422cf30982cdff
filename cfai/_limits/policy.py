"""The options `limit_overrides` and `token_counter` of a client, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from cfai import models, tokens
from cfai._errors import ConfigurationError
from cfai.models import LIMIT_FIELDS, Limit


def parse_limit_overrides(limits: Any) -> dict[str, dict[str, Limit]]:
    """Return a user's `limit_overrides` by model and field. Raises `ConfigurationError`."""
    if limits is not None and not isinstance(limits, Mapping):
        raise ConfigurationError(f"`limit_overrides` must be a mapping by model, got {type(limits).__name__}")
    overrides: dict[str, dict[str, Limit]] = {}
    for model, figures in cast("Mapping[Any, Any]", limits or {}).items():
        if not isinstance(model, str):
            raise ConfigurationError(f"`limit_overrides` must have names of models as keys, got {model!r}")
        by_field = (
            cast("Mapping[Any, Any]", figures) if isinstance(figures, Mapping) else {_parse_field(model): figures}
        )
        for field, value in by_field.items():
            if field not in LIMIT_FIELDS:
                known = ", ".join(LIMIT_FIELDS)
                raise ConfigurationError(f"`limit_overrides` of {model} must be of {known}, got {field!r}")
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigurationError(f"{field} in `limit_overrides` of {model} must be 1 or more, got {value!r}")
            overrides.setdefault(model, {})[field] = Limit(value, "limit_overrides", "given by you", True, True)
    return overrides


def _parse_field(model: str) -> str:
    """Return the field that a number alone stands for."""
    entry = models.get(model)
    return "input_length" if entry is not None and entry.window is None and entry.input_length else "context_length"


def parse_token_counter(counter: Any) -> Any:
    """Return a user's `token_counter`, one for all models or a mapping by model. Raises `ConfigurationError`."""
    if isinstance(counter, Mapping):
        for model, one in cast("Mapping[str, Any]", counter).items():
            tokens.validate_counter(one, f"token_counter[{model!r}]")
        return cast("Any", counter)
    return None if counter is None else tokens.validate_counter(counter, "token_counter")
