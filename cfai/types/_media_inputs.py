"""Images and sounds in inputs. The type checker alone reads these."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol, SupportsBytes, TypedDict

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    ByteArray = NDArray[np.uint8]
    PillowImage = PIL.Image.Image
else:  # for whoever asks for the type hints where these packages are not installed
    FloatArray = ByteArray = PillowImage = Any


class BinaryFile(Protocol):
    """A file that is open in binary mode, temporary ones and pipes too."""

    def read(self, size: int, /) -> bytes: ...


class PilImage(Protocol):
    """An image of Pillow."""

    @property
    def size(self) -> tuple[int, int]: ...
    def save(self, fp: Any, format: str | None = None) -> None: ...


class NumpyArray(Protocol):
    """An array of numpy."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


class MediaBody(TypedDict):
    """Media as a Worker's binding takes them."""

    body: object
    """Bytes, or a stream of them: an open file or an iterable."""
    contentType: str
    """The media type, such as `audio/wav`."""


MediaSource = str | bytes | bytearray | memoryview | PathLike[str] | BinaryFile | MediaBody | SupportsBytes
"""A file by its `Path`, its bytes, an open binary file, or a `str`: base64, a `data:` URL, or where the model takes one
an address on the web. The path of a file as a `str` is none of these. An `Image` or `Audio` of cfai is one, too."""

ImageSource = MediaSource | PilImage | NumpyArray | Sequence[int]
"""A `MediaSource`, an image of Pillow, a numpy array (height, width, 3) of uint8, or bytes as numbers."""

AudioSource = MediaSource | NumpyArray | Sequence[int]
"""A `MediaSource`, a mono numpy array of float32 or int16 (with `sample_rate` beside it), or bytes as numbers."""
