"""The estimate, and `count_tokens`, against real counts and hostile texts."""

from __future__ import annotations

import json
import sys
from statistics import mean, quantiles
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfai import ConfigurationError, count_tokens, tokens
from cfai.tokens import _estimate, _features
from cfai.tokens._features import PIECE, features
from tests.tokens.conftest import FAMILIES, Sample

CHAT = [
    "llama2",
    "mistral_v1",
    "tekken",
    "llama3",
    "llama4",
    "gemma2",
    "gemma3",
    "qwen2",
    "qwen3_5",
    "o200k",
    "deepseek_v3",
    "glm4",
    "kimi_k2",
]
LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
LATIN = ["nordic_etc", "tr_pl_cs"]
PLAIN = [
    "prose_en",
    "markdown",
    "json",
    "tool_schema",
    *(f"code_{name}" for name in ("py", "js", "ts", "c_cpp", "java_kt", "go_rs", "rb_sh_sql")),
]


def errors(samples: list[Sample], family: str, kinds: list[str] | None = None) -> list[float]:
    """How far off the estimate is, for each text of 500 bytes and more."""
    return [
        abs(tokens.estimate(sample.text, family) - sample.counts[family]) / sample.counts[family]
        for sample in samples
        if len(sample.text.encode()) >= 500 and (kinds is None or sample.kind in kinds)
    ]


# The rates were fitted to these same texts, so this says that the shipped rates are those, not how good they are on
# others: that is what `python -m tests.benchmarks estimate` measures.
@pytest.mark.parametrize("family", CHAT)
def test_the_rates_are_those_that_were_fitted(family: str, samples: list[Sample]) -> None:
    found = errors(samples, family)
    assert mean(found) < 0.035
    assert quantiles(found, n=20)[-1] < 0.14
    assert mean(errors(samples, family, PLAIN)) < 0.035
    assert mean(errors(samples, family, LATIN)) < 0.10


def test_small_languages_in_latin_letters_are_8_per_cent_off_at_most(samples: list[Sample]) -> None:
    assert mean(mean(errors(samples, family, LATIN)) for family in CHAT) < 0.08


@pytest.mark.parametrize("family", ["llama2", "qwen2", "xlmr"])
def test_an_estimate_is_within_the_certain_bounds(family: str, samples: list[Sample]) -> None:
    for sample in samples:
        assert (
            tokens.lower(sample.text, family)
            <= tokens.estimate(sample.text, family)
            <= tokens.upper(sample.text, family)
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_no_token_and_something_is_one(family: str) -> None:
    assert tokens.estimate("", family) == 0
    if family not in ("bert", "xlmr"):
        assert [tokens.estimate(char, family) >= 1 for char in "a1 \n.\u4e2d"] == [True] * 6


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.characters(), max_size=60) | st.text("aZ09 \n\t\r.=_'\u00e9\u4e2d\U0001f600\ud83d\u0301", max_size=60)
)
def test_any_text_has_an_estimate(text: str) -> None:
    assert "".join(PIECE.findall(text)) == text
    for family in ("llama3", "qwen2", "xlmr"):
        assert tokens.lower(text, family) <= tokens.estimate(text, family) <= tokens.upper(text, family)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_every_feature_is_a_number_of_something(text: str) -> None:
    assert all(size >= 0 for piece in PIECE.findall(text) for size in features(piece).values())


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
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
    ],
)
def test_pieces_have_features(piece: str, expected: dict[str, int]) -> None:
    assert PIECE.findall(piece) == [piece]
    assert {name: int(size) for name, size in features(piece).items() if size} == expected


@pytest.mark.parametrize("level", [7, 3])
def test_the_sets_have_common_words_and_seldom_others(level: int) -> None:
    common = ["the", " the", " world", " function", "return", " information", " because", " people"]
    assert all(_features._is_known(word, level) for word in common)
    wrong = sum(_features._is_known(f"qxz{number}vjk", level) for number in range(5000))
    assert wrong < 60  # one in 256 by construction


def test_a_rare_word_is_cut_and_a_common_one_is_not() -> None:
    assert (features(" information")["parts 7"], features(" zyxqwvkjbfgh")["parts 7"] > 3) == (1, True)


