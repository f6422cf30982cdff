"""Refusals for length, read from their text: which limit was passed, and by how much.

The gateway estimates before any model runs; behind it stand vLLM, SGLang and others, each with words of its own. Codes
and statuses vary, so the text alone decides. No limit is read from a message that does not say it was passed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from typing import Literal, NamedTuple

Kind = Literal["context", "sequence", "input", "batch"]


class ParsedLimit(NamedTuple):
    """A length that was refused. Lengths are in tokens, and `None` where the message does not tell them."""

    kind: Kind
    """`context`: input and output together; `sequence`: output; `input`: one text of embeddings; `batch`: all texts."""

    source: Literal["gateway", "model"]
    """Who refused: the gateway, by its own estimate, or the engine that runs the model."""

    limit: int
    """The limit that was passed."""

    input_tokens: int | None = None
    """The prompt; of embeddings the text that is too long, or all texts together."""

    output_tokens: int | None = None
    """The tokens of output that were asked for."""

    total_tokens: int | None = None
    """Input and output together."""

    at_least: bool = False
    """True if the counts are no measure of the prompt: vLLM stops counting where the limit is passed."""


_MAX_CHARACTERS = 4_000
"""Characters of a message that are read."""

_MAX_NUMBER = 10**9
"""A larger number is no count of tokens."""

# Patterns stay texts: `re` compiles them at first use. They see the message in lower case, without quotes, and with
# single blanks. Every repetition is bounded, and what is skipped holds no digits: no pattern can search for long.
_GROUPED = "(?<=[0-9])[,_'\u2019\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))"
_ESCAPED = r"\\{1,4}u([0-9a-fA-F]{4})"
_BREAK = r"\\{1,4}[nrt]"
_QUOTE = r"[\\\"'`]"

# Characters and bytes have limits too, and those are others.
_NUMBER = r"(?<![0-9.])[0-9]{1,30}(?![0-9a-z])(?! ?(?:char|byte|[kmg]i?b\b))"
_LIMIT = rf"(?P<limit>{_NUMBER})"
_INPUT = rf"(?P<input>{_NUMBER})"
_OUTPUT = rf"(?P<output>{_NUMBER})"
_TOTAL = rf"(?P<total>{_NUMBER})"
_LEAST = r"(?P<least>at least )?"
_SOME = r"[^0-9]{0,20}"
_MORE = r"[^0-9]{0,80}"
_MAX_TOKENS = r"max[_ ]?(?:completion|output|new)?[_ ]?tokens"
_WINDOW = r"(?:context|model) (?:length|window|size|limit)"
_HAS = r"(?:contains?|has|have|is|passed|resulted in)"
_IS = r"(?:[ :(=]|\b(?:limit|of|for|is|only|the|this|models?)\b){1,12}"

_GATEWAY = rf"estimated number of{_MORE}{_TOTAL}{_MORE}(?:context|window|limit){_MORE}{_LIMIT}"
_CONTEXT = rf"{_WINDOW}{_IS}{_LIMIT}"
_REFUSAL_PATTERNS: tuple[tuple[Kind, str], ...] = (
    ("context", _GATEWAY),
    # Comparisons come before `_CONTEXT`, which would take their first number for the limit.
    ("context", rf"(?:{_WINDOW}|prompt){_SOME}{_INPUT}(?: tokens)?(?: \+ {_OUTPUT})? > {_LIMIT}"),
    ("input", rf"{_WINDOW}{_IS}{_LIMIT}{_MORE}{_INPUT} tokens in the input for"),
    ("context", _CONTEXT),
    ("context", rf"tokens \+ {_MAX_TOKENS} must be <= {_LIMIT}(?:{_SOME}{_INPUT} inputs? tokens and {_OUTPUT})?"),
    ("context", rf"exceeded model token limit{_SOME}{_LIMIT}(?: \(requested:? {_TOTAL}\))?"),
    ("context", rf"input (?:length|token count) \({_INPUT}(?: tokens)?\) exceeds{_MORE}{_LIMIT}"),
    ("sequence", rf"{_MAX_TOKENS}{_MORE}too large{_SOME}{_OUTPUT}{_MORE}{_LIMIT} (?:completion|output) tokens"),
    ("sequence", rf"{_MAX_TOKENS}{_SOME}{_OUTPUT} > {_LIMIT}"),
    ("sequence", rf"invalid {_MAX_TOKENS}{_MORE}\[1, ?{_LIMIT}\]"),
    ("input", rf"(?:sequence|input|text)s?(?: is| are)? too long{_SOME}{_INPUT}(?: tokens)? > {_LIMIT}"),
    ("input", rf"(?:input|text)s?(?: is| are)? too long{_MORE}(?:{_INPUT}{_MORE})?maximum{_MORE}{_LIMIT} tokens"),
    ("input", rf"maximum input length is {_LIMIT} tokens"),
    ("input", rf"inputs must have less than {_LIMIT} tokens(?:{_SOME}{_INPUT})?"),
    ("batch", rf"max(?:imum)? context reached{_SOME}{_INPUT}{_MORE}supports{_SOME}{_LIMIT}"),
)

# Where a context is named, the counts stand beside it in many orders.
_COUNTS = (
    rf"(?:requested|total of) {_LEAST}{_TOTAL} tokens(?! (?:in|from) )",
    rf"(?:prompt|request|messages|input|you) {_HAS} {_LEAST}{_INPUT} (?:input )?tokens",
    rf"{_INPUT} (?:tokens )?(?:in|from) (?:the|your) (?:input )?(?:messages|prompt|input)",
    rf"(?:prompt|input|request) \((?:total )?(?:length )?{_INPUT}",
    rf"requested {_OUTPUT} (?:output|completion) tokens",
    rf"{_OUTPUT} (?:tokens )?(?:in|for) the completion",
    rf"{_MAX_TOKENS}{_SOME}too large{_SOME}{_OUTPUT}",
)
_LAST_NUMBER = r"[0-9][0-9,._'\u2019\u00a0\u2009\u202f]*$"
_EXCEEDED = r"exceed|too (?:long|large|many)|longer than"


def parse_limit(message: str, *, is_whole: bool = True) -> ParsedLimit | None:
    """Parse the refusal of a length in `message`, if it is one. The last number of one that may be cut is not believed.

    >>> estimate = "The estimated number of input and maximum output tokens (263008) exceeded this model context window"
    >>> parse_limit(f"AiError: Ai: {estimate} limit (262144).")[1:6]
    ('gateway', 262144, None, None, 263008)
    >>> parse_limit("Sequence too long: 9003 > 8192")[:4]
    ('input', 'model', 8192, 9003)
    >>> parse_limit("Request is too large") is None
    True
    """
    text = _normalize(message if is_whole else re.sub(_LAST_NUMBER, "", message))
    for kind, pattern in _REFUSAL_PATTERNS:
        match = re.search(pattern, text)
        if match is None:
            continue
        counts = [count for pattern in _COUNTS if (count := re.search(pattern, text))] if pattern is _CONTEXT else []
        if pattern is not _CONTEXT or counts or re.search(_EXCEEDED, text):
            source = "gateway" if pattern is _GATEWAY else "model"
            return _build_limit(kind, source, _parse_numbers([match, *counts]))
    return None


def _normalize(message: str) -> str:
    """Return the beginning of a message, in one spelling."""
    text = message[:_MAX_CHARACTERS]
    if len(message) > _MAX_CHARACTERS:
        # A number that is cut off is another number.
        text = text.rpartition(" ")[0]
    text = re.sub(_ESCAPED, lambda escaped: chr(int(escaped[1], 16)), unescape(text))
    text = re.sub(_GROUPED, "", re.sub(_BREAK, " ", text.lower()))
    return " ".join(re.sub(_QUOTE, "", text).split())


def _parse_numbers(matches: Iterable[re.Match[str]]) -> dict[str, int]:
    """Return the numbers by the names of their groups, the first of each; `least` is there if one is a lower bound."""
    numbers: dict[str, int] = {}
    for match in matches:
        for name, digits in match.groupdict().items():
            value = 0 if digits is None else 1 if name == "least" else int(digits)
            if 0 < value <= _MAX_NUMBER:
                numbers.setdefault(name, value)
    return numbers


def _build_limit(kind: Kind, source: Literal["gateway", "model"], numbers: dict[str, int]) -> ParsedLimit | None:
    """Return the limit with the counts that follow from those that were read, or `None` if they do not pass it."""
    limit, input, output, total = (numbers.get(name) for name in ("limit", "input", "output", "total"))
    if kind == "context" and total is None and input is not None and output is not None:
        total = input + output
    passing = {"context": total, "sequence": output}.get(kind, input)
    if limit is None or (passing is not None and passing < limit):
        return None
    if kind == "context" and input is None and output is not None and total is not None and total >= output:
        input = total - output
    return ParsedLimit(kind, source, limit, input, output, total, "least" in numbers)
