"""What docs/deployment.md says of servers, signals and files: real processes and sockets."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE, STDOUT

import pytest

from cfai.local import Emulator, Fault
from tests.bodies import DONE, event
from tests.conftest import Peer, Serve
from tests.servers import LONG, read_all, run_server, write_programs

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="there are no such signals")

APP = """
from cfai import Ai

ai = Ai(total_timeout={total_timeout})


def app(environ, start_response):
    stream = ai.run("@cf/zai-org/glm-4.7-flash", {{"prompt": "Hello", "stream": True}})
    start_response("200 OK", [("content-type", "text/event-stream")])
    return stream.to_event_stream(ping=0.2)
"""
"""An application of WSGI that needs no framework."""

GENERATOR = """
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from cfai import Ai

ai = Ai()
app = FastAPI()
MODEL, INPUTS = "@cf/zai-org/glm-4.7-flash", {"prompt": "Hello", "stream": True}


async def tokens():
    async with ai.arun(MODEL, INPUTS) as stream:
        async for token in stream:
            yield str(token)


@app.get("/inside")
async def inside():
    return StreamingResponse(tokens())


@app.get("/around")
async def around():
    async with ai.arun(MODEL, INPUTS) as stream:
        return StreamingResponse(stream.ato_event_stream())
"""

SYNC = ("gunicorn", "--bind", "fd://FD", "--timeout", "2")
THREADS = ("gunicorn", "--bind", "fd://FD", "--preload", "--worker-class", "gthread", "--threads", "4")
UVICORN = ("uvicorn", "--fd", "FD")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_programs(tmp_path)
    (tmp_path / "app_wsgi.py").write_text(APP.format(total_timeout=None))
    # Enough for the stream to begin on a machine under load.
    (tmp_path / "app_bounded.py").write_text(APP.format(total_timeout=3))
    (tmp_path / "app_generator.py").write_text(GENERATOR)
    return tmp_path


def test_a_synchronous_worker_cuts_a_stream_at_its_timeout(folder: Path, local: Emulator) -> None:
    local.script(Fault(slow_first=LONG))
    with run_server(folder, *SYNC, "app_wsgi:app") as site:
        body, is_whole = site.read("/")
    assert not is_whole
    assert body.startswith(b": ping\n\n")
    assert DONE not in body


def test_a_total_timeout_below_that_of_the_worker_tells_the_page(folder: Path, local: Emulator) -> None:
    local.script(Fault(slow_first=LONG))
    with run_server(folder, *SYNC, "--timeout", "10", "app_bounded:app") as site:
        body, is_whole = site.read("/")
    assert is_whole
    assert b"event: error\n" in body
    assert b"total timeout of 3 s" in body
    assert body.endswith(DONE)


def test_a_worker_of_threads_outlasts_its_timeout(folder: Path, local: Emulator) -> None:
    local.script(Fault(slow_first=2.5))
    with run_server(folder, *THREADS, "--timeout", "1", "app_wsgi:app") as site:
        body, is_whole = site.read("/")
    assert is_whole
    assert body.startswith(b": ping\n\n")
    assert body.endswith(DONE)
    assert "INFO cfai: @cf/zai-org/glm-4.7-flash status=200" in site.log.read_text()


def test_pings_find_that_a_page_was_closed_while_its_model_thinks(folder: Path, local: Emulator) -> None:
    local.script(Fault(slow_first=LONG))
    with run_server(folder, *THREADS, "app_wsgi:app") as site:
        site.leave("/")
        assert local.wait_for_disconnects(timeout=LONG / 2)


def test_servers_that_are_told_to_stop_let_streams_end(folder: Path, local: Emulator) -> None:
    for command in ([*THREADS, "app_wsgi:app"], [*UVICORN, "app_fastapi:app"]):
        local.script(Fault(slow_first=1))
        with run_server(folder, *command) as site, site.stream("/answer") as response:
            site.process.terminate()
            body, is_whole = read_all(response)
        assert is_whole, command
        assert body.endswith(DONE)


def test_uvicorn_cuts_streams_when_its_time_to_stop_is_up(folder: Path, local: Emulator) -> None:
    local.script(Fault(silence_after=2))
    with run_server(folder, *UVICORN, "app_fastapi:app", "--timeout-graceful-shutdown", "1") as site:
        with site.stream("/answer") as response:
            site.process.terminate()
            body, is_whole = read_all(response)
        assert not is_whole
        assert DONE not in body
        assert local.wait_for_disconnects(timeout=LONG)


def test_a_block_belongs_around_the_reading_and_not_around_the_response(folder: Path, local: Emulator) -> None:
    local.script([Fault(silence_after=60)] * 2)  # which nobody can have sent to its end
    with run_server(folder, *UVICORN, "app_generator:app") as site:
        body, is_whole = site.read("/around")
        assert is_whole
        assert b"the stream was left before its end" in body
        assert body.endswith(DONE)
        site.leave("/inside")
        assert local.wait_for_disconnects(2, timeout=4), "sooner than a reader who was cancelled counts as gone"


STOPPED = """
import asyncio, sys
from cfai import Ai, StreamTruncatedError

