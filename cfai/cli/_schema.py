"""`--schema`: an answer that fits a JSON schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from cfai import ConfigurationError
from cfai._json import is_mapping


def read_schema(argument: str) -> Any:
    """Return the type of answers that fit a JSON schema, in a file or written out, for `output_type`.

    Raises `OSError` for a file that cannot be read, `ConfigurationError` for what is no schema.
    """
    is_written_out = argument.lstrip().startswith("{")
    text = argument if is_written_out else Path(argument).read_text("utf-8")
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"--schema must be a JSON schema, or a file that holds one: {error}") from error
    if not is_mapping(schema):
        raise ConfigurationError("--schema must be a JSON schema, which is an object")
    return _make_type(dict(schema))


def _make_type(schema: dict[str, Any]) -> Any:
    from jsonschema import SchemaError, ValidationError
    from jsonschema.validators import validator_for
    from pydantic import AfterValidator, WithJsonSchema

    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise ConfigurationError(f"--schema is no JSON schema: {error.message}") from error
    validator = kind(schema)

    def check(value: Any) -> Any:
        try:
            validator.validate(value)
        except ValidationError as error:
            raise ValueError(f"{error.json_path}: {error.message}") from error
        return value

    return Annotated[Any, AfterValidator(check), WithJsonSchema(schema)]
