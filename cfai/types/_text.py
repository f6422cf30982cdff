"""Text generation: what comes out. Its inputs are in `_text_inputs.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, Self, TypeVar

from pydantic import ConfigDict, PrivateAttr

from cfai._json import to_builtins
from cfai.types._output import Fields, Output
from cfai.types._tokens import TextSummary, ToolCall, Usage, give_ids

Out = TypeVar("Out")
T = TypeVar("T")


class TextOutput(Output):
    """A text answer; `str(answer)` is its text. The service's own fields are there too, as `answer["field"]`."""

    # One attribute and private: each costs time with every answer, and a field of the service's may have any name.
    _summary: TextSummary | None = PrivateAttr(default=None)

    def _summarize(self) -> TextSummary:
        if self._summary is None:
            if not hasattr(TextSummary, "of"):  # of an answer that was unpickled, or made by hand
                import_module("cfai._response")
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

    @property
    def message(self) -> dict[str, Any]:
        """The answer as a message of the assistant, to stand behind those that were sent when the conversation goes on.

        An answer among `messages` stands for it.
        """
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.tool_calls:
            message["tool_calls"] = [
                call._as_input()  # pyright: ignore[reportPrivateUsage]
                for call in give_ids(self.tool_calls)
            ]
        return message

    def _as_input(self) -> dict[str, Any]:
        return self.message

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show what the answer comes down to, whichever shape it has."""
        yield "text", self.text
        for name in ("tool_calls", "finish_reason") if self.text else ("reasoning", "tool_calls", "finish_reason"):
            if value := getattr(self, name):
                yield name, value

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show it in a notebook: Markdown, the tools that are wanted, and what the call took."""
        calls = "\n".join(f"{call.name}({call.arguments})" for call in self.tool_calls)
        if calls and not self.text:
            return self._render_text(calls, reasoning=self.reasoning, language="text")
        return self._render_text(self.text, reasoning=self.reasoning)

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
    """`assistant`."""
    content: Any = None
    """The text; `None` beside tool calls, an object or a list where the model sends one."""
    tool_calls: Any = None
    """The tool calls as the service sent them; `answer.tool_calls` has them parsed."""


class Choice(Fields):
    """One answer of a chat completion."""

    model_config = _BUILT

    index: int | None = None
    """Its place among the `n` answers that were asked for, from 0."""
    message: Message | None = None
    """The answer."""
    finish_reason: str | None = None
    """Why the model stopped: `stop`, `length`, `tool_calls`, ..."""


class ChatCompletion(TextOutput):
    """`{"choices": [{"message": ...}]}`: the chat models, in the shape of OpenAI's chat completions."""

    choices: list[Choice] = []  # noqa: RUF012  # pydantic copies it
    """The answers: one, unless `n` asked for more."""

    @property
    def message(self) -> dict[str, Any]:
        """The answer as a message of the assistant, its reasoning under the name that the service reads: `reasoning`.

        Within the text it would spoil the next answers.
        """
        return super().message | ({"reasoning": self.reasoning} if self.reasoning else {})


class ResponsesOutput(TextOutput):
    """`{"object": "response", "output": [...]}`: gpt-oss called with `input`, in the shape of the Responses API."""

    output: list[dict[str, Any]] = []  # noqa: RUF012  # pydantic copies it
    """The reasoning, the messages and the function calls, as the service sent them."""
    status: str | None = None
    """`completed`, `incomplete` or `failed`."""


class MessagesOutput(TextOutput):
    """`{"type": "message", "content": [...]}`: Anthropic's models, in the shape of its Messages API."""

    content: list[dict[str, Any]] = []  # noqa: RUF012  # pydantic copies it
    """The text, the thoughts and the tools that are wanted, as the provider sent them."""
    stop_reason: str | None = None
    """The provider's own word, such as `end_turn`; `answer.finish_reason` is that of chat completions."""


class StructuredOutput(TextOutput, Generic[T]):
    """A text answer with the object that it holds, of the `output_type` that was asked for.

    It has the fields of the plain answer: `answer["response"]`, `answer["choices"]` or `answer["output"]`.
    """

    _output: Any = PrivateAttr(default=None)

    def __class_getitem__(cls, output_type: Any) -> type[Self]:  # type: ignore[override]
        """Return the class itself: a class for each type could not be pickled, and its answers would be of none."""
        return cls

    @classmethod
    def of(cls, answer: TextOutput, output: Out) -> StructuredOutput[Out]:
        """Return a text answer together with the object that it holds."""
        structured: Any = cls.model_validate(dict(answer))
        private = {"_meta": answer.meta, "_summary": answer._summarize(), "_output": output}
        object.__setattr__(structured, "__pydantic_private__", private)
        return structured

    @property
    def output(self) -> T:
        """The object, validated. The field `output` of an answer of the Responses API is `answer["output"]`."""
        return self._output

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show the object first, then what the answer comes down to."""
        yield "output", self.output
        yield from super().__repr_args__()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show the object in a notebook, as JSON."""
        text = json.dumps(to_builtins(self.output), indent=2, ensure_ascii=False)
        return self._render_text(text, reasoning=self.reasoning, language="json")

    @property
    def message(self) -> dict[str, Any]:
        """The answer as a message of the assistant, as the plain answer has it."""
        has_choices = "choices" in self
        return super().message | ({"reasoning": self.reasoning} if has_choices and self.reasoning else {})


def find_text_class(fields: Mapping[str, Any]) -> type[TextOutput] | None:
    """Return the class for the shape of a text answer that an object has, if it has one of the four."""
    if isinstance(fields.get("choices"), list):
        return ChatCompletion
    if isinstance(fields.get("output"), list) and fields.get("object") == "response":
        return ResponsesOutput
    if fields.get("type") == "message" and isinstance(fields.get("content"), list):
        return MessagesOutput
    # Rerankers and some embeddings have a list under the same name.
    if "response" in fields and not isinstance(fields["response"], list):
        return NativeText
    # Llama 4 Scout leaves `response` out when it calls a tool.
    has_text = isinstance(fields.get("response_text"), str)  # UNCERTAIN: other clients look for it, for Nemotron's sake
    return NativeText if has_text or isinstance(fields.get("tool_calls"), list) else None
