"""Connections as such: many at once, slow ones, idle ones, and those that a stop finds."""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cfai.local import Emulator
from cfai.local.server import _loop
from tests.conftest import LONG, row

MODEL = "@cf/meta/llama-3.1-8b-instruct-fp8"
VERBOSE = "@cf/zai-org/glm-4.7-flash"
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs its queue, signals and limits of files")


def request(local: Any, model: str = MODEL, *, close: bool = False, **inputs: Any) -> bytes:
    """Return the bytes of a call."""
    body = json.dumps({"prompt": "hi", "max_tokens": 5, **inputs}).encode()
    head = (
        f"POST /client/v4/accounts/{local.account_id}/ai/run/{model} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {local.api_token}\r\nContent-Length: {len(body)}\r\n"
        f"Connection: {'close' if close else 'keep-alive'}\r\n\r\n"
    )
    return head.encode() + body


def connect(local: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", local.port), timeout=LONG)


def read_answer(connection: socket.socket, end: bytes) -> bytes:
    """Return what comes until `end`, or until the connection is closed."""
    received = b""
    while not received.endswith(end) and (part := connection.recv(65536)):
        received += part
    return received


def is_cut(connection: socket.socket) -> bool:
    """Return True if the connection ends with nothing more."""
    try:
        return connection.recv(65536) == b""
    except ConnectionError:
        return True


class Program:
    """An emulator in a process of its own, with so many files at most."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        exported = dict(process.stdout.readline().split()[1].split("=") for _ in range(3))
        self.port = int(exported["CLOUDFLARE_API_BASE_URL"].rpartition(":")[2].partition("/")[0])
        self.account_id = exported["CLOUDFLARE_ACCOUNT_ID"]
        self.api_token = exported["CLOUDFLARE_API_TOKEN"]


@contextmanager
def program(errors: Path, files: int) -> Iterator[Program]:
    command = f'ulimit -n {files} && exec "{sys.executable}" -m cfai.cli dev --port 0 --tokens-per-second 0'
    with errors.open("w") as written:
        process = subprocess.Popen(["/bin/sh", "-c", command], stdout=subprocess.PIPE, stderr=written, text=True)
    with process:
        try:
            yield Program(process)
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(LONG)


@LINUX
def test_nobody_is_dropped_of_a_thousand_that_come_at_once(tmp_path: Path) -> None:
    import resource

    needed, (soft, hard) = 1200, resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < needed or int(Path("/proc/sys/net/core/somaxconn").read_text()) < 1000:
        pytest.skip("this machine has no room for a thousand connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    try:
        with program(tmp_path / "errors", needed) as local, ExitStack() as stack:
            # It takes none for now: all of them have to wait in its queue.
            local.process.send_signal(signal.SIGSTOP)
            clients = [stack.enter_context(socket.socket()) for _ in range(1000)]
            for client in clients:
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", local.port))
            poll = select.poll()
            for client in clients:
                poll.register(client, select.POLLOUT)
            # The system tries again after a second for those that found no place: they would be late.
            assert len(poll.poll(900)) == 1000
            local.process.send_signal(signal.SIGCONT)
            for client in clients:
                client.settimeout(LONG)
                client.sendall(request(local, close=True))
            assert [read_answer(client, b"}").partition(b"\r\n")[0] for client in clients] == [
                b"HTTP/1.1 200 OK"
            ] * 1000
        note, *requests = (tmp_path / "errors").read_text().splitlines()
        assert note == "Serving emulated answers until Ctrl-C."
        assert (len(requests), {line.split()[3] for line in requests}) == (1000, {"200"})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@LINUX
def test_more_connections_than_files_wait_for_their_turn_and_that_is_said(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    with program(errors, 40) as local, ExitStack() as stack:
        with connect(local) as first:
            # It reads the files of its own with the first call.
            first.sendall(request(local, close=True))
            assert read_answer(first, b"}").startswith(b"HTTP/1.1 200 OK")
        clients = [stack.enter_context(connect(local)) for _ in range(60)]
        deadline = time.monotonic() + LONG
        while "cannot take a connection for now" not in errors.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for client in clients:
            client.sendall(request(local, close=True))
        assert [read_answer(client, b"}")[:15] for client in clients] == [b"HTTP/1.1 200 OK"] * 60
    assert "Traceback" not in errors.read_text()


def test_who_does_not_come_to_send_a_request_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_loop, "HEAD_SECONDS", 0.3)
    with Emulator() as local:
        for sent in (b"", b"POST /client HTTP/1.1\r\n", request(local)[:100]):
            with row(sent), connect(local) as client:
                client.sendall(sent)
                assert is_cut(client)


@pytest.mark.parametrize("before", [False, True], ids=["first request", "second request"])
def test_a_head_that_trickles_has_no_more_time_than_any_other(monkeypatch: pytest.MonkeyPatch, before: bool) -> None:
    monkeypatch.setattr(_loop, "HEAD_SECONDS", 0.5)
    with Emulator() as local, connect(local) as client:
        if before:
            client.sendall(request(local))
            assert read_answer(client, b"}").startswith(b"HTTP/1.1 200 OK")
        client.settimeout(0.05)
        deadline = time.monotonic() + LONG
        for byte in b"POST /client HTTP/1.1\r\nX-Long: " + b"x" * 10_000:
            try:
                client.sendall(bytes([byte]))
                if is_cut(client):
                    return
            except TimeoutError:
                assert time.monotonic() < deadline
            except ConnectionError:
                return
    pytest.fail("it was never cut off")


def test_idle_connections_slow_uploads_and_long_streams_are_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_loop, "HEAD_SECONDS", 0.2)
    with Emulator(tokens_per_second=40) as local, connect(local) as client:
        for _ in range(2):
            client.sendall(request(local))
            assert read_answer(client, b"}").startswith(b"HTTP/1.1 200 OK")
            time.sleep(0.5)
        call = request(local)
        client.sendall(call[:-10])
        time.sleep(0.5)
        client.sendall(call[-10:])
        assert read_answer(client, b"}").startswith(b"HTTP/1.1 200 OK")
        client.sendall(request(local, stream=True, max_tokens=40))
        assert read_answer(client, b"0\r\n\r\n").count(b"data: ") == 42


def test_a_client_that_does_not_read_its_answer_keeps_nobody_else_waiting() -> None:
    with Emulator() as local, socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(("127.0.0.1", local.port))
        # Far more than all buffers between the two hold.
        lazy.sendall(request(local, VERBOSE, prompt="write 100000 words", stream=True, max_tokens=100_000))
        assert lazy.recv(15) == b"HTTP/1.1 200 OK"
        time.sleep(0.3)
        with connect(local) as other:
            other.sendall(request(local))
            assert read_answer(other, b"}").startswith(b"HTTP/1.1 200 OK")


def test_a_connection_that_was_just_made_does_not_outlive_the_server() -> None:
    def arrive(port: int, made: list[socket.socket]) -> None:
        while len(made) < 100:
            connection = socket.socket()
            made.append(connection)
            try:
                connection.connect(("127.0.0.1", port))
            except ConnectionError:
                return

    for waiting in (1, 3, 10, 30, 50):
        with row(waiting), Emulator() as local:
            made: list[socket.socket] = []
            thread = threading.Thread(target=arrive, args=(local.port, made))
            thread.start()
            while len(made) < waiting:
                os.sched_yield() if hasattr(os, "sched_yield") else time.sleep(0)
            local.stop()
            thread.join()
            for connection in made:
                connection.settimeout(LONG)
                with connection:
                    assert is_cut_or_refused(connection)
    gc.collect()


def is_cut_or_refused(connection: socket.socket) -> bool:
    try:
        # A system that closes its listener in the middle of a handshake tells the client only when it sends.
        connection.send(b"G")
        return is_cut(connection)
    except OSError as error:
        # It was not connected at all.
        return not isinstance(error, TimeoutError)
