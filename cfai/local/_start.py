"""An emulator for a client in the same process, and the model that answers in it: `Ai.local`."""

from __future__ import annotations

from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any

from cfai._errors import ConfigurationError
from cfai._warnings import warn

if TYPE_CHECKING:
    from cfai.local.emulator import Emulator, Engine
    from cfai.local.faults import Faults


def start_emulator(
    *, gguf: str | PathLike[str] | None, upstream: str | None, emulated: bool, faults: Faults
) -> Emulator:
    """Start an emulator with the options of `Ai.local`. Raises `ConfigurationError` for what cannot work."""
    _check_type("gguf", gguf, (str, PathLike), "a path")
    _check_type("upstream", upstream, (str,), "the URL of a server")
    if [gguf is None, upstream is None, not emulated].count(False) > 1:
        raise ConfigurationError("`gguf`, `upstream` and `emulated` exclude each other: give one of them")
    check_server_is_installed()  # before a model is fetched
    from cfai.local.emulator import Emulator
    from cfai.local.engines import LlamaCpp, OpenAIUpstream

    try:
        engine: Engine | None = None
        if gguf is not None:
            engine = LlamaCpp(gguf)
        elif upstream is not None:
            engine = OpenAIUpstream(upstream)
        elif not emulated:
            engine = _load_small_model()
        emulator = Emulator(engine=engine, keep_requests=0)
        emulator.script(faults)
        return emulator.start()
    except (ImportError, OSError, TypeError, ValueError) as error:
        raise ConfigurationError(str(error)) from error


def check_server_is_installed() -> None:
    """Raise `ConfigurationError`, which says what to install, if nothing can be served here."""
    try:
        import_module("uvicorn")
    except ImportError as error:
        packages = 'pip install "cfai-sdk[llama]", or "cfai-sdk[emulator]" for emulated text alone'
        raise ConfigurationError(f"a Workers AI on this machine needs another package: {packages}") from error


def _check_type(option: str, value: Any, kinds: tuple[type, ...], must_be: str) -> None:
    if value is not None and not isinstance(value, kinds):
        raise ConfigurationError(f"`{option}` must be {must_be}, got {type(value).__name__}")


def _load_small_model() -> Engine | None:
    """Return the engine of the small model, or `None` with a warning if it cannot run here."""
    from cfai.local.engines import load_small_model

    try:
        return load_small_model()
    except ConfigurationError as error:
        warn(f"text is emulated: {error}", UserWarning)
        return None
