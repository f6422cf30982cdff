"""A Workers AI on this machine, to develop and test against: `from cfai.local import Emulator`.

This is its one door. `Emulator` answers as the service does, with a `Fault` where one is asked for; `LlamaCpp` and
`OpenAIUpstream` have a real model answer; a `Recorder` writes what the service answers into files, a `Player` plays
them back. Each loads when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfai._lazy import lazy_exports

if TYPE_CHECKING:
    from cfai.local.emulator import Emulator
    from cfai.local.engines import LlamaCpp, OpenAIUpstream
    from cfai.local.faults import SCENARIOS, Fault
    from cfai.local.recording import Player, Recorder

__all__ = ["SCENARIOS", "Emulator", "Fault", "LlamaCpp", "OpenAIUpstream", "Player", "Recorder"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "emulator": ("Emulator",),
        "engines": ("LlamaCpp", "OpenAIUpstream"),
        "faults": ("SCENARIOS", "Fault"),
        "recording": ("Player", "Recorder"),
    },
)
