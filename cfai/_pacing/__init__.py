"""Many calls of one model: when each is sent, and sent again."""

from cfai._pacing.pace import Pace, compute_hold, make_pace
from cfai._pacing.turns import Turns, exceeds_rate

__all__ = ["Pace", "Turns", "compute_hold", "exceeds_rate", "make_pace"]
