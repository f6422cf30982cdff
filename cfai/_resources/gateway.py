"""An AI Gateway: the addresses of its providers, its logs, and calls of one provider after the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, Unpack, overload

import httpx

from cfai._config import NOT_GIVEN
from cfai._credentials import Secret, check_flag, describe, is_secret_header
from cfai._errors import (
    AiGatewayInternalError,
    AiGatewayLogNotFound,
    AuthenticationError,
    ConfigurationError,
    InferenceUpstreamError,
)
from cfai._json import as_number, find_nested, is_mapping, to_builtins
from cfai._request import (
    ApiRequest,
    PreparedCall,
    RunOptions,
    UniversalGatewayOptions,
    parse_gateway,
    parse_headers,
)
from cfai._resources.api import (
    AccountApi,
    Operation,
    build_path,
    encode_json,
    make_unreadable_error,
    read_as,
    read_nothing,
    read_result,
    rename,
)
from cfai._resources.pages import AsyncPages, PagePlan, Pages, plan_pages
from cfai._response import ApiResponse, is_stream, parse
from cfai._streaming import aopen_stream, open_stream
from cfai.types import GatewayLog, GatewayLogFilters, GatewayProvider, GatewayStep

_ERRORS: Mapping[int | None, type[InferenceUpstreamError]] = {None: AiGatewayInternalError}
_LOG_ERRORS = {404: AiGatewayLogNotFound, **_ERRORS}

_GATEWAY_UNAUTHORIZED = 2009
"""The code of a gateway that refuses the call itself."""

OpenStream = Callable[[ApiResponse, PreparedCall], Any]
"""What makes a stream of a response."""


class AiGateway:
    """An AI Gateway of the account, as `env.AI.gateway(id)` gives it. Nothing is asked before one of its methods is.

    Everything here but `list_logs` is in the binding, under its name in camel case:
    https://developers.cloudflare.com/ai-gateway/usage/worker-binding-methods/
    """

    def __init__(self, api: AccountApi, id: str) -> None:
        """Keep the id of a gateway. Raises `ConfigurationError` for what cannot be one."""
        self.id = parse_gateway(Secret({"id": id})).id
        """The gateway's id, such as `default`."""
        self._api = api

    def __repr__(self) -> str:
        return f"AiGateway({self.id!r})"

    def get_url(self, provider: GatewayProvider | str | None = None) -> str:
        """Return the address of a provider behind the gateway, for its own client; without one, that of all of them.

        Raises `AiGatewayInternalError`, and for a 4xx the errors of `run`.
        """
        return self._api.call(self._build_get_url(provider))

    async def aget_url(self, provider: GatewayProvider | str | None = None) -> str:
        """Return the address of a provider behind the gateway, awaited."""
        return await self._api.acall(self._build_get_url(provider))

    def get_log(self, log_id: str | None) -> GatewayLog:
        """Return the log of one call, by its id: `answer.meta.gateway_log_id`. It may appear a moment after the answer.

        Raises `ConfigurationError` for `None`, which is that of a call that was not logged, `AiGatewayLogNotFound`,
        `AiGatewayInternalError`, and for another 4xx the errors of `run`.
        """
        return self._api.call(self._build_get_log(log_id))

    async def aget_log(self, log_id: str | None) -> GatewayLog:
        """Return the log of one call, awaited."""
        return await self._api.acall(self._build_get_log(log_id))

    def list_logs(self, **filters: Unpack[GatewayLogFilters]) -> Pages[GatewayLog]:
        """List the logs that fit filters. Each page is fetched when it is come to.

        Raises `ConfigurationError` for a filter that cannot be, and while it is iterated what `get_log` raises.
        """
        return Pages(self._api, *self._list_logs(filters))

    def alist_logs(self, **filters: Unpack[GatewayLogFilters]) -> AsyncPages[GatewayLog]:
        """List the logs that fit filters, for `async for`."""
        return AsyncPages(self._api, *self._list_logs(filters))

    def patch_log(
        self,
        log_id: str | None,
        *,
        feedback: Literal[1, -1] | None = NOT_GIVEN,
        score: float | None = NOT_GIVEN,
        metadata: Mapping[str, str | int | float | bool] | None = NOT_GIVEN,
    ) -> None:
        """Change the log of one call: what is given is set, and None takes it away again.

        - `feedback`: 1 for a good answer, -1 for a bad one.
        - `score`: a number of your own.
        - `metadata`: in the place of what was sent with the call.

        Raises `ConfigurationError` for other values, and what `get_log` raises.
        """
        self._api.call(self._build_patch_log(log_id, feedback, score, metadata))

    async def apatch_log(
        self,
        log_id: str | None,
        *,
        feedback: Literal[1, -1] | None = NOT_GIVEN,
        score: float | None = NOT_GIVEN,
        metadata: Mapping[str, str | int | float | bool] | None = NOT_GIVEN,
    ) -> None:
        """Change the log of one call, awaited."""
        await self._api.acall(self._build_patch_log(log_id, feedback, score, metadata))

    @overload
    def run(
        self,
        steps: GatewayStep | Iterable[GatewayStep],
        *,
        return_raw_response: Literal[True] = True,
        authorize: bool = False,
        extra_headers: Mapping[str, str] | None = None,
        **options: Unpack[UniversalGatewayOptions],
    ) -> httpx.Response: ...
    @overload
    def run(
        self,
        steps: GatewayStep | Iterable[GatewayStep],
        *,
        return_raw_response: Literal[False],
        authorize: bool = False,
        extra_headers: Mapping[str, str] | None = None,
        **options: Unpack[UniversalGatewayOptions],
    ) -> Any: ...
    def run(
        self,
        steps: GatewayStep | Iterable[GatewayStep],
        *,
        return_raw_response: bool = True,
        authorize: bool = False,
        extra_headers: Mapping[str, str] | None = None,
        **options: Unpack[UniversalGatewayOptions],
    ) -> Any:
        """Call providers one after the other, until one answers, and return its response, whatever its status.

        ```python
        gateway.run(
            [
                {"provider": "groq", "endpoint": "chat/completions", "query": {"model": "…", "messages": [...]}},
                {"provider": "workers-ai", "endpoint": "@cf/zai-org/glm-4.7-flash", "query": {"messages": [...]}},
            ],
            authorize=True,
        )
        ```

        - `steps`: one or several. Nothing is added to their `headers` but with `authorize`.
        - `return_raw_response`: False gives what `Ai.run` would give for the step that answered, a stream too, and
          raises what it would raise.
        - `authorize`: True puts the API token into the steps of `workers-ai` that have no `Authorization`, without
          which they are refused. Those of other providers have their own keys, or find them in the gateway.
        - `extra_headers`: for the gateway, beside those of the `options`, and stronger.

        The API token goes to the gateway alone, in `cf-aig-authorization`, or `token` in its place. As in the binding,
        `cache_ttl=0` and an empty `cache_key` are not sent: `skip_cache=True` does without the cache. Raises
        `ConfigurationError` and `InputError` before anything is sent, `APIConnectionError` if no answer came.
        """
        hidden, hidden_options, hidden_headers = Secret(steps), Secret(options), Secret(extra_headers)
        del steps, options, extra_headers  # secrets, which a traceback would show
        raw = return_raw_response
        return self._api.call(self._build_run(hidden, hidden_options, hidden_headers, authorize, raw, open_stream))

    @overload
    async def arun(
        self,
        steps: GatewayStep | Iterable[GatewayStep],
        *,
        return_raw_response: Literal[True] = True,
        authorize: bool = False,
        extra_headers: Mapping[str, str] | None = None,
        **options: Unpack[UniversalGatewayOptions],
    ) -> httpx.Response: ...
    @overload
    async def arun(
        self,
        steps: GatewayStep | Iterable[GatewayStep],
        *,
        return_raw_response: Literal[False],
        authorize: bool = False,
        extra_headers: Mapping[str, str] | None = None,
        **options: Unpack[UniversalGatewayOptions],
    ) -> Any: ...
    async def arun(
        self,
        steps: GatewayStep | Iterable[GatewayStep],
        *,
        return_raw_response: bool = True,
        authorize: bool = False,
        extra_headers: Mapping[str, str] | None = None,
        **options: Unpack[UniversalGatewayOptions],
    ) -> Any:
        """Call providers one after the other, until one answers, awaited; a stream is an `AsyncStream`."""
        hidden, hidden_options, hidden_headers = Secret(steps), Secret(options), Secret(extra_headers)
        del steps, options, extra_headers  # secrets, which a traceback would show
        raw = return_raw_response
        return await self._api.acall(
            self._build_run(hidden, hidden_options, hidden_headers, authorize, raw, aopen_stream)
        )

    def _build_path(self, *segments: str) -> str:
        return build_path("ai-gateway", "gateways", self.id, *segments)

    def _build_log_path(self, log_id: str | None) -> str:
        if log_id is None:
            advice = "a call through no gateway has none, nor one with collect_log=False"
            raise ConfigurationError(f"`log_id` must be the id of a log, got None: {advice}")
        return self._build_path("logs", log_id)

    def _build_get_url(self, provider: str | None) -> Operation[str]:
        # UNCERTAIN: whether the public API knows `universal`, which is the binding's own word for no provider.
        path = self._build_path("url", "universal" if provider is None else provider)
        return Operation(path=path, read=_read_url, map_error=lambda error: rename(error, _ERRORS))

    def _build_get_log(self, log_id: str | None) -> Operation[GatewayLog]:
        # UNCERTAIN: accounts since 2026-09-24 have another log, and may find nothing here.
        return Operation(path=self._build_log_path(log_id), read=read_as(GatewayLog), map_error=_map_log_error)

    def _build_patch_log(self, log_id: str | None, feedback: Any, score: Any, metadata: Any) -> Operation[None]:
        changes = {"feedback": feedback, "score": score, "metadata": metadata}
        changes = {name: value for name, value in changes.items() if value is not NOT_GIVEN}
        if not changes:
            raise ConfigurationError("a log must get `feedback`, `score` or `metadata`, got none: pass one of them")
        for name, value in changes.items():
            _check_patch(name, as_number(value))
        path = self._build_log_path(log_id)
        return Operation(method="PATCH", path=path, json=changes, read=read_nothing, map_error=_map_log_error)

    def _list_logs(self, filters: Mapping[str, Any]) -> PagePlan[GatewayLog]:
        _check_feedback(filters.get("feedback"))
        # In UTC: a date without a zone is of this machine's, as everywhere in Python.
        dates = {
            name: value.astimezone(UTC).isoformat() for name, value in filters.items() if isinstance(value, datetime)
        }
        path = self._build_path("logs")
        return plan_pages(path, GatewayLog, {**filters, **dates}, _map_log_error, known=GatewayLogFilters)

    def _build_run(
        self,
        steps: Secret,
        options: Secret,
        extra_headers: Secret,
        authorize: bool,
        raw: bool,
        open_stream: OpenStream,
    ) -> Operation[Any]:
        credentials = self._api.config.credentials
        check_flag("authorize", authorize)
        check_flag("return_raw_response", raw)
        listed = _list_steps(steps, credentials.token if authorize else None)
        body = encode_json(listed.value, "steps")
        gateway = parse_gateway(Secret({**options.value, "id": self.id}))
        extra = parse_headers("extra_headers", extra_headers)
        # Last, so that no traceback of a mistake has the token in it.
        headers = {"content-type": "application/json", **gateway.headers}
        for name, unsent in (("cf-aig-cache-ttl", "0"), ("cf-aig-cache-key", "")):
            if headers.get(name) == unsent:
                del headers[name]
        if gateway.token is not None:
            headers["cf-aig-authorization"] = f"Bearer {gateway.token.value}"
        return Operation(
            method="POST",
            path=f"{credentials.gateway_url}{build_path(credentials.account_id, self.id)}",
            body=body,
            headers={**headers, **extra.value},
            token_header="cf-aig-authorization",
            read=partial(_read_answer, listed, None if raw else open_stream),
            map_error=partial(_map_run_error, _list_models(listed), _list_hints(listed.value)),
            body_secrets=_list_secrets(listed.value),
            wants_stream=any(_get_query(step).get("stream") for step in listed.value),
            wants_raw=raw,
        )


