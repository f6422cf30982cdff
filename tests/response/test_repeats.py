"""Chunks that are told by their bytes say what they say when they are decoded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfai import CfaiError, Token
from cfai._response import decoder as _dialects
from cfai._response.decoder import Decoder
from cfai._response.repeats import repeat_of

CHUNK = (
    b'{"id":"a","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]'
)
PADDED = CHUNK + b',"p":"abdef"}'


def told(blocks: list[bytes]) -> tuple[Any, ...]:
    """All that a reader learns from a stream."""
    decoder = Decoder()
    tokens: list[Token] = []
    error = ""
    try:
        for block in blocks:
            fed = decoder.feed(block)
            tokens += fed if isinstance(fed, list) else [fed] if fed else []
    except CfaiError as broken:
        error = str(broken)
    seen = [(token.text, token.reasoning, token.finish_reason, token.raw, token.usage) for token in tokens]
    return seen, decoder.text, decoder.reasoning_of(0), decoder.usage, decoder.native, decoder.done, error


def decoded(monkeypatch: pytest.MonkeyPatch, blocks: list[bytes]) -> int:
    """How many of the events are decoded whole."""
    count = 0

    def from_json(data: bytes) -> Any:
        nonlocal count
        count += 1
        return json.loads(data)

    monkeypatch.setattr(_dialects, "from_json", from_json)
    told(blocks)
    return count


def told_one_by_one(blocks: list[bytes]) -> tuple[Any, ...]:
    """The same where no block is read by its likeness to another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_dialects, "_MOST_UNLIKE", 0)
        return told(blocks)


def chunks(*texts: str) -> list[bytes]:
    return [b"data: " + PADDED % text.encode() for text in texts]


def test_of_chunks_that_differ_in_their_text_alone_one_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoded(monkeypatch, chunks("a", "b", "c", "d", "é", "😀", " e")) == 1


def test_a_reasoning_model_has_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    reasoning = [block.replace(b"content", b"reasoning_content") for block in chunks("a", "b", "c")]
    assert decoded(monkeypatch, [*reasoning, *chunks("d", "e", "f")]) == 2
    assert told([*reasoning, *chunks("d", "e", "f")])[1:3] == ("def", "abc")


def test_chunks_that_all_differ_are_compared_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    before = _dialects.repeat_of

    def counted(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        return before(*given)

    monkeypatch.setattr(_dialects, "repeat_of", counted)
    blocks = [b"data: " + PADDED.replace(b'"a"', b'"%d"' % number) % b"x" for number in range(100)]
    assert told(blocks)[1] == "x" * 100
    assert calls == 20


def test_the_event_of_such_a_chunk_is_there_all_the_same() -> None:
    *_, last = told(chunks("a", "b", "c"))[0]
    expected = json.loads(CHUNK % b"c" + b"}")
    assert last == ("c", "", None, expected, None)


def test_usage_is_counted_in_chunks_that_repeat_each_other() -> None:
    usage = b',"usage":{"prompt_tokens":0,"completion_tokens":1,"total_tokens":1}}'
    first = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":0,"total_tokens":7}}'
    found = told([first, *[b"data: " + CHUNK % b"a" + usage] * 5])[3]
    assert (found.prompt_tokens, found.completion_tokens) == (7, 5)


ODD = [
    *(
        b"",
        b" ",
        b"b\\n",
        b'b\\"',
        b"\\u0062",
        b"\\ud83d",
        b"b\tc",
        b"b\x00",
        b"\x7f",
        b"\xff",
        b"\xc3",
        "\xa0\u200d".encode(),
    ),
    *("\u2028".encode(), b'b"}', b'b"},"x":"', b'b","reasoning":"c', b'b","content":"c', b'"', b"[DONE]"),
]


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("form", [CHUNK + b"}", PADDED])
def test_odd_texts_are_read_as_if_they_came_first(text: bytes, form: bytes) -> None:
    blocks = [b"data: " + form % piece for piece in (b"a", b"b", b"c", text, b"d")]
    assert told(blocks) == told_one_by_one(blocks)


ENDS = [
    *(
        b',"p":"ab"}',
        b',"p":""}',
        b',"p":"a"b"}',
        b',"p":"a\\n"}',
        b',"p":"ab"',
        b',"p":"ab}',
        b',"p":"',
        b"}",
        b"",
        b"} ",
        b"}}",
    ),
    *(
        b',"p":"ab","usage":{"prompt_tokens":1}}',
        b',"usage":{"prompt_tokens":1}}',
        b',"error":"x"}',
        b',"p":"ab","error":"x"}',
    ),
]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("form", [b"}", b',"p":"x1"}'])
def test_odd_ends_are_read_as_if_they_came_first(end: bytes, form: bytes) -> None:
    blocks = [b"data: " + CHUNK % b"a" + tail for tail in (form, form, form, end, form)]
    assert told(blocks) == told_one_by_one(blocks)


_DELTAS = [
    *(
        b'"content":"%b"',
        b'"content":"%b","role":"assistant"',
        b'"content":null,"reasoning_content":"%b"',
        b'"reasoning":"%b"',
    ),
    *(b'"content":"x","reasoning":"%b"', b'"content": "x","content":"%b"', b'"content":"%b","tool_calls":[]'),
    *(
        b'"content":"%b","refusal":null',
        b'"content":"content","reasoning":"%b"',
        b'"reasoning_content":"","reasoning":"%b"',
    ),
]
_TEXTS = [b"a", b"b", b"", "é".encode(), b"\\n", b"content", b'"', b"reasoning", *ODD[:4]]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(_DELTAS), st.sampled_from(_TEXTS), st.sampled_from([b"}", *ENDS[:2], b',"id":"b"}'])),
        min_size=3,
        max_size=12,
    )
)
def test_any_mixture_is_read_as_if_each_came_first(pieces: list[tuple[bytes, bytes, bytes]]) -> None:
    blocks = [b'data: {"choices":[{"delta":{%b}}]%b' % (delta % text, end) for delta, text, end in pieces]
    assert told(blocks) == told_one_by_one(blocks)


@pytest.mark.parametrize(
    ("block", "key", "text"),
    [
        (b'data: {"content":"a","x":{"content":"a"}}', "content", "a"),
        (b'data: {"content" :"a","x":{"content":"a"}}', "content", "a"),
        (b'data: {"content":"b"}', "content", "a"),
        (b'data: {"content":5}', "content", "5"),
        (b'data: {"x":"a"}', "content", "a"),
        (b'data: {"content":"a","x":"\\n"}', "content", "a"),
    ],
)
def test_what_has_no_place_beyond_doubt_is_no_example(block: bytes, key: str, text: str) -> None:
    assert repeat_of(block, key, text) is None
