"""Files that go with a prompt: images, sounds and videos as media, texts as a part of the prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfai import InputError, models
from cfai.models.schemas import FLUX_2_FORM, get_schema
from cfai.types._media_types import find_media_type

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "image": ("image", "images", "input_image_0", "input_image_1", "input_image_2", "input_image_3"),
    "audio": ("audio",),
    "video": ("videos",),
}
"""The inputs that take media, by their kind."""
_LISTS = ("images", "audio", "videos")
"""Those that take several, where their type is a list of files."""
_NOUNS = {"image": "an image", "audio": "a sound", "video": "a video"}
_FORM_MODELS = "@cf/black-forest-labs/flux-2-"
"""The beginning of the names of models that take a form, which their schemas do not have."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a prompt."""

    name: str
    kind: str
    """`image`, `audio`, `video` or `text`."""
    medium: Path | bytes = b""
    """An image, a sound or a video, as `run` takes it."""
    text: str = ""
    """The content of a text."""


def recognise(name: str, content: bytes, medium: Path | None = None) -> Attachment | None:
    """Return the medium that the first bytes of a file tell, or `None`."""
    kind = (find_media_type(content) or "").partition("/")[0]
    return Attachment(name, kind, content if medium is None else medium) if kind in _FIELDS else None


def read_attachment(path: Path) -> Attachment:
    """Return a file as an attachment.

    Raises `OSError` for a file that cannot be read, and `InputError` for one that no model takes.
    """
    content = path.read_bytes()
    medium = recognise(path.name, content, path)
    if medium is not None:
        return medium
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
        is_text = "\0" not in text and find_media_type(content) is None
    except UnicodeDecodeError:
        text, is_text = "", False
    if is_text:
        return Attachment(path.name, "text", text=text)
    what = find_media_type(content) or "neither an image, nor a sound, nor text in UTF-8 (iconv makes it so)"
    raise InputError(f"{path} cannot be attached, it is {what}: attach an image, a sound, a video or a text")


def add_texts(prompt: str, attachments: Iterable[Attachment]) -> str:
    """Return a prompt with the texts of attachments behind it, each under the name of its file."""
    texts = [f"{each.name}:\n\n{each.text}" for each in attachments if each.kind == "text"]
    return "\n\n".join(filter(None, [prompt, *texts]))


def list_media(model: str, attachments: Iterable[Attachment], *, checks: str = "enforce") -> list[Path | bytes]:
    """Return the media among attachments, as messages and a `Chat` take them.

    Raises `InputError` for a sound or a video, unless `checks` lets it pass: of no model that the catalogue has is it
    known that it hears a message.
    """
    media = [each for each in attachments if each.kind != "text"]
    odd = [each for each in media if each.kind != "image"]
    if odd and model in models.catalogue() and checks not in ("warn", "off"):
        advice = "whisper-large-v3-turbo writes down what is said in a sound"
        raise InputError(f"{odd[0].name} is {_NOUNS[odd[0].kind]}, which {model} is not known to take: {advice}")
    return [each.medium for each in media]


def get_parameters(model: str) -> Mapping[str, Any]:
    """Return the inputs of a model by name; nothing of one that nobody knows."""
    schema = FLUX_2_FORM if model.startswith(_FORM_MODELS) else get_schema(model)
    parameters = schema.parameters if schema else {}
    return {name: parameter for name, parameter in parameters.items() if name != "(body)"}


def describe_needed_file(model: str) -> str:
    """Return the file that a model takes in the place of a prompt, in words; nothing if it takes none."""
    taken = get_parameters(model)
    return next((_NOUNS[kind] for kind, fields in _FIELDS.items() if any(name in taken for name in fields)), "")


def takes_messages(model: str) -> bool:
    """Return True for a model that reads messages, in which media stand beside the text."""
    if taken := get_parameters(model):
        return "messages" in taken
    known = models.catalogue().get(model)
    return known is None or known.task == "Text Generation"


def add_media(model: str, inputs: Mapping[str, Any], attachments: Sequence[Attachment]) -> dict[str, Any]:
    """Return inputs with the media of attachments where a model that reads no messages takes them.

    Raises `InputError` for a medium that the model has no input for.
    """
    added, taken = dict(inputs), get_parameters(model)
    for attachment in attachments:
        if attachment.kind == "text":
            continue
        fields = [name for name in _FIELDS[attachment.kind] if name in taken]
        lists = [name for name in fields if name in _LISTS and taken[name].type.startswith("array<data URL")]
        free = lists or [name for name in fields if name not in added]
        if not fields:
            raise InputError(f"{attachment.name} is {_NOUNS[attachment.kind]}, and {model} takes none", model=model)
        if not free:
            raise InputError(f"{attachment.name} is one too many: {model} takes no more of its kind", model=model)
        if lists:
            added[free[0]] = [*added.get(free[0], ()), attachment.medium]
        else:
            added[free[0]] = attachment.medium
    return added
