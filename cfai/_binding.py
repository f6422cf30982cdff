"""The binding `AI` of a Python Worker, in the place of the network: what a client of `Ai.from_binding` sends through.

It is a transport of httpx that sends no request: the binding is given what was prepared, a model with its inputs and
options, and answers with a `Response` of JavaScript. With `returnRawResponse` it raises nothing for a status and leaves
the body as it is, so that both are read as over REST.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Generator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, NoReturn, cast
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from cfai._config import BoundedWait
from cfai._errors import CfaiError, ConfigurationError
from cfai._json import to_builtins
from cfai._request import CREDENTIAL_HEADERS, ApiRequest, Medium, PreparedCall, RawBody

try:
    js: Any = import_module("js")
    ffi: Any = import_module("pyodide.ffi")
except ImportError:  # not in a Worker: a stand-in for the binding, in somebody's tests, has values of Python
    js = ffi = None
JsException: type[Exception] = ffi.JsException if ffi else Exception

TOKEN = "binding"
"""The API token of a client that has none."""

_ONLY_AWAITED = "a Worker waits for nothing but what is awaited: call `arun`, or the method with an `a` before its name"
_TAKES_NO_TOKEN = "gateway token: the binding of a Worker takes none, and needs none: leave it out"
_DROPPED_HEADERS = ("content-encoding", "content-length")
"""Headers of an answer that no longer hold: the runtime has unpacked its body."""
_OWN_HEADERS = (*CREDENTIAL_HEADERS, "accept", "accept-encoding", "content-type", "content-length", "user-agent")
"""Headers of a request that the binding sets, or has no use for."""
_NO_OPTIONS = ("collectLogPayload", "customCost", "byokAlias", "zdr", "noWholesale")
"""Options of a gateway that are headers alone: the binding would drop them without a word."""
_CODE = r"(?:\w+: )*[0-9]{3,5}: "
"""How the text of an error of the service begins, also where names stand before the code."""
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


class BindingTransport(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """A transport that carries the requests of a client to the binding."""

    def __init__(self, binding: Any) -> None:
        # The SDK of Python Workers wraps it, and makes other objects of what it takes and gives.
        self._binding = getattr(binding, "__dict__", {}).get("_binding", binding)

    def handle_request(self, request: httpx.Request) -> NoReturn:
        raise ConfigurationError(_ONLY_AWAITED)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call, timeouts = request.extensions["cfai_request"], request.extensions["timeout"]
        try:
            async with _limit_time(timeouts["read"]):
                with _abort_if_left() as signal:
                    is_run = isinstance(call, PreparedCall)
                    answer = await (self._run(call, signal) if is_run else self._call(call, signal))
        except TimeoutError as error:
            raise httpx.ReadTimeout("the binding gave no answer") from error
        except CfaiError:
            raise
        except JsException as error:
            return _build_error_response(error)
        return answer if isinstance(answer, httpx.Response) else _build_response(answer, timeouts)

    async def _run(self, call: PreparedCall, signal: dict[str, Any]) -> Any:
        """Return the binding's answer to a call of `run`."""
        inputs, options = await _build_arguments(call)
        return await self._binding.run(call.model, inputs, _to_js(options, **signal))

    async def _call(self, call: ApiRequest, signal: dict[str, Any]) -> Any:
        """Return what a member of the binding gives, as the answer to the request that stands for it over REST."""
        binding, url = self._binding, urlsplit(call.url)
        path = url.path.removeprefix("/client/v4/accounts/binding").lstrip("/")
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        match [call.method, *map(unquote, path.split("/"))]:
            case ["GET", "ai", "models", "search"]:
                result = await binding.models(_to_js(query))
            case ["POST", "ai", "tomarkdown"]:
                documents = [_to_document(part) for _, part in call.parts if isinstance(part, Medium)]
                options = {name: json.loads(part) for name, part in call.parts if isinstance(part, str)}
                if "gateway" in options:
                    options["gateway"] = _build_gateway(options["gateway"])
                if headers := _list_headers(call):
                    options["extraHeaders"] = headers
                given = [_to_js(options)] if options else []
                result = await binding.toMarkdown().transform(ffi.to_js(documents) if js else documents, *given)
            case ["GET", "ai", "tomarkdown", "supported"]:
                result = await binding.toMarkdown().supported()
            case ["GET", "ai-gateway", "gateways", id, "url", provider]:
                result = await binding.gateway(id).getUrl(provider)
            case ["GET", "ai-gateway", "gateways", id, "logs", log]:
                result = await binding.gateway(id).getLog(log)
            case ["PATCH", "ai-gateway", "gateways", id, "logs", log]:
                result = await binding.gateway(id).patchLog(log, _parse_json(call.body))
            case ["POST", "v1", "binding", id]:
                options = _to_js({"extraHeaders": _list_headers(call)}, **signal)
                return await binding.gateway(id).run(_parse_json(_complete_steps(call)), options)
            case ["GET", "autorag", "rags"]:
                result = await binding.autorag().list()
            case ["POST", "autorag", "rags", name, "search"]:
                result = await binding.autorag(name).search(_parse_json(call.body))
            case ["POST", "autorag", "rags", name, "ai-search"]:
                result = await binding.autorag(name).aiSearch(_parse_json(call.body))
                if call.wants_stream:
                    return result
            case _:
                hint = "make an `Ai` with an account and a token for it"
                raise ConfigurationError(f"`Ai.from_binding` has nothing for {call.method} {path}: {hint}")
        return httpx.Response(200, json={"success": True, "result": _from_js(result)})


