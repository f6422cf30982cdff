"""A stream that somebody interrupts: it goes on where it was, or says that it was cut, and never ends as if whole."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from subprocess import PIPE, Popen
from sys import executable
from typing import Any

import anyio
import httpx
import pytest
from anyio.from_thread import BlockingPortal

import cfai._streaming.event_stream
from cfai import Ai, APIConnectionError, ConfigurationError, StreamTruncatedError
from tests.bodies import DONE, HELLO, native, one_token
from tests.conftest import ACCOUNT, ASYNC, LONG, SYNC_AND_ASYNC, TOKEN, Callers, Peer, Serve, Service, row

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
TEXTS = [f"{number} " for number in range(10)]


def thinking(peer: Peer) -> None:
    """Stream ten tokens, with a pause before each that is longer than a test waits at a time."""
    while peer.request():
        peer.start()
        for piece in native(*TEXTS):
            time.sleep(0.05)
            peer.chunk(piece)
        peer.chunk(DONE)
        peer.chunk(b"")


@pytest.fixture
def thoughtful(callers: Callers, serve: Serve) -> Ai:
    return callers(base_url=serve(thinking).url).ai


# Waits that are cut short, by each of the ways in which programs cut them


async def by_wait_for(items: Any) -> Any:
    try:
        return await asyncio.wait_for(anext(items), 0.02)
    except TimeoutError:
        return None


async def by_timeout(items: Any) -> Any:
    try:
        async with asyncio.timeout(0.02):
            return await anext(items)
    except TimeoutError:
        return None


async def by_cancelling_a_task(items: Any) -> Any:
    task = asyncio.ensure_future(anext(items))
    await asyncio.sleep(0.02)
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return None


async def by_move_on_after(items: Any) -> Any:
    with anyio.move_on_after(0.02):
        return await anext(items)
    return None


async def by_fail_after(items: Any) -> Any:
    try:
        with anyio.fail_after(0.02):
            return await anext(items)
    except TimeoutError:
        return None


async def read_in_pieces(items: Any, step: Any) -> tuple[list[Any], int]:
    """Return the items of an iterator, and how many of the waits for one were cut short."""
    came: list[Any] = []
    cuts = 0
    with anyio.fail_after(LONG):
        while True:
            try:
                item = await step(items)
            except StopAsyncIteration:
                return came, cuts
            if item is None:
                cuts += 1
            else:
                came.append(item)


@ASYNC
def test_a_wait_that_is_cut_short_loses_nothing_and_can_be_asked_again(
    thoughtful: Ai, portal: BlockingPortal, request: pytest.FixtureRequest
) -> None:
    of_asyncio = (by_wait_for, by_timeout, by_cancelling_a_task)
    is_asyncio = "asyncio" in request.node.name
    for step in (by_move_on_after, by_fail_after, *(of_asyncio if is_asyncio else ())):

        async def read(step: Any = step) -> tuple[list[Any], int, str]:
            async with thoughtful.arun(MODEL, {"prompt": "x", "stream": True}) as stream:
                came, cuts = await read_in_pieces(stream, step)
                return came, cuts, (await stream.aresult()).text

        with row(step.__name__):
            tokens, cuts, text = portal.call(read)
            assert [str(token) for token in tokens] == TEXTS
            assert text == "".join(TEXTS)
            assert cuts > 0


@ASYNC
def test_events_and_event_streams_go_on_after_a_wait_that_was_cut_short(thoughtful: Ai, portal: BlockingPortal) -> None:
    async def read(way: str) -> list[Any]:
        async with thoughtful.arun(MODEL, {"prompt": "x", "stream": True}) as stream:
            return (await read_in_pieces(getattr(stream, way)(), by_move_on_after))[0]

    events = portal.call(read, "aevents")
    assert [event.data for event in events[:-1]] == [piece[6:-2].decode() for piece in native(*TEXTS)]
    sent = portal.call(read, "ato_event_stream")
    assert sent[-1] == DONE
    assert [json.loads(piece[6:])["response"] for piece in sent[:-1]] == TEXTS


@ASYNC
def test_a_browser_that_is_gone_ends_the_call_though_nobody_closes_its_event_stream(
    callers: Callers, serve: Serve, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cfai._streaming.event_stream, "GONE_AFTER", 0.2)
    server = serve(one_token)
    ai = callers(base_url=server.url).ai

    async def read() -> Any:
        events = (await ai.arun(MODEL, {"prompt": "x", "stream": True})).ato_event_stream()
        with anyio.move_on_after(0.1) as scope:
            async for _ in events:
                pass
        assert scope.cancelled_caught
        return events

    events = portal.call(read)
    assert server.was_left.wait(LONG)
    last = portal.call(events.__anext__)
    assert last.startswith(b"event: error")
    assert last.endswith(DONE)


@ASYNC
@pytest.mark.parametrize("kind", ["httpx", "transport"])
def test_a_client_that_was_passed_in_loses_nothing_either(
    callers: Callers, serve: Serve, portal: BlockingPortal, kind: str
) -> None:
    class Thinking(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in (*native(*TEXTS), DONE):
                await anyio.sleep(0.05)
                yield piece

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Thinking())

    async def read() -> list[str]:
        transport = httpx.MockTransport(answer) if kind == "transport" else None
        async with httpx.AsyncClient(transport=transport) as client:
            ai = callers(base_url=serve(thinking).url, async_http_client=client).ai
            async with ai.arun(MODEL, {"prompt": "x", "stream": True}) as stream:
                return [str(token) for token in (await read_in_pieces(stream, by_move_on_after))[0]]

    assert portal.call(read) == TEXTS


@ASYNC
def test_reading_goes_on_in_another_task_and_after_a_loop_that_was_cut(thoughtful: Ai, portal: BlockingPortal) -> None:
    async def read() -> list[str]:
        came: list[str] = []
        stream = await thoughtful.arun(MODEL, {"prompt": "x", "stream": True})

        async def loop() -> None:
            async for token in stream:
                came.append(str(token))

        for _ in range(3):
            async with anyio.create_task_group() as group:
                group.start_soon(loop)
                await anyio.sleep(0.12)
                group.cancel_scope.cancel()
        await loop()
        return came

    assert portal.call(read) == TEXTS


@ASYNC
def test_more_than_is_read_ahead_is_given_whole_whoever_is_cancelled(
    callers: Callers, serve: Serve, portal: BlockingPortal
) -> None:
    texts = [f"{number} " * 200 for number in range(2000)]

    def script(peer: Peer) -> None:
        peer.request()
        peer.stream(*native(*texts), DONE, b"")

    ai = callers(base_url=serve(script).url).ai

    async def step(items: Any) -> Any:
        with anyio.CancelScope() as scope:
            scope.deadline = anyio.current_time() + 0.001
            return await anext(items)
        return None

    async def read() -> list[str]:
        async with ai.arun(MODEL, {"prompt": "x", "stream": True}) as stream:
            await anyio.sleep(0.1)
            return [str(token) for token in (await read_in_pieces(stream, step))[0]]

    assert portal.call(read) == texts


@ASYNC
def test_a_reader_that_waits_is_woken_when_another_task_leaves_the_stream(
    callers: Callers, serve: Serve, portal: BlockingPortal
) -> None:
    server = serve(one_token)
    ai = callers(base_url=server.url).ai

    async def read() -> StreamTruncatedError:
        stream = await ai.arun(MODEL, {"prompt": "x", "stream": True})
        assert str(await anext(stream)) == "Hel"
        raised: list[StreamTruncatedError] = []

        async def loop() -> None:
            with pytest.raises(StreamTruncatedError) as caught:
                await anext(stream)
            raised.append(caught.value)

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as group:
                group.start_soon(loop)
                await anyio.sleep(0.1)
                await stream.aclose()
        return raised[0]

    assert portal.call(read).partial == "Hel"
    assert server.was_left.wait(LONG)


# Reading on from a stream that was left

READS: dict[str, Callable[[Any], Any]] = {"loop": list, "token": next, "result": lambda stream: stream.result()}


@SYNC_AND_ASYNC
def test_whoever_reads_on_from_a_stream_that_was_left_is_told(callers: Callers, service: Service) -> None:
    service.answers(service.events(*HELLO, cf_ai_req_id="the-id"))
    for name, read in READS.items():
        for leave in ("block", "close"):
            stream = callers().stream(MODEL)
            assert str(next(stream)) == "Hel"
            if leave == "close":
                stream.close()
            else:
                with stream:
                    pass
            with row((name, leave)):
                for _ in range(2):
                    with pytest.raises(StreamTruncatedError) as caught:
                        read(stream)
                    assert (caught.value.partial, caught.value.request_id) == ("Hel", "the-id")


@SYNC_AND_ASYNC
def test_a_browser_is_told_of_a_stream_that_was_left_and_does_not_ask_again(callers: Callers, service: Service) -> None:
    service.answers(service.events(*HELLO))
    for leave in ("stream", "event stream"):
        stream = callers().stream(MODEL)
        events = stream.to_event_stream()
        next(events)
        (stream if leave == "stream" else events).close()
        with row(leave):
            last = list(events)
            assert len(last) == 1
            assert last[0].startswith(b"event: error\ndata: ")
            assert last[0].endswith(DONE)


@SYNC_AND_ASYNC
def test_a_stream_that_was_read_to_its_end_is_left_without_a_complaint(callers: Callers, service: Service) -> None:
    service.answers(service.events(*HELLO))
    stream = callers().stream(MODEL)
    with stream:
        assert "".join(map(str, stream)) == "Hello"
    assert list(stream) == []
    assert stream.result().text == "Hello"


INTERRUPTED = """
import asyncio, sys
from cfai import Ai, StreamTruncatedError

