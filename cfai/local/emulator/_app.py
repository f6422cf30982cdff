"""The service itself: a request in, an answer out, in the order in which the real one looks at things."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, cast
from urllib.parse import parse_qs

from cfai import models
from cfai._repr import short_repr
from cfai._resources.batches import takes_batches
from cfai.local._json import as_object, loads_strictly
from cfai.local._models import get_schema
from cfai.local.emulator._batches import MAX_BATCH_SIZE, Batches
from cfai.local.emulator._delivery import Reply, build_json_reply, send_reply
from cfai.local.emulator._gateway import GatewayCalls
from cfai.local.emulator._generate import writes_text
from cfai.local.emulator._media import Media, read_all_media
from cfai.local.emulator._realtime import Session, compute_neurons, find_session, hold_session
from cfai.local.emulator._run import Engine, Result, begin_stream, run_whole
from cfai.local.emulator._text import TextKind
from cfai.local.emulator._validate import check_inputs, check_raw_inputs, check_session
from cfai.local.faults import FAULT_HEADER, Fault, Script, UnfitFaultError
from cfai.local.quotas import Allowance, Quotas
from cfai.local.resources import GATEWAYS, SURFACES, Finetunes, GatewayLogs, ResourceRequest
from cfai.local.routes import (
    BINDING_HOST,
    REST,
    Listing,
    MatchedRoute,
    ResourceRoute,
    Route,
    RoutedCall,
    UniversalRoute,
    match_route,
    unwrap_request,
)
from cfai.local.server import CREDENTIAL_HEADERS, AccessRules, Application, Connection, RawRequest, WebSocketConnection
from cfai.local.wire import (
    CODES_BY_STATUS,
    RESOURCE_CODES_BY_STATUS,
    ErrorResponse,
    Generation,
    Parts,
    build_envelope,
    make_input_error,
)
from cfai.types._media_types import find_media_type

_RAW_TYPES = ("audio/", "image/", "video/", "multipart/form-data", "application/octet-stream")
_HTML = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>Error {0}</h1><p>cloudflare</p></body></html>"


@dataclass(frozen=True, slots=True)
class EmulatorConfig:
    """The configuration of an emulator, as `Emulator` describes it, and what it is told of requests."""

    tokens_per_second: float | None
    lenient_paths: bool
    retired: Literal["serve", "refuse"]
    engine: Engine | None
    text: TextKind
    allowance: Allowance
    script: Script
    note_request: Callable[[RecordedRequest], None]
    note_disconnect: Callable[[], None]


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request for a model, as it came."""

    __repr__ = short_repr

    model: str
    """The model as the request names it."""

    inputs: Any
    """The JSON that was sent, or the bytes of any other body."""

    headers: Mapping[str, str]
    """All headers but the credentials, names in lower case."""

    path: str
    """The path as it came, still encoded."""

    query: Mapping[str, str | list[str]]
    """The query's parameters: a list for one that has several values."""

    gateway: str | None = None
    """The id of the AI Gateway it came through."""

    fault: str = "ok"
    """The fault of its answer: the name of the scenario, or the `Fault` as text."""

    received_at: float = 0.0
    """When it came, in seconds since 1970, by the emulator's `clock`."""


