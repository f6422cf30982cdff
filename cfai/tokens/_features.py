"""Cut a text into pieces, and count the features of a piece that tell how many tokens it takes.

One pattern cuts a text into identifiers (mixtures of letters and digits, such as hex and base64), words with the blank
or mark before them, digits, marks with the newlines behind them, blanks, runs of one script, and single characters.
What a piece takes is a sum over its features: so many of this, times what this family takes for it.

The features of a word rest on how common its parts are. Nine published vocabularies were read for that, and of the
letter sequences in them two sets were kept, those that at least seven of them have and those that at least three have:
as filters, which tell whether a sequence is in the set, wrongly for one in 256, and hold none. A word is cut into the
longest sequences of each set, and the two numbers of parts bracket what a vocabulary makes of it.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from functools import cache

from cfai._lazy import read_data

_LATIN = r"A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
MARKS = r"!-/:-@\[-`{-~"
SCRIPTS = {
    "han": r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "hira": r"\u3041-\u309f",
    "kata": r"\u30a0-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "hang": r"\uac00-\ud7a3\u1100-\u11ff\u3130-\u318f",
    "cyr": r"\u0400-\u052f",
    "grk": r"\u0370-\u03ff\u1f00-\u1fff",
    "heb": r"\u0590-\u05ff",
    "ara": r"\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff",
    "dev": r"\u0900-\u097f",
    "tha": r"\u0e00-\u0e7f",
    "arm": r"\u0530-\u058f",
    "ben": r"\u0980-\u09ff",
    "gur": r"\u0a00-\u0a7f",
    "guj": r"\u0a80-\u0aff",
    "ori": r"\u0b00-\u0b7f",
    "tam": r"\u0b80-\u0bff",
    "tel": r"\u0c00-\u0c7f",
    "kan": r"\u0c80-\u0cff",
    "mal": r"\u0d00-\u0d7f",
    "sin": r"\u0d80-\u0dff",
    "lao": r"\u0e80-\u0eff",
    "tib": r"\u0f00-\u0fff",
    "mya": r"\u1000-\u109f",
    "geo": r"\u10a0-\u10ff",
    "eth": r"\u1200-\u139f",
    "chr": r"\u13a0-\u167f",
    "khm": r"\u1780-\u17ff",
    "mon": r"\u1800-\u18af",
    "yi": r"\ua000-\ua4cf",
    "syr": r"\u0700-\u074f\u0780-\u089f",
}
SEGMENTED = ("han", "hira", "kata", "hang", "cyr", "grk", "heb", "ara", "dev", "tha")
"""The scripts of which the sets have so many sequences that cutting words by them says something."""

PIECE = re.compile(
    "(?:[A-Za-z]{1,12}[0-9]{1,12}){2,}[A-Za-z]*|(?:[0-9]{1,12}[A-Za-z]{1,12}){2,}[0-9]*"
    f"|[ {MARKS}]?[{_LATIN}]+"
    f"|[0-9]+| ?[{MARKS}]+[\r\n]*"
    "|[ \t\r\n]*[\r\n]+|[ \t]+(?![^ \t])|[ \t](?=[0-9])"
    f"|[ ]?(?:{'|'.join(f'[{span}]+' for span in SCRIPTS.values())})"
    "|[ \t]+|[^\x00-\x7f]|[\x00-\x1f\x7f]+"
)
_WORD = re.compile(f"[ {MARKS}]?[{_LATIN}]+")
_SCRIPT = re.compile("|".join(f"(?P<{name}>[{span}])" for name, span in SCRIPTS.items()))
_PARTS = re.compile("[0-9]+|[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[A-Z]")
_LONG_RUN = re.compile(r"(.)\1{3,}", re.DOTALL)
_STUTTER = re.compile(r"(.)\1{7,}", re.DOTALL)
_MAX_SEQUENCE_CHARACTERS = 16
"""Characters of the longest sequence in the sets."""

_COMMON_BOXES = frozenset(
    "\u2500\u2502\u250c\u2510\u2514\u2518\u251c\u2524\u252c\u2534\u253c\u2550\u2551\u2554\u2557\u255a\u255d\u2560"
    "\u2563\u2566\u2569\u256c\u2580\u2584\u2588\u2591\u2592\u2593\u25a0\u25a1\u25b2\u25b3\u25bc\u25bd\u25c6\u25c7\u25cb\u25ce\u25cf"
)
"""Lines and blocks that are drawn with: vocabularies have them, and few of the others."""
_GENERAL_MARKS = frozenset("\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u00a0\u00ab\u00bb")


def count_features(piece: str) -> Counter[str]:
    """Count what a piece is made of."""
    counts: Counter[str] = Counter()
    inner = piece[1:] if piece[0] == " " and len(piece) > 1 else piece
    first = inner[0]
    if _WORD.fullmatch(piece):
        _count_word(piece, counts)
    elif first.isascii() and first.isalnum():
        _count_number(piece, counts) if piece.isdigit() else _count_identifier(piece, counts)
    elif first in " \t\r\n":
        _count_blanks(piece, counts)
    elif first < "\x21" or first == "\x7f":
        counts["control"] = len(piece)
    elif first.isascii():
        _count_marks(piece, counts)
    else:
        script = _SCRIPT.match(first)
        _count_non_ascii(piece, script.lastgroup or "", counts) if script else _count_character(first, counts)
    return counts


def _count_word(piece: str, counts: Counter[str]) -> None:
    before = "s" if piece[0] == " " else "n" if piece[0].isalpha() else "p"
    word = piece[1:] if before == "p" else piece
    if len(word) >= 8 and (run := _STUTTER.search(word)):
        counts["stutter"] += 1
        counts["stutter upper" if run[1].isupper() else "stutter lower"] += len(word)
        return
    counts["word " + before] += 1
    for level in _LEVELS:
        parts, unknown = _cut_into_known_parts(word, level)
        counts[f"parts {level}"] += parts
        counts[f"unknown {level}"] += unknown
        counts[f"cut {level}"] += parts > 1
    if len(word) > 1 and word[1:].isupper():
        counts["upper"] += 1
        counts["upper more"] += len(word) - 2
    if not word.isascii():
        counts["letter of Latin 1"] += sum("\x7f" < char < "\u0100" for char in word)
        counts["letter of Vietnamese"] += sum(char in "\u01a0\u01a1\u01af\u01b0" or char > "\u1e9f" for char in word)
        counts["letter beyond Latin 1"] += sum(char >= "\u0100" for char in word)


def _count_identifier(piece: str, counts: Counter[str]) -> None:
    kind = "hex" if piece in (piece.lower(), piece.upper()) else "base64"
    for part in _PARTS.findall(piece):
        if part.isdigit():
            counts[kind + " digits"] += 1
            counts[kind + " threes"] += -(-len(part) // 3)
            counts[kind + " digit"] += len(part)
        else:
            counts[kind + " letters"] += 1
            counts[kind + " letter"] += len(part)


def _count_number(piece: str, counts: Counter[str]) -> None:
    size = len(piece)
    if size < 4:
        counts[f"digits {size}"] = 1
    else:
        counts["digits more"] = 1
        counts["threes"] = -(-size // 3)
        counts["digit"] = size


def _count_blanks(piece: str, counts: Counter[str]) -> None:
    newlines, returns = piece.count("\n"), piece.count("\r")
    tabs, blanks = piece.count("\t"), piece.count(" ")
    if newlines or returns:
        counts["newlines"] = 1
        counts["newline more"] = max(0, newlines - 1)
        counts["return"] = returns
        counts["tab at newline"] = tabs
        counts["blanks at newline"] = blanks > 0
        counts["blank at newline"] = blanks
        return
    if blanks == 1 and not tabs:
        counts["blank"] = 1
    elif blanks:
        counts["blanks"] = 1
        counts["blanks by 16"] = blanks // 16
        counts["blanks many"] = blanks
    if tabs:
        counts["tabs"] = 1
        counts["tab more"] = tabs - 1
        counts["tabs and blanks"] = blanks > 0


def _count_marks(piece: str, counts: Counter[str]) -> None:
    marks = piece.rstrip("\r\n")
    newlines = len(piece) - len(marks)
    counts["newlines at marks"] = newlines > 0
    counts["newline more at marks"] = max(0, newlines - 1)
    if marks[0] == " ":
        counts["blank at marks"] = 1
        marks = marks[1:]
    rest = marks
    for run in _LONG_RUN.finditer(marks):
        counts["run"] += 1
        counts["run mark"] += len(run[0])
        counts["run by 16"] += len(run[0]) // 16
    if "run" in counts:
        rest = _LONG_RUN.sub("\0", marks)
    for part in rest.split("\0"):
        if 0 < len(part) < 4:
            counts[f"marks {len(part)}"] += 1
        elif part:
            counts["marks more"] += 1
            counts["mark"] += len(part)
            counts["mark after 8"] += max(0, len(part) - 8)


def _count_non_ascii(piece: str, script: str, counts: Counter[str]) -> None:
    """Count the features of a run of a script other than Latin."""
    run = piece.removeprefix(" ")
    counts[script] = 1
    counts[script + " blank"] = len(piece) - len(run)
    if script not in SEGMENTED:
        marks = sum(unicodedata.category(char)[0] == "M" for char in run)
        counts[script + " letter"] = len(run) - marks
        counts[script + " mark"] = marks
        return
    for level in _LEVELS:
        parts, unknown = _cut_into_known_parts(piece, level)
        counts[f"{script} parts {level}"] = parts
        counts[f"{script} unknown {level}"] = unknown
    if script == "han":
        simplified, traditional = _han()
        common = sum(char in simplified for char in run)
        counts["han common"] = common
        counts["han traditional"] = sum(char in traditional for char in run)
        counts["han rare"] = sum(char not in simplified and char not in traditional for char in run)
        counts["han extension"] = sum(char > "\uffff" for char in run)
    elif script == "cyr":
        russian = sum("\u0430" <= char <= "\u044f" or "\u0410" <= char <= "\u042f" for char in run)
        counts["cyr letter"] = russian
        counts["cyr other"] = len(run) - russian
        counts["cyr upper"] = sum(char.isupper() for char in run[1:])
    elif script == "ara":
        points = sum("\u064b" <= char <= "\u065f" for char in run)
        counts["ara letter"] = len(run) - points
        counts["ara point"] = points
        counts["ara other"] = sum(char > "\u065f" for char in run)
    else:
        counts[script + " letter"] = len(run)


def _count_character(char: str, counts: Counter[str]) -> None:
    """Count the features of a character that is of no script: a mark, a symbol, an emoji."""
    place = ord(char)
    if 0x1F000 <= place <= 0x1FAFF:
        counts["emoji"] = 1
        counts["skin"] = 0x1F3FB <= place <= 0x1F3FF
        counts["flag"] = 0x1F1E6 <= place <= 0x1F1FF
    elif char in "\u200d\ufe0f":
        counts["joiner"] = 1
    elif char in _GENERAL_MARKS:
        counts["general mark"] = 1
    elif 0x3000 <= place <= 0x303F or 0xFF00 <= place <= 0xFF65:
        counts["cjk mark"] = 1
    elif 0x2500 <= place < 0x2600 and char not in _COMMON_BOXES:
        counts["box rare"] = 1
    else:
        bounds = {0x300: "latin sign", 0x370: "combining", 0x800: "two bytes", 0x2000: "three bytes", 0x2500: "symbol"}
        more = {0x2600: "box", 0x2C00: "dingbat", 0x10000: "three bytes", 0x110000: "four bytes"}
        counts[next(name for bound, name in (bounds | more).items() if place < bound)] = 1


def _cut_into_known_parts(word: str, level: int) -> tuple[int, int]:
    """Return the parts of a word by one set, and the bytes of the characters in none of its sequences."""
    parts = unknown = start = 0
    while start < len(word):
        end = min(len(word), start + _MAX_SEQUENCE_CHARACTERS)
        while end > start + 1 and not _is_known(word[start:end], level):
            end -= 1
        char = word[start]
        if end > start + 1 or (char.isascii() and char != " ") or (char != " " and _is_known(char, level)):
            parts += 1
        elif char != " ":
            unknown += len(char.encode("utf-8", "surrogatepass"))
        start = end
    return parts, unknown


def _is_known(sequence: str, level: int) -> bool:
    """Return True if a set has a sequence: a xor filter (Graf and Lemire, 2019) of three places a byte."""
    data = sequence.encode("utf-8", "surrogatepass")
    low, high = zlib.crc32(data), zlib.crc32(data, 0x5BD1E995)
    filled, third = read_filters()[level]
    return (
        filled[(low & 0xFFFFF) % third]
        ^ filled[third + ((low >> 20) | (high & 0xFF) << 12) % third]
        ^ filled[2 * third + (high >> 8 & 0xFFFFF) % third]
    ) == high >> 24


_LEVELS = (7, 3)
"""How many vocabularies of the nine have a sequence at least, for the two sets."""


@cache
def read_filters() -> dict[int, tuple[bytes, int]]:
    """Return the set of each level, and a third of its size."""
    data = zlib.decompress(read_data("cfai.tokens", "known.bin"))
    filters: dict[int, tuple[bytes, int]] = {}
    for level in _LEVELS:
        size = int.from_bytes(data[:4], "little")
        filters[level] = data[4 : 4 + size], size // 3
        data = data[4 + size :]
    return filters


@cache
def _han() -> tuple[frozenset[str], frozenset[str]]:
    """Return the common simplified and traditional characters: Python's own codecs have them."""
    simplified = _codec_characters("gb2312", range(0xB0, 0xD8), range(0xA1, 0xFF))
    traditional = _codec_characters("big5", range(0xA4, 0xC7), [*range(0x40, 0x7F), *range(0xA1, 0xFF)])
    return simplified, traditional - simplified


def _codec_characters(codec: str, rows: range, columns: range | list[int]) -> frozenset[str]:
    pairs = [bytes((row, column)).decode(codec, "ignore") for row in rows for column in columns]
    return frozenset(pair for pair in pairs if len(pair) == 1)
