"""Events to tokens, as far as the samples do not show it: one behaviour each."""

from __future__ import annotations

from typing import Any

import pytest

from cfai import Token
from cfai._response.decoder import Decoder
from cfai.types import ToolCall, ToolCallDelta
from tests.decoding import event, feed, line, play, played, wire


def chunk(text: str, index: int = 0) -> bytes:
    return line({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": None}]})


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
    assert [type(token) for token in Decoder().feed(block)] == [Token]


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
    answer = decoder.accumulator
    assert (answer.choices, answer.text_of(1), answer.reasoning_of(1)) == ([0, 1], "xy", "hm")
    assert decoder.accumulator.tool_calls_of(1) == [ToolCall("f", "{}", "t")]
    assert decoder.accumulator.tool_calls_of(0) == []
    assert decoder.accumulator.finish_reasons == {0: "stop", 1: "tool_calls"}


@pytest.mark.parametrize(
    ("name", "texts"), [("dual-two-answers", {0: "ab", 1: "xy"}), ("chat-two-answers-without-end", {0: "ab", 1: "x"})]
)
def test_the_second_answer_is_told_apart_everywhere(name: str, texts: dict[int, str]) -> None:
    came = played(name)
    assert {number: came.decoder.accumulator.text_of(number) for number in came.decoder.accumulator.choices} == texts
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
    decoder = Decoder()
    assert (
        decoder.text,
        decoder.accumulator.text_of(3),
        decoder.accumulator.reasoning_of(0),
        decoder.accumulator.tool_calls_of(0),
    ) == ("", "", "", [])
    assert (decoder.finish_reason, decoder.usage, decoder.failure) == (None, None, None)
    assert decoder.accumulator.choices == [0]


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


def test_chunks_of_two_answers_in_turn_stay_apart() -> None:
    decoder = Decoder()
    found = feed(decoder, chunk("a"), chunk("b", 1), chunk("c"), chunk("d", 1))
    assert [(token.text, token.choice) for token in found] == [("a", 0), ("b", 1), ("c", 0), ("d", 1)]
    assert (decoder.accumulator.text_of(0), decoder.accumulator.text_of(1)) == ("ac", "bd")


def test_lines_that_are_events_of_their_own_come_in_order() -> None:
    decoder = Decoder()
    block = b'data: {"response":"a"}\ndata: {"choices":[{"delta":{"content":"b"}},{"index":1,"delta":{"content":"c"}}]}'
    assert [token.text for token in feed(decoder, block)] == ["a", "b", "c"]


def test_tokens_say_the_text_in_its_order_also_where_one_answer_stands_twice() -> None:
    decoder = Decoder()
    found = feed(decoder, line({"choices": [{"text": "a"}, {"text": "b"}], "answer": "c", "tool_calls": None}))
    assert "".join(token.text for token in found) == decoder.text == "abc"


def test_tool_calls_of_a_choice_outlast_those_beside_the_choices() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    both = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}], "response": "", "tool_calls": [call]}
    (token,) = feed(Decoder(), line(both))
    assert [(delta.name, delta.arguments) for delta in token.tool_calls] == [("f", "{}")]


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
    answer = decoder.accumulator
    assert (answer.has_native_text, answer.first_chunk is not None, answer.response_object is not None) == (
        native,
        chat,
        payload,
    )


@pytest.mark.parametrize("kind", ["text", "message", "", None, 5])
def test_a_type_that_is_no_event_of_the_responses_api_says_nothing(kind: Any) -> None:
    assert play([event({"type": kind, "response": "a"}), b"data: [DONE]\n\n"]).decoder.text == "a"


def test_an_output_of_another_kind_makes_no_answer_of_the_responses_api() -> None:
    decoder = play([event({"response": "a", "output": ["x"]}), b"data: [DONE]\n\n"]).decoder
    assert (decoder.text, decoder.accumulator.response_object) == ("a", None)


@pytest.mark.parametrize("behind", [{"response": "a"}, {"response": "a", "finish_reason": "stop"}, {"response": 0}])
def test_a_text_behind_chunks_makes_a_stream_native(behind: dict[str, Any]) -> None:
    assert play([wire("last-line-without-empty-line"), b"\n", event(behind)]).decoder.accumulator.has_native_text


