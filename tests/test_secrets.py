"""The token goes to the service and nowhere else."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from cfai import (
    Ai,
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CapacityError,
    CfaiError,
    ConfigurationError,
    ContextLengthError,
    InferenceUpstreamError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    RequestTimeoutError,
    StreamError,
    StreamTruncatedError,
    Timeout,
)
from cfai._request import RunOptions
from cfai.local import Recorder
from tests.bodies import HELLO as HELLO_STREAM
from tests.bodies import answering
from tests.conftest import (
    ACCOUNT,
    SYNC_AND_ASYNC,
    TOKEN,
    BlockingIterator,
    Caller,
    Callers,
    Peer,
    Serve,
    Service,
    row,
    stream_of,
)
from tests.frames import PACKAGE, show_error
from tests.tools.calling import run_with_tools

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
LLAMA_2 = "@cf/meta/llama-2-7b-chat-int8"
HELLO = {"prompt": "Hello"}
GATEWAY_TOKEN = "gateway-token-that-must-not-show-9876543210"
GATEWAY = {"id": "g", "token": GATEWAY_TOKEN}
HEADER = "header-that-must-not-show-13579"
PASSWORD = "password-that-must-not-show-24680"
JSON = "application/json"
TOO_LONG = (
    "The estimated number of input and maximum output tokens (9000) exceeded this model context window limit (8000)."
)


def parts(value: Any, seen: set[int], depth: int = 0) -> Iterator[Any]:
    """`value` and what hangs on it: attributes, items, causes. Not the frames of tracebacks: they are code at work."""
    if id(value) in seen or depth > 8 or isinstance(value, type):
        return
    seen.add(id(value))
    yield value
    inner: list[Any] = []
    if isinstance(value, dict):
        inner += [*value, *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inner += value
    elif isinstance(value, httpx.Headers):
        inner += value.raw
    elif not isinstance(value, str | bytes | int | float):
        inner += vars(value).values() if hasattr(value, "__dict__") else []
        inner += [getattr(value, name, None) for name in getattr(type(value), "__slots__", ())]
        if isinstance(value, BaseException):
            inner += [value.args, value.__cause__, value.__context__]
    for item in inner:
        yield from parts(item, seen, depth + 1)


def shows(value: Any, secret: str) -> list[str]:
    """Return where `secret` can be seen in `value` or in what hangs on it."""
    found: list[str] = []
    for part in parts(value, set()):
        if isinstance(part, bytes):
            text = part.decode("latin-1")
        elif isinstance(part, str):
            text = part
        else:
            text = repr(part) + str(part)
        if secret in text:
            found.append(f"{type(part).__name__}: {text[:200]}")
    return found


def shown(value: Any) -> list[str]:
    secrets = ("token-that-must-not-show-0123456789", GATEWAY_TOKEN)
    found = [place for secret in secrets for place in shows(value, secret)]
    pickled = pickle.dumps(value)
    return found + [f"pickle of {value!r}" for secret in secrets if secret.encode() in pickled]


def test_the_search_itself_finds_what_is_there(caller: Caller) -> None:
    request = httpx.Request("POST", "https://a.example", headers={"authorization": f"Bearer {caller.token}"})
    error = CfaiError("x")
    error.__cause__ = httpx.ConnectError("x", request=request)
    assert shows(error, caller.token)
    assert shows({"a": [(caller.token,)]}, caller.token)
    assert shows(caller.ai._config, caller.token)


def test_an_ai_shows_its_account_and_no_secret(callers: Callers) -> None:
    caller = callers(proxy="http://user:password@localhost:9")
    ai = caller.ai
    for value in (ai, ai._config, ai._config.credentials, ai._config.credentials.token, ai._pool):
        assert caller.token not in repr(value) + str(value) + f"{value}"
        assert "password" not in repr(value)
    assert caller.account in repr(ai)
    options = RunOptions(gateway={"id": "g", "token": TOKEN}, extra_headers={"x-key": TOKEN}, tags=["a"])
    assert repr(options) == "RunOptions(tags=['a'])"


@SYNC_AND_ASYNC
def test_a_result_does_not_hold_it(caller: Caller, service: Service) -> None:
    for content_type in ("application/json", "image/png"):
        service.answers(service.raw(b'{"result":{"response":"Hello"}}', content_type))
        for gateway in (None, GATEWAY):
            assert shown(caller.run(MODEL, HELLO, gateway=gateway)) == [], (content_type, gateway)
            assert shown(caller.run(MODEL, HELLO, gateway=gateway, return_raw_response=True)) == []


@SYNC_AND_ASYNC
def test_a_stream_does_not_show_it(caller: Caller, service: Service) -> None:
    service.answers(service.events(*HELLO_STREAM))
    stream = caller.stream(MODEL, gateway=GATEWAY)
    real = stream_of(stream)
    assert caller.token not in repr(real) + repr(vars(real))
    assert shown(stream.result()) == []
    response = caller.stream(MODEL, gateway=GATEWAY, return_raw_response=True)
    for request in (real._response.http.request, response.request):
        assert not {"authorization", "cf-aig-authorization"} & {*request.headers}
    caller.leave(response)


def event(value: Any) -> bytes:
    """Return an event of a stream."""
    return f"data: {json.dumps(value)}\n\n".encode()


def echoing(service: Service, token: str, status: int = 401) -> Any:
    """Return an error that repeats its request's credentials, in the body and in a header, as careless proxies do."""
    body = {"errors": [{"code": 10000, "message": f"bad token {token}, or {GATEWAY_TOKEN}"}], "success": False}
    return service.json(body, status, x_echo=f"Bearer {token}", x_gateway=GATEWAY_TOKEN)


