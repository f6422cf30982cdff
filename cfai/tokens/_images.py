"""Estimate the tokens of an image, where its model's way with images is known.

The figures come from the models' papers, and were not checked with the service.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from math import ceil
from typing import Any

from cfai._json import as_sequence, is_mapping

MAX_MEDIUM = 3000
"""The tokens of an image at most, where its size or the model's way with images is not known."""
_UNKNOWN_IMAGE_TOKENS = 1000
"""Its likely tokens there."""

_IMAGE_TYPES = ("image_url", "input_image", "image")
MEDIA_TYPES = (*_IMAGE_TYPES, "input_audio", "audio", "video_url", "input_video", "video", "file", "input_file")
_TOKENS_BY_FAMILY = {"llama2": 576, "llama3": 1, "gemma2": 256, "gemma3": 256}
"""By family: LLaVA, Llama 3.2 (which looks at images beside the text), Gemma 3."""
_TOKENS_BY_SIZE: dict[str, Callable[[int, int], int]] = {
    "llama4": lambda width, height: 150 * min(17, 1 + ceil(width / 336) * ceil(height / 336)),
    "tekken": lambda width, height: min(3000, ceil(width / 28) * ceil(height / 28)),
    "qwen2": lambda width, height: ceil(width * height / 784),
    "qwen3_5": lambda width, height: ceil(width * height / 1024),
    "kimi_k2": lambda width, height: ceil(width * height / 784),
}
_MAX_DEPTH = 5
"""How many objects an image may be inside of."""
_HEAD_CHARACTERS = 65536
"""How much of a file is looked at for its size, in characters of base64."""


def is_image(part: Any) -> bool:
    """Return True if a part of a message is an image."""
    return is_mapping(part) and part.get("type") in _IMAGE_TYPES


def is_media(part: Any) -> bool:
    """Return True if a part of a message is an image, a sound, a video or a file: its text is none to the model."""
    return is_mapping(part) and part.get("type") in MEDIA_TYPES


def estimate_image(image: Any, family: str) -> int:
    """Estimate the tokens of an image: a part of a message, a data URL, base64, or the bytes as numbers."""
    if family in _TOKENS_BY_FAMILY:
        return _TOKENS_BY_FAMILY[family]
    size = parse_image_size(_decode_first_bytes(image)) if family in _TOKENS_BY_SIZE else None
    return _TOKENS_BY_SIZE[family](*size) if size else _UNKNOWN_IMAGE_TOKENS


def _decode_first_bytes(image: Any) -> bytes:
    """Return the first bytes of an image, if it was sent along."""
    for _ in range(_MAX_DEPTH):
        if not is_mapping(image):
            break
        image = next((image[key] for key in ("image_url", "url", "image", "source", "data") if key in image), None)
    try:
        if isinstance(image, str):
            kind, comma, data = image.partition(",")
            head = (data if comma and kind.startswith("data:") else image)[:_HEAD_CHARACTERS]
            return base64.b64decode(head[: len(head) // 4 * 4])
        return bytes(as_sequence(image)[:_HEAD_CHARACTERS])
    except (TypeError, ValueError):
        return b""


def parse_image_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels, from the head of a PNG, GIF, WebP or JPEG file."""
    try:
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            return struct.unpack(">II", data[16:24])
        if data[:3] == b"GIF":
            return struct.unpack("<HH", data[6:10])
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _parse_webp_size(data)
        if data[:2] == b"\xff\xd8":
            return _parse_jpeg_size(data)
    except (struct.error, IndexError):
        pass
    return None


def _parse_webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _parse_jpeg_size(data: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(data):
        marker = data[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None
