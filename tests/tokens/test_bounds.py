from __future__ import annotations

import subprocess
import sys
import unicodedata
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cfai import tokens
from cfai.tokens import _bounds
from tests.tokens.conftest import FAMILIES, ROWS

SPECIAL = [
    "<s>",
    "</s>",
    "<unk>",
    "[INST]",
    "[/INST]",
    "[TOOL_CALLS]",
    "<|eot_id|>",
    "<|im_start|>",
    "<|reserved_special_token_250|>",
    "<|text_post_train_reserved_special_token_12|>",
    "<SPECIAL_36>",
    "<think>",
    "</think>",
    "<tool_call>",
    "<arg_key>",
    "<image>",
    "[gMASK]",
    "<sop>",
    "<\uff5cUser\uff5c>",
    "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
    "\uff5cDSML\uff5c",
    "<fim_prefix>",
    " <PRE>",
    "<2mass>",
    "[@BOS@]",
    "[toxicity=0]",
]
MARKS = ["\u0301", "\u0338", "\u0323", "\u3099", "\u05b4", "\u0e48"]
CROSSING = sorted({token for row in ROWS.values() for held in row.get("crossed", {}).values() for token in held})

pieces = st.one_of(
    st.text(max_size=8),
    st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=127), max_size=12),
    st.sampled_from(SPECIAL),
    st.sampled_from([half for spelling in SPECIAL for half in (spelling[:3], spelling[3:])]),
    st.sampled_from(CROSSING),
    st.builds(
        str.__mul__, st.sampled_from([*MARKS, *"aZ5 \t\n\r'!\x00\u4e2d\u1100\u1161\u11a8\u2581"]), st.integers(1, 70)
    ),
    st.sampled_from(
        ["\ud83d", "\ude00", "\udcff", "\U0001f600", "\u0958", "\U0001d160", "\ufdfa", "don't", "unto ", "  def"]
    ),
)
hostile = st.lists(pieces, max_size=8).map("".join)
families = st.sampled_from(FAMILIES)


@pytest.mark.parametrize(
    ("family", "text", "least"),
    [
        ("llama3", "", 0),
        ("llama3", "word", 1),
        ("llama3", "Where is New York?", 5),  # four words and a mark
        ("llama3", "1234567", 3),  # digits by threes
        ("llama2", "1234567", 7),  # each digit is a token
        ("llama2", "\t\t\t", 3),  # so is each tab
        ("llama3", "\t" * 21, 2),  # 20 tabs are the longest run
        ("llama3", "\t" * 40, 2),
        ("llama3", "\t" * 41, 3),
        ("llama3", "x" * 27, 2),
        ("llama2", "中文字符", 4),  # three bytes a token at most
        ("llama3", "中文字符", 1),  # 18 bytes
        ("llama3", "中" * 7, 2),
        ("llama3", "it's", 2),
        ("llama3", "'é'é'é'é", 4),  # a token has 'é, but none has é'
        ("llama3", "'É'é'é'É", 6),
        ("llama3", "'É'É'É'É", 8),  # no token has 'É
        ("deepseek_coder", "a '", 2),  # a token has the blank and the quote
        ("whisper", "'' ''", 2),
        ("llama2", "a quothed b", 4),  # a word that stands in no token is cut
        ("llama2", "a the b", 3),
        ("llama2", "quothed", 1),  # it may go on at both ends
        ("llama2", "a  b", 3),  # no token has two blanks and a letter
        ("llama2", "a b", 2),
        ("llama2", "};{", 2),  # no token has these marks side by side
        ("llama2", "Z" * 8, 2),
        ("llama2", "\x7f\x7f", 2),
        ("llama2", "\x01\x7f\x01", 3),  # no token has two control characters
        ("deepseek_v3", "\n\tx" * 6, 10),  # tokens that have newline and tab have more: two may reach over the ends
        ("deepseek_v3", "\n\t\n" * 6, 1),  # one of those tokens
        ("bert", "a, b!", 4),
        ("bert", "中文", 0),  # may be dropped
        ("xlmr", "a, b! 中", 2),
    ],
)
def test_a_text_has_at_least_the_tokens_that_its_borders_show(family: str, text: str, least: int) -> None:
    assert tokens.lower(text, family) == least


