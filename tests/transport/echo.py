"""A server that answers each call with its own prompt, so that a mixed-up answer shows."""

from __future__ import annotations

import json

from tests.conftest import Peer


def answer_by_name(peer: Peer) -> None:
    """Answer every request of a connection with its prompt; as a stream, word by word, where one is asked for."""
    while request := peer.request():
        inputs = json.loads(request.partition(b"\r\n\r\n")[2])
        if inputs.get("prompt") == "bad":
            peer.answer(b'{"errors":[{"code":5006,"message":"bad"}]}', status="400 Bad Request")
            continue
        if not inputs.get("stream"):
            peer.answer(json.dumps({"result": {"response": inputs.get("prompt")}, "success": True}).encode())
            continue
        words = inputs["prompt"].split()
        peer.start()
        for word in words[:-1]:
            peer.chunk(b"data: " + json.dumps({"response": f"{word} "}).encode() + b"\n\n")
        peer.chunk(b"data: " + json.dumps({"response": words[-1]}).encode() + b"\n\ndata: [DONE]\n\n")
        peer.chunk(b"")
