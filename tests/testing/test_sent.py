"""Requests that were sent, beside those that should have been."""

from __future__ import annotations

import doctest
from collections.abc import Iterator
from typing import Any
from unittest.mock import ANY

import pytest

from cfai import AuthenticationError, LimitError
from cfai.local import Emulator, RecordedRequest
from cfai.testing import WorkersAI, _differences
from cfai.testing._differences import find_differences, format_requests, shorten

MODEL = "@cf/zai-org/glm-4.7-flash"
OTHER = "@cf/meta/llama-3.2-1b-instruct"
AUDIO = "@cf/openai/whisper"
SOUND = [*b"ID3", *range(97)]
"""The beginning of an MP3, as numbers."""


@pytest.fixture(scope="module")
def sent() -> Iterator[WorkersAI]:
    """A server that three requests were sent to."""
    with WorkersAI() as workers_ai, workers_ai.ai(max_retries=None) as ai:
        messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hello"}]
        ai.run(MODEL, {"messages": messages, "temperature": 0.1 + 0.2}, tags=["a", "b"])
        ai.run(OTHER, {"prompt": "Hello", "max_tokens": 10}, gateway="mine", extra_headers={"x-order": "7"})
        ai.run(AUDIO, {"audio": SOUND})
        yield workers_ai


def test_the_fixture_is_an_emulator_under_its_public_name_and_the_docstrings_are_right() -> None:
    failed, attempted = doctest.testmod(_differences)
    assert attempted > 0
    assert failed == 0
    assert issubclass(WorkersAI, Emulator)
    assert WorkersAI.__module__ == "cfai.testing"


FITTING: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [0, 1, 2]),
    ({"model": MODEL}, [0]),
    ({"inputs": {}}, [0, 1, 2]),
    ({"inputs": {"prompt": "Hello"}}, [1]),
    ({"model": OTHER, "inputs": {"max_tokens": 10}}, [1]),
    ({"inputs": {"temperature": pytest.approx(0.3)}}, [0]),
    ({"inputs": {"messages": [ANY, {"content": "Hello"}]}}, [0]),
    ({"inputs": {"messages": ANY}}, [0]),
    ({"inputs": {"audio": SOUND}}, [2]),
    ({"headers": {"X-Order": "7"}}, [1]),
    ({"gateway": "mine"}, [1]),
    ({"query": {"tags": "a,b"}}, [0]),
    # What fits no request
    ({"model": "@cf/zai-org/glm"}, []),
    ({"model": MODEL, "inputs": {"max_tokens": 10}}, []),
    ({"inputs": {"prompt": "Hell"}}, []),
    ({"inputs": {"messages": [{"content": "Hello"}]}}, []),
    ({"inputs": {"messages": "Hello"}}, []),
    ({"inputs": "Hello"}, []),
    ({"headers": {"x-order": "8"}}, []),
    ({"headers": {"authorization": ANY}}, []),
    ({"gateway": "other"}, []),
    ({"query": {"tags": "a"}}, []),
]


def test_a_request_fits_that_has_what_is_wanted(sent: WorkersAI) -> None:
    for wanted, places in FITTING:
        fitting = [sent.requests[place] for place in places]
        assert sent.assert_sent(**wanted, times=len(places)) == fitting, wanted
        with pytest.raises(AssertionError, match=f"not {len(places) + 1}"):
            sent.assert_sent(**wanted, times=len(places) + 1)
        if not places:
            sent.assert_not_sent(**wanted)
            with pytest.raises(AssertionError, match=r"^no request was sent with "):
                sent.assert_sent(**wanted)
            continue
        assert sent.assert_sent(**wanted) == fitting, wanted
        with pytest.raises(AssertionError, match="not 0"):
            sent.assert_not_sent(**wanted)


def test_a_failure_shows_each_request_and_why_it_is_not_the_one(sent: WorkersAI) -> None:
    with pytest.raises(AssertionError) as caught:
        sent.assert_sent(OTHER, {"messages": [{"role": "user"}], "max_tokens": 20})
    assert str(caught.value).splitlines() == [
        f"no request was sent with model='{OTHER}', inputs={{'messages': [{{'role': 'user'}}], 'max_tokens': 20}}",
        "received, oldest first:",
        f"1. {MODEL} {{'messages': [{{'role': 'system', 'content': 'Be short.'}}, "
        "{'role': 'user', 'content': 'Hello'}], 'temperature': 0.30000000000000004}",
        f"   model is '{MODEL}', not '{OTHER}'",
        "   inputs['messages'] has 2 items, not 1",
        "   inputs['max_tokens'] was not sent",
        f"2. {OTHER} {{'prompt': 'Hello', 'max_tokens': 10}}",
        "   inputs['messages'] was not sent",
        "   inputs['max_tokens'] is 10, not 20",
        f"3. {AUDIO} {{'audio': [{', '.join(map(str, SOUND[:20]))}, … 100 items]}}",
        f"   model is '{AUDIO}', not '{OTHER}'",
        "   inputs['messages'] was not sent",
        "   inputs['max_tokens'] was not sent",
    ]


