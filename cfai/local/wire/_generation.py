"""An answer of a text model before it is written: what was generated, and the form that its family has."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Literal

from cfai.models import USD_PER_NEURON, Model
from cfai.types import Token, ToolCallDelta, Usage

Form = Literal["native", "dual", "chat", "completion", "responses", "answer", "caption"]
"""The shape of an answer; the last two are Moondream's."""

Payload = dict[str, Any]
Payloads = Iterator[tuple[int, Payload]]
"""The JSON objects in events, each with how many tokens it carries."""

DUAL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
SCOUT = "@cf/meta/llama-4-scout-17b-16e-instruct"
KIMI = "@cf/moonshotai/"
GLM_TRAILER = "@cf/zai-org/glm-5.3-flash"


# Word-like pieces with their leading blank, digits up to three together, blanks, and single marks: every character is
# in exactly one piece, and a run of digits is a piece of its own, as in the tokenizers of today.
_PIECE = re.compile(r" ?[^\W\d_]{1,8}|\d{1,3}|\s+|[\W_]")


def split_into_tokens(text: str) -> list[str]:
    """Return `text` in pieces such as tokens are; joined, they are the text again."""
    return _PIECE.findall(text)


@dataclass(slots=True)
class GeneratedCall:
    """One call of a tool."""

    id: str
    name: str
    text: str
    """The arguments as JSON."""

    @property
    def arguments(self) -> Any:
        """The arguments as an object, or as they are if they are no JSON."""
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text


@dataclass(slots=True)
class GeneratedChoice:
    """One answer, in tokens."""

    text: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    finish: str = "stop"
    calls: list[GeneratedCall] = field(default_factory=list[GeneratedCall])
    parsed: Any = None
    """The value that `text` is the JSON of, in JSON mode."""

    @property
    def tokens(self) -> int:
        """The number of generated tokens."""
        return len(self.text) + len(self.reasoning) + sum(len(split_into_tokens(call.text)) for call in self.calls)

    def add(self, token: Token) -> None:
        """Take in what an engine gave."""
        if token.text:
            self.text.append(token.text)
        if token.reasoning:
            self.reasoning.append(token.reasoning)
        for part in token.tool_calls:
            while len(self.calls) <= part.index:
                self.calls.append(GeneratedCall(new_id("chatcmpl-tool-"), "", ""))
            call = self.calls[part.index]
            call.id, call.name, call.text = part.id or call.id, part.name or call.name, call.text + part.arguments
        self.finish = token.finish_reason or self.finish


@dataclass(slots=True)
class Generation:
    """All answers to one request, and the form they are to be written in."""

    model: Model
    form: Form
    prompt_tokens: int | None
    """`None` while an engine has not said it yet."""

    choices: list[GeneratedChoice]
    counted: int | None = None
    """How many tokens an engine says that it generated."""

    includes_usage: bool | None = None
    """True if the chunks of a stream report usage, on OpenAI's route; `None` on others, where they are the model's."""

    @property
    def tokens(self) -> int:
        """The number of generated tokens, over all choices."""
        return sum(choice.tokens for choice in self.choices) if self.counted is None else self.counted

    def add(self, part: Token | Usage) -> None:
        """Take in what an engine gave."""
        if isinstance(part, Usage):
            self.prompt_tokens, self.counted = part.prompt_tokens, part.completion_tokens
            return
        while len(self.choices) <= part.choice:
            self.choices.append(GeneratedChoice())
        self.choices[part.choice].add(part)

    def iter_tokens(self) -> Iterator[Token]:
        """Return the answers in tokens, in turns."""
        for turn in zip_longest(*(_iter_choice(choice, index) for index, choice in enumerate(self.choices))):
            yield from (token for token in turn if token is not None)

    def usage(self, *, details: bool = False) -> Payload:
        """Return token counts of the whole call, with `details` as the newer models give them."""
        usage = count_usage(self.prompt_tokens or 0, self.tokens)
        if details:
            usage |= {"prompt_tokens_details": {"cached_tokens": 0}, "neurons": self.compute_cost(self.tokens)}
        return usage

    def compute_cost(self, tokens: int) -> float:
        """Return what the call costs in neurons when `tokens` of its answer are taken."""
        return compute_neurons(self.model, self.prompt_tokens or 0, tokens)


class UsageIncrements:
    """Usage in increments: the prompt's tokens are in the first one that can know them."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self.has_prompt = False

    def count(self, tokens: int) -> Payload:
        """Return the increment of an event with so many tokens."""
        known = self._generation.prompt_tokens
        prompt = 0 if self.has_prompt else known or 0
        self.has_prompt = known is not None
        return count_usage(prompt, tokens)


def count_usage(prompt: int, completion: int) -> Payload:
    """Return token counts under the names of the service."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def new_id(prefix: str) -> str:
    """Return an id such as the service gives."""
    return prefix + uuid.uuid4().hex


def to_openai_call(call: GeneratedCall) -> Payload:
    """Return a tool call as OpenAI writes it."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}


def _iter_choice(choice: GeneratedChoice, index: int) -> Iterator[Token]:
    for piece in choice.reasoning:
        yield Token("", {}, piece, choice=index)
    for piece in choice.text:
        yield Token(piece, {}, choice=index)
    for number, call in enumerate(choice.calls):
        yield Token("", {}, tool_calls=(ToolCallDelta(number, call.name, "", call.id),), choice=index)
        for piece in split_into_tokens(call.text):
            yield Token("", {}, tool_calls=(ToolCallDelta(number, None, piece),), choice=index)


def compute_neurons(model: Model, prompt_tokens: int, tokens: int) -> float:
    """Return the neurons of a call; for models not priced by the token, one unit of all they charge for."""
    total = 0.0
    counts = {"per M input tokens": prompt_tokens, "per M output tokens": tokens}
    for price in model.price:
        each = price.usd / USD_PER_NEURON if price.neurons is None else price.neurons
        if price.unit.startswith("per M"):
            each *= counts.get(price.unit, 0) / 1e6
        total += each
    return round(total, 6)


def is_new_kimi(name: str) -> bool:
    """Return True if a model names its reasoning, and the switch for it, as Kimi does since K2.6."""
    return name.startswith(KIMI) and not name.endswith("k2.5")
