"""Compare what was sent with what should have been: where they differ, and both in a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from cfai.local import RecordedRequest

_MAX_TEXT_LENGTH = 200
"""Characters of a text, or bytes, that are shown whole."""

_MAX_ITEMS = 20
"""Items of a list, and requests, that are shown."""


def find_differences(sent: Any, wanted: Any, name: str) -> Iterator[str]:
    """Return where `sent` is not as `wanted`, by name. What is not wanted of an object may be in it.

    >>> list(find_differences({"messages": [{"role": "user"}], "n": 1}, {"messages": [{"role": "system"}]}, "inputs"))
    ["inputs['messages'][0]['role'] is 'user', not 'system'"]
    """
    if isinstance(wanted, Mapping) and isinstance(sent, Mapping):
        fields, objects = cast(Mapping[Any, Any], sent), cast(Mapping[Any, Any], wanted)
        for key, value in objects.items():
            if key in fields:
                yield from find_differences(fields[key], value, f"{name}[{key!r}]")
            else:
                yield f"{name}[{key!r}] was not sent"
    elif isinstance(wanted, list | tuple) and isinstance(sent, list):
        items, values = cast(list[Any], sent), cast(Sequence[Any], wanted)
        if len(items) != len(values):
            yield f"{name} has {len(items)} items, not {len(values)}"
            return
        for place, value in enumerate(values):
            yield from find_differences(items[place], value, f"{name}[{place}]")
    elif wanted != sent:
        yield f"{name} is {shorten(sent)}, not {shorten(wanted)}"


def shorten(value: Any) -> str:
    """Return a value as Python writes it, without the middle of what is long: a prompt, an image, many numbers."""
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{key!r}: {shorten(each)}" for key, each in cast(Mapping[Any, Any], value).items()) + "}"
        )
    if isinstance(value, list | tuple):
        items = cast(Sequence[Any], value)
        more = [f"… {len(items)} items"] if len(items) > _MAX_ITEMS else []
        return f"[{', '.join([*map(shorten, items[:_MAX_ITEMS]), *more])}]"
    if isinstance(value, str | bytes) and len(value) > _MAX_TEXT_LENGTH:
        unit = "characters" if isinstance(value, str) else "bytes"
        return f"{value[: _MAX_TEXT_LENGTH // 2]!r} … {len(value)} {unit} … {value[-_MAX_TEXT_LENGTH // 4 :]!r}"
    return repr(value)


def format_requests(requests: Sequence[RecordedRequest], mismatches: Sequence[Sequence[str]]) -> str:
    """Return the requests, oldest first, each with what keeps it from being the one that was looked for."""
    if not requests:
        return "nothing was received (a request with another token, account or path is turned away, and not listed)"
    earlier = max(0, len(requests) - _MAX_ITEMS)
    lines = ["received, oldest first:", *([f"… {earlier} more"] if earlier else [])]
    for number, (request, differences) in enumerate(zip(requests, mismatches, strict=True), 1):
        if number > earlier:
            lines += [f"{number}. {request.model} {shorten(request.inputs)}", *(f"   {line}" for line in differences)]
    return "\n".join(lines)
