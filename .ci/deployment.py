"""What docs/deployment.md says of Flask, Django, celery, gevent and notebooks, with real processes of each:
`python -m pytest -W ignore::ResourceWarning .ci/deployment.py`, since jupyter-client leaves event loops open.

Needs the packages `flask[async]`, django, celery, gevent, jupyter-client and ipykernel.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from cfai.local import Emulator, Fault
from tests.bodies import DONE
from tests.conftest import local
from tests.servers import LONG, run_module, run_server, write_programs

__all__ = ["local"]

GUNICORN = ("gunicorn", "--bind", "fd://FD", "--timeout", "1", "--graceful-timeout", "1")
THREADS = (*GUNICORN, "--worker-class", "gthread", "--threads", "4")
GREENLETS = (*GUNICORN, "--worker-class", "gevent")
UVICORN = ("uvicorn", "--fd", "FD")

MORE_FLASK = """
from app_flask import MODEL, Response, ai, app, request


@app.get("/whole")
def whole():
    return ai.run(MODEL, {"prompt": request.args["prompt"]}).model_dump()


@app.get("/async")
async def awaited():
    return (await ai.arun(MODEL, {"prompt": request.args["prompt"]})).text


@app.get("/of-the-other-kind")
async def of_the_other_kind():
    stream = await ai.arun(MODEL, {"prompt": "Hello", "stream": True})
    return Response(stream.ato_event_stream(), mimetype="text/event-stream")
"""

DJANGO = """
import os
import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.urls import path

MIDDLEWARE = os.environ.get("MIDDLEWARE", "").split()
settings.configure(SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=MIDDLEWARE)
django.setup()
import app_django

urlpatterns = [path("sync", app_django.answer_under_wsgi), path("async", app_django.answer_under_asgi)]
asgi, wsgi = get_asgi_application(), get_wsgi_application()
"""

WORKER = """
import os
from pathlib import Path
from celery.exceptions import SoftTimeLimitExceeded
from tasks import ai, app

MODEL = "@cf/zai-org/glm-4.7-flash"
QUEUE = Path(__file__).parent / "queue"
for name in ("messages", "processed", "control", "results"):
    (QUEUE / name).mkdir(parents=True, exist_ok=True)
app.conf.update(
    broker_url="filesystem://",
    broker_transport_options={
        "data_folder_in": str(QUEUE / "messages"),
        "data_folder_out": str(QUEUE / "messages"),
        "processed_folder": str(QUEUE / "processed"),
        "control_folder": str(QUEUE / "control"),
    },
    result_backend=f"file://{QUEUE / 'results'}",
    result_serializer=os.environ.get("SERIALIZER", "json"),
    result_accept_content=["json", "pickle"],
)


@app.task
def echo(prompt):
    return ai.run(MODEL, {"prompt": prompt}).text


@app.task(soft_time_limit=1)
def read():
    stream, ends = ai.run(MODEL, {"prompt": "Hello", "stream": True}), []
    for _ in range(2):
        try:
            for token in stream:
                pass
            ends.append("quiet")
        except SoftTimeLimitExceeded:
            ends.append("limited")
    return ends


@app.task(acks_late=True, reject_on_worker_lost=True)
def late():
    (QUEUE / "pid").write_text(str(os.getpid()))
    return ai.run(MODEL, {"prompt": "Hello"}).text
