"""Bound from below and from above how many tokens a text is, whatever it says.

Both bounds follow from facts about a family's whole vocabulary, so they hold for every text and need no tokenizer.

*At most*: every family falls back to single bytes, so a text has no more tokens than bytes.

*At least*: sort the bytes into ten classes. For each family some ordered pairs of classes are held side by side by no
token, or only by a few that are known by name: wherever such a pair stands in a text, a token ends and another begins.
A run of one class takes as many tokens as the longest run in any token asks for, and so does a run of other scripts, by
its bytes. These places are called borders here, and a text has at least one token more than borders.

The constants are in `bounds.json`, by family: `apart` (the pairs), `crossed` (pairs with the tokens that do hold them),
`runs` (longest run of a class in a token), `groups` (most bytes in a run of other scripts in a token that has a
character of that group), and what the tokenizer does to the text: `nfc` (composes it), `prefix` (puts a blank before
it), `digits3` (cuts digits in threes), `tags` (has HTML tags as tokens), `kind` (`wordpiece` and `unigram`, which drop
or merge what they do not know, so that only words are counted).

Where it is known how the tokenizer cuts a text beforehand (`cuts`, see `_pretokens.py`), those cuts are counted as
well, and the larger number holds: in English prose, code and JSON 9 of 10 borders. A small vocabulary cuts many words,
so Llama 2's and Mistral's have three facts more: `marks` (pairs of a mark and a mark or a newline that no token holds),
`indents` (no token has two blanks before something else) and `words` (a bitmap with a bit set for each word that stands
in a token, by the word's CRC-32; compressed, in base 85). A word without its bit is cut in two at least.
"""

from __future__ import annotations

import json
import re
import unicodedata
import zlib
from base64 import b85decode
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any, Literal

from cfai._lazy import read_data
from cfai.tokens._features import MARKS, SCRIPTS, SEGMENTED
from cfai.tokens._pretokens import count_cuts

CUT = "\udcff"
"""Stands for anything, or for nothing: no border is counted beside it. It is encoded as the byte 0xFF, never UTF-8."""

_BY_BYTE = "".join(
    "." if byte == 255
    else "x" if byte > 127
    else "l" if 97 <= byte <= 122
    else "U" if 65 <= byte <= 90
    else "d" if 48 <= byte <= 57
    else {9: "t", 10: "n", 13: "n", 32: "s", 39: "q"}.get(byte) or ("c" if byte < 32 or byte == 127 else "p")
    for byte in range(256)
)  # fmt: skip
"""The class of each byte: lower-case letter, upper-case letter, digit, space, tab, newline, quote ('), other mark of
ASCII, control character, x for every byte from 0x80, and none for `CUT`."""

_GROUPS = re.compile(
    # The order counts: a character belongs to the first group that has it.
    "".join(f"(?P<{name}>[{SCRIPTS[name]}]+)|" for name in SEGMENTED) + "(?P<cjkp>[\u3000-\u3040\u30fb\uff00-\uff65]+)"
    "|(?P<latx>[\u0080-\u024f\u1e00-\u1eff]+)"
    "|(?P<emo>[\U0001f000-\U0001faff\u200d\ufe0f]+)"
    "|(?P<oth>[^\x00-\x7f])"
)
_NON_ASCII_RUN = re.compile(f"[^\x00-\x7f{CUT}]{{2,}}")
_SURROGATES = re.compile("[\ud800-\udfff]+")
_DIGITS = re.compile(r"(?<![0-9])(?<![^\x00-\x7f])[0-9]{2,}+(?![^\x00-\x7f])")

_INDENT = re.compile(b"(?<!s)s{2,16}(?=[lUqpx])")
"""A run of blanks, in classes, that is cut before its last blank or after it, and nowhere for its length."""

_WORD = re.compile(rb"(?<=[^A-Za-z\xff])(?:[A-Z]{2,7}|[A-Z][a-z]{2,14}|[a-z]{3,14})(?=[^A-Za-z\xff])")
"""A word between other characters: at an end of the text, or at a cut, it may go on."""

