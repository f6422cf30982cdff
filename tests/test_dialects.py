"""Wire samples to tokens: every dialect and trap, in every cut. The bytes are in `wire/`, what they say is here."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfai import CfaiError, StreamError, StreamTruncatedError, Token
from cfai._dialects import TokenDecoder
from cfai._sse import Blocks
from cfai.types import ToolCall, ToolCallDelta

WIRE = Path(__file__).parent / "wire"
SAMPLES = sorted(path.stem for path in WIRE.glob("*.sse"))


@dataclass
class Fails:
    """How a stream breaks."""

    message: str
    partial: str = ""
    code: int | str | None = None
    kind: type[StreamError] = StreamError


@dataclass
class Says:
    """What a wire sample says."""

    texts: list[str] = field(default_factory=list[str])
    """The texts of its tokens, those of the first answer, less the empty ones."""
    reasoning: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list[ToolCall])
    finish: str | None = None
    usage: tuple[int, int, int] | None = None
    fails: Fails | None = None


def truncated(partial: str) -> Fails:
    return Fails("ended with neither [DONE] nor a finish reason", partial, kind=StreamTruncatedError)


@dataclass
class Played:
    """What came of a stream."""

    decoder: TokenDecoder
    tokens: list[Token] = field(default_factory=list[Token])
    error: CfaiError | None = None

    def told(self) -> tuple[Any, ...]:
        """All that a reader sees, for comparison."""
        decoder, error = self.decoder, self.error
        broke = error and (type(error), str(error), getattr(error, "partial", None), getattr(error, "code", None))
        # NaN is not equal to itself.
        tokens = [
            (t.text, t.reasoning, t.tool_calls, t.finish_reason, t.choice, t.usage, repr(t.raw)) for t in self.tokens
        ]
        answers = [
            (number, decoder.text_of(number), decoder.reasoning_of(number), decoder.tool_calls_of(number))
            for number in decoder.choices
        ]
        return tokens, answers, decoder.finish_reasons, decoder.usage, decoder.done, decoder.native, broke


def as_list(fed: Token | list[Token] | None) -> list[Token]:
    return fed if isinstance(fed, list) else [fed] if fed is not None else []


def play(pieces: Iterable[bytes]) -> Played:
    """Decodes a body to its very end, also behind the end mark, or to where it breaks."""
    played = Played(TokenDecoder("@cf/some/model", "request-1"))
    blocks = Blocks()
    try:
        for piece in pieces:
            for block in blocks.feed(piece):
                played.tokens += as_list(played.decoder.feed(block))
        played.tokens += played.decoder.finish(blocks.rest())
        played.decoder.check()
    except CfaiError as error:
        played.error = error
    return played


def wire(name: str) -> bytes:
    return (WIRE / f"{name}.sse").read_bytes()


def played(name: str) -> Played:
    return play([wire(name)])


def event(payload: Any) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


WEATHER = '{"city":"Paris"}'
HELLO = Says(["Hel", "lo"])

EXPECTED: dict[str, Says] = {
    # The native dialect.
    "native": Says(["Hel", "lo"], usage=(10, 2, 12)),
    "native-without-text": Says(["a", "b"]),
    "native-numbers": Says(
        [
            "$",
            "0",
            ".",
            "0.10",
            " ",
            "1e3",
            "-0",
            "12345678901234567890",
            "0.30000000000000000001",
            "1E+5",
            "-1.50e-07",
            "NaN",
            "-Infinity",
            "Infinity",
        ]
    ),
    "native-other-values": Says(["true", "false", '{"city":"Paris","n":[1,null]}', '["a",1]']),
    "native-finish": Says(["Hi", "!", " more"], finish="stop", usage=(5, 3, 8)),
    "native-tool-calls": Says(tool_calls=[ToolCall("get_weather", WEATHER, "call_1")], finish="tool_calls"),
    "native-tool-calls-two": Says(
        tool_calls=[ToolCall("get_weather", WEATHER, "call_1"), ToolCall("get_time", '{"zone":"CET"}', "call_2")],
        finish="tool_calls",
    ),
    "native-tool-calls-early-arguments": Says(
        tool_calls=[ToolCall("get_weather", WEATHER, "a"), ToolCall("get_time", '{"zone":"CET"}', "b")]
    ),
    "native-tool-calls-flat": Says(tool_calls=[ToolCall("get_weather", '{"city":"Paris","days":2}')], usage=(9, 4, 13)),
    "native-tool-calls-flat-several": Says(
        tool_calls=[
            ToolCall("get_weather", WEATHER),
            ToolCall("get_weather", '{"city":"Rome"}'),
            ToolCall("get_time", "{}"),
        ]
    ),
    "native-tool-calls-one-chunk": Says(
        tool_calls=[ToolCall("f", '{"a":1}', "x"), ToolCall("f", '{"a":2}', "x"), ToolCall("g", "{}", "x")]
    ),
    "native-tool-calls-no-index": Says(
        tool_calls=[ToolCall("f", '{"a":1}', "functions.f:0"), ToolCall("f", '{"a":2}', "functions.f:0")]
    ),
    "native-tool-calls-no-index-apart": Says(
        tool_calls=[ToolCall("f", '{"a":1}', "same"), ToolCall("g", '{"b":2}', "same")]
    ),
    "native-tool-calls-no-arguments": Says(tool_calls=[ToolCall("f", "", "a"), ToolCall("g", "", "b")]),
    "native-tool-calls-digits": Says(
        tool_calls=[ToolCall("f", '{"a":0.10,"b":[1e3,"0.10",null]}'), ToolCall("g", '{"n":1.50}', "x")]
    ),
    "native-digits-inside": Says(['{"price":0.10,"all":[1e3,"0.10",{"n":-0}]}']),
    "native-reasoning-flag": HELLO,
    "native-tool-calls-no-id": Says(tool_calls=[ToolCall("f", "{}")]),
    "native-reasoning": Says(["Yes"], "Let me see."),
    "native-reasoning-numbers": Says(["Yes", "!", "0"], "0.101e3-00.205"),
    # Chunks of chat completions.
    "chat": Says(["A", "B"], "Okay", finish="stop", usage=(13, 4, 17)),
    "chat-reasoning": Says(["!"], "abcde", finish="stop"),
    "chat-reasoning-numbers": Says(["ok"], "$0.105", finish="stop"),
    "chat-nulls": Says(["a", "bc"]),
    "chat-numbers": Says(
        ["$", "0", ".", "0.10", "1e3", "-0", "12345678901234567890", "NaN", "-Infinity", "true", "1"],
        finish="stop",
        usage=(3, 9, 12),
    ),
    "chat-tool-calls": Says(
        tool_calls=[
            ToolCall("get_weather", '{"city": "Paris"}', "chatcmpl-tool-1"),
            ToolCall("get_time", "{}", "chatcmpl-tool-2"),
        ],
        finish="tool_calls",
        usage=(20, 12, 32),
    ),
    "chat-tool-calls-one-index": Says(
        tool_calls=[ToolCall("f", '{"x":1}', "a"), ToolCall("g", '{"y":2}', "b")], finish="tool_calls"
    ),
    "chat-function-call-digits": Says(tool_calls=[ToolCall("f", '{"a":0.10}')], finish="function_call"),
    "chat-parts-numbers": Says(["$0.10"]),
    "chat-refusal": Says(["I can", "not."], finish="stop"),
    "chat-message-again": Says(["Hel", "lo", "!"], "Hm", [ToolCall("f", "{}", "a")], "stop"),
    "chat-messages": Says(["ha", "ha"]),
    "chat-finish": Says(["a", "b", "c", "d", "e"], finish="length"),
    "chat-finish-at-top": Says(["a", "b"], finish="length"),
    "chat-function-call": Says(tool_calls=[ToolCall("get_weather", '{"city":"Paris"}')], finish="function_call"),
    "chat-tool-calls-at-top": Says(tool_calls=[ToolCall("f", "{}", "a")], finish="tool_calls"),
    "chat-two-answers-without-end": Says(["a", "b"], finish="stop"),
    "chat-two-answers": Says(["a", "b", "c"], finish="stop", usage=(4, 6, 10)),
    "completion": Says(["Hel", "0.10", "lo"], finish="length", usage=(3, 3, 6)),
    # Both in one stream.
    "native-and-chat": Says(["Hel", "lo", " wor", "ld"], finish="stop"),
    "dual": Says(["Hello ", "wor", "ld", "!"], finish="stop", usage=(7, 4, 11)),
    "dual-numbers": Says(["0", "0.10", "7"]),
    "dual-tool-calls": Says(tool_calls=[ToolCall("f", "{}", "a")], finish="tool_calls"),
    "dual-two-answers": Says(["a", "b"], finish="stop"),
    "dual-reasoning": Says(["Yes"], "Hm", finish="stop"),
    "dual-reasoning-at-top": Says(["Yes"], "Hm", finish="stop"),
    "trailer": Says(["I", "'m"], finish="stop", usage=(23, 15, 38)),
    "usage-increments": Says(["a", "b", "c"], usage=(11, 3, 14)),
    # Characters.
    "half-characters": Says(["Hi ", "😀!", "🚀", "\ufffdx", "\ufffdy", "😀"]),
    "half-characters-chat": Says(["🌍", "."], "😀", finish="stop"),
    "half-character-at-the-end": Says(["a", "b", "\ufffd"]),
    "half-character-cut-off": Says(["a", "b", "\ufffd"], fails=truncated("ab\ufffd")),
    "separators": Says(["a\u2028b\u2029c\x85d", "\u2028", "\x0b\x0c\x1c"]),
    "not-utf-8": Says(["a\ufffdb", "\ufffd", "é", "0.10"]),
    "emoji": Says(["café ", "😀", "é😀"]),
    # Framing.
    "byte-order-mark": HELLO,
    "crlf": HELLO,
    "cr": HELLO,
    "mixed-line-ends": Says(["Hel", "lo", "!"]),
    "comments-and-fields": HELLO,
    "without-space": HELLO,
    "many-lines": Says(["Hel", "0.10", "lo"]),
    "empty-data": HELLO,
    "done-bare": HELLO,
    "done-bare-ended": HELLO,
    "done-without-end": HELLO,
    "done-behind-a-line": HELLO,
    "done-in-the-last-event": HELLO,
    "without-empty-lines": Says(["Hel", "lo"], usage=(10, 2, 12)),
    "last-line-without-end": Says(["Hel", "lo"], finish="stop"),
    "last-line-without-empty-line": Says(["Hel", "lo"], finish="stop"),
    "after-done": HELLO,
    "only-done": Says(),
    "nothing": Says(fails=truncated("")),
    "only-comments": Says(fails=truncated("")),
    # The end before the end.
    "truncated": Says(["Hel", "lo"], fails=truncated("Hello")),
    "truncated-chat": Says(["Hel", "lo"], fails=truncated("Hello")),
    "truncated-in-json": Says(["Hel"], fails=truncated("Hel")),
    "truncated-in-field": Says(["Hel"], fails=truncated("Hel")),
    "truncated-in-done": Says(["Hel"], fails=truncated("Hel")),
    "truncated-behind-last-line": Says(["Hel", "lo"], fails=truncated("Hello")),
    "truncated-without-empty-lines": Says(["Hel", "lo"], fails=truncated("Hello")),
    "truncated-in-trailer": Says(["Hello"], finish="stop", usage=(13, 2, 15)),
    # Errors.
    "error-list": Says(["Hel", "lo"], fails=Fails("3040: Capacity temporarily exceeded", "Hello", 3040)),
    "error-envelope": Says(["Hel", "lo"], fails=Fails("8005: Internal server error", "Hello", 8005)),
    "error-no-success": Says(["Hel", "lo"], fails=Fails("reported an error", "Hello")),
    "error-string": Says(["Hel", "lo"], fails=Fails("Request timeout", "Hello", 3046)),
    "error-object": Says(["Hel", "lo"], fails=Fails("invalid_prompt: bad prompt", "Hello", "invalid_prompt")),
    "error-flat": Says(["Hel", "lo"], fails=Fails("The server had an error", "Hello", "server_error")),
    "error-object-kind": Says(["Hel", "lo"], fails=Fails("503: The model is overloaded", "Hello", 503)),
    "error-typed": Says(["Hel", "lo"], fails=Fails("inside the stream: Overloaded", "Hello")),
    "error-event": Says(["Hel", "lo"], fails=Fails("3040: Capacity temporarily exceeded", "Hello", 3040)),
    "error-event-text": Says(["Hel", "lo"], fails=Fails("upstream went away", "Hello")),
    "error-first": Says(fails=Fails("3040: busy", "", 3040)),
    "error-without-end": Says(["Hel", "lo"], fails=Fails("3040: busy", "Hello", 3040)),
    "error-null": HELLO,
    "error-internal": Says(
        ["Hel", "lo"], fails=Fails("1001: prompt and messages are mutually exclusive", "Hello", 1001)
    ),
    "error-gateway": Says(["Hel", "lo"], fails=Fails("7000: No route", "Hello", 7000)),
    "error-beside-text": Says(["Hel"], fails=Fails("out of memory", "Hel")),
    "error-finish": Says(["Hel", "lo"], finish="error", fails=Fails("stopped with an error: no reason given", "Hello")),
    "error-finish-native": Says(["Hel", "lo"], finish="error", fails=Fails("stopped with an error", "Hello")),
    "error-finish-dual": Says(["Hel", "lo"], finish="error", fails=Fails("stopped with an error", "Hello")),
    "error-responses": Says(["Hello"], fails=Fails("The model failed", "Hello", "server_error")),
    "not-json": Says(["Hel", "lo"], fails=Fails("is no JSON", "Hello")),
    "not-json-html": Says(["Hel", "lo"], fails=Fails("is no JSON", "Hello")),
    "not-json-in-a-line": Says(["Hel"], fails=Fails("is no JSON", "Hel")),
    "not-an-object": Says(["Hel", "lo"], fails=Fails("is no object", "Hello")),
    # Whole answers as one event.
    "whole-native": Says(["Hello"], usage=(10, 2, 12)),
    "whole-native-enveloped": Says(["Hello"], usage=(10, 2, 12)),
    "whole-enveloped-full": Says(["Hello"]),
    "whole-enveloped-number": Says(["0.10"]),
    "whole-enveloped-text": Says(["Hello"]),
    "whole-enveloped-bare-number": Says(["1e3"]),
    "whole-native-tool-call": Says(tool_calls=[ToolCall("get_weather", WEATHER)]),
    "whole-scout-tool-call": Says(
        tool_calls=[ToolCall("get_weather", '{"city": "Paris"}', "chatcmpl-tool-1")], usage=(30, 9, 39)
    ),
    "whole-native-json-mode": Says(['{"safe":true,"categories":["S1"]}']),
    "whole-chat": Says(["Hello"], "Hm", [ToolCall("f", "{}", "t")], "tool_calls", (13, 5, 18)),
    "whole-chat-enveloped": Says(["Hello"], "Hm", [ToolCall("f", "{}", "t")], "tool_calls", (13, 5, 18)),
    "whole-chat-number": Says(["0.10"], finish="stop"),
    "whole-completion": Says(["Hello"], finish="length", usage=(3, 2, 5)),
    "whole-completion-number": Says(["0.10"], finish="stop"),
    "whole-responses": Says(["Hello"], "Hm", [ToolCall("f", '{"a":1}', "call_1")], "tool_calls", (8, 6, 14)),
    "whole-responses-enveloped": Says(["Hello"], "Hm", [ToolCall("f", '{"a":1}', "call_1")], "tool_calls", (8, 6, 14)),
    "whole-responses-digits": Says(["1e3No."], "0.10", [ToolCall("f", '{"a":0.10}', "c")], "tool_calls"),
    "whole-enveloped-list": Says(['["a",0.10]']),
    "whole-responses-summary": Says(["Hello"], "Hm", finish="stop"),
    "whole-responses-output-text": Says(["Hello"], finish="stop"),
    # The events of the Responses API.
    "responses": Says(["Hel", "lo"], "Hm", finish="stop", usage=(8, 3, 11)),
    "responses-tool-calls": Says(
        tool_calls=[ToolCall("get_weather", WEATHER, "call_1"), ToolCall("get_time", "{}", "call_2")],
        finish="tool_calls",
        usage=(8, 3, 11),
    ),
    "responses-tool-calls-interleaved": Says(
        tool_calls=[ToolCall("f", '{"a":1}', "call_1"), ToolCall("g", "{}", "call_2")],
        finish="tool_calls",
        usage=(8, 3, 11),
    ),
    "responses-tool-calls-without-deltas": Says(
        tool_calls=[ToolCall("get_weather", WEATHER, "call_1")], finish="tool_calls", usage=(8, 3, 11)
    ),
    "responses-summary": Says(["Hello"], "Hm", finish="stop"),
    "responses-incomplete": Says(["Hel"], finish="length", usage=(8, 1, 9)),
    "responses-filtered": Says(finish="content_filter"),
    "responses-only-completed": Says(["Hello"], "Hm", [ToolCall("f", '{"a":1}', "call_1")], "tool_calls", (8, 6, 14)),
    "responses-only-done": Says(
        ["Hel", "lo 0.10"],
        "Hm",
        [ToolCall("f", '{"a":1}', "call_1"), ToolCall("g", '{"b":0.10}', "call_2")],
        "tool_calls",
    ),
    "responses-refusal": Says(["I can", "not."], finish="stop"),
    "responses-numbers": Says(["$", "0.10"], finish="stop"),
    "responses-truncated": Says(["Hel"], fails=truncated("Hel")),
    "responses-after-completed": Says(["Hel"], finish="stop"),
}


def test_every_sample_is_in_the_table() -> None:
    assert sorted(EXPECTED) == SAMPLES


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_says_what_it_should(name: str) -> None:
    expected, came = EXPECTED[name], played(name)
    decoder, error = came.decoder, came.error
    assert [token.text for token in came.tokens if token.text and token.choice == 0] == expected.texts
    assert decoder.text == "".join(expected.texts)
    assert decoder.reasoning_of(0) == expected.reasoning
    assert decoder.tool_calls_of(0) == expected.tool_calls
    assert decoder.finish_reason == expected.finish
    usage = decoder.usage
    assert (usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)) == expected.usage
    if expected.fails is None:
        assert error is None
        return
    assert isinstance(error, StreamError)
    assert type(error) is expected.fails.kind
    assert expected.fails.message in str(error)
    assert (error.partial, error.code) == (expected.fails.partial, expected.fails.code)
    assert (error.model, error.request_id) == ("@cf/some/model", "request-1")
    assert decoder.failure is error


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_says_the_same_wherever_it_is_cut(name: str) -> None:
    body = wire(name)
    whole = play([body]).told()
    for at in range(1, len(body)):
        assert play([body[:at], body[at:]]).told() == whole, at
    assert play([body[at : at + 1] for at in range(len(body))]).told() == whole
    *events, rest = body.split(b"\n\n")
    assert play([*(part + b"\n\n" for part in events), rest]).told() == whole


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_says_the_same_when_it_is_cut_at_random(name: str) -> None:
    body, chance = wire(name), random.Random(name)
    whole = play([body]).told()
    for _ in range(10):
        at = sorted(chance.randrange(len(body) + 1) for _ in range(chance.randrange(2, 9)))
        assert play([body[start:end] for start, end in pairwise([0, *at, len(body)])]).told() == whole, at


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"mixed-line-ends", "cr", "crlf"}))
@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_a_sample_says_the_same_with_other_line_ends(name: str, end: bytes) -> None:
    body = wire(name)
    assert play([body.replace(b"\n", end)]).told() == play([body]).told()


def commented(body: bytes) -> bytes:
    """`body` with a comment in each block that is one line of data: a block that is no longer the plainest of all."""
    return body.replace(b"data: ", b": comment\ndata: ")


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"many-lines", "cr", "crlf", "mixed-line-ends"}))
def test_a_sample_says_the_same_with_comments_in_it(name: str) -> None:
    body = wire(name)
    assert play([commented(body)]).told() == play([body]).told()


@pytest.mark.parametrize("name", SAMPLES)
def test_the_texts_of_a_sample_s_tokens_are_its_text(name: str) -> None:
    came = played(name)
    for number in came.decoder.choices:
        mine = [token for token in came.tokens if token.choice == number]
        assert "".join(token.text for token in mine) == came.decoder.text_of(number)
        assert "".join(token.reasoning for token in mine) == came.decoder.reasoning_of(number)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_finish_reasons_of_a_sample_s_tokens_are_its_own(name: str) -> None:
    came = played(name)
    given = {token.choice: token.finish_reason for token in came.tokens if token.finish_reason is not None}
    assert given == came.decoder.finish_reasons


@pytest.mark.parametrize("name", SAMPLES)
def test_the_pieces_of_a_sample_s_tool_calls_are_its_tool_calls(name: str) -> None:
    came = played(name)
    for number in came.decoder.choices:
        pieces = [piece for token in came.tokens if token.choice == number for piece in token.tool_calls]
        indexes = sorted({piece.index for piece in pieces})
        calls = [[piece for piece in pieces if piece.index == index] for index in indexes]
        whole = [
            ("".join(piece.arguments for piece in call), {piece.name for piece in call} - {None}) for call in calls
        ]
        assert whole == [(call.arguments, {call.name}) for call in came.decoder.tool_calls_of(number)]


@pytest.mark.parametrize("name", SAMPLES)
def test_no_token_of_a_sample_has_padding(name: str) -> None:
    assert not [token for token in played(name).tokens if "p" in token.raw]


_ENDED = [name for name in SAMPLES if EXPECTED[name].fails is None and wire(name).endswith(b"data: [DONE]\n\n")]


@pytest.mark.parametrize("name", _ENDED)
def test_nothing_behind_the_end_mark_counts(name: str) -> None:
    body = wire(name)
    assert play([body, wire("after-done"), b"data: {"]).told() == play([body]).told()


# Tokens.


def test_a_token_has_the_event_as_it_came_less_its_padding() -> None:
    assert [token.raw for token in played("native").tokens] == [
        {"response": "Hel", "tool_calls": []},
        {"response": "lo", "tool_calls": []},
        {"response": "", "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}},
    ]
    assert played("chat").tokens[3].raw == {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1751570976,
        "model": "@cf/qwen/qwen3",
        "choices": [{"index": 0, "delta": {"content": "B"}, "logprobs": None, "finish_reason": None}],
        "usage": {"prompt_tokens": 13, "total_tokens": 16, "completion_tokens": 3},
    }


@pytest.mark.parametrize("block", wire("dual").split(b"\n\n")[:5] + wire("trailer").split(b"\n\n")[:5])
def test_one_event_is_one_token_itself(block: bytes) -> None:
    assert isinstance(TokenDecoder().feed(block), Token)


@pytest.mark.parametrize("name", ["native", "chat", "dual", "trailer", "usage-increments", "responses"])
def test_one_event_is_one_token_at_most(name: str) -> None:
    events = wire(name).count(b"\n\n")
    assert len(played(name).tokens) < events


def test_a_token_has_the_usage_of_its_own_event() -> None:
    usages = [
        token.usage and (token.usage.prompt_tokens, token.usage.completion_tokens) for token in played("trailer").tokens
    ]
    assert usages == [(23, 1), (0, 1), (0, 1), (0, 0), (23, 15)]
    assert [token.usage and token.usage.total_tokens for token in played("responses").tokens][-1] == 11


def test_a_token_has_the_pieces_of_tool_calls_by_index() -> None:
    assert [token.tool_calls for token in played("native-tool-calls-two").tokens] == [
        (ToolCallDelta(0, "get_weather", '{"city"', "call_1"),),
        (ToolCallDelta(0, None, ':"Paris"}'),),
        (),
        (ToolCallDelta(1, "get_time", "", "call_2"),),
        (ToolCallDelta(1, None, '{"zone":'),),
        (ToolCallDelta(1, None, '"CET"}'),),
        (),
        (),
    ]


def test_a_token_has_the_finish_reason_of_its_own_event() -> None:
    assert [token.finish_reason for token in played("chat-finish").tokens] == [None, None, "stop", None, "length", None]


def test_every_answer_of_several_has_its_own_tokens() -> None:
    came = played("chat-two-answers")
    assert [(token.choice, token.text) for token in came.tokens if token.text] == [
        (0, "a"),
        (1, "x"),
        (0, "b"),
        (1, "y"),
        (0, "c"),
    ]
    decoder = came.decoder
    assert (decoder.choices, decoder.text_of(1), decoder.reasoning_of(1)) == ([0, 1], "xy", "hm")
    assert decoder.tool_calls_of(1) == [ToolCall("f", "{}", "t")]
    assert decoder.tool_calls_of(0) == []
    assert decoder.finish_reasons == {0: "stop", 1: "tool_calls"}


@pytest.mark.parametrize(
    ("name", "texts"), [("dual-two-answers", {0: "ab", 1: "xy"}), ("chat-two-answers-without-end", {0: "ab", 1: "x"})]
)
def test_the_second_answer_is_told_apart_everywhere(name: str, texts: dict[int, str]) -> None:
    came = played(name)
    assert {number: came.decoder.text_of(number) for number in came.decoder.choices} == texts
    assert {number: "".join(token.text for token in came.tokens if token.choice == number) for number in texts} == texts


def test_each_delta_of_the_responses_api_is_a_token_of_its_own() -> None:
    tokens = [
        (token.text, token.reasoning, token.tool_calls, token.finish_reason) for token in played("responses").tokens
    ]
    assert tokens == [("", "Hm", (), None), ("Hel", "", (), None), ("lo", "", (), None), ("", "", (), "stop")]
    calls = [token.tool_calls for token in played("responses-tool-calls").tokens]
    assert calls[:3] == [
        (ToolCallDelta(0, "get_weather", "", "call_1"),),
        (ToolCallDelta(0, None, '{"city":'),),
        (ToolCallDelta(0, None, '"Paris"}'),),
    ]
    assert calls[-1] == ()


def test_an_answer_that_never_came_is_empty() -> None:
    decoder = TokenDecoder()
    assert (decoder.text, decoder.text_of(3), decoder.reasoning_of(0), decoder.tool_calls_of(0)) == ("", "", "", [])
    assert (decoder.finish_reason, decoder.usage, decoder.choices, decoder.failure) == (None, None, [0], None)


def test_usage_has_neurons_and_details_added_up() -> None:
    usage = played("usage-increments").decoder.usage
    assert usage is not None
    assert (usage.neurons, usage.cached_tokens, usage.reasoning_tokens) == (0.5, 8, 2)


def test_usage_of_a_trailer_is_added_to_nothing() -> None:
    usage = played("trailer").decoder.usage
    assert usage is not None
    assert (usage.neurons, usage.raw["prompt_tokens_details"]) == (0.99, {"cached_tokens": 0})


def test_usage_of_the_responses_api_keeps_its_names_too() -> None:
    usage = played("whole-responses").decoder.usage
    assert usage is not None
    assert (usage.raw["input_tokens"], usage.raw["output_tokens"], usage.total_tokens, usage.reasoning_tokens) == (
        8,
        6,
        14,
        2,
    )


@pytest.mark.parametrize("name", ["truncated", "truncated-chat", "error-list", "error-finish", "not-json"])
def test_usage_is_unknown_once_the_stream_broke(name: str) -> None:
    body = event({"response": "", "usage": {"prompt_tokens": 10, "completion_tokens": 1}}) + wire(name)
    assert play([body]).decoder.usage is None


@pytest.mark.parametrize("key", ["answer", "caption"])
def test_an_answer_of_a_vision_model_has_its_text_and_its_usage(key: str) -> None:
    came = play([event({key: "a cat", "metrics": {"input_tokens": 700, "output_tokens": 3}}), b"data: [DONE]\n\n"])
    assert came.decoder.text == "a cat"
    assert came.decoder.usage is not None
    assert (came.decoder.usage.prompt_tokens, came.decoder.usage.completion_tokens) == (700, 3)


# What the shape of the answer is told from.


@pytest.mark.parametrize(
    ("name", "native", "chat", "payload"),
    [
        ("native", True, False, False),
        ("native-finish", True, False, False),
        ("dual", True, True, False),
        ("chat", False, True, False),
        ("trailer", False, True, False),
        ("whole-chat-enveloped", False, True, False),
        ("responses", False, False, True),
        ("whole-responses-enveloped", False, False, True),
        ("only-done", False, False, False),
    ],
)
def test_the_dialects_that_were_seen_are_known(name: str, native: bool, chat: bool, payload: bool) -> None:
    decoder = played(name).decoder
    assert (decoder.native, decoder.chat is not None, decoder.payload is not None) == (native, chat, payload)


@pytest.mark.parametrize("kind", ["text", "message", "", None, 5])
def test_a_type_that_is_no_event_of_the_responses_api_says_nothing(kind: Any) -> None:
    assert play([event({"type": kind, "response": "a"}), b"data: [DONE]\n\n"]).decoder.text == "a"


def test_an_output_of_another_kind_makes_no_answer_of_the_responses_api() -> None:
    decoder = play([event({"response": "a", "output": ["x"]}), b"data: [DONE]\n\n"]).decoder
    assert (decoder.text, decoder.payload) == ("a", None)


@pytest.mark.parametrize("behind", [{"response": "a"}, {"response": "a", "finish_reason": "stop"}, {"response": 0}])
def test_a_text_behind_chunks_makes_a_stream_native(behind: dict[str, Any]) -> None:
    assert play([wire("last-line-without-empty-line"), b"\n", event(behind)]).decoder.native


@pytest.mark.parametrize("before", [{"usage": {"prompt_tokens": 1}}, {"id": "x"}, {}])
def test_an_event_without_a_text_makes_no_stream_native(before: dict[str, Any]) -> None:
    assert not play([event(before), wire("chat")]).decoder.native


def test_the_first_chunk_and_the_last_payload_are_kept() -> None:
    chat = played("trailer").decoder.chat
    assert chat is not None
    assert (chat["id"], chat["choices"][0]["delta"]) == ("chatcmpl-1", {"role": "assistant", "content": "I"})
    payload = played("responses").decoder.payload
    assert payload is not None
    assert (payload["status"], len(payload["output"])) == ("completed", 2)


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({}, "length"),
        (None, "length"),
        ("x", "length"),
        ({"reason": None}, "length"),
        ({"reason": "max_output_tokens"}, "length"),
        ({"reason": "content_filter"}, "content_filter"),
        ({"reason": 5}, "5"),
    ],
)
def test_an_incomplete_answer_says_why(details: Any, reason: str) -> None:
    payload: dict[str, Any] = {
        "object": "response",
        "status": "incomplete",
        "incomplete_details": details,
        "output": [],
    }
    for body in (event(payload), event({"type": "response.incomplete", "response": payload})):
        came = play([body])
        assert (came.decoder.finish_reason, came.error) == (reason, None)


@pytest.mark.parametrize("output", ["null", "[]", "[null, {}]", '[{"content": null}]', '"x"', '[{"content": "x"}]'])
def test_an_answer_that_completed_is_whole_whatever_it_says(output: str) -> None:
    came = play([b'data: {"type":"response.completed","response":{"output":' + output.encode() + b"}}\n\n"])
    assert (came.decoder.text, came.decoder.tool_calls_of(0), came.error) == (
        "x" * ('"content": "x"' in output),
        [],
        None,
    )


@pytest.mark.parametrize("payload", ["null", '"x"', "[]", "{}"])
def test_an_answer_that_completed_without_saying_anything_is_empty(payload: str) -> None:
    came = play([b'data: {"type":"response.completed","response":' + payload.encode() + b"}\n\n"])
    assert (came.decoder.text, came.decoder.tool_calls_of(0), came.error) == ("", [], None)


# The end.


@pytest.mark.parametrize(
    "block",
    [b"data: [DONE]", b"data:[DONE]", b"data:  [DONE] ", b"[DONE]", b" [DONE]", b"event: done\ndata: [DONE]\nid: 5"],
)
def test_an_end_mark_is_an_end_however_it_is_written(block: bytes) -> None:
    decoder = TokenDecoder()
    assert decoder.feed(block) is None
    assert decoder.done
    assert decoder.feed(b'data: {"response":"late"}') is None
    decoder.check()


@pytest.mark.parametrize(
    "rest",
    [
        *(b"[DONE]", b"data: [DONE]", b"data:[DONE]", b"data: [DONE]\n", b"event: x\ndata: [DONE]\n", b"[DONE]\r\n"),
        b'data: {"response":""}\ndata: [DONE]',
    ],
)
@pytest.mark.parametrize("cut", [1, 3, 100])
def test_an_end_mark_without_its_empty_line_is_an_end(rest: bytes, cut: int) -> None:
    decoder, blocks = TokenDecoder(), Blocks()
    for start in range(0, len(rest), cut):
        assert blocks.feed(rest[start : start + cut]) == []
    assert decoder.ends_with(blocks.last_line())
    assert [token for token in decoder.finish(blocks.rest()) if token.text] == []
    assert decoder.done
    decoder.check()


@pytest.mark.parametrize(
    "rest",
    [
        *(
            b"",
            b"data: [DON",
            b'data: {"response":"[DONE]',
            b"id: [DONE]",
            b"data: [DONE]\ndata: x",
            b"x" * 100 + b"[DONE]",
        ),
        b'data: {"response":"' + b" " * 60 + b"data: [DONE]",
    ],
)
@pytest.mark.parametrize("cut", [1, 3, 100])
def test_other_rests_are_no_end(rest: bytes, cut: int) -> None:
    blocks = Blocks()
    for start in range(0, len(rest), cut):
        blocks.feed(rest[start : start + cut])
    assert not TokenDecoder().ends_with(blocks.last_line())


@pytest.mark.parametrize("text", ["[DONE]", "data: [DONE]", " [DONE] "])
def test_a_text_that_looks_like_the_end_mark_is_text(text: str) -> None:
    came = play([event({"response": text}), event({"response": "!"}), b"data: [DONE]\n\n"])
    assert (came.decoder.text, came.error) == (text + "!", None)


@pytest.mark.parametrize("name", ["native", "only-done", "done-bare", "responses-incomplete"])
def test_the_end_is_known_as_soon_as_it_has_come(name: str) -> None:
    assert played(name).decoder.done


@pytest.mark.parametrize("name", ["native-finish", "truncated", "whole-native", "whole-chat", "error-list"])
def test_a_finish_reason_or_an_answer_is_not_the_end(name: str) -> None:
    body = wire(name).removesuffix(b"data: [DONE]\n\n")
    assert not play([body]).decoder.done


def test_a_finish_reason_of_another_answer_does_not_make_this_one_whole() -> None:
    chunk = {"choices": [{"index": 1, "delta": {"content": "x"}, "finish_reason": "stop"}]}
    assert isinstance(play([event(chunk)]).error, StreamTruncatedError)


def test_half_a_character_is_given_at_the_end_even_behind_the_end_mark() -> None:
    decoder = TokenDecoder()
    decoder.feed(b'data: {"response":"a\\ud83d"}')
    decoder.feed(b'data: {"choices":[{"index":1,"delta":{"reasoning":"\\ud83d"}}]}')
    decoder.feed(b"data: [DONE]")
    assert [(token.text, token.reasoning, token.choice) for token in decoder.finish(b"")] == [
        ("\ufffd", "", 0),
        ("", "\ufffd", 1),
    ]
    assert (decoder.text, decoder.reasoning_of(1)) == ("a\ufffd", "\ufffd")


def test_half_a_character_is_given_once() -> None:
    decoder = TokenDecoder()
    decoder.feed(b'data: {"response":"\\ud83d"}')
    assert len(decoder.finish(b"")) == 1
    assert decoder.finish(b"") == []


def test_a_half_of_the_text_and_one_of_the_reasoning_do_not_meet() -> None:
    came = play([
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d","reasoning":"x"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"reasoning":"\\ude00"}}]}\n\n',
        b'data: {"choices":[{"index":1,"delta":{"content":"\\ude00"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00"}}]}\n\ndata: [DONE]\n\n',
    ])  # fmt: skip
    decoder = came.decoder
    assert (decoder.text, decoder.reasoning_of(0), decoder.text_of(1)) == ("😀", "x\ufffd", "\ufffd")


# Errors.


def test_the_token_that_stopped_with_an_error_comes_before_the_error() -> None:
    came = played("error-finish")
    assert [token.text for token in came.tokens] == ["Hel", "lo"]
    assert came.tokens[-1].finish_reason == "error"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (
            "error-list",
            {"errors": [{"code": 3040, "message": "AiError: Capacity temporarily exceeded, please try again."}]},
        ),
        ("error-string", {"error": "3046: Request timeout"}),
        ("error-event-text", "upstream went away"),
        ("not-json", '{"response":"lo'),
        ("not-an-object", [1, 2]),
        ("truncated", None),
    ],
)
def test_an_error_has_the_event_that_reported_it(name: str, body: Any) -> None:
    error = played(name).error
    assert isinstance(error, StreamError)
    assert error.body == body


def test_an_error_hides_the_credentials_that_a_server_echoed() -> None:
    for block in (b'data: {"error":{"message":"no token 0123456789abcdef"}}', b"data: 0123456789abcdef"):
        with pytest.raises(StreamError) as raised:
            TokenDecoder(secrets=["0123456789abcdef"]).feed(block)
        error = raised.value
        assert "0123456789abcdef" not in f"{error} {error!r} {error.message} {error.body} {error.__context__!r}"


def test_an_error_stays_what_it_was() -> None:
    decoder = TokenDecoder()
    with pytest.raises(StreamError, match="first") as first:
        decoder.feed(b'data: {"error":"first"}')
    for block in (
        b'data: {"response":"x"}',
        b"data: [DONE]",
        b'data: {"response":0}',
        b'event: x\ndata: {"response":"x"}',
    ):
        with pytest.raises(StreamError, match="first"):
            decoder.feed(block)
    with pytest.raises(StreamError) as again:
        decoder.check()
    assert again.value is first.value
    assert decoder.text == ""


@pytest.mark.parametrize("key", ["message", "detail"])
def test_a_reason_that_comes_with_an_error_finish_is_told(key: str) -> None:
    came = play([event({"response": "", "finish_reason": "error", key: "out of memory"})])
    assert came.error is not None
    assert "out of memory" in str(came.error)


def test_an_event_named_error_without_data_is_no_event() -> None:
    assert play([b"event: error\n\n", wire("native")]).error is None


def test_a_failure_without_a_payload_tells_its_own_reason() -> None:
    came = play([event({"type": "response.failed", "response": None, "message": "out of memory"})])
    assert "out of memory" in str(came.error)


def test_an_error_event_without_a_reason_says_so() -> None:
    assert "no reason given" in str(play([event({"type": "response.failed", "response": {}})]).error)


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        (b'{"response":', b"}"),
        (b'{"choices":[{"delta":{"content":', b"}}]}"),
        (b'{"errors":[', b"]}"),
        (b'{"tool_calls":[{"arguments":', b"}]}"),
        (b'{"usage":', b"}"),
        (b"", b""),
    ],
)
def test_nesting_of_any_depth_is_an_answer_or_a_stream_error(before: bytes, behind: bytes) -> None:
    for depth in (190, 200, 210, 500, *range(900, 1000, 2), 2_000, 9_990, 50_000):
        for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
            nested = opened * depth + b"1" + closed * depth
            came = play([b"data: " + before + nested + behind + b"\n\ndata: [DONE]\n\n"])
            assert came.error is None or isinstance(came.error, StreamError)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"response":%s}',
        b'{"response":[%s]}',
        b'{"choices":[{"delta":{"content":%s}}]}',
        b'{"tool_calls":[{"index":%s,"name":"f"}]}',
        b'{"tool_calls":[{"name":"f","arguments":{"a":%s}}]}',
        b'{"usage":%s}',
        b'{"usage":{"prompt_tokens":%s,"neurons":0.5}}',
        b'{"usage":{"prompt_tokens":5,"neurons":%s}}',
        b'{"errors":[{"code":%s}]}',
    ],
)
def test_numbers_of_any_length_are_an_answer_or_a_stream_error(payload: bytes) -> None:
    increment = b'data: {"usage":{"prompt_tokens":0,"completion_tokens":1.5,"neurons":0.5}}\n\n'
    for digits in (300, 400, 4_299, 4_300, 4_301, 10_000):
        for number in (b"%s", b"-%s", b"%s.5", b"1e%s", b"1e-%s"):
            said = b"data: " + payload % (number % (b"9" * digits)) + b"\n\n"
            came = play([said, increment, b"data: [DONE]\n\n"])
            usages = [token.usage for token in came.tokens], came.decoder.usage
            assert came.error is None or isinstance(came.error, StreamError), (digits, number, usages)


# Any stream at all.

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
    """A whole stream of the native or the chat dialect, its text, and its reasoning."""
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


@settings(max_examples=100, deadline=None)
@given(streams(), st.lists(st.integers(0, 600), max_size=6))
def test_any_stream_says_what_was_put_into_it_in_any_cut(stream: tuple[bytes, str, str], at: list[int]) -> None:
    body, text, reasoning = stream
    whole = play([body])
    assert (whole.error, whole.decoder.text, whole.decoder.reasoning_of(0)) == (None, text, reasoning)
    assert "".join(map(str, whole.tokens)) == text
    pieces = [
        body[start:end] for start, end in pairwise([0, *sorted(min(place, len(body)) for place in at), len(body)])
    ]
    assert play(pieces).told() == whole.told()


_FRAGMENTS = [
    b"data: ", b"data:", b"\n", b"\n\n", b"\r\n\r\n", b"event: error\n", b"[DONE]", b"{", b"}", b"[", b"]",
    b",", b":", b'"', b"\\", b'{"response":', b'{"response":"a"}',
    b'"choices":[{"index":0,"delta":{"content":', b'"tool_calls":[{"index":0,"name":"f"}]',
    b'"finish_reason":"stop"', b'"usage":{"prompt_tokens":1}', b'"errors":[{"code":1}]',
    b'"type":"response.completed"', b'"result":', b'"output":[{"type":"function_call"}]', b"null", b"true",
    b"0.10", b"NaN", b"1e999", b'"\\ud83d"', b'"\\ude00"', b"\xff",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(_FRAGMENTS) | st.binary(max_size=2), max_size=30).map(b"".join))
def test_any_bytes_raise_nothing_but_stream_errors(body: bytes) -> None:
    came = play([body])
    assert came.error is None or isinstance(came.error, StreamError)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["error", "stop", "f"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "response",
                    "choices",
                    "delta",
                    "message",
                    "content",
                    "text",
                    "reasoning",
                    "reasoning_content",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "id",
                    "index",
                    "finish_reason",
                    "usage",
                    "prompt_tokens",
                    "completion_tokens",
                    "neurons",
                    "result",
                    "success",
                    "error",
                    "errors",
                    "type",
                    "object",
                    "output",
                    "item",
                    "output_index",
                    "output_text",
                    "metrics",
                    "answer",
                    "p",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_json, max_size=4))
def test_any_json_raises_nothing_but_stream_errors(events: list[Any]) -> None:
    came = play([*map(event, events), b"data: [DONE]\n\n"])
    assert came.error is None or isinstance(came.error, StreamError)
    assert "".join(token.text for token in came.tokens if token.choice == 0) == came.decoder.text
    # The plainest events take a shorter way through the decoder, which must not lead elsewhere.
    assert play([commented(b"".join(map(event, events))), b"data: [DONE]\n\n"]).told() == came.told()


def _choice(**more: Any) -> dict[str, Any]:
    """The choice of the plainest chunk, with something else in it."""
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


def altered(plain: dict[str, Any], extras: list[dict[str, Any]]) -> dict[str, Any]:
    """One of the plainest events, with something else in it."""
    return {key: value for each in (plain, *extras) for key, value in each.items()}


def ways(events: list[dict[str, Any]]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What the decoder says by its short ways, where they can be taken, and by the long one."""
    body = b"".join(map(event, events)) + b"data: [DONE]\n\n"
    return play([body]).told(), play([commented(body)]).told()


@pytest.mark.parametrize("plain", _PLAIN)
def test_the_short_ways_through_the_decoder_lead_where_the_long_one_does(plain: dict[str, Any]) -> None:
    for first in _PLAIN:
        for extra in ({}, *_EXTRAS):
            short, long = ways([first, altered(plain, [extra]), plain])
            assert short == long, (first, extra)


_altered = st.builds(altered, st.sampled_from(_PLAIN), st.lists(st.sampled_from(_EXTRAS), max_size=2))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(_PLAIN), st.lists(_altered, min_size=1, max_size=2))
def test_the_short_ways_do_so_for_stranger_events_too(first: dict[str, Any], others: list[dict[str, Any]]) -> None:
    short, long = ways([first, *others])
    assert short == long
