"""Generate what a text model would answer: decided here once, and then written in the shape that its family uses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cfai._json import as_sequence
from cfai.local._json import as_object
from cfai.local._models import get_schema, is_text_model
from cfai.local.emulator import _text
from cfai.local.emulator._schema_values import build_value
from cfai.local.emulator._sentences import is_plain
from cfai.local.emulator._text import TextKind
from cfai.local.wire import (
    DUAL,
    KIMI,
    ErrorResponse,
    Form,
    GeneratedCall,
    GeneratedChoice,
    Generation,
    is_new_kimi,
    split_into_tokens,
)
from cfai.models import Model

# Native answers, and yet chat chunks once they stream.
_CHAT_STREAMS = ("@cf/qwen/qwq-32b", "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b")
_MAX_CHOICES = 128
_TELLING_LETTERS = 4
"""Letters of a word that can say what a tool is about."""

MOONDREAM = "@cf/moondream/"
DESCRIPTION = "This is an emulated description of a picture: no model has seen it."


def writes_text(model: Model, inputs: Mapping[str, Any]) -> bool:
    """Return True if a call is answered with text that is generated, and may stream."""
    is_vision = model.name.startswith(MOONDREAM) and inputs.get("task", "query") in ("query", "caption")
    return is_vision or is_text_model(model)


def generate(model: Model, inputs: Mapping[str, Any], kind: TextKind) -> Generation:
    """Return the emulated answer to `inputs`, in text of this kind."""
    form = choose_form(model, inputs)
    requested = inputs.get("n")
    number = min(requested, _MAX_CHOICES) if form == "chat" and isinstance(requested, int) else 1
    choices = [_generate_choice(model, inputs, form, index, kind) for index in range(number)]
    return Generation(model, form, _text.count_emulated(_text.select_prompt_inputs(inputs)), choices)


def get_output_limit(model: Model, inputs: Mapping[str, Any]) -> int | None:
    """Return how many tokens may be generated: what a call requests, else the model's default."""
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        if isinstance(inputs.get(name), int):
            return inputs[name]
    default = None if "input" in inputs else model.default_max_tokens
    return default.value if default else None


def choose_form(model: Model, inputs: Mapping[str, Any]) -> Form:
    """Return the form in which a model answers these inputs."""
    if model.name.startswith(MOONDREAM):
        return "caption" if inputs.get("task") == "caption" else "answer"
    if model.answers == "by input":
        return "responses" if "input" in inputs else "chat" if "messages" in inputs else "native"
    if model.answers == "native":
        if inputs.get("stream") and model.name in _CHAT_STREAMS:
            return "chat"
        return "dual" if model.name == DUAL else "native"
    return "completion" if "prompt" in inputs and "text completion" in get_schema(model.name).output else "chat"


def _generate_choice(
    model: Model, inputs: Mapping[str, Any], form: Form, index: int, kind: TextKind
) -> GeneratedChoice:
    question = _text.find_question(inputs)
    limit = get_output_limit(model, inputs)
    reasoning = split_into_tokens(_text.write_reasoning(question)) if _is_reasoning(model, inputs, form) else []
    reasoning = reasoning[:limit]
    json_mode, rules = parse_json_mode(inputs, form)
    tool = None if json_mode else _choose_tool(inputs, question)
    if tool:
        call = _build_call(model, tool, question)
        pieces = split_into_tokens(call.text)
        room = len(pieces) if limit is None else limit - len(reasoning)
        if room >= len(pieces):
            return GeneratedChoice([], reasoning, "tool_calls", [call])
        if reasoning and isinstance(inputs.get("tool_choice"), Mapping):
            raise ErrorResponse(8006)
        cut = replace(call, text="".join(pieces[:room]))
        return GeneratedChoice([], reasoning, "length", [cut] if room else [])
    parsed = None
    if json_mode:
        try:
            parsed = build_value(rules) if rules else {"emulated": True, "question": _text.quote(question)}
        except ValueError as error:
            raise ErrorResponse(5024, f"JSON Mode couldn't be met: {error}") from error
        text = json.dumps(parsed, ensure_ascii=False)
    elif form == "caption":
        text = DESCRIPTION
    else:
        prompt_inputs = {key: inputs.get(key) for key in ("prompt", "messages", "input", "seed")}
        text = _text.write_answer(question, key=json.dumps([model.name, prompt_inputs, index]), kind=kind)
    tokens = split_into_tokens(text)
    if kind == "hostile":
        tokens = [half for token in tokens for half in _text.split_emoji(token)]
    if reasoning and model.reasoning_in_text:
        # Its opening tag stands in the prompt.
        tokens, reasoning = [*reasoning, *split_into_tokens("\n</think>\n\n"), *tokens], []
    room = len(tokens) if limit is None else limit - len(reasoning)
    return GeneratedChoice(tokens[:room], reasoning, "length" if room < len(tokens) else "stop", parsed=parsed)


