"""Operations of the API: a request each, and how its answer is read. What the modules beside this one are made of."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import reduce
from operator import getitem
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from cfai._config import NOT_GIVEN, ClientConfig
from cfai._credentials import describe
from cfai._errors import (
    AiInternalError,
    APIResponseValidationError,
    ConfigurationError,
    InferenceUpstreamError,
    InputError,
)
from cfai._json import as_sequence, find_unsendable, is_mapping, join_surrogates, loads, to_builtins
from cfai._log import log_operation
from cfai._request import ApiRequest, Medium
from cfai._response import (
    ApiResponse,
    body_reports_error,
    build_response_error,
    build_unreadable_error,
    to_utf8,
    unwrap,
)
from cfai._transport import ClientPool, asend, send
from cfai._version import __version__

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_NO_SEGMENTS = ("", ".", "..")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Operation(Generic[T]):
    """One request to the API of an account, and how its answer is read."""

    method: str = "GET"
    path: str
    """Behind `/accounts/{account}`, as `build_path` makes it; or a whole URL, of another host."""
    query: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The parameters of the URL: those that are `None` are left out, a list has its name several times."""
    json: Any = field(default=NOT_GIVEN, repr=False)
    """The body, as Python holds it."""
    body: bytes | Iterable[bytes] | AsyncIterable[bytes] = field(default=b"", repr=False)
    """A body that is no JSON."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Names in lower case. They beat all others."""
    token_header: str = "authorization"
    """The header that the API token goes into."""
    body_secrets: tuple[str, ...] = field(default=(), repr=False)
    """The credentials that stand in the body: what an answer echoes of them is taken out."""
    parts: Sequence[tuple[str, str | Medium]] = field(default=(), repr=False)
    """The fields of a form of documents."""

    model: str = ""
    """The model that it is about, for errors and the log."""
    read: Callable[[ApiResponse, ApiRequest], T]
    """What makes the result of an answer."""
    map_error: Callable[[InferenceUpstreamError], Exception] | None = None
    """What makes the surface's own error of an answer's."""
    makes_something: bool = False
    """True if it makes what there may be once: it is not sent again after a 5xx, under which it may have been done."""
    wants_stream: bool = False
    wants_raw: bool = False
    wants_file: bool = False
    """True if the body is read while it comes, whatever it is."""


class AccountApi:
    """The API of an account, over the connections of an `Ai`."""

    def __init__(self, config: ClientConfig, pool: ClientPool) -> None:
        self.config = config
        self._pool = pool

    def call(self, operation: Operation[T]) -> T:
        """Send an operation's request, and return what its answer says. Raises what the service reports."""
        request = build_request(self.config, operation)
        try:
            response = send(self._pool, request)
            _log(request, response)
            return operation.read(response, request)
        except InferenceUpstreamError as error:
            raise _map_error(operation, error) from None

    async def acall(self, operation: Operation[T]) -> T:
        """Send an operation's request, awaited, and return what its answer says. Raises what the service reports."""
        request = build_request(self.config, operation)
        try:
            response = await asend(self._pool, request)
            _log(request, response)
            return operation.read(response, request)
        except InferenceUpstreamError as error:
            raise _map_error(operation, error) from None


def _map_error(operation: Operation[Any], error: InferenceUpstreamError) -> Exception:
    """Return the surface's own error. One under which something may have been made is not safe to send again."""
    is_unsure = operation.makes_something and (error.status_code or 0) >= 500
    if is_unsure:
        error.retryable = False
    mapped = operation.map_error(error) if operation.map_error else error
    if is_unsure:
        mapped.add_note("It may have been done all the same: look whether it is there before you send it again")
    return mapped


def _log(request: ApiRequest, response: ApiResponse) -> None:
    """Log an answer that is whole, or raw. A stream logs itself, at its end."""
    if response.content is not None or request.wants_raw:
        log_operation(request.label, response.meta, response.budget.elapsed(time.monotonic()), response.attempts)


def build_path(*segments: str) -> str:
    """Return a path of segments, each quoted. Raises `ConfigurationError` for one that would change the others.

    >>> build_path("ai-gateway", "gateways", "my gateway")
    '/ai-gateway/gateways/my%20gateway'
    """
    for segment in segments:
        if not isinstance(segment, str) or segment in _NO_SEGMENTS or "/" in segment:  # pyright: ignore[reportUnnecessaryIsInstance]
            got = "one with '/'" if isinstance(segment, str) and "/" in segment else describe(segment)  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"an id must be a string without '/', and not empty, got {got}")
        if problem := find_unsendable(segment, "an id"):
            raise ConfigurationError(problem)
    return "".join(f"/{quote(segment, safe='@:')}" for segment in segments)


