"""Build bodies that are not JSON: a medium by itself, with the other inputs in the query, or a form."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast
from urllib.parse import quote, urlencode

import httpx

from cfai._credentials import describe
from cfai._errors import InputError
from cfai._json import is_mapping, to_builtins
from cfai._limits import count_wav_seconds
from cfai._request.media_source import Medium, StreamedFile, get_content_type, is_medium, open_medium
from cfai._request.options import find_header_flaw
from cfai.models.schemas import FLUX_2_FORM
from cfai.types._media_types import SUFFIXES

_PICTURE_NAMES = ("image", "input_image", "mask")
"""The beginnings of names that other models, and other services, have for pictures."""
_FILE_FIELD = "input_image_"
"""The beginning of the names of fields that are files, whatever is passed."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RawBody:
    """A body that is not JSON."""

    content: bytes | Iterable[bytes] | AsyncIterable[bytes] = field(repr=False)
    content_type: str
    size: int | None
    """Its bytes, if that is known."""
    query: str
    """The other inputs, for the URL."""
    seconds: float | None = None
    """How long it is, if it is a sound and its first bytes say."""


def make_raw_body(medium: Medium, others: Mapping[str, Any], place: str) -> RawBody:
    """Return a body of a medium by itself. Raises `InputError` for another input that cannot stand in a query."""
    if flaw := find_header_flaw(medium.media_type):
        raise InputError(f"{medium.place}: its content type cannot be sent: {flaw}")
    fields: list[tuple[str, str]] = []
    for name, value in others.items():
        # Several values of one name, as in any query.
        for each in cast("list[Any]", value) if isinstance(value, list | tuple) else [value]:
            if each is not None:
                fields.append((name, _to_text(each, f"{place}[{name!r}]")))
    query = urlencode(fields, quote_via=quote)
    seconds = _count_seconds(medium)
    return RawBody(
        content=medium.content, content_type=medium.media_type, size=medium.size, query=query, seconds=seconds
    )


def _count_seconds(medium: Medium) -> float | None:
    """Return how long a sound is, if its first bytes say."""
    if medium.media_type != "audio/wav" or medium.size is None:
        return None
    content = medium.content
    head = content.read_head()[0] if isinstance(content, StreamedFile) else content
    return count_wav_seconds(head, medium.size) if isinstance(head, bytes) else None