def work(text: str) -> int:
    """How many functions are called while a text is estimated."""
    done = 0

    def count(frame: FrameType, event: str, called: Any) -> None:
        nonlocal done
        done += event in ("call", "c_call")

    _estimate._family.cache_clear()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        tokens.cost(text, "llama3")
    finally:
        sys.setprofile(before)
    return done


@pytest.mark.parametrize("unit", ["a", "aB", "1a", " ", "\n", "=-", "word ", "\u4e2d", "\u0561", "\u00e9", "1"])
def test_the_work_is_linear(unit: str) -> None:
    short, long = (unit * (size // len(unit)) for size in (500, 5_000))
    assert work(long) <= 12 * work(short) + 500


def test_pieces_that_came_before_are_not_looked_at_again() -> None:
    assert work("Where is New York? " * 50) < 2000


@pytest.mark.parametrize("call", [tokens.estimate, tokens.cost])
def test_an_unknown_family_is_named(call: Any) -> None:
    with pytest.raises(ValueError, match=r"'llama9'.*llama3"):
        call("text", "llama9")


# count_tokens

HELLO = "Where is New York?"


def test_a_text_is_counted_for_a_model_or_a_family() -> None:
    count = count_tokens(HELLO, model=LLAMA)
    assert count == count_tokens(HELLO, family="llama3")
    assert (int(count), count.family, count.certain, count.exact, count.images) == (5, "llama3", True, False, 0)
    assert count.lower <= count.estimate <= count.upper


def test_a_model_whose_tokenizer_is_not_known_is_counted_by_the_default() -> None:
    count = count_tokens(HELLO, model="@cf/somebody/new")
    assert (count.family, count.certain) == ("default", False)


@pytest.mark.parametrize("options", [{}, {"model": LLAMA, "family": "llama3"}, {"family": "llama9"}])
def test_what_is_asked_for_has_to_be_clear(options: Any) -> None:
    with pytest.raises(ConfigurationError):
        count_tokens(HELLO, **options)


def messages(*contents: Any) -> list[dict[str, Any]]:
    return [
        {"role": "assistant" if place % 2 else "user", "content": content} for place, content in enumerate(contents)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_conversation_is_its_texts_and_what_stands_around_them(family: str) -> None:
    one, three = (count_tokens(messages(*[HELLO] * number), family=family) for number in (1, 3))
    text = count_tokens(HELLO, family=family)
    assert text.estimate < one.estimate < three.estimate
    assert one.lower <= text.lower
    assert one.upper >= text.upper + 100
    assert three.lower <= three.estimate <= three.upper


def test_a_system_message_tools_and_calls_count() -> None:
    plain = messages(HELLO)
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    calls = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"city": "New York"}}}]}
    flat = {"role": "assistant", "tool_calls": [{"name": "f", "arguments": json.dumps({"city": "New York"})}]}
    result = {"role": "tool", "content": "It rains."}
    base = count_tokens(plain, family="glm4").estimate
    assert count_tokens([{"role": "system", "content": "Be brief."}, *plain], family="glm4").estimate > base + 2
    assert count_tokens(plain, family="glm4", tools=[tool]).estimate > base + 97
    assert count_tokens([*plain, calls], family="glm4").estimate > base + 14
    assert count_tokens([*plain, flat], family="glm4").estimate > base + 14
    assert count_tokens([*plain, result], family="glm4").estimate > base + 7


def test_an_image_is_a_guess_and_its_base64_nothing() -> None:
    parts = [
        {"type": "text", "text": HELLO},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}},
    ]
    count = count_tokens(messages(parts), family="glm4")
    assert count.images == 1
    assert 1000 < count.estimate < 1100
    assert count.upper < 5000


def test_odd_messages_break_nothing() -> None:
    odd: Any = [
        {},
        {"role": 5, "content": 7},
        {"content": [None, {"type": "text"}]},
        {"tool_calls": ["x", {"function": {}}]},
    ]
    assert count_tokens(odd, family="llama3").estimate > 0