"""

GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent
from cfai import Ai, StreamTruncatedError

ai = Ai()


def ask(fault):
    inputs = {"prompt": "Hello", "stream": True}
    return ai.run("@cf/zai-org/glm-4.7-flash", inputs, extra_headers={"cfai-emulate": fault})


def read(stream):
    try:
        for token in stream:
            pass
    except StreamTruncatedError as error:
        return error.partial
    return "quiet"


with gevent.Timeout(20):
    readers = [gevent.spawn(lambda: ask("slow-first=2").result().text) for _ in range(100)]
    assert len({reader.get() for reader in readers}) == 1

stream = ask("silence-after=60")
reader = gevent.spawn(read, stream)
gevent.sleep(1)
stream.close()
assert reader.get(timeout=5) == stream.text != ""

stream = ask("silence-after=60")
try:
    with gevent.Timeout(1):
        read(stream)
except gevent.Timeout:
    pass
assert read(stream) == stream.text != ""

assert b": ping\\n\\n" in list(ask("slow-first=1").to_event_stream(ping=0.2))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_programs(tmp_path)
    for name, code in {"more_flask": MORE_FLASK, "site_django": DJANGO, "worker": WORKER}.items():
        (tmp_path / f"{name}.py").write_text(code)
    return tmp_path


def run(folder: Path, code: str) -> None:
    """Run a program beside the others."""
    command = [sys.executable, "-c", dedent(code)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=3 * LONG)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ((*THREADS, "app_flask:app"), "/answer"),
        ((*GREENLETS, "app_flask:app"), "/answer"),
        ((*THREADS, "site_django:wsgi"), "/sync"),
        ((*UVICORN, "site_django:asgi"), "/async"),
    ],
    ids=["flask on threads", "flask on greenlets", "django on wsgi", "django on asgi"],
)
def test_an_answer_streams_for_longer_than_the_timeout_and_a_page_that_was_closed_stops_its_model(
    folder: Path, local: Emulator, command: tuple[str, ...], path: str
) -> None:
    local.script([Fault(slow_first=3), Fault(split=1000, trickle=0.1)])
    with run_server(folder, *command) as site:
        body, is_whole = site.read(path)
        assert is_whole
        assert body.endswith(DONE)
        site.leave(path)
        assert local.wait_for_disconnects(timeout=LONG)


def test_flask_awaits_and_cannot_send_an_asynchronous_stream(folder: Path, local: Emulator) -> None:
    with run_server(folder, *THREADS, "more_flask:app") as site:
        assert site.http.get("/whole", params={"prompt": "Hello"}).json()["choices"]
        assert "emulated" in site.read("/async")[0].decode()
        assert site.http.get("/of-the-other-kind").status_code == 500


def test_django_sends_no_stream_of_the_other_kind_as_it_comes(folder: Path, local: Emulator) -> None:
    slow = Fault(slow_first=2)
    local.script([slow, slow])
    with run_server(folder, *THREADS, "site_django:wsgi") as site:
        assert b"event: error\n" in site.read("/async")[0]
    with run_server(folder, *UVICORN, "site_django:asgi") as site:
        assert b"synchronous iterators" not in site.log.read_bytes()
        assert site.read("/sync")[1]
        assert b"must consume synchronous iterators" in site.log.read_bytes()


def test_django_gathers_events_to_compress_them(folder: Path, local: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDDLEWARE", "django.middleware.gzip.GZipMiddleware")
    local.script(Fault(split=1000, trickle=0.02))
    with run_server(folder, *THREADS, "site_django:wsgi") as site, site.stream("/sync") as response:
        assert response.headers["content-encoding"] == "gzip"
        pieces = [piece for piece in response.iter_bytes() if piece]
    assert len(pieces) == 1
    assert pieces[0].endswith(DONE)


def work(folder: Path, pool: str = "prefork") -> AbstractContextManager[Any]:
    """Run a worker of celery."""
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    return run_module(folder, "celery", "-A", "worker", "worker", "-P", pool, "-c", "2", *quiet)


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_every_task_of_every_pool_gets_its_own_answer(folder: Path, pool: str) -> None:
    with work(folder, pool):
        run(
            folder,
            """
            import worker
            results = [worker.echo.delay(f"Is number {number} there?") for number in range(8)]
            texts = [result.get(timeout=20) for result in results]
            assert all(f"number {number} there" in text for number, text in enumerate(texts)), texts
            """,
        )


@pytest.mark.parametrize("serializer", ["json", "pickle"])
def test_a_task_is_sent_again_unless_it_may_have_been_billed(
    folder: Path, local: Emulator, monkeypatch: pytest.MonkeyPatch, serializer: str
) -> None:
    monkeypatch.setenv("SERIALIZER", serializer)
    local.script(["status=503,code=3040", "ok", "status=524"])
    with work(folder):
        run(
            folder,
            f"""
            import tasks, worker
            from cfai import RequestTimeoutError
            assert "emulated" in tasks.ask.delay("Hello").get(timeout=20)
            try:
                tasks.ask.delay("Hello").get(timeout=20)
            except RequestTimeoutError as error:
                assert "status 524" in str(error)
                assert error.status_code == {524 if serializer == "pickle" else None}
            else:
                raise AssertionError("no error came")
            """,
        )
    assert len(local.requests) == 3


def test_a_soft_time_limit_ends_a_stream_and_never_quietly(folder: Path, local: Emulator) -> None:
    local.script(Fault(silence_after=60))
    with work(folder):
        run(folder, "import worker; assert worker.read.delay().get(timeout=20) == ['limited', 'limited']")
        assert local.wait_for_disconnects(timeout=LONG)


def test_a_task_whose_worker_was_killed_is_billed_twice_if_it_is_acknowledged_late(
    folder: Path, local: Emulator
) -> None:
    local.script(Fault(delay=60))
    killer = "import os, pathlib, signal; os.kill(int(pathlib.Path('queue/pid').read_text()), signal.SIGKILL)"
    with work(folder):
        late = "import worker; result = worker.late.delay(); print(result.id)"
        done = subprocess.run(
            [sys.executable, "-c", late], cwd=folder, capture_output=True, text=True, timeout=LONG, check=True
        )
        wait_for(lambda: len(local.requests) == 1)
        run(folder, killer)
        run(folder, f"import worker; assert worker.app.AsyncResult({done.stdout.strip()!r}).get(timeout=40)")
    assert len(local.requests) == 2


@pytest.mark.usefixtures("local")
def test_greenlets_wait_at_the_same_time_and_are_told_when_a_stream_is_cut(folder: Path) -> None:
    run(folder, GEVENT)


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


class Kernel:
    """A kernel of Jupyter's."""

    def __init__(self) -> None:
        self.manager, self.client = start_new_kernel()

    def run(self, code: str, *, is_interrupted: bool = False) -> str:
        """Run a cell, and interrupt it after a second if asked to; return what it shows, an error by its class."""
        shown: list[str] = []

        def show(message: Any) -> None:
            content = message["content"]
            kind = message["msg_type"]
            shown.append({"stream": content.get("text", ""), "error": content.get("ename", "")}.get(kind, ""))

        timer = threading.Timer(1, self.manager.interrupt_kernel)
        if is_interrupted:
            timer.start()
        self.client.execute_interactive(code, output_hook=show, timeout=LONG)
        return "".join(shown)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(local: Emulator) -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.close()


