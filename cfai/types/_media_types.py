"""Media types, by the first bytes of a file and by its suffix."""

from __future__ import annotations

import os
import re
from os import PathLike
from pathlib import Path

_MAGIC = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    "audio/mpeg": (b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2"),
    "audio/aac": (b"\xff\xf1", b"\xff\xf9"),
    "audio/ogg": b"OggS",
    "audio/flac": b"fLaC",
    "audio/webm": b"\x1a\x45\xdf\xa3",
    "application/pdf": b"%PDF",
}
_RIFF = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}
_FTYP = {
    **dict.fromkeys((b"M4A ", b"M4B "), "audio/mp4"),
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1"), "image/heic"),
}

SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/webp": ".webp",
    "image/avif": ".avif",
    "image/heic": ".heic",
    "audio/mpeg": ".mp3",
    "audio/aac": ".aac",
    "audio/ogg": ".ogg",
    "audio/flac": ".flac",
    "audio/wav": ".wav",
    "audio/mp4": ".m4a",
    "audio/webm": ".webm",
    "video/mp4": ".mp4",
    "video/x-msvideo": ".avi",
    "application/pdf": ".pdf",
}
"""The usual suffix of a file by its media type."""


def find_media_type(content: bytes) -> str | None:
    """Return the media type that the first bytes of a file tell, or `None`.

    >>> find_media_type(b"RIFF\\x24\\0\\0\\0WAVEfmt ")
    'audio/wav'
    """
    if content[:4] == b"RIFF":
        return _RIFF.get(content[8:12])
    if content[4:8] == b"ftyp":
        return _FTYP.get(content[8:12], "video/mp4")
    if content[:2] == b"BM":  # so begin many words, but for the zeros
        return "image/bmp" if content[6:10] == bytes(4) else None
    return next((media_type for media_type, magic in _MAGIC.items() if content.startswith(magic)), None)


def find_target(path: str | PathLike[str], media_type: str, *, overwrite: bool) -> Path:
    """Return the path to save to: with the suffix of the media type, if it has none.

    A suffix begins with a letter: `v1.2` has none. Raises `IsADirectoryError` for a directory, and `FileExistsError` if
    the file is there already, unless `overwrite` is true.
    """
    target = Path(path)
    if os.fspath(path).endswith(("/", os.sep)) or target.is_dir():
        raise IsADirectoryError(f"the path must be that of a file, and {target} is a directory: pass {target / 'name'}")
    if not re.match(r"\.[^\W\d_]", target.suffix):
        target = target.with_name(target.name + SUFFIXES.get(media_type, ""))
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} is there already: pass overwrite=True, or another path")
    return target
