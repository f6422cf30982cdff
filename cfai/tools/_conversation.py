"""The conversation of a loop: what is sent next, what an answer asks for, and what goes back. Nothing here waits."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from cfai import models
from cfai._errors import APIResponseValidationError, CfaiError, ConfigurationError, InputError, ToolLoopError
from cfai._json import as_sequence, is_mapping, loads
from cfai._limits import is_slow_to_count
from cfai._request import inputs_to_builtins
from cfai.models.schemas import get_schema
from cfai.tools._calls import make_results
from cfai.tools._tool import Tool, parse_arguments
from cfai.types import ResponsesOutput, Step, TextOutput, ToolCall, ToolResult, ToolsOutput, give_ids


class Conversation:
    """A conversation in which a model has tools called.

    `fit` chooses the messages of each call: it takes the inputs, and returns those that are to be sent.
    """

    def __init__(
        self,
        model: str,
        inputs: Any,
        tools: Mapping[str, Tool],
        max_rounds: int,
        fit: Callable[[Mapping[str, Any]], list[Any]] | None = None,
    ) -> None:
        check_max_rounds(max_rounds)
        self.model = model
        self.tools = tools
        self.steps: list[Step] = []
        self._max_rounds = max_rounds
        self._fit = fit
        inputs = dict(inputs) if is_mapping(inputs) else inputs_to_builtins(inputs)
        if "tools" in inputs:
            raise ConfigurationError("tools stand in `tools=` alone, which runs them: take them out of the inputs")
        self._is_responses = inputs.get("input") is not None
        self._field = "input" if self._is_responses else "messages"
        self._messages = _take_messages(inputs, self._field)
        self._ended = len(self._messages)
        """How many of them belong to rounds that have ended."""
        self._sent: list[Any] = []
        self._choice: Any = inputs.pop("tool_choice", None)
        self._inputs = inputs
        self._check_choice()
        if isinstance(inputs.get("response_format"), type):
            got = f"the class {inputs['response_format'].__name__}"
            raise ConfigurationError(f"`response_format` must be a dict, got {got}: tools go with no `output_type`")

    @property
    def wants_stream(self) -> bool:
        """True if each answer is to be streamed."""
        return bool(self._inputs.get("stream"))

    @property
    def is_slow_to_build(self) -> bool:
        """True if the next inputs are better built in a thread, beside an event loop."""
        return self._fit is not None and is_slow_to_count({"messages": self._messages})

    @property
    def ended_messages(self) -> list[Any]:
        """The messages up to the last round that has ended: every call in them has its result."""
        return self._messages[: self._ended]

    def build_inputs(self) -> dict[str, Any]:
        """Return the inputs of the next call."""
        inputs = {**self._inputs, self._field: [*self._messages]}
        if self.tools:  # an empty list is refused by some
            described = [tool.describe() for tool in self.tools.values()]
            inputs["tools"] = [
                {"type": "function", **each} if self._is_responses else {"type": "function", "function": each}
                for each in described
            ]
        if self._fit is not None:
            inputs[self._field] = self._fit(inputs)
        self._sent = inputs[self._field]
        choice = _relax_choice(self._choice) if self.steps else self._choice
        return inputs if choice is None else {**inputs, "tool_choice": choice}

    def add_answer(self, answer: Any) -> list[ToolCall]:
        """Add an answer, and return the calls that it asks for. Raises `ToolLoopError` if there were enough."""
        if not isinstance(answer, TextOutput):
            got = type(answer).__name__
            message = f"{self.model} must answer with text to call tools, got {got}"
            raise APIResponseValidationError(message, model=self.model, body=answer)
        forced = not self.steps and self._choice != _relax_choice(self._choice)
        calls = answer.tool_calls or (find_leaked_calls(answer.text, self._list_forced()) if forced else [])
        calls = give_ids(calls)
        build = _build_items if self._is_responses else _build_message
        self.steps.append(Step(self._sent, answer, elapsed=answer.meta.elapsed))
        self._messages += build(answer, calls)
        if not calls:
            self._ended = len(self._messages)
        if calls and len(self.steps) > self._max_rounds:
            raise ToolLoopError(
                f"the model must come to an answer within {self._max_rounds} rounds of tools, and asks for "
                f"{', '.join(call.name for call in calls)} once more: raise `max_rounds`, or go on from the "
                f"`.messages` of the last of this error's `.steps`",
                model=self.model,
            )
        return calls

    @contextmanager
    def collecting_results(self, calls: Sequence[ToolCall]) -> Generator[list[ToolResult]]:
        """Give a list for the results of calls, and add it to the conversation, also if not all have ended."""
        results = make_results(calls)
        try:
            yield results
        finally:
            self.add_results(results)

    def add_results(self, results: Sequence[ToolResult]) -> None:
        """Add what came of the calls of the last answer."""
        step = self.steps[-1]
        step.calls = [*results]
        step.elapsed += max((result.elapsed for result in results), default=0.0)
        for done in results:
            if self._is_responses:
                self._messages.append({"type": "function_call_output", "call_id": done.call.id, "output": done.content})
            else:
                message = {"role": "tool", "tool_call_id": done.call.id, "name": done.call.name}
                self._messages.append({**message, "content": done.content})
        self._ended = len(self._messages)

    def build_output(self) -> ToolsOutput:
        """Return the last answer, with the way to it."""
        return ToolsOutput.from_steps(self.steps, self._messages)

    @contextmanager
    def keeping_steps(self) -> Generator[None]:
        """Give the steps so far to an error."""
        try:
            yield
        except CfaiError as error:
            error.steps = [*self.steps]
            raise

    def _list_forced(self) -> list[str]:
        """Return the names of the tools of which one was forced."""
        return _list_chosen(self._choice) or [*self.tools]

    def _check_choice(self) -> None:
        """Raise `InputError` for a choice that is none, or of a tool that there is not."""
        there = f"there are: {', '.join(self.tools)}" if self.tools else "there are none"
        if unknown := [name for name in _list_chosen(self._choice) if name not in self.tools]:
            raise InputError(f"`tool_choice` must name one of `tools`, got {unknown[0]!r}; {there}", model=self.model)
        kind = self._choice.get("type", "function") if is_mapping(self._choice) else self._choice
        if kind not in (None, *_CHOICES) or (kind not in (None, "auto", "none") and not self.tools):
            must = "`tool_choice` must be 'auto', 'none', 'required', or name one of `tools`"
            raise InputError(f"{must}, got {self._choice!r}; {there}", model=self.model)


_CHOICES = ("auto", "none", "required", "function", "allowed_tools")
"""The words of `tool_choice`, and the types of one that names tools. `any` is refused by the service."""


def _list_chosen(choice: Any) -> list[Any]:
    """Return the names of the tools that a `tool_choice` names."""
    if not is_mapping(choice):
        return []
    if choice.get("type") == "allowed_tools":
        # Of chat completions they stand in an object of their own, in the Responses API beside the type.
        inner = choice.get("allowed_tools")
        listed = as_sequence((inner if is_mapping(inner) else choice).get("tools"))
        return [name for each in listed or () for name in _list_chosen(each)]
    function = choice.get("function")
    name = function.get("name") if is_mapping(function) else choice.get("name")
    return [] if name is None else [name]


def check_max_rounds(max_rounds: Any) -> None:
    """Raise `ConfigurationError` for what is no number of rounds."""
    if not isinstance(max_rounds, int) or isinstance(max_rounds, bool) or max_rounds < 1:
        raise ConfigurationError(f"`max_rounds` must be a number of 1 or more, got {max_rounds!r}")


def check_model(model: str) -> None:
    """Raise `InputError` for a model that is sure to call no tools."""
    check_answers(model)
    entry, schema = models.catalogue().get(model), get_schema(model)
    if entry is None or "function_calling" in (entry.capabilities or ()):
        return
    if entry.task != "Text Generation" or (schema is not None and "tools" not in schema.parameters):
        advice = "models.list(capability='function_calling', live=True)"
        raise InputError(f"{model} cannot call tools: choose one of {advice}", model=model)


def check_answers(model: str) -> None:
    """Raise `InputError` for a model whose answers are passed on in a shape of their own: no text is read from them."""
    if model.startswith("anthropic/"):
        must = f"{model} answers in Anthropic's own shape, which only `run` takes"
        raise InputError(f"{must}: for tools and conversations choose another model", model=model)


def find_leaked_calls(text: str, names: Iterable[str]) -> list[ToolCall]:
    """Return the calls of forced tools that came as the text of the answer, as gpt-oss writes them at times.

    >>> find_leaked_calls('{"name": "get_weather", "city": "Oslo"}', ["get_weather"])
    [ToolCall(name='get_weather', arguments='{"city": "Oslo"}', id=None)]
    >>> find_leaked_calls('{"name": "Oslo"}', ["get_weather"])
    []
    """
    try:
        value = loads(text.encode("utf-8", "replace"))
    except ValueError:
        return []
    names, calls = [*names], list[ToolCall]()
    for item in as_sequence(value) or [value]:
        if not is_mapping(item) or item.get("name") not in names:
            return []
        arguments = item.get("arguments", {key: each for key, each in item.items() if key != "name"})
        calls.append(ToolCall(item["name"], arguments if isinstance(arguments, str) else json.dumps(arguments)))
    return calls


def _take_messages(inputs: dict[str, Any], field: str) -> list[Any]:
    """Return the conversation so far, and take it out of the inputs: a prompt is a message of the user."""
    value = inputs.pop(field, None)
    if field == "messages" and value is None and isinstance(inputs.get("prompt"), str):
        value = inputs.pop("prompt")
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not isinstance(value, list | tuple):
        got = "neither" if value is None else f"{field!r} of type {type(value).__name__}"
        raise InputError(f"`inputs` must have a 'prompt', or a list of 'messages' (of gpt-oss, of 'input'), got {got}")
    return [*cast("list[Any]", value)]


def _relax_choice(choice: Any) -> Any:
    """Return the choice of a tool for all calls but the first: what forces one would do so for ever."""
    if not is_mapping(choice):
        return None if choice == "required" else choice
    if choice.get("type") != "allowed_tools":
        return None
    inner = choice.get("allowed_tools")
    return {**choice, "allowed_tools": {**inner, "mode": "auto"}} if is_mapping(inner) else {**choice, "mode": "auto"}


def _build_message(answer: TextOutput, calls: Sequence[ToolCall]) -> list[Any]:
    """Return an answer as the message that goes back, with these calls."""
    if not calls:
        return [answer.message]
    content = answer.text if answer.tool_calls else ""  # a call that came as text is no text
    called = [_make_sendable(call)._as_input() for call in calls]  # pyright: ignore[reportPrivateUsage]
    return [{**answer.message, "content": content, "tool_calls": called}]


def _build_items(answer: TextOutput, calls: Sequence[ToolCall]) -> list[Any]:
    """Return an answer as the items of the Responses API that go back, with these calls."""
    output = answer.output if isinstance(answer, ResponsesOutput) else []
    if not output and answer.text:  # of a stream that did not repeat its items at the end
        output = [{"role": "assistant", "content": answer.text}]
    if calls and not answer.tool_calls:  # a call that came as text is no text
        output = [item for item in output if item.get("type") == "reasoning"]
    called: list[dict[str, Any]] = [
        {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": _make_sendable(call).arguments}
        for call in calls
    ]
    left = iter(called)
    items = [{**item, **next(left, item)} if item.get("type") == "function_call" else item for item in output]
    return [*items, *left]


def _make_sendable(call: ToolCall) -> ToolCall:
    """Return a call whose arguments are a JSON object: vLLM, which parses them, refuses the conversation otherwise."""
    try:
        parse_arguments(call)
    except ValueError:
        return replace(call, arguments="{}")
    return replace(call, arguments=call.arguments if call.arguments.strip() not in ("", "null") else "{}")
