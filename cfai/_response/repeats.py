"""Chunks that repeat each other in all but one text, told by their bytes: decoding such a chunk costs three times more.

Chat completions name their stream, model and time in every chunk. Of the chunks that differ from an earlier one in
nothing but their text, and in the padding at their end, only the text is decoded.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_PADDING = re.compile(rb',"p":"[A-Za-z0-9]*"\}\Z')


class Repeat(NamedTuple):
    """The bytes of a block around its text. Whatever has the same around it says the same, but for the text."""

    head: bytes
    tail: bytes
    """Up to the padding, or up to the end if there is none."""
    padded: bool
    is_reasoning: bool

    def text_in(self, block: bytes) -> str | None:
        """The text of a block that starts with `head`, or `None` if it is to be decoded whole."""
        start = len(self.head)
        end = block.find(b'"', start)
        if not block.startswith(self.tail, end):
            return None
        rest = block[end + len(self.tail) :]
        if rest and not (self.padded and rest[-2:] == b'"}' and rest[:-2].isalnum()):
            return None
        if self.padded and not rest:
            return None
        text = block[start:end]
        if 92 in text:
            return None  # an escape
        try:
            decoded = text.decode()
        except UnicodeDecodeError:
            return None
        # JSON allows no control characters inside a text; some that are not printable it does.
        return decoded if decoded.isprintable() else None


def repeat_of(block: bytes, key: str, text: str) -> Repeat | None:
    """What later blocks are compared with, if the place of `text` under `key` in this one is beyond doubt."""
    before = b'"%b":"' % key.encode()
    # Without a backslash in the block, these bytes can be nothing but the key and the start of its value.
    if 92 in block or before not in block or block.count(before[:-2]) != 1:
        return None
    start = block.index(before) + len(before)
    end = block.find(b'"', start)
    if block[start:end] != text.encode("utf-8", "replace"):
        return None
    padding = _PADDING.search(block, end)
    tail = block[end : padding.start() + len(b',"p":"')] if padding else block[end:]
    return Repeat(block[:start], tail, padding is not None, key != "content")