def _to_text(value: Any, place: str) -> str:
    """Return an input as text: numbers, booleans and objects as in JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(to_builtins(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        pass
    raise InputError(f"{place} cannot be sent as text, got {describe(value)}")


def encode_form(model: str, inputs: Mapping[str, Any], refusal: str, place: str) -> tuple[dict[str, Any], RawBody]:
    """Return the inputs of a model that wants a form, and that form, which stands in `multipart` if the caller made it.

    `refusal` is as in `encode_media`.
    """
    if refusal:
        raise InputError(f"{place}: {model} takes a form as the whole body of a call, which cannot {refusal}")
    if "multipart" not in inputs:
        _check_form_fields(model, inputs, place)
        raw = make_raw_body(_make_form(inputs, place), {}, place)
        # An empty object stands for a file, which the form has.
        fields: dict[str, Any] = {name: {} if _is_file(name, value) else value for name, value in inputs.items()}
        return {**fields, "(body)": raw}, raw
    others = {name: inputs[name] for name in inputs if name != "multipart"}
    raw = make_raw_body(_open_form(inputs["multipart"], f"{place}['multipart']"), others, place)
    return {**others, "multipart": raw}, raw


def _check_form_fields(model: str, inputs: Mapping[str, Any], place: str) -> None:
    """Raise for a picture where the form has none, and for a batch: the service drops both without a word."""
    if inputs.get("requests") is not None:
        raise InputError(
            f"{place}['requests']: {model} takes a form, which cannot be part of a batch: call it for each"
        )
    pictures = [name for name in FLUX_2_FORM.parameters if name.startswith(_FILE_FIELD)]
    for name, value in inputs.items():
        is_picture = is_medium(value) or (value is not None and name.startswith(_PICTURE_NAMES))
        if is_picture and name not in FLUX_2_FORM.parameters:
            must = f"{place}[{name!r}]: {model} takes pictures as {pictures[0]!r} to {pictures[-1]!r} alone"
            raise InputError(f"{must}, got {name!r}: give it one of these names")


def _open_form(value: Any, place: str) -> Medium:
    """Return a form as a Worker passes it: encoded, or its fields."""
    if not is_mapping(value) or "body" not in value:
        raise InputError(f"{place} must be {{'body': …, 'contentType': 'multipart/form-data; boundary=…'}}")
    declared = get_content_type(value)
    boundary = re.search(r'boundary="?([^";]+)', declared)
    if is_mapping(value["body"]):
        return _make_form(value["body"], f"{place}['body']", boundary[1] if boundary else None)
    if boundary is None:
        raise InputError(f"{place}: beside an encoded form there must be 'contentType', with its boundary")
    body = value["body"].encode() if isinstance(value["body"], str) else value["body"]
    return open_medium({"body": body, "contentType": declared}, place)


def _is_file(name: str, value: Any) -> bool:
    return value is not None and (name.startswith(_FILE_FIELD) or is_medium(value))


def _make_form(fields: Mapping[str, Any], place: str, boundary: str | None = None) -> Medium:
    """Return a form of texts and files. Unless one of the files is a path, which is read from disk, it is bytes."""
    parts: list[tuple[str, str | Medium]] = []
    for name, value in fields.items():
        where = f"{place}[{name!r}]"
        if _is_file(name, value):
            file = open_medium(value, where, "image" if name.startswith(_FILE_FIELD) else None)
            # An open file may stand in several fields, which httpx would read in turns.
            is_kept = isinstance(file.content, StreamedFile) and file.content.is_path
            parts.append((name, file if is_kept else replace(file, content=file.read())))
        elif value is not None:
            parts.append((name, _to_text(value, where)))
    return make_form(parts, boundary)


def make_form(parts: list[tuple[str, str | Medium]], boundary: str | None = None) -> Medium:
    """Return a form of texts and files, by the names of their fields. Files are read from disk while it is sent."""
    form = _Form(parts, boundary or uuid.uuid4().hex)
    return Medium(form if form.files else b"".join(form), form.content_type, "the form", form.size)


class _Form:
    """A form, which httpx encodes piece by piece; files are read from disk meanwhile."""

    def __init__(self, parts: list[tuple[str, str | Medium]], boundary: str) -> None:
        self._parts = parts
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.files = [part for _, part in parts if isinstance(part, Medium) and isinstance(part.content, StreamedFile)]
        self.size = sum(map(len, self._encode(_leave_out))) + sum(file.size or 0 for file in self.files)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._encode(_FilePart)

    def _encode(self, open_file: Callable[[StreamedFile], Any]) -> Iterable[bytes]:
        files: list[tuple[str, Any]] = []
        for name, part in self._parts:
            if isinstance(part, str):
                files.append((name, (None, part)))
            else:
                content = open_file(part.content) if isinstance(part.content, StreamedFile) else part.content
                filename = part.filename or name + SUFFIXES.get(part.media_type, "")
                files.append((name, (filename, content, part.media_type)))
        stream: Any = httpx.Request(
            "POST", "http://form", files=files, headers={"content-type": self.content_type}
        ).stream
        return stream


class _FilePart:
    """A file for httpx: opened when its turn in the form comes, and closed at its end."""

    def __init__(self, file: StreamedFile) -> None:
        self._pieces = iter(file)

    def read(self, _: int) -> bytes:
        return next(self._pieces, b"")


def _leave_out(_: StreamedFile) -> bytes:
    return b""
