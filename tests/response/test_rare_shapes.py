"""Shapes of answers that are rare, each of which lost something once."""

from __future__ import annotations

from typing import Any

from cfai import AsyncStream, Stream
from tests.bodies import DONE
from tests.conftest import Caller, Service, stream_of
from tests.decoding import event, play

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


def completed(*texts: str) -> dict[str, Any]:
    output = [{"type": "message", "content": [{"type": "output_text", "text": text}]} for text in texts]
    return {"type": "response.completed", "response": {"object": "response", "status": "completed", "output": output}}


def delta(text: str) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text}


def test_text_is_found_wherever_it_stands() -> None:
    message = {"role": "assistant", "content": "Hello"}
    for name, events, text in (
        ("a message beside an empty delta", [{"choices": [{"delta": {}, "message": message}]}], "Hello"),
        ("a second item that was not streamed", [delta("Hel"), completed("Hel", "lo")], "Hello"),
        ("an answer that was streamed whole", [delta("Hel"), delta("lo"), completed("Hello")], "Hello"),
        ("another text than was streamed", [delta("Hello"), completed("Bye")], "Hello"),
        ("an index that is no number", [{"choices": [{"index": True, "delta": {"content": "Hello"}}]}], "Hello"),
    ):
        played = play([*map(event, events), DONE])
        assert played.error is None, name
        assert played.decoder.text == "".join(token.text for token in played.tokens) == text, name
        assert all(type(token.choice) is int for token in played.tokens), name


def test_neurons_are_reported_before_or_after_the_tokens() -> None:
    neurons, counts = {"neurons": 5, "total_tokens": 0}, {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}
    for reports in (
        [neurons, counts],
        [counts, neurons],
        [{**counts, "neurons": 5}],
        [neurons, {**counts, "neurons": 5}],
    ):
        played = play([*(event({"response": "", "usage": report}) for report in reports), DONE])
        usage = played.decoder.usage
        assert usage is not None
        assert (usage.neurons, usage.total_tokens) == (5, 3), reports


def test_prose_that_begins_like_an_event_is_no_stream(caller: Caller, service: Service) -> None:
    for text in (": ) hi", "id: 5 is it", "data: are here", "event: today"):
        service.answers(service.raw(text.encode(), content_type="text/plain"))
        answer = caller.run(MODEL, {"prompt": "x"})
        assert bytes(answer) == text.encode(), text
    for body in (b'data: {"response":"Hello"}\n\ndata: [DONE]\n\n', b'data: {"response":"Hello"}', b"data: [DONE]\n\n"):
        service.answers(service.raw(body, content_type="text/plain"))
        answer = caller.run(MODEL, {"prompt": "x"})
        assert isinstance(stream_of(answer), Stream | AsyncStream), body


def test_a_call_of_the_responses_api_is_whole_however_its_pieces_come() -> None:
    item = {"type": "function_call", "name": "f", "call_id": "call_1"}
    added = {"type": "response.output_item.added", "output_index": 0, "item": {**item, "arguments": ""}}
    piece = {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"a":0.10}'}
    ended = {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":0.10}'}
    done = {"type": "response.output_item.done", "output_index": 0, "item": {**item, "arguments": '{"a":0.10}'}}
    unnumbered = [{**each, "output_index": "first"} for each in (added, piece)]
    for name, events in (
        ("in pieces", [added, piece, ended, done]),
        ("at the end of its arguments", [added, ended]),
        ("at the end of its item", [done]),
        ("without numbers", unnumbered),
    ):
        played = play([*map(event, events), DONE])
        [call] = played.decoder.accumulator.tool_calls_of(0)
        assert (call.name, call.arguments) == ("f", '{"a":0.10}'), name


def test_digits_in_a_whole_answer_of_the_responses_api_stay_as_they_were() -> None:
    answer = b'{"object":"response","status":"completed","output":[],"output_text":0.10}'
    played = play([b'data: {"type":"response.completed","response":' + answer + b"}\n\n", DONE])
    assert played.decoder.text == "0.10"
