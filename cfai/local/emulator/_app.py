"""The service itself: a request in, an answer out, in the order in which the real one looks at things."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import partial
from typing import Any, Literal

from cfai import models
from cfai.local._json import as_object, loads_strictly
from cfai.local._models import get_schema, is_text_model
from cfai.local.emulator._batches import MAX_BATCH_SIZE, Batches
from cfai.local.emulator._delivery import deliver, pace, split_body
from cfai.local.emulator._engine import Engine
from cfai.local.emulator._request_log import RecordedRequest, RequestLog
from cfai.local.emulator._routes import MatchedRoute, check_credentials, match_route
from cfai.local.emulator._run import Result, begin_stream, run_whole
from cfai.local.emulator._tasks import Media
from cfai.local.emulator._validate import check_inputs
from cfai.local.faults import HEADER, Fault, UnfitFaultError
from cfai.local.quotas import Allowance, Quotas
from cfai.local.routes import BINDING_HOST, REST, HttpRequest, Listing, Route, RoutedCall, unwrap_request
from cfai.local.server import CREDENTIAL_HEADERS, AccessRules, Application, Connection, RawRequest
from cfai.local.wire import ErrorResponse, Generation, Parts, encode_error, make_error, make_input_error

_HTML = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>Error {0}</h1><p>cloudflare</p></body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorConfig:
    """The configuration of an emulator, as `Emulator` describes it."""

    tokens_per_second: float | None
    lenient_paths: bool
    retired: Literal["serve", "refuse"]
    engine: Engine | None
    allowance: Allowance


@dataclass(frozen=True, slots=True)
class _PendingRequest:
    """A request, read and routed."""

    id: str
    route: Route
    call: RoutedCall
    size: int
    """Bytes of its body."""

    media_type: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer, ready to be sent."""

    status: int
    content_type: str
    body: bytes = b""
    tokens: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    stream: tuple[Generation, Parts] | None = None
    """What a stream comes to, and its events."""