def _read_url(response: ApiResponse, request: ApiRequest) -> str:
    """Return an address, which is a text in the public API, and within an object in the binding's."""
    result = read_result(response, request)
    url = result.get("url") if is_mapping(result) else result
    if not isinstance(url, str) or not url:
        raise make_unreadable_error("the result must be an address", response, request)
    return url


def _map_log_error(error: InferenceUpstreamError) -> InferenceUpstreamError:
    return rename(error, _LOG_ERRORS, {404: "Log Not Found"})


def _map_run_error(models: list[str], hints: list[str], error: InferenceUpstreamError) -> InferenceUpstreamError:
    """Return an error with the model of the step that was refused, which blames that step's key, not the API token."""
    number = (error.headers or {}).get("cf-aig-step")
    if number is None and error.code != _GATEWAY_UNAUTHORIZED:
        number = str(len(hints) - 1)  # after the last there was none to try
    steps = {str(step): each for step, each in enumerate(zip(models, hints, strict=True))}
    error.model, hint = steps.get(number or "", ("", ""))
    if isinstance(error, AuthenticationError) and hint:
        error.args = (f"{str(error).partition('. What to do: ')[0]}. What to do: {hint}.",)
    return error


def _check_feedback(feedback: Any) -> None:
    if feedback is not None and (isinstance(feedback, bool) or feedback not in (0, 1)):
        must = "the filter `feedback` must be 1, or 0 for what `patch_log` sets as -1"
        raise ConfigurationError(f"{must}, got {describe(feedback)}")


