"""What a text model would answer: decided here once, and then written in the shape that its family uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cfai.emulator import _text
from cfai.emulator._instances import instance
from cfai.emulator._refusals import Refusal
from cfai.emulator._schemas import as_list, as_object, schema
from cfai.models import Model

Form = Literal["native", "dual", "chat", "completion", "responses"]

DUAL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
SCOUT = "@cf/meta/llama-4-scout-17b-16e-instruct"
KIMI = "@cf/moonshotai/"
GLM_TRAILER = "@cf/zai-org/glm-5.3-flash"
# Native answers, and yet chat chunks once they stream.
_CHAT_STREAMS = ("@cf/qwen/qwq-32b", "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b")
_MOST_CHOICES = 128
_USD_PER_NEURON = 0.000011


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool."""

    id: str
    name: str
    arguments: Any

    @property
    def text(self) -> str:
        """The arguments as JSON."""
        return json.dumps(self.arguments, ensure_ascii=False)

    @property
    def fragments(self) -> list[str]:
        """The arguments in tokens."""
        return _text.pieces(self.text)


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer, in tokens."""

    text: list[str]
    reasoning: list[str]
    finish: Literal["stop", "length", "tool_calls"]
    call: Call | None = None
    parsed: Any = None
    """The value that `text` is the JSON of, in JSON mode."""

    @property
    def tokens(self) -> int:
        """How many tokens were generated."""
        return len(self.text) + len(self.reasoning) + (len(self.call.fragments) if self.call else 0)


@dataclass(frozen=True, slots=True)
class Generation:
    """All answers to one request, and the form they are to be written in."""

    model: Model
    form: Form
    prompt_tokens: int
    choices: list[Choice]

    @property
    def tokens(self) -> int:
        """How many tokens were generated, over all choices."""
        return sum(choice.tokens for choice in self.choices)

    def usage(self, *, details: bool = False) -> dict[str, Any]:
        """Token counts of the whole call, with `details` as the newer models give them."""
        usage: dict[str, Any] = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.tokens,
            "total_tokens": self.prompt_tokens + self.tokens,
        }
        if details:
            usage["prompt_tokens_details"] = {"cached_tokens": 0}
            usage["neurons"] = neurons(self.model, self.prompt_tokens, self.tokens)
        return usage


def neurons(model: Model, prompt_tokens: int, tokens: int) -> float:
    """What a call costs in neurons; for models not priced by the token, one unit of everything they charge for."""
    total = 0.0
    for price in model.price:
        each = price.usd / _USD_PER_NEURON if price.neurons is None else price.neurons
        if price.unit.startswith("per M"):
            each *= {"per M input tokens": prompt_tokens, "per M output tokens": tokens}.get(price.unit, 0) / 1e6
        total += each
    return round(total, 6)


def generate(model: Model, inputs: Mapping[str, Any]) -> Generation:
    """The emulated answer to `inputs`."""
    form = _form(model, inputs)
    asked_for = inputs.get("n")
    number = min(asked_for, _MOST_CHOICES) if form == "chat" and isinstance(asked_for, int) else 1
    choices = [_choice(model, inputs, form, index) for index in range(number)]
    asked = {key: inputs[key] for key in ("prompt", "messages", "input", "instructions", "tools") if key in inputs}
    return Generation(model, form, _text.count(asked), choices)


def reserve(model: Model, inputs: Mapping[str, Any]) -> int | None:
    """How many tokens may be generated: what was asked for, else the model's default."""
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        if isinstance(inputs.get(name), int):
            return inputs[name]
    default = None if "input" in inputs else model.default_max_tokens
    return default.value if default else None


def _form(model: Model, inputs: Mapping[str, Any]) -> Form:
    if model.answers == "by input":
        return "responses" if "input" in inputs else "chat" if "messages" in inputs else "native"
    if model.answers == "native":
        if inputs.get("stream") and model.name in _CHAT_STREAMS:
            return "chat"
        return "dual" if model.name == DUAL else "native"
    return "completion" if "prompt" in inputs and "text completion" in schema(model.name).output else "chat"


