"""A generation as one JSON value, in the shape of its family."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal

from cfai.local.wire._generation import SCOUT, GeneratedCall, GeneratedChoice, Generation, reasoning_field


def build_result(generation: Generation) -> dict[str, Any]:
    """Return what stands under `result` for a call that does not stream."""
    match generation.form:
        case "native" | "dual":
            return _build_native(generation)
        case "responses":
            return build_response(generation, new_id("resp_"), _build_items(generation.choices[0]))
        case _:
            return _build_completion(generation)


def new_id(prefix: str) -> str:
    """Return an id such as the service gives."""
    return prefix + uuid.uuid4().hex


def to_openai_call(call: GeneratedCall) -> dict[str, Any]:
    """Return a tool call as OpenAI writes it."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}


def build_response(generation: Generation, response_id: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the object of the Responses API, complete."""
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


def _build_items(choice: GeneratedChoice) -> list[dict[str, Any]]:
    """Return the items of a Responses API answer: reasoning, a message, calls."""
    items: list[dict[str, Any]] = []
    if choice.reasoning:
        items.append(finish_item(new_item("reasoning"), "".join(choice.reasoning)))
    if choice.text:
        items.append(finish_item(new_item("message"), "".join(choice.text)))
    return items + [finish_item(new_item("function_call", call), call.text) for call in choice.calls]


def new_item(
    kind: Literal["reasoning", "message", "function_call"], call: GeneratedCall | None = None
) -> dict[str, Any]:
    """Return an item of a Responses API answer, without what it comes to."""
    if kind == "reasoning":
        return {"type": kind, "id": new_id("rs_"), "summary": []}
    if kind == "message":
        return {"type": kind, "id": new_id("msg_"), "role": "assistant"}
    named = {"call_id": call.id, "name": call.name} if call else {}
    return {"type": kind, "id": new_id("fc_"), **named}


def finish_item(item: dict[str, Any], text: str) -> dict[str, Any]:
    """Return an item with its text, or its arguments."""
    if item["type"] == "function_call":
        return {**item, "arguments": text, "status": "completed"}
    if item["type"] == "reasoning":
        return item | {"content": [{"type": "reasoning_text", "text": text}]}
    return item | {"content": [{"type": "output_text", "text": text, "annotations": []}]}


def _build_native(generation: Generation) -> dict[str, Any]:
    choice = generation.choices[0]
    usage = generation.usage()
    if not choice.calls:
        whole = choice.parsed is not None and choice.finish == "stop"
        return {"response": choice.parsed if whole else "".join(choice.text), "usage": usage}
    if generation.model.name == SCOUT:
        # No `response` key at all, and OpenAI's form of a call: its schema says otherwise.
        return {"tool_calls": [to_openai_call(call) for call in choice.calls], "usage": usage}
    calls = [{"name": call.name, "arguments": call.arguments} for call in choice.calls]
    return {"response": "".join(choice.text) or None, "tool_calls": calls, "usage": usage}


def _build_completion(generation: Generation) -> dict[str, Any]:
    plain = generation.form == "completion"
    return {
        "id": new_id("cmpl-" if plain else "chatcmpl-"),
        "object": "text_completion" if plain else "chat.completion",
        "created": int(time.time()),
        "model": generation.model.name,
        "choices": [
            {
                "index": index,
                **({"text": "".join(choice.text)} if plain else {"message": _build_message(generation, choice)}),
                "finish_reason": choice.finish,
                "logprobs": None,
            }
            for index, choice in enumerate(generation.choices)
        ],
        "usage": generation.usage(details=True),
    }


def _build_message(generation: Generation, choice: GeneratedChoice) -> Mapping[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(choice.text) or None}
    if choice.reasoning:
        message[reasoning_field(generation.model)] = "".join(choice.reasoning)
    if choice.calls:
        message["tool_calls"] = [to_openai_call(call) for call in choice.calls]
    return message
