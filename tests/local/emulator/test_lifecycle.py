"""Starting and stopping, in every way."""

from __future__ import annotations

import logging
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import httpx
import pytest

from cfai.local.emulator import Emulator
from cfai.local.server import _loop, _server
from tests.conftest import row

if TYPE_CHECKING:
    from tests.local.conftest import Service

LLAMA = "@cf/meta/llama-3.1-8b-instruct-fp8"


def request(local: Emulator, **inputs: Any) -> dict[str, Any]:
    """Return what to give `httpx.post` or a client's method for a call."""
    url = f"{local.base_url}/accounts/{local.account_id}/ai/run/{LLAMA}"
    return {"url": url, "json": {"prompt": "hi", **inputs}, "headers": {"authorization": f"Bearer {local.api_token}"}}


def ask(local: Emulator) -> int:
    return httpx.post(**request(local), trust_env=False).status_code


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "cfai-emulator"]


def test_a_stopped_emulator_is_gone_and_may_be_started_again_twenty_times() -> None:
    local = Emulator()
    local.stop()
    with local:
        port = local.port
        with pytest.raises(RuntimeError, match="already running"):
            local.start()
    local.stop()
    assert repr(local) == "Emulator()"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    with pytest.raises(RuntimeError, match="not running"):
        _ = local.base_url
    before = threads()
    local = Emulator()
    for _ in range(20):
        with local:
            assert ask(local) == 200
            assert len(threads()) == len(before) + 1
    assert threads() == before


def test_an_emulator_stops_at_once_with_answers_under_way_and_a_client_may_leave_as_it_uploads(
    capfd: pytest.CaptureFixture[str],
) -> None:
    for fault in ("silence-after=2", "hold", "slow-first=300", "delay=300"):
        local = Emulator().start()
        local.script(fault)
        with row(fault), ThreadPoolExecutor(1) as pool:
            answer = pool.submit(httpx.post, **request(local, stream=True), trust_env=False, timeout=30)
            while not local.requests:
                assert not answer.done()
            local.stop()
            assert isinstance(answer.exception(5), httpx.TransportError)
            assert local.disconnects == 0
    assert capfd.readouterr() == ("", "")
    with Emulator() as local:
        with socket.create_connection(("127.0.0.1", local.port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        assert ask(local) == 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.anyio
async def test_an_emulator_runs_beside_a_loop_with_async_with_or_without(anyio_backend_name: str) -> None:
    async with Emulator() as local, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(**request(local, prompt=anyio_backend_name))).status_code == 200
    with pytest.raises(RuntimeError):
        _ = local.port
    with Emulator() as local:
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.post(f"{local.base_url}/{anyio_backend_name}")).status_code == 400


def test_what_keeps_a_server_from_running_is_an_error_where_it_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    with Emulator() as local, pytest.raises(OSError, match=f"in use.*{local.port}"):
        Emulator(port=local.port).start()
    monkeypatch.setattr(_loop.uvicorn, "Config", MagicMock(side_effect=LookupError("no config")))
    before = threads()
    with pytest.raises(LookupError, match="no config"):
        Emulator().start()
    assert threads() == before


@pytest.mark.parametrize("started", [False, True], ids=["before it runs", "when it runs"])
def test_an_interrupt_while_it_starts_leaves_nothing(monkeypatch: pytest.MonkeyPatch, started: bool) -> None:
    class Interrupted(Future[Any]):
        is_over = False

        def result(self, timeout: float | None = None) -> Any:
            if not self.is_over:
                self.is_over = True
                if started:
                    self.exception()
                raise KeyboardInterrupt
            return super().result(timeout)

    before = threads()
    monkeypatch.setattr(_server, "Future", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        Emulator().start()
    assert threads() == before


def test_other_than_loopback_must_be_asked_for_and_the_url_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("0.0.0.0", "192.168.1.5", "example.com", "::"):
        with row(host), pytest.raises(ValueError, match="allow_remote=True"):
            Emulator(host)
    assert repr(Emulator("127.0.0.2")) == "Emulator()"
    for host, remote, shown in (("localhost", False, "localhost"), ("0.0.0.0", True, "127.0.0.1")):
        with row(host), Emulator(host, allow_remote=remote) as local:
            assert local.base_url == f"http://{shown}:{local.port}/client/v4"
            assert ask(local) == 200
    # Not every machine has IPv6, so it listens on the other loopback address.
    listener = _server.listen("127.0.0.1", 0)
    monkeypatch.setattr(_server, "listen", MagicMock(return_value=listener))
    with Emulator("::1") as local:
        assert local.base_url == f"http://[::1]:{local.port}/client/v4"


def test_the_url_and_the_credentials_have_their_forms_and_the_token_is_in_no_repr(service: Service) -> None:
    local = service.local
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/client/v4", local.base_url)
    assert re.fullmatch(r"[0-9a-f]{32}", local.account_id)
    assert repr(local) == f"Emulator('{local.base_url}')"
    with Emulator(api_token="abc-123", account_id="f" * 32) as local:
        assert ask(local) == 200
        assert "abc-123" not in repr(local) + repr(vars(local))


def test_at_a_pace_the_first_token_takes_its_time() -> None:
    with Emulator(tokens_per_second=0.001) as local, httpx.Client(trust_env=False, timeout=0.2) as client:
        with client.stream("POST", **request(local, stream=True)) as response, pytest.raises(httpx.ReadTimeout):
            response.read()
        with pytest.raises(httpx.ReadTimeout):
            client.post(**request(local))


def test_a_client_that_leaves_before_the_end_is_counted_and_no_other_is() -> None:
    for fault, last, count in (
        ("ok", None, 0),
        ("hang-up", None, 0),
        ("drop-after=2", None, 0),
        ("truncate-after=2", None, 0),
        ("hold", "data: [DONE]", 0),
        ("silence-after=2", "data: {", 1),
    ):
        with row(fault), Emulator() as local, httpx.Client(trust_env=False, timeout=20) as client:
            local.script(fault)
            with suppress(httpx.TransportError), client.stream("POST", **request(local, stream=True)) as response:
                for line in response.iter_lines():
                    if last is not None and line.startswith(last):
                        break
            assert local.wait_for_disconnects(1, timeout=5 if count else 0.05) == bool(count)


def test_only_so_many_requests_are_kept_and_the_logs_of_other_servers_are_left_alone() -> None:
    logger = logging.getLogger("uvicorn.access")
    before = (list(logger.handlers), logger.propagate, logger.level)
    with Emulator(keep_requests=2) as local:
        for _ in range(3):
            ask(local)
        assert len(local.requests) == 2
    assert (list(logger.handlers), logger.propagate, logger.level) == before


def test_a_program_that_forgets_to_stop_it_still_ends() -> None:
    # -P: the package as it is installed, wherever the tests run.
    code = "from cfai.local.emulator import Emulator; print(Emulator().start().port)"
    command = [sys.executable, "-P", "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout)


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("cfai.local.server._loop", "uvicorn."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r'the emulator needs another package: pip install "cfai-sdk\[emulator\]"'):
        Emulator().start()
