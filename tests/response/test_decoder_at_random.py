"""Any stream at all: what was put into it comes out, and nothing but a stream error is raised."""

from __future__ import annotations

import json
from itertools import pairwise, product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cfai import StreamError
from tests.decoding import event, play

_letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["", "😀", "0", "\u2028", "[DONE]"]
)
_numbers = (
    st.integers().map(str)
    | st.floats(allow_nan=True, allow_infinity=True).map(json.dumps)
    | st.sampled_from(["0.10", "1e3", "-0"])
)
_padding = st.none() | st.text("abdefghijklmnoprstuvxyz1234567890", min_size=1, max_size=33)
_between = st.sampled_from(["", ": ping", "event: message", "id: 1", "retry: 10", "foo"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, str, str]:
    """Return a whole stream of the native or the chat dialect, its text, and its reasoning."""
    chat = draw(st.booleans())
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    body, text, reasoning = draw(st.sampled_from(["", "\ufeff"])), "", ""
    for _ in range(draw(st.integers(0, 8))):
        if draw(st.booleans()):
            said = draw(_letters)
            value = json.dumps(said, ensure_ascii=draw(st.booleans()))
        else:
            value = said = draw(_numbers)
        text += said
        payload: dict[str, Any]
        thought = draw(_letters) if chat else ""
        reasoning += thought
        if chat:
            payload = {"choices": [{"index": 0, "delta": {"content": "VALUE"}, "finish_reason": None}]}
            if thought:
                payload["choices"][0]["delta"][draw(st.sampled_from(["reasoning", "reasoning_content"]))] = thought
        else:
            payload = {"response": "VALUE", "tool_calls": []}
        if padding := draw(_padding):
            payload["p"] = padding
        if draw(st.booleans()):
            payload["usage"] = {"prompt_tokens": 3, "completion_tokens": 1}
        head, tail = json.dumps(payload, ensure_ascii=draw(st.booleans())).split('"VALUE"')
        for line in (draw(_between), "data:" + draw(st.sampled_from(["", " "])) + head + value + tail, ""):
            body += line + end if line or body else ""
    return (body + "data: [DONE]" + draw(st.sampled_from(["", end, end + end]))).encode(), text, reasoning


@settings(max_examples=100)
@given(streams(), st.lists(st.integers(0, 600), max_size=6))
def test_any_stream_says_what_was_put_into_it_in_any_cut(stream: tuple[bytes, str, str], at: list[int]) -> None:
    body, text, reasoning = stream
    whole = play([body])
    assert (whole.error, whole.decoder.text, whole.decoder.accumulator.get_reasoning(0)) == (None, text, reasoning)
    assert "".join(map(str, whole.tokens)) == text
    places = [0, *sorted(min(place, len(body)) for place in at), len(body)]
    assert play(body[start:end] for start, end in pairwise(places)).told() == whole.told()


_FRAGMENTS = [
    b"data: ", b"data:", b"\n", b"\n\n", b"\r\n\r\n", b"event: error\n", b"[DONE]", b"{", b"}", b"[", b"]",
    b",", b":", b'"', b"\\", b'{"response":', b'{"response":"a"}',
    b'"choices":[{"index":0,"delta":{"content":', b'"tool_calls":[{"index":0,"name":"f"}]',
    b'"finish_reason":"stop"', b'"usage":{"prompt_tokens":1}', b'"errors":[{"code":1}]',
    b'"type":"response.completed"', b'"result":', b'"output":[{"type":"function_call"}]', b"null", b"true",
    b"0.10", b"NaN", b"1e999", b'"\\ud83d"', b'"\\ude00"', b"\xff",
]  # fmt: skip


@settings(max_examples=200)
@given(st.lists(st.sampled_from(_FRAGMENTS) | st.binary(max_size=2), max_size=30).map(b"".join))
def test_any_bytes_raise_nothing_but_stream_errors(body: bytes) -> None:
    came = play([body])
    assert came.error is None or isinstance(came.error, StreamError)


_KEYS = (
    "response choices delta message content text reasoning reasoning_content tool_calls function name arguments id "
    "index finish_reason usage prompt_tokens completion_tokens neurons result success error errors type object "
    "output item output_index output_text metrics answer p"
)
_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
_json = st.recursive(
    _values | st.sampled_from(["error", "stop", "f"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS.split()), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=100)
@given(st.lists(_json, max_size=4))
def test_any_json_raises_nothing_but_stream_errors(events: list[Any]) -> None:
    came = play([*map(event, events), b"data: [DONE]\n\n"])
    assert came.error is None or isinstance(came.error, StreamError)
    assert "".join(token.text for token in came.tokens if token.choice == 0) == came.decoder.text
    # Plain events take a shorter way through the decoder, which must not lead elsewhere.
    long = play([*map(event, events), b"data: [DONE]\n\n"], has_short_way=False)
    assert long.told() == came.told()


def _choice(**more: Any) -> dict[str, Any]:
    """Return the choice of the plainest chunk, with something else in it."""
    return {"index": 0, "delta": {"content": "a"}, "finish_reason": None, **more}


_DELTAS: list[dict[str, Any]] = [
    *({"reasoning": "b"}, {"reasoning": 5, "content": None}, {"reasoning_content": "", "reasoning": "c"}),
    *({"role": "assistant"}, {"content": ["b"]}, {"function_call": {"name": "f", "arguments": "{}"}}),
    *({"tool_calls": [{"name": "f"}]}, {"content": None}, {"content": 5}),
]
_CHOICES: list[dict[str, Any]] = [
    *({"index": 1}, {"index": None}, {"finish_reason": "stop"}, {"finish_reason": 0}),
    *({"delta": None}, {"delta": {}}, {"text": "b"}),
]
_EXTRAS: list[dict[str, Any]] = [
    *({"response": value} for value in ("", "a", None, 0)),
    *({"finish_reason": value} for value in ("", None, "stop", "error")),
    *({"tool_calls": value} for value in ([], None, [{"index": 0, "function": {"name": "f", "arguments": "{}"}}])),
    *({"usage": value} for value in (None, {}, {"prompt_tokens": 1}, [1])),
    *({"error": value} for value in (None, "", "x")),
    *({"errors": value} for value in (None, [], [{"code": 1}])),
    *({"success": value} for value in (True, False)),
    *({"type": value} for value in ("error", "x", "response.x")),
    *({"object": value} for value in ("error", "chat.completion.chunk", "response")),
    *({"reasoning_content": "b"}, {"internalCode": 1}, {"result": None}, {"metrics": {"input_tokens": 1}}, {"p": "ab"}),
    *({"choices": []}, {"choices": None}, {"message": "x"}),
    *({"choices": [_choice(delta={"content": "a", **more})]} for more in _DELTAS),
    *({"choices": [_choice(**more)]} for more in _CHOICES),
    {"choices": [_choice(), _choice()]},
]
_PLAIN: list[dict[str, Any]] = [
    {"choices": [_choice()]},
    {"choices": [_choice(delta={"content": ""}, finish_reason="")]},
    {"response": "a"},
    {"response": "a", "tool_calls": []},
    {"response": ""},
    {"response": "", "usage": {"prompt_tokens": 3, "completion_tokens": 1}},
    {"choices": [_choice(delta={"reasoning_content": "b"})], "usage": {"prompt_tokens": 3}},
    {"choices": [_choice(delta={"role": "assistant", "content": "a", "reasoning": None, "tool_calls": None})]},
]


def merge(plain: dict[str, Any], extras: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one of the plainest events, with something else in it."""
    return {key: value for each in (plain, *extras) for key, value in each.items()}


def ways(events: list[dict[str, Any]]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return what the decoder says by its short ways, where they can be taken, and by the long one."""
    body = b"".join(map(event, events)) + b"data: [DONE]\n\n"
    return play([body]).told(), play([body], has_short_way=False).told()


def test_the_short_ways_through_the_decoder_lead_where_the_long_one_does() -> None:
    for first, plain, extra in product(_PLAIN, _PLAIN, ({}, *_EXTRAS)):
        short, long = ways([first, merge(plain, [extra]), plain])
        assert short == long, (first, plain, extra)


_odd_events = st.builds(merge, st.sampled_from(_PLAIN), st.lists(st.sampled_from(_EXTRAS), max_size=2))


@settings(max_examples=100)
@given(st.sampled_from(_PLAIN), st.lists(_odd_events, min_size=1, max_size=2))
def test_the_short_ways_do_so_for_stranger_events_too(first: dict[str, Any], others: list[dict[str, Any]]) -> None:
    short, long = ways([first, *others])
    assert short == long
