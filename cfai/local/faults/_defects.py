"""The defects of streams: the name of each, a line on what it is, and the rewriting that makes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cfai.local.faults import _rewrites as rewrites
from cfai.local.wire import DONE_EVENT, MESSAGES, Payload, count_usage

BUSY = MESSAGES[3040]
_FAILED = {"object": "response", "status": "failed", "error": {"code": "server_error", "message": BUSY}}


class Defect(NamedTuple):
    """One rewriting, what it does in a line, and what a stream must have for it: in words, and by its events."""

    summary: str
    rewrite: rewrites.Rewrite
    need: str
    is_met: Callable[[Payload], Any] | None


_Rows = dict[str, tuple[str, rewrites.Rewrite]]


def error_envelope(**error: Any) -> Payload:
    """Return the envelope of the service around an error."""
    return {"errors": [error], "success": False, "result": {}, "messages": []}


def _report_increment(prompt: int, sent: int, own: int) -> Payload:
    return count_usage(0 if sent else prompt, own)


_TEXT_DEFECTS: _Rows = {
    "number-token": (
        "A token is the number `0`, which many take for nothing",
        rewrites.insert_copies(rewrites.replace_text(0)),
    ),
    "decimal-token": (
        "A token is the number `0.10`, whose last zero a parser drops",
        rewrites.insert_copies(rewrites.use_decimal),
    ),
    "null-token": ("An event has `null` for its text", rewrites.insert_copies(rewrites.replace_text(None))),
    "empty-token": ("An event has the empty string for its text", rewrites.insert_copies(rewrites.replace_text(""))),
    "missing-token": ("An event lacks the field of the text", rewrites.insert_copies(rewrites.remove_text)),
    "object-token": ("A token is a JSON object", rewrites.insert_copies(rewrites.replace_text({"a": 1}))),
    "boolean-token": ("A token is `true`", rewrites.insert_copies(rewrites.replace_text(True))),
    "line-separator-token": (
        "A token holds U+2028, U+2029 and U+0085, which only look like line ends",
        rewrites.insert_copies(rewrites.replace_text("\u2028\u2029\u0085")),
    ),
    "split-surrogate-pair": (
        "An emoji comes as half a surrogate pair in each of two events",
        rewrites.insert_copies(rewrites.replace_text("\ud83d"), rewrites.replace_text("\ude42")),
    ),
    "events-after-done": ("Text, and another `[DONE]`, come after `[DONE]`", rewrites.continue_after_done),
}

_REASONING_DEFECTS: _Rows = {
    "renamed-reasoning": (
        "`reasoning_content` is called `reasoning`, or the reverse",
        rewrites.edit_payloads(rewrites.rename_reasoning),
    )
}

_CALL_DEFECTS: _Rows = {
    "tool-call-without-index": (
        "The pieces of a tool call have no `index`",
        rewrites.edit_calls(lambda call: call.pop("index", None)),
    ),
    "tool-call-without-id": ("A tool call has no `id`", rewrites.edit_calls(lambda call: call.pop("id", None))),
    "tool-call-flat": (
        "Name and arguments of a tool call stand in no `function`",
        rewrites.edit_calls(lambda call: call.update(call.pop("function", {}))),
    ),
    "tool-arguments-first": ("The first arguments of a tool call come before its name", rewrites.put_arguments_first),
    "tool-arguments-object": ("A tool call comes whole, its arguments an object", rewrites.join_calls),
}

_SHAPE_DEFECTS: _Rows = {
    "null-fields": (
        "Every event has all fields of its dialect, most of them `null`",
        rewrites.edit_payloads(rewrites.add_null_fields),
    ),
    "doubled-dialect": ("Each event has its text in both dialects", rewrites.edit_payloads(rewrites.double_text)),
    "mixed-dialects": ("Every second event is in the other dialect, tool calls and all", rewrites.mix_dialects),
    "usage-cumulative": (
        "Each event reports the tokens so far",
        rewrites.replace_usage(lambda prompt, sent, own: count_usage(prompt, sent + own)),
    ),
    "usage-incremental": (
        "Each event reports its own tokens, and none the total",
        rewrites.replace_usage(_report_increment),
    ),
    "usage-trailer": ("Increments, and then the total once more", rewrites.replace_usage(_report_increment, "usage")),
    "usage-metrics": ("The total is called `metrics`, of `input_tokens`", rewrites.replace_usage(None, "metrics")),
    "usage-null": ("Each event has `null` for its usage", rewrites.replace_usage(lambda prompt, sent, own: None)),
    "usage-missing": ("No event reports usage", rewrites.replace_usage(None)),
    "text-after-finish": (
        "The finish reason comes after the first token of text",
        rewrites.finish_after(1, "stop", is_last=False),
    ),
    "empty-finish-reason": (
        'Events without a finish reason have `""` for one',
        rewrites.edit_payloads(rewrites.empty_finish_reason),
    ),
    "finish-reason-error": ("The finish reason is `error`", rewrites.finish_after(3, "error", is_last=True)),
}

_OTHER_DEFECTS: _Rows = {
    "missing-done": (
        "The stream ends without `[DONE]`",
        lambda events, _: [each for each in events if each[1] != DONE_EVENT],
    ),
    "bare-done": (
        "The last line is `[DONE]`, without `data:`",
        rewrites.edit_bytes(lambda data: b"[DONE]\n\n" if data == DONE_EVENT else data),
    ),
    "empty-stream": ("The stream has no event at all", lambda events, _: []),
    "only-done": ("The stream has no event but `[DONE]`", lambda events, _: [(0, DONE_EVENT)]),
    "truncated-event": ("The stream ends properly, in the middle of an event", rewrites.cut_last_event),
    "html-event": (
        "An event is an HTML page, no JSON",
        rewrites.fail_with(b"data: <html><title>502 Bad Gateway</title></html>\n\n", done=True),
    ),
    "list-event": ("An event is a JSON list", rewrites.fail_with(b"data: [1,2]\n\n", done=True)),
    "error-event-done": (
        "After three tokens the error envelope, then `[DONE]`",
        rewrites.fail_with(error_envelope(code=3040, message=f"AiError: {BUSY}"), done=True),
    ),
    "error-event-object": (
        "After three tokens an `error` object, as OpenAI sends it",
        rewrites.fail_with({"error": {"message": BUSY, "type": "server_error", "code": 3040}}),
    ),
    "error-event-string": (
        "After three tokens an `error` string with the code in it",
        rewrites.fail_with({"error": f"AiError: 3040: {BUSY}"}),
    ),
    "error-event-typed": (
        'After three tokens `"type": "error"`, with the code as text',
        rewrites.fail_with({"type": "error", "code": "3040", "message": BUSY, "param": None}),
    ),
    "error-event-internal": (
        "After three tokens `internalCode` and `description`",
        rewrites.fail_with({"internalCode": 3040, "name": "OutOfCapacity", "message": "busy", "description": BUSY}),
    ),
    "error-event-named": (
        "After three tokens an event named `error`, its data plain text",
        rewrites.fail_with(f"event: error\ndata: 3040: {BUSY}\n\n".encode()),
    ),
    "error-event-response": (
        "After three tokens the `response.failed` of the Responses API",
        rewrites.fail_with({"type": "response.failed", "response": _FAILED}),
    ),
    "byte-order-mark": ("A byte-order mark comes first", lambda events, _: [(0, b"\xef\xbb\xbf"), *events]),
    "crlf-line-ends": ("Lines end in CRLF", rewrites.edit_bytes(lambda data: data.replace(b"\n", b"\r\n"))),
    "cr-line-ends": ("Lines end in CR", rewrites.edit_bytes(lambda data: data.replace(b"\n", b"\r"))),
    "mixed-line-ends": ("Lines end in LF, CRLF and CR by turns", rewrites.mix_line_ends),
    "keep-alive-comments": (
        "A comment before every event",
        rewrites.edit_bytes(lambda data: b": keep-alive\n\n" + data),
    ),
    "empty-events": ("An event without data before every event", rewrites.edit_bytes(lambda data: b"data:\n\n" + data)),
    "event-fields": (
        "Events have `id`, `retry` and an unknown field",
        rewrites.edit_bytes(lambda data: b"id: 1\nretry: 1000\nunknown: 1\n" + data),
    ),
    "no-space-after-colon": (
        "`data:` has no space behind it",
        rewrites.edit_bytes(lambda data: data.replace(b"data: ", b"data:", 1)),
    ),
    "multi-line-data": ("The JSON of an event is spread over several `data` lines", rewrites.split_over_lines),
    "no-blank-lines": ("Events have no blank line between them", rewrites.edit_bytes(lambda data: data[:-1])),
    "unterminated-end": (
        "The last event has no line end",
        lambda events, _: [*events[:-1], (events[-1][0], rewrites.encode(events[-1][1]).rstrip(b"\n"))],
    ),
    "one-chunk": (
        "All events come in one chunk",
        lambda events, _: [
            (sum(tokens for tokens, _ in events), b"".join(rewrites.encode(event) for _, event in events))
        ],
    ),
    "split-characters": ("Chunks end in the middle of a character", rewrites.split_characters),
}

_DEFECTS_BY_NEED: tuple[tuple[str, Callable[[Payload], Any] | None, _Rows], ...] = (
    ("text", rewrites.find_texts, _TEXT_DEFECTS),
    ("reasoning", rewrites.has_reasoning, _REASONING_DEFECTS),
    ("a tool call", rewrites.list_calls, _CALL_DEFECTS),
    ("events other than those of the Responses API", rewrites.is_native_or_chat, _SHAPE_DEFECTS),
    ("", None, _OTHER_DEFECTS),
)
DEFECTS = {
    name: Defect(summary, rewrite, need, is_met)
    for need, is_met, defects in _DEFECTS_BY_NEED
    for name, (summary, rewrite) in defects.items()
}
"""Every defect, by its name."""