def _limit_time(seconds: float | None) -> asyncio.Timeout:
    """Return a block that raises `TimeoutError` after so many seconds.

    Not one of anyio's: a timer of Pyodide's may come a moment early, when anyio asks for another one, which its event
    loop refuses if the moment has passed by then. Then none would ever come.
    """
    return asyncio.timeout(seconds.shorten(time.monotonic()) if isinstance(seconds, BoundedWait) else seconds)


@contextmanager
def _abort_if_left() -> Generator[dict[str, Any]]:
    """Give the option `signal`, by which a call that is cancelled, or out of time, ends at the binding too."""
    abort = js and js.AbortController.new()
    try:
        yield {"signal": abort.signal} if abort else {}
    except BaseException:
        if abort:
            abort.abort()
        raise


def _list_headers(call: ApiRequest) -> dict[str, str]:
    """Return the headers of a request that the binding is given."""
    return {name: value for name, value in call.headers.items() if name not in _OWN_HEADERS}


async def _build_arguments(call: PreparedCall) -> tuple[Any, dict[str, Any]]:
    """Return the inputs of `run`, as the binding takes them, and its options."""
    inputs, call_options = dict(call.inputs), call.options
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
    headers |= {name.lower(): value for name, value in (call_options.extra_headers or {}).items()}
    if call_options.session_affinity is not None:
        headers["x-session-affinity"] = call_options.session_affinity
    if headers:
        options["extraHeaders"] = headers
    if call_options.gateway is not None:
        options["gateway"] = _build_gateway(call_options.gateway)
    # Tags may have been a generator: what stood in it is in the URL.
    if tags := parse_qs(urlsplit(call.url).query).get("tags"):
        options["tags"] = tags[-1].split(",")
    if call_options.queue_request and "request_id" not in call.inputs:  # that asks after a batch
        options["queueRequest"] = True
    if call_options.reject_if_busy:
        options["rejectIfBusy"] = True
    return _to_js(inputs, **streams), options


def _build_gateway(gateway: Any) -> dict[str, Any]:
    """Return a gateway's options under the binding's own names. Raises `ConfigurationError` for a token."""
    if isinstance(gateway, str):
        return {"id": gateway}
    options = _to_camel_case(gateway)
    if options.pop("token", None):
        raise ConfigurationError(_TAKES_NO_TOKEN)
    if foreign := next((name for name in _NO_OPTIONS if name in options), None):
        header = "cf-aig-" + re.sub("([A-Z])", lambda found: f"-{found[1].lower()}", foreign)
        must = f"gateway {foreign}: the binding of a Worker has no such option"
        raise ConfigurationError(f"{must}: leave it out, or try the header {header!r} in `extra_headers`")
    if "retries" in options:
        options["retries"] = _to_camel_case(options["retries"])
    return options


