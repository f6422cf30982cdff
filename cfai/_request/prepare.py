"""Step 2 of a call: its inputs as they are sent, checked against the limits; the request, of which nothing is sent."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, cast
from urllib.parse import quote

from cfai._config import ClientConfig
from cfai._credentials import NO_HEADERS, Credentials, Secret, check_flag, describe, is_secret_header
from cfai._errors import ConfigurationError, InputError
from cfai._json import find_unsendable, is_mapping, to_builtins
from cfai._limits import (
    check_unless_short,
    format_warning,
    is_slow_to_count,
    list_input_warnings,
    list_plain_inputs,
    requested_output,
    resolve_max_tokens,
)
from cfai._preload import has_preloaded, preload
from cfai._request.media import FORM_MODELS, MEDIA_FIELDS, encode_media, has_media
from cfai._request.media_source import Medium, is_readable_once, walk
from cfai._request.message_parts import dump_model
from cfai._request.options import (
    FLAGS,
    NO_TAGS,
    Gateway,
    RunOptions,
    build_query,
    find_header_flaw,
    parse_gateway,
    parse_headers,
)
from cfai._request.raw_body import RawBody
from cfai._version import __version__
from cfai._warnings import LimitWarning, RetiredModelWarning

# A pattern stays a string: `re` compiles it at first use, so that importing does not.
_CONTROL = r"[\x00-\x1f\x7f]"
_MAX_NAME_LENGTH = 500
_NESTING_PROBLEM = "cannot be sent as JSON (a value holds itself, or is nested too deeply)"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ApiRequest:
    """One request to the API, the same for every attempt."""

    config: ClientConfig
    """Its time budget, its retries and its credentials."""
    method: str = "POST"
    url: str
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    body: bytes | Iterable[bytes] | AsyncIterable[bytes] = field(repr=False)
    """Bytes, or a stream of them: one that can be iterated only once is never sent again."""
    model: str = ""
    """The model that it runs, for errors; empty if it runs none."""
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """The inputs of that model, as they are sent, for errors."""
    wants_stream: bool = False
    """True if the answer is to be read while it comes."""
    wants_audio_stream: bool = False
    """True if a spoken answer is to be read while it comes. The service is not told: it is how the body is read."""
    wants_raw: bool = False
    """True if the caller takes any status for an answer."""
    wants_file: bool = False
    """True if a body of any type is to be read while it comes, as that of a download."""
    reject_if_busy: bool = False
    """True to raise at once when the model is busy (3040)."""
    makes_something: bool = False
    """True if it makes what there may be once: it is not sent again after a 5xx, under which it may have been done."""
    body_secrets: tuple[str, ...] = field(default=(), repr=False)
    """The credentials that stand in its body."""
    parts: Sequence[tuple[str, str | Medium]] = field(default=(), repr=False)
    """The fields of a form of documents, for the binding of a Worker, which takes them by themselves."""

    thoughts_limit: float | None = None
    """Tokens at which an answer is cut whose text begins with thoughts; `None` if it begins with none."""
    started: float | None = None
    """When the call began, in seconds of `time.monotonic`, if this may be not its first request."""

    @property
    def label(self) -> str:
        """The model that it runs, or else its method and path, for the log."""
        return self.model or f"{self.method} {self.url.partition('://')[2].partition('?')[0]}"

    @property
    def only_reads(self) -> bool:
        """True if it asks for what is there, or opens a session: sent again, it costs and changes nothing."""
        return self.method == "GET"

    @property
    def host(self) -> str:
        """The host that it is sent to, for errors."""
        return self.url.partition("://")[2].partition("/")[0]

    @property
    def secrets(self) -> list[str]:
        """The credentials in its headers, the user's own too: what must not show in anything that comes back."""
        secrets = [*self.body_secrets]
        for name in self.headers:
            if is_secret_header(name):
                secrets.append(self.headers[name].removeprefix("Bearer "))
        return secrets


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PreparedCall(ApiRequest):
    """A call of `run`, ready to be sent: its request, and what its answer is read by."""

    options: RunOptions
    warnings: tuple[tuple[str, type[Warning]], ...] = ()
    """The warnings for the caller, each with its category."""
    is_unstreamed_retry: bool = False
    """True if a whole answer is to be given as a stream: the model would not stream, and was asked again without."""


