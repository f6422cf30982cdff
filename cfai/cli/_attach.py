"""Files that go with a prompt: images, sounds and videos as media, texts as a part of the prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfai import InputError, models
from cfai.models.schemas import get_schema
from cfai.types._media_types import find_media_type

_HEAD = 48
"""The bytes of a file by which its type is told."""
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "image": ("image", "images", "input_image_0", "input_image_1", "input_image_2", "input_image_3"),
    "audio": ("audio",),
    "video": ("videos",),
}
_LISTS = ("images", "videos")
_FORM_MODELS = "@cf/black-forest-labs/flux-2-"
"""The beginning of the names of models that take images in the fields of a form, which their schemas do not have."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a prompt."""

    path: Path
    kind: str
    """`image`, `audio`, `video` or `text`."""
    text: str = ""
    """The content of a text."""


def read_attachment(path: Path) -> Attachment:
    """Return what a file is, and its content if that is text. Media are read when they are sent.

    Raises `OSError` for a file that cannot be read, and `InputError` for one that no model takes.
    """
    with path.open("rb") as file:
        media_type = find_media_type(file.read(_HEAD)) or ""
    kind = media_type.partition("/")[0]
    if kind in _FIELDS:
        return Attachment(path, kind)
    try:
        if media_type:
            raise ValueError
        content = path.read_bytes().decode("utf-8").removeprefix("\ufeff")
        if "\0" in content:
            raise ValueError
    except ValueError:
        what = media_type or "neither an image, nor a sound, nor text in UTF-8"
        message = f"{path} cannot be attached, it is {what}: attach an image, a sound, a video or a text"
        raise InputError(message) from None
    return Attachment(path, "text", content)


def add_texts(prompt: str, attachments: Iterable[Attachment]) -> str:
    """Return a prompt with the texts of attachments behind it, each under the name of its file."""
    texts = [f"{each.path.name}:\n\n{each.text}" for each in attachments if each.kind == "text"]
    return "\n\n".join(filter(None, [prompt, *texts]))


def list_media(attachments: Iterable[Attachment]) -> list[Path]:
    """Return the files of attachments that are images, sounds or videos, as `run` and a `Chat` take them."""
    return [each.path for each in attachments if each.kind != "text"]


def takes_messages(model: str) -> bool:
    """Return True for a model that reads messages, in which media stand beside the text."""
    known, schema = models.catalogue().get(model), get_schema(model)
    if schema is None or known is None:
        return known is None or known.task == "Text Generation"
    return "messages" in schema.parameters


def add_media(model: str, inputs: Mapping[str, Any], attachments: Sequence[Attachment]) -> dict[str, Any]:
    """Return inputs with the media of attachments where a model that reads no messages takes them.

    Raises `InputError` for a medium that the model has no input for.
    """
    added = dict(inputs)
    for attachment in attachments:
        if attachment.kind != "text":
            name = _find_field(model, attachment, added)
            added[name] = [*added.get(name, ()), attachment.path] if name in _LISTS else attachment.path
    return added


def _find_field(model: str, attachment: Attachment, inputs: Mapping[str, Any]) -> str:
    """Return the input of a model that a medium goes into."""
    schema = get_schema(model)
    taken: Iterable[str] = schema.parameters if schema else ()
    if model.startswith(_FORM_MODELS):
        taken = _FIELDS["image"][2:]
    fields = [name for name in _FIELDS[attachment.kind] if name in taken]
    free = [name for name in fields if name in _LISTS or name not in inputs]
    if free:
        return free[0]
    medium = {"image": "an image", "audio": "a sound", "video": "a video"}[attachment.kind]
    if fields:
        raise InputError(f"{attachment.path}: {model} takes no more than {len(fields)} of these", model=model)
    raise InputError(f"{attachment.path} is {medium}, and {model} takes none", model=model)