def _check_patch(name: str, value: Any) -> None:
    """Raise `ConfigurationError` for what a log cannot have."""
    if value is None:
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name == "feedback" and not (is_number and value in (1, -1)):
        raise ConfigurationError(f"`feedback` must be 1, -1 or None, got {describe(value)}")
    if name == "score" and not is_number:
        raise ConfigurationError(f"`score` must be a number or None, got {describe(value)}")
    if name == "metadata" and (came := find_nested(value) if is_mapping(value) else describe(value)):
        raise ConfigurationError(f"`metadata` must be a dict of strings, numbers and booleans, or None, got {came}")


# Calls of one provider after the other


def _list_steps(steps: Secret, token: Secret | None) -> Secret:
    """Return copies of steps as they are sent. Raises `ConfigurationError` for what is no step."""
    if isinstance(steps.value, str | bytes) or not hasattr(steps.value, "__iter__"):
        got = describe(steps.value)
        raise ConfigurationError(f"`steps` must be a dict with 'provider', or a list of such dicts, got {got}")
    listed = Secret([steps.value] if is_mapping(steps.value) else list(steps.value))
    flaws = [flaw for number, step in enumerate(listed.value) if (flaw := _find_step_flaw(step, f"steps[{number}]"))]
    if flaws or not listed.value:
        raise ConfigurationError(flaws[0] if flaws else "`steps` must hold at least one step")
    return Secret([_copy_step(step, token) for step in listed.value])