class EmulatorApp(Application):
    """The ASGI application."""

    own_hosts = (BINDING_HOST,)
    opens_websockets = True

    def __init__(self, display_name: str, access: AccessRules, config: EmulatorConfig) -> None:
        super().__init__(display_name, access)
        self._config = config
        self._batches = Batches(self._run_batch_item)
        self._quotas = Quotas(config.allowance)
        made = {make: make() for make in SURFACES.values()}
        self._surfaces = {prefix: made[make] for prefix, make in SURFACES.items()}
        self._gateways = GatewayCalls(cast(GatewayLogs, self._surfaces[GATEWAYS]))
        # Now, and not on the event loop of the server while a request is answered.
        read_all_media()
        for name in models.catalogue():
            get_schema(name)

    async def aclose(self) -> None:
        """End the batches, and free what the engine holds."""
        await self._batches.aclose()
        if self._config.engine is not None:
            await self._config.engine.aclose()

    async def answer(self, connection: Connection, request: RawRequest) -> None:
        """Answer a request. A place at a model is let go when that is over."""
        fault, route = Fault(), REST
        async with AsyncExitStack() as cleanup:
            try:
                request = unwrap_request(request)
                matched = self._authorize(request)
                if matched.route.method not in (None, request.method):
                    raise ErrorResponse(7001, f"Method {request.method} not available for that URI.")
                route = matched.route
                call = _parse(matched, request)
                fault = self._next_fault(call)
                reply = _build_failure(fault, route) or await connection.run_until_gone(self._run(call, fault, cleanup))
            except (ErrorResponse, RecursionError) as error:
                refusal = error if isinstance(error, ErrorResponse) else make_input_error("nested too deeply")
                headers = {**_build_retry_after_headers(fault), **refusal.headers}
                reply = build_json_reply(refusal.status, route.build_error(refusal, request.id), headers)
            except UnfitFaultError as mistake:
                reply, fault = Reply(400, "text/plain", f"{mistake}\n".encode()), Fault()
            if reply is not None:
                tokens = await send_reply(connection, reply, fault, request.id, self._config.tokens_per_second)
                if reply.stream is not None:
                    self._quotas.charge(reply.stream[0].compute_cost(tokens))
        if connection.left_by_client:
            self._config.note_disconnect()

    async def converse(self, websocket: WebSocketConnection, request: RawRequest) -> None:
        """Open a realtime session, or refuse it as a call is refused."""
        fault = Fault()
        opened: Reply | tuple[models.Model, Session]
        async with AsyncExitStack() as cleanup:
            try:
                matched = self._authorize(request)
                if matched.route is not REST:
                    raise ErrorResponse(7001, "Method GET not available for that URI.")
                query = request.parameters
                call = RoutedCall(REST, request, matched.model or "", query, query, matched.gateway)
                fault = self._next_fault(call)
                fault.check_applies_to_websocket()
                opened = _build_failure(fault, REST) or await self._open_session(call, cleanup)
            except ErrorResponse as refusal:
                body, headers = refusal.to_body(request.id), _build_retry_after_headers(fault)
                opened = build_json_reply(refusal.status, body, headers)
            except UnfitFaultError as mistake:
                opened = Reply(400, "text/plain", f"{mistake}\n".encode())
            await asyncio.sleep(fault.delay)
            if fault.hang_up or fault.reset or fault.raw is not None:
                return await websocket.cut(fault.raw or b"", reset=fault.reset)
            if isinstance(opened, Reply):
                return await websocket.refuse(opened.status, opened.content_type, opened.body, opened.headers)
            model, session = opened
            await websocket.accept({"cf-ai-req-id": request.id, "cf-ray": f"{uuid.uuid4().hex[:16]}-LHR"})
            await hold_session(websocket, session, fault)
            self._quotas.charge(compute_neurons(model, session))
            if websocket.left_by_client:
                self._config.note_disconnect()

    async def _open_session(self, call: RoutedCall, cleanup: AsyncExitStack) -> tuple[models.Model, Session]:
        """Return a model and its side of a session, if its parameters are right. Raises `ErrorResponse`."""
        model = models.catalogue().get(call.model)
        if model is None:
            raise ErrorResponse(5007, f"No such model: No such model {call.model} or task")
        self._quotas.admit(model)
        kind = find_session(model)
        if kind is None:
            raise make_input_error("this model is not reached by WebSocket")
        check_session(model, call.query)
        cleanup.callback(await self._quotas.acquire(model, reject_if_busy=False))
        return model, kind(call.query)

    def _authorize(self, request: RawRequest) -> MatchedRoute:
        """Return the route of a request that may use it, its account and its gateway. Raises `ErrorResponse`."""
        matched = match_route(request, lenient=self._config.lenient_paths)
        # Only the `default` gateway has its authentication on here, as it has when the service makes it.
        locked = matched.on_gateway_host and matched.gateway == "default"
        if locked and request.headers.get("cf-aig-authorization") != self.access.bearer:
            raise ErrorResponse(2009)
        self.access.check_credentials(
            request.headers,
            matched.account,
            request.path,
            takes_gateway_token=matched.route.takes_gateway_token,
        )
        return matched

    def _next_fault(self, call: RoutedCall) -> Fault:
        """Return what is to go wrong with a call, and log it unless it lists what there is."""
        streams = bool(as_object(call.inputs).get("stream"))
        try:
            fault = self._config.script.next(call.request.headers.get(FAULT_HEADER), streams=streams)
        except ValueError as mistake:
            raise UnfitFaultError(str(mistake)) from mistake
        if not isinstance(call.route, Listing):
            path, sent = call.request.path, call.request.headers
            headers = {name: value for name, value in sent.items() if name not in CREDENTIAL_HEADERS}
            values = parse_qs(call.request.query, keep_blank_values=True).items()
            query = {**call.query, **{name: each for name, each in values if len(each) > 1}}
            received = RecordedRequest(
                call.model, call.inputs, headers, path, query, call.gateway, str(fault), self._quotas.now()
            )
            self._config.note_request(received)
        return fault

    async def _run(self, call: RoutedCall, fault: Fault, cleanup: AsyncExitStack) -> Reply:
        route = call.route
        if isinstance(route, Listing):
            _check_fault(fault, streams=False)
            return build_json_reply(200, route.build_page(call.query, self._quotas.now()))
        if isinstance(route, ResourceRoute):
            _check_fault(fault, streams=False)
            return await self._answer_resource(route, call.request)
        if isinstance(route, UniversalRoute):
            return await self._run_steps(route, call, fault, cleanup)
        return await (self._run_through_gateway if call.gateway else self._run_model)(call, fault, cleanup)

    async def _run_steps(self, route: UniversalRoute, call: RoutedCall, fault: Fault, cleanup: AsyncExitStack) -> Reply:
        """Return the answer of the first step that has one. Raises the error of the last, if none has."""
        failure = ErrorResponse(2005)
        for number, step in enumerate(call.inputs):
            try:
                own = route.build_step(call, step, self.access)
                return await self._run_through_gateway(own, fault, cleanup, number)
            except ErrorResponse as error:
                failure = error
        raise failure

    async def _run_through_gateway(
        self, call: RoutedCall, fault: Fault, cleanup: AsyncExitStack, step: int = 0
    ) -> Reply:
        return await self._gateways.run(call, partial(self._run_model, call, fault, cleanup), self._quotas.now(), step)

    async def _run_model(self, call: RoutedCall, fault: Fault, cleanup: AsyncExitStack) -> Reply:
        route = call.route
        known = models.catalogue().get(call.served_by)
        if known is not None and known.retired_on and self._config.retired == "refuse":
            raise ErrorResponse(5028, f"Model has been deprecated: it ended on {known.retired_on}, use another")
        model = known and route.accept(known)
        if model is None:
            raise ErrorResponse(5007, f"No such model: No such model {call.model} or task")
        if (queued := await self._queue_or_poll(model, call, fault)) is not None:
            return build_json_reply(200, route.build_body(queued, call, 0))
        self._quotas.admit(model)
        if isinstance(call.inputs, bytes):
            content_type = call.request.headers.get("content-type", "")
            inputs = check_raw_inputs(model, call.inputs, content_type, call.query)
        else:
            inputs = check_inputs(model, call.inputs, takes_streams=route.takes_streams)
        self._check_lora(model, inputs)
        cleanup.callback(await self._quotas.acquire(model, reject_if_busy=call.reject_if_busy))
        streams = _wants_stream(model, inputs)
        _check_fault(fault, streams=streams)
        if streams and not fault.whole:
            generation, parts = await begin_stream(
                self._config.engine, self._config.text, model, inputs, call.request.id, cleanup
            )
            generation.includes_usage = route.includes_usage(call)
            events = await _rewrite(parts, fault, generation)
            return Reply(200, "text/event-stream", stream=(generation, events))
        result = await self._run_whole(model, inputs)
        if isinstance(result.value, Media):
            return Reply(200, result.value.content_type, result.value.content)
        body = route.build_body(result.value, call, result.prompt_tokens)
        # A stream's cost is not known in time.
        headers = {"cf-ai-neurons": f"{result.neurons:.6f}".rstrip("0").rstrip(".")} if result.neurons else {}
        return build_json_reply(200, body, headers, result.tokens)

    async def _answer_resource(self, route: ResourceRoute, request: RawRequest) -> Reply:
        reply = await self._surfaces[route.prefix].answer(
            ResourceRequest(request, route.account, route.path, self._quotas.now())
        )
        if reply.content is None:
            return build_json_reply(200, reply.value, reply.headers)
        return Reply(200, reply.content_type, reply.content, headers=reply.headers)

    def _check_lora(self, model: models.Model, inputs: Mapping[str, Any]) -> None:
        finetunes = self._surfaces["ai", "finetunes"]
        if isinstance(finetunes, Finetunes) and inputs.get("lora"):
            finetunes.check(model.name, inputs["lora"])

    async def _run_whole(self, model: models.Model, inputs: Mapping[str, Any]) -> Result:
        result = await run_whole(self._config.engine, self._config.text, model, inputs)
        self._quotas.charge(result.neurons)
        return result

    async def _run_batch_item(self, model: models.Model, inputs: Any) -> Result:
        """Return one result of a batch, which costs what it would cost by itself."""
        inputs = check_inputs(model, inputs)
        self._check_lora(model, inputs)
        result = await self._run_whole(model, inputs)
        if isinstance(result.value, Media):
            result = replace(result, value={"data": base64.b64encode(result.value.content).decode()})
        return result

    async def _queue_or_poll(self, model: models.Model, call: RoutedCall, fault: Fault) -> Any:
        """Return the result of a batch call, or `None` if it is not one."""
        inputs = as_object(call.inputs)
        is_poll = "request_id" in inputs
        if not is_poll and (call.query.get("queueRequest") != "true" or "requests" not in inputs):
            return None
        if not takes_batches(model):
            return None  # neither is an input of it, which the check of its inputs says
        _check_fault(fault, streams=False)
        if is_poll:
            # No call of the model: what was handed in is given out, whatever else was used up meanwhile.
            return await self._batches.poll(model, str(inputs["request_id"]))
        self._quotas.admit(model)
        if len(call.request.body or b"") >= MAX_BATCH_SIZE:
            raise ErrorResponse(3006)
        return self._batches.submit(model, inputs)