# What a server may read as one token, or as a blank, whatever is inside. Each alternative is bounded: linear time.
_SPECIAL_TOKEN = (
    r"<\|[^|<>\s]{1,64}\|?>|<[^|<>\s]{1,64}\|>|<?\uff5c[^\uff5c<>\s]{1,64}\uff5c>?"
    r"|</?s>|</?(?:unk|pad|bos|eos|mask|sop|eop|image|img|video|audio|think|tools|observation|PRE|SUF|MID|EOT|2mass)>"
    r"|</?[A-Za-z]{1,24}_[A-Za-z0-9_]{1,40}>|\[/?[A-Za-z_]{2,24}\]|\[@BOS@\]|\[toxicity=0\]|\u2581+"
)
_SPECIAL_TOKEN_OR_TAG = _SPECIAL_TOKEN + "|</?[A-Za-z][A-Za-z0-9_]{0,23}>"
_WORDPIECE_SPECIAL_TOKEN = re.compile(r"\[(?:CLS|SEP|MASK|UNK|PAD)\]")
_WORDPIECE_MARK = re.compile(f"[{MARKS}]")
_WORDPIECE_WORD = re.compile(rf"[A-Za-z0-9][^ \t\r\n{MARKS}]*")
_UNIGRAM_WORD = re.compile(r"[A-Za-z0-9][^ \t\r\n]*")
_MAX_STACKED_MARKS = 32
"""How many combining marks may stand on each other before the text is no longer composed: sorting them is quadratic."""


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """The constants of one family, in the form in which they are counted fast."""

    kind: Literal["bytes", "wordpiece", "unigram"]
    apart: tuple[tuple[bytes, bytes], ...]
    """Tables from bytes to bits. Two neighbours are kept apart if the left one's first table and the right one's second
    have a bit in common."""
    crossed: tuple[tuple[bytes, set[str], list[str]], ...]
    """Pairs of classes that only a few tokens hold; the two characters beside the border in those; the tokens."""
    runs: tuple[tuple[bytes, re.Pattern[bytes]], ...]
    """By class: the shortest run that takes two tokens, and a pattern that matches once a border."""
    marks: tuple[tuple[bytes, bytes], ...]
    """Tables as in `apart`, for single bytes instead of classes."""
    indents: bool
    words: bytes
    """Has a bit set for each word that stands in a token, and for a few others by chance; or is empty."""
    cuts: tuple[str, int] | None
    """How the tokenizer cuts a text before it looks for tokens, where that is known."""
    groups: dict[str, int]
    special: re.Pattern[str]
    prefix: bool
    nfc: bool
    digits3: bool


def lower_bound(text: str, family: str) -> int:
    """Return a number of tokens that `text` has at least when it stands alone, in time linear in the text.

    >>> lower_bound("Where is New York?", "llama3")
    5
    """
    vocabulary = _load_vocabulary(family)
    if vocabulary.kind != "bytes":
        return _count_words(text, vocabulary.kind)
    return 1 + _count_borders(text, vocabulary) if text else 0


def count_borders(texts: Sequence[str], family: str) -> int:
    """Return a lower bound of the tokens that end inside `texts`, whatever template or special token is around them.

    The texts follow each other, with nothing between them or with something unknown: with nothing, they may make a
    special token together, and the characters that meet may be composed.

    This is what may be added up: texts of one prompt with something between them come to `1 + sum(count_borders)`
    tokens or more. A sum of `lower_bound` would be too high, since tokens may reach from one text into the next.
    """
    joined = [CUT.join(texts), "".join(texts)] if len(texts) > 1 else texts
    borders = min((lower_bound(text, family) for text in joined), default=0) - 1
    return max(0, borders - 2 * max(0, len(texts) - 1))


def upper_bound(text: str, family: str) -> int:
    """Return a number of tokens that `text` has at most with no template around it, in time linear in the text.

    >>> upper_bound("Where is New York?", "llama3"), upper_bound("12345", "llama3")
    (18, 2)
    """
    if not text:
        return 0
    vocabulary = _load_vocabulary(family)
    if vocabulary.kind == "wordpiece":
        text = "".join(text.lower().split())
        return len(text) if text.isascii() else _decomposed_length(text, "NFD")
    if vocabulary.kind == "unigram":
        return 1 + (len(text) if text.isascii() else _decomposed_length(text, "NFKD"))
    size = _count_utf8(text)
    if vocabulary.nfc and not text.isascii():
        # Composing makes UTF-8 three times as long at most (Unicode Standard Annex 15, section 9).
        size = 3 * size if find_tall_stacks(text) else max(size, _count_utf8(unicodedata.normalize("NFC", text)))
    if vocabulary.digits3:
        size -= sum(len(digits) - ceil(len(digits) / 3) for digits in _DIGITS.findall(text))
    return size + vocabulary.prefix


