"""llama.cpp in this process, as an engine."""

from __future__ import annotations

import atexit
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import Future
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

_INSTALL = 'models that run in this process need an extra: pip install "cfai-sdk[llama]"'
_MAGIC = b"GGUF"
_SMALL_SIZE = 1 << 30
"""Bytes of a file that fits the memory of any machine."""


def import_llama() -> Any:
    """Return llama.cpp's library. Raises `ImportError`, which says what to install."""
    try:
        import xllamacpp  # pyright: ignore[reportMissingImports]  # an extra, which checks do without
    except ImportError as error:
        raise ImportError(_INSTALL) from error
    return xllamacpp  # pyright: ignore[reportUnknownVariableType]


class LlamaCpp:
    """A model in a GGUF file, run in this process by llama.cpp. It answers for every text model and every embedding.

    It is loaded when the first call needs it, once for text and once for embeddings. `context` is how many tokens
    prompt and answer may have together, `threads` how many cores it may use, all by default. `temperature`,
    `repeat_penalty` (1 is none) and `max_tokens` are for calls that name none.

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
        self._library = import_llama()
        self._file = file
        self._context = context
        self._threads = threads
        self._temperature = temperature
        self._repeat_penalty = repeat_penalty
        self._max_tokens = max_tokens
        self._servers: dict[bool, Any] = {}
        self._upstreams: dict[bool, OpenAIUpstream] = {}
        self._lock: anyio.Lock | None = None
        self._early: Future[Any] | None = None
        """The server for text, if it was started before a call needed it."""

    def start_loading(self) -> None:
        """Begin to load it for text, in a thread of its own. The first call then waits for the rest of that."""
        early = self._early = Future[Any]()

        def load() -> None:
            try:
                early.set_result(self._start_server(False))
            except BaseException as error:  # the first call raises it
                early.set_exception(error)

        threading.Thread(target=load, name="cfai-llama").start()
        atexit.register(self._drop_early)  # a program that comes to no call would not end with a server in it

    def _drop_early(self) -> None:
        atexit.unregister(self._drop_early)
        self._early = None

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
        from anyio import to_thread

        if self._early is not None:
            await to_thread.run_sync(self._early.exception)
            self._drop_early()
        for upstream in self._upstreams.values():
            await upstream.aclose()
        self._upstreams.clear()
        await to_thread.run_sync(self._servers.clear)

    async def _get_upstream(self, *, embeds: bool) -> OpenAIUpstream:
        import anyio
        from anyio import to_thread

        from cfai.local.engines._upstream import OpenAIUpstream

        self._lock = self._lock or anyio.Lock()
        async with self._lock:
            if embeds not in self._upstreams:
                # Loading takes seconds, or a minute for a large file.
                if self._early is not None and not embeds:
                    server = await to_thread.run_sync(self._early.result)
                else:
                    server = await to_thread.run_sync(self._start_server, embeds)
                self._servers[embeds] = server
                self._upstreams[embeds] = OpenAIUpstream(
                    f"{server.listening_address}/v1", models=self._file.name, force_tools=True
                )
            return self._upstreams[embeds]

    def _start_server(self, embeds: bool) -> Any:
        """Return a server of llama.cpp on a free port of this machine: it either writes or embeds."""
        library = self._library
        params = library.CommonParams()
        params.model.path = str(self._file)
        params.n_ctx = self._context
        params.n_parallel = 1
        params.port = 0
        params.use_jinja = True
        params.warmup = False
        params.verbosity = -1
        if self._file.stat().st_size < _SMALL_SIZE:
            params.fit_params = False  # it fits, and to find that out takes a quarter of the time of loading
        if self._threads is not None:
            params.cpuparams.n_threads = self._threads
        if self._temperature is not None:
            params.sampling.temp = self._temperature
        if self._repeat_penalty is not None:
            params.sampling.penalty_repeat = self._repeat_penalty
        if embeds:
            params.embedding = True
            params.pooling_type = library.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        try:
            return library.Server(params)
        except Exception as error:  # the library raises nothing narrower
            why = f"llama.cpp cannot load {self._file.name}: {str(error).rstrip('.')}"
            from cfai.local.engines._upstream import build_gateway_error

            raise build_gateway_error(f"{why}. Is the file whole, and does it fit into memory?") from error


LlamaCpp.__module__ = "cfai.local"
