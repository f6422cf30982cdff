"""Answers: what their headers say, and what a whole one stands for, by its content type and its shape."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import ValidationError, from_json

from cfai import models, types
from cfai._errors import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    BrokenResponseError,
    InferenceUpstreamError,
)
from cfai._json import as_sequence, loads, to_compact_json
from cfai._limits import MAX_TOKENS_FIELDS, count_units, count_wav_seconds, requested_output
from cfai._response.accumulator import Accumulator
from cfai._response.decoder import END_MARK, is_json_object, split_at_end_mark
from cfai._response.error_body import parse_redacted_body, redact, redact_headers, to_utf8
from cfai._response.errors import build_error
from cfai._response.extract import body_reports_error, unwrap
from cfai._response.sse import BOM, EventSplitter, parse_fields
from cfai._response.transport_errors import describe_transport_error
from cfai._warnings import CutAnswerWarning, warn
from cfai.tokens._images import parse_image_size
from cfai.types import Meta, TextSummary

if TYPE_CHECKING:
    from pydantic import BaseModel

    from cfai._config import TimeBudget
    from cfai._display import Picture
    from cfai._request import ApiRequest, PreparedCall
    from cfai.types import Binary, Output, TextOutput
    from cfai.types._output import ListResult

    AnyOutput = Output | ListResult[Any] | Binary
    # Everything that a call without streaming can give. At run time the outputs are loaded with the first answer.

M = TypeVar("M", bound="BaseModel")

_MAX_SECONDS = 10**9
"""More than any sound has, and few enough to be reckoned with."""

_UNREADABLE = object()
_GUARD = "@cf/meta/llama-guard-3-8b"
_ENCODED_MEDIA = {"image": "image/jpeg", "audio": "audio/mpeg"}
"""The fields that hold media as base64, each with its type where the bytes do not tell."""
_BATCHED_MEDIA = {"Text-to-Image": "image", "Text-to-Speech": "audio"}
"""The tasks whose results in a batch are base64. UNCERTAIN in which form a batch has media, which are no JSON: as text
and under `data` are read too."""
_PAGE_STARTS = (b"<!doctype html", b"<html")
_MEDIA = ("image/", "audio/", "video/")
_EVENT_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":", b"[DONE]")


@dataclass(slots=True, eq=False)
class ApiResponse:
    """The response to a request that did not fail: a 2xx, or any status if the caller takes the raw response."""

    http: Any = field(repr=False)
    """The `httpx.Response`, of whichever library its client is."""
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    meta: Meta
    """The metadata of the call, from the headers."""
    kind: str
    """`json`, `events`, `text` or `binary`, by the content type."""
    budget: TimeBudget
    """The time that the call may take."""
    pool: Any = field(repr=False)
    """The clients, kept as long as the response is: when they are collected, its connection closes."""
    pooled_client: Any = field(repr=False)
    """The one client that it came through."""
    content: bytes | None = field(default=None, repr=False)
    """The whole body; `None` while it is still to be read as a stream."""
    attempts: int = 1
    """How often the request was sent."""


def build_response(
    http: Any, model: str, *, budget: TimeBudget, now: float, pool: Any, pooled_client: Any
) -> ApiResponse:
    """Return an answer whose body is unread, with what its headers say about the call."""
    # Each look-up in httpx's own headers costs as much as all of this.
    headers = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in http.headers.raw}
    meta = Meta(
        model=model,
        request_id=headers.get("cf-ai-req-id") or headers.get("cf-ray"),
        status_code=http.status_code,
        neurons=_parse_number(headers["cf-ai-neurons"]) if "cf-ai-neurons" in headers else None,
        gateway_log_id=headers.get("cf-aig-log-id"),
        gateway_cache_status=headers.get("cf-aig-cache-status"),
        gateway_step=_parse_step(headers["cf-aig-step"]) if "cf-aig-step" in headers else None,
        gateway_model=headers.get("cf-aig-model"),
        gateway_provider=headers.get("cf-aig-provider"),
        elapsed=now - budget.started,
    )
    kind = media_kind(headers.get("content-type", ""))
    return ApiResponse(http, headers, meta, kind, budget=budget, pool=pool, pooled_client=pooled_client)


def media_kind(content_type: str) -> str:
    """Return `json`, `events`, `text` or `binary` for a content type.

    >>> media_kind("application/json; charset=utf-8"), media_kind("text/event-stream"), media_kind("image/png")
    ('json', 'events', 'binary')
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        return "json"
    if media_type == "text/event-stream":
        return "events"
    return "text" if media_type in ("text/plain", "") else "binary"


