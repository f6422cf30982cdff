"""Run a model: as an engine answers, if there is one, else as the emulator makes it up."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from cfai._limits import count_units
from cfai.local import wire
from cfai.local._json import as_object
from cfai.local._models import is_text_model
from cfai.local.emulator import _tasks, _text
from cfai.local.emulator._generate import choose_form, generate, get_output_limit, parse_json_mode, writes_text
from cfai.local.emulator._text import TextKind
from cfai.local.wire import GeneratedChoice, Generation, Parts
from cfai.models import USD_PER_NEURON, Model
from cfai.types import Token, Usage


class Engine(Protocol):
    """Runs models for an emulator, which has checked the inputs and writes what comes in the service's wire format.

    All methods are called on the event loop of the emulator's server. What an engine cannot do is a
    `cfai.local.ErrorResponse`.
    """

    async def answer(
        self, model: str, inputs: Mapping[str, Any], max_tokens: int | None
    ) -> AsyncGenerator[Token | Usage, None]:
        """Yield the answer to a text model's inputs in tokens, and what it took at the end. `max_tokens` is how many of
        output the service would give. It returns when the engine has begun, or raises; closing it ends the work.
        """
        ...

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text."""
        ...

    async def aclose(self) -> None:
        """Free what the engine holds."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """A whole answer, and what it took."""

    value: Any
    """The value under `result`, or `Media`."""

    prompt_tokens: int
    tokens: int
    neurons: float


async def begin_stream(
    engine: Engine | None,
    text: TextKind,
    model: Model,
    inputs: Mapping[str, Any],
    request_id: str,
    cleanup: AsyncExitStack,
) -> tuple[Generation, Parts]:
    """Return a streamed answer: what it comes to, and its events. `cleanup` ends an engine's work on it."""
    if engine is None or not is_text_model(model):
        generation = generate(model, inputs, text)
        return generation, wire.encode_events(generation)
    generation, parts, _ = await _ask(engine, model, inputs)
    # Closing `encode_live_events` is not enough: a generator that nobody began to read runs no `finally`.
    cleanup.push_async_callback(parts.aclose)
    return generation, wire.encode_live_events(generation, parts, request_id)


async def run_whole(engine: Engine | None, text: TextKind, model: Model, inputs: Mapping[str, Any]) -> Result:
    """Return an answer that does not stream."""
    if not writes_text(model, inputs):
        texts = _tasks.list_texts_to_embed(model, inputs) if engine else []
        vectors = await engine.embed(model.name, texts) if engine and texts else None
        value, prompt, tokens = _tasks.run_task(model, inputs, vectors), _text.count_emulated(dict(inputs)), 0
    else:
        asked = engine if is_text_model(model) else None
        generation = await _ask_whole(asked, model, inputs) if asked else generate(model, inputs, text)
        value, prompt, tokens = wire.build_result(generation), generation.prompt_tokens or 0, generation.tokens
    return Result(value, prompt, tokens, _compute_neurons(model, inputs, value, prompt, tokens))


def _compute_neurons(model: Model, inputs: Mapping[str, Any], value: Any, prompt: int, tokens: int) -> float:
    """Return the neurons of an answer, by the tokens or the other units that its model charges for."""
    seconds = as_object(as_object(value).get("transcription_info")).get("duration")
    units = count_units(model, inputs, seconds=seconds, at_most=True)
    cost = None if units is None else model.estimate_cost(units)
    return wire.compute_neurons(model, prompt, tokens) if cost is None else round(cost / USD_PER_NEURON, 6)


async def _ask_whole(engine: Engine, model: Model, inputs: Mapping[str, Any]) -> Generation:
    generation, parts, json_mode = await _ask(engine, model, inputs)
    async with aclosing(wire.take_parts(generation, parts)) as tokens:
        async for _ in tokens:
            pass
    for choice in generation.choices if json_mode else ():
        if choice.finish == "stop" and not choice.calls:
            try:
                choice.parsed = json.loads("".join(choice.text).rpartition("</think>")[2])
            except ValueError as error:
                raise wire.ErrorResponse(5024) from error
    return generation


async def _ask(
    engine: Engine, model: Model, inputs: Mapping[str, Any]
) -> tuple[Generation, AsyncGenerator[Token | Usage, None], bool]:
    """Return an answer with nothing in it yet, the parts that an engine gives of it, and whether it is to be JSON."""
    form = choose_form(model, inputs)
    generation = Generation(model, form, None, [GeneratedChoice()])
    json_mode, _ = parse_json_mode(inputs, form)
    # Only chat completions have a place for more than one answer.
    engine_inputs = inputs if form == "chat" else {name: value for name, value in inputs.items() if name != "n"}
    return generation, await engine.answer(model.name, engine_inputs, get_output_limit(model, inputs)), json_mode