ai = Ai(account_id="{account}", api_token="{token}", base_url=sys.argv[1])
inputs = {{"prompt": "x", "stream": True}}

def told(read):
    try:
        print("ended as if whole", read())
    except StreamTruncatedError as error:
        print("told", error.partial)

{program}
"""
CTRL_C = {
    "sync": """
stream = ai.run("{model}", inputs)
try:
    for token in stream:
        print("reading", flush=True)
except KeyboardInterrupt:
    pass
told(lambda: list(stream))
""",
    "event stream": """
events = ai.run("{model}", inputs).to_event_stream()
try:
    for piece in events:
        print("reading", flush=True)
except KeyboardInterrupt:
    pass
*_, last = events
print("told" if b"event: error" in last and last.endswith(b"data: [DONE]\\n\\n") else last, "Hel")
""",
    "asyncio": """
async def main():
    global stream
    stream = await ai.arun("{model}", inputs)
    async for token in stream:
        print("reading", flush=True)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
told(stream.result)

async def read_on():
    return [token async for token in stream]
told(lambda: asyncio.run(read_on()))
""",
}


def test_a_ctrl_c_that_is_caught_ends_no_stream_as_if_it_were_whole(serve: Serve) -> None:
    for name, program in CTRL_C.items():
        server = serve(one_token)
        code = INTERRUPTED.format(account=ACCOUNT, token=TOKEN, program=program.format(model=MODEL))
        with Popen([executable, "-W", "error", "-c", code, server.url], stdout=PIPE, stderr=PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "reading\n"
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        with row(name):
            assert set(out.splitlines()) == {"told Hel"}
            assert err == ""


def test_a_call_that_was_cut_before_its_first_token_says_so_when_it_is_asked_again(
    callers: Callers, serve: Serve
) -> None:
    async def read() -> None:
        call = callers(base_url=serve(Peer.left).url).ai.arun(MODEL, {"prompt": "x", "stream": True})
        assert await by_wait_for(call) is None
        for ask in (anext, type(call).__aenter__):
            with pytest.raises(ConfigurationError, match="cancelled before its stream began"):
                await ask(call)

    asyncio.run(read())


def test_a_stream_whose_loop_cancels_all_of_its_tasks_does_not_end_as_if_it_were_whole(
    callers: Callers, serve: Serve
) -> None:
    async def read(way: str) -> None:
        ai = callers(base_url=serve(one_token).url).ai
        async with ai.arun(MODEL, {"prompt": "x", "stream": True}) as stream:
            items = getattr(stream, way)()
            await anext(items)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            with pytest.raises(StreamTruncatedError, match="the task that read it cancelled"):
                await anext(items)
        await ai.aclose()

    for way in ("__aiter__", "aevents"):
        with row(way):
            asyncio.run(read(way))


def test_a_stream_is_read_on_its_own_event_loop(callers: Callers, serve: Serve) -> None:
    ai = callers(base_url=serve(thinking).url).ai
    for read_before in (0, 1):
        with row(read_before), asyncio.Runner() as own, asyncio.Runner() as other:

            async def begin(read_before: int = read_before) -> Any:
                stream = await ai.arun(MODEL, {"prompt": "x", "stream": True})
                for _ in range(read_before):
                    await anext(stream)
                return stream

            async def read(stream: Any) -> None:
                with pytest.raises(ConfigurationError, match="belongs to another event loop"):
                    await anext(stream)

            stream = own.run(begin())
            other.run(read(stream))
            own.run(ai.aclose()) if read_before else own.run(stream.aclose())


def test_a_stream_goes_on_after_it_was_asked_on_another_event_loop(thoughtful: Ai) -> None:
    async def read_elsewhere(stream: Any) -> None:
        with pytest.raises(ConfigurationError, match="belongs to another event loop"):
            await anext(stream)

    async def read(read_before: int) -> str:
        stream: Any = await thoughtful.arun(MODEL, {"prompt": "x", "stream": True})
        for _ in range(read_before):
            await anext(stream)
        await anyio.to_thread.run_sync(asyncio.run, read_elsewhere(stream))
        return (await stream.aresult()).text

    for read_before in (0, 1):
        with row(read_before):
            assert asyncio.run(read(read_before)) == "".join(TEXTS)


@SYNC_AND_ASYNC
def test_a_stream_that_outlives_its_closed_ai_is_told_so(callers: Callers, serve: Serve) -> None:
    caller = callers(base_url=serve(one_token).url)
    stream = caller.stream(MODEL)
    assert str(next(stream)) == "Hel"
    caller.close()
    with pytest.raises(StreamTruncatedError, match="the Ai was closed before its stream was read to the end") as caught:
        next(stream)
    assert caught.value.partial == "Hel"


# Several readers, and those who close a stream that another one reads


def test_two_threads_that_read_one_stream_are_told(callers: Callers, serve: Serve) -> None:
    stream = callers(base_url=serve(one_token).url).stream(MODEL)
    assert str(next(stream)) == "Hel"
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(next, stream)
        time.sleep(0.2)
        with pytest.raises(ConfigurationError, match="read it from one"):
            next(stream)
        stream.close()
        with pytest.raises(StreamTruncatedError):
            reading.result(LONG)


@ASYNC
def test_two_tasks_that_read_one_stream_are_told(callers: Callers, serve: Serve, portal: BlockingPortal) -> None:
    ai = callers(base_url=serve(one_token).url).ai

    async def read() -> None:
        stream = await ai.arun(MODEL, {"prompt": "x", "stream": True})
        await anext(stream)
        async with anyio.create_task_group() as group:
            group.start_soon(stream.__anext__)
            await anyio.sleep(0.1)
            with pytest.raises(ConfigurationError, match="read it from one"):
                await anext(stream)
            group.cancel_scope.cancel()
        await stream.aclose()

    portal.call(read)


@pytest.mark.parametrize("portal", ["sync"], indirect=True)
@pytest.mark.parametrize("closer", ["stream", "client"])
def test_closing_from_another_thread_ends_a_silent_stream_at_once(callers: Callers, serve: Serve, closer: str) -> None:
    server = serve(one_token)
    caller = callers(base_url=server.url)
    stream = caller.stream(MODEL)
    assert str(next(stream)) == "Hel"
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(next, stream)
        time.sleep(0.2)
        started = time.monotonic()
        (stream if closer == "stream" else caller.ai).close()
        with pytest.raises(StreamTruncatedError) as caught:
            reading.result(LONG)
        assert caught.value.partial == "Hel"
        assert server.was_left.wait(LONG)
        assert time.monotonic() - started < LONG / 2  # the read timeout is a minute


@pytest.mark.parametrize("portal", ["sync"], indirect=True)
def test_closing_a_client_from_another_thread_ends_a_call_that_waits(callers: Callers, serve: Serve) -> None:
    arrived = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        arrived.set()
        assert peer.left()

    caller = callers(base_url=serve(script).url, max_retries=0)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(caller.run, MODEL, {"prompt": "x"})
        assert arrived.wait(LONG)
        time.sleep(0.1)
        caller.ai.close()
        with pytest.raises(APIConnectionError, match="before the Ai was closed"):
            waiting.result(LONG)


@ASYNC
def test_a_call_whose_client_is_closed_meanwhile_says_so(
    callers: Callers, serve: Serve, portal: BlockingPortal
) -> None:
    ai = callers(base_url=serve(lambda peer: [peer.request(), peer.left()]).url).ai

    async def ask() -> None:
        with pytest.raises(APIConnectionError, match="before the Ai was closed"):
            await ai.arun(MODEL, {"prompt": "x"})

    async def work() -> None:
        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                await anyio.sleep(0.1)
                await ai.aclose()

    portal.call(work)


# Pings


@SYNC_AND_ASYNC
def test_a_browser_gets_a_comment_while_a_model_thinks(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.start()
        for piece in (*native("Hel", "lo"), DONE):
            time.sleep(0.5)
            peer.chunk(piece)
        peer.chunk(b"")

    server = serve(script)
    stream = callers(base_url=server.url).stream(MODEL)
    sent = list(stream.to_event_stream("native", ping=0.1))
    pings = [piece for piece in sent if piece.startswith(b":")]
    assert set(pings) == {b": ping\n\n"}
    assert len(pings) > 4
    assert sent[0] == b": ping\n\n"
    events = [piece for piece in sent if not piece.startswith(b":")]
    assert [json.loads(piece[6:])["response"] for piece in events[:-1]] == ["Hel", "lo"]
    assert events[-1] == DONE


@SYNC_AND_ASYNC
def test_a_stream_that_pings_ends_with_its_error_and_is_closed_by_its_reader(callers: Callers, serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.stream(HELLO[0])

    *_, last = callers(base_url=serve(script).url).stream(MODEL).to_event_stream("native", ping=5)
    assert last.startswith(b"event: error")
    assert last.endswith(DONE)
    server = serve(one_token)
    events = callers(base_url=server.url).stream(MODEL).to_event_stream("native", ping=0.05)
    assert [next(events), next(events)][1] == b": ping\n\n"
    events.close()
    assert server.was_left.wait(LONG)


def test_a_ping_takes_seconds(callers: Callers, service: Service) -> None:
    service.answers(service.events(*HELLO))
    stream = callers().ai.run(MODEL, {"prompt": "x", "stream": True})
    for ping in (0, -1, "15", True):
        with row(ping), pytest.raises(ConfigurationError, match="`ping` must be a positive number of seconds"):
            stream.to_event_stream(ping=ping)  # pyright: ignore[reportArgumentType]