MODEL, INPUTS = "@cf/zai-org/glm-4.7-flash", {"prompt": "Hello"}
ai = Ai(account_id="local", api_token="token", base_url=sys.argv[1])


def say(word):
    print(word, flush=True)


def main():
    say(ai.run(MODEL, INPUTS).text)
    sys.stdin.readline()
    try:
        for token in ai.run(MODEL, INPUTS | {"stream": True}, timeout=1):
            say(token)
    except StreamTruncatedError as error:
        say(f"broken after {error.partial}")


async def amain():
    say((await ai.arun(MODEL, INPUTS)).text)
    sys.stdin.readline()
    try:
        async for token in ai.arun(MODEL, INPUTS | {"stream": True}, timeout=1):
            say(token)
    except StreamTruncatedError as error:
        say(f"broken after {error.partial}")


main() if sys.argv[2] == "sync" else asyncio.run(amain())
"""
"""A program that is stopped twice: after its first answer, and after the first token of a stream."""


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_stopped_process_goes_on_where_it_was_or_hears_that_its_server_gave_up(serve: Serve, way: str) -> None:
    def give_up(peer: Peer) -> None:
        request = peer.request()
        if b'"stream"' not in request:
            peer.answer(b'{"result":{"response":"whole"}}')
            time.sleep(0.3)
        elif request:
            peer.stream(event('{"response":"one"}'))
            time.sleep(0.5)
            peer.chunk(event('{"response":"two"}'))

    server = serve(give_up)
    command = [sys.executable, "-W", "error", "-c", STOPPED, server.url, way]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for word in ("whole", "one"):
            assert process.stdout.readline() == f"{word}\n"
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.5 if word == "whole" else 1.5)
            process.send_signal(signal.SIGCONT)
            if word == "whole":
                process.stdin.write("\n")
                process.stdin.flush()
        rest, _ = process.communicate(timeout=LONG)
    assert rest == "two\nbroken after onetwo\n"
    assert process.returncode == 0
    assert len(server.requests) == 2


WRITING = """
import asyncio, os, sys
from cfai import Ai

MODEL, INPUTS = "@cf/zai-org/glm-4.7-flash", {"prompt": "Hello"}


def refuse_to_write(event, arguments):
    if event == "open" and arguments[0] != os.devnull and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        raise OSError(f"read-only file system: {arguments[0]}")


async def ask():
    async with Ai() as ai:
        await ai.arun(MODEL, INPUTS)


sys.addaudithook(refuse_to_write)
with Ai() as ai:
    ai.run(MODEL, INPUTS)
    list(ai.run(MODEL, INPUTS | {"stream": True}))
asyncio.run(ask())
"""


@pytest.mark.usefixtures("local")
def test_no_call_writes_a_file() -> None:
    done = subprocess.run([sys.executable, "-B", "-c", WRITING], capture_output=True, text=True, timeout=LONG)
    assert done.returncode == 0, done.stderr