def is_composed(family: str) -> bool:
    """Return True if the family's tokenizer composes characters first."""
    return _load_vocabulary(family).nfc


def _count_borders(text: str, vocabulary: _Vocabulary) -> int:
    """Count the borders that a text has whether or not the server composes it."""
    text = _cut_special_tokens(text, vocabulary.special)
    if not vocabulary.nfc or text.isascii():
        return _count_borders_as_is(text, vocabulary)
    under_stacks = 0
    if stacks := find_tall_stacks(text):
        # The character under a stack may be composed with one of its marks.
        text, under_stacks = stacks.subn(CUT, text)
    composed = unicodedata.normalize("NFC", text)
    borders = _count_borders_as_is(text, vocabulary)
    if composed != text:
        borders = min(borders, _count_borders_as_is(composed, vocabulary))
    return max(0, borders - under_stacks)


def _cut_special_tokens(text: str, special: re.Pattern[str]) -> str:
    """Put cuts for special tokens, which may take the blanks beside them along, and for lone surrogates."""
    if not text.isascii():
        # What a server makes of half a surrogate pair is not known: U+FFFD, a question mark, nothing.
        text = _SURROGATES.sub(CUT, text)
    if "<" in text or "[" in text or "\uff5c" in text or "\u2581" in text:
        first, *rest = special.split(text)
        if rest:
            *middle, last = rest
            return CUT.join([first.rstrip(), *(part.strip() for part in middle), last.lstrip()])
    return text


def _count_borders_as_is(text: str, vocabulary: _Vocabulary) -> int:
    """Count the borders of a text that has its cuts, composed or not as it is."""
    data = text.encode("utf-8", "surrogateescape")
    borders = sum(_count_meetings(data, left, right) for left, right in vocabulary.apart)
    classes = data.translate(_CLASSES)
    for pair, cores, tokens in vocabulary.crossed:
        if places := classes.count(pair):
            # Tokens that reach over an end of the text, or over a cut, are not seen whole: one at each side.
            seen = 2 + 2 * data.count(255) + sum(map(text.count, tokens))
            borders += max(0, places - min(seen, sum(map(text.count, cores))))
    long = {one[:1]: len(border.findall(classes)) for one, border in vocabulary.runs if one in classes}
    borders += sum(long.values())
    # A border between two marks may be one of those that cut a long run of marks.
    borders += max(0, sum(_count_meetings(data, left, right) for left, right in vocabulary.marks) - long.get(b"p", 0))
    if vocabulary.indents:
        borders += len(_INDENT.findall(classes))
    if vocabulary.words:
        borders += sum(count for word, count in Counter(_WORD.findall(data)).items() if _is_cut(word, vocabulary.words))
    if len(data) != len(text):
        borders += _count_non_ascii_borders(text, vocabulary.groups)
    return max(borders, count_cuts(text, *vocabulary.cuts)) if vocabulary.cuts else borders


def _count_meetings(data: bytes, left: bytes, right: bytes) -> int:
    """Count the bytes that have a bit of `left` in common with the next byte's of `right`: as one number, for speed."""
    lefts = int.from_bytes(data.translate(left)[:-1], "little")
    rights = int.from_bytes(data.translate(right)[1:], "little")
    return len(data) - (lefts & rights).to_bytes(len(data), "little").count(0)


def _count_non_ascii_borders(text: str, groups: Mapping[str, int]) -> int:
    """Count borders inside runs of other scripts: a token has at most `groups` bytes of a run, by groups in it."""
    borders = 0
    for run in _NON_ASCII_RUN.findall(text):
        tokens = sum(len(piece[0].encode()) / groups[piece.lastgroup or "oth"] for piece in _GROUPS.finditer(run))
        borders += max(0, ceil(tokens - 1e-6) - 1)  # less a little: floats round
    return borders


