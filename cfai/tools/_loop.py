"""Run a model until it answers in words, and the tools that it asks for in between: waiting, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cfai._credentials import Secret
from cfai._errors import ConfigurationError
from cfai._request import encode_media, has_media
from cfai.fallback import parse_fallback
from cfai.tools._calls import arun_calls, run_calls
from cfai.tools._conversation import Conversation, check_model
from cfai.tools._stream import AsyncToolsStream, ToolsStream, abuild_inputs, aopen_stream, open_stream
from cfai.tools._tool import ToolFunction, make_tools
from cfai.types import Runner, ToolsOutput


def run_with_tools(
    runner: Runner, model: str, inputs: Any, tools: Iterable[ToolFunction], max_rounds: int, options: Secret
) -> ToolsOutput | ToolsStream:
    """Run a model until it answers without asking for tools. `Ai.run_with_tools` has the rest.

    `options` are those of `run`, out of sight of a traceback.
    """
    _check_models(model, options)
    # Once: a stream could not be read for the second call, and a file need not be.
    inputs = encode_media(model, inputs)[0] if has_media(model, inputs) else inputs
    return run_conversation(runner, Conversation(model, inputs, make_tools(tools), max_rounds), options)


def run_conversation(runner: Runner, conversation: Conversation, options: Secret) -> ToolsOutput | ToolsStream:
    """Run the model of a conversation until it answers without asking for tools."""
    for tool in conversation.tools.values():
        if tool.is_async:
            raise ConfigurationError(
                f"the tool {tool.name} is asynchronous: call `arun_with_tools`, or `asend` or `astream` of a chat"
            )
    if conversation.wants_stream:
        return open_stream(runner, conversation, options)
    with conversation.keeping_steps():
        while True:
            answer = runner.run(conversation.model, conversation.build_inputs(), **options.value)
            calls = conversation.add_answer(answer)
            if not calls:
                return conversation.build_output()
            with conversation.collecting_results(calls) as results:
                run_calls(conversation.tools, results)


async def arun_with_tools(
    runner: Runner, model: str, inputs: Any, tools: Iterable[ToolFunction], max_rounds: int, options: Secret
) -> ToolsOutput | AsyncToolsStream:
    """Run a model until it answers without asking for tools. `Ai.arun_with_tools` has the rest."""
    from cfai._threads import run_in_thread  # not sooner: it imports asyncio

    _check_models(model, options)
    inputs = (await run_in_thread(encode_media, model, inputs))[0] if has_media(model, inputs) else inputs
    return await arun_conversation(runner, Conversation(model, inputs, make_tools(tools), max_rounds), options)


async def arun_conversation(
    runner: Runner, conversation: Conversation, options: Secret
) -> ToolsOutput | AsyncToolsStream:
    """Run the model of a conversation until it answers without asking for tools."""
    if conversation.wants_stream:
        return await aopen_stream(runner, conversation, options)
    with conversation.keeping_steps():
        while True:
            answer = await runner.arun(conversation.model, await abuild_inputs(conversation), **options.value)
            calls = conversation.add_answer(answer)
            if not calls:
                return conversation.build_output()
            with conversation.collecting_results(calls) as results:
                await arun_calls(conversation.tools, results)


def _check_models(model: str, options: Secret) -> None:
    """Raise `InputError` for a model that is sure to call no tools, and `ConfigurationError` for what are no models."""
    fallback = options.value.get("fallback")
    others = [] if fallback is None else parse_fallback(model, fallback)
    for name in [model, *others] if options.value.get("checks") not in ("off", "warn") else ():
        check_model(name)
