"""Text, reasoning, tool calls and finish reason of an event's parts, in each of the shapes in which they come.

The functions are pure. Each takes the part itself, already decoded, and for what decoding loses, such as the digits of
`0.10`, the JSON it came in and the path to it there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cfai._json import as_sequence, is_mapping, raw_number, value_to_text

JsonPath = tuple[str | int, ...]

_ENVELOPE = frozenset({"result", "success", "errors", "messages", "result_info"})
"""The keys of the wrapper around a result. An object with any other key is a result itself."""

_NO_SUCCESS = (False, "false")

_PROBLEM = frozenset({"message", "detail", "title", "status", "statusCode", "type", "code", "instance"})
"""The keys of an error of a server on the way. An object with any other key is an answer."""


class Delta(NamedTuple):
    """A part of an answer, before it is put to what came before."""

    text: str = ""
    reasoning: str = ""
    tool_calls: Sequence[Any] = ()
    finish_reason: Any = None


def unwrap(body: Any) -> Any:
    """Return the result without its envelope, if it has one; `None` for an envelope without a result."""
    if body.__class__ is dict and ("result" in body or "success" in body) and body.keys() <= _ENVELOPE:
        return body.get("result")
    return body


def event_reports_error(event: Mapping[str, Any]) -> bool:
    """Return True if an event reports an error.

    UNCERTAIN: no page shows an error inside a stream, so every shape that errors have elsewhere counts.
    """
    if event.get("success") is True and event.get("result"):
        return False  # what stands beside a result is a warning
    return bool(event.get("error") or event.get("errors")) or event.get("success") in _NO_SUCCESS or _is_error(event)


def _is_error(answer: Mapping[str, Any]) -> bool:
    """Return True if an object is an error and nothing else."""
    if "internalCode" in answer or answer.get("type") == "error" or answer.get("object") == "error":
        return True
    reason: Any = answer.get("message") or answer.get("detail")
    return reason.__class__ in (str, list) and bool(reason) and answer.keys() <= _PROBLEM


def find_event_error(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the part of an event that reports an error: mostly all of it, of the Responses API the failed answer."""
    if event_reports_error(event):
        return event
    if event.get("type") == "response.failed":
        answer = event.get("response")
        return answer if is_mapping(answer) else event
    answer = unwrap(event)
    return answer if is_responses_object(answer) and answer.get("status") == "failed" else None


def is_responses_object(answer: Any) -> bool:
    """Return True if an object is a whole answer of the Responses API."""
    return is_mapping(answer) and answer.get("object") == "response" and isinstance(answer.get("output"), list)


def is_anthropic_message(answer: Any) -> bool:
    """Return True if an object is a whole answer of Anthropic's Messages API, which a gateway passes on as it is."""
    return is_mapping(answer) and answer.get("type") == "message" and isinstance(answer.get("content"), list)


def body_reports_error(body: Any) -> bool:
    """Return True if a 2xx body is an error: `success` is false, or an error is named and no result came."""
    if body.__class__ is not dict:
        return False
    if body.get("success") in _NO_SUCCESS or ("result" not in body and _is_error(body)):
        return True
    for answer in (body, body.get("result")):
        # The Responses API reports a failure in an answer of its own shape, a gateway that of another author's model.
        if answer.__class__ is dict and answer.get("object") == "response":
            return answer.get("status") == "failed"
        if answer.__class__ is dict and answer.get("state") == "Failed":
            return True
    return bool(body.get("errors") or body.get("error")) and not body.get("result") and "choices" not in body


def extract_choice(choice: Mapping[str, Any], data: bytes, path: JsonPath) -> Delta:
    """Return what a choice of a chat completion holds, in a chunk or whole. Older ones have `text` and no message."""
    key = "delta" if choice.get("delta") else "message"
    message: Any = choice.get(key)
    if not is_mapping(message) or not message:
        text = to_text(choice.get("text"), data, (*path, "text"))
        return Delta(text, finish_reason=choice.get("finish_reason"))
    path = (*path, key)
    calls = extract_tool_calls(message.get("tool_calls"), data, (*path, "tool_calls"))
    if not calls and "function_call" in message:
        # One call under a name of its own is the older form, which finishes with `function_call`.
        calls = [keep_raw_arguments(message["function_call"], data, (*path, "function_call"))]
    return Delta(
        _find_text(message, ("content", "refusal"), data, path),  # a refusal is what the model says, too
        extract_reasoning(message, data, path),
        calls,
        choice.get("finish_reason"),
    )


def extract_native(event: Mapping[str, Any], data: bytes, path: JsonPath) -> Delta:
    """Return what stands at the top level of an event of the service's own dialect."""
    key = "response"
    if key not in event:
        # UNCERTAIN: the chunks of moondream are documented nowhere; its whole answers name their text like this.
        key = next(
            (key for key in ("answer", "caption", "response_text", "text") if isinstance(event.get(key), str)), key
        )
    return Delta(
        to_text(event.get(key), data, (*path, key)),
        extract_reasoning(event, data, path),
        extract_tool_calls(event.get("tool_calls"), data, (*path, "tool_calls")),
        event.get("finish_reason"),
    )


