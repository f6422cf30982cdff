"""The event-stream grammar, rule by rule, in every cut; and against two other decoders."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from httpx_sse._decoders import SSEDecoder, SSELineDecoder
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cfai import StreamError
from cfai._response.sse import MAX_EVENT_BYTES, EventDecoder, EventSplitter, parse_fields
from tests.conftest import row
from tests.reference_sse import Event
from tests.reference_sse import events as reference
from tests.work import work

BOM = b"\xef\xbb\xbf"
WIRE = sorted((Path(__file__).parents[1] / "wire").glob("*.sse"))


def event_of(data: str, *, event: str = "message", id: str = "", retry: int | None = None) -> Event:
    return Event(event, data, id, retry)


def decode(pieces: Iterable[bytes]) -> list[Event]:
    """Return the events of a body that arrives in `pieces`."""
    blocks, decoder = EventSplitter(), EventDecoder()
    found = [event for piece in pieces for block in blocks.feed(piece) for event in decoder.feed(block)]
    found += decoder.finish(blocks.rest())
    return [Event(event.event, event.data, event.id, event.retry) for event in found]


def pieces_of(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def cut(body: bytes, at: Iterable[int]) -> list[bytes]:
    """Return `body` in pieces, some of them empty where two cuts meet."""
    return [body[start:end] for start, end in pairwise([0, *sorted(min(place, len(body)) for place in at), len(body)])]


RULES: dict[str, tuple[bytes, list[str | Event]]] = {
    # A string stands for an event that has nothing but its data.
    # The standard's own examples.
    "the stock ticker": (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
    "comments, ids, and a block that is cut off": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event",
        [event_of("first event", id="1"), "second event"],
    ),
    "data without a value": (b"data\n\ndata\ndata\n\ndata:", ["", "\n"]),
    "one space and none are the same": (b"data:test\n\ndata: test\n\n", ["test", "test"]),
    "named events": (
        b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
        [event_of("73857293", event="add"), event_of("2153", event="remove")],
    ),
    # The byte-order mark.
    "a byte-order mark at the start is no text": (BOM + b"data: a\n\n", ["a"]),
    "only one byte-order mark is taken off": (BOM + BOM + b"data: a\n\ndata: b\n\n", ["b"]),
    "a byte-order mark later on is text": (
        b"data: a\n\n" + BOM + b"data: b\n\ndata: " + BOM + b"c\n\n",
        ["a", "\ufeffc"],
    ),
    "a byte-order mark before a line end": (BOM + b"\ndata: a\n\n", ["a"]),
    "a byte-order mark and nothing else": (BOM, []),
    "half of a byte-order mark is a field that nobody knows": (b"\xef\xbbdata: a\n\ndata: b\n\n", ["b"]),
    "half of a byte-order mark alone": (b"\xef\xbb", []),
    "a byte-order mark where half of one was": (b"\xef" + BOM + b"data: a\n\ndata: b\n\n", ["b"]),
    # Line ends.
    "lines end in CR LF, which is one line end": (b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", ["a\nb", "c"]),
    "lines end in CR": (b"data: a\rdata: b\r\rdata: c\r\r", ["a\nb", "c"]),
    "lines end in all three": (b"data: a\rdata: b\r\ndata: c\n\r\ndata: d\r\n\rdata: e\n\n", ["a\nb\nc", "d", "e"]),
    "LF behind CR LF is an empty line": (b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", [*"abc"]),
    "CR behind LF is an empty line": (b"data: a\n\rdata: b\n\n", ["a", "b"]),
    "many empty lines": (b"\n\r\r\n\n\ndata: a\n\n\n\n\r\r\rdata: b\n\n\n", ["a", "b"]),
    "other separators are text": (
        "data: a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei\n\n".encode(),
        ["a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei"],
    ),
    # Fields.
    "a field without a colon has no value": (b"event\ndata\nid\n\n", [""]),
    "only the first colon counts": (b"data: a: b:c\n\n", ["a: b:c"]),
    "only one space is taken off": (b"data:  a\n\ndata:\ta\n\n", [" a", "\ta"]),
    "trailing spaces stay": (b"data: a \nevent: b \n\n", [event_of("a ", event="b ")]),
    "data that is one space is empty": (b"data: \n\n", [""]),
    "a space before the colon makes another field": (b"data : a\n\ndata: b\n\n", ["b"]),
    "a space before the name makes another field": (b" data: a\n\ndata: b\n\n", ["b"]),
    "names are compared with their case": (b"Data: a\nDATA: b\ndata: c\n\n", ["c"]),
    "unknown fields are ignored": (b"datax: a\ndat: b\nfoo\nbar: x\ndata: c\n\n", ["c"]),
    "comments are ignored": (b":\n: a\n:data: b\ndata: c\n:d\n\n", ["c"]),
    "a comment alone is no event": (b": ping\n\n: ping\n\ndata: a\n\n", ["a"]),
    "a bare end mark is an unknown field": (b"[DONE]\n\ndata: [DONE]\n\n", ["[DONE]"]),
    # Data and dispatch.
    "several lines of data": (b"data: a\ndata:\ndata: b\ndata\n\n", ["a\n\nb\n"]),
    "data is not looked into": (b'data: {"a":\n\ndata: [DONE]\n\n', ['{"a":', "[DONE]"]),
    "no data, no event": (b"event: a\nid: 1\nretry: 5\n\n", []),
    "no data resets the name": (b"event: a\n\ndata: b\n\n", ["b"]),
    "the name lasts for one event": (b"event: a\ndata: b\n\ndata: c\n\n", [event_of("b", event="a"), "c"]),
    "the last name wins": (b"event: a\nevent: b\ndata: c\n\n", [event_of("c", event="b")]),
    "an empty name is none": (b"event: a\nevent:\ndata: c\n\n", ["c"]),
    "the order of fields is free": (b"data: a\nid: 1\nevent: b\ndata: c\n\n", [event_of("a\nc", event="b", id="1")]),
    # Ids.
    "an id stays until another comes": (
        b"id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\n",
        [event_of("a", id="1"), event_of("b", id="1"), event_of("c", id="2")],
    ),
    "an id counts without data": (b"id: 1\n\ndata: a\n\n", [event_of("a", id="1")]),
    "an empty id takes the id away": (b"id: 1\ndata: a\n\nid:\ndata: b\n\n", [event_of("a", id="1"), "b"]),
    "an id without a colon does so too": (b"id: 1\ndata: a\n\nid\n\ndata: b\n\n", [event_of("a", id="1"), "b"]),
    "an id with NUL is ignored": (
        b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid: \0\ndata: c\n\n",
        [event_of("a", id="1"), event_of("b", id="1"), event_of("c", id="1")],
    ),
    "an id with NUL does not undo the one before it": (b"id: 1\nid: 2\0\ndata: a\n\n", [event_of("a", id="1")]),
    "NUL is text elsewhere": (b"event: \0\ndata: a\0b\n\n", [event_of("a\0b", event="\0")]),
    "the last id wins": (b"id: 1\nid: 2\ndata: a\n\n", [event_of("a", id="2")]),
    # Retry.
    "retry takes digits": (
        b"retry: 1500\ndata: a\n\nretry:007\ndata: b\n\n",
        [event_of("a", retry=1500), event_of("b", retry=7)],
    ),
    "retry takes digits only": (
        b"".join(
            b"retry: %s\ndata: a\n\n" % value for value in (b"", b"1.5", b"-1", b"+1", b"1e3", b" 1", b"1 ", b"1_0")
        ),
        ["a"] * 8,
    ),
    "retry takes ASCII digits only": (
        "retry: \u0661\u0662\ndata: a\n\nretry: \u00b2\ndata: b\n\n".encode(),
        ["a", "b"],
    ),
    "a wrong retry does not undo the one before it": (b"retry: 5\nretry: x\ndata: a\n\n", [event_of("a", retry=5)]),
    "retry lasts for one event": (b"retry: 5\ndata: a\n\ndata: b\n\n", [event_of("a", retry=5), "b"]),
    "the last retry wins": (b"retry: 5\nretry: 6\ndata: a\n\n", [event_of("a", retry=6)]),
    # UTF-8.
    "characters of two to four bytes": (
        "data: é€😀\nevent: ü\nid: ñ\n\n".encode(),
        [event_of("é€😀", event="ü", id="ñ")],
    ),
    "bytes that are no UTF-8 are replaced": (
        b"data: \xff|\xc0\x80|\xe2\x82|\xed\xa0\x80|\xf0\x9f\x98|\xf5\x80\x80\x80|\x80\xe2\n\n",
        ["\ufffd|\ufffd\ufffd|\ufffd|\ufffd\ufffd\ufffd|\ufffd|\ufffd\ufffd\ufffd\ufffd|\ufffd\ufffd"],
    ),
    "names and ids are replaced alike": (
        b"event: \xc3\nid: \xc3\ndata: a\n\n",
        [event_of("a", event="\ufffd", id="\ufffd")],
    ),
    "an overlong line end is none": (b"data: a\xc0\x8a\xc0\x8a\n\n", ["a" + 4 * "\ufffd"]),
    # The end.
    "a block without its empty line is no event": (b"data: a\n\ndata: b\n", ["a"]),
    "a line without its end is no event": (b"data: a\n\ndata: b", ["a"]),
    "CR LF cut in the middle at the end": (b"data: a\r\n\r", ["a"]),
    "nothing at all": (b"", []),
    "only empty lines": (b"\n\n\r\r\r\n\r\n", []),
}


def cuts_of(body: bytes) -> Iterator[list[bytes]]:
    """Return a body in pieces: whole, in two, byte by byte with and without empty pieces, event by event, at random."""
    single = pieces_of(body, 1)
    # As most servers send it: a piece for each block, with the empty line behind it.
    by_event = re.findall(rb"(?s).*?(?:\n\n|\r\r|\r\n\r\n|\Z)", body)
    assert b"".join(by_event) == body
    yield from ([body[:at], body[at:]] for at in range(len(body) + 1))
    yield from ([body], single, [piece for byte in single for piece in (b"", byte, b"")], by_event)
    chance = random.Random(len(body))
    for _ in range(30):
        yield cut(body, [chance.randrange(len(body) + 1) for _ in range(chance.randrange(2, 6))])


def test_a_body_gives_the_events_that_the_standard_says_in_every_cut() -> None:
    for name, (body, rule) in RULES.items():
        expected = [event_of(item) if isinstance(item, str) else item for item in rule]
        assert reference(body) == expected, name
        for pieces in cuts_of(body):
            assert decode(pieces) == expected, (name, pieces)
    for end in (b"\r", b"\n", b"\r\n"):
        pieces = [b"data: a\n\n", b"data: b" + end + b"data: c\n\n", b"data: d\n\n"]
        assert [event.data for event in decode(pieces)] == ["a", "b\nc", "d"], end


@pytest.mark.parametrize("path", WIRE, ids=lambda path: path.stem)
def test_a_wire_sample_has_the_same_events_in_every_cut(path: Path) -> None:
    body = path.read_bytes()
    expected = reference(body)
    for pieces in cuts_of(body):
        assert decode(pieces) == expected, pieces


def test_an_event_is_given_as_soon_as_its_empty_line_has_come() -> None:
    for end in (b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r", b"\r\n\r"):
        body = b"data: a" + end
        assert len(EventSplitter().feed(body)) == 1, end
        blocks = EventSplitter()
        assert [len(blocks.feed(piece)) for piece in pieces_of(body, 1)].count(1) == 1, end


def test_the_last_line_is_known_without_its_end_and_the_rest_is_kept() -> None:
    for body, line, rest in (
        (b"data: a\ndata: b", b"data: b", b"data: a\ndata: b"),
        *((b"data: a" + end + b"data: b" + end, b"data: b", b"data: a\ndata: b\n") for end in (b"\n", b"\r\n")),
        *((b"x\n\ndata: b" + end, b"data: b", b"data: b" + end.replace(b"\r", b"\n")) for end in (b"", b"\r")),
        *((body, b"", b"") for body in (b"", b"data: a\n\n")),
        (BOM[:2], BOM[:2], BOM[:2]),
        (BOM + b"data: [DONE]", b"data: [DONE]", b"data: [DONE]"),
        (b"a\nb\ndata: c \n", b"data: c ", b"a\nb\ndata: c \n"),
        (b"data: c ", b"data: c ", b"data: c "),
        (b"x" * 64, b"", b"x" * 64),
        (b"x" * 63, b"x" * 63, b"x" * 63),
    ):
        for size in (1, 2, 5, 100):
            blocks = EventSplitter()
            for piece in pieces_of(body, size):
                blocks.feed(piece)
            assert (blocks.last_line(), blocks.rest()) == (line, rest), (body, size)


def test_the_fields_of_a_block_are_told_from_what_is_no_field() -> None:
    for block, data, other, id, retry in (
        (b"data: a\n[DONE]\n: comment\nx:y\nid: 1\nretry: 2", [b"a"], [b"[DONE]", b"x:y"], b"1", 2),
        (b": comment\n\n", None, None, None, None),
        (b"retry: " + b"9" * 10_000 + b"\ndata: a", [b"a"], None, None, None),
    ):
        fields = parse_fields(block)
        assert (fields.event, fields.data, fields.other_lines) == (b"", data, other), block[:9]
        assert (fields.id, fields.retry) == (id, retry), block[:9]
    # The standard knows no end mark and no broken streams.
    decoder = EventDecoder()
    assert decoder.feed(b"data: [DONE]")
    assert decoder.finish(b"data: a") == []


# The bound.


def split_up_to(pieces: Iterable[bytes], largest: int = 100) -> tuple[list[bytes], StreamError | None]:
    """Return the blocks that come before an event is given up as too large, and what is raised then and ever after."""
    blocks = EventSplitter(largest)
    found: list[bytes] = []
    try:
        for piece in (*pieces, b""):
            found += blocks.feed(piece)
        blocks.rest()
    except StreamError as error:
        for piece in (b"\n\n", b"data: c\n\n", b"data: d\n", b""):
            with row(piece), pytest.raises(StreamError, match="larger than"):
                blocks.feed(piece)
        with pytest.raises(StreamError, match="larger than"):
            blocks.rest()
        return found, error
    return found, None


def test_an_event_over_the_bound_is_given_up_in_every_cut_behind_what_came_before_it() -> None:
    assert MAX_EVENT_BYTES == 32 * 2**20
    large = b"data: " + b"x" * 150
    just_under = b"data: " + b"x" * 90
    for body, before, is_too_large in (
        *((large + end, [], True) for end in (b"", b"\n", b"\n\n", b"\n\ndata: b\n\n")),
        *((b"data: a\n\n: b\n\n" + large + end, [b"data: a", b": b"], True) for end in (b"", b"\n\ndata: c\n\n")),
        (3 * (just_under + b"\n\n"), [just_under] * 3, False),
        (b"data: 0123456789\n\n" * 100, [b"data: 0123456789"] * 100, False),
    ):
        for size in (1, 7, 64, 99, 100, 1000, 10_000):
            found, error = split_up_to(pieces_of(body, size))
            assert (found, error is not None) == (before, is_too_large), (body, size)
            assert error is None or "larger than 100 bytes" in str(error)
    assert "larger than 1,000 bytes" in str(split_up_to([b"x" * 1000, b"x"], largest=1000)[1])
    blocks, exact = EventSplitter(100), b"x" * 100
    assert (blocks.feed(2 * (exact + b"\n\n") + exact), blocks.rest()) == ([exact] * 2, exact)


def test_an_event_over_the_bound_is_given_up_before_more_is_kept() -> None:
    for pieces, last in (
        ([], b"data: " + b"x" * 150 + b"\n\n"),
        ([b"x" * 10] * 10, b"x" * 10),
        ([b"data: a\n\n", b"data: " + b"x" * 94 + b"\n\n"], b"data: " + b"x" * 95 + b"\n\n"),
    ):
        blocks = EventSplitter(largest=100)
        found = [block for piece in pieces for block in blocks.feed(piece)]
        assert found == [piece[:-2] for piece in pieces if piece.endswith(b"\n\n")]
        with row(last), pytest.raises(StreamError, match="100 bytes"):
            blocks.feed(last)


# Work.


def test_decoding_is_linear_work_however_a_body_is_cut() -> None:
    rows: list[tuple[str, bytes, bytes, bytes, int, int]] = [
        *(("a long line", b"data: ", b"x", end + end, 5_000_000, 1024) for end in (b"\n", b"\r\n", b"\r")),
        ("an event of many lines", b"", b"data: x\n", b"\n", 20_000, 16),
        ("many events", b"", b"data: x\n\n", b"", 10_000, 1 << 20),
    ]
    for name, before, unit, end, count, size in rows:
        half, whole = (pieces_of(before + unit * times + end, size) for times in (count // 2, count))
        assert "".join(event.data for event in decode(whole)).count("x") == count, (name, end)
        assert work(partial(decode, whole)).size < 3 * work(partial(decode, half)).size, (name, end)


def test_a_long_event_is_not_joined_anew_for_each_piece_that_looks_like_the_end() -> None:
    blocks = EventSplitter()
    blocks.feed(b"data: " + b"x" * 1_000_000)
    for _ in range(100):
        blocks.feed(b"[DONE]")
    assert len(blocks.last_line()) < 100


# Against other decoders.

_GRAMMAR = [
    b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b":", b" ", b": ", b"data", b"data:", b"data: ", b"event: ",
    b"id: ", b"id", b"retry: ", b"12", b"x", b"\0", BOM, b"\xef", b"\xbb", b"\xbf", b"\xe2\x80\xa8",
    b"\xc2\x85", b"\x0b", b"\x0c", b"\xff", b"\xf0\x9f\x98\x80", b"\xf0\x9f", b"\xed\xa0\x80", b"[DONE]",
    b'{"response":"a"}',
]  # fmt: skip
bodies = st.lists(st.sampled_from(_GRAMMAR) | st.binary(max_size=3), max_size=40).map(b"".join)
cuts = st.lists(st.integers(0, 200), max_size=8)


@settings(max_examples=400)
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


@settings(max_examples=300)
@given(st.lists(st.sampled_from(_COMMON), max_size=30).map(b"".join), cuts)
def test_httpx_sse_says_the_same_where_it_follows_the_standard(body: bytes, at: list[int]) -> None:
    assert decode(cut(body, at)) == httpx_sse_events(body)


def test_where_httpx_sse_leaves_the_standard_the_reference_is_right() -> None:
    for body in (
        *(b"event: a\n\n", b"id: 1\n\ndata: a\n\n\n", BOM + b"data: a\n\n"),
        *(b"retry: +1\ndata: a\n\n", b"retry: 1_0\ndata: a\n\n"),
    ):
        decoder = SSEDecoder()
        theirs = [event for line in body.decode().split("\n")[:-1] if (event := decoder.decode(line)) is not None]
        assert [Event(event.event, event.data, event.id, event.retry) for event in theirs] != reference(body), body
        assert decode([body]) == reference(body), body
