"""Streams in both colours: their raw events, and events for a browser."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import httpx
import pytest

from cfai import ConfigurationError, StreamTruncatedError
from tests.bodies import DONE, HELLO, chat, event, native, one_token
from tests.conftest import LONG, SYNC_AND_ASYNC, Caller, Callers, Serve, Service, row

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"


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
def test_events_need_no_done_and_break_or_end_with_the_connection(caller: Caller, service: Service) -> None:
    for breaks in (None, httpx.ReadError("gone")):
        service.answers(service.events(b"data: a\n\ndata: b", breaks=breaks))
        events = caller.stream(MODEL).events()
        assert next(events).data == "a"
        with pytest.raises(StreamTruncatedError if breaks else StopIteration):
            next(events)
    service.answers(service.events(*HELLO))
    events = caller.stream(MODEL).events()
    next(events)
    events.close()
    assert [body.closed for body in service.bodies] == [True] * 3


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
DIALECTS = ("native", "original")


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
