"""The binding `AI` of a Python Worker, in the place of the network: what a client of `Ai.from_binding` sends through.

It is a transport of httpx, below which no request is made of what was prepared: the binding is given the model, its
inputs and options, and answers with a `Response` of JavaScript. With `returnRawResponse` it raises nothing for a status,
and says nothing of its own about the body: both are read as over REST.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, NoReturn, cast
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx

from cfai._errors import ConfigurationError
from cfai._json import to_builtins
from cfai._request import ApiRequest, PreparedCall, RawBody

try:
    import js  # pyright: ignore[reportMissingImports]
    from pyodide.ffi import JsException, to_js  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
except ImportError:  # not in a Worker: a stand-in for the binding, in somebody's tests, has values of Python
    js, JsException = None, Exception

BASE_URL = "https://workers-binding.ai/client/v4"
"""The URL of requests that are never sent: the host is the one to which the binding itself speaks."""

_ONLY_AWAITED = "a Worker waits for nothing but what is awaited: call `arun`, or the method with an `a` before its name"
_DROPPED_HEADERS = ("content-encoding", "content-length")
"""Headers of an answer that no longer hold: the runtime has unpacked its body."""
_CODE = r"[0-9]{3,5}: "
_STATUSES = {
    "AiGatewayLogNotFound": 404,
    "AutoRAGNotFoundError": 404,
    "AutoRAGUnauthorizedError": 401,
    "InferenceUpstreamError": 400,
    "AiInternalError": 500,
    "AiGatewayInternalError": 500,
    "AutoRAGInternalError": 500,
}
"""The statuses behind the errors that the binding raises, by name, where it gives no response."""


_MISSING: Any = object()


class BindingTransport(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """What carries the requests of a client to the binding."""

    def __init__(self, binding: Any) -> None:
        self._binding = binding

    def handle_request(self, request: httpx.Request) -> NoReturn:
        raise ConfigurationError(_ONLY_AWAITED)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call, timeouts = request.extensions["cfai_request"], request.extensions["timeout"]
        try:
            with anyio.fail_after(timeouts["read"]):
                return await (
                    self._run(call, timeouts) if isinstance(call, PreparedCall) else self._call_member(call)
                )
        except TimeoutError as error:
            raise httpx.ReadTimeout("the binding gave no answer") from error

    async def _run(self, call: PreparedCall, timeouts: Mapping[str, float | None]) -> httpx.Response:
        """Return the binding's answer to a call."""
        abort = js and js.AbortController.new()
        inputs, options = await _build_arguments(call, abort)
        try:
            answer = await self._binding.run(call.model, inputs, options)
        except JsException as error:
            return _build_error_response(error)
        except BaseException:  # cancelled: nobody waits for the model any more
            if abort:
                abort.abort()
            raise
        return _build_response(answer, timeouts)

    async def _call_member(self, call: ApiRequest) -> httpx.Response:
        """Return what a member of the binding gives, as the answer to the request that stands for it over REST."""
        binding, url = self._binding, urlsplit(call.url)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        path = url.path.removeprefix("/client/v4/accounts/binding/")
        try:
            match [call.method, *path.split("/")]:
                case ["GET", "ai", "models", "search"]:
                    result = await binding.models(_to_js(query))
                case _:
                    result = _MISSING
        except JsException as error:
            return _build_error_response(error)
        if result is _MISSING:
            other = "make an `Ai` with an account and a token for it"
            raise ConfigurationError(f"the binding of a Worker has no member for {call.method} {path}: {other}")
        return httpx.Response(200, json={"success": True, "result": _from_js(result)})


async def _build_arguments(call: PreparedCall, abort: Any) -> tuple[Any, Any]:
    """Return the inputs and the options of `run`, as the binding takes them."""
    inputs, given = dict(call.inputs), call.options
    streams: dict[str, Any] = {}
    for name, value in call.inputs.items():
        if isinstance(value, RawBody):
            if name == "(body)":  # a form, in which all inputs are
                name = "multipart"
                inputs.clear()
            inputs.pop(name, None)
            streams[name] = _to_js({"contentType": value.content_type}, body=await _to_stream(value.content))
    options: dict[str, Any] = {"returnRawResponse": True}
    headers = {**call.config.credentials.default_headers.value}
    headers |= {name.lower(): value for name, value in (given.extra_headers or {}).items()}
    if given.session_affinity is not None:
        headers["x-session-affinity"] = given.session_affinity
    if headers:
        options["extraHeaders"] = headers
    if given.gateway is not None:
        options["gateway"] = _build_gateway(given.gateway)
    # Tags may have been a generator: what stood in it is in the URL.
    if tags := parse_qs(urlsplit(call.url).query).get("tags"):
        options["tags"] = tags[-1].split(",")
    if given.queue_request:
        options["queueRequest"] = True
    if given.reject_if_busy:
        options["rejectIfBusy"] = True
    return _to_js(inputs, **streams), _to_js(options, **({"signal": abort.signal} if abort else {}))


