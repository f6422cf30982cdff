"""How many tokens a text is, to a few per cent, for each tokenizer family, without its tokenizer.

`rates.json` says what each feature of a piece takes in each family. The rates were fitted to the real counts of 534
texts in 21 families, starting from what nine of the tokenizers make of other texts; none is below nothing. What a piece
takes is kept, so that the common words of a text are looked at once.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from cfai.tokens._bounds import is_composed, lower, upper
from cfai.tokens._features import PIECE, features

_MOST_KEPT = 50_000
"""How many pieces a family's costs are kept of."""
_MOST_OF_ASCII, _MOST_BEYOND = 200_000, 20_000
"""How many characters that were not seen before are looked at in one text, about, and how many beyond ASCII: these
take up to 20 µs each.
"""
_LONGEST_OF_ASCII, _LONGEST = 20_000, 1_000
"""How many characters of one piece are looked at, and of one beyond ASCII."""


def estimate(text: str, family: str) -> int:
    """About so many tokens are in `text`, and never fewer or more than the certain bounds.

    >>> estimate("Where is New York?", "llama3")
    5
    """
    if not text:
        return 0
    return min(upper(text, family), max(lower(text, family), round(cost(text, family))))


def cost(text: str, family: str) -> float:
    """The estimate before it is rounded and bounded: what may be added up over the parts of a prompt.

    Raises `ValueError` for a family that is not known.
    """
    rates, known = _family(family)
    if is_composed(family) and not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if len(known) > _MOST_KEPT:
        known.clear()
    pieces = Counter(PIECE.findall(text))
    total = sum(known.get(piece, 0.0) * count for piece, count in pieces.items())
    new = [piece for piece in pieces if piece not in known]
    plain = [piece for piece in new if piece.isascii()]
    beyond = [piece for piece in new if not piece.isascii()]
    for some, most in ((plain, _MOST_OF_ASCII), (beyond, _MOST_BEYOND)):
        # Of very many new pieces only some are looked at, from all over the text. They stand for the others.
        step = 1 + sum(min(len(piece), _longest(piece)) for piece in some) // most
        seen = length = 0.0
        for piece in some[::step]:
            found = _cost(piece, rates)
            if len(piece) <= _LONGEST:
                known[piece] = found
            seen += found * pieces[piece]
            length += len(piece) * pieces[piece]
        whole = sum(len(piece) * pieces[piece] for piece in some) if step > 1 else length
        total += seen * whole / max(1.0, length)
    return total


def _cost(piece: str, rates: Mapping[str, float]) -> float:
    """What one piece takes; of a very long one its beginning stands for all of it."""
    longest = _longest(piece)
    if len(piece) > longest:
        return _cost(piece[:longest], rates) * len(piece) / longest
    return sum(rates.get(name, 0.0) * size for name, size in features(piece).items())


def _longest(piece: str) -> int:
    return _LONGEST_OF_ASCII if piece.isascii() else _LONGEST


def known_families() -> list[str]:
    """The families that there are rates for."""
    return list(_read()["rates"])


@cache
def _family(family: str) -> tuple[dict[str, float], dict[str, float]]:
    """The rates of a family, and what pieces were found to take."""
    data = _read()
    rates = data["rates"].get(family)
    if rates is None:
        raise ValueError(f"unknown tokenizer family {family!r}: one of {', '.join(data['rates'])}")
    return dict(zip(data["features"], rates, strict=True)), {}


@cache
def _read() -> dict[str, Any]:
    return json.loads(files("cfai.tokens").joinpath("rates.json").read_bytes())
