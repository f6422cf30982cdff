"""A Workers AI on this machine: a real HTTP server that answers as the service does, with faults on demand."""

from inspect import get_annotations

from cfai.local.emulator._app import RecordedRequest
from cfai.local.emulator._run import Engine
from cfai.local.emulator._server import Emulator

for _public in (Emulator, Engine, RecordedRequest):
    _public.__annotations__ = get_annotations(_public, eval_str=True)  # their names are those of their own module
    _public.__module__ = "cfai.local"

__all__ = ["Emulator", "Engine", "RecordedRequest"]