def prepare(config: ClientConfig, model: str, inputs: Any, options: RunOptions) -> PreparedCall:
    """Return the call that runs `model`. Raises what forbids it before anything is sent; the inputs are not changed."""
    if not has_preloaded.is_set():
        preload()
    path, policy, raw = quote_model(model), config.limit_policy, None
    model, path = model.removeprefix("run/"), path.removeprefix("run/")  # as a step of a gateway may name it
    entry = policy.get_model(model)
    if entry is not None and entry.is_realtime_only and policy.mode != "off":
        raise InputError(f"{model} takes calls by WebSocket alone: call `arealtime`, or choose another model")
    if (
        hasattr(inputs, "model_dump")
        or (isinstance(inputs, Mapping) and not MEDIA_FIELDS.isdisjoint(cast("Mapping[str, Any]", inputs)))
        or model.startswith(FORM_MODELS)
    ):
        inputs, raw = encode_media(model, inputs, _explain_json(model, options))
    inputs = resolve_max_tokens(model, inputs_to_builtins(inputs), policy)
    if "lora" in inputs or "requests" in inputs:
        inputs = _name_finetunes(model, inputs)
    warnings: list[tuple[str, type[Warning]]] = []
    if entry is not None and entry.retired_on:
        warnings.append((str(entry.retirement), RetiredModelWarning))
    wants_audio_stream = False
    if entry is not None and entry.streams_by_default:
        inputs.setdefault("stream", False)
    if "stream" in inputs and entry is not None and entry.task == "Text-to-Speech":
        wants_audio_stream = bool(inputs.pop("stream"))
    # Most prompts have nothing beside them that could be wrong.
    if policy.mode != "off" and entry and not (inputs.get("prompt") and inputs.keys() <= list_plain_inputs(model)):
        warnings += list_input_warnings(entry, inputs, policy.mode)
    result = check_unless_short(model, inputs, policy) if policy.mode != "off" else None
    if result is not None and result.error is not None:
        if result.raises(policy.mode):
            raise result.error
        warnings.append((format_warning(result.error), LimitWarning))
    thoughts_limit = None
    if entry is not None and entry.reasoning_in_text and not (inputs.get("response_format") or inputs.get("raw")):
        default = entry.default_max_tokens
        thoughts_limit = min(requested_output(inputs).values(), default=default.value if default else inf)
    url, headers, body = _encode_run(config.credentials, model, path, inputs, options, raw)
    return PreparedCall(
        config=config,
        url=url,
        headers=headers,
        body=body,
        model=model,
        wants_stream=bool(inputs.get("stream")),
        wants_audio_stream=wants_audio_stream,
        wants_raw=options.return_raw_response,
        reject_if_busy=options.reject_if_busy,
        inputs=inputs,
        options=options,
        thoughts_limit=thoughts_limit,
        warnings=tuple(warnings),
    )


async def aprepare(config: ClientConfig, model: str, inputs: Any, options: RunOptions) -> PreparedCall:
    """Return the call that runs `model`. What takes long is done in a thread, beside the event loop."""
    if not has_media(model, inputs):
        inputs = inputs_to_builtins(inputs)
        if has_preloaded.is_set() and not is_slow_to_count(inputs):
            return prepare(config, model, inputs, options)
    from cfai._threads import run_in_thread  # not sooner: it imports asyncio

    return await run_in_thread(prepare, config, model, inputs, options)


def prepare_unstreamed(call: PreparedCall, started: float, attempts: int) -> PreparedCall:
    """Return the same call without streaming, its answer still wanted as a stream.

    It has the retries that are left after `attempts`, of which it is one, and what is left of the total timeout of the
    call, which began at `started`.
    """
    retry = replace(call.config.retry, max_retries=call.config.retry.max_retries - attempts)
    config = call.config.with_overrides(max_retries=retry, checks="off")  # it was checked, and warned of
    # The URL stays: tags that can be iterated only once are in it already.
    again = prepare(config, call.model, {**call.inputs, "stream": False}, replace(call.options, tags=()))
    return replace(again, url=call.url, started=started, is_unstreamed_retry=True, warnings=())


