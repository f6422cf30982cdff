"""Fallback: another model where one is gone, out of capacity or over quota, with the inputs in its own shape.

It stands on a call of `(model, inputs)`, sync or async. All models are looked at before the first is called.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

from cfai._config import CheckMode
from cfai._credentials import describe
from cfai._errors import (
    CfaiError,
    ConfigurationError,
    InputError,
    LimitError,
    NotFoundError,
    OutputValidationError,
    RateLimitError,
)
from cfai._json import as_sequence, is_mapping, value_to_text
from cfai._limits import MAX_TOKENS_FIELDS, is_blind, list_inputs
from cfai._request import inputs_to_builtins, is_medium, quote_model, refuse_streams
from cfai.models import catalogue
from cfai.models.schemas import get_schema
from cfai.structured import (
    OutputFormat,
    add_envelope,
    arun_structured,
    check_json_mode,
    find_form,
    run_structured,
    take_output_type,
    was_sent,
)
from cfai.types import Meta, ToolCall, give_ids

_BOUND_TO_A_MODEL = {
    "lora": "a fine-tune is of one model",
    "raw": "the template of a `raw` prompt is of one model",
}
_OTHER_NAMES = (("steps", "num_steps"), ("num_steps", "steps"), ("text", "prompt"), ("prompt", "text"))
"""Inputs, each with another name that means the same."""

_CONTENT = frozenset(
    {"prompt", "messages", "input", "previous_response_id", "conversation", "tools", "functions"}
    | {"image", "image_b64", "images", "audio", "videos", "mask", "multipart", *(f"input_image_{n}" for n in range(4))}
    | {"negative_prompt", "question", "questions", "state", "target", "input_text"}
    | {"query", "queries", "contexts", "documents", "instruction", "pooling"}
    | {"source_lang", "target_lang", "target_language", "lang", "language", "speaker"}
    | {"task", "initial_prompt", "prefix", "redact"}
)
"""Inputs that are never left out: without them it would be another question."""

_TASKS = {"guard": "moderation", "/clef": "decisions"}
"""What models do that are listed as text models, and write none, by what stands in their names."""

_CHAT_PARTS = {"input_text": "text", "output_text": "text", "input_image": "image_url"}
"""The parts of a message of the Responses API, by the names that chat completions have for them."""


class ModelCall(NamedTuple):
    """One model, and its inputs."""

    model: str
    inputs: Mapping[str, Any]
    left_out: tuple[str, ...] = ()
    """The inputs that it does not have."""


class CallPlan(NamedTuple):
    """The models that are called, one after the other, until one answers."""

    calls: list[ModelCall]
    output_format: OutputFormat | None
    """The type that the answer is to have."""
    output_retries: int


def plan_call(
    model: str,
    inputs: Any,
    *,
    output_type: Any,
    output_retries: Any,
    fallback: Any,
    checks: CheckMode,
    returns_answer: bool,
) -> CallPlan:
    """Return the plan of a call with `output_type` or `fallback`. Raises what forbids it, before anything is sent."""
    others = [] if fallback is None else parse_fallback(model, fallback)
    if isinstance(getattr(inputs, "response_format", None), type):
        raise ConfigurationError("a class under `response_format` must stand in a dict: pass it as `output_type`")
    inputs = cast("Mapping[str, Any]", inputs) if isinstance(inputs, Mapping) else inputs_to_builtins(inputs)
    rest, output_format = take_output_type(inputs, output_type, output_retries, returns_answer=returns_answer)
    if others or (output_format is not None and output_retries):
        refuse_streams(rest, "where a call may be made again", "pass a Path or bytes")
    calls = [ModelCall(model, rest)]
    if others:
        if not returns_answer:
            raise ConfigurationError("`fallback` needs an answer: leave out `return_raw_response` and `queue_request`")
        for name, why in _BOUND_TO_A_MODEL.items():
            if rest.get(name):
                raise ConfigurationError(f"`{name}` does not go with `fallback`, since {why}: leave one of them out")
        calls += [adapt_inputs(rest, other) for other in others]
    for position, each in enumerate(calls):
        if output_format is not None or (position and _asks_for_json(rest)):
            check_json_mode(each.model, each.inputs, checks)
    return CallPlan(calls, output_format, output_retries)


def parse_fallback(model: str, fallback: Any) -> list[str]:
    """Return the models of the option `fallback`. Raises `ConfigurationError`."""
    if isinstance(fallback, str) or not isinstance(fallback, Iterable):
        hint = f": write [{fallback!r}]" if isinstance(fallback, str) else ""
        raise ConfigurationError(f"`fallback` must be a list of models, got {describe(fallback)}{hint}")
    others = [*cast("Iterable[Any]", fallback)]
    tasks: dict[str, str] = {}
    for position, name in enumerate([model, *others]):
        quote_model(name)
        if name in [model, *others][:position]:
            raise ConfigurationError(f"`fallback` must be of other models, got {name} twice: leave it out")
        if (entry := catalogue().get(name)) is not None:
            tasks.setdefault(next((task for part, task in _TASKS.items() if part in name), entry.task), name)
    if len(tasks) > 1:
        of_each = " and ".join(f"{name}, which is for {task}" for task, name in [*tasks.items()][:2])
        raise ConfigurationError(f"`fallback` must be of models for the same task, got {of_each}: leave one out")
    return others


# The inputs in another model's shape.


def adapt_inputs(inputs: Mapping[str, Any], model: str) -> ModelCall:
    """Return the call that asks another model the same: prompt, tools, schema and limits under its names.

    >>> adapt_inputs({"input": "Hi", "max_output_tokens": 9}, "@cf/zai-org/glm-4.7-flash").inputs
    {'messages': [{'role': 'user', 'content': 'Hi'}], 'max_tokens': 9}
    """
    known, schema = list_inputs(model), get_schema(model)
    adapted = dict(inputs)
    if adapted.get("input") is not None and (known is None or "input" not in known):
        _convert_from_responses(adapted)
    elif adapted.get("prompt") is not None and _takes_messages_alone(model, known):
        adapted["messages"] = [{"role": "user", "content": adapted.pop("prompt")}]
    _carry_images(adapted, model, known)
    if adapted.get("input") is None:
        listed: Iterable[str] = schema.parameters if schema is not None else MAX_TOKENS_FIELDS[:2]
        _convert_names(adapted, known, [name for name in MAX_TOKENS_FIELDS if name in listed] or ["max_tokens"])
        if messages := as_sequence(adapted.get("messages")):
            adapted["messages"] = _convert_calls(messages)
        if adapted.get("tools"):
            adapted["tools"] = [_convert_tool(tool) for tool in as_sequence(adapted["tools"])]
            if "tool_choice" in adapted:
                adapted["tool_choice"] = _convert_tool(adapted["tool_choice"])
    _convert_switch(adapted, model)
    envelope = _find_envelope(inputs)
    if envelope is not None and find_form(model, adapted) is not None:
        for name in ("response_format", "guided_json"):
            adapted.pop(name, None)
        adapted = add_envelope(model, adapted, envelope)
    # The schemas have little of what the Responses API takes.
    if known is None or adapted.get("input") is not None:
        return ModelCall(model, adapted)
    left_out = tuple(name for name in adapted if name not in known)
    for name in left_out:
        if (name in _CONTENT or is_medium(adapted[name])) and adapted[name] is not None:
            raise _refuse(f"{model} has no input `{name}`, without which it would be another question")
    return ModelCall(model, {name: value for name, value in adapted.items() if name not in left_out}, left_out)


def _refuse(reason: str) -> ConfigurationError:
    return ConfigurationError(f"`fallback` must be of models that can be asked the same: {reason}. Take another model")


def _carry_images(adapted: dict[str, Any], model: str, known: frozenset[str] | None) -> None:
    """Put an image where a model takes it, which may be among the messages. Raises if it would not see one."""
    image, schema = adapted.get("image"), get_schema(model)
    messages = [*as_sequence(adapted.get("messages"))]
    has_parts = any(
        is_mapping(message) and any(map(_is_image, [message.get("content"), *as_sequence(message.get("content"))]))
        for message in [*messages, *as_sequence(adapted.get("input"))]
    )
    takes_messages = "messages" in schema.parameters if schema else _takes_messages_alone(model, known)
    if not takes_messages or not (has_parts or image is not None):
        return
    if is_blind(model):
        raise _refuse(f"{model} cannot see, and the inputs have an image")
    if has_parts and schema and "image_url" not in schema.parameters["messages"].type:
        raise _refuse(f"{model} takes an image as `image`, and not in messages")
    if image is not None and (known is None or "image" not in known):
        messages = messages or [{"role": "user", "content": adapted.pop("prompt", None)}]
        asked = [at for at, message in enumerate(messages) if is_mapping(message) and message.get("role") == "user"]
        if not asked:
            raise _refuse(f"{model} takes an image in a message of the user, of which the inputs have none")
        content = messages[asked[-1]].get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else as_sequence(content)
        part = {"type": "image_url", "image_url": {"url": adapted.pop("image")}}
        messages[asked[-1]] = {**messages[asked[-1]], "content": [*parts, part]}
        adapted["messages"] = messages


def _is_image(part: Any) -> bool:
    if isinstance(part, str):
        return part.startswith("data:image/")
    return is_medium(part) or (is_mapping(part) and ("image_url" in part or part.get("type") == "input_image"))


def _takes_messages_alone(model: str, known: frozenset[str] | None) -> bool:
    if known is None:
        return "/" in model and not model.startswith(("@cf/", "@hf/"))
    return "messages" in known and "prompt" not in known


def _convert_names(adapted: dict[str, Any], known: frozenset[str] | None, max_tokens: list[str]) -> None:
    """Put inputs under the names that a model has for them."""
    for name in MAX_TOKENS_FIELDS:
        if name in adapted and name not in max_tokens:
            adapted.setdefault(max_tokens[0], adapted.pop(name))
    for name, other in _OTHER_NAMES:
        if known is not None and isinstance(adapted.get(name), str | int) and name not in known and other in known:
            adapted.setdefault(other, adapted.pop(name))


def _convert_switch(adapted: dict[str, Any], model: str) -> None:
    """Put the switch of thinking under the name that a model has for it, which is another since Kimi K2.6."""
    switches = adapted.get("chat_template_kwargs")
    is_new_kimi = model.startswith("@cf/moonshotai/") and not model.endswith("k2.5")
    name, other = ("thinking", "enable_thinking") if is_new_kimi else ("enable_thinking", "thinking")
    if is_mapping(switches) and other in switches:
        rest = {key: value for key, value in switches.items() if key != other}
        adapted["chat_template_kwargs"] = {name: switches[other], **rest}


def _convert_from_responses(adapted: dict[str, Any]) -> None:
    """Turn the inputs of the Responses API into those of chat completions."""
    question = adapted.pop("input")
    messages: list[Any] = []
    if (instructions := adapted.pop("instructions", None)) is not None:
        messages.append({"role": "system", "content": instructions})
    if isinstance(question, str):
        messages.append({"role": "user", "content": question})
    previous: Any = None
    for item in as_sequence(question):
        kind = item.get("type") if is_mapping(item) else None
        converted = _convert_item(item)
        if kind == previous == "function_call":  # calls at the same time are one message
            messages[-1]["tool_calls"] += converted[0]["tool_calls"]
        else:
            messages += converted
        previous = kind if kind != "reasoning" else previous
    adapted["messages"] = messages
    text, reasoning = adapted.get("text"), adapted.get("reasoning")
    if is_mapping(text) and [*text] == ["format"]:
        del adapted["text"]  # a schema is put under its other name later
        if is_mapping(text["format"]) and text["format"].get("type") == "json_object":
            adapted["response_format"] = {"type": "json_object"}
    if is_mapping(reasoning) and reasoning.get("effort") is not None:
        adapted["reasoning_effort"] = adapted.pop("reasoning")["effort"]


def _convert_item(item: Any) -> list[Any]:
    """Return the message that an item of `input` stands for; none for reasoning, which is another model's."""
    if not is_mapping(item):
        return [item]
    if item.get("type") == "reasoning":
        return []
    if item.get("type") == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
        call = {"id": item.get("call_id"), "type": "function", "function": function}
        return [{"role": "assistant", "content": "", "tool_calls": [call]}]
    if item.get("type") == "function_call_output":
        return [{"role": "tool", "tool_call_id": item.get("call_id"), "content": _convert_parts(item.get("output"))}]
    if "role" not in item:
        raise _refuse(f"only the Responses API has items of the type {item.get('type')!r}, and `input` has one")
    message = {name: item[name] for name in ("role", "content") if name in item}
    if "content" in message:
        message["content"] = _convert_parts(message["content"])
    return [message]


