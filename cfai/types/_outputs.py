"""Outputs of `run`. Every field that the service sends stays on the result, whether it has a name here or not."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    PrivateAttr,
    RootModel,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticKnownError, PydanticSerializationUnexpectedValue
from pydantic_core.core_schema import wrap_serializer_function_ser_schema

from cfai.types._tokens import Meta, TextSummary, ToolCall, Usage

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


class Fields(BaseModel, Mapping[str, Any]):
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
        return (name for name in (*vars(self), *(self.model_extra or ())) if name in self.model_fields_set)

    def __len__(self) -> int:
        return len(self.model_fields_set)


class _Result(BaseModel):
    model_config = ConfigDict(defer_build=True)

    _meta: Meta = PrivateAttr(default_factory=Meta)

    @property
    def meta(self) -> Meta:
        """Return what the answer's headers say: request id, neurons, seconds."""
        return self._meta

    def __eq__(self, other: object) -> bool:
        """Compare what the service answered, not the facts of the call."""
        if not isinstance(other, _Result) or type(self) is not type(other):
            return NotImplemented
        names = type(self).model_fields
        mine, others = (([vars(each).get(name) for name in names], each.model_extra) for each in (self, other))
        return mine == others


class Output(Fields, _Result):
    """A result that is an object. Fields are attributes, `result["field"]` works too."""

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


class TextOutput(Output):
    """A text answer; `str(answer)` is its text. The service's own fields are there too, as `answer["field"]`."""

    # One attribute and private: each costs time with every answer, and a field of the service's may have any name.
    _summary: TextSummary | None = PrivateAttr(default=None)

    def _summarize(self) -> TextSummary:
        if self._summary is None:
            self._summary = TextSummary.of(self.model_dump(exclude_unset=True, warnings=False))
        return self._summary

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy; what is updated shows in its text as well."""
        copy = super().model_copy(update=update, deep=deep)
        if update:
            copy._summary = None
        return copy

    @property
    def text(self) -> str:
        """The answer, empty if there is none: a tool call, or a reasoning model that ran out of `max_tokens`."""
        return self._summarize().text

    @property
    def reasoning(self) -> str:
        """Return what a reasoning model thought first."""
        return self._summarize().reasoning

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tools that the model wants called."""
        return self._summarize().tool_calls

    @property
    def finish_reason(self) -> str | None:
        """`stop`, `length`, `tool_calls`, ... or `None`: native answers seldom say."""
        return self._summarize().finish_reason

    @property
    def usage(self) -> Usage | None:
        """Tokens of the call, if the service said."""
        return self._summarize().usage

    def __str__(self) -> str:
        return self.text


class NativeText(TextOutput):
    """`{"response": ..., "usage": ...}`: Llama, Mistral and older models."""

    response: Any = None
    """The text; an object in JSON mode; `None` with a tool call."""


# Built at once: up to pydantic 2.12, a part whose class is still to be built cannot be written where `Any` is declared.
_BUILT = ConfigDict(defer_build=False)


class Message(Fields):
    """The message of a choice."""

    model_config = _BUILT

    role: str | None = None
    content: Any = None
    tool_calls: Any = None


class Choice(Fields):
    """One answer of a chat completion."""

    model_config = _BUILT

    index: int | None = None
    message: Message | None = None
    finish_reason: str | None = None


class ChatCompletion(TextOutput):
    """`{"choices": [{"message": ...}]}`: the chat models, in the shape of OpenAI's chat completions."""

    choices: list[Choice] = []


class ResponsesOutput(TextOutput):
    """`{"object": "response", "output": [...]}`: gpt-oss called with `input`, in the shape of the Responses API."""

    output: list[dict[str, Any]] = []
    status: str | None = None


def find_text_class(fields: Mapping[str, Any]) -> type[TextOutput] | None:
    """Return the class for the shape of a text answer that an object has, if it has one of the three."""
    if isinstance(fields.get("choices"), list):
        return ChatCompletion
    if isinstance(fields.get("output"), list) and fields.get("object") == "response":
        return ResponsesOutput
    # Rerankers and some embeddings have a list under the same name.
    if "response" in fields and not isinstance(fields["response"], list):
        return NativeText
    # Llama 4 Scout leaves `response` out when it calls a tool.
    has_text = isinstance(fields.get("response_text"), str)  # UNCERTAIN: other clients look for it, for Nemotron's sake
    return NativeText if has_text or isinstance(fields.get("tool_calls"), list) else None


def _find_class(declared: type[Output], fields: Mapping[str, Any]) -> type[Output]:
    """Return the class of an object's shape where no more than `Output` or `TextOutput` is declared."""
    is_open = declared in (Output, TextOutput)
    return (find_text_class(fields) if is_open else None) or declared


class ListOutput(RootModel[list[Any]], _Result):  # pyright: ignore[reportIncompatibleMethodOverride]  # RootModel's
    """A result that is a list, such as labels with scores: iterate it, index it, take its length."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # a model iterates its fields; a list, its items
        return iter(self.root)

    def __getitem__(self, index: Any) -> Any:
        return self.root[index]

    def __len__(self) -> int:
        return len(self.root)


class ValueOutput(RootModel[Any], _Result):  # pyright: ignore[reportIncompatibleMethodOverride]  # RootModel's
    """A result that is neither object, list nor text: `.root` has it."""


_MAGIC = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "audio/mpeg": (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
    "audio/aac": (b"\xff\xf1", b"\xff\xf9"),
    "audio/ogg": b"OggS",
    "audio/flac": b"fLaC",
    "application/pdf": b"%PDF",
}
_RIFF = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}


def _decode_base64(value: Any) -> Any:
    return b64decode(value, validate=True) if isinstance(value, str) else value


def _encode_base64(content: bytes) -> str:
    return b64encode(content).decode()


class Binary(_Result):
    """An answer that is bytes: an image, or speech. In JSON its content is base64 text."""

    content: Annotated[
        bytes,
        BeforeValidator(_decode_base64),
        PlainSerializer(_encode_base64, return_type=str, when_used="json"),
        WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
    ] = Field(repr=False)

    media_type: str
    """The type of the bytes, read from their beginning where that is known (some models declare it wrongly)."""

    @classmethod
    def of(cls, content: bytes, content_type: str, meta: Meta) -> Binary:
        """Return the bytes with their media type. The beginning of the bytes wins over `content_type`."""
        media_type = next((kind for kind, magic in _MAGIC.items() if content.startswith(magic)), None)
        if media_type is None and content[:4] == b"RIFF":
            media_type = _RIFF.get(content[8:12])
        declared = content_type.partition(";")[0].strip().lower()
        output = cls(content=content, media_type=media_type or declared or "application/octet-stream")
        output._meta = meta
        return output

    def __bytes__(self) -> bytes:
        return self.content

    def __len__(self) -> int:
        return len(self.content)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the bytes to `path`, and return it."""
        target = Path(path)
        target.write_bytes(self.content)
        return target

    def _repr_mimebundle_(self, **_: Any) -> dict[str, bytes]:
        """Show an image in a notebook."""
        return {self.media_type: self.content} if self.media_type.startswith("image/") else {}
