"""A generation as one JSON value, in the shape of its family."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal

from cfai.local.wire._generation import SCOUT, Call, Choice, Generation, reasoning_field


def answer(generation: Generation) -> dict[str, Any]:
    """Return what stands under `result` for a call that does not stream."""
    match generation.form:
        case "native" | "dual":
            return _native(generation)
        case "responses":
            return response_object(generation, new_id("resp_"), _items(generation.choices[0]))
        case _:
            return _completion(generation)


def new_id(prefix: str) -> str:
    """An id such as the service gives."""
    return prefix + uuid.uuid4().hex


def openai_call(call: Call) -> dict[str, Any]:
    """A tool call as OpenAI writes it."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}


def response_object(generation: Generation, response_id: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """The object of the Responses API, complete."""
    choice = generation.choices[0]
    cut = choice.finish == "length"
    return {
        "id": response_id,
        "object": "response",
        "created_at": int(time.time()),
        "model": generation.model.name,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": items,
        "usage": {
            "input_tokens": generation.prompt_tokens or 0,
            "output_tokens": generation.tokens,
            "total_tokens": (generation.prompt_tokens or 0) + generation.tokens,
        },
    }


def _items(choice: Choice) -> list[dict[str, Any]]:
    """The items of a Responses API answer: reasoning, a message, calls."""
    items: list[dict[str, Any]] = []
    if choice.reasoning:
        items.append(finished(new_item("reasoning"), "".join(choice.reasoning)))
    if choice.text:
        items.append(finished(new_item("message"), "".join(choice.text)))
    return items + [finished(new_item("function_call", call), call.text) for call in choice.calls]


def new_item(kind: Literal["reasoning", "message", "function_call"], call: Call | None = None) -> dict[str, Any]:
    """An item of a Responses API answer, without what it comes to."""
    if kind == "reasoning":
        return {"type": kind, "id": new_id("rs_"), "summary": []}
    if kind == "message":
        return {"type": kind, "id": new_id("msg_"), "role": "assistant"}
    named = {"call_id": call.id, "name": call.name} if call else {}
    return {"type": kind, "id": new_id("fc_"), **named}


def finished(item: dict[str, Any], text: str) -> dict[str, Any]:
    """An item with its text, or its arguments."""
    if item["type"] == "function_call":
        return {**item, "arguments": text, "status": "completed"}
    if item["type"] == "reasoning":
        return item | {"content": [{"type": "reasoning_text", "text": text}]}
    return item | {"content": [{"type": "output_text", "text": text, "annotations": []}]}


def _native(generation: Generation) -> dict[str, Any]:
    choice = generation.choices[0]
    usage = generation.usage()
    if not choice.calls:
        whole = choice.parsed is not None and choice.finish == "stop"
        return {"response": choice.parsed if whole else "".join(choice.text), "usage": usage}
    if generation.model.name == SCOUT:
        # No `response` key at all, and OpenAI's form of a call: its schema says otherwise.
        return {"tool_calls": [openai_call(call) for call in choice.calls], "usage": usage}
    calls = [{"name": call.name, "arguments": call.arguments} for call in choice.calls]
    return {"response": "".join(choice.text) or None, "tool_calls": calls, "usage": usage}


def _completion(generation: Generation) -> dict[str, Any]:
    plain = generation.form == "completion"
    return {
        "id": new_id("cmpl-" if plain else "chatcmpl-"),
        "object": "text_completion" if plain else "chat.completion",
        "created": int(time.time()),
        "model": generation.model.name,
        "choices": [
            {
                "index": index,
                **({"text": "".join(choice.text)} if plain else {"message": _message(generation, choice)}),
                "finish_reason": choice.finish,
                "logprobs": None,
            }
            for index, choice in enumerate(generation.choices)
        ],
        "usage": generation.usage(details=True),
    }


def _message(generation: Generation, choice: Choice) -> Mapping[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(choice.text) or None}
    if choice.reasoning:
        message[reasoning_field(generation.model)] = "".join(choice.reasoning)
    if choice.calls:
        message["tool_calls"] = [openai_call(call) for call in choice.calls]
    return message