def extract_response(answer: Mapping[str, Any], data: bytes, path: JsonPath) -> Delta:
    """Return what a whole answer of the Responses API holds, each tool call under its place in the output."""
    texts: list[str] = []
    reasonings: list[str] = []
    calls: list[Any] = []
    for position, item in enumerate(extract_tool_calls(answer.get("output"), data, (*path, "output"))):
        if not is_mapping(item):
            continue
        item_path = (*path, "output", position)
        if item.get("type") == "function_call":
            calls.append({**item, "index": position})
        elif item.get("type") == "reasoning":
            reasonings.append(_find_text(item, ("content", "summary"), data, item_path))
        else:
            texts.append(_find_text(item, ("content", "refusal"), data, item_path))
    text = "".join(texts) or to_text(answer.get("output_text"), data, (*path, "output_text"))
    return Delta(text, "".join(reasonings), calls, _map_finish_reason(answer))


def extract_message(message: Mapping[str, Any], data: bytes, path: JsonPath) -> Delta:
    """Return what a whole answer of Anthropic's Messages API holds."""
    blocks = [
        extract_block(block, data, (*path, "content", position), position)
        for position, block in enumerate(as_sequence(message.get("content")))
        if is_mapping(block)
    ]
    return Delta(
        "".join(block.text for block in blocks),
        "".join(block.reasoning for block in blocks),
        [call for block in blocks for call in block.tool_calls],
        message.get("stop_reason"),
    )


def extract_block(block: Mapping[str, Any], data: bytes, path: JsonPath, index: Any) -> Delta:
    """Return what a block of such an answer holds, or a piece of one in a stream; `index` is its place."""
    calls: list[Any] = []
    if block.get("type") == "tool_use":
        # In a stream the input comes in pieces behind it, and is empty here.
        arguments = to_text(block["input"], data, (*path, "input")) if block.get("input") else ""
        calls = [{"index": index, "id": block.get("id"), "name": block.get("name"), "arguments": arguments}]
    elif "partial_json" in block:
        calls = [{"index": index, "arguments": block["partial_json"]}]
    text = to_text(block.get("text"), data, (*path, "text"))
    return Delta(text, to_text(block.get("thinking"), data, (*path, "thinking")), calls)


def extract_reasoning(part: Mapping[str, Any], data: bytes, path: JsonPath) -> str:
    """Return `reasoning_content`, else `reasoning` or `thought`: the field was renamed from model to model."""
    for key in ("reasoning_content", "reasoning", "thought"):
        value = part.get(key)
        value_path = (*path, key)
        if is_mapping(value):
            value, value_path = value.get("text"), (*value_path, "text")
        # A boolean says whether there is any, and is none.
        if not isinstance(value, bool) and (text := to_text(value, data, value_path)):
            return text
    return ""


def extract_tool_calls(items: Any, data: bytes, path: JsonPath) -> list[Any]:
    """Return tool calls with their arguments as sent; anything but a list holds none."""
    return [keep_raw_arguments(item, data, (*path, position)) for position, item in enumerate(as_sequence(items))]


def keep_raw_arguments(item: Any, data: bytes, path: JsonPath) -> Any:
    """Return a tool call whose arguments, if they came as an object, are the text that stood there."""
    if not is_mapping(item):
        return item
    function = item.get("function")
    if is_mapping(function):
        called = keep_raw_arguments(function, data, (*path, "function"))
        return item if called is function else {**item, "function": called}
    # Llama 3.3 sends `{"name", "arguments"}` with nothing around it.
    arguments = item.get("arguments")
    if arguments is None or isinstance(arguments, str):
        return item
    return {**item, "arguments": to_text(arguments, data, (*path, "arguments"))}


def to_text(value: Any, data: bytes, path: JsonPath) -> str:
    """Return the text that a value stands for, with the digits of its numbers as they were written."""
    if value.__class__ is str or value is None:
        return value or ""
    if isinstance(value, bool):
        return value_to_text(value)
    try:
        return raw_number(data, path)
    except RecursionError:  # a caller who is deep down already
        return value_to_text(value)


def _map_finish_reason(answer: Mapping[str, Any]) -> str:
    """Return why an answer of the Responses API ended, under the names of chat completions."""
    if answer.get("status") != "incomplete":
        return "stop"
    details = answer.get("incomplete_details")
    reason = details.get("reason") if is_mapping(details) else None
    return "length" if reason in (None, "max_output_tokens") else str(reason)


def _find_text(part: Mapping[str, Any], keys: tuple[str, ...], data: bytes, path: JsonPath) -> str:
    """Return the text under the first of `keys` that has any. It may have come as a list of parts."""
    for key in keys:
        value = part.get(key)
        if not isinstance(value, list):
            text = to_text(value, data, (*path, key))
        else:
            text = "".join(
                _find_text(item, ("text", "refusal"), data, (*path, key, position))
                for position, item in enumerate(as_sequence(value))
                if is_mapping(item)
            )
        if text:
            return text
    return ""