def _convert_parts(content: Any) -> Any:
    return [_convert_part(part) for part in as_sequence(content)] if isinstance(content, list | tuple) else content


def _convert_part(part: Any) -> Any:
    if not is_mapping(part) or part.get("type") not in _CHAT_PARTS:
        return part
    kind = _CHAT_PARTS[part["type"]]
    value = part.get(kind)
    return {"type": kind, kind: {"url": value} if kind == "image_url" and isinstance(value, str) else value}


def _convert_tool(tool: Any) -> Any:
    """Return a tool, or the choice of one, in the form that native and chat models take: its fields in `function`."""
    if not is_mapping(tool) or "name" not in tool or "function" in tool or tool.get("type", "function") != "function":
        return tool
    return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}


def _convert_calls(messages: Iterable[Any]) -> list[Any]:
    """Return messages whose tool calls have the form of chat completions, and whose answers to them have their ids."""
    converted: list[Any] = []
    waiting: list[ToolCall] = []
    for message in messages:
        calls = [*as_sequence(message.get("tool_calls"))] if is_mapping(message) else []
        if calls and all(is_mapping(call) and "name" in call and "function" not in call for call in calls):
            flat = [ToolCall(call["name"], value_to_text(call.get("arguments")), call.get("id")) for call in calls]
            waiting = give_ids(flat)
            message = {**message, "tool_calls": [call._as_input() for call in waiting]}  # pyright: ignore[reportPrivateUsage]
        elif waiting and is_mapping(message) and message.get("role") == "tool" and message.get("tool_call_id") is None:
            answered = next((call for call in waiting if call.name == message.get("name")), waiting[0])
            waiting.remove(answered)
            message = {**message, "tool_call_id": answered.id}
        converted.append(message)
    return converted


