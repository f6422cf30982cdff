"""Bodies of answers and streams, what sends one over a real connection, and what reads a form."""

from __future__ import annotations

import json
from email import message_from_bytes
from email.policy import HTTP
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from tests.conftest import Peer

DONE = b"data: [DONE]\n\n"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
OK = b'{"result":{"response":"Hello"},"success":true,"errors":[],"messages":[]}'
USAGE = b'{"response":"","usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12,"neurons":0.5}}'

COUNTS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
NATIVE_ANSWER: dict[str, Any] = {"response": "Hello", "usage": COUNTS}
MESSAGE = {"role": "assistant", "content": "Hello", "reasoning_content": "Greet."}
CHAT_ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop", "logprobs": None}],
    "usage": COUNTS,
}
COMPLETION_ANSWER: dict[str, Any] = {
    "id": "cmpl-1",
    "object": "text_completion",
    "choices": [{"index": 0, "text": "Hello", "finish_reason": "stop"}],
    "usage": COUNTS,
}
RESPONSES_ANSWER: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": [
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Greet."}]},
        {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]},
    ],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}
ANTHROPIC_ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "thinking", "thinking": "Greet."}, {"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2},
    "gatewayMetadata": {"keySource": "Unified"},
}
"""Whole answers that say "Hello", in each of their shapes."""


def event(data: str | bytes) -> bytes:
    return b"data: " + (data.encode() if isinstance(data, str) else data) + b"\n\n"


def native(*texts: str) -> list[bytes]:
    return [event(json.dumps({"response": text, "p": "abdefgh"})) for text in texts]


def chat(**delta: Any) -> bytes:
    reason = delta.pop("finish_reason", None)
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return event(json.dumps({"id": "1", "object": "chat.completion.chunk", "choices": [choice]}))


HELLO = [*native("Hel", "lo"), event(USAGE), DONE]
REASONED = [
    chat(role="assistant", content=""),
    chat(reasoning_content="Gr"),
    chat(reasoning_content="eet."),
    chat(content="Hel"),
    chat(content="lo"),
    chat(tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "wave", "arguments": '{"a":'}}]),
    chat(tool_calls=[{"index": 0, "id": None, "function": {"arguments": "1}"}}]),
    chat(finish_reason="tool_calls"),
    event('{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}}'),
    DONE,
]


def one_token(peer: Peer) -> None:
    """Send the first token of a stream, and then nothing until the client leaves."""
    peer.request()
    peer.stream(HELLO[0])
    assert peer.left()


def answering(peer: Peer) -> None:
    """Answer every request on a connection that is kept open: a stream with one, and what is bad with an error."""
    while sent := peer.request():
        if b'"stream":true' in sent:
            peer.stream(*HELLO, b"")
        elif b'"bad"' in sent:
            peer.answer(b'{"errors":[{"code":5006,"message":"bad"}]}', status="400 Bad Request")
        else:
            peer.answer(OK)


def read_form(request: httpx.Request) -> list[tuple[str, str | None, str | None, bytes]]:
    """Return name, file name, content type and content of each part of a form."""
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    message: Any = message_from_bytes(head + request.content, policy=HTTP)
    assert message.get_content_type() == "multipart/form-data"
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part["content-type"],
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]
