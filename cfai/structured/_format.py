"""The type that an answer is to have, and how it is read out of a text."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import from_json

from cfai._credentials import describe
from cfai._errors import ConfigurationError
from cfai._json import is_mapping

_WRAPPED = "value"
"""The one field of the object that a list, a number or another value is sent in: services want an object."""

# Patterns stay texts: `re` compiles them at first use.
BRACKET = r"((?:^|[:\n])[ \t*]*)?[{\[]"
"""The beginning of an object or a list, with what stands before it where it has a line to itself, or a colon."""
_SCALAR = (
    r'(?:^|[:\n])[ \t*]*("(?:[^"\\\n]|\\.)*+"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?=[ \t*]*(?:\r?\n|$))'
)
"""A string, a number or a word of JSON where it has a line to itself, or the rest of one behind a colon."""
_LINE_END = r"[ \t]*(?:\r?\n|$)"
_BRACKETS = r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[][{}]'
"""A string, or where something begins or ends."""
_BROKEN = r"[{\[]\s*[{\[\"']"
"""What was to be JSON. Other words in brackets were not."""
_FENCE = r"\s*```\w*\n(.*?)\n?```\s*"
THOUGHTS, THOUGHTS_END = "<think>", "</think>"


@dataclass(frozen=True, slots=True, eq=False)
class OutputFormat:
    """The type that an answer is to have, with its JSON schema and how it is read."""

    name: str
    """The name of the type, for errors."""
    schema: Mapping[str, Any]
    """The schema that is sent: that of an object."""
    adapter: TypeAdapter[Any]
    """What validates a value."""
    wrapper: TypeAdapter[Any] | None
    """What validates an object that has the value in it; `None` where the value is an object itself."""

    @classmethod
    def of(cls, output_type: Any) -> Self:
        """Return the format of what a `TypeAdapter` takes. Raises `ConfigurationError` for what has no schema."""
        name = str(output_type) if get_origin(output_type) is not None else describe(output_type)
        if isinstance(output_type, type):
            name = output_type.__name__
        try:
            if isinstance(output_type, str | partial | BaseModel) or inspect.isroutine(output_type):
                raise TypeError("a string, a function or an object is no type")
            adapter, wrapper = TypeAdapter[Any](output_type), None
            schema = adapter.json_schema()
            if reference := schema.get("$ref"):  # a type that refers to itself
                schema = {**schema["$defs"][reference.rpartition("/")[2]], "$defs": schema["$defs"]}
            if schema.get("type") != "object":
                fields: Any = {_WRAPPED: (output_type, ...)}
                wrapper = TypeAdapter[Any](create_model("Answer", **fields))
                schema = wrapper.json_schema()
        except Exception as error:  # pydantic shows what it cannot use, whose own `repr` may raise anything
            must_be = "`output_type` must be a type such as a pydantic model, a dataclass, a TypedDict or `list[City]`"
            is_told = isinstance(error, PydanticUserError | TypeError | NameError)
            reason = f": {error}".partition("\n")[0] if is_told else ""
            raise ConfigurationError(f"{must_be}, got {name[:100]}{reason}") from error
        return cls(name, schema, adapter, wrapper)

    def read(self, text: str, *, is_cut: bool = False) -> Any:
        """Return the value that a text holds, as it is or among other words. Raises pydantic's `ValidationError`.

        A text that was cut is not searched: what is whole in it may be a part of the answer, or come before it.
        """
        try:
            return self._validate(text, bare=not is_cut)
        except ValidationError as error:
            problem = error
        answer = text.rpartition(THOUGHTS_END)[2]
        if is_cut:
            raise problem
        if fenced := re.fullmatch(_FENCE, answer, re.DOTALL):
            answer = fenced[1]
        found = self.find(answer)
        if found is None and answer == text:
            raise problem
        return self._validate(found or answer, bare=True)

    def find(self, text: str) -> str | None:
        """Return the piece of a text that is the value; `None` without one.

        It is the last: who thinks aloud, or gives an example, ends with the answer. What is neither an object nor a
        list counts only where there is none of these, not even a broken one.
        """
        answer = text.rpartition(THOUGHTS_END)[2]
        if answer.lstrip().startswith(THOUGHTS):
            return None
        found = [piece.text for piece in find_json(answer) if self.may_be(piece)]
        values = [piece for piece in found if piece[0] in "{["]
        if not values and re.search(_BROKEN, answer) is None:
            values = found
        return values[-1] if values else None

    def may_be(self, piece: Piece) -> bool:
        """Return True if a piece of text may be the value: an object, or what is no object on a line of its own."""
        return piece.text.startswith("{") or (piece.is_alone and self.wrapper is not None)

    def unwrap(self, value: Any) -> Any:
        """Return the value inside the object that it was sent in; `None` if it has not come yet."""
        return value.get(_WRAPPED) if self.wrapper is not None and is_mapping(value) else value

    def _validate(self, text: str, *, bare: bool) -> Any:
        """Return the value of a JSON text; `bare` allows it without the object that it was to be sent in."""
        if self.wrapper is None:
            return self.adapter.validate_json(text)
        try:
            return getattr(self.wrapper.validate_json(text), _WRAPPED)
        except ValidationError:
            if bare:
                with suppress(ValidationError):
                    return self.adapter.validate_json(text)
            raise


class Piece(NamedTuple):
    """A piece of a text that is JSON."""

    text: str
    is_alone: bool
    """True if it has a line to itself, or the rest of one behind a colon."""


def find_json(text: str) -> list[Piece]:
    """Return the pieces of JSON that stand in a text, in its order; what is no object and no list only on its own line.

    What stands inside brackets that are no JSON does not count; nor does what comes before an object or a list that is
    broken, or before brackets that are never closed.

    >>> [piece.text for piece in find_json('Here it is: {"a": {"b": 1}}. Not {this}, but [2]. Sure: 9')]
    ['{"a": {"b": 1}}', '[2]', '9']
    >>> find_json('For example {"a": 1}, and so {"a": [{"b": 2}],}')
    []
    """
    found: list[Piece] = []
    position = 0
    while (begin := re.compile(f"{_SCALAR}|{BRACKET}").search(text, position)) is not None:
        if begin[1] is not None:
            found += [Piece(begin[1], is_alone=True)] if _is_json(begin[1]) else []
            position = begin.end()
            continue
        start = begin.end() - 1
        stop = find_end(text, start)
        if stop is None:
            return []
        if _is_json(text[start:stop]):
            is_alone = begin[2] is not None and re.compile(_LINE_END).match(text, stop) is not None
            found.append(Piece(text[start:stop], is_alone))
        elif re.compile(_BROKEN).match(text, start):
            found.clear()
        position = stop
    return found


def find_end(text: str, start: int) -> int | None:
    """Return where what begins with a bracket ends; `None` if it does not."""
    depth = 0
    for match in re.compile(_BRACKETS, re.DOTALL).finditer(text, start):
        depth += (match[0] in "{[") - (match[0] in "}]")
        if not depth:
            return match.end()
    return None


def _is_json(text: str) -> bool:
    try:
        from_json(text)
    except ValueError:
        return False
    return True