def _build_gateway(gateway: Any) -> dict[str, Any]:
    """Return a gateway's options under the binding's own names. Raises `ConfigurationError` for a token."""
    if isinstance(gateway, str):
        return {"id": gateway}
    options = _to_camel_case(gateway)
    if options.pop("token", None):
        raise ConfigurationError("gateway token: the binding of a Worker takes none, and needs none: leave it out")
    if "retries" in options:
        options["retries"] = _to_camel_case(options["retries"])
    return options


def _to_camel_case(options: Mapping[str, Any]) -> dict[str, Any]:
    names = {name: re.sub("_([a-z])", lambda found: found[1].upper(), name) for name in options}
    return {names[name]: value for name, value in options.items() if value is not None}


def _build_response(answer: Any, timeouts: Mapping[str, float | None]) -> httpx.Response:
    """Return a `Response` of JavaScript as one of httpx, its body unread."""
    headers = [(str(name), str(value)) for name, value in answer.headers.entries()]
    headers = [(name, value) for name, value in headers if name.lower() not in _DROPPED_HEADERS]
    if not answer.body:
        return httpx.Response(answer.status, headers=headers, content=b"")
    return httpx.Response(answer.status, headers=headers, stream=_Body(answer.body.getReader(), timeouts))


def _build_error_response(error: Any) -> httpx.Response:
    """Return what the binding raised as an answer. Raises `httpx.ReadError` if it is no word of the service."""
    name, message = getattr(error, "name", type(error).__name__), str(getattr(error, "message", error))
    if name not in _STATUSES and not re.match(_CODE, message):
        raise httpx.ReadError(f"{name}: {message}") from error
    return httpx.Response(_STATUSES.get(name, 400), json={"name": name, "message": message})


class _Body(httpx.AsyncByteStream):
    """The body of an answer, read from a `ReadableStream` of JavaScript."""

    def __init__(self, reader: Any, timeouts: Mapping[str, float | None]) -> None:
        self._reader = reader
        self._timeouts = timeouts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            try:
                with anyio.fail_after(self._timeouts["read"]):
                    piece = await self._reader.read()
            except TimeoutError as error:
                raise httpx.ReadTimeout("the binding gave nothing more") from error
            except JsException as error:
                raise httpx.ReadError(str(error)) from error
            if piece.done:
                return
            yield _to_bytes(piece.value)

    async def aclose(self) -> None:
        """Read no further: the model stops."""
        with suppress(JsException):  # of a body that broke
            await self._reader.cancel()


# Values of Python and of JavaScript


def _to_js(fields: Mapping[str, Any], **others: Any) -> Any:
    """Return an object of what JSON can hold, and of others that are JavaScript's already.

    By way of JSON: `to_js` makes `undefined` of `None`, which the binding's own JSON then lacks.
    """
    if js is None:
        return {**cast("dict[str, Any]", to_builtins(fields)), **others}
    fields = js.JSON.parse(json.dumps(to_builtins(fields)))
    return js.Object.assign(fields, to_js(others, dict_converter=js.Object.fromEntries))


def _from_js(value: Any) -> Any:
    """Return a value of JSON's, dates as text."""
    if js is None:
        return value
    text = js.JSON.stringify(value)
    return json.loads(text) if isinstance(text, str) else None


async def _to_stream(content: Any) -> Any:
    """Return a `ReadableStream` of the body of a call. One of JavaScript stays what it is, and is never read here."""
    if hasattr(content, "getReader"):
        return content
    if isinstance(content, AsyncIterable):
        content = [piece async for piece in cast("AsyncIterable[bytes]", content)]
    if not isinstance(content, bytes):
        content = b"".join(content)
    return js.Response.new(to_js(content)).body if js else content


def _to_bytes(piece: Any) -> bytes:
    """Return the bytes of a `Uint8Array`."""
    return piece.to_bytes() if js else bytes(piece)