def build_response_error(
    response: ApiResponse, request: ApiRequest, content: bytes, now: float
) -> InferenceUpstreamError:
    """Return the error that an answer with the body `content` stands for; `now` is the time of day, in seconds."""
    return build_error(
        response.meta.status_code,
        response.headers,
        content,
        model=request.model,
        inputs=request.inputs,
        now=now,
        secrets=request.secrets,
    )


def build_broken_error(
    exception: Exception, error: APIConnectionError, response: ApiResponse, request: ApiRequest, content: bytes
) -> APIConnectionError:
    """Return the error for an answer of which no more came than `content`, when `exception`, an `error`, broke it."""
    meta = response.meta
    came = f"{request.host} answered, and {len(content):,} bytes of the answer came"
    if not isinstance(error, APITimeoutError):
        cause = describe_transport_error(exception, request.secrets)
        kind, reason = BrokenResponseError, f"{came} before it broke off: {cause}"
    elif "total_timeout" in str(error):
        kind, reason = APITimeoutError, f"{error}; {came}"
    else:
        kind, reason = APITimeoutError, f"{came}, and no more in time: raise timeout=, or stream the answer"
    advice = "" if request.only_reads else ". It may have been billed, so it was not sent again"
    return kind(
        f"{reason} ({_describe(meta)}){advice}",
        retryable=request.only_reads and kind is BrokenResponseError,
        status_code=meta.status_code,
        request_id=meta.request_id,
        body=parse_redacted_body(content, request.secrets),
        headers=redact_headers(response.headers, request.secrets),
        model=request.model,
    )


def is_body_streamed(response: ApiResponse, request: ApiRequest) -> bool:
    """Return True if the body of an answer is to be read while it comes. Some models call their events plain text."""
    if request.wants_file:
        return True
    if request.wants_raw:
        return request.wants_stream or request.wants_audio_stream
    if request.wants_audio_stream:  # but a web page, say, is to be looked at
        return (
            response.headers.get("content-type", "").lstrip().lower().startswith((*_MEDIA, "application/octet-stream"))
        )
    is_empty = response.meta.status_code == 204 or response.headers.get("content-length") == "0"
    return response.kind == "events" or (response.kind == "text" and request.wants_stream and not is_empty)


def parse(response: ApiResponse, call: ApiRequest) -> AnyOutput:
    """Return the output that a whole answer stands for. Raises what it reports, or `APIResponseValidationError`."""
    output = _parse_body(response, call)
    if isinstance(output, types.TextOutput):
        warn_if_cut(call, output._summarize())  # pyright: ignore[reportPrivateUsage]
    else:
        response.meta.units = count_priced_units(call, output)
        from cfai._display import shows_pages  # not sooner: text needs nothing of it

        if shows_pages():
            _keep_inputs(output, call.inputs)
    return output


def parse_result(result: Any, call: PreparedCall, meta: Meta) -> AnyOutput:
    """Return the output that one result of a batch stands for: what a call of its own would have given."""
    entry = models.catalogue().get(call.model)
    name = _BATCHED_MEDIA.get(entry.task if entry is not None else "")
    encoded = result.get("data") if result.__class__ is dict else result
    if name and isinstance(encoded, str):
        result = {name: encoded}
    return _build_output(result, json.dumps(result).encode(), meta, thoughts_limit=call.thoughts_limit)


def _keep_inputs(output: AnyOutput, inputs: Mapping[str, Any]) -> None:
    """Keep what an answer is about, which is shown with it in a notebook: a picture, or the texts that were ranked."""
    if isinstance(output, types.Reranking):
        output._contexts = [str(each["text"]) for each in as_sequence(inputs.get("contexts"))]  # pyright: ignore[reportPrivateUsage]
    elif isinstance(output, types.Classification | types.DetectedObjects | types.VisionAnswer):
        output._picture = _read_picture(inputs)  # pyright: ignore[reportPrivateUsage]


