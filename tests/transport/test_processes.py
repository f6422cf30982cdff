"""Forks, event loops and the garbage collector: real processes, threads and sockets, each under a watchdog."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from tests.bodies import DONE, event
from tests.conftest import Peer, Serve, Server
from tests.transport.echo import answer_by_name

HEAD = """
import asyncio, faulthandler, gc, os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from cfai import Ai

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
ai = Ai(account_id="local", api_token="token", base_url=sys.argv[1], max_retries=None)


def ask(name):
    answer = ai.run(MODEL, {"prompt": name}).text
    assert answer == name, f"{name} got the answer of {answer}"


async def aask(name):
    answer = (await ai.arun(MODEL, {"prompt": name})).text
    assert answer == name, f"{name} got the answer of {answer}"


def wait_for(children):
    end = time.monotonic() + 20
    for child in children:
        while True:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                assert status == 0, f"a child ended with {status}"
                break
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
                sys.exit("a child hangs")
            time.sleep(0.01)


def fork(work):
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(10)
        try:
            work()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child
"""


def run(server: Server, code: str) -> None:
    """Run a program against a server, in a process of its own that is killed if it hangs."""
    program = HEAD + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, server.url], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


@pytest.fixture
def server(serve: Serve) -> Server:
    return serve(answer_by_name)


PROGRAMS = {
    "a forked child has connections of its own and the parent goes on": """
        ask("before")
        def work(number):
            for call in range(10):
                ask(f"{number} {call}")
            asyncio.run(aask(f"async {number}"))
        children = [fork(lambda number=number: work(number)) for number in range(4)]
        for call in range(10):
            ask(f"parent {call}")
        wait_for(children)
        ask("after")
        ai.close()
    """,
    "a child forked inside a running loop begins anew": """
        async def main():
            await aask("before")
            children = [fork(lambda: (ask("child"), asyncio.run(aask("child, async")))) for _ in range(3)]
            await asyncio.gather(*(aask(f"parent {call}") for call in range(5)))
            wait_for(children)
            await aask("after")
            await ai.aclose()
        asyncio.run(main())
    """,
    "a forked child closes nothing that its parent reads": """
        import httpx

        class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
            closed = False
            events = [b'data: {"response":"a"}\\n\\n', b"data: [DONE]\\n\\n"]

            def __iter__(self):
                yield from self.events

            async def __aiter__(self):
                for event in self.events:
                    yield event

            def close(self):
                self.closed = True

            async def aclose(self):
                self.closed = True

        bodies = []

        def reply(request):
            bodies.append(Body())
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=bodies[-1])

        transport = httpx.MockTransport(reply)
        passed_in = {"http_client": httpx.Client(transport=transport)}
        passed_in["async_http_client"] = httpx.AsyncClient(transport=transport)
        ai = Ai(account_id="local", api_token="token", base_url=sys.argv[1], **passed_in)
        inputs = {"prompt": "Hello", "stream": True}
        stream = ai.run(MODEL, inputs)

        def leave():
            stream.close()
            assert not bodies[-1].closed

        wait_for([fork(leave)])
        assert ["".join(map(str, stream)), bodies[-1].closed] == ["a", True]

        async def main():
            stream = await ai.arun(MODEL, inputs)

            def leave():
                try:
                    stream.aclose().send(None)
                except StopIteration:
                    pass
                assert not bodies[-1].closed

            wait_for([fork(leave)])
            assert [[str(token) async for token in stream], bodies[-1].closed] == [["a"], True]

        asyncio.run(main())
    """,
    "a forked child reads nothing from the stream of its parent": """
        from cfai import ConfigurationError

        inputs = {"prompt": "one two three", "stream": True}

        def refuse(call, words):
            try:
                call()
            except ConfigurationError as error:
                assert words in str(error), error
            else:
                sys.exit("it was not refused")

        stream = ai.run(MODEL, inputs)
        wait_for([fork(lambda: refuse(stream.result, "belongs to the process that was forked"))])
        assert stream.result().text == "one two three"

        async def main():
            stream = await ai.arun(MODEL, inputs)
            wait_for([
                fork(lambda: refuse(lambda: anext(stream).send(None), "belongs to the process that was forked")),
                fork(lambda: refuse(lambda: ai.arun(MODEL, inputs).send(None), "no event loop")),
            ])
            assert (await stream.aresult()).text == "one two three"
            await ai.aclose()

        asyncio.run(main())
    """,
    "a fork while other threads call hangs nobody": """
        ask("before")
        stop = threading.Event()
        def calling(number):
            call = 0
            while not stop.is_set():
                ask(f"thread {number} {call}")
                call += 1
        threads = [threading.Thread(target=calling, args=[number], daemon=True) for number in range(4)]
        for thread in threads:
            thread.start()
        for round in range(12):
            wait_for([fork(lambda: [ask(f"child {round} {call}") for call in range(3)])])
        stop.set()
        for thread in threads:
            thread.join()
        ai.close()
    """,
    "a stream that a child inherits stays the parent s": """
        stream = ai.run(MODEL, {"prompt": "one two three", "stream": True})
        assert next(stream).text == "one "
        def work():
            global stream
            stream.close()
            del stream
            gc.collect()
            ask("child")
        wait_for([fork(work)])
        assert "".join(map(str, stream)) == "two three"
        ai.close()
    """,
    "several loops in a row or at the same time make no noise": """
        for number in range(3):
            asyncio.run(aask(f"run {number}"))
        for number in range(3):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(aask(f"closed without a word {number}"))
            loop.close()
        asyncio.run(aask("last"))
        gc.collect()
        async def main(number):
            for call in range(4):
                await aask(f"{number} {call}")
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(lambda number: asyncio.run(main(number)), range(6)))
    """,
    "the collector may find a stream while the same thread holds the pool's lock": """
        class Holder:
            pass

        def work(number):
            for call in range(40):
                holder = Holder()
                holder.itself = holder
                holder.stream = ai.run(MODEL, {"prompt": "one two three", "stream": True})
                next(holder.stream)
                del holder
                ask(f"{number} {call}")

        gc.set_threshold(50, 5, 5)
        threads = [threading.Thread(target=work, args=[number], daemon=True) for number in range(8)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 40
        for thread in threads:
            thread.join(max(0.1, end - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            print("a thread hangs")
            os._exit(1)
        ai.close()
    """,
}


BLOCKING = """
from blockbuster import blockbuster_ctx
from cfai import CfaiError

async def main():
    async with Ai(account_id="local", api_token="token", base_url=sys.argv[1], max_retries=None) as ai:
        await ai.arun(MODEL, {"prompt": "the first one"})
        async with ai.arun(MODEL, {"prompt": "one two three", "stream": True}) as stream:
            assert [str(token) async for token in stream] == ["one ", "two ", "three"]
        await ai.arun(MODEL, {"prompt": "a word " * 8_000})
        await ai.arun(MODEL, {"messages": [{"role": "user", "content": "a word " * 5_000}], "max_tokens": "max"})
        for inputs, code in (({"prompt": "bad"}, 5006), ({"prompt": "x", "max_tokens": 10**9}, None)):
            try:
                await ai.arun(MODEL, inputs)
            except CfaiError as error:
                assert error.code == code
            else:
                raise AssertionError(inputs)

"""


def test_nothing_of_an_asynchronous_call_blocks_its_loop(server: Server) -> None:
    # blockbuster leaves an interpreter behind that crashes when it ends with a buffered output, even without cfai.
    run(server, BLOCKING + "with blockbuster_ctx():\n    asyncio.run(main())\nos._exit(0)\n")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_gets_its_own_answers_and_ends_without_noise(server: Server, name: str) -> None:
    run(server, PROGRAMS[name])


def test_a_loop_that_pauses_keeps_its_client(server: Server) -> None:
    run(
        server,
        """
        loop = asyncio.new_event_loop()
        loop.run_until_complete(aask("first"))
        asyncio.run(aask("another loop"))
        loop.run_until_complete(aask("second"))
        loop.run_until_complete(ai.aclose())
        loop.close()
        """,
    )
    assert server.connections == 2


STOPPED = {
    "sync": """
        stream = ai.run(MODEL, {"prompt": "one two three", "stream": True}, timeout=1)
        words = [str(next(stream))]
        print("stop", flush=True)
        words += map(str, stream)
    """,
    "async": """
        async def main():
            global words
            async with ai.arun(MODEL, {"prompt": "one two three", "stream": True}, timeout=1) as stream:
                words = [str(await anext(stream))]
                print("stop", flush=True)
                async for token in stream:
                    words.append(str(token))
        asyncio.run(main())
    """,
    "async, before the first byte": """
        async def main():
            global words
            await aask("before")
            print("stop", flush=True)
            words = (await ai.arun(MODEL, {"prompt": "one two three"}, timeout=1)).text.split(" ")
            words = [f"{word} " for word in words[:-1]] + words[-1:]
        asyncio.run(main())
    """,
}


@pytest.mark.parametrize("name", STOPPED)
def test_what_came_while_a_process_was_stopped_is_not_taken_for_a_timeout(serve: Serve, name: str) -> None:
    def slowly(peer: Peer) -> None:
        while request := peer.request():
            if b"before" in request:
                peer.answer(b'{"result":{"response":"before"}}')
            elif b"stream" in request:
                peer.start()
                for word in ("one ", "two ", "three"):
                    peer.chunk(event(json.dumps({"response": word})))
                    time.sleep(0.5)
                peer.chunk(DONE)
                peer.chunk(b"")
            else:
                time.sleep(0.5)
                peer.answer(b'{"result":{"response":"one two three"}}')

    code = HEAD + textwrap.dedent(STOPPED[name]) + "\nassert words == ['one ', 'two ', 'three'], words\n"
    command = [sys.executable, "-W", "error", "-c", code, serve(slowly).url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stop\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode == 0


APP = """
import sys
from cfai import Ai

MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
ai = Ai(account_id="local", api_token="token", base_url={url!r}, max_retries=None)
assert ai.run(MODEL, {{"prompt": "before the fork"}}).text == "before the fork"


def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    answer = ai.run(MODEL, {{"prompt": name}}).text.encode()
    start_response("200 OK", [("content-length", str(len(answer)))])
    return [answer]
"""


def test_each_request_of_a_preforked_server_gets_its_own_answer(server: Server, tmp_path: object) -> None:
    run(
        server,
        f"""
        import pathlib, subprocess, urllib.request
        folder = pathlib.Path({str(tmp_path)!r})
        (folder / "application.py").write_text({APP!r}.format(url=sys.argv[1]))
        command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "4", "--bind", "127.0.0.1:0",
                   "--chdir", str(folder), "application:app"]
        gunicorn = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            for line in gunicorn.stderr:
                if "Listening at: " in line:
                    url = line.split("Listening at: ")[1].split()[0]
                    break
            reader = threading.Thread(target=gunicorn.stderr.read)
            reader.start()
            def user(number):
                with urllib.request.urlopen(f"{{url}}/{{number}}", timeout=20) as answer:
                    return answer.read().decode()
            with ThreadPoolExecutor(24) as users:
                assert list(users.map(user, range(96))) == [str(number) for number in range(96)]
        finally:
            gunicorn.terminate()
            gunicorn.wait(20)
            reader.join()
            gunicorn.stderr.close()
        """,
    )
