"""Put images and sounds into the form in which each model wants them.

Which form that is, the type of the input in the model's schema says: base64, a list of integers, data URLs, or bytes as
the whole body of the call, with the other inputs in its query.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from cfai._credentials import describe
from cfai._errors import InputError
from cfai._json import as_sequence, is_mapping
from cfai._request.media_source import (
    WEB,
    Kind,
    is_array,
    is_medium,
    is_model,
    is_stream,
    join_lines,
    list_fields,
    open_medium,
    walk,
)
from cfai._request.message_parts import dump_model, encode_messages, has_medium_part
from cfai._request.raw_body import RawBody, encode_form, make_raw_body
from cfai.models.schemas import get_schema

FORM_MODELS = "@cf/black-forest-labs/flux-2-"
"""The beginning of the names of models that want a form, even for nothing but a prompt."""

_MESSAGE_FIELDS = ("messages", "input")
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("image", "image_b64", "images", "mask"), "image"),
    **{f"input_image_{number}": "image" for number in range(4)},
    "audio": "audio",
    "videos": "video",
}
_OWN_FIELDS = frozenset((*_KINDS, "multipart"))
MEDIA_FIELDS = _OWN_FIELDS.union((*_MESSAGE_FIELDS, "requests"))
"""The inputs that may be media, or hold some."""
_MOST_MEDIA = 4
"""Media that one input has at most: a longer list is one of integers."""
_INTEGERS_ONLY = ("@cf/llava-hf/llava-1.5-7b-hf",)
"""Models whose schemas list text too, but which are documented with integers alone."""

_Encoding = Literal["raw body", "integers", "base64", "data URL", "data URLs"]


def has_media(model: str, inputs: Any) -> bool:
    """Return True if inputs may hold media, which take a while to read and to encode."""
    if isinstance(model, str) and model.startswith(FORM_MODELS):  # pyright: ignore[reportUnnecessaryIsInstance]
        return True
    if is_model(inputs):
        if any(is_medium(each) for each, _ in walk(inputs)):
            return True
        inputs = list_fields(inputs)
    if not is_mapping(inputs) or MEDIA_FIELDS.isdisjoint(inputs):
        return False
    return (
        any(inputs.get(name) is not None for name in _OWN_FIELDS)
        or any(has_medium_part(inputs.get(name)) for name in _MESSAGE_FIELDS)
        or any(has_media(model, each) for each in as_sequence(inputs.get("requests")))
    )


def encode_media(model: str, inputs: Any, refusal: str = "", place: str = "inputs") -> tuple[Any, RawBody | None]:
    """Return the inputs with their media as `model` wants them, and the body of the call if that is not to be JSON.

    `refusal` says why no other body than JSON can be sent, if that is so. The inputs are not changed. Raises
    `InputError` for what is no medium, cannot be read, or is not taken by the model.
    """
    if hasattr(inputs, "model_dump"):
        inputs = dump_model(inputs, MEDIA_FIELDS, place)
    if not is_mapping(inputs):
        return inputs, None
    for value in inputs.values():
        if isinstance(value, RawBody):  # encoded already
            return inputs, value
    _check_streams(inputs, place)
    has_own_media = model.startswith(FORM_MODELS) or not _OWN_FIELDS.isdisjoint(inputs)
    types = _get_input_types(model) if has_own_media else dict[str, str]()
    if "multipart" in types or "multipart" in inputs:
        return encode_form(model, inputs, refusal, place)
    sample_rate = inputs.get("sample_rate")
    if "sample_rate" not in types and _has_samples(inputs.get("audio")):
        inputs = {name: value for name, value in inputs.items() if name != "sample_rate"}
    encoded: dict[str, Any] = {}
    for name, value in inputs.items():
        where = f"{place}[{name!r}]"
        if name in _MESSAGE_FIELDS:
            encoded[name] = encode_messages(model, value, where, is_chat=name == "messages")
        elif name == "requests":
            encoded[name] = _encode_requests(model, value, where)
        elif name not in _KINDS or value is None:
            encoded[name] = value
        elif _is_raw_body(model, name, inputs, types, refusal):
            if refusal:
                raise InputError(f"{where}: {model} takes it as the whole body of a call, which cannot {refusal}")
            others = {other: inputs[other] for other in inputs if other != name}
            raw = make_raw_body(open_medium(value, where, _KINDS[name], sample_rate), others, place)
            return {**others, name: raw}, raw
        else:
            field = "image_b64" if _has_shorter_form(name, value, inputs, types) else name
            encoded[field] = _encode_field(model, field, value, types, sample_rate, where)
    return encoded, None


def _check_streams(inputs: Mapping[str, Any], place: str) -> None:
    """Raise for a second stream, as the binding of a Worker does."""
    forms = {name: value["body"] for name, value in inputs.items() if is_mapping(value) and "body" in value}
    streams = [repr(name) for name, body in forms.items() if is_stream(body)]
    if len(streams) > 1:
        raise InputError(f"{place}: a call can have one stream at most, got {', '.join(streams)}: pass bytes or a Path")


def _has_samples(audio: Any) -> bool:
    """Return True if a sound is an array, or several of which one is."""
    bodies = [audio.get("body")] if is_mapping(audio) else as_sequence(audio)[:_MOST_MEDIA]
    return any(map(is_array, (audio, *bodies)))


def _encode_requests(model: str, requests: Any, place: str) -> Any:
    """Return the requests of a batch, which are JSON always."""
    if not isinstance(requests, list | tuple):
        return requests
    refusal = "be part of a batch: call it once for each"
    listed = cast("list[Any]", requests)
    return [encode_media(model, each, refusal, f"{place}[{number}]")[0] for number, each in enumerate(listed)]


def _get_input_types(model: str) -> Mapping[str, str]:
    """Return the types of a model's inputs, in the words of its schema; of an unknown model, nothing."""
    schema = get_schema(model)
    return {name: parameter.type for name, parameter in schema.parameters.items()} if schema else {}


