"""Clients of HTTP: opened late, shared, kept for one event loop at a time, closed once."""

from __future__ import annotations

import asyncio
import gc
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio.to_thread
import certifi
import httpx
import pytest
import trio

import cfai._transport.pool
from cfai import Ai, APIConnectionError, ConfigurationError
from tests.bodies import OK, answering
from tests.conftest import LONG, SYNC_AND_ASYNC, Callers, Peer, Serve, Service

ACCOUNT = "0123456789abcdef0123456789abcdef"
MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
HELLO: Any = {"prompt": "Hello"}
STREAM: Any = {"prompt": "Hello", "stream": True}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The clients that were made, by the name of their class."""
    made: list[Any] = []

    def counting(kind: Any) -> Any:
        class Counted(kind):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                made.append(kind.__name__)
                super().__init__(*arguments, **options)

        return Counted

    for kind in (httpx.Client, httpx.AsyncClient):
        monkeypatch.setattr(cfai._transport.pool.httpx, kind.__name__, counting(kind))
    return made


# Opening


def test_nothing_is_opened_before_the_first_call(opened: list[Any]) -> None:
    # No TLS context either: the file would be missed.
    ai = Ai(account_id=ACCOUNT, api_token="token", verify="no such file")
    ai.with_options(timeout=5)
    repr(ai)
    ai.close()
    assert opened == []


def test_sync_and_async_calls_open_a_client_each_and_keep_it(
    callers: Callers, service: Service, opened: list[Any]
) -> None:
    caller = callers()
    for _ in range(3):
        caller.run(MODEL, HELLO)
    assert opened == ["Client" if caller.portal is None else "AsyncClient"]


@SYNC_AND_ASYNC
def test_calls_share_a_connection(callers: Callers, serve: Serve) -> None:
    server = serve(answering)
    caller = callers(base_url=server.url)
    for _ in range(50):
        assert caller.run(MODEL, HELLO).text == "Hello"
    assert len(server.requests) == 50
    assert server.connections == 1


@SYNC_AND_ASYNC
def test_a_connection_is_used_again_after_an_error(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        while peer.request():
            peer.answer(b'{"errors":[{"code":5006,"message":"bad"}]}', status="400 Bad Request")

    server = serve(script)
    caller = callers(base_url=server.url)
    for _ in range(3):
        with pytest.raises(cfai.BadRequestError):
            caller.run(MODEL, HELLO)
    assert server.connections == 1


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.answer(OK)

    server = serve(script)
    caller = callers(base_url=server.url)
    for _ in range(3):
        assert caller.run(MODEL, HELLO).text == "Hello"
    assert server.connections == 3


def test_the_first_call_of_many_threads_opens_one_client(callers: Callers, service: Service, opened: list[Any]) -> None:
    ai = Ai(account_id=ACCOUNT, api_token="token")
    together = threading.Barrier(8)

    def call(_: int) -> str:
        together.wait(10)
        return ai.run(MODEL, HELLO).text

    with ai, ThreadPoolExecutor(8) as threads:
        assert set(threads.map(call, range(8))) == {"Hello"}
    assert opened == ["Client"]


def test_threads_share_an_ai(serve: Serve) -> None:
    server = serve(answering)
    with Ai(account_id="local", api_token="token", base_url=server.url) as ai, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: ai.run(MODEL, {"prompt": str(number)}).text, range(200)))
    assert answers == ["Hello"] * 200
    bodies = {request.rpartition(b"\r\n")[2] for request in server.requests}
    assert bodies == {b'{"prompt":"%d"}' % number for number in range(200)}


@pytest.mark.parametrize("passed_in", [False, True])
def test_an_ai_is_used_sync_and_async_with_a_client_for_each(
    service: Service, opened: list[Any], passed_in: bool
) -> None:
    client = httpx.Client() if passed_in else None
    opened.clear()

    async def main() -> str:
        async with Ai(account_id=ACCOUNT, api_token="token", http_client=client) as ai:
            return ai.run(MODEL, HELLO).text + (await ai.arun(MODEL, HELLO)).text

    assert asyncio.run(main()) == "HelloHello"
    assert opened == (["AsyncClient"] if passed_in else ["Client", "AsyncClient"])
    if client is not None:
        client.close()


# Copies


@SYNC_AND_ASYNC
def test_copies_share_connections(callers: Callers, serve: Serve) -> None:
    server = serve(answering)
    caller = callers(base_url=server.url)
    copy = caller.with_options(timeout=5).with_options(max_retries=None)
    copy.run(MODEL, HELLO)
    caller.run(MODEL, HELLO)
    copy.run(MODEL, HELLO)
    assert server.connections == 1


@SYNC_AND_ASYNC
def test_a_copy_closes_nothing(callers: Callers, serve: Serve) -> None:
    server = serve(answering)
    caller = callers(base_url=server.url)
    copy = caller.with_options(timeout=5)
    caller.run(MODEL, HELLO)
    copy.close()
    assert caller.run(MODEL, HELLO).text == copy.run(MODEL, HELLO).text == "Hello"
    assert server.connections == 1


@SYNC_AND_ASYNC
def test_a_copy_is_closed_with_its_original(callers: Callers, service: Service) -> None:
    caller = callers()
    copy = caller.with_options(timeout=5)
    caller.close()
    with pytest.raises(ConfigurationError, match="closed"):
        copy.run(MODEL, HELLO)


def test_a_copy_is_all_that_its_original_is_but_for_what_was_given(callers: Callers, service: Service) -> None:
    caller = callers(default_headers={"x-a": "b"}, timeout=30, checks="off", max_retries=None)
    copy = caller.with_options(timeout=20)
    copy.run(MODEL, {"prompt": "x", "max_tokens": 10**9})
    assert service.request.headers["x-a"] == "b"
    assert service.timeouts[0]["read"] == 20
    caller.run(MODEL, HELLO)
    assert service.timeouts[1]["read"] == 30


# Closing


@SYNC_AND_ASYNC
def test_a_closed_ai_says_so(callers: Callers, service: Service) -> None:
    caller = callers()
    caller.run(MODEL, HELLO)
    caller.close()
    with pytest.raises(ConfigurationError, match="this Ai is closed"):
        caller.run(MODEL, HELLO)


def test_an_ai_that_was_never_used_closes_too(callers: Callers, service: Service) -> None:
    caller = callers()
    caller.close()
    caller.close()
    with pytest.raises(ConfigurationError, match="closed"):
        caller.run(MODEL, HELLO)


def test_with_closes_it(serve: Serve) -> None:
    ended = threading.Event()

    def script(peer: Peer) -> None:
        answering(peer)
        ended.set()

    with Ai(account_id="local", api_token="token", base_url=serve(script).url) as ai:
        ai.run(MODEL, HELLO)
        assert not ended.is_set()
    assert ended.wait(10)
    with pytest.raises(ConfigurationError, match="closed"):
        ai.run(MODEL, HELLO)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_with_closes_both_clients(serve: Serve, backend: str) -> None:
    ended = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        answering(peer)
        ended.release()

    server = serve(script)

    async def main() -> None:
        async with Ai(account_id="local", api_token="token", base_url=server.url) as ai:
            ai.run(MODEL, HELLO)
            await ai.arun(MODEL, HELLO)
        with pytest.raises(ConfigurationError, match="closed"):
            await ai.arun(MODEL, HELLO)

    asyncio.run(main()) if backend == "asyncio" else trio.run(main)
    assert ended.acquire(timeout=10)
    assert ended.acquire(timeout=10)
    assert server.connections == 2


# Forgetting


def playing(collected: threading.Event) -> Callable[[Any], None]:
    """Return a script whose stream goes on once the garbage has been collected."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.start()
        peer.chunk(b'data: {"response":"Hel"}\n\n')
        assert collected.wait(LONG)
        peer.chunk(b'data: {"response":"lo"}\n\ndata: [DONE]\n\n')
        peer.chunk(b"")
        peer.left()

    return script


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("backend", ["", "asyncio", "trio"])
def test_a_stream_outlives_a_client_that_nobody_keeps(serve: Serve, raw: bool, backend: str) -> None:
    collected = threading.Event()
    url = serve(playing(collected)).url

    def run() -> str:
        ai = Ai(account_id="local", api_token="token", base_url=url)
        stream: Any = ai.run(MODEL, STREAM, return_raw_response=raw)
        del ai
        gc.collect()
        collected.set()
        return stream.read().decode() if raw else stream.result().text

    async def arun() -> str:
        call = Ai(account_id="local", api_token="token", base_url=url).arun(MODEL, STREAM, return_raw_response=raw)
        stream: Any = await call
        del call
        gc.collect()
        collected.set()
        return (await stream.aread()).decode() if raw else (await stream.aresult()).text

    assert "lo" in (anyio.run(arun, backend=backend) if backend else run())


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_a_client_that_is_forgotten_closes_its_connections(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.answer(OK)
        peer.left()

    server = serve(script)
    Ai(account_id="local", api_token="token", base_url=server.url).run(MODEL, {"prompt": "x"})
    gc.collect()
    assert server.was_left.wait(LONG)
    server.was_left.clear()

    async def main() -> None:
        await Ai(account_id="local", api_token="token", base_url=server.url).arun(MODEL, {"prompt": "x"})
        gc.collect()
        await asyncio.sleep(0.1)  # the loop closes what was forgotten in its own time

    asyncio.run(main())
    gc.collect()
    assert server.was_left.wait(LONG)


# Event loops


def test_one_loop_after_another(serve: Serve) -> None:
    server = serve(answering)
    ai = Ai(account_id="local", api_token="token", base_url=server.url)

    async def main() -> str:
        return (await ai.arun(MODEL, HELLO)).text + (await ai.arun(MODEL, HELLO)).text

    texts = [asyncio.run(main()), asyncio.run(main()), trio.run(main), trio.run(main), asyncio.run(main())]
    assert texts == ["HelloHello"] * 5
    assert server.connections == 5
    ai.close()
    gc.collect()


def test_streams_in_one_loop_after_another(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        while peer.request():
            peer.start()
            peer.chunk(b'data: {"response":"Hello"}\n\ndata: [DONE]\n\n')
            peer.chunk(b"")

    ai = Ai(account_id="local", api_token="token", base_url=serve(script).url)

    async def main() -> str:
        async with await ai.arun(MODEL, {"prompt": "x", "stream": True}) as stream:
            return "".join([str(token) async for token in stream])

    assert [asyncio.run(main()), asyncio.run(main()), trio.run(main)] == ["Hello"] * 3
    ai.close()
    gc.collect()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_ai_is_used_by_a_loop_while_another_one_uses_it(serve: Serve, backend: str) -> None:
    ai = Ai(account_id="local", api_token="token", base_url=serve(answering).url)
    running, finish = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    async def first() -> None:
        await ai.arun(MODEL, HELLO)
        running.set()
        await anyio.to_thread.run_sync(finish.wait, 10)
        assert (await ai.arun(MODEL, HELLO)).text == "Hello"

    def main() -> None:
        try:
            asyncio.run(first()) if backend == "asyncio" else trio.run(first)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=main)
    thread.start()
    try:
        assert running.wait(10)
        assert asyncio.run(_arun(ai)).text == "Hello"
        assert ai.run(MODEL, HELLO).text == "Hello"
    finally:
        finish.set()
        thread.join(10)
        ai.close()
    assert failed == []


async def _arun(ai: Ai) -> Any:
    return await ai.arun(MODEL, HELLO)


def test_many_calls_at_once_on_one_loop(serve: Serve) -> None:
    async def main() -> list[str]:
        async with Ai(account_id="local", api_token="token", base_url=serve(answering).url) as ai:
            answers = await asyncio.gather(*[ai.arun(MODEL, {"prompt": str(number)}) for number in range(50)])
            return [answer.text for answer in answers]

    assert asyncio.run(main()) == ["Hello"] * 50


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_loops_one_after_another_leave_nothing_open(serve: Serve, closes: bool, backend: str) -> None:
    server = serve(answering)
    ai = Ai(account_id="local", api_token="token", base_url=server.url)

    async def main() -> str:
        return (await ai.arun(MODEL, {"prompt": "x"})).text

    async def last() -> str:
        async with ai:
            return await main()

    for call in (main, main, last if closes else main):
        assert anyio.run(call, backend=backend) == "Hello"
    assert server.connections == 3


# Proxies and environment


def test_a_proxy_of_the_environment_is_used(callers: Callers, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(answering)
    monkeypatch.setenv("HTTP_PROXY", proxy.origin)
    caller = callers(account_id="a", base_url="http://127.0.0.1:9/client/v4", allow_http=True)
    assert caller.run(MODEL, HELLO).text == "Hello"
    assert proxy.requests[0].startswith(f"POST http://127.0.0.1:9/client/v4/accounts/a/ai/run/{MODEL} ".encode())


def test_a_proxy_of_the_environment_is_passed_by_on_the_way_to_this_machine_or_if_it_is_not_trusted(
    callers: Callers, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = serve(answering), serve(answering)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.origin)
    for calls, options in enumerate(({}, {"trust_env": False}), 1):
        callers(base_url=server.url, **options).run(MODEL, HELLO)
        assert (proxy.connections, server.connections) == (0, calls), options


def test_a_proxy_can_be_given(callers: Callers, serve: Serve) -> None:
    proxy = serve(answering)
    caller = callers(base_url="http://127.0.0.1:9/client/v4", proxy=proxy.origin)
    assert caller.run(MODEL, HELLO).text == "Hello"
    assert len(proxy.requests) == 1


def test_a_tunnel_that_the_proxy_refuses_is_an_error_and_shows_no_token(callers: Callers, serve: Serve) -> None:
    received: list[bytes] = []

    def script(peer: Peer) -> None:
        received.append(peer.connection.recv(65536))
        peer.answer(b"", status="407 Proxy Authentication Required")

    caller = callers(proxy=serve(script).origin)
    with pytest.raises(APIConnectionError):
        caller.run(MODEL, HELLO, max_retries=None)
    assert received[0].startswith(b"CONNECT api.cloudflare.com:443 ")
    assert caller.token.encode() not in received[0]


def test_a_proxy_s_password_does_not_show(callers: Callers) -> None:
    assert "secret" not in repr(callers(proxy="http://user:secret@127.0.0.1:9").ai)


# Certificates


@pytest.fixture
def contexts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `verify` the clients were made with."""
    given: list[Any] = []

    def client(**options: Any) -> Any:
        given.append(options["verify"])
        raise ConfigurationError("not made")

    monkeypatch.setattr(cfai._transport.pool.httpx, "Client", client)
    return given


def called(**options: Any) -> None:
    with pytest.raises(ConfigurationError, match="not made"):
        Ai(account_id=ACCOUNT, api_token="token", **options).run(MODEL, HELLO)


def test_a_context_of_the_callers_is_used_as_it_is(contexts: list[Any]) -> None:
    context = ssl.create_default_context()
    called(verify=context)
    assert contexts[0] is context


def test_certificates_can_come_from_a_file_or_a_folder(contexts: list[Any], tmp_path: Path) -> None:
    called(verify=certifi.where())
    called(verify=str(tmp_path))
    from_file, from_folder = contexts
    assert from_file.get_ca_certs()
    assert not from_folder.get_ca_certs()
    assert {context.verify_mode for context in contexts} == {ssl.CERT_REQUIRED}


def test_checking_them_can_be_switched_off(contexts: list[Any]) -> None:
    called(verify=False)
    called()
    assert [context.verify_mode for context in contexts] == [ssl.CERT_NONE, ssl.CERT_REQUIRED]


def test_one_context_serves_all_until_the_environment_changes(
    contexts: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    called()
    called()
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    called()
    called(trust_env=False)
    first, second, third, fourth = contexts
    assert first is second
    assert third is not first
    assert fourth is not third