@SYNC_AND_ASYNC
def test_an_error_does_not_hold_it_even_if_the_server_echoes_it(caller: Caller, service: Service) -> None:
    for status in (200, 302, 400, 401, 500):
        service.answers(echoing(service, caller.token, status))
        with row(status), pytest.raises(InferenceUpstreamError) as caught:
            caller.run(MODEL, HELLO, gateway=GATEWAY, max_retries=None)
        assert "bad token [removed], or [removed]" in str(caught.value), status
        assert shown(caught.value) == [], status
    service.answers(service.error(400, 5006, cf_ai_req_id=f"id {caller.token}"))
    with pytest.raises(InferenceUpstreamError):
        caller.run(MODEL, HELLO)
    assert "[removed]" in str(caller.ai.last_request_id)
    assert caller.token not in str(caller.ai.last_request_id)


@SYNC_AND_ASYNC
def test_an_error_inside_a_stream_does_not_hold_it_even_if_it_is_echoed(caller: Caller, service: Service) -> None:
    for data in (
        '{"errors":[{"code":10000,"message":"bad token %s"}]}',
        '{"error":"bad token %s"}',
        '{"error":"bad token","headers":{"authorization":"Bearer %s"}}',
        "bad token %s",
    ):
        service.answers(service.events(b"data: " + (data % caller.token).encode() + b"\n\n"))
        with row(data), pytest.raises(StreamError) as caught:
            list(caller.stream(MODEL))
        assert shown(caught.value) == [], data


