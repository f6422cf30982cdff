"""The base of all outputs of `run`. Every field that the service sends stays on them, whether it has a name or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Generic, Self, TypeAlias, TypeVar, cast, overload

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    PrivateAttr,
    RootModel,
    ValidatorFunctionWrapHandler,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticKnownError, PydanticSerializationUnexpectedValue
from pydantic_core.core_schema import wrap_serializer_function_ser_schema

from cfai._repr import join_fields
from cfai.types._tokens import Meta

T = TypeVar("T")

_DUMP_OPTIONS = (
    "mode",
    "include",
    "exclude",
    "context",
    "by_alias",
    "exclude_unset",
    "exclude_defaults",
    "exclude_none",
    "round_trip",
)


class ShortModel(BaseModel):
    """A model whose repr is short, however much it holds."""

    def __repr__(self) -> str:
        return join_fields(self.__repr_name__(), self.__repr_args__())

    def __rich_repr__(self) -> Iterator[Any]:
        """Show rich the same, which would else print all data."""
        yield _Shown(repr(self)[len(self.__repr_name__()) + 1 : -1])


class _Shown(str):
    """A text that is its own repr."""

    __slots__ = ()
    __repr__ = str.__str__


class Fields(ShortModel, Mapping[str, Any]):
    """An object of the service, a mapping: every field stays, as an attribute and by `value["field"]`."""

    model_config = ConfigDict(extra="allow", defer_build=True, protected_namespaces=())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        """Write a subclass with all its fields also where this class is what a field or a function declares."""

        def serialize(value: Any, serialize_fields: Any, info: Any) -> Any:
            if type(value) is cls:
                return serialize_fields(value)
            if not isinstance(value, cls):
                raise PydanticSerializationUnexpectedValue(f"expected {cls.__name__}, got {type(value).__name__}")
            options = {name: getattr(info, name) for name in _DUMP_OPTIONS}
            return type(value).__pydantic_serializer__.to_python(value, **options)

        schema = handler(source)
        schema.setdefault("serialization", wrap_serializer_function_ser_schema(serialize, info_arg=True))
        return schema

    def __getitem__(self, key: str) -> Any:
        if key in (self.model_extra or {}):
            return (self.model_extra or {})[key]
        if key in self.model_fields_set:
            return getattr(self, key)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]  # a model iterates pairs; a mapping, its keys
        yield from (name for name in vars(self) if name in self.model_fields_set)
        yield from self.model_extra or ()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __str__(self) -> str:
        """Show the class too, which pydantic's own leaves out. An answer that has a text gives that."""
        return repr(self)


def to_text(value: Any) -> str:
    """Return what stands in the place of a text: some models send one that is all digits as a number."""
    return "" if value is None else str(value)


TextField: TypeAlias = Annotated[str, BeforeValidator(to_text)]
"""A field that is text, whatever the service sends."""

AS_LIST = BeforeValidator(lambda value: [] if value is None else value)
"""Makes a list without items of a `null`."""


class Result(ShortModel):
    """An answer of the service, and the facts of its call."""

    model_config = ConfigDict(defer_build=True)

    _meta: Meta = PrivateAttr(default_factory=Meta)

    @property
    def meta(self) -> Meta:
        """Return what the answer's headers say: request id, neurons, seconds."""
        return self._meta

    def _format_facts(self) -> str:
        """Return what the call took, for the grey line under the answer in a notebook."""
        from cfai._display import format_facts

        meta = self._meta
        tokens = meta.usage.total_tokens if meta.usage else None
        return format_facts(tokens, meta.neurons, meta.cost, meta.elapsed)

    def _render_text(self, text: str, *, reasoning: str = "", language: str | None = None) -> dict[str, str]:
        """Return a text as a notebook shows it."""
        from cfai._display import render_answer

        page = render_answer(text, self._format_facts(), reasoning=reasoning, language=language)
        return {"text/markdown": page}

    def _render_table(self, headings: Sequence[str], rows: Iterable[Sequence[Any]], **style: Any) -> dict[str, str]:
        """Return a table as a notebook shows it."""
        from cfai._display import render_facts, render_table

        return {"text/html": render_table(headings, rows, **style) + render_facts(self._format_facts())}

    def __eq__(self, other: object) -> bool:
        """Compare what the service answered, not the facts of the call."""
        if not isinstance(other, Result) or type(self) is not type(other):
            return NotImplemented
        names = type(self).model_fields
        mine, others = (([vars(each).get(name) for name in names], each.model_extra) for each in (self, other))
        return mine == others


class Output(Fields, Result):
    """An answer that is an object, of a shape that has no class of its own.

    Fields are attributes, `result["field"]` works too. An answer that is no object is its one field `result`.
    """

    def __new__(cls, **fields: Any) -> Self:
        return super().__new__(cast("type[Self]", _find_class(cls, fields)))

    @model_validator(mode="wrap")
    @classmethod
    def _validate_fields(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        """Take an answer of this class, or fields, which tell theirs; nothing else that has attributes."""
        if isinstance(value, cls):
            return handler(value)
        if not isinstance(value, Mapping) or isinstance(value, Output):
            raise PydanticKnownError("model_type", {"class_name": cls.__name__})
        found = _find_class(cls, cast("Mapping[str, Any]", value))
        return handler(value) if found is cls else found.model_validate(value)


def _find_class(declared: type[Output], fields: Mapping[str, Any]) -> type[Output]:
    """Return the class of an object's shape, if it is one of those that are declared."""
    if not declared.__subclasses__():
        return declared
    from cfai.types._shapes import find_output_class  # not sooner: it has to know all outputs

    found = find_output_class(fields)
    return found if found is not None and found is not declared and issubclass(found, declared) else declared


class ListResult(RootModel[list[T]], Result, Generic[T]):  # pyright: ignore[reportIncompatibleMethodOverride]  # RootModel's
    """An answer that is a list: iterate it, index it, take its length."""

    def __iter__(self) -> Iterator[T]:  # type: ignore[override]  # a model iterates its fields; a list, its items
        return iter(self.root)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        return self.root[index]

    def __len__(self) -> int:
        return len(self.root)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield None, self.root

    def __str__(self) -> str:
        return repr(self)
