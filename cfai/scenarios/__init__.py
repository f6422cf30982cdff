"""What can go wrong between a client and Workers AI."""

from cfai.scenarios._fault import HEADER, Fault, Script

__all__ = ["HEADER", "Fault", "Script"]
