"""Bodies decoded to their very end, for the tests of the dialects."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cfai import CfaiError, Token
from cfai._response import Accumulator, Decoder, EventSplitter

WIRE = Path(__file__).parent / "wire"


@dataclass
class Played:
    """The outcome of a stream."""

    decoder: Decoder
    tokens: list[Token] = field(default_factory=list[Token])
    error: CfaiError | None = None

    def told(self) -> tuple[Any, ...]:
        """Return all that a reader sees, for comparison."""
        decoder, error = self.decoder, self.error
        broke = error and (type(error), str(error), getattr(error, "partial", None), getattr(error, "code", None))
        # NaN is not equal to itself.
        tokens = [
            (t.text, t.reasoning, t.tool_calls, t.finish_reason, t.choice, t.usage, repr(t.raw)) for t in self.tokens
        ]
        answers = [
            (
                number,
                decoder.accumulator.get_text(number),
                decoder.accumulator.get_reasoning(number),
                decoder.accumulator.get_tool_calls(number),
            )
            for number in decoder.accumulator.choices
        ]
        answer = decoder.accumulator
        return tokens, answers, answer.finish_reasons, decoder.usage, decoder.done, answer.has_native_text, broke


class LongWay(Accumulator):
    """An accumulator without its short way for plain events."""

    def add_plain(self, event: dict[str, Any]) -> Token | None:
        return None


def play(pieces: Iterable[bytes], *, has_short_way: bool = True) -> Played:
    """Decode a body to its very end, also behind the end mark, or to where it breaks."""
    played = Played(Decoder("@cf/some/model", "request-1"))
    if not has_short_way:
        played.decoder.accumulator = LongWay()
    blocks = EventSplitter()
    try:
        for piece in pieces:
            for block in blocks.feed(piece):
                played.tokens += played.decoder.feed(block)
        played.tokens += played.decoder.finish(blocks.rest())
        played.decoder.check()
    except CfaiError as error:
        played.error = error
    return played


def wire(name: str) -> bytes:
    return (WIRE / f"{name}.sse").read_bytes()


def played(name: str) -> Played:
    return play([wire(name)])


def line(payload: Any) -> bytes:
    return b"data: " + json.dumps(payload).encode()


def event(payload: Any) -> bytes:
    return line(payload) + b"\n\n"


def commented(body: bytes) -> bytes:
    """`body` with a comment in each block that is one line of data: a block that is no longer the plainest of all."""
    return body.replace(b"data: ", b": comment\ndata: ")


def feed(decoder: Decoder, *blocks: bytes) -> list[Token]:
    """Return the tokens of these blocks, one after another."""
    return [token for block in blocks for token in decoder.feed(block)]
