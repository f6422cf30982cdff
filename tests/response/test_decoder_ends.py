"""How a stream ends for the decoder, and how it fails."""

from __future__ import annotations

from typing import Any

import pytest

from cfai import StreamError, StreamTruncatedError
from cfai._response.decoder import Decoder
from cfai._response.sse import EventSplitter
from tests.decoding import event, feed, line, play, played, wire

# The end.


@pytest.mark.parametrize(
    "block",
    [b"data: [DONE]", b"data:[DONE]", b"data:  [DONE] ", b"[DONE]", b" [DONE]", b"event: done\ndata: [DONE]\nid: 5"],
)
def test_an_end_mark_is_an_end_however_it_is_written(block: bytes) -> None:
    decoder = Decoder()
    assert decoder.feed(block) == []
    assert decoder.done
    assert decoder.feed(b'data: {"response":"late"}') == []
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
    decoder, blocks = Decoder(), EventSplitter()
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
    blocks = EventSplitter()
    for start in range(0, len(rest), cut):
        blocks.feed(rest[start : start + cut])
    assert not Decoder().ends_with(blocks.last_line())


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
    decoder = Decoder()
    decoder.feed(b'data: {"response":"a\\ud83d"}')
    decoder.feed(b'data: {"choices":[{"index":1,"delta":{"reasoning":"\\ud83d"}}]}')
    decoder.feed(b"data: [DONE]")
    assert [(token.text, token.reasoning, token.choice) for token in decoder.finish(b"")] == [
        ("\ufffd", "", 0),
        ("", "\ufffd", 1),
    ]
    assert (decoder.text, decoder.accumulator.reasoning_of(1)) == ("a\ufffd", "\ufffd")


def test_half_a_character_is_given_once() -> None:
    decoder = Decoder()
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
    answer = decoder.accumulator
    assert (decoder.text, answer.reasoning_of(0), answer.text_of(1)) == ("😀", "x\ufffd", "\ufffd")


def test_a_stream_that_ended_early_says_just_that() -> None:
    with pytest.raises(StreamError, match=r"^the stream ended with neither \[DONE\] nor a finish reason$"):
        Decoder().check()


@pytest.mark.parametrize("rest", [b"", b"\n", b"\n\n\n"])
def test_empty_lines_at_the_end_are_nothing(rest: bytes) -> None:
    assert Decoder().finish(rest) == []


def test_lines_at_the_end_count_without_their_ends() -> None:
    decoder = Decoder()
    assert [token.text for token in decoder.finish(b'data: {"response":"a"}\n\n')] == ["a"]


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
            Decoder(secrets=["0123456789abcdef"]).feed(block)
        error = raised.value
        assert "0123456789abcdef" not in f"{error} {error!r} {error.message} {error.body} {error.__context__!r}"


def test_an_error_stays_what_it_was() -> None:
    decoder = Decoder()
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


def test_an_event_that_is_no_json_is_shown_with_its_bad_bytes_replaced() -> None:
    with pytest.raises(StreamError, match="no JSON: '\ufffdoops'"):
        Decoder().feed(b"data: \xffoops")


def test_a_model_that_stopped_with_an_error_and_no_reason_is_told_so() -> None:
    decoder = Decoder()
    stop = {"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}
    feed(decoder, line(stop))
    with pytest.raises(StreamError) as caught:
        decoder.check()
    assert str(caught.value) == "the model stopped with an error: no reason given"
    assert caught.value.body == stop


def test_an_error_among_lines_that_are_events_is_raised_with_what_came_before_it() -> None:
    decoder = Decoder()
    block = b'data: {"response":"a"}\ndata: {"errors":[{"code":3040,"message":"busy"}]}'
    assert [token.text for token in feed(decoder, block)] == ["a"]
    with pytest.raises(StreamError, match="busy") as caught:
        decoder.check()
    assert caught.value.partial == "a"


def test_the_last_piece_of_a_failed_answer_is_given_also_in_one_block_with_the_end_mark() -> None:
    decoder = Decoder()
    found = feed(decoder, b'data: {"response":"a","finish_reason":"error"}\ndata: [DONE]')
    assert [token.text for token in found] == ["a"]
    with pytest.raises(StreamError, match="stopped with an error"):
        decoder.check()
