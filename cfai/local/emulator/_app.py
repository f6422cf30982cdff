"""The service itself: a request in, an answer out, in the order in which the real one looks at things."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import partial
from typing import Any, NoReturn, cast

from cfai import models
from cfai.local import wire
from cfai.local.emulator import _tasks, _text
from cfai.local.emulator._batches import LARGEST, Batches
from cfai.local.emulator._generate import begin, generate, output_limit
from cfai.local.emulator._routes import MatchedRoute, check_credentials, check_host, match_route
from cfai.local.emulator._schemas import as_object, get_schema
from cfai.local.emulator._state import EmulatorConfig, RecordedRequest, RequestLog
from cfai.local.emulator._validate import check_inputs
from cfai.local.emulator._wire import Connection, deliver, pace, receive_request
from cfai.local.faults import HEADER, Fault, UnfitFaultError
from cfai.local.quotas import Quotas
from cfai.local.routes import REST, HttpRequest, Listing, Route, RoutedCall, unwrap_request
from cfai.local.server._loop import Receive, Scope, Send, Transports
from cfai.local.wire import (
    EmulatorError,
    ErrorResponse,
    Generation,
    Parts,
    build_result,
    complete,
    compute_neurons,
    make_error,
    make_input_error,
)

_CREDENTIALS = {"authorization", "cf-aig-authorization", "x-auth-key", "x-auth-email", "cookie"}
_HTML = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>Error {0}</h1><p>cloudflare</p></body></html>"


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer, ready to be sent."""

    status: int
    content_type: str
    body: bytes = b""
    tokens: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    stream: Parts | None = None
    error: bytes = b""
    """What to send inside the stream if it is to fail there."""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request, read and routed."""

    id: str
    matched: MatchedRoute
    http_request: HttpRequest
    call: RoutedCall
    size: int
    fault: Fault

    @property
    def raw(self) -> bool:
        """Return whether the body is no JSON: audio, an image, a form."""
        return isinstance(self.call.inputs, bytes)


class EmulatorApp:
    """The ASGI application."""

    def __init__(self, config: EmulatorConfig, log: RequestLog) -> None:
        self._config = config
        self.engine = config.engine
        self._log = log
        self.transports: Transports = {}
        """The open connections, by the client's address."""
        self._batches = Batches()
        self.quotas = Quotas(config.allowance)
        self.stopping = False
        """Set when the server is about to cut off everyone itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        came = await receive_request(self.transports, scope, receive, send)
        if came is None:
            return
        connection, body = came
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path, query = (cast(bytes, scope[name]).decode("latin-1") for name in ("raw_path", "query_string"))
        http_request = unwrap_request(scope["method"], path, query, headers)
        with ExitStack() as cleanup:
            cleanup.callback(connection.unwatch)
            await self._answer(connection, http_request, body, cleanup)

    async def _answer(
        self, connection: Connection, http_request: HttpRequest, body: bytes | None, cleanup: ExitStack
    ) -> None:
        """Answer what was asked. What goes into `cleanup` is let go when that is over."""
        request_id, fault, route = str(uuid.uuid4()), Fault(), REST
        try:
            found = self._authorize(http_request)
            route = found.route
            request = self._parse(found, http_request, body, request_id)
            fault = request.fault
            reply = self._build_failure(fault, route) or await connection.unless_gone(
                self._run(request, connection, cleanup)
            )
        except ErrorResponse as no:
            reply = _json_reply(no.status, route.build_error(no, request_id), _retry_after_headers(fault))
        except (EmulatorError, UnfitFaultError) as mistake:
            status = mistake.status if isinstance(mistake, EmulatorError) else 400
            reply, fault = _Reply(status, "text/plain", f"{mistake}\n".encode()), Fault()
        if reply is None:
            self._note_disconnect()
        else:
            await self._send(connection, reply, fault, request_id)

    async def aclose(self) -> None:
        """Free what the engine holds."""
        if self.engine is not None:
            await self.engine.aclose()

    def _authorize(self, http_request: HttpRequest) -> MatchedRoute:
        """Check who asks."""
        check_host(http_request, self._config)
        found = match_route(http_request, lenient=self._config.lenient_paths)
        check_credentials(found, http_request, self._config)
        if http_request.method != found.route.method:
            raise ErrorResponse(7001, f"Method {http_request.method} not available for that URI.")
        return found

    def _parse(
        self, found: MatchedRoute, http_request: HttpRequest, body: bytes | None, request_id: str
    ) -> PendingRequest:
        """Check what is asked for."""
        if isinstance(found.route, Listing):
            return PendingRequest(
                request_id,
                found,
                http_request,
                RoutedCall("", None, http_request.query),
                0,
                self._next_fault(http_request, streams=False),
            )
        if body is None:
            raise ErrorResponse(3006)
        kind = http_request.headers.get("content-type", "").partition(";")[0].strip()
        raw = kind == "multipart/form-data" or kind.partition("/")[0] in ("audio", "image", "video")
        inputs = body if raw or kind == "application/octet-stream" else _parse_json(body)
        call = found.route.parse(http_request, found.model, found.gateway, inputs)
        headers = {name: value for name, value in http_request.headers.items() if name not in _CREDENTIALS}
        fault = self._next_fault(http_request, streams=bool(as_object(call.inputs).get("stream")))
        received = RecordedRequest(
            call.model, call.inputs, headers, http_request.path, call.query, call.gateway, str(fault)
        )
        self._log.add(received)
        return PendingRequest(request_id, found, http_request, call, len(body), fault)

    def _next_fault(self, http_request: HttpRequest, *, streams: bool) -> Fault:
        try:
            return self._log.script.next(http_request.headers.get(HEADER), streams=streams)
        except ValueError as mistake:
            raise EmulatorError(400, str(mistake)) from mistake

    def _build_failure(self, fault: Fault, route: Route) -> _Reply | None:
        """Return the reply that a fault asks for instead of an answer."""
        if fault.html:
            page = _HTML.format(fault.html).encode()
            return _Reply(fault.html, "text/html; charset=UTF-8", page, headers=_retry_after_headers(fault))
        if fault.body is not None:
            return _Reply(fault.status or 200, "application/json", fault.body, headers=_retry_after_headers(fault))
        if fault.status or (fault.code and fault.error_after is None):
            raise make_error(fault.status, fault.code, fault.message)
        return _json_reply(200, route.build_empty_body()) if fault.empty else None

    async def _run(self, request: PendingRequest, connection: Connection, cleanup: ExitStack) -> _Reply:
        call, route, fault = request.call, request.matched.route, request.fault
        if isinstance(route, Listing):
            return _json_reply(200, route.build_page(call.query, self.quotas.now()))
        model = models.get(call.model)
        if model is None or (model.retired_on and self._config.retired == "refuse"):
            raise ErrorResponse(5007, f"No such model: No such model {call.model} or task")
        model = route.accept(model)
        if (queued := await self._queue_or_poll(model, request)) is not None:
            return _json_reply(200, route.build_body(queued, call, 0), _answer_headers(call))
        self.quotas.admit(model)
        inputs = _inputs_from_raw(model, call) if request.raw else check_inputs(model, call.inputs)
        cleanup.callback(await self.quotas.acquire(model, reject_if_busy=call.reject_if_busy))
        streams = bool(inputs.get("stream") and get_schema(model.name).streams and _tasks.is_text_model(model))
        fault.check_applies(streams)
        if streams and not fault.whole:
            generation, parts = await self._begin_stream(model, inputs, request.id)
            cleanup.callback(lambda: self.quotas.charge(generation.cost(connection.tokens)))
            error = wire.encode_error(generation, make_error(None, fault.code or 3040, fault.message), request.id)
            stream = route.rewrite_events(parts, call)
            if fault.defect and not isinstance(stream, Iterable):
                # A defect is made in a whole stream: an engine's is waited for.
                async with aclosing(stream):
                    stream = [event async for event in stream]
            if isinstance(stream, Iterable):
                stream = fault.rewrite(stream, generation.usage())
            return _Reply(200, "text/event-stream", headers=_answer_headers(call), stream=stream, error=error)
        if fault.error_after is not None:
            raise make_error(None, fault.code or 3040, fault.message)
        result, prompt, tokens = await self._run_whole(model, inputs)
        cost = compute_neurons(model, prompt, tokens)
        self.quotas.charge(cost)
        if isinstance(result, _tasks.Media):
            return _Reply(200, result.content_type, result.content, headers=_answer_headers(call))
        return replace(
            _json_reply(200, route.build_body(result, call, prompt), _answer_headers(call, cost)), tokens=tokens
        )

    async def _begin_stream(
        self, model: models.Model, inputs: Mapping[str, Any], request_id: str
    ) -> tuple[Generation, Parts]:
        """Return a streamed answer: what it comes to, and its events."""
        engine = self.engine
        if engine is None:
            generation = generate(model, inputs)
            return generation, wire.encode_events(generation)
        generation, _ = begin(model, inputs)
        parts = await engine.answer(model.name, _engine_inputs(generation, inputs), output_limit(model, inputs))
        return generation, wire.encode_live_events(generation, parts, request_id)

    async def _run_whole(self, model: models.Model, inputs: Mapping[str, Any]) -> tuple[Any, int, int]:
        """Return the whole result, tokens in and tokens out."""
        engine = self.engine
        if not _tasks.is_text_model(model):
            texts = _tasks.texts_to_embed(model, inputs) if engine else []
            vectors = await engine.embed(model.name, texts) if engine and texts else None
            return _tasks.run_task(model, inputs, vectors), _text.count_emulated(dict(inputs)), 0
        if engine is None:
            generation = generate(model, inputs)
        else:
            generation, json_mode = begin(model, inputs)
            parts = await engine.answer(model.name, _engine_inputs(generation, inputs), output_limit(model, inputs))
            async with aclosing(wire.take_parts(generation, parts)) as tokens:
                async for _ in tokens:
                    pass
            complete(generation, json_mode=json_mode)
        return build_result(generation), generation.prompt_tokens or 0, generation.tokens

    async def _run_batch_item(self, model: models.Model, inputs: Any) -> tuple[Any, int, int]:
        """Return one result of a batch, which costs what it would cost by itself."""
        result, prompt, tokens = await self._run_whole(model, check_inputs(model, inputs))
        self.quotas.charge(compute_neurons(model, prompt, tokens))
        if isinstance(result, _tasks.Media):
            result = {"data": base64.b64encode(result.content).decode()}
        return result, prompt, tokens

    async def _queue_or_poll(self, model: models.Model, request: PendingRequest) -> Any:
        """Return the result of a batch call, or `None` if it is not one."""
        inputs = as_object(request.call.inputs)
        if "request_id" in inputs:
            # No call of the model: what was handed in is given out, whatever else was used up meanwhile.
            return await self._batches.poll(model, str(inputs["request_id"]), partial(self._run_batch_item, model))
        if request.call.query.get("queueRequest") != "true" or "requests" not in inputs:
            return None
        self.quotas.admit(model)
        if request.size > LARGEST:
            raise ErrorResponse(3006)
        return self._batches.submit(model, inputs)

    async def _send(self, connection: Connection, reply: _Reply, fault: Fault, request_id: str) -> None:
        rate = self._config.tokens_per_second
        await connection.pause(fault.delay)
        if fault.hang_up or fault.reset or fault.raw is not None:
            await connection.cut(fault.raw or b"", reset=fault.reset)
            return
        content_type = reply.content_type if fault.content_type is None else fault.content_type
        headers = {"date": formatdate(usegmt=True), **({"content-type": content_type} if content_type else {})}
        headers |= {**reply.headers, "cf-ai-req-id": request_id, "cf-ray": f"{uuid.uuid4().hex[:16]}-LHR"}
        parts = reply.stream
        if parts is None:
            # The real service sends nothing of a whole answer before all of it is there.
            await connection.pause(fault.slow_first + pace(reply.tokens, rate, 0.0))
            parts, length = _split_body(reply.body, fault)
            fault, rate = replace(fault, error_after=None, hold=False, slow_first=0.0), None
            headers["content-length"] = str(length)
        if not connection.is_gone:
            await connection.start(reply.status, headers)
        left = connection.is_gone or await deliver(connection, fault, parts, rate=rate, error=reply.error)
        if left:
            self._note_disconnect()

    def _note_disconnect(self) -> None:
        if not self.stopping:
            self._log.note_disconnect()


def _answer_headers(call: RoutedCall, cost: float | None = None) -> dict[str, str]:
    """Return what an answer carries besides the headers that every reply has. A stream's cost is not known in time."""
    headers: dict[str, str] = {}
    if cost:
        headers["cf-ai-neurons"] = f"{cost:.6f}".rstrip("0").rstrip(".")
    if call.gateway:
        headers |= {"cf-aig-log-id": uuid.uuid4().hex, "cf-aig-cache-status": "MISS", "cf-aig-step": "0"}
    return headers