def _build_failure(fault: Fault, route: Route) -> Reply | None:
    """Return the reply that a fault asks for instead of an answer."""
    headers = _build_retry_after_headers(fault)
    if fault.html:
        return Reply(fault.html, "text/html; charset=UTF-8", _HTML.format(fault.html).encode(), headers=headers)
    if fault.body is not None:
        return Reply(fault.status or 200, "application/json", fault.body, headers=headers)
    if fault.status or (fault.code and fault.error_after is None):
        codes = RESOURCE_CODES_BY_STATUS if isinstance(route, ResourceRoute) else CODES_BY_STATUS
        code = codes.get(fault.status or 0) if fault.code is None else fault.code
        raise ErrorResponse(code, fault.message, status=fault.status)
    return build_json_reply(200, build_envelope({}) if route.has_envelope else {}) if fault.empty else None


def _check_fault(fault: Fault, *, streams: bool) -> None:
    """Raise the error that a fault has inside a stream, where the answer is none, or that it needs a stream."""
    fault.check_applies(streams)
    if fault.error_after is not None and (fault.whole or not streams):
        raise ErrorResponse(fault.code or 3040, fault.message)


async def _rewrite(events: Parts, fault: Fault, generation: Generation) -> Parts:
    """Return the events of a stream with the defect of a fault."""
    if fault.defect and not isinstance(events, Iterable):
        # A defect is made in a whole stream: an engine's is waited for.
        async with aclosing(events):
            events = [event async for event in events]
    return fault.rewrite(events, generation.usage()) if isinstance(events, Iterable) else events