@SYNC_AND_ASYNC
def test_an_error_does_not_hold_the_credentials_among_the_headers_of_the_user_if_they_are_echoed(
    callers: Callers, serve: Serve
) -> None:
    def echo(peer: Peer) -> None:
        request = peer.request().decode()
        if "/whole" in request:
            peer.answer(request.encode(), "text/html", "403 Forbidden", head=f"x-echo: {HEADER}\r\n")
        else:
            peer.stream(b"data: " + json.dumps({"error": request}).encode() + b"\n\n", b"")

    caller = callers(base_url=serve(echo).url, default_headers={"CF-Access-Client-Secret": HEADER})
    for name, ask in (
        ("whole", lambda: caller.run("@cf/a/whole", HELLO)),
        ("stream", lambda: [*caller.stream("@cf/a/stream")]),
        ("header of a call", lambda: caller.run("@cf/a/whole", HELLO, extra_headers={"x-api-key": f"{HEADER}-too"})),
    ):
        with row(name), pytest.raises(CfaiError) as caught:
            ask()
        assert "[removed]" in str(caught.value.body), name
        assert shows(caught.value, HEADER) == [], name
        assert HEADER.encode() not in pickle.dumps(caught.value), name


@SYNC_AND_ASYNC
def test_what_broke_does_not_hold_it(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        sent = peer.request()
        if b"wait" in sent:
            assert peer.left()
        elif b'"stream":true' in sent:
            peer.stream(HELLO_STREAM[0])

    for prompt, cause in (
        ("leave", httpx.RemoteProtocolError),
        ("wait", httpx.ReadTimeout),
        ("refuse", httpx.ConnectError),
        ("stream", httpx.RemoteProtocolError),
    ):
        server = serve(script)
        if prompt == "refuse":
            server.close()
        caller, inputs = callers(base_url=server.url), {"prompt": prompt, "stream": prompt == "stream"}
        timeout = Timeout(first_byte=1)
        with row(prompt):
            with pytest.raises(APIConnectionError if prompt != "stream" else StreamError) as caught:
                list(caller.run(MODEL, inputs, max_retries=None, timeout=timeout, gateway=GATEWAY))
            assert isinstance(caught.value.__cause__, cause)
            if prompt != "stream":
                assert caught.value.__cause__.request.headers["content-type"] == "application/json"
            assert shown(caught.value) == []
            assert caller.token not in "".join(traceback.format_exception(caught.value))


def test_an_error_before_sending_does_not_hold_it(caller: Caller, service: Service) -> None:
    rows: list[tuple[Any, dict[str, Any]]] = [
        *((inputs, {}) for inputs in ({"prompt": b"bytes"}, {"prompt": float("nan")}, 5)),
        ({"prompt": "x", "max_tokens": 10**9}, {}),
        (HELLO, {"extra_headers": {"authorization": f"Bearer {caller.token}"}}),
        (HELLO, {"extra_headers": {"x-secret": f"{caller.token}\n"}}),
        (HELLO, {"gateway": {"id": "g", "token": GATEWAY_TOKEN + "\n"}}),
    ]
    for inputs, options in rows:
        with row((inputs, options)), pytest.raises(CfaiError) as caught:
            caller.run(MODEL, inputs, **options)
        assert shown(caught.value) == [], (inputs, options)


MISTAKES: dict[str, Callable[[Ai], Any]] = {
    "not a number": lambda ai: ai.run(MODEL, {"prompt": float("nan")}),
    "an object": lambda ai: ai.run(MODEL, {"prompt": object()}),
    "half a character": lambda ai: ai.run(MODEL, {"prompt": "\ud800"}),
    "a tag": lambda ai: ai.run(MODEL, {"prompt": "x"}, tags=["a b"]),
    "a header": lambda ai: ai.run(MODEL, {"prompt": "x"}, extra_headers={"x-a": "é"}),
    "an affinity": lambda ai: ai.run(MODEL, {"prompt": "x"}, session_affinity="é"),
    "a gateway": lambda ai: ai.run(MODEL, {"prompt": "x"}, gateway={"id": "a/b"}),
    "a limit": lambda ai: ai.run(LLAMA_2, {"prompt": "x", "max_tokens": 9999}),
    "a mode": lambda _: Ai(account_id=ACCOUNT, api_token=TOKEN, checks="no"),
    "a URL": lambda _: Ai(account_id=ACCOUNT, api_token=TOKEN, base_url="http://evil.example"),
    "the token as the account": lambda _: Ai(account_id=TOKEN + "x" * 20, api_token=TOKEN),
    "a short account": lambda _: Ai(account_id="short", api_token=TOKEN),
    "a token with a blank": lambda _: Ai(account_id=ACCOUNT, api_token=TOKEN + " " + TOKEN),
    "a proxy": lambda _: Ai(account_id=ACCOUNT, api_token=TOKEN, proxy=f"user:{TOKEN}@host:1"),
    "a password in a URL": lambda _: Ai(account_id=ACCOUNT, api_token=TOKEN, base_url=f"https://a:{TOKEN}@a.example"),
    "a proxy beside bad certificates": lambda _: Ai(
        account_id=ACCOUNT, api_token="x", proxy=f"http://a:{TOKEN}@127.0.0.1:1", verify="/no.pem"
    ).run(MODEL, {"prompt": "x"}),
    "a deadline": lambda _: Ai(account_id=ACCOUNT, api_token=TOKEN, total_timeout=float("inf")),
}


@pytest.mark.filterwarnings("ignore::cfai.RetiredModelWarning")
def test_no_frame_of_ours_shows_a_secret_of_what_was_not_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, mistake in MISTAKES.items():
        with row(name):
            ai = Ai(account_id=ACCOUNT, api_token=TOKEN)
            with pytest.raises(CfaiError) as caught:
                mistake(ai)
            check_frames(caught.value)
    record = partial(Recorder, tmp_path, upstream_account_id=ACCOUNT)
    for name, make in (
        ("a header", partial(Ai.local, emulated=True, default_headers={"x-key": f"{HEADER}\n"})),
        ("a proxy", partial(Ai.local, emulated=True, proxy=f"http://me:{PASSWORD}@127.0.0.1:x")),
        ("a token", partial(Ai.local, emulated=True, api_token=TOKEN)),
        ("a recorder's token", partial(record, upstream_token=f"{TOKEN} x", gateway_token=GATEWAY_TOKEN)),
        ("a recorder's URL", partial(record, upstream_url=f"http://{TOKEN}@", upstream_token=TOKEN)),
        ("a recorder's host", partial(record, "192.0.2.1", upstream_token=TOKEN)),
    ):
        with row(name):
            with pytest.raises(ValueError, match=r"must be|leave out|is no API token|is not loopback") as caught:
                make()
            check_frames(caught.value)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    with pytest.raises(ConfigurationError, match="no account id") as missing:
        Ai()
    check_frames(missing.value)


@SYNC_AND_ASYNC
def test_no_frame_of_a_call_with_tools_shows_a_secret_of_its_options(caller: Caller, service: Service) -> None:
    def get_weather(city: str) -> str:
        return city

    function = {"name": "get_weather", "arguments": {"city": "Oslo"}}
    options: dict[str, Any] = {"gateway": GATEWAY, "extra_headers": {"x-api-key": HEADER}, "max_retries": None}
    for inputs in (HELLO, {**HELLO, "stream": True}, {**HELLO, "tools": []}):
        service.answers(service.result({"response": "", "tool_calls": [function]}), service.error(400, 5006))
        with row(inputs), pytest.raises(CfaiError) as raised:
            run_with_tools(caller, MODEL, inputs, tools=[get_weather], **options).result()
        check_frames(raised.value)


def check_frames(error: BaseException) -> None:
    """Check an error, its causes, and the frames of its traceback, as tools that print their variables show them."""
    shown = show_error(error)
    assert PACKAGE in "".join(traceback.format_exception(error)), "a frame of ours is there to look at"
    for secret in (TOKEN, GATEWAY_TOKEN, HEADER, PASSWORD):
        assert secret not in shown, [line[:300] for line in shown.splitlines() if secret in line]


Failing = tuple[type[CfaiError], Callable[[Service], Any], dict[str, Any]]

ECHO = f"you sent {TOKEN}, {GATEWAY_TOKEN}"
LOGIN_PAGE = f"<html><title>Log in</title>{ECHO}</html>".encode()
FAILURES: dict[str, Failing] = {
    **{
        f"status {status}": (
            kind,
            partial(lambda status, service: service.error(status, None, ECHO, x_echo=ECHO), status),
            {},
        )
        for status, kind in (
            *(
                (302, InferenceUpstreamError),
                (400, BadRequestError),
                (401, AuthenticationError),
                (403, PermissionDeniedError),
            ),
            *((404, NotFoundError), (408, RequestTimeoutError), (429, RateLimitError), (500, InternalServerError)),
            *((524, RequestTimeoutError), (200, InferenceUpstreamError)),
        )
    },
    "in the request id": (BadRequestError, lambda service: service.error(400, cf_ray=ECHO), {}),
    "in the reason": (
        BadRequestError,
        lambda _: partial(httpx.Response, 400, extensions={"reason_phrase": ECHO.encode()}),
        {},
    ),
    "busy": (CapacityError, lambda service: service.error(429, 3040, ECHO), {}),
    "used up": (QuotaExceededError, lambda service: service.error(429, 3036, ECHO), {}),
    "too long": (ContextLengthError, lambda service: service.error(400, 5021, f"{ECHO} {TOO_LONG}"), {}),
    "a login page": (APIResponseValidationError, lambda service: service.raw(LOGIN_PAGE, "text/html"), {}),
    "no body": (APIResponseValidationError, lambda service: service.json(b""), {}),
    "JSON of something else": (APIResponseValidationError, lambda service: service.json([ECHO]), {}),
    "JSON that is cut": (APIResponseValidationError, lambda service: service.json(f'{{"a": "{ECHO}'.encode()), {}),
    "a broken body": (CfaiError, lambda service: service.events(breaks=httpx.ReadError("x"), content_type=JSON), {}),
    "refused": (APIConnectionError, lambda _: httpx.ConnectError("x"), {}),
    "not trusted": (APIConnectionError, lambda _: httpx.ConnectError("CERTIFICATE_VERIFY_FAILED"), {}),
    "a proxy that refuses": (APIConnectionError, lambda _: httpx.ProxyError("407 Proxy Authentication Required"), {}),
    "slow": (APITimeoutError, lambda _: httpx.ReadTimeout("x"), {}),
    "slow to connect": (APITimeoutError, lambda _: httpx.ConnectTimeout("x"), {}),
    "broken before an answer": (APIConnectionError, lambda _: httpx.RemoteProtocolError("x"), {}),
    "no time": (APITimeoutError, lambda service: service.result({"response": "x"}), {"total_timeout": 1e-9}),
}
"""What comes in place of an answer, and what it raises. Careless servers repeat what they were sent."""

STREAMS: dict[str, Failing] = {
    "cut": (StreamTruncatedError, lambda service: service.events(HELLO_STREAM[0]), {}),
    "broken": (StreamError, lambda service: service.events(HELLO_STREAM[0], breaks=httpx.ReadError("x")), {}),
    "silent": (StreamTruncatedError, lambda service: service.events(breaks=httpx.ReadTimeout("x")), {}),
    "an error": (StreamError, lambda service: service.events(event({"errors": [{"code": 1, "message": ECHO}]})), {}),
    "an error of one line": (StreamError, lambda service: service.events(event({"error": ECHO})), {}),
    "words": (StreamError, lambda service: service.events(f"data: {ECHO}\n\n".encode()), {}),
    "an event that is cut": (StreamError, lambda service: service.events(f'data: {{"a": "{ECHO}'.encode()), {}),
    "odd events": (StreamError, lambda service: service.events(event([ECHO]), event({"response": {"a": ECHO}})), {}),
    "a login page": (CfaiError, lambda service: service.raw(LOGIN_PAGE, "text/event-stream"), {}),
    "nothing": (StreamTruncatedError, lambda service: service.events(), {}),
    "a length": (
        StreamError,
        lambda service: service.events(event({"errors": [{"message": f"{ECHO} {TOO_LONG}"}]})),
        {},
    ),
    "no time": (CfaiError, lambda service: service.events(*HELLO_STREAM, pause=0.05), {"total_timeout": 0.02}),
}
"""What comes of a stream."""


@SYNC_AND_ASYNC
def test_no_frame_of_ours_shows_a_secret_of_a_call_whatever_it_raises(callers: Callers, service: Service) -> None:
    secrets = {"gateway": GATEWAY, "extra_headers": {"x-key": HEADER}, "max_retries": None}
    caller = callers(proxy=f"http://me:{PASSWORD}@127.0.0.1:9", default_headers={"cf-access-client-secret": HEADER})
    for wants_stream, table in ((False, FAILURES), (True, FAILURES), (True, STREAMS)):
        for name, (kind, answer, options) in table.items():
            service.answers(answer(service))
            with row((name, wants_stream)):
                with pytest.raises(CfaiError if wants_stream else kind) as caught:
                    list(caller.run(MODEL, {"prompt": "Hello", "stream": wants_stream}, **secrets, **options))
                check_frames(caught.value)
    caller.close()
    with pytest.raises(ConfigurationError, match="closed") as caught:
        caller.run(MODEL, HELLO, **secrets)
    check_frames(caught.value)


BAD_CALLS: list[tuple[Any, dict[str, Any]]] = [
    *((inputs, {}) for inputs in (5, {"prompt": float("nan")}, {"prompt": b"x"}, {"prompt": "x", "max_tokens": 10**9})),
    *((HELLO, {option: "x"}) for option in ("timeout", "total_timeout", "max_retries", "checks", "queue_request")),
    *((HELLO, {option: value}) for option, value in (("tags", ["a b"]), ("session_affinity", "é"), ("model", ".."))),
    *((HELLO, {"gateway": {**GATEWAY, **wrong}}) for wrong in ({"id": "a/b"}, {"x": 1}, {"Token": GATEWAY_TOKEN})),
    *((HELLO, {"gateway": {**GATEWAY, **wrong}}) for wrong in ({"cache_ttl": "x"}, {"retries": 5}, {"cache_key": "é"})),
    *((HELLO, {"gateway": {**GATEWAY, "metadata": {"a": value}}}) for value in (b"x", float("nan"))),
    *((HELLO, {"gateway": {"id": "g", "token": token}}) for token in (f"{GATEWAY_TOKEN}\n", f"Bearer {GATEWAY_TOKEN}")),
    *((HELLO, {"gateway": gateway}) for gateway in ([GATEWAY], (GATEWAY,))),
    *((HELLO, {"extra_headers": {"x-key": HEADER, **wrong}}) for wrong in ({"x-a": "é"}, {"a b": "c"}, {"host": "a"})),
    *((HELLO, {"extra_headers": headers}) for headers in ([HEADER], {"x-key": f"{HEADER}\n"}, {f"x: {HEADER}": "x"})),
]


@SYNC_AND_ASYNC
def test_no_frame_of_ours_shows_a_secret_of_a_call_that_is_wrong(callers: Callers, service: Service) -> None:
    caller = callers(proxy=f"http://me:{PASSWORD}@127.0.0.1:9", default_headers={"cf-access-client-secret": HEADER})
    for inputs, options in BAD_CALLS:
        every = {"model": MODEL, "gateway": GATEWAY, "extra_headers": {"x-key": HEADER}, **options}
        with row((inputs, options)):
            with pytest.raises(CfaiError) as caught:
                caller.run(every.pop("model"), inputs, **every)
            check_frames(caught.value)
    for headers in ({"x-key": HEADER, "x-a": "é"}, [HEADER], {"x-key": f"{HEADER}\n"}):
        for make in (caller.ai.with_options, callers):
            with row(headers):
                with pytest.raises(ConfigurationError) as caught:
                    make(default_headers=headers)
                check_frames(caught.value)
    assert service.requests == []


@SYNC_AND_ASYNC
def test_no_frame_of_ours_shows_a_secret_of_a_job(caller: Caller, service: Service, tmp_path: Path) -> None:
    options: dict[str, Any] = {"gateway": GATEWAY, "extra_headers": {"x-key": HEADER}, "journal": tmp_path / "j.jsonl"}
    service.answers(service.error(401, 10000))

    def run_job(**more: Any) -> None:
        if caller.portal is None:
            list(caller.ai.run_many(MODEL, [HELLO], **options, **more))
        else:
            list(BlockingIterator(caller.ai.arun_many(MODEL, [HELLO], **options, **more), caller.portal))

    for more in ({}, {"concurrency": 0}, {"tags": ["not a tag"]}, {"return_raw_response": True}, {"max_retries": -1}):
        with row(more), pytest.raises((CfaiError, TypeError)) as caught:
            run_job(**more)
        shown = show_error(caught.value)
        assert [secret for secret in (TOKEN, GATEWAY_TOKEN, HEADER) if secret in shown] == []
    assert TOKEN not in (tmp_path / "j.jsonl").read_text("utf-8")


@SYNC_AND_ASYNC
def test_logs_do_not_show_it(callers: Callers, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caller = callers(base_url=serve(answering).url)
    caller.run(MODEL, HELLO, gateway=GATEWAY)
    caller.stream(MODEL).result()
    with pytest.raises(InferenceUpstreamError):
        caller.run(MODEL, {"prompt": "bad"})
    assert any("HTTP Request" in record.getMessage() for record in caplog.records)
    for record in caplog.records:
        assert shows(record.__dict__, caller.token) == shows(record.__dict__, GATEWAY_TOKEN) == []


@SYNC_AND_ASYNC
def test_the_token_does_not_follow_a_redirect(callers: Callers, serve: Serve) -> None:
    other = serve(lambda peer: peer.request())
    for status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"):
        for location in (f"{other.origin}/client/v4", "/elsewhere"):

            def script(peer: Peer, status: str = status, location: str = location) -> None:
                while peer.request():
                    peer.answer(b"", status=status, head=f"location: {location}\r\n")

            server = serve(script)
            caller = callers(base_url=server.url)
            for options in ({}, {"gateway": GATEWAY}):
                with row((status, location, options)):
                    with pytest.raises(InferenceUpstreamError, match="redirects are not followed") as caught:
                        caller.run(MODEL, HELLO, **options)
                    assert caught.value.headers["location"] == location
            assert len(server.requests) == 2, (status, location)
    assert other.connections == 0


def test_the_token_goes_over_plain_http_only_if_the_caller_says_so(callers: Callers, service: Service) -> None:
    with pytest.raises(ConfigurationError, match="in the clear"):
        callers(base_url="http://ai.example/client/v4")
    callers(base_url="http://ai.example/client/v4", allow_http=True).run(MODEL, HELLO)
    assert service.url.startswith("http://ai.example/")
    callers(base_url="https://ai.example/client/v4").run(MODEL, HELLO, gateway="g")
    assert service.request.url.host == "ai.example", "a gateway of another server is beside its API"


def test_every_attempt_has_its_credentials(caller: Caller, service: Service, sleeps: list[float]) -> None:
    service.answers(service.error(503), httpx.ConnectError("x"), service.result({"response": "x"}))
    caller.run(MODEL, HELLO, gateway=GATEWAY)
    assert [request.headers["authorization"] for request in service.requests] == [f"Bearer {caller.token}"] * 3
    assert {request.headers["cf-aig-authorization"] for request in service.requests} == {f"Bearer {GATEWAY_TOKEN}"}
    assert json.loads(service.request.content) == HELLO
