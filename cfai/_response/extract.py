"""What the parts of an answer say: text, reasoning and tool calls, in each of the shapes in which they come.

All that these functions need is the part itself, already decoded, and for what decoding loses the JSON it came in and
the path to it there.
"""

from __future__ import annotations

from typing import Any, cast

from cfai._json import raw_number, words

Path = tuple[str | int, ...]


def to_text(value: Any, data: bytes, path: Path) -> str:
    """The text that a value stands for, with the digits of its numbers as they were written."""
    if value.__class__ is str or value is None:
        return value or ""
    if isinstance(value, bool):
        return words(value)
    try:
        return raw_number(data, path)
    except RecursionError:  # a caller who is deep down already
        return words(value)


def text_of(part: dict[str, Any], data: bytes, path: Path) -> str:
    """The text of a message, or of a piece of one. A refusal is what the model says, too."""
    return _first(part, ("content", "refusal"), data, path)


def reasoning_of(part: dict[str, Any], data: bytes, path: Path) -> str:
    """`reasoning_content`, else `reasoning`: the field was renamed between models, and both are about."""
    if "reasoning_content" not in part and "reasoning" not in part:
        return ""
    for key in ("reasoning_content", "reasoning"):
        value = part.get(key)
        place = (*path, key)
        if isinstance(value, dict):
            value = cast("dict[str, Any]", value).get("text")
            place = (*place, "text")
        # A boolean says whether there is any, and is none.
        if not isinstance(value, bool) and (text := to_text(value, data, place)):
            return text
    return ""


def calls_of(items: Any, data: bytes, path: Path) -> list[Any]:
    """Tool calls, each as `call_of` gives it; anything but a list holds none."""
    if not isinstance(items, list):
        return []
    return [call_of(item, data, (*path, position)) for position, item in enumerate(cast("list[Any]", items))]


def call_of(item: Any, data: bytes, path: Path) -> Any:
    """A tool call, whose arguments, if they came as an object, are the text that stood there."""
    if not isinstance(item, dict):
        return item
    item = cast("dict[str, Any]", item)
    function = item.get("function")
    if isinstance(function, dict):
        called = call_of(function, data, (*path, "function"))
        return item if called is function else {**item, "function": called}
    # Llama 3.3 sends `{"name", "arguments"}` with nothing around it.
    arguments = item.get("arguments")
    if arguments is None or isinstance(arguments, str):
        return item
    return {**item, "arguments": to_text(arguments, data, (*path, "arguments"))}


def loose_text(event: dict[str, Any]) -> Any:
    """UNCERTAIN: the chunks of moondream are documented nowhere; its whole answers name their text like this."""
    return next((event[key] for key in ("answer", "caption") if isinstance(event.get(key), str)), None)


def reports_error(event: dict[str, Any]) -> bool:
    """UNCERTAIN: no page shows an error inside a stream, so every shape that errors have elsewhere counts."""
    if event.get("error") or event.get("errors") or event.get("success") is False or "internalCode" in event:
        return True
    return event.get("type") == "error" or event.get("object") == "error"


def output_of(answer: dict[str, Any], data: bytes, path: Path) -> tuple[str, str, list[Any]]:
    """Text, reasoning and tool calls of a whole answer of the Responses API."""
    texts: list[str] = []
    reasonings: list[str] = []
    calls: list[Any] = []
    output = answer.get("output")
    items = cast("list[Any]", output) if isinstance(output, list) else []
    items = calls_of(items, data, (*path, "output"))
    for position, item in enumerate(items):
        if not isinstance(item, dict):
            continue
        item = cast("dict[str, Any]", item)
        place = (*path, "output", position)
        if item.get("type") == "function_call":
            calls.append({**item, "index": position})
        elif item.get("type") == "reasoning":
            reasonings.append(_first(item, ("content", "summary"), data, place))
        else:
            texts.append(text_of(item, data, place))
    text = "".join(texts) or to_text(answer.get("output_text"), data, (*path, "output_text"))
    return text, "".join(reasonings), calls


def finish_of(answer: dict[str, Any], has_calls: bool) -> str:
    """Why an answer of the Responses API ended, under the names of chat completions."""
    if answer.get("status") != "incomplete":
        return "tool_calls" if has_calls else "stop"
    details = answer.get("incomplete_details")
    reason = cast("dict[str, Any]", details).get("reason") if isinstance(details, dict) else None
    return "length" if reason in (None, "max_output_tokens") else str(reason)


def _first(part: dict[str, Any], keys: tuple[str, ...], data: bytes, path: Path) -> str:
    """The text under the first of `keys` that has any."""
    return next((text for key in keys if (text := _content(part.get(key), data, (*path, key)))), "")


def _content(content: Any, data: bytes, path: Path) -> str:
    """Text that may have come as a list of parts: the text of those that have any."""
    if not isinstance(content, list):
        return to_text(content, data, path)
    parts = enumerate(cast("list[Any]", content))
    said = [
        _first(cast("dict[str, Any]", part), ("text", "refusal"), data, (*path, at))
        for at, part in parts
        if isinstance(part, dict)
    ]
    return "".join(said)