def _read_picture(inputs: Mapping[str, Any]) -> Picture | None:
    """Return the picture among inputs, if it was sent and its size can be told."""
    from cfai._display import Picture

    image: Any = inputs.get("image")
    content = b""
    with suppress(TypeError, ValueError):  # an address on the web, say
        content = b64decode(image.rpartition(",")[2], validate=True) if isinstance(image, str) else bytes(image)
    size = parse_image_size(content)
    return Picture(content, types.find_media_type(content) or "", *size) if size else None


def count_priced_units(call: ApiRequest, output: AnyOutput | None = None) -> dict[str, float] | None:
    """Return how many units of its model's price a call took, if that is certain; `None` for those of tokens."""
    entry = models.catalogue().get(call.model)
    if entry is None:
        return None
    seconds = None
    if isinstance(output, types.Transcription):
        stated: Any = output.duration
        seconds = stated if isinstance(stated, int | float) and 0 <= stated < _MAX_SECONDS else None
    elif isinstance(output, types.Audio):
        seconds = count_wav_seconds(output.content[:48], len(output.content))
    return count_units(entry, call.inputs, seconds=seconds)


def is_stream(response: ApiResponse, call: PreparedCall) -> bool:
    """Return True if an answer is to be given as a stream: it is one, or came whole where one was asked for."""
    if response.content is None or call.wants_audio_stream:
        return True
    kind = response.kind
    wants_stream = call.wants_stream or call.is_unstreamed_retry
    if kind != "json" and wants_stream and holds_events(response.content):
        return True
    if kind == "text" and _holds_whole_event(response.content):
        return True
    return wants_stream and (kind != "binary" or _begins_object(to_utf8(response.content)))


def should_resend_unstreamed(response: ApiResponse, call: PreparedCall) -> bool:
    """Return True if a model that was asked to stream gave an empty result instead, as some do.

    Raises `APIResponseValidationError` if it may not be asked again.
    """
    # Asked again, without streaming, an empty result is an answer.
    if not call.wants_stream or response.kind != "json":
        return False
    body = _load(to_utf8(response.content or b""))
    if body_reports_error(body) or not _is_empty(unwrap(body)):
        return False
    if call.config.retry.max_retries >= response.attempts:
        return True
    if unwrap(body) is None:
        return False
    problem = f"{call.model} does not stream, and answered with an empty result"
    raise build_unreadable_error(problem, "call it without stream", response, call)


def convert_to_events(response: ApiResponse, call: ApiRequest) -> tuple[bytes, AnyOutput | None]:
    """Return the events that a whole answer stands for, and the output of the same call without streaming, if any."""
    if response.kind != "json" and holds_events(response.content or b""):
        return response.content or b"", None
    output = _parse_body(response, call)
    # Text that is not JSON counts as an answer only here: the caller certainly asked for a stream of text.
    return _to_events(response.content or b""), None if type(output) is types.Binary else output


def make_too_large_error(response: ApiResponse, request: ApiRequest) -> APIResponseValidationError:
    """Return the error for a 2xx answer with more bytes than `max_answer_bytes`."""
    problem = f"the answer has more than {request.config.max_answer_bytes:,} bytes"
    return build_unreadable_error(problem, "max_answer_bytes= of Ai allows more", response, request)


def holds_events(content: bytes) -> bool:
    """Return True for a body that is a stream of events, whatever it is declared as."""
    return content.removeprefix(BOM).lstrip(b"\r\n").startswith(_EVENT_STARTS)


def _holds_whole_event(content: bytes) -> bool:
    """Return True if one of the events in a text is an object or the end mark, so that it is certainly no prose."""
    if not holds_events(content):
        return False
    blocks = EventSplitter().feed(content + b"\n\n")
    return any(
        split_at_end_mark(block)[1] or is_json_object(b"\n".join(parse_fields(block).data or [])) for block in blocks
    )


def build_stream_output(answer: Accumulator, meta: Meta) -> TextOutput:
    """Return the output that the same call without streaming would have given, from what its stream came to."""
    if answer.response_object is not None:
        return _build_text_output(types.ResponsesOutput, answer.response_object, answer, meta)
    usage = {"usage": dict(answer.usage.raw)} if answer.usage else {}
    if answer.message_object is not None:
        body = {**answer.message_object, "content": _build_blocks(answer), **usage}
        return _build_text_output(types.MessagesOutput, body, answer, meta)
    if answer.first_chat_chunk is not None and not answer.has_native_text:
        chunk = {key: value for key, value in answer.first_chat_chunk.items() if key not in ("choices", "usage")}
        choices = [_build_choice(answer, choice) for choice in answer.choices]
        body = {**chunk, "object": "chat.completion", "choices": choices, **usage}
        return _build_text_output(types.ChatCompletion, body, answer, meta)
    body = {"response": answer.get_text(0), **_build_tool_calls(answer, 0), **usage}
    return _build_text_output(types.NativeText, body, answer, meta)


