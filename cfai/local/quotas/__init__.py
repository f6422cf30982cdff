"""What an account may use: requests a minute, neurons a day, places at a model, and what its plan includes."""

from cfai.local.quotas._meter import Allowance, Meter

__all__ = ["Allowance", "Meter"]
