"""A stand-in for `env.AI`: what workerd's binding makes of a call, and of the answer, as its own tests tell it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.worker.javascript import (
    JsException,
    JsObject,
    Promise,
    ReadableStream,
    Response,
    to_python,
)

HOST = "https://workers-binding.ai"


@dataclass
class Request:
    """A request that the binding sends to its own host."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    signal: Any = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def model(self) -> str:
        return self.headers["cf-consn-model-id"]


Fetch = Callable[[Request], Awaitable[Response]]


def reply(body: Any, status: int = 200, **headers: str) -> Response:
    """Return an answer: JSON, or the pieces of another body, with underscores for the hyphens of headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, list) and "content_type" in headers:
        return Response(ReadableStream(body), status=status, headers=named)
    content = json.dumps(body).encode()
    return Response(ReadableStream([content]), status=status, headers={"content-type": "application/json", **named})


class Binding:
    """`env.AI`. What it sends is kept in `requests`."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.requests: list[Request] = []

    def run(self, model: str, inputs: Any, options: Any) -> Promise:
        return Promise(self._run(model, inputs, options))

    def models(self, parameters: Any) -> Promise:
        return Promise(self._models(parameters))

    async def _run(self, model: str, inputs: Any, options: Any) -> Any:
        assert isinstance(inputs, JsObject), "a dict of Python is a Map, or a proxy, for JavaScript"
        assert isinstance(options, JsObject)
        given = dict(vars(options))
        signal, own = given.pop("signal", None), given.pop("extraHeaders", None)
        prefix = given.pop("prefix", None)
        headers = {
            **(vars(own) if own else {}),
            "content-type": "application/json",
            "cf-consn-sdk-version": "2.0.0",
            "cf-consn-model-id": f"{prefix}:{model}" if prefix else model,
        }
        gateway = given.get("gateway")
        streams = {
            name: value
            for name, value in vars(inputs).items()
            if isinstance(value, JsObject) and isinstance(value.body, ReadableStream)
        }
        if len(streams) > 1:
            raise _internal(
                f"Multiple ReadableStreams are not supported. Found streams in keys: [{', '.join(streams)}]"
            )
        if streams:
            ((name, stream),) = streams.items()
            if gateway:
                raise _internal("AI Gateway does not support ReadableStreams yet.")
            if not stream.contentType:
                raise _internal("Content-Type is required with ReadableStream inputs")
            others = {key: value for key, value in vars(inputs).items() if key != name}
            query = {key: _to_string(value) for key, value in given.items()}
            query |= {"version": "3", "userInputs": json.dumps(to_python(JsObject(**others)), separators=(",", ":"))}
            body = b"".join([piece.to_bytes() async for piece in stream.body])
            headers["content-type"] = stream.contentType
            request = Request("POST", f"{HOST}/run?{urlencode(query)}", headers, body, signal)
        else:
            path = "/ai-gateway/run" if gateway and gateway.id else "/run"
            sent = {"inputs": to_python(inputs), "options": to_python(JsObject(**given))}
            request = Request("POST", f"{HOST}{path}?version=3", headers, json.dumps(sent).encode(), signal)
        response = await self._send(request)
        if options.returnRawResponse:
            return response
        raise AssertionError("cfai reads status, headers and body itself")

    async def _models(self, parameters: Any) -> Any:
        query = urlencode(to_python(parameters))
        request = Request("GET", f"{HOST}/ai-api/models/search{f'?{query}' if query else ''}")
        response = await self._send(request)
        body = json.loads(b"".join([piece.to_bytes() async for piece in response.body]))
        if response.status != 200:
            raise _internal(next((error["message"] for error in body["errors"]), "Internal Error"))
        return to_javascript(body["result"])

    async def _send(self, request: Request) -> Response:
        if request.signal and request.signal.aborted:
            raise JsException("AbortError", "The operation was aborted")
        self.requests.append(request)
        return await self._fetch(request)


def _internal(message: str) -> JsException:
    return JsException("AiInternalError", message)


def _to_string(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if hasattr(value, "length") else str(value)


def to_javascript(value: Any) -> Any:
    from tests.worker.javascript import JSON

    return JSON.parse(json.dumps(value))


def answering(*replies: Response | Mapping[str, Any]) -> Fetch:
    """Return what answers request after request."""
    left = list(replies)

    async def fetch(_: Request) -> Response:
        each = left.pop(0)
        return each if isinstance(each, Response) else reply(each)

    return fetch
