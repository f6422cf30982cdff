"""An answer to an output, by its content type and its shape."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic_core import ValidationError

from cfai import models, types
from cfai._errors import APIResponseValidationError
from cfai._json import loads
from cfai._response.accumulator import ENVELOPE
from cfai._response.decoder import Decoder
from cfai._response.errors import error_from, is_error, redact_headers, redacted
from cfai.types import Meta, Usage
from cfai.types._tokens import Said

if TYPE_CHECKING:
    from pydantic import BaseModel

    from cfai.types import Binary, ListOutput, Output, TextOutput, ValueOutput

    AnyOutput = Output | ListOutput | ValueOutput | Binary
    # Everything that a call without streaming can give. At run time the outputs are loaded with the first answer.

M = TypeVar("M", bound="BaseModel")

_EVENTS = (b"data:", b"event:", b"id:", b"retry:", b":", b"[DONE]")


def meta_from(headers: Mapping[str, str], status: int, model: str, elapsed: float) -> Meta:
    """What the headers say; their names are looked up in lower case."""
    return Meta(
        model=model,
        request_id=headers.get("cf-ai-req-id") or headers.get("cf-ray"),
        status_code=status,
        neurons=_number(headers.get("cf-ai-neurons")),
        gateway_log_id=headers.get("cf-aig-log-id"),
        elapsed=elapsed,
    )


def kind_of(content_type: str) -> str:
    """`json`, `events`, `text` or `binary`, by the content type.

    >>> kind_of("application/json; charset=utf-8"), kind_of("text/event-stream"), kind_of("image/png")
    ('json', 'events', 'binary')
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        return "json"
    if media_type == "text/event-stream":
        return "events"
    return "text" if media_type in ("text/plain", "") else "binary"


def holds_events(content: bytes) -> bool:
    """Whether a body that says it is plain text is a stream of events."""
    return content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").startswith(_EVENTS)


def as_events(content: bytes, content_type: str) -> bytes:
    """A body that came whole as the stream it stands for: one event and the end mark, or the events it holds."""
    if kind_of(content_type) != "json" and holds_events(content):
        return content
    content = content.removeprefix(b"\xef\xbb\xbf").strip()
    if not content.startswith(b"{"):
        content = b'{"result":' + content + b"}"
    lines = content.replace(b"\r", b"\n").split(b"\n")
    return b"".join(b"data: " + line + b"\n" for line in lines if line.strip()) + b"\ndata: [DONE]\n\n"


def output_from(
    content: bytes, content_type: str, meta: Meta, headers: Mapping[str, str], secrets: Sequence[str] = ()
) -> AnyOutput:
    """The output that a whole body stands for. Raises what the body reports, or `APIResponseValidationError`."""
    kind = kind_of(content_type)
    if content_type.lstrip().lower().startswith("text/html"):
        # No model writes one: it is a proxy's, or that of a network one has to log in to.
        raise _unreadable("an HTML page", redacted(content, secrets), meta, redact_headers(headers, secrets))
    if kind in ("binary", "events"):
        return types.Binary.of(content, content_type, meta)
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        body = loads(content)
    except ValueError:
        if kind == "json":
            what = "no JSON, though it says so"
            raise _unreadable(what, redacted(content, secrets), meta, redact_headers(headers, secrets)) from None
        return types.Binary.of(content, content_type, meta)
    if is_error(body):
        error = error_from(meta.status_code, headers, content, model=meta.model, now=time.time(), secrets=secrets)
        error.retryable = False  # under a 200 the model may have run
        raise error
    return _output(body, content, meta)


def unwrapped(body: Any) -> Any:
    """The result without its envelope, if it has one: an object with any other key is a result itself."""
    if isinstance(body, dict) and "result" in body and cast("dict[str, Any]", body).keys() <= ENVELOPE:
        return cast("dict[str, Any]", body)["result"]
    return cast("Any", body)


def is_empty(content: bytes, content_type: str) -> bool:
    """Whether a model that was asked to stream answered with an empty result instead, as some do."""
    if kind_of(content_type) != "json":
        return False
    try:
        body = loads(content)
    except ValueError:
        return False
    return not is_error(body) and unwrapped(body) in ({}, None)


def stream_output(decoder: Decoder, meta: Meta) -> TextOutput:
    """The output that the same call without streaming would have given, from what its stream came to."""
    usage = dict(decoder.usage.raw) if decoder.usage else None
    if decoder.payload is not None:
        return text_output(types.ResponsesOutput, decoder.payload, decoder, meta)
    if decoder.chat is not None and not decoder.native:
        kind: type[TextOutput] = types.ChatCompletion
        body: dict[str, Any] = {key: value for key, value in decoder.chat.items() if key not in ("choices", "usage")}
        body |= {"object": "chat.completion", "choices": [_choice(decoder, choice) for choice in decoder.choices]}
    else:
        kind = types.NativeText
        body: dict[str, Any] = {"response": decoder.text}
        if calls := _function_calls(decoder, 0):
            body["tool_calls"] = calls
    return text_output(kind, body if usage is None else {**body, "usage": usage}, decoder, meta)


