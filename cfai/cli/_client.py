"""The client of a command: of the account, or of a Workers AI on this machine."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cfai import ConfigurationError, models
from cfai.cli._engine import parse_engine
from cfai.cli._errors import make_error_console
from cfai.cli._options import LIFELIKE_RATE
from cfai.cli._terminal import print_text

if TYPE_CHECKING:
    from cfai import Ai
    from cfai.local import Engine


def choose_engine(
    model: str,
    *,
    local: bool = False,
    emulated: bool = False,
    gguf: str | None = None,
    upstream: str | None = None,
    model_map: Iterable[str] | None = None,
) -> Engine | None:
    """Return what answers on this machine, if the options name it. A line says who answers in the place of `model`.

    It begins to load here, and goes on while the rest of a command is imported. Raises `ConfigurationError` for options
    that mean nothing together.
    """
    engine = parse_engine(gguf, upstream, model_map)
    if emulated and engine is not None:
        raise ConfigurationError("--emulated asks no model: leave out --gguf and --upstream, or it")
    if local and engine is None and not emulated:
        return _load_small_model(model)
    return engine


@contextmanager
def open_client(engine: Engine | None = None, *, is_local: bool = False) -> Generator[Ai]:
    """Open the client of a command: of the account, or of a Workers AI on this machine, whose models `engine` runs."""
    from cfai import Ai

    if not is_local and engine is None:
        with Ai() as ai:
            yield ai
        return
    from cfai.local import Emulator

    rate = LIFELIKE_RATE if engine is None else None
    with Emulator(tokens_per_second=rate, engine=engine) as emulator, emulator.ai() as ai:
        yield ai


def _load_small_model(model: str) -> Engine | None:
    """Return the engine of the small model, if it can run here and answers for `model`; a line says who answers."""
    from cfai.local._start import check_server_is_installed
    from cfai.local.engines import SMALL_MODEL, load_small_model

    check_server_is_installed()
    known = models.catalogue().get(model)
    if known is None or known.task not in ("Text Generation", "Text Embeddings"):
        return None
    try:
        engine = load_small_model()
        if known.task == "Text Generation":
            engine.start_loading()
    except ConfigurationError as error:
        print_text(make_error_console(), f"The text is emulated: {error}", "yellow")
        return None
    print_text(make_error_console(), f"{SMALL_MODEL.name} answers on this machine, in place of {model}.", "dim")
    return engine
