"""Texts that are too long: what is left of them, and where they may be cut."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any, Literal

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from cfai import tokens
from cfai._errors import ConfigurationError, InputError
from cfai._limits import truncate
from tests.conftest import row
from tests.texts import FAMILIES, LOWEST, TEXTS, ByWords, words

LLAMA_3_3 = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
Side = Literal["end", "start", "middle"]
SIDES: list[Side] = ["end", "start", "middle"]
JOINED = [*"\u0301\u200d\ufe0f\u1100\u1161\u11a8각가\r\n🇩🏽👩\u0e33\u200c\U000e0067\uff9e\u0378漢 a"]
HOSTILE = st.lists(st.sampled_from(JOINED) | st.characters() | st.sampled_from([*TEXTS.values()]), max_size=60).map(
    "".join
)


class ByBytes:
    def count_text(self, text: str, /) -> int:
        return len(text.encode("utf-8", "surrogatepass"))


def is_within(text: str, most: int, family: str) -> bool:
    if not text or tokens.upper_bound(text, family) <= most:
        return True
    return (
        tokens.estimate_unrounded(text, family) <= most * LOWEST[text.isascii()]
        and tokens.lower_bound(text, family) <= most
    )


def is_part(text: str, left: str, side: Side) -> bool:
    """Return whether `left` is what may be left of a text that is cut on one side."""
    if side == "middle":
        return any(text.startswith(left[:size]) and text.endswith(left[size:]) for size in range(len(left) + 1))
    return text.startswith(left) if side == "end" else text.endswith(left)


@settings(max_examples=400)
@given(HOSTILE, st.integers(0, 80), st.sampled_from(FAMILIES), st.sampled_from(SIDES))
def test_a_text_that_is_cut_is_short_enough(text: str, most: int, family: str, side: Side) -> None:
    left = truncate(text, most, family=family, side=side)
    assert is_within(left, most, family)
    if is_within(text, most, family) and most:
        assert left is text
    else:
        assert is_part(text, left, side)


@settings(max_examples=200)
@given(HOSTILE, st.integers(0, 80), st.sampled_from(SIDES))
def test_a_text_that_is_cut_is_short_enough_by_its_counter(text: str, most: int, side: Side) -> None:
    left = truncate(text, most, family="llama3", side=side, counter=ByBytes())
    assert ByBytes().count_text(left) <= most
    assert is_part(text, left, side)


def test_as_much_is_left_as_fits() -> None:
    for family, side, name in product(FAMILIES, SIDES, TEXTS):
        text = TEXTS[name] * 40
        left = truncate(text, 150, family=family, side=side)
        assert is_within(left, 150, family), (family, side, name)
        assert not is_within(left, 120, family), (family, side, name)
        assert is_part(text, left, side), (family, side, name)
    text = TEXTS["German"] * 10
    rising = [truncate(text, most, model=LLAMA_3_3) for most in range(0, 360, 3)]
    assert all(longer.startswith(shorter) for shorter, longer in pairwise(rising))
    assert rising[-1] == text


CHARACTERS = {
    "accents": "a\u0301\u0302",
    "a family": "👩\u200d👩\u200d👧\u200d👦",
    "a skin tone": "👍🏽",
    "a flag": "🇩🇪",
    "a flag of tags": "🏴\U000e0067\U000e0062\U000e007f",
    "a variation": "❤\ufe0f",
    "a keycap": "1\ufe0f⃣",
    "Hangul letters": "\u1112\u1161\u11ab",
    "a syllable and a letter": "가\u11a8",
    "a conjunct with a joiner": "क्\u200dष",
    "Tamil": "நி",
    "Thai": "กำ",
    "a line break": "\r\n",
    "a surrogate pair": "\ud83d\ude00",
    "a new emoji": "\U0001fae9",
    "a new ideograph": "\U000323b0",
}


def test_a_character_stays_whole() -> None:
    for name, character in CHARACTERS.items():
        size = ByBytes().count_text(character)
        for most, side in product(range(1, 4 * size), SIDES[:2]):
            left = truncate(character * 9, most, family="llama3", side=side, counter=ByBytes())
            assert left == character * (most // size), (name, side)
    for name, text in TEXTS.items():
        # Of consonants that a sign joins, another package makes one character; here the sign ends it.
        ends = {0, *(found.end() for found in regex.finditer(r"\X", text))}
        ends |= {place + 1 for place, character in enumerate(text) if character == "\u094d"}
        for most in range(len(text.encode())):
            left = truncate(text, most, family="llama3", counter=ByBytes())
            assert len(left) in ends, (name, left)
    # Flags are paired from their beginning.
    left = [truncate("x🇩🇪🇫🇷🇮🇹", most, family="llama3", counter=ByBytes()) for most in (8, 9, 16, 17)]
    assert left == ["x", "x🇩🇪", "x🇩🇪", "x🇩🇪🇫🇷"]


def test_words_stay_whole_unless_a_fifth_were_lost() -> None:
    four = "one two three four"
    rows: list[tuple[str, int, Side, str]] = [
        (four, 2, "end", "one two"),
        (four, 1, "end", "one"),
        (four, 2, "start", "three four"),
        (four, 2, "middle", "one four"),
        (four, 3, "middle", "one two four"),
        ("one\n\ntwo three   four", 2, "end", "one\n\ntwo"),
        ("one two   three four", 3, "start", "two   three four"),
        (four, 4, "end", four),
        *((text, most, "end", "") for text, most in ((four, 0), (four, -1), ("", 3))),
    ]
    for text, most, side, left in rows:
        assert truncate(text, most, family="llama3", side=side, counter=ByWords()) == left, (text, most, side)
    far, chinese = "x " + "x" * 2000 + " " + "y" * 2000, "今天 " + "的天气很好我们去公园散步吧" * 20
    for text, most, size in (
        ("short " + "x" * 100, 20, 20),
        ("short " + "x" * 100, 7, len("short")),
        (far, 2300, 2300),  # no blank is looked for far away
        (far, 2200, 2002),
        (chinese, 25, 25),  # without blanks a text is cut anywhere
    ):
        left = truncate(text, most, family="llama3", counter=ByBytes())
        assert (text.startswith(left), len(left.encode())) == (True, size), (text[:9], most)


def test_little_is_counted_of_a_long_text() -> None:
    counter = ByWords()
    text = words(100_000)
    assert truncate(text, 1000, family="llama3", counter=counter) == words(1000).rstrip()
    sizes = [len(each) for each in counter.seen if each != text]
    assert sum(sizes) < 100_000
    assert len(sizes) < 40
    assert max(counter.seen.values()) == 1


def test_the_certain_lower_bound_wins_over_the_estimate() -> None:
    left = truncate("a1" * 300, 400, family="llama3")
    assert tokens.lower_bound(left, "llama3") <= 400 < tokens.lower_bound("a1" * 300, "llama3")


def test_long_runs_of_joined_characters_are_cut_in_linear_time() -> None:
    for character in ("\u0915\u094d", "e\u0301", "e" + "\u0301" * 1000, "🇩🇪"):
        text = character * (20_000 // len(character))
        assert len(truncate(text, 3000, family="llama3")) < 6000, character


def test_arguments_are_checked() -> None:
    for options, message in (
        ({}, "truncate needs either `model` or `family`"),
        ({"model": LLAMA_3_3, "family": "llama3"}, "truncate needs either"),
        ({"family": "llama9"}, "`family` must be one of"),
        ({"family": "llama3", "side": "left"}, "`side` must be 'end', 'start' or 'middle', got 'left'"),
        ({"family": "llama3", "tokens": None}, "`tokens` must be a number of tokens, got None"),
        ({"family": "llama3", "tokens": "3"}, "`tokens` must be a number of tokens, got '3'"),
        ({"family": "llama3", "counter": 5}, "`counter` must have a method count_text"),
    ):
        given: dict[str, Any] = {"tokens": 3, **options}
        with row(options), pytest.raises(ConfigurationError, match=message):
            truncate("Hello", **given)
    for text in (None, b"Hello", 5):
        with pytest.raises(InputError, match=f"`text` must be a string, got {type(text).__name__}"):
            truncate(text, 3, family="llama3")  # pyright: ignore[reportArgumentType]  # what is tested
