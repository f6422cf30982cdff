"""Tokens, or the events they came in, as events for a browser's `EventSource`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfai import CapacityError, CfaiError, ConfigurationError, StreamError, StreamTruncatedError
from cfai._errors import DONE_EVENT
from cfai._response.decoder import Decoder
from cfai._response.sse import EventSplitter
from cfai._streaming.event_stream import NativeEncoder, PassthroughEncoder, encoder_for, pad
from tests.reference_sse import Event, events

WIRE = Path(__file__).parents[1] / "wire"
PADDING = set("abdefghijklmnoprstuvxyz1234567890")
Dialect = Literal["native", "original"]


def wire(name: str) -> bytes:
    return (WIRE / f"{name}.sse").read_bytes()


def served(body: bytes, dialect: Dialect, size: int = 1 << 20) -> tuple[bytes, CfaiError | None]:
    """Return what a browser gets of a stream, up to its end or to what breaks it."""
    feeder = encoder_for(dialect, Decoder())
    blocks = EventSplitter()
    sent: list[bytes] = []
    try:
        for at in range(0, len(body), size):
            for block in blocks.feed(body[at : at + size]):
                item = feeder.feed(block)
                sent += item if isinstance(item, list) else [item] if item is not None else []
            if feeder.done:
                break
        sent += feeder.finish(blocks.rest())
        feeder.check()
    except CfaiError as error:
        return b"".join(sent), error
    return b"".join(sent), None


def payloads(sent: bytes) -> list[dict[str, Any]]:
    """The objects that a browser reads, with their numbers as they were written; events without text left out."""
    texts = [event.data for event in events(sent) if event.data.strip()]
    return [json.loads(text, parse_float=str, parse_int=str, parse_constant=str) for text in texts]


def without_padding(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in each.items() if key != "p"} for each in found]


def decoded(body: bytes) -> Decoder:
    """Return what the token decoder makes of a whole body."""
    decoder, blocks = Decoder(), EventSplitter()
    with suppress(StreamError):
        for block in blocks.feed(body):
            decoder.feed(block)
        decoder.finish(blocks.rest())
        decoder.check()
    return decoder


SAMPLES = sorted(path.stem for path in WIRE.glob("*.sse"))
SILENT = {"error-first", "nothing", "only-comments", "only-done"}
"""Samples that tell a browser nothing before they end or break."""


# Native.


@pytest.mark.parametrize(
    "name", ["native", "chat", "dual", "trailer", "responses", "whole-chat-enveloped", "completion"]
)
def test_every_dialect_becomes_the_native_one(name: str) -> None:
    decoder = decoded(wire(name))
    sent, error = served(wire(name), "native")
    found = payloads(sent)
    assert error is None
    assert "".join(each["response"] for each in found) == decoder.text
    assert "".join(each.get("reasoning", "") for each in found) == decoder.accumulator.reasoning_of(0)
    assert [each["finish_reason"] for each in found if "finish_reason" in each][-1:] == [decoder.finish_reason] * bool(
        decoder.finish_reason
    )


@pytest.mark.parametrize("dialect", ["native", "original"])
@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"only-comments"}))
def test_whatever_is_sent_is_one_object_an_event_and_cut_off_nowhere(name: str, dialect: Dialect) -> None:
    sent, _ = served(wire(name), dialect)
    assert (sent == b"") == (name in SILENT)
    assert sent == b"" or sent.endswith(b"\n\n")
    assert all(isinstance(each, dict) for each in payloads(sent))


@pytest.mark.parametrize("dialect", ["native", "original"])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_event_has_padding_and_none_has_the_service_s(name: str, dialect: Dialect) -> None:
    found = payloads(served(wire(name), dialect)[0])
    assert bool(found) == (name not in SILENT)
    for each in found:
        assert set(each["p"]) <= PADDING
        assert 1 <= len(each["p"]) <= 33


@pytest.mark.parametrize("dialect", ["native", "original"])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_browser_gets_the_same_wherever_the_stream_is_cut(name: str, dialect: Dialect) -> None:
    whole, broke = served(wire(name), dialect)
    for size in (1, 3, 17, 100):
        sent, error = served(wire(name), dialect, size)
        assert without_padding(payloads(sent)) == without_padding(payloads(whole))
        assert (type(error), str(error)) == (type(broke), str(broke))


def test_a_native_event_has_whatever_a_token_has() -> None:
    calls = without_padding(payloads(served(wire("native-tool-calls"), "native")[0]))
    assert calls[0] == {
        "response": "",
        "tool_calls": [{"index": "0", "id": "call_1", "function": {"name": "get_weather", "arguments": ""}}],
    }
    assert calls[1]["tool_calls"] == [{"index": "0", "id": None, "function": {"name": None, "arguments": '{"city":'}}]
    assert calls[-1] == {"response": "", "finish_reason": "tool_calls"}


def test_a_native_event_has_the_usage_of_its_event() -> None:
    last = without_padding(payloads(served(wire("trailer"), "native")[0]))[-1]
    assert last == {
        "response": "",
        "usage": {
            "prompt_tokens": "23",
            "completion_tokens": "15",
            "total_tokens": "38",
            "prompt_tokens_details": {"cached_tokens": "0"},
            "neurons": "0.99",
        },
    }


def test_a_native_event_has_numbers_as_text() -> None:
    found = payloads(served(wire("native-numbers"), "native")[0])
    assert [each["response"] for each in found][:4] == ["$", "0", ".", "0.10"]


def test_only_the_first_of_several_answers_is_served_natively() -> None:
    found = payloads(served(wire("chat-two-answers"), "native")[0])
    assert "".join(each["response"] for each in found) == "abc"
    assert not [each for each in found if "tool_calls" in each]


def test_separators_are_no_line_ends_for_a_browser_either() -> None:
    found = payloads(served(wire("separators"), "native")[0])
    assert found[0]["response"] == "a\u2028b\u2029c\x85d"


def test_half_a_character_at_the_end_is_served() -> None:
    assert payloads(served(wire("half-character-at-the-end"), "native")[0])[-1]["response"] == "\ufffd"


def test_half_characters_in_the_arguments_of_a_tool_call_meet_in_the_browser() -> None:
    body = (
        b'data: {"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\\"a\\":\\"\\ud83d"}}]}\n\n'
        b'data: {"tool_calls":[{"index":0,"function":{"arguments":"\\ude00\\"}"}}]}\n\ndata: [DONE]\n\n'
    )
    found = payloads(served(body, "native")[0])
    arguments = "".join(each["tool_calls"][0]["function"]["arguments"] for each in found)
    assert arguments.encode("utf-16", "surrogatepass").decode("utf-16") == '{"a":"😀"}'


# PassthroughEncoder.


@pytest.mark.parametrize("name", ["native", "chat", "dual", "trailer", "native-numbers", "chat-numbers", "completion"])
def test_original_events_are_passed_on_with_fresh_padding_only(name: str) -> None:
    came = [event for event in events(wire(name)) if event.data != "[DONE]"]
    sent = events(served(wire(name), "original")[0])
    as_text: dict[str, Any] = {"parse_float": str, "parse_int": str, "parse_constant": str}
    assert without_padding(json.loads(event.data, **as_text) for event in sent) == without_padding(
        json.loads(event.data, **as_text) for event in came
    )


@pytest.mark.parametrize("name", [name for name in SAMPLES if decoded(wire(name)).failure is None])
def test_original_events_say_what_the_stream_said(name: str) -> None:
    sent, error = served(wire(name), "original")
    there, here = decoded(sent + DONE_EVENT), decoded(wire(name))
    assert error is None
    assert (
        there.text,
        there.accumulator.reasoning_of(0),
        there.accumulator.tool_calls_of(0),
        there.accumulator.finish_reasons,
        there.usage,
    ) == (
        here.text,
        here.accumulator.reasoning_of(0),
        here.accumulator.tool_calls_of(0),
        here.accumulator.finish_reasons,
        here.usage,
    )


def test_all_events_of_the_responses_api_are_passed_on() -> None:
    came = [(event.event, json.loads(event.data)["type"]) for event in events(wire("responses"))]
    sent = [(event.event, json.loads(event.data)["type"]) for event in events(served(wire("responses"), "original")[0])]
    assert sent == came


def test_names_ids_and_comments_are_passed_on() -> None:
    body = b': ping\n\nevent: token\nid: 7\nretry: 10\ndata: {"response":"a"}\n: inside\n\ndata: [DONE]\n\n'
    sent, error = served(body, "original")
    assert error is None
    assert sent.startswith(b": ping\n\nevent: token\nid: 7\nretry: 10\ndata: ")
    assert [(event.event, event.id, event.retry) for event in events(sent)] == [("token", "7", 10)]
    assert without_padding(payloads(sent)) == [{"response": "a"}]


@pytest.mark.parametrize("name", ["native", "done-bare", "done-bare-ended", "done-without-end", "after-done"])
@pytest.mark.parametrize("dialect", ["native", "original"])
def test_the_service_s_end_mark_and_what_follows_are_not_passed_on(name: str, dialect: Dialect) -> None:
    sent, _ = served(wire(name), dialect)
    assert b"[DONE]" not in sent
    assert b"late" not in sent


@pytest.mark.parametrize("dialect", ["native", "original"])
@pytest.mark.parametrize(
    "mark", [b"data: [DONE]", b"data:[DONE]", b"data:  [DONE] ", b"[DONE]", b"data: [DONE]\nid: 5", b"[DONE]\n: over"]
)
def test_the_service_s_end_mark_is_not_passed_on_however_it_is_written(mark: bytes, dialect: Dialect) -> None:
    sent, error = served(b'data: {"response":"a"}\n\n' + mark + b"\n\n", dialect)
    assert error is None
    assert without_padding(payloads(sent)) == [{"response": "a"}]


@pytest.mark.parametrize("dialect", ["native", "original"])
@pytest.mark.parametrize("name", ["last-line-without-end", "last-line-without-empty-line"])
def test_a_last_line_without_its_empty_line_is_passed_on(name: str, dialect: Dialect) -> None:
    sent, error = served(wire(name), dialect)
    assert error is None
    assert b"lo" in sent
    assert len(events(sent)) == 2


# Padding.


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b'data: {"response":"a"}', '{"response":"a","p":"P"}'),
        (b'data:{"response":"a"}', '{"response":"a","p":"P"}'),
        (b'data: {"response":0.10,"n":1e3}', '{"response":0.10,"n":1e3,"p":"P"}'),
        (b'data: {"response":{"a":{}}}', '{"response":{"a":{}},"p":"P"}'),
        (b'data: {"response":"}"}  ', '{"response":"}","p":"P"}'),
        (b"data: {}", '{"p":"P"}'),
        (b"data: { }", '{ "p":"P"}'),
        (b'data: {\ndata: "response":"a"\ndata: }', '{\n"response":"a"\n,"p":"P"}'),
        (b'data: {"response":\ndata: 0.10}', '{"response":\n0.10,"p":"P"}'),
        (b'data: {"response":"a"}\ndata:', '{"response":"a","p":"P"}\n'),
        (b'event: x\ndata: {"response":"a"}\nid: {7}', '{"response":"a","p":"P"}'),
        (b"data: {\ndata: }", '{\n"p":"P"}'),
    ],
)
def test_padding_goes_before_the_last_brace(block: bytes, expected: str) -> None:
    (event,) = events(pad(block) + b"\n\n")
    found = json.loads(event.data)
    assert event.data == expected.replace('"P"', json.dumps(found["p"]))


@pytest.mark.parametrize("block", [b"", b": ping", b": {ping}", b"data: [DONE]", b"id: 7", b"data", b"data: text"])
def test_what_is_no_object_gets_no_padding(block: bytes) -> None:
    assert pad(block) == block


def test_padding_of_the_service_loses_against_the_fresh_one() -> None:
    (event,) = events(pad(b'data: {"p":"service!","response":"a"}') + b"\n\n")
    assert json.loads(event.data)["p"] != "service!"


def test_padding_is_fresh_for_each_event_and_its_length_varies() -> None:
    found = [json.loads(events(pad(b"data: {}") + b"\n\n")[0].data)["p"] for _ in range(300)]
    lengths = {len(padding) for padding in found}
    assert len(lengths) > 15
    assert max(lengths) - min(lengths) > 20


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=3).filter(lambda key: key != "p"), st.text(max_size=5) | st.floats(allow_nan=False), max_size=4
    ),
    st.sampled_from([None, 0, 2]),
)
def test_padding_changes_nothing_else(payload: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(payload, indent=indent)
    block = b"\n".join(b"data: " + line.encode() for line in text.split("\n"))
    (event,) = events(pad(block) + b"\n\n")
    assert without_padding([json.loads(event.data)]) == [payload]


# Errors, and the choice of a dialect.


@pytest.mark.parametrize("dialect", ["native", "original"])
@pytest.mark.parametrize("name", [name for name in SAMPLES if name.startswith(("error-", "truncated", "not-"))])
def test_what_breaks_a_stream_is_raised_after_what_came(name: str, dialect: Dialect) -> None:
    decoder = decoded(wire(name))
    sent, error = served(wire(name), dialect)
    assert (type(error), str(error)) == (type(decoder.failure), str(decoder.failure))
    if dialect == "native":
        assert "".join(each["response"] for each in payloads(sent)) == decoder.text


def test_an_error_becomes_an_event_with_code_and_message_and_then_the_end_mark() -> None:
    assert DONE_EVENT == b"data: [DONE]\n\n"
    error = StreamError("3040: busy", code=3040)
    assert error.to_event_stream() == b'event: error\ndata: {"code":3040,"message":"3040: busy"}\n\n' + DONE_EVENT
    for error, code in (
        (StreamError("bad prompt", code="invalid_prompt"), "invalid_prompt"),
        (StreamTruncatedError("ended\nearly \u2028 \ud83d"), None),
        (CapacityError("busy", code=3040), 3040),
        (CfaiError("anything"), None),
    ):
        event, end = events(error.to_event_stream())
        assert (event.event, end) == ("error", Event("message", "[DONE]", "", None)), error
        found = json.loads(event.data)
        assert (found.keys(), found["code"]) == ({"code", "message"}, code), error
        assert found["message"].split()[0] == str(error).split()[0], error


def test_a_dialect_is_chosen_by_name() -> None:
    assert isinstance(encoder_for("native", Decoder()), NativeEncoder)
    assert isinstance(encoder_for("original", Decoder()), PassthroughEncoder)
    with pytest.raises(ConfigurationError, match="'chat'"):
        encoder_for("chat", Decoder())  # what a caller without types may pass


@pytest.mark.parametrize("dialect", ["native", "original"])
def test_the_end_is_known_without_its_empty_line(dialect: Dialect) -> None:
    feeder = encoder_for(dialect, Decoder())
    assert not feeder.done
    assert feeder.ends_with(b"data: [DONE]")
    assert feeder.finish(b"data: [DONE]") == []
    assert feeder.done
