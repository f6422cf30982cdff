"""`Ai.local`: a client and its service in one process."""

from __future__ import annotations

import gc
import inspect
import json
import os
import pickle
import subprocess
import sys
import threading
import time
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import respx

from cfai import Ai, APIConnectionError, ConfigurationError, RateLimitError
from cfai._client_options import LocalOptions
from cfai.local import Fault
from cfai.local.engines import SMALL_MODEL
from tests.conftest import BACKENDS, row
from tests.llama_library import Library, answer_hello, install_library

GLM = "@cf/zai-org/glm-4.7-flash"
HELLO = {"prompt": "hello"}
STREAMED = {"prompt": "hello", "stream": True}
LONG = 30.0
"""Seconds after which a test gives up."""


def servers() -> int:
    return sum(thread.name == "cfai-emulator" for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def _no_server_is_left() -> Iterator[None]:
    before = servers()
    yield
    assert servers() == before


@pytest.fixture
def router() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        answer_hello(router)
        yield router


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Library:
    return install_library(monkeypatch, tmp_path)


@pytest.fixture
def small_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The small model's file, as it stands in the cache folder: of its size, and empty but for its beginning."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = tmp_path / "cfai" / Path(SMALL_MODEL.member).name
    file.parent.mkdir()
    with file.open("wb") as content:
        content.write(b"GGUF")
        content.truncate(SMALL_MODEL.size)
    return file


def test_a_client_answers_without_an_account_until_it_is_closed() -> None:
    before = servers()
    with Ai.local(emulated=True) as ai:
        assert servers() == before + 1
        assert "emulated" in ai.run(GLM, HELLO).text
        with ai.run(GLM, STREAMED) as stream:
            next(stream)
    assert servers() == before
    with pytest.raises(ConfigurationError, match="this Ai is closed"):
        ai.run(GLM, HELLO)
    ai.close()


@BACKENDS
def test_a_client_answers_on_an_event_loop_until_it_is_closed(backend: str) -> None:
    async def main() -> None:
        before = servers()
        async with Ai.local(emulated=True) as ai:
            assert "emulated" in (await ai.arun(GLM, HELLO)).text
            async with ai.arun(GLM, STREAMED) as stream:
                await anext(stream)
        assert servers() == before
        ai = Ai.local(emulated=True)
        await ai.arun(GLM, HELLO)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await ai.aclose()
        assert servers() == before

    anyio.run(main, backend=backend)


def test_a_subclass_makes_its_own_kind() -> None:
    class Own(Ai):
        pass

    with Own.local(emulated=True) as ai:
        assert type(ai) is Own


def test_options_are_those_of_a_client_but_for_where_the_service_is_and_who_calls() -> None:
    place = {"account_id", "api_token", "base_url", "proxy", "verify", "trust_env", "allow_http"}
    assert LocalOptions.__annotations__.keys() == inspect.signature(Ai).parameters.keys() - place
    assert typing.get_type_hints(Ai.local)["emulated"] is bool
    with Ai.local(emulated=True, checks="off", default_headers={"cfai-emulate": "503; ok"}) as ai:
        assert ai.run(GLM, HELLO).meta.status_code == 200


def test_faults_come_one_a_request() -> None:
    for faults in ("rate-limited", 429, Fault(status=429), ["rate-limited", "ok"]):
        with row(faults), Ai.local(emulated=True, faults=faults, max_retries=None) as ai:
            with pytest.raises(RateLimitError):
                ai.run(GLM, HELLO)
            assert ai.run(GLM, HELLO).text


def test_what_cannot_work_is_told_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Library
) -> None:
    (tmp_path / "text.gguf").write_text("text")
    rows: list[tuple[dict[str, Any], str]] = [
        ({"gguf": tmp_path / "none.gguf"}, "cannot be read as a model"),
        ({"gguf": tmp_path / "text.gguf"}, "is no GGUF file"),
        ({"gguf": "~no-such-user/a.gguf"}, "cannot be read as a model: Could not determine home directory"),
        ({"gguf": "a\0.gguf"}, "cannot be read as a model: embedded null byte"),
        ({"gguf": 7}, "`gguf` must be a path, got int"),
        ({"upstream": "localhost:11434"}, "is no URL of a server"),
        ({"upstream": "http://localhost:99999/v1"}, "is no URL of a server"),
        ({"upstream": 7}, "`upstream` must be the URL of a server, got int"),
        ({"gguf": "a", "upstream": "http://127.0.0.1:9"}, "exclude each other"),
        ({"gguf": "a", "emulated": True}, "exclude each other"),
        ({"emulated": True, "faults": "rate-limted"}, "there is no scenario 'rate-limted'"),
        ({"emulated": True, "faults": None}, "None"),
        ({"account_id": "a", "api_token": "b"}, "an account and a URL of its own: leave out `account_id`, `api_token`"),
        ({"emulated": True, "timeout": -1}, "`timeout` must be a positive number"),
    ]
    for options, message in rows:
        with row(options), pytest.raises(ConfigurationError, match=message):
            Ai.local(**options)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for options in ({}, {"emulated": True}):
        with (
            row(options),
            pytest.raises(ConfigurationError, match=r'pip install "cfai-sdk\[llama\]", or "cfai-sdk\[emul'),
        ):
            Ai.local(**options)
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ConfigurationError, match=r'pip install "cfai-sdk\[llama\]"'):
        Ai.local(gguf="a.gguf")