def cut_by_default(model: str, inputs: Mapping[str, Any], usage: Usage | None, finish_reason: str | None) -> str | None:
    """What to tell a caller whose answer stopped at the service's default of `max_tokens`, or `None`."""
    entry = models.get(model)
    # The default is that of the native schema, not of the Responses API.
    limit = entry.default_max_tokens if entry and "input" not in inputs else None
    default = limit.value if limit else None
    asked = any(inputs.get(key) is not None for key in ("max_tokens", "max_completion_tokens", "max_output_tokens"))
    if default is None or asked or usage is None or finish_reason not in (None, "length"):
        return None
    several = inputs.get("n") not in (None, 1)
    if usage.completion_tokens < default or (usage.completion_tokens > default and not several):
        return None
    return (
        f"{model} stopped at the service's default of {default} tokens: pass max_tokens, as a number, "
        'or as "max" for all that the model gives'
    )


def _output(body: Any, content: bytes, meta: Meta) -> AnyOutput:
    result = unwrapped(body)
    kind = _text_kind(result, meta.model)
    if kind is not None:
        decoder = Decoder(meta.model)
        decoder.read(cast("dict[str, Any]", body) if isinstance(body, dict) else {"response": body}, content)
        fields = cast("dict[str, Any]", result) if isinstance(result, dict) else {"response": result}
        return text_output(kind, fields, decoder, meta)
    if isinstance(result, dict):
        output: AnyOutput = _made(types.Output, cast("dict[str, Any]", result))
    elif isinstance(result, list):
        output = types.ListOutput(cast("list[Any]", result))
    else:
        output = types.ValueOutput(result)
    output._meta = meta  # pyright: ignore[reportPrivateUsage]
    return output


def _text_kind(result: Any, model: str) -> type[TextOutput] | None:
    """Which of the three shapes of a text answer `result` has, if any."""
    if isinstance(result, str):
        return types.NativeText
    if not isinstance(result, dict):
        return None
    result = cast("dict[str, Any]", result)
    if isinstance(result.get("choices"), list):
        return types.ChatCompletion
    if isinstance(result.get("output"), list) and result.get("object") == "response":
        return types.ResponsesOutput
    # Rerankers and some embeddings have a list under the same name.
    if "response" in result and not isinstance(result["response"], list):
        return types.NativeText
    # Llama 4 Scout leaves `response` out when it calls a tool.
    if isinstance(result.get("tool_calls"), list):
        return types.NativeText
    entry = models.get(model)
    return types.NativeText if not result and entry is not None and entry.task == "Text Generation" else None


def text_output(kind: type[TextOutput], fields: dict[str, Any], decoder: Decoder, meta: Meta) -> TextOutput:
    """A text answer with its own fields and with what they come down to."""
    output = _made(kind, fields)
    usage = decoder.usage
    said = Said(decoder.text, decoder.reasoning_of(0), decoder.tool_calls_of(0), decoder.finish_reason, usage)
    output.__pydantic_private__ = {"_meta": meta, "_said": said}
    if usage is not None and meta.neurons is None:
        meta.neurons = usage.neurons
    return output


def _made(kind: type[M], fields: dict[str, Any]) -> M:
    try:
        return kind.model_validate(fields)
    except ValidationError:
        # A shape that nobody has seen yet: better in full and unchecked than refused.
        return kind.model_construct(**fields)


def _choice(decoder: Decoder, choice: int) -> dict[str, Any]:
    """One choice of a chat completion, as it would have come in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": decoder.text_of(choice) or None}
    if reasoning := decoder.reasoning_of(choice):
        message["reasoning_content"] = reasoning
    if calls := _function_calls(decoder, choice):
        message["tool_calls"] = calls
    return {"index": choice, "message": message, "finish_reason": decoder.finish_reasons.get(choice)}


def _function_calls(decoder: Decoder, choice: int) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in decoder.tool_calls_of(choice)
    ]


def _unreadable(what: str, content: bytes, meta: Meta, headers: Mapping[str, str]) -> APIResponseValidationError:
    start = content[:200].decode("utf-8", "replace")
    return APIResponseValidationError(
        f"the answer is {what}: {start!r} (request id {meta.request_id}, model {meta.model})",
        status_code=meta.status_code,
        request_id=meta.request_id,
        body=content.decode("utf-8", "replace"),
        headers=headers,
        model=meta.model,
    )


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if isfinite(number) else None
