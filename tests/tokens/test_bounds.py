"""The certain bounds: what they are for known texts, that they never cross, and that they take linear time."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cfai import tokens
from cfai.tokens import _bounds
from tests.tokens.conftest import FAMILIES, ROWS
from tests.work import work

NAMES = (
    "<s> </s> <unk> [INST] [/INST] [TOOL_CALLS] <|eot_id|> <|im_start|> <|reserved_special_token_250|> <SPECIAL_36> "
    "<|text_post_train_reserved_special_token_12|> <think> </think> <tool_call> <arg_key> <image> [gMASK] <sop> "
    "<\uff5cUser\uff5c> <\uff5cbegin\u2581of\u2581sentence\uff5c> \uff5cDSML\uff5c <fim_prefix> <2mass> [@BOS@] "
    "[toxicity=0]"
)
SPECIAL = [*NAMES.split(" "), " <PRE>"]
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


def test_a_text_has_at_least_the_tokens_that_its_borders_show() -> None:
    for family, text, least in [
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
    ]:
        assert tokens.lower_bound(text, family) == least, (family, text, least)


def test_a_text_has_at_most_the_tokens_that_its_bytes_allow() -> None:
    for family, text, most in [
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
    ]:
        assert tokens.upper_bound(text, family) == most, (family, text, most)


def test_what_a_server_may_read_as_one_token_counts_as_one() -> None:
    for family in (family for family in FAMILIES if ROWS[family].get("kind") is None):
        for spelling in SPECIAL:
            assert tokens.lower_bound(spelling, family) == 1, (family, spelling)
    for family in ("gemma2", "gemma3", "default"):  # tags are tokens there
        assert tokens.lower_bound("<table></table>", family) == 1, family
    assert tokens.lower_bound("<table></table>", "llama3") > 1
    assert tokens.lower_bound("a</s>" + " \t" * 50 + "b", "llama2") == 1  # blanks beside it may belong to it


@given(hostile, families)
@example("\u0301\u0323" * 40, "qwen2")
@settings(max_examples=600)
def test_the_bounds_never_cross(text: str, family: str) -> None:
    lower, upper = bounds(text, family)
    assert 0 <= lower <= upper


@given(st.lists(hostile, max_size=4), st.sampled_from(["", " ", "\n", "\n\n", "<|im_end|>\n"]), families)
@settings(max_examples=600)
def test_texts_added_up_never_pass_the_bound_of_the_whole(texts: list[str], between: str, family: str) -> None:
    texts = [text.strip() for text in texts]  # a special token may take blanks along
    assert tokens.count_borders(texts, family) <= max(0, tokens.lower_bound(between.join(texts), family) - 1)


@given(hostile, families)
@settings(max_examples=300)
def test_borders_are_fewer_than_tokens(text: str, family: str) -> None:
    assert tokens.count_borders([text], family) <= max(0, tokens.lower_bound(text, family) - 1)


def test_every_pair_that_is_kept_apart_is_a_border() -> None:
    of_class = dict(zip("lUdstnqpcx", "aA1 \t\n';\x01é", strict=True))
    for family in FAMILIES:
        row = ROWS[family]
        for left, right in row.get("apart", {}).items():
            for one in right:
                assert tokens.lower_bound(of_class[left] + of_class[one], family) == 2, (left, one)
        for one, longest in row.get("runs", {}).items():
            for length, least in ((longest, 1), (longest + 1, 2), (2 * longest, 2), (2 * longest + 1, 3)):
                assert tokens.lower_bound(of_class[one] * length, family) == least, (family, one, length)
        for left, right in row.get("marks", {}).items():
            for one in right:
                assert tokens.lower_bound(left + one, family) == 2, (left, one)


def test_adding_up_loses_two_borders_for_each_join() -> None:
    for texts, family, borders in (
        ([], "llama3", 0),
        (["a b c d"], "llama3", 3),
        (["a b c d"], "bert", 3),
        (["a b c d", "e f g h"], "llama3", 3 + 3 - 2),
        (["a b c d"] * 3, "llama3", 3 + 3 + 3 - 4),
        # Two texts may make a special token together.
        (["<|im_start", "|>"], "qwen2", 0),
        (["<|im_", "start|>"] * 100, "llama3", 0),
        # "=" and U+0338 are composed to one character, beside which Qwen's vocabulary has no border.
        (["a=", "\u0338"], "qwen2", 0),
    ):
        assert tokens.count_borders(texts, family) == borders, (texts, family)
    texts = ["Reading the 12 first lines, she stopped. " * 10] * 5
    for family in FAMILIES:
        assert tokens.count_borders(texts, family) >= 5 * tokens.lower_bound(texts[0], family) - 5 * 5, family


def test_a_bound_holds_whatever_the_server_makes_of_a_text() -> None:
    for text, family, lower in (
        ("a\ud83d1", "llama3", 1),  # half a surrogate pair cuts the text
        ("a1", "llama3", 2),
        ("a=", "qwen2", 2),
        ("\té", "qwen2", 2),  # composed, the tab stands before é: a border
        ("\te\u0301", "qwen2", 1),  # as it stands, it stands before e: none
        ("a=\u0338", "qwen2", 1),  # = is a mark of ASCII, which no letter goes with; composed it is not
        ("a=\u0338", "llama3", 2),
        ("a=" + "\u0338\u0323" * 20, "qwen2", 1),
    ):
        assert tokens.lower_bound(text, family) == lower, (text, family)
    assert tokens.upper_bound("\ud83d", "llama3") == 3


def bounds(text: str, family: str) -> tuple[int, int]:
    return tokens.lower_bound(text, family), tokens.upper_bound(text, family)


def test_the_work_is_linear_whatever_is_stacked() -> None:
    for unit in [*"a \n<'1中\u0301\u2581\ud83d", "[a", "<|", "<a", "<aaaa_", "aA", " " * 511 + "a"]:
        for family in ["llama2", "glm4", "gemma3", "qwen2", "bert", "xlmr"]:
            texts = [unit * (length // len(unit)) for length in (5_000, 50_000)]
            short, long = (sum(work(partial(bounds, text, family))) for text in texts)
            assert long <= 11 * short + 1000, (unit, family)
    stack = "e" + "\u0301\u0323" * 25_000  # seconds if it were sorted
    for family in FAMILIES:
        lower, upper = bounds(stack + " a" * 9, family)
        assert 0 <= lower <= upper, family
        assert tokens.estimate_unrounded(stack, family) >= 0, family


def test_the_table_of_every_family_is_what_the_bounds_stand_on() -> None:
    for family, row in ROWS.items():
        for pair, held in row.get("crossed", {}).items():
            assert pair[1] not in row["apart"].get(pair[0], ""), family
            for token in held:  # the count of borders takes one off for each such token
                assert len(_bounds._load_cores(token, pair)) == 1, token
        if row.get("kind") is None:  # escapes of JSON have borders: see `_UNESCAPED_BY_JSON`
            assert "d" in row["apart"]["l"], family
            assert "l" in row["apart"]["d"], family


def test_the_package_has_exact_public_names_and_loads_nothing_before_they_are_used() -> None:
    code = "import json, sys, cfai.tokens; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in json.loads(done.stdout) if name.startswith("cfai.tokens.")}
    assert loaded <= {"cfai.tokens._images", "cfai.tokens._templates"}
    assert [name for name in tokens.__all__ if hasattr(tokens, name)] == ["TokenCount", "TokenCounter", "count_tokens"]
    with pytest.raises(AttributeError, match="'counts'"):
        _ = tokens.counts