def _find_step_flaw(step: Any, place: str) -> str:
    """Return what is wrong with a step, or nothing. Any of its headers can be a credential."""
    if not is_mapping(step):
        return f"{place} must be a dict with 'provider', got {describe(step)}"
    for name in ("provider", "endpoint"):
        if not isinstance(step.get(name), str) or not step[name]:
            return f"{place} must have {name!r}, a string, got {describe(step.get(name))}"
    headers = step.get("headers")
    if headers is not None and not is_mapping(headers):
        return f"{place}['headers'] must be a dict, got {describe(headers)}"
    return ""


def _copy_step(step: Mapping[str, Any], token: Secret | None) -> dict[str, Any]:
    """Return a step as it is sent: its headers as text, and with a token for Workers AI, if there is one to add."""
    own: Mapping[Any, Any] = step.get("headers") or {}
    headers = {name: _to_header_text(value) for name, value in own.items()}
    if token is not None and _lacks_token(step):
        headers["Authorization"] = f"Bearer {token.value}"
    return {**step, "headers": headers} if headers or "headers" in step else {**step}


def _lacks_token(step: Mapping[str, Any]) -> bool:
    """Return True for a step of Workers AI without a key."""
    is_authorized = any(str(name).lower() == "authorization" for name in step.get("headers") or ())
    return step["provider"] == "workers-ai" and not is_authorized