def _find_encoding(model: str, name: str, types: Mapping[str, str]) -> _Encoding | None:
    """Return how a model wants one of its inputs; `None` if it has none of that name, or it is no medium."""
    described = types.get(name, "")
    if "base64" in described or (described and name == "image_b64"):
        return "data URLs" if "data URL" in described else "base64"
    if described.startswith("object {body"):
        return "raw body"
    if "array<number" in described:
        return "base64" if "string" in described and model not in _INTEGERS_ONLY else "integers"
    return "data URL" if described == "string" else None


def _is_raw_body(model: str, name: str, inputs: Mapping[str, Any], types: Mapping[str, str], refusal: str) -> bool:
    """Return True if a medium is to be the whole body."""
    value = inputs[name]
    if not types:  # of an unknown model, the form of a Worker's binding says it
        return is_mapping(value) and "body" in value
    encoding = _find_encoding(model, name, types)
    if encoding == "raw body":
        return True
    # A sound alone, if it is not integers already. For images a raw body is only said to work.
    is_alone = name == "audio" and encoding == "integers" and len(inputs) == 1 and "(body)" in types
    return is_alone and not refusal and not isinstance(value, list | tuple)


def _has_shorter_form(name: str, value: Any, inputs: Mapping[str, Any], types: Mapping[str, str]) -> bool:
    """Return True for an image that can be base64 under another name: a third of the size of integers."""
    is_free = name == "image" and "image_b64" in types and "image_b64" not in inputs
    return is_free and not isinstance(value, list | tuple)


def _encode_field(model: str, name: str, value: Any, types: Mapping[str, str], sample_rate: Any, place: str) -> Any:
    """Return a medium in the form in which the model wants it in JSON."""
    kind, encoding = _KINDS[name], _find_encoding(model, name, types)
    if encoding is None:
        if any(map(is_medium, [value, *as_sequence(value)[:_MOST_MEDIA]])):
            raise InputError(f"{place}: {_explain_refusal(model, name, value, types)}")
        return value
    if encoding == "data URLs":
        items = as_sequence(value) if isinstance(value, list | tuple) else [value]
        places = [f"{place}[{number}]" for number in range(len(items))]
        return [_encode_url(item, where, kind, sample_rate) for item, where in zip(items, places, strict=True)]
    if encoding == "data URL":
        is_address = isinstance(value, str) and value.startswith(WEB)
        return cast("Any", value) if is_address else _encode_url(value, place, kind, sample_rate)
    medium = open_medium(value, place, kind, sample_rate)
    if isinstance(value, list | tuple) and "array<number" in types[name]:
        return cast("Any", value)
    return medium.to_base64() if encoding == "base64" else [*medium.read()]


def _encode_url(value: Any, place: str, kind: Kind, sample_rate: Any) -> Any:
    """Return a medium as a data URL. What is one already stays, and so does Clef's form of it."""
    if isinstance(value, str) and value.startswith("data:"):
        return join_lines(value)
    is_encoded = is_mapping(value) and "base64" in value
    return value if is_encoded else open_medium(value, place, kind, sample_rate).to_data_url()


def _explain_refusal(model: str, name: str, value: Any, types: Mapping[str, str]) -> str:
    got = describe(value)
    if not types:
        return (
            f"{got} cannot be encoded for {model}, whose schema is not known: pass base64 text or a list of integers, "
            "as it asks, or {'body': …, 'contentType': …} to send it as the whole body"
        )
    taken = [repr(each) for each in _KINDS if _find_encoding(model, each, types)]
    if "messages" in types:
        taken.append("parts of 'messages', if the model can see or hear")
    return f"{got} cannot be sent, {model} takes no {name!r}; it takes media in: {', '.join(taken) or 'nothing'}"
