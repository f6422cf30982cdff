"""Quotas of an account: requests a minute, neurons a day, places at a model, and what its plan includes."""

from cfai.local.quotas._quotas import Allowance, Quotas

__all__ = ["Allowance", "Quotas"]
