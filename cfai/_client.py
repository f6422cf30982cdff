"""`Ai`: the binding's `env.AI`, over REST."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import partial
from inspect import iscoroutinefunction
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import httpx

from cfai._client_overloads import typed_arun, typed_run
from cfai._credentials import (
    Credentials,
    EnvironmentVariables,
    GatewayRoute,
    Secret,
    check_proxy,
    parse_gateway_route,
    parse_secret,
    resolve_credentials,
)
from cfai._errors import ConfigurationError, InferenceUpstreamError
from cfai._limits.check import check, resolve_max_tokens, takes_long
from cfai._limits.policy import CheckMode, LimitPolicy, checked_counter, overrides_from
from cfai._limits.verdict import CheckResult
from cfai._request.build import GatewayOptions, Options, checked_headers, model_path
from cfai._request.encode import check_sendable, inputs_to_builtins
from cfai._request.prepare import AskAgain, Call
from cfai._streaming.body import Source
from cfai._streaming.stream import astart, start
from cfai._transport.pool import ClientPool
from cfai._transport.retry import Retry
from cfai._transport.send import Plan, Timeout, aread, asend, headers_of, read, send
from cfai._warnings import Site, call_site
from cfai.models import Limit
from cfai.types import Meta

if TYPE_CHECKING:
    from cfai.tokens import TokenCounter


class _NotGiven:
    """Stands for an option that was left out, where `None` means something."""

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Any = _NotGiven()


class Settings(NamedTuple):
    """What an `Ai` was made with, checked. It is all that a pickle holds."""

    account: Credentials
    timeout: Timeout
    total_timeout: float | None
    retry: Retry
    checks: CheckMode
    proxy: Secret | None
    verify: ssl.SSLContext | str | bool
    trust_env: bool
    overrides: Mapping[str, Mapping[str, Limit]] = {}
    counter: Any = None

    def changed(self, timeout: Any, total_timeout: Any, max_retries: Any, checks: Any) -> Settings:
        """The same with what was given instead, checked."""
        changes: dict[str, Any] = {}
        if timeout is not NOT_GIVEN:
            changes["timeout"] = Timeout.of(timeout)
        if total_timeout is not NOT_GIVEN:
            changes["total_timeout"] = _seconds(total_timeout)
        if max_retries is not NOT_GIVEN:
            changes["retry"] = Retry.of(max_retries)
        if checks is not NOT_GIVEN:
            changes["checks"] = _mode(checks)
        return self._replace(**changes) if changes else self

    def clients(self, http_client: Any = None, async_http_client: Any = None) -> ClientPool:
        """The clients that these settings ask for, not opened yet."""
        return ClientPool(
            proxy=self.proxy.value if self.proxy else None,
            verify=self.verify,
            # A token in the clear goes to this machine and nowhere else, a proxy of the environment's included.
            trust_env=self.trust_env and not (self.account.is_direct and self.proxy is None),
            sync=_checked_client(http_client, "http_client", is_async=False),
            async_=_checked_client(async_http_client, "async_http_client", is_async=True),
        )

    def call(
        self, model: str, inputs: Mapping[str, Any], options: Options, raw: bool, clients: ClientPool, site: Site
    ) -> Call:
        """A call under these settings, its limits checked."""
        plan = Plan(self.retry, self.timeout, time.monotonic(), self.total_timeout, raw)
        rules = self.rules(clients)
        return Call.of(self.account, model, inputs, options, plan=plan, rules=rules, site=site, clients=clients)

    def rules(self, clients: ClientPool) -> LimitPolicy:
        """What calls are held to."""
        return LimitPolicy(self.checks, self.overrides, clients.learnt, self.counter, clients.seen)


class Last(NamedTuple):
    """What is known of the last call: one slot, replaced whole."""

    request_id: str | None = None
    gateway_log_id: str | None = None
    status_code: int | None = None
    internal_code: int | str | None = None


class Ai:
    """Workers AI, as `env.AI` has it in a Worker, for synchronous and asynchronous code.

    ```python
    ai = Ai()  # credentials from CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN
    print(ai.run("@cf/zai-org/glm-4.7-flash", {"prompt": "Where is New York?"}))
    ```

    Nothing is opened until the first call. It can be shared by threads, and used from one event loop after another;
    `with`, `async with`, `close` and `aclose` close its connections. It pickles with its token in it, so that workers
    of a process pool can use it, and without its connections: treat such a pickle as the secret that it is.
    """

    def __init__(
        self,
        account_id: str | None = None,
        api_token: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | httpx.Timeout | Timeout | None = NOT_GIVEN,
        total_timeout: float | None = None,
        max_retries: Retry | int | None = NOT_GIVEN,
        checks: CheckMode = "enforce",
        proxy: str | None = None,
        verify: ssl.SSLContext | str | bool = True,
        default_headers: Mapping[str, str] | None = None,
        http_client: Any = None,
        async_http_client: Any = None,
        limit_overrides: Mapping[str, int | Mapping[str, int]] | None = None,
        token_counter: TokenCounter | Mapping[str, TokenCounter] | None = None,
        gateway_route: GatewayRoute = "gateway",
        trust_env: bool = True,
        allow_http: bool = False,
    ) -> None:
        """Checks and keeps what it is given; raises `ConfigurationError` for what cannot work.

        - `account_id`, `api_token`: without them `CLOUDFLARE_ACCOUNT_ID`, `CF_ACCOUNT_ID` and `CLOUDFLARE_API_TOKEN`,
          `CF_API_TOKEN`, `CF_AI_API_TOKEN`, `CLOUDFLARE_AUTH_TOKEN`, `CLOUDFLARE_API_KEY` are asked, in this order.
        - `base_url`: without it `CLOUDFLARE_API_BASE_URL`, `CLOUDFLARE_BASE_URL`, `CF_API_BASE_URL`, else Cloudflare's.
        - `timeout`: seconds for each operation, as in httpx. By default 5 s to connect, 300 s to the first byte of an
          answer, since the service may queue a call, and 60 s between its bytes.
        - `total_timeout`: seconds for a whole call, retries and reading included. A synchronous read can overshoot it once.
        - `max_retries`: a `Retry`, a number of retries, or `None`. By default two.
        - `checks`: `enforce` raises `LimitError` before sending what is certain to be refused, and warns of what is
          likely to be; `strict` raises what is very likely as well; `warn` only warns; `off`.
        - `limit_overrides`: what you know better than the catalogue, in tokens: by model its context length, or a
          mapping such as `{"context_length": 32_000, "sequence_length": 8_000}`.
        - `token_counter`: counts tokens exactly instead of estimating them, for every model or by model.
        - `proxy`, `verify`, `trust_env`: as in httpx. A client that is passed in has its own.
        - `default_headers`: sent with every call. `extra_headers` of a call win over them.
        - `http_client`, `async_http_client`: ready clients of httpx or httpx2. They stay the caller's to close.
        - `gateway_route`: where a call of a `@cf/` model with `gateway` goes: to the gateway's host (`gateway`),
          or to the API's host (`rest`), the newer way whose answers are not documented yet.
        - `allow_http`: send the token over plain http to a host that is not this machine.
        """
        # What is wrong with a call shows in the frames of its traceback; what is secret does not, from here on.
        given = [parse_secret(value) for value in (account_id, api_token, base_url)]
        way = Secret(proxy) if proxy is not None else None
        account_id = api_token = base_url = proxy = None
        check_proxy(way)
        account = resolve_credentials(
            EnvironmentVariables(os.environ if trust_env else {}),
            *given,
            default_headers=checked_headers(default_headers, "default_headers"),
            gateway_route=gateway_route,
            allow_http=allow_http,
        )
        settings = Settings(account, Timeout(), _seconds(total_timeout), Retry(), _mode(checks), way, verify, trust_env)
        settings = settings._replace(overrides=overrides_from(limit_overrides), counter=checked_counter(token_counter))
        self._settings = settings.changed(timeout, NOT_GIVEN, max_retries, NOT_GIVEN)
        self._clients = self._settings.clients(http_client, async_http_client)
        self._owns_clients = True
        self._last = Last()

    @property
    def account_id(self) -> str:
        """The account that calls are made for."""
        return self._settings.account.id

    @property
    def base_url(self) -> str:
        """Where calls go."""
        return self._settings.account.base_url

    @typed_run
    def run(
        self,
        model: str,
        inputs: Any,
        *,
        gateway: str | GatewayOptions | None = None,
        return_raw_response: bool = False,
        queue_request: bool = False,
        tags: Iterable[str] = (),
        extra_headers: Mapping[str, str] | None = None,
        session_affinity: str | None = None,
        reject_if_busy: bool = False,
        timeout: float | httpx.Timeout | Timeout | None = NOT_GIVEN,
        total_timeout: float | None = NOT_GIVEN,
        max_retries: Retry | int | None = NOT_GIVEN,
        checks: CheckMode = NOT_GIVEN,
    ) -> Any:
        """Runs a model: a text answer, another output, or with `"stream": True` in the inputs a `Stream` of tokens.

        - `gateway`: the AI Gateway to go through, by id or with its options.
        - `return_raw_response`: the `httpx.Response` instead, whatever its status; read, unless it is a stream.
        - `queue_request`: hand the call in as a batch job; `inputs` are `{"requests": [...]}`.
        - `tags`: at most five labels of letters, digits and `: - . / @`, up to 50 characters each.
        - `session_affinity`: any text; calls that share it reach the same instance, and its prompt cache.
        - `reject_if_busy`: raise `CapacityError` at once instead of waiting for the model to have room.
        - `extra_headers`, `timeout`, `total_timeout`, `max_retries`, `checks`: for this call, in place of the client's.

        `"max_tokens": "fit"` asks for as many tokens as the model gives beside this prompt. Raises `LimitError`,
        `ConfigurationError` and `InputError` before anything is sent; `InferenceUpstreamError` for what the service
        refuses; `APIConnectionError` if no answer came.
        """
        options = Options(gateway, queue_request, tags, extra_headers, session_affinity, reject_if_busy)
        settings = self._settings.changed(timeout, total_timeout, max_retries, checks)
        clients = self._clients
        return self._run(
            settings.call(
                model, inputs_to_builtins(inputs), options, return_raw_response, clients, call_site(clients.told)
            )
        )

    @typed_arun
    async def arun(
        self,
        model: str,
        inputs: Any,
        *,
        gateway: str | GatewayOptions | None = None,
        return_raw_response: bool = False,
        queue_request: bool = False,
        tags: Iterable[str] = (),
        extra_headers: Mapping[str, str] | None = None,
        session_affinity: str | None = None,
        reject_if_busy: bool = False,
        timeout: float | httpx.Timeout | Timeout | None = NOT_GIVEN,  # noqa: ASYNC109  # the twin of run, and per operation, which asyncio.timeout is not
        total_timeout: float | None = NOT_GIVEN,
        max_retries: Retry | int | None = NOT_GIVEN,
        checks: CheckMode = NOT_GIVEN,
    ) -> Any:
        """`run`, awaited; a stream is an `AsyncStream`. When it returns, the request is sent and its status checked."""
        options = Options(gateway, queue_request, tags, extra_headers, session_affinity, reject_if_busy)
        settings = self._settings.changed(timeout, total_timeout, max_retries, checks)
        clients, given = self._clients, inputs_to_builtins(inputs)
        prepare = partial(settings.call, model, given, options, return_raw_response, clients, call_site(clients.told))
        if not takes_long(given):
            return await self._arun(prepare())
        from anyio import to_thread

        return await self._arun(await to_thread.run_sync(prepare))

    def check(self, model: str, inputs: Any) -> CheckResult:
        """Whether inputs fit a model's limits, how sure that is, and how much output fits beside them. Sends nothing.

        ```python
        fit = ai.check("@cf/zai-org/glm-4.7-flash", {"prompt": "Where is New York?"})
        print(fit.verdict, int(fit.tokens), fit.limit.value, fit.max_tokens)
        ```

        The inputs are those of `run`, which raises or warns by this same verdict. Raises `InputError` if they are no
        dict or hold what cannot be sent, and `ConfigurationError` for a name that is no model's.
        """
        model_path(model)
        rules, given = self._settings.rules(self._clients), inputs_to_builtins(inputs)
        check_sendable(given)
        return check(model, resolve_max_tokens(model, given, rules), rules)

    def _run(self, call: Call) -> Any:
        with self._remembering(call):
            response = send(call.clients, call.request, call.plan)
            headers = headers_of(response)
            meta = self._remember(call.meta(response.status_code, headers))
            if call.plan.raw and call.wants_stream:
                return call.clients.kept_by(response)
            if not call.plan.raw and call.is_streamed(headers):
                return start(call.source(response, meta), call.decoder(meta))
            content = read(response, call.request, call.plan)
            if call.plan.raw:
                return response
            output = call.output(response, headers, content, meta)
        if isinstance(output, AskAgain):
            return self._run(call.unstreamed())
        return start(output, call.decoder(meta)) if isinstance(output, Source) else output

    async def _arun(self, call: Call) -> Any:
        with self._remembering(call):
            response = await asend(call.clients, call.request, call.plan)
            headers = headers_of(response)
            meta = self._remember(call.meta(response.status_code, headers))
            if call.plan.raw and call.wants_stream:
                return call.clients.kept_by(response)
            if not call.plan.raw and call.is_streamed(headers):
                return await astart(call.source(response, meta), call.decoder(meta))
            content = await aread(response, call.request, call.plan)
            if call.plan.raw:
                return response
            output = call.output(response, headers, content, meta)
        if isinstance(output, AskAgain):
            return await self._arun(call.unstreamed())
        return await astart(output, call.decoder(meta)) if isinstance(output, Source) else output

    def with_options(
        self,
        *,
        timeout: float | httpx.Timeout | Timeout | None = NOT_GIVEN,
        total_timeout: float | None = NOT_GIVEN,
        max_retries: Retry | int | None = NOT_GIVEN,
        checks: CheckMode = NOT_GIVEN,
        default_headers: Mapping[str, str] | None = NOT_GIVEN,
        gateway_route: GatewayRoute = NOT_GIVEN,
    ) -> Ai:
        """A copy with other options, on the same connections. Closing the copy closes nothing."""
        copy = object.__new__(type(self))
        account = self._settings.account
        if default_headers is not NOT_GIVEN:
            account = account._replace(default_headers=checked_headers(default_headers, "default_headers"))
        if gateway_route is not NOT_GIVEN:
            account = account._replace(gateway_route=parse_gateway_route(gateway_route))
        copy._settings = self._settings._replace(account=account).changed(timeout, total_timeout, max_retries, checks)
        copy._clients = self._clients
        copy._owns_clients = False
        copy._last = Last()
        return copy

    @property
    def last_request_id(self) -> str | None:
        """The last call's request id. The last writer wins: a result's own `.meta` is always right."""
        return self._last.request_id

    @property
    def ai_gateway_log_id(self) -> str | None:
        """The last call's log id, or `None` if no gateway logged it. A result's own `.meta` is always right."""
        return self._last.gateway_log_id

    @property
    def last_request_http_status_code(self) -> int | None:
        """The last call's HTTP status. A result's own `.meta` is always right."""
        return self._last.status_code

    @property
    def last_request_internal_status_code(self) -> int | str | None:
        """The last call's error code, or `None` if it had none."""
        return self._last.internal_code

    def close(self) -> None:
        """Closes the synchronous connections. Those of a client that was passed in stay the caller's to close."""
        if self._owns_clients:
            self._clients.close()

    async def aclose(self) -> None:
        """Closes the connections of both colours. Those of a client that was passed in stay the caller's to close."""
        if self._owns_clients:
            await self._clients.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        if not hasattr(self, "_settings"):
            return "Ai()"  # in the traceback of its own constructor
        return f"Ai(account_id={self.account_id!r}, base_url={self.base_url!r})"

    def __getstate__(self) -> Settings:
        if isinstance(self._settings.verify, ssl.SSLContext):
            raise ConfigurationError("an Ai with an SSLContext cannot be pickled: pass the path of its certificates")
        return self._settings

    def __setstate__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients = settings.clients()
        self._owns_clients = True
        self._last = Last()

    def _remember(self, meta: Meta) -> Meta:
        self._last = Last(meta.request_id, meta.gateway_log_id, meta.status_code)
        return meta

    @contextmanager
    def _remembering(self, call: Call) -> Generator[None]:
        try:
            yield
        except InferenceUpstreamError as error:
            call.learn(error)
            self._last = Last(error.request_id, error.headers.get("cf-aig-log-id"), error.status_code, error.code)
            raise


def _seconds(total_timeout: Any) -> float | None:
    if total_timeout is None:
        return None
    if (
        isinstance(total_timeout, bool)
        or not isinstance(total_timeout, int | float)
        or not 0 < total_timeout < float("inf")
    ):
        raise ConfigurationError(f"`total_timeout` must be a positive number of seconds or None, got {total_timeout!r}")
    return float(total_timeout)


def _mode(checks: Any) -> CheckMode:
    if checks not in ("enforce", "strict", "warn", "off"):
        raise ConfigurationError(f"`checks` must be 'enforce', 'strict', 'warn' or 'off', got {checks!r}")
    return checks


def _checked_client(client: Any, name: str, *, is_async: bool) -> Any:
    if client is None:
        return None
    if not hasattr(client, "build_request") or iscoroutinefunction(client.send) != is_async:
        wanted = "an httpx.AsyncClient" if is_async else "an httpx.Client"
        raise ConfigurationError(f"{name} is {wanted} (or httpx2's), not {type(client).__name__}")
    return client
