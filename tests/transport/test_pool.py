"""Clients of HTTP: opened late, shared, kept for one event loop at a time, closed once."""

from __future__ import annotations

import asyncio
import gc
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio.to_thread
import certifi
import httpx
import pytest
import trio

import cfai._transport.pool
from cfai import Ai, ConfigurationError
from tests.bodies import HELLO as HELLO_STREAM
from tests.bodies import OK, answering
from tests.conftest import ACCOUNT, BACKENDS, LONG, SYNC_AND_ASYNC, Callers, Peer, Serve, Server, Service, row

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


def local_ai(server: Server) -> Ai:
    return Ai(account_id="local", api_token="token", base_url=server.url)


# Opening


def test_the_first_call_opens_a_client_which_is_kept(callers: Callers, service: Service, opened: list[Any]) -> None:
    # No TLS context either: the file would be missed.
    for caller in (callers(verify="no such file"), callers()):
        caller.with_options(timeout=5)
        repr(caller.ai)
    assert opened == []
    for _ in range(3):
        caller.run(MODEL, HELLO)
    assert opened == ["Client" if caller.portal is None else "AsyncClient"]


@SYNC_AND_ASYNC
def test_calls_and_copies_share_a_connection_also_after_an_error(callers: Callers, serve: Serve) -> None:
    server = serve(answering)
    caller = callers(base_url=server.url)
    copy = caller.with_options(timeout=5)
    for each in [*[caller] * 50, copy, copy.with_options(max_retries=None), caller]:
        assert each.run(MODEL, HELLO).text == "Hello"
    for _ in range(2):
        with pytest.raises(cfai.BadRequestError):
            caller.run(MODEL, {"prompt": "bad"})
    copy.close()
    assert caller.run(MODEL, HELLO).text == copy.run(MODEL, HELLO).text == "Hello"
    assert (len(server.requests), server.connections) == (57, 1)


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(callers: Callers, serve: Serve) -> None:
    server = serve(lambda peer: peer.request() and peer.answer(OK))
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
    with local_ai(server) as ai, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: ai.run(MODEL, {"prompt": str(number)}).text, range(200)))
    assert answers == ["Hello"] * 200
    bodies = {request.rpartition(b"\r\n")[2] for request in server.requests}
    assert bodies == {b'{"prompt":"%d"}' % number for number in range(200)}


@pytest.mark.parametrize("passed_in", [False, True])
def test_sync_and_async_calls_have_a_client_each(service: Service, opened: list[Any], passed_in: bool) -> None:
    client = httpx.Client() if passed_in else None
    opened.clear()

    async def main() -> str:
        async with Ai(account_id=ACCOUNT, api_token="token", http_client=client) as ai:
            return ai.run(MODEL, HELLO).text + (await ai.arun(MODEL, HELLO)).text

    assert asyncio.run(main()) == "HelloHello"
    assert opened == (["AsyncClient"] if passed_in else ["Client", "AsyncClient"])
    if client is not None:
        client.close()


# Closing


@SYNC_AND_ASYNC
def test_a_closed_ai_says_so_and_so_do_its_copies(callers: Callers, service: Service) -> None:
    for calls in (1, 0):
        caller = callers()
        copy = caller.with_options(timeout=5)
        for _ in range(calls):
            caller.run(MODEL, HELLO)
        for _ in range(2):
            caller.close()
        for each in (caller, copy):
            with row((calls, each)), pytest.raises(ConfigurationError, match="this Ai is closed"):
                each.run(MODEL, HELLO)


@pytest.mark.parametrize("backend", ["", "asyncio", "trio"])
def test_with_closes_every_client(serve: Serve, backend: str) -> None:
    ended = threading.Semaphore(0)

    def script(peer: Peer) -> None:
        answering(peer)
        ended.release()

    server = serve(script)
    ai = local_ai(server)

    def work() -> None:
        with ai:
            ai.run(MODEL, HELLO)
            assert not ended.acquire(blocking=False)
        with pytest.raises(ConfigurationError, match="closed"):
            ai.run(MODEL, HELLO)

    async def awork() -> None:
        async with ai:
            ai.run(MODEL, HELLO)
            await ai.arun(MODEL, HELLO)
        with pytest.raises(ConfigurationError, match="closed"):
            await ai.arun(MODEL, HELLO)

    anyio.run(awork, backend=backend) if backend else work()
    assert server.connections == (2 if backend else 1)
    for _ in range(server.connections):
        assert ended.acquire(timeout=10)


# Forgetting


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("backend", ["", "asyncio", "trio"])
def test_a_stream_outlives_a_client_that_nobody_keeps(serve: Serve, raw: bool, backend: str) -> None:
    collected = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.stream(HELLO_STREAM[0])
        assert collected.wait(LONG)
        for piece in (*HELLO_STREAM[1:], b""):
            peer.chunk(piece)
        peer.left()

    server = serve(script)

    def run() -> str:
        stream: Any = local_ai(server).run(MODEL, STREAM, return_raw_response=raw)
        gc.collect()
        collected.set()
        return stream.read().decode() if raw else stream.result().text

    async def arun() -> str:
        stream: Any = await local_ai(server).arun(MODEL, STREAM, return_raw_response=raw)
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

    async def main() -> None:
        await local_ai(server).arun(MODEL, HELLO)
        gc.collect()
        await asyncio.sleep(0.1)  # the loop closes what was forgotten in its own time

    server = serve(script)
    for call in (lambda: local_ai(server).run(MODEL, HELLO), lambda: asyncio.run(main())):
        call()
        gc.collect()
        assert server.was_left.wait(LONG)
        server.was_left.clear()