def _is_cut(word: bytes, words: bytes) -> bool:
    place = zlib.crc32(word) % (8 * len(words))
    return not words[place >> 3] >> (place & 7) & 1


def _count_words(text: str, kind: str) -> int:
    if kind == "unigram":
        return len(_UNIGRAM_WORD.findall(text))
    text = _WORDPIECE_SPECIAL_TOKEN.sub(" ", text)
    return len(_WORDPIECE_MARK.findall(text)) + len(_WORDPIECE_WORD.findall(text))


def _count_utf8(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _decomposed_length(text: str, form: Literal["NFD", "NFKD"]) -> int:
    """Count characters after decomposition one by one: of a whole text, `normalize` would sort long stacks of marks."""
    return sum(max(1, len(unicodedata.normalize(form, char))) * count for char, count in Counter(text).items())


def find_tall_stacks(text: str) -> re.Pattern[str] | None:
    """Return a pattern of the stacks of marks that would take `normalize` quadratic time, if `text` has any."""
    marks = {char: kind for char in set(text) if (kind := unicodedata.combining(char))}
    if len(set(marks.values())) < 2:
        return None
    pattern = re.compile(f"[{''.join(sorted(marks))}]{{{_MAX_STACKED_MARKS},}}")
    return pattern if pattern.search(text) else None


@cache
def _load_vocabulary(family: str) -> _Vocabulary:
    known = read_bounds()
    if family not in known:
        raise ValueError(f"unknown tokenizer family {family!r}: one of {', '.join(known)}")
    row = known[family]
    runs: dict[str, int] = row.get("runs", {})
    return _Vocabulary(
        kind=row.get("kind", "bytes"),
        apart=_load_tables(row.get("apart", {}), _BY_BYTE, {one for one, longest in runs.items() if longest == 1}),
        marks=_load_tables(row.get("marks", {}), [chr(byte) for byte in range(256)]),
        indents=row.get("indents", False),
        words=zlib.decompress(b85decode(row["words"])) if "words" in row else b"",
        crossed=tuple(
            (pair.encode(), {core for token in tokens for core in _load_cores(token, pair)}, tokens)
            for pair, tokens in row.get("crossed", {}).items()
        ),
        runs=tuple(
            (one.encode() * (longest + 1), re.compile(f"{one}{{{longest}}}(?={one})".encode()))
            for one, longest in runs.items()
            if longest > 1
        ),
        cuts=tuple(row["cuts"]) if "cuts" in row else None,
        groups=row.get("groups", {}),
        special=re.compile(_SPECIAL_TOKEN_OR_TAG if row.get("tags") else _SPECIAL_TOKEN),
        prefix=row.get("prefix", False),
        nfc=row.get("nfc", False),
        digits3=row.get("digits3", False),
    )


@cache
def read_bounds() -> dict[str, dict[str, Any]]:
    return json.loads(read_data("cfai.tokens", "bounds.json"))


def _load_tables(
    apart: Mapping[str, str], kinds: Sequence[str], alone: Set[str] = frozenset()
) -> tuple[tuple[bytes, bytes], ...]:
    """Build the tables of `_Vocabulary.apart`, where `kinds` says for each byte by what key `apart` has it.

    There is a bit for all left kinds that are kept apart from the same right kinds. Those in `alone` are kept apart
    from themselves: no token holds two of them in a row.
    """
    lefts: dict[str, str] = {}
    for left, right in apart.items():
        right += left if left in alone else ""
        lefts[right] = lefts.get(right, "") + left
    rows = list(lefts.items())
    return tuple(
        (
            bytes(sum(1 << bit for bit, (_, left) in enumerate(eight) if kind in left) for kind in kinds),
            bytes(sum(1 << bit for bit, (right, _) in enumerate(eight) if kind in right) for kind in kinds),
        )
        for eight in (rows[start : start + 8] for start in range(0, len(rows), 8))
    )


def _load_cores(token: str, pair: str) -> list[str]:
    kinds = "".join(_BY_BYTE[ord(char)] if char.isascii() else "x" for char in token)
    return [token[place : place + 2] for place in range(len(token) - 1) if kinds[place : place + 2] == pair]


_CLASSES = _BY_BYTE.encode()
