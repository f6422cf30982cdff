"""Put images and sounds in messages into the form of the wire: parts with data URLs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from cfai import models
from cfai._credentials import describe
from cfai._errors import InputError
from cfai._json import as_sequence, is_mapping, json_default
from cfai._request.media_source import (
    WEB,
    Kind,
    Medium,
    is_array,
    is_medium,
    is_model,
    join_lines,
    list_fields,
    open_medium,
    walk,
)

_URL_PARTS: Mapping[str, Kind] = {"image_url": "image", "video_url": "video"}
_DATA_URL = r"data:(audio|image|video)/[\w.+-]+(?:;[\w.=+-]+)*;base64,"
_PART_FIELDS = (*_URL_PARTS, "input_audio", "url", "data", "body")
"""The fields of a part, and of what stands in it, that may be media."""
_AUDIO_FORMATS = {"audio/mpeg": "mp3"}
"""Names of the wire, where they are not those of the media type."""


def has_medium_part(messages: Any) -> bool:
    """Return True if a part of messages may be a medium, or hold one: only text is sure to be none."""
    return any(
        is_model(message)
        or not all(map(_is_text, _list_parts(message.get("content") if is_mapping(message) else None)))
        for message in as_sequence(messages)
    )


def _list_parts(content: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", content) if isinstance(content, list | tuple) else [content]


def _is_text(part: Any) -> bool:
    if is_mapping(part):
        return isinstance(part.get("text"), str)
    return part is None or (isinstance(part, str) and not part.startswith("data:"))


def dump_model(model: Any, names: Collection[str], place: str) -> dict[str, Any]:
    """Return the fields of a pydantic model. Of those with these names, the ones that hold media stay as they are.

    Pydantic would take bytes and paths for text.
    """
    described: Mapping[str, Any] = getattr(cast("Any", type(model)), "model_fields", {})
    media: dict[str, Any] = {}
    held: set[str] = set()
    for name, value in list_fields(model).items():
        sent_as = getattr(described.get(name), "serialization_alias", None) or name
        is_left_out = getattr(described.get(name), "exclude", None)
        if sent_as in names and not is_left_out and any(is_medium(each) for each, _ in walk(value)):
            media[sent_as] = value
            held.add(name)
    try:
        return {**json_default(model, exclude=held), **media}
    except TypeError as error:
        problem = str(error)
    raise InputError(f"{place}: {type(model).__name__} cannot be sent as JSON: {problem}")


def _to_mapping(value: Any, place: str) -> Any:
    """Return a part of a message, or what stands in it, as a mapping if it is a pydantic model."""
    return dump_model(value, _PART_FIELDS, place) if is_model(value) else value


def encode_messages(model: str, messages: Any, place: str, *, is_chat: bool) -> Any:
    """Return messages with the media in them encoded, and texts in their lists as parts.

    `is_chat` is false for the Responses API, whose parts have other names.
    """
    if not isinstance(messages, list | tuple):
        return messages
    items = enumerate(cast("list[Any]", messages))
    return [encode_message(model, message, f"{place}[{number}]", is_chat=is_chat) for number, message in items]


def encode_message(model: str, message: Any, place: str, *, is_chat: bool) -> Any:
    """Return a message with the media in it encoded; one that has no list of parts, and no medium, as it is."""
    if is_model(message):
        message = dump_model(message, ("content",), place)
    content = message.get("content") if is_mapping(message) else None
    place = f"{place}['content']"
    if isinstance(content, list | tuple):
        items = enumerate(_list_parts(content))
        return {**message, "content": [_encode_part(model, each, f"{place}[{at}]", is_chat) for at, each in items]}
    if is_medium(content):
        return {**message, "content": [_encode_part(model, content, place, is_chat)]}
    return message


def _encode_part(model: str, part: Any, place: str, is_chat: bool) -> Any:
    if isinstance(part, str):
        if url := re.match(_DATA_URL, part):
            return _make_part(open_medium(part, place, cast("Kind", url[1])), is_chat)
        return {"type": "text" if is_chat else "input_text", "text": part}
    part = _to_mapping(part, place)
    if is_medium(part):
        return _make_part(open_medium(part, place), is_chat)
    for name, kind in _URL_PARTS.items():
        if is_mapping(part) and part.get(name) is not None:
            return {**part, name: _encode_url(model, part[name], f"{place}[{name!r}]", kind, is_chat)}
    if is_mapping(part) and part.get("input_audio") is not None:
        return {**part, "input_audio": _encode_audio(part["input_audio"], f"{place}['input_audio']")}
    if not (is_mapping(part) or hasattr(part, "_as_input")):
        raise InputError(f"{place} must be text, an image, a sound, a video or an object, got {describe(part)}")
    return part


def encode_image(model: str, image: Any, place: str) -> dict[str, Any]:
    """Return an image as a part of a message: with an address on the web, or with all of its bytes."""
    if image is None:
        raise InputError(f"{place} must be an image, got None")
    return {"type": "image_url", "image_url": _encode_url(model, image, place, "image", is_chat=True)}


def _make_part(medium: Medium, is_chat: bool) -> dict[str, Any]:
    """Return a part for a medium that stands among the parts by itself."""
    kind = medium.media_type.partition("/")[0]
    if kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": medium.to_base64(), "format": _get_format(medium)}}
    if kind not in _URL_PARTS.values():
        must = f"{medium.place} must be an image, a video or a sound"
        raise InputError(f"{must}, got {medium.media_type}: if it is one, say which, as in {{'image_url': …}}")
    url = medium.to_data_url()
    return (
        {"type": f"{kind}_url", f"{kind}_url": {"url": url}} if is_chat else {"type": "input_image", "image_url": url}
    )


def _encode_url(model: str, value: Any, place: str, kind: Kind, is_chat: bool) -> Any:
    """Return an address with the medium in it, as an object; in the Responses API as text."""
    value = _to_mapping(value, place)
    fields = {**value} if is_mapping(value) and "body" not in value else {"url": value}
    url = fields.get("url")
    if url is None:
        return value
    if isinstance(url, str) and url.startswith(WEB):
        _check_web(model, place)
    elif isinstance(url, str) and url.startswith("data:"):
        fields["url"] = join_lines(url)
    else:
        fields["url"] = open_medium(url, place, kind).to_data_url()
    return fields if is_chat else fields["url"]


def _check_web(model: str, place: str) -> None:
    """Raise for an address on the web, if the model's schema is the native one, which refuses it."""
    entry = models.catalogue().get(model)
    if entry is not None and entry.answers == "native":
        must = f"{place}: {model} takes no address on the web"
        raise InputError(f"{must}: download the file, and pass its bytes, a Path or a data: URL")


def _encode_audio(value: Any, place: str) -> Any:
    value = _to_mapping(value, place)
    fields = {**value} if is_mapping(value) and "body" not in value else {"data": value}
    data = fields.get("data")
    if data is None:
        return value
    medium = open_medium(data, place, "audio", fields.get("sample_rate"))
    if is_array(data["body"] if is_mapping(data) else data):  # in whose WAV file it stands
        fields.pop("sample_rate", None)
    is_base64 = isinstance(data, str) and not data.startswith("data:")
    encoded = join_lines(cast("str", data)) if is_base64 else medium.to_base64()
    return {"format": _get_format(medium), **fields, "data": encoded}


def _get_format(medium: Medium) -> str:
    return _AUDIO_FORMATS.get(medium.media_type, medium.media_type.partition("/")[2])
