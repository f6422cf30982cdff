"""A Workers AI on this machine, to develop and test against: `from cfai.local import Emulator`.

This is its one door. `Emulator` answers as the service does, with a `Fault` where one is asked for, and lists each
`RecordedRequest`; `LlamaCpp` and `OpenAIUpstream` have a real model answer, as does any `Engine`, which refuses with an
`ErrorResponse`; a `Recorder` writes what the service answers into files, each an `Exchange`, a `Player` plays them
back. Each loads when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfai._lazy import lazy_exports

if TYPE_CHECKING:
    from cfai.local.emulator import Emulator, Engine, RecordedRequest
    from cfai.local.engines import LlamaCpp, OpenAIUpstream
    from cfai.local.faults import SCENARIOS, Fault
    from cfai.local.recording import Exchange, Player, Recorder, RecordingWriter
    from cfai.local.wire import ErrorResponse

__all__ = [
    "SCENARIOS",
    "Emulator",
    "Engine",
    "ErrorResponse",
    "Exchange",
    "Fault",
    "LlamaCpp",
    "OpenAIUpstream",
    "Player",
    "RecordedRequest",
    "Recorder",
    "RecordingWriter",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "emulator": ("Emulator", "Engine", "RecordedRequest"),
        "engines": ("LlamaCpp", "OpenAIUpstream"),
        "faults": ("SCENARIOS", "Fault"),
        "recording": ("Exchange", "Player", "Recorder", "RecordingWriter"),
        "wire": ("ErrorResponse",),
    },
)
