"""Inputs of Workers AI as a request of OpenAI's API, which the engines of this world speak."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from cfai._json import as_sequence, is_mapping, to_compact_json
from cfai.local._json import as_object

_UNCHANGED_FIELDS = (
    *("temperature", "top_p", "top_k", "seed", "stop", "n", "frequency_penalty", "presence_penalty", "logit_bias"),
    *("tool_choice", "parallel_tool_calls", "reasoning_effort", "chat_template_kwargs"),
)
"""Inputs that mean the same there."""

_ROLES = {"developer": "system", "function": "tool"}
"""Roles that not every engine knows, and what stands for them."""


def build_request(model: str, inputs: Mapping[str, Any], max_tokens: int | None) -> tuple[str, dict[str, Any]]:
    """Return path and body of the request, which asks for a stream of at most `max_tokens` tokens."""
    body: dict[str, Any] = {"model": model, "stream": True, "stream_options": {"include_usage": True}}
    body |= {name: inputs[name] for name in _UNCHANGED_FIELDS if inputs.get(name) is not None}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    if (penalty := inputs.get("repetition_penalty")) is not None:
        # vLLM's name, and llama.cpp's.
        body |= {"repetition_penalty": penalty, "repeat_penalty": penalty}
    if inputs.get("raw") is True and isinstance(inputs.get("prompt"), str):
        return "completions", body | {"prompt": inputs["prompt"]}
    body["messages"] = _to_messages(inputs)
    tools = [_to_tool(tool) for key in ("tools", "functions") for tool in as_sequence(inputs.get(key))]
    if tools:
        body["tools"] = tools
    if (wanted := _to_response_format(inputs)) is not None:
        body["response_format"] = wanted
    return "chat/completions", body


def force_tool_call(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `body` with a schema that only a call of a tool fits, if one has to be called; else `None`.

    Not every engine forces a tool by itself: of llama.cpp the model's template decides. A schema it always keeps to.
    """
    tools = [as_object(tool["function"]) for tool in as_sequence(body.get("tools")) if "function" in as_object(tool)]
    choice = body.get("tool_choice")
    if forced := as_object(choice):
        name = (as_object(forced.get("function")) or forced).get("name")
        tools = [tool for tool in tools if tool.get("name") == name]
    elif choice != "required":
        return None
    if not tools or "messages" not in body:
        return None
    calls = [_build_call_schema(tool) for tool in tools]
    schema = calls[0] if len(calls) == 1 else {"anyOf": calls}
    instruction = {
        "role": "system",
        "content": f"Answer with a call of one of these tools, as JSON: {to_compact_json(tools)}",
    }
    rest = {key: body[key] for key in body if key not in ("tools", "tool_choice", "parallel_tool_calls")}
    return rest | {"messages": [instruction, *body["messages"]], "response_format": _build_schema_format(schema)}


def _build_call_schema(tool: Mapping[str, Any]) -> dict[str, Any]:
    properties = {"name": {"const": tool["name"]}, "arguments": tool.get("parameters") or {"type": "object"}}
    return {"type": "object", "properties": properties, "required": ["name", "arguments"]}


def _to_messages(inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the messages that the model is to read."""
    if "messages" in inputs:
        messages = [_to_message(item) for item in as_sequence(inputs["messages"])]
    else:
        prompt = inputs.get("input", inputs.get("prompt", ""))
        instructions = inputs.get("instructions")
        messages = [{"role": "system", "content": instructions}] if instructions else []
        if isinstance(prompt, str):
            messages.append({"role": "user", "content": prompt})
        else:
            messages += [_item_to_message(item) for item in as_sequence(prompt) if is_mapping(item)]
    if inputs.get("image") is not None and messages:
        messages[-1] = _add_image(messages[-1], inputs["image"])
    return messages


def _to_message(item: Any) -> dict[str, Any]:
    message = dict(item) if is_mapping(item) else {"role": "user", "content": item}
    message["role"] = _ROLES.get(message.get("role", ""), message.get("role", "user"))
    if isinstance(message.get("content"), list | tuple):
        message["content"] = [_to_part(part) for part in as_sequence(message["content"])]
    elif message.get("content") is None:
        message["content"] = ""
    if calls := as_sequence(message.get("tool_calls")):
        message["tool_calls"] = [_to_tool_call(call) for call in calls if is_mapping(call)]
    return message


def _item_to_message(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item of the Responses API as a message."""
    if item.get("type") == "function_call":
        call = _to_tool_call({"id": item.get("call_id"), "name": item.get("name"), "arguments": item.get("arguments")})
        return {"role": "assistant", "content": "", "tool_calls": [call]}
    if item.get("type") == "function_call_output":
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": _to_text(item.get("output"))}
    return _to_message({"role": item.get("role", "user"), "content": item.get("content")})


def _to_tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call of a tool, from OpenAI's form or from the flat one."""
    function = as_object(call.get("function")) or call
    arguments = {"name": function.get("name"), "arguments": _to_text(function.get("arguments") or {})}
    return {"id": call.get("id") or "call_0", "type": "function", "function": arguments}


def _to_tool(tool: Any) -> Any:
    """Return a tool, from OpenAI's form, from the flat one or from that of the Responses API."""
    if not is_mapping(tool) or is_mapping(tool.get("function")):
        return tool
    return {"type": "function", "function": {key: tool[key] for key in tool if key not in ("type", "code")}}


def _to_part(part: Any) -> Any:
    """Return a part of a message, with the names of chat completions."""
    if not is_mapping(part):
        return {"type": "text", "text": str(part)}
    if part.get("type") in ("input_text", "output_text"):
        return {"type": "text", "text": part.get("text", "")}
    return dict(part)


def _add_image(message: dict[str, Any], image: Any) -> dict[str, Any]:
    """Return a message with the image that stood beside the prompt: bytes as numbers, base64, or a data URL."""
    if not isinstance(image, str):
        image = base64.b64encode(bytes(as_sequence(image))).decode()
    url = image if image.startswith("data:") else f"data:image/png;base64,{image}"
    content = message["content"]
    parts: Sequence[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return message | {"content": [*parts, {"type": "image_url", "image_url": {"url": url}}]}


def _to_response_format(inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the form that the answer is to have, in OpenAI's envelope."""
    if inputs.get("guided_json"):
        return _build_schema_format(inputs["guided_json"])
    wanted = as_object(inputs.get("response_format") or as_object(inputs.get("text")).get("format"))
    if wanted.get("type") == "json_schema":
        rules = wanted.get("json_schema") or wanted.get("schema")
        # The bare schema, as native models want it, or the envelope.
        return _build_schema_format(as_object(rules).get("schema", rules))
    return {"type": "json_object"} if wanted.get("type") == "json_object" else None


def _build_schema_format(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else to_compact_json(value)
