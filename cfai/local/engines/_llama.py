"""llama.cpp on this machine, as an engine."""

from __future__ import annotations

import json
import subprocess
import sys
import weakref
from collections.abc import AsyncGenerator, Mapping, Sequence
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfai._errors import ConfigurationError

if TYPE_CHECKING:
    import anyio

    from cfai.local.engines._upstream import OpenAIUpstream
    from cfai.types import Token, Usage
else:
    OpenAIUpstream = Token = Usage = Any  # so that hints resolve without these modules

_INSTALL = 'models that run on this machine need an extra: pip install "cfai-sdk[llama]"'
_MAGIC = b"GGUF"
_PROGRAM = Path(__file__).with_name("_llama_process.py")


def check_llama_is_installed() -> None:
    """Raise `ImportError`, which says what to install, if llama.cpp is missing."""
    if find_spec("xllamacpp") is None:
        raise ImportError(_INSTALL)


class LlamaCpp:
    """A model in a GGUF file, run by llama.cpp. It answers for every text model and every embedding.

    It is loaded when the first call needs it, once for text and once for embeddings, each in a process of its own,
    which ends with this one. `context` is how many tokens prompt and answer may have together, `threads` how many cores
    it may use, all by default. `temperature`, `repeat_penalty` (1 is none) and `max_tokens` are for calls that name
    none.

    Raises `ConfigurationError` for what is no GGUF file, and `ImportError` if the extra is missing.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        context: int = 8192,
        threads: int | None = None,
        temperature: float | None = None,
        repeat_penalty: float | None = None,
        max_tokens: int | None = None,
    ) -> None:
        file = Path(path)
        try:
            file = file.expanduser()
            with file.open("rb") as start:
                magic = start.read(len(_MAGIC))
        except (OSError, RuntimeError, ValueError) as error:  # another user's home that is none, a NUL
            reason = getattr(error, "strerror", None) or error
            raise ConfigurationError(f"{file} cannot be read as a model: {reason}") from error
        if magic != _MAGIC:
            raise ConfigurationError(f"{file} is no GGUF file: it begins with {magic!r}")
        check_llama_is_installed()
        if getattr(sys, "frozen", False):
            raise ConfigurationError("a frozen program has no Python that could run a model: give it an `upstream`")
        self._file = file
        self._options: dict[str, Any] = {
            "file": str(file),
            "context": context,
            "threads": threads,
            "temperature": temperature,
            "repeat_penalty": repeat_penalty,
        }
        self._max_tokens = max_tokens
        self._servers: dict[bool, _Server] = {}
        self._upstreams: dict[bool, OpenAIUpstream] = {}
        self._lock: anyio.Lock | None = None

    def start_loading(self) -> None:
        """Begin to load it for text. The first call then waits for the rest of that."""
        self._servers[False] = _Server({**self._options, "embeds": False})

    def __repr__(self) -> str:
        return f"LlamaCpp({str(self._file)!r})"

    async def answer(
        self, model: str, inputs: Mapping[str, Any], max_tokens: int | None
    ) -> AsyncGenerator[Token | Usage, None]:
        """Yield the answer in tokens, then its usage. Raises `ErrorResponse` if the model cannot be loaded."""
        upstream = await self._get_upstream(embeds=False)
        return await upstream.answer(model, inputs, self._max_tokens if max_tokens is None else max_tokens)

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text: the mean of its tokens' vectors. Raises `ErrorResponse` as `answer` does."""
        return await (await self._get_upstream(embeds=True)).embed(model, texts)

    async def aclose(self) -> None:
        """Unload the model."""
        for upstream in self._upstreams.values():
            await upstream.aclose()
        self._upstreams.clear()
        while self._servers:
            self._servers.popitem()[1].end()

    async def _get_upstream(self, *, embeds: bool) -> OpenAIUpstream:
        import anyio
        from anyio import to_thread

        from cfai.local.engines._upstream import OpenAIUpstream, build_gateway_error

        self._lock = self._lock or anyio.Lock()
        async with self._lock:
            if embeds in self._servers and self._servers[embeds].has_ended():
                self._upstreams.pop(embeds, None)
                del self._servers[embeds]
            if embeds not in self._upstreams:
                server = self._servers.get(embeds) or _Server({**self._options, "embeds": embeds})
                try:
                    # Loading takes seconds, or a minute for a large file.
                    url = await to_thread.run_sync(server.wait_for_url)
                except RuntimeError as error:
                    self._servers.pop(embeds, None)
                    why = f"llama.cpp cannot load {self._file.name}: {str(error).rstrip('.')}"
                    raise build_gateway_error(f"{why}. Is the file whole, and does it fit into memory?") from error
                self._servers[embeds] = server
                self._upstreams[embeds] = OpenAIUpstream(f"{url}/v1", models=self._file.name, force_tools=True)
            return self._upstreams[embeds]


class _Server:
    """A server of llama.cpp in a process of its own, which ends with this object or this process."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        # -P: a file of the caller's that has a module's name is not that module.
        command = [sys.executable, "-P", str(_PROGRAM), json.dumps(options)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self.end = weakref.finalize(self, _end, self._process)

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def wait_for_url(self) -> str:
        """Return where it listens, once it has loaded its model. Raises `RuntimeError` if it cannot."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"its process ended with {self._process.wait()}"}
        if "url" not in answer:
            self.end()
            raise RuntimeError(answer["error"])
        return answer["url"]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


LlamaCpp.__module__ = "cfai.local"
