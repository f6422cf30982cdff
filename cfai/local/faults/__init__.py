"""Faults between a client and Workers AI: single ones, and scenarios, which are faults that have a name.

`SCENARIOS` is the table of them, which `cfai dev --scenarios` prints. The emulator makes them
happen: `local.script("rate-limited", 503, "ok")`.
"""

from cfai.local.faults._fault import FAULT_HEADER, Fault, UnfitFaultError
from cfai.local.faults._script import Faults, Script, parse_fault, parse_faults
from cfai.local.faults._table import SCENARIOS

Fault.__module__ = "cfai.local"

__all__ = [
    "FAULT_HEADER",
    "SCENARIOS",
    "Fault",
    "Faults",
    "Script",
    "UnfitFaultError",
    "parse_fault",
    "parse_faults",
]