def _engine_inputs(generation: Generation, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the inputs for an engine: only chat completions have a place for more than one answer."""
    return inputs if generation.form == "chat" else {name: value for name, value in inputs.items() if name != "n"}


def _retry_after_headers(fault: Fault) -> dict[str, str]:
    return {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}


def _parse_json(body: bytes) -> Any:
    if not body:
        raise ErrorResponse(3003)
    try:
        return json.loads(body, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise ErrorResponse(5006, f"Bad input: SyntaxError: {error}") from error


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _inputs_from_raw(model: models.Model, call: RoutedCall) -> Mapping[str, Any]:
    """Return the inputs of a call whose body is audio, an image or a form; the rest of them is in the query."""
    accepted = get_schema(model.name).parameters
    if not {"multipart", "audio", "image"} & accepted.keys():
        raise make_input_error("Type mismatch of '/', 'string' not in 'object'")
    return dict(call.query)


def _split_body(body: bytes, fault: Fault) -> tuple[list[tuple[int, bytes]], int]:
    """Return a whole body as one part, or in two if it is to break off between them, and the length to announce."""
    ending, after = fault.ending or (None, 0)
    if ending in (None, "error"):
        return [(0, body)], len(body)
    half = body[: len(body) // 2] if after else b""
    return [(after, half), (0, body[len(half) :])], len(half) if ending == "truncate" else len(body)


def _json_reply(status: int, value: Any, headers: Mapping[str, str] | None = None) -> _Reply:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _Reply(status, "application/json", text.encode("utf-8", "replace"), headers=headers or {})