@pytest.mark.parametrize("before", [{"usage": {"prompt_tokens": 1}}, {"id": "x"}, {}])
def test_an_event_without_a_text_makes_no_stream_native(before: dict[str, Any]) -> None:
    assert not play([event(before), wire("chat")]).decoder.accumulator.has_native_text


def test_the_first_chunk_and_the_last_payload_are_kept() -> None:
    chat = played("trailer").decoder.accumulator.first_chunk
    assert chat is not None
    assert (chat["id"], chat["choices"][0]["delta"]) == ("chatcmpl-1", {"role": "assistant", "content": "I"})
    payload = played("responses").decoder.accumulator.response_object
    assert payload is not None
    assert (payload["status"], len(payload["output"])) == ("completed", 2)


def test_a_usage_event_with_an_empty_text_behind_chunks_does_not_make_them_native() -> None:
    decoder = Decoder()
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    feed(decoder, chunk("a"), line({"response": "", "usage": usage}))
    assert (decoder.accumulator.has_native_text, decoder.usage and decoder.usage.total_tokens) == (False, 3)


def test_a_text_behind_chunks_makes_them_native() -> None:
    decoder = Decoder()
    feed(decoder, chunk("a"), line({"response": "b"}))
    assert (decoder.accumulator.has_native_text, decoder.text) == (True, "ab")


# The Responses API.


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
    assert (came.decoder.text, came.decoder.accumulator.tool_calls_of(0), came.error) == (
        "x" * ('"content": "x"' in output),
        [],
        None,
    )


@pytest.mark.parametrize("payload", ["null", '"x"', "[]", "{}"])
def test_an_answer_that_completed_without_saying_anything_is_empty(payload: str) -> None:
    came = play([b'data: {"type":"response.completed","response":' + payload.encode() + b"}\n\n"])
    assert (came.decoder.text, came.decoder.accumulator.tool_calls_of(0), came.error) == ("", [], None)


def test_what_is_no_object_in_a_response_hides_nothing_behind_it() -> None:
    output = [None, {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}]
    completed = {"type": "response.completed", "response": {"status": "completed", "output": output}}
    decoder = Decoder()
    feed(decoder, line(completed))
    assert decoder.text == "Hello"


def test_the_token_of_a_whole_response_has_the_event_that_brought_it() -> None:
    output = [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}]
    completed = {"type": "response.completed", "response": {"status": "completed", "output": output}}
    (token,) = feed(Decoder(), line(completed))
    assert (token.text, token.raw) == ("Hello", completed)


def test_arguments_without_a_place_belong_to_the_first_call() -> None:
    decoder = Decoder()
    added = {"type": "response.output_item.added", "item": {"type": "function_call", "name": "f", "call_id": "a"}}
    delta = {"type": "response.function_call_arguments.delta", "delta": "{}"}
    found = feed(decoder, line(added), line(delta))
    assert [call.index for token in found for call in token.tool_calls] == [0, 0]
    assert [(call.name, call.arguments) for call in decoder.accumulator.tool_calls_of(0)] == [("f", "{}")]


@pytest.mark.parametrize("kind", ["response.reasoning_text", "response.reasoning_summary_text"])
@pytest.mark.parametrize(("said", "expected"), [("Hm", "Hm"), (5, "5"), (None, "")])
def test_reasoning_of_the_responses_api_comes_in_pieces(kind: str, said: Any, expected: str) -> None:
    decoder = Decoder()
    (token,) = feed(decoder, line({"type": f"{kind}.delta", "delta": said}))
    assert (token.reasoning, token.text, decoder.accumulator.reasoning_of(0)) == (expected, "", expected)


def test_other_events_of_the_responses_api_say_nothing() -> None:
    kinds = ["response.created", "response.output_text.annotation.added", "response.new.delta", "response."]
    assert feed(Decoder(), *(line({"type": kind, "delta": "x"}) for kind in kinds)) == []