class EmulatorApp(Application):
    """The ASGI application."""

    own_hosts = (BINDING_HOST,)

    def __init__(self, display_name: str, access: AccessRules, config: EmulatorConfig, log: RequestLog) -> None:
        super().__init__(display_name, access)
        self._config = config
        self._log = log
        self._batches = Batches()
        self._quotas = Quotas(config.allowance)

    async def aclose(self) -> None:
        """End the batches, and free what the engine holds."""
        await self._batches.aclose()
        if self._config.engine is not None:
            await self._config.engine.aclose()

    async def answer(self, connection: Connection, request: RawRequest) -> None:
        """Answer a request. A place at a model is let go when that is over."""
        request_id, fault, route = str(uuid.uuid4()), Fault(), REST
        async with AsyncExitStack() as cleanup:
            try:
                http_request = unwrap_request(request.method, request.path, request.query, request.headers)
                matched = self._authorize(http_request)
                route = matched.route
                pending = self._parse(matched, http_request, request.body, request_id)
                fault = pending.fault
                reply = _build_failure(fault, route) or await connection.unless_gone(self._run(pending, cleanup))
            except (ErrorResponse, RecursionError) as error:
                refusal = error if isinstance(error, ErrorResponse) else make_input_error("nested too deeply")
                reply = _json_reply(refusal.status, route.build_error(refusal, request_id), _retry_after_headers(fault))
            except UnfitFaultError as mistake:
                reply, fault = _Reply(400, "text/plain", f"{mistake}\n".encode()), Fault()
            if reply is not None:
                tokens = await self._send(connection, reply, fault, request_id)
                if reply.stream is not None:
                    self._quotas.charge(reply.stream[0].cost(tokens))
        if connection.left_by_client:
            self._log.note_disconnect()

    def _authorize(self, http_request: HttpRequest) -> MatchedRoute:
        """Return the route of a request that may use it. Raises `ErrorResponse`."""
        matched = match_route(http_request, lenient=self._config.lenient_paths)
        check_credentials(matched, http_request, self.access)
        if http_request.method != matched.route.method:
            raise ErrorResponse(7001, f"Method {http_request.method} not available for that URI.")
        return matched

    def _parse(
        self, matched: MatchedRoute, http_request: HttpRequest, body: bytes | None, request_id: str
    ) -> _PendingRequest:
        """Parse a request into a call. Raises `ErrorResponse`."""
        if isinstance(matched.route, Listing):
            call = RoutedCall("", None, http_request.query)
            fault = self._next_fault(http_request, streams=False)
            return _PendingRequest(request_id, matched.route, call, 0, "", fault)
        if body is None:
            raise ErrorResponse(3006)
        if not body:
            raise ErrorResponse(3003)
        media_type = http_request.headers.get("content-type", "").partition(";")[0].strip()
        raw = media_type.startswith(("audio/", "image/", "video/", "multipart/form-data", "application/octet-stream"))
        call = matched.route.parse(http_request, matched.model, matched.gateway, body if raw else _parse_json(body))
        fault = self._next_fault(http_request, streams=bool(as_object(call.inputs).get("stream")))
        headers = {name: value for name, value in http_request.headers.items() if name not in CREDENTIAL_HEADERS}
        query = {**call.query, **http_request.repeated}
        self._log.add(
            RecordedRequest(call.model, call.inputs, headers, http_request.path, query, call.gateway, str(fault))
        )
        return _PendingRequest(request_id, matched.route, call, len(body), media_type, fault)

    def _next_fault(self, http_request: HttpRequest, *, streams: bool) -> Fault:
        try:
            return self._log.script.next(http_request.headers.get(HEADER), streams=streams)
        except ValueError as mistake:
            raise UnfitFaultError(str(mistake)) from mistake

    async def _run(self, request: _PendingRequest, cleanup: AsyncExitStack) -> _Reply:
        call, route, fault = request.call, request.route, request.fault
        if isinstance(route, Listing):
            _check_fault(fault, streams=False)
            return _json_reply(200, route.build_page(call.query, self._quotas.now()))
        model = models.get(call.model)
        if model is None or (model.retired_on and self._config.retired == "refuse"):
            raise ErrorResponse(5007, f"No such model: No such model {call.model} or task")
        model = route.accept(model)
        if (queued := await self._queue_or_poll(model, request)) is not None:
            return _json_reply(200, route.build_body(queued, call, 0), _answer_headers(call))
        self._quotas.admit(model)
        is_raw = isinstance(call.inputs, bytes)
        inputs = _inputs_from_raw(model, request) if is_raw else check_inputs(model, call.inputs)
        cleanup.callback(await self._quotas.acquire(model, reject_if_busy=call.reject_if_busy))
        streams = bool(inputs.get("stream") and get_schema(model.name).streams and is_text_model(model))
        _check_fault(fault, streams=streams)
        if streams and not fault.whole:
            generation, parts = await begin_stream(self._config.engine, model, inputs, request.id, cleanup)
            events = await _rewrite(route.rewrite_events(parts, call), fault, generation)
            return _Reply(200, "text/event-stream", headers=_answer_headers(call), stream=(generation, events))
        result = await self._run_whole(model, inputs)
        if isinstance(result.value, Media):
            return _Reply(200, result.value.content_type, result.value.content, headers=_answer_headers(call))
        body = route.build_body(result.value, call, result.prompt_tokens)
        return replace(_json_reply(200, body, _answer_headers(call, result.neurons)), tokens=result.tokens)

    async def _run_whole(self, model: models.Model, inputs: Mapping[str, Any]) -> Result:
        result = await run_whole(self._config.engine, model, inputs)
        self._quotas.charge(result.neurons)
        return result

    async def _run_batch_item(self, model: models.Model, inputs: Any) -> Result:
        """Return one result of a batch, which costs what it would cost by itself."""
        result = await self._run_whole(model, check_inputs(model, inputs))
        if isinstance(result.value, Media):
            result = replace(result, value={"data": base64.b64encode(result.value.content).decode()})
        return result

    async def _queue_or_poll(self, model: models.Model, request: _PendingRequest) -> Any:
        """Return the result of a batch call, or `None` if it is not one."""
        inputs = as_object(request.call.inputs)
        is_poll = "request_id" in inputs
        if not is_poll and (request.call.query.get("queueRequest") != "true" or "requests" not in inputs):
            return None
        _check_fault(request.fault, streams=False)
        if is_poll:
            # No call of the model: what was handed in is given out, whatever else was used up meanwhile.
            return await self._batches.poll(model, str(inputs["request_id"]), partial(self._run_batch_item, model))
        self._quotas.admit(model)
        if request.size > MAX_BATCH_SIZE:
            raise ErrorResponse(3006)
        return self._batches.submit(model, inputs)

    async def _send(self, connection: Connection, reply: _Reply, fault: Fault, request_id: str) -> int:
        """Send a reply, and return how many tokens of a stream were sent."""
        await connection.pause(fault.delay)
        if fault.hang_up or fault.reset or fault.raw is not None:
            await connection.cut(fault.raw or b"", reset=fault.reset)
            return 0
        content_type = reply.content_type if fault.content_type is None else fault.content_type
        headers = {"date": formatdate(usegmt=True), **({"content-type": content_type} if content_type else {})}
        headers |= {**reply.headers, "cf-ai-req-id": request_id, "cf-ray": f"{uuid.uuid4().hex[:16]}-LHR"}
        rate, error = self._config.tokens_per_second, b""
        if reply.stream is None:
            # The real service sends nothing of a whole answer before all of it is there.
            await connection.pause(fault.slow_first + pace(reply.tokens, rate, 0.0))
            parts, length = split_body(reply.body, fault)
            fault, rate = replace(fault, error_after=None, hold=False, slow_first=0.0), None
            headers["content-length"] = str(length)
        else:
            generation, parts = reply.stream
            error = encode_error(generation, make_error(None, fault.code or 3040, fault.message), request_id)
        if connection.is_gone:
            return 0
        await connection.start(reply.status, headers)
        return await deliver(connection, fault, parts, rate=rate, error=error)