def _to_camel_case(options: Mapping[str, Any]) -> dict[str, Any]:
    names = {name: re.sub("_([a-z])", lambda found: found[1].upper(), name) for name in options}
    return {names[name]: value for name, value in options.items() if value is not None}


def _build_response(answer: Any, timeouts: Mapping[str, float | None]) -> httpx.Response:
    """Return a `Response` of JavaScript as one of httpx, its body unread.

    Raises `ConfigurationError` for what is none.
    """
    try:
        status, body = answer.status, answer.body
        headers = [(str(name), str(value)) for name, value in answer.headers.entries()]
        reader = body.getReader() if body else None
    except AttributeError as error:
        must_be = "the binding must answer with a Response: `status`, `headers.entries()`, `body` with `getReader()`"
        raise ConfigurationError(f"{must_be}; got {type(answer).__name__}: {error}") from error
    headers = [(name, value) for name, value in headers if name.lower() not in _DROPPED_HEADERS]
    content: Any = {"stream": _Body(reader, timeouts)} if reader else {"content": b""}
    return httpx.Response(status, headers=headers, **content)


def _build_error_response(error: Any) -> httpx.Response:
    """Return what the binding raised as an answer. Raises `httpx.ReadError` if it is no word of the service."""
    name, message = getattr(error, "name", type(error).__name__), str(getattr(error, "message", error))
    if name not in _STATUSES and not re.match(_CODE, message):
        raise httpx.ReadError(f"{name}: {message}") from error
    return httpx.Response(
        _STATUSES.get(name, 400), json={"success": False, "errors": [{"name": name, "message": message}]}
    )


class _Body(httpx.AsyncByteStream):
    """The body of an answer, read from a `ReadableStream` of JavaScript."""

    def __init__(self, reader: Any, timeouts: Mapping[str, float | None]) -> None:
        self._reader = reader
        self._timeouts = timeouts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            try:
                async with _limit_time(self._timeouts["read"]):
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
    value = _parse_json(json.dumps(to_builtins(fields)))
    return (
        js.Object.assign(value, ffi.to_js(others, dict_converter=js.Object.fromEntries)) if js else {**value, **others}
    )


def _parse_json(text: Any) -> Any:
    """Return the value of JSON text, or of its bytes."""
    text = text.decode() if isinstance(text, bytes) else text
    return js.JSON.parse(text) if js else json.loads(text)


def _from_js(value: Any) -> Any:
    """Return what JSON has of a value: of a date its text."""
    text = js.JSON.stringify(value) if js else json.dumps(value, default=str)
    return json.loads(text) if isinstance(text, str) else None


async def _to_stream(content: Any) -> Any:
    """Return a `ReadableStream` of the body of a call. One of JavaScript stays what it is, and is never read here."""
    if hasattr(content, "getReader"):
        return content
    if isinstance(content, AsyncIterable):
        content = [piece async for piece in cast("AsyncIterable[bytes]", content)]
    if not isinstance(content, bytes):
        content = b"".join(content)
    return js.Response.new(ffi.to_js(content)).body if js else content


def _to_document(medium: Medium) -> Any:
    """Return a document as the binding takes it, with a `Blob`."""
    content = medium.read()
    blob = js.Blob.new(ffi.to_js([content]), _to_js({"type": medium.media_type})) if js else content
    return _to_js({"name": medium.filename}, blob=blob)


def _complete_steps(call: ApiRequest) -> str:
    """Return the steps of a gateway's call with their headers, without which the binding fails.

    Raises `ConfigurationError` for a token, and for that of a client which has none.
    """
    none = f"Bearer {TOKEN}"
    if call.headers["cf-aig-authorization"] != none:
        raise ConfigurationError(_TAKES_NO_TOKEN)
    body = cast("bytes", call.body)
    steps: list[dict[str, Any]] = [{"headers": {}, **step} for step in json.loads(body)]
    if any(step["headers"].get("Authorization") == none for step in steps):
        del steps, body  # with the keys of providers, which a traceback would show
        must = "`authorize` must be left out: over the binding of a Worker there is no API token to put into a step"
        raise ConfigurationError(f"{must}. Put one into its 'headers'")
    return json.dumps(steps)


def _to_bytes(piece: Any) -> bytes:
    """Return the bytes of a `Uint8Array`."""
    return piece.to_bytes() if js else bytes(piece)