def inputs_to_builtins(inputs: Any) -> dict[str, Any]:
    """Return the inputs as a dict of our own, with plain values in it. Pydantic models are taken too."""
    if hasattr(inputs, "model_dump"):
        inputs = dump_model(inputs, MEDIA_FIELDS, "inputs")
    if not isinstance(inputs, Mapping):
        raise InputError(f"`inputs` must be a dict such as {{'prompt': '...'}}, got {type(inputs).__name__}")
    builtins = dict(cast("Mapping[str, Any]", inputs))
    try:
        for key, value in builtins.items():
            if not isinstance(value, str | int | float | None):
                builtins[key] = to_builtins(value)
    except RecursionError:
        raise InputError(f"inputs: {_NESTING_PROBLEM}") from None
    return builtins


def _name_finetunes(model: str, inputs: dict[str, Any], place: str = "") -> dict[str, Any]:
    """Return the inputs with the id of a fine-tune for its record. Raises `InputError` for one that cannot run."""
    lora, requests = inputs.get("lora"), inputs.get("requests")
    if is_mapping(lora):
        must = f"`{place}lora` must be a fine-tune of {model}, which alone runs those of it"
        if (lora.get("model") or model) != model:
            raise InputError(f"{must}, got one of {lora['model']}: run that model")
        if not (key := lora.get("id") or lora.get("name")):
            raise InputError(f"{must}, got a record without an id or a name: pass its name")
        inputs = {**inputs, "lora": key}
    if isinstance(requests, list):
        named = [
            _name_finetunes(model, each, f"requests[{index}].") if each.__class__ is dict else each
            for index, each in enumerate(cast("list[Any]", requests))
        ]
        inputs = {**inputs, "requests": named}
    return inputs


def refuse_streams(inputs: Any, purpose: str, advice: str) -> None:
    """Raise `InputError` for a medium that can be read only once."""
    if place := next((place for value, place in walk(inputs, "inputs") if is_readable_once(value)), None):
        raise InputError(f"{place} must be what can be read again, {purpose}, got a stream: {advice}")


def encode_inputs(model: str, inputs: Any) -> dict[str, Any]:
    """Return the inputs as they are sent in JSON, for a check. Raises `InputError` for what cannot be sent.

    So it does for a stream that can be read only once, which would then lack its beginning when it is sent.
    """
    refuse_streams(inputs, "for a check", "call `run`, which checks it before it sends, or pass a Path or bytes")
    builtins = inputs_to_builtins(encode_media(model, inputs)[0])
    # An object stands for a body beside the JSON: `None` would be no input.
    in_json: dict[str, Any] = {
        name: {"seconds": value.seconds} if isinstance(value, RawBody) else value for name, value in builtins.items()
    }
    if problem := find_unsendable(in_json, "inputs"):
        raise InputError(problem)
    return _name_finetunes(model, in_json)


def _explain_json(model: str, options: RunOptions) -> str:
    """Return why a call cannot have another body than JSON, and what to do; nothing if it can."""
    if "/" in model and not model.startswith(("@cf/", "@hf/")):
        return "be sent for a model of another author"
    if options.gateway is not None:
        return "go through a gateway: leave out `gateway`"  # nor does the binding of a Worker send a stream through one
    if options.queue_request:
        return "be queued: leave out `queue_request`"
    return "be sent with `reject_if_busy`, which stands in JSON: leave it out" if options.reject_if_busy else ""


def quote_model(model: str) -> str:
    """Return a model's name as it stands in a path: `/` and `@` literal, everything else quoted, no way out.

    >>> quote_model("@cf/meta/llama-3.3-70b-instruct-fp8-fast")
    '@cf/meta/llama-3.3-70b-instruct-fp8-fast'
    >>> quote_model("@cf/../../tokens")
    Traceback (most recent call last):
    cfai.ConfigurationError: '@cf/../../tokens' is no model name: no part of it may be empty, '.' or '..'
    """
    if not isinstance(model, str) or not model:  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise ConfigurationError(f"`model` must be a name such as '@cf/zai-org/glm-4.7-flash', got {describe(model)}")
    if len(model) > _MAX_NAME_LENGTH:
        raise ConfigurationError(f"{model[:50]!r}… is no model name: it has more than {_MAX_NAME_LENGTH} characters")
    if re.search(_CONTROL, model):
        raise ConfigurationError(f"{model!r} is no model name: it has a control character")
    if not {"", ".", ".."}.isdisjoint(model.split("/")):
        raise ConfigurationError(f"{model!r} is no model name: no part of it may be empty, '.' or '..'")
    return quote(model, safe="/@", errors="replace")