def _list_hints(steps: list[dict[str, Any]]) -> list[str]:
    """Return what to do about a refused key, by step; nothing where the API token is the key."""
    hints: list[str] = []
    for number, step in enumerate(steps):
        hint = ""
        if _lacks_token(step):
            hint = f"steps[{number}] has no 'Authorization' in its headers: pass authorize=True, which sends your token"
        elif (provider := step["provider"]) != "workers-ai":
            hint = f"check the key of {provider}, in the headers of steps[{number}] or stored in the gateway"
        hints.append(hint)
    return hints


def _list_models(steps: Secret) -> list[str]:
    """Return the model of each step."""
    return [_describe_step(steps, number)[1] for number in range(len(steps.value))]


def _to_header_text(value: Any) -> Any:
    """Return the value of a step's header as the binding sends it: numbers, booleans and objects as text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as JavaScript writes it
    with suppress(TypeError, ValueError, RecursionError):
        return json.dumps(to_builtins(value), separators=(",", ":"), allow_nan=False)
    return value  # which the body cannot hold either: that is told with its place


def _read_answer(steps: Secret, open_stream: OpenStream | None, response: ApiResponse, request: ApiRequest) -> Any:
    """Return what `Ai.run` gives for the answer of the step that the response names, the first if it names none.

    Without `open_stream` that is the raw response.
    """
    inputs, response.meta.model = _describe_step(steps, response.meta.gateway_step or 0)
    answered = response.pool.usage.answered
    # The keys of providers stand in the body, and a response holds its request.
    response.http.request._content, response.http.request.stream = b"", httpx.ByteStream(b"")
    if open_stream is None:
        if response.meta.status_code < 400:
            answered.append(response.meta)
        # It keeps the clients: when they are collected, its connection closes.
        response.http.extensions["cfai"] = response.pool
        return response.http
    call = PreparedCall(
        config=request.config,
        url=request.url,
        headers=request.headers,
        body=b"",
        body_secrets=request.body_secrets,
        model=response.meta.model,
        inputs=inputs,
        wants_stream=bool(inputs.get("stream")),
        options=RunOptions(),
    )
    if is_stream(response, call):
        return open_stream(response, call)  # it is counted at its end
    answer = parse(response, call)
    answered.append(response.meta)
    return answer


def _list_secrets(steps: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return the keys of providers in the headers of steps."""
    secrets: list[str] = []
    for step in steps:
        headers: Mapping[Any, Any] = step.get("headers") or {}
        secrets += [str(headers[name]).removeprefix("Bearer ") for name in headers if is_secret_header(str(name))]
    return tuple(secrets)


def _describe_step(steps: Secret, number: int) -> tuple[Mapping[str, Any], str]:
    """Return the inputs of a step, the first if there is none of the number, and the model that it calls.

    The headers of steps are credentials: a step is in no frame that reads an answer, which a traceback would show.
    """
    step = steps.value[number] if number < len(steps.value) else steps.value[0]
    inputs = _get_query(step)
    return inputs, _name_model(step, inputs)


def _get_query(step: Mapping[str, Any]) -> Mapping[str, Any]:
    query = step.get("query")
    return query if is_mapping(query) else {}


def _name_model(step: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    """Return the model that a step calls: that of Workers AI by its own name, another behind its provider's."""
    name = inputs.get("model")
    name = name if isinstance(name, str) else step["endpoint"].removeprefix("run/")
    return name if step["provider"] == "workers-ai" else f"{step['provider']}/{name}"
