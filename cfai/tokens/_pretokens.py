"""Count where a tokenizer cuts a text before it looks for tokens: no token reaches over such a cut.

Most tokenizers of today first cut a text with one regular expression, which is part of the tokenizer's files: a word
with the mark or the blank before it, digits in ones or threes, marks, blanks. In English prose, code and JSON nine of
ten tokens end at such a cut, so counting the cuts is a bound from below that is close.

Python's `re` knows no classes of Unicode, so only stretches of characters whose class is beyond doubt are cut: ASCII,
the letters of Latin, Greek and Cyrillic, and common marks. At both ends of a stretch a cut or two may fall otherwise,
by what stands beside it; those are not counted.
"""

from __future__ import annotations

import re
from functools import cache

_LETTERS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017e\u0180-\u024f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5"
    "\u03f7-\u03ff\u0400-\u0481\u048a-\u052f\u1e00-\u1eff"
)
"""All of them letters; without the long s, which counts as an s in contractions."""
_ASCII_MARKS = r"!-/:-@\[-`{-~"
_MARKS = (
    _ASCII_MARKS + "\u00a1-\u00a9\u00ab\u00ac\u00ae-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u2010-\u2027"
    "\u2030-\u205e\u20a0-\u20bf"
)
_BLANK = r"\t\n\r "
_EDGES = 3
"""How many pieces of a stretch are not counted, for what may be otherwise at its ends."""

_CONTRACTION = "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
_BLANKS = rf"|[{_BLANK}]*[\r\n]+|[{_BLANK}]+(?![^{_BLANK}])|[{_BLANK}]+"


def _cases(behind: str) -> str:
    # What is upper case beyond ASCII is not looked up, so a word with such a letter is not cut.
    beyond = _LETTERS.removeprefix("A-Za-z")
    return (
        rf"[^\r\n{_LETTERS}0-9]?(?:(?>[A-Z]*[a-z]+|[A-Z]+)(?![{beyond}])|[{_LETTERS}]+){behind}"
        rf"|[0-9]{{1,%d}}| ?[^{_BLANK}{_LETTERS}0-9]+[\r\n/]*{_BLANKS}"
    )


_PATTERNS = {
    # cl100k and its like: a word with any one character before it.
    "words": (
        rf"{_CONTRACTION}|[^\r\n{_LETTERS}0-9]?[{_LETTERS}]+|[0-9]{{1,%d}}"
        rf"| ?[^{_BLANK}{_LETTERS}0-9]+[\r\n]*{_BLANKS}"
    ),
    # o200k and its like: cut at camel case too, with a contraction behind.
    "cases": _cases(f"(?:{_CONTRACTION})?"),
    # Tekken: the same, and a contraction is a word of its own.
    "cases alone": _cases(""),
    # DeepSeek V3: a mark goes with letters of ASCII only; digits are cut out first, so blanks before them stay as one.
    "marked": (
        rf"[{_ASCII_MARKS}][A-Za-z]+|[^\r\n{_LETTERS}{_MARKS}0-9]?[{_LETTERS}]+|[0-9]{{1,%d}}| ?[{_MARKS}]+[\r\n]*"
        rf"|[{_BLANK}]*[\r\n]+|[{_BLANK}]+(?=[0-9]){_BLANKS}"
    ),
}
_STRETCH = re.compile(rf"[{_BLANK}0-9{_LETTERS}{_MARKS}]{{8,}}")


def count_cuts(text: str, kind: str, digits: int) -> int:
    """Return a number of cuts that are inside `text` at least, whatever is around it; `digits` stay together.

    >>> count_cuts("Where is New York, and where is Berlin?", "words", 3)
    7
    """
    pattern = _compile_pattern(kind, digits)
    return sum(max(0, len(pattern.findall(stretch)) - _EDGES) for stretch in _STRETCH.findall(text))


@cache
def _compile_pattern(kind: str, digits: int) -> re.Pattern[str]:
    return re.compile(_PATTERNS[kind] % digits)