def build_request(config: ClientConfig, operation: Operation[Any]) -> ApiRequest:
    """Return the request of an operation. Raises `InputError` for what JSON cannot hold."""
    credentials, url = config.credentials, operation.path
    if url.startswith("/"):
        url = f"{credentials.base_url}/accounts/{quote(credentials.account_id, safe='')}{url}"
    query = urlencode(
        [(name, _to_query_text(each, name)) for name, value in operation.query.items() for each in _list_values(value)]
    )
    body = operation.body if operation.json is NOT_GIVEN else encode_json(operation.json)
    headers = {"user-agent": f"cfai/{__version__}", "accept": "*/*", **credentials.default_headers.value}
    if operation.json is not NOT_GIVEN:
        headers["content-type"] = "application/json"
    if operation.wants_stream:
        headers["accept-encoding"] = "identity"  # a compressed stream arrives late, in lumps
    headers[operation.token_header] = f"Bearer {credentials.token.value}"
    return ApiRequest(
        config=config,
        method=operation.method,
        url=f"{url}?{query}" if query else url,
        headers={**headers, **operation.headers},
        body=body,
        body_secrets=operation.body_secrets,
        parts=operation.parts,
        model=operation.model,
        makes_something=operation.makes_something,
        wants_stream=operation.wants_stream,
        wants_raw=operation.wants_raw,
        wants_file=operation.wants_file,
    )