def test_the_model_that_is_given_answers(library: Library, router: respx.MockRouter, tmp_path: Path) -> None:
    (tmp_path / "own.gguf").write_bytes(b"GGUF")
    with Ai.local(gguf=tmp_path / "own.gguf") as ai:
        assert ai.run(GLM, HELLO).text == "Hello"
        assert library.started[0].model.path == str(tmp_path / "own.gguf")
    router.get("http://upstream.test/v1/models").respond(json={"data": [{"id": "llama3.2"}]})
    with Ai.local(upstream="http://upstream.test/v1") as ai:
        assert ai.run(GLM, HELLO).text == "Hello"
    assert json.loads(router.calls.last.request.content)["model"] == "llama3.2"


def test_the_small_model_answers_where_none_is_given(
    library: Library, router: respx.MockRouter, small_model: Path
) -> None:
    with Ai.local() as ai:
        assert ai.run(GLM, HELLO).text == "Hello"
        assert ai.run("@cf/baai/bge-m3", {"text": "hello"}).data == [[1.0]]
    assert {each.model.path for each in library.started} == {str(small_model)}
    assert (library.started[0].sampling.temp, library.started[0].sampling.penalty_repeat) == (0.2, 1.1)
    assert library.running == [False, False], "it is unloaded with the client"


def test_text_is_emulated_with_a_warning_where_the_small_model_cannot_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.warns(UserWarning, match=r'^text is emulated: .*pip install "cfai-sdk\[llama\]"$') as caught:
        ai = Ai.local()
    assert caught[0].filename == __file__
    with ai:
        assert "emulated" in ai.run(GLM, HELLO).text
    install_library(monkeypatch, tmp_path)
    for name, value in (("PIP_CONFIG_FILE", os.devnull), ("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", "")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.warns(UserWarning, match="^text is emulated: pip cannot fetch SmolLM2 135M Instruct"), Ai.local() as ai:
        assert "emulated" in ai.run(GLM, HELLO).text


def test_copies_share_the_service_and_end_nothing() -> None:
    before = servers()
    with Ai.local(emulated=True) as ai:
        copy = ai.with_options(timeout=20)
        copy.close()
        assert copy.run(GLM, HELLO).text == ai.run(GLM, HELLO).text
    with pytest.raises(ConfigurationError, match="this Ai is closed"):
        copy.run(GLM, HELLO)
    copy = Ai.local(emulated=True).with_options(timeout=20)  # its original is forgotten
    assert copy.run(GLM, HELLO).text
    with row("a forgotten one"):
        del copy, ai
        gc.collect()
        _wait_until(lambda: servers() == before)


def test_a_stream_goes_on_though_its_client_is_forgotten() -> None:
    before = servers()
    text = "".join(token.text for token in Ai.local(emulated=True).run(GLM, STREAMED))
    assert text.startswith("This is an emulated answer")
    _wait_until(lambda: servers() == before)


def test_a_pickled_client_calls_the_same_service_while_it_lasts_and_ends_nothing() -> None:
    with Ai.local(emulated=True) as ai:
        pickled = pickle.dumps(ai)
        code = (
            "import pickle, sys; ai = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
            f"with ai: print(ai.run({GLM!r}, {HELLO!r}).usage.total_tokens)"
        )
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, pickled.hex()], capture_output=True, text=True, timeout=LONG
        )
        assert done.stdout == f"{ai.run(GLM, HELLO).usage.total_tokens}\n", done.stderr
    with pickle.loads(pickled) as ai, pytest.raises(APIConnectionError):
        ai.with_options(max_retries=None).run(GLM, HELLO)


def play(code: str) -> str:
    """Return what a program prints that must end by itself, without an error or a warning."""
    command = [sys.executable, "-P", "-X", "dev", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_program_that_never_closes_its_client_ends_quietly() -> None:
    start = f"from cfai import Ai\nai = Ai.local(emulated=True)\nprint(ai.run({GLM!r}, {HELLO!r}).finish_reason)\n"
    main = f"async def main(): await ai.arun({GLM!r}, {HELLO!r})"
    for name, more in {
        "called": "",
        "a stream half read": f"stream = ai.run({GLM!r}, {STREAMED!r})\nnext(stream)",
        "on a loop": f"import asyncio\n{main}\nasyncio.run(main(), debug=False)",
        "a copy": "ai = ai.with_options(timeout=3)",
        "closed twice": "ai.close()\nai.close()",
    }.items():
        with row(name):
            assert play(start + more) == "stop\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="cannot fork")
def test_a_forked_child_calls_its_parent_s_service_and_ends_nothing() -> None:
    code = f"""
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of Python itself, for a fork beside threads
from cfai import Ai
with Ai.local(emulated=True) as ai:
    print(ai.run({GLM!r}, {HELLO!r}).finish_reason, flush=True)
    child = os.fork()
    if child == 0:
        print("child", ai.run({GLM!r}, {HELLO!r}).finish_reason, flush=True)
        ai.close()
        sys.exit()
    print(os.waitpid(child, 0)[1], ai.run({GLM!r}, {HELLO!r}).finish_reason)
"""
    assert play(code) == "stop\nchild stop\n0 stop\n"


def _wait_until(condition: Any) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
