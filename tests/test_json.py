"""JSON as the service sends it."""

from __future__ import annotations

import json
import math
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfai._json import join_surrogates, loads, raw_number, split_surrogate, to_builtins, to_compact_json, value_to_text
from tests.conftest import row


def test_loads_takes_what_the_service_sends() -> None:
    for data, expected in [
        (b'{"response": "caf\xc3\xa9"}', {"response": "café"}),
        (b' [1, 2.5, true, null, "a"] \r\n', [1, 2.5, True, None, "a"]),
        (b"12345678901234567890", 12345678901234567890),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\ud83d"', "\ud83d"),
        (b'"\\ude00 \\ud83d"', "\ude00 \ud83d"),
        (b'"a\xffb\xe2\x82"', "a\ufffdb\ufffd"),
        ('"\u2028\x85"'.encode(), "\u2028\x85"),
        (b"[Infinity, -Infinity]", [math.inf, -math.inf]),
    ]:
        assert loads(data) == expected, (data, expected)
    assert math.isnan(loads(b"NaN"))


def test_loads_raises_value_error_for_what_is_not_json() -> None:
    for data in [
        *(b"", b" ", b"[DONE]", b"{", b'{"a":}', b"a", b"'a'", b'"a', b"01", b"{} {}", b'"\n"', b"\xff"),
        *(b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000),
    ]:
        with row(data[:9]), pytest.raises(ValueError, match=r"."):
            loads(data)


@settings(max_examples=200)
@given(st.binary(max_size=30) | st.text(alphabet='[]{}",:\\u0d8eE+-.19ntfalsr ', max_size=30).map(str.encode))
def test_loads_raises_nothing_else_for_any_bytes(data: bytes) -> None:
    try:
        value = loads(data)
    except ValueError:
        return
    assert isinstance(value, dict | list | str | int | float | None)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(_values, st.booleans())
def test_loads_gives_back_what_was_written(value: Any, ascii: bool) -> None:
    assert loads(json.dumps(value, ensure_ascii=ascii).encode("utf-8", "surrogatepass" if ascii else "replace")) == (
        value if ascii else json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    )


def test_digits_are_kept_as_written() -> None:
    for digits in ["0", "-0", "0.10", "1e3", "1E+05", "12345678901234567890", "NaN", "-Infinity", "Infinity"]:
        data = f' {{"a": [{digits}, true], "b": "{digits}", "c": null}}\n'.encode()
        assert raw_number(data, ["a", 0]) == digits, digits
        assert raw_number(data, ["a"]) == f"[{digits},true]", digits
        assert raw_number(data, ["b"]) == digits, digits
        assert raw_number(data, []) == f'{{"a":[{digits},true],"b":"{digits}","c":null}}', digits
    # A path ends where there are no fields; bad UTF-8 is read as by `loads`.
    for data, path, expected in (
        (b'{"result": 0.10}', ["result", "response"], "0.10"),
        (b'{"result": [0.10]}', ["result", "response"], "[0.10]"),
        (b'{"a": [0.10, "\xff", "\xc3\xa9"]}', ["a"], '[0.10,"\ufffd","\u00e9"]'),
    ):
        assert raw_number(data, path) == expected, data


def test_a_value_has_a_text_without_spaces_and_escapes() -> None:
    assert to_compact_json({"a": [1, "é\u2028"], "b": None}) == '{"a":[1,"é\u2028"],"b":null}'
    texts = [(None, ""), ("", ""), ("a", "a"), ("0.10", "0.10"), (True, "true"), (False, "false"), ({}, "{}")]
    for value, expected in [*texts, ([1, None], "[1,null]"), (0, "0")]:
        assert value_to_text(value) == expected, (value, expected)


def test_mappings_in_mappings_become_dicts() -> None:
    inner = MappingProxyType({"b": MappingProxyType({"c": (1, MappingProxyType({}))})})
    made = to_builtins({"a": inner})
    assert made == {"a": {"b": {"c": [1, {}]}}}
    assert type(made["a"]["b"]["c"][1]) is dict


def test_halves_of_surrogate_pairs_are_joined_and_lone_ones_replaced_or_split_off_at_the_end() -> None:
    for text, expected in [
        ("", ""),
        ("aé😀", "aé😀"),
        ("\ud83d\ude00", "😀"),
        ("a\ud83d", "a\ufffd"),
        ("\ude00a", "\ufffda"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ud83d\ude00", "\ufffd😀"),
        ("\ud83da\ude00", "\ufffda\ufffd"),
        ("\ufeffa\ufffe", "\ufeffa\ufffe"),
        ("\ude00", "\ufffd"),
        ("é\udbff", "é\ufffd"),
        (chr(0xD800), "\ufffd"),
        (chr(0xDC00), "\ufffd"),
        ("\ud83d\ud83d", "\ufffd\ufffd"),
        ("\ud7ff", "\ud7ff"),
    ]:
        assert join_surrogates(text) == expected, (text, expected)
        rest = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        assert split_surrogate(text) == (expected[:-1] if rest else expected, rest), (text, expected)


@settings(max_examples=200)
@given(
    st.text(st.sampled_from("ab\ud83d\ud800\udbff\udc00\ude00\udfff😀\ufeff\0")),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_joining_surrogates_leaves_no_halves_and_no_other_trace(text: str, harmless: str) -> None:
    found = join_surrogates(text)
    found.encode()
    assert join_surrogates(found) == found
    assert join_surrogates(harmless) == harmless
    assert [character for character in found if character in "ab\0"] == [
        character for character in text if character in "ab\0"
    ]
