"""Events beside the common ones, one behaviour each, as far as the samples do not show it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cfai import StreamError, Token
from cfai._dialects import TokenDecoder


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode()


def tokens(decoder: TokenDecoder, *blocks: bytes) -> list[Token]:
    found: list[Token] = []
    for block in blocks:
        said = decoder.feed(block)
        found += said if isinstance(said, list) else [said] if said else []
    return found


def chunk(text: str, index: int = 0) -> bytes:
    return event({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": None}]})


def test_chunks_of_two_answers_in_turn_stay_apart() -> None:
    decoder = TokenDecoder()
    found = tokens(decoder, chunk("a"), chunk("b", 1), chunk("c"), chunk("d", 1))
    assert [(token.text, token.choice) for token in found] == [("a", 0), ("b", 1), ("c", 0), ("d", 1)]
    assert (decoder.text_of(0), decoder.text_of(1)) == ("ac", "bd")


def test_an_event_that_is_no_json_is_shown_with_its_bad_bytes_replaced() -> None:
    with pytest.raises(StreamError, match="no JSON: '\ufffdoops'"):
        TokenDecoder().feed(b"data: \xffoops")


def test_tool_calls_of_a_choice_outlast_those_beside_the_choices() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    both = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}], "response": "", "tool_calls": [call]}
    (token,) = tokens(TokenDecoder(), event(both))
    assert [(delta.name, delta.arguments) for delta in token.tool_calls] == [("f", "{}")]


def test_a_model_that_stopped_with_an_error_and_no_reason_is_told_so() -> None:
    decoder = TokenDecoder()
    stop = {"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}
    tokens(decoder, event(stop))
    with pytest.raises(StreamError) as caught:
        decoder.check()
    assert str(caught.value) == "the model stopped with an error: no reason given"
    assert caught.value.body == stop


def test_arguments_without_a_place_belong_to_the_first_call() -> None:
    decoder = TokenDecoder()
    added = {"type": "response.output_item.added", "item": {"type": "function_call", "name": "f", "call_id": "a"}}
    delta = {"type": "response.function_call_arguments.delta", "delta": "{}"}
    found = tokens(decoder, event(added), event(delta))
    assert [call.index for token in found for call in token.tool_calls] == [0, 0]
    assert [(call.name, call.arguments) for call in decoder.tool_calls_of(0)] == [("f", "{}")]


def test_the_token_of_a_whole_response_has_the_event_that_brought_it() -> None:
    output = [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}]
    completed = {"type": "response.completed", "response": {"status": "completed", "output": output}}
    (token,) = tokens(TokenDecoder(), event(completed))
    assert (token.text, token.raw) == ("Hello", completed)


def test_what_is_no_object_in_a_response_hides_nothing_behind_it() -> None:
    output = [None, {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}]
    completed = {"type": "response.completed", "response": {"status": "completed", "output": output}}
    decoder = TokenDecoder()
    tokens(decoder, event(completed))
    assert decoder.text == "Hello"


def test_a_stream_that_ended_early_says_just_that() -> None:
    with pytest.raises(StreamError, match=r"^the stream ended with neither \[DONE\] nor a finish reason$"):
        TokenDecoder().check()


def test_a_usage_event_with_an_empty_text_behind_chunks_does_not_make_them_native() -> None:
    decoder = TokenDecoder()
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    tokens(decoder, chunk("a"), event({"response": "", "usage": usage}))
    assert (decoder.native, decoder.usage and decoder.usage.total_tokens) == (False, 3)


def test_a_text_behind_chunks_makes_them_native() -> None:
    decoder = TokenDecoder()
    tokens(decoder, chunk("a"), event({"response": "b"}))
    assert (decoder.native, decoder.text) == (True, "ab")


@pytest.mark.parametrize("kind", ["response.reasoning_text", "response.reasoning_summary_text"])
@pytest.mark.parametrize(("said", "expected"), [("Hm", "Hm"), (5, "5"), (None, "")])
def test_reasoning_of_the_responses_api_comes_in_pieces(kind: str, said: Any, expected: str) -> None:
    decoder = TokenDecoder()
    (token,) = tokens(decoder, event({"type": f"{kind}.delta", "delta": said}))
    assert (token.reasoning, token.text, decoder.reasoning_of(0)) == (expected, "", expected)


def test_other_events_of_the_responses_api_say_nothing() -> None:
    kinds = ["response.created", "response.output_text.annotation.added", "response.new.delta", "response."]
    assert tokens(TokenDecoder(), *(event({"type": kind, "delta": "x"}) for kind in kinds)) == []


@pytest.mark.parametrize("rest", [b"", b"\n", b"\n\n\n"])
def test_empty_lines_at_the_end_are_nothing(rest: bytes) -> None:
    assert TokenDecoder().finish(rest) == []


def test_lines_at_the_end_count_without_their_ends() -> None:
    decoder = TokenDecoder()
    assert [token.text for token in decoder.finish(b'data: {"response":"a"}\n\n')] == ["a"]


def test_lines_that_are_events_of_their_own_come_in_order() -> None:
    decoder = TokenDecoder()
    block = b'data: {"response":"a"}\ndata: {"choices":[{"delta":{"content":"b"}},{"index":1,"delta":{"content":"c"}}]}'
    assert [token.text for token in tokens(decoder, block)] == ["a", "b", "c"]


def test_an_error_among_such_lines_is_raised_with_what_came_before_it() -> None:
    decoder = TokenDecoder()
    block = b'data: {"response":"a"}\ndata: {"errors":[{"code":3040,"message":"busy"}]}'
    assert [token.text for token in tokens(decoder, block)] == ["a"]
    with pytest.raises(StreamError, match="busy") as caught:
        decoder.check()
    assert caught.value.partial == "a"


def test_tokens_say_the_text_in_its_order_also_where_one_answer_stands_twice() -> None:
    decoder = TokenDecoder()
    found = tokens(decoder, event({"choices": [{"text": "a"}, {"text": "b"}], "answer": "c", "tool_calls": None}))
    assert "".join(token.text for token in found) == decoder.text == "abc"


def test_the_last_piece_of_a_failed_answer_is_given_also_in_one_block_with_the_end_mark() -> None:
    decoder = TokenDecoder()
    found = tokens(decoder, b'data: {"response":"a","finish_reason":"error"}\ndata: [DONE]')
    assert [token.text for token in found] == ["a"]
    with pytest.raises(StreamError, match="stopped with an error"):
        decoder.check()
