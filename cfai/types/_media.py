"""Answers that are bytes: images, speech, and whatever else a model sends."""

from __future__ import annotations

import io
from base64 import b64decode, b64encode
from os import PathLike
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    model_validator,
)

from cfai._escape import escape_controls
from cfai._lazy import explain_missing
from cfai.types._media_inputs import ByteArray, FloatArray, PillowImage
from cfai.types._media_types import find_media_type, find_target
from cfai.types._output import Result
from cfai.types._tokens import Meta

_SHOWN_AS_THEY_ARE = ("image/gif", "image/jpeg", "image/png")
"""The types that every notebook takes for an output. Of others some do, and an SVG may hold scripts."""


def _decode_base64(value: Any) -> Any:
    return b64decode(value, validate=True) if isinstance(value, str) else value


def _encode_base64(content: bytes) -> str:
    return b64encode(content).decode()


class Binary(Result):
    """An answer that is bytes, neither an image nor speech. In JSON its content is base64 text."""

    content: Annotated[
        bytes,
        BeforeValidator(_decode_base64),
        PlainSerializer(_encode_base64, return_type=str, when_used="json"),
        WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
    ] = Field(repr=False)
    """The bytes."""

    media_type: str
    """The type of the bytes, read from their beginning where that is known (some models declare it wrongly)."""

    @staticmethod
    def of(content: bytes, content_type: str, meta: Meta) -> Binary:
        """Return the bytes with their media type. The beginning of the bytes wins over `content_type`."""
        declared = content_type.partition(";")[0].strip().lower()
        media_type = find_media_type(content) or declared or "application/octet-stream"
        output = _find_class(media_type)(content=content, media_type=media_type)
        output._meta = meta
        return output

    @model_validator(mode="wrap")
    @classmethod
    def _validate_kind(cls, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        """Take bytes of this class, or fields, whose media type tells the class."""
        output = handler(value)
        kind = _find_class(output.media_type)
        return kind.model_validate(value) if type(output) is Binary and kind is not Binary else output

    def __bytes__(self) -> bytes:
        return self.content

    def __len__(self) -> int:
        return len(self.content)

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the bytes to a file, and return its path.

        A path without a suffix is given that of the media type. Raises `IsADirectoryError` for a directory, and
        `FileExistsError` if the file is there already, unless `overwrite` is true.
        """
        target = find_target(path, self.media_type, overwrite=overwrite)
        target.write_bytes(self.content)
        return target

    def __repr__(self) -> str:
        return f"{type(self).__name__}({escape_controls(self.media_type[:100])}, {len(self.content):,} bytes)"

    __str__ = __repr__


class Image(Binary):
    """An image, in whichever form the model sent it."""

    def to_pil(self) -> PillowImage:
        """Return it as an image of Pillow. Needs pillow."""
        with explain_missing("Image.to_pil()", extra="media"):
            from PIL import Image as pillow

        return pillow.open(io.BytesIO(self.content))

    def to_numpy(self) -> ByteArray:
        """Return its pixels as uint8, of shape `(height, width, 3)`: red, green, blue. Needs pillow and numpy."""
        with explain_missing("Image.to_numpy()", extra="media"):
            import numpy as np

            return np.array(self.to_pil().convert("RGB"))  # `asarray` gives one that cannot be written to

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Show it in a notebook."""
        if self.media_type in _SHOWN_AS_THEY_ARE:
            return {self.media_type: self.content}
        from cfai._display import render_image

        return {"text/html": render_image(self.content, self.media_type)}


class Audio(Binary):
    """A sound, in whichever form the model sent it."""

    @property
    def sample_rate(self) -> int:
        """Return the samples a second. Needs soundfile. Raises as `to_numpy` does."""
        return int(self._read_with("info", "Audio.sample_rate").samplerate)

    def to_numpy(self) -> FloatArray:
        """Return its samples as an array of float32 from -1 to 1.

        The shape is `(samples,)`, or `(samples, channels)` if there are several. Needs soundfile. Raises `ValueError`
        for what soundfile cannot read, such as samples without a header.
        """
        return self._read_with("read", "Audio.to_numpy()", dtype="float32")[0]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show a player in a notebook, and what the call took."""
        from cfai._display import render_player

        return {"text/html": render_player(self.content, self.media_type, self._format_facts())}

    def _read_with(self, function: str, call: str, **options: Any) -> Any:
        """Return what a function of soundfile gives for the sound."""
        with explain_missing(call, extra="media"):
            import soundfile  # pyright: ignore[reportMissingTypeStubs]

            try:
                return getattr(soundfile, function)(io.BytesIO(self.content), **options)
            except soundfile.SoundFileError as error:
                raise ValueError(
                    f"{call} needs a sound with a header that soundfile knows, and cannot read {self!r}: ask the model "
                    'for a container, such as "container": "wav"'
                ) from error


def _find_class(media_type: str) -> type[Binary]:
    return {"image": Image, "audio": Audio}.get(media_type.partition("/")[0], Binary)
