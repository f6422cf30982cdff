"""A Workers AI on this machine: a real HTTP server that answers as the service does, with faults on demand."""

from cfai.local.emulator._app import RecordedRequest
from cfai.local.emulator._run import Engine
from cfai.local.emulator._server import Emulator

for _public in (Emulator, Engine, RecordedRequest):
    _public.__module__ = "cfai.local"

__all__ = ["Emulator", "Engine", "RecordedRequest"]
