"""What is left of texts that are too long, and where they may be cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from cfai import tokens
from cfai._errors import ConfigurationError, InputError
from cfai._limits import fit_messages as _trim
from cfai._limits import graphemes as _graphemes
from cfai._limits.fit_messages import truncate
from cfai._limits.graphemes import is_border
from tests.texts import FAMILIES, SURE, TEXTS, ByWords, words

LLAMA_3_3 = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
SIDES: list[Literal["end", "start", "middle"]] = ["end", "start", "middle"]
JOINED = [
    "\u0301",
    "\u200d",
    "\ufe0f",
    "\u094d",
    "\u0915",
    "\u1100",
    "\u1161",
    "\u11a8",
    "각",
    "가",
    "\r",
    "\n",
    "🇩",
    "🏽",
    "👩",
    "\u0600",
    "\u0d4e",
    "\u0e33",
    "\u200c",
    "\U000e0067",
    "\u1780\u17d2",
    "\u0d4d",
    "\uff9e",
    "\u0378",
    "漢",
    " ",
    "a",
]
HOSTILE = st.lists(st.sampled_from(JOINED) | st.characters() | st.sampled_from([*TEXTS.values()]), max_size=60).map(
    "".join
)


class ByBytes:
    def count_text(self, text: str, /) -> int:
        return len(text.encode("utf-8", "surrogatepass"))


def is_within(text: str, most: int, family: str) -> bool:
    if not text or tokens.upper(text, family) <= most:
        return True
    return tokens.cost(text, family) <= most * SURE[text.isascii()] and tokens.lower(text, family) <= most


def borders(text: str) -> set[int]:
    """Where a text may be cut, by the second opinion of another package."""
    return {0, *(found.end() for found in regex.finditer(r"\X", text))}


def is_cut_between_characters(text: str, left: str, side: str) -> bool:
    places = borders(text)
    if side == "end":
        return text.startswith(left) and len(left) in places
    if side == "start":
        return text.endswith(left) and len(text) - len(left) in places
    return any(
        text.startswith(left[:size]) and text.endswith(left[size:])
        and size in places and len(text) - len(left) + size in places
        for size in range(len(left) + 1)
    )  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(HOSTILE, st.integers(0, 80), st.sampled_from(FAMILIES), st.sampled_from(SIDES), st.booleans())
def test_a_text_is_short_enough_and_no_character_is_cut(
    text: str, most: int, family: str, side: Literal["end", "start", "middle"], words: bool
) -> None:
    left = truncate(text, most, family=family, side=side, at="word" if words else "grapheme")
    assert is_within(left, most, family)
    if is_within(text, most, family) and most:
        assert left is text
    else:
        assert is_cut_between_characters(text, left, side)


@settings(max_examples=200, deadline=None)
@given(HOSTILE, st.integers(0, 80), st.sampled_from(SIDES))
def test_a_counter_is_asked_for_what_is_left(text: str, most: int, side: Literal["end", "start", "middle"]) -> None:
    left = truncate(text, most, family="llama3", side=side, counter=ByBytes())
    assert ByBytes().count_text(left) <= most
    assert is_cut_between_characters(text, left, side)


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_no_place_to_cut_is_inside_a_character(text: str) -> None:
    assert {place for place in range(len(text) + 1) if _graphemes.is_border(text, place)} <= borders(text)


@pytest.mark.parametrize("name", TEXTS)
def test_in_plain_texts_all_places_to_cut_are_found(name: str) -> None:
    text = TEXTS[name] * 2
    assert {place for place in range(len(text) + 1) if _graphemes.is_border(text, place)} == borders(text)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", TEXTS)
def test_as_much_is_left_as_fits(name: str, side: Literal["end", "start", "middle"], family: str) -> None:
    text = TEXTS[name] * 40
    left = truncate(text, 150, family=family, side=side)
    assert is_within(left, 150, family)
    assert is_cut_between_characters(text, left, side)
    assert not is_within(left, 120, family)


WHOLE = [
    ("accents", "a\u0301\u0302"),
    ("a family", "👩\u200d👩\u200d👧\u200d👦"),
    ("a skin tone", "👍🏽"),
    ("a flag", "🇩🇪"),
    ("a flag of tags", "🏴\U000e0067\U000e0062\U000e007f"),
    ("a variation", "❤\ufe0f"),
    ("a keycap", "1\ufe0f⃣"),
    ("Hangul letters", "\u1112\u1161\u11ab"),
    ("a syllable and a letter", "가\u11a8"),
    ("a conjunct", "क्ष"),
    ("a conjunct with a joiner", "क्\u200dष"),
    ("Tamil", "நி"),
    ("Thai", "กำ"),
    ("a Khmer subscript", "\u1780\u17d2\u1780"),
    ("a number sign", "\u0600\u0661"),
    ("a line break", "\r\n"),
    ("a surrogate pair", "\ud83d\ude00"),
]


@pytest.mark.parametrize("character", [character for _, character in WHOLE], ids=[name for name, _ in WHOLE])
def test_what_looks_like_one_character_stays_whole(character: str) -> None:
    size = ByBytes().count_text(character)
    for most in range(1, 4 * size):
        whole = most // size
        assert truncate(character * 9, most, family="llama3", at="grapheme", counter=ByBytes()) == character * whole
        left = truncate(character * 9, most, family="llama3", at="grapheme", counter=ByBytes(), side="start")
        assert left == character * whole


def test_what_python_does_not_know_yet_may_be_a_mark() -> None:
    assert truncate("ab\u0897", 3, family="llama3", counter=ByBytes()) == "a"
    assert truncate("\u0897a", 2, family="llama3", counter=ByBytes()) in ("", "\u0897")


def test_new_emoji_and_ideographs_are_no_marks() -> None:
    for character in ("\U0001fae9", "\U000323b0"):
        assert truncate(character * 3, 8, family="llama3", counter=ByBytes()) == character * 2


def test_flags_are_paired_from_their_beginning() -> None:
    text = "x" + "🇩🇪🇫🇷🇮🇹"
    assert [truncate(text, most, family="llama3", counter=ByBytes()) for most in (8, 9, 16, 17)] == [
        "x", "x🇩🇪", "x🇩🇪", "x🇩🇪🇫🇷",
    ]  # fmt: skip


WORDS: list[tuple[str, int, Literal["end", "start", "middle"], str]] = [
    ("one two three four", 2, "end", "one two"),
    ("one two three four", 2, "start", "three four"),
    ("one two three four", 2, "middle", "one four"),
    ("one two three four", 3, "middle", "one two four"),
    ("one\n\ntwo three   four", 2, "end", "one\n\ntwo"),
    ("one two   three four", 3, "start", "two   three four"),
    ("one two three four", 4, "end", "one two three four"),
    ("one two three four", 0, "end", ""),
    ("one two three four", -1, "end", ""),
    ("", 3, "end", ""),
]


@pytest.mark.parametrize(("text", "most", "side", "left"), WORDS)
def test_words_stay_whole(text: str, most: int, side: Literal["end", "start", "middle"], left: str) -> None:
    assert truncate(text, most, family="llama3", side=side, counter=ByWords()) == left


def test_a_word_is_cut_rather_than_a_fifth_lost() -> None:
    text = "short " + "x" * 100
    assert truncate(text, 20, family="llama3", counter=ByBytes()) == text[:20]
    assert truncate(text, 7, family="llama3", counter=ByBytes()) == "short"
    assert truncate(text, 7, family="llama3", counter=ByBytes(), at="grapheme") == "short x"


def test_no_blank_is_looked_for_far_away() -> None:
    text = "x " + "x" * 2000 + " " + "y" * 2000
    assert len(truncate(text, 2300, family="llama3", counter=ByBytes())) == 2300
    assert len(truncate(text, 2200, family="llama3", counter=ByBytes())) == 2002


def test_scripts_without_blanks_are_cut_anywhere() -> None:
    text = "今天 " + "的天气很好我们去公园散步吧" * 20
    assert len(truncate(text, 25, family="llama3", counter=ByBytes()).encode()) == 25


def test_little_is_counted_of_a_long_text() -> None:
    counter = ByWords()
    text = words(100_000)
    assert truncate(text, 1000, family="llama3", counter=counter) == words(1000).rstrip()
    sizes = [len(each) for each in counter.seen if each != text]
    assert sum(sizes) < 100_000
    assert len(sizes) < 40
    assert max(counter.seen.values()) == 1


def test_more_tokens_leave_more_of_a_text() -> None:
    text = TEXTS["German"] * 10
    left = [truncate(text, most, model=LLAMA_3_3) for most in range(0, 360, 3)]
    assert all(longer.startswith(shorter) for shorter, longer in pairwise(left))
    assert left[-1] == text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "truncate needs either model= or family="),
        ({"model": LLAMA_3_3, "family": "llama3"}, "truncate needs either"),
        ({"family": "llama9"}, "unknown tokenizer family"),
        ({"family": "llama3", "side": "left"}, "side is 'left': give 'end', 'start' or 'middle'"),
        ({"family": "llama3", "tokens": None}, "tokens is None: give a number of tokens"),
        ({"family": "llama3", "tokens": "3"}, "tokens is '3': give a number of tokens"),
        ({"family": "llama3", "counter": 5}, "counter has a method count_text"),
        ({"family": "llama3", "at": "line"}, "at is 'line': give 'word' or 'grapheme'"),
    ],
)
def test_so_does_a_cut_that_cannot_be_made(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        truncate("Hello", **{"tokens": 3, **options})


@pytest.mark.parametrize("text", [None, b"Hello", 5])
def test_what_is_no_text_is_told(text: Any) -> None:
    with pytest.raises(InputError, match=f"truncate cuts a text, not {type(text).__name__}"):
        truncate(text, 3, family="llama3")


@pytest.mark.parametrize("char", ["\u0915\u094d", "e\u0301", "\U0001f1e9\U0001f1ea"])
def test_where_a_character_ends_is_looked_up_once(char: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    def spied(text: str, place: int) -> bool:
        nonlocal looked
        looked += 1
        return is_border(text, place)

    monkeypatch.setattr(_trim, "is_border", spied)
    text = char * 20_000
    assert len(truncate(text, 300, family="llama3")) < 1000
    assert 0 < looked < 1.2 * len(text)
