"""Estimate the tokens of a text to a few per cent, for each tokenizer family, without its tokenizer.

`rates.json` says what each feature of a piece takes in each family. The rates were fitted to the real counts of 534
texts in 21 families, starting from what nine of the tokenizers make of other texts; no rate is negative.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from functools import cache, lru_cache
from typing import Any

from cfai._lazy import read_data
from cfai.tokens._bounds import find_tall_stacks, is_composed, lower_bound, upper_bound
from cfai.tokens._features import PIECE, count_features

_MAX_CACHED_PIECES = 50_000
"""How many pieces' tokens are cached: the common words of a text are looked at once."""
_MAX_OF_ASCII, _MAX_BEYOND = 200_000, 20_000
"""How many characters of different pieces are looked at in one text, about, and how many beyond ASCII: these take up to
20 µs each.
"""
_MAX_ASCII_CHARACTERS, _MAX_CHARACTERS = 20_000, 1_000
"""How many characters of one piece are looked at, and of one beyond ASCII."""


def estimate(text: str, family: str) -> int:
    """Estimate the tokens of `text`, within the certain bounds.

    >>> estimate("Where is New York?", "llama3")
    5
    """
    if not text:
        return 0
    return min(upper_bound(text, family), max(lower_bound(text, family), round(estimate_unrounded(text, family))))


def estimate_unrounded(text: str, family: str) -> float:
    """Estimate the tokens of `text` before rounding: what may be added up over the parts of a prompt.

    Raises `ValueError` for a family that is not known.
    """
    if is_composed(family) and not text.isascii() and not find_tall_stacks(text):
        text = unicodedata.normalize("NFC", text)
    pieces = Counter(PIECE.findall(text))
    plain = [piece for piece in pieces if piece.isascii()]
    beyond = [piece for piece in pieces if not piece.isascii()] if len(plain) < len(pieces) else []
    total = 0.0
    for some, longest, limit in ((plain, _MAX_ASCII_CHARACTERS, _MAX_OF_ASCII), (beyond, _MAX_CHARACTERS, _MAX_BEYOND)):
        # Of very many pieces only some are looked at, from all over the text. They stand for the others.
        step = 1 + sum([min(len(piece), longest) for piece in some]) // limit
        sample = some[::step]
        estimate_piece = _estimate_short if max(map(len, sample), default=0) <= _MAX_CHARACTERS else _estimate_long
        estimated = sum([estimate_piece(piece, family) * pieces[piece] for piece in sample])
        if step > 1:
            length = sum(len(piece) * pieces[piece] for piece in sample)
            estimated *= sum(len(piece) * pieces[piece] for piece in some) / length
        total += estimated
    return total


@lru_cache(maxsize=_MAX_CACHED_PIECES)
def _estimate_short(piece: str, family: str) -> float:
    rates = _get_rates(family)
    return sum(rates.get(name, 0.0) * size for name, size in count_features(piece).items())


def _estimate_long(piece: str, family: str) -> float:
    """Estimate a piece that may be very long: its beginning stands for all of it, and is not cached."""
    if len(piece) <= _MAX_CHARACTERS:
        return _estimate_short(piece, family)
    size = min(len(piece), _MAX_ASCII_CHARACTERS if piece.isascii() else _MAX_CHARACTERS)
    return _estimate_short.__wrapped__(piece[:size], family) * len(piece) / size


def list_families() -> list[str]:
    """List the tokenizer families that there are rates for."""
    return list(read_rates()["rates"])


@cache
def _get_rates(family: str) -> dict[str, float]:
    data = read_rates()
    return dict(zip(data["features"], data["rates"][family], strict=True))


@cache
def read_rates() -> dict[str, Any]:
    return json.loads(read_data("cfai.tokens", "rates.json"))
