"""A GGUF file as an engine, as far as that can be seen without llama.cpp: the rest is in `.ci/real_model.py`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import respx

from cfai import InferenceUpstreamError
from cfai._errors import ConfigurationError
from cfai.local import Emulator, LlamaCpp
from tests.llama_library import Library, answer_hello, install_library

GLM = "@cf/zai-org/glm-4.7-flash"
HI = {"prompt": "Hi"}


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Library:
    return install_library(monkeypatch, tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF and more")
    return file


@pytest.fixture
def router() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        answer_hello(router)
        yield router


def test_a_model_is_loaded_once_for_each_use_it_has(library: Library, file: Path, router: respx.MockRouter) -> None:
    with Emulator(engine=LlamaCpp(file, context=2048, threads=2)) as local, local.ai() as ai:
        assert library.started == []
        assert [ai.run(GLM, {"prompt": "Hi"}).text for _ in range(2)] == ["Hello", "Hello"]
        assert len(library.started) == 1
        assert ai.run("@cf/baai/bge-base-en-v1.5", {"text": "Hi"}).data == [[1.0]]
    text, embeds = library.started
    assert (text.model.path, text.n_ctx, text.port, text.cpuparams.n_threads) == (str(file), 2048, 0, 2)
    assert (text.embedding, embeds.embedding, embeds.pooling_type) == (False, True, "mean")
    assert router.calls[-1].request.url.port == 2


def test_temperature_and_length_are_for_calls_that_name_none(
    library: Library, file: Path, router: respx.MockRouter
) -> None:
    with Emulator(engine=LlamaCpp(file, temperature=0.2, max_tokens=1000)) as local, local.ai() as ai:
        for requested in ({}, {"max_tokens": 7}):
            ai.run(GLM, {"prompt": "Hi", **requested})
    assert library.started[0].sampling.temp == 0.2
    assert [
        json.loads(call.request.content)["max_tokens"]
        for call in router.calls
        if b"stream_options" in call.request.content
    ] == [1000, 7]


def test_a_model_is_unloaded_with_the_emulator_and_loaded_again_with_the_next_call(
    library: Library, file: Path, router: respx.MockRouter
) -> None:
    local = Emulator(engine=LlamaCpp(file))
    for times in (1, 2):
        with local, local.ai() as ai:
            assert ai.run(GLM, {"prompt": "Hi"}).text == "Hello"
            assert len(library.started) == times
            assert library.running == [False] * (times - 1) + [True]
        assert library.running == [False] * times


@pytest.mark.usefixtures("library")
def test_a_file_that_cannot_be_loaded_is_told_with_the_call(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setenv("FAKE_LLAMA_FAILS", "failed to load model")
    said = r"llama\.cpp cannot load model\.gguf: failed to load model\. Is the file whole, and does it fit"
    with (
        Emulator(engine=LlamaCpp(file)) as local,
        local.ai(max_retries=None) as ai,
        pytest.raises(InferenceUpstreamError, match=said),
    ):
        ai.run(GLM, {"prompt": "Hi"})
    assert repr(LlamaCpp(file)) == f"LlamaCpp({str(file)!r})"


def test_a_process_that_ends_is_told_and_started_again_with_the_next_call(
    library: Library, file: Path, router: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Emulator(engine=LlamaCpp(file)) as local, local.ai(max_retries=None) as ai:
        with monkeypatch.context() as patch:
            patch.setenv("PYTHONHOME", "/nowhere")
            with pytest.raises(InferenceUpstreamError, match=r"cannot load model\.gguf: its process ended with 1\. Is"):
                ai.run(GLM, HI)
        assert ai.run(GLM, HI).text == "Hello"
        os.kill(library.started[-1].process, signal.SIGKILL)
        while library.running[0]:
            assert ai.run(GLM, HI).text == "Hello"
        assert ai.run(GLM, HI).text == "Hello"
        assert library.running == [False, True]


def test_a_model_does_not_outlive_the_program_that_loaded_it(library: Library, file: Path) -> None:
    program = f"from cfai.local import LlamaCpp; llama = LlamaCpp({str(file)!r}); llama.start_loading(); "
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
    with subprocess.Popen([sys.executable, "-c", program + "import time; time.sleep(60)"]) as parent:
        while not any(library.running):
            assert parent.poll() is None
        parent.kill()
    while any(library.running):
        pass


def test_what_is_no_model_is_refused_at_once_as_is_a_missing_extra(
    library: Library, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read as a model: No such file"):
        LlamaCpp(tmp_path / "none.gguf")
    (tmp_path / "text.gguf").write_bytes(b"text")
    with pytest.raises(ConfigurationError, match="is no GGUF file: it begins with b'text'"):
        LlamaCpp(tmp_path / "text.gguf")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "frozen", True, raising=False)
        with pytest.raises(ConfigurationError, match="a frozen program has no Python"):
            LlamaCpp(file)
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ImportError, match=r'pip install "cfai-sdk\[llama\]"'):
        LlamaCpp(file)
