"""Facts on requests: which of several plausible forms the service takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cfai.doctor._finding import REPORT_REMEDY, Finding, report_ok, report_problem
from cfai.doctor._installation import CHEAPEST_MODEL
from cfai.doctor.conformance._inputs import GLM, HELLO, RESNET, RETIRED, SMALL_MODEL, make_png, wrap_schema
from cfai.doctor.conformance._probe import InconclusiveError, Probe, ProbeResponse, get_path


def ask_tags(probe: Probe) -> Finding:
    """Report how several tags are written, by cfai `tags=a,b`: too many, or a blank one, show how they are split."""
    first = probe.run(CHEAPEST_MODEL, HELLO, tags=["a", "b"]).require_verdict()
    repeated, bad, six = (
        probe.ask("POST", f"/run/{CHEAPEST_MODEL}?{query}", json=HELLO).require_verdict().is_success
        for query in ("tags=a&tags=b", "tags=%20", "tags=a,b,c,d,e,f")
    )
    if bad and first.is_success:
        return report_ok("no tag is looked at, not even one that is none: a comma and a repeated key both pass")
    if bad:
        raise InconclusiveError("no tag is looked at, not even one that is none, and a comma is refused")
    if first.is_success:
        form = "a comma passes, and so do six tags" if six else "a comma parts them (tags=a,b)"
        return report_ok(f"{form}; a repeated key {'passes too' if repeated else 'is refused'}")
    if repeated:
        return report_problem("the key is repeated (tags=a&tags=b); a comma is refused", REPORT_REMEDY)
    raise InconclusiveError(f"neither form is taken: {first.status_text}")


def ask_at_sign(probe: Probe) -> Finding:
    """Report whether `%40` is accepted in place of the `@` of a name, which cfai sends as it is."""
    encoded = probe.ask("POST", f"/run/{CHEAPEST_MODEL.replace('@', '%40')}", json=HELLO).require_verdict(404)
    return report_ok(f"%40 in place of @ gives {encoded.status_text}")


def ask_raw_image(probe: Probe) -> Finding:
    """Report whether an image is accepted as the whole body; cfai sends images as JSON."""
    pixels = make_png(32)
    raw = probe.ask("POST", f"/run/{RESNET}", content=pixels, headers={"content-type": "image/png"}).require_verdict()
    array = probe.run(RESNET, {"image": list(pixels)}).require_success()
    return report_ok(f"an image as the whole body gives {raw.status_text}, as a list of numbers {array.status_text}")


def ask_json_schema(probe: Probe) -> Finding:
    """Report the shape in which a chat model accepts a schema: bare, or in the envelope of OpenAI."""
    return _ask_schema_forms(lambda inputs: probe.run(GLM, inputs), "result")


def ask_json_schema_v1(probe: Probe) -> Finding:
    """Report the shape in which the same model accepts a schema at OpenAI's address."""
    return _ask_schema_forms(lambda inputs: probe.ask("POST", "/v1/chat/completions", json={"model": GLM, **inputs}))


def _ask_schema_forms(ask: Callable[[dict[str, Any]], ProbeResponse], *place: str) -> Finding:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    forms: list[str] = []
    for name, form in (("bare", schema), ("in an envelope", wrap_schema(schema))):
        inputs = {
            "messages": [{"role": "user", "content": "Give n = 7 as JSON."}],
            "response_format": {"type": "json_schema", "json_schema": form},
            "chat_template_kwargs": {"enable_thinking": False},
            "max_completion_tokens": 64,
        }
        response = ask(inputs).require_verdict(404)
        content = response.get(*place, "choices", 0, "message", "content")
        forms.append(f"{name} {response.status_text}{_obeys_schema(content) if response.is_success else ''}")
    return report_ok("; ".join(forms))


def _obeys_schema(content: Any) -> str:
    if isinstance(content, dict):
        return " with an object as content"
    try:
        is_obeyed = isinstance(get_path(json.loads(str(content)), "n"), int)
    except ValueError:
        is_obeyed = False
    return f" and is {'obeyed' if is_obeyed else 'not obeyed'}"


def ask_reject_if_busy(probe: Probe) -> Finding:
    """Report whether `options` in the body is accepted, and how a busy model refuses."""
    response = probe.run(SMALL_MODEL, {"prompt": "Hi", "max_tokens": 1}, reject_if_busy=True)
    if response.is_success:
        return report_ok("the option is taken; the model had room")
    if response.status == 429 and response.error.code in (None, 3040):
        return report_ok(f"the option is taken, and a busy model answers {response.status_text}")
    response.require_verdict()
    return report_problem(f"the option is refused with {response.status_text}", REPORT_REMEDY)


def ask_penalty(probe: Probe) -> Finding:
    """Report whether a model whose schema says that a penalty is 0 to 2 accepts one below 0."""
    inputs = {"prompt": "Hi", "max_tokens": 1, "frequency_penalty": -1}
    response = probe.run(SMALL_MODEL, inputs).require_verdict()
    return report_ok(f"a frequency_penalty of -1 gives {response.status_text} with {SMALL_MODEL}")


def ask_two_prompts(probe: Probe) -> Finding:
    """Report how a prompt beside messages is read: messages of 60 words show by their tokens."""
    messages = [{"role": "user", "content": "one two three " * 20}]
    response = probe.run(SMALL_MODEL, {"prompt": "Hi", "messages": messages, "max_tokens": 1}).require_verdict()
    if not response.is_success:
        return report_ok(f"a prompt beside messages is refused with {response.status_text}")
    tokens = response.get("result", "usage", "prompt_tokens")
    if not isinstance(tokens, int):
        raise InconclusiveError("both are taken, and no usage comes")
    return report_ok(f"both are taken: {tokens} tokens of prompt, of which messages have 60 at least")


def ask_two_limits(probe: Probe) -> Finding:
    """Report which limit counts where both `max_tokens` and `max_completion_tokens` are sent."""
    counts: list[Any] = []
    for max_tokens, max_completion_tokens in ((1, 16), (16, 1)):
        inputs = {
            "messages": [{"role": "user", "content": "Count to a hundred."}],
            "max_tokens": max_tokens,
            "max_completion_tokens": max_completion_tokens,
        }
        response = probe.run(GLM, inputs).require_verdict()
        if not response.is_success:
            return report_ok(f"both together are refused with {response.status_text}")
        counts.append(response.get("result", "usage", "completion_tokens"))
    read = {(1, 16): "max_tokens", (16, 1): "max_completion_tokens", (1, 1): "the smaller", (16, 16): "the larger"}
    form = f"max_tokens 1 and max_completion_tokens 16 give {counts[0]} tokens, the other way round {counts[1]}"
    return report_ok(f"{form}: {read.get((counts[0], counts[1]), 'it does not show which')} is read")


def ask_retired(probe: Probe) -> Finding:
    """Report how a retired model answers."""
    response = probe.run(RETIRED, {"prompt": "Hi", "max_tokens": 1}).require_verdict(404)
    if response.is_success:
        return report_ok(f"{RETIRED} still answers")
    return report_ok(f"{RETIRED} is refused with {response.status_text}")
