"""Calls of Python functions by a model: what goes in, and what comes out of `run_with_tools`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Required, Self, TypedDict

from pydantic import PrivateAttr

from cfai._repr import short_repr
from cfai.types._text import TextOutput
from cfai.types._tokens import ToolCall, Usage, add_up


class PythonTool(TypedDict, total=False):
    """A tool in the form of Cloudflare's own `runWithTools`, where a function alone does not say enough."""

    function: Required[Callable[..., Any]]
    """The function that is called with the arguments by name."""
    name: str
    """Letters, digits, `_` and `-`, 64 at most. Default: the name of the function."""
    description: str
    """What it does. Default: the first paragraph of the function's docstring."""
    parameters: Mapping[str, Any]
    """A JSON schema of an object, sent as it is; then the arguments are not validated. Default: from the signature."""


@dataclass(slots=True)
class ToolResult:
    """The result of one call that the model asked for."""

    __repr__ = short_repr

    call: ToolCall
    """The call, with the id by which its result went back."""
    arguments: dict[str, Any] | None = None
    """The arguments by name, validated; `None` if the function was not called."""
    result: Any = None
    """What the function returned; `None` if it raised, or was not called."""
    error: str | None = None
    """Why there is no result, as the model was told; `None` if there is one."""
    content: str = ""
    """The text that went back to the model."""
    elapsed: float = 0.0
    """Seconds that the function took."""
    exception: Exception | None = field(default=None, repr=False, compare=False)
    """The exception behind `error`, with its traceback. A pickle leaves it out: not every exception can be pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return ToolResult, (self.call, self.arguments, self.result, self.error, self.content, self.elapsed)


@dataclass(slots=True)
class Step:
    """One call of the model, and the calls of tools that it asked for."""

    __repr__ = short_repr

    messages: list[Any]
    """The conversation that was sent; with `input`, its items."""
    answer: TextOutput
    """What the model answered."""
    calls: list[ToolResult] = field(default_factory=list[ToolResult])
    """The tools that it had called, in its order; none in the last step."""
    elapsed: float = 0.0
    """Seconds of the model's call and of the tools together."""

    @property
    def usage(self) -> Usage | None:
        """Return the tokens of the model's call, if the service said."""
        return self.answer.usage

    @property
    def cost(self) -> float | None:
        """Return what the model's call cost, in US dollars, or `None` if that is not known."""
        return self.answer.meta.cost


class ToolsOutput(TextOutput):
    """The last answer of a model that called tools, with its fields, and the steps that led to it.

    `meta` is that of the last call; `usage` and `cost` are those of all calls together.
    """

    _steps: list[Step] = PrivateAttr(default_factory=list[Step])
    _messages: list[Any] = PrivateAttr(default_factory=list[Any])

    @classmethod
    def from_steps(cls, steps: Iterable[Step], messages: Iterable[Any]) -> Self:
        """Return the output of these steps, and of the conversation that they came to."""
        steps = list(steps)
        answer = steps[-1].answer
        output = cls.model_construct(**{name: answer[name] for name in answer})
        output._summary, output._meta = answer._summarize(), answer.meta
        output._steps, output._messages = steps, list(messages)
        return output

    @property
    def steps(self) -> list[Step]:
        """The calls of the model, each with the calls of tools that it asked for."""
        return self._steps

    @property
    def messages(self) -> list[Any]:
        """The whole conversation, the last answer included, to go on with; with `input`, its items."""
        return self._messages

    @property
    def message(self) -> dict[str, Any]:
        """The last answer as a message of the assistant."""
        return self._steps[-1].answer.message if self._steps else super().message

    @property
    def usage(self) -> Usage | None:
        """Tokens of all calls together; `None` if the service did not say them of each."""
        return add_up(step.usage for step in self._steps)

    def _format_facts(self) -> str:
        """Return what all calls took together."""
        from cfai._display import format_facts

        usage, neurons = self.usage, add_up(step.answer.meta.neurons for step in self._steps)
        seconds = sum(step.elapsed for step in self._steps)
        return format_facts(usage.total_tokens if usage else None, neurons, self.cost, seconds)

    @property
    def cost(self) -> float | None:
        """The cost of all calls together, in US dollars; `None` if that is not known of each."""
        return add_up(step.cost for step in self._steps)
