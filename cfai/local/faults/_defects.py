"""The defects of streams: the name of each, a line on what it is, and the rewriting that makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cfai.local.faults import _event_edits as to
from cfai.local.faults._events import (
    DONE,
    Payload,
    Rewrite,
    edit_each_event,
    edit_each_payload,
    find_reasoning_keys,
    find_texts,
    insert_behind_first_text,
    insert_values,
    is_native_or_chat,
    list_calls,
)

BUSY = "Capacity temporarily exceeded, please try again."
_ENVELOPE: dict[str, Any] = {
    "errors": [{"code": 3040, "message": f"AiError: {BUSY}"}],
    "success": False,
    "result": {},
    "messages": [],
}
_FAILED = {"object": "response", "status": "failed", "error": {"code": "server_error", "message": BUSY}}


class Defect(NamedTuple):
    """One rewriting, and what it does in a line."""

    summary: str
    rewrite: Rewrite
    needs: str = ""
    """What a stream must have for it, if not any will do."""


_SHAPE = "events other than those of the Responses API"

NEEDS: dict[str, Callable[[Payload], Any]] = {
    "text": find_texts,
    "reasoning": find_reasoning_keys,
    "a tool call": list_calls,
    _SHAPE: is_native_or_chat,
}
"""Functions that find what a defect needs in an event, by its name."""


def _with_need(what: str, defects: Mapping[str, tuple[str, Rewrite]]) -> dict[str, Defect]:
    return {name: Defect(summary, rewrite, what) for name, (summary, rewrite) in defects.items()}


DEFECTS = {
    **_with_need(
        "text",
        {
            "number-token": ("A token is the number `0`, which many take for nothing", insert_values(0)),
            "decimal-token": (
                "A token is the number `0.10`, whose last zero a parser drops",
                insert_behind_first_text(to.use_decimal),
            ),
            "null-token": ("An event has `null` for its text", insert_values(None)),
            "empty-token": ("An event has the empty string for its text", insert_values("")),
            "missing-token": (
                "An event lacks the field of the text",
                insert_behind_first_text(to.remove_text),
            ),
            "object-token": ("A token is a JSON object", insert_values({"a": 1})),
            "boolean-token": ("A token is `true`", insert_values(True)),
            "line-separator-token": (
                "A token holds U+2028, U+2029 and U+0085, which only look like line ends",
                insert_values("\u2028\u2029\u0085"),
            ),
            "split-surrogate-pair": (
                "An emoji comes as half a surrogate pair in each of two events",
                insert_values("\ud83d", "\ude42"),
            ),
            "events-after-done": ("Text, and another `[DONE]`, come after `[DONE]`", to.continue_after_done),
        },
    ),
    **_with_need(
        "reasoning",
        {
            "renamed-reasoning": (
                "`reasoning_content` is called `reasoning`, or the reverse",
                edit_each_payload(to.rename_reasoning),
            ),
        },
    ),
    **_with_need(
        "a tool call",
        {
            "tool-call-without-index": ("The pieces of a tool call have no `index`", to.remove_call_field("index")),
            "tool-call-without-id": ("A tool call has no `id`", to.remove_call_field("id")),
            "tool-call-flat": (
                "Name and arguments of a tool call stand in no `function`",
                edit_each_payload(to.flatten_calls),
            ),
            "tool-arguments-first": ("The first arguments of a tool call come before its name", to.put_arguments_first),
            "tool-arguments-object": ("A tool call comes whole, its arguments an object", to.join_calls),
        },
    ),
    **_with_need(
        _SHAPE,
        {
            "null-fields": (
                "Every event has all fields of its dialect, most of them `null`",
                edit_each_payload(to.add_null_fields),
            ),
            "doubled-dialect": ("Each event has its text in both dialects", edit_each_payload(to.double_text)),
            "mixed-dialects": ("Every second event is in the other dialect, tool calls and all", to.mix_dialects),
            "usage-cumulative": ("Each event reports the tokens so far", to.replace_usage(to.report_cumulative)),
            "usage-incremental": (
                "Each event reports its own tokens, and none the total",
                to.replace_usage(to.report_incremental),
            ),
            "usage-trailer": (
                "Increments, and then the total once more",
                to.replace_usage(to.report_incremental, "usage"),
            ),
            "usage-metrics": (
                "The total is called `metrics`, of `input_tokens`",
                to.replace_usage(to.report_nothing, "metrics"),
            ),
            "usage-null": ("Each event has `null` for its usage", to.replace_usage(to.report_null)),
            "usage-missing": ("No event reports usage", to.replace_usage(to.report_nothing)),
            "text-after-finish": ("The finish reason comes after the first token of text", to.finish_early),
            "empty-finish-reason": (
                'Events without a finish reason have `""` for one',
                edit_each_payload(to.empty_finish_reason),
            ),
            "finish-reason-error": ("The finish reason is `error`", to.finish_with_error),
        },
    ),
    **_with_need(
        "",
        {
            "missing-done": ("The stream ends without `[DONE]`", to.remove_done),
            "bare-done": (
                "The last line is `[DONE]`, without `data:`",
                edit_each_event(lambda data: b"[DONE]\n\n" if data == DONE else data),
            ),
            "empty-stream": ("The stream has no event at all", to.replace_with()),
            "only-done": ("The stream has no event but `[DONE]`", to.replace_with(DONE)),
            "truncated-event": ("The stream ends properly, in the middle of an event", to.cut_last_event),
            "html-event": (
                "An event is an HTML page, no JSON",
                to.fail_with(b"data: <html><title>502 Bad Gateway</title></html>\n\n", then=DONE),
            ),
            "list-event": ("An event is a JSON list", to.fail_with(b"data: [1,2]\n\n", then=DONE)),
            "error-event-done": (
                "After three tokens the error envelope, then `[DONE]`",
                to.fail_with(_ENVELOPE, then=DONE),
            ),
            "error-event-object": (
                "After three tokens an `error` object, as OpenAI sends it",
                to.fail_with({"error": {"message": BUSY, "type": "server_error", "code": 3040}}),
            ),
            "error-event-string": (
                "After three tokens an `error` string with the code in it",
                to.fail_with({"error": f"AiError: 3040: {BUSY}"}),
            ),
            "error-event-typed": (
                'After three tokens `"type": "error"`, with the code as text',
                to.fail_with({"type": "error", "code": "3040", "message": BUSY, "param": None}),
            ),
            "error-event-internal": (
                "After three tokens `internalCode` and `description`",
                to.fail_with({"internalCode": 3040, "name": "OutOfCapacity", "message": "busy", "description": BUSY}),
            ),
            "error-event-named": (
                "After three tokens an event named `error`, its data plain text",
                to.fail_with(f"event: error\ndata: 3040: {BUSY}\n\n".encode()),
            ),
            "error-event-response": (
                "After three tokens the `response.failed` of the Responses API",
                to.fail_with({"type": "response.failed", "response": _FAILED}),
            ),
            "byte-order-mark": ("A byte-order mark comes first", to.begin_with(b"\xef\xbb\xbf")),
            "crlf-line-ends": ("Lines end in CRLF", edit_each_event(lambda data: data.replace(b"\n", b"\r\n"))),
            "cr-line-ends": ("Lines end in CR", edit_each_event(lambda data: data.replace(b"\n", b"\r"))),
            "mixed-line-ends": ("Lines end in LF, CRLF and CR by turns", to.mix_line_ends),
            "keep-alive-comments": (
                "A comment before every event",
                edit_each_event(lambda data: b": keep-alive\n\n" + data),
            ),
            "empty-events": (
                "An event without data before every event",
                edit_each_event(lambda data: b"data:\n\n" + data),
            ),
            "event-fields": (
                "Events have `id`, `retry` and an unknown field",
                edit_each_event(lambda data: b"id: 1\nretry: 1000\nunknown: 1\n" + data),
            ),
            "no-space-after-colon": (
                "`data:` has no space behind it",
                edit_each_event(lambda data: data.replace(b"data: ", b"data:", 1)),
            ),
            "multi-line-data": (
                "The JSON of an event is spread over several `data` lines",
                edit_each_event(to.split_over_lines),
            ),
            "no-blank-lines": ("Events have no blank line between them", edit_each_event(lambda data: data[:-1])),
            "unterminated-end": ("The last event has no line end", to.remove_last_line_end),
            "one-chunk": ("All events come in one chunk", to.join_events),
            "split-characters": ("Chunks end in the middle of a character", to.split_characters),
        },
    ),
}
"""Every rewriting, by its name."""
