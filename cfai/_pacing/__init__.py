"""Many calls of one model: when each is sent, and sent again."""

from cfai._pacing.pace import Pace, make_pace
from cfai._pacing.turns import Turns, exceeds_rate

__all__ = ["Pace", "Turns", "exceeds_rate", "make_pace"]
