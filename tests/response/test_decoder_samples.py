"""Wire samples to tokens: every dialect and trap, in every cut. The bytes are in `wire/`, what they say is here."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from cfai import StreamError, StreamTruncatedError
from cfai.types import ToolCall, ToolCallDelta
from tests.conftest import row
from tests.decoding import WIRE, commented, play, played, wire

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
    """The content of a wire sample."""

    texts: list[str] = field(default_factory=list[str])
    """The texts of its tokens, those of the first answer, less the empty ones."""
    reasoning: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list[ToolCall])
    finish: str | None = None
    usage: tuple[int, int, int] | None = None
    fails: Fails | None = None


def truncation(partial: str) -> Fails:
    return Fails("ended with neither [DONE] nor a finish reason", partial, kind=StreamTruncatedError)


WEATHER = '{"city":"Paris"}'
GET_WEATHER = ToolCall("get_weather", WEATHER, "call_1")
F, F_OF_1 = ToolCall("f", "{}", "a"), ToolCall("f", '{"a":1}', "call_1")
HELLO = Says(["Hel", "lo"])

EXPECTED: dict[str, Says] = {
    # Anthropic's Messages API, which a gateway passes on.
    "messages": Says(["Hel", "lo"], "Greet.", finish="stop", usage=(10, 7, 17)),
    "messages-tool-calls": Says(["Hel", "lo"], "Greet.", [GET_WEATHER], "tool_calls", (10, 7, 17)),
    "messages-cut": Says(["Hel", "lo"], "Greet.", fails=truncation("Hello")),
    # The native dialect.
    "native": Says(["Hel", "lo"], usage=(10, 2, 12)),
    "native-without-text": Says(["a", "b"]),
    "native-numbers": Says(
        [
            *("$", "0", ".", "0.10", " ", "1e3", "-0", "12345678901234567890", "0.30000000000000000001", "1E+5"),
            *("-1.50e-07", "NaN", "-Infinity", "Infinity"),
        ]
    ),
    "native-other-values": Says(["true", "false", '{"city":"Paris","n":[1,null]}', '["a",1]']),
    "native-finish": Says(["Hi", "!", " more"], finish="stop", usage=(5, 3, 8)),
    "native-tool-calls": Says(tool_calls=[GET_WEATHER], finish="tool_calls"),
    "native-tool-calls-two": Says(
        tool_calls=[GET_WEATHER, ToolCall("get_time", '{"zone":"CET"}', "call_2")], finish="tool_calls"
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
    "chat-message-again": Says(["Hel", "lo", "!"], "Hm", [F], "stop"),
    "chat-messages": Says(["ha", "ha"]),
    "chat-finish": Says(["a", "b", "c", "d", "e"], finish="length"),
    "chat-finish-at-top": Says(["a", "b"], finish="length"),
    "chat-function-call": Says(tool_calls=[ToolCall("get_weather", '{"city":"Paris"}')], finish="function_call"),
    "chat-tool-calls-at-top": Says(tool_calls=[F], finish="tool_calls"),
    "chat-two-answers-without-end": Says(["a", "b"], finish="stop"),
    "chat-two-answers": Says(["a", "b", "c"], finish="stop", usage=(4, 6, 10)),
    "completion": Says(["Hel", "0.10", "lo"], finish="length", usage=(3, 3, 6)),
    # Both in one stream.
    "native-and-chat": Says(["Hel", "lo", " wor", "ld"], finish="stop"),
    "dual": Says(["Hello ", "wor", "ld", "!"], finish="stop", usage=(7, 4, 11)),
    "dual-numbers": Says(["0", "0.10", "7"]),
    "dual-tool-calls": Says(tool_calls=[F], finish="tool_calls"),
    "dual-two-answers": Says(["a", "b"], finish="stop"),
    "dual-reasoning": Says(["Yes"], "Hm", finish="stop"),
    "dual-reasoning-at-top": Says(["Yes"], "Hm", finish="stop"),
    "trailer": Says(["I", "'m"], finish="stop", usage=(23, 15, 38)),
    "usage-increments": Says(["a", "b", "c"], usage=(11, 3, 14)),
    # Characters.
    "half-characters": Says(["Hi ", "😀!", "🚀", "\ufffdx", "\ufffdy", "😀"]),
    "half-characters-chat": Says(["🌍", "."], "😀", finish="stop"),
    "half-character-at-the-end": Says(["a", "b", "\ufffd"]),
    "half-character-cut-off": Says(["a", "b"], fails=truncation("ab")),
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
    "nothing": Says(fails=truncation("")),
    "only-comments": Says(fails=truncation("")),
    # The end before the end.
    "truncated": Says(["Hel", "lo"], fails=truncation("Hello")),
    "truncated-chat": Says(["Hel", "lo"], fails=truncation("Hello")),
    "truncated-in-json": Says(["Hel"], fails=truncation("Hel")),
    "truncated-in-field": Says(["Hel"], fails=truncation("Hel")),
    "truncated-in-done": Says(["Hel"], fails=truncation("Hel")),
    "truncated-behind-last-line": Says(["Hel", "lo"], fails=truncation("Hello")),
    "truncated-without-empty-lines": Says(["Hel", "lo"], fails=truncation("Hello")),
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
    "whole-without-events-number": Says(["0.10"]),
    "whole-chat-number": Says(["0.10"], finish="stop"),
    "whole-completion": Says(["Hello"], finish="length", usage=(3, 2, 5)),
    "whole-completion-number": Says(["0.10"], finish="stop"),
    "whole-responses": Says(["Hello"], "Hm", [F_OF_1], "tool_calls", (8, 6, 14)),
    "whole-responses-enveloped": Says(["Hello"], "Hm", [F_OF_1], "tool_calls", (8, 6, 14)),
    "whole-responses-digits": Says(["1e3No."], "0.10", [ToolCall("f", '{"a":0.10}', "c")], "tool_calls"),
    "whole-enveloped-list": Says(['["a",0.10]']),
    "whole-responses-summary": Says(["Hello"], "Hm", finish="stop"),
    "whole-responses-output-text": Says(["Hello"], finish="stop"),
    # The events of the Responses API.
    "responses": Says(["Hel", "lo"], "Hm", finish="stop", usage=(8, 3, 11)),
    "responses-tool-calls": Says(
        tool_calls=[GET_WEATHER, ToolCall("get_time", "{}", "call_2")], finish="tool_calls", usage=(8, 3, 11)
    ),
    "responses-tool-calls-interleaved": Says(
        tool_calls=[F_OF_1, ToolCall("g", "{}", "call_2")], finish="tool_calls", usage=(8, 3, 11)
    ),
    "responses-tool-calls-without-deltas": Says(tool_calls=[GET_WEATHER], finish="tool_calls", usage=(8, 3, 11)),
    "responses-summary": Says(["Hello"], "Hm", finish="stop"),
    "responses-incomplete": Says(["Hel"], finish="length", usage=(8, 1, 9)),
    "responses-filtered": Says(finish="content_filter"),
    "responses-only-completed": Says(["Hello"], "Hm", [F_OF_1], "tool_calls", (8, 6, 14)),
    "responses-only-done": Says(
        ["Hel", "lo 0.10"], "Hm", [F_OF_1, ToolCall("g", '{"b":0.10}', "call_2")], "tool_calls"
    ),
    "responses-refusal": Says(["I can", "not."], finish="stop"),
    "responses-numbers": Says(["$", "0.10"], finish="stop"),
    "responses-truncated": Says(["Hel"], fails=truncation("Hel")),
    "responses-after-completed": Says(["Hel"], finish="stop"),
}


def test_a_sample_says_what_it_should() -> None:
    assert sorted(EXPECTED) == SAMPLES
    for name, expected in EXPECTED.items():
        came = played(name)
        decoder, error, usage = came.decoder, came.error, came.decoder.usage
        with row(name):
            assert [token.text for token in came.tokens if token.text and token.choice == 0] == expected.texts
            assert decoder.text == "".join(expected.texts)
            assert (decoder.accumulator.get_reasoning(0), decoder.accumulator.get_tool_calls(0)) == (
                expected.reasoning,
                expected.tool_calls,
            )
            assert decoder.finish_reason == expected.finish
            assert (usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)) == expected.usage
            if expected.fails is None:
                assert error is None
                continue
            assert isinstance(error, StreamError)
            assert type(error) is expected.fails.kind
            assert expected.fails.message in str(error)
            assert (error.partial, error.code) == (expected.fails.partial, expected.fails.code)
            assert (error.model, error.request_id) == ("@cf/some/model", "request-1")
            assert decoder.failure is error


def test_the_tokens_of_a_sample_add_up_to_it() -> None:
    for name in SAMPLES:
        came = played(name)
        answer = came.decoder.accumulator
        reasons = {token.choice: token.finish_reason for token in came.tokens if token.finish_reason is not None}
        with row(name):
            assert reasons == answer.finish_reasons
            assert {token.choice for token in came.tokens} <= {*answer.choices}
            assert [token.raw for token in came.tokens if "p" in token.raw] == []
            for number in answer.choices:
                tokens = [token for token in came.tokens if token.choice == number]
                assert "".join(token.text for token in tokens) == answer.get_text(number)
                assert "".join(token.reasoning for token in tokens) == answer.get_reasoning(number)
                calls: dict[int, list[ToolCallDelta]] = {}
                for piece in (piece for token in tokens for piece in token.tool_calls):
                    calls.setdefault(piece.index, []).append(piece)
                whole = [
                    ("".join(piece.arguments for piece in pieces), {piece.name for piece in pieces} - {None})
                    for _, pieces in sorted(calls.items())
                ]
                assert whole == [(call.arguments, {call.name}) for call in answer.get_tool_calls(number)]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_says_the_same_wherever_it_is_cut_and_however_it_is_sent(name: str) -> None:
    body, chance = wire(name), random.Random(name)
    *events, rest = body.split(b"\n\n")
    ways = [
        *([body[:at], body[at:]] for at in range(1, len(body))),
        [body[at : at + 1] for at in range(len(body))],
        [*(part + b"\n\n" for part in events), rest],
    ]
    for _ in range(10):
        places = sorted(chance.randrange(len(body) + 1) for _ in range(chance.randrange(2, 9)))
        ways.append([body[start:end] for start, end in pairwise([0, *places, len(body)])])
    if name not in ("cr", "crlf", "mixed-line-ends"):
        ways += [[body.replace(b"\n", end)] for end in (b"\r\n", b"\r")]
        ways += [[commented(body)]] * (name != "many-lines")
    if EXPECTED[name].fails is None and body.endswith(b"data: [DONE]\n\n"):
        ways.append([body, wire("after-done"), b"data: {"])  # nothing behind the end mark counts
    whole = play([body]).told()
    for pieces in ways:
        assert play(pieces).told() == whole, pieces
    for size in (len(body) or 1, 1, 7, 64):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        assert play(pieces, has_short_way=False).told() == whole, f"with the short way switched off, by {size} bytes"
