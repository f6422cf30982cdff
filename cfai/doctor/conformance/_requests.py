"""Facts on requests: which of several plausible forms the service takes."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import httpx

from cfai.doctor._finding import Finding, ok, problem, warning
from cfai.doctor._installation import EMBEDDING
from cfai.doctor.conformance._probe import (
    Probe,
    decode_body,
    find_refusal,
    find_unrelated_refusal,
    get_path,
    status_text,
)

GLM = "@cf/zai-org/glm-4.7-flash"
SMALL = "@cf/meta/llama-3.2-1b-instruct"
RETIRED = "@cf/meta/llama-3.1-8b-instruct"
RESNET = "@cf/microsoft/resnet-50"

HELLO = {"text": "hello"}


def ask_tags(probe: Probe) -> Finding:
    """cfai sends several as `tags=a,b`. A query with too many tags, or with no tag at all, shows what parts them."""

    def taken(query: str) -> bool:
        return probe.ask("POST", f"/run/{EMBEDDING}?{query}", json=HELLO).is_success

    first = probe.run(EMBEDDING, HELLO, tags=["a", "b"])
    repeated, bad, six = (taken(query) for query in ("tags=a&tags=b", "tags=%20", "tags=a,b,c,d,e,f"))
    if bad:
        found = "no tag is looked at, not even one that is none"
        return ok(f"{found}: a comma and a repeated key both pass") if first.is_success else warning(found)
    if not first.is_success and repeated:
        return problem("the key is repeated (tags=a&tags=b); a comma is refused", "report it to the project")
    if not first.is_success:
        return warning(f"neither form is taken: {status_text(first)}")
    says = "a comma passes, and so do six tags" if six else "a comma parts them (tags=a,b)"
    return ok(f"{says}; a repeated key {'passes too' if repeated else 'is refused'}")


def ask_at_sign(probe: Probe) -> Finding:
    """cfai sends the `@` of a name as it is."""
    encoded = probe.ask("POST", f"/run/{EMBEDDING.replace('@', '%40')}", json=HELLO)
    return ok(f"%40 in place of @ gives {status_text(encoded)}")


def ask_raw_image(probe: Probe) -> Finding:
    """cfai sends images as JSON."""
    pixels = make_png(32)
    raw = probe.ask("POST", f"/run/{RESNET}", content=pixels, headers={"content-type": "image/png"})
    array = probe.run(RESNET, {"image": list(pixels)})
    says = f"an image as the whole body gives {status_text(raw)}, as a list of numbers {status_text(array)}"
    return find_refusal(array) or ok(says)


def ask_json_schema(probe: Probe) -> Finding:
    """Return the shape in which a chat model takes a schema: bare, or in the envelope of OpenAI."""
    return _ask_schema_forms(lambda inputs: probe.run(GLM, inputs), "result")


def ask_json_schema_v1(probe: Probe) -> Finding:
    """Return the shape in which the same model takes a schema at OpenAI's address."""
    return _ask_schema_forms(lambda inputs: probe.ask("POST", "/v1/chat/completions", json={"model": GLM, **inputs}))


def _ask_schema_forms(ask: Callable[[dict[str, Any]], httpx.Response], *place: str) -> Finding:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    found: list[str] = []
    for name, form in (("bare", schema), ("in an envelope", wrap_schema(schema))):
        inputs = {
            "messages": [{"role": "user", "content": "Give n = 7 as JSON."}],
            "response_format": {"type": "json_schema", "json_schema": form},
            "chat_template_kwargs": {"enable_thinking": False},
            "max_completion_tokens": 64,
        }
        response = ask(inputs)
        content = get_path(decode_body(response), *place, "choices", 0, "message", "content")
        found.append(f"{name} {status_text(response)}{_obeys_schema(content) if response.is_success else ''}")
    return ok("; ".join(found))


def wrap_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema as OpenAI takes it."""
    return {"name": "answer", "schema": schema}


def _obeys_schema(content: Any) -> str:
    if isinstance(content, dict):
        return " with an object as content"
    try:
        held = isinstance(get_path(json.loads(str(content)), "n"), int)
    except ValueError:
        held = False
    return " and is obeyed" if held else " and is not obeyed"


def ask_reject_if_busy(probe: Probe) -> Finding:
    """Return whether `options` in the body is taken, and what a busy model answers."""
    response = probe.run(SMALL, {"prompt": "Hi", "max_tokens": 1}, reject_if_busy=True)
    if response.is_success:
        return ok("the option is taken; the model had room")
    if response.status_code == 429:
        return ok(f"the option is taken, and a busy model answers {status_text(response)}")
    return problem(f"the option is refused with {status_text(response)}", "report it to the project")


def ask_penalty(probe: Probe) -> Finding:
    """Return whether a model whose schema says that a penalty is 0 to 2 takes one below 0."""
    response = probe.run(SMALL, {"prompt": "Hi", "max_tokens": 1, "frequency_penalty": -1})
    return find_unrelated_refusal(response) or ok(
        f"a frequency_penalty of -1 gives {status_text(response)} with {SMALL}"
    )


def ask_two_prompts(probe: Probe) -> Finding:
    """Return which is read where both a prompt and messages are given: messages of 60 words tell by their tokens."""
    messages = [{"role": "user", "content": "one two three " * 20}]
    response = probe.run(SMALL, {"prompt": "Hi", "messages": messages, "max_tokens": 1})
    if not response.is_success:
        return find_unrelated_refusal(response) or ok(
            f"a prompt beside messages is refused with {status_text(response)}"
        )
    tokens = get_path(decode_body(response), "result", "usage", "prompt_tokens")
    if not isinstance(tokens, int):
        return warning("not found out: both are taken, and no usage comes")
    return ok(f"both are taken: {tokens} tokens of prompt, of which messages have 60 at least")


def ask_two_limits(probe: Probe) -> Finding:
    """Return which is read where both `max_tokens` and `max_completion_tokens` are given."""
    found: list[Any] = []
    for limits in ((1, 16), (16, 1)):
        inputs = {
            "messages": [{"role": "user", "content": "Count to a hundred."}],
            **dict(zip(("max_tokens", "max_completion_tokens"), limits, strict=True)),
        }
        response = probe.run(GLM, inputs)
        if not response.is_success:
            return find_unrelated_refusal(response) or ok(f"both together are refused with {status_text(response)}")
        found.append(get_path(decode_body(response), "result", "usage", "completion_tokens"))
    read = {(1, 16): "max_tokens", (16, 1): "max_completion_tokens", (1, 1): "the smaller", (16, 16): "the larger"}
    says = f"max_tokens 1 and max_completion_tokens 16 give {found[0]} tokens, the other way round {found[1]}"
    return ok(f"{says}: {read.get((found[0], found[1]), 'it does not show which')} is read")


def ask_retired(probe: Probe) -> Finding:
    """Return what a model that is retired answers."""
    response = probe.run(RETIRED, {"prompt": "Hi", "max_tokens": 1})
    if response.is_success:
        return ok(f"{RETIRED} still answers")
    return ok(f"{RETIRED} is refused with {status_text(response)}")


def make_png(size: int) -> bytes:
    """Return a grey square of so many pixels a side."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * size) * size)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
