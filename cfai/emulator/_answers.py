"""A generation as one JSON value, in the shape of its family."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from cfai.emulator._generate import SCOUT, Call, Choice, Generation, reasoning_field


def answer(generation: Generation) -> dict[str, Any]:
    """What stands under `result` for a call that does not stream."""
    match generation.form:
        case "native" | "dual":
            return _native(generation)
        case "responses":
            return response_object(generation, new_id("resp_"))
        case _:
            return _completion(generation)


def new_id(prefix: str) -> str:
    """An id such as the service gives."""
    return prefix + uuid.uuid4().hex


def openai_call(call: Call) -> dict[str, Any]:
    """A tool call as OpenAI writes it."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.text}}


def response_object(generation: Generation, response_id: str) -> dict[str, Any]:
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
        "output": _items(choice),
        "usage": {
            "input_tokens": generation.prompt_tokens,
            "output_tokens": generation.tokens,
            "total_tokens": generation.prompt_tokens + generation.tokens,
        },
    }


def _items(choice: Choice) -> list[dict[str, Any]]:
    """The items of a Responses API answer: reasoning, then a call or a message."""
    items: list[dict[str, Any]] = []
    if choice.reasoning:
        thought = [{"type": "reasoning_text", "text": "".join(choice.reasoning)}]
        items.append({"type": "reasoning", "id": new_id("rs_"), "summary": [], "content": thought})
    if call := choice.call:
        items.append(
            {
                "type": "function_call",
                "id": new_id("fc_"),
                "call_id": call.id,
                "name": call.name,
                "arguments": call.text,
                "status": "completed",
            }
        )
    elif choice.text:
        content: list[dict[str, Any]] = [{"type": "output_text", "text": "".join(choice.text), "annotations": []}]
        items.append({"type": "message", "id": new_id("msg_"), "role": "assistant", "content": content})
    return items


def _native(generation: Generation) -> dict[str, Any]:
    choice = generation.choices[0]
    usage = generation.usage()
    if choice.call is None:
        whole = choice.parsed is not None and choice.finish == "stop"
        return {"response": choice.parsed if whole else "".join(choice.text), "usage": usage}
    if generation.model.name == SCOUT:
        # No `response` key at all, and OpenAI's form of a call: its schema says otherwise.
        return {"tool_calls": [openai_call(choice.call)], "usage": usage}
    call = {"name": choice.call.name, "arguments": choice.call.arguments}
    return {"response": None, "tool_calls": [call], "usage": usage}


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
    if choice.call:
        message["tool_calls"] = [openai_call(choice.call)]
    return message