# Event loops


def test_one_loop_after_another_has_answers_and_streams(serve: Serve) -> None:
    server = serve(answering)
    ai = local_ai(server)

    async def main() -> str:
        async with await ai.arun(MODEL, STREAM) as stream:
            streamed = "".join([str(token) async for token in stream])
        return (await ai.arun(MODEL, HELLO)).text + streamed

    texts = [asyncio.run(main()), asyncio.run(main()), trio.run(main), trio.run(main), asyncio.run(main())]
    assert texts == ["HelloHello"] * 5
    assert server.connections == 5
    ai.close()
    gc.collect()


@BACKENDS
def test_an_ai_is_used_by_a_loop_while_another_one_uses_it(serve: Serve, backend: str) -> None:
    running, finish = threading.Event(), threading.Event()

    async def call() -> str:
        return (await ai.arun(MODEL, HELLO)).text

    async def first() -> str:
        await call()
        running.set()
        await anyio.to_thread.run_sync(finish.wait, 10)
        return await call()

    with local_ai(serve(answering)) as ai, ThreadPoolExecutor(1) as threads:
        other = threads.submit(anyio.run, first, backend=backend)
        try:
            assert running.wait(10)
            assert asyncio.run(call()) == ai.run(MODEL, HELLO).text == "Hello"
        finally:
            finish.set()
        assert other.result(10) == "Hello"


def test_many_calls_at_once_on_one_loop(serve: Serve) -> None:
    async def main() -> list[str]:
        async with local_ai(serve(answering)) as ai:
            answers = await asyncio.gather(*[ai.arun(MODEL, {"prompt": str(number)}) for number in range(50)])
            return [answer.text for answer in answers]

    assert asyncio.run(main()) == ["Hello"] * 50


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.parametrize("closes", [True, False])
@BACKENDS
def test_loops_one_after_another_leave_nothing_open(serve: Serve, closes: bool, backend: str) -> None:
    server = serve(answering)
    ai = local_ai(server)

    async def main() -> str:
        return (await ai.arun(MODEL, HELLO)).text

    async def last() -> str:
        async with ai:
            return await main()

    for call in (main, main, last if closes else main):
        assert anyio.run(call, backend=backend) == "Hello"
    assert server.connections == 3


# Proxies and environment


def test_a_proxy_that_is_given_is_used(callers: Callers, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(answering)
    callers(account_id="a", base_url="http://127.0.0.1:9/client/v4", proxy=proxy.origin).run(MODEL, HELLO)
    monkeypatch.setenv("HTTP_PROXY", proxy.origin)
    callers(account_id="a", base_url="http://127.0.0.1:9/client/v4", allow_http=True).run(MODEL, HELLO)
    line = f"POST http://127.0.0.1:9/client/v4/accounts/a/ai/run/{MODEL} ".encode()
    assert [request.startswith(line) for request in proxy.requests] == [True, True]
    assert "secret" not in repr(callers(proxy="http://user:secret@127.0.0.1:9").ai)


def test_no_proxy_is_asked_for_this_machine(callers: Callers, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = serve(answering), serve(answering)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.origin)
    for calls, options in enumerate(({}, {"trust_env": False}), 1):
        callers(base_url=server.url, **options).run(MODEL, HELLO)
        assert (proxy.connections, server.connections) == (0, calls), options


# Certificates


@pytest.fixture
def contexts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The `verify` of each client that was made."""
    given: list[Any] = []

    def client(**options: Any) -> Any:
        given.append(options["verify"])
        raise ConfigurationError("not made")

    monkeypatch.setattr(cfai._transport.pool.httpx, "Client", client)
    return given


def called(**options: Any) -> None:
    with pytest.raises(ConfigurationError, match="not made"):
        Ai(account_id=ACCOUNT, api_token="token", **options).run(MODEL, HELLO)


def test_certificates_come_from_a_context_a_file_a_folder_or_nowhere(contexts: list[Any], tmp_path: Path) -> None:
    context = ssl.create_default_context()
    for verify in (context, certifi.where(), str(tmp_path), False, True):
        called(verify=verify)
    _, from_file, from_folder, _, _ = contexts
    assert contexts[0] is context
    assert from_file.get_ca_certs()
    assert not from_folder.get_ca_certs()
    required, none = ssl.CERT_REQUIRED, ssl.CERT_NONE
    assert [context.verify_mode for context in contexts] == [required, required, required, none, required]


def test_one_context_serves_until_the_environment_changes(contexts: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    called()
    called()
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    called()
    called(trust_env=False)
    first, second, third, fourth = contexts
    assert first is second
    assert third not in (first, fourth)
