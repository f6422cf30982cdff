"""The inputs of a call, from the arguments of a command."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from cfai import InputError
from cfai.cli._attach import (
    Attachment,
    add_media,
    add_texts,
    describe_needed_file,
    get_parameters,
    list_media,
    read_attachment,
    takes_messages,
)

_PROMPT_FIELDS = ("prompt", "text", "input_text", "question", "query")
"""The inputs that take a prompt. A model has one of them, or the first is the right one."""


def parse_inputs(model: str, pairs: Iterable[str]) -> dict[str, Any]:
    """Return inputs from `key=value`, where a value that is JSON is that, and `@file` is a file's content.

    Where a model takes text and not what the JSON is, such as a number, it gets the value as it is written. Raises
    `InputError` for what is no pair, and `OSError` for a file that cannot be read.
    """
    inputs: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise InputError(f"-i must be KEY=VALUE, such as -i temperature=0 or -i image=@cat.jpg, got {pair!r}")
        if name in inputs:
            raise InputError(f"-i {name} must be given once: leave one out")
        inputs[name] = _read_file(Path(value[1:])) if value.startswith("@") else _parse_value(model, name, value)
    return inputs


def _read_file(path: Path) -> Any:
    """Return a file as an input: a medium as its path, JSON as what it says, a text as text."""
    attachment = read_attachment(path)
    if attachment.kind != "text":
        return attachment.medium
    if path.suffix.lower() != ".json":
        return attachment.text
    try:
        return json.loads(attachment.text)
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}") from error


def _parse_value(model: str, name: str, value: str) -> Any:
    try:
        parsed = json.loads(value)
    except ValueError:
        return value
    parameter = get_parameters(model).get(name)
    is_text = parameter is not None and "string" in parameter.kinds and _get_json_type(parsed) not in parameter.kinds
    return value if is_text else parsed


def _get_json_type(value: Any) -> str:
    kinds = {
        "NoneType": "null",
        "bool": "boolean",
        "int": "integer",
        "float": "number",
        "str": "string",
        "list": "array",
    }
    return kinds.get(type(value).__name__, "object")


def build_inputs(
    model: str,
    prompt: str,
    system: str | None,
    given: Mapping[str, Any],
    attachments: Sequence[Attachment],
    checks: str,
) -> dict[str, Any]:
    """Return the inputs of a call: the prompt and the media where the model takes them, and those that were `given`.

    Raises `InputError` if there is nothing to send, or something that the model takes nowhere.
    """
    text = add_texts(prompt, attachments)
    is_told = takes_messages(model)
    media = (
        list_media(model, attachments, checks=checks)
        if is_told
        else [each for each in attachments if each.kind != "text"]
    )
    taken, needed = get_parameters(model), describe_needed_file(model)
    prompt_fields = [name for name in (*_PROMPT_FIELDS, "messages") if name in taken]
    if not (text.strip() or media or given):
        if not prompt_fields and needed:
            raise InputError(f"{model} needs {needed}: give it with -a FILE")
        raise InputError(f"there is no prompt: give one behind the model, {model!r}, or by standard input")
    if is_told and (system is not None or media or "messages" in given or (taken and "prompt" not in taken)):
        return {**given, "messages": _build_messages(text, system, given.get("messages", []), media)}
    if system is not None:
        raise InputError(f"{model} takes no instructions: leave out --system")
    inputs = add_media(model, given, attachments)
    if text.strip():
        if taken and not prompt_fields:
            advice = f"give it {needed} with -a FILE" if needed and not media else f"it takes {', '.join(taken)}"
            raise InputError(f"{model} takes no prompt: {advice}")
        inputs.setdefault((prompt_fields or _PROMPT_FIELDS)[0], text)
    return inputs


def _build_messages(text: str, system: str | None, before: Any, media: Sequence[Any]) -> list[Any]:
    if not isinstance(before, list):
        raise InputError(f"-i messages must be a list of messages, got {json.dumps(before, ensure_ascii=False)[:40]}")
    messages = [*cast("list[Any]", before)]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    if text.strip() or media:
        content: Any = [*([text] if text.strip() else ()), *media] if media else text
        messages.append({"role": "user", "content": content})
    return messages