def _build_retry_after_headers(fault: Fault) -> dict[str, str]:
    return {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}


def _parse(matched: MatchedRoute, request: RawRequest) -> RoutedCall:
    """Return what a request asks for. Raises `ErrorResponse`."""
    if isinstance(matched.route, Listing):
        return RoutedCall(matched.route, request, "", None, request.parameters)
    if request.body is None:
        raise ErrorResponse(3006)
    if isinstance(matched.route, ResourceRoute):
        return RoutedCall(matched.route, request, "", _read_resource_body(request), request.parameters)
    if not request.body:
        raise ErrorResponse(3003)
    try:
        body = request.body if _is_raw(request) else loads_strictly(request.body)
    except (ValueError, RecursionError) as error:
        raise ErrorResponse(5006, f"Bad input: SyntaxError: {error}") from error
    return matched.route.parse(request, matched.model, matched.gateway, body)


def _read_resource_body(request: RawRequest) -> Any:
    """Return the JSON of a body, for the log of requests, or its bytes; `None` for none."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return request.body or None
    with suppress(ValueError, RecursionError):  # the surface refuses it
        return loads_strictly(request.body or b"")
    return request.body


def _is_raw(request: RawRequest) -> bool:
    """Return True if a body is a sound, an image or a form: it is declared as one, or begins like one and is no JSON.

    `curl --data-binary` declares a form of another kind, whatever it sends.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if media_type.startswith(_RAW_TYPES):
        return True
    return media_type != "application/json" and find_media_type(request.body or b"") is not None


def _wants_stream(model: models.Model, inputs: Mapping[str, Any]) -> bool:
    """Return True if a call is answered with a stream: asked for, or by the model's default."""
    known = get_schema(model.name)
    default = known.parameters["stream"].rules.get("default") if "stream" in known.parameters else False
    return bool(inputs.get("stream", default)) and writes_text(model, inputs) and "no streaming" not in known.output
