"""Events to tokens, as far as the samples do not show it."""

from __future__ import annotations

from typing import Any, NamedTuple

from cfai import Token
from cfai._response.decoder import Decoder
from cfai.types import ToolCall, ToolCallDelta
from tests.conftest import row
from tests.decoding import event, feed, line, play, played, wire

DONE = b"data: [DONE]\n\n"


def chunk(text: str, index: int = 0) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": None}]}


def completed_event(response: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": response}


def message_item(text: str) -> dict[str, Any]:
    return {"type": "message", "content": [{"type": "output_text", "text": text}]}


def message_event(*texts: str) -> dict[str, Any]:
    return completed_event({"object": "response", "status": "completed", "output": [*map(message_item, texts)]})


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
    whole = completed_event({"status": "completed", "output": [message_item("Hello")]})
    assert [(token.text, token.raw) for token in Decoder().feed(line(whole))] == [("Hello", whole)]


def test_one_event_is_one_token_at_most() -> None:
    for block in wire("dual").split(b"\n\n")[:5] + wire("trailer").split(b"\n\n")[:5]:
        assert [type(token) for token in Decoder().feed(block)] == [Token], block
    for name in ("native", "chat", "dual", "trailer", "usage-increments", "responses"):
        assert len(played(name).tokens) < wire(name).count(b"\n\n"), name
    tokens = [(token.text, token.reasoning, token.finish_reason) for token in played("responses").tokens]
    assert tokens == [("", "Hm", None), ("Hel", "", None), ("lo", "", None), ("", "", "stop")]


def test_a_token_has_the_usage_and_the_finish_reason_of_its_own_event() -> None:
    usages = [token.usage for token in played("trailer").tokens]
    counts = [usage and (usage.prompt_tokens, usage.completion_tokens) for usage in usages]
    assert counts == [(23, 1), (0, 1), (0, 1), (0, 0), (23, 15)]
    last = played("responses").tokens[-1].usage
    assert last is not None
    assert last.total_tokens == 11
    assert [token.finish_reason for token in played("chat-finish").tokens] == [None, None, "stop", None, "length", None]


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
    assert [token.tool_calls for token in played("responses-tool-calls").tokens][:3] == [
        (ToolCallDelta(0, "get_weather", "", "call_1"),),
        (ToolCallDelta(0, None, '{"city":'),),
        (ToolCallDelta(0, None, '"Paris"}'),),
    ]
    assert played("responses-tool-calls").tokens[-1].tool_calls == ()
    without_place = feed(Decoder(), line(ADDED), line(ARGUMENTS))
    assert [piece.index for token in without_place for piece in token.tool_calls] == [0, 0]


def test_every_answer_of_several_has_its_own_tokens() -> None:
    in_turn = play([*map(event, (chunk("a"), chunk("b", 1), chunk("c"), chunk("d", 1))), DONE])
    for came, texts in (
        (played("chat-two-answers"), [(0, "a"), (1, "x"), (0, "b"), (1, "y"), (0, "c")]),
        (played("dual-two-answers"), [(0, "a"), (1, "x"), (1, "y"), (0, "b")]),
        (played("chat-two-answers-without-end"), [(0, "a"), (0, "b"), (1, "x")]),
        (in_turn, [(0, "a"), (1, "b"), (0, "c"), (1, "d")]),
    ):
        answer = came.decoder.accumulator
        assert [(token.choice, token.text) for token in came.tokens if token.text] == texts
        for choice in answer.choices:
            assert answer.get_text(choice) == "".join(text for number, text in texts if number == choice)
        assert answer.choices == [0, 1]
    answer = played("chat-two-answers").decoder.accumulator
    assert answer.get_reasoning(1) == "hm"
    assert (answer.get_tool_calls(0), answer.get_tool_calls(1)) == ([], [ToolCall("f", "{}", "t")])
    assert answer.finish_reasons == {0: "stop", 1: "tool_calls"}


def test_usage_has_the_service_s_own_names_and_details_too() -> None:
    increments, trailer, responses = (
        played(name).decoder.usage for name in ("usage-increments", "trailer", "whole-responses")
    )
    assert increments is not None
    assert (increments.neurons, increments.cached_tokens, increments.reasoning_tokens) == (0.5, 8, 2)
    assert trailer is not None
    assert (trailer.neurons, trailer.raw["prompt_tokens_details"]) == (0.99, {"cached_tokens": 0})
    assert responses is not None
    assert (responses.raw["input_tokens"], responses.raw["output_tokens"]) == (8, 6)
    assert (responses.total_tokens, responses.reasoning_tokens) == (14, 2)


def test_usage_is_that_of_a_vision_model_too_and_unknown_once_the_stream_broke() -> None:
    for key in ("answer", "caption"):
        decoder = play([event({key: "a cat", "metrics": {"input_tokens": 700, "output_tokens": 3}}), DONE]).decoder
        assert decoder.text == "a cat", key
        assert decoder.usage is not None, key
        assert (decoder.usage.prompt_tokens, decoder.usage.completion_tokens) == (700, 3), key
    for name in ("truncated", "truncated-chat", "error-list", "error-finish", "not-json"):
        body = event({"response": "", "usage": {"prompt_tokens": 10, "completion_tokens": 1}}) + wire(name)
        assert play([body]).decoder.usage is None, name
    # An answer that never came is empty.
    decoder = Decoder()
    answer = decoder.accumulator
    assert (decoder.text, answer.get_text(3), answer.get_reasoning(0), answer.get_tool_calls(0)) == ("", "", "", [])
    assert (decoder.finish_reason, decoder.usage, decoder.failure, answer.choices) == (None, None, None, [0])


CALL = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
ADDED: dict[str, Any] = {
    "type": "response.output_item.added",
    "item": {"type": "function_call", "name": "f", "call_id": "a"},
}
TWO_CALLS = [
    {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "f", "arguments": "{}"},
    {"type": "function_call", "id": "fc_2", "call_id": "b", "name": "g", "arguments": "[]"},
]
SILENT_KINDS = ("response.created", "response.output_text.annotation.added", "response.new.delta", "response.")


def parts(step: str, field: str) -> list[dict[str, Any]]:
    """Return two events of the Responses API, for two parts of one output."""
    place = {"type": f"response.output_text.{step}", "output_index": 0}
    return [{**place, "content_index": index, field: text} for index, text in enumerate("AB")]


class Odd(NamedTuple):
    """Odd events, and what they say."""

    name: str
    events: list[dict[str, Any]]
    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()


ARGUMENTS = {"type": "response.function_call_arguments.delta", "delta": "{}"}
WHOLE_CALL = {"type": "response.output_item.done", "item": {**ADDED["item"], "arguments": "{}"}}
PIECES: list[dict[str, Any]] = [
    {**piece, "output_index": 0}
    for piece in (
        {**ADDED, "item": {**ADDED["item"], "arguments": ""}},
        ARGUMENTS,
        {"type": "response.function_call_arguments.done", "arguments": "{}"},
        WHOLE_CALL,
    )
]
"""A call of the Responses API as it comes: its item, its arguments, all of them, and the whole item."""
DELTA: dict[str, Any] = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hel"}
BOTH = {"choices": [{"index": 0, "delta": {"tool_calls": [CALL]}}], "response": "", "tool_calls": [CALL]}
F, G = ToolCall("f", "{}", "a"), ToolCall("g", "[]", "b")
ODD_EVENTS = [
    *(Odd(f"the type {it!r}", [{"type": it, "response": "a"}], "a") for it in ("text", "message", "", None, 5)),
    Odd("an output that is no answer's", [{"response": "a", "output": ["x"]}], "a"),
    Odd("texts of choices", [{"choices": [{"text": "a"}, {"text": "b"}], "answer": "c", "tool_calls": None}], "abc"),
    Odd("tool calls beside those of the choice", [BOTH], calls=(F,)),
    Odd("other events of the Responses API", [{"type": kind, "delta": "x"} for kind in SILENT_KINDS]),
    Odd("arguments without a place", [ADDED, ARGUMENTS], calls=(F,)),
    Odd("arguments at places that are no numbers", [{**it, "output_index": "first"} for it in PIECES[:2]], calls=(F,)),
    Odd("arguments in pieces, and whole", PIECES, calls=(F,)),
    Odd("arguments at their end", [PIECES[0], PIECES[2]], calls=(F,)),
    Odd("arguments at the end of their item", PIECES[3:], calls=(F,)),
    Odd("a message beside an empty delta", [{"choices": [{"delta": {}, "message": {"content": "Hello"}}]}], "Hello"),
    Odd("an index that is no number", [{"choices": [{"index": True, "delta": {"content": "Hello"}}]}], "Hello"),
    *(
        Odd(f"reasoning as {kind} {delta!r}", [{"type": f"response.{kind}.delta", "delta": delta}], "", reasoning)
        for kind in ("reasoning_text", "reasoning_summary_text")
        for delta, reasoning in (("Hm", "Hm"), (5, "5"), (None, ""))
    ),
]
COMPLETED = [
    *(Odd(f"nothing said: {it!r}", [completed_event(it)]) for it in (None, "x", [], {})),
    *(
        Odd(f"nothing in {it!r}", [completed_event({"output": it})])
        for it in (None, [], "x", [None, {}], [{"content": None}])
    ),
    Odd("a content that is a text", [completed_event({"output": [{"content": "x"}]})], "x"),
    Odd("no object before a message", [completed_event({"output": [None, message_item("Hello")]})], "Hello"),
    Odd("a second item that was not streamed", [DELTA, message_event("Hel", "lo")], "Hello"),
    Odd("an answer that was streamed whole", [DELTA, {**DELTA, "delta": "lo"}, message_event("Hello")], "Hello"),
    Odd("another text than was streamed", [DELTA, message_event("Bye")], "Hel"),
    Odd("two parts in turn", [*parts("delta", "delta"), *parts("done", "text"), completed_event({"output": []})], "AB"),
    Odd(
        "a call that came in pieces, and another",
        [{**event, "output_index": 1} for event in (ADDED, ARGUMENTS)] + [completed_event({"output": TWO_CALLS})],
        calls=(F, G),
    ),
]


def test_odd_events_say_what_can_be_made_of_them() -> None:
    for end, rows in ((DONE, ODD_EVENTS), (b"", COMPLETED)):
        for name, events, text, reasoning, calls in rows:
            came = play([*map(event, events), end])
            decoder = came.decoder
            with row(name):
                assert came.error is None
                assert all(type(token.choice) is int for token in came.tokens)
                assert (decoder.text, decoder.accumulator.get_reasoning(0)) == (text, reasoning)
                assert tuple(decoder.accumulator.get_tool_calls(0)) == calls
                assert "".join(token.text for token in came.tokens) == text
                assert "".join(token.reasoning for token in came.tokens) == reasoning
                pieces = [piece for token in came.tokens for piece in token.tool_calls]
                assert "".join(piece.arguments for piece in pieces) == "".join(call.arguments for call in calls)
                assert [piece.name for piece in pieces if piece.name] == [call.name for call in calls]


def test_lines_that_are_events_of_their_own_come_in_order() -> None:
    both = {"choices": [{"delta": {"content": "b"}}, {"index": 1, "delta": {"content": "c"}}]}
    tokens = Decoder().feed(line({"response": "a"}) + b"\n" + line(both))
    assert [(token.text, token.choice) for token in tokens] == [("a", 0), ("b", 0), ("c", 1)]
    # Events of the Responses API that say nothing are no tokens.
    assert feed(Decoder(), *(line({"type": kind, "delta": "x"}) for kind in SILENT_KINDS)) == []


def test_digits_in_a_whole_answer_of_the_responses_api_stay_as_they_were() -> None:
    answer = b'{"object":"response","status":"completed","output":[],"output_text":0.10}'
    assert play([b'data: {"type":"response.completed","response":' + answer + b"}\n\n"]).decoder.text == "0.10"


def test_an_incomplete_answer_says_why() -> None:
    for details, reason in (
        *((details, "length") for details in ({}, None, "x", {"reason": None}, {"reason": "max_output_tokens"})),
        ({"reason": "content_filter"}, "content_filter"),
        ({"reason": 5}, "5"),
    ):
        answer = {"object": "response", "status": "incomplete", "incomplete_details": details, "output": []}
        for body in (event(answer), event({"type": "response.incomplete", "response": answer})):
            came = play([body])
            assert (came.decoder.finish_reason, came.error) == (reason, None), body


def test_the_dialects_that_were_seen_are_known() -> None:
    chat, usage = wire("last-line-without-empty-line") + b"\n", {"prompt_tokens": 1, "completion_tokens": 2}
    for body, native, chunks, response in (
        *((wire(name), True, False, False) for name in ("native", "native-finish")),
        (wire("dual"), True, True, False),
        *((wire(name), False, True, False) for name in ("chat", "trailer", "whole-chat-enveloped")),
        *((wire(name), False, False, True) for name in ("responses", "whole-responses-enveloped")),
        (wire("only-done"), False, False, False),
        (event({"response": "a", "output": ["x"]}) + DONE, True, False, False),
        # A text behind chunks makes the stream native; an event without one does not.
        *(
            (chat + event(behind), True, True, False)
            for behind in ({"response": "a"}, {"response": "a", "finish_reason": "stop"}, {"response": 0})
        ),
        *((event(before) + wire("chat"), False, True, False) for before in ({"usage": usage}, {"id": "x"}, {})),
        (event(chunk("a")) + event({"response": "", "usage": usage}), False, True, False),
        (event(chunk("a")) + event({"response": "b"}), True, True, False),
    ):
        answer = play([body]).decoder.accumulator
        seen = (answer.has_native_text, answer.first_chat_chunk is not None, answer.response_object is not None)
        assert seen == (native, chunks, response), body
    first = played("trailer").decoder.accumulator.first_chat_chunk
    assert first is not None
    assert (first["id"], first["choices"][0]["delta"]) == ("chatcmpl-1", {"role": "assistant", "content": "I"})
    response = played("responses").decoder.accumulator.response_object
    assert response is not None
    assert (response["status"], len(response["output"])) == ("completed", 2)


def test_the_last_event_of_a_message_ends_it_though_the_body_stays_open() -> None:
    decoder = Decoder()
    blocks = wire("messages").split(b"\n\n")[:-1]
    assert [(decoder.feed(block), decoder.done)[1] for block in blocks] == [False] * (len(blocks) - 1) + [True]
