"""What can go wrong between a client and Workers AI: faults, and scenarios, which are faults that have a name.

`SCENARIOS` is the table of them, which `python -m cfai.emulator --scenarios` prints. The emulator makes them happen:
`local.script("rate-limited", 503, "ok")`.
"""

from cfai.scenarios._fault import HEADER, Fault, Unfit
from cfai.scenarios._script import Faults, Script, faults, parse
from cfai.scenarios._table import SCENARIOS, Scenario

__all__ = [
    "HEADER",
    "SCENARIOS",
    "Fault",
    "Faults",
    "Scenario",
    "Script",
    "Unfit",
    "faults",
    "parse",
]