def warn_if_cut(call: ApiRequest, answer: TextSummary | Accumulator) -> None:
    """Warn of an answer that stopped at the service's default of `max_tokens`, or that reasoning left without text."""
    reason, usage = answer.finish_reason, answer.usage
    if reason not in (None, "length") or (reason is None and usage is None):
        return
    entry = models.catalogue().get(call.model)
    # The default is that of the native schema, not of the Responses API.
    limit = entry.default_max_tokens if entry and "input" not in call.inputs else None
    requested = requested_output(call.inputs)
    most = min(requested.values(), default=limit.value if limit else inf)
    reasons = entry is not None and "reasoning" in entry.capabilities
    if (reason or (usage and usage.completion_tokens >= most)) and _has_only_reasoning(answer, reasons=reasons):
        message = f"{call.model} used up its max_tokens for reasoning, and the text is empty: pass a larger max_tokens"
        warn(f"{message}, or have it reason less", CutAnswerWarning)
        return
    several = call.inputs.get("n") not in (None, 1)
    if limit is None or usage is None or usage.completion_tokens < limit.value:
        return
    if usage.completion_tokens > limit.value and not several:
        return
    if any(call.inputs.get(key) is not None for key in MAX_TOKENS_FIELDS):
        return
    message = (
        f"{call.model} stopped at the service's default of {limit.value} tokens: pass max_tokens, as a number, "
        'or as "max" for all that the model gives'
    )
    warn(message, CutAnswerWarning)


def _has_only_reasoning(answer: TextSummary | Accumulator, *, reasons: bool) -> bool:
    """Return True for an answer without text that has reasoning, or is of a model that `reasons` without showing it."""
    if isinstance(answer, Accumulator):
        text, reasoning, calls = answer.get_text(0), answer.get_reasoning(0), answer.get_tool_calls(0)
    else:
        text, reasoning, calls = answer.text, answer.reasoning, answer.tool_calls
    return (reasons or bool(reasoning)) and not text.strip() and not calls


def _parse_body(response: ApiResponse, call: ApiRequest) -> AnyOutput:
    output = _read_body(response, call)
    if isinstance(output, InferenceUpstreamError):
        raise output  # not sooner: a body may repeat the token, and a traceback shows the variables of its frames
    return output


def _read_body(response: ApiResponse, call: ApiRequest) -> AnyOutput | InferenceUpstreamError:
    """Return the output that a whole answer stands for, or the error."""
    content, content_type, meta = response.content or b"", response.headers.get("content-type", ""), response.meta
    is_compressed = "content-encoding" in response.headers
    if is_compressed and _is_deflation_cut(response.http) and _load(content) is _UNREADABLE:
        hint = "it may have been billed, so it was not sent again: ask once more"
        return build_unreadable_error("the answer breaks off in the middle of its compression", hint, response, call)
    if not content or content.isspace():
        hint = "it may have been billed, so it was not sent again: ask once more"
        return build_unreadable_error("the answer is empty", hint, response, call)
    if response.kind == "events":
        return types.Binary.of(content, content_type, meta)
    # UTF-16 and UTF-32 begin with a zero, or with a byte-order mark.
    text = content if content[:2].isascii() and 0 not in content[:2] else to_utf8(content)
    is_html = content_type.lstrip().lower().startswith("text/html")
    if text.lstrip()[:15].lower().startswith(_PAGE_STARTS) or (is_html and not _begins_object(text)):
        # No model writes one: it is a proxy's, or that of a network one has to log in to.
        hint = f"a proxy or a network's login page answered in place of {call.host}: look at it in a browser"
        return build_unreadable_error("the answer is an HTML page", hint, response, call)
    body = _load(text) if response.kind != "binary" or _begins_object(text) else _UNREADABLE
    if body is _UNREADABLE:
        if response.kind != "json" or types.find_media_type(content):  # some declare an image as JSON
            return types.Binary.of(content, content_type, meta)
        problem = "the answer breaks off, and is no JSON" if _is_cut(text) else "the answer is no JSON"
        hint = f"ask again; if it stays, see whether a proxy stands before {call.host}"
        return build_unreadable_error(f"{problem}, though it says so", hint, response, call)
    if body_reports_error(body):
        error = build_response_error(response, call, content, time.time())
        error.retryable = False  # under a 200 the model may have run
        return error
    if isinstance(body, list | int | float) and _writes_text(meta.model):
        hint = f"check base_url: {call.host} may not be the service"
        return build_unreadable_error("the answer is neither an object nor text", hint, response, call)
    return _build_output(body, text, meta, thoughts_limit=call.thoughts_limit)