def _asks_for_json(inputs: Mapping[str, Any]) -> bool:
    """Return True for inputs that ask for JSON, by a schema or by none."""
    return _find_envelope(inputs) is not None or _find_format(inputs).get("type") == "json_object"


def _find_envelope(inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the JSON schema that inputs have in any form, in an envelope as it came; `None` without."""
    if is_mapping(schema := inputs.get("guided_json")):
        return {"schema": schema}
    wanted = _find_format(inputs)
    if wanted.get("type") != "json_schema":
        return None
    if is_mapping(wanted.get("schema")):
        return {name: value for name, value in wanted.items() if name != "type"}
    rules = wanted.get("json_schema")
    if not is_mapping(rules):
        return None
    return rules if is_mapping(rules.get("schema")) else {"schema": rules}


def _find_format(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what stands under `response_format`, or `text.format`; nothing without."""
    text = inputs.get("text")
    wanted = inputs.get("response_format") or (text.get("format") if is_mapping(text) else None)
    return wanted if is_mapping(wanted) else {}


# The calls.


class _Failures:
    """The models that did not answer so far, and why."""

    def __init__(self) -> None:
        self._errors: list[CfaiError] = []
        self.answered: list[Meta] = []
        """The facts of each answer, those that did not fit too."""

    def add(self, error: CfaiError, planned: ModelCall) -> None:
        """Note that a model did not answer. Raises the error if no other model is to be called for it."""
        # An answer that does not fit is no reason for another model, unless it could not be asked for again.
        reason = error.__cause__ if isinstance(error, OutputValidationError) and error.__cause__ else error
        is_refusal = isinstance(reason, NotFoundError | RateLimitError)
        is_passed_over = bool(self._errors) and isinstance(error, LimitError | InputError)
        error.model = error.model or planned.model
        self._errors.append(error)
        if not (is_refusal or is_passed_over):
            raise self.take(error)
        # Its frames hold the inputs, and the error is kept as long as the answer is.
        error.__traceback__ = reason.__traceback__ = None

    def take(self, last: CfaiError | None = None) -> CfaiError:
        """Return the error to raise: the last of a model that was called. One that has an answer goes before all."""
        errors, self._errors = self._errors, []  # else the frame that raises it would hold it, and it the frame
        unfit = [error for error in errors if isinstance(error, OutputValidationError)]
        chosen = (unfit or [last] if last else unfit or [*filter(was_sent, errors)])[-1]
        for error in errors:
            if error is not chosen:
                how = "was called too" if was_sent(error) else "was not called"
                chosen.add_note(f"{error.model} {how}: {type(error).__name__}: {error}")
        return chosen

    def tell(self, answer: Any, planned: ModelCall) -> Any:
        """Return an answer, in whose metadata stands who did not give it."""
        answer.meta.fallback_errors = tuple(self._errors)
        answer.meta.fallback_left_out = planned.left_out
        return answer


def run_plan(call: Callable[..., Any], plan: CallPlan) -> Any:
    """Return the answer of the first model that gives one. `call` takes a model and its inputs."""
    failures = _Failures()
    for each in plan.calls:
        try:
            if plan.output_format is None:
                answer = call(each.model, each.inputs)
            else:
                wanted = plan.output_format, plan.output_retries, failures.answered
                answer = run_structured(call, each.model, each.inputs, *wanted)
        except CfaiError as error:
            failures.add(error, each)
        else:
            return failures.tell(answer, each)
    raise failures.take()


async def arun_plan(call: Callable[..., Awaitable[Any]], plan: CallPlan) -> Any:
    """Return the answer of the first model that gives one. `call` takes a model and its inputs."""
    failures = _Failures()
    for each in plan.calls:
        try:
            if plan.output_format is None:
                answer = await call(each.model, each.inputs)
            else:
                wanted = plan.output_format, plan.output_retries, failures.answered
                answer = await arun_structured(call, each.model, each.inputs, *wanted)
        except CfaiError as error:
            failures.add(error, each)
        else:
            return failures.tell(answer, each)
    raise failures.take()
