"""The parts that need no server: text, schema instances, pace."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfai.local.emulator
from cfai import models
from cfai.local.emulator import _delivery, _schema_values, _text
from cfai.local.faults import Fault, _script
from cfai.local.wire import compute_neurons


@given(st.text())
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(_text.split_into_tokens(text)) == text


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello there, you.", ["Hello", " there", ",", " you", "."]),
        ("$0.005 or 1234", ["$", "0", ".", "005", " or", " ", "123", "4"]),
        ("naïve 東京🙂", ["naïve", " 東京", "🙂"]),
        ("unbelievable", ["unbeliev", "able"]),
    ],
)
def test_pieces_look_like_tokens(text: str, pieces: list[str]) -> None:
    assert _text.split_into_tokens(text) == pieces


@given(st.text())
def test_a_text_has_as_many_tokens_as_pieces(text: str) -> None:
    assert _text.count_emulated(text) == len(_text.split_into_tokens(text))


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        ("unbelievable", 2),
        (12345, 2),
        (None, 1),
        ([], 0),
        ({}, 2),
        ({"prompt": "Hello there, you."}, 2 + 1 + 5),
        ({"messages": [{"role": "user", "content": "hi"}]}, 2 + 1 + 2 + 4),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000}}, 2 + 1 + 3 + 3 + 576),
        ({"image": [137, 80, 78, 71] * 1000}, 2 + 1 + 576),
    ],
)
def test_names_braces_and_media_count(value: Any, tokens: int) -> None:
    assert _text.count_emulated(value) == tokens


def test_what_is_nested_deeply_is_counted() -> None:
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    assert _text.count_emulated(value) == 1


@given(st.text(), st.text())
def test_texts_are_marked_and_repeatable(question: str, key: str) -> None:
    text = _text.write_answer(question, key=key)
    assert text.startswith("[emulated by cfai, not by a model] ")
    assert text == _text.write_answer(question, key=key)


def test_a_text_never_has_more_words_than_the_longest() -> None:
    assert len(_text.write_answer("write 999999999 words", key="").split()) < _text.MAX_WORDS + 40


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "emulated"),
        ({"type": "string", "maxLength": 4}, "emul"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "integer"}, 1),
        ({"type": "integer", "maximum": -2}, -2),
        ({"type": "integer", "exclusiveMinimum": 4}, 5),
        ({"type": "number", "minimum": 0.3, "multipleOf": 0.4}, 0.4),
        ({"type": ["null", "string"]}, None),
        ({"type": "boolean"}, True),
        ({"const": 7}, 7),
        ({"enum": ["a", "b"]}, "a"),
        ({"type": "string", "default": "z"}, "z"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, []),
        ({"properties": {"a": {"type": "integer"}}, "required": ["a", "b"]}, {"a": 1, "b": "emulated"}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 1),
        ({}, None),
    ],
)
def test_an_instance_fits_its_schema(schema: Any, value: Any) -> None:
    assert _schema_values.build_value(schema) == value


def test_a_schema_that_contains_itself_comes_to_an_end() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#"}, "all": {"type": "array", "items": {"$ref": "#"}}}}
    assert "next" in _schema_values.build_value(node)
    for reference in ("#/$defs/a~1b", "#/$defs/a%2Fb"):
        escaped = {"$defs": {"a/b": {"const": 7}}, "type": "object", "properties": {"n": {"$ref": reference}}}
        assert _schema_values.build_value(escaped | {"required": ["n"]})["n"] == 7, reference
    whole = {"type": "object", "properties": {"next": {"$ref": "#"}, "n": {"const": 7}}, "required": ["n"]}
    assert _schema_values.build_value(whole)["n"] == 7


@pytest.mark.parametrize(
    ("tokens", "rate", "elapsed", "seconds"),
    [(3, 10, 0.0, 0.3), (3, 10, 0.2, 0.1), (3, 10, 5.0, 0.0), (3, None, 0.0, 0.0)],
)
def test_the_pace_holds_over_the_whole_answer(tokens: int, rate: float | None, elapsed: float, seconds: float) -> None:
    assert _delivery.pace(tokens, rate, elapsed) == pytest.approx(seconds)


class Connection:
    """Stands in for a connection, and notes what was waited for and written."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.written: list[bytes] = []
        self.is_gone = False

    async def pause(self, seconds: float) -> None:
        if seconds:
            self.pauses.append(seconds)

    async def write(self, data: bytes, split: int | None = None) -> None:
        self.written.append(data)

    async def end(self, *, hold: bool = False) -> None:
        self.written.append(b"end")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_every_token_is_waited_for_and_nothing_else_is(anyio_backend: str) -> None:
    line = Connection()
    parts = [(0, b"role"), (1, b"a"), (1, b"b"), (0, b"usage")]
    sent = await _delivery.deliver(line, Fault(), parts, rate=0.01)
    assert line.written == [b"role", b"a", b"b", b"usage", b"end"]
    assert line.pauses == pytest.approx([100, 200], abs=1)
    assert sent == 2


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("@cf/meta/llama-3.1-8b-instruct-fp8", (13778 * 1000 + 26128 * 100) / 1e6),
        ("@cf/baai/bge-m3", 1075 * 1000 / 1e6),
        ("@cf/leonardo/phoenix-1.0", 530 + 10),
    ],
)
def test_neurons_are_those_of_the_price_list(model: str, expected: float) -> None:
    entry = models.get(model)
    assert entry is not None
    assert compute_neurons(entry, 1000, 100) == pytest.approx(expected)


@pytest.mark.parametrize("module", [cfai.local.emulator, _schema_values, _script])
def test_the_examples_in_docstrings_hold(module: Any) -> None:
    failed, attempted = doctest.testmod(module)
    assert attempted > 0
    assert failed == 0