def _choice(model: Model, inputs: Mapping[str, Any], form: Form, index: int) -> Choice:
    question = _text.question_in(inputs)
    limit = reserve(model, inputs)
    reasoning = _text.pieces(_text.think(question)) if _reasons(model, inputs, form) else []
    reasoning = reasoning[:limit]
    json_mode, rules = _json_mode(inputs, form)
    tool = None if json_mode else _tool(inputs, question)
    if tool:
        return Choice([], reasoning, "tool_calls", call=_call(model, tool, question))
    parsed = None
    if json_mode:
        parsed = instance(rules) if rules else {"emulated": True, "question": _text.quote(question)}
        text = json.dumps(parsed, ensure_ascii=False)
    else:
        asked = {key: inputs.get(key) for key in ("prompt", "messages", "input", "seed")}
        text = _text.write(question, key=json.dumps([model.name, asked, index]))
    tokens = _text.pieces(text)
    room = len(tokens) if limit is None else limit - len(reasoning)
    return Choice(tokens[:room], reasoning, "length" if room < len(tokens) else "stop", parsed=parsed)


def _reasons(model: Model, inputs: Mapping[str, Any], form: Form) -> bool:
    if form not in ("chat", "responses") or ("reasoning" not in model.capabilities and "qwq" not in model.name):
        return False
    switches = as_object(inputs.get("chat_template_kwargs"))
    off = switches.get("thinking" if _new_kimi(model.name) else "enable_thinking") is False
    return not off and inputs.get("reasoning_effort", "medium") is not None


def reasoning_field(model: Model) -> str:
    """What the model calls its reasoning."""
    return "reasoning" if _new_kimi(model.name) else "reasoning_content"


def _new_kimi(name: str) -> bool:
    return name.startswith(KIMI) and not name.endswith("k2.5")


def _json_mode(inputs: Mapping[str, Any], form: Form) -> tuple[bool, Mapping[str, Any]]:
    """Whether JSON was asked for, and by what schema."""
    if inputs.get("guided_json"):
        return True, as_object(inputs["guided_json"])
    wanted = as_object(inputs.get("response_format") or as_object(inputs.get("text")).get("format"))
    if wanted.get("type") not in ("json_object", "json_schema"):
        return False, {}
    rules = as_object(wanted.get("json_schema") or wanted.get("schema"))
    wrapped = "schema" in rules
    if form in ("native", "dual"):
        if inputs.get("stream"):
            raise Refusal(5023)
        if wrapped:
            # Native models want the bare schema.
            raise Refusal(5024)
    return True, as_object(rules["schema"]) if wrapped else rules


def _tool(inputs: Mapping[str, Any], question: str) -> Mapping[str, Any] | None:
    """The tool to call: the one that is forced, or that the question names."""
    listed = [as_object(tool) for tool in as_list(inputs.get("tools"))]
    tools = [as_object(tool.get("function")) or tool for tool in listed]
    tools = [tool for tool in tools if tool.get("name")]
    choice = inputs.get("tool_choice") or "auto"
    if choice == "none" or not tools:
        return None
    if isinstance(choice, Mapping):
        forced = as_object(choice)
        name = (as_object(forced.get("function")) or forced).get("name")
        return next((tool for tool in tools if tool["name"] == name), None)
    named = next((tool for tool in tools if str(tool["name"]) in question), None)
    if choice == "required":
        return named or tools[0]
    return None if _follows_a_call(inputs) else named


def _follows_a_call(inputs: Mapping[str, Any]) -> bool:
    """Whether the last message is the result of a tool: then it is time for words."""
    entries = as_list(inputs.get("messages") or inputs.get("input"))
    last = as_object(entries[-1] if entries else None)
    return last.get("role") == "tool" or last.get("type") == "function_call_output"


def _call(model: Model, tool: Mapping[str, Any], question: str) -> Call:
    name = str(tool["name"])
    # Kimi's ids name the tool, and so come again in every turn.
    serial = f"{int(_text.score(question, name) * 1e6):032x}"
    call_id = f"functions.{name}:0" if model.name.startswith(KIMI) else f"chatcmpl-tool-{serial}"
    return Call(call_id, name, instance(tool.get("parameters") or {"type": "object"}))