def _is_reasoning(model: Model, inputs: Mapping[str, Any], form: Form) -> bool:
    if form == "answer":
        return inputs.get("reasoning", True)
    if model.reasoning_in_text:
        return form == "chat" or not (inputs.get("response_format") or inputs.get("raw"))
    if form not in ("chat", "responses") or ("reasoning" not in model.capabilities and "qwq" not in model.name):
        return False
    switches = as_object(inputs.get("chat_template_kwargs"))
    off = switches.get("thinking" if is_new_kimi(model.name) else "enable_thinking") is False
    return not off and inputs.get("reasoning_effort", "medium") is not None


def parse_json_mode(inputs: Mapping[str, Any], form: Form) -> tuple[bool, Mapping[str, Any]]:
    """Return a flag, True if JSON is requested, and its schema."""
    if inputs.get("guided_json"):
        return True, as_object(inputs["guided_json"])
    response_format = as_object(inputs.get("response_format") or as_object(inputs.get("text")).get("format"))
    if response_format.get("type") not in ("json_object", "json_schema"):
        return False, {}
    rules = as_object(response_format.get("json_schema") or response_format.get("schema"))
    wrapped = "schema" in rules
    if form in ("native", "dual"):
        if inputs.get("stream"):
            raise ErrorResponse(5023)
        if wrapped:
            # Native models want the bare schema.
            raise ErrorResponse(5024)
    return True, as_object(rules["schema"]) if wrapped else rules


def _choose_tool(inputs: Mapping[str, Any], question: str) -> Mapping[str, Any] | None:
    """Return the tool to call: the one that is forced, or that the question speaks of."""
    listed = [as_object(tool) for tool in as_sequence(inputs.get("tools"))]
    tools = [as_object(tool.get("function")) or tool for tool in listed]
    tools = [tool for tool in tools if tool.get("name")]
    choice = inputs.get("tool_choice") or "auto"
    if choice == "none" or not tools:
        return None
    if isinstance(choice, Mapping):
        forced = as_object(choice)
        name = (as_object(forced.get("function")) or forced).get("name")
        return next((tool for tool in tools if tool["name"] == name), None)
    named = _find_named_tool(tools, question)
    if choice == "required":
        return named or tools[0]
    # After the result of a tool it is time for words.
    last = as_object(next(reversed(as_sequence(inputs.get("messages") or inputs.get("input"))), None))
    return None if last.get("role") == "tool" or last.get("type") == "function_call_output" else named


def _find_named_tool(tools: Sequence[Mapping[str, Any]], question: str) -> Mapping[str, Any] | None:
    """Return the tool that a question names, else the one with most words of its name in it, such as `weather`."""
    named = next((tool for tool in tools if str(tool["name"]) in question), None)
    words = set(re.findall(r"\w+", question.casefold()))
    shared = [len(words & _list_telling_words(str(tool["name"]))) for tool in tools]
    return named or (tools[shared.index(max(shared))] if any(shared) else None)


def _list_telling_words(name: str) -> set[str]:
    """Return the words of a tool's name that say what it is about: `get` and the like do not."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\W]+", " ", name).casefold().split()
    return {word for word in parts if len(word) >= _TELLING_LETTERS and not is_plain(word)}


def _build_call(model: Model, tool: Mapping[str, Any], question: str) -> GeneratedCall:
    name = str(tool["name"])
    # Kimi's ids name the tool, and so come again in every turn.
    serial = f"{int(_text.build_score(question, name) * 1e6):032x}"
    call_id = f"functions.{name}:0" if model.name.startswith(KIMI) else f"chatcmpl-tool-{serial}"
    try:
        arguments = build_value(tool.get("parameters") or {"type": "object"})
    except ValueError as error:
        raise ErrorResponse(8001, f"Invalid input: tool {name}: {error}") from error
    return GeneratedCall(call_id, name, json.dumps(arguments, ensure_ascii=False))