def _encode_run(
    credentials: Credentials,
    model: str,
    path: str,
    inputs: Mapping[str, Any],
    options: RunOptions,
    raw: RawBody | None,
) -> tuple[str, dict[str, str], bytes | Iterable[bytes] | AsyncIterable[bytes]]:
    """Return URL, headers and body of a call that runs a model. Raises `ConfigurationError` or `InputError`."""
    for flag in FLAGS:
        if not isinstance(getattr(options, flag), bool):
            check_flag(flag, getattr(options, flag))
    gateway = None if options.gateway is None else parse_gateway(Secret(options.gateway))
    query = (
        build_query(options.queue_request, options.tags) if options.queue_request or options.tags is not NO_TAGS else ""
    )
    if options.reject_if_busy:
        others = inputs.get("options")
        inputs = {**inputs, "options": {**(others if is_mapping(others) else {}), "rejectIfBusy": True}}
    account = quote(credentials.account_id, safe="")
    url = f"{credentials.base_url}/accounts/{account}/ai/run"
    sent: Mapping[str, Any] = inputs
    # Other authors' models have no path of their own; without a gateway they take the account's default one.
    has_own_path = model.startswith(("@cf/", "@hf/")) or "/" not in model
    is_dynamic = model.startswith("dynamic/")
    # The older host, whose form is certain for these models.
    uses_gateway_host = (has_own_path or is_dynamic) and credentials.gateway_route == "gateway"
    if is_dynamic:
        # A route of one gateway, which takes the chat completions of OpenAI alone.
        if gateway is None:
            raise ConfigurationError(f"{model!r} is a route of a gateway: name that one, with `gateway`")
        url = f"{credentials.base_url}/accounts/{account}/ai/v1/chat/completions"
        if uses_gateway_host:
            url = f"{credentials.gateway_url}/{account}/{quote(gateway.id, safe='')}/compat/chat/completions"
        if "messages" not in inputs:
            raise InputError("inputs of a dynamic route must have 'messages', and be those of a chat")
        sent = {**inputs, "model": model}
    elif gateway and uses_gateway_host:
        url = f"{credentials.gateway_url}/{account}/{quote(gateway.id, safe='')}/workers-ai/{path}"
    elif has_own_path and not gateway:
        url = f"{url}/{path}"
    else:
        sent = {"model": model, "input": inputs}
    body: bytes | Iterable[bytes] | AsyncIterable[bytes] = b""
    if raw is not None:
        body, query = raw.content, "&".join(filter(None, (raw.query, query)))
    else:
        with suppress(TypeError, ValueError, RecursionError):
            body = json.dumps(sent, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        if not body:
            raise InputError(find_unsendable(inputs, "inputs") or f"inputs: {_NESTING_PROBLEM}")
    # Last, so that no traceback of a mistake in the inputs has the token in it.
    headers = _build_headers(credentials, options, gateway, wants_stream=bool(inputs.get("stream")))
    if raw is not None:
        headers["content-type"] = raw.content_type
        if raw.size is not None:
            headers["content-length"] = str(raw.size)
    if gateway and uses_gateway_host:
        # This host wants the token a second time.
        headers.setdefault("cf-aig-authorization", f"Bearer {(gateway.token or credentials.token).value}")
        if is_dynamic:
            del headers["authorization"]  # which is the provider's there: its keys are in the gateway
    elif gateway:
        headers["cf-aig-gateway-id"] = gateway.id
    return f"{url}?{query}" if query else url, headers, body


def _build_headers(
    credentials: Credentials, options: RunOptions, gateway: Gateway | None, *, wants_stream: bool
) -> dict[str, str]:
    affinity = options.session_affinity
    if flaw := "" if affinity is None else find_header_flaw(affinity):
        raise ConfigurationError(f"session_affinity: {flaw}")
    given = options.extra_headers is not None
    extra_headers = parse_headers("extra_headers", Secret(options.extra_headers)) if given else NO_HEADERS
    headers = {
        "user-agent": f"cfai/{__version__}",
        "accept": "text/event-stream, application/json" if wants_stream else "*/*",
        **credentials.default_headers.value,
        **(gateway.headers if gateway else {}),
        **extra_headers.value,
    }
    if wants_stream:
        # A compressed stream arrives late, in lumps.
        headers["accept-encoding"] = "identity"
    if affinity is not None:
        headers["x-session-affinity"] = affinity
    headers["content-type"] = "application/json"
    headers["authorization"] = f"Bearer {credentials.token.value}"
    return headers
