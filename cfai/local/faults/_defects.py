"""The defects of streams: the name of each, a line on what it is, and the rewriting that makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cfai.local.faults import _event_edits as to
from cfai.local.faults._events import (
    DONE,
    Payload,
    Rewrite,
    behind_first_text,
    calls,
    each_event,
    each_payload,
    has_shape,
    reasoning,
    texts,
    values,
)

_BUSY = "Capacity temporarily exceeded, please try again."
_ENVELOPE: dict[str, Any] = {
    "errors": [{"code": 3040, "message": f"AiError: {_BUSY}"}],
    "success": False,
    "result": {},
    "messages": [],
}
_FAILED = {"object": "response", "status": "failed", "error": {"code": "server_error", "message": _BUSY}}


class Defect(NamedTuple):
    """One rewriting, and what it does in a line."""

    summary: str
    rewrite: Rewrite
    needs: str = ""
    """What a stream must have for it, if not any will do."""


_SHAPE = "events other than those of the Responses API"

NEEDS: dict[str, Callable[[Payload], Any]] = {
    "text": texts,
    "reasoning": reasoning,
    "a tool call": calls,
    _SHAPE: has_shape,
}
"""How to know that it has."""


def _needing(what: str, defects: Mapping[str, tuple[str, Rewrite]]) -> dict[str, Defect]:
    return {name: Defect(summary, rewrite, what) for name, (summary, rewrite) in defects.items()}


DEFECTS = {
    **_needing(
        "text",
        {
            "number-token": ("A token is the number `0`, which many take for nothing", values(0)),
            "decimal-token": (
                "A token is the number `0.10`, whose last zero a parser drops",
                behind_first_text(to.decimal),
            ),
            "null-token": ("An event has `null` for its text", values(None)),
            "empty-token": ("An event has the empty string for its text", values("")),
            "missing-token": (
                "An event lacks the field of the text",
                behind_first_text(to.without_text),
            ),
            "object-token": ("A token is a JSON object", values({"a": 1})),
            "boolean-token": ("A token is `true`", values(True)),
            "line-separator-token": (
                "A token holds U+2028, U+2029 and U+0085, which only look like line ends",
                values("\u2028\u2029\u0085"),
            ),
            "split-surrogate-pair": (
                "An emoji comes as half a surrogate pair in each of two events",
                values("\ud83d", "\ude42"),
            ),
            "events-after-done": ("Text, and another `[DONE]`, come after `[DONE]`", to.after_done),
        },
    ),
    **_needing(
        "reasoning",
        {
            "renamed-reasoning": (
                "`reasoning_content` is called `reasoning`, or the reverse",
                each_payload(to.other_reasoning),
            ),
        },
    ),
    **_needing(
        "a tool call",
        {
            "tool-call-without-index": ("The pieces of a tool call have no `index`", to.calls_without("index")),
            "tool-call-without-id": ("A tool call has no `id`", to.calls_without("id")),
            "tool-call-flat": ("Name and arguments of a tool call stand in no `function`", each_payload(to.flat_calls)),
            "tool-arguments-first": ("The first arguments of a tool call come before its name", to.arguments_first),
            "tool-arguments-object": ("A tool call comes whole, its arguments an object", to.whole_calls),
        },
    ),
    **_needing(
        _SHAPE,
        {
            "null-fields": (
                "Every event has all fields of its dialect, most of them `null`",
                each_payload(to.null_fields),
            ),
            "doubled-dialect": ("Each event has its text in both dialects", each_payload(to.doubled)),
            "mixed-dialects": ("Every second event is in the other dialect, tool calls and all", to.mixed_dialects),
            "usage-cumulative": ("Each event reports the tokens so far", to.usage_as(to.cumulative)),
            "usage-incremental": ("Each event reports its own tokens, and none the total", to.usage_as(to.incremental)),
            "usage-trailer": ("Increments, and then the total once more", to.usage_as(to.incremental, "usage")),
            "usage-metrics": ("The total is called `metrics`, of `input_tokens`", to.usage_as(to.no_report, "metrics")),
            "usage-null": ("Each event has `null` for its usage", to.usage_as(to.null)),
            "usage-missing": ("No event reports usage", to.usage_as(to.no_report)),
            "text-after-finish": ("The finish reason comes after the first token of text", to.early_finish),
            "empty-finish-reason": (
                'Events without a finish reason have `""` for one',
                each_payload(to.empty_finish_reasons),
            ),
            "finish-reason-error": ("The finish reason is `error`", to.error_finish),
        },
    ),
    **_needing(
        "",
        {
            "missing-done": ("The stream ends without `[DONE]`", to.without_done),
            "bare-done": (
                "The last line is `[DONE]`, without `data:`",
                each_event(lambda data: b"[DONE]\n\n" if data == DONE else data),
            ),
            "empty-stream": ("The stream has no event at all", to.only()),
            "only-done": ("The stream has no event but `[DONE]`", to.only(DONE)),
            "truncated-event": ("The stream ends properly, in the middle of an event", to.cut_event),
            "html-event": (
                "An event is an HTML page, no JSON",
                to.fails(b"data: <html><title>502 Bad Gateway</title></html>\n\n", then=DONE),
            ),
            "list-event": ("An event is a JSON list", to.fails(b"data: [1,2]\n\n", then=DONE)),
            "error-event-done": (
                "After three tokens the error envelope, then `[DONE]`",
                to.fails(_ENVELOPE, then=DONE),
            ),
            "error-event-object": (
                "After three tokens an `error` object, as OpenAI sends it",
                to.fails({"error": {"message": _BUSY, "type": "server_error", "code": 3040}}),
            ),
            "error-event-string": (
                "After three tokens an `error` string with the code in it",
                to.fails({"error": f"AiError: 3040: {_BUSY}"}),
            ),
            "error-event-typed": (
                'After three tokens `"type": "error"`, with the code as text',
                to.fails({"type": "error", "code": "3040", "message": _BUSY, "param": None}),
            ),
            "error-event-internal": (
                "After three tokens `internalCode` and `description`",
                to.fails({"internalCode": 3040, "name": "OutOfCapacity", "message": "busy", "description": _BUSY}),
            ),
            "error-event-named": (
                "After three tokens an event named `error`, its data plain text",
                to.fails(f"event: error\ndata: 3040: {_BUSY}\n\n".encode()),
            ),
            "error-event-response": (
                "After three tokens the `response.failed` of the Responses API",
                to.fails({"type": "response.failed", "response": _FAILED}),
            ),
            "byte-order-mark": ("A byte-order mark comes first", to.begins(b"\xef\xbb\xbf")),
            "crlf-line-ends": ("Lines end in CRLF", each_event(lambda data: data.replace(b"\n", b"\r\n"))),
            "cr-line-ends": ("Lines end in CR", each_event(lambda data: data.replace(b"\n", b"\r"))),
            "mixed-line-ends": ("Lines end in LF, CRLF and CR by turns", to.mixed_line_ends),
            "keep-alive-comments": (
                "A comment before every event",
                each_event(lambda data: b": keep-alive\n\n" + data),
            ),
            "empty-events": ("An event without data before every event", each_event(lambda data: b"data:\n\n" + data)),
            "event-fields": (
                "Events have `id`, `retry` and an unknown field",
                each_event(lambda data: b"id: 1\nretry: 1000\nunknown: 1\n" + data),
            ),
            "no-space-after-colon": (
                "`data:` has no space behind it",
                each_event(lambda data: data.replace(b"data: ", b"data:", 1)),
            ),
            "multi-line-data": ("The JSON of an event is spread over several `data` lines", each_event(to.many_lines)),
            "no-blank-lines": ("Events have no blank line between them", each_event(lambda data: data[:-1])),
            "unterminated-end": ("The last event has no line end", to.unterminated),
            "one-chunk": ("All events come in one chunk", to.one_chunk),
            "split-characters": ("Chunks end in the middle of a character", to.split_characters),
        },
    ),
}
"""Every rewriting, by its name."""