def _begins_object(text: bytes) -> bool:
    return text.lstrip()[:1] == b"{"


def _load(text: bytes) -> Any:
    # Raised from inside `except`, an error would carry the decoder's, and with it the whole text.
    try:
        return loads(text)
    except ValueError:
        return _UNREADABLE


def _is_empty(result: Any) -> bool:
    return result is None or result == {}


def _is_cut(text: bytes) -> bool:
    """Return True for the beginning of a JSON text."""
    try:
        from_json(text, allow_partial=True)
    except ValueError:
        return False
    try:
        json.JSONDecoder().raw_decode(text.decode("utf-8", "replace").lstrip())
    except ValueError:
        return True
    return False  # a whole one, and something behind it


def _is_deflation_cut(http: Any) -> bool:
    """Return True for a compressed body without its end. httpx gives what it has of one."""
    decompressor = getattr(getattr(http, "_decoder", None), "decompressor", None)
    decompressor = getattr(decompressor, "decompressor", decompressor)  # that of httpx2 is in another one
    return getattr(decompressor, "eof", None) is False


def _writes_text(model: str) -> bool:
    entry = models.catalogue().get(model)
    return entry is not None and entry.task == "Text Generation"


def _build_output(body: Any, content: bytes, meta: Meta, *, thoughts_limit: float | None) -> AnyOutput:
    result = unwrap(body)
    output_class = _find_text_class(result, meta.model)
    if output_class is not None:
        answer = Accumulator.read(body, content, thoughts_limit=thoughts_limit)
        fields = result if result.__class__ is dict else {"response": result}
        return _build_text_output(output_class, fields, answer, meta)
    if result.__class__ is dict and (report := result.get("usage") or result.get("metrics")):
        meta.usage = types.Usage.of(report)
        if meta.usage is not None and meta.neurons is None:
            meta.neurons = meta.usage.neurons
    output = _decode_media(result, meta) or _build_task_output(result, meta.model)
    output._meta = meta  # pyright: ignore[reportPrivateUsage]
    return output


def _decode_media(result: Any, meta: Meta) -> Binary | None:
    """Return the image or the sound that an object has as base64, if it has one."""
    for name, media_type in _ENCODED_MEDIA.items():
        encoded = result.get(name) if result.__class__ is dict else None
        if isinstance(encoded, str) and encoded:
            head, is_url, data = encoded.partition(";base64,")
            text = "".join((data if is_url else head).split())
            with suppress(ValueError):  # an address on the web, say
                return types.Binary.of(b64decode(text, validate=True), media_type, meta)
            # The alphabet for URLs, or no padding: so is many an id.
            text = text.rstrip("=").replace("-", "+").replace("_", "/")
            with suppress(ValueError):
                content = b64decode(text + "=" * (-len(text) % 4), validate=True)
                if types.find_media_type(content):
                    return types.Binary.of(content, media_type, meta)
    return None


def _build_task_output(result: Any, model: str) -> Output | ListResult[Any]:
    entry = models.catalogue().get(model)
    task = entry.task if entry is not None else ""
    list_class = types.find_list_class(result, task) if result.__class__ is list else None
    if list_class is not None:
        with suppress(ValidationError):
            return list_class.model_validate(result)
    fields = result if result.__class__ is dict else {"result": result}
    if task == "Automatic Speech Recognition" and "text" in fields:
        return types.Transcription.model_validate(fields)  # one without times
    return _validate(types.find_output_class(fields) or types.Output, fields)


