"""The cuts that are counted, against those that the tokenizers' own expressions make in another library."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex
from tokenizers.pre_tokenizers import PreTokenizer, Sequence, Split

from cfai.tokens._pretokens import count_cuts
from tests.tokens.conftest import ROWS, Sample

CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LETTER, OTHERS = r"\p{Lm}\p{Lo}\p{M}", r"\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,%d}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + OTHERS
MARKED_WORDS = CONTRACTION + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + OTHERS
CASES = (
    rf"[^\r\n\p{{L}}\p{{N}}]?[\p{{Lu}}\p{{Lt}}{LETTER}]*[\p{{Ll}}{LETTER}]+%s"
    rf"|[^\r\n\p{{L}}\p{{N}}]?[\p{{Lu}}\p{{Lt}}{LETTER}]+[\p{{Ll}}{LETTER}]*%s"
    rf"|\p{{N}}{{1,%d}}| ?[^\s\p{{L}}\p{{N}}]+%s|{OTHERS}"
)
BEHIND = CONTRACTION + "?"
MARKED = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
    + OTHERS
)


def split(*expressions: str) -> PreTokenizer:
    return Sequence([Split(Regex(expression), "isolated") for expression in expressions])


# As the tokenizers' files have them, and for Kimi K2 its code.
SPLITS = {
    "llama3": split(WORDS % 3),
    "glm4": split(WORDS % 3),
    "cl100k": split(WORDS % 3),
    "qwen2": split(WORDS % 1),
    "qwen3_5": split(MARKED_WORDS),
    "o200k": split(CASES % (BEHIND, BEHIND, 3, "[\\r\\n/]*")),
    "llama4": split(CASES % (BEHIND, BEHIND, 3, "[\\r\\n/]*")),
    "tekken": split(CASES % ("", "", 1, "[\\r\\n/]*")),
    "kimi_k2": split(r"\p{Han}+", CASES % (BEHIND, BEHIND, 3, "[\\r\\n]*")),
    "deepseek_v3": split(r"\p{N}{1,3}", "[一-龥\u3040-\u309f\u30a0-\u30ff]+", MARKED),
}
FAMILIES = list(SPLITS)

LETTERS = (
    "a b Z foo Bar camelCase HTTPServer __init__ 's 'S 'll 'RE '\u017f 'é é É ß ø Ж ж Ω ά \u1ebf 中 の 한 \u0627 \u01c6"
)
NUMBERS = "1 12 1234 \u00b2 \u00bd \u2167 \u0661 1a a1 \u00e91"
MARKS = '( (foo ) ... . / // _ - \u2014 \u201c \u2019 « ¿ € { " \u00d7 \u200b \u00ad 🙂 <|x|> \u0301 e\u0301 =\u0338'
BLANKS = [*" \n\t\u00a0\u2003\u2028\x0b\x0c\x85\x1c\u3000", "  ", "    ", "\r\n", "\n\n", " \n", "\n ", "\n/"]
PARTS = [*LETTERS.split(" "), *NUMBERS.split(" "), *MARKS.split(" "), *BLANKS]
TEXTS = st.lists(st.sampled_from(PARTS) | st.characters(codec="utf-8"), max_size=80).map("".join)


def pieces(text: str, family: str) -> list[tuple[int, int]]:
    return [place for _, place in SPLITS[family].pre_tokenize_str(text)]


def count(text: str, family: str) -> int:
    kind, digits = ROWS[family]["cuts"]
    return count_cuts(text, kind, digits)


@pytest.mark.parametrize("family", FAMILIES)
@given(TEXTS, TEXTS, TEXTS)
@settings(max_examples=300)
def test_no_more_cuts_are_counted_than_there_are(family: str, before: str, text: str, behind: str) -> None:
    start, end = len(before), len(before) + len(text)
    inside = [stop for _, stop in pieces(before + text + behind, family) if start < stop < end]
    assert count(text, family) <= len(inside)
    assert count(text, family) <= max(0, len(pieces(text, family)) - 1)


PLAIN = {
    "prose": "The quick brown fox doesn't jump over the lazy dog; it's asleep, and so are we. " * 20,
    "code": 'def main(argv):\n    for item in argv[1:]:\n        print(f"{item!r}: {len(item)}")\n\n' * 20,
    "JSON": '{"id": 12345, "name": "Somebody", "tags": ["a", "b"], "camelCase": true}\n' * 20,
    "French": "L'été où nous étions à Genève, « déjà », il n'a pas plu : c'était beau. " * 20,
    "Russian": "Съешь же ещё этих мягких французских булок, да выпей чаю! " * 20,
    "Greek": "Ξεσκεπάζω την ψυχοφθόρα σας βδελυγμία, και πάλι. " * 20,
}


def test_nearly_all_cuts_of_every_family_are_counted_in_plain_texts_and_few_in_short_ones() -> None:
    for family in FAMILIES:
        for name in PLAIN:
            there = len(pieces(PLAIN[name], family)) - 1
            assert there - 8 <= count(PLAIN[name], family) <= there, (family, name)
    assert sorted(FAMILIES) == sorted(family for family, row in ROWS.items() if "cuts" in row)
    for text in ["", "a", "Hello", "\udcff", "a\udcffb c d e f g h i"]:
        assert count_cuts(text, "words", 3) <= 6, text


def test_no_more_cuts_are_counted_than_there_are_in_samples(samples: list[Sample]) -> None:
    for family in FAMILIES:
        for sample in samples:
            text = sample.text[:20_000]
            assert count(text, family) <= max(0, len(pieces(text, family)) - 1), sample.name
