"""The parts that need no server: text, schema instances, pace."""

from __future__ import annotations

import doctest
import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cfai.local
from cfai import models
from cfai.local import Fault
from cfai.local.emulator import _delivery, _schema_values, _sentences, _text
from cfai.local.faults import _script
from cfai.local.wire import compute_neurons, split_into_tokens
from tests.conftest import row


@given(st.text())
def test_pieces_joined_are_the_text_and_counted_as_its_tokens(text: str) -> None:
    pieces = split_into_tokens(text)
    assert "".join(pieces) == text
    assert _text.count_emulated(text) == len(pieces)


def test_pieces_look_like_tokens_and_names_braces_and_media_count() -> None:
    for pieces in (
        ["Hello", " there", ",", " you", "."],
        ["$", "0", ".", "005", " or", " ", "123", "4"],
        ["naïve", " 東京", "🙂"],
        ["unbeliev", "able"],
    ):
        with row(pieces):
            assert split_into_tokens("".join(pieces)) == pieces
    nested: Any = "x"
    for _ in range(100_000):
        nested = [nested]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000}}
    for name, value, tokens in (
        ("text", "unbelievable", 2),
        ("number", 12345, 2),
        ("null", None, 1),
        ("list", [], 0),
        ("object", {}, 2),
        ("prompt", {"prompt": "Hello there, you."}, 2 + 1 + 5),
        ("messages", {"messages": [{"role": "user", "content": "hi"}]}, 2 + 1 + 2 + 4),
        ("image in base64", image, 2 + 1 + 3 + 3 + 576),
        ("image in numbers", {"image": [137, 80, 78, 71] * 1000}, 2 + 1 + 576),
        ("nested deeply", nested, 1),
    ):
        with row(name):
            assert _text.count_emulated(value) == tokens


def test_an_instance_fits_its_schema() -> None:
    whole = {"type": "object", "properties": {"next": {"$ref": "#"}, "n": {"const": 7}}, "required": ["n"]}
    for schema, value in (
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
        (
            {"type": "array", "prefixItems": [{"type": "integer"}, {"const": "a"}], "minItems": 2, "maxItems": 2},
            [1, "a"],
        ),
        ({"type": "array", "prefixItems": [{"type": "integer"}], "items": {"const": 7}, "minItems": 3}, [1, 7, 7]),
        ({"properties": {"a": {"type": "integer"}}, "required": ["a", "b"]}, {"a": 1, "b": "emulated"}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1),
        ({"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]}, {"a": 1, "b": 2}),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 1),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": 7}}}, 7),
        ({"$ref": "#/$defs/a%2Fb", "$defs": {"a/b": {"const": 7}}}, 7),
        ({}, None),
    ):
        with row(schema):
            assert _schema_values.build_value(schema) == value
    # One that contains itself comes to an end, where it can by the branch that does not.
    expression = {"properties": {"l": {"$ref": "#"}, "r": {"$ref": "#"}}, "required": ["l", "r"]}
    either = {"anyOf": [{"$ref": "#/$defs/e"}, {"const": 0}], "$defs": {"e": expression}}
    assert "null" not in json.dumps(_schema_values.build_value(either))
    node = {"type": "object", "properties": {"next": {"$ref": "#"}, "all": {"type": "array", "items": {"$ref": "#"}}}}
    assert "next" in _schema_values.build_value(node)
    assert _schema_values.build_value(whole)["n"] == 7


def test_what_is_no_schema_or_wants_too_much_is_refused() -> None:
    many = {"type": "array", "minItems": 101, "items": {"type": "array", "minItems": 101, "items": {"const": 0}}}
    both = {"properties": {"l": {"$ref": "#"}, "r": {"$ref": "#"}}, "required": ["l", "r"]}
    for schema, message in (
        ({"enum": {"a": 1}}, "not a JSON schema"),
        ({"type": "number", "minimum": "3"}, "not a JSON schema"),
        ({"type": "integer", "minimum": 1e308, "multipleOf": 1e-300}, "not a JSON schema"),
        ({"anyOf": 5}, "not a JSON schema"),
        ({"maxLength": "4"}, "not a JSON schema"),
        ({"type": "array", "items": {"const": 0}, "minItems": 10**9}, "more than 10000 values"),
        ({"type": "array", "minItems": 10**9}, "more than 10000 values"),
        (many, "more than 10000 values"),
        (both, "more than 10000 values"),
        ({"type": "string", "minLength": 10**9}, "more than 100000 characters"),
    ):
        with row(schema), pytest.raises(ValueError, match=message):
            _schema_values.build_value(schema)


def test_the_pace_holds_over_the_whole_answer() -> None:
    for tokens, rate, elapsed, seconds in ((3, 10, 0.0, 0.3), (3, 10, 0.2, 0.1), (3, 10, 5.0, 0.0), (3, None, 0, 0)):
        with row((rate, elapsed)):
            assert _delivery.compute_pause(tokens, rate, elapsed) == pytest.approx(seconds)


class Connection:
    """Stands in for a connection, and notes what was waited for and written."""

    is_gone = False

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.written: list[bytes] = []

    async def pause(self, seconds: float) -> None:
        if seconds:
            self.pauses.append(seconds)

    async def write(self, data: bytes) -> None:
        self.written.append(data)

    async def end(self, *, hold: bool) -> None:
        self.written.append(b"end")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_every_token_is_waited_for_and_nothing_else_is(anyio_backend: str) -> None:
    connection = Connection()
    parts = [(0, b"role"), (1, b"a"), (1, b"b"), (0, b"usage")]
    assert await _delivery.deliver(cast(Any, connection), Fault(), parts, rate=0.01) == 2
    assert connection.written == [b"role", b"a", b"b", b"usage", b"end"]
    assert connection.pauses == pytest.approx([100, 200], abs=1)


def test_neurons_are_those_of_the_price_list_and_the_examples_in_docstrings_hold() -> None:
    for model, expected in (
        ("@cf/meta/llama-3.1-8b-instruct-fp8", (13778 * 1000 + 26128 * 100) / 1e6),
        ("@cf/baai/bge-m3", 1075 * 1000 / 1e6),
        ("@cf/leonardo/phoenix-1.0", 530 + 10),
    ):
        with row(model):
            entry = models.get(model)
            assert entry is not None
            assert compute_neurons(entry, 1000, 100) == pytest.approx(expected)
    for module in (cfai.local, _schema_values, _script, _sentences, _text):
        with row(module.__name__):
            failed, attempted = doctest.testmod(module)
            assert (failed, attempted > 0) == (0, True)