def _build_failure(fault: Fault, route: Route) -> _Reply | None:
    """Return the reply that a fault asks for instead of an answer."""
    headers = _retry_after_headers(fault)
    if fault.html:
        return _Reply(fault.html, "text/html; charset=UTF-8", _HTML.format(fault.html).encode(), headers=headers)
    if fault.body is not None:
        return _Reply(fault.status or 200, "application/json", fault.body, headers=headers)
    if fault.status or (fault.code and fault.error_after is None):
        raise make_error(fault.status, fault.code, fault.message)
    return _json_reply(200, route.build_empty_body()) if fault.empty else None


def _check_fault(fault: Fault, *, streams: bool) -> None:
    """Raise the error that a fault has inside a stream, where the answer is none, or that it needs a stream."""
    fault.check_applies(streams)
    if fault.error_after is not None and (fault.whole or not streams):
        raise make_error(None, fault.code or 3040, fault.message)


async def _rewrite(events: Parts, fault: Fault, generation: Generation) -> Parts:
    """Return the events of a stream with the defect of a fault."""
    if fault.defect and not isinstance(events, Iterable):
        # A defect is made in a whole stream: an engine's is waited for.
        async with aclosing(events):
            events = [event async for event in events]
    return fault.rewrite(events, generation.usage()) if isinstance(events, Iterable) else events


def _answer_headers(call: RoutedCall, neurons: float = 0.0) -> dict[str, str]:
    """Return what an answer carries besides the headers that every reply has. A stream's cost is not known in time."""
    headers: dict[str, str] = {}
    if neurons:
        headers["cf-ai-neurons"] = f"{neurons:.6f}".rstrip("0").rstrip(".")
    if call.gateway:
        headers |= {"cf-aig-log-id": uuid.uuid4().hex, "cf-aig-cache-status": "MISS", "cf-aig-step": "0"}
    return headers


def _retry_after_headers(fault: Fault) -> dict[str, str]:
    return {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}


def _parse_json(body: bytes) -> Any:
    try:
        return loads_strictly(body)
    except (ValueError, RecursionError) as error:
        raise ErrorResponse(5006, f"Bad input: SyntaxError: {error}") from error


def _inputs_from_raw(model: models.Model, request: _PendingRequest) -> Mapping[str, Any]:
    """Return the inputs of a call whose body is audio, an image or a form; the rest of them is in the query."""
    name = get_schema(model.name).raw_input
    if name is None:
        raise make_input_error("Type mismatch of '/', 'string' not in 'object'")
    if (name == "multipart") != request.media_type.startswith("multipart/"):
        raise make_input_error(f"required properties at '/' are '{name}'")
    return dict(request.call.query)


def _json_reply(status: int, value: Any, headers: Mapping[str, str] | None = None) -> _Reply:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _Reply(status, "application/json", text.encode("utf-8", "replace"), headers=headers or {})
