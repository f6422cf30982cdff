"""Where a text may be cut: between what a reader takes for characters, and between words."""

from __future__ import annotations

import re
import unicodedata

# Patterns stay texts: `re` compiles them at first use, so that importing does not.
# Scripts that put no blanks between words: there a word may end anywhere.
_UNSPACED = "[\u0e00-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
# What belongs to the character before it, beside all combining marks: joiners, skin tones, the letters of a tag.
_EXTENDS = "[\u0e33\u0eb3\u200c\u200d\uff9e\uff9f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
# What belongs to the character behind it, and the joiner.
_PREPENDS = (
    "[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\u1cf5\u1cf6\u200d\U000110bd\U000110cd\U000111c2\U000111c3"
    "\U000113d1\U0001193f\U00011941\U00011a3a\U00011a84-\U00011a89\U00011d46\U00011f02]"
)
_HANGUL = "[\u1100-\u11ff\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb\U00016d63\U00016d67-\U00016d6a]"
_LEADING = "[\u1100-\u115f\ua960-\ua97c]"
_FOLLOWING = "[\u1160-\u11ff\ud7b0-\ud7fb\U00016d63\U00016d67-\U00016d6a]"
_FLAG = "[\U0001f1e6-\U0001f1ff]"
_NEVER_MARKS = "[\U0001f000-\U0001faff\U00020000-\U0003ffff]"
"""Where no combining marks will be, although Python may not know the characters yet: emoji and ideographs."""

_VIRAMA = 9
"""The combining class of the signs that join consonants."""


def is_word_border(outside: str, inside: str) -> bool:
    """Whether a word ends between two characters, of which the second one, `inside`, is the word's."""
    if outside.isspace():
        return not inside.isspace()
    return bool(re.match(_UNSPACED, outside) or re.match(_UNSPACED, inside))


def is_border(text: str, place: int) -> bool:
    """Whether what a reader takes for one character ends at `place`. Where that is not sure, it does not.

    These are the rules of Unicode's Standard Annex 29 for all that Python's version of Unicode knows.
    """
    if place <= 0 or place >= len(text):
        return True
    before, after = text[place - 1], text[place]
    if before < "\x80" and after < "\x80":
        return before != "\r" or after != "\n"
    if _extends(after) or re.match(_PREPENDS, before) or _is_unknown(before) or _is_unknown(after):
        return False
    if "\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff":
        return False
    if re.match(_HANGUL, before) and re.match(_HANGUL, after):
        return not re.match(_LEADING, before) and not re.match(_FOLLOWING, after)
    if re.match(_FLAG, after):
        return _flags(text, place) % 2 == 0
    return not (unicodedata.category(after) == "Lo" and _is_joined(text, place))


def _extends(char: str) -> bool:
    return unicodedata.category(char)[0] == "M" or bool(re.match(_EXTENDS, char))


def _is_unknown(char: str) -> bool:
    return unicodedata.category(char) == "Cn" and not re.match(_NEVER_MARKS, char)


def _flags(text: str, place: int) -> int:
    """How many halves of flags stand before `place`: two make one."""
    start = place
    while start and re.match(_FLAG, text[start - 1]):
        start -= 1
    return place - start


def _is_joined(text: str, place: int) -> bool:
    """Whether a sign before `place` joins two consonants, as a virama does."""
    while place and _extends(text[place - 1]):
        place -= 1
        if unicodedata.combining(text[place]) == _VIRAMA:
            return True
    return False
