"""The models that the facts are asked of, and inputs that several are asked with: a text, pictures, schemas."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

AURA = "@cf/deepgram/aura-1"
BGE_M3 = "@cf/baai/bge-m3"
GEMMA = "@cf/google/gemma-4-26b-a4b-it"
GLM = "@cf/zai-org/glm-4.7-flash"
GPT = "@cf/openai/gpt-oss-20b"
LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
MELOTTS = "@cf/myshell-ai/melotts"
MOONDREAM = "@cf/moondream/moondream3.1-9B-A2B"
RESNET = "@cf/microsoft/resnet-50"
RETIRED = "@cf/meta/llama-3.1-8b-instruct"
SDXL = "@cf/bytedance/stable-diffusion-xl-lightning"
SMALL_MODEL = "@cf/meta/llama-3.2-1b-instruct"
VISION = "@cf/meta/llama-3.2-11b-vision-instruct"

HELLO = {"text": "hello"}
"""The inputs of an embedding."""


def make_png(size: int) -> bytes:
    """Return a grey square of so many pixels a side."""
    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * size) * size)
    chunks = _make_chunk(b"IHDR", header) + _make_chunk(b"IDAT", rows) + _make_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _make_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def encode_data_url(picture: bytes) -> str:
    """Return a picture, or what is said to be one, as models take it."""
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def wrap_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema as OpenAI takes it."""
    return {"name": "answer", "schema": schema}
