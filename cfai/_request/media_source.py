"""Read the images and sounds that users pass: bytes, paths, open files, text, images of Pillow, arrays of numpy."""

from __future__ import annotations

import binascii
import inspect
import io
import mimetypes
import operator
import os
import stat
import sys
import threading
from base64 import b64decode, b64encode
from collections.abc import AsyncIterable, Generator, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import unquote_to_bytes
from weakref import WeakKeyDictionary

from cfai._credentials import describe
from cfai._errors import InputError
from cfai._json import is_mapping
from cfai.types._media_types import find_media_type

Kind = Literal["audio", "image", "video"]

WEB = ("http://", "https://")
"""The beginnings of an address that a service may fetch a file from."""

_NOUNS: Mapping[Kind, str] = {"audio": "a sound", "image": "an image", "video": "a video"}
_PIECE = 64 * 1024
_MAX_NAME = 250
_MAX_DEPTH = 16
"""How deep a medium lies at most: in a batch, in a part of a message, as a body."""
_MAX_SAMPLE_RATE = 1 << 30
"""What the head of a WAV file holds."""
_HEAD = 48
"""The bytes of a file by which its type is told, and how long a WAV is."""
_CONTAINERS = ("mp4", "webm", "ogg")
"""Files that hold a sound or a video, which their first bytes do not tell."""
_DOCUMENTS = ("text/", "application/json", "application/pdf")
"""Types of what is no medium."""
_ERRORS = {"text/html": (b"<!doctype html", b"<html"), "application/json": b'{"'}
"""How an error begins that a download brought in the place of a medium, in small letters."""
_UNKNOWN = "application/octet-stream"
_PNG_MODES = ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")
_WHITE = 0xFFFF
"""White in a grey image of 16 bits."""
_NOT_A_FILE = "must be base64, a data: URL, bytes or a Path: pass Path('…') if it is the name of a file"


@dataclass(frozen=True, slots=True)
class Medium:
    """An image, a sound or a video, as it is to be sent."""

    content: bytes | Iterable[bytes] | AsyncIterable[bytes]
    """Bytes, or a stream of them."""
    media_type: str
    place: str
    """The input that it is, for errors."""
    size: int | None = None
    """Its bytes, if that is known."""
    filename: str = ""
    """Its name in a form, if that matters."""

    def read(self) -> bytes:
        """Return the bytes. A stream is read to its end."""
        if isinstance(self.content, bytes):
            return self.content
        if isinstance(self.content, AsyncIterable):
            raise InputError(f"{self.place}: this model's media cannot be sent as a stream: pass all of the bytes")
        content = b"".join(self.content)
        if not content:
            raise _make_empty_error(self.place)
        return content

    def to_base64(self) -> str:
        return b64encode(self.read()).decode()

    def to_data_url(self) -> str:
        return f"data:{self.media_type};base64,{self.to_base64()}"


