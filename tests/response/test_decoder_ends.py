"""How a stream ends for the decoder, and how it fails."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cfai import StreamError, StreamTruncatedError
from cfai._response.decoder import CUT_HINT, Decoder, is_end_mark
from cfai._response.sse import EventSplitter
from tests.conftest import row
from tests.decoding import event, line, play, played, wire

DONE = b"data: [DONE]\n\n"


def test_an_end_mark_is_an_end_however_it_is_written() -> None:
    named = b"event: done\ndata: [DONE]\nid: 5"
    for block in (b"data: [DONE]", b"data:[DONE]", b"data:  [DONE] ", b"[DONE]", b" [DONE]", named):
        decoder = Decoder()
        with row(block):
            assert decoder.feed(block) == []
            assert decoder.done
            assert decoder.feed(b'data: {"response":"late"}') == []
            decoder.check()


def test_an_end_mark_without_its_empty_line_is_an_end_and_other_rests_are_none() -> None:
    marks = (b"[DONE]", b"data: [DONE]", b"data:[DONE]", b"data: [DONE]\n", b"event: x\ndata: [DONE]\n", b"[DONE]\r\n")
    others = (b"", b"data: [DON", b'data: {"response":"[DONE]', b"id: [DONE]", b"data: [DONE]\ndata: x")
    long = (b"x" * 100 + b"[DONE]", b'data: {"response":"' + b" " * 60 + b"data: [DONE]")
    for rest, is_end in (
        *((mark, True) for mark in (*marks, b'data: {"response":""}\ndata: [DONE]')),
        *((other, False) for other in (*others, *long)),
    ):
        for size in (1, 3, 100):
            decoder, blocks = Decoder(), EventSplitter()
            with row((rest, size)):
                for at in range(0, len(rest), size):
                    assert blocks.feed(rest[at : at + size]) == []
                assert is_end_mark(blocks.last_line()) is is_end
                if is_end:
                    assert [token for token in decoder.finish(blocks.rest()) if token.text] == []
                    assert decoder.done
                    decoder.check()
    silent = ((rest, []) for rest in (b"data: 12", b"", b"\n", b"\n\n\n"))
    for rest, texts in (*silent, (b'data: {"response":"a"}\n\n', ["a"])):
        assert [token.text for token in Decoder().finish(rest)] == texts, rest


def test_a_text_that_looks_like_the_end_mark_is_text() -> None:
    for text in ("[DONE]", "data: [DONE]", " [DONE] "):
        came = play([b"event: error\n\n", event({"response": text}), event({"response": "!"}), DONE])
        assert (came.decoder.text, came.error) == (text + "!", None)


def test_the_end_is_known_as_soon_as_it_has_come_and_not_before() -> None:
    for name in ("native", "only-done", "done-bare", "responses-incomplete"):
        assert played(name).decoder.done, name
    for name in ("native-finish", "truncated", "whole-native", "whole-chat", "error-list"):
        assert not play([wire(name).removesuffix(DONE)]).decoder.done, name


def test_every_answer_has_to_end_and_a_stream_that_ended_early_says_just_that() -> None:
    stopped, half = (
        {"choices": [{"index": index, "delta": {"content": "x"}, "finish_reason": reason}]}
        for index, reason in ((1, "stop"), (0, None))
    )
    for events in ([stopped], [half, stopped], []):
        error = play(map(event, events)).error
        assert isinstance(error, StreamTruncatedError), events
        assert str(error) == f"the stream ended with neither [DONE] nor a finish reason. What to do: {CUT_HINT}."


def test_half_a_character_is_given_once_at_the_end_even_behind_the_end_mark() -> None:
    decoder = Decoder()
    decoder.feed(b'data: {"response":"a\\ud83d"}')
    decoder.feed(b'data: {"choices":[{"index":1,"delta":{"reasoning":"\\ud83d"}}]}')
    decoder.feed(b"data: [DONE]")
    halves = [("\ufffd", "", 0), ("", "\ufffd", 1)]
    assert [(token.text, token.reasoning, token.choice) for token in decoder.finish(b"")] == halves
    assert (decoder.text, decoder.accumulator.get_reasoning(1)) == ("a\ufffd", "\ufffd")
    assert decoder.finish(b"") == []


def test_halves_of_characters_of_different_parts_do_not_meet() -> None:
    answer = play(
        [
            b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d","reasoning":"x"}}]}\n\n',
            b'data: {"choices":[{"index":0,"delta":{"reasoning":"\\ude00"}}]}\n\n',
            b'data: {"choices":[{"index":1,"delta":{"content":"\\ude00"}}]}\n\n',
            b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00"}}]}\n\n',
            DONE,
        ]
    ).decoder.accumulator
    assert (answer.get_text(0), answer.get_reasoning(0), answer.get_text(1)) == ("😀", "x\ufffd", "\ufffd")


def test_an_error_has_the_event_that_reported_it() -> None:
    stopped = {"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}
    in_choice = {"choices": [{**stopped["choices"][0], "error": {"code": 502, "message": "out of memory"}}]}
    busy = [{"code": 3040, "message": "AiError: Capacity temporarily exceeded, please try again."}]
    failed = {"type": "response.failed", "response": None, "message": "out of memory"}
    beside = [{"response": "", "finish_reason": "error", key: "out of memory"} for key in ("message", "detail")]
    for events, message, body in (
        (wire("error-list"), "Capacity temporarily exceeded", {"errors": busy}),
        (wire("error-string"), "Request timeout", {"error": "3046: Request timeout"}),
        (wire("error-event-text"), "upstream went away", "upstream went away"),
        (wire("not-json"), "no JSON", '{"response":"lo'),
        (wire("not-an-object"), "no object", [1, 2]),
        (wire("truncated"), "neither", None),
        (b"data: \xffoops\n\n", "no JSON: '\ufffdoops'", "\ufffdoops"),
        (event(stopped), "the model stopped with an error: no reason given", stopped),
        (event({"type": "response.failed", "response": {}}), "no reason given", {}),
        *((event(each), "out of memory", each) for each in (failed, *beside)),
        (event(in_choice), "the model stopped with an error: out of memory", in_choice),
        (event({"success": "false", "errors": []}), '"success":"false"', {"success": "false", "errors": []}),
        (
            event({"error": "Model overloaded."}),
            r"overloaded\. \(request id request-1\)\. What to do: the",
            {"error": "Model overloaded."},
        ),
        # Text in the place of an event, or of all of them.
        (b"error code: 1031", "has expired", "error code: 1031"),
        (event({"response": "a"}) + b"AiError: 3043: it failed\n\n", "3043: it failed", "AiError: 3043: it failed"),
        (b"upstream connect error\n", "neither .* what came is no event: 'upstream connect", "upstream connect error"),
        (b'{"response": "a"}\n\n' + DONE, "without an answer; what came is no event: '{", '{"response": "a"}'),
        (event({"response": "a"}) + b"dat", "nor a finish reason. What to do: ask again", None),
    ):
        error = play([events]).error
        with row(events):
            assert isinstance(error, StreamError)
            assert re.search(message, str(error))
            assert error.body == body


def test_tokens_that_came_with_an_error_are_given_before_it() -> None:
    for body, texts, message in (
        (wire("error-finish"), ["Hel", "lo"], "stopped with an error"),
        (b'data: {"response":"a","finish_reason":"error"}\ndata: [DONE]\n\n', ["a"], "stopped with an error"),
        (b'data: {"response":"a"}\ndata: {"response":"b"}\ndata: {"error":"busy"}\n\n', ["a", "b"], "busy"),
    ):
        came = play([body])
        with row(body):
            assert [token.text for token in came.tokens] == texts
            assert isinstance(came.error, StreamError)
            assert message in str(came.error)
            assert came.error.partial == "".join(texts)
    assert played("error-finish").tokens[-1].finish_reason == "error"


def test_an_error_hides_the_credentials_that_a_server_echoed() -> None:
    for block in (b'data: {"error":{"message":"no token 0123456789abcdef"}}', b"data: 0123456789abcdef"):
        with pytest.raises(StreamError) as raised:
            Decoder(secrets=["0123456789abcdef"]).feed(block)
        error = raised.value
        assert "0123456789abcdef" not in f"{error} {error!r} {error.message} {error.body} {error.__context__!r}"


def test_an_error_stays_what_it_was() -> None:
    decoder = Decoder()
    with pytest.raises(StreamError, match="first") as first:
        decoder.feed(line({"error": "first"}))
    for block in (line({"response": "x"}), b"data: [DONE]", line({"response": 0}), b"event: x\n" + line({})):
        with row(block), pytest.raises(StreamError, match="first"):
            decoder.feed(block)
    with pytest.raises(StreamError) as again:
        decoder.check()
    assert again.value is first.value
    assert decoder.text == ""


def is_answer_or_stream_error(body: bytes) -> bool:
    came = play([body])
    _: Any = [token.usage for token in came.tokens], came.decoder.usage  # to be had, whatever stands in them
    return came.error is None or isinstance(came.error, StreamError)


def test_nesting_of_any_depth_is_an_answer_or_a_stream_error() -> None:
    for payload in (
        *(b'{"response":%b}', b'{"choices":[{"delta":{"content":%b}}]}', b'{"errors":[%b]}'),
        *(b'{"tool_calls":[{"arguments":%b}]}', b'{"usage":%b}', b"%b"),
    ):
        for depth in (190, 200, 210, 500, *range(900, 1000, 2), 2_000, 9_990, 50_000):
            for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
                nested = payload % (opened * depth + b"1" + closed * depth)
                assert is_answer_or_stream_error(b"data: " + nested + b"\n\n" + DONE), (payload, depth, opened)


def test_numbers_of_any_length_are_an_answer_or_a_stream_error() -> None:
    increment = b'data: {"usage":{"prompt_tokens":0,"completion_tokens":1.5,"neurons":0.5}}\n\n'
    for payload in (
        *(b'{"response":%b}', b'{"response":[%b]}', b'{"choices":[{"delta":{"content":%b}}]}', b'{"usage":%b}'),
        *(b'{"tool_calls":[{"index":%b,"name":"f"}]}', b'{"tool_calls":[{"name":"f","arguments":{"a":%b}}]}'),
        *(b'{"usage":{"prompt_tokens":%b,"neurons":0.5}}', b'{"usage":{"prompt_tokens":5,"neurons":%b}}'),
        b'{"errors":[{"code":%b}]}',
    ):
        for digits in (300, 400, 4_299, 4_300, 4_301, 10_000):
            for number in (b"%b", b"-%b", b"%b.5", b"1e%b", b"1e-%b"):
                said = b"data: " + payload % (number % (b"9" * digits)) + b"\n\n"
                assert is_answer_or_stream_error(said + increment + DONE), (payload, digits, number)


def test_the_request_id_of_an_error_is_told_once() -> None:
    request_id = "7d1f36a5-0f5c-4b34-9f0e-0a7f2f0d4a11"
    decoder = Decoder("", request_id)
    with pytest.raises(StreamError) as caught:
        decoder.feed(b'data: {"error": "3040: Capacity exceeded. (%s)"}' % request_id.encode())
    assert str(caught.value).count(request_id) == 1
    assert f"Capacity exceeded. (request id {request_id}). What to do: " in str(caught.value)