@pytest.mark.parametrize(
    ("family", "text", "most"),
    [
        ("llama3", "", 0),
        ("llama2", "", 0),
        ("llama3", "word", 4),
        ("llama2", "word", 5),  # and the blank before it
        ("llama3", "1234567", 3),
        ("llama2", "1234567", 8),
        ("llama3", "a1234b", 4),
        ("llama3", "é1234", 6),  # digits beside another script may be cut elsewhere
        ("llama3", "1234é", 6),
        ("llama3", "中", 3),
        ("qwen2", "e\u0301", 3),  # as it stands, though it is composed to two bytes
        ("qwen2", "\u0958", 6),  # composed to two characters
        ("llama3", "\u0958", 3),
        ("qwen2", "\u0301\u0323" * 20, 240),  # a stack that is not composed: three times its bytes
        ("bert", "a b\n", 2),
        ("bert", "é", 2),
        ("xlmr", "ab", 3),
        ("xlmr", "\ufdfa", 19),  # one character that stands for 18
    ],
)
def test_a_text_has_at_most_the_tokens_that_its_bytes_allow(family: str, text: str, most: int) -> None:
    assert tokens.upper(text, family) == most


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("spelling", SPECIAL)
def test_what_a_server_may_read_as_one_token_counts_as_one(family: str, spelling: str) -> None:
    if ROWS[family].get("kind") is None:
        assert tokens.lower(spelling, family) == 1


@pytest.mark.parametrize("family", ["gemma2", "gemma3", "default"])
def test_tags_are_tokens_where_the_vocabulary_has_them(family: str) -> None:
    assert tokens.lower("<table></table>", family) == 1
    assert tokens.lower("<table></table>", "llama3") > 1


def test_blanks_beside_a_special_token_are_not_counted() -> None:
    assert tokens.lower("a</s>" + " \t" * 50 + "b", "llama2") == 1


@given(hostile, families)
@example("\u0301\u0323" * 40, "qwen2")
@settings(max_examples=600, deadline=None)
def test_the_bounds_never_cross(text: str, family: str) -> None:
    assert 0 <= tokens.lower(text, family) <= tokens.upper(text, family)


@given(st.lists(hostile, max_size=4), st.sampled_from(["", " ", "\n", "\n\n", "<|im_end|>\n"]), families)
@settings(max_examples=600, deadline=None)
def test_texts_added_up_never_pass_the_bound_of_the_whole(texts: list[str], between: str, family: str) -> None:
    texts = [text.strip() for text in texts]  # a special token may take blanks along
    assert tokens.bounded(texts, family) <= max(0, tokens.lower(between.join(texts), family) - 1)