def _to_events(content: bytes) -> bytes:
    """Return a whole JSON answer as one event and the end mark."""
    content = to_utf8(content).strip()
    if not content.startswith(b"{"):
        try:
            loads(content)
        except ValueError:
            content = to_compact_json(content.decode("utf-8", "replace")).encode()
        content = b'{"result":' + content + b"}"
    lines = (b"data: " + line + b"\n" for line in content.splitlines() if line.strip())
    return b"".join(lines) + b"\n" + END_MARK + b"\n\n"


def _find_text_class(result: Any, model: str) -> type[TextOutput] | None:
    """Return the output class for the shape of a text answer that `result` has, if it has one."""
    if model == _GUARD:
        return types.Moderation
    if isinstance(result, str):
        return types.NativeText
    if _is_empty(result) and _writes_text(model):
        return types.NativeText
    if result.__class__ is not dict:
        return None
    # A list as `response` is that of a reranker, but in JSON mode that of a text model.
    if isinstance(result.get("response"), list) and _writes_text(model):
        return types.NativeText
    return types.find_text_class(result)


def _build_text_output(
    output_class: type[TextOutput], fields: dict[str, Any], answer: Accumulator, meta: Meta
) -> TextOutput:
    """Return a text answer with the service's own fields and with what they come down to."""
    output, summary = _validate(output_class, fields), _summarize(answer)
    # As pydantic sets it: its `__setattr__` would look the name up first.
    object.__setattr__(output, "__pydantic_private__", {"_meta": meta, "_summary": summary})
    meta.usage = summary.usage
    if summary.usage is not None and meta.neurons is None:
        meta.neurons = summary.usage.neurons
    return output


def _summarize(answer: Accumulator) -> TextSummary:
    return TextSummary(
        answer.get_text(0), answer.get_reasoning(0), answer.get_tool_calls(0), answer.finish_reason, answer.usage
    )


def _read_summary(fields: Mapping[str, Any]) -> TextSummary:
    return _summarize(Accumulator.read(fields, json.dumps(fields, default=str).encode()))


TextSummary.of = _read_summary


def _validate(output_class: type[M], fields: dict[str, Any]) -> M:
    try:
        return output_class.model_validate(fields)
    except ValidationError:
        # A shape that nobody has seen yet: better in full and unchecked than refused.
        return output_class.model_construct(**fields)


def _build_choice(answer: Accumulator, choice: int) -> dict[str, Any]:
    """Return one choice of a chat completion, as it would have come in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.get_text(choice) or None}
    if reasoning := answer.get_reasoning(choice):
        message["reasoning_content"] = reasoning
    message |= _build_tool_calls(answer, choice)
    return {"index": choice, "message": message, "finish_reason": answer.finish_reasons.get(choice)}


def _build_blocks(answer: Accumulator) -> list[dict[str, Any]]:
    """Return the content of a message of Anthropic's, as it would have come in one piece."""
    blocks: list[dict[str, Any]] = []
    if reasoning := answer.get_reasoning(0):
        blocks.append({"type": "thinking", "thinking": reasoning})
    if text := answer.get_text(0):
        blocks.append({"type": "text", "text": text})
    for call in answer.get_tool_calls(0):
        with suppress(ValueError):  # of what is no JSON, the text stays
            arguments = call.parse()
            blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    return blocks


def _build_tool_calls(answer: Accumulator, choice: int) -> dict[str, Any]:
    """Return the field `tool_calls`, if there are any."""
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in answer.get_tool_calls(choice)
    ]
    return {"tool_calls": calls} if calls else {}


def build_unreadable_error(
    problem: str, hint: str, response: ApiResponse, call: ApiRequest
) -> APIResponseValidationError:
    """Return the error for a 2xx answer that cannot be read, with what came of it."""
    content = redact(to_utf8(response.content or b""), call.secrets)
    meta = response.meta
    start = f": {content[:80].decode('utf-8', 'replace')!r}" if content else ""
    return APIResponseValidationError(
        f"{problem}{start} ({_describe(meta)}). What to do: {hint}.",
        status_code=meta.status_code,
        request_id=meta.request_id,
        body=content.decode("utf-8", "replace"),
        headers=redact_headers(response.headers, call.secrets),
        model=meta.model,
    )


def _describe(meta: Meta) -> str:
    """Return what support asks for: status, request id and model."""
    request_id = f", request id {meta.request_id}" if meta.request_id else ""
    return f"status {meta.status_code}{request_id}" + (f", model {meta.model}" if meta.model else "")


def _parse_step(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _parse_number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if isfinite(number) else None
