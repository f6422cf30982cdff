"""The estimate, and `count_tokens`, against real counts and hostile texts."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfai import count_tokens, tokens
from cfai.tokens import _estimate
from cfai.tokens._features import PIECE, count_features
from tests.conftest import row
from tests.tokens.conftest import FAMILIES, Sample
from tests.work import work

LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


def is_bounded(text: str, family: str) -> bool:
    return tokens.lower_bound(text, family) <= tokens.estimate(text, family) <= tokens.upper_bound(text, family)


def test_an_estimate_is_within_the_certain_bounds(samples: list[Sample]) -> None:
    for family in ("llama2", "qwen2", "xlmr"):
        for sample in samples:
            assert is_bounded(sample.text, family), (sample.name, family)


def test_nothing_is_no_token_and_something_is_one() -> None:
    for family in FAMILIES:
        assert tokens.estimate("", family) == 0, family
        if family not in ("bert", "xlmr"):
            assert [tokens.estimate(char, family) >= 1 for char in "a1 \n.\u4e2d"] == [True] * 6, family


@settings(max_examples=300)
@given(
    st.text(st.characters(), max_size=60) | st.text("aZ09 \n\t\r.=_'\u00e9\u4e2d\U0001f600\ud83d\u0301", max_size=60)
)
def test_any_text_has_an_estimate(text: str) -> None:
    assert "".join(PIECE.findall(text)) == text
    for family in ("llama3", "qwen2", "xlmr"):
        assert is_bounded(text, family)


@settings(max_examples=100)
@given(st.text(st.characters(), max_size=40))
def test_every_feature_is_a_number_of_something(text: str) -> None:
    assert all(size >= 0 for piece in PIECE.findall(text) for size in count_features(piece).values())


def test_pieces_have_features_and_rare_words_are_cut() -> None:
    for piece, expected in [
        (" world", {"word s": 1, "parts 7": 1, "parts 3": 1}),
        ("_bar", {"word p": 1, "parts 7": 1, "parts 3": 1}),
        (" \u00e9t\u00e9", {"word s": 1, "parts 7": 1, "parts 3": 1, "letter of Latin 1": 2}),
        ("12", {"digits 2": 1}),
        ("12345", {"digits more": 1, "threes": 2, "digit": 5}),
        (" {}", {"blank at marks": 1, "marks 2": 1}),
        (");\n\n", {"newlines at marks": 1, "newline more at marks": 1, "marks 2": 1}),
        ("([{<>}])!?", {"marks more": 1, "mark": 10, "mark after 8": 2}),
        ("=" * 20, {"run": 1, "run mark": 20, "run by 16": 1}),
        ("\t\n", {"newlines": 1, "tab at newline": 1}),
        ("        ", {"blanks": 1, "blanks many": 8}),
        ("QQQQQQQQQQ", {"stutter": 1, "stutter upper": 10}),
        ("\x00\x01", {"control": 2}),
        ("\U0001f600", {"emoji": 1}),
        ("\u200d", {"joiner": 1}),
        ("\u2014", {"general mark": 1}),
        ("\u3002", {"cjk mark": 1}),
        ("\u2550", {"box": 1}),
        ("\u2520", {"box rare": 1}),
        ("\ud83d", {"three bytes": 1}),
        ("\u0561\u0562", {"arm": 1, "arm letter": 2}),
    ]:
        assert PIECE.findall(piece) == [piece], (piece, expected)
        assert {name: int(size) for name, size in count_features(piece).items() if size} == expected, (piece, expected)
    assert (count_features(" information")["parts 7"], count_features(" zyxqwvkjbfgh")["parts 7"] > 3) == (1, True)


def calls(text: str) -> int:
    """Return how many functions are called while a text is estimated that nothing is known of."""
    _estimate._estimate_short.cache_clear()
    return work(partial(tokens.estimate_unrounded, text, "llama3")).calls


def test_the_work_is_linear() -> None:
    for unit in ["a", "aB", "1a", " ", "\n", "=-", "word ", "\u4e2d", "\u0561", "\u00e9", "1"]:
        short, long = (unit * (size // len(unit)) for size in (500, 5_000))
        assert calls(long) <= 12 * calls(short) + 500, unit


def test_of_very_many_new_pieces_only_some_are_looked_at() -> None:
    for text in (
        "今天" * 100_000 + "слово за слово " * 60_000,
        "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(300_000)),
        " ".join(f"{number * 7919:x}" for number in range(100_000)),
    ):
        assert calls(text) < 2_000_000, text[:9]


def test_of_a_long_text_a_part_stands_for_all() -> None:
    letters = "".join(chr(0x4E00 + number * 7919 % 3_000) for number in range(45_000))
    words = ["".join(Random(number).choices("abcdefghijklmnopqrstuvwxyz", k=9)) for number in range(24_000)]
    for text, size in (
        ("".join(letters[place : place + 9] + "。" for place in range(0, 45_000, 9)), 10_000),
        (" ".join(words), 50_000),
        ("aBc" * 10_000, 15_000),
    ):
        parts = [text[place : place + size] for place in range(0, len(text), size)]
        expected = sum(tokens.estimate_unrounded(part, "codegen") for part in parts)
        assert tokens.estimate_unrounded(text, "codegen") == pytest.approx(expected, rel=0.03), text[:9]


def test_an_estimate_is_the_same_whatever_was_estimated_before_and_looks_at_no_piece_again() -> None:
    text = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(100_000))
    first = tokens.estimate_unrounded(text, "qwen2")
    for part in (text[:9000], text[50_000:60_000]):
        tokens.estimate_unrounded(part, "qwen2")
    assert tokens.estimate_unrounded(text, "qwen2") == first
    assert calls("Where is New York? " * 50) < 2000


def test_an_unknown_family_is_named() -> None:
    for call in (tokens.estimate, tokens.estimate_unrounded, tokens.lower_bound):
        with row(call.__name__), pytest.raises(ValueError, match=r"'llama9'.*llama3"):
            call("text", "llama9")


# count_tokens

HELLO = "Where is New York?"


def test_a_text_is_counted_for_a_model_or_a_family() -> None:
    count = count_tokens(HELLO, model=LLAMA)
    assert count == count_tokens(HELLO, family="llama3")
    assert (int(count), count.family, count.certain, count.exact, count.images) == (5, "llama3", True, False, 0)
    assert count.lower <= count.estimate <= count.upper
    count = count_tokens(HELLO, model="@cf/somebody/new")
    assert (count.family, count.certain) == ("default", False)


def test_a_conversation_is_its_texts_and_what_stands_around_them() -> None:
    for family in FAMILIES:
        talk = [{"role": role, "content": HELLO} for role in ("user", "assistant", "user")]
        one, three = (count_tokens(talk[:number], family=family) for number in (1, 3))
        text = count_tokens(HELLO, family=family)
        assert text.estimate < one.estimate < three.estimate, family
        assert one.lower <= text.lower, family
        assert one.upper >= text.upper + 100, family
        assert three.lower <= three.estimate <= three.upper, family
