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
_MOST_LOOKED_AT = 20_000
"""How many characters beyond ASCII that were not seen before are looked at in one text, about."""
_LONGEST = 1_000
"""How many characters of one piece beyond ASCII are looked at."""


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
    # Pieces beyond ASCII take 20 µs a character to look at, so of very many only a part is, from all over the text.
    beyond = [piece for piece in new if not piece.isascii()]
    step = 1 + sum(min(len(piece), _LONGEST) for piece in beyond) // _MOST_LOOKED_AT
    left = {piece for place, piece in enumerate(beyond) if place % step}
    seen = length = 0.0
    for piece in new:
        if piece not in left:
            found = known[piece] = _cost(piece, rates)
            total += found * pieces[piece]
            if left and not piece.isascii():
                seen += found * pieces[piece]
                length += len(piece) * pieces[piece]
    return total + sum(len(piece) * pieces[piece] for piece in left) * seen / max(1.0, length)


def _cost(piece: str, rates: Mapping[str, float]) -> float:
    """What one piece takes; of a very long one beyond ASCII its beginning stands for all of it."""
    if len(piece) > _LONGEST and not piece.isascii():
        return _cost(piece[:_LONGEST], rates) * len(piece) / _LONGEST
    return sum(rates.get(name, 0.0) * size for name, size in features(piece).items())


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