NOTEBOOK = """
from cfai import Ai, StreamTruncatedError
ai, MODEL = Ai(), "@cf/zai-org/glm-4.7-flash"
INPUTS = {"prompt": "Hello", "stream": True}
SLOW = {"extra_headers": {"cfai-emulate": "split=1000,trickle=0.05"}}
"""


def test_cells_await_and_an_interrupted_cell_stops_its_model_in_a_block(local: Emulator, kernel: Kernel) -> None:
    assert kernel.run(NOTEBOOK) == ""
    assert "emulated" in kernel.run("print((await ai.arun(MODEL, {'prompt': 'Hello'})).text)")
    assert "emulated" in kernel.run("print(ai.run(MODEL, {'prompt': 'Hello'}).text)")
    assert kernel.run("import asyncio\nasyncio.run(asyncio.sleep(0))").endswith("RuntimeError")
    local.reset()
    cell = "with ai.run(MODEL, INPUTS, **SLOW) as stream:\n    for token in stream: pass"
    assert kernel.run(cell, is_interrupted=True).endswith("KeyboardInterrupt")
    cell = "async with ai.arun(MODEL, INPUTS, **SLOW) as stream:\n    async for token in stream: pass"
    assert kernel.run(cell, is_interrupted=True).endswith("CancelledError")
    assert local.wait_for_disconnects(2, timeout=LONG)


def test_without_a_block_an_interrupt_breaks_a_synchronous_stream_and_an_asynchronous_one_goes_on(
    kernel: Kernel,
) -> None:
    kernel.run(NOTEBOOK)
    cell = "stream = ai.run(MODEL, INPUTS, **SLOW)\nfor token in stream: pass"
    assert kernel.run(cell, is_interrupted=True).endswith("KeyboardInterrupt")
    assert kernel.run("for token in stream: pass").endswith("StreamTruncatedError")
    cell = "stream = await ai.arun(MODEL, INPUTS, **SLOW)\nasync for token in stream: pass"
    assert kernel.run(cell, is_interrupted=True).endswith("CancelledError")
    assert "emulated" in kernel.run("async for token in stream: pass\nprint(stream.result().text)")