@given(hostile, families)
@settings(max_examples=300, deadline=None)
def test_borders_are_fewer_than_tokens(text: str, family: str) -> None:
    assert tokens.borders(text, family) <= max(0, tokens.lower(text, family) - 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_pair_that_is_kept_apart_is_a_border(family: str) -> None:
    of_class = {"l": "a", "U": "A", "d": "1", "s": " ", "t": "\t", "n": "\n", "q": "'", "p": ";", "c": "\x01", "x": "é"}
    row = ROWS[family]
    for left, right in row.get("apart", {}).items():
        for one in right:
            assert tokens.lower(of_class[left] + of_class[one], family) == 2, (left, one)
    for one, longest in row.get("runs", {}).items():
        assert tokens.lower(of_class[one] * longest, family) == 1
        assert tokens.lower(of_class[one] * (longest + 1), family) == 2
        assert tokens.lower(of_class[one] * (2 * longest), family) == 2
        assert tokens.lower(of_class[one] * (2 * longest + 1), family) == 3
    for left, right in row.get("marks", {}).items():
        for one in right:
            assert tokens.lower(left + one, family) == 2, (left, one)


@pytest.mark.parametrize("family", FAMILIES)
def test_adding_up_keeps_nearly_all_borders_of_each_text(family: str) -> None:
    sentence = "Reading the 12 first lines, she stopped. "
    texts = [sentence * 10] * 5
    assert tokens.bounded(texts, family) >= 5 * tokens.lower(texts[0], family) - 5 * 5


def test_adding_up_loses_two_for_each_join() -> None:
    assert tokens.bounded([], "llama3") == 0
    assert tokens.bounded(["a b c d"], "llama3") == 3
    assert tokens.bounded(["a b c d"], "bert") == 3
    assert tokens.bounded(["a b c d", "e f g h"], "llama3") == 3 + 3 - 2
    assert tokens.bounded(["a b c d"] * 3, "llama3") == 3 + 3 + 3 - 4


def test_two_texts_that_make_a_special_token_together_count_as_one() -> None:
    assert tokens.bounded(["<|im_start", "|>"], "qwen2") == 0
    assert tokens.bounded(["<|im_", "start|>"] * 100, "llama3") == 0


def test_a_mark_that_begins_the_next_text_may_change_the_character_before() -> None:
    # "=" and U+0338 are composed to one character, beside which Qwen's vocabulary has no border.
    assert tokens.bounded(["a=", "\u0338"], "qwen2") == 0
    assert tokens.lower("a=", "qwen2") == 2


def test_half_a_surrogate_pair_cuts_the_text_whatever_becomes_of_it() -> None:
    assert tokens.lower("a\ud83d1", "llama3") == 1
    assert tokens.lower("a1", "llama3") == 2
    assert tokens.upper("\ud83d", "llama3") == 3


def test_a_bound_holds_whether_or_not_the_text_is_composed() -> None:
    # Composed, the tab stands before é: a border. As it stands, it stands before e: none.
    assert tokens.lower("\té", "qwen2") == 2
    assert tokens.lower("\te\u0301", "qwen2") == 1
    # And = is a mark of ASCII, which no letter goes with; composed it is not.
    assert tokens.lower("a=\u0338", "qwen2") == 1
    assert tokens.lower("a=\u0338", "llama3") == 2
    assert tokens.lower("a=" + "\u0338\u0323" * 20, "qwen2") == 1


def test_a_stack_of_marks_is_never_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    tallest = 0

    def normalize(form: Any, text: str) -> str:
        nonlocal tallest
        height = 0
        for char in text:
            height = height + 1 if unicodedata.combining(char) else 0
            tallest = max(tallest, height)
        return unicodedata.normalize(form, text)

    recorder = SimpleNamespace(combining=unicodedata.combining, normalize=normalize)
    monkeypatch.setattr(_bounds, "unicodedata", recorder)
    stack = "e" + "\u0301\u0323" * 5000
    for family in FAMILIES:
        tokens.lower(stack + " a" * 9, family)
        tokens.upper(stack, family)
    assert 0 < tallest < 32


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        " ",
        "\n",
        "<",
        "[a",
        "<|",
        "<a",
        "<aaaa_",
        "'",
        "1",
        "aA",
        "中",
        "\u0301",
        "\u2581",
        "\ud83d",
        " " * 511 + "a",
    ],
)
@pytest.mark.parametrize("family", ["llama2", "glm4", "gemma3", "qwen2", "bert", "xlmr"])
def test_the_work_is_linear(family: str, unit: str) -> None:
    short, long = (unit * (length // len(unit)) for length in (20_000, 200_000))
    assert work(long, family) <= 11 * work(short, family) + 1000


def work(text: str, family: str) -> int:
    """How many characters the functions of Python's own are called on while a text is counted."""
    done = 0

    def count(frame: FrameType, event: str, called: Any) -> None:
        nonlocal done
        if event == "c_call":
            given = getattr(called, "__self__", None)
            done += 1 + (len(given) if isinstance(given, str | bytes) else 0)

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        tokens.lower(text, family)
        tokens.upper(text, family)
    finally:
        sys.setprofile(before)
    return done


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(ValueError, match=r"'llama9'.*llama3"):
        tokens.lower("text", "llama9")


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_that_cross_a_pair_hold_it_once(family: str) -> None:
    # The count of borders takes one off for each such token.
    for pair, held in ROWS[family].get("crossed", {}).items():
        assert pair[1] not in ROWS[family]["apart"].get(pair[0], "")
        for token in held:
            assert len(_bounds._cores(token, pair)) == 1, token


@pytest.mark.parametrize("family", FAMILIES)
def test_escapes_of_json_have_borders_in_every_family(family: str) -> None:
    # What the limit check makes of tool results stands on this: see `_KEPT_BY_JSON`.
    row = ROWS[family]
    if row.get("kind") is None:
        assert "d" in row["apart"]["l"]
        assert "l" in row["apart"]["d"]


def test_importing_loads_nothing() -> None:
    code = "import sys, cfai.tokens; print([name for name in sys.modules if name.startswith('cfai.tokens.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_names_of_the_package_are_exact() -> None:
    assert all(hasattr(tokens, name) for name in tokens.__all__)
    with pytest.raises(AttributeError, match="'counts'"):
        _ = tokens.counts
