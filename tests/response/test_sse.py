"""The event-stream grammar, rule by rule, in every cut; and against two other decoders."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from httpx_sse._decoders import SSEDecoder, SSELineDecoder
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cfai import StreamError
from cfai._response.sse import LARGEST_EVENT, EventDecoder, EventSplitter, parse_fields
from tests.reference_sse import Event
from tests.reference_sse import events as reference

BOM = b"\xef\xbb\xbf"
WIRE = sorted((Path(__file__).parents[1] / "wire").glob("*.sse"))


def message(data: str, *, event: str = "message", id: str = "", retry: int | None = None) -> Event:
    return Event(event, data, id, retry)


def decode(pieces: Iterable[bytes]) -> list[Event]:
    """Return the events of a body that arrives in `pieces`."""
    blocks, decoder = EventSplitter(), EventDecoder()
    found = [event for piece in pieces for block in blocks.feed(piece) for event in decoder.feed(block)]
    found += decoder.finish(blocks.rest())
    return [Event(event.event, event.data, event.id, event.retry) for event in found]


def in_two(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((body[:at], body[at:]) for at in range(len(body) + 1))


def byte_by_byte(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


def event_by_event(body: bytes) -> list[bytes]:
    """Return `body` as most servers send it: a piece for each block, with the empty line behind it."""
    return re.findall(rb"(?s).*?(?:\n\n|\r\r|\r\n\r\n|\Z)", body)


def cut(body: bytes, at: Iterable[int]) -> list[bytes]:
    """Return `body` in pieces, some of them empty where two cuts meet."""
    return [body[start:end] for start, end in pairwise([0, *sorted(min(place, len(body)) for place in at), len(body)])]


RULES: dict[str, tuple[bytes, list[Event]]] = {
    # The standard's own examples.
    "the stock ticker": (
        b"data: YHOO\ndata: +2\ndata: 10\n\n",
        [message("YHOO\n+2\n10")],
    ),
    "comments, ids, and a block that is cut off": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event",
        [message("first event", id="1"), message("second event")],
    ),
    "data without a value": (b"data\n\ndata\ndata\n\ndata:", [message(""), message("\n")]),
    "one space and none are the same": (b"data:test\n\ndata: test\n\n", [message("test"), message("test")]),
    "named events": (
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
        [message("73857293", event="add"), message("2153", event="remove")],
    ),
    # The byte-order mark.
    "a byte-order mark at the start is no text": (BOM + b"data: a\n\n", [message("a")]),
    "only one byte-order mark is taken off": (BOM + BOM + b"data: a\n\ndata: b\n\n", [message("b")]),
    "a byte-order mark later on is text": (
        b"data: a\n\n" + BOM + b"data: b\n\ndata: " + BOM + b"c\n\n",
        [message("a"), message("\ufeffc")],
    ),
    "a byte-order mark before a line end": (BOM + b"\ndata: a\n\n", [message("a")]),
    "a byte-order mark and nothing else": (BOM, []),
    "half of a byte-order mark is a field that nobody knows": (b"\xef\xbbdata: a\n\ndata: b\n\n", [message("b")]),
    "half of a byte-order mark alone": (b"\xef\xbb", []),
    "a byte-order mark where half of one was": (b"\xef" + BOM + b"data: a\n\ndata: b\n\n", [message("b")]),
    # Line ends.
    "lines end in CR LF": (b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [message("a\nb"), message("c")]),
    "lines end in CR": (b"data: a\rdata: b\r\rdata: c\r\r", [message("a\nb"), message("c")]),
    "lines end in all three": (
        b"data: a\rdata: b\r\ndata: c\n\r\ndata: d\r\n\rdata: e\n\n",
        [message("a\nb\nc"), message("d"), message("e")],
    ),
    "LF behind CR LF is an empty line": (b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", [*map(message, "abc")]),
    "CR behind LF is an empty line": (b"data: a\n\rdata: b\n\n", [message("a"), message("b")]),
    "CR LF is one line end, not two": (b"data: a\r\ndata: b\r\n\r\n", [message("a\nb")]),
    "the last CR ends its line at once": (b"data: a\r\r", [message("a")]),
    "many empty lines": (b"\n\r\r\n\n\ndata: a\n\n\n\n\r\r\rdata: b\n\n\n", [message("a"), message("b")]),
    "other separators are text": (
        "data: a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei\n\n".encode(),
        [message("a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei")],
    ),
    # Fields.
    "a field without a colon has no value": (b"event\ndata\nid\n\n", [message("")]),
    "only the first colon counts": (b"data: a: b:c\n\n", [message("a: b:c")]),
    "only one space is taken off": (b"data:  a\n\ndata:\ta\n\n", [message(" a"), message("\ta")]),
    "trailing spaces stay": (b"data: a \nevent: b \n\n", [message("a ", event="b ")]),
    "data that is one space is empty": (b"data: \n\n", [message("")]),
    "a space before the colon makes another field": (b"data : a\n\ndata: b\n\n", [message("b")]),
    "a space before the name makes another field": (b" data: a\n\ndata: b\n\n", [message("b")]),
    "names are compared with their case": (b"Data: a\nDATA: b\ndata: c\n\n", [message("c")]),
    "unknown fields are ignored": (b"datax: a\ndat: b\nfoo\nbar: x\ndata: c\n\n", [message("c")]),
    "comments are ignored": (b":\n: a\n:data: b\ndata: c\n:d\n\n", [message("c")]),
    "a comment alone is no event": (b": ping\n\n: ping\n\ndata: a\n\n", [message("a")]),
    "a bare end mark is an unknown field": (b"[DONE]\n\ndata: [DONE]\n\n", [message("[DONE]")]),
    # Data and dispatch.
    "several lines of data": (b"data: a\ndata:\ndata: b\ndata\n\n", [message("a\n\nb\n")]),
    "data is not looked into": (b'data: {"a":\n\ndata: [DONE]\n\n', [message('{"a":'), message("[DONE]")]),
    "no data, no event": (b"event: a\nid: 1\nretry: 5\n\n", []),
    "no data resets the name": (b"event: a\n\ndata: b\n\n", [message("b")]),
    "the name lasts for one event": (b"event: a\ndata: b\n\ndata: c\n\n", [message("b", event="a"), message("c")]),
    "the last name wins": (b"event: a\nevent: b\ndata: c\n\n", [message("c", event="b")]),
    "an empty name is none": (b"event: a\nevent:\ndata: c\n\n", [message("c")]),
    "the order of fields is free": (b"data: a\nid: 1\nevent: b\ndata: c\n\n", [message("a\nc", event="b", id="1")]),
    # Ids.
    "an id stays until another comes": (
        b"id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\n",
        [message("a", id="1"), message("b", id="1"), message("c", id="2")],
    ),
    "an id counts without data": (b"id: 1\n\ndata: a\n\n", [message("a", id="1")]),
    "an empty id takes the id away": (b"id: 1\ndata: a\n\nid:\ndata: b\n\n", [message("a", id="1"), message("b")]),
    "an id without a colon does so too": (b"id: 1\ndata: a\n\nid\n\ndata: b\n\n", [message("a", id="1"), message("b")]),
    "an id with NUL is ignored": (
        b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid: \0\ndata: c\n\n",
        [message("a", id="1"), message("b", id="1"), message("c", id="1")],
    ),
    "an id with NUL does not undo the one before it": (b"id: 1\nid: 2\0\ndata: a\n\n", [message("a", id="1")]),
    "NUL is text elsewhere": (b"event: \0\ndata: a\0b\n\n", [message("a\0b", event="\0")]),
    "the last id wins": (b"id: 1\nid: 2\ndata: a\n\n", [message("a", id="2")]),
    # Retry.
    "retry takes digits": (
        b"retry: 1500\ndata: a\n\nretry:007\ndata: b\n\n",
        [message("a", retry=1500), message("b", retry=7)],
    ),
    "retry takes digits only": (
        b"".join(
            b"retry: %s\ndata: a\n\n" % value for value in (b"", b"1.5", b"-1", b"+1", b"1e3", b" 1", b"1 ", b"1_0")
        ),
        [message("a")] * 8,
    ),
    "retry takes ASCII digits only": (
        "retry: \u0661\u0662\ndata: a\n\nretry: \u00b2\ndata: b\n\n".encode(),
        [message("a"), message("b")],
    ),
    "a wrong retry does not undo the one before it": (b"retry: 5\nretry: x\ndata: a\n\n", [message("a", retry=5)]),
    "retry lasts for one event": (b"retry: 5\ndata: a\n\ndata: b\n\n", [message("a", retry=5), message("b")]),
    "the last retry wins": (b"retry: 5\nretry: 6\ndata: a\n\n", [message("a", retry=6)]),
    # UTF-8.
    "characters of two to four bytes": (
        "data: é€😀\nevent: ü\nid: ñ\n\n".encode(),
        [message("é€😀", event="ü", id="ñ")],
    ),
    "bytes that are no UTF-8 are replaced": (
        b"data: \xff|\xc0\x80|\xe2\x82|\xed\xa0\x80|\xf0\x9f\x98|\xf5\x80\x80\x80|\x80\xe2\n\n",
        [message("\ufffd|\ufffd\ufffd|\ufffd|\ufffd\ufffd\ufffd|\ufffd|\ufffd\ufffd\ufffd\ufffd|\ufffd\ufffd")],
    ),
    "names and ids are replaced alike": (
        b"event: \xc3\nid: \xc3\ndata: a\n\n",
        [message("a", event="\ufffd", id="\ufffd")],
    ),
    "an overlong line end is none": (b"data: a\xc0\x8a\xc0\x8a\n\n", [message("a" + 4 * "\ufffd")]),
    # The end.
    "a block without its empty line is no event": (b"data: a\n\ndata: b\n", [message("a")]),
    "a line without its end is no event": (b"data: a\n\ndata: b", [message("a")]),
    "CR LF cut in the middle at the end": (b"data: a\r\n\r", [message("a")]),
    "nothing at all": (b"", []),
    "only empty lines": (b"\n\n\r\r\r\n\r\n", []),
}

cases = pytest.mark.parametrize(("body", "expected"), [pytest.param(*RULES[name], id=name) for name in RULES])


@cases
def test_a_whole_body_gives_the_events_that_the_standard_says(body: bytes, expected: list[Event]) -> None:
    assert decode([body]) == expected


@cases
def test_the_reference_says_the_same(body: bytes, expected: list[Event]) -> None:
    assert reference(body) == expected


@cases
def test_a_rule_holds_wherever_the_body_is_cut(body: bytes, expected: list[Event]) -> None:
    for pieces in in_two(body):
        assert decode(pieces) == expected, pieces
    assert decode(byte_by_byte(body)) == expected


@cases
def test_a_rule_holds_when_every_event_is_a_piece_of_its_own(body: bytes, expected: list[Event]) -> None:
    assert b"".join(event_by_event(body)) == body
    assert decode(event_by_event(body)) == expected


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_an_event_of_two_lines_may_be_a_piece_of_its_own(end: bytes) -> None:
    pieces = [b"data: a\n\n", b"data: b" + end + b"data: c\n\n", b"data: d\n\n"]
    assert [event.data for event in decode(pieces)] == ["a", "b\nc", "d"]


@cases
def test_a_rule_holds_with_empty_pieces_between_the_bytes(body: bytes, expected: list[Event]) -> None:
    assert decode(piece for byte in byte_by_byte(body) for piece in (b"", byte, b"")) == expected


@cases
def test_a_rule_holds_when_the_body_is_cut_twice(body: bytes, expected: list[Event]) -> None:
    chance = random.Random(len(body))
    for _ in range(30):
        pieces = cut(body, [chance.randrange(len(body) + 1) for _ in range(chance.randrange(2, 6))])
        assert decode(pieces) == expected, pieces


@pytest.mark.parametrize("path", WIRE, ids=lambda path: path.stem)
def test_a_wire_sample_has_the_same_events_in_every_cut(path: Path) -> None:
    body = path.read_bytes()
    expected = reference(body)
    for pieces in in_two(body):
        assert decode(pieces) == expected, pieces
    assert decode(byte_by_byte(body)) == expected
    assert decode(event_by_event(body)) == expected


def test_an_event_is_given_as_soon_as_its_empty_line_has_come() -> None:
    for end in (b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r", b"\r\n\r"):
        assert len(EventSplitter().feed(b"data: a" + end)) == 1, end
        blocks = EventSplitter()
        assert [len(blocks.feed(piece)) for piece in byte_by_byte(b"data: a" + end)].count(1) == 1, end


def test_what_the_last_empty_line_left_over_is_kept() -> None:
    blocks = EventSplitter()
    blocks.feed(b"data: a\n\nda")
    blocks.feed(b"ta: b\r")
    assert blocks.rest() == b"data: b\n"


def test_the_start_of_a_byte_order_mark_is_kept_too() -> None:
    blocks = EventSplitter()
    blocks.feed(BOM[:2])
    assert blocks.rest() == BOM[:2]


def test_the_standard_knows_no_end_mark_and_no_broken_streams() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: [DONE]")
    assert decoder.finish(b"data: a") == []
    assert decoder.ends_with(b"data: [DONE]") is False
    assert decoder.done is False
    decoder.check()


def test_a_retry_of_thousands_of_digits_breaks_nothing() -> None:
    body = b"retry: " + b"9" * 10_000 + b"\ndata: a\n\n"
    assert [event.data for event in decode([body])] == ["a"]


def test_fields_tells_what_is_no_field() -> None:
    found = parse_fields(b"data: a\n[DONE]\n: comment\nx:y\nid: 1\nretry: 2")
    assert (found.data, found.other_lines, found.id, found.retry) == ([b"a"], [b"[DONE]", b"x:y"], b"1", 2)


def test_fields_of_nothing_are_none() -> None:
    found = parse_fields(b": comment\n\n")
    assert (found.data, found.other_lines, found.id, found.retry, found.event) == (None, None, None, None, b"")


# The bound.


def test_the_largest_event_is_32_mib() -> None:
    assert LARGEST_EVENT == 32 * 2**20


def up_to_the_bound(pieces: Iterable[bytes], largest: int = 100) -> tuple[list[bytes], StreamError | None]:
    """Return the blocks that come before an event is given up as too large, and what is raised then."""
    blocks = EventSplitter(largest)
    found: list[bytes] = []
    try:
        for piece in (*pieces, b""):
            found += blocks.feed(piece)
        blocks.rest()
    except StreamError as error:
        return found, error
    return found, None


@pytest.mark.parametrize("size", [1, 7, 99, 100, 1000])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n", b"\n\ndata: b\n\n"])
def test_an_event_over_the_bound_is_given_up_in_every_cut(size: int, end: bytes) -> None:
    body = b"data: " + b"x" * 150 + end
    found, error = up_to_the_bound(body[at : at + size] for at in range(0, len(body), size))
    assert found == []
    assert "larger than 100 bytes" in str(error)


@pytest.mark.parametrize("size", [1, 7, 99, 100, 1000])
@pytest.mark.parametrize("end", [b"", b"\n\ndata: c\n\n"])
def test_what_came_before_an_event_over_the_bound_is_still_given(size: int, end: bytes) -> None:
    body = b"data: a\n\n: b\n\ndata: " + b"x" * 150 + end
    found, error = up_to_the_bound(body[at : at + size] for at in range(0, len(body), size))
    assert found == [b"data: a", b": b"]
    assert error is not None


@pytest.mark.parametrize("end", [b"", b"\n\n", b"\n\ndata: b\n\n"])
def test_nothing_can_be_had_of_a_stream_that_was_given_up(end: bytes) -> None:
    blocks = EventSplitter(largest=100)
    assert blocks.feed(b"data: a\n\ndata: " + b"x" * 150 + end) == [b"data: a"]
    for piece in (b"\n\n", b"data: c\n\n", b"data: d\n", b""):
        with pytest.raises(StreamError, match="100 bytes"):
            blocks.feed(piece)
    with pytest.raises(StreamError, match="100 bytes"):
        blocks.rest()


def test_an_event_over_the_bound_is_given_up_at_once() -> None:
    with pytest.raises(StreamError, match="100 bytes"):
        EventSplitter(largest=100).feed(b"data: " + b"x" * 150 + b"\n\n")


def test_what_is_left_over_at_the_end_is_bounded_too() -> None:
    blocks = EventSplitter(largest=100)
    blocks.feed(b"x" * 150)
    with pytest.raises(StreamError, match="100 bytes"):
        blocks.rest()


def test_an_event_without_an_end_is_given_up_before_more_is_kept() -> None:
    blocks = EventSplitter(largest=100)
    for _ in range(10):
        assert blocks.feed(b"x" * 10) == []
    with pytest.raises(StreamError, match="100 bytes"):
        blocks.feed(b"x" * 10)


def test_the_bound_is_told_in_readable_figures() -> None:
    assert "larger than 1,000 bytes" in str(up_to_the_bound([b"x" * 1000, b"x"], largest=1000)[1])


@pytest.mark.parametrize("size", [1, 7, 99, 100, 1000])
def test_an_event_just_under_the_bound_is_none_too_large(size: int) -> None:
    body = 3 * (b"data: " + b"x" * 90 + b"\n\n")
    blocks = EventSplitter(largest=100)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    assert [len(block) for piece in pieces for block in blocks.feed(piece)] == [96, 96, 96]


def test_the_bound_holds_when_every_event_is_a_piece_of_its_own() -> None:
    blocks = EventSplitter(largest=100)
    assert blocks.feed(b"data: a\n\n") == [b"data: a"]
    assert blocks.feed(b"data: " + b"x" * 94 + b"\n\n") == [b"data: " + b"x" * 94]
    with pytest.raises(StreamError, match="100 bytes"):
        blocks.feed(b"data: " + b"x" * 95 + b"\n\n")


@pytest.mark.parametrize("size", [1, 64, 10_000])
def test_the_bound_is_for_one_event_not_for_the_stream(size: int) -> None:
    body = b"data: 0123456789\n\n" * 100
    blocks = EventSplitter(largest=100)
    assert sum(len(blocks.feed(body[at : at + size])) for at in range(0, len(body), size)) == 100


# Work.


def work(pieces: list[bytes]) -> int:
    """Return how many bytes the methods of `bytes` are called on while `pieces` are decoded."""
    done = 0

    def count(frame: FrameType, event: str, called: Any) -> None:
        nonlocal done
        if event == "c_call":
            done += len(called.__self__) if isinstance(getattr(called, "__self__", None), bytes) else 0

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        decode(pieces)
    finally:
        sys.setprofile(before)
    return done


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_one_line_of_5_mb_in_pieces_of_1_kb_is_linear_work(end: bytes) -> None:
    body = b"data: " + b"x" * 5_000_000 + end + end
    pieces = [body[at : at + 1024] for at in range(0, len(body), 1024)]
    assert len(decode(pieces)) == 1
    assert work(pieces) < 12 * len(body)


def test_one_event_of_many_lines_in_small_pieces_is_linear_work() -> None:
    body = b"data: x\n" * 20_000 + b"\n"
    pieces = [body[at : at + 16] for at in range(0, len(body), 16)]
    assert [event.data for event in decode(pieces)] == ["\n".join(["x"] * 20_000)]
    assert work(pieces) < 12 * len(body)


def test_many_small_events_in_one_piece_are_linear_work() -> None:
    body = b"data: x\n\n" * 10_000
    assert len(decode([body])) == 10_000
    assert work([body]) < 12 * len(body)


def test_a_long_event_is_not_joined_anew_for_each_piece_that_looks_like_the_end() -> None:
    blocks = EventSplitter()
    blocks.feed(b"data: " + b"x" * 1_000_000)
    for _ in range(100):
        blocks.feed(b"[DONE]")
    assert len(blocks.last_line()) < 100


@pytest.mark.parametrize(
    "body", [b"data: a\ndata: b", b"data: a\ndata: b\n", b"data: a\r\ndata: b\r\n", b"x\n\ndata: b"]
)
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_the_last_line_is_known_without_its_end(body: bytes, size: int) -> None:
    blocks = EventSplitter()
    for at in range(0, len(body), size):
        blocks.feed(body[at : at + size])
    assert blocks.last_line() == b"data: b"


def test_between_blocks_there_is_no_last_line() -> None:
    blocks = EventSplitter()
    assert blocks.last_line() == b""
    blocks.feed(b"data: a\n\n")
    assert blocks.last_line() == b""


# Against other decoders.

_GRAMMAR = [
    b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b":", b" ", b": ", b"data", b"data:", b"data: ", b"event: ",
    b"id: ", b"id", b"retry: ", b"12", b"x", b"\0", BOM, b"\xef", b"\xbb", b"\xbf", b"\xe2\x80\xa8",
    b"\xc2\x85", b"\x0b", b"\x0c", b"\xff", b"\xf0\x9f\x98\x80", b"\xf0\x9f", b"\xed\xa0\x80", b"[DONE]",
    b'{"response":"a"}',
]  # fmt: skip
bodies = st.lists(st.sampled_from(_GRAMMAR) | st.binary(max_size=3), max_size=40).map(b"".join)
cuts = st.lists(st.integers(0, 200), max_size=8)


@settings(max_examples=400, deadline=None)
@given(bodies, cuts)
@example(b"data: a\r\n\r\n", [8])
@example(BOM + b"data: a\n\n", [1, 2])
def test_any_bytes_in_any_cut_give_what_the_reference_gives(body: bytes, at: list[int]) -> None:
    assert decode(cut(body, at)) == reference(body)


def httpx_sse_events(body: bytes) -> list[Event]:
    """Return what httpx-sse 0.4 makes of a body. Where it leaves the standard:

    - An empty line with a name, an id or a retry before it is an event even without data: left out here, which is
      possible only because the bodies below have no data that is empty.
    - A byte-order mark stays, and spoils the first field; the bodies below have none.
    - `retry` takes whatever `int` takes, such as `+1`, `1_0` and digits of other scripts; the bodies below have none.
    - Bytes are decoded by httpx before it sees them; here, as the standard does.

    All three are shown by the next test.
    """
    text = body.decode("utf-8", "replace")
    splitter, decoder = SSELineDecoder(), SSEDecoder()
    lines = [*splitter.decode(text), *splitter.flush()] if text else []
    if text and text[-1] not in "\r\n":
        lines = lines[:-1]  # no line yet
    found = [event for line in lines if (event := decoder.decode(line)) is not None]
    return [Event(event.event, event.data, event.id, event.retry) for event in found if event.data]


_COMMON = [
    b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b"data: a\n", b"data:b\r\n", b"data: c: d\r", b"event: e\n",
    b"event: f\n\n", b"id: 1\n", b"id: \0\n", b"id\n", b"retry: 12\n", b"retry: x\n", b"retry: \n",
    b": comment\n", b"foo: bar\n", b"[DONE]\n", b"data: \xe2\x80\xa8\xc2\x85\x0b\x0c\n",
    b"data: \xff\xf0\x9f\n", b"da",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_COMMON), max_size=30).map(b"".join), cuts)
def test_httpx_sse_says_the_same_where_it_follows_the_standard(body: bytes, at: list[int]) -> None:
    assert decode(cut(body, at)) == httpx_sse_events(body)


@pytest.mark.parametrize(
    "body",
    [
        b"event: a\n\n",
        b"id: 1\n\ndata: a\n\n\n",
        BOM + b"data: a\n\n",
        b"retry: +1\ndata: a\n\n",
        b"retry: 1_0\ndata: a\n\n",
    ],
)
def test_where_httpx_sse_leaves_the_standard_the_reference_is_right(body: bytes) -> None:
    lines = body.decode().split("\n")[:-1]
    decoder = SSEDecoder()
    theirs = [event for line in lines if (event := decoder.decode(line)) is not None]
    assert [Event(event.event, event.data, event.id, event.retry) for event in theirs] != reference(body)
    assert decode([body]) == reference(body)