_locks: WeakKeyDictionary[Any, threading.Lock] = WeakKeyDictionary()
"""A lock for each open file: several calls may send the same one, each in a thread."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_locks.clear)  # another thread may have held one


def _lock(file: Any) -> threading.Lock:
    try:
        return _locks.setdefault(file, threading.Lock())
    except TypeError:  # no key of such a dictionary: it may be sent by one call at a time
        return threading.Lock()


class _Reader:
    """Reads an open file from a place of its own, and leaves it after each piece as it was."""

    def __init__(self, file: Any, start: int) -> None:
        self._file = file
        self._start = self._at = start

    def read(self, size: int) -> Any:
        with _lock(self._file):
            self._file.seek(self._at)
            try:
                piece = self._file.read(size)
            finally:
                self._file.seek(self._start)
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int) -> int:
        with _lock(self._file):
            try:
                return self._file.seek(offset, whence)
            finally:
                self._file.seek(self._start)


class StreamedFile:
    """A file that is read piece by piece, from the same place each time that it is iterated."""

    def __init__(self, file: Path | Any, place: str) -> None:
        self._file = file
        self._start = 0
        if not isinstance(file, Path):
            with _lock(file):
                self._start = file.tell()
        self._place = place
        self._size: int | None = None  # once it is asked for

    @property
    def is_path(self) -> bool:
        """True if it is opened anew each time."""
        return isinstance(self._file, Path)

    def __iter__(self) -> Iterator[bytes]:
        left = self._size
        with self.open() as file:
            while piece := file.read(_PIECE):
                if left is not None and (left := left - len(piece)) < 0:
                    break
                yield piece
        if left:  # its size is declared in front of it
            name = getattr(self._file, "name", "")
            raise InputError(f"{self._place}: the file {name!r} changed while it was sent: send it again")

    @contextmanager
    def open(self) -> Generator[Any]:
        """Open the file, or read on from where an open one stood; leave it as it was."""
        with _name_problems(self._place):
            if isinstance(self._file, Path):
                with self._file.open("rb") as file:
                    yield file
            else:
                yield _Reader(self._file, self._start)

    def read_head(self) -> tuple[bytes, int]:
        """Return the first bytes, and how many there are in all."""
        with self.open() as file:
            head = file.read(_HEAD)
            _check_bytes(head, self._place)
            self._size = size = file.seek(0, os.SEEK_END) - self._start
            return head, size


def is_medium(value: Any) -> bool:
    """Return True if a value is a medium in a form that JSON cannot hold, or in the form that a binding takes."""
    if value is None or isinstance(value, str | int | float):
        return False
    return (
        isinstance(value, bytes | bytearray | memoryview | os.PathLike)
        or hasattr(value, "read")
        or hasattr(value, "__bytes__")
        or is_array(value)
        or _is_pillow(value)
        or (is_mapping(value) and "body" in value)
    )


def is_array(value: Any) -> bool:
    """Return True if a value is an array of numpy, or another that numpy can read, such as a tensor."""
    is_readable = hasattr(value, "__array_interface__") or hasattr(value, "__array__")
    return is_readable and not isinstance(value, type) and getattr(value, "ndim", 0) > 0 and not _is_pillow(value)


def is_stream(value: Any) -> bool:
    """Return True if a value is an open file or another stream of bytes."""
    return hasattr(value, "read") or hasattr(value, "__next__") or hasattr(value, "__aiter__")


def is_readable_once(value: Any) -> bool:
    """Return True if whoever reads a value takes it away from the next reader: a pipe, a socket, a generator."""
    with suppress(OSError, ValueError):  # a file that is gone or closed, which is refused when it is opened
        if isinstance(value, os.PathLike):
            mode = os.stat(cast("os.PathLike[Any]", value)).st_mode
            return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
        if hasattr(value, "read"):
            is_other = isinstance(value, io.BytesIO) or inspect.iscoroutinefunction(value.read)
            return not (is_other or (hasattr(value, "seekable") and value.seekable()))
        return isinstance(value, Iterable) and not (isinstance(value, Sized) or is_model(value) or is_medium(value))
    return False


def is_model(value: Any) -> bool:
    """Return True if a value is a pydantic model, and no medium."""
    return hasattr(value, "model_dump") and not (hasattr(value, "__bytes__") or isinstance(value, type))


def list_fields(model: Any) -> dict[str, Any]:
    """Return the fields of a pydantic model as they are, extra ones too."""
    return {**vars(model), **(getattr(model, "model_extra", None) or {})}


def walk(value: Any, place: str = "", depth: int = 0) -> Iterator[tuple[Any, str]]:
    """Yield a value and all that it holds, each with its place. Numbers and what lies very deep are left out."""
    if isinstance(value, int | float | type) or depth > _MAX_DEPTH:
        return
    yield value, place
    items: Iterable[tuple[Any, Any]] = ()
    if is_mapping(value):
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(cast("list[Any]", value))
    elif is_model(value):
        items = list_fields(value).items()
    for name, item in items:
        yield from walk(item, f"{place}[{name!r}]", depth + 1)


def open_medium(value: Any, place: str, kind: Kind | None = None, sample_rate: Any = None) -> Medium:
    """Return what a user passed as an image or a sound. Files are not read yet, only looked into.

    `kind` is what it must be. Raises `InputError`, which names `place` and never shows the bytes.
    """
    medium = _open(value, place, kind, sample_rate)
    if medium.size == 0:
        raise _make_empty_error(place, value)
    main, _, name = medium.media_type.partition("/")
    is_declared = is_mapping(value) and get_content_type(value)
    is_other = main in _NOUNS or medium.media_type.startswith(_DOCUMENTS)
    if kind is None or is_declared or main == kind or not is_other:
        return medium
    if name in _CONTAINERS and kind != "image":
        return replace(medium, media_type=f"{kind}/{name}")
    raise InputError(f"{place} must be {_NOUNS[kind]}, got {medium.media_type}")


def _make_empty_error(place: str, value: Any = None) -> InputError:
    """Return the error for a medium without a byte."""
    hint = "call its `seek(0)` if it was read before" if hasattr(value, "read") else "look at what made it"
    file = f" in {value}" if isinstance(value, os.PathLike) else ""
    return InputError(f"{place} must not be empty, got 0 bytes{file}: {hint}")


def _open(value: Any, place: str, kind: Kind | None, sample_rate: Any) -> Medium:
    if isinstance(value, str):
        return _decode_text(value, place)
    if isinstance(value, bytes | bytearray | memoryview):
        return _from_bytes(bytes(cast("bytes", value)), place)
    if isinstance(value, os.PathLike):
        return _open_path(cast("os.PathLike[Any]", value), place)
    if _is_pillow(value):
        return _from_bytes(_encode_pillow(value, place), place)
    if is_array(value):
        return _from_bytes(_encode_array(value, place, kind, sample_rate), place)
    if hasattr(value, "read"):
        return _open_file(value, place)
    if hasattr(value, "__bytes__"):
        try:
            content = bytes(value)
        except Exception as error:
            raise InputError(f"{place}: {type(value).__name__} cannot give its bytes: {error}") from error
        return _from_bytes(content, place)
    if is_mapping(value) and "body" in value:
        return _open_binding_form(value, place, kind, sample_rate)
    if isinstance(value, list | tuple):
        return _from_bytes(_join_integers(cast("list[Any]", value), place), place)
    raise InputError(f"{place} must be bytes, a Path, an open binary file or base64 text, got {describe(value)}")


def _from_bytes(content: bytes, place: str, media_type: str | None = None) -> Medium:
    return Medium(content, _find_type(content, media_type), place, len(content))


def _find_type(head: bytes, guessed: str | None) -> str:
    """Return the media type by the first bytes, else the one that was guessed."""
    start = head[:_HEAD].lower()
    is_error = next((media_type for media_type, starts in _ERRORS.items() if start.startswith(starts)), None)
    return find_media_type(head) or is_error or guessed or _UNKNOWN


def _join_integers(value: Iterable[Any], place: str) -> bytes:
    """Return the bytes that a list of integers stands for."""
    try:
        return bytes(value)
    except (TypeError, ValueError):
        pass
    raise InputError(
        f"{place} must be the bytes of a file as integers from 0 to 255, not pixels or samples: "
        "pass a Path, bytes, or an array of numpy"
    )


# Text


def join_lines(text: str) -> str:
    """Return base64 text or a data: URL without the breaks that encoders make every 76 characters."""
    return "".join(text.splitlines())


def _decode_base64(text: str, place: str) -> bytes:
    """Return the bytes of base64 text. Raises `InputError` for text that is something else."""
    if text.startswith(WEB):
        raise InputError(f"{place}: this model takes no address on the web: download the file, and pass its bytes")
    # Names of files may be base64 too, such as `data/cat`.
    if len(text) > _MAX_NAME or not os.path.exists(text):
        with suppress(binascii.Error, ValueError):
            return b64decode(join_lines(text), validate=True)
    raise InputError(f"{place} {_NOT_A_FILE}, got {describe(text)}")


def _decode_text(text: str, place: str) -> Medium:
    if not text.startswith("data:"):
        return _from_bytes(_decode_base64(text, place), place)
    head, comma, data = text.removeprefix("data:").partition(",")
    media_type, *parameters = head.split(";")
    content = unquote_to_bytes(data)
    if comma and parameters[-1:] == ["base64"]:
        try:
            content = b64decode(b"".join(content.splitlines()), validate=True)
        except binascii.Error:
            comma = ""
    if not comma:
        raise InputError(f"{place}: a data: URL must be data:<type>;base64,<base64>, got {describe(text)}")
    return _from_bytes(content, place, media_type)


# Files


@contextmanager
def _name_problems(place: str) -> Generator[None]:
    """Raise `InputError` for a file that cannot be read."""
    problem = ""
    try:
        yield
    except InputError:  # a TypeError, too
        raise
    except OSError as error:
        problem = f"{error.strerror or error}: {error.filename or 'the open file'}"
    except (TypeError, ValueError) as error:  # closed, no file after all, or with a null character in its name
        problem = str(error)
    if problem:
        raise InputError(f"{place}: {problem}")


def _open_path(value: os.PathLike[Any], place: str) -> Medium:
    path = Path(os.fsdecode(value))
    with _name_problems(place):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{place} must be a file, got a directory: {path}")
        guessed = mimetypes.guess_type(path.name)[0]
        if not stat.S_ISREG(mode):  # a pipe, which can be read only once
            return _from_bytes(path.read_bytes(), place, guessed)
    return _open_streamed(StreamedFile(path, place), place, guessed)


def _open_streamed(file: StreamedFile, place: str, guessed: str | None) -> Medium:
    head, size = file.read_head()
    return Medium(file, _find_type(head, guessed), place, size)


def _open_file(file: Any, place: str) -> Medium:
    if inspect.iscoroutinefunction(file.read):
        raise InputError(f"{place} must be a file that is not awaited, got {type(file).__name__}: pass its bytes")
    if isinstance(getattr(file, "file", file), io.TextIOBase):
        raise InputError(f"{place} must be a file opened in binary mode, got one of text: open it with 'rb'")
    name = getattr(file, "name", None)
    guessed = mimetypes.guess_type(name)[0] if isinstance(name, str) else None
    with _name_problems(place):
        medium = None
        if isinstance(file, io.BytesIO):
            medium = _from_bytes(file.getvalue()[file.tell() :], place)
        elif hasattr(file, "seekable") and file.seekable():
            medium = _open_streamed(StreamedFile(file, place), place, guessed)
        if medium and medium.size is not None and medium.size <= 0 < file.tell():
            raise InputError(f"{place} must have something left to read, got a file that stands at its end: seek(0)")
        return medium or _open_iterator(iter(lambda: file.read(_PIECE), b""), place, guessed)


def _open_iterator(pieces: Iterator[Any], place: str, guessed: str | None) -> Medium:
    """Return a stream that can be read only once, of which the first piece is read for its type."""
    checked = _check_pieces(pieces, place)
    first = next(checked, b"")
    return Medium(chain([first], checked), _find_type(first, guessed), place, None if first else 0)


def _check_pieces(pieces: Iterator[Any], place: str) -> Iterator[bytes]:
    for piece in pieces:
        _check_bytes(piece, place)
        if piece:
            yield bytes(piece)


def _check_bytes(piece: Any, place: str) -> None:
    if not isinstance(piece, bytes | bytearray | memoryview):
        raise InputError(f"{place} must give bytes when it is read, got {type(piece).__name__}")


def _open_binding_form(value: Mapping[str, Any], place: str, kind: Kind | None, sample_rate: Any) -> Medium:
    """Return what stands in `{"body": …, "contentType": …}`, as a Worker passes a stream."""
    body, declared = value["body"], get_content_type(value)
    place = f"{place}['body']"
    if hasattr(body, "__aiter__") and not hasattr(body, "read"):
        if not declared:
            raise InputError(f"{place}: a stream must have a 'contentType' beside it")
        return Medium(body, declared, place)
    if isinstance(body, list | tuple) and all(isinstance(each, bytes) for each in cast("list[Any]", body)):
        body = b"".join(cast("list[bytes]", body))
    is_pieces = isinstance(body, Iterable) and not isinstance(body, str | list | tuple) and not is_medium(body)
    if is_pieces:
        medium = _open_iterator(iter(cast("Iterable[Any]", body)), place, None)
    else:
        medium = _open(body, place, kind, sample_rate)
    return replace(medium, media_type=declared) if declared else medium


def get_content_type(value: Mapping[str, Any]) -> str:
    """Return the content type beside a body, or nothing."""
    declared = value.get("contentType") or value.get("content_type") or getattr(value["body"], "content_type", None)
    return str(declared or "")


# Pillow and numpy, where they are installed


def _is_pillow(value: Any) -> bool:
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def _encode_pillow(image: Any, place: str) -> bytes:
    """Return an image of Pillow as JPEG if it is one, else as PNG."""
    from PIL import ImageOps

    if image.mode == "F":
        must = f"{place} must be an image whose white is known, got mode 'F'"
        raise InputError(f"{must}: bring it to 0 to 255, and convert it to 'L'")
    file, problem = io.BytesIO(), ""
    try:
        if image.format == "JPEG":
            # Its own bytes anew, with what turns a photo upright.
            image.save(file, "JPEG", quality="keep", exif=image.info.get("exif", b""))
        else:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):
                upright = _convert_to_16_bits(upright, place)
            (upright if upright.mode in _PNG_MODES else upright.convert("RGB")).save(file, "PNG")
    except InputError:
        raise
    except Exception as error:  # its decoders raise what they like
        problem = str(error) or type(error).__name__
    if problem:
        raise InputError(f"{place}: Pillow cannot write this image, whose file may be closed or cut off: {problem}")
    return file.getvalue()


def _convert_to_16_bits(image: Any, place: str) -> Any:
    """Return a grey image of more than 8 bits as PNG can hold it. Pillow would cut off what is brighter."""
    grey = image.convert("I")
    lowest, highest = grey.getextrema()
    if lowest < 0 or highest > _WHITE:
        must = f"{place} must be a grey image from 0 (black) to {_WHITE} (white)"
        raise InputError(f"{must}, got {lowest} to {highest}: bring it to these, or convert it to 'L'")
    return grey.convert("I;16")


def _encode_array(value: Any, place: str, kind: Kind | None, sample_rate: Any) -> bytes:
    """Return pixels as PNG, samples as WAV, or the bytes of a file that an array holds."""
    array = _to_numpy(value, place)
    got = f"{array.dtype} of shape {array.shape}"
    if array.dtype == "uint8" and array.ndim == 1:
        return array.tobytes()
    if kind == "audio":
        return _encode_wave(array, place, sample_rate)
    if array.dtype != "uint8" or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        raise InputError(f"{place} must be an array (height, width, 3) or (height, width) of uint8, got {got}")
    if array.size == 0:
        raise InputError(f"{place} must not be empty, got an array of shape {array.shape}: look at what made it")
    try:
        from PIL import Image
    except ImportError:
        Image = None
    if Image is None:
        raise InputError(f"{place}: an array is sent as an image by pillow: pip install pillow")
    return _encode_pillow(Image.fromarray(array), place)


def _to_numpy(value: Any, place: str) -> Any:
    try:
        import numpy
    except ImportError:
        numpy = None
    if numpy is None:
        raise InputError(f"{place}: an array is read by numpy: pip install numpy")
    try:
        return numpy.asarray(value)
    except Exception as error:  # a tensor that lies on another device, or has a gradient
        problem = str(error) or type(error).__name__
    raise InputError(f"{place}: numpy cannot read this {type(value).__name__}: {problem}")


def encode_samples(array: Any, place: str) -> bytes:
    """Return an array of one channel, float32 or int16, as samples of 16 bits, the lower byte first."""
    samples = _to_numpy(array, place)
    if samples.ndim != 1 or samples.dtype.newbyteorder("=") not in ("float32", "int16"):
        got = f"{samples.dtype} of shape {samples.shape}"
        raise InputError(f"{place} must be a mono array (samples,) of float32 or int16, got {got}")
    if samples.dtype.kind == "f":
        # A little more than 1 is cut off, as everywhere; whole numbers in the place of fractions would be noise.
        if samples.size and not abs(samples).max() <= 2:
            raise InputError(f"{place} must have samples from -1 to 1, got larger ones or no numbers")
        samples = (samples.clip(-1, 1) * 32767).round()
    return samples.astype("<i2").tobytes()


def _encode_wave(array: Any, place: str, sample_rate: Any) -> bytes:
    import wave

    samples, rate = encode_samples(array, place), _check_sample_rate(sample_rate, place)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return file.getvalue() if samples else b""


def _check_sample_rate(value: Any, place: str) -> int:
    rate = 0
    with suppress(TypeError):
        rate = operator.index(value)
    if isinstance(value, bool) or not 0 < rate < _MAX_SAMPLE_RATE:
        must = "beside an array there must be `sample_rate`" if value is None else "`sample_rate` must be an integer"
        raise InputError(f"{place}: {must}, the samples a second such as 16000, got {describe(value)}")
    return rate
