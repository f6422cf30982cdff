"""What `run` gives back. Every field that the service sends stays on the result, whether it has a name here or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, PrivateAttr, RootModel

from cfai._json import loads


@dataclass(slots=True)
class Meta:
    """What the answer's headers say about the call."""

    model: str = ""
    """The model that was called."""

    request_id: str | None = None
    """`cf-ai-req-id`, else `cf-ray`: what Cloudflare's support asks for."""

    status_code: int = 0
    """The HTTP status."""

    neurons: float | None = None
    """What the call was charged, in neurons ($0.011 per 1,000), from `cf-ai-neurons` or the usage; `None` if unsaid."""

    gateway_log_id: str | None = None
    """`cf-aig-log-id`, when a gateway logged the call."""

    elapsed: float = 0.0
    """Seconds from sending to the answer's headers; once a stream has ended, to its end."""


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
        """The field as the service sent it, or `default`."""
        try:
            return self[key]
        except KeyError:
            return default


class Usage(Fields):
    """Tokens of one call, under the names of chat completions whatever the service called them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    neurons: float | None = None
    """What the usage itself says was charged, in neurons."""

    @classmethod
    def of(cls, report: Any) -> Usage | None:
        """The usage of a wire object, or `None` if it is none. `input_tokens` and `output_tokens` are known as well.

        >>> Usage.of({"input_tokens": 3, "output_tokens": 4})
        Usage(prompt_tokens=3, completion_tokens=4, total_tokens=7, neurons=None, input_tokens=3, output_tokens=4)
        """
        if not isinstance(report, dict) or not report:
            return None
        report = cast("dict[str, Any]", report)
        prompt = _count(report, "prompt_tokens", "input_tokens")
        completion = _count(report, "completion_tokens", "output_tokens")
        total = _count(report, "total_tokens") or prompt + completion
        neurons = report.get("neurons")
        known = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": total,
            "neurons": float(neurons) if isinstance(neurons, int | float) else None,
        }
        return cls.model_validate({**report, **known})

    @property
    def cached_tokens(self) -> int:
        """How many of the prompt's tokens came from the prompt cache."""
        details: Any = (self.model_extra or {}).get("prompt_tokens_details")
        return _count(cast("dict[str, Any]", details), "cached_tokens") if isinstance(details, dict) else 0

    @property
    def reasoning_tokens(self) -> int:
        """How many of the completion's tokens were reasoning."""
        details: Any = (self.model_extra or {}).get("completion_tokens_details")
        return _count(cast("dict[str, Any]", details), "reasoning_tokens") if isinstance(details, dict) else 0


def _count(report: dict[str, Any], *names: str) -> int:
    """The first whole number under one of `names`, or 0. A count that came as a float or as text is read too."""
    for name in names:
        value = report.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        try:
            return int(value)
        except (ValueError, OverflowError):
            continue
    return 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants called."""

    name: str
    arguments: str
    """The arguments as the model sent them: JSON text, if it did as it was told."""

    id: str | None = None
    """To be sent back with the result, unchanged. Some models repeat ids, so do not use it as a key."""

    @property
    def parsed(self) -> Any:
        """The arguments as an object. Raises `ValueError` if they are no JSON; no text at all is no arguments."""
        if not self.arguments.strip():
            return {}
        try:
            return loads(self.arguments.encode("utf-8", "replace"))
        except ValueError:
            raise ValueError(f"the arguments of {self.name!r} are no JSON: {self.arguments[:200]!r}") from None


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call in a stream. Pieces with one `index` make one call."""

    index: int
    name: str | None = None
    arguments: str = ""
    id: str | None = None


@dataclass(slots=True)
class Token:
    """One piece of a streamed answer; `str(token)` is its text."""

    text: str
    raw: dict[str, Any] = field(repr=False)
    """The event as it came, without its padding."""

    reasoning: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    finish_reason: str | None = None
    choice: int = 0
    """Which of the `n` answers that were asked for this belongs to."""

    def __str__(self) -> str:
        return self.text

    @property
    def usage(self) -> Usage | None:
        """What this event reports. `Stream.usage` is the whole call's."""
        inner: Any = self.raw.get("response")
        return Usage.of(self.raw.get("usage") or (cast("Any", inner).get("usage") if isinstance(inner, dict) else None))


