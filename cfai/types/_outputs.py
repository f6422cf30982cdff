"""Outputs of `run`. Every field that the service sends stays on the result, whether it has a name here or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr, RootModel

from cfai.types._tokens import Meta, TextSummary, ToolCall, Usage


class Fields(BaseModel):
    """An object of the service: every field stays, as an attribute and by `value["field"]`."""

    model_config = ConfigDict(extra="allow", defer_build=True, protected_namespaces=())

    def __getitem__(self, key: str) -> Any:
        if key in (self.model_extra or {}):
            return (self.model_extra or {})[key]
        if key in self.model_fields_set:
            return getattr(self, key)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return key in (self.model_extra or {}) or key in self.model_fields_set

    def get(self, key: str, default: Any = None) -> Any:
        """Return the field as the service sent it, or `default`."""
        try:
            return self[key]
        except KeyError:
            return default


class _Result(BaseModel):
    model_config = ConfigDict(defer_build=True)

    _meta: Meta = PrivateAttr(default_factory=Meta)

    @property
    def meta(self) -> Meta:
        """Return what the answer's headers say: request id, neurons, seconds."""
        return self._meta


class Output(Fields, _Result):
    """A result that is an object. Fields are attributes, `result["field"]` works too."""


class TextOutput(Output):
    """A text answer; `str(answer)` is its text. The service's own fields are there too, as `answer["field"]`."""

    # One attribute and private: each costs time with every answer, and a field of the service's may have any name.
    _summary: TextSummary = PrivateAttr(default_factory=TextSummary)

    @property
    def text(self) -> str:
        """The answer, empty if there is none: a tool call, or a reasoning model that ran out of `max_tokens`."""
        return self._summary.text

    @property
    def reasoning(self) -> str:
        """Return what a reasoning model thought first."""
        return self._summary.reasoning

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tools that the model wants called."""
        return self._summary.tool_calls

    @property
    def finish_reason(self) -> str | None:
        """`stop`, `length`, `tool_calls`, ... or `None`: native answers seldom say."""
        return self._summary.finish_reason

    @property
    def usage(self) -> Usage | None:
        """Tokens of the call, if the service said."""
        return self._summary.usage

    def __str__(self) -> str:
        return self.text


class NativeText(TextOutput):
    """`{"response": ..., "usage": ...}`: Llama, Mistral and older models."""

    response: Any = None
    """The text; an object in JSON mode; `None` with a tool call."""


class Message(Fields):
    """The message of a choice."""

    role: str | None = None
    content: Any = None
    tool_calls: Any = None


class Choice(Fields):
    """One answer of a chat completion."""

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


@dataclass(slots=True)
class Binary:
    """An answer that is bytes: an image, or speech."""

    content: bytes = field(repr=False)
    media_type: str
    """The type of the bytes, read from their beginning where that is known (some models declare it wrongly)."""

    meta: Meta = field(default_factory=Meta)

    @classmethod
    def of(cls, content: bytes, content_type: str, meta: Meta) -> Binary:
        """Return the bytes with their media type. The beginning of the bytes wins over `content_type`."""
        media_type = next((kind for kind, magic in _MAGIC.items() if content.startswith(magic)), None)
        if media_type is None and content[:4] == b"RIFF":
            media_type = _RIFF.get(content[8:12])
        declared = content_type.partition(";")[0].strip().lower()
        return cls(content, media_type or declared or "application/octet-stream", meta)

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