def test_a_failure_begins_with_what_was_counted_and_shows_no_credentials(sent: WorkersAI) -> None:
    headings: list[tuple[dict[str, Any], str]] = [
        ({"times": 1}, "3 requests were sent, not 1"),
        ({"model": MODEL, "times": 2}, f"1 request was sent with model='{MODEL}', not 2"),
        ({"gateway": "other", "times": 1}, "no request was sent with gateway='other', not 1"),
        ({"headers": {"X-Order": "8"}}, "no request was sent with headers={'x-order': '8'}"),
    ]
    for wanted, heading in headings:
        with pytest.raises(AssertionError) as caught:
            sent.assert_sent(**wanted)
        assert str(caught.value).startswith(f"{heading}\nreceived, oldest first:\n1. "), wanted
    with pytest.raises(AssertionError) as caught:
        sent.assert_sent(headers={"x-order": "8", "authorization": "Bearer"})
    assert sent.api_token not in str(caught.value)


def test_nothing_sent_says_what_would_not_be_listed() -> None:
    with WorkersAI() as workers_ai:
        workers_ai.assert_not_sent()
        with workers_ai.ai() as ai, pytest.raises(LimitError):
            ai.run(MODEL, {"prompt": "Hello", "max_tokens": 10**9})
        with workers_ai.ai(api_token="another") as ai, pytest.raises(AuthenticationError):
            ai.run(MODEL, {"prompt": "Hello"})
        workers_ai.assert_not_sent()
        with pytest.raises(AssertionError) as caught:
            workers_ai.assert_sent()
    assert str(caught.value).splitlines() == [
        "no request was sent",
        "nothing was received (a request with another token, account or path is turned away, and not listed)",
    ]


def test_differences_are_named() -> None:
    rows: list[tuple[Any, Any, list[str]]] = [
        (1, 1, []),
        ("a", "b", ["inputs is 'a', not 'b'"]),
        (None, 0, ["inputs is None, not 0"]),
        ({"a": 1, "b": 2}, {"a": 1}, []),
        ({"a": None}, {"a": None}, []),
        ({}, {"a": None}, ["inputs['a'] was not sent"]),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, ["inputs['a']['b'][0]['c'] is 1, not 2"]),
        ({"a": 1, "b": 1}, {"a": 2, "b": 2}, ["inputs['a'] is 1, not 2", "inputs['b'] is 1, not 2"]),
        ([1, 2], (1, 2), []),
        ([1, 2], [1, 3], ["inputs[1] is 2, not 3"]),
        ([1, 2], [1], ["inputs has 2 items, not 1"]),
        ([], [1], ["inputs has 0 items, not 1"]),
        ([1], {"a": 1}, ["inputs is [1], not {'a': 1}"]),
        ({"a": 1}, [1], ["inputs is {'a': 1}, not [1]"]),
        (b"abc", b"abc", []),
        (b"abc", b"abd", ["inputs is b'abc', not b'abd'"]),
        ("abc", ["a", "b", "c"], ["inputs is 'abc', not ['a', 'b', 'c']"]),
    ]
    for value, wanted, expected in rows:
        assert list(find_differences(value, wanted, "inputs")) == expected, (value, wanted)


def test_what_is_long_is_shown_in_short_and_of_many_requests_the_last() -> None:
    rows: list[tuple[Any, str]] = [
        ({"a": [1, None, True], "b": {"c": "d"}}, "{'a': [1, None, True], 'b': {'c': 'd'}}"),
        ((1, 2), "[1, 2]"),
        ([], "[]"),
        ("a" * 200, repr("a" * 200)),
        ("a" * 150 + "b" * 51, f"'{'a' * 100}' … 201 characters … '{'b' * 50}'"),
        (b"a" * 999, f"b'{'a' * 100}' … 999 bytes … b'{'a' * 50}'"),
        ({"a": ["b" * 300]}, f"{{'a': ['{'b' * 100}' … 300 characters … '{'b' * 50}']}}"),
        (list(range(20)), str(list(range(20)))),
        (list(range(21)), f"{str(list(range(20)))[:-1]}, … 21 items]"),
    ]
    for value, text in rows:
        assert shorten(value) == text
    for count, left_out in ((20, []), (21, ["… 1 more"]), (120, ["… 100 more"])):
        requests = [RecordedRequest("m", {"n": number}, {}, "/", {}) for number in range(1, count + 1)]
        listed = [f"{number}. m {{'n': {number}}}" for number in range(count - 19, count + 1)]
        assert format_requests(requests, [[]] * count).splitlines() == ["received, oldest first:", *left_out, *listed]
