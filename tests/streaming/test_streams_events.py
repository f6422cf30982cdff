"""Streams in both colours: their raw events, and events for a browser."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from cfai import ConfigurationError, StreamTruncatedError
from tests.bodies import DONE, HELLO, chat, event, native, one_token
from tests.conftest import LONG, SYNC_AND_ASYNC, Caller, Callers, Serve, Service

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


# Raw events


@SYNC_AND_ASYNC
def test_events_are_raw(caller: Caller, service: Service) -> None:
    body = b': ping\n\nid: 7\nevent: tick\nretry: 50\ndata: {"error":\ndata: "x"}\n\n'
    service.answers(service.events(body, event("no json"), DONE, event("more")))
    events = list(caller.stream(MODEL).events())
    assert [(event.event, event.data, event.id, event.retry) for event in events] == [
        ("tick", '{"error":\n"x"}', "7", 50),
        ("message", "no json", "7", None),
        ("message", "[DONE]", "7", None),
        ("message", "more", "7", None),
    ]
    assert type(events[0]).__module__.partition(".")[0] == "httpx_sse"


@SYNC_AND_ASYNC
def test_events_need_no_done_and_lose_what_no_blank_line_ended(caller: Caller, service: Service) -> None:
    service.answers(service.events(b"data: a\n\ndata: b"))
    assert [event.data for event in caller.stream(MODEL).events()] == ["a"]
    assert service.bodies[0].closed


@SYNC_AND_ASYNC
def test_events_break_when_the_connection_does(caller: Caller, service: Service) -> None:
    service.answers(service.events(b"data: a\n\n", breaks=httpx.ReadError("gone")))
    events = caller.stream(MODEL).events()
    assert next(events).data == "a"
    with pytest.raises(StreamTruncatedError):
        next(events)


@SYNC_AND_ASYNC
def test_leaving_the_events_leaves_the_call(caller: Caller, service: Service) -> None:
    service.answers(service.events(*HELLO))
    events = caller.stream(MODEL).events()
    next(events)
    events.close()
    assert service.bodies[0].closed


# For a browser


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


@SYNC_AND_ASYNC
@pytest.mark.parametrize("body", [HELLO[:2] + HELLO[3:], [chat(content="Hel"), chat(content="lo"), DONE]])
def test_native_is_one_dialect_for_every_model(caller: Caller, service: Service, body: list[bytes]) -> None:
    service.answers(service.events(*body))
    assert browser_events(caller.stream(MODEL).to_event_stream()) == [
        ("message", {"response": "Hel"}),
        ("message", {"response": "lo"}),
        ("message", "[DONE]"),
    ]


@SYNC_AND_ASYNC
def test_original_passes_events_on(caller: Caller, service: Service) -> None:
    body = [b"event: tick\n" + event('{"response":0.10}'), chat(content="lo"), DONE]
    service.answers(service.events(*body))
    pieces = list(caller.stream(MODEL).to_event_stream("original"))
    assert pieces[0].startswith(b'event: tick\ndata: {"response":0.10,"p":"')
    assert browser_events(pieces)[1][1] == json.loads(body[1][6:])
    assert pieces[-1] == DONE


@pytest.mark.parametrize("dialect", ["native", "original"])
def test_every_event_is_padded_afresh(caller: Caller, service: Service, dialect: str) -> None:
    service.answers(service.events(*native(*["x"] * 40), DONE))
    *pieces, done = caller.stream(MODEL).to_event_stream(dialect)
    assert done == DONE
    assert len(pieces) == 40
    assert all(b'"p":"' in piece for piece in pieces)
    assert len({len(piece) for piece in pieces}) > 3


@SYNC_AND_ASYNC
@pytest.mark.parametrize("dialect", ["native", "original"])
@pytest.mark.parametrize(
    ("body", "breaks", "code", "said"),
    [
        (native("Hel"), None, None, "ended"),
        (native("Hel"), httpx.ReadError("gone"), None, "gone"),
        ([*native("Hel"), event('{"errors":[{"code":3040,"message":"no room"}]}'), DONE], None, 3040, "no room"),
        ([*native("Hel"), event("no json"), DONE], None, None, "no JSON"),
    ],
)
def test_a_stream_that_fails_tells_the_browser_and_is_done(
    caller: Caller, service: Service, dialect: str, body: list[bytes], breaks: Any, code: int | None, said: str
) -> None:
    service.answers(service.events(*body, breaks=breaks))
    events = browser_events(caller.stream(MODEL).to_event_stream(dialect))
    assert events[0] == ("message", {"response": "Hel"})
    name, error = events[-2]
    assert name == "error"
    assert error["code"] == code
    assert said in error["message"]
    assert events[-1] == ("message", "[DONE]")
    assert sum(data == "[DONE]" for _, data in events) == 1


@SYNC_AND_ASYNC
@pytest.mark.parametrize("dialect", ["native", "original"])
@pytest.mark.parametrize("end", [b"\n\n", b"", b"\ndata: [DONE]", b"\ndata: [DONE]\n\n"])
def test_a_browser_has_what_came_before_an_error_in_the_same_block(
    caller: Caller, service: Service, dialect: str, end: bytes
) -> None:
    body = b'data: {"response":"Hello"}\ndata: {"errors":[{"code":3040,"message":"no room"}]}' + end
    service.answers(service.events(body))
    message, (name, error), done = browser_events(caller.stream(MODEL).to_event_stream(dialect))
    assert message == ("message", {"response": "Hello"})
    assert (name, error["code"]) == ("error", 3040)
    assert done == ("message", "[DONE]")


@SYNC_AND_ASYNC
def test_a_browser_knows_of_the_end_before_an_unexpected_exception_is_raised(caller: Caller, service: Service) -> None:
    service.answers(service.events(*native("Hel"), breaks=ZeroDivisionError("the caller's transport")))
    pieces = caller.stream(MODEL).to_event_stream()
    assert b"Hel" in next(pieces)
    assert browser_events([next(pieces)])[-1] == ("message", "[DONE]")
    with pytest.raises(ZeroDivisionError):
        next(pieces)
    assert list(pieces) == []


@SYNC_AND_ASYNC
def test_json_in_the_place_of_a_stream_reaches_the_browser_too(caller: Caller, service: Service) -> None:
    service.answers(service.result({"response": "Hello"}))
    events = browser_events(caller.stream(MODEL).to_event_stream())
    assert events == [("message", {"response": "Hello"}), ("message", "[DONE]")]


@SYNC_AND_ASYNC
@pytest.mark.parametrize("dialect", ["native", "original"])
def test_a_browser_that_leaves_closes_the_call(callers: Callers, serve: Serve, dialect: str) -> None:
    server = serve(one_token)
    pieces = callers(base_url=server.url).stream(MODEL).to_event_stream(dialect)
    assert b"Hel" in next(pieces)
    pieces.close()
    assert server.was_left.wait(LONG)


@SYNC_AND_ASYNC
def test_after_the_browser_had_it_all_there_is_a_result(caller: Caller, service: Service) -> None:
    service.answers(service.events(*HELLO))
    stream = caller.stream(MODEL)
    list(stream.to_event_stream())
    assert stream.text == stream.result().text == "Hello"


def test_a_dialect_is_one_of_two(caller: Caller, service: Service) -> None:
    service.answers(service.events(*HELLO))
    with caller.stream(MODEL) as stream, pytest.raises(ConfigurationError, match="dialect"):
        stream.to_event_stream("klingon")