def encode_json(value: Any, place: str = "inputs") -> bytes:
    """Return a value as compact JSON. Raises `InputError`, which names what JSON cannot hold."""
    with suppress(TypeError, ValueError, RecursionError):
        return json.dumps(to_builtins(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    problem = find_unsendable(value, place) or f"{place}: cannot be sent as JSON"
    del value  # it may hold credentials, which a traceback would show
    raise InputError(problem)


def _list_values(value: Any) -> list[Any]:
    if value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list | tuple) else [value]


def _to_query_text(value: Any, name: str) -> str:
    """Return a parameter as text: `true` and `false` for booleans, JSON for what is nested. Raises `InputError`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    encoded = encode_json(value, name).decode()
    return value if isinstance(value, str) else encoded


# How answers are read


def read_body(response: ApiResponse, request: ApiRequest) -> Any:
    """Return the JSON of an answer with its envelope. Raises what it reports."""
    content = to_utf8(response.content or b"")
    try:
        body = _load(content) if content.strip() else None
    except (ValueError, RecursionError):
        raise make_unreadable_error("the answer is no JSON", response, request) from None
    if body_reports_error(body):
        raise build_response_error(response, request, content, time.time())
    return body


def _load(content: bytes) -> Any:
    """Return the value of a JSON text, with U+FFFD for what is no character: documents do hold such bytes."""
    try:
        return from_json(content)
    except ValueError:
        return from_json(join_surrogates(json.dumps(loads(content), ensure_ascii=False)))


def read_result(response: ApiResponse, request: ApiRequest) -> Any:
    """Return the result of an answer, without its envelope."""
    return get_result(read_body(response, request))


def get_result(body: Any) -> Any:
    """Return what stands in the envelope of a body. No model wrote it, so a key that is new makes it no result."""
    is_envelope = is_mapping(body) and "result" in body and "success" in body
    return body["result"] if is_envelope else unwrap(body)


def read_nothing(response: ApiResponse, request: ApiRequest) -> None:
    """Read an answer that says no more than that it was done: an envelope, or no body at all."""
    body = read_body(response, request)
    if body is not None and not is_mapping(body):
        raise make_unreadable_error(f"the answer must be an object, got {type(body).__name__}", response, request)


def read_as(kind: type[M]) -> Callable[[ApiResponse, ApiRequest], M]:
    """Return what reads a result as a model of pydantic; its `meta` is of the answer, if it has one."""

    def read(response: ApiResponse, request: ApiRequest) -> M:
        return validate(kind, read_result(response, request), response, request)

    return read


def read_list_of(kind: type[M]) -> Callable[[ApiResponse, ApiRequest], list[M]]:
    """Return what reads a result that is a list."""

    def read(response: ApiResponse, request: ApiRequest) -> list[M]:
        return validate_list(kind, read_result(response, request), response, request)

    return read


def validate(kind: type[M], value: Any, response: ApiResponse, request: ApiRequest) -> M:
    """Return a value as a model of pydantic. Raises `APIResponseValidationError` for what is no object at all.

    A field of another type than is known stays as it came: better unchecked than all others lost.
    """
    try:
        try:
            model = kind.model_validate(value)
        except ValidationError as error:
            model = _validate_others(kind, value, error)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "the result"
        raise make_unreadable_error(f"{place}: {problem['msg']}", response, request) from None
    if hasattr(model, "_meta"):
        model._meta = response.meta  # pyright: ignore[reportAttributeAccessIssue]
    return model


def _validate_others(kind: type[M], value: Any, error: ValidationError) -> M:
    """Return a value as a model whose fields that `error` is about are unchecked. Raises `ValidationError`."""
    problems = error.errors()
    paths = sorted({_find_field(value, problem["loc"]) for problem in problems}, key=len)
    checked, fields = deepcopy(value), dict[tuple[Any, ...], Any]()
    for path in paths:
        if not path:
            raise error
        if not any(path[: len(outer)] == outer for outer in fields):
            fields[path] = reduce(getitem, path[:-1], checked).pop(path[-1])
    model = kind.model_validate(checked)
    for path, field_value in fields.items():
        owner: Any = reduce(getitem, path[:-1], cast("Any", model))
        if isinstance(owner, dict):
            owner[path[-1]] = field_value
        else:
            setattr(owner, path[-1], field_value)
    return model


def _find_field(value: Any, place: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the path of the innermost field that a place of pydantic's is in, which may name a type behind it."""
    length = 0
    for depth, name in enumerate(place, 1):
        if is_mapping(value) and name in value:
            length = depth
        elif not isinstance(value, list) or not isinstance(name, int):
            break
        value = cast("Any", value)[name]
    return place[:length]


def validate_list(kind: type[M], value: Any, response: ApiResponse, request: ApiRequest) -> list[M]:
    """Return a list as models of pydantic. Raises `APIResponseValidationError`."""
    if not isinstance(value, list):
        raise make_unreadable_error(f"the result must be a list, got {type(value).__name__}", response, request)
    return [validate(kind, each, response, request) for each in cast("list[Any]", value)]


def validate_rows(kind: type[M], body: Any, response: ApiResponse, request: ApiRequest) -> list[M]:
    """Return the result of an answer as models of pydantic; `null` is a list without any."""
    is_null = is_mapping(body) and "result" in body and body["result"] is None
    return [] if is_null else validate_list(kind, get_result(body), response, request)


def make_unreadable_error(problem: str, response: ApiResponse, request: ApiRequest) -> APIResponseValidationError:
    """Return the error for a 2xx that is not what its operation answers."""
    problem = f"{request.method} {request.url.partition('?')[0]} was answered with what cannot be read: {problem}"
    hint = f"ask again; if it stays, see whether a proxy or a login page answers in place of {request.host}"
    return build_unreadable_error(problem, hint, response, request)


def rename(
    error: InferenceUpstreamError,
    kinds: Mapping[int | None, type[InferenceUpstreamError]],
    reasons: Mapping[int, str] | None = None,
) -> InferenceUpstreamError:
    """Return an error as the binding has it: with the class for its status, or that under `None` for 5xx.

    The latter is also for a status of the former whose answer is none of the service's, such as a page of a proxy.
    Others keep their class, which says more, and have the binding's name for them as their `name`. Where the service
    gives no reason they have that of the binding: by status in `reasons`, else of a 5xx "Internal Error".
    """
    status = error.status_code or 0
    is_json = is_mapping(error.body) and isinstance(error.body.get("errors"), list)
    other = kinds[None]
    # A page of a proxy, say, is no word of the service about what is not there.
    kind = kinds.get(status, other) if is_json else other
    reason = (reasons or {}).get(status, "Internal Error" if status >= 500 else "")
    if reason and is_json and not _has_reason(error.body):
        beginning, details = str(error).partition(": ")[0], str(error).rpartition(" (status ")[2]
        error.args = (f"{beginning}: {reason} (status {details}",)
    is_kept = isinstance(error, kind | APIResponseValidationError)
    if is_kept or (kind is other and 400 <= status < 500 and status not in kinds):
        error.name = (kind if isinstance(error, kind) else other).__name__
        return error
    return kind(
        f"{kind.__name__}: {str(error).partition(': ')[2]}",
        name=kind.__name__,
        retryable=error.retryable,
        code=error.code,
        status_code=error.status_code,
        request_id=error.request_id,
        retry_after=error.retry_after,
        body=error.body,
        headers=error.headers,
    )


def rename_as_internal(error: InferenceUpstreamError) -> InferenceUpstreamError:
    """Return an error as the binding has it for lists of models and documents: by name always, by class for 5xx."""
    if (error.status_code or 0) >= 500:
        return rename(error, {None: AiInternalError})
    error.name = AiInternalError.__name__
    return error


def _has_reason(body: Any) -> bool:
    """Return True if the first of an envelope's errors has a message."""
    first = as_sequence(body.get("errors"))[:1]
    return bool(first and is_mapping(first[0]) and first[0].get("message"))