class Output(Fields):
    """A result that is an object. Fields are attributes, `result["field"]` works too."""

    _meta: Meta = PrivateAttr(default_factory=Meta)

    @property
    def meta(self) -> Meta:
        """What the answer's headers say: request id, neurons, seconds."""
        return self._meta


@dataclass(slots=True)
class Answer:
    """What a text answer comes down to, in whichever of the three shapes it was sent."""

    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list[ToolCall])
    finish_reason: str | None = None
    usage: Usage | None = None


class TextOutput(Output):
    """A text answer; `str(answer)` is its text. The service's own fields are there too, as `answer["field"]`."""

    _answer: Answer = PrivateAttr(default_factory=Answer)

    @property
    def text(self) -> str:
        """The answer, empty if there is none: a tool call, or a reasoning model that ran out of `max_tokens`."""
        return self._answer.text

    @property
    def reasoning(self) -> str:
        """What a reasoning model thought first."""
        return self._answer.reasoning

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tools that the model wants called."""
        return self._answer.tool_calls

    @property
    def finish_reason(self) -> str | None:
        """`stop`, `length`, `tool_calls`, ... or `None`: native answers seldom say."""
        return self._answer.finish_reason

    @property
    def usage(self) -> Usage | None:
        """Tokens of the call, if the service said."""
        return self._answer.usage

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


class ListOutput(RootModel[list[Any]]):
    """A result that is a list, such as labels with scores: iterate it, index it, take its length."""

    model_config = ConfigDict(defer_build=True)

    _meta: Meta = PrivateAttr(default_factory=Meta)

    @property
    def meta(self) -> Meta:
        """What the answer's headers say: request id, neurons, seconds."""
        return self._meta

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # a model iterates its fields; a list, its items
        return iter(self.root)

    def __getitem__(self, index: Any) -> Any:
        return self.root[index]

    def __len__(self) -> int:
        return len(self.root)


class ValueOutput(RootModel[Any]):
    """A result that is neither object, list nor text: `.root` has it."""

    model_config = ConfigDict(defer_build=True)

    _meta: Meta = PrivateAttr(default_factory=Meta)

    @property
    def meta(self) -> Meta:
        """What the answer's headers say: request id, neurons, seconds."""
        return self._meta


_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"\xff\xf3": "audio/mpeg",
    b"\xff\xf2": "audio/mpeg",
    b"\xff\xf1": "audio/aac",
    b"\xff\xf9": "audio/aac",
    b"OggS": "audio/ogg",
    b"fLaC": "audio/flac",
    b"%PDF": "application/pdf",
}
_RIFF = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}


@dataclass(slots=True)
class Binary:
    """An answer that is bytes: an image, or speech."""

    content: bytes = field(repr=False)
    media_type: str
    """What the bytes are, told from their beginning where that is known (some models declare it wrongly)."""

    meta: Meta = field(default_factory=Meta)

    @classmethod
    def of(cls, content: bytes, content_type: str, meta: Meta) -> Binary:
        """The bytes with their media type. The beginning of the bytes wins over `content_type`."""
        media_type = next((kind for magic, kind in _MAGIC.items() if content.startswith(magic)), None)
        if media_type is None and content[:4] == b"RIFF":
            media_type = _RIFF.get(content[8:12])
        declared = content_type.partition(";")[0].strip().lower()
        return cls(content, media_type or declared or "application/octet-stream", meta)

    def __bytes__(self) -> bytes:
        return self.content

    def __len__(self) -> int:
        return len(self.content)

    def save(self, path: str | PathLike[str]) -> Path:
        """Writes the bytes to `path`, and gives it back."""
        target = Path(path)
        target.write_bytes(self.content)
        return target

    def _repr_mimebundle_(self, **_: Any) -> dict[str, bytes]:
        """Shows an image in a notebook."""
        return {self.media_type: self.content} if self.media_type.startswith("image/") else {}
