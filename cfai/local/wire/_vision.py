"""Moondream's dialect, for the tasks in which it writes: `query` gives an `answer`, `caption` a `caption`."""

from __future__ import annotations

from cfai.local.wire._generation import Generation, Payload, Payloads
from cfai.types import Token


def build_vision_answer(generation: Generation) -> Payload:
    """Return an answer that does not stream."""
    choice = generation.choices[0]
    answer: Payload = {**_build_end(generation), generation.form: "".join(choice.text)}
    return answer | ({"reasoning": {"text": "".join(choice.reasoning), "grounding": []}} if choice.reasoning else {})


class VisionWriter:
    """Writes the events of Moondream.

    UNCERTAIN: no page of Cloudflare shows them. They are taken to be parts of the whole answer, each under the name
    that it has there. (Moondream's own API sends `{"text": …}`.)
    """

    def __init__(self, generation: Generation) -> None:
        self._generation = generation

    def feed(self, token: Token) -> Payloads:
        if token.reasoning:
            yield 1, {"reasoning": {"text": token.reasoning}}
        if token.text:
            yield 1, {self._generation.form: token.text}

    def end(self) -> Payloads:
        yield 0, _build_end(self._generation)


def _build_end(generation: Generation) -> Payload:
    tokens = {"input_tokens": generation.prompt_tokens or 0, "output_tokens": generation.tokens}
    times = {"prefill_time_ms": 1.0, "decode_time_ms": 1.0, "ttft_ms": 1.0}
    return {"finish_reason": generation.choices[0].finish, "metrics": {**tokens, **times}}
