"""Tokens, or the events they came in, as events for a browser's `EventSource`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import product
from typing import Any, Literal

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfai import CapacityError, CfaiError, ConfigurationError, StreamError, StreamTruncatedError
from cfai._errors import DONE_EVENT
from cfai._response.decoder import Decoder
from cfai._response.sse import EventSplitter
from cfai._streaming.event_stream import NativeEncoder, PassthroughEncoder, encoder_for, pad
from tests.bodies import DONE, HELLO, chat, event, native, one_token
from tests.conftest import LONG, SYNC_AND_ASYNC, Caller, Callers, Serve, Service, row
from tests.decoding import WIRE, play, wire
from tests.reference_sse import Event, events

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
PADDING = set("abdefghijklmnoprstuvxyz1234567890")
Dialect = Literal["native", "original"]
DIALECTS: tuple[Dialect, ...] = ("native", "original")


def served(body: bytes, dialect: Dialect, size: int = 1 << 20) -> tuple[bytes, CfaiError | None]:
    """Return what a browser gets of a stream, up to its end or to what breaks it."""
    decoder, blocks = Decoder(request_id="request-1"), EventSplitter()
    feeder = encoder_for(dialect, decoder)
    sent: list[bytes] = []
    try:
        for at in range(0, len(body), size):
            for block in blocks.feed(body[at : at + size]):
                item = feeder.feed(block)
                sent += item if isinstance(item, list) else [item] if item is not None else []
            if decoder.done:
                break
        sent += feeder.finish(blocks.rest())
        decoder.check()
    except CfaiError as error:
        return b"".join(sent), error
    return b"".join(sent), None


def payloads(sent: bytes) -> list[dict[str, Any]]:
    """The objects that a browser reads, with their numbers as they were written; events without text left out."""
    texts = [event.data for event in events(sent) if event.data.strip()]
    return [json.loads(text, parse_float=str, parse_int=str, parse_constant=str) for text in texts]


def without_padding(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in each.items() if key != "p"} for each in found]


SAMPLES = sorted(path.stem for path in WIRE.glob("*.sse"))
SILENT = {"error-first", "nothing", "only-comments", "only-done"}
"""Samples that tell a browser nothing before they end or break."""


def test_every_dialect_becomes_the_native_one() -> None:
    for name in ("native", "chat", "dual", "trailer", "responses", "whole-chat-enveloped", "completion"):
        decoder = play([wire(name)]).decoder
        sent, error = served(wire(name), "native")
        found = payloads(sent)
        assert error is None, name
        assert "".join(each["response"] for each in found) == decoder.text, name
        assert "".join(each.get("reasoning", "") for each in found) == decoder.accumulator.get_reasoning(0), name
        reasons = [each["finish_reason"] for each in found if "finish_reason" in each]
        assert reasons[-1:] == [decoder.finish_reason] * bool(decoder.finish_reason), name


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_browser_gets_padded_objects_and_the_same_wherever_the_stream_is_cut(dialect: Dialect) -> None:
    for name in SAMPLES:
        with row(name):
            whole, broke = served(wire(name), dialect)
            found = payloads(whole)
            assert bool(found) == (name not in SILENT)
            for each in found:
                assert set(each["p"]) <= PADDING
                assert 1 <= len(each["p"]) <= 33
            if name != "only-comments":
                assert (whole == b"") == (name in SILENT)
                assert whole == b"" or whole.endswith(b"\n\n")
            for size in (1, 3, 17, 100):
                sent, error = served(wire(name), dialect, size)
                assert without_padding(payloads(sent)) == without_padding(found)
                assert (type(error), str(error)) == (type(broke), str(broke))
            # What breaks a stream is raised after what came.
            failure = play([wire(name)]).decoder.failure
            assert (type(broke), str(broke)) == (type(failure), str(failure))
            if dialect == "native":
                assert "".join(each["response"] for each in found) == play([wire(name)]).decoder.text


def native_payloads(name: str) -> list[dict[str, Any]]:
    return without_padding(payloads(served(wire(name), "native")[0]))


def test_a_native_event_has_whatever_a_token_has() -> None:
    calls = native_payloads("native-tool-calls")
    assert calls[0] == {
        "response": "",
        "tool_calls": [{"index": "0", "id": "call_1", "function": {"name": "get_weather", "arguments": ""}}],
    }
    assert calls[1]["tool_calls"] == [{"index": "0", "id": None, "function": {"name": None, "arguments": '{"city":'}}]
    assert calls[-1] == {"response": "", "finish_reason": "tool_calls"}
    assert native_payloads("trailer")[-1] == {
        "response": "",
        "usage": {
            "prompt_tokens": "23",
            "completion_tokens": "15",
            "total_tokens": "38",
            "prompt_tokens_details": {"cached_tokens": "0"},
            "neurons": "0.99",
        },
    }
    assert [each["response"] for each in native_payloads("native-numbers")][:4] == ["$", "0", ".", "0.10"]
    assert native_payloads("separators")[0]["response"] == "a\u2028b\u2029c\x85d", "which are no line ends"
    assert native_payloads("half-character-at-the-end")[-1]["response"] == "\ufffd"
    first = native_payloads("chat-two-answers")
    assert "".join(each["response"] for each in first) == "abc", "only the first of several answers is served"
    assert not [each for each in first if "tool_calls" in each]


def test_half_characters_in_the_arguments_of_a_tool_call_meet_in_the_browser() -> None:
    body = (
        b'data: {"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\\"a\\":\\"\\ud83d"}}]}\n\n'
        b'data: {"tool_calls":[{"index":0,"function":{"arguments":"\\ude00\\"}"}}]}\n\ndata: [DONE]\n\n'
    )
    found = payloads(served(body, "native")[0])
    arguments = "".join(each["tool_calls"][0]["function"]["arguments"] for each in found)
    assert arguments.encode("utf-16", "surrogatepass").decode("utf-16") == '{"a":"😀"}'


def test_original_events_are_passed_on_with_fresh_padding_only() -> None:
    as_text: dict[str, Any] = {"parse_float": str, "parse_int": str, "parse_constant": str}
    for name in ("native", "chat", "dual", "trailer", "native-numbers", "chat-numbers", "completion", "responses"):
        came, sent = (
            [(each.event, json.loads(each.data, **as_text)) for each in events(body) if each.data != "[DONE]"]
            for body in (wire(name), served(wire(name), "original")[0])
        )
        assert [event for event, _ in sent] == [event for event, _ in came], name
        assert without_padding(data for _, data in sent) == without_padding(data for _, data in came), name


def test_original_events_say_what_the_stream_said() -> None:
    for name in SAMPLES:
        here = play([wire(name)]).decoder
        if here.failure is None:
            sent, error = served(wire(name), "original")
            there = play([sent + DONE_EVENT]).decoder
            assert error is None, name
            one, other = (
                (each.text, each.accumulator.get_reasoning(0), each.accumulator.get_tool_calls(0),
                 each.accumulator.finish_reasons, each.usage)
                for each in (here, there)
            )  # fmt: skip
            assert one == other, name


def test_names_ids_and_comments_are_passed_on() -> None:
    body = b': ping\n\nevent: token\nid: 7\nretry: 10\ndata: {"response":"a"}\n: inside\n\ndata: [DONE]\n\n'
    sent, error = served(body, "original")
    assert error is None
    assert sent.startswith(b": ping\n\nevent: token\nid: 7\nretry: 10\ndata: ")
    assert [(event.event, event.id, event.retry) for event in events(sent)] == [("token", "7", 10)]
    assert without_padding(payloads(sent)) == [{"response": "a"}]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_service_s_end_mark_and_what_follows_are_not_passed_on(dialect: Dialect) -> None:
    for name in ("native", "done-bare", "done-bare-ended", "done-without-end", "after-done"):
        sent, _ = served(wire(name), dialect)
        assert (b"[DONE]" in sent, b"late" in sent) == (False, False), name
    marks = (b"data: [DONE]", b"data:[DONE]", b"data:  [DONE] ", b"[DONE]", b"data: [DONE]\nid: 5", b"[DONE]\n: over")
    for mark in marks:
        sent, error = served(b'data: {"response":"a"}\n\n' + mark + b"\n\n", dialect)
        assert (error, without_padding(payloads(sent))) == (None, [{"response": "a"}]), mark
    for name in ("last-line-without-end", "last-line-without-empty-line"):
        sent, error = served(wire(name), dialect)
        assert (error, b"lo" in sent, len(events(sent))) == (None, True, 2), name
    decoder = Decoder()
    assert encoder_for(dialect, decoder).finish(b"data: [DONE]") == []
    assert decoder.done


def test_padding_goes_before_the_last_brace_and_only_into_objects() -> None:
    for block, expected in (
        *((b"data:" + space + b'{"response":"a"}', '{"response":"a","p":"P"}') for space in (b" ", b"")),
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
    ):
        (event,) = events(pad(block) + b"\n\n")
        found = json.loads(event.data)
        assert event.data == expected.replace('"P"', json.dumps(found["p"])), block
    for block in (b"", b": ping", b": {ping}", b"data: [DONE]", b"id: 7", b"data", b"data: text"):
        assert pad(block) == block
    (event,) = events(pad(b'data: {"p":"service!","response":"a"}') + b"\n\n")
    assert json.loads(event.data)["p"] != "service!"


def test_padding_is_fresh_for_each_event_and_its_length_varies() -> None:
    found = [json.loads(events(pad(b"data: {}") + b"\n\n")[0].data)["p"] for _ in range(300)]
    lengths = {len(padding) for padding in found}
    assert len(lengths) > 15
    assert max(lengths) - min(lengths) > 20


@settings(max_examples=100)
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


def test_an_error_becomes_an_event_with_code_and_message_and_then_the_end_mark() -> None:
    assert DONE_EVENT == b"data: [DONE]\n\n"
    error = StreamError("3040: busy", code=3040)
    said = '"message":"3040: busy","user_message":"The answer broke off. Please ask again."'
    plain = f'event: error\ndata: {{"code":3040,{said}}}\n\n'.encode()
    assert error.to_event_stream() == plain + DONE_EVENT
    for error, code in (
        (StreamError("bad prompt", code="invalid_prompt"), "invalid_prompt"),
        (StreamTruncatedError("ended\nearly \u2028 \ud83d"), None),
        (CapacityError("busy", code=3040), 3040),
        (CfaiError("anything"), None),
    ):
        event, end = events(error.to_event_stream())
        assert (event.event, end) == ("error", Event("message", "[DONE]", "", None)), error
        found = json.loads(event.data)
        assert (found.keys(), found["code"]) == ({"code", "message", "user_message"}, code), error
        assert found["user_message"] == error.user_message, error
        assert found["message"].split()[0] == str(error).split()[0], error


def test_a_dialect_is_chosen_by_name() -> None:
    assert isinstance(encoder_for("native", Decoder()), NativeEncoder)
    assert isinstance(encoder_for("original", Decoder()), PassthroughEncoder)
    with pytest.raises(ConfigurationError, match="'chat'"):
        encoder_for("chat", Decoder())  # what a caller without types may pass


def browser_events(pieces: Any) -> list[tuple[str, Any]]:
    """Return the name and the data of each event, without padding, as an `EventSource` would have them."""
    found: list[tuple[str, Any]] = []
    for block in b"".join(pieces).decode().split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        data = lines["data"]
        decoded = data if data == "[DONE]" else json.loads(data)
        if isinstance(decoded, dict):
            decoded.pop("p", None)
        found.append((lines.get("event", "message"), decoded))
    return found


SAID = [("message", {"response": "Hel"}), ("message", {"response": "lo"})]
END = ("message", "[DONE]")


@SYNC_AND_ASYNC
def test_native_is_one_dialect_for_every_model(caller: Caller, service: Service) -> None:
    whole = [("message", {"response": "Hello"})]
    for answer, expected in (
        (service.events(*HELLO[:2], DONE), SAID),
        (service.events(chat(content="Hel"), chat(content="lo"), DONE), SAID),
        (service.result({"response": "Hello"}), whole),
    ):
        service.answers(answer)
        stream = caller.stream(MODEL)
        assert browser_events(stream.to_event_stream()) == [*expected, END], expected
        assert stream.text == stream.result().text == "Hello", expected


@SYNC_AND_ASYNC
def test_original_passes_events_on(caller: Caller, service: Service) -> None:
    body = [b"event: tick\n" + event('{"response":0.10}'), chat(content="lo"), DONE]
    service.answers(service.events(*body))
    pieces = list(caller.stream(MODEL).to_event_stream("original"))
    assert pieces[0].startswith(b'event: tick\ndata: {"response":0.10,"p":"')
    assert browser_events(pieces)[1][1] == json.loads(body[1][6:])
    assert pieces[-1] == DONE


def test_every_event_is_padded_afresh(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native(*["x"] * 40), DONE))
    for dialect in DIALECTS:
        *pieces, done = caller.stream(MODEL).to_event_stream(dialect)
        assert (done, len(pieces)) == (DONE, 40), dialect
        assert all(b'"p":"' in piece for piece in pieces), dialect
        assert len({len(piece) for piece in pieces}) > 3, dialect
    with caller.stream(MODEL) as stream, pytest.raises(ConfigurationError, match="dialect"):
        stream.to_event_stream("klingon")


@SYNC_AND_ASYNC
def test_a_stream_that_fails_tells_the_browser_and_is_done(caller: Caller, service: Service) -> None:
    problem = '{"errors":[{"code":3040,"message":"no room"}]}'
    together = b'data: {"response":"Hel"}\ndata: ' + problem.encode()
    rows: list[tuple[list[bytes], Exception | None, int | None, str]] = [
        (native("Hel"), None, None, "ended"),
        (native("Hel"), httpx.ReadError("gone"), None, "gone"),
        ([*native("Hel"), event(problem), DONE], None, 3040, "no room"),
        ([*native("Hel"), event("no json"), DONE], None, None, "no JSON"),
        *(([together + end], None, 3040, "no room") for end in (b"\n\n", b"", b"\ndata: [DONE]", b"\n" + DONE)),
    ]
    for (body, breaks, code, said), dialect in product(rows, DIALECTS):
        service.answers(service.events(*body, breaks=breaks))
        with row((body, dialect)):
            message, (name, error), end = browser_events(caller.stream(MODEL).to_event_stream(dialect))
            assert (message, end) == (SAID[0], END)
            assert (name, error["code"]) == ("error", code)
            assert said in error["message"]
            assert error["user_message"] == StreamError("").user_message


@SYNC_AND_ASYNC
def test_a_browser_knows_of_the_end_before_an_unexpected_exception_is_raised(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("Hel"), breaks=ZeroDivisionError("the caller's transport")))
    pieces = caller.stream(MODEL).to_event_stream()
    assert b"Hel" in next(pieces)
    assert browser_events([next(pieces)])[-1] == END
    with pytest.raises(ZeroDivisionError):
        next(pieces)
    assert list(pieces) == []


@SYNC_AND_ASYNC
def test_a_browser_that_leaves_closes_the_call(callers: Callers, serve: Serve) -> None:
    for dialect in DIALECTS:
        server = serve(one_token)
        pieces = callers(base_url=server.url).stream(MODEL).to_event_stream(dialect)
        assert b"Hel" in next(pieces)
        pieces.close()
        assert server.was_left.wait(LONG), dialect


def test_nothing_goes_on_to_a_browser_behind_the_end(caller: Caller, service: Service) -> None:
    body = event('{"response":"b\\ud83d"}') + DONE + event('{"response":{"safe":true}}')
    for cut in range(1, 90, 7):
        with row(cut):
            service.answers(service.events(body[:cut], body[cut:]))
            sent = b"".join(caller.stream(MODEL).to_event_stream("original"))
            assert sent.count(b"data: ") == 2
            assert sent.endswith(b"\n\n" + DONE)
